"""The photograph and the digits of chapter 4.5."""

from pathlib import Path

import numpy as np

from kerasbook import steps
from kerasbook.errors import KerasbookError
from kerasbook.pictures import unpack
from kerasbook.processed import preprocess

PHOTO = "china"
# The side that the tutorial gives its images (line 1458), and where the temple is.
SIDE = 256
TOP, LEFT = 25, 75


def prepare_photographs(
    loaded: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """A square of 256 x 256 pixels of one photograph: `photo` (256, 256, 3) uint8.

    Raises:
        KerasbookError: the photograph is not among them, or too small.
    """
    names = [str(name) for name in loaded["names"]]
    if PHOTO not in names:
        raise KerasbookError(
            f"photographs: found {', '.join(names)}, expected one called {PHOTO}; "
            "name the data set `photographs` in config/chapters/ch05.yaml."
        )
    whole = unpack(loaded["pixels"], loaded["shapes"])[names.index(PHOTO)]
    photo = whole[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    if photo.shape != (SIDE, SIDE, 3):
        raise KerasbookError(
            f"photographs: found {PHOTO} of shape {whole.shape}, expected a colour picture of at "
            f"least {TOP + SIDE} x {LEFT + SIDE} pixels."
        )
    return {"photo": photo}, {"photo_shape": str(whole.shape), "photo_side": SIDE}


def prepare_digits(
    images: dict[str, np.ndarray], raw_files: list[Path]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """The digits as they are, and how many there are."""
    return images, {"n_train": len(images["y_train"]), "n_test": len(images["y_test"])}


def main(snakemake) -> None:
    """Write the chapter's arrays."""
    preprocess(snakemake, {"photographs": prepare_photographs, "mnist": prepare_digits})


if "snakemake" in globals():
    steps.run(main, snakemake)
