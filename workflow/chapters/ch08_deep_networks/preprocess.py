"""Pictures to recognise, pictures to learn from, and digits to pre-train on."""

from pathlib import Path

import numpy as np

from kerasbook import steps
from kerasbook.data import stratified_rows
from kerasbook.errors import KerasbookError
from kerasbook.processed import preprocess

# The weights are to be had in seconds; these many digits are enough for that.
PRETRAINING_ROWS = 6000
PRETRAINING_TEST_ROWS = 1000


def _told(left_out: np.ndarray) -> dict[str, object]:
    """How many files are no pictures to work with, and which and why, for a reader."""
    told = "; ".join(f"{Path(name).name} ({reason})" for name, reason in left_out)
    return {"n_left_out": len(left_out), "left_out": told or "none"}


def prepare_samples(
    loaded: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The pictures at their own sizes, since networks want different ones."""
    return loaded, {"n_pictures": len(loaded["names"]), **_told(loaded["left_out"])}


def prepare_folders(
    loaded: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The pictures of two classes.

    Raises:
        KerasbookError: there are not two classes.
    """
    classes = loaded["classes"]
    if len(classes) != 2:
        raise KerasbookError(
            f"the picture folders: found the classes {', '.join(classes)}, expected two."
        )
    facts = {
        "n_train": len(loaded["y_train"]),
        "n_val": len(loaded["y_val"]),
        "first_class": str(classes[0]),
        "second_class": str(classes[1]),
    }
    return loaded, {**facts, **_told(loaded["left_out"])}


def prepare_digits(
    loaded: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Some digits of each kind."""
    train = stratified_rows(loaded["y_train"], PRETRAINING_ROWS)
    test = stratified_rows(loaded["y_test"], PRETRAINING_TEST_ROWS)
    arrays = {
        "x_train": loaded["x_train"][train],
        "y_train": loaded["y_train"][train],
        "x_test": loaded["x_test"][test],
        "y_test": loaded["y_test"][test],
    }
    return arrays, {"n_train": len(train), "n_test": len(test)}


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(
        snakemake,
        {
            "imagenet_samples": prepare_samples,
            "hymenoptera": prepare_folders,
            "mnist": prepare_digits,
        },
    )


if "snakemake" in globals():
    steps.run(main, snakemake)
