"""Texts as arrays, and the labelled texts of the book read from their files."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from kerasbook import texts
from kerasbook.errors import KerasbookError
from kerasbook.texts import cut_texts, labelled, pack, unpack
from tests.unit.archive_examples import tar_gz

TEXTS = ["", "plain", "naïve – ☃", "", "line\nline", "\x85", "last"]


def test_texts_come_back_as_they_were():
    packed, offsets = pack(TEXTS)
    assert (packed.dtype, offsets.dtype) == (np.uint8, np.int64)
    assert offsets[0] == 0
    assert offsets[-1] == len(packed) == len("".join(TEXTS).encode())
    assert unpack(packed, offsets) == TEXTS


def test_no_texts():
    packed, offsets = pack([])
    assert (len(packed), offsets.tolist()) == (0, [0])
    assert unpack(packed, offsets) == []


def test_texts_of_python_2_with_lone_surrogates_survive():
    assert unpack(*pack(["\ud83d"])) == ["\ud83d"]


@pytest.mark.parametrize("offsets", [[], [0], [0, 3], [1, 5], [0, 4, 2, 5], [0, 6], [0, 2, 5, 9]])
def test_offsets_that_do_not_fit_are_told(offsets):
    packed, _ = pack(["ab", "cde"])
    with pytest.raises(KerasbookError, match="offsets that do not rise from 0"):
        unpack(packed, np.array(offsets, np.int64))


def test_bytes_that_are_no_utf8_are_told():
    with pytest.raises(KerasbookError, match="no UTF-8"):
        unpack(np.array([255], np.uint8), np.array([0, 1]))


def test_groups_are_labelled_in_their_order():
    arrays = labelled([["a", "b"], ["c"]], [1, 0], ["no", "yes"])
    assert unpack(arrays["texts"], arrays["offsets"]) == ["a", "b", "c"]
    assert arrays["labels"].tolist() == [1, 1, 0]
    assert arrays["labels"].dtype == np.uint8
    assert arrays["label_names"].tolist() == ["no", "yes"]


def test_texts_are_cut_with_their_labels():
    arrays = labelled([TEXTS], [0], ["all"]) | {"split": np.arange(len(TEXTS), dtype=np.uint8)}
    rows = np.array([6, 2, 0])
    cut = cut_texts(arrays, rows)
    assert unpack(cut["texts"], cut["offsets"]) == [TEXTS[row] for row in rows]
    assert cut["split"].tolist() == rows.tolist()
    assert len(cut["labels"]) == 3
    empty = cut_texts(arrays, rows[:0])
    assert unpack(empty["texts"], empty["offsets"]) == []


# ---------------------------------------------------------------------------- files


def write(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def test_a_text_is_its_bytes(tmp_path):
    path = write(tmp_path, "x.txt", b"caf\xc3\xa9\r\n\xff")
    assert texts.load_text(path)["text"].tobytes() == b"caf\xc3\xa9\r\n\xff"


def test_a_text_that_is_missing_empty_or_huge(tmp_path, monkeypatch):
    with pytest.raises(KerasbookError, match=r"x\.txt: cannot be read .*run snakemake again"):
        texts.load_text(tmp_path / "x.txt")
    with pytest.raises(KerasbookError, match="found an empty file"):
        texts.load_text(write(tmp_path, "x.txt", b""))
    monkeypatch.setattr(texts, "LARGEST_TEXT", 3)
    with pytest.raises(KerasbookError, match="found more than 3 bytes"):
        texts.load_text(write(tmp_path, "x.txt", b"abcd"))


def test_posts_keep_their_order_and_nothing_is_filtered(tmp_path):
    female = write(tmp_path, "f", pickle.dumps(["one", "", "two"], 2))
    male = write(tmp_path, "m", pickle.dumps(["three"], 2))
    arrays = texts.load_posts(female, male)
    assert unpack(arrays["texts"], arrays["offsets"]) == ["one", "", "two", "three"]
    assert arrays["labels"].tolist() == [0, 0, 0, 1]
    assert arrays["label_names"].tolist() == ["female", "male"]


def test_lines_end_at_line_feeds_alone(tmp_path):
    """Latin-1 holds 0x85, a line end for Python's splitlines, as a character of these files."""
    positive = write(tmp_path, "p", b"caf\xe9 \nnext\x85line \n")
    negative = write(tmp_path, "n", b"no end")
    arrays = texts.load_lines(negative, positive)
    lines = unpack(arrays["texts"], arrays["offsets"])
    assert lines == ["café ", "next\x85line ", "no end"]
    assert arrays["labels"].tolist() == [1, 1, 0]
    assert arrays["label_names"].tolist() == ["negative", "positive"]


def test_an_empty_line_is_told(tmp_path):
    good = write(tmp_path, "p", b"good\n")
    with pytest.raises(KerasbookError, match=r"n, line 2: found nothing, expected a sentence"):
        texts.load_lines(write(tmp_path, "n", b"one\n \ntwo\n"), good)


REVIEWS = [
    ("aclImdb/test/pos/0_10.txt", b"test pos a"),
    ("aclImdb/train/pos/1_7.txt", b"train pos b"),
    ("aclImdb/train/pos/10_8.txt", b"train pos c"),
    ("aclImdb/train/neg/2_4.txt", "train neg é".encode()),
    ("aclImdb/README", b"not a review"),
    ("aclImdb/train/unsup/5_0.txt", b"not labelled"),
    ("aclImdb/train/neg/0_1.txt", b"train neg a"),
    ("aclImdb/test/pos/1_9.txt", b"test pos b"),
    ("aclImdb/test/neg/0_2.txt", b"test neg a"),
    ("aclImdb/test/neg/1_1.txt", b"test neg b"),
]


def reviews(tmp_path: Path, files: list, most_bytes: int = 1000) -> dict[str, np.ndarray]:
    path = write(tmp_path, "aclImdb_v1.tar.gz", tar_gz(files))
    return texts.load_reviews(path, most_bytes, per_group=2)


def test_reviews_are_sorted_whatever_the_archives_order(tmp_path):
    arrays = reviews(tmp_path, REVIEWS)
    assert unpack(arrays["texts"], arrays["offsets"]) == [
        "train neg a",
        "train neg é",
        "train pos c",  # by name: 10_8 stands before 1_7
        "train pos b",
        "test neg a",
        "test neg b",
        "test pos a",
        "test pos b",
    ]
    assert arrays["labels"].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert arrays["split"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert {arrays[name].dtype for name in ("labels", "split")} == {np.dtype(np.uint8)}
    assert arrays["label_names"].tolist() == ["negative", "positive"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (REVIEWS[1:], "found 1 reviews in aclImdb/test/pos, expected 2"),
        (
            [*REVIEWS, ("aclImdb/train/neg/3_2.txt", b"x")],
            "found 3 reviews in aclImdb/train/neg, expected 2",
        ),
        (
            [("aclImdb/test/pos/0_3.txt", b"x"), *REVIEWS[1:]],
            "found 'aclImdb/test/pos/0_3.txt', a rating of 3 stars under pos",
        ),
        (
            [("aclImdb/test/neg/0_11.txt", b"x"), *REVIEWS],
            "found 'aclImdb/test/neg/0_11.txt', a rating of 11 stars under neg",
        ),
        ([("aclImdb/test/pos/zero_10.txt", b"x"), *REVIEWS[1:]], "found 1 reviews"),
        (
            [("aclImdb/test/pos/0_10.txt", b"\xff"), *REVIEWS[1:]],
            "found bytes in 'aclImdb/test/pos/0_10.txt' that are no UTF-8",
        ),
        ([("../aclImdb/test/pos/0_10.txt", b"x"), *REVIEWS[1:]], "expected paths inside"),
        ([("aclImdb/test/pos/0_10.txt", bytes(2000)), *REVIEWS[1:]], "more than the expected"),
        ([*REVIEWS, REVIEWS[0]], "in it twice"),
        ([], "found 0 reviews"),
    ],
)
def test_archives_of_reviews_that_are_wrong(tmp_path, files, told):
    with pytest.raises(KerasbookError) as caught:
        reviews(tmp_path, files)
    assert told in str(caught.value)
    assert str(tmp_path / "aclImdb_v1.tar.gz") in str(caught.value)


def test_a_missing_archive_is_told(tmp_path):
    with pytest.raises(KerasbookError, match=r"x\.tar\.gz: cannot be read .*run snakemake again"):
        texts.load_reviews(tmp_path / "x.tar.gz", 1000)


# ---------------------------------------------------------------------------- the book's data


@pytest.mark.book
def test_the_books_posts(mirror):
    folder = mirror / "blogs"
    arrays = texts.load_posts(folder / "female_blog_list.txt", folder / "male_blog_list.txt")
    posts = np.array(unpack(arrays["texts"], arrays["offsets"]), dtype=object)
    assert np.bincount(arrays["labels"]).tolist() == [2252, 2611]
    kept = np.array([len(post) > 0 for post in posts])
    # Lines 2638 to 2646 of the chapters: posts that are not empty.
    assert np.bincount(arrays["labels"][kept]).tolist() == [2247, 2595]
    assert sum(map(len, posts[2252:])) == 2_549_882


@pytest.mark.book
def test_the_books_sentences(mirror):
    folder = mirror / "movie_reviews"
    arrays = texts.load_lines(folder / "rt-polarity.neg", folder / "rt-polarity.pos")
    assert np.bincount(arrays["labels"]).tolist() == [5331, 5331]
    lines = unpack(arrays["texts"], arrays["offsets"])
    assert lines[0].startswith("the rock is destined to be the 21st century's new")
    assert lines[5331].startswith("simplistic , silly and tedious")


@pytest.mark.book
def test_the_books_reviews(mirror):
    arrays = texts.load_reviews(mirror / "imdb/aclImdb_v1.tar.gz", 65_477_753)
    assert len(arrays["labels"]) == 50_000
    assert np.bincount(arrays["labels"] + 2 * arrays["split"]).tolist() == [12_500] * 4
    reviews = unpack(arrays["texts"], arrays["offsets"])
    assert len(arrays["texts"]) == 65_477_753
    assert "excellent" in " ".join(reviews[12_500:12_600])
