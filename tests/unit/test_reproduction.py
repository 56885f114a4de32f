"""The picture of the whole reproduction: what it counts and where it puts a number."""

import math
import re
from pathlib import Path

import pytest

from kerasbook import plots, reproduction
from kerasbook.verdicts import distance, prediction_interval

ROWS = [
    {"id": "ch01.a.loss", "verdict": "exact", "p": None, "printed": "1"},
    {"id": "ch07.a.loss", "verdict": "holds", "p": 0.6, "mean": 0.5, "sd": 0.1, "n_seeds": 3,
     "printed": "0.6"},
    {"id": "ch07.b.loss", "verdict": "better", "p": "0.01", "mean": "0.5", "sd": "0.01",
     "n_seeds": "3", "printed": "0.9"},
]  # fmt: skip


@pytest.mark.parametrize("seeds", [[1.0, 2.0, 4.0], [0.1, 0.11, 0.12, 0.09, 0.1]])
def test_the_ends_of_the_interval_lie_one_half_width_off(seeds):
    mean = sum(seeds) / len(seeds)
    sd = math.sqrt(sum((one - mean) ** 2 for one in seeds) / (len(seeds) - 1))
    lower, upper = prediction_interval(seeds)
    assert distance(mean, sd, len(seeds), f"{lower:.12f}") == pytest.approx(-1, abs=1e-6)
    assert distance(mean, sd, len(seeds), f"{upper:.12f}") == pytest.approx(1, abs=1e-6)


def test_a_range_counts_with_its_near_end_and_no_spread_is_infinite():
    assert distance(0.785, 0.1, 3, "0.78-0.79") == 0
    assert distance(1.0, 0.1, 3, "0.78-0.79") < 0
    assert distance(0.5, 0.0, 3, "0.9") == math.inf
    assert distance(0.5, 0.0, 3, "0.5") == 0


def test_verdicts_are_counted_by_chapter_and_judged_numbers_placed():
    assert reproduction.counts(ROWS) == {"ch01": {"exact": 1}, "ch07": {"holds": 1, "better": 1}}
    (first, _, near), (_, verdict, far) = reproduction.distances(ROWS)
    assert (first, verdict) == ("ch07", "better")
    assert 0 < near < 1 < far
    assert reproduction.in_words(ROWS) == (
        "Of 3 printed numbers: 1 exact, 1 holds, 1 better. "
        "Of 2 that an interval judges, 1 lie inside."
    )


def test_the_picture_shows_each_judged_number_once_and_what_is_far_at_the_edge(tmp_path):
    figure = reproduction.picture(ROWS, {"ch01": "4.1", "ch07": "4.7"}, 8.0)
    bars, dots = figure.axes
    marks = [line for line in dots.lines if line.get_marker() == "o"]
    assert [round(float(line.get_xdata()[0]), 2) for line in marks][1] == reproduction.FARTHEST
    assert len(marks) == 2
    assert [text.get_text() for text in bars.get_yticklabels()] == ["4.1", "4.7"]
    widths = [patch.get_width() for patch in bars.patches]
    assert sum(widths) == len(ROWS)
    plots.save_svg(figure, tmp_path / "p.svg", "p")
    assert set(reproduction.COLOURS) == set(reproduction.VERDICTS)


def test_a_verdict_has_one_colour_on_pages_and_in_pictures():
    style = Path(reproduction.__file__).with_name("templates").joinpath("style.css").read_text()
    shown = dict(re.findall(r"\.s-([a-z-]+) \{ background: (#\w{6}); \}", style))
    assert len(shown) == 6
    for verdict, colour in shown.items():
        assert reproduction.COLOURS[verdict.replace("-", " ")] == colour
