"""What the runs of chapter 4.2 came to."""

from pathlib import Path

import numpy as np

from chapters.ch02_theano import graphs, logistic
from chapters.ch02_theano.logistic import Line
from kerasbook import metrics, steps
from kerasbook.evaluation import SeedRun, confusion_artifact, evaluate

SHOWN = [0, 1, 2, -3, -2, -1]  # the rows that numpy prints of a long array (lines 843 and 845)
GRAPHS = (
    "expression",
    "gradient",
    "gradient_rewritten",
    "loss",
    "loss_rewritten",
    "tensorflow_expression",
    "tensorflow_gradient",
)
PRINTS = ("print", "pprint", "debugprint")


def symbolic(run: SeedRun) -> dict[str, float | str]:
    """The values in both libraries, the printed forms, and the sizes of the graphs."""
    told = run.predictions
    values = {key: float(one) for key, one in told.items() if one.ndim == 0 and key not in PRINTS}
    sizes = {f"{name}_operations": graphs.unpacked(told, name).operations for name in GRAPHS}
    return {**values, **sizes, **{name: str(told[name]) for name in PRINTS}}


def every(values: np.ndarray) -> float:
    """The value that all elements have; NaN if they differ."""
    return float(values.flat[0]) if (values == values.flat[0]).all() else float("nan")


def shared(run: SeedRun) -> dict[str, float]:
    """The matrix's value and the counter's, in both libraries."""
    out = {}
    for prefix in ("", "tensorflow_"):
        for name in ("x_plus_2_squared", "x_plus_2_squared_compiled"):
            out[prefix + name] = every(run.predictions[prefix + name])
        for call, value in enumerate(run.predictions[f"{prefix}counter"]):
            out[f"{prefix}counter@{call}"] = float(value)
    return out


def probability(z: np.ndarray) -> np.ndarray:
    """Of class 1, (n,), from the log odds."""
    from scipy.special import expit

    return expit(z)


def null_loss(y: np.ndarray, share: float) -> float:
    """Nats per row of always answering with a share of class 1."""
    return float(-(y * np.log(share) + (1 - y) * np.log1p(-share)).mean())


def tested(z: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Metrics on rows; the loss from the log odds, which is finite however sure a wrong answer.

    Args:
        z: (n,) log odds.
        y: (n,), 0 or 1.
    """
    told = metrics.binary(y, probability(z))
    return {**told, "test_loss": float(logistic.cross_entropy(z, y).mean())}


def line_of(run: SeedRun, prefix: str) -> Line | None:
    """A library's weights and bias; None where it was not asked."""
    if f"{prefix}weights" not in run.predictions:
        return None
    return Line(run.predictions[f"{prefix}weights"], float(run.predictions[f"{prefix}bias"]))


def regression(run: SeedRun) -> dict[str, float]:
    """A logistic regression on the rows that it learnt, and a second one on rows it did not.

    `predicted_positive` counts the six rows that the tutorial's print shows; what it is over
    all rows, `predicted_positive_share` says.
    """
    told = run.predictions
    y = run.data["y"][told["order"]]
    z, start = told["logits"], told["start_logits"]
    given = z > 0  # of a row that is not a number this is false, as in the tutorial
    kept = y[len(y) - len(told["test_logits"]) :]
    learnt = tested(z, y)
    out = {
        "predicted_positive": int(given[SHOWN].sum()),
        "predicted_positive_share": float(given.mean()),
        "chance_of_six_zeros": float((1 - given.mean()) ** len(SHOWN)),
        "class1_share": float(y.mean()),
        "train_loss": learnt["test_loss"],
        "train_accuracy": learnt["test_accuracy"],
        "train_majority_accuracy": learnt["majority_accuracy"],
        **tested(told["test_logits"], kept),
        "null_loss": null_loss(kept, float(told["learnt_share"])),
        "trivial_balance": 0.5,
        "steps": int(told["costs"][-1, 0]),
        "test_steps": int(told["test_steps"]),
        "final_cost": float(told["costs"][-1, 1]),
        "largest_gradient": float(told["largest_gradient"]),
        "not_finite_float32": not_finite(start.astype(np.float32), y),
        "not_finite_float64": not_finite(start, y),
    }
    own, other, best = line_of(run, ""), line_of(run, "tensorflow_"), line_of(run, "reference_")
    if other is not None:
        out["weight_difference"] = own.difference(other)
    if best is not None:
        out["distance_to_minimum"] = own.difference(best)
        out["reference_loss"] = float(logistic.cross_entropy(told["reference_logits"], y).mean())
        out["reference_cost"] = out["reference_loss"] + run.settings["penalty"] * float(
            np.square(best.weights).sum()
        )
    return out


def not_finite(z: np.ndarray, y: np.ndarray) -> int:
    """Rows whose loss, as the tutorial writes it, is infinite or not a number."""
    return int(np.count_nonzero(~np.isfinite(logistic.written_cross_entropy(z, y))))


TASKS = {"symbolic": symbolic, "shared": shared, "logistic_regression": regression}


def metrics_of(run: SeedRun) -> dict[str, float | str]:
    """The metrics of the run's task."""
    return TASKS[run.settings["task"]](run)


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """The confusion matrix of a regression's held-out rows."""
    if run.settings["task"] != "logistic_regression":
        return []
    z = run.predictions["test_logits"]
    kept = run.data["y"][run.predictions["order"]][-len(z) :]
    return confusion_artifact(kept, (z > 0).astype(int), ["other", "class 1"], folder)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
