"""What the recurrent layers of Keras 1, which the tutorial used, did otherwise than today's.

Two habits can change a number that is printed for a SimpleRNN or an LSTM: how fast a gate opens
with its sum, and how the layer's weights are drawn. (A GRU also had another order of steps, as
Keras's `reset_after=False` still has it; no number of one is printed.) Read in Keras 1.2:
`backend/theano_backend.py` (`hard_sigmoid`), `initializations.py` (`orthogonal`,
`glorot_uniform`) and `layers/recurrent.py`.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

GATES = "hard_sigmoid_keras_1"
# Keras 1's hard sigmoid is 0.2 x + 0.5, cut to 0 and 1; today's has a sixth for the fifth.
SLOPE, SLOPE_TODAY = 1 / 5, 1 / 6
# Of the orthogonal matrices between a recurrent layer's steps.
GAIN = 1.1

Gates = Annotated[
    Literal["sigmoid", "hard_sigmoid", "hard_sigmoid_keras_1"],
    Field(
        description="What opens the LSTM's gates. Keras 1's default was a hard sigmoid with a "
        "slope of 1/5 (hard_sigmoid_keras_1). Today's hard sigmoid has 1/6, and today's default is "
        "the logistic one (sigmoid)."
    ),
]
InitialWeights = Annotated[
    Literal["keras_1", "keras_3"],
    Field(
        description="How the recurrent layer's weights are drawn: a matrix for each gate, "
        "orthogonal ones longer by a tenth (keras_1), or one matrix for all gates, whose weights "
        "come out smaller (keras_3)."
    ),
]


def gates_of(name: str) -> Any:
    """What opens an LSTM's gates, as the layer's `recurrent_activation` takes it."""
    import keras

    if name != GATES:
        return name
    return lambda sums: keras.ops.clip(SLOPE * sums + 0.5, 0.0, 1.0)


def draw_initial_weights(model: Any, how: str) -> None:
    """Draw the weights of a new model's recurrent layers once more, as Keras 1 did.

    There each gate had matrices of its own: (inputs, units) by Glorot and Bengio's rule, and an
    orthogonal (units, units) times 1.1. Today's Keras draws one matrix for all four gates of an
    LSTM, so that the rule sees four times the outputs, and an orthogonal one whose part for a
    gate is half as long. Biases are the same: 1 for the forget gate, else 0. That is Keras 1 with
    its `consume_less` left as it was, which the tutorial does.

    Args:
        model: a built Keras model; its layers SimpleRNN, LSTM and GRU are changed in place.
        how: `keras_1`, or `keras_3`, which leaves what Keras has drawn.

    Raises:
        ValueError: the model's own layers have no recurrent one among them.
    """
    import keras

    if how != "keras_1":
        return
    recurrent = (keras.layers.SimpleRNN, keras.layers.LSTM, keras.layers.GRU)
    found = [layer for layer in model.layers if isinstance(layer, recurrent)]
    if not found:
        raise ValueError(f"{model.name}: found no recurrent layer, expected one or more.")
    for layer in found:
        kernel, between, *biases = layer.get_weights()
        gates = range(kernel.shape[1] // layer.units)
        # An initializer draws the same again when it is asked twice: one for each gate.
        inputs = [_drawn(keras.initializers.GlorotUniform(), kernel, layer) for _ in gates]
        steps = [_drawn(keras.initializers.Orthogonal(GAIN), between, layer) for _ in gates]
        layer.set_weights([np.hstack(inputs), np.hstack(steps), *biases])


def _drawn(initializer: Any, matrix: np.ndarray, layer: Any) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(initializer((len(matrix), layer.units)))


def for_todays_gates(weights: Sequence[np.ndarray], units: int) -> list[np.ndarray]:
    """An LSTM's weights that say with today's hard sigmoid what these say with Keras 1's.

    A gate of Keras 1 is one of today's whose sum is 6/5 as large, so what feeds it is.

    Args:
        weights: kernel (inputs, 4 * units), recurrent kernel (units, 4 * units), bias
            (4 * units,), as `get_weights` of the layer gives them; not changed.
    """
    gates = np.r_[: 2 * units, 3 * units : 4 * units]  # all but the candidate's
    enlarged = [one.copy() for one in weights]
    for one in enlarged:
        one[..., gates] *= np.float32(SLOPE / SLOPE_TODAY)
    return enlarged


def model_of_today(model: Any, gates: str, build: Callable[[str], Any]) -> Any:
    """A trained model whose gates Keras can load again: itself, if they are not Keras 1's.

    Args:
        model: Keras model, its LSTM layers with these gates.
        gates: see `gates_of`.
        build: from a name of gates to the same network, new.

    Returns:
        A model that says what `model` says; a new one is not compiled.
    """
    if gates != GATES:
        return model
    import keras

    same = build("hard_sigmoid")
    same.set_weights(model.get_weights())
    for layer in same.layers:
        if isinstance(layer, keras.layers.LSTM):
            layer.set_weights(for_todays_gates(layer.get_weights(), layer.units))
    return same
