"""Addresses are shown without the name and password that are in them."""

import json
from urllib.parse import unquote

import pytest
from scripts.download import record_of
from scripts.index import mlflow_command

from kerasbook import store
from kerasbook.journal import new_id
from kerasbook.provenance import is_served, run_page, shown_uri, split_login, without_login


@pytest.mark.parametrize(
    ("address", "shown", "login"),
    [
        ("https://me:s3cret@runs.example:5000/x", "https://runs.example:5000/x", ("me", "s3cret")),
        ("https://me:s%40cr%2Fet@runs.example", "https://runs.example", ("me", "s@cr/et")),
        ("https://me:s@cret@runs.example/a@b", "https://runs.example/a@b", ("me", "s@cret")),
        ("https://me@runs.example", "https://runs.example", ("me", "")),
        ("HTTPS://me:s3cret@[::1]:80/x", "HTTPS://[::1]:80/x", ("me", "s3cret")),
        ("postgresql+psycopg2://me:s3cret@db/r", "postgresql+psycopg2://db/r", ("me", "s3cret")),
        # SQLAlchemy takes these, and urllib finds no login in them.
        ("postgresql://me:s/c?r#t@db:5432/r", "postgresql://db:5432/r", ("me", "s/c?r#t")),
        # Typing errors hide nothing from a reader, so they are masked too.
        ("postgresql:/me:s3cret@db/r", "postgresql:/db/r", ("me", "s3cret")),
        ("postgresql:me:s3cret@db/r", "postgresql:db/r", ("me", "s3cret")),
    ],
)
def test_a_login_is_taken_out_of_an_address(address, shown, login):
    assert split_login(address) == (shown, login)
    assert shown_uri(f"  {address}").strip() == shown


@pytest.mark.parametrize(
    "address",
    [
        "https://runs.example:5000/x",
        "https://runs.example/a@b:c",
        "https://runs.example:5000/a@b",
        "https://[::1]:5000/a@b",
        "sqlite:///results/mlflow.db",
        "sqlite:///results/a@b/mlflow.db",
        "sqlite:////home/me:x@y/results/mlflow.db",
        "/home/me@work/mirror",
        "mirror",
    ],
)
def test_an_address_without_a_login_is_left_as_it_is(address):
    assert split_login(address) == (address, None)


def test_servers_are_told_from_databases_and_folders():
    served = ("https://me:s3cret@runs.example/x", "http://127.0.0.1:5000")
    others = ("sqlite:///results/mlflow.db", "postgresql://db/r", "files", "results/https://x")
    assert [one for one in (*served, *others) if is_served(one)] == list(served)


def test_what_others_write_about_an_address_is_masked():
    uri = "https://me:s%40cret@runs.example"
    text = f"no answer from {uri}/api: 's@cret' (s%40cret) of me, not of s@crets"
    told = "no answer from https://runs.example/api: '***' (***) of me, not of s@crets"
    assert without_login(text, uri) == told
    assert without_login(text, "https://runs.example") == text
    assert without_login("at https://me@x/", "https://me@x") == "at https://x/"


def test_the_stores_own_error_is_told_without_the_password():
    uri = "mysql://me:s3cret@db/r"
    fault = ValueError(f"could not connect to {uri} (password: s3cret)")
    told = str(store._no_answer(uri, fault))
    assert told.startswith("mysql://db/r: the tracking store does not answer (ValueError: could")
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("uri", "command"),
    [
        ("https://me:s3cret@runs.example/x", "open https://runs.example/x"),
        ("http://127.0.0.1:5000", "open http://127.0.0.1:5000"),
        (
            "sqlite:///results/mlflow.db",
            "mlflow ui --backend-store-uri sqlite:///results/mlflow.db --host 127.0.0.1",
        ),
        (
            "postgresql://me:s3cret@db.example/runs",
            "mlflow ui --backend-store-uri postgresql://db.example/runs --host 127.0.0.1",
        ),
        (
            "mysql+pymysql://db.example/runs",
            "mlflow ui --backend-store-uri mysql+pymysql://db.example/runs --host 127.0.0.1",
        ),
        (
            "mssql+pyodbc://db.example/runs?driver=x&timeout=9",
            "mlflow ui --backend-store-uri 'mssql+pyodbc://db.example/runs?driver=x&timeout=9' "
            "--host 127.0.0.1",
        ),
    ],
)
def test_the_page_says_how_to_open_the_runs(uri, command):
    assert mlflow_command(uri, "bundled") == command


def test_the_page_says_that_runs_in_files_are_imported_first():
    opened = mlflow_command("sqlite:///results/mlflow.db", "book")
    imported = "snakemake tracking_import -c1 --configfile config/book.yaml"
    assert mlflow_command("files", "book") == f"{imported} && {opened}"


def test_a_run_that_the_store_did_not_have_is_found_by_its_journal():
    own = new_id()
    page = run_page("https://runs.example", "7", own)
    address, _, query = page.partition("?searchFilter=")
    assert address == "https://runs.example/#/experiments/7/runs"
    assert unquote(query) == f"tags.`kerasbook.run` = '{own}'"


def test_a_record_of_an_earlier_version_gives_no_password_away(tmp_path):
    fetched = {"source": "https://data.example/x", "bytes": 3}
    kept = tmp_path / "x.json"
    kept.write_text(json.dumps({"source": "https://me:s3cret@mirror.example/x", "bytes": 3}))
    assert record_of(fetched, kept) == fetched
    there = {"source": "already there", "bytes": 3}
    assert record_of(there, kept) == {"source": "https://mirror.example/x", "bytes": 3}
    kept.write_text(json.dumps({"source": "mirror: set/x", "bytes": 3}))
    assert record_of(there, kept) == {"source": "mirror: set/x", "bytes": 3}
    assert record_of(there, tmp_path / "none.json") == there


def test_the_page_of_a_run_has_no_login_and_there_is_none_for_a_file():
    served = "https://me:s3cret@runs.example:5000/x/"
    page = "https://runs.example:5000/x/#/experiments/7"
    assert run_page(served, "7") == page
    assert run_page(served, "7", "ab") == f"{page}/runs/ab"
    assert run_page(served, '7"><b>', "a/b") == f"{page}%22%3E%3Cb%3E/runs/a%2Fb"
    for uri in ("sqlite:///results/mlflow.db", "postgresql://db/r", "javascript:x"):
        assert run_page(uri, "7", "ab") is None
