"""What the networks of chapter 4.4 came to on the test digits."""

from pathlib import Path

import numpy as np

from kerasbook import steps
from kerasbook.evaluation import SeedRun, confusion_artifact, evaluate

DIGITS = [str(digit) for digit in range(10)]


def metrics_of(run: SeedRun) -> dict[str, float]:
    """Accuracy and saturation after the last epoch, and the trivial rule.

    `distinct_outputs` counts the different outputs to the test digits, to two decimals: few where
    the hidden units say the same of nearly all of them.
    """
    labels = run.data["y_test"]
    given = run.predictions["outputs"].argmax(axis=1)
    commonest = np.bincount(run.data["y_train"]).argmax()
    return {
        "test_accuracy": float((given == labels).mean()),
        "hidden_saturation": float(run.history["saturated_hidden_1"][-1]),
        "output_saturation": float(run.history["saturated_output"][-1]),
        "majority_accuracy": float((labels == commonest).mean()),
        "majority_correct": int((labels == commonest).sum()),
        "answers_given": len(np.unique(given)),
        "distinct_outputs": len(np.unique(run.predictions["outputs"].round(2), axis=0)),
    }


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """The confusion matrix."""
    given = run.predictions["outputs"].argmax(axis=1)
    return confusion_artifact(run.data["y_test"], given, DIGITS, folder)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
