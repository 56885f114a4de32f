"""Sentences of movie reviews as rows of word indices, in the way of Kim (2014)."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np

from kerasbook.errors import KerasbookError

PRINTED_SEED = 2  # line 2766 of the chapters
PRINTED_LENGTH = 56  # words, line 2775; the longest sentence of the book's data
VALIDATION_SHARE = 0.1  # line 2784
PAD = "<PAD/>"

# Kim's cleaning: what is kept, which endings part from their word, which signs stand alone.
_OTHER = re.compile(r"[^A-Za-z0-9(),!?'`]")
_ENDINGS = re.compile(r"('s|'ve|n't|'re|'d|'ll)")
_SIGNS = re.compile(r"([,!()?])")


def words_of(sentence: str) -> list[str]:
    """The words and signs of a sentence, in small letters.

    Kim's rules (Convolutional neural networks for sentence classification, 2014): letters,
    digits and `(),!?'` are kept, English contractions and signs become words of their own.
    """
    kept = _OTHER.sub(" ", sentence)
    return _SIGNS.sub(r" \1 ", _ENDINGS.sub(r" \1", kept)).lower().split()


def encode(
    sentences: Sequence[str], longest: int = PRINTED_LENGTH
) -> tuple[np.ndarray, list[str], int]:
    """Sentences as rows of one length, filled up behind with a word of its own.

    Args:
        longest: rows are as long as the longest sentence, and no longer than this.

    Returns:
        rows (n, length) int32; the vocabulary by falling frequency, whose places are the
        indices, padding being one of its words; and how many sentences were cut.

    Raises:
        KerasbookError: no sentence has a word.
    """
    split = [words_of(one) for one in sentences]
    length = min(longest, max(map(len, split), default=0))
    if not length:
        raise KerasbookError(
            f"sentences: found {len(split)} without a word, expected texts; check the data set."
        )
    cut = sum(len(one) > length for one in split)
    padded = [one[:length] + [PAD] * (length - len(one)) for one in split]
    words = [word for word, _ in Counter(chain.from_iterable(padded)).most_common()]
    index = {word: place for place, word in enumerate(words)}
    flat = np.fromiter(map(index.__getitem__, chain.from_iterable(padded)), np.int32)
    return flat.reshape(len(split), length), words, cut


def printed_order(n: int) -> np.ndarray:
    """The order of rows that the tutorial draws with its seed (lines 2766 and 2810): (n,)."""
    return np.random.RandomState(PRINTED_SEED).permutation(n)


def first_validation_row(n: int) -> int:
    """Where the rows that are watched begin: Keras's `validation_split` takes the last ones."""
    return int(n * (1 - VALIDATION_SHARE))


def development_rows(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A share of n rows, drawn by the seed, and all others; both in rising order."""
    order = np.random.default_rng(seed).permutation(n)
    apart = max(1, round(n * share))
    return np.sort(order[:apart]), np.sort(order[apart:])
