"""The recurrent networks of chapter 4.10."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasbook import keras_1
from kerasbook.characters import one_hot_layer


def sentiment_network(settings: Mapping[str, Any], vocabulary: int) -> Any:
    """Word numbers (k, words) to the probability (k, 1) of a good review.

    Args:
        vocabulary: numbers are below it.
    """
    import keras

    cell = {
        "simple_rnn": keras.layers.SimpleRNN,
        "lstm": keras.layers.LSTM,
        "gru": keras.layers.GRU,
    }[settings["cell"]]
    dropped = settings["embedding_dropout"]
    return keras.Sequential(
        [
            keras.Input((settings["words"],), dtype="uint16"),
            keras.layers.Embedding(vocabulary, settings["embedding"]),
            *([keras.layers.SpatialDropout1D(dropped)] if dropped else []),
            cell(settings["units"]),
            keras.layers.Dropout(settings["dropout"]),
            keras.layers.Dense(1, activation="sigmoid", dtype="float32"),
        ]
    )


def character_network(settings: Mapping[str, Any], window: int, symbols: int) -> Any:
    """Character ids (k, window) to the probabilities (k, symbols) of the next one."""
    import keras

    gates = keras_1.gates_of(settings["recurrent_activation"])
    return keras.Sequential(
        [
            keras.Input((window,), dtype="int32"),
            one_hot_layer(symbols),
            keras.layers.LSTM(settings["units"], recurrent_activation=gates),
            keras.layers.Dense(symbols, activation="softmax", dtype="float32"),
        ]
    )


def beginnings(row: np.ndarray) -> np.ndarray:
    """The first word of a row, its first two, ... each padded in front to the row's length.

    Args:
        row: (n,) word numbers, none of them padding.

    Returns:
        (n, n), of the same type.
    """
    n = len(row)
    place = np.arange(n) - (n - 1 - np.arange(n))[:, np.newaxis]
    return np.where(place >= 0, row[np.maximum(place, 0)], 0).astype(row.dtype)
