"""Six or not six: the rows that the networks of chapter 4.7 learn from and are tested on."""

from pathlib import Path

import numpy as np

from kerasbook import steps
from kerasbook.processed import preprocess

SIX = 6
PRINTED_SEED = 1338  # line 1681 of the chapters
# The tutorial draws 6,000 negatives for its 5,918 sixes (lines 1692 and 1700); other data
# sets get the same share.
NEGATIVES_PER_SIX = 6000 / 5918


def not_six_rows(n_six: int, n_not_six: int, negatives: str) -> np.ndarray:
    """Rows of the not-sixes to learn from, as indices among the not-sixes.

    Args:
        negatives: `first_rows` draws with replacement from as many first rows as there
            are sixes (as printed, with numpy's legacy generator and the printed seed);
            `all_rows` draws without replacement from all of them, with the same seed.

    Returns:
        (n,) int64.
    """
    wanted = round(n_six * NEGATIVES_PER_SIX)
    if negatives == "first_rows":
        legacy = np.random.RandomState(PRINTED_SEED)
        return legacy.randint(0, n_six, wanted).astype(np.int64)
    generator = np.random.default_rng(PRINTED_SEED)
    return generator.permutation(n_not_six)[:wanted]


def prepare(
    images: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Training rows for both ways of drawing negatives, sixes first; all test rows."""
    is_six = images["y_train"] == SIX
    six, rest = images["x_train"][is_six], images["x_train"][~is_six]
    arrays = {
        "x_test": images["x_test"],
        "digit_test": images["y_test"],
        "y_test": (images["y_test"] == SIX).astype(np.uint8),
    }
    for negatives in ("first_rows", "all_rows"):
        rows = not_six_rows(len(six), len(rest), negatives)
        arrays[f"x_{negatives}"] = np.concatenate([six, rest[rows]])
        arrays[f"y_{negatives}"] = np.repeat(np.array([1, 0], np.uint8), [len(six), len(rows)])
    facts = {"n_train": len(arrays["y_first_rows"]), "n_test": len(arrays["y_test"])}
    return arrays, facts


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, prepare)


if "snakemake" in globals():
    steps.run(main, snakemake)
