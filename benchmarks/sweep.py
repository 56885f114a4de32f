"""A sweep of 500 runs of a tiny network: how long it takes to plan, and what it leaves."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row, copy_of_the_project, seconds

POINTS = 500
SLUG = "ch04_sgd_network"
# Every hyperparameter of the chapter's network, and one that changes nothing but a count.
SWEEP = """
sweeps:
  benchmark:
    title: POINTS points
    of: network_784_30_10_scaled
    space:
      learning_rate: {log_uniform: [0.03, 30.0]}
      batch_size: {log_integers: [1, 100]}
      epochs: {integers: [1, 10]}
      hidden: {choice: {"10": [10], "30": [30], "30-30": [30, 30]}}
      saturation_threshold: {log_uniform: [1.0e-7, 1.0e-5]}
    draws: POINTS
    metric: test_accuracy
    better: more
"""


def runs_in_store(folder: Path) -> int:
    """How many runs of points the MLflow store holds, deleted ones left out."""
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{folder}/results/mlflow.db")
    experiment = client.get_experiment_by_name(f"smoke/{SLUG}")
    query = "tags.step = 'point'"
    return len(client.search_runs([experiment.experiment_id], query, max_results=5000))


def sweep_of(points: int, folder: Path) -> tuple[Callable[..., None], str]:
    """A copy of the project with a sweep in it: its `snakemake`, and the page to ask for.

    What is shared by all points is made, so that it is not counted with them.
    """
    copy_of_the_project(folder)
    chapter = folder / "config/chapters/ch04.yaml"
    told = chapter.read_text(encoding="utf-8") + SWEEP.replace("POINTS", str(points))
    chapter.write_text(told, encoding="utf-8")
    options = ["--configfile", "config/smoke.yaml", "--quiet", "all"]

    def snakemake(*arguments: str) -> None:
        command = [sys.executable, "-m", "snakemake", *arguments, *options]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    snakemake("-c2", f"data/processed/smoke/{SLUG}/mnist.npz")
    return snakemake, f"results/smoke/{SLUG}/sweeps/benchmark.html"


def sweep() -> list[Row]:
    """The dry run, all runs on two cores, and one of them repeated, in a copy of the project."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snakemake, target = sweep_of(POINTS, folder)
        plan = statistics.median(seconds(lambda: snakemake("-n", target)) for _ in range(3))
        taken = seconds(lambda: snakemake("-c2", target))
        page = (folder / target).stat().st_size
        first = next((folder / target).with_suffix("").glob("*/seed1.json"))
        snakemake("-c2", "--force", str(first.relative_to(folder)))
        return [
            Row("sweep_dry_run_seconds", plan, "s", "<= 10"),
            Row("sweep_runs_in_store", runs_in_store(folder), "1", f"<= {POINTS}"),
            Row("sweep_runs_missing", POINTS - runs_in_store(folder), "1", "<= 0"),
            Row("sweep_page_bytes", page, "B", "<= 2000000"),
            Row("sweep_seconds_per_run", taken / POINTS, "s"),
        ]
