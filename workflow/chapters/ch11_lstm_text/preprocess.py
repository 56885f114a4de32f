"""The posts of chapter 4.11: as texts, as rows of hashed words, and as one row of characters."""

from pathlib import Path

import numpy as np

from chapters.ch11_lstm_text.inputs import LENGTH, hashed_words, split
from kerasbook import steps, texts, words
from kerasbook.characters import encode
from kerasbook.errors import KerasbookError
from kerasbook.processed import preprocess

SECOND = 1  # the label of the texts whose characters the network learns: the men's
# The tutorial's array has a cell of one byte for each character of the text, each place of a
# window and each character of the alphabet (line 3450).
PRINTED_WINDOW = 20


def prepare(
    loaded: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The texts that are not empty, in their order, in the three forms of the chapter.

    Returns:
        `texts`, `offsets`, `labels`, `label_names` as loaded; `hashed` (n, 100) uint16;
        `characters` (n_characters,) uint8 or uint16, the texts of label 1 with a space between
        two, and `alphabet` (n_symbols,) str. Facts: as the ledger and the text name them.

    Raises:
        KerasbookError: no text of one of the labels is left.
    """
    filled = np.flatnonzero(np.diff(loaded["offsets"]) > 0)
    kept = texts.cut_texts(loaded, filled)
    labels = kept["labels"]
    counts = np.bincount(labels, minlength=2)
    if not counts.all():
        raise KerasbookError(
            f"texts: found {counts[0]} and {counts[1]} that are not empty of the two labels, "
            "expected some of each; check the files and run snakemake again."
        )
    posts = texts.unpack(kept["texts"], kept["offsets"])
    values, offsets = hashed_words(posts)
    joined = " ".join(post for post, label in zip(posts, labels) if label == SECOND)
    ids, alphabet = encode(joined)
    train, test = split(len(posts), seed=0)
    arrays = {
        **{name: kept[name] for name in ("texts", "offsets", "labels", "label_names")},
        "hashed": words.pad_sequences(values, offsets, LENGTH).astype(np.uint16),
        "characters": ids,
        "alphabet": alphabet,
    }
    facts = {
        "n_posts": len(posts),
        "n_empty": len(loaded["labels"]) - len(posts),
        "n_first": int(counts[0]),
        "n_second": int(counts[1]),
        "n_train": len(train),
        "n_test": len(test),
        "n_words": len(values),
        "n_hash_values": len(np.unique(values)),
        "n_characters": len(ids),
        "n_windows_filled": max(0, len(ids) - PRINTED_WINDOW),
        "n_symbols": len(alphabet),
        "one_hot_gb": len(ids) * PRINTED_WINDOW * len(alphabet) / 1e9,
    }
    return arrays, facts


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, prepare)


if "snakemake" in globals():
    steps.run(main, snakemake)
