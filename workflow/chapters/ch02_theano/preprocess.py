"""Products and their classes: is it class 1 or not?"""

from pathlib import Path

import numpy as np

from kerasbook import steps
from kerasbook.processed import preprocess


def prepare(
    tables: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The counts as they are, in the file's order, and whether a row is of the first class."""
    x, y = tables["x_train"], (tables["y_train"] == 0).astype(np.uint8)
    facts = {
        "n_classes": len(tables["classes"]),
        "n_features": int(x.shape[1]),
        "n_rows": int(x.shape[0]),
        "n_test": len(tables["x_test"]),
        "n_class1": int(y.sum()),
        "class1_share": f"{y.mean():.1%}",
    }
    return {"x": x, "y": y}, facts


def prepare_nothing(
    tables: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The symbolic examples use no data; they name a data set that is always at hand."""
    return {"y": tables["y_train"]}, {"n_rows": len(tables["y_train"])}


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, {"otto": prepare, "digit_counts": prepare_nothing})


if "snakemake" in globals():
    steps.run(main, snakemake)
