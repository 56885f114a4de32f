"""Arrays as the stages hand them on, in .npz files without pickled objects."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from kerasbook.errors import KerasbookError
from kerasbook.files import read_json, written_whole


def save_npz(path: str | Path, **arrays: np.ndarray) -> None:
    """Write arrays to `path` (ending in .npz), whole or not at all; no pickled objects.

    Equal arrays give equal bytes.

    Raises:
        KerasbookError: the file cannot be written.
        ValueError: an array of objects, or another suffix.
    """
    if Path(path).suffix != ".npz":
        raise ValueError(f"{path}: expected a name that ends in .npz")
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{name}: expected no array of objects")
    with written_whole(path) as temporary:
        np.savez(temporary, **arrays)


def load_npz(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of a file that `save_npz` wrote.

    Raises:
        KerasbookError: the file is missing, damaged, or holds pickled objects.
    """
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ValueError("a single array, no archive of arrays")
            return {name: loaded[name] for name in loaded.files}
    except FileNotFoundError as error:
        raise KerasbookError(
            f"{path}: not found. Expected a result of an earlier step; run snakemake again."
        ) from error
    except (ValueError, zipfile.BadZipFile, EOFError, OSError, zlib.error, KeyError) as error:
        raise KerasbookError(
            f"{path}: is no readable file of arrays ({error}). "
            "Expected one that an earlier step wrote; delete it and run snakemake again."
        ) from error


def read_processed(snakemake: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the record of the data set that a job's inputs `data` and `about` name."""
    return load_npz(snakemake.input.data), read_json(snakemake.input.about)
