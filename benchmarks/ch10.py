"""What chapter 4.10 promises about speed: IMDB's preprocessing, batches of windows, writing."""

import os
from pathlib import Path

import numpy as np

from benchmarks.measure import (
    ROOT,
    Row,
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


def sentiment_networks() -> list[Row]:
    """The three layers of the exercise, their optimizer Keras 1's, against Keras's own."""
    from chapters.ch10_recurrent.networks import sentiment_network
    from kerasbook import models
    from kerasbook.fused import fused

    models.set_up_keras(1)
    generator = np.random.default_rng(1)
    rows = []
    for cell in ("simple_rnn", "lstm", "gru"):
        settings = settings_of("ch10", f"imdb_{cell}_exercise")
        batch = settings["batch_size"]
        x = generator.integers(0, WORDS, (BATCHES * batch, settings["words"])).astype(np.uint16)
        y = generator.integers(0, 2, len(x))
        told = {"loss": "binary_crossentropy", "metrics": ["accuracy"]}
        ours, plain = (sentiment_network(settings, WORDS) for _ in range(2))
        ours.compile(optimizer=fused(models.optimizer(settings["optimizer"])), **told)
        plain.compile(optimizer=models.optimizer(settings["optimizer"]), **told)
        rows.append(throughput(f"ch10_{cell}_throughput", ours, plain, x, y, batch))
    return rows


def character_networks() -> list[Row]:
    """The character network on the bundled text: training against ready arrays, and writing."""
    from chapters.ch10_recurrent import networks
    from chapters.ch10_recurrent.preprocess import STEP, WINDOW
    from kerasbook import characters, keras_1, models
    from kerasbook.bundled import make_help_topics
    from kerasbook.training import fit

    keras = models.set_up_keras(1)
    settings = settings_of("ch10", "nietzsche_lstm")
    gates, batch = keras_1.gates_of(settings["recurrent_activation"]), settings["batch_size"]
    ids, alphabet = characters.encode(make_help_topics()["text"].tobytes().lower())
    symbols = len(alphabet)
    starts = characters.window_starts(len(ids), WINDOW, STEP)[:WINDOWS]
    ours = networks.character_network(settings, WINDOW, symbols)
    optimizers = [models.optimizer(settings["optimizer"]) for _ in range(2)]
    ours.compile(optimizers[0], "sparse_categorical_crossentropy")
    source = characters.batches(ids, starts, WINDOW, batch, seed=1)

    plain = keras.Sequential(
        [
            keras.Input((WINDOW, symbols)),
            keras.layers.LSTM(settings["units"], recurrent_activation=gates),
            keras.layers.Dense(symbols, activation="softmax"),
        ]
    )
    plain.compile(optimizers[1], "categorical_crossentropy")
    one_hot = np.eye(symbols, dtype=np.float32)
    x, y = one_hot[characters.windows(ids, WINDOW)[starts]], one_hot[ids[starts + WINDOW]]

    def fit_ours() -> None:
        send = {"send": lambda values, epoch: None}
        fit(ours, source, epochs=1, rows=source.windows, seed=1, **send)

    def fit_plain() -> None:
        plain.fit(x, y, batch_size=batch, verbose=0)

    fit_ours()
    fit_plain()
    throughput = paired_ratio(fit_plain, fit_ours)

    begin = np.tile(ids[:WINDOW], (len(DIVERSITIES), 1))
    draws = np.random.default_rng(1).random((len(DIVERSITIES), WRITTEN))
    write = characters.Generator(ours, WRITTEN)

    def write_texts() -> np.ndarray:
        return write(begin, DIVERSITIES, draws)

    return [
        Row("ch10_batches_throughput", throughput, "ratio", ">= 0.9"),
        *generation("ch10", ours, ids, WINDOW, write_texts),
    ]


def ch10() -> list[Row]:
    """All of the chapter's measurements."""
    return preprocessing() + sentiment_networks() + character_networks()
