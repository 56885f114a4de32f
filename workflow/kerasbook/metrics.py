"""Metrics of classifiers from labels and predictions, and their mean and spread over seeds."""

import math
from collections.abc import Mapping, Sequence

import numpy as np


def binary(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Metrics of a two-class classifier.

    Args:
        labels: (n,), 0 or 1.
        probabilities: (n,), of class 1.

    Returns:
        test_loss (mean cross-entropy, nats), test_accuracy, balanced_accuracy, f1 (of class 1),
        roc_auc (area under the ROC curve), and of the trivial rules majority_accuracy (of always
        giving the commoner class) and null_loss (nats, of always giving the classes' shares). A
        metric that one class alone does not define is left out.
    """
    from sklearn import metrics

    labels = np.asarray(labels)
    share = float(labels.mean())
    told = trivial(labels)
    if not np.isfinite(probabilities).all():  # a run that diverged has no metrics
        names = ("test_loss", "test_accuracy", "f1", "balanced_accuracy", "roc_auc")
        return {**dict.fromkeys(names, math.nan), **told}
    # Keras clips probabilities at 1e-7 before the logarithm; so do we, to compare.
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-7, 1 - 1e-7)
    given = (np.asarray(probabilities) > 0.5).astype(int)
    out = {
        "test_loss": float(metrics.log_loss(labels, clipped, labels=[0, 1])),
        "test_accuracy": float(metrics.accuracy_score(labels, given)),
        "f1": float(metrics.f1_score(labels, given, zero_division=0.0)),
        **told,
    }
    if 0 < share < 1:
        out["balanced_accuracy"] = float(metrics.balanced_accuracy_score(labels, given))
        out["roc_auc"] = float(metrics.roc_auc_score(labels, probabilities))
    return out


def trivial(labels: np.ndarray) -> dict[str, float]:
    """What rules come to that know nothing but how common each of two classes is.

    Args:
        labels: (n,), 0 or 1.

    Returns:
        majority_accuracy (of always giving the commoner class) and null_loss (nats, of always
        giving the classes' shares).
    """
    share = float(np.asarray(labels).mean())
    return {"majority_accuracy": max(share, 1 - share), "null_loss": entropy(share)}


def entropy(share: float) -> float:
    """Nats per row of a label that is 1 in a share of the rows."""
    return -sum(one * math.log(one) for one in (share, 1 - share) if one > 0)


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The share of rows (n, classes) whose likeliest class is the label (n,); NaN where a
    network that diverged gives no numbers."""
    if not np.isfinite(probabilities).all():
        return math.nan
    return float((np.asarray(probabilities).argmax(axis=1) == labels).mean())


def skill(summary: Mapping[str, Mapping[str, float | int | None]]) -> float | None:
    """The share of the trivial rule's mistakes that an experiment does not make.

    0 is the rule that always gives the commonest class, 1 no mistake: accuracies of tasks whose
    trivial rules differ can stand on one axis. None where there is no test accuracy.

    Args:
        summary: of an experiment's metrics, with `test_accuracy` and `majority_accuracy`.
    """
    means = [summary.get(key, {}).get("mean") for key in ("test_accuracy", "majority_accuracy")]
    if None in means or means[1] >= 1:
        return None
    return (means[0] - means[1]) / (1 - means[1])


def confusion(labels: np.ndarray, given: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes): row = what it is, column = what the answer was."""
    pairs = classes * np.asarray(labels, dtype=np.int64) + np.asarray(given, dtype=np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def summary(per_seed: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float | int | None]]:
    """Mean, standard deviation (n - 1 in the divisor; null for one seed) and n of each metric."""
    out = {}
    for key in dict.fromkeys(key for one in per_seed for key in one):
        values = np.array([one[key] for one in per_seed if key in one], dtype=np.float64)
        out[key] = {
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
            "n": len(values),
        }
    return out
