"""Reviews as the tutorial's `imdb.load_data` gave them.

That function read a file of 25,000 encoded reviews. Its printed example (line 2991 of the
chapters) tells how they were made: `this movie tells an amazing story ...` is the training
review pos/11375_9, its 139 numbers fall on the tokens of the Moses tokenizer of machine
translation (Koehn et al. 2007: marks are words of their own, `it's` is `it 's`), and the
numbers are ranks by frequency in the 25,000 training reviews. So the rows of the tutorial,
those for testing too, all come from the training part of the data set.
"""

import re

import numpy as np

from kerasbook.words import Tokenizer

# Line 2991 of the chapters: the first training row, its start mark left out.
PRINTED_EXAMPLE = np.array([
    20, 28, 716, 48, 495, 79, 27, 493, 8, 5067, 7, 50, 5, 4682, 13075, 10, 5, 852, 157, 11, 5,
    1716, 3351, 10, 5, 500, 7308, 6, 33, 256, 41, 13610, 7, 17, 23, 48, 1537, 3504, 26, 269, 929,
    18, 2, 7, 2, 4284, 8, 105, 5, 2, 182, 314, 38, 98, 103, 7, 36, 2184, 246, 360, 7, 19, 396, 17,
    26, 269, 929, 18, 1769, 493, 6, 116, 7, 105, 5, 575, 182, 27, 5, 1002, 1085, 130, 62, 17, 24,
    89, 17, 13, 381, 1421, 8, 5167, 7, 5, 2723, 38, 325, 7, 17, 23, 93, 9, 156, 252, 19, 235, 20,
    28, 5, 104, 76, 7, 17, 169, 35, 14764, 17, 23, 1460, 7, 36, 2184, 934, 56, 2134, 6, 17, 891,
    214, 11, 5, 1552, 6, 92, 6, 33, 256, 82, 7,
])  # fmt: skip

PADDING, START, UNKNOWN = 0, 1, 2
# The rank of a word, from 1, and this make its number: 3 was its own "unknown", which the file
# had besides that of Keras, and the word's numbers began at 4 + 1.
FIRST_RANK = 4
SHUFFLE_SEED = 113  # the default of Keras's `load_data`

# Abbreviations after which a full stop ends no sentence, among those of Moses for English.
_ABBREVIATIONS = [
    "Adj", "Adm", "Adv", "Asst", "Bart", "Bldg", "Brig", "Bros", "Capt", "Cmdr", "Col", "Comdr",
    "Con", "Corp", "Cpl", "DR", "Dr", "Drs", "Ens", "Gen", "Gov", "Hon", "Hr", "Hosp", "Insp",
    "Lt", "MM", "MR", "MRS", "MS", "Maj", "Messrs", "Mlle", "Mme", "Mr", "Mrs", "Ms", "Msgr",
    "Nos", "Nr", "Op", "Ord", "Pfc", "Ph", "Prof", "Pvt", "Rep", "Reps", "Res", "Rev", "Rt",
    "Sen", "Sens", "Sfc", "Sgt", "Sr", "St", "Supt", "Surg", "rev", "v", "vs",
]  # fmt: skip
_RUN = r"[\w`-]+(?:(?<=\d),(?=\d)[\w`-]+)*"
_KEPT_STOP = "|".join(
    [r"(?=\s+[a-z])", r"(?<=\b[A-Z]\.)", *(rf"(?<=\b{one}\.)" for one in _ABBREVIATIONS)]
)
_TOKEN = re.compile(
    # `'s` and `'ll` after a letter; `'s` after a digit. The `t` of "don't" is `'t`.
    rf"(?:(?<=[^\W\d])'(?=[^\W\d])|(?<=\d)'(?=s))?"
    # Letters, digits, hyphens, commas between digits, and stops between letters ...
    rf"{_RUN}(?:(?:\.{_RUN})+(?:\.(?!\.)(?<=[^\W\d]\.))?"
    # ... with a stop at the end where it ends no sentence.
    rf"|\.(?:{_KEPT_STOP}))?"
    # Several stops stay together; every other mark stands alone.
    r"|\.\.+|\S"
)


class MosesTokenizer(Tokenizer):
    """Words by frequency, as `kerasbook.words.Tokenizer`, cut as Moses cuts English."""

    def split_text(self, text: str) -> list[str]:
        """The tokens of a text, in small letters."""
        # An underscore is a mark to Moses and a letter to `re`.
        tokens = _TOKEN.findall(text.replace("_", " _ ") if "_" in text else text)
        return "\n".join(tokens).lower().split("\n") if tokens else []


def encode(texts: list[str], most: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Reviews as Keras encoded them, each with a start mark.

    Args:
        most: numbers below this one are kept, all others are `UNKNOWN`; up to 65,536.

    Returns:
        numbers (n_in_all,) uint16, offsets (n + 1,) int64, and the words by rank, from 1,
        whose number is below `most`.
    """
    tokenizer = MosesTokenizer()
    ranks, offsets = tokenizer.fit_encode(texts)
    numbers = ranks + FIRST_RANK
    numbers[numbers >= most] = UNKNOWN
    marked = np.insert(numbers.astype(np.uint16), offsets[:-1], START)
    return marked, offsets + np.arange(len(offsets)), tokenizer.words[: most - FIRST_RANK - 1]


def order_of_rows(labels: np.ndarray) -> np.ndarray:
    """The rows in the tutorial's order: those of label 1, then of 0, shuffled with Keras's seed.

    Args:
        labels: (n,), rows of each label in the order of their files' names. The tutorial's
            were in the order of somebody's disk, which nobody knows: which row goes where
            differs, how they are drawn does not.

    Returns:
        (n,) int64.
    """
    rows = np.concatenate([np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)])
    np.random.RandomState(SHUFFLE_SEED).shuffle(rows)
    return rows


def gather(values: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> tuple:
    """Sequences in another order: values and offsets of `rows`, as of those given."""
    sizes = np.diff(offsets)[rows]
    ends = np.concatenate([[0], np.cumsum(sizes)])
    places = np.arange(ends[-1]) + np.repeat(offsets[rows] - ends[:-1], sizes)
    return values[places], ends


def without_marks(values: np.ndarray, offsets: np.ndarray, words: list[str]) -> tuple:
    """The reviews without punctuation marks and line breaks (`<br />`), as values and offsets.

    Args:
        words: by rank, as of `encode`.
    """
    is_word = [word != "br" and any(map(str.isalnum, word)) for word in words]
    stays = np.concatenate([np.ones(FIRST_RANK + 1, bool), is_word])
    kept = stays[values]
    before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    return values[kept], before[offsets]


def equal_to_printed(numbers: np.ndarray, offsets: np.ndarray) -> int:
    """How many numbers of the printed example the most similar review has at their places."""
    length = len(PRINTED_EXAMPLE) + 1
    begin = offsets[:-1][np.diff(offsets) == length]
    if not len(begin):
        return 0
    rows = numbers[begin[:, np.newaxis] + np.arange(1, length)]
    return int((rows == PRINTED_EXAMPLE).sum(axis=1).max())


def counts(
    values: np.ndarray, offsets: np.ndarray, last: int | None, pairs: bool, learnt: int
) -> object:
    """How often each word (and pair of neighbours) stands in each row.

    Args:
        values, offsets: the rows, as of `encode`.
        last: count the last words of a row only; all if None.
        learnt: the first rows, which are for training: a column is a word or a pair that two
            of them have.

    Returns:
        A sparse (n, n_columns) matrix of float32. Start mark and unknown words are left out.
    """
    from scipy import sparse

    sizes = np.diff(offsets)
    row = np.repeat(np.arange(len(sizes)), sizes)
    kept = values > FIRST_RANK
    if last is not None:
        kept &= np.arange(len(values)) >= np.repeat(offsets[1:] - last, sizes)
    rows, codes = row[kept], values[kept].astype(np.int64)
    if pairs:
        both = kept[1:] & kept[:-1] & (row[1:] == row[:-1])
        # Numbers are below 2^16: a pair's code is its own and no single word's.
        left, right = values[:-1][both].astype(np.int64), values[1:][both].astype(np.int64)
        rows = np.concatenate([rows, row[1:][both]])
        codes = np.concatenate([codes, (left << 16) + right])
    known, columns = np.unique(codes, return_inverse=True)
    ones = np.ones(len(rows), np.float32)
    table = sparse.csr_matrix((ones, (rows, columns)), shape=(len(sizes), len(known)))
    return table[:, np.bincount(table[:learnt].indices, minlength=len(known)) >= 2]
