"""What the points of a sweep came to."""

import json
import re

import numpy as np
import pytest
from scripts.sweep_page import judged

from kerasbook import plots, tried
from kerasbook.errors import KerasbookError
from kerasbook.importance import Importance
from kerasbook.tried import Tried

KEYS = {
    "optimizer.learning_rate": {"log": True, "listed": None, "bounds": [1e-3, 1.0]},
    "cell": {"log": False, "listed": ["gru", "lstm"], "bounds": None},
    "epochs": {"log": False, "listed": [1, 2, 3], "bounds": None},
}


def point(name, loss, cell="gru", rate=0.01, epochs=1):
    """A point whose loss is a number for each seed."""
    values = {"optimizer.learning_rate": rate, "cell": cell, "epochs": epochs}
    by_seed = {seed: {"loss": one, "other": 1.0} for seed, one in enumerate(loss, 1)}
    runs = {seed: f"{name}{seed}" for seed in by_seed}
    return Tried(name, values, by_seed, 2.0, runs, {})


def test_runs_are_gathered_by_point(tmp_path):
    files = []
    for name, seed, loss in (("a", 1, 0.5), ("b", 1, 0.4), ("a", 2, 0.7), ("b", 2, None)):
        told = {"point": name, "seed": seed, "values": {"epochs": 1}, "seconds": 1.5,
                "metrics": {"loss": loss}, "run_id": f"{name}{seed}"}  # fmt: skip
        files.append(tmp_path / f"{name}{seed}.json")
        files[-1].write_text(json.dumps(told))
    a, b = tried.read_points(map(str, files), ["loss"], "here")
    assert (a.name, a.mean("loss"), a.seconds) == ("a", 0.6, 3.0)
    assert a.files == {seed: str(tmp_path / f"a{seed}.json") for seed in (1, 2)}
    assert a.sd("loss") == pytest.approx(0.1414, abs=1e-4)
    assert b.mean("loss") is None and b.sd("loss") is None
    with pytest.raises(KerasbookError, match=r"here: found the number 'los' \(did you mean 'loss'"):
        tried.read_points(map(str, files), ["los"], "here")


def test_the_best_comes_first_and_what_ran_away_last():
    points = [point("a", [0.5]), point("b", [None]), point("c", [0.2])]
    assert [one.name for one in tried.best_first(points, "loss", "less")] == ["c", "a", "b"]
    assert [one.name for one in tried.best_first(points, "loss", "more")] == ["a", "c", "b"]


def test_the_seed_that_is_left_out_does_not_choose():
    # By both seeds `lucky` is best; seed 2 alone would choose `steady`, seed 1 alone `lucky`.
    points = [point("lucky", [0.0, 0.5]), point("steady", [0.3, 0.3])]
    assert tried.best_first(points, "loss", "less")[0].name == "lucky"
    # Chosen by seed 2 and judged by seed 1: 0.3. Chosen by seed 1 and judged by seed 2: 0.5.
    assert tried.left_out_seed(points, "loss", "less") == pytest.approx(0.4)
    assert tried.left_out_seed([point("a", [0.1])], "loss", "less") is None


def test_the_usual_gap_is_that_of_the_point_in_the_middle():
    points = [point("a", [0.2]), point("b", [0.5]), point("c", [0.9]), point("d", [None])]
    assert tried.usual_gap(points, "loss", "other") == pytest.approx(0.5)


def test_the_order_of_the_page_does_not_make_names_important():
    """Thirty names that mean nothing; numbered from the best point on they would stand out."""
    source = np.random.default_rng(2)
    names = [f"k{source.integers(30)}" for _ in range(60)]
    points = [point(f"{n}", [source.normal()], cell=name) for n, name in enumerate(names)]
    shown, found = judged(points, {"metric": "loss", "better": "less", "keys": ["cell", "epochs"]})
    assert [one.mean("loss") for one in shown] == sorted(one.mean("loss") for one in points)
    assert not [one.key for one in found if one.stands_out]


def some_points(n=40):
    return [
        point(f"{i}", [0.1 + i / 10], ["gru", "lstm"][i % 2], 10 ** (-3 * (i + 1) / n), 1 + i % 3)
        for i in range(n)
    ]


def test_the_figures_name_every_key_and_the_metric(tmp_path):
    points = some_points()
    importance = [Importance(key, 0.5, 0.1, 0.9) for key in KEYS]
    figures = {
        "importance": tried.importance_figure(importance),
        "parallel": tried.parallel_figure(points, KEYS, "loss", "less"),
        "effects": tried.effects_figure(points, KEYS, "loss"),
    }
    for name, figure in figures.items():
        plots.save_svg(figure, tmp_path / f"{name}.svg", name)
        text = re.sub(r"<[^>]+>|\s", "", (tmp_path / f"{name}.svg").read_text())
        for key in KEYS:
            assert key in text, (name, key)
        if name != "importance":
            assert "loss" in text


def test_five_hundred_points_are_drawn_in_few_bytes(tmp_path):
    plots.save_svg(tried.parallel_figure(some_points(500), KEYS, "loss", "less"),
                   tmp_path / "lines.svg", "lines")  # fmt: skip
    assert (tmp_path / "lines.svg").stat().st_size < 60_000


def test_where_there_is_nothing_to_draw_the_figure_says_so(tmp_path):
    away = [point("a", [None]), point("b", [None])]
    figures = [
        tried.importance_figure([]),
        tried.parallel_figure(away, KEYS, "loss", "less"),
        tried.effects_figure(away, KEYS, "loss"),
    ]
    for place, figure in enumerate(figures):
        plots.save_svg(figure, tmp_path / f"{place}.svg", "none")
        text = (tmp_path / f"{place}.svg").read_text()
        assert "too few" in text or "ran away" in text


def test_equal_points_and_a_single_one_can_be_drawn(tmp_path):
    for points in ([point("a", [0.5])], [point(str(i), [0.5]) for i in range(9)]):
        plots.save_svg(tried.parallel_figure(points, KEYS, "loss", "more"), tmp_path / "a.svg", "a")
        plots.save_svg(tried.effects_figure(points, KEYS, "loss"), tmp_path / "b.svg", "b")


def test_long_keys_are_broken_behind_dots_and_underscores():
    assert tried.wrapped("optimizer.learning_rate", 16) == "optimizer.\nlearning_rate"
    assert tried.wrapped("optimizer.learning_rate", 22) == "optimizer.\nlearning_rate"
    assert tried.wrapped("saturation_threshold", 16) == "saturation_\nthreshold"
    assert tried.wrapped("epochs", 16) == "epochs"
