"""The points of chapter 4.1: two features and a class."""

from pathlib import Path

import numpy as np

from chapters.ch01_neural_network.printed_decimals import read_rows
from kerasbook import steps
from kerasbook.processed import preprocess


def prepare(
    points: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The rows; those of the tutorial's own table as its pandas read them, to the last bit."""
    x, y = points["x"], points["y"]
    if raw_files:
        x, y = read_rows(raw_files[0])
    arrays = {"x": x, "y": y.astype(np.float64)}
    return arrays, {"n_rows": int(x.shape[0]), "n_features": int(x.shape[1])}


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, prepare)


if "snakemake" in globals():
    steps.run(main, snakemake)
