"""The Otto table: a csv file in a zip, every column and value checked."""

import io
import re
from pathlib import Path

import numpy as np

from kerasbook.archives import members
from kerasbook.errors import KerasbookError

FEATURES = [f"feat_{number}" for number in range(1, 94)]
CLASSES = [f"Class_{number}" for number in range(1, 10)]
LARGEST_COUNT = np.iinfo(np.uint16).max
FETCH_AGAIN = "Delete the file and run snakemake again to fetch it."


def load_otto(train: str | Path, test: str | Path, most_bytes: int) -> dict[str, np.ndarray]:
    """The two tables of the Otto competition, in the files' order.

    Args:
        train, test: zip files that hold `train.csv` and `test.csv`.
        most_bytes: what one of those holds at most, in bytes.

    Returns:
        `x_train` (n, 93), `x_test` (m, 93) uint16 counts, `y_train` (n,) uint8 from 0 in the
        order of `classes` (9,) str, and `id_test` (m,) int64.

    Raises:
        KerasbookError: a file is missing or damaged, other columns, a value that is no count,
            an id that stands there twice, or an unknown class.
    """
    table = _read(Path(train), "train.csv", ["id", *FEATURES, "target"], most_bytes)
    other = _read(Path(test), "test.csv", ["id", *FEATURES], most_bytes)
    codes = {name: code for code, name in enumerate(CLASSES)}
    unknown = sorted(set(table["target"].unique()) - set(codes), key=str)
    if unknown:
        raise KerasbookError(
            f"{train}: found the class {str(unknown[0])[:80]!r}, expected one of: "
            f"{', '.join(CLASSES)}. {FETCH_AGAIN}"
        )
    return {
        "x_train": table[FEATURES].to_numpy(np.uint16),
        "y_train": table["target"].map(codes).to_numpy(np.uint8),
        "classes": np.array(CLASSES),
        "x_test": other[FEATURES].to_numpy(np.uint16),
        "id_test": other["id"].to_numpy(np.int64),
    }


def _read(path: Path, name: str, columns: list[str], most_bytes: int):
    """The csv file of that name in the zip at `path`, as a checked data frame."""
    import pandas as pd

    try:
        found = dict(members(path, re.escape(name), most_bytes))
    except OSError as error:
        raise KerasbookError(
            f"{path}: cannot be read ({error.strerror or error}). Expected a downloaded file; "
            "run snakemake again to fetch it."
        ) from error
    if not found:
        raise KerasbookError(f"{path}: found no {name} in it. {FETCH_AGAIN}")
    where = f"{path}, {name}"
    header = found[name].split(b"\n", 1)[0].decode("latin-1").strip().split(",")
    if header != columns:
        differing = next(
            (one for one in zip(header, columns) if one[0] != one[1]),
            (f"{len(header)} columns", f"{len(columns)} columns"),
        )
        raise KerasbookError(
            f"{where}: found {differing[0][:80]!r} in the first line, expected {differing[1]!r}. "
            f"{FETCH_AGAIN}"
        )
    _check_widths(found[name], len(columns), where)
    types = {column: "int64" for column in columns if column != "target"}
    try:
        table = pd.read_csv(
            io.BytesIO(found[name]), dtype=types | {"target": "str"}, index_col=False
        )
    except (ValueError, OverflowError) as error:  # pandas's ParserError is a ValueError
        raise KerasbookError(
            f"{where}: found a row that does not fit ({str(error).strip()[:160]}), expected whole "
            f"numbers in {len(types)} columns. {FETCH_AGAIN}"
        ) from error
    features = table[FEATURES]
    if len(table) == 0 or features.min().min() < 0 or features.max().max() > LARGEST_COUNT:
        found_range = f"values from {features.min().min()} to {features.max().max()}"
        raise KerasbookError(
            f"{where}: found {found_range if len(table) else 'no row'}, expected counts from 0 to "
            f"{LARGEST_COUNT:,}. {FETCH_AGAIN}"
        )
    if table["id"].duplicated().any():
        twice = int(table["id"][table["id"].duplicated()].iloc[0])
        raise KerasbookError(f"{where}: found the id {twice} twice. {FETCH_AGAIN}")
    return table


def _check_widths(content: bytes, columns: int, where: str) -> None:
    """Refuse a row of another number of cells: pandas cuts off what is too much."""
    values = np.frombuffer(content.rstrip(b"\r\n") + b"\n", np.uint8)
    ends = np.flatnonzero(values == ord("\n"))
    found = np.diff(np.searchsorted(np.flatnonzero(values == ord(",")), ends), prepend=0) + 1
    wrong = np.flatnonzero(found != columns)
    if len(wrong):
        raise KerasbookError(
            f"{where}, line {wrong[0] + 1}: found {found[wrong[0]]} columns, expected {columns}. "
            f"{FETCH_AGAIN}"
        )
