"""Pictures, blog posts and sentences: what chapter 4.9 learns from."""

from pathlib import Path

import numpy as np

from chapters.ch09_unsupervised import sentences
from kerasbook import steps, texts
from kerasbook.processed import preprocess

Arrays = dict[str, np.ndarray]


def prepare_pictures(loaded: Arrays, raw_files: list[Path]) -> tuple[Arrays, dict[str, object]]:
    """The digits as they are; the labels serve the exercise alone."""
    facts = {"n_train": len(loaded["x_train"]), "n_test": len(loaded["x_test"])}
    return {name: loaded[name] for name in ("x_train", "y_train", "x_test", "y_test")}, facts


def prepare_posts(loaded: Arrays, raw_files: list[Path]) -> tuple[Arrays, dict[str, object]]:
    """The posts that are not empty, first those of the first label (lines 2634 to 2641).

    Returns:
        `texts`, `offsets` as of `kerasbook.texts.pack`; `first_group` (n,) uint8, 1 for a post
        of the first group (women) and 0 for one of the second, the tutorial's own coding; and
        `group_names` (2,). Facts: how many posts each group has, all and not empty.
    """
    sizes = np.diff(loaded["offsets"])
    kept = np.flatnonzero(sizes > 0)
    cut = texts.cut_texts(loaded, kept)
    arrays = {
        "texts": cut["texts"],
        "offsets": cut["offsets"],
        "first_group": (cut["labels"] == 0).astype(np.uint8),
        "group_names": loaded["label_names"],
    }
    facts = {
        "n_female_raw": int((loaded["labels"] == 0).sum()),
        "n_male_raw": int((loaded["labels"] == 1).sum()),
        "n_female": int((cut["labels"] == 0).sum()),
        "n_male": int((cut["labels"] == 1).sum()),
        "n_posts": len(kept),
    }
    return arrays, facts


def prepare_sentences(loaded: Arrays, raw_files: list[Path]) -> tuple[Arrays, dict[str, object]]:
    """Sentences as word indices, in the printed order; the last tenth is watched.

    Returns:
        `x` (n, length) int32, `y` (n,) uint8, the vocabulary as `words` and `word_offsets`,
        the sentences as `texts` and `offsets`, and `first_validation_row` (). Facts:
        the vocabulary's size, the rows and the length of a row.
    """
    lines = texts.unpack(loaded["texts"], loaded["offsets"])
    rows, words, cut = sentences.encode(lines)
    order = sentences.printed_order(len(lines))
    first = sentences.first_validation_row(len(lines))
    shuffled = texts.cut_texts({k: loaded[k] for k in ("texts", "offsets")}, order)
    packed, word_offsets = texts.pack(words)
    arrays = {
        "x": rows[order],
        "y": loaded["labels"][order],
        "words": packed,
        "word_offsets": word_offsets,
        "texts": shuffled["texts"],
        "offsets": shuffled["offsets"],
        "first_validation_row": np.array(first),
    }
    facts = {
        "vocabulary": len(words),
        "n_train": first,
        "n_val": len(lines) - first,
        "sequence_length": rows.shape[1],
        "n_cut": cut,
    }
    return arrays, facts


PREPARE = {
    "mnist": prepare_pictures,
    "blogs": prepare_posts,
    "movie_reviews": prepare_sentences,
}


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, PREPARE)


if "snakemake" in globals():
    steps.run(main, snakemake)
