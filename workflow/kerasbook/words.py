"""Texts to words, words to integers by frequency, integers to rows of one length.

What Keras 1 had in `keras.preprocessing`, for many texts at once: a corpus becomes one flat
array of word indices with the offsets of its texts, in a single pass over the words, and the
rows of a network are cut from it by array operations.
"""

import string
from array import array
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import numpy as np

from kerasbook.errors import KerasbookError

# Keras 1's `base_filter`: all punctuation but the apostrophe, and tabs and line ends.
KERAS_FILTERS = string.punctuation.replace("'", "") + "\t\n"

End = Literal["pre", "post"]


class Tokenizer:
    """Words to integers: 1 is the most frequent word, 0 is left for padding.

    Words of equal frequency stand in the order in which they are first seen, as in Keras 1.

    Args:
        num_words: encode the words of an index below this number and leave out the others,
            as Keras does (so the most frequent `num_words - 1`); all words if None.
        filters: characters that part words, besides `split`.
        lower: whether capitals count as small letters.
        split: the character at which texts are cut.

    Attributes:
        words: list of the words; that of index i is `words[i - 1]`.
        counts: (n_words,) int64, how often each of them occurs.
        index: word -> index, of all words, also those beyond `num_words`.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = KERAS_FILTERS,
        lower: bool = True,
        split: str = " ",
    ):
        if num_words is not None and num_words < 2:
            raise KerasbookError(
                f"num_words: found {num_words}, expected 2 or more (index 0 is no word)."
            )
        if not split:
            raise KerasbookError("split: found an empty text, expected a character such as ' '.")
        self.num_words = num_words
        self.lower = lower
        self.split = split
        self._table = str.maketrans(dict.fromkeys(filters, split))
        self.words: list[str] = []
        self.counts = np.zeros(0, np.int64)
        self.index: dict[str, int] = {}

    def split_text(self, text: str) -> list[str]:
        """The words of a text, as Keras 1's `text_to_word_sequence` finds them."""
        text = (text.lower() if self.lower else text).translate(self._table)
        return [word for word in text.split(self.split) if word]

    def fit(self, texts: Iterable[str]) -> "Tokenizer":
        """Learn the words and their order from texts; a second call starts anew."""
        self.fit_encode(texts)
        return self

    def fit_encode(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """`fit`, then `encode` of the same texts, in one pass over the words."""
        seen: defaultdict[str, int] = defaultdict()
        seen.default_factory = seen.__len__  # a new word gets the next number
        codes, ends = array("i"), array("q", [0])
        for text in texts:
            codes.extend(map(seen.__getitem__, self.split_text(text)))
            ends.append(len(codes))
        flat = np.frombuffer(codes, np.int32) if codes else np.zeros(0, np.int32)
        counts = np.bincount(flat, minlength=len(seen))
        order = np.argsort(-counts, kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(1, len(order) + 1, dtype=np.int32)
        names = list(seen)
        self.words = [names[one] for one in order]
        self.counts = counts[order]
        self.index = {word: place for place, word in enumerate(self.words, start=1)}
        return self._kept(rank[flat], np.array(ends, np.int64))

    def encode(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Texts as word indices; words that are unknown or beyond `num_words` are left out.

        Returns:
            indices (n_words_in_all,) int32 and offsets (n_texts + 1,) int64: text i is
            `indices[offsets[i]:offsets[i + 1]]`.
        """
        codes, ends = array("i"), array("q", [0])
        for text in texts:
            codes.extend([self.index.get(word, 0) for word in self.split_text(text)])
            ends.append(len(codes))
        flat = np.frombuffer(codes, np.int32) if codes else np.zeros(0, np.int32)
        return self._kept(flat, np.array(ends, np.int64))

    def _kept(self, flat: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept = flat > 0
        if self.num_words is not None:
            kept &= flat < self.num_words
        before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
        return flat[kept], before[offsets]


def pad_sequences(
    values: np.ndarray,
    offsets: np.ndarray,
    length: int,
    padding: End = "pre",
    truncating: End = "pre",
    value: int = 0,
) -> np.ndarray:
    """Sequences brought to one length, as Keras's `pad_sequences` does.

    Args:
        values: (n_in_all,), the sequences one after the other.
        offsets: (n + 1,), sequence i is `values[offsets[i]:offsets[i + 1]]`.
        length: of each row.
        padding, truncating: the end at which `value` is put before (or after) a short
            sequence, and at which a long one is cut.

    Returns:
        (n, length), of the type of `values`.

    Raises:
        KerasbookError: a length below 1, another word than pre or post, or offsets that do
            not rise from 0 to the number of values.
    """
    values, offsets = np.asarray(values), np.asarray(offsets)
    if length < 1:
        raise KerasbookError(f"length: found {length}, expected 1 or more.")
    for name, end in (("padding", padding), ("truncating", truncating)):
        if end not in ("pre", "post"):
            raise KerasbookError(f"{name}: found {end!r}, expected pre or post.")
    sizes = np.diff(offsets)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(values) or (sizes < 0).any():
        raise KerasbookError(
            f"offsets: found {len(offsets)} from {offsets[:1]} to {offsets[-1:]}, expected them "
            f"to rise from 0 to the number of values, {len(values)}."
        )
    kept = np.minimum(sizes, length)
    first = offsets[1:] - kept if truncating == "pre" else offsets[:-1]
    column = np.arange(length)
    # A cell's place in its sequence, outside of 0..kept where there is only padding.
    place = column - (length - kept)[:, None] if padding == "pre" else column[None, :]
    inside = (place >= 0) & (place < kept[:, None])
    rows = np.full((len(sizes), length), value, values.dtype)
    rows[inside] = values[(first[:, None] + place)[inside]]
    return rows
