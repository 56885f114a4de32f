"""What an epoch of a training draws, from the seed and the epoch's number alone.

Keras draws the order of the rows, and what dropout drops, from states that move on with every
batch. Here both follow from the seed and the epoch's number, so that a training that goes on
later sees in each epoch what an uninterrupted one sees, on every backend of Keras.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Seed = int | Sequence[int]


def _entropy(seed: Seed, *more: int) -> list[int]:
    return [*([seed] if isinstance(seed, int) else seed), *more]


def order(n: int, seed: Seed | None, epoch: int) -> np.ndarray:
    """The order of n rows in an epoch counted from 0, (n,) int64; as they stand without a seed."""
    if seed is None:
        return np.arange(n)
    return np.random.default_rng(_entropy(seed, epoch)).permutation(n)


def seed_states(model: Any) -> list[Any]:
    """The variables from which the model's layers draw."""
    return [one for one in model.variables if one.name == "seed_generator_state"]


def reseed(model: Any, seed: Seed, epoch: int) -> None:
    """Set what the model's layers draw in an epoch: the states of their seed generators."""
    for place, state in enumerate(seed_states(model)):
        # Apart from the orders', which have one number fewer.
        drawn = np.random.SeedSequence(_entropy(seed, epoch, place)).generate_state(2)
        state.assign(drawn.astype(state.dtype))


def batches(arrays: Any, batch_size: int, seed: Seed | None) -> tuple[Any, Callable[[int], None]]:
    """Rows in batches, in an order of their own in each epoch, as Keras takes its data.

    With TensorFlow the rows are gathered beside the training, as Keras does with arrays.

    Args:
        arrays: (n, ...) arrays in a tuple, as `fit` takes them; the inputs may be a list of them.
        seed: of the orders; None keeps that of the rows.

    Returns:
        the data, and a function that begins an epoch counted from 0.
    """
    import keras

    arrays = keras.tree.map_structure(_as_keras_would, keras.tree.lists_to_tuples(arrays))
    n = len(keras.tree.flatten(arrays)[0])
    if keras.backend.backend() == "tensorflow":
        return _with_tensorflow(arrays, n, batch_size, seed)
    drawn = {"order": order(n, seed, 0)}

    def begin(epoch: int) -> None:
        drawn["order"] = order(n, seed, epoch)

    class Rows(keras.utils.PyDataset):
        def __len__(self) -> int:
            return -(-n // batch_size)

        def __getitem__(self, index: int) -> Any:
            rows = drawn["order"][index * batch_size : (index + 1) * batch_size]
            return keras.tree.map_structure(lambda one: one[rows], arrays)

    return Rows(), begin


def _as_keras_would(array: np.ndarray) -> np.ndarray:
    """The array with floats of the width that Keras computes with."""
    import keras

    floats = np.issubdtype(array.dtype, np.floating)
    return array.astype(keras.config.floatx(), copy=False) if floats else array


def _with_tensorflow(
    arrays: Any, n: int, batch_size: int, seed: Seed | None
) -> tuple[Any, Callable[[int], None]]:
    import tensorflow as tf

    tensors = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    # The batches of an epoch are made when its iterator is, after `begin`.
    drawn = tf.Variable(order(n, seed, 0), trainable=False)

    def batch(index: Any) -> Any:
        rows = drawn[index * batch_size : tf.minimum((index + 1) * batch_size, n)]
        return tf.nest.map_structure(lambda one: tf.gather(one, rows), tensors)

    data = tf.data.Dataset.range(-(-n // batch_size)).map(batch, tf.data.AUTOTUNE)
    options = tf.data.Options()
    # As Keras has it: the pipeline, with the rows in it, is not serialised to be optimised.
    options.experimental_optimization.apply_default_optimizations = False
    data = data.with_options(options).prefetch(tf.data.AUTOTUNE)
    return data, lambda epoch: drawn.assign(order(n, seed, epoch))
