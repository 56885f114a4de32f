"""The workflow's drawing: the jobs that the plan counts, and room for all of it."""

from pathlib import Path

import pytest
from test_diagrams import check_room, told

from kerasbook import dag, plots
from kerasbook.catalogue import load_catalogue
from kerasbook.configuration import load_settings
from kerasbook.plan import Plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def overview(**values):
    return Plan(load_settings(values), load_catalogue(Path("config/datasets.yaml"))).overview()


def blue_lines(figure):
    return [one for one in figure.axes[0].lines if one.get_color() == plots.BLUE]


@pytest.mark.parametrize("edition", ["bundled", "book", "smoke"])
def test_every_chapter_and_every_count_is_drawn_and_told(edition):
    chapters = overview(edition=edition)
    figure = dag.drawn(chapters)
    check_room(figure)
    shown, said = told(figure), dag.told(chapters)
    assert ("download" in shown) == (edition == "book")
    for one in chapters:
        assert one["number"] in shown
        counts = [(stage, n) for stage, n in one["jobs"].items() if n]
        assert f"{one['number']} " + ", ".join(f"{n} {stage}" for stage, n in counts) in said
    counts = [str(n) for one in chapters for n in one["jobs"].values() if n]
    assert sorted(one for one in shown if one.isdigit()) == sorted(counts)


def test_chapters_that_compare_or_start_from_a_model_are_bound_by_lines():
    chapters = overview()
    compared = [one["number"] for one in chapters if one["uses"]]
    starting = [one["number"] for one in chapters if one["starts"]]
    assert compared and starting
    assert len(blue_lines(dag.drawn(chapters))) == len(compared) + len(starting)
    for one in chapters:
        one["uses"], one["starts"] = [], 0
    assert not blue_lines(dag.drawn(chapters))
    assert "compares" not in dag.told(chapters)


def test_a_chapter_that_only_lends_its_results_has_no_page():
    lender, borrower = overview(chapters=["ch07"])
    assert (lender["number"], borrower["uses"]) == ("4.6", ["4.6"])
    figure = dag.drawn([lender, borrower])
    check_room(figure)
    assert lender["jobs"]["report"] == 0
    assert f"4.6 {lender['jobs']['preprocess']} preprocess" in dag.told([lender, borrower])
