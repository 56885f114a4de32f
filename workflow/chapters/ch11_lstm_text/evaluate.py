"""What the experiments of chapter 4.11 came to."""

import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch11_lstm_text.sampling import SAMPLERS, as_text, known_words
from kerasbook import metrics, steps
from kerasbook.characters import decode
from kerasbook.evaluation import SeedRun, evaluate
from kerasbook.files import write_text

Metrics = dict[str, Any]

# Characters of a line of a sample.
LINE = 72


def of_classifier(run: SeedRun) -> Metrics:
    """Metrics on the test rows; `test_loss` is the loss that the experiment learns by.

    So that all can be compared, `cross_entropy` (nats) and `squared_error` are there for each.
    """
    labels, given = run.predictions["labels"], run.predictions["probabilities"]
    out: Metrics = {
        **metrics.binary(labels, given),
        "squared_error": float(np.square(given - labels.astype(np.float64)).mean()),
        "null_squared_error": float(labels.mean() * (1 - labels.mean())),
        "n_train": int(run.predictions["n_train"]),
        "n_test": len(labels),
    }
    out["cross_entropy"] = out["test_loss"]
    if run.settings.get("loss") == "mean_squared_error":
        out["test_loss"] = out["squared_error"]
    return out


def of_one_hot(run: SeedRun) -> Metrics:
    """Besides: how many labels name the wrong author, and how many answers the right one."""
    answers = run.predictions["probabilities"] > 0.5
    return {
        **of_classifier(run),
        "author_accuracy": float((answers == run.predictions["female"]).mean()),
        "wrong_labels": float(run.predictions["wrong_labels"]),
    }


def of_tfidf(run: SeedRun) -> Metrics:
    """Besides: which shares of the weights that are not zero the padding leaves."""
    told = {key: int(run.predictions[f"nonzero_{key}"]) for key in ("whole", "last_columns")}
    integers = int(run.predictions["nonzero_integers"])
    return {
        **of_classifier(run),
        "columns": int(run.predictions["columns"]),
        "nonzero_weights": told["whole"],
        "share_in_last_columns": told["last_columns"] / told["whole"],
        "share_as_integers": integers / told["whole"],
        "nonzero_integers": integers,
    }


def of_linear(run: SeedRun) -> Metrics:
    """Besides: the accuracy of each fold, and their mean."""
    right = (run.predictions["fold_probabilities"] > 0.5) == run.predictions["fold_labels"]
    fold = run.predictions["fold"]
    each = {
        f"fold{number + 1}_accuracy": float(right[fold == number].mean())
        for number in range(run.settings["folds"])
    }
    return {**of_classifier(run), **each, "folds_accuracy": float(np.mean(list(each.values())))}


def _folded(text: str) -> str:
    """A text in lines that a page has room for, no character left out."""
    return "\n".join(
        part
        for line in text.split("\n")
        for part in textwrap.wrap(
            line, LINE, drop_whitespace=False, replace_whitespace=False, expand_tabs=False
        )
        or [""]
    )


def samples_of(run: SeedRun, epoch: int, sampler: str) -> str:
    """The samples of an epoch (from 1) by one sampler, whole, with what each goes on from."""
    alphabet, window = run.data["alphabet"], run.settings["window"]
    start = int(run.predictions["starts"][epoch - 1])
    begun = decode(run.data["characters"][start : start + window], alphabet)
    written = run.predictions["samples"][epoch - 1][SAMPLERS.index(sampler)]
    parts = [f"going on from: {begun!r}"]
    for diversity, one in zip(run.settings["diversities"], written):
        parts.append(f"diversity {diversity:g}:\n{_folded(decode(one, alphabet))}")
    return "\n\n".join(parts)


def known_words_by_temperature(run: SeedRun) -> float:
    """The share of words of the text in the last epoch's samples by temperature, their mean."""
    alphabet = run.data["alphabet"]
    learnt = run.data["characters"][: int(run.predictions["n_characters"])]
    known = frozenset(decode(learnt, alphabet).split(" "))
    written = run.predictions["samples"][-1][SAMPLERS.index("temperature")]
    shares = [known_words(decode(one, alphabet), known) for one in written]
    return float(np.nan_to_num(shares).mean())


def of_characters(run: SeedRun) -> Metrics:
    """Sizes as the tutorial's arrays have them, losses, and samples of the last epoch.

    `n_windows` counts a row for each character, as the printed array does; `rise` is how far the
    loss of the last epoch lies above the lowest, in nats (NaN where one was not finite).
    """
    loss = run.history["loss"]
    n_characters = int(run.predictions["n_characters"])
    last = len(loss)
    return {
        "n_windows": n_characters,
        "n_windows_filled": int(run.predictions["n_windows"]),
        "n_chars": len(run.data["alphabet"]),
        "one_hot_gb": n_characters * run.settings["window"] * len(run.data["alphabet"]) / 1e9,
        "last_loss": float(loss[-1]),
        "rise": float(loss[-1] - loss.min()) if np.isfinite(loss).all() else math.nan,
        "text_loss": float(run.history["text_loss"][-1]),
        "known_words": float(run.history["known_words"][-1]),
        "known_words_by_temperature": known_words_by_temperature(run),
        "uniform_loss": math.log(len(run.data["alphabet"])),
        "sample": samples_of(run, last, SAMPLERS[0]),
        "sample_by_temperature": samples_of(run, last, SAMPLERS[1]),
    }


OF_TASK: dict[str, Callable[[SeedRun], Metrics]] = {
    "one_hot": of_one_hot,
    "tfidf": of_tfidf,
    "linear": of_linear,
    "characters": of_characters,
}


def metrics_of(run: SeedRun) -> Metrics:
    """The metrics of the run's task."""
    return OF_TASK[run.settings["task"]](run)


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """All samples of a character network."""
    if run.settings["task"] != "characters":
        return []
    text = as_text(
        run.data["characters"],
        run.data["alphabet"],
        run.predictions["starts"],
        run.predictions["samples"],
        run.settings["window"],
        run.settings["diversities"],
    )
    write_text(folder / "samples.txt", text)
    return [folder / "samples.txt"]


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
