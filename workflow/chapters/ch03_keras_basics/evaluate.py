"""What the models of chapter 4.3 came to on the rows that they are told of."""

from pathlib import Path

import numpy as np

from chapters.ch03_keras_basics.metrics import log_loss, multiclass, trivial
from kerasbook import steps
from kerasbook.evaluation import SeedRun, confusion_artifact, evaluate
from kerasbook.files import number


def in_use_of(predictions: dict[str, np.ndarray], settings: dict) -> np.ndarray:
    """The probabilities (n, k) of the weights that are the model."""
    return predictions[settings.get("weights", "last")]


def in_use(run: SeedRun) -> np.ndarray:
    """The probabilities (n, k) of a run's model."""
    return in_use_of(run.predictions, run.settings)


def metrics_of(run: SeedRun) -> dict[str, float]:
    """What one would report, and what it is worth.

    `reported_*` is of the rows that the experiment calls test rows (all rows, where none are
    held out); `test_*` is the same number where not one of these was ever learnt from.
    """
    labels = run.data["y_train"]
    rows = run.predictions["rows"]
    told = multiclass(labels[rows], in_use(run))
    out = {f"reported_{name}": value for name, value in told.items()}
    if run.record["share_seen"] == 0:
        out |= {f"test_{name}": value for name, value in told.items()}
    for weights in ("last", "best"):
        if weights in run.predictions:
            out[f"{weights}_loss"] = log_loss(labels[rows], run.predictions[weights])
    own = ("n_rows", "n_train", "n_val", "n_test", "share_seen", "linear_gap", "stopped_early")
    out |= {name: number(run.record[name]) for name in own if name in run.record}
    if run.settings["task"] == "network":
        # Counted from 0, as the printed log does.
        out["stopped_epoch"] = float(run.epochs[-1] - 1)
        final = {name: float(values[-1]) for name, values in run.history.items()}
        out["train_loss"] = final["loss"]
        if "val_loss" in run.history:
            out["best_epoch"] = float(run.epochs[run.history["val_loss"].argmin()])
            out["loss_change"] = final["loss"] - float(run.history["loss"][0])
    return {**out, **trivial(labels, rows, len(run.data["classes"]))}


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """The confusion matrix."""
    labels = run.data["y_train"][run.predictions["rows"]]
    names = [name.rsplit("_", 1)[-1] for name in run.data["classes"]]
    return confusion_artifact(labels, in_use(run).argmax(axis=1), names, folder)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
