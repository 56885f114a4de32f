"""What chapter 4.10 promises about speed: IMDB's preprocessing, batches of windows, writing."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import (
    ROOT,
    Row,
    Training,
    generation,
    not_measured,
    paired_ratio,
    seconds,
    settings_of,
    throughput,
)

ARCHIVE = "imdb/aclImdb_v1.tar.gz"
WORDS, BATCHES = 20_000, 30
WINDOWS = 2560
WRITTEN = 400
DIVERSITIES = [0.2, 0.5, 1.0, 1.2]
SENTIMENT = {"loss": "binary_crossentropy", "metrics": ["accuracy"]}


def preprocessing() -> list[Row]:
    """The whole archive read, tokenised, numbered and cut to rows, where a mirror has it."""
    from chapters.ch10_recurrent.preprocess import prepare_reviews
    from kerasbook.texts import load_reviews

    mirror = os.environ.get("KERASBOOK_MIRROR", "")
    archive = ROOT / Path(mirror).expanduser() / ARCHIVE
    if not mirror or not archive.is_file():
        why = f"found no {ARCHIVE} below KERASBOOK_MIRROR; set it to a folder that has the data"
        return [not_measured("ch10_imdb_preprocess_seconds", "s", "<= 30", why)]
    taken = seconds(lambda: prepare_reviews(load_reviews(archive, 1 << 28), []))
    return [Row("ch10_imdb_preprocess_seconds", taken, "s", "<= 30")]


def sentiment(name: str) -> Training:
    """A network that judges reviews, its optimizer in Keras 1's way with embeddings' gradients."""
    from chapters.ch10_recurrent.networks import sentiment_network
    from kerasbook import models
    from kerasbook.fused import fused

    settings = settings_of("ch10", name)
    model = sentiment_network(settings, WORDS)
    model.compile(fused(models.optimizer(settings["optimizer"])), **SENTIMENT)
    generator = np.random.default_rng(1)
    rows = BATCHES * settings["batch_size"]
    x = generator.integers(0, WORDS, (rows, settings["words"])).astype(np.uint16)
    return Training(model, x, generator.integers(0, 2, rows), settings["batch_size"])


def sentiment_networks() -> list[Row]:
    """The three layers of the exercise and the tuned one, against Keras's own optimizer."""
    from kerasbook import models

    models.set_up_keras(1)
    rows = []
    networks = {cell: f"imdb_{cell}_exercise" for cell in ("simple_rnn", "lstm", "gru")}
    for title, name in {**networks, "lstm_tuned": "imdb_lstm_tuned"}.items():
        plain = sentiment(name).model
        plain.compile(models.optimizer(settings_of("ch10", name)["optimizer"]), **SENTIMENT)
        rows.append(throughput(f"ch10_{title}_throughput", sentiment(name), plain))
    return rows


def bundled_text() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids and alphabet of the bundled text, and where the windows of an epoch begin."""
    from chapters.ch10_recurrent.preprocess import STEP, WINDOW
    from kerasbook import characters
    from kerasbook.bundled import make_help_topics

    ids, alphabet = characters.encode(make_help_topics()["text"].tobytes().lower())
    return ids, alphabet, characters.window_starts(len(ids), WINDOW, STEP)[:WINDOWS]


def character_network() -> Training:
    """The character network on windows that are gathered batch by batch."""
    from chapters.ch10_recurrent import networks
    from chapters.ch10_recurrent.preprocess import WINDOW
    from kerasbook import characters, models

    settings = settings_of("ch10", "nietzsche_lstm")
    ids, alphabet, starts = bundled_text()
    model = networks.character_network(settings, WINDOW, len(alphabet))
    model.compile(models.optimizer(settings["optimizer"]), "sparse_categorical_crossentropy")
    batch = settings["batch_size"]
    return Training(model, characters.batches(ids, starts, WINDOW, batch, seed=1), None, batch)


def character_networks() -> list[Row]:
    """The character network on the bundled text: training against ready arrays, and writing."""
    from chapters.ch10_recurrent.preprocess import WINDOW
    from kerasbook import characters, keras_1, models

    keras = models.set_up_keras(1)
    settings = settings_of("ch10", "nietzsche_lstm")
    ours = character_network()
    ids, alphabet, starts = bundled_text()
    symbols = len(alphabet)

    def plain_with(gates: Any) -> Any:
        plain = keras.Sequential(
            [
                keras.Input((WINDOW, symbols)),
                keras.layers.LSTM(settings["units"], recurrent_activation=gates),
                keras.layers.Dense(symbols, activation="softmax"),
            ]
        )
        plain.compile(models.optimizer(settings["optimizer"]), "categorical_crossentropy")
        return plain

    plain, todays = map(plain_with, (keras_1.gates_of(keras_1.GATES), "hard_sigmoid"))
    one_hot = np.eye(symbols, dtype=np.float32)
    x, y = one_hot[characters.windows(ids, WINDOW)[starts]], one_hot[ids[starts + WINDOW]]

    begin = np.tile(ids[:WINDOW], (len(DIVERSITIES), 1))
    draws = np.random.default_rng(1).random((len(DIVERSITIES), WRITTEN))
    write = characters.Generator(ours.model, WRITTEN)

    def write_texts() -> np.ndarray:
        return write(begin, DIVERSITIES, draws)

    # The same network on both sides; what its gates cost beside Keras's own hard ones is the
    # network's matter, and told without a bound.
    fits = [
        partial(one.fit, x, y, batch_size=settings["batch_size"], epochs=1, verbose=0)
        for one in (plain, todays)
    ]
    for one in fits:
        one()  # compiles
    return [
        throughput("ch10_batches_throughput", ours, plain, x, y),
        Row("ch10_keras_1_gates_time", paired_ratio(*fits), "ratio"),
        *generation("ch10", ours.model, ids, WINDOW, write_texts),
    ]


def ch10() -> list[Row]:
    """All of the chapter's measurements."""
    return preprocessing() + sentiment_networks() + character_networks()
