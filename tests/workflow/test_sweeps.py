"""Sweeps in the smoke edition: a grid of the numpy network, random points of a Keras one."""

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from kerasbook import trace

pytestmark = pytest.mark.slow

CH01, CH07 = "ch01_neural_network", "ch07_mnist_convnets"
GRID, RANDOM = "size_and_steps", "shape_and_rate"
PAGES = {f"results/smoke/{CH01}/sweeps/{GRID}": 4, f"results/smoke/{CH07}/sweeps/{RANDOM}": 2}
OPTIONS = ("--configfile", "config/smoke.yaml")


@pytest.fixture(scope="module")
def swept(copy_of_the_project):
    """A copy in which both sweeps were run."""
    project = copy_of_the_project("sweeps")
    project.succeed("-c2", *OPTIONS, "--", "ch01_sweeps", "ch07_sweeps", seconds=1200)
    return project


def points_in_store(project) -> Counter:
    """Chapter, point and seed -> how many runs the store has of it."""
    return Counter(
        (run.data.tags["chapter"], run.data.tags["point"], run.data.tags["seed"])
        for slug in (CH01, CH07)
        for run in project.runs(f"smoke/{slug}", "tags.step = 'point'")
    )


def table(project, page) -> list[dict[str, str]]:
    with open(project.folder / f"{page}.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_sweeps_are_no_part_of_all_and_a_job_is_a_run(project):
    assert "sweep_point" not in project.jobs("all")
    jobs = project.jobs("ch01_sweeps", "ch07_sweeps")
    assert (jobs["sweep_point"], jobs["sweep_page"]) == (4 * 2 + 2, 2)


def test_runs_share_allocations_of_the_size_that_the_profile_says(project):
    arguments = ("-n", *OPTIONS, "--", "ch01_sweeps")
    alone = project.succeed("--group-components", "sweep=3", *arguments)
    assert len(re.findall(r"Group job sweep", alone)) == 3  # of eight
    profile = ["--workflow-profile", "profiles/slurm"]
    assert len(re.findall(r"Group job sweep", project.succeed(*profile, *arguments))) == 1


def test_every_point_leaves_one_file_and_no_model(swept):
    for page, points in PAGES.items():
        folder = swept.folder / page
        seeds = 2 if GRID in page else 1
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert len(files) == points * seeds
        assert {path.suffix for path in files} == {".json"}
        told = json.loads(files[0].read_text(encoding="utf-8"))
        assert files[0].parent.name == f"point_{told['point']}"
        assert told["metrics"] and told["provenance"]["code_sha256"]


def test_a_point_has_the_numbers_of_an_experiment_of_the_same_settings(swept):
    """One job that trains and evaluates gives what the two stages give."""
    path = swept.folder / "config/chapters/ch01.yaml"
    kept = path.read_text(encoding="utf-8")
    folder = swept.folder / f"results/smoke/{CH01}/sweeps/{GRID}"
    runs = [json.loads(one.read_text()) for one in folder.glob("*/seed2.json")]
    point = next(one for one in runs if one["values"] == {"hidden_units": 10, "iterations": 20})
    entry = (
        "experiments:\n  same:\n    title: Same\n    variant: beyond\n    hidden_units: 10\n"
        "    iterations: 20\n    momentum_kind: last_update\n    held_out: 0.2\n    seeds: [2]\n"
    )
    path.write_text(kept.replace("experiments:\n", entry, 1), encoding="utf-8")
    target = f"results/smoke/{CH01}/same/metrics.json"
    swept.succeed("-c2", *OPTIONS, "--", target)
    path.write_text(kept, encoding="utf-8")
    same = swept.json(target)["seeds"]["2"]
    for name in ("test_accuracy", "final_error", "prediction_min"):
        assert point["metrics"][name] == same[name]


def test_the_store_has_a_run_for_each_point_below_the_sweep_and_no_model(swept):
    assert len(points_in_store(swept)) == 4 * 2 + 2
    assert set(points_in_store(swept).values()) == {1}
    for slug, name in ((CH01, GRID), (CH07, RANDOM)):
        runs = swept.runs(f"smoke/{slug}")
        [above] = [run for run in runs if run.data.tags["step"] == "sweep"]
        assert above.info.run_name == f"sweeps/{name}"
        points = [run for run in runs if run.data.tags["step"] == "point"]
        assert {run.data.tags["mlflow.parentRunId"] for run in points} == {above.info.run_id}
        assert {run.info.status for run in points} == {"FINISHED"}
        assert all("test_accuracy" in run.data.metrics for run in points)
        experiment = swept.client.get_experiment_by_name(f"smoke/{slug}").experiment_id
        models = swept.client.search_logged_models([experiment])
        assert not {one.source_run_id for one in models} & {run.info.run_id for run in points}
        assert not [run for run in points if run.outputs and run.outputs.model_outputs]
    chosen = {run.data.params["layers.0.filters"] for run in points}
    rows = table(swept, f"results/smoke/{CH07}/sweeps/{RANDOM}")
    assert chosen == {row["layers.0.filters"] for row in rows}


@pytest.mark.parametrize("slug, metric", [(CH01, "error"), (CH07, "val_loss")])
def test_the_learning_curve_of_a_point_has_each_epoch_once_and_no_more(swept, slug, metric):
    first = {CH01: 0, CH07: 1}[slug]  # the tutorial's own count
    for run in swept.runs(f"smoke/{slug}", "tags.step = 'point'"):
        params, step = run.data.params, "iterations" if slug == CH01 else "epochs"
        curve = swept.client.get_metric_history(run.info.run_id, metric)
        assert sorted(one.step for one in curve) == [first + n for n in range(int(params[step]))]


def test_a_run_of_a_sweep_can_be_traced_to_code_that_is_as_it_was(swept, monkeypatch):
    monkeypatch.chdir(swept.folder)
    run = swept.runs(f"smoke/{CH07}", "tags.step = 'point'")[0]
    told = " ".join(trace.trace(Path("results/smoke"), run.info.run_id).split())
    rate = f"optimizer.learning_rate {run.data.params['optimizer.learning_rate']}"
    for part in (f"sweeps/{RANDOM}", run.data.tags["point"], rate, "as it is here now"):
        assert part in told, part


def test_a_run_that_is_repeated_takes_the_place_of_the_one_before(swept):
    before = points_in_store(swept)
    folder = swept.folder / f"results/smoke/{CH01}/sweeps/{GRID}"
    file = sorted(folder.glob("*/seed1.json"))[0]
    first = swept.json(file)["run_id"]
    swept.succeed("-c2", *OPTIONS, "--force", "--", file.relative_to(swept.folder))
    assert swept.json(file)["run_id"] != first
    assert points_in_store(swept) == before


@pytest.mark.parametrize("page", PAGES)
def test_the_page_shows_every_point_the_best_first(swept, page):
    text = (swept.folder / f"{page}.html").read_text(encoding="utf-8")
    assert len(text.encode()) < 2_000_000
    rows = table(swept, page)
    assert len(rows) == PAGES[page]
    metrics = [float(row["metric"]) for row in rows]
    assert metrics == sorted(metrics, reverse=GRID in page)  # an accuracy, and a loss
    places = [text.index(f"<code>{row['name']}</code>") for row in rows]
    assert places == sorted(places)
    assert text.count('role="img"') == 3
    assert "smoke edition" in text
    for link in re.findall(r'href="([^"#:]+)"', text):
        assert ((swept.folder / page).parent / link).exists(), link
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_pages_tell_what_of_the_best_points_number_is_luck(swept):
    grid, random = [(swept.folder / f"{page}.html").read_text("utf-8") for page in PAGES]
    assert "Chosen by all seeds but one" in grid
    assert "On rows that had no part in the choice (test_loss)" in random
    assert "4 points cannot tell which hyperparameter mattered" in grid


def test_a_longer_sweep_runs_only_what_is_new(swept):
    path = swept.folder / "config/chapters/ch01.yaml"
    kept = path.read_text(encoding="utf-8")
    old = "space: {hidden_units: [1, 10], iterations: [2, 20]}"
    assert old in kept
    path.write_text(kept.replace(old, old.replace("[2, 20]", "[1, 2, 20]")), encoding="utf-8")
    jobs = swept.jobs("ch01_sweeps")
    path.write_text(kept, encoding="utf-8")
    assert jobs == {"ch01_sweeps": 1, "sweep_page": 1, "sweep_point": 2 * 2}


def test_a_bad_space_stops_before_any_job_with_one_message(project):
    path = project.folder / "config/chapters/ch07.yaml"
    text = path.read_text(encoding="utf-8")
    assert "layers.3.rate: {uniform: [0.0, 0.8]}" in text
    path.write_text(text.replace("layers.3.rate: {uni", "layers.3.rte: {uni"), encoding="utf-8")
    status, output = project.run("-c1", *OPTIONS, "--", "ch07_sweeps", seconds=120)
    assert status == 1
    told = [line for line in output.splitlines() if "sweeps.shape_and_rate" in line]
    assert len(told) == 1
    for part in ("config/chapters/ch07.yaml", "layers.3.dropout.rte", "did you mean 'rate'?"):
        assert part in told[0]
    assert "Traceback" not in output
    assert project.made() == []


def test_a_metric_that_no_run_has_is_told_with_those_that_there_are(swept):
    path = swept.folder / "config/chapters/ch01.yaml"
    kept = path.read_text(encoding="utf-8")
    wrong = kept.replace("metric: test_accuracy\n    better", "metric: test_acuracy\n    better")
    assert wrong != kept
    path.write_text(wrong, encoding="utf-8")
    status, output = swept.run("-c2", *OPTIONS, "--", "ch01_sweeps", seconds=300)
    path.write_text(kept, encoding="utf-8")
    assert status == 1
    assert f"config/chapters/ch01.yaml: sweeps.{GRID}: found the number 'test_acuracy'" in output
    assert "did you mean 'test_accuracy'?" in output
    assert "sweep_point" not in re.findall(r"^(?:local)?rule (\w+):", output, re.M)
