"""The points of a sweep: what a YAML entry says, what is drawn, and what is refused."""

import math
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from chapters.ch07_mnist_convnets.settings import Experiment
from kerasbook import tracking
from kerasbook.catalogue import load_catalogue
from kerasbook.configuration import Settings, SweepEntry, load_chapter, load_settings
from kerasbook.errors import KerasbookError
from kerasbook.plan import Plan
from kerasbook.sweeps import PATTERN, Key, put, sweep_of

ROOT = Path(__file__).resolve().parents[2]
WHERE = "config/chapters/ch07.yaml: sweeps.mine"
BASE = {
    "title": "Conv",
    "variant": "as_printed",
    "dataset": "mnist",
    "layers": [
        {"type": "conv2d", "filters": 32, "kernel_size": 3, "activation": "relu"},
        {"type": "flatten"},
    ],
    "optimizer": {"type": "sgd", "learning_rate": 0.01},
    "epochs": 2,
    "batch_size": 128,
    "negatives": "first_rows",
    "validation": "test",
}


def entry_of(better: Literal["more", "less"] = "more", **values) -> SweepEntry:
    told = {"title": "Mine", "of": "conv", "metric": "test_accuracy", "better": better}
    return SweepEntry(**told | values)


def made(**values):
    return sweep_of("mine", entry_of(**values), BASE, Experiment, WHERE)


RANDOM = {
    "optimizer.learning_rate": {"log_uniform": [1e-4, 1.0]},
    "layers.0.filters": {"log_integers": [1, 64]},
    "epochs": {"integers": [1, 3]},
    "batch_size": [32, 64],
}


def test_a_grid_is_every_combination_and_each_point_an_experiment():
    sweep = made(space={"optimizer.learning_rate": [0.01, 0.1], "layers.0.filters": [4, 8, 16]})
    points = list(sweep.points.values())
    assert [tuple(one.values.values()) for one in points] == [
        (0.01, 4), (0.01, 8), (0.01, 16), (0.1, 4), (0.1, 8), (0.1, 16),
    ]  # fmt: skip
    last = points[-1].experiment
    assert (last.optimizer.learning_rate, last.layers[0].filters) == (0.1, 16)
    assert last.batch_size == 128
    # What the points start from is as it was.
    assert BASE["optimizer"]["learning_rate"] == 0.01
    assert BASE["layers"][0]["filters"] == 32


def test_points_are_drawn_within_their_bounds_and_follow_from_the_seed():
    sweep = made(space=RANDOM, draws=200)
    values = [one.values for one in sweep.points.values()]
    assert len(values) == 200
    rates = [one["optimizer.learning_rate"] for one in values]
    assert all(1e-4 <= rate <= 1 for rate in rates)
    # By the logarithm: about as many below the middle decade as above it.
    assert 70 < sum(rate < 1e-2 for rate in rates) < 130
    filters = [one["layers.0.filters"] for one in values]
    assert min(filters) == 1 and max(filters) <= 64
    assert 60 < sum(one <= 8 for one in filters) < 140
    assert {one["epochs"] for one in values} == {1, 2, 3}
    assert {one["batch_size"] for one in values} == {32, 64}
    assert list(made(space=RANDOM, draws=200).points) == list(sweep.points)
    assert list(made(space=RANDOM, draws=200, seed=2).points) != list(sweep.points)


def test_the_points_of_a_shorter_sweep_are_the_first_of_a_longer_one():
    short, long = made(space=RANDOM, draws=5), made(space=RANDOM, draws=9)
    assert list(long.points)[:5] == list(short.points)


def test_a_point_keeps_its_name_as_the_space_grows():
    few = made(space={"epochs": [1, 2], "batch_size": [32]})
    more = made(space={"batch_size": [64, 32], "epochs": [3, 1, 2]})
    assert set(few.points) < set(more.points)
    name = next(name for name, one in few.points.items() if one.values["epochs"] == 2)
    assert more.points[name].values == {"epochs": 2, "batch_size": 32}


def test_the_ends_of_whole_numbers_are_drawn_by_their_logarithm():
    source = random.Random(1)
    key = Key("units", True, None, (1, 100), True)
    drawn = [key.draw(source)[0] for _ in range(2000)]
    assert min(drawn) == 1 and max(drawn) == 100
    share = math.log(1.5 / 0.5) / math.log(100.5 / 0.5)
    assert abs(drawn.count(1) / 2000 - share) < 0.03


def test_values_may_have_names_and_stand_for_whole_layers():
    deep = [{"type": "conv2d", "filters": 4, "kernel_size": 3}, {"type": "flatten"}]
    wide = [{"type": "flatten"}]
    sweep = made(space={"layers": {"choice": {"deep": deep, "none": wide}}})
    points = {one.values["layers"]: one.experiment for one in sweep.points.values()}
    assert len(points["deep"].layers) == 2
    assert len(points["none"].layers) == 1


def test_what_is_fixed_holds_at_every_point():
    sweep = made(space={"epochs": [1, 2]}, fixed={"validation": "split", "optimizer.momentum": 0.5})
    for point in sweep.points.values():
        assert point.experiment.validation == "split"
        assert point.experiment.optimizer.momentum == 0.5


def test_the_space_is_a_paramspace_whose_pattern_the_rules_know():
    sweep = made(space={"epochs": [1, 2]})
    assert sweep.space.wildcard_pattern == PATTERN
    assert list(sweep.space.instance_patterns) == [f"point_{name}" for name in sweep.points]
    for name in sweep.points:
        assert sweep.space.instance({"point": name, "seed": "1"}) == {"point": name}


REFUSED = {
    "unknown key": (
        {"space": {"epocs": [1]}},
        ["sweeps.mine.space: point 1 (epocs=1): epocs: unknown key (did you mean 'epochs'?)"],
    ),
    "unknown place": (
        {"space": {"optimzer.learning_rate": [1.0]}},
        ["space.optimzer.learning_rate: found no 'optimzer' (did you mean 'optimizer'?)"],
    ),
    "no such layer": (
        {"space": {"layers.7.filters": [1]}},
        ["space.layers.7.filters: found '7'", "from 0 to 1"],
    ),
    "below a single value": (
        {"space": {"epochs.more": [1]}},
        ["space.epochs.more", "expected a list or a mapping"],
    ),
    "out of range at one point": (
        {"space": {"epochs": [1, 0]}},
        ["point 2 (epochs=0): epochs: found 0; input should be greater than or equal to 1"],
    ),
    "layers that do not fit": (
        {"space": {"layers.0.kernel_size": [3, 29]}},
        ["point 2 (layers.0.kernel_size=29)", "squares of 29 x 29"],
    ),
    "misspelt distribution": (
        {"space": {"epochs": {"integer": [1, 2]}}, "draws": 2},
        ["space.epochs: integer: unknown key (did you mean 'integers'?)"],
    ),
    "two distributions": (
        {"space": {"epochs": {"integers": [1, 2], "uniform": [1.0, 2.0]}}, "draws": 2},
        ["space.epochs: found uniform, integers, expected one of"],
    ),
    "a distribution in a grid": (
        {"space": {"epochs": {"integers": [1, 2]}}},
        ["space.epochs: found integers in a grid", "`draws`"],
    ),
    "bounds the wrong way round": (
        {"space": {"epochs": {"integers": [3, 2]}}, "draws": 2},
        ["space.epochs.integers: found [3, 2]", "lower and an upper"],
    ),
    "a logarithm of zero": (
        {"space": {"optimizer.learning_rate": {"log_uniform": [0.0, 1.0]}}, "draws": 2},
        ["log_uniform: found [0.0, 1.0]", "above 0"],
    ),
    "no list": ({"space": {"epochs": 3}}, ["space.epochs: found 3", "expected values"]),
    "a value twice": ({"space": {"epochs": [1, 1]}}, ["space.epochs: found [1, 1]", "each once"]),
    "no values": ({"space": {"epochs": []}}, ["space.epochs: found []"]),
    "layers without names": (
        {"space": {"layers": [[{"type": "flatten"}]]}},
        ["space.layers: found", "give lists and mappings names"],
    ),
    "too many draws": (
        {"space": {"epochs": [1, 2]}, "draws": 3},
        ["sweeps.mine.draws: found 3", "(2 were found)"],
    ),
    "too large a grid": (
        {"space": {"epochs": list(range(1, 200)), "batch_size": list(range(1, 200))}},
        ["found a grid of 39,601 points"],
    ),
    "what changes no run": ({"space": {"title": ["a", "b"]}}, ["space.title", "changes no run"]),
    "what is fixed and changes no run": (
        {"space": {"epochs": [1]}, "fixed": {"seeds": [1]}},
        ["fixed.seeds", "expected one of the experiment's settings"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_space_is_told_with_file_sweep_and_key(case):
    values, expected = REFUSED[case]
    with pytest.raises(KerasbookError) as error:
        made(**values)
    told = str(error.value)
    assert told.startswith(WHERE)
    for part in expected:
        assert part in told
    assert len(told.splitlines()) == 1


def test_put_sets_values_below_lists_and_mappings():
    settings = {"a": [{"b": 1}], "c": {}}
    put(settings, "a.0.b", 2, "x")
    put(settings, "c.d", 3, "x")
    put(settings, "e", 4, "x")
    assert settings == {"a": [{"b": 2}], "c": {"d": 3}, "e": 4}


def test_the_runs_of_points_log_no_model_of_whatever_library():
    logged = []
    way = SimpleNamespace(model=lambda save: logged.append(save) or "models:/1")
    run = tracking.Run("0" * 32, way)
    with tracking.without_models():
        assert run.model("mlflow.sklearn", sk_model=None) is None
    assert logged == []
    assert run.model("mlflow.sklearn", sk_model=None) == "models:/1"


# ------------------------------------------------------------------------ the project's own


@pytest.fixture
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def plan_of(**values):
    return Plan(load_settings(values), load_catalogue(Path("config/datasets.yaml")))


def test_an_edition_may_have_another_space(at_root):
    book, smoke = (load_chapter("ch01", edition).sweeps["size_and_steps"] for edition in
                   ("book", "smoke"))  # fmt: skip
    assert len(smoke.points) < len(book.points)
    assert smoke.entry.title == book.entry.title


@pytest.mark.parametrize("edition", ["bundled", "book", "smoke"])
def test_every_sweep_of_the_chapters_has_files_of_its_own_for_every_run(at_root, edition):
    plan = plan_of(edition=edition)
    files = []
    for entry in plan.chapters.values():
        for name, sweep in entry.sweeps.items():
            of = SimpleNamespace(chapter=entry.slug, sweep=name)
            runs = plan.points_of(of)
            assert len(runs) == len(sweep.points) * len(sweep.entry.seeds)
            files += runs
    assert len(set(files)) == len(files) > 0
    assert all(file.startswith(f"results/{edition}/ch") for file in files)


def test_sweeps_are_none_of_the_stages_files(at_root):
    plan = plan_of()
    pages = plan.sweep_targets(plan.selected)
    assert "results/bundled/ch07_mnist_convnets/sweeps/shape_and_rate.html" in pages
    assert not set(pages) & set(plan.all_targets("report"))
    assert plan_of(chapters=["ch02"]).sweep_targets(["ch02"]) == []


def test_a_points_job_has_the_settings_of_its_point_and_runs_the_chapters_scripts(at_root):
    plan = plan_of(edition="smoke")
    slug, name = "ch07_mnist_convnets", "shape_and_rate"
    sweep = plan.chapter(slug).sweeps[name]
    point = next(iter(sweep.points.values()))

    of = SimpleNamespace(chapter=slug, sweep=name, point=point.name, seed="1")
    settings = plan.settings_of(of)
    assert settings == point.experiment.settings()
    assert settings["layers"][0]["filters"] == point.values["layers.0.filters"]
    assert plan.values_of(of) == point.values
    assert plan.data_of(of)["data"] == f"data/processed/smoke/{slug}/mnist.npz"
    code = plan.code_of_point(of)
    for file in ("train.py", "evaluate.py"):
        assert f"workflow/chapters/{slug}/{file}" in code
    assert "workflow/kerasbook/training.py" in code


def test_only_sweeps_that_are_run_get_a_run_that_holds_others(at_root):
    plan = plan_of()
    slug = "ch07_mnist_convnets"
    assert not [name for name in plan.tracking_tree()[slug] if name.startswith("sweeps/")]
    tree = plan.tracking_tree([(slug, "shape_and_rate")])
    title = plan.chapter(slug).sweeps["shape_and_rate"].entry.title
    assert tree[slug]["sweeps/shape_and_rate"] == {"title": title}


def test_a_page_tells_the_sweeps_of_its_chapter_as_they_would_run(at_root):
    settings, catalogue = (
        load_settings({"edition": "book"}),
        load_catalogue(Path("config/datasets.yaml")),
    )
    plan = Plan(settings, catalogue)
    slug = settings.chapters["ch07"].slug
    (told,) = plan.sweeps_table(slug)
    assert plan.sweep_targets(["ch07"]) == [told["target"]]
    named = SimpleNamespace(chapter=slug, sweep=told["name"])
    assert len(plan.points_of(named)) == told["n_runs"]
    assert told["of"] in settings.chapters["ch07"].experiments
    assert "optimizer.momentum" in told["keys"]
    assert plan.sweeps_table(settings.chapters["ch06"].slug) == []


def test_a_sweep_is_left_out_with_the_data_of_its_experiment(at_root):
    settings = load_settings({"edition": "book", "missing_data": "skip"})
    plan = Plan(settings, load_catalogue(Path("config/datasets.yaml")), {"otto": "no account"})
    assert plan.chapter("ch03").sweeps == {}
    assert plan.chapter("ch07").sweeps


def test_a_sweep_is_left_out_with_the_data_of_any_of_its_points(at_root):
    settings, catalogue = (
        load_settings({"edition": "book"}),
        load_catalogue(Path("config/datasets.yaml")),
    )
    only = Settings(settings.config, settings.chapters, ["ch07"])
    sweep = only.chapters["ch07"].sweeps["shape_and_rate"]
    assert only.data_needed(catalogue) == ["mnist"]
    *others, (name, last) = sweep.points.items()
    other = replace(last, experiment=last.experiment.model_copy(update={"dataset": "otto"}))
    changed = replace(sweep, points={**dict(others), name: other})
    only.chapters["ch07"].sweeps["shape_and_rate"] = changed
    assert only.data_needed(catalogue) == ["mnist", "otto"]
    plan = Plan(only, catalogue, {"otto": "no account"})
    assert plan.chapter("ch07").sweeps == {}
    assert not plan.absent["ch07"]
    # What it starts from is not run: a sweep whose points all have their data stays.
    points = {key: replace(one, experiment=other.experiment) for key, one in sweep.points.items()}
    only.chapters["ch07"].sweeps["shape_and_rate"] = replace(sweep, points=points)
    assert Plan(only, catalogue, {"mnist": "gone"}).chapter("ch07").sweeps
