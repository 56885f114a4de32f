"""Chapter 4.10's reviews: tokens, numbers, rows, and the counts of the linear rival."""

from pathlib import Path

import numpy as np
import pytest

from chapters.ch10_recurrent import preprocess, reviews
from kerasbook.errors import KerasbookError
from kerasbook.texts import labelled


def tokens(text: str) -> list[str]:
    return reviews.MosesTokenizer().split_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The end. It was good.", "the end . it was good ."),
        ("It's great, isn't it? You'll see", "it 's great , isn 't it ? you 'll see"),
        ("a must-see (really!)<br />", "a must-see ( really ! ) < br / >"),
        ("and then... well, 1,000 the 1980's", "and then ... well , 1,000 the 1980 's"),
        ("Mr. T. met Dr. No in the U.S. at 7.5.", "mr. t. met dr. no in the u.s. at 7.5 ."),
        ("e.g. this etc. and that.", "e.g. this etc. and that ."),
        ('He said "no." Why?', 'he said " no . " why ?'),
        ("snake_case 'quoted' word", "snake _ case ' quoted ' word"),
        ("Amélie’s 8/10", "amélie ’ s 8 / 10"),
        ("", ""),
    ],
)  # fmt: skip
def test_tokens_are_those_of_moses(text: str, expected: str) -> None:
    assert tokens(text) == expected.split()


def test_numbers_are_ranks_with_a_start_mark() -> None:
    texts = ["the cat . the dog .", "the end", ""]
    numbers, offsets, words = reviews.encode(texts, 8)
    # the: 3 times, rank 1; the stop: 2; cat, dog, end once each, in the order of the text.
    assert words == ["the", ".", "cat"]
    assert offsets.tolist() == [0, 7, 10, 11]
    assert numbers.tolist() == [1, 5, 7, 6, 5, 2, 6, 1, 5, 2, 1]
    assert numbers.dtype == np.uint16


def test_rows_are_positives_then_negatives_shuffled_with_keras_seed() -> None:
    labels = np.repeat([0, 1], 50)
    order = reviews.order_of_rows(labels)
    expected = [*range(50, 100), *range(50)]
    np.random.RandomState(113).shuffle(expected)
    assert order.tolist() == expected


def test_gather_reorders_sequences() -> None:
    values, offsets = np.array([1, 2, 3, 4, 5, 6]), np.array([0, 1, 1, 4, 6])
    given, bounds = reviews.gather(values, offsets, np.array([2, 0, 1, 3]))
    assert given.tolist() == [2, 3, 4, 1, 5, 6]
    assert bounds.tolist() == [0, 3, 4, 4, 6]


def test_the_most_similar_review_is_compared_with_the_printed_one() -> None:
    example = reviews.PRINTED_EXAMPLE
    other = np.full(len(example), 9)
    close = np.where(np.arange(len(example)) < 100, example, 19_999)
    rows = [np.concatenate([[1], one]) for one in (other, close)] + [np.array([1, 5])]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in rows])])
    assert reviews.equal_to_printed(np.concatenate(rows), offsets) == 100
    assert reviews.equal_to_printed(np.array([1, 5]), np.array([0, 2])) == 0


def test_counts_of_words_and_pairs() -> None:
    # Rows: a b a | a b ? a | b a; ? is a rare word, the 1 in front the start mark.
    values = np.array([1, 5, 6, 5, 1, 5, 6, 2, 5, 1, 6, 5], np.uint16)
    offsets = np.array([0, 4, 9, 12])
    words = reviews.counts(values, offsets, None, False, 3).toarray()
    assert words.tolist() == [[2, 1], [2, 1], [1, 1]]
    both = reviews.counts(values, offsets, None, True, 3).toarray()
    # ab is in rows 0 and 1, ba in 0 and 2; nothing is a pair across a rare word or two rows.
    assert both.tolist() == [[2, 1, 1, 1], [2, 1, 1, 0], [1, 1, 0, 1]]
    last = reviews.counts(values, offsets, 1, False, 3).toarray()
    assert last.tolist() == [[1], [1], [1]]
    # What one training row alone has is no column.
    assert reviews.counts(values, offsets, None, True, 2).shape == (3, 3)


def loaded(n: int = 40) -> dict[str, np.ndarray]:
    good = [f"a good film , number {one} ." for one in range(n)]
    bad = [f"a bad film ; number {one} !" for one in range(n)]
    arrays = labelled([bad, good, bad[:4], good[:4]], [0, 1, 0, 1], ["negative", "positive"])
    return arrays | {"split": np.repeat(np.array([0, 1], np.uint8), [2 * n, 8])}


def test_prepared_rows_are_four_to_one_and_padded_in_front() -> None:
    arrays, facts = preprocess.prepare_reviews(loaded(), [])
    assert facts["n_train"] == 64
    assert facts["n_test"] == 16
    assert facts["maxlen"] == 100
    assert arrays["x_train"].shape == (64, 100)
    words = arrays["vocabulary"].tobytes().decode().split("\n")
    assert facts["n_words"] == len(words)
    read = np.concatenate([arrays["x_train"], arrays["x_test"]])
    labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    for row, label, begin, end in zip(read, labels, arrays["offsets"], arrays["offsets"][1:]):
        text = [words[one - 5] for one in row[row > 4]]
        assert text[1] == ("good" if label else "bad")
        assert row[row > 0].tolist() == arrays["words"][begin:end].tolist()
        assert (np.flatnonzero(row) >= 100 - (end - begin)).all()


def test_texts_out_of_order_are_refused() -> None:
    arrays = loaded()
    arrays["split"] = arrays["split"][::-1]
    with pytest.raises(KerasbookError, match="training texts after test texts"):
        preprocess.prepare_reviews(arrays, [])


@pytest.mark.book
def test_the_printed_example_is_found_in_the_reviews(mirror: Path) -> None:
    """Its numbers are ranks among the training reviews; ties and a few rules differ."""
    from kerasbook.texts import load_reviews, unpack

    arrays = load_reviews(mirror / "imdb" / "aclImdb_v1.tar.gz", 1 << 28)
    bounds = arrays["offsets"][:25_001]
    texts = unpack(arrays["texts"][: bounds[-1]], bounds)
    numbers, offsets, words = reviews.encode(texts, preprocess.MAX_FEATURES)
    assert words[:8] == ["the", ",", ".", "and", "a", "of", "to", "/"]
    assert reviews.equal_to_printed(numbers, offsets) >= 100


def test_nietzsche_is_read_by_bytes() -> None:
    text = "Übermensch — was IST das?" * 3
    arrays, facts = preprocess.prepare_text(
        {"text": np.frombuffer(text.encode(), np.uint8)}, []
    )  # fmt: skip
    # Small letters as Python 2 made them: ASCII's alone.
    assert bytes(arrays["alphabet"][arrays["ids"]]).decode() == "Übermensch — was ist das?" * 3
    assert facts["corpus_length"] == len(text.encode())
    assert facts["characters"] == len(text)
    assert facts["n_windows"] == len(range(0, len(text.encode()) - 40, 3))
