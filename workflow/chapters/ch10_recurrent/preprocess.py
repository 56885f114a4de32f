"""Reviews as rows of word numbers, and a text as character ids, for chapter 4.10."""

from pathlib import Path

import numpy as np

from chapters.ch10_recurrent import reviews
from chapters.ch10_recurrent.writing import STEP, WINDOW
from kerasbook import steps
from kerasbook.characters import decode, encode, window_starts
from kerasbook.errors import KerasbookError
from kerasbook.processed import preprocess
from kerasbook.texts import unpack
from kerasbook.words import pad_sequences

# Lines 2968 and 2969 of the chapters.
MAX_FEATURES = 20_000
MAXLEN = 100
TEST_SHARE = 0.2  # line 2973


def prepare_reviews(
    loaded: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The tutorial's rows: the data set's training part, shuffled, a fifth kept for testing."""
    learnt = np.flatnonzero(loaded["split"] == 0)
    if len(learnt) != learnt[-1] + 1:
        raise KerasbookError(
            "labelled texts: found training texts after test texts, expected them first; run the "
            "download step again."
        )
    bounds = loaded["offsets"][: len(learnt) + 1]
    texts = unpack(loaded["texts"][: bounds[-1]], bounds)
    words, offsets, vocabulary = reviews.encode(texts, MAX_FEATURES)
    equal = reviews.equal_to_printed(words, offsets)
    rows = reviews.order_of_rows(loaded["labels"][learnt])
    words, offsets = reviews.gather(words, offsets, rows)
    labels = loaded["labels"][rows]
    x = pad_sequences(words, offsets, MAXLEN)
    n_train = int(len(rows) * (1 - TEST_SHARE))
    arrays = {
        "x_train": x[:n_train],
        "x_test": x[n_train:],
        "y_train": labels[:n_train],
        "y_test": labels[n_train:],
        # Whole reviews, those for training first.
        "words": words,
        "offsets": offsets,
        "vocabulary": np.frombuffer("\n".join(vocabulary).encode(), np.uint8),
        "label_names": loaded["label_names"],
    }
    lengths = np.diff(offsets) - 1
    facts = {
        "n_train": n_train,
        "n_test": len(rows) - n_train,
        "maxlen": x.shape[1],
        "n_words": len(vocabulary),
        "median_length": int(np.median(lengths)),
        "cut_percent": round(100 * float((lengths >= MAXLEN).mean()), 1),
        "unknown_percent": round(100 * float((words == reviews.UNKNOWN).mean()), 1),
        "example_numbers": len(reviews.PRINTED_EXAMPLE),
        "example_equal": equal,
    }
    return arrays, facts


def prepare_text(
    loaded: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The text's bytes in small letters, as Python 2 read and lowered them."""
    text = loaded["text"].tobytes().lower()
    ids, alphabet = encode(text)
    characters, letters = encode(text.decode("utf-8", "replace"))
    facts = {
        "corpus_length": len(ids),
        "n_chars": len(alphabet),
        "n_windows": len(window_starts(len(ids), WINDOW, STEP)),
        "window": WINDOW,
        "characters": len(characters),
        "distinct_characters": len(letters),
        "words": len(decode(ids, alphabet).split()),
    }
    return {"ids": ids, "alphabet": alphabet}, facts


def main(snakemake) -> None:
    """Write the arrays of one of the chapter's data sets."""
    preprocess(snakemake, {"imdb": prepare_reviews, "nietzsche": prepare_text})


if "snakemake" in globals():
    steps.run(main, snakemake)
