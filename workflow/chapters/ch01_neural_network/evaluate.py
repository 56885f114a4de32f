"""What the networks of chapter 4.1 came to."""

import numpy as np

from kerasbook import steps
from kerasbook.evaluation import SeedRun, evaluate

SHOWN_ROWS = 5  # as many predictions as the tutorial prints (lines 376 to 380)


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Share of rows whose prediction lies on the label's side of a half."""
    return float(((predictions >= 0.5) == (labels == 1)).mean())


def metrics_of(run: SeedRun) -> dict[str, float]:
    """Errors, the printed predictions, and the accuracy on learnt and on held-out rows.

    `reported_accuracy` is what one would report: of the held-out rows, or where there are
    none, as in the tutorial, of the rows that were learnt from.
    """
    labels, predictions = run.data["y"], run.predictions["predictions"]
    learnt, kept = run.predictions["learnt"], run.predictions["held_out"]
    tested = kept if len(kept) else learnt
    commonest = float(labels[learnt].mean()) >= 0.5
    out = {
        "final_error": float(run.history["error"][-1]),
        "train_accuracy": accuracy(labels[learnt], predictions[learnt]),
        "reported_accuracy": accuracy(labels[tested], predictions[tested]),
        "majority_accuracy": float(((labels[tested] == 1) == commonest).mean()),
        "prediction_min": float(predictions.min()),
    }
    if len(kept):
        out["test_accuracy"] = out["reported_accuracy"]
    rows = {f"prediction_row{i}": float(one) for i, one in enumerate(predictions[:SHOWN_ROWS])}
    return {**out, **rows}


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
