"""The evaluate stage: what the runs of one experiment came to."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasbook.arrays import load_npz, read_processed
from kerasbook.files import nulled, read_json, write_json
from kerasbook.metrics import confusion, summary
from kerasbook.steps import step_of
from kerasbook.tracking import add_artifact, add_results, tracked
from kerasbook.training import read_history


@dataclass(frozen=True)
class SeedRun:
    """One run of an experiment: what its train step left, and the data it stood on."""

    seed: int
    record: dict[str, Any]
    epochs: np.ndarray
    history: dict[str, np.ndarray]
    predictions: dict[str, np.ndarray]
    data: dict[str, np.ndarray]
    settings: dict[str, Any]


def seed_run(
    record_file: str,
    history_file: str,
    predictions_file: str,
    data: dict[str, np.ndarray],
    settings: dict[str, Any],
) -> SeedRun:
    """One run, read from the files that its train step left."""
    record = read_json(record_file)
    epochs, history = read_history(history_file)
    predictions = load_npz(predictions_file)
    return SeedRun(record["seed"], record, epochs, history, predictions, data, settings)


def history_metrics(epochs: np.ndarray, history: dict[str, np.ndarray]) -> dict[str, float]:
    """A history under the ledger's names: `loss@1`, `loss@2`, ..."""
    return {
        f"{key}@{epoch}": float(value)
        for key, values in history.items()
        for epoch, value in zip(epochs, values, strict=True)
    }


def confusion_artifact(
    labels: np.ndarray, given: np.ndarray, names: list[str], folder: Path
) -> list[Path]:
    """The confusion matrix of one run as a figure, for its page in MLflow.

    Args:
        labels, given: (n,), what each row is and what the answer was, from 0.
        names: of the classes.
    """
    from kerasbook import plots

    path = folder / "confusion_matrix.svg"
    figure = plots.confusion_matrix(confusion(labels, given, len(names)), names)
    plots.save_svg(figure, path, "Confusion matrix on the test rows")
    return [path]


def evaluate(
    snakemake: Any,
    metrics_of: Callable[[SeedRun], dict[str, float | str]],
    artifacts_of: Callable[[SeedRun, Path], list[Path]] | None = None,
) -> None:
    """Write an experiment's metrics (each seed's, their mean and spread), and its record.

    The metrics are added to the seeds' own MLflow runs too, where a reviewer sorts and
    compares; mean and standard deviation go to the run that holds them.

    Args:
        metrics_of: the chapter's metrics of one run.
        artifacts_of: writes files (a confusion matrix) into a folder, for the seed's run.
    """
    step = step_of(snakemake)
    data, about = read_processed(snakemake)
    per_seed: dict[int, dict[str, float | str]] = {}
    runs: dict[int, str] = {}
    times: dict[int, dict[str, float]] = {}
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as open_run:
        files = zip(
            snakemake.input.records,
            snakemake.input.histories,
            snakemake.input.predictions,
            strict=True,
        )
        for of_seed in files:
            run = seed_run(*of_seed, data, step.settings)
            record = run.record
            final = metrics_of(run)
            per_seed[run.seed] = {**final, **history_metrics(run.epochs, run.history)}
            runs[run.seed] = record["run_id"]
            times[run.seed] = {"fit_ms": record["seconds"] * 1000, **record.get("times", {})}
            numbers = {key: one for key, one in final.items() if not isinstance(one, str)}
            add_results(open_run, record["run_id"], numbers)
            if artifacts_of is not None:
                with tempfile.TemporaryDirectory() as folder:
                    for file in artifacts_of(run, Path(folder)):
                        add_artifact(open_run, record["run_id"], file)
        numbers_only = [
            {key: one for key, one in values.items() if not isinstance(one, str)}
            for values in per_seed.values()
        ]
        table = summary(numbers_only)
        short = {key: one for key, one in table.items() if "@" not in key}
        spread = {f"{key}_mean": one["mean"] for key, one in short.items()}
        spread |= {f"{key}_sd": one["sd"] for key, one in short.items() if one["sd"] is not None}
        open_run.metrics(spread)
        add_results(open_run, None, spread)
        write_json(
            snakemake.output.metrics,
            # A run that diverged has null where another has a number.
            nulled(
                {
                    "experiment": step.experiment,
                    "seeds": {str(seed): values for seed, values in per_seed.items()},
                    "summary": table,
                }
            ),
        )
        # What differs from one run to the next stands apart: the metrics of the same seed and
        # threads are the same bytes.
        write_json(
            snakemake.output.record,
            {
                "run_ids": {str(seed): one for seed, one in runs.items()},
                "times": {str(seed): one for seed, one in times.items()},
                "evaluate_run_id": open_run.id,
                "provenance": open_run.record(),
            },
        )
