"""What the networks of chapter 4.7 came to on the test rows."""

from pathlib import Path

from kerasbook import metrics, steps
from kerasbook.evaluation import SeedRun, confusion_artifact, evaluate


def metrics_of(run: SeedRun) -> dict[str, float]:
    """Metrics on the test rows, class 1 being `six`, and the last epoch's training accuracy.

    Half of the training rows are sixes and a tenth of the test rows, so each has trivial rules
    of its own.
    """
    tested = metrics.binary(run.data["y_test"], run.predictions["probabilities"][:, 1])
    trivial = metrics.trivial(run.data[f"y_{run.settings['negatives']}"])
    learnt = {f"train_{key}": value for key, value in trivial.items()}
    return {**tested, **learnt, "train_accuracy": float(run.history["accuracy"][-1])}


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """The confusion matrix."""
    given = run.predictions["probabilities"].argmax(axis=1)
    return confusion_artifact(run.data["y_test"], given, ["not six", "six"], folder)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
