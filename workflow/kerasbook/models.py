"""Keras models built from the layers of a YAML file."""

import os
from collections.abc import Mapping, Sequence
from typing import Any


def set_up_keras(threads: int) -> Any:
    """Import Keras with its backend held to `threads` threads, and return it.

    Called before anything else touches TensorFlow, whose thread pools are fixed at first use.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    import keras

    return keras


def device_name() -> str:
    """`gpu` and its name where Keras's backend trains on one, else `cpu`."""
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return "cpu"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "cpu"
    details = tf.config.experimental.get_device_details(gpus[0])
    return f"gpu: {details.get('device_name', gpus[0].name)}"


def _layer(keras: Any, entry: Mapping[str, Any]) -> Any:
    made = {
        "dense": keras.layers.Dense,
        "conv2d": keras.layers.Conv2D,
        "max_pooling2d": keras.layers.MaxPooling2D,
        "average_pooling2d": keras.layers.AveragePooling2D,
        "global_average_pooling2d": keras.layers.GlobalAveragePooling2D,
        "flatten": keras.layers.Flatten,
        "dropout": keras.layers.Dropout,
        "batch_normalization": keras.layers.BatchNormalization,
        "activation": keras.layers.Activation,
    }[entry["type"]]
    return made(**{key: value for key, value in entry.items() if key != "type"})


def build(
    layers: Sequence[Mapping[str, Any]], input_shape: Sequence[int], output: Mapping[str, Any]
) -> Any:
    """A sequential model.

    Args:
        layers: the entries of `kerasbook.layers`, as plain mappings.
        input_shape: of one row, channels last.
        output: the last layer, which the task decides and not the experiment.
    """
    import keras

    stack = [_layer(keras, entry) for entry in (*layers, output)]
    return keras.Sequential([keras.Input(tuple(input_shape)), *stack])


def optimizer(entry: Mapping[str, Any]) -> Any:
    """The optimizer of an entry of `kerasbook.layers`."""
    import keras

    values = {key: value for key, value in entry.items() if key not in ("type", "decay")}
    if entry.get("decay"):
        # Keras 1's `decay`: the rate of step t is rate / (1 + decay * t).
        values["learning_rate"] = keras.optimizers.schedules.InverseTimeDecay(
            entry["learning_rate"], decay_steps=1, decay_rate=entry["decay"]
        )
    made = {
        "sgd": keras.optimizers.SGD,
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "adadelta": keras.optimizers.Adadelta,
    }[entry["type"]]
    return made(**values)


def first_kernel(model_file: str) -> Any:
    """The first layer's kernel of a `.keras` file, read without TensorFlow.

    Returns:
        An array (height, width, channels, filters) of float32, for a convolution.

    Raises:
        KerasbookError: the file holds no convolution.
    """
    import io
    import zipfile

    import h5py
    import numpy as np

    from kerasbook.errors import KerasbookError

    with zipfile.ZipFile(model_file) as archive:
        stored = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(stored, "r") as weights:
        if "layers/conv2d/vars/0" in weights:
            return np.asarray(weights["layers/conv2d/vars/0"])
    raise KerasbookError(
        f"{model_file}: found no convolution in it, expected a first layer of the type conv2d."
    )
