"""The data sets as arrays: files parsed with every field checked, and the bundled ones made."""

import gzip
import math
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from kerasbook.catalogue import Catalogue, Dataset
from kerasbook.errors import KerasbookError
from kerasbook.files import written_whole

# The type codes of the idx format; all values are big-endian.
IDX_TYPES = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
# No file of these data sets holds more; a header that says so is wrong.
LARGEST_IDX = 1 << 28
POINTS_HEADER = ["Feature1", "Feature2", "Target"]

DIGITS_TEST_ROWS = 360
DIGITS_SPLIT_SEED = 0
MOONS_ROWS = 500
MOONS_NOISE = 0.2
MOONS_SEED = 0

SMOKE_TRAIN_IMAGES = 300
SMOKE_TEST_IMAGES = 100
SMOKE_POINTS = 60


def load_dataset(
    name: str, catalogue: Catalogue, raw_folder: str | Path, edition: str
) -> dict[str, np.ndarray]:
    """The arrays of data set `name`, or of what stands for it in `edition`.

    Args:
        name: the name that the chapter uses, also in the bundled and smoke editions.
        raw_folder: the folder with a folder of downloaded files per data set
            (`data/raw`); not read for bundled data.

    Returns:
        Points: `x` (n, 2) float64, `y` (n,) int64. Images: `x_train`, `x_test`
        (n, 28, 28) uint8, `y_train`, `y_test` (n,) uint8. In the smoke edition cut
        to `SMOKE_POINTS`, `SMOKE_TRAIN_IMAGES` and `SMOKE_TEST_IMAGES` rows.

    Raises:
        KerasbookError: unknown data set or edition, or a file is missing or wrong.
    """
    actual = catalogue.resolve(name, edition)
    dataset = catalogue.get(actual)
    folder = Path(raw_folder) / actual
    if dataset.kind == "idx_images":
        arrays = load_idx_images(folder, dataset)
    elif dataset.kind == "csv_points":
        arrays = dict(zip("xy", load_points(folder / dataset.by_role("table").name)))
    elif actual == "digits":
        arrays = make_digits()
    elif actual == "two_moons":
        arrays = dict(zip("xy", make_two_moons()))
    else:
        raise KerasbookError(
            f"data set '{actual}': found kind 'bundled', expected one of: digits, two_moons; "
            "other bundled data has no code that makes it."
        )
    return make_smoke(arrays) if edition == "smoke" else arrays


# ---------------------------------------------------------------------------- idx


def parse_idx(source: bytes | str | Path, expect_dims: int, name: str | None = None) -> np.ndarray:
    """The array of an idx file, as a read-only view into its bytes.

    The format: two zero bytes, a type code, the number of dimensions, then one
    big-endian uint32 per dimension, then the values
    (http://yann.lecun.com/exdb/mnist/).

    Args:
        source: the bytes, or the path of an idx file that is not packed.
        expect_dims: how many dimensions the file must have.
        name: what a message calls the bytes.

    Raises:
        KerasbookError: a header field is wrong, or the length is not what it says.
    """
    if isinstance(source, str | Path):
        name = name or str(source)
        source = _bytes_of(Path(source))
    name = name or "idx data"
    dtype, shape, start = _idx_header(source, expect_dims, name)
    return _idx_values(source, start, dtype, shape, name)


_FETCH_AGAIN = "Delete the file and run snakemake again to fetch it."


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> KerasbookError:
    return KerasbookError(
        f"{path}: cannot be read ({error.strerror or error}). Expected a downloaded file; "
        "run snakemake again to fetch it."
    )


def _idx_header(head: bytes, expect_dims: int, name: str) -> tuple[np.dtype, tuple[int, ...], int]:
    """The type, the shape, and where the values start."""
    start = 4 + 4 * expect_dims

    def wrong(found: str, expected: str) -> KerasbookError:
        return KerasbookError(f"{name}: found {found}, expected {expected}. {_FETCH_AGAIN}")

    if len(head) < 4:
        raise wrong(f"{len(head)} bytes", "an idx file, which begins with a header of 4 bytes")
    zeros, code, dims = struct.unpack_from(">HBB", head)
    if zeros != 0:
        raise wrong(f"the first bytes {head[:2].hex()}", "two zero bytes, as an idx file begins")
    if code not in IDX_TYPES:
        known = ", ".join(f"0x{one:02x}" for one in IDX_TYPES)
        raise wrong(f"the type code 0x{code:02x}", f"one of: {known}")
    if dims != expect_dims:
        raise wrong(f"{dims} dimensions", f"{expect_dims}")
    if len(head) < start:
        raise wrong(f"{len(head)} bytes", f"a header of {start} bytes; the file is too short")
    shape = struct.unpack_from(f">{dims}I", head, 4)
    size = math.prod(shape) * IDX_TYPES[code].itemsize
    if min(shape) < 1 or size > LARGEST_IDX:
        raise wrong(f"the shape {shape}", f"sizes from 1 and at most {LARGEST_IDX:,} bytes in all")
    return IDX_TYPES[code], shape, start


def _idx_values(
    buffer: bytes, start: int, dtype: np.dtype, shape: tuple[int, ...], name: str
) -> np.ndarray:
    """A view of the values, which must fill the buffer from `start` to its end."""
    found, expected = len(buffer) - start, math.prod(shape) * dtype.itemsize
    if found != expected:
        fault = f"{found:,} bytes, too short" if found < expected else "more bytes, too long"
        raise KerasbookError(
            f"{name}: found {fault}; expected {expected:,} bytes after the header, "
            f"for the shape {shape} that it gives. {_FETCH_AGAIN}"
        )
    return np.frombuffer(buffer, dtype, offset=start).reshape(shape)


def read_idx_gz(path: str | Path, expect_dims: int) -> np.ndarray:
    """`parse_idx` of a gzip file; reads no more than its header says, whatever the gzip holds.

    Raises:
        KerasbookError: as `parse_idx`, or the file is missing or its gzip corrupt.
    """
    path = Path(path)
    try:
        with gzip.open(path) as file:
            head = file.read(4 + 4 * expect_dims)
            dtype, shape, _ = _idx_header(head, expect_dims, str(path))
            # One byte more shows a file that is too long; it also makes gzip check its sum.
            body = file.read(math.prod(shape) * dtype.itemsize + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise KerasbookError(
            f"{path}: found a corrupt gzip ({error}), expected a whole one. {_FETCH_AGAIN}"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return _idx_values(body, 0, dtype, shape, str(path))


def load_idx_images(folder: str | Path, dataset: Dataset) -> dict[str, np.ndarray]:
    """The four files of an MNIST-like data set, checked against each other.

    Returns:
        `x_train`, `x_test` (n, 28, 28) uint8 from 0 (paper) to 255 (ink), and
        `y_train`, `y_test` (n,) uint8 from 0 to 9; read-only.

    Raises:
        KerasbookError: a file is missing or wrong, images are not 28 x 28, a label
            is above 9, or the counts of images and labels differ.
    """
    folder = Path(folder)
    arrays = {}
    for part in ("train", "test"):
        images_path = folder / dataset.by_role(f"{part}_images").name
        labels_path = folder / dataset.by_role(f"{part}_labels").name
        images = read_idx_gz(images_path, 3)
        labels = read_idx_gz(labels_path, 1)
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
            raise KerasbookError(
                f"{images_path}: found {images.dtype} images of {images.shape[1:]} pixels, "
                "expected uint8 images of (28, 28)."
            )
        if labels.dtype != np.uint8 or labels.max() > 9:
            raise KerasbookError(
                f"{labels_path}: found {labels.dtype} labels up to {labels.max()}, "
                "expected uint8 labels from 0 to 9."
            )
        if len(images) != len(labels):
            raise KerasbookError(
                f"{labels_path}: found {len(labels):,} labels for {len(images):,} images in "
                f"{images_path.name}, expected one label per image."
            )
        arrays[f"x_{part}"], arrays[f"y_{part}"] = images, labels
    return arrays


# ---------------------------------------------------------------------------- points


def load_points(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The table of two features and a binary target, with any kind of line end.

    The published file ends its lines with bare carriage returns, which many
    readers take for one long line.

    Returns:
        x (n, 2) float64, each the double nearest to the printed decimal, and y (n,) int64.

    Raises:
        KerasbookError: missing file, another header, or a row with another number of
            columns, a value that is no finite number, or a target other than 0 and 1.
    """
    path = Path(path)
    try:
        lines = _bytes_of(path).decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise KerasbookError(f"{path}: found bytes that are not ASCII ({error}).") from error
    header = lines[0].split(",") if lines else []
    if header != POINTS_HEADER:
        found = (lines[0] if lines else "")[:80]
        raise KerasbookError(
            f"{path}: found the first line {found!r}, expected {','.join(POINTS_HEADER)!r}."
        )
    if len(lines) < 2:
        raise KerasbookError(f"{path}: found no row after the first line, expected some.")
    rows = [_point(path, number, line) for number, line in enumerate(lines[1:], start=2)]
    table = np.array(rows, dtype=np.float64)
    return np.ascontiguousarray(table[:, :2]), table[:, 2].astype(np.int64)


def _point(path: Path, number: int, line: str) -> tuple[float, float, int]:
    cells = line.split(",")
    where = f"{path}, line {number}"
    if len(cells) != len(POINTS_HEADER):
        raise KerasbookError(f"{where}: found {len(cells)} columns in {line[:80]!r}, expected 3.")
    try:
        x0, x1 = float(cells[0]), float(cells[1])
    except ValueError as error:
        raise KerasbookError(f"{where}: found {line[:80]!r}, expected numbers.") from error
    if not (math.isfinite(x0) and math.isfinite(x1)):
        raise KerasbookError(f"{where}: found {line[:80]!r}, expected finite numbers.")
    if cells[2] not in ("0", "1"):
        raise KerasbookError(f"{where}: found the target {cells[2][:80]!r}, expected 0 or 1.")
    return x0, x1, int(cells[2])


# ---------------------------------------------------------------------------- bundled data


def make_digits() -> dict[str, np.ndarray]:
    """scikit-learn's 1,797 handwritten digits in the form of MNIST.

    Each image of 8 x 8 pixels from 0 to 16 is enlarged 2.5 times to 20 x 20 by
    bilinear interpolation with paper (0) outside, scaled to 0..255, rounded, and
    set in a border of 4 pixels, so that a digit fills the middle 20 x 20 of 28 x 28
    as in MNIST. The split is stratified by digit and fixed: 360 test rows, the
    rest for training. The same writers are in both parts, unlike in MNIST.

    Returns:
        `x_train`, `x_test` (n, 28, 28) uint8, `y_train`, `y_test` (n,) uint8.
    """
    from scipy import ndimage
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    # The first factor is 1: scipy then interpolates within the images only.
    large = ndimage.zoom(
        digits.images, (1, 2.5, 2.5), order=1, mode="grid-constant", cval=0.0, grid_mode=True
    )
    pixels = np.rint(large * (255 / 16)).astype(np.uint8)
    images = np.pad(pixels, ((0, 0), (4, 4), (4, 4)))
    labels = digits.target.astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(
        images,
        labels,
        test_size=DIGITS_TEST_ROWS,
        random_state=DIGITS_SPLIT_SEED,
        stratify=labels,
    )
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def make_two_moons() -> tuple[np.ndarray, np.ndarray]:
    """Two interleaving half-moons with noise, as many points as the book's table, fixed seed.

    Returns:
        x (500, 2) float64 and y (500,) int64, half of them 1, in random order.
    """
    from sklearn.datasets import make_moons

    x, y = make_moons(MOONS_ROWS, noise=MOONS_NOISE, random_state=MOONS_SEED)
    return x, y.astype(np.int64)


def make_smoke(
    arrays: dict[str, np.ndarray],
    train: int = SMOKE_TRAIN_IMAGES,
    test: int = SMOKE_TEST_IMAGES,
    points: int = SMOKE_POINTS,
) -> dict[str, np.ndarray]:
    """The arrays cut to a few rows that keep the shares of the classes.

    Args:
        arrays: as `load_dataset` returns them; each x is cut like its y.
        train, test, points: rows to keep of `*_train`, `*_test`, and of `x` and `y`.
    """
    cut = {}
    for suffix, limit in (("_train", train), ("_test", test), ("", points)):
        if f"y{suffix}" in arrays:
            rows = stratified_rows(arrays[f"y{suffix}"], limit)
            cut |= {f"{name}{suffix}": arrays[f"{name}{suffix}"][rows] for name in "xy"}
    return cut


def stratified_rows(y: np.ndarray, limit: int) -> np.ndarray:
    """The positions of `limit` rows in which every class has its share, in rising order.

    Of each class the first rows are taken; a class's share is rounded so that the
    rows sum to `limit` (largest remainder). All rows if there are no more.

    Args:
        y: labels, (n,).
    """
    if limit >= len(y):
        return np.arange(len(y))
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    exact = counts * limit / len(y)
    quota = np.floor(exact).astype(int)
    neediest = np.argsort(quota - exact, kind="stable")[: limit - quota.sum()]
    quota[neediest] += 1
    chosen = [np.flatnonzero(codes == k)[: quota[k]] for k in range(len(classes))]
    return np.sort(np.concatenate(chosen))


# ---------------------------------------------------------------------------- npz


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
