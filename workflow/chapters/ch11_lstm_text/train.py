"""Train one experiment of chapter 4.11 with one seed."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch11_lstm_text import inputs, sampling
from kerasbook import checkpoints, keras_1, models, steps
from kerasbook.arrays import read_processed, save_npz
from kerasbook.characters import decode, window_starts, windows
from kerasbook.files import write_text
from kerasbook.tracking import tracked
from kerasbook.training import Progress, fit, save_keras_run, save_run

# Windows, evenly through the text, on which the loss is taken after every epoch.
WATCHED_WINDOWS = 20_000
TOLD_WORDS = 10
# Logistic regression: scikit-learn's `C`.
INVERSE_REGULARISATION = 10.0

# From settings to a Keras model.
Build = Callable[[dict[str, Any]], Any]


def new_model(build: Build, settings: dict[str, Any]) -> Any:
    """The experiment's network with its initial weights, loss and optimizer."""
    model = build(settings)
    keras_1.draw_initial_weights(model, settings["initial_weights"])
    return _compiled(model, settings)


def model_of_today(build: Build, settings: dict[str, Any], trained: Any) -> Any:
    """A network that says what the trained one says, with gates that Keras can load again."""
    same = keras_1.model_of_today(
        trained, settings["gates"], lambda gates: build({**settings, "gates": gates})
    )
    return same if same is trained else _compiled(same, settings)


def _compiled(model: Any, settings: dict[str, Any]) -> Any:
    model.compile(
        loss=settings["loss"],
        optimizer=models.optimizer(settings["optimizer"]),
        metrics=["accuracy"],
    )
    return model


def fit_one_hot(settings: dict, data: dict, seed: int, send: Any, keep: Any = None) -> tuple:
    """The network on hashed words: model, progress, predictions, an example of its input."""
    from chapters.ch11_lstm_text.networks import embedding_classifier

    chosen = inputs.some_texts(data, settings["texts"])
    female = (data["labels"][chosen] == 0).astype(np.uint8)
    printed = settings["labels"] == "printed_order"
    labels = inputs.printed_labels(female) if printed else female
    rows = data["hashed"][chosen].astype(np.int32)
    train, test = inputs.split(len(rows), seed)
    build = partial(embedding_classifier, vocabulary=inputs.VOCABULARY, length=rows.shape[1])
    model = new_model(build, settings)
    progress = fit(
        model,
        (rows[train], labels[train]),
        (rows[test], labels[test]),
        settings["epochs"],
        settings["batch_size"],
        send,
        seed=seed,
        keep=keep,
    )
    predictions = {
        "probabilities": model.predict(rows[test], batch_size=1000, verbose=0)[:, 0],
        "labels": labels[test],
        "female": female[test],
        "n_train": np.array(len(train)),
        "wrong_labels": np.array((labels != female).mean()),
    }
    return model_of_today(build, settings, model), progress, predictions, rows[:2]


def fit_tfidf(settings: dict, data: dict, seed: int, send: Any, keep: Any = None) -> tuple:
    """The network on TF-IDF rows: model, progress, predictions, an example of its input."""
    from chapters.ch11_lstm_text.networks import embedding_classifier, row_classifier

    chosen = inputs.some_texts(data, settings["texts"])
    female = (data["labels"][chosen] == 0).astype(np.uint8)
    counts, _ = inputs.word_counts(data, chosen)
    train, test = inputs.split(inputs.n_rows(female, settings), seed)
    rows, labels = inputs.tfidf_rows(counts, female, train, settings)
    losses = inputs.padding_losses(rows)
    if settings["rows"] == "padded_integers":
        x = inputs.padded_integers(rows)
        build = partial(embedding_classifier, vocabulary=inputs.VOCABULARY, length=x.shape[1])
        learnt, watched = (x[train], labels[train]), (x[test], labels[test])
        example, batch_size, more = x[:2], settings["batch_size"], {}
        tested = x[test]
    else:
        build = partial(row_classifier, width=rows.shape[1])
        learnt = inputs.row_batches(rows[train], labels[train], settings["batch_size"], seed)
        watched = inputs.row_batches(rows[test], labels[test], settings["batch_size"], None)
        example, batch_size = rows[:2].toarray()[:, np.newaxis, :], None
        more = {"rows": len(train)}
        tested = watched
    model = new_model(build, settings)
    progress = fit(
        model, learnt, watched, settings["epochs"], batch_size, send, seed=seed, keep=keep, **more
    )
    predictions = {
        "probabilities": model.predict(tested, verbose=0)[:, 0],
        "labels": labels[test],
        "n_train": np.array(len(train)),
        "columns": np.array(rows.shape[1]),
        **{f"nonzero_{key}": np.array(value) for key, value in losses.items()},
    }
    return model_of_today(build, settings, model), progress, predictions, example


def fit_linear(settings: dict, data: dict, seed: int) -> tuple:
    """TF-IDF and logistic regression: the model of all training rows, and its predictions.

    Returns:
        model, progress, predictions, an example of the input.
    """
    chosen = inputs.some_texts(data, settings["texts"])
    female = (data["labels"][chosen] == 0).astype(np.uint8)
    counts, words = inputs.word_counts(data, chosen)
    progress = Progress(1, len(chosen))
    fold = folds_of(len(chosen), settings["folds"], seed)
    in_fold = np.zeros(len(chosen))
    for number in range(settings["folds"]):
        learnt, tested = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        in_fold[tested] = _logistic(counts, female, learnt)[1][tested]
    train, test = inputs.split(len(chosen), seed)
    model, probabilities, rows, kept = _logistic(counts, female, train)
    progress.epoch({"accuracy": ((probabilities[train] > 0.5) == female[train]).mean()}, 1)
    order = np.argsort(model.coef_[0])
    predictions = {
        "probabilities": probabilities[test],
        "labels": female[test],
        "n_train": np.array(len(train)),
        "fold": fold,
        "fold_probabilities": in_fold,
        "fold_labels": female,
        "telling_words": words[kept][np.r_[order[:TOLD_WORDS], order[-TOLD_WORDS:]]].astype(str),
        "telling_weights": np.r_[model.coef_[0][order[:TOLD_WORDS]],
                                 model.coef_[0][order[-TOLD_WORDS:]]],
    }  # fmt: skip
    return model, progress, predictions, rows[:2]


def folds_of(n: int, folds: int, seed: int) -> np.ndarray:
    """The fold, from 0, of each of `n` rows, drawn by the seed; (n,) int64."""
    return np.random.default_rng(seed).permutation(n) % folds


def _logistic(counts: Any, female: np.ndarray, learnt: np.ndarray) -> tuple:
    """A fitted model, the probability of 1 for every row, all rows, and the columns kept."""
    from sklearn.linear_model import LogisticRegression

    rows, kept = inputs.tfidf(counts, learnt, min_posts=1, sublinear=True)
    model = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=1000)
    model.fit(rows[learnt], female[learnt])
    return model, model.predict_proba(rows)[:, 1], rows, kept


def fit_characters(
    settings: dict, data: dict, seed: int, send: Any, keep: checkpoints.Checkpoints
) -> tuple:
    """The character network, trained by `character_network` and put into its Keras model.

    Returns:
        model, progress, predictions, an example of the input, times (ms).
    """
    from chapters.ch11_lstm_text.character_network import CharacterNetwork
    from chapters.ch11_lstm_text.networks import character_model

    ids, alphabet = data["characters"][: settings["first_characters"]], data["alphabet"]
    window = settings["window"]
    starts = window_starts(len(ids), window)
    model = character_model(len(alphabet), window, settings["units"], settings["gates"])
    keras_1.draw_initial_weights(model, settings["initial_weights"])
    network = CharacterNetwork(
        model.get_weights(), settings["loss"], settings["optimizer"], settings["gates"],
        settings["probability_floor"],
    )  # fmt: skip
    writer = sampling.Writer(model, ids, window, settings["sample_length"], settings["diversities"])
    known = frozenset(decode(ids, alphabet).split(" "))
    watched = np.linspace(0, len(starts) - 1, min(WATCHED_WINDOWS, len(starts))).astype(np.intp)
    begun, samples, first_ms = [], [], []
    progress = Progress(settings["epochs"], len(starts), send)
    kept = {"progress": progress, "begun": begun, "samples": samples, "first_ms": first_ms}
    found = keep.read("characters")
    if found is not None:
        network.flat[:], network.mean_square[:] = found.arrays["flat"], found.arrays["mean_square"]
        checkpoints.restore(kept, found.told)
    done = 0 if found is None else found.done
    for epoch in range(done + 1, settings["epochs"] + 1):
        order = np.random.default_rng([seed, epoch]).permutation(starts)
        before = time.monotonic()
        loss = network.learn_epoch(ids, window, order, settings["batch_size"])
        if not first_ms:
            first_ms.append((time.monotonic() - before) * 1000)
        model.set_weights(network.keras_weights)
        start, written = writer.write(seed, epoch)
        begun.append(start)
        samples.append(written.astype(ids.dtype))
        shares = [sampling.known_words(decode(one, alphabet), known) for one in written[0]]
        values = {
            "loss": loss,
            "text_loss": network.text_loss(windows(ids, window)[watched], ids[watched + window]),
            "known_words": float(np.nan_to_num(shares).mean()),
        }
        progress.epoch(values, epoch)
        arrays = {"flat": network.flat, "mean_square": network.mean_square}
        with progress.aside():
            keep.write("characters", checkpoints.State(epoch, arrays, checkpoints.state_of(kept)))
    model.set_weights(network.keras_weights)
    predictions = {
        "starts": np.array(begun),
        "samples": np.stack(samples),
        "n_windows": np.array(len(starts)),
        "n_characters": np.array(len(ids)),
    }
    example = windows(ids, window)[:2].astype(np.int32)
    return model, progress, predictions, example, {"fit_ms@1": first_ms[0]}


def train_keras(snakemake: Any, step: Any, run: Any, data: dict) -> None:
    """Train a network, and write model, history, predictions and record."""
    keras = models.set_up(step)
    keras.utils.set_random_seed(step.seed)
    settings = step.settings
    keep = checkpoints.of_run(snakemake, run, step)
    more = {}
    if settings["task"] == "characters":
        from threadpoolctl import threadpool_limits

        with threadpool_limits(snakemake.threads):
            model, progress, predictions, example, times = fit_characters(
                settings, data, step.seed, run.metrics, keep
            )
        more["times"] = times
        text = sampling.as_text(
            data["characters"], data["alphabet"], predictions["starts"], predictions["samples"],
            settings["window"], settings["diversities"],
        )  # fmt: skip
        write_text(Path(snakemake.output.model) / "samples.txt", text)
    else:
        train = {"one_hot": fit_one_hot, "tfidf": fit_tfidf}[settings["task"]]
        model, progress, predictions, example = train(settings, data, step.seed, run.metrics, keep)
    save_keras_run(snakemake, run, step, model, progress, predictions, example, **more)


def train_linear(snakemake: Any, step: Any, run: Any, data: dict) -> None:
    """Fit the linear model, and write its weights, predictions and record."""
    import importlib.metadata

    import mlflow

    model, progress, predictions, example = fit_linear(step.settings, data, step.seed)
    weights = {"weights": model.coef_[0], "bias": model.intercept_}
    save_npz(Path(snakemake.output.model) / "weights.npz", **weights)
    model_uri = run.model(
        mlflow.sklearn,
        sk_model=model,
        signature=mlflow.models.infer_signature(example, model.predict_proba(example)),
        input_example=example,
        pyfunc_predict_fn="predict_proba",
        pip_requirements=[f"scikit-learn=={importlib.metadata.version('scikit-learn')}"],
    )
    n_weights = model.coef_.size + model.intercept_.size
    save_run(snakemake, run, step, progress, predictions, n_weights, model_uri)


def main(snakemake) -> None:
    """Train, predict, and write what the later steps read."""
    step = steps.step_of(snakemake)
    data, about = read_processed(snakemake)
    linear = step.settings["task"] == "linear"
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        (train_linear if linear else train_keras)(snakemake, step, run, data)


if "snakemake" in globals():
    steps.run(main, snakemake)
