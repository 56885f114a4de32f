"""What the experiments of chapter 4.10 came to."""

import math
import re

import numpy as np

from chapters.ch10_recurrent.writing import told
from kerasbook import metrics, steps
from kerasbook.characters import TINY, decode
from kerasbook.evaluation import SeedRun, evaluate
from kerasbook.files import number

# Characters that a line of the page holds.
PAGE_WIDTH = 76
_WORD = re.compile(r"[^\W\d_]+")


def entropy(counts: np.ndarray) -> float:
    """The mean loss (nats) of who knows how often each outcome comes, and nothing else."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def known_words(text: str, known: set[str]) -> float:
    """The share of a text's words that are words of the corpus; 0 where it has none.

    The first and the last word, which may be parts of words, do not count.
    """
    words = _WORD.findall(text)[1:-1]
    return sum(word in known for word in words) / len(words) if words else 0.0


def known_by_epoch(ids: np.ndarray, alphabet: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """`known_words` of texts (n_epochs, n_diversities, length) that were written after `ids`.

    Returns:
        (n_epochs, n_diversities) float64.
    """
    known = set(_WORD.findall(decode(ids, alphabet)))
    return np.array(
        [[known_words(decode(one, alphabet), known) for one in epoch] for epoch in texts]
    )


def of_characters(run: SeedRun) -> dict[str, float | str]:
    """Last loss, what the interrupted epoch came to, the texts and how they read."""
    ids, alphabet = run.data["ids"], run.data["alphabet"]
    shares = known_by_epoch(ids, alphabet, run.predictions["texts"])[-1]
    out = {
        "loss": float(run.history["loss"][-1]),
        "trivial_loss": entropy(np.bincount(ids)),
        "known_words": float(shares.mean()),
        "logs_of_zero": int(run.predictions["logs_of_zero"].sum()),
        "least_log10": math.log10(max(run.predictions["least_probability"].min(), TINY)),
    }
    for diversity, share in zip(run.predictions["diversities"], shares):
        out[f"known_words_{diversity:g}"] = float(share)
    for name, epoch in (("first", 0), ("last", -1)):
        texts = (run.predictions["starts"][epoch], run.predictions["diversities"],
                 run.predictions["texts"][epoch])  # fmt: skip
        out[f"texts_{name}"] = told(alphabet, *texts, width=PAGE_WIDTH)
    if "loss_partial" in run.record:
        out[f"loss_partial@{len(run.epochs) + 1}"] = number(run.record["loss_partial"])
    return out


def of_reviews(run: SeedRun) -> dict[str, float]:
    """Metrics on the test rows, class 1 being the second label."""
    labels = run.data["y_test"]
    tested = metrics.binary(labels, run.predictions["probabilities"])
    trivial = {"trivial_loss": entropy(np.bincount(labels))}
    if "inverse_penalty" in run.predictions:
        tested["inverse_penalty"] = float(run.predictions["inverse_penalty"])
    return {**tested, **trivial, "train_accuracy": float(run.history["accuracy"][-1])}


def metrics_of(run: SeedRun) -> dict[str, float | str]:
    """The metrics of the experiment's task."""
    return of_characters(run) if run.settings["task"] == "characters" else of_reviews(run)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
