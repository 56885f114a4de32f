"""What the networks of chapter 4.7 came to on the test rows."""

from pathlib import Path

from kerasbook import metrics, steps
from kerasbook.evaluation import SeedRun, evaluate


def metrics_of(run: SeedRun) -> dict[str, float]:
    """Metrics on the test rows, class 1 being `six`, and the last epoch's training accuracy."""
    tested = metrics.binary(run.data["y_test"], run.predictions["probabilities"][:, 1])
    return {**tested, "train_accuracy": float(run.history["accuracy"][-1])}


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """The confusion matrix as a figure, for the run's page in MLflow."""
    from kerasbook import plots

    given = run.predictions["probabilities"].argmax(axis=1)
    counts = metrics.confusion(run.data["y_test"], given, 2)
    figure = plots.confusion_matrix(counts, ["not six", "six"])
    path = folder / "confusion_matrix.svg"
    plots.save_svg(figure, path, "Confusion matrix on the test rows")
    return [path]


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
