"""The Keras models of chapter 4.11."""

from typing import Any

from kerasbook import keras_1
from kerasbook.characters import one_hot_layer


def embedding_classifier(settings: dict[str, Any], vocabulary: int, length: int) -> Any:
    """Integers (n, length), an embedding, an LSTM, dropout, one logistic unit (line 3324)."""
    import keras

    return keras.Sequential(
        [
            keras.Input((length,), dtype="int32"),
            keras.layers.Embedding(vocabulary, settings["dimension"]),
            *_head(settings),
        ]
    )


def row_classifier(settings: dict[str, Any], width: int) -> Any:
    """The same network on rows of weights (n, 1, width): a row is a sequence of one step."""
    import keras

    # One step needs no loop.
    return keras.Sequential([keras.Input((1, width)), *_head(settings, unroll=True)])


def _head(settings: dict[str, Any], unroll: bool = False) -> list[Any]:
    import keras

    gates = keras_1.gates_of(settings["gates"])
    return [
        keras.layers.LSTM(settings["units"], recurrent_activation=gates, unroll=unroll),
        keras.layers.Dropout(settings["dropout"]),
        keras.layers.Dense(1, dtype="float32"),
        keras.layers.Activation("sigmoid", dtype="float32"),
    ]


def character_model(symbols: int, window: int, units: int, gates: str = "sigmoid") -> Any:
    """Ids (n, window), one-hot, an LSTM, a softmax over the symbols (line 3466).

    Keras has no hard sigmoid of Keras 1 any more: today's stands for it, with larger weights
    (`CharacterNetwork.keras_weights`).
    """
    import keras

    return keras.Sequential(
        [
            keras.Input((window,), dtype="int32"),
            one_hot_layer(symbols),
            keras.layers.LSTM(units, recurrent_activation=gates.removesuffix("_keras_1")),
            keras.layers.Dense(symbols, dtype="float32"),
            keras.layers.Activation("softmax", dtype="float32"),
        ]
    )
