"""One experiment of chapter 4.9 with one seed: an autoencoder, vectors, or a sentence network."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch09_unsupervised import autoencoding, sentences
from kerasbook import checkpoints, models, steps, texts
from kerasbook.arrays import read_processed, save_npz
from kerasbook.raw import raw_digests
from kerasbook.tracking import tracked
from kerasbook.training import Progress, early_stopping, fit, save_keras_run, save_run

Arrays = dict[str, np.ndarray]

SHOWN = 10  # pictures, as many as the tutorial shows (line 2526)
SAMPLED = 200  # pictures, for the measure of how like digits they are
KEPT_WORDS = 5_000
MAP_WORDS, MAP_SKIP = 80, 60
MAP_POSTS = 400
# The share of the training rows that early stopping watches.
DEVELOPMENT_SHARE = 0.1
WAYS = ("scratch", "frozen", "tuned")


def without_state(model: Any) -> Any:
    """The model with a fresh optimizer of Keras: what is saved is small and loads anywhere."""
    model.compile(optimizer="sgd", loss="binary_crossentropy")
    return model


# ------------------------------------------------------------------- the autoencoder


def fitted_autoencoder(snakemake: Any, run: Any, step: Any, data: Arrays) -> tuple[Any, ...]:
    """Train an autoencoder; the test pictures are watched, as printed (line 2484).

    Returns:
        Encoder, decoder, autoencoder, progress, and the pictures to learn from and to test on,
        (n, 784) of float32.
    """
    from chapters.ch09_unsupervised import networks

    settings = step.settings
    x_train, x_test = autoencoding.flat(data["x_train"]), autoencoding.flat(data["x_test"])
    encoder, decoder, model = networks.autoencoder(settings["codes"])
    networks.compiled(model, settings, loss="binary_crossentropy")
    progress = fit(
        model,
        (x_train, x_train),
        (x_test, x_test),
        settings["epochs"],
        settings["batch_size"],
        run.metrics,
        seed=step.seed,
        keep=checkpoints.of_run(snakemake, run, step),
    )
    return encoder, decoder, model, progress, x_train, x_test


def train_autoencoder(snakemake: Any, run: Any, step: Any, data: Arrays) -> None:
    """Pictures to codes and back; reconstructions, drawn pictures and codes are kept."""
    fitted = fitted_autoencoder(snakemake, run, step, data)
    encoder, decoder, model, progress, x_train, x_test = fitted
    codes = encoder.predict(x_test, batch_size=1000, verbose=0)
    back = decoder.predict(codes, batch_size=1000, verbose=0)
    of_training = encoder.predict(x_train, batch_size=1000, verbose=0)
    drawn = autoencoding.drawn_codes(step.settings["samples"], of_training, SAMPLED, step.seed)
    samples = decoder.predict(drawn, batch_size=1000, verbose=0)
    mean = np.broadcast_to(x_train.mean(axis=0), x_test.shape)
    nearest = autoencoding.distance_to_nearest
    kept = {
        "back": back[:SHOWN].astype(np.float16),
        "samples": samples[:SHOWN].astype(np.float16),
        "codes": codes[:SHOWN],
        "code_quantiles": np.quantile(of_training, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0),
        "squared_error": np.array(np.mean((back - x_test) ** 2)),
        "mean_picture_loss": np.array(autoencoding.cross_entropy(x_test, mean)),
        "sample_distance": np.array(nearest(samples, x_train)),
        "digit_distance": np.array(nearest(x_test[:SAMPLED], x_train)),
    }
    save_keras_run(snakemake, run, step, without_state(model), progress, kept, x_test[:2])


def train_pretraining(snakemake: Any, run: Any, step: Any, data: Arrays) -> None:
    """Classifiers of few labelled pictures, with the encoder in front and without."""
    settings = step.settings
    fitted = fitted_autoencoder(snakemake, run, step, data)
    encoder, _, model, progress, x_train, x_test = fitted
    counts = [count for count in settings["label_counts"] if count <= len(x_train)]
    accuracy = np.zeros((len(WAYS), len(counts), settings["draws"]))
    spent = 0.0
    for number, way in enumerate(WAYS):
        train_once = classifier(way, settings, encoder.get_weights(), step.seed)
        for place, count in enumerate(counts):
            for draw in range(settings["draws"]):
                generator = np.random.default_rng([step.seed, count, draw])
                rows = autoencoding.labelled_rows(data["y_train"], count, generator)
                seen = settings["steps"] * settings["step_size"]
                rows = rows[autoencoding.batches(count, seen, generator)]
                began = time.monotonic()
                classify = train_once(x_train[rows], data["y_train"][rows])
                spent += time.monotonic() - began
                told = classify.evaluate(x_test, data["y_test"], batch_size=1000, verbose=0)
                accuracy[number, place, draw] = told[1]
    kept = {"accuracy": accuracy, "ways": np.array(WAYS), "counts": np.array(counts)}
    save_keras_run(
        snakemake, run, step, without_state(model), progress, kept, x_test[:2],
        other_fits_seconds=spent,
    )  # fmt: skip


def classifier(way: str, settings: Mapping[str, Any], encoder: list[np.ndarray], seed: int) -> Any:
    """A function that trains a classifier from its beginning; built once, as that is slow.

    Args:
        way: `scratch` (hidden layer drawn), `frozen` (the encoder's, and it stays), `tuned`
            (the encoder's, and it learns).
    """
    import keras

    from chapters.ch09_unsupervised import networks

    model = networks.classifier(settings["codes"], frozen=way == "frozen")
    own = {"optimizer": settings["classifier_optimizer"]}
    networks.compiled(model, own, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    state = [variable.numpy() for variable in optimizer.variables]

    def train_once(x: np.ndarray, y: np.ndarray) -> Any:
        keras.utils.set_random_seed(seed)
        fresh = networks.classifier(settings["codes"]).get_weights()
        model.set_weights(fresh if way == "scratch" else [*encoder, *fresh[len(encoder) :]])
        for variable, value in zip(optimizer.variables, state, strict=True):
            variable.assign(value)
        size = settings["step_size"]
        model.fit(x, y, batch_size=size, epochs=1, shuffle=False, verbose=0)
        return model

    return train_once


# ------------------------------------------------------------------- words and posts


def output_folder(snakemake: Any) -> Path:
    """The rule's folder for a model, made."""
    folder = Path(snakemake.output.model)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def split_posts(data: Arrays, most: int | None = None) -> list[list[str]]:
    """The words of the first posts, cut at blanks (line 2647)."""
    ends = data["offsets"][: None if most is None else most + 1]
    return [post.split() for post in texts.unpack(data["texts"][: ends[-1]], ends)]


def train_word_vectors(snakemake: Any, run: Any, step: Any, data: Arrays) -> None:
    """Word2Vec, trained or not; similarities, neighbours and a map are kept."""
    from chapters.ch09_unsupervised import vectors

    settings = step.settings
    split = split_posts(data, settings["posts"])
    n_words = sum(map(len, split))
    progress = Progress(max(1, settings["epochs"]), n_words)
    found = vectors.word2vec(split, settings, step.seed)
    progress.seconds = time.monotonic() - progress.started
    correlation, n_pairs = vectors.pair_correlation(found)
    told = {
        **vectors.similarities(found),
        "nearest_similarity": vectors.nearest_similarity(found),
        "pair_correlation": correlation,
        "n_pairs": n_pairs,
        "vocabulary": len(found),
        "n_words": n_words,
    }
    queries, nearest = vectors.nearest_words(found)
    names, plane = vectors.word_map(found, MAP_WORDS, MAP_SKIP, step.seed)
    drawn = vectors.drawn_similarities(split, settings, step.seed, settings["draws"])
    kept = {
        "metric_names": np.array(list(told)),
        "metric_values": np.array(list(told.values()), np.float64),
        "queries": np.array(queries),
        "nearest": nearest,
        "map_words": np.array(names, dtype=np.str_),
        "map_points": plane,
        "drawn_names": np.array(list(drawn), dtype=np.str_),
        "drawn": np.array(list(drawn.values()), np.float32),
    }
    save_npz(
        output_folder(snakemake) / "vectors.npz",
        words=np.array(found.index_to_key[:KEPT_WORDS]),
        vectors=found.vectors[:KEPT_WORDS].astype(np.float16),
    )
    save_run(snakemake, run, step, progress, kept, parameters=found.vectors.size)


def train_doc_vectors(snakemake: Any, run: Any, step: Any, data: Arrays) -> None:
    """Doc2Vec, and a linear classifier of its vectors judged by cross-validation."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from chapters.ch09_unsupervised import vectors

    settings = step.settings
    own = data["first_group"]
    n_first = int(own.sum())
    printed = vectors.printed_labels(n_first, len(own) - n_first)
    given = printed if settings["labels"] == "printed_order" else own
    split = split_posts(data)
    progress = Progress(settings["epochs"], len(split))
    found = vectors.doc2vec(split, settings, step.seed)
    progress.seconds = time.monotonic() - progress.started
    folds = StratifiedKFold(settings["folds"], shuffle=True, random_state=step.seed)
    answers = cross_val_predict(
        LogisticRegression(max_iter=1000), found, given, cv=folds, method="predict_proba"
    )[:, 1]
    shown = np.random.default_rng(step.seed).permutation(len(found))[:MAP_POSTS]
    plane = PCA(2, random_state=step.seed).fit_transform(found)[shown]
    kept = {
        "probabilities": answers.astype(np.float32),
        "given": given,
        "map_points": plane.astype(np.float32),
        "map_first_group": own[shown],
    }
    save_npz(output_folder(snakemake) / "vectors.npz", vectors=found.astype(np.float16))
    save_run(snakemake, run, step, progress, kept, parameters=found.size)


# ------------------------------------------------------------------- sentences


def sentence_rows(data: Arrays) -> tuple[slice, slice]:
    """The rows to learn from, and the rows to judge by."""
    first = int(data["first_validation_row"])
    return slice(None, first), slice(first, None)


def train_tfidf(snakemake: Any, run: Any, step: Any, data: Arrays) -> None:
    """A linear model of the sentences' TF-IDF weights."""
    import importlib.metadata

    import mlflow
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    lines = texts.unpack(data["texts"], data["offsets"])
    learnt, judged = sentence_rows(data)
    progress = Progress(1, len(lines[learnt]))
    pipeline = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), LogisticRegression(C=10.0)
    )
    pipeline.fit(lines[learnt], data["y"][learnt])
    progress.seconds = time.monotonic() - progress.started
    answers = pipeline.predict_proba(lines[judged])[:, 1]
    example = np.array(lines[:2])
    model_uri = run.model(
        mlflow.sklearn,
        sk_model=pipeline,
        signature=mlflow.models.infer_signature(example, pipeline.predict(example)),
        input_example=example,
        pip_requirements=[f"scikit-learn=={importlib.metadata.version('scikit-learn')}"],
    )
    weights = pipeline[-1].coef_[0]
    extreme = np.argsort(weights)[np.r_[:20, -20:0]]
    names = pipeline[0].get_feature_names_out()[extreme]
    save_npz(
        output_folder(snakemake) / "strongest.npz",
        words=names.astype(np.str_),
        weights=weights[extreme],
    )
    kept = {"probabilities": answers.astype(np.float32)}
    save_run(snakemake, run, step, progress, kept, len(weights) + 1, model_uri)


def first_vectors(snakemake: Any, step: Any, data: Arrays) -> tuple[np.ndarray | None, int]:
    """What the embedding begins with, and how many of the words have a vector that was learnt."""
    settings = step.settings
    if settings["vectors"] == "random":
        return None, 0
    words = texts.unpack(data["words"], data["word_offsets"])
    dimension = settings["embedding_dim"]
    if settings["vectors"] == "word2vec":
        from chapters.ch09_unsupervised import vectors

        # The tutorial reads all sentences, those it is judged by too (line 2803): their words,
        # not their labels.
        epochs = settings["vector_epochs"]
        begun = vectors.sentence_vectors(data["x"], words, dimension, epochs, step.seed)
        return begun, len(words)
    from chapters.ch09_unsupervised import glove

    file = next(iter(snakemake.input.raw), None) or glove.bundled_file()
    return glove.embedding(file, words, dimension, step.seed, settings["embedding_range"])


def train_sentence_cnn(snakemake: Any, run: Any, step: Any, data: Arrays) -> None:
    """A convolutional network over the words of a sentence."""
    from chapters.ch09_unsupervised import networks

    settings = step.settings
    begun, n_known = first_vectors(snakemake, step, data)
    n_words = len(data["word_offsets"]) - 1
    model = networks.sentence_cnn(settings, data["x"].shape[1], n_words, begun)
    networks.compiled(model, settings, loss=networks.loss_of(settings), metrics=["accuracy"])
    learnt, judged = sentence_rows(data)
    x, y = data["x"][learnt], data["y"][learnt]
    watched, callbacks = (data["x"][judged], data["y"][judged]), []
    if settings["patience"] is not None:
        # What decides when to stop must not be what the network is judged by.
        apart, rest = sentences.development_rows(len(x), DEVELOPMENT_SHARE, step.seed)
        watched, (x, y) = (x[apart], y[apart]), (x[rest], y[rest])
        callbacks = [
            early_stopping(
                monitor="val_loss", patience=settings["patience"], restore_best_weights=True
            )
        ]
    progress = fit(
        model, (x, y), watched, settings["epochs"], settings["batch_size"], run.metrics, callbacks,
        seed=step.seed, keep=checkpoints.of_run(snakemake, run, step),
    )  # fmt: skip
    answers = model.predict(data["x"][judged], batch_size=1000, verbose=0)[:, 0]
    kept = {"probabilities": answers, "n_known_words": np.array(n_known)}
    save_keras_run(snakemake, run, step, without_state(model), progress, kept, data["x"][:2])


TASKS = {
    "autoencoder": train_autoencoder,
    "pretraining": train_pretraining,
    "word_vectors": train_word_vectors,
    "doc_vectors": train_doc_vectors,
    "tfidf": train_tfidf,
    "sentence_cnn": train_sentence_cnn,
}
WITH_KERAS = ("autoencoder", "pretraining", "sentence_cnn")


def main(snakemake) -> None:
    """Train and keep what the page shows."""
    step = steps.step_of(snakemake)
    task = step.settings["task"]
    keras = models.set_up(step) if task in WITH_KERAS else None
    data, about = read_processed(snakemake)
    raw = raw_digests(snakemake)
    with tracked(snakemake.params.tracking, step, {"data": about["digest"], **raw}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        if keras is not None:
            keras.utils.set_random_seed(step.seed)
        TASKS[task](snakemake, run, step, data)


if "snakemake" in globals():
    steps.run(main, snakemake)
