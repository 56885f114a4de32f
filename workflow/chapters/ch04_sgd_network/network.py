"""The feed-forward sigmoid network of tutorial chapter 4.4, trained by mini-batch SGD.

Training is compiled and skips blank pixels: they change no sum, and most pixels
are blank. Where nothing is learned, a layer is one matrix product over many images.
The images stay uint8: only the images at hand are converted.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from kerasbook.compiled import compiled
from kerasbook.errors import KerasbookError
from kerasbook.files import written_whole

# Rows per matrix product where nothing is learned: large enough for speed, small
# enough that the converted rows (6 MB for 784 pixels) stay in the cache.
FORWARD_BATCH = 1000


class Parameters(NamedTuple):
    """Weights and biases of the layers after the input, float64.

    weights: one (n_in, n_out) array per layer; biases: one (n_out,) array per layer.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]


def initial_parameters(sizes: list[int], seed: int) -> Parameters:
    """Standard normal weights and biases for layers of these sizes, input first."""
    generator = np.random.default_rng(seed)
    biases = tuple(generator.standard_normal(size) for size in sizes[1:])
    weights = tuple(generator.standard_normal(shape) for shape in pairwise(sizes))
    return Parameters(weights, biases)


def _check(images: np.ndarray, parameters: Parameters) -> None:
    n_pixels = len(parameters.weights[0])
    if images.ndim != 2 or images.shape[1] != n_pixels:
        raise KerasbookError(
            f"images: found shape {images.shape}, expected (images, {n_pixels}); "
            "give one row of pixels per image."
        )


@compiled
def _activate(values, weight, bias, units):
    """The activations of a layer for one image, into `units`.

    Most pixels are blank, and what they would add is 0.
    """
    units[:] = bias
    for i in range(len(values)):
        value = values[i]
        if value != 0.0:
            for j in range(len(units)):
                units[j] += value * weight[i, j]
    for j in range(len(units)):
        units[j] = 1.0 / (1.0 + math.exp(-units[j]))


@compiled
def _descend(values, delta, step, weight, bias):
    """Change a layer's weights and biases by one image's share of the mini-batch's gradient."""
    for j in range(len(delta)):
        delta[j] *= step
        bias[j] -= delta[j]
    for i in range(len(values)):
        value = values[i]
        if value != 0.0:
            for j in range(len(delta)):
                weight[i, j] -= value * delta[j]


@compiled
def _backpropagate(label, weights, activations, deltas, b):
    """The deltas of image `b` of a mini-batch, from the activations, last layer first."""
    last = len(weights) - 1
    for layer in range(last, -1, -1):
        units, delta = activations[layer + 1][b], deltas[layer][b]
        for j in range(len(units)):
            if layer == last:
                miss = units[j] - (1.0 if j == label else 0.0)
            else:
                miss = 0.0
                for k in range(deltas[layer + 1].shape[1]):
                    miss += weights[layer + 1][j, k] * deltas[layer + 1][b, k]
            delta[j] = miss * units[j] * (1.0 - units[j])


@compiled
def _learn_batches(
    images, labels, order, batch_size, rate, scale, weights, biases, activations, deltas
):
    """One gradient step per mini-batch; `activations` and `deltas` are work space."""
    n_layers = len(weights)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        for b in range(len(rows)):
            image, pixels = images[rows[b]], activations[0][b]
            for i in range(len(image)):
                pixels[i] = image[i] * scale
            for layer in range(n_layers):
                _activate(
                    activations[layer][b], weights[layer], biases[layer], activations[layer + 1][b]
                )
            _backpropagate(labels[rows[b]], weights, activations, deltas, b)
        # Only now: the whole mini-batch is judged by the same weights.
        step = rate / len(rows)
        for b in range(len(rows)):
            for layer in range(n_layers):
                _descend(
                    activations[layer][b], deltas[layer][b], step, weights[layer], biases[layer]
                )


def train_epoch(
    images: np.ndarray,
    labels: np.ndarray,
    parameters: Parameters,
    batch_size: int,
    learning_rate: float,
    scale: float,
    permutation: np.ndarray,
) -> None:
    """One epoch of gradient descent on half the squared miss; changes `parameters` in place.

    Args:
        images: (n, n_pixels) uint8.
        labels: (n,) integers below the number of output units.
        scale: what a pixel is multiplied by; 1.0 leaves it raw, 1 / 255 brings it to [0, 1].
        permutation: the order in which the images are taken, (m,) integers. The
            last mini-batch is smaller if `batch_size` does not divide m.

    Raises:
        KerasbookError: images of another size than the network's input, or a label
            that has no output unit.
    """
    _check(images, parameters)
    n_units = len(parameters.biases[-1])
    if len(labels) and not 0 <= labels.min() <= labels.max() < n_units:
        raise KerasbookError(
            f"labels: found {labels.min()} to {labels.max()}, expected 0 to {n_units - 1}."
        )
    if len(permutation) and not 0 <= permutation.min() <= permutation.max() < len(images):
        raise KerasbookError(
            f"permutation: found {permutation.min()} to {permutation.max()}, "
            f"expected 0 to {len(images) - 1}."
        )
    sizes = (images.shape[1], *(len(bias) for bias in parameters.biases))
    activations = tuple(np.empty((batch_size, size)) for size in sizes)
    deltas = tuple(np.empty((batch_size, size)) for size in sizes[1:])
    _learn_batches(
        images,
        labels,
        permutation,
        batch_size,
        float(learning_rate),
        float(scale),
        *parameters,
        activations,
        deltas,
    )


def _forward_batches(
    images: np.ndarray, parameters: Parameters, scale: float, batch: int
) -> Iterator[tuple[slice, list[np.ndarray]]]:
    """The rows and the activations per layer, one batch after the other."""
    _check(images, parameters)
    for start in range(0, len(images), batch):
        rows = slice(start, min(start + batch, len(images)))
        activation = images[rows] * np.float64(scale)
        layers = []
        for weight, bias in zip(*parameters):
            activation = expit(activation @ weight + bias)
            layers.append(activation)
        yield rows, layers


def forward(
    images: np.ndarray, parameters: Parameters, scale: float, batch: int = FORWARD_BATCH
) -> list[np.ndarray]:
    """The activations of each layer after the input: (n, n_units) float64, in [0, 1].

    Raises:
        KerasbookError: images of another size than the network's input.
    """
    activations = [np.empty((len(images), len(bias))) for bias in parameters.biases]
    for rows, layers in _forward_batches(images, parameters, scale, batch):
        for activation, layer in zip(activations, layers):
            activation[rows] = layer
    return activations


def count_correct(
    images: np.ndarray, labels: np.ndarray, parameters: Parameters, scale: float
) -> int:
    """How many images have their most active output unit at their label.

    Among equally active units the first counts, as in the tutorial; with saturated
    units that happens often.
    """
    batches = _forward_batches(images, parameters, scale, FORWARD_BATCH)
    return sum(
        int(np.count_nonzero(layers[-1].argmax(axis=1) == labels[rows])) for rows, layers in batches
    )


def saturated_share(
    images: np.ndarray,
    parameters: Parameters,
    scale: float,
    threshold: float,
) -> list[float]:
    """Per layer, the share of activations closer to 0 or 1 than `threshold`, over all images.

    A sigmoid unit's gradient has the factor a (1 - a), so that a saturated unit
    hardly learns.
    """
    saturated = np.zeros(len(parameters.biases))
    for _, layers in _forward_batches(images, parameters, scale, FORWARD_BATCH):
        saturated += [
            np.count_nonzero((layer < threshold) | (layer > 1.0 - threshold)) for layer in layers
        ]
    return [
        float(count) / (len(images) * len(bias))
        for count, bias in zip(saturated, parameters.biases)
    ]


def train(
    images: np.ndarray,
    labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    parameters: Parameters,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    scale: float,
    seed: int,
    threshold: float,
    on_epoch: Callable[[int, int, list[float]], None] | None = None,
    first_epoch: int = 0,
) -> tuple[list[int], list[list[float]]]:
    """Train for some epochs; changes `parameters` in place.

    Args:
        images, labels, batch_size, learning_rate, scale: see `train_epoch`.
        seed: of the order of the images; each epoch has its own, from seed and epoch.
        threshold: see `saturated_share`.
        on_epoch: called after each epoch with the epoch, from 0, the number of
            correct test images, and the share of saturated units per layer on the
            test images.
        first_epoch: the epochs before it are done, and `parameters` are what they left.

    Returns:
        The correct test images and the shares of saturated units, one entry per epoch of this
        call.
    """
    corrects, shares = [], []
    for epoch in range(first_epoch, epochs):
        permutation = np.random.default_rng([seed, epoch]).permutation(len(images))
        train_epoch(images, labels, parameters, batch_size, learning_rate, scale, permutation)
        corrects.append(count_correct(test_images, test_labels, parameters, scale))
        shares.append(saturated_share(test_images, parameters, scale, threshold))
        if on_epoch is not None:
            on_epoch(epoch, corrects[-1], shares[-1])
    return corrects, shares


def named_arrays(parameters: Parameters) -> dict[str, np.ndarray]:
    """`weights_<layer>` (n_in, n_out) and `biases_<layer>` (n_out,), float64."""
    arrays = {f"weights_{layer}": weight for layer, weight in enumerate(parameters.weights)}
    return arrays | {f"biases_{layer}": bias for layer, bias in enumerate(parameters.biases)}


def put_back(parameters: Parameters, arrays: Mapping[str, np.ndarray]) -> None:
    """Fill parameters with what `named_arrays` gave."""
    for name, array in named_arrays(parameters).items():
        array[...] = arrays[name]


def save(path: str | os.PathLike, parameters: Parameters, scale: float) -> None:
    """Write parameters and pixel scale as an npz file that `kerasbook.dense_pyfunc` can serve."""
    with written_whole(path) as temporary:
        np.savez(temporary, **named_arrays(parameters), scale=float(scale))


def load(path: str | os.PathLike) -> tuple[Parameters, float]:
    """Read what `save` wrote: the parameters and the pixel scale."""
    with np.load(path, allow_pickle=False) as file:
        n_layers = sum(name.startswith("weights_") for name in file.files)
        parameters = Parameters(
            tuple(file[f"weights_{layer}"] for layer in range(n_layers)),
            tuple(file[f"biases_{layer}"] for layer in range(n_layers)),
        )
        return parameters, float(file["scale"])
