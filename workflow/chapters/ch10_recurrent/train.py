"""Train one network of chapter 4.10 with one seed, or fit its linear rival."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch10_recurrent import reviews, writing
from chapters.ch10_recurrent.writing import STEP, WINDOW
from kerasbook import characters, checkpoints, keras_1, steps
from kerasbook.arrays import read_processed, save_npz
from kerasbook.errors import KerasbookError
from kerasbook.files import write_text
from kerasbook.tracking import Run, tracked
from kerasbook.training import Progress, fit, save_keras_run, save_run
from kerasbook.words import pad_sequences

# Training rows that choose the penalty of the linear model.
VALIDATION_SHARE = 0.2

# ----------------------------------------------------------------------------- sentiment


def first_long_row(x: np.ndarray) -> int:
    """The first row without padding; the one with the least padding where there is none."""
    return int((x == reviews.PADDING).sum(axis=1).argmin())


def without_marks(data: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All rows without punctuation marks and line breaks, as values and offsets."""
    vocabulary = data["vocabulary"].tobytes().decode().split("\n")
    return reviews.without_marks(data["words"], data["offsets"], vocabulary)


def rows_to_read(
    data: Mapping[str, np.ndarray], settings: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """What the network reads of the training and of the test rows, (n, words) each."""
    words = settings["words"]
    if settings["marks"]:
        return data["x_train"][:, -words:], data["x_test"][:, -words:]
    x = pad_sequences(*without_marks(data), words)
    return x[: len(data["x_train"])], x[len(data["x_train"]) :]


def learnt_and_watched(
    x: np.ndarray, y: np.ndarray, tested: tuple[np.ndarray, np.ndarray], settings: Mapping[str, Any]
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The rows and labels that are learnt from, and those that are watched meanwhile.

    Args:
        x, y: the training rows, (n, words) and (n,).
        tested: the test rows and labels, which are watched where no training rows are.

    Raises:
        KerasbookError: `validation_split` leaves no row for one of them.
    """
    share = settings.get("validation_split", 0)
    if not share:
        return (x, y), tested
    kept = round(share * len(x))
    if not 0 < kept < len(x):
        raise KerasbookError(
            f"validation_split: found {share}, which keeps {kept} of {len(x)} rows from training, "
            f"expected a share that keeps between 1 and {len(x) - 1}; change it or `rows`."
        )
    return (x[:-kept], y[:-kept]), (x[-kept:], y[-kept:])


def train_sentiment(snakemake: Any, run: Run, step: steps.Step, data: Mapping) -> None:
    """Fit a recurrent network to reviews, and ask it about the test rows."""
    from kerasbook import models

    keras = models.set_up(step)
    from chapters.ch10_recurrent import networks
    from kerasbook.fused import fused

    settings = step.settings
    x, x_test = rows_to_read(data, settings)
    learnt, watched = learnt_and_watched(
        x[: settings["rows"]],
        data["y_train"][: settings["rows"]],
        (x_test, data["y_test"]),
        settings,
    )
    keras.utils.set_random_seed(step.seed)
    words = data["vocabulary"].tobytes().decode().split("\n")
    model = networks.sentiment_network(settings, len(words) + reviews.FIRST_RANK + 1)
    keras_1.draw_initial_weights(model, settings["initial_weights"])
    told = {"loss": "binary_crossentropy", "metrics": ["accuracy"]}
    model.compile(optimizer=fused(models.optimizer(settings["optimizer"])), **told)
    begun, seconds = time.monotonic(), []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seconds.append(time.monotonic() - begun)
    )
    progress = fit(
        model, learnt, watched, settings["epochs"], settings["batch_size"], run.metrics, [watch],
        seed=step.seed, keep=checkpoints.of_run(snakemake, run, step), kept={"seconds": seconds},
    )  # fmt: skip
    row = first_long_row(x_test)
    answers = {
        "probabilities": model.predict(x_test, batch_size=1000, verbose=0)[:, 0],
        "followed_row": np.array(row),
        "followed": model.predict(networks.beginnings(x_test[row]), verbose=0)[:, 0],
    }
    times = {"fit_ms@1": 1000 * seconds[0]}
    # Keras's own optimizer, without its state: what is saved is small and loads anywhere.
    model.compile(optimizer=models.optimizer(settings["optimizer"]), **told)
    save_keras_run(snakemake, run, step, model, progress, answers, x_test[:2], times=times)


# -------------------------------------------------------------------------- TF-IDF, linear


def train_linear(snakemake: Any, run: Run, step: steps.Step, data: Mapping) -> None:
    """Fit logistic regression to the TF-IDF weights of the training rows."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    settings = step.settings
    n_train = len(data["y_train"])
    progress = Progress(1, n_train, run.metrics)
    rows = (data["words"], data["offsets"]) if settings.get("marks", True) else without_marks(data)
    counted = reviews.counts(*rows, settings["words"], settings["pairs"], n_train)
    weights = TfidfTransformer(sublinear_tf=True).fit(counted[:n_train]).transform(counted)
    labels = data["y_train"]
    apart = n_train - round(VALIDATION_SHARE * n_train)
    losses = []
    for penalty in settings["inverse_penalties"]:
        tried = LogisticRegression(C=penalty, max_iter=1000).fit(weights[:apart], labels[:apart])
        said = tried.predict_proba(weights[apart:n_train])
        losses.append(-np.log(said[np.arange(len(said)), labels[apart:]]).mean())
    chosen = settings["inverse_penalties"][int(np.argmin(losses))]
    rival = LogisticRegression(C=chosen, max_iter=1000).fit(weights[:n_train], labels)
    probabilities = rival.predict_proba(weights)[:, 1]
    known = np.concatenate([data["y_train"], data["y_test"]])
    chance = np.where(known == 1, probabilities, 1 - probabilities)
    right = (probabilities > 0.5) == known
    progress.epoch(
        {
            "loss": -np.log(np.maximum(chance[:n_train], 1e-7)).mean(),
            "accuracy": right[:n_train].mean(),
            "val_loss": -np.log(np.maximum(chance[n_train:], 1e-7)).mean(),
            "val_accuracy": right[n_train:].mean(),
        },
        1,
    )
    folder = Path(snakemake.output.model)
    folder.mkdir(parents=True, exist_ok=True)
    save_npz(folder / "weights.npz", coefficients=rival.coef_[0], intercept=rival.intercept_)
    answers = {"probabilities": probabilities[n_train:], "inverse_penalty": np.array(chosen)}
    save_run(snakemake, run, step, progress, answers, rival.coef_.size + 1)


# ------------------------------------------------------------------------------ characters


def train_characters(snakemake: Any, run: Run, step: steps.Step, data: Mapping) -> None:
    """Fit the character network; after each epoch it writes."""
    from kerasbook import models

    keras = models.set_up(step)
    from chapters.ch10_recurrent import networks

    settings = step.settings
    ids, alphabet = data["ids"], data["alphabet"]
    starts = characters.window_starts(len(ids), WINDOW, STEP)[: settings["windows"]]
    keras.utils.set_random_seed(step.seed)

    def build(gates: str) -> Any:
        told = {**settings, "recurrent_activation": gates}
        return networks.character_network(told, WINDOW, len(alphabet))

    model = build(settings["recurrent_activation"])
    keras_1.draw_initial_weights(model, settings["initial_weights"])
    model.compile(
        loss="sparse_categorical_crossentropy", optimizer=models.optimizer(settings["optimizer"])
    )
    order = (ids, starts, WINDOW, settings["batch_size"], step.seed)
    source = characters.batches(*order)
    written = writing.Writing(model, ids, settings, step.seed)
    spans: list[float] = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: spans.append(-time.monotonic()),
        on_epoch_end=lambda epoch, logs: spans.append(spans.pop() + time.monotonic()),
    )
    write = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: written.after(epoch))
    epochs = settings["epochs"]
    progress = fit(
        model, source, epochs=epochs, send=run.metrics, rows=source.windows,
        callbacks=[watch, write], seed=step.seed, keep=checkpoints.of_run(snakemake, run, step),
        kept={"spans": spans, "written": written},
    )  # fmt: skip
    more: dict[str, Any] = {"times": {"fit_ms@1": 1000 * spans[0]}}
    if settings["interrupted_after"]:
        part = characters.batches(*order, first=settings["interrupted_after"])
        began = time.monotonic()
        seen = model.fit(
            part, initial_epoch=epochs, epochs=epochs + 1, shuffle=False, verbose=0,
            callbacks=[part.follow()],
        )  # fmt: skip
        more["other_fits_seconds"] = time.monotonic() - began
        more["loss_partial"] = float(seen.history["loss"][0])
    answers = {
        "starts": np.stack(written.starts),
        "texts": np.stack(written.texts),
        "diversities": written.diversities,
        "logs_of_zero": np.array(written.logs_of_zero),
        "least_probability": np.array(written.least),
    }
    example = characters.windows(ids, WINDOW)[:2].astype(np.int32)
    model = keras_1.model_of_today(model, settings["recurrent_activation"], build)
    save_keras_run(snakemake, run, step, model, progress, answers, example, **more)
    for epoch in range(epochs):
        file = Path(snakemake.output.model) / "samples" / f"epoch_{epoch + 1:02d}.txt"
        told = (written.starts[epoch], written.diversities, written.texts[epoch])
        write_text(file, writing.told(alphabet, *told))
        run.artifact(file, "samples")


TASKS = {
    "sentiment": train_sentiment,
    "linear": train_linear,
    "characters": train_characters,
}


def main(snakemake) -> None:
    """Train what the experiment's task says, and write its model, history and answers."""
    step = steps.step_of(snakemake)
    data, about = read_processed(snakemake)
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        TASKS[step.settings["task"]](snakemake, run, step, data)


if "snakemake" in globals():
    steps.run(main, snakemake)
