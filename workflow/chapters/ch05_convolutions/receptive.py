"""Receptive fields: which pixels a unit of a convolutional network can see."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Field:
    """What the units of one layer see of the picture, along one side.

    Attributes:
        name: `conv2d_1`, `max_pooling2d_1`, ...: the layer's type and number.
        size: pixels that a unit sees.
        jump: pixels between what neighbouring units see.
        start: the first pixel that unit 0 sees; below 0 in the padding.
        units: how many units stand side by side.
    """

    name: str
    size: int
    jump: int
    start: int
    units: int

    def seen(self, unit: int) -> tuple[int, int]:
        """The first pixel that a unit sees, and the one after the last; both may lie outside."""
        first = self.start + unit * self.jump
        return first, first + self.size

    @property
    def middle(self) -> int:
        """The unit in the middle, which the borders cut least."""
        return self.units // 2


def receptive_fields(layers: Sequence[Mapping[str, Any]], side: int) -> list[Field]:
    """The receptive field of each convolution and pooling, worked out from the layers.

    A kernel of k adds k - 1 steps to the field, a step being the product of the strides so far
    (Dumoulin and Visin 2016, chapter 2; Araujo et al. 2019).

    Args:
        layers: entries of `kerasbook.layers`, as plain mappings, from the picture upwards; what
            comes after the first layer that keeps no map (flatten, dense) is not looked at.
        side: of the square picture, in pixels.
    """
    found: list[Field] = []
    number: Counter[str] = Counter()
    size, jump, start, units = 1, 1, 0, side
    for layer in layers:
        kind = layer["type"]
        if kind in ("dropout", "batch_normalization", "activation"):
            continue
        if kind == "conv2d":
            reach, stride = layer["kernel_size"], layer["strides"]
        elif kind in ("max_pooling2d", "average_pooling2d"):
            reach = stride = layer["pool_size"]
        else:
            break
        if layer.get("padding") == "same":
            after = -(-units // stride)
            # TensorFlow's rule: one more zero behind than in front where the sum is odd.
            start -= max((after - 1) * stride + reach - units, 0) // 2 * jump
        else:
            after = (units - reach) // stride + 1
        size += (reach - 1) * jump
        jump, units = jump * stride, after
        number[kind] += 1
        found.append(Field(f"{kind}_{number[kind]}", size, jump, start, units))
    return found


def within(field: Field, side: int) -> tuple[int, int]:
    """What the middle unit of a layer sees of a picture: first pixel, one after the last."""
    first, end = field.seen(field.middle)
    return max(first, 0), min(end, side)


def extent(gradient: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """The rows and the columns that a gradient (h, w) is not zero in: first, one after the last.

    Raises:
        ValueError: it is zero everywhere.
    """
    if not gradient.any():
        raise ValueError("found a gradient that is zero everywhere, expected some pixel to count")
    out = []
    for axis in (1, 0):
        places = np.flatnonzero(gradient.any(axis=axis))
        out.append((int(places[0]), int(places[-1]) + 1))
    return out[0], out[1]


def patch(image: np.ndarray, field: Field, row: int, column: int) -> np.ndarray:
    """What one unit sees of a picture (h, w): (size, size), zeros where it looks past the edge."""
    out = np.zeros((field.size, field.size), image.dtype)
    (top, bottom), (left, right) = field.seen(row), field.seen(column)
    inside = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    down, across = max(-top, 0), max(-left, 0)
    out[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
    return out


def outline(
    layers: Sequence[Mapping[str, Any]], side: int, classes: int
) -> list[tuple[str, tuple[int, ...], int]]:
    """A network from the picture to the softmax, in words.

    Args:
        layers: as in `receptive_fields`; dense layers and all others of `kerasbook.layers`.

    Returns:
        For each layer what it is, the shape that leaves it and its number of parameters.
    """
    shape: tuple[int, ...] = (side, side, 1)
    rows = [("picture", shape, 0)]
    for layer in [*layers, {"type": "dense", "units": classes, "activation": "softmax"}]:
        kind, parameters = layer["type"], 0
        name = kind.replace("_", " ")
        if kind == "conv2d":
            reach, maps = layer["kernel_size"], layer["filters"]
            units = receptive_fields([layer], shape[0])[0].units
            parameters = (reach**2 * shape[-1] + 1) * maps
            name, shape = f"conv {reach} x {reach}", (units, units, maps)
        elif kind in ("max_pooling2d", "average_pooling2d"):
            reach = layer["pool_size"]
            units = shape[0] // reach
            name = f"{kind.split('_')[0]} pool {reach} x {reach}"
            shape = (units, units, shape[-1])
        elif kind == "global_average_pooling2d":
            shape = (shape[-1],)
        elif kind == "flatten":
            shape = (int(np.prod(shape)),)
        elif kind == "dense":
            parameters = (shape[-1] + 1) * layer["units"]
            shape = (*shape[:-1], layer["units"])
        elif kind == "batch_normalization":
            parameters = 4 * shape[-1]
        if layer.get("activation", "linear") != "linear":
            name = f"{name}, {layer['activation']}"
        rows.append((name, shape, parameters))
    return rows
