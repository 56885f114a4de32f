"""Data that cannot be had: everything stops before the first job, or the rest is run."""

import csv

import pytest

from kerasbook.configuration import load_chapter
from kerasbook.verdicts import read_ledger
from tests.misbehaving_server import Behaviour, MisbehavingServer

pytestmark = pytest.mark.slow

BOOK = ("--configfile", "config/book.yaml", "--config")
REST = ("missing_data=skip", "chapters=[ch02,ch06]", "seeds=[1]")


def rows_of(project):
    path = project.folder / "results/book/reproduction.tsv"
    with open(path, encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}


def ledger_of(chapter):
    return [row.id for row in read_ledger("config/published.tsv") if row.chapter == chapter]


def last_line(output):
    return [line for line in output.splitlines() if line.strip()][-1]


def test_error_lists_all_that_is_missing_before_the_first_job(project):
    status, output = project.run("-c1", *BOOK, "chapters=[ch01,ch06]")
    assert status != 0
    for part in (
        "intro_to_ann.csv", "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
        "https://raw.githubusercontent.com/", "mirror", "missing_data",
    ):  # fmt: skip
        assert part in output
    assert "Traceback" not in output
    assert not (project.folder / "results/book").exists()
    assert not list((project.folder / "data/raw").glob("**/*.csv"))


def test_error_speaks_of_what_was_asked_for_alone(project):
    status, output = project.run("-c1", *BOOK, "seeds=[1]", "--", "ch01")
    assert status != 0
    assert "intro_to_ann.csv" in output
    assert "train-images" not in output


def test_skip_without_any_data_tells_every_row_why(project):
    output = project.succeed("-c1", *BOOK, "missing_data=skip", "chapters=[ch06]")
    rows = rows_of(project)
    ids = ledger_of("ch06")
    assert ids
    for name in ids:
        assert rows[name]["verdict"] == "not run"
        assert "mnist" in rows[name]["reason"]
        assert str(project.folder) not in rows[name]["reason"]
    assert rows[ledger_of("ch01")[0]]["reason"] == "the chapter was not selected"
    assert last_line(output).startswith(f"{len(ids)} printed numbers and 1 experiments are not run")
    assert "mnist" in last_line(output)
    page = (project.folder / "results/book/index.html").read_text(encoding="utf-8")
    assert "mnist" in page


def test_skip_leaves_out_the_part_of_a_chapter_whose_data_is_missing(project):
    """Chapter 4.2 has experiments of Kaggle's tables, and some that use no data."""
    told = ["missing_data=skip", "chapters=[ch02]", "seeds=[1]"]
    output = project.succeed("-n", *BOOK, *told)
    assert "results/book/ch02_theano/symbolic/seed" in output
    assert "results/book/ch02_theano/report.html" in output
    assert "otto_logreg" not in output
    assert "download_file" not in output


@pytest.fixture(scope="module")
def rest(copy_of_the_project):
    """A copy without data, in which all that needs none of it was run; and what was said."""
    project = copy_of_the_project("rest")
    return project, project.succeed("-c2", *BOOK, *REST)


def test_skip_runs_all_the_rest_and_the_pages_say_why(rest):
    """Of 4.2 the part that needs no tables; of 4.6 nothing."""
    project, output = rest
    rows = rows_of(project)
    of_tables = [name for name in ledger_of("ch02") if "otto" in name]
    assert 0 < len(of_tables) < len(ledger_of("ch02"))
    for name in ledger_of("ch02"):
        if name in of_tables:
            assert rows[name]["verdict"] == "not run"
            assert "otto" in rows[name]["reason"]
        else:
            assert rows[name]["verdict"] == "exact"
    assert {rows[name]["verdict"] for name in ledger_of("ch06")} == {"not run"}
    left_out = len(of_tables) + len(ledger_of("ch06"))
    experiments = [
        name
        for chapter in (load_chapter("ch02", "book"), load_chapter("ch06", "book"))
        for name in chapter.experiments
        if {"otto", "mnist"} & set(chapter.needs(name))
    ]
    counts = f"{left_out} printed numbers and {len(experiments)} experiments"
    assert last_line(output).startswith(f"{counts} are not run")
    page = (project.folder / "results/book/ch02_theano/report.html").read_text(encoding="utf-8")
    assert "train.csv.zip and 1 more of the data set otto cannot be had" in page


@pytest.mark.book
def test_with_the_data_the_next_call_makes_what_was_left_out(rest, mirror):
    project, _ = rest
    output = project.succeed("-n", *BOOK, *REST, f"mirror={mirror}")
    assert "ch06_train" in output
    made = [line for line in output.splitlines() if line.strip().startswith("output:")]
    assert [line for line in made if "ch02_theano/otto_logreg/seed" in line]
    assert not [line for line in made if "ch02_theano/symbolic/" in line]


def test_skip_takes_a_damaged_file_of_the_mirror_for_missing(project, tmp_path):
    """It has the right size: its download would fail, and there would be no index."""
    (tmp_path / "mirror" / "ann").mkdir(parents=True)
    (tmp_path / "mirror" / "ann" / "intro_to_ann.csv").write_bytes(bytes(13236))
    told = ["missing_data=skip", "chapters=[ch01]", f"mirror={tmp_path / 'mirror'}"]
    output = project.succeed("-c1", *BOOK, *told)
    rows = rows_of(project)
    assert {rows[name]["verdict"] for name in ledger_of("ch01")} == {"not run"}
    assert "intro_to_ann" in last_line(output)


def test_skip_asks_once_and_does_not_stop_for_an_address_that_was_there(project):
    """What fails later fails as a job does: no message says to set what is set already."""
    gone = Behaviour(status=404)
    with MisbehavingServer() as server:
        path = "ann/intro_to_ann.csv"
        server.serve(path, bytes(13236), Behaviour(times=1), gone)
        told = ["missing_data=skip", "chapters=[ch01]", f"mirror={server.address}"]
        patience = "download={retries: 0}"
        status, output = project.run("-c1", *BOOK, *told, patience, no_proxy="127.0.0.1")
        assert [method for method, at in server.methods if at == f"/{path}"] == ["HEAD", "GET"]
    assert status != 0
    assert "Nothing was run" not in output
    assert "found no source that gives this file" in output
