"""Experiments of all chapters on one axis, and where the time goes."""

import pytest

from kerasbook import comparison
from kerasbook.metrics import skill


def test_skill_is_the_share_of_the_trivial_rules_mistakes_that_are_not_made():
    def of(accuracy, majority):
        return skill({"test_accuracy": {"mean": accuracy}, "majority_accuracy": {"mean": majority}})

    assert of(0.95, 0.9) == pytest.approx(0.5)
    assert of(0.5, 0.5) == 0
    assert of(0.4, 0.5) == pytest.approx(-0.2)
    assert of(1.0, 1.0) is None  # nothing to be better than
    assert of(None, 0.5) is None  # it diverged
    assert skill({"test_accuracy": {"mean": 0.9}}) is None


def experiment(title, skill, parameters=100, linear=False):
    return {"title": title, "skill": skill, "parameters": parameters, "linear": linear,
            "seconds": 2.5}  # fmt: skip


STEP = {"experiment": "a", "seed": 1, "run_id": "r"}
PAGES = [
    {
        "chapter": "ch03", "slug": "ch03_basics", "number": "4.3", "title": "Basics",
        "experiments": [experiment("A", 0.7), experiment("B", 0.6, linear=True)],
        "provenance": {"steps": [
            {**STEP, "rule": "ch03_train", "seconds": 3.0, "peak_mb": 800.0},
            {**STEP, "rule": "ch03_train", "seconds": 4.5, "peak_mb": None},
            {**STEP, "rule": "ch03_evaluate", "seconds": None, "peak_mb": None},
        ]},
    },
    {
        "chapter": "ch05", "slug": "ch05_filters", "number": "4.5", "title": "Filters",
        "experiments": [experiment("C", None), experiment("D", 0.9, parameters=None)],
        "provenance": {"steps": []},
    },
]  # fmt: skip


def test_only_what_has_a_skill_and_a_size_is_compared():
    rows = comparison.comparable(PAGES)
    assert [(one["number"], one["title"]) for one in rows] == [("4.3", "A"), ("4.3", "B")]
    figure = comparison.against(rows)
    sizes, times = figure.axes
    marks = {line.get_label(): line for line in sizes.lines if line.get_linestyle() == "None"}
    assert set(marks) == {"4.3", "4.3, linear"}
    assert marks["4.3, linear"].get_markerfacecolor() == "none"
    assert marks["4.3"].get_xydata().tolist() == [[100, 0.7]]
    assert times.get_xscale() == "log"
    assert comparison.against([]).axes
    [low] = comparison.comparable([{**PAGES[0], "experiments": [experiment("E", -7.5)]}])
    assert comparison.against([low]).axes[0].lines[0].get_ydata().tolist() == [-1.0]


def test_the_time_of_each_stage():
    others = {"ch05_filters": [{"rule": "ch05_report", "seconds": 2.0, "peak_mb": 90.0}]}
    told = comparison.stages(PAGES, others)
    assert told["names"] == ["download", "preprocess", "train", "evaluate", "report"]
    basics, filters = told["rows"]
    assert basics["cells"] == [
        None,
        None,
        {"jobs": 2, "seconds": 7.5, "peak_mb": 800.0},
        {"jobs": 1, "seconds": 0.0, "peak_mb": None},
        None,
    ]
    assert filters["cells"] == [*[None] * 4, {"jobs": 1, "seconds": 2.0, "peak_mb": 90.0}]
