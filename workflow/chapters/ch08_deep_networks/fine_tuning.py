"""Transfer learning: a network cut at a layer, features computed once, a new head, Grad-CAM."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chapters.ch08_deep_networks.networks import NETWORKS, prepare_layers, prepared
from kerasbook import models
from kerasbook.checkpoints import Checkpoints
from kerasbook.epochs import Seed
from kerasbook.errors import KerasbookError
from kerasbook.training import Progress, fit
from kerasbook.validation import nearest

CHUNK = 32
# What `frozen_before` calls the new layers, before which all of the network lies.
HEAD = "head"
# A network from scratch sees a few hundred batches: Keras's moving averages (0.99) would not
# have arrived where they belong when it is judged.
QUICK_AVERAGES = 0.9
# Keras clips probabilities at this distance from 0 and 1.
EPSILON = 1e-7


def shares_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """Categorical cross-entropy (nats) as Keras 1 computed it: outputs are brought to sum 1.

    Keras 3 looks behind a sigmoid, takes the values there for logits of a softmax, and so
    hides what sigmoid outputs do to this loss.

    Args:
        y_true: (n, classes), one-hot.
        y_pred: (n, classes), above 0.
    """
    from keras import ops

    shares = y_pred / ops.sum(y_pred, axis=-1, keepdims=True)
    return -ops.sum(y_true * ops.log(ops.clip(shares, EPSILON, 1 - EPSILON)), axis=-1)


def loss_of(settings: Mapping[str, Any]) -> Any:
    """The loss that an experiment's `loss` names."""
    return shares_crossentropy if settings["loss"] == "keras_1" else "categorical_crossentropy"


def cut(base: Any, layer: str | None) -> tuple[Any, Any]:
    """A network in two: what lies before a layer, and the tensor that the layer takes.

    Returns:
        The model before it (None if nothing lies before), and the input of the rest.

    Raises:
        KerasbookError: no layer of that name, or the network has branches there, so that
            no single tensor carries all that the rest needs.
    """
    import keras

    if layer is None:
        return None, base.inputs[0]
    if layer == HEAD:
        return base, base.outputs[0]
    names = [one.name for one in base.layers]
    if layer not in names:
        raise KerasbookError(
            f"frozen_before: found '{layer}'{nearest(layer, names)}, expected a layer of "
            f"{base.name}, or {HEAD}: {', '.join(names)}."
        )
    tensor = base.get_layer(layer).input
    if isinstance(tensor, list) or not _carries_all(tensor, base.outputs[0]):
        raise KerasbookError(
            f"frozen_before: found '{layer}', where the branches of {base.name} run side by "
            "side; expected a layer that takes all that lies before it, such as the first of a "
            "block."
        )
    if tensor is base.inputs[0]:
        return None, tensor
    return keras.Model(base.inputs[0], tensor), tensor


def _carries_all(tensor: Any, output: Any) -> bool:
    """Whether a network's output follows from one tensor within it."""
    import keras

    try:
        keras.Model(tensor, output)
    except (ValueError, KeyError):  # Keras: the graph is disconnected
        return False
    return True


def features(bottom: Any | None, pictures: np.ndarray, family: str) -> np.ndarray:
    """What the frozen part makes of pictures; the pictures themselves if nothing is frozen.

    Args:
        pictures: (n, size, size, 3) uint8.

    Returns:
        (n, height, width, channels) float32; the pictures are uint8, a quarter of the memory.
    """
    if bottom is None:
        return pictures
    made = [
        bottom.predict_on_batch(prepared(pictures[start : start + CHUNK], family))
        for start in range(0, len(pictures), CHUNK)
    ]
    return np.concatenate(made)


def with_mirrored(pictures: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and labels, followed by the same pictures with left and right exchanged."""
    return np.concatenate([pictures, pictures[:, :, ::-1]]), np.tile(labels, 2)


@dataclass(frozen=True)
class OwnClasses:
    """What a network that was trained on many classes makes of two of them.

    Attributes:
        shares: (n, 2) float32, its probabilities of them, for some pictures.
        kernel: (features, 2) and bias (2,), the weights of its own outputs for them.
    """

    shares: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray


def own_classes(model: Any, pictures: np.ndarray, family: str, classes: list[int]) -> OwnClasses:
    """Ask a network with its own classifier about two of its classes.

    Args:
        model: ends in a softmax over all its classes, as a dense layer or a 1 x 1 convolution.
        pictures: (n, size, size, 3) uint8.

    Raises:
        KerasbookError: the network has no such class.
    """
    values = features(model, pictures, family)
    if max(classes) >= values.shape[-1] or min(classes) < 0:
        raise KerasbookError(
            f"own_classes: found {classes}, expected classes from 0 to {values.shape[-1] - 1} of "
            f"{model.name}."
        )
    last = [layer for layer in model.layers if layer.weights][-1]
    kernel, bias = last.get_weights()
    kernel = kernel.reshape(-1, values.shape[-1])
    return OwnClasses(values[:, classes], kernel[:, classes], bias[classes])


class FineTuned:
    """A network with a new head, trained from one layer on or from another.

    Args:
        base: the network without its classifier, with its weights.
        settings: of the experiment (`settings.FineTuning`).
        classes: how many outputs there are.
    """

    def __init__(self, base: Any, settings: Mapping[str, Any], classes: int = 2):
        self.base = base
        self.settings = settings
        self.family = NETWORKS[settings["network"]].family
        maps = base.outputs[0]
        output = {"type": "dense", "units": classes, "activation": settings["output"]}
        self.head = models.build(settings["head"], maps.shape[1:], output)
        self.outputs = self.head(maps)
        self.times: dict[str, float] = {}

    def start_from(self, own: OwnClasses) -> None:
        """Let the outputs begin with the weights that the network had for them.

        Raises:
            KerasbookError: the head's last layer takes other features than the network's own.
        """
        kernel = self.head.layers[-1].kernel
        if tuple(kernel.shape) != own.kernel.shape:
            raise KerasbookError(
                f"head_start: found outputs that take {kernel.shape[0]} values, expected "
                f"{own.kernel.shape[0]} as in {self.base.name}; use a head of "
                "{type: global_average_pooling2d} and dropout alone, or head_start: random."
            )
        self.head.layers[-1].set_weights([own.kernel, own.bias])

    def trainable_from(self, layer: str | None) -> tuple[Any | None, Any]:
        """The frozen part (None if there is none) and the model that is trained on its features.

        Where nothing is frozen, the model takes pixels.

        Batch normalisation keeps the averages that it came with: a few pictures would only
        spoil them. A network with random weights has none yet, and learns them, at a rate
        that suits a few hundred batches.
        """
        import keras

        bottom, tensor = cut(self.base, layer)
        frozen = set() if bottom is None else {id(one) for one in bottom.layers}
        keep_averages = self.settings["weights"] != "random"
        for one in self.base.layers:
            normalises = isinstance(one, keras.layers.BatchNormalization)
            one.trainable = id(one) not in frozen and not (normalises and keep_averages)
            if normalises and not keep_averages:
                one.momentum = QUICK_AVERAGES
        return bottom, self.serving() if bottom is None else keras.Model(tensor, self.outputs)

    def stage(
        self,
        data: Mapping[str, np.ndarray],
        layer: str | None,
        optimizer: Mapping[str, Any],
        epochs: int,
        send: Any = None,
        *,
        seed: Seed,
        keep: Checkpoints | None = None,
        name: str = "stage",
    ) -> Progress:
        """Train from a layer on; the features of what lies before are computed once.

        Args:
            data: `x_train`, `x_val` (n, size, size, 3) uint8 and `y_train`, `y_val` (n,).
            keep, name: of the checkpoints, see `kerasbook.training.fit`.

        Returns:
            The progress. `times` gets `frozen_pass_ms` (all training pictures through the
            frozen part) and `cached_epoch_ms` (an epoch on its features, the median), of the
            first stage that froze something.
        """
        import keras

        bottom, model = self.trainable_from(layer)
        if bottom is not None:  # compiled before the time is taken
            features(bottom, data["x_train"][:CHUNK], self.family)
        started = time.perf_counter()
        x_train = features(bottom, data["x_train"], self.family)
        frozen_ms = (time.perf_counter() - started) * 1000
        x_val = features(bottom, data["x_val"], self.family)
        one_hot = np.eye(self.outputs.shape[-1], dtype=np.float32)
        model.compile(
            loss=loss_of(self.settings), optimizer=models.optimizer(optimizer), metrics=["accuracy"]
        )
        taken: list[float] = []

        class Clock(keras.callbacks.Callback):
            """The seconds of each epoch before its validation, which is no part of learning."""

            def on_epoch_begin(self, epoch: int, logs: Mapping | None = None) -> None:
                self.begun = time.perf_counter()
                taken.append(0.0)

            def on_train_batch_end(self, batch: int, logs: Mapping | None = None) -> None:
                taken[-1] = time.perf_counter() - self.begun

        progress = fit(
            model,
            (x_train, one_hot[data["y_train"]]),
            (x_val, one_hot[data["y_val"]]),
            epochs,
            self.settings["batch_size"],
            send,
            callbacks=[Clock()],
            validation_batch_size=CHUNK,
            seed=seed,
            keep=keep,
            name=name,
            kept={"seconds_of_epochs": taken},
        )
        if bottom is not None and not self.times:
            self.times = {
                "frozen_pass_ms": frozen_ms,
                "cached_epoch_ms": float(np.median(taken)) * 1000,
            }
        return progress

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        """The outputs (n, classes) float32 of pictures (n, size, size, 3) uint8."""
        import keras

        return features(keras.Model(self.base.inputs[0], self.outputs), pictures, self.family)

    def serving(self) -> Any:
        """The whole model, from pixels (0 to 255, red green blue) to outputs."""
        import keras

        pixels = keras.Input(self.base.inputs[0].shape[1:], dtype="uint8", name="pixels")
        maps = self.base(prepare_layers(pixels, self.family))
        return keras.Model(pixels, self.head(maps))

    def grad_cam(self, pictures: np.ndarray) -> np.ndarray:
        """Where the network looks for its answer (Selvaraju et al. 2017, arXiv:1610.02391).

        The gradient of the answer's value before the activation, averaged over each feature
        map, weighs the maps; what speaks for the answer remains.

        Args:
            pictures: (n, size, size, 3) uint8.

        Returns:
            (n, height, width) float32 at the resolution of the last feature maps, from 0 to
            1 in each picture; all 0 where nothing speaks for the answer.

        Keras must compute with TensorFlow.
        """
        import keras
        import tensorflow as tf

        maps = tf.convert_to_tensor(features(self.base, pictures, self.family))
        *hidden, last = self.head.layers
        with tf.GradientTape() as tape:
            tape.watch(maps)
            x = maps
            for layer in hidden:
                x = layer(x, training=False)
            values = keras.ops.matmul(x, last.kernel) + last.bias
            answer = tf.reduce_max(values, axis=1)
        weights = tf.reduce_mean(tape.gradient(answer, maps), axis=(1, 2), keepdims=True)
        heat = np.maximum(tf.reduce_sum(weights * maps, axis=-1).numpy(), 0)
        highest = heat.max(axis=(1, 2), keepdims=True)
        return np.divide(heat, highest, out=np.zeros_like(heat), where=highest > 0)


def joined(first: Progress, second: Progress) -> Progress:
    """Two stages as one training: the second's epochs after the first's."""
    whole = Progress(first.epochs + second.epochs, first.rows, first.send)
    whole.history = {key: [*first.history[key], *second.history[key]] for key in first.history}
    whole.numbers = [*first.numbers, *second.numbers]
    whole.seconds = first.seconds + second.seconds
    whole.told_seconds = first.told_seconds + second.told_seconds
    return whole
