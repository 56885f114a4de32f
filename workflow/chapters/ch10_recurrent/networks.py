"""The recurrent networks of chapter 4.10."""

from collections.abc import Mapping
from typing import Any

import numpy as np

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


KERAS_1_GATES = "hard_sigmoid_keras_1"
# Keras 1's hard sigmoid is 0.2 x + 0.5, cut to 0 and 1; today's has a sixth for the fifth.
SLOPE, SLOPE_TODAY = 1 / 5, 1 / 6


def gates_of(name: str) -> Any:
    """What opens an LSTM's gates, as the layer takes it."""
    import keras

    if name != KERAS_1_GATES:
        return name
    return lambda sums: keras.ops.clip(SLOPE * sums + 0.5, 0.0, 1.0)


def character_network(settings: Mapping[str, Any], window: int, symbols: int) -> Any:
    """Character ids (k, window) to the probabilities (k, symbols) of the next one."""
    return _character_network(settings, window, symbols, gates_of(settings["recurrent_activation"]))


def _character_network(settings: Mapping[str, Any], window: int, symbols: int, gates: Any) -> Any:
    import keras

    return keras.Sequential(
        [
            keras.Input((window,), dtype="int32"),
            one_hot_layer(symbols),
            keras.layers.LSTM(settings["units"], recurrent_activation=gates),
            keras.layers.Dense(symbols, activation="softmax", dtype="float32"),
        ]
    )


def with_todays_gates(model: Any, settings: Mapping[str, Any], window: int, symbols: int) -> Any:
    """The same character network, with gates that Keras has and so can load again.

    A gate of Keras 1 is one of today's whose sum is 6/5 as large, so what feeds it is.
    """
    if settings["recurrent_activation"] != KERAS_1_GATES:
        return model
    units = settings["units"]
    gates = np.r_[: 2 * units, 3 * units : 4 * units]  # all but the candidate's
    weights = model.get_weights()
    for one in weights[:3]:  # kernel, recurrent kernel, bias
        one[..., gates] *= np.float32(SLOPE / SLOPE_TODAY)
    same = _character_network(settings, window, symbols, "hard_sigmoid")
    same.set_weights(weights)
    return same


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
