"""The Otto tables as chapter 4.3 uses them: counts, classes and the rows to be submitted."""

from pathlib import Path

import numpy as np

from kerasbook import steps
from kerasbook.processed import preprocess


def prepare(
    tables: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The tables as they are, in the files' order; which rows are held out, a run's seed says."""
    facts = {
        "n_rows": len(tables["x_train"]),
        "n_features": tables["x_train"].shape[1],
        "n_classes": len(tables["classes"]),
        "n_submitted": len(tables["x_test"]),
    }
    return tables, facts


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, prepare)


if "snakemake" in globals():
    steps.run(main, snakemake)
