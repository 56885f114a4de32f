"""The data sets as arrays: files parsed with every field checked, or the bundled ones made."""

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kerasbook import bundled, texts
from kerasbook.catalogue import Catalogue, Dataset
from kerasbook.errors import KerasbookError
from kerasbook.tables import load_otto
from kerasbook.texts import Arrays

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

SMOKE_TRAIN_IMAGES = 300
SMOKE_TEST_IMAGES = 100
SMOKE_POINTS = 60
SMOKE_TEXTS = 160
SMOKE_TEXT_BYTES = 20_000


# The data sets that are made and not read.
MAKERS: dict[str, Callable[[], Arrays]] = {
    "digits": bundled.make_digits,
    "two_moons": lambda: dict(zip("xy", bundled.make_two_moons())),
    "digit_counts": bundled.make_digit_counts,
    "help_topics": bundled.make_help_topics,
    "docstrings": bundled.make_docstrings,
    "docstring_sentences": bundled.make_docstring_sentences,
    "docstring_paragraphs": bundled.make_docstring_paragraphs,
    "photographs": lambda: _pictures().make_photographs(),
    "photo_patches": lambda: _pictures().make_photo_patches(),
}


def load_dataset(name: str, catalogue: Catalogue, raw_folder: str | Path, edition: str) -> Arrays:
    """The arrays of data set `name`, or of what stands for it in `edition`.

    Args:
        name: the name that the chapter uses, also in the bundled and smoke editions.
        raw_folder: the folder with a folder of downloaded files per data set
            (`data/raw`); not read for bundled data.

    Returns:
        By the kind of the data set, the same in all editions; in the smoke edition cut to
        a few rows:

        - csv_points: `x` (n, 2) float64, `y` (n,) int64.
        - idx_images: `x_train`, `x_test` (n, 28, 28) uint8, `y_train`, `y_test` (n,) uint8.
        - tables: `x_train` (n, f), `x_test` (m, f) uint16 counts, `y_train` (n,) uint8 from 0
          in the order of `classes` (k,) str, `id_test` (m,) int64.
        - text: `text` (n,) uint8, the file's bytes.
        - labelled_texts: `texts` uint8 and `offsets` int64 (`texts.unpack`), `labels` (n,)
          uint8, `label_names` (2,) str; with a published split also `split` (n,) uint8,
          0 for training and 1 for test.
        - pictures, picture_folders: as `pictures.load_pictures` and
          `pictures.load_picture_folders`.

    Raises:
        KerasbookError: unknown data set or edition, a kind whose files are read as they are
            (weights, word vectors, names of classes), or a file is missing or wrong.
    """
    actual = catalogue.resolve(name, edition)
    dataset = catalogue.get(actual)
    if dataset.kind not in READERS:
        raise KerasbookError(
            f"data set '{actual}': found the kind {dataset.kind}, whose files are read as they "
            f"are; expected one of: {', '.join(READERS)}. Name it in the experiment's raw_data()."
        )
    if dataset.bundled:
        if actual not in MAKERS:
            raise KerasbookError(
                f"data set '{actual}': found no files, expected one of: {', '.join(MAKERS)}; "
                "other bundled data has no code that makes it."
            )
        arrays = MAKERS[actual]()
    else:
        arrays = READERS[dataset.kind](Path(raw_folder) / actual, dataset)
    return make_smoke(arrays, dataset.kind) if edition == "smoke" else arrays


def _pictures():
    """The module of pictures, which imports Pillow."""
    from kerasbook import pictures

    return pictures


def _read_tables(folder: Path, dataset: Dataset) -> Arrays:
    train, test = dataset.by_role("train_table"), dataset.by_role("test_table")
    most = max(train.content_bytes, test.content_bytes)
    return load_otto(folder / train.name, folder / test.name, most)


def _read_labelled_texts(folder: Path, dataset: Dataset) -> Arrays:
    names = {entry.role: folder / entry.name for entry in dataset.files}
    if "review_archive" in names:
        most = dataset.by_role("review_archive").content_bytes
        return texts.load_reviews(names["review_archive"], most)
    if "pickled_female" in names:
        return texts.load_posts(names["pickled_female"], names["pickled_male"])
    return texts.load_lines(names["negative_lines"], names["positive_lines"])


# How the files of a kind are read; kinds that are not here have no arrays.
READERS: dict[str, Callable[[Path, Dataset], Arrays]] = {
    "csv_points": lambda folder, dataset: dict(
        zip("xy", load_points(folder / dataset.by_role("table").name))
    ),
    "idx_images": lambda folder, dataset: load_idx_images(folder, dataset),
    "tables": _read_tables,
    "text": lambda folder, dataset: texts.load_text(folder / dataset.by_role("text").name),
    "labelled_texts": _read_labelled_texts,
    "pictures": lambda folder, dataset: _pictures().load_pictures(
        folder / entry.name for entry in dataset.files
    ),
    "picture_folders": lambda folder, dataset: _pictures().load_picture_folders(
        folder / dataset.by_role("picture_archive").name
    ),
}


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


# ---------------------------------------------------------------------------- the smoke edition


def make_smoke(arrays: Arrays, kind: str) -> Arrays:
    """The arrays of a data set cut to a few rows that keep the shares of the classes.

    Args:
        arrays: as `load_dataset` returns them for data of that kind.
    """
    if kind == "text":
        return {"text": arrays["text"][:SMOKE_TEXT_BYTES]}
    if kind == "labelled_texts":
        groups = arrays["labels"].astype(np.int64)
        groups += len(arrays["label_names"]) * arrays.get("split", np.zeros_like(groups))
        return texts.cut_texts(arrays, stratified_rows(groups, SMOKE_TEXTS))
    if kind == "pictures":
        return arrays
    if kind == "picture_folders":
        return _pictures().smoke_folders(arrays)
    cut = dict(arrays)
    limits = {"_train": SMOKE_TRAIN_IMAGES, "_test": SMOKE_TEST_IMAGES, "": SMOKE_POINTS}
    for suffix, limit in limits.items():
        if f"x{suffix}" not in arrays:
            continue
        labels = arrays.get(f"y{suffix}")  # None: a table for which only the judges know them
        rows = (
            np.arange(min(limit, len(arrays[f"x{suffix}"])))
            if labels is None
            else stratified_rows(labels, limit)
        )
        for name in ("x", "y", "id"):
            if f"{name}{suffix}" in arrays:
                cut[f"{name}{suffix}"] = arrays[f"{name}{suffix}"][rows]
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
