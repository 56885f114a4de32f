"""What the classifiers of chapter 4.11 read: hashed words, and TF-IDF rows in their variants."""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from kerasbook import words
from kerasbook.epochs import order
from kerasbook.texts import unpack

# Lines 3291, 3320 and 3384 of the chapters.
VOCABULARY = 30_000
LENGTH = 100
TEST_SHARE = 0.2
MIN_POSTS = 5  # `min_df`, line 3365


def hashed_words(texts: Sequence[str], size: int = VOCABULARY) -> tuple[np.ndarray, np.ndarray]:
    """Each word as a number from 1 to size - 1, as Keras 1's `one_hot` gives them.

    The tutorial's version takes Python's `hash`, which Python 3 changes from run to run; the
    CRC-32 of the word's UTF-8 bytes stands for it, so that the same words meet every time. As
    there, two words may share a number.

    Returns:
        values (n_words_in_all,) int32 and offsets (n_texts + 1,) int64.
    """
    tokenizer = words.Tokenizer()
    values, offsets = tokenizer.fit_encode(texts)
    number = np.array([0, *(_crc(word) for word in tokenizer.words)], np.int64) % (size - 1) + 1
    return number[values].astype(np.int32), offsets


def _crc(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))


def split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and test positions of `n` rows, a fifth for the test (rounded up), by the seed."""
    order = np.random.default_rng(seed).permutation(n)
    tested = int(np.ceil(n * TEST_SHARE))
    return order[tested:], order[:tested]


def printed_labels(female: np.ndarray) -> np.ndarray:
    """The labels that the tutorial gives to rows of which the female ones stand first.

    Zeros as many as male posts, then ones as many as female posts (line 3306).

    Args:
        female: (n,), 1 for a female post, 0 for a male one.
    """
    n_female = int(female.sum())
    return np.repeat(np.array([0, 1], np.uint8), [len(female) - n_female, n_female])


def some_texts(arrays: dict[str, np.ndarray], share: float) -> np.ndarray:
    """Positions of the first texts of each label, a share of them; all for a share of 1."""
    parts = [np.flatnonzero(arrays["labels"] == label) for label in (0, 1)]
    return np.concatenate([part[: max(1, round(share * len(part)))] for part in parts])


# ------------------------------------------------------------------------------- TF-IDF


def word_counts(arrays: dict[str, np.ndarray], rows: np.ndarray) -> tuple[Any, np.ndarray]:
    """How often each word stands in the texts at some positions.

    Returns:
        A sparse matrix (n_rows, n_words), columns in alphabetical order, and the words.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    texts = unpack(arrays["texts"], arrays["offsets"])
    vectorizer = CountVectorizer()
    counts = vectorizer.fit_transform([texts[row] for row in rows])
    return counts, vectorizer.get_feature_names_out()


def tfidf(
    counts: Any, fitted: np.ndarray, min_posts: int, sublinear: bool = False
) -> tuple[Any, np.ndarray]:
    """Rows of TF-IDF weights of length 1, with words and frequencies learnt from some rows.

    Args:
        counts: as of `word_counts`.
        fitted: positions of the rows to learn from.
        min_posts: words in fewer of those rows are left out.
        sublinear: take 1 + log(count) for a count.

    Returns:
        A sparse matrix (n_rows, n_kept) of float32, and the columns kept (n_kept,).
    """
    from sklearn.feature_extraction.text import TfidfTransformer

    learnt = counts[fitted]
    kept = np.flatnonzero(learnt.getnnz(axis=0) >= min_posts)
    transformer = TfidfTransformer(sublinear_tf=sublinear).fit(learnt[:, kept])
    return transformer.transform(counts[:, kept]).astype(np.float32).tocsr(), kept


def tfidf_rows(
    counts: Any, female: np.ndarray, train: np.ndarray, settings: dict[str, Any]
) -> tuple[Any, np.ndarray]:
    """The rows of an experiment and their labels (1 = female).

    Args:
        counts: as of `word_counts`.
        female: (n_rows,), 1 for a female post.
        train: positions, among the rows that are returned, of those to learn from.
        settings: `vectorizers` and `female` of the experiment.

    Returns:
        A sparse matrix of float32 and labels (n,) uint8: the male rows and the male rows once
        more, as printed, or the rows of all posts in the order of `counts`, so that a split takes
        the same posts as elsewhere. Where one vectorizer per class keeps other numbers of words,
        the narrower rows end in zeros.
    """
    if settings["vectorizers"] == "one":
        return tfidf(counts, train, MIN_POSTS)[0], female
    places = [np.flatnonzero(female == label) for label in (0, 1)]
    male, own = (tfidf(counts[one], np.arange(len(one)), MIN_POSTS)[0] for one in places)
    if settings["female"] == "male_rows":
        labels = np.repeat(np.array([0, 1], np.uint8), male.shape[0])
        return sparse.vstack([male, male], format="csr"), labels
    width = max(male.shape[1], own.shape[1])
    for part in (male, own):
        part.resize(part.shape[0], width)
    back = np.argsort(np.concatenate(places))
    return sparse.vstack([male, own], format="csr")[back], female


def n_rows(female: np.ndarray, settings: dict[str, Any]) -> int:
    """How many rows `tfidf_rows` gives: male posts twice, as printed, or all posts once."""
    n_female = int(female.sum())
    n_male = len(female) - n_female
    return n_male + (n_male if settings["female"] == "male_rows" else n_female)


def last_columns(rows: Any, length: int = LENGTH) -> np.ndarray:
    """The last columns of sparse rows, as `pad_sequences` leaves them before it casts.

    Returns:
        (n, length) float32; zeros come first where the rows are shorter.
    """
    kept = min(length, rows.shape[1])
    out = np.zeros((rows.shape[0], length), np.float32)
    out[:, length - kept :] = rows[:, rows.shape[1] - kept :].toarray()
    return out


def padded_integers(rows: Any, length: int = LENGTH) -> np.ndarray:
    """What `pad_sequences` makes of TF-IDF rows: their last columns, cut to integers.

    Returns:
        (n, length) int32.
    """
    return last_columns(rows, length).astype(np.int32)


def padding_losses(rows: Any) -> dict[str, int]:
    """How many entries are not zero in whole rows, in the last columns, and once cut."""
    return {
        "whole": int(rows.count_nonzero()),
        "last_columns": int(np.count_nonzero(last_columns(rows))),
        "integers": int(np.count_nonzero(padded_integers(rows))),
    }


def row_batches(rows: Any, labels: np.ndarray, batch_size: int, seed: int | None) -> Any:
    """Sparse rows as dense batches of sequences of one step, made when they are due.

    Args:
        rows: a sparse matrix (n, width) of float32.
        labels: (n,).
        seed: of each epoch's order; None keeps that of the rows.

    Returns:
        A Keras `PyDataset` of ((m, 1, width) float32, (m,)), for `kerasbook.training.fit`.
    """
    import keras

    class Rows(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.begin(0)

        def begin(self, epoch: int) -> None:
            """Draw the order of an epoch, counted from 0."""
            self.order = order(len(labels), seed, epoch)

        def __len__(self) -> int:
            return -(-len(labels) // batch_size)

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            chosen = self.order[index * batch_size : (index + 1) * batch_size]
            return rows[chosen].toarray()[:, np.newaxis, :], labels[chosen]

    return Rows()
