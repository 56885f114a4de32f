"""Metrics of a classifier of several classes, and of what needs no columns."""

import math

import numpy as np

from kerasbook.metrics import confusion

# Keras clips probabilities here before the logarithm; so do we, to compare.
CLIP = 1e-7


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean cross-entropy in nats, which Kaggle calls multi-class log loss.

    Args:
        labels: (n,), from 0.
        probabilities: (n, k), each row's sum 1.

    Returns:
        NaN where a probability is not finite.
    """
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(given, CLIP, 1 - CLIP)).mean())


def macro_f1(counts: np.ndarray) -> float:
    """The mean F1 score of the classes that occur, in truth or in the answers.

    Args:
        counts: (k, k), row = what it is, column = what the answer was.
    """
    right = np.diagonal(counts).astype(np.float64)
    either = counts.sum(axis=0) + counts.sum(axis=1)
    return float((2 * right[either > 0] / either[either > 0]).mean())


def multiclass(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Log loss (nats), accuracy and macro-averaged F1 of a classifier; NaN if it diverged."""
    if not np.isfinite(probabilities).all():
        return dict.fromkeys(("loss", "accuracy", "macro_f1"), math.nan)
    counts = confusion(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return {
        "loss": log_loss(labels, probabilities),
        "accuracy": float(np.trace(counts) / counts.sum()),
        "macro_f1": macro_f1(counts),
    }


def trivial(labels: np.ndarray, told_of: np.ndarray, classes: int) -> dict[str, float]:
    """What needs no columns: the frequencies of the classes, and the commonest class.

    Args:
        labels: (n,) of all rows.
        told_of: the test rows; the frequencies are those of the others, if there are any.
    """
    others = np.ones(len(labels), bool)
    others[told_of] = len(told_of) == len(labels)
    frequencies = np.bincount(labels[others], minlength=classes) / others.sum()
    tested = labels[told_of]
    return {
        "null_loss": log_loss(tested, np.broadcast_to(frequencies, (len(tested), classes))),
        "majority_accuracy": float((tested == frequencies.argmax()).mean()),
    }
