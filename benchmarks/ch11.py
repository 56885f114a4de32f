"""Chapter 4.11: memory and speed of the character network, speed of the classifiers."""

import numpy as np

from benchmarks.measure import Row, generation, paired_ratio, peak_memory_mb, settings_of
from chapters.ch11_lstm_text import inputs, networks, sampling
from chapters.ch11_lstm_text.character_network import CharacterNetwork
from chapters.ch11_lstm_text.preprocess import prepare
from kerasbook import models
from kerasbook.characters import window_starts, windows
from kerasbook.data import MAKERS
from kerasbook.training import fit

# The printed array of windows (line 3465): a row per character, 20 places, a byte per symbol.
PRINTED_CHARACTERS, WINDOW, PRINTED_SYMBOLS = 2_552_476, 20, 152
UNITS, BATCH = 128, 128
STEPS = 60
CHARACTERS = settings_of("ch11", "char_lstm")
RMSPROP = CHARACTERS["optimizer"]
CLASSIFIER = settings_of("ch11", "one_hot_optimizer")
ROW_CLASSIFIER = settings_of("ch11", "tfidf_corrected")
ROWS = 640

# A run of the printed size, cut short: what it holds is there after a few hundred steps.
PRINTED_SIZE = f"""
import numpy as np
from chapters.ch11_lstm_text import networks, sampling
from chapters.ch11_lstm_text.character_network import CharacterNetwork
from kerasbook import models
from kerasbook.characters import window_starts

models.set_up_keras(1)
ids = np.random.default_rng(0).integers(0, {PRINTED_SYMBOLS}, {PRINTED_CHARACTERS}, np.uint8)
model = networks.character_model({PRINTED_SYMBOLS}, {WINDOW}, {UNITS}, {CHARACTERS["gates"]!r})
network = CharacterNetwork(
    model.get_weights(), "categorical_crossentropy", {RMSPROP}, {CHARACTERS["gates"]!r},
    {CHARACTERS["probability_floor"]},
)
writer = sampling.Writer(model, ids, {WINDOW}, 400, [0.2, 0.4, 0.6, 0.8])
order = np.random.default_rng([1, 1]).permutation(window_starts(len(ids), {WINDOW}))
network.learn_epoch(ids, {WINDOW}, order[: 300 * {BATCH}], {BATCH})
model.set_weights(network.keras_weights)
writer.write(1, 1)
"""


def _characters(arrays: dict[str, np.ndarray], name: str) -> Row:
    """A character network, trained outside Keras, against Keras on ready one-hot arrays."""
    told = settings_of("ch11", name)
    ids, symbols = arrays["characters"], len(arrays["alphabet"])
    starts = window_starts(len(ids), WINDOW)[: STEPS * BATCH]
    hot = np.eye(symbols, dtype=np.float32)
    x, y = hot[windows(ids, WINDOW)[starts]], hot[ids[starts + WINDOW]]
    gates, floor = CHARACTERS["gates"], CHARACTERS["probability_floor"]
    model = networks.character_model(symbols, WINDOW, UNITS, gates)
    network = CharacterNetwork(model.get_weights(), told["loss"], told["optimizer"], gates, floor)
    plain = _plain(x.shape[1:], symbols, told)

    def with_keras() -> None:
        plain.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)

    def ours() -> None:
        network.learn_epoch(ids, WINDOW, np.random.default_rng(1).permutation(starts), BATCH)

    with_keras(), ours()  # both compile at their first call
    return Row(f"ch11_{name}_throughput", paired_ratio(with_keras, ours), "ratio", ">= 0.9")


def _plain(shape: tuple[int, ...], symbols: int, told: dict):
    import keras

    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.LSTM(UNITS, recurrent_activation="hard_sigmoid"),
            keras.layers.Dense(symbols, activation="softmax"),
        ]
    )
    model.compile(loss=told["loss"], optimizer=models.optimizer(told["optimizer"]))
    return model


def _compiled(model):
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def _one_hot(arrays: dict[str, np.ndarray]) -> Row:
    """The classifier of hashed words, trained by the chapter, against Keras's own `fit`."""
    chosen = np.linspace(0, len(arrays["labels"]) - 1, ROWS).astype(int)
    x, y = arrays["hashed"][chosen].astype(np.int32), arrays["labels"][chosen]
    model, plain = (
        _compiled(networks.embedding_classifier(CLASSIFIER, inputs.VOCABULARY, inputs.LENGTH))
        for _ in range(2)
    )

    def with_keras() -> None:
        plain.fit(x, y, batch_size=32, epochs=1, verbose=0)

    def ours() -> None:
        fit(model, (x, y), None, 1, 32, seed=1)

    with_keras(), ours()
    return Row("ch11_one_hot_throughput", paired_ratio(with_keras, ours), "ratio", ">= 0.9")


def _tfidf_rows(arrays: dict[str, np.ndarray]) -> Row:
    """The classifier of TF-IDF rows, made dense per batch, against ready dense rows."""
    chosen = np.linspace(0, len(arrays["labels"]) - 1, ROWS).astype(int)
    rows, _ = inputs.tfidf(inputs.word_counts(arrays, chosen)[0], np.arange(ROWS), 1)
    labels = arrays["labels"][chosen]
    dense = rows.toarray()[:, np.newaxis, :]
    model, plain = (
        _compiled(networks.row_classifier(ROW_CLASSIFIER, rows.shape[1])) for _ in range(2)
    )

    def with_keras() -> None:
        plain.fit(dense, labels, batch_size=32, epochs=1, verbose=0)

    def ours() -> None:
        batches = inputs.row_batches(rows, labels, 32, seed=1)
        fit(model, batches, None, 1, rows=ROWS, seed=1)

    with_keras(), ours()
    return Row("ch11_tfidf_rows_throughput", paired_ratio(with_keras, ours), "ratio", ">= 0.9")


def _writing(arrays: dict[str, np.ndarray]) -> list[Row]:
    """All samples of an epoch at once, by both samplers, against one `predict` a character."""
    ids, length = arrays["characters"], CHARACTERS["sample_length"]
    model = networks.character_model(len(arrays["alphabet"]), WINDOW, UNITS, CHARACTERS["gates"])
    writer = sampling.Writer(model, ids, WINDOW, length, CHARACTERS["diversities"])
    return generation("ch11", model, ids, WINDOW, lambda: writer.write(1, 1)[1])


def ch11() -> list[Row]:
    """Peak memory at the printed size, and training against plain Keras, one thread each."""
    from threadpoolctl import threadpool_limits

    models.set_up_keras(1)
    arrays, _ = prepare(MAKERS["docstrings"](), [])
    printed = PRINTED_CHARACTERS * WINDOW * PRINTED_SYMBOLS / 1e9
    with threadpool_limits(1):
        measured = [
            _characters(arrays, name)
            for name in ("char_lstm", "char_lstm_second_compile", "char_lstm_clipped")
        ]
        measured += [_one_hot(arrays), _tfidf_rows(arrays)]
        measured += _writing(arrays)
    return [
        Row("ch11_char_lstm_peak_memory", peak_memory_mb(PRINTED_SIZE), "MB", "<= 1500"),
        Row("ch11_char_lstm_printed_array", printed, "GB"),
        *measured,
    ]
