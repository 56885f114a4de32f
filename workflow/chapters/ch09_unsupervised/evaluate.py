"""What the experiments of chapter 4.9 came to."""

import numpy as np

from kerasbook import metrics, steps
from kerasbook.evaluation import SeedRun, evaluate

# The tutorial states an accuracy for "7-8 epochs" (line 2716).
STATED = (7, 8)


def of_autoencoder(run: SeedRun) -> dict[str, float]:
    """Losses, and how near drawn pictures come to true ones.

    `test_loss` is the binary cross-entropy (nats) per pixel, `squared_error` the mean square
    error; `sample_distance` the root mean square difference of a drawn picture to the nearest
    training picture, `digit_distance` the same of a test picture. A code is dead that is 0 for
    95 of 100 training pictures; `median_code` and `largest_code` are the median over codes of
    their medians, and the largest of their 95th percentiles.
    """
    names = ("squared_error", "mean_picture_loss", "sample_distance", "digit_distance")
    kept = {name: float(run.predictions[name]) for name in names}
    median, high = run.predictions["code_quantiles"][[2, -1]]
    return {
        "test_loss": float(run.history["val_loss"][-1]),
        **kept,
        "dead_codes": int((high == 0).sum()),
        "median_code": float(np.median(median)),
        "largest_code": float(high.max()),
    }


def of_pretraining(run: SeedRun) -> dict[str, float]:
    """Test accuracy of each way at each number of labels, the mean over draws."""
    told = run.predictions["accuracy"].mean(axis=2)
    out = {
        f"{way}_{count}_accuracy": float(told[row, column])
        for row, way in enumerate(run.predictions["ways"].tolist())
        for column, count in enumerate(run.predictions["counts"].tolist())
    }
    shares = np.bincount(run.data["y_test"]) / len(run.data["y_test"])
    return out | {
        "majority_accuracy": float(shares.max()),
        "test_loss": float(run.history["val_loss"][-1]),
    }


def of_word_vectors(run: SeedRun) -> dict[str, float | str]:
    """Similarities, nearest words and what else was measured; what could not be is left out."""
    names, values = run.predictions["metric_names"], run.predictions["metric_values"]
    told = dict(zip(names.tolist(), values.tolist(), strict=True))
    drawn = dict(zip(run.predictions["drawn_names"].tolist(), run.predictions["drawn"]))
    spread = {f"{name}_sd_of_draws": float(np.std(one, ddof=1)) for name, one in drawn.items()
              if len(one) > 1}  # fmt: skip
    lines = [
        f"{word}: {', '.join(near)}"
        for word, near in zip(run.predictions["queries"].tolist(), run.predictions["nearest"])
    ]
    numbers = {key: one for key, one in (told | spread).items() if np.isfinite(one)}
    return numbers | {"nearest_words": "\n".join(lines)}


def of_doc_vectors(run: SeedRun) -> dict[str, float]:
    """The classifier by the posts' own labels, and by those that it was given.

    `test_accuracy` counts right answers about who wrote the post; `apparent_accuracy` what
    the learner sees, who holds the given labels for true.
    """
    own, given = run.data["first_group"], run.predictions["given"]
    answers = run.predictions["probabilities"]
    told = metrics.binary(own, answers)
    return told | {
        "apparent_accuracy": float(np.mean((answers > 0.5) == given)),
        "wrong_labels": float(np.mean(own != given)),
    }


def of_sentences(run: SeedRun) -> dict[str, float]:
    """Metrics on the rows that nothing was learnt from, and the course of the training.

    `test_loss` is of probabilities cut off at 1e-7; `last_val_loss` is what the experiment's own
    loss comes to after the last epoch, in nats too.
    """
    first = int(run.data["first_validation_row"])
    told = metrics.binary(run.data["y"][first:], run.predictions["probabilities"])
    if "val_accuracy" not in run.history:
        return told
    watched = run.history["val_loss"]
    learnt = metrics.trivial(run.data["y"][:first])
    told |= {f"train_{key}": value for key, value in learnt.items()}
    told |= {
        "epochs_run": len(run.epochs),
        "best_epoch": int(run.epochs[watched.argmin()]),
        "lowest_val_loss": float(watched.min()),
        "last_val_loss": float(watched[-1]),
        "best_val_accuracy": float(run.history["val_accuracy"].max()),
        "train_accuracy": float(run.history["accuracy"][-1]),
        "n_known_words": int(run.predictions["n_known_words"]),
    }
    stated = run.history["val_accuracy"][np.isin(run.epochs, STATED)]
    if len(stated) == len(STATED):
        told["val_accuracy_stated@7-8"] = float(stated.mean())
    return told


METRICS = {
    "autoencoder": of_autoencoder,
    "pretraining": of_pretraining,
    "word_vectors": of_word_vectors,
    "doc_vectors": of_doc_vectors,
    "tfidf": of_sentences,
    "sentence_cnn": of_sentences,
}


def metrics_of(run: SeedRun) -> dict[str, float | str]:
    """The metrics of an experiment's task."""
    return METRICS[run.settings["task"]](run)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
