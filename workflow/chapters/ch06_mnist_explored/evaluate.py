"""What the tutorial reads off MNIST, and how far the nearest mean digit gets."""

from pathlib import Path

import numpy as np

from chapters.ch06_mnist_explored.preprocess import counts
from kerasbook import steps
from kerasbook.evaluation import SeedRun, confusion_artifact, evaluate

DIGITS = [str(digit) for digit in range(10)]


def facts(data: dict[str, np.ndarray], first_labels: int) -> dict[str, int | str]:
    """Counts, first labels and shape, as the tutorial prints them."""
    labels = {f"train_label_{i}": int(one) for i, one in enumerate(data["y_train"][:first_labels])}
    shape = {"train_shape": str(data["x_train"].shape)}
    return {**counts(data, "train"), **counts(data, "test"), **labels, **shape}


def metrics_of(run: SeedRun) -> dict[str, float | int | str]:
    """The facts, and the accuracy on ten digits and on chapter 4.7's question, six or not."""
    from sklearn.metrics import balanced_accuracy_score

    given, labels = run.predictions["digits"], run.data["y_test"]
    six = labels == 6
    commonest = np.bincount(run.data["y_train"]).argmax()
    return {
        **facts(run.data, run.settings["first_labels"]),
        "test_accuracy": float((given == labels).mean()),
        "train_accuracy": float(run.history["train_accuracy"][0]),
        "majority_accuracy": float((labels == commonest).mean()),
        "six_accuracy": float(((given == 6) == six).mean()),
        "six_balanced_accuracy": float(balanced_accuracy_score(six, given == 6)),
    }


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """The confusion matrix."""
    given = run.predictions["digits"]
    return confusion_artifact(run.data["y_test"], given, DIGITS, folder)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
