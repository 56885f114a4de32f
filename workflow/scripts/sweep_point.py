"""Train and evaluate one point of a sweep with one seed, by the scripts of its chapter."""

import importlib
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kerasbook import steps, tracking
from kerasbook.arrays import read_processed
from kerasbook.evaluation import SeedRun, seed_run
from kerasbook.files import nulled, write_json


def training_job(snakemake: Any, folder: Path) -> SimpleNamespace:
    """The point's job as the chapter's `train.py` knows one: its files go to a folder."""
    outputs = {key: str(folder / name) for key, name in snakemake.params.outputs.items()}
    kept = ("rule", "input", "params", "wildcards", "threads", "log", "resources")
    return SimpleNamespace(
        output=SimpleNamespace(**outputs), **{key: getattr(snakemake, key) for key in kept}
    )


def numbers_of(run: SeedRun, metrics: dict[str, Any]) -> dict[str, float]:
    """The chapter's metrics, and the last epoch's numbers that are not among them.

    Texts are left out.
    """
    last = {key: float(values[-1]) for key, values in run.history.items()}
    return last | {key: one for key, one in metrics.items() if not isinstance(one, str)}


def main(snakemake) -> None:
    """Write what the point came to; its model and predictions are not kept."""
    chapter = snakemake.wildcards.chapter
    train = importlib.import_module(f"chapters.{chapter}.train")
    evaluate = importlib.import_module(f"chapters.{chapter}.evaluate")
    step = steps.step_of(snakemake)
    data, _ = read_processed(snakemake)
    record: dict[str, Any] = {}
    numbers: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        job = training_job(snakemake, Path(folder))

        def judge(run: tracking.Run) -> None:
            """Evaluate what was trained, while its run is open."""
            left = job.output
            trained = seed_run(left.record, left.history, left.predictions, data, step.settings)
            record.update(trained.record)
            numbers.update(numbers_of(trained, evaluate.metrics_of(trained)))
            # The training has sent its epochs; the last one's number would be a point at step 0.
            run.metrics({key: one for key, one in numbers.items() if key not in trained.history})

        with tracking.without_models(), tracking.at_the_end(judge):
            train.main(job)
    kept = ("seed", "seconds", "told_seconds", "peak_memory_mb", "run_id", "provenance")
    write_json(
        snakemake.output.record,
        nulled(
            {
                "point": step.point,
                "values": step.values,
                "metrics": numbers,
                **{key: record[key] for key in kept},
            }
        ),
    )


if "snakemake" in globals():
    steps.run(main, snakemake)
