"""The two-layer sigmoid network of tutorial chapter 4.1, trained one row at a time.

The loops are compiled, and keep the order in which the tutorial adds and draws:
with its seed and its rows they give its printed numbers to every digit. For the
same reason nothing here may be compiled with `fastmath`, and the exponential is
the C library's `exp`, not numpy's vector one, which differs in the last bit.
"""

import math
import os
import random
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from kerasbook.compiled import compiled
from kerasbook.errors import KerasbookError
from kerasbook.files import written_whole

MomentumKind = Literal["last_gradient", "last_update"]


class Weights(NamedTuple):
    """The network's weights, float64.

    hidden: (n_inputs + 1, n_hidden); the last row belongs to an input that is always 1.
    output: (n_hidden, n_outputs); the output units have no bias.
    """

    hidden: np.ndarray
    output: np.ndarray


def n_draws(n_inputs: int, n_hidden: int, n_outputs: int) -> int:
    """How many random numbers `initial_weights` draws for a network of this size."""
    return (n_inputs + 1) * n_hidden + n_hidden * n_outputs


def initial_weights(
    n_inputs: int, n_hidden: int, n_outputs: int, seed: int, skip_draws: int = 0
) -> Weights:
    """Draw weights in the tutorial's order from Python's `random.Random(seed)`.

    The hidden layer's are uniform in [-0.2, 0.2), row by row, then the output
    layer's uniform in [-2, 2).

    Args:
        skip_draws: numbers thrown away first. The tutorial seeds once and then
            makes three networks, so the second begins where the first ended
            (see `n_draws`).
    """
    generator = random.Random(seed)
    for _ in range(skip_draws):
        generator.random()

    def uniform(low: float, high: float, shape: tuple[int, int]) -> np.ndarray:
        draws = [(high - low) * generator.random() + low for _ in range(shape[0] * shape[1])]
        return np.array(draws).reshape(shape)

    hidden = uniform(-0.2, 0.2, (n_inputs + 1, n_hidden))
    output = uniform(-2.0, 2.0, (n_hidden, n_outputs))
    return Weights(hidden, output)


@compiled
def _activate(row, hidden, output, hidden_units, output_units):
    """Write the units' activations for one row into the last two arguments."""
    n_inputs = hidden.shape[0] - 1
    for j in range(hidden.shape[1]):
        total = 0.0
        for i in range(n_inputs):
            total += row[i] * hidden[i, j]
        total += hidden[n_inputs, j]
        hidden_units[j] = 1.0 / (1.0 + math.exp(-total))
    for k in range(output.shape[1]):
        total = 0.0
        for j in range(output.shape[0]):
            total += hidden_units[j] * output[j, k]
        output_units[k] = 1.0 / (1.0 + math.exp(-total))


@compiled
def _train_once(x, y, hidden, output, past_hidden, past_output, rate, momentum, accumulates):
    """One pass over the rows in their order; changes the weights and the past, returns the error.

    The past is what the momentum term adds: the last update if `accumulates`,
    else the last gradient.
    """
    n_inputs = x.shape[1]
    n_hidden, n_outputs = output.shape
    hidden_units = np.empty(n_hidden)
    output_units = np.empty(n_outputs)
    output_delta = np.empty(n_outputs)
    hidden_delta = np.empty(n_hidden)
    error = 0.0
    for n in range(x.shape[0]):
        _activate(x[n], hidden, output, hidden_units, output_units)
        row_error = 0.0
        for k in range(n_outputs):
            unit = output_units[k]
            miss = y[n, k] - unit
            row_error += 0.5 * miss * miss
            output_delta[k] = (unit - unit * unit) * miss
        error += row_error
        for j in range(n_hidden):
            total = 0.0
            for k in range(n_outputs):
                total += output_delta[k] * output[j, k]
            unit = hidden_units[j]
            hidden_delta[j] = (unit - unit * unit) * total
        for j in range(n_hidden):
            for k in range(n_outputs):
                gradient = output_delta[k] * hidden_units[j]
                update = rate * gradient + momentum * past_output[j, k]
                output[j, k] += update
                past_output[j, k] = update if accumulates else gradient
        for i in range(n_inputs + 1):
            value = x[n, i] if i < n_inputs else 1.0
            for j in range(n_hidden):
                gradient = hidden_delta[j] * value
                update = rate * gradient + momentum * past_hidden[i, j]
                hidden[i, j] += update
                past_hidden[i, j] = update if accumulates else gradient
    return error


@compiled
def _predict(x, hidden, output):
    hidden_units = np.empty(output.shape[0])
    predictions = np.empty((x.shape[0], output.shape[1]))
    for n in range(x.shape[0]):
        _activate(x[n], hidden, output, hidden_units, predictions[n])
    return predictions


def _rows(x: np.ndarray, weights: Weights) -> np.ndarray:
    n_inputs = weights.hidden.shape[0] - 1
    x = np.ascontiguousarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != n_inputs:
        raise KerasbookError(
            f"x: found shape {x.shape}, expected (rows, {n_inputs}); "
            "give the features that the network was made for."
        )
    return x


def train(
    x: np.ndarray,
    y: np.ndarray,
    weights: Weights,
    iterations: int,
    learning_rate: float = 0.5,
    momentum: float = 0.1,
    momentum_kind: MomentumKind = "last_gradient",
    on_iteration: Callable[[int, float], None] | None = None,
) -> tuple[Weights, np.ndarray]:
    """Train by gradient descent on one row after the other, in the order given.

    Args:
        x: (n, n_inputs) float64.
        y: (n,), or (n, n_outputs) if there are several outputs; 0 or 1.
        weights: where to start; left as they are.
        momentum_kind: what the momentum term adds to a step. "last_gradient" as
            the tutorial's code has it, which never accumulates; "last_update" is
            momentum in the usual sense (Polyak's heavy ball).
        on_iteration: called with the iteration, from 0, and its error.

    Returns:
        The trained weights and the error of each iteration, (iterations,): half
        the squared miss, summed over the rows, each measured before its update.

    Raises:
        KerasbookError: shapes that do not fit, or an unknown momentum kind.
    """
    if momentum_kind not in ("last_gradient", "last_update"):
        raise KerasbookError(
            f"momentum_kind: found {momentum_kind!r}, expected 'last_gradient' or 'last_update'."
        )
    x = _rows(x, weights)
    n_outputs = weights.output.shape[1]
    y = np.ascontiguousarray(y, dtype=np.float64)
    if y.shape not in {(len(x), n_outputs), (len(x),) * (n_outputs == 1)}:
        raise KerasbookError(
            f"y: found shape {y.shape}, expected {len(x)} rows of {n_outputs} target(s)."
        )
    y = y.reshape(len(x), n_outputs)
    trained = Weights(*(np.array(part, dtype=np.float64, order="C") for part in weights))
    past = Weights(*(np.zeros_like(part) for part in trained))
    accumulates = momentum_kind == "last_update"
    errors = np.empty(iterations)
    for iteration in range(iterations):
        errors[iteration] = _train_once(
            x, y, *trained, *past, float(learning_rate), float(momentum), accumulates
        )
        if on_iteration is not None:
            on_iteration(iteration, float(errors[iteration]))
    return trained, errors


def predict(x: np.ndarray, weights: Weights) -> np.ndarray:
    """The output activation for each row, in (0, 1): (n,), or (n, n_outputs) for several outputs.

    Raises:
        KerasbookError: `x` has another number of features than the network.
    """
    predictions = _predict(_rows(x, weights), *weights)
    return predictions[:, 0] if predictions.shape[1] == 1 else predictions


def save(path: str | os.PathLike, weights: Weights) -> None:
    """Write the weights as an npz file that `kerasbook.dense_pyfunc` can serve."""
    with written_whole(path) as temporary:
        np.savez(
            temporary,
            weights_0=weights.hidden[:-1],
            biases_0=weights.hidden[-1],
            weights_1=weights.output,
            biases_1=np.zeros(weights.output.shape[1]),
            scale=1.0,
        )


def load(path: str | os.PathLike) -> Weights:
    """Read what `save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Weights(np.vstack([file["weights_0"], file["biases_0"]]), file["weights_1"])
