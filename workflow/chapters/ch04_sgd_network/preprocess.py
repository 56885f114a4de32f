"""The digits of chapter 4.4, a row of pixels each."""

from pathlib import Path

import numpy as np

from kerasbook import steps
from kerasbook.processed import preprocess


def prepare(
    images: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Pictures as rows (n, 784) of uint8: whether to scale them is the experiment's choice."""
    arrays = {
        **images,
        "x_train": images["x_train"].reshape(len(images["x_train"]), -1),
        "x_test": images["x_test"].reshape(len(images["x_test"]), -1),
    }
    return arrays, {"n_train": len(images["y_train"]), "n_test": len(images["y_test"])}


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, prepare)


if "snakemake" in globals():
    steps.run(main, snakemake)
