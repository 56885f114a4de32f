"""Activation functions, their derivatives, and the gradient below many layers of them.

The gradients are worked out by hand: a few matrix products for all draws of the weights at
once need no TensorFlow.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.special import expit, log_softmax

NAMES = ("relu", "softplus", "sigmoid", "tanh")
LIMIT = 6.0
STEP = 0.01
FLAT = 0.05
CLASSES = 10
# A normal distribution cut at two standard deviations, and the one that it has left.
CUT = 2.0
CUT_SD = math.sqrt(
    1 - 2 * CUT * math.exp(-(CUT**2) / 2) / (math.sqrt(2 * math.pi) * math.erf(CUT / math.sqrt(2)))
)


def value(name: str, x: np.ndarray) -> np.ndarray:
    """An activation function.

    Args:
        name: `relu`, `softplus` (Dugas et al. 2001), `sigmoid` or `tanh`.

    Raises:
        KeyError: another name.
    """
    functions = {
        "relu": lambda: np.maximum(x, 0),
        "softplus": lambda: np.logaddexp(0, x),
        "sigmoid": lambda: expit(x),
        "tanh": lambda: np.tanh(x),
    }
    return functions[name]()


def slope(name: str, x: np.ndarray) -> np.ndarray:
    """The derivative of `value`; of ReLU at 0, where it has none, 0 as in TensorFlow."""
    slopes = {
        "relu": lambda: (x > 0).astype(np.float64),
        "softplus": lambda: expit(x),
        "sigmoid": lambda: expit(x) * expit(-x),
        "tanh": lambda: 1 - np.tanh(x) ** 2,
    }
    return slopes[name]()


def curves() -> dict[str, np.ndarray]:
    """Functions and derivatives over [-6, 6].

    Returns:
        `grid` (n,), `values` and `slopes` (4, n) in the order of `NAMES`, float64.
    """
    grid = np.arange(-LIMIT, LIMIT + STEP / 2, STEP)
    return {
        "grid": grid,
        "values": np.stack([value(name, grid) for name in NAMES]),
        "slopes": np.stack([slope(name, grid) for name in NAMES]),
    }


def initial(
    kind: str, draws: int, inputs: int, outputs: int, rng: np.random.Generator
) -> np.ndarray:
    """Initial weights (draws, inputs, outputs) by Keras's rules.

    Args:
        kind: `glorot_uniform` (Glorot and Bengio 2010), or `he_normal` (He et al. 2015), whose
            normal distribution Keras cuts at two standard deviations and widens to keep its own.
    """
    shape = (draws, inputs, outputs)
    if kind == "glorot_uniform":
        limit = np.sqrt(6 / (inputs + outputs))
        return rng.uniform(-limit, limit, shape)
    weights = rng.standard_normal(shape)
    while (far := np.abs(weights) > CUT).any():
        weights[far] = rng.standard_normal(far.sum())
    return weights * (np.sqrt(2 / inputs) / CUT_SD)


def kernel_gradients(
    x: np.ndarray, labels: np.ndarray, weights: Sequence[np.ndarray], activation: str
) -> list[np.ndarray]:
    """The gradient of the mean cross-entropy with respect to each layer's weights.

    Biases are zero, as Keras has them at first. The last layer is a softmax.

    Args:
        x: (n, inputs).
        labels: (n,), from 0.
        weights: per layer (draws, inputs, outputs), the softmax's last.

    Returns:
        Per layer, an array of its weights' shape, float64.
    """
    given, before = [x], []
    for matrix in weights[:-1]:
        before.append(given[-1] @ matrix)
        given.append(value(activation, before[-1]))
    error = np.exp(log_softmax(given[-1] @ weights[-1], axis=-1))
    error[..., np.arange(len(labels)), labels] -= 1
    error /= len(labels)
    gradients = []
    for index in reversed(range(len(weights))):
        gradients.append(np.swapaxes(given[index], -1, -2) @ error)
        if index:
            back = error @ np.swapaxes(weights[index], -1, -2)
            error = back * slope(activation, before[index - 1])
    return gradients[::-1]


def gradient_norms(
    x: np.ndarray, labels: np.ndarray, stack: dict[str, str], depths: Sequence[int], width: int,
    draws: int, rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """How large the gradient is in each hidden layer of networks of several depths.

    Args:
        x: pictures as rows (n, d), 0 to 1.
        stack: `activation` and `initializer`.

    Returns:
        (depths, draws, deepest): the root mean square of the gradient over a layer's weights,
        which layers of different sizes share; NaN above a network's own depth.
    """
    norms = np.full((len(depths), draws, max(depths)), np.nan)
    for place, depth in enumerate(depths):
        sides = [x.shape[1], *[width] * depth, CLASSES]
        weights = [initial(stack["initializer"], draws, a, b, rng) for a, b in pairwise(sides)]
        gradients = kernel_gradients(x, labels, weights, stack["activation"])
        for layer, gradient in enumerate(gradients[:-1]):
            norms[place, :, layer] = np.sqrt(np.square(gradient).mean(axis=(1, 2)))
    return norms


def first_to_last(norms: np.ndarray, depths: Sequence[int]) -> np.ndarray:
    """The first hidden layer's gradient as a multiple of the last one's, (depths, draws)."""
    return np.stack([norms[i, :, 0] / norms[i, :, depth - 1] for i, depth in enumerate(depths)])
