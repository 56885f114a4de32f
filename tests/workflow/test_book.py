"""The book edition of the two chapters whose numbers leave no room for chance."""

import csv
import json
import re
import subprocess
import sys

import pytest

from kerasbook.configuration import load_settings
from kerasbook.verdicts import read_ledger, same_digits

pytestmark = [pytest.mark.slow, pytest.mark.book]

SLUGS = {"ch01": "ch01_neural_network", "ch06": "ch06_mnist_explored"}


@pytest.fixture(scope="module")
def book(copy_of_the_project, mirror):
    """A copy in which chapters 4.1 and 4.6 were run on the original data."""
    project = copy_of_the_project("book")
    command = ["-c2", "--configfile", "config/book.yaml", "--config", "seeds=[1]", "--", *SLUGS]
    project.succeed(*command, KERASBOOK_MIRROR=str(mirror))
    return project


def rows_of(project, chapter):
    path = project.folder / "results/book" / SLUGS[chapter] / "reproduction.tsv"
    with open(path, encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}


@pytest.mark.parametrize("chapter", SLUGS)
def test_every_number_that_was_fixed_comes_out_to_every_printed_digit(book, chapter):
    rows = rows_of(book, chapter)
    ledger = [
        row
        for row in read_ledger(book.folder / "config/published.tsv")
        if row.chapter == chapter and row.kind in ("seeded", "constant")
    ]
    assert len(ledger) >= 20
    wrong = {row.id: rows[row.id] for row in ledger if rows[row.id]["verdict"] != "exact"}
    assert wrong == {}
    for row in ledger:
        assert rows[row.id]["printed"] == row.printed
        assert rows[row.id]["run_ids"]


def test_the_pages_name_the_data_and_claim_no_other_edition(book):
    for slug in SLUGS.values():
        page = book.json(f"results/book/{slug}/report.json")
        assert page["edition"] == "book"
        assert page["edition_note"] is None
        for one in page["provenance"]["data"]:
            assert len(one["content_sha256"]) == 64
            assert one["bytes"] > 0


def compared(book, chapter):
    command = [sys.executable, "-m", "kerasbook.reference", "compare", chapter]
    return subprocess.run(command, cwd=book.folder / "workflow", capture_output=True, text=True)


@pytest.mark.parametrize("chapter", SLUGS)
def test_the_runs_are_those_of_the_reference(book, chapter):
    done = compared(book, chapter)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "outside" not in done.stdout
    assert " same: bit for bit" in done.stdout or "Another machine" in done.stdout


def test_a_number_that_is_not_the_references_is_told(book):
    file = book.folder / "results/book" / SLUGS["ch01"] / "ann_2_10_1_100it/metrics.json"
    text = file.read_text(encoding="utf-8")
    told = json.loads(text)
    for values in told["seeds"].values():
        values["final_error"] = 1000.0
    try:
        file.write_text(json.dumps(told), encoding="utf-8")
        done = compared(book, "ch01")
    finally:
        file.write_text(text, encoding="utf-8")
    assert done.returncode == 1, done.stdout
    assert re.search("(differs|stands out): ann_2_10_1_100it, ", done.stdout)


def test_the_mirrors_address_is_no_part_of_the_results(book, mirror):
    for path in (book.folder / "results/book").rglob("*"):
        if path.suffix in (".html", ".tsv", ".svg"):
            assert str(mirror) not in path.read_text(encoding="utf-8"), path


def test_the_raw_files_are_not_fetched_twice(book, mirror):
    output = book.succeed(
        "-n", "--configfile", "config/book.yaml", "--config", "seeds=[1]", "--", "ch06"
    )
    assert "Nothing to be done" in output


@pytest.fixture(scope="module")
def preprocessed(copy_of_the_project, mirror):
    """A copy in which the original data of every chapter was read and prepared."""
    project = copy_of_the_project("preprocessed")
    command = ["-c2", "--configfile", "config/book.yaml", "--config", "missing_data=skip", "--"]
    project.succeed(*command, "preprocess", KERASBOOK_MIRROR=str(mirror))
    return project


def test_what_the_tutorial_prints_of_its_data_comes_out_to_every_digit(preprocessed, monkeypatch):
    """Counts of rows, words, characters and windows: no training, no seed."""
    monkeypatch.chdir(preprocessed.folder)
    chapters = load_settings({"edition": "book"}).chapters
    ledger = read_ledger(preprocessed.folder / "config/published.tsv")
    wrong, seen = {}, set()
    for row in ledger:
        chapter = chapters[row.chapter]
        dataset = chapter.file.facts.get(row.experiment)
        if row.kind != "constant" or dataset is None or row.name in chapter.file.answers:
            continue
        about = preprocessed.json(f"data/processed/book/{chapter.slug}/{dataset}.json")
        if row.key not in about["facts"]:
            continue
        seen.add(row.chapter)
        if not same_digits(about["facts"][row.key], row.printed):
            wrong[row.id] = (about["facts"][row.key], row.printed)
    assert wrong == {}
    assert {"ch02", "ch09", "ch10", "ch11"} <= seen
