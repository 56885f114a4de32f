"""The character network of chapter 4.11, trained outside Keras, in less time than Keras takes.

(`ch11_char_lstm_throughput` of `make bench` says in how much less.)

One LSTM layer (Hochreiter and Schmidhuber 1997, with a forget gate) reads windows of characters,
and a softmax layer says which character comes next. The network is Keras's: weights have its
shapes and order, gates its order (input, forget, cell, output), losses and optimizers its
formulas, so weights go from and to a Keras model, and the tests compare step by step.

What is spared: a one-hot row times a matrix is one row of that matrix, so no one-hot array is
made; the first character meets a state of zeros, so it needs no recurrent product; the gradient
of the recurrent weights is one product over all characters of a batch; and what lies between
two matrix products is one compiled pass over the values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasbook import keras_1
from kerasbook.compiled import compiled
from kerasbook.errors import KerasbookError

FLOAT = np.float32
# Keras's RMSprop.
RHO = FLOAT(0.9)
EPSILON = 1e-7
# How steeply a gate that is a line rises from 0 to 1, 0 for a logistic one. Keras 3's hard sigmoid
# rises from -3 to 3; that of Keras 1 rose from -2.5 to 2.5 (keras/backend/theano_backend.py).
SLOPES = {"sigmoid": 0.0, "hard_sigmoid": keras_1.SLOPE_TODAY, keras_1.GATES: keras_1.SLOPE}
# Rows of a forward pass that is not followed by a backward one.
FORWARD_ROWS = 1_000


@compiled
def _add_input(sums, table, characters, slope):
    """Add each row's input, and prepare the gates.

    A logistic gate is a tanh of half its sum, moved and halved: the sum is halved. A hard gate
    is a line between 0 and 1: it is final.
    """
    half, zero, one = FLOAT(0.5), FLOAT(0), FLOAT(1)
    units = sums.shape[1] // 4
    for row in range(len(sums)):
        values, given = sums[row], table[characters[row]]
        for j in range(2 * units, 3 * units):
            values[j] = values[j] + given[j]
        for part in (0, 1, 3):
            for j in range(part * units, (part + 1) * units):
                value = values[j] + given[j]
                if slope > zero:
                    values[j] = max(zero, min(one, slope * value + half))
                else:
                    values[j] = half * value


@compiled
def _update_cell(gates, before, cell, slope):
    """The gates' values, in place, and the new cell state.

    Args:
        gates: (rows, 4 * units), the tanh of the halved sums; hard gates are final.
    """
    half = FLOAT(0.5)
    units = cell.shape[1]
    for row in range(len(cell)):
        values = gates[row]
        if slope == FLOAT(0):
            for part in (0, 1, 3):
                for j in range(part * units, (part + 1) * units):
                    values[j] = half * values[j] + half
        for j in range(units):
            cell[row, j] = values[units + j] * before[row, j] + values[j] * values[2 * units + j]


@compiled
def _opening(gate, slope):
    """How fast a gate of this value opens with its sum."""
    zero, one = FLOAT(0), FLOAT(1)
    if slope > zero:
        return slope if zero < gate < one else zero
    return gate * (one - gate)


@compiled
def _backward(gates, before, cell_tanh, from_output, from_cell, slope):
    """Gradients of the sums, in place of the gates, and of the cell state before."""
    one = FLOAT(1)
    units = before.shape[1]
    for row in range(len(before)):
        values = gates[row]
        for j in range(units):
            let_in, kept = values[j], values[units + j]
            new, let_out = values[2 * units + j], values[3 * units + j]
            tanh, output = cell_tanh[row, j], from_output[row, j]
            cell = from_cell[row, j] + output * let_out * (one - tanh * tanh)
            values[j] = cell * new * _opening(let_in, slope)
            values[units + j] = cell * before[row, j] * _opening(kept, slope)
            values[2 * units + j] = cell * let_in * (one - new * new)
            values[3 * units + j] = output * tanh * _opening(let_out, slope)
            from_cell[row, j] = cell * kept


@compiled
def _sum_by_character(gradients, characters, out):
    """The gradient of the input weights: each character's row sums what it met."""
    out[:] = FLOAT(0)
    for step in range(gradients.shape[0]):
        for row in range(gradients.shape[1]):
            total, value = out[characters[step, row]], gradients[step, row]
            for j in range(len(total)):
                total[j] += value[j]


class _Buffers(NamedTuple):
    """Room for one batch: `length` steps of `rows` rows, float32."""

    gates: np.ndarray  # (length, rows, 4 * units)
    cells: np.ndarray  # (length + 1, rows, units), the first all zero
    cell_tanh: np.ndarray  # (length, rows, units)
    outputs: np.ndarray  # (length, rows, units)

    @classmethod
    def of(cls, length: int, rows: int, units: int) -> "_Buffers":
        shape = (length, rows, units)
        cells = np.zeros((length + 1, rows, units), FLOAT)
        return cls(
            np.empty((length, rows, 4 * units), FLOAT),
            cells,
            np.empty(shape, FLOAT),
            np.empty(shape, FLOAT),
        )


def _softmax(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, in place of the sums, and the logarithm of each, both (rows, classes)."""
    sums -= sums.max(axis=1, keepdims=True)
    logarithms = sums.copy()
    np.exp(sums, out=sums)
    total = sums.sum(axis=1, keepdims=True)
    sums /= total
    logarithms -= np.log(total)
    return sums, logarithms


def crossentropy(
    sums: np.ndarray, targets: np.ndarray, floor: float = 0.0
) -> tuple[float, np.ndarray]:
    """Mean cross-entropy in nats, and its gradient by the softmax layer's sums.

    Args:
        sums: (rows, classes) float32, overwritten.
        targets: (rows,) of the integers from 0.
        floor: 0 counts from the sums, as Keras does for a softmax layer, so that no probability
            is too small for its logarithm. Above 0, probabilities are first held between it and
            1 - floor, as Keras 1 did (1e-7): a character that was thought less likely than
            that teaches nothing.
    """
    gradient, logarithms = _softmax(sums)
    rows = np.arange(len(targets))
    given = logarithms[rows, targets]
    limits = np.log([floor, 1 - floor]).astype(FLOAT) if floor else (-np.inf, np.inf)
    loss = -float(np.clip(given, *limits).mean())
    gradient[rows, targets] -= FLOAT(1)
    gradient /= FLOAT(len(targets))
    if floor:
        gradient[(given < limits[0]) | (given > limits[1])] = 0
    return loss, gradient


def squared_error(
    sums: np.ndarray, targets: np.ndarray, floor: float = 0.0
) -> tuple[float, np.ndarray]:
    """Mean squared error of the probabilities, over rows and classes, and its gradient.

    Args and returns as `crossentropy`; it takes no logarithm, so `floor` changes nothing.
    """
    probabilities, _ = _softmax(sums)
    difference = probabilities.copy()
    difference[np.arange(len(targets)), targets] -= FLOAT(1)
    loss = float(np.square(difference).mean())
    difference *= FLOAT(2 / difference.size)
    inner = (difference * probabilities).sum(axis=1, keepdims=True)
    return loss, probabilities * (difference - inner)


LOSSES = {"categorical_crossentropy": crossentropy, "mean_squared_error": squared_error}


class CharacterNetwork:
    """An LSTM layer and a softmax layer over characters, with their gradients and optimizer.

    Args:
        weights: those of a Keras model Sequential([LSTM(units), Dense(n_chars, "softmax")]) on
            one-hot characters, in the order of `model.get_weights()`; copied.
        loss: a key of `LOSSES`.
        optimizer: an entry of `kerasbook.layers`, of the type sgd (without momentum) or rmsprop.
        gates: a key of `SLOPES`: `sigmoid` or `hard_sigmoid`, the LSTM layer's
            `recurrent_activation`, or the hard sigmoid of Keras 1.
        floor: the least probability that the cross-entropy counts with; see `crossentropy`.

    Raises:
        KerasbookError: weights of other shapes, or an optimizer that is not known here.
    """

    def __init__(
        self,
        weights: Sequence[np.ndarray],
        loss: str,
        optimizer: Mapping[str, Any],
        gates: str = "sigmoid",
        floor: float = 0.0,
    ):
        n_chars, units = _shape_of(weights)
        self.n_chars, self.units = n_chars, units
        self.loss, self.floor = LOSSES[loss], floor
        self.slope = FLOAT(SLOPES[gates])
        self.step = optimizer_step(optimizer)
        # All weights in one row, so that the optimizer's step is a few array operations.
        self.flat = np.concatenate([np.ravel(one) for one in weights]).astype(FLOAT)
        self.gradient = np.zeros_like(self.flat)
        self.mean_square = np.zeros_like(self.flat)
        shapes = [one.shape for one in weights]
        self.weights = _views(self.flat, shapes)
        self.gradients = _views(self.gradient, shapes)
        self._buffers: _Buffers | None = None

    @property
    def keras_weights(self) -> list[np.ndarray]:
        """The weights of a Keras model that says the same, with today's gates."""
        weights = [one.copy() for one in self.weights]
        if self.slope == FLOAT(keras_1.SLOPE):
            weights[:3] = keras_1.for_todays_gates(weights[:3], self.units)
        return weights

    def _room(self, length: int, rows: int) -> _Buffers:
        if self._buffers is None or self._buffers.outputs.shape[:2] != (length, rows):
            self._buffers = _Buffers.of(length, rows, self.units)
        return self._buffers

    def _forward(self, characters: np.ndarray) -> tuple[_Buffers, np.ndarray]:
        """The room with all steps' values, and the softmax layer's sums (rows, n_chars)."""
        kernel, recurrent, bias, out, out_bias = self.weights
        room = self._room(*characters.shape)
        table = kernel + bias
        for step, given in enumerate(characters):
            gates = room.gates[step]
            if step:
                np.matmul(room.outputs[step - 1], recurrent, out=gates)
            else:
                gates[:] = 0
            _add_input(gates, table, given, self.slope)
            sums = gates[:, 2 * self.units : 3 * self.units] if self.slope else gates
            np.tanh(sums, out=sums)
            _update_cell(gates, room.cells[step], room.cells[step + 1], self.slope)
            np.tanh(room.cells[step + 1], out=room.cell_tanh[step])
            np.multiply(gates[:, 3 * self.units :], room.cell_tanh[step], out=room.outputs[step])
        return room, room.outputs[-1] @ out + out_bias

    def _differentiate(self, room: _Buffers, characters: np.ndarray, gradient: np.ndarray) -> None:
        """Fill `self.gradients`, from the gradient of the softmax layer's sums."""
        _, recurrent, _, out, _ = self.weights
        of_kernel, of_recurrent, of_bias, of_out, of_out_bias = self.gradients
        np.matmul(room.outputs[-1].T, gradient, out=of_out)
        gradient.sum(axis=0, out=of_out_bias)
        from_output = gradient @ out.T
        from_cell = np.zeros_like(from_output)
        for step in reversed(range(len(characters))):
            _backward(
                room.gates[step], room.cells[step], room.cell_tanh[step], from_output, from_cell,
                self.slope,
            )  # fmt: skip
            if step:
                np.matmul(room.gates[step], recurrent.T, out=from_output)
        before = room.outputs[:-1].reshape(-1, self.units)
        np.matmul(before.T, room.gates[1:].reshape(-1, 4 * self.units), out=of_recurrent)
        _sum_by_character(room.gates, characters, of_kernel)
        of_kernel.sum(axis=0, out=of_bias)

    def learn(self, characters: np.ndarray, targets: np.ndarray) -> float:
        """One step on one batch.

        Args:
            characters: (length, rows) unsigned integers, a window in each column.
            targets: (rows,) of the characters that come next.

        Returns:
            The batch's mean loss before the step.
        """
        room, sums = self._forward(characters)
        loss, gradient = self.loss(sums, targets, self.floor)
        self._differentiate(room, characters, gradient)
        self.step(self)
        return loss

    def learn_epoch(
        self, codes: np.ndarray, length: int, starts: np.ndarray, batch_size: int
    ) -> float:
        """Learn from windows of a text in a given order.

        Args:
            codes: (n,) unsigned integers, the text.
            length: characters of a window; the next one is its target.
            starts: (n_windows,) where the windows begin.
            batch_size: windows of a step; the last step has what is left.

        Returns:
            The mean loss over the epoch's windows, each before the step that it is part of.
        """
        offsets = np.arange(length)[:, np.newaxis]
        total = 0.0
        for first in range(0, len(starts), batch_size):
            rows = starts[first : first + batch_size].astype(np.intp)
            total += len(rows) * self.learn(codes[rows + offsets], codes[rows + length])
        return total / len(starts)

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        """What comes next, as Keras's `predict`.

        Args:
            windows: (rows, length) unsigned integers, a window in each row.

        Returns:
            (rows, n_chars) float32.
        """
        parts = []
        for first in range(0, len(windows), FORWARD_ROWS):
            part = np.ascontiguousarray(windows[first : first + FORWARD_ROWS].T)
            parts.append(_softmax(self._forward(part)[1])[0])
        return np.concatenate(parts)

    def text_loss(self, windows: np.ndarray, targets: np.ndarray) -> float:
        """Mean cross-entropy in nats over windows (rows, length), whatever loss is learnt by."""
        total = 0.0
        for first in range(0, len(windows), FORWARD_ROWS):
            part = slice(first, first + FORWARD_ROWS)
            sums = self._forward(np.ascontiguousarray(windows[part].T))[1]
            total += len(sums) * crossentropy(sums, targets[part])[0]
        return total / len(windows)


def _views(flat: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes)]


def _shape_of(weights: Sequence[np.ndarray]) -> tuple[int, int]:
    """Characters and units of a network with these weights."""
    found = [np.shape(one) for one in weights]
    if len(found) == 5 and len(found[3]) == 2:
        units, n_chars = found[3]
        gates = 4 * units
        if found == [(n_chars, gates), (units, gates), (gates,), (units, n_chars), (n_chars,)]:
            return n_chars, units
    raise KerasbookError(
        f"weights: found arrays of the shapes {found}, expected those of an LSTM layer on one-hot "
        "characters and a softmax layer over the same characters."
    )


def _rmsprop(network: CharacterNetwork, rate: np.float32, epsilon: np.float32) -> None:
    gradient, mean_square = network.gradient, network.mean_square
    mean_square *= RHO
    mean_square += (FLOAT(1) - RHO) * np.square(gradient)
    gradient *= rate
    gradient /= np.sqrt(mean_square + epsilon)
    network.flat -= gradient


def _sgd(network: CharacterNetwork, rate: np.float32, epsilon: np.float32) -> None:
    network.flat -= rate * network.gradient


def _shorten(gradients: Sequence[np.ndarray], longest: float) -> None:
    """Keras's `clipnorm`: each weight's gradient is at most so long, by itself."""
    for gradient in gradients:
        norm = float(np.linalg.norm(gradient))
        if norm > longest:
            gradient *= FLOAT(longest / norm)


def optimizer_step(entry: Mapping[str, Any]) -> Callable[[CharacterNetwork], None]:
    """The step of an optimizer's entry, with Keras's formulas and defaults.

    Raises:
        KerasbookError: another type, or a setting that is not known here.
    """
    known = {"type", "learning_rate", "clipnorm"} | (
        {"epsilon"} if entry["type"] == "rmsprop" else set()
    )
    asked = {key for key, value in entry.items() if value and key not in known}
    steps = {"rmsprop": _rmsprop, "sgd": _sgd}
    if entry["type"] not in steps or asked:
        raise KerasbookError(
            f"optimizer: found {dict(entry)}, expected {{type: rmsprop}} or {{type: sgd}} with a "
            "learning_rate and, if wanted, a clipnorm; the character network knows no other."
        )
    update, rate = steps[entry["type"]], FLOAT(entry["learning_rate"])
    longest, epsilon = entry.get("clipnorm"), FLOAT(entry.get("epsilon", EPSILON))

    def step(network: CharacterNetwork) -> None:
        if longest is not None:
            _shorten(network.gradients, longest)
        update(network, rate, epsilon)

    return step
