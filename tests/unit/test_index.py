"""The first page's data: every row of the ledger, and what many rows at once mean."""

from pathlib import Path

import numpy as np
from scripts import index

from kerasbook.verdicts import Row, chance


def row(name, **more):
    ledger = Row(name, "ch07", "conv", "loss", "1", "0.5", 12, "stochastic", "")
    return index.missing_row(ledger, {}) | more


def test_a_row_of_a_chapter_without_a_page_says_why():
    ledger = [Row("ch07.a", "ch07", "conv", "loss", "", "0.5", 12, "stochastic", "")]
    made = index.index_of([], ledger, "book", {"ch07.a": "the weights cannot be had"}, Path("r"))
    [told] = made["rows"]
    assert (told["verdict"], told["reason"]) == ("not run", "the weights cannot be had")
    assert made["verdict_counts"] == {"not run": 1}
    assert made["many"] == {
        "judged": 0, "outside": 0, "expected": 0.0, "stand": 0, "seeds": None, "sees": None,
    }  # fmt: skip
    assert index.missing_row(ledger[0], {})["reason"] == "the chapter was not selected"


def test_of_many_rows_it_is_told_how_many_would_lie_outside_by_chance():
    random = np.random.default_rng(3)
    rows = []
    for number in range(40):
        printed = 40.0 if number < 2 else 0.0
        p = chance(list(random.normal(0, 1, 5)), printed, printed)
        rows.append(row(f"r{number}", p=p, verdict="holds" if p >= 0.05 else "worse"))
    rows.append(row("not run"))
    told = index.many(rows)
    assert told["judged"] == 40
    assert round(told["expected"], 9) == 2
    assert told["outside"] >= 2
    assert told["stand"] == 2
    assert [one["id"] for one in rows if one["stands_out"]] == ["r0", "r1"]


def test_jobs_that_a_page_cannot_tell_of_are_found_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    of_download = Path("logs/download/mnist/a.gz.benchmark.tsv")
    of_report = Path("results/book/ch07_x/benchmarks/report.tsv")
    for path in (of_download, of_report):
        path.parent.mkdir(parents=True)
        path.write_text("s\tmax_rss\n1.5\t200.0\n")
    files = [{"dataset": "mnist", "file": name} for name in ("a.gz", "a.gz", "not fetched here")]
    page = {"chapter": "ch07", "slug": "ch07_x", "provenance": {"data": files}}
    assert index.unseen_jobs(page, Path("results/book")) == [
        {"rule": "ch07_download", "experiment": "mnist/a.gz", "seconds": 1.5, "peak_mb": 200.0},
        {"rule": "ch07_report", "experiment": None, "seconds": 1.5, "peak_mb": 200.0},
    ]


def test_the_numbers_are_drawn_where_some_are_judged(tmp_path):
    judged = row("ch07.a", p=0.3, verdict="holds", mean=0.4, sd=0.1, n_seeds=3)
    path = tmp_path / "figures" / "reproduction.svg"
    assert index.drawn_reproduction([row("ch07.b")], path, tmp_path) is None
    assert "No number of this edition" in path.read_text()
    told = index.drawn_reproduction([judged, row("ch07.b")], path, tmp_path)
    assert told["file"] == "figures/reproduction.svg"
    assert told["alt"].startswith("Of 2 printed numbers: 1 holds, 1 not run.")
    assert "4.7" in path.read_text()


def test_where_no_chapter_can_be_run_a_note_stands_for_the_workflow(tmp_path):
    path = tmp_path / "figures" / "workflow.svg"
    assert index.workflow([], path, tmp_path) is None
    assert "No chapter can be run" in path.read_text()
