"""Text that the character network writes, drawn as the tutorial draws and by temperature."""

from typing import Any

import numpy as np

from kerasbook.characters import Generator, decode, tempered

SAMPLERS = ("as printed", "temperature")


def greedy_mixture(probabilities: Any, diversity: Any) -> Any:
    """The distribution of the tutorial's `sample` (line 3489), normalised.

    With the probability 1 - diversity it takes the likeliest symbol. Otherwise it proposes
    symbols evenly and keeps one with that symbol's probability, which, for all its waiting, is a
    draw from the probabilities as they are: no temperature changes them.

    Args:
        probabilities: (k, n_symbols) float64, rows that sum to 1; tensors.
        diversity: (k, 1) float64, from 0 to 1.

    Returns:
        (k, n_symbols), a tensor of the Keras backend.
    """
    from keras import ops

    likeliest = ops.one_hot(
        ops.argmax(probabilities, axis=-1), probabilities.shape[-1], dtype=probabilities.dtype
    )
    total = ops.sum(probabilities, axis=-1, keepdims=True)
    return (1.0 - diversity) * likeliest + diversity * probabilities / total


def both_samplers(probabilities: Any, diversity: Any) -> Any:
    """The first half of the rows as `greedy_mixture`, the second as `tempered`."""
    from keras import ops

    half = probabilities.shape[0] // 2
    return ops.concatenate(
        [
            greedy_mixture(probabilities[:half], diversity[:half]),
            tempered(probabilities[half:], diversity[half:]),
        ],
        axis=0,
    )


class Writer:
    """Writes a sample for each sampler and diversity, all from one start in the text.

    Args:
        model: takes ids (k, window) and gives probabilities (k, n_symbols).
        ids: (n,), the text.
        window: symbols of a start.
        length: symbols to write.
    """

    def __init__(
        self, model: Any, ids: np.ndarray, window: int, length: int, diversities: list[float]
    ):
        self.ids, self.window = ids, window
        self.diversities = np.array(diversities * len(SAMPLERS))
        self.length = length
        self.generator = Generator(model, length, both_samplers)

    def write(self, seed: int, epoch: int) -> tuple[int, np.ndarray]:
        """Where the samples of an epoch start, and they: (samplers, diversities, length) ids."""
        drawn = np.random.default_rng([seed, epoch])
        start = int(drawn.integers(0, len(self.ids) - self.window))
        starts = np.tile(self.ids[start : start + self.window], (len(self.diversities), 1))
        uniforms = drawn.random((len(starts), self.length))
        written = self.generator(starts, self.diversities, uniforms)
        return start, written.reshape(len(SAMPLERS), -1, self.length)


def known_words(sample: str, known: frozenset[str]) -> float:
    """The share of a sample's words that the text has, its first and last, cut ones, left out.

    NaN where the sample has no whole word.
    """
    found = sample.split(" ")[1:-1]
    found = [word for word in found if word]
    return sum(word in known for word in found) / len(found) if found else float("nan")


def as_text(
    ids: np.ndarray,
    alphabet: np.ndarray,
    starts: np.ndarray,
    samples: np.ndarray,
    window: int,
    diversities: list[float],
) -> str:
    """All samples of a run, whole, with the text that each goes on from.

    Args:
        starts: (epochs,), where they begin in `ids`.
        samples: (epochs, samplers, diversities, length) ids.
    """
    parts = []
    for epoch, (start, of_epoch) in enumerate(zip(starts, samples), start=1):
        seed = decode(ids[start : start + window], alphabet)
        parts.append(f"epoch {epoch}, going on from: {seed!r}\n")
        for sampler, of_sampler in zip(SAMPLERS, of_epoch):
            for diversity, written in zip(diversities, of_sampler):
                parts.append(f"--- {sampler}, diversity {diversity:g}\n")
                parts.append(decode(written, alphabet) + "\n")
    return "\n".join(parts)
