"""Data that cannot be had: everything stops before the first job, or the rest is run."""

import csv
import shutil

import pytest

from kerasbook.configuration import load_chapter
from kerasbook.verdicts import read_ledger
from tests.misbehaving_server import Behaviour, MisbehavingServer

pytestmark = pytest.mark.slow

BOOK = ("--configfile", "config/book.yaml", "--config")


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


def test_skip_runs_the_part_of_a_chapter_whose_data_is_there(project):
    told = ["missing_data=skip", "chapters=[ch02]", "seeds=[1]"]
    output = project.succeed("-c2", *BOOK, *told)
    rows = rows_of(project)
    left_out = [name for name in ledger_of("ch02") if "otto" in name]
    for name in ledger_of("ch02"):
        if name in left_out:
            assert rows[name]["verdict"] == "not run"
            assert "otto" in rows[name]["reason"]
        else:
            assert rows[name]["verdict"] != "not run"
    assert 0 < len(left_out) < len(ledger_of("ch02"))
    chapter = load_chapter("ch02", "book")
    otto = [name for name in chapter.experiments if "otto" in chapter.needs(name)]
    counts = f"{len(left_out)} printed numbers and {len(otto)} experiments"
    assert last_line(output).startswith(f"{counts} are not run")
    page = (project.folder / "results/book/ch02_theano/report.html").read_text(encoding="utf-8")
    assert "train.csv.zip and 1 more of the data set otto cannot be had" in page


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


@pytest.mark.book
def test_skip_runs_all_the_rest_and_the_pages_say_why(project, mirror, tmp_path):
    some = tmp_path / "some"
    (some / "ann").mkdir(parents=True)
    shutil.copy(mirror / "ann/intro_to_ann.csv", some / "ann")
    told = ["missing_data=skip", "chapters=[ch01,ch06]", "seeds=[1]", f"mirror={some}"]
    output = project.succeed("-c2", *BOOK, *told)
    rows = rows_of(project)
    assert {rows[name]["verdict"] for name in ledger_of("ch06")} == {"not run"}
    assert {rows[name]["verdict"] for name in ledger_of("ch01")} == {"exact", "not judged"}
    assert last_line(output).startswith(f"{len(ledger_of('ch06'))} printed numbers")
    # With the data there, the next call makes what was left out, and the index anew.
    output = project.succeed("-n", *BOOK, *told[:-1], f"mirror={mirror}")
    assert "ch06_train" in output
    assert "ch01_train" not in output
