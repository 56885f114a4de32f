"""Words, their indices, and rows of one length: as Keras 1 and Keras 3 give them."""

from itertools import pairwise

import numpy as np
import pytest

from kerasbook.errors import KerasbookError
from kerasbook.words import KERAS_FILTERS, Tokenizer, pad_sequences

TEXTS = [
    "The cat, the dog; and THE bird.",
    "A dog's life: not the cat's!",
    "",
    "bird\tbird\nbird (élan) Ünder",
]


def sequences(flat):
    values, offsets = flat
    return [values[a:b].tolist() for a, b in pairwise(offsets)]


def test_split_keeps_apostrophes_and_lowers():
    words = Tokenizer().split_text(TEXTS[1])
    assert words == ["a", "dog's", "life", "not", "the", "cat's"]
    assert Tokenizer(lower=False, filters="").split_text("A b,C") == ["A", "b,C"]
    assert "'" not in KERAS_FILTERS
    assert set('!"#,.\t\n') <= set(KERAS_FILTERS)


def test_indices_follow_frequency_then_first_sight():
    tokenizer = Tokenizer()
    told = sequences(tokenizer.fit_encode(TEXTS))
    # the: 4, bird: 4; the is seen first.
    assert tokenizer.words[:3] == ["the", "bird", "cat"]
    assert tokenizer.counts[:3].tolist() == [4, 4, 1]
    assert tokenizer.index["the"] == 1
    assert told == sequences(tokenizer.encode(TEXTS))
    assert [len(one) for one in told] == [7, 6, 0, 5]
    decoded = [[tokenizer.words[i - 1] for i in row] for row in told]
    assert decoded == [tokenizer.split_text(text) for text in TEXTS]


def test_the_limit_keeps_one_word_less_than_it_says():
    told = sequences(Tokenizer(num_words=3).fit_encode(TEXTS))
    assert told == [[1, 1, 1, 2], [1], [], [2, 2, 2]]


def test_unknown_words_are_left_out():
    tokenizer = Tokenizer().fit(["one two two"])
    assert sequences(tokenizer.encode(["two three one", "four"])) == [[1, 2], []]


def test_fit_starts_anew():
    tokenizer = Tokenizer().fit(["one one"])
    assert tokenizer.fit(["two"]).index == {"two": 1}


@pytest.mark.parametrize("arguments", [{"num_words": 1}, {"split": ""}])
def test_arguments_without_sense_are_named(arguments):
    with pytest.raises(KerasbookError, match=next(iter(arguments))):
        Tokenizer(**arguments)


def padded_plainly(rows, length, padding, truncating, value):
    out = []
    for row in rows:
        row = row[-length:] if truncating == "pre" else row[:length]
        fill = [value] * (length - len(row))
        out.append(fill + row if padding == "pre" else row + fill)
    return out


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("length", [1, 3, 9])
def test_rows_of_one_length(padding, truncating, length):
    generator = np.random.default_rng(3)
    rows = [generator.integers(1, 90, n).tolist() for n in (0, 1, 2, 3, 4, 8, 0, 12)]
    values = np.array([one for row in rows for one in row], np.int32)
    offsets = np.cumsum([0, *map(len, rows)])
    padded = pad_sequences(values, offsets, length, padding, truncating, value=7)
    assert padded.dtype == np.int32
    assert padded.tolist() == padded_plainly(rows, length, padding, truncating, 7)


def test_padding_refuses_what_does_not_fit():
    values = np.arange(3)
    with pytest.raises(KerasbookError, match="length: found 0"):
        pad_sequences(values, np.array([0, 3]), 0)
    with pytest.raises(KerasbookError, match="padding: found 'front'"):
        pad_sequences(values, np.array([0, 3]), 2, padding="front")
    for offsets in ([0, 2], [1, 3], [0, 3, 2, 3], []):
        with pytest.raises(KerasbookError, match="offsets: found"):
            pad_sequences(values, np.array(offsets, np.int64), 2)


def test_no_text_at_all():
    values, offsets = Tokenizer().fit_encode([])
    assert (len(values), offsets.tolist()) == (0, [0])
    assert pad_sequences(values, offsets, 4).shape == (0, 4)
