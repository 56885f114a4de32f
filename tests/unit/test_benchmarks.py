"""Benchmarks build what they measure, and one that fails loses no other's figures."""

import math

import pytest

from benchmarks import determinism, measure, run
from benchmarks.measure import Row
from kerasbook import readme
from kerasbook.configuration import rooms
from kerasbook.reference import read_table


def test_a_bound_is_broken_by_a_value_beyond_it_and_by_no_missing_one():
    assert Row("a", 1.0, "s", "<= 1").holds()
    assert not Row("a", 1.1, "s", "<= 1").holds()
    assert not Row("a", 0.8, "ratio", ">= 0.9").holds()
    assert Row("a", 0.8, "ratio").holds()
    assert Row("a", math.nan, "s", "<= 1").holds()


def test_one_that_fails_is_told_and_the_others_are_kept(tmp_path, monkeypatch, capsys):
    def fails():
        raise KeyError("gates")

    benchmarks = {"first": lambda: [Row("a", 2.0, "s", "<= 1")], "second": fails,
                  "third": lambda: [Row("b", 3.0, "s")]}  # fmt: skip
    monkeypatch.setattr(run, "BENCHMARKS", benchmarks)
    out = tmp_path / "bench.tsv"
    assert run.main(["--out", str(out)]) == 1
    assert out.read_text().splitlines()[1:] == ["a\t2\ts\t<= 1", "b\t3\ts\t"]
    told = capsys.readouterr().err
    assert "a: found 2 s, expected <= 1." in told
    assert "second: the benchmark failed" in told
    assert run.main(["--only", "third", "--out", str(out)]) == 0


@pytest.mark.parametrize("chapter", ["ch05", "ch07", "ch09", "ch10", "ch11"])
def test_what_a_chapters_benchmark_measures_can_be_trained(monkeypatch, chapter):
    """All but the time: a few rows, one repetition."""
    import importlib

    module = importlib.import_module(f"benchmarks.{chapter}")
    small = {"ROWS": 64, "SENTENCES": 32, "PICTURES": 256, "BATCHES": 1, "STEPS": 1,
             "WINDOWS": 128, "BY_PREDICT": 1, "WRITTEN": 3, "REPEATS": 1}  # fmt: skip
    for name, value in small.items():
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(measure, "REPEATS", 1)
    monkeypatch.delenv("KERASBOOK_MIRROR", raising=False)
    monkeypatch.setattr(measure, "peak_memory_mb", lambda code: 1.0)
    if hasattr(module, "peak_memory_mb"):
        monkeypatch.setattr(module, "peak_memory_mb", lambda code: compile(code, "c", "exec") and 1)
    for row in getattr(module, chapter)():
        assert math.isnan(row.value) == (row.name == "ch10_imdb_preprocess_seconds")


def test_determinism_counts_the_runs_of_a_condition_and_names_what_differs():
    a = {"condition": "a", "chapter": "ch01", "runs": 6, "same": 6, "largest_change": 0.0,
         "others": 0}  # fmt: skip
    b = {**a, "condition": "b"}
    rows = [a, {key: str(value) for key, value in b.items()},
            {**b, "chapter": "ch04", "runs": "4", "same": "1", "largest_change": "0.25",
             "others": "2"}]  # fmt: skip
    told = determinism.section([{**row, "processor": "Some CPU"} for row in rows])
    assert "| a | 6 of 6 | – | – | – |" in told
    assert "| b | 7 of 10 | ch04 | 0.25 | 2 of ch04 |" in told
    assert "Some CPU" in told


def test_determinism_takes_the_largest_change_and_tells_other_numbers_apart():
    def compare(one, other):
        [row] = determinism.compared("a", {("ch01", "x", "1"): one}, {("ch01", "x", "1"): other})
        return row["same"], row["largest_change"], row["others"]

    numbers = {"loss": 2.0, "difference": 0.0, "rows": 3}
    assert compare(numbers, dict(numbers)) == (1, 0.0, 0)
    assert compare(numbers, {**numbers, "loss": 1.5}) == (0, 0.25, 0)
    assert compare(numbers, {**numbers, "difference": 1e-6}) == (0, 1e-6, 0)
    assert compare(numbers, {"loss": 2.0}) == (0, 0.0, 1)
    assert compare(numbers, {**numbers, "rows": None}) == (0, 0.0, 1)


def test_the_page_on_determinism_says_what_was_measured():
    rows = read_table(determinism.TABLE)
    page = determinism.PAGE
    assert page.read_text("utf-8") == readme.replaced(
        page, determinism.section(rows), determinism.BEGIN, determinism.END
    ), "call `make determinism`"
    assert {row["chapter"] for row in rows} == set(rooms())
    assert all(row["same"] == row["runs"] for row in rows if row["condition"] == "the same")
