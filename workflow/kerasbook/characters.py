"""Texts as characters: windows of ids for a recurrent network, and text that it writes.

Chapters 4.10 and 4.11 cut a text into overlapping windows and let a network learn which
character follows each. The tutorial's arrays hold a cell for every window, place and
character; here a text stays one array of small integers, windows are views of it, a batch is
gathered when it is due, and the one-hot coding is the network's first layer (`one_hot_layer`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from kerasbook.errors import KerasbookError

# What stands for a probability of 0 where its logarithm is taken: below every probability
# that a softmax of single precision gives, and far above the smallest double.
TINY = 1e-300


def encode(text: bytes | np.ndarray | str) -> tuple[np.ndarray, np.ndarray]:
    """A text as the places of its symbols in its own alphabet.

    Args:
        text: bytes (or (n,) uint8), whose symbols are the byte values, as Python 2 read a
            file; or a str, whose symbols are characters.

    Returns:
        ids (n,), uint8 for an alphabet of up to 256 symbols, else uint16; and the alphabet
        (n_symbols,) in ascending order: uint8 values, or str of one character each.

    Raises:
        KerasbookError: an empty text, or one of more than 65,536 symbols.
    """
    if isinstance(text, str):
        symbols = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    else:
        symbols = np.frombuffer(text, np.uint8) if isinstance(text, bytes) else np.asarray(text)
    if not len(symbols):
        raise KerasbookError("text: found an empty one, expected characters; check the file.")
    # A table instead of a sort: the values are small.
    known = np.zeros(int(symbols.max()) + 1, bool)
    known[symbols] = True
    alphabet = np.flatnonzero(known)
    if len(alphabet) > 2**16:
        raise KerasbookError(
            f"text: found {len(alphabet)} different characters, expected up to {2**16}."
        )
    place = np.zeros(len(known), np.uint8 if len(alphabet) <= 2**8 else np.uint16)
    place[alphabet] = np.arange(len(alphabet), dtype=place.dtype)
    if isinstance(text, str):
        return place[symbols], np.array([chr(one) for one in alphabet])
    return place[symbols], alphabet.astype(np.uint8)


def decode(ids: np.ndarray, alphabet: np.ndarray) -> str:
    """The text of ids (n,). A byte that is no character of its own in UTF-8 shows as U+FFFD."""
    symbols = alphabet[np.asarray(ids, dtype=np.int64)]
    if alphabet.dtype.kind == "U":
        return "".join(symbols)
    return symbols.astype(np.uint8).tobytes().decode("utf-8", "replace")


def window_starts(length: int, window: int, step: int = 1) -> np.ndarray:
    """Where the windows begin that have a character after them.

    Args:
        length: of the text, in characters.
        window: characters that the network sees.
        step: from one window's start to the next one's.

    Returns:
        (n_windows,) int32 (int64 for a text beyond its reach).

    Raises:
        KerasbookError: a window or a step below 1, or a text that is no longer than a window.
    """
    for name, value in (("window", window), ("step", step)):
        if value < 1:
            raise KerasbookError(f"{name}: found {value}, expected 1 or more.")
    if length <= window:
        raise KerasbookError(
            f"text: found {length} characters, expected more than the {window} of a window; "
            "take a longer text or a smaller window."
        )
    starts = np.arange(0, length - window, step)
    return starts.astype(np.int32) if length < 2**31 else starts


def windows(ids: np.ndarray, window: int) -> np.ndarray:
    """All windows of `ids` (n,), as a view (n - window + 1, window) that copies nothing."""
    return np.lib.stride_tricks.sliding_window_view(ids, window)


def batches(
    ids: np.ndarray,
    starts: np.ndarray,
    window: int,
    batch_size: int,
    seed: int | None,
    first: int | None = None,
) -> Any:
    """Windows and the characters after them, as a Keras `PyDataset`.

    A batch is gathered from `ids` when it is due. Each epoch has an order of its own, which
    follows from the seed and the epoch's number alone, so that a training that goes on later
    (`initial_epoch`) sees what an uninterrupted one sees. Fit it with `shuffle=False` and
    with its `follow()` among the callbacks, which tells it the number of the epoch: Keras
    calls a `PyDataset`'s own `on_epoch_end` once too often, for the batch that it builds with.

    Args:
        ids: (n,), the text.
        starts: (n_windows,), where the windows begin.
        seed: of the orders; None keeps the order of `starts`.
        first: windows after which an epoch ends; all if None.

    Returns:
        A `PyDataset` of batches ((m, window) ids, (m,) ids), for `sparse_categorical_crossentropy`.
        Its `windows` says how many windows an epoch has.
    """
    import keras

    view = windows(ids, window)

    class CharacterWindows(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.windows = len(starts) if first is None else min(first, len(starts))
            self.begin(0)

        def begin(self, epoch: int) -> None:
            """Draw the order of an epoch, counted from 0."""
            drawn = starts
            if seed is not None:
                drawn = starts[np.random.default_rng([seed, epoch]).permutation(len(starts))]
            self.drawn = drawn[: self.windows]

        def follow(self) -> keras.callbacks.Callback:
            """The callback that begins each epoch of a `fit`."""
            return keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: self.begin(epoch)
            )

        def __len__(self) -> int:
            return -(-self.windows // batch_size)

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            begin = self.drawn[index * batch_size : (index + 1) * batch_size]
            return view[begin], ids[begin + window]

    return CharacterWindows()


def one_hot_layer(symbols: int) -> Any:
    """The layer that turns ids (m, window) into the one-hot rows that the tutorial stores."""
    import keras

    return keras.layers.CategoryEncoding(num_tokens=symbols, output_mode="one_hot")


# ------------------------------------------------------------------------------ writing text


def tempered(probabilities: Any, diversity: Any) -> Any:
    """The distribution p^(1/diversity), normalised, from logarithms that are all finite.

    Args:
        probabilities: (k, n_symbols) float64, rows that sum to 1; numpy or tensors.
        diversity: (k, 1) float64, above 0; at 1 nothing changes, below 1 the likely symbols
            become likelier.

    Returns:
        (k, n_symbols), a tensor of the Keras backend.
    """
    from keras import ops

    # The largest becomes exp(0) = 1: no row can vanish, however low the diversity.
    logs = ops.log(ops.maximum(probabilities, TINY))
    weights = ops.exp((logs - ops.max(logs, axis=-1, keepdims=True)) / diversity)
    # A symbol of probability 0 stays one: its logarithm is finite, its weight is not wanted.
    weights = ops.where(ops.equal(probabilities, 0.0), ops.zeros_like(weights), weights)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def tempered_as_printed(probabilities: Any, diversity: Any) -> Any:
    """`tempered` as the tutorial writes it (line 3133 of the chapters).

    A probability of 0 goes to the logarithm, and a diversity so low that every power vanishes
    gives 0 / 0.
    """
    from keras import ops

    weights = ops.exp(ops.log(probabilities) / diversity)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


class Generator:
    """Writes text with a network, all texts at once, in one compiled loop.

    The window slides over what has been written, as in the tutorial: each new symbol is drawn
    from what the network says of the last `window` symbols. A draw takes one uniform number
    and finds its place in the cumulative distribution, so the same numbers write the same text.

    Args:
        model: takes ids (k, window) and gives probabilities (k, n_symbols).
        length: symbols to write.
        reshape: takes probabilities (k, n_symbols) and diversities (k, 1), both float64
            tensors, and gives the distributions to draw from; made of `keras.ops`.
    """

    def __init__(
        self, model: Any, length: int, reshape: Callable[[Any, Any], Any] = tempered
    ) -> None:
        if length < 1:
            raise KerasbookError(f"length: found {length}, expected 1 or more.")
        self.model = model
        self.length = length
        self.reshape = reshape
        self._loop = self._compiled()

    def _compiled(self) -> Callable[[Any, Any, Any], Any]:
        """The loop as the backend compiles it."""
        import keras

        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            # On a GPU Keras runs an LSTM by cuDNN, which XLA does not compile.
            on_gpu = bool(tf.config.list_physical_devices("GPU"))
            write = partial(self._write, partial(self.model, training=False))
            return tf.function(write, jit_compile=not on_gpu)
        if backend == "jax":
            return self._with_jax()
        return partial(self._write, partial(self.model, training=False))

    def _with_jax(self) -> Callable[[Any, Any, Any], Any]:
        import jax

        def write(weights: Any, others: Any, *arguments: Any) -> Any:
            def call(window: Any) -> Any:
                return self.model.stateless_call(weights, others, window, training=False)[0]

            return self._write(call, *arguments)

        loop = jax.jit(write)

        def run(*arguments: Any) -> Any:
            variables = (self.model.trainable_variables, self.model.non_trainable_variables)
            values = [[one.value for one in part] for part in variables]
            with jax.enable_x64(True):  # the draws take doubles, as elsewhere
                return loop(*values, *arguments)

        return run

    def _write(self, call: Callable[[Any], Any], window: Any, chosen: Any, uniforms: Any) -> Any:
        """The texts (length, k), of starts (k, window), diversities (k, 1), draws (length, k)."""
        from keras import ops

        def step(place: Any, window: Any, written: Any) -> tuple[Any, Any, Any]:
            probabilities = ops.cast(call(window), "float64")
            total = ops.cumsum(self.reshape(probabilities, chosen), axis=-1)
            drawn_at = ops.take(uniforms, place, axis=0)[:, None]
            below = ops.less_equal(total, drawn_at * total[:, -1:])
            drawn = ops.cast(ops.sum(ops.cast(below, "int32"), axis=-1), "int32")
            window = ops.concatenate([window[:, 1:], drawn[:, None]], axis=1)
            row = ops.reshape(place, (1, 1))
            return place + 1, window, ops.scatter_update(written, row, drawn[None])

        written = ops.zeros((self.length, window.shape[0]), "int32")
        begin = (ops.convert_to_tensor(0, "int32"), window, written)
        return ops.while_loop(lambda place, *_: place < self.length, step, begin)[2]

    def __call__(
        self, starts: np.ndarray, diversities: Sequence[float] | np.ndarray, uniforms: np.ndarray
    ) -> np.ndarray:
        """Go on from each start.

        Args:
            starts: (k, window) ids.
            diversities: (k,), above 0.
            uniforms: (k, length), in [0, 1): the draws.

        Returns:
            (k, length) ids, of the type of `starts`.

        Raises:
            KerasbookError: shapes that do not fit, or numbers out of range.
        """
        import keras
        from keras import ops

        starts, uniforms = np.asarray(starts), np.asarray(uniforms, np.float64)
        diversities = np.asarray(diversities, np.float64)
        k = len(starts)
        if starts.ndim != 2 or diversities.shape != (k,) or uniforms.shape != (k, self.length):
            raise KerasbookError(
                f"starts, diversities, uniforms: found shapes {starts.shape}, "
                f"{diversities.shape}, {uniforms.shape}, expected (k, window), (k,), "
                f"(k, {self.length})."
            )
        if not (diversities > 0).all():
            raise KerasbookError(f"diversities: found {diversities}, expected numbers above 0.")
        if not ((uniforms >= 0) & (uniforms < 1)).all():
            raise KerasbookError("uniforms: found numbers outside of [0, 1), expected none.")
        arguments = (starts.astype(np.int32), diversities[:, np.newaxis], uniforms.T)
        if keras.backend.backend() != "jax":  # which would make doubles single here
            arguments = tuple(map(ops.convert_to_tensor, arguments))
        written = ops.convert_to_numpy(self._loop(*arguments))
        return written.T.astype(starts.dtype)
