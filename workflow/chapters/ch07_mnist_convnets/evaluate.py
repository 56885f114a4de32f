"""What the networks of chapter 4.7 came to on the test rows."""

from pathlib import Path

import numpy as np

from kerasbook import metrics, steps
from kerasbook.evaluation import SeedRun, evaluate


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Counts (2, 2): row = what it is, column = what the network says (not six, six)."""
    given = (probabilities > 0.5).astype(int)
    return np.bincount(2 * labels.astype(int) + given, minlength=4).reshape(2, 2)


def metrics_of(run: SeedRun) -> dict[str, float]:
    """Metrics on the test rows, class 1 being `six`."""
    return metrics.binary(run.data["y_test"], run.predictions["probabilities"][:, 1])


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """The confusion matrix as a figure, for the run's page in MLflow."""
    from kerasbook import plots

    counts = confusion(run.data["y_test"], run.predictions["probabilities"][:, 1])
    figure = plots.confusion_matrix(counts, ["not six", "six"])
    path = folder / "confusion_matrix.svg"
    plots.save_svg(figure, path, "Confusion matrix on the test rows")
    return [path]


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
