"""The digits of chapter 4.6, as they are."""

from pathlib import Path

import numpy as np

from kerasbook import steps
from kerasbook.processed import preprocess

DARK = 200  # of 255: nearly black


def counts(images: dict[str, np.ndarray], part: str) -> dict[str, int]:
    """How many pictures there are of each digit in a part, `train` or `test`."""
    numbers = np.bincount(images[f"y_{part}"], minlength=10)
    return {f"{part}_count_{digit}": int(number) for digit, number in enumerate(numbers)}


def prepare(
    images: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The arrays unchanged, how many there are of each digit, and how dark the pixels are."""
    shape = {"train_shape": str(images["x_train"].shape), "test_shape": str(images["x_test"].shape)}
    train = counts(images, "train")
    pixels = np.bincount(images["x_train"].ravel(), minlength=256)
    shares = {
        "share_zero": f"{pixels[0] / pixels.sum():.1%}",
        "share_dark": f"{pixels[DARK:].sum() / pixels[1:].sum():.1%}",
    }
    spread = {"rarest": min(train.values()), "commonest": max(train.values())}
    return images, {**train, **counts(images, "test"), **shape, **spread, **shares}


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, prepare)


if "snakemake" in globals():
    steps.run(main, snakemake)
