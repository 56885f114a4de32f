"""Keras models built from the layers of a YAML file."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasbook import devices
from kerasbook.errors import KerasbookError

BACKEND = "KERAS_BACKEND"
# Keras imports them where they are installed, for what no network here does: wrappers for
# scikit-learn, galleries of pictures, fitting on data frames. They take as long as all the rest
# of Keras without its backend, and more.
OPTIONAL = ("matplotlib", "pandas", "sklearn")


@contextlib.contextmanager
def _without(packages: Sequence[str]) -> Iterator[None]:
    """Let packages that were not imported yet be missing for a while."""
    hidden = [name for name in packages if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def import_keras() -> Any:
    """Import Keras with its backend, and no more of its companions than it needs; return it.

    It does not touch a device yet, nor start a thread where the backend is TensorFlow.
    """
    if os.environ.setdefault(BACKEND, "tensorflow") == "tensorflow":
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        with _without(OPTIONAL):  # it imports Keras
            import tensorflow  # noqa: F401
    with _without(OPTIONAL):
        import keras
    return keras


def set_up(step: Any) -> Any:
    """Import Keras as a job wants it: its threads, its GPU, its precision; return Keras.

    Raises:
        KerasbookError: the backend is not installed, or a GPU is required and there is none.
    """
    return set_up_keras(step.threads, step.gpu, step.settings.get("precision", "float32"))


def set_up_keras(threads: int, gpu: int = 0, precision: str = "float32") -> Any:
    """Import Keras with its backend held to `threads` threads, and return it.

    Called before anything else touches the backend, whose thread pools and devices are fixed at
    first use. A GPU's memory is taken as it is needed.

    Args:
        gpu: how many the job asked for; see `kerasbook.devices`.
        precision: what layers compute in, a dtype policy of Keras.
    """
    backend = os.environ.setdefault(BACKEND, "tensorflow")
    if importlib.util.find_spec(backend) is None:
        raise KerasbookError(
            f"backend: found no package {backend} installed, expected it; install it beside the "
            f"others (`pip install {backend}`) or set backend: tensorflow."
        )
    devices.claim(asked=gpu)
    if backend == "tensorflow":
        import_keras()
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for one in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(one, True)
    elif backend == "jax":
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        # Read as JAX makes its pool of threads.
        os.environ.setdefault("NPROC", str(threads))
        if threads == 1:
            os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    else:
        import torch

        torch.set_num_threads(threads)
    keras = import_keras()
    keras.config.set_dtype_policy(precision)
    devices.require(backend, gpu)
    devices.watch()
    return keras


def need_tensorflow(task: str, instead: str) -> None:
    """Stop what differentiates with TensorFlow itself where Keras computes with something else.

    Raises:
        KerasbookError: the backend is another one.
    """
    backend = os.environ.get(BACKEND, "tensorflow")
    if backend != "tensorflow":
        raise KerasbookError(f"backend: found {backend}, expected tensorflow for {task}; {instead}")


def device_name() -> str:
    """`gpu` and its name where Keras's backend trains on one, else `cpu`."""
    name = devices.name_of(os.environ.get(BACKEND, "tensorflow"))
    return "cpu" if name is None else f"gpu: {name}"


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

    stack = [_layer(keras, entry) for entry in layers]
    # In mixed precision the answers, and with them the loss, are still of single precision.
    stack.append(_layer(keras, {**output, "dtype": "float32"}))
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

    with zipfile.ZipFile(model_file) as archive:
        stored = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(stored, "r") as weights:
        if "layers/conv2d/vars/0" in weights:
            return np.asarray(weights["layers/conv2d/vars/0"])
    raise KerasbookError(
        f"{model_file}: found no convolution in it, expected a first layer of the type conv2d."
    )
