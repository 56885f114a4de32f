"""Pictures read with every limit checked; what is no RGB picture is left out by name."""

import io
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from kerasbook.archives import zip_member
from kerasbook.errors import KerasbookError

# What a file name promises, and the Pillow formats that keep the promise (cameras write JPEG
# files with a second picture inside, which Pillow calls MPO; the first one is read).
SUFFIXES = {".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".png": ("PNG",)}
# Formats that are recognised, the last one only to say what it is.
FORMATS = ("JPEG", "PNG", "GIF")
MOST_BYTES = 30 * 2**20
MOST_PIXELS = 40_000_000
MOST_ARCHIVE_ENTRIES = 50_000
MOST_ARCHIVE_BYTES = 2**30

# What networks trained on ImageNet see.
SIZE = 224

PATCH = 64
PATCH_STEP = 32
SMOKE_PATCHES = 12

SPLITS = ("train", "val")

# What Pillow raises when it meets damaged files.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)

Arrays = dict[str, np.ndarray]
LeftOut = list[tuple[str, str]]


class UnfitPicture(KerasbookError):
    """A file that cannot serve as a picture; `name` is the file's, `reason` says why."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name}: {reason}.")
        self.name = name
        self.reason = reason


def read_picture(
    content: bytes, name: str, size: int | None = None, resample: str = "bilinear"
) -> np.ndarray:
    """The pixels of a JPEG or PNG file.

    The header is looked at before any pixel is unpacked, so that a small file that claims
    to be huge costs nothing. A truncated file is refused, not filled up with grey.

    Args:
        content: the bytes of the file.
        name: its name, whose suffix must fit the content.
        size: height and width to bring it to, as Keras's `load_img(target_size=...)` does,
            whatever the proportions; None leaves it as it is.
        resample: `bilinear` (averages over the source pixels when it makes a picture
            smaller) or `nearest` (Keras's default).

    Returns:
        (height, width, 3) uint8, red green blue.

    Raises:
        UnfitPicture: another format than the suffix says, damaged or truncated, too large,
            or other modes than RGB (grey, palette, CMYK, with transparency).
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in SUFFIXES and suffix != ".gif":
        raise UnfitPicture(name, f"found the suffix {suffix!r}, expected .jpg, .jpeg or .png")
    if len(content) > MOST_BYTES:
        raise UnfitPicture(
            name, f"found {len(content):,} bytes, expected at most {MOST_BYTES:,} for a picture"
        )
    try:
        with warnings.catch_warnings():
            # Pillow's own limit warns from 89 million pixels on; ours is lower and refuses.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _check_header(image, name, suffix)
                image.load()
                return _sized(image, size, resample)
    except UnfitPicture:
        raise
    except Image.DecompressionBombError as error:
        raise UnfitPicture(
            name, f"found more than {MOST_PIXELS:,} pixels, expected an ordinary picture"
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UnfitPicture(name, "found no JPEG or PNG in it, expected a picture") from error
    except DAMAGE as bad:
        told = str(bad).split("\n", 1)[0][:120] or type(bad).__name__
        raise UnfitPicture(
            name, f"found a damaged or truncated picture ({told}), expected a whole one"
        ) from bad


def _check_header(image: Image.Image, name: str, suffix: str) -> None:
    if image.format not in SUFFIXES.get(suffix, ()):
        wanted = SUFFIXES.get(suffix, ("JPEG or PNG",))[0]
        raise UnfitPicture(name, f"found a {image.format} picture, expected {wanted}")
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UnfitPicture(
            name, f"found {width} x {height} pixels, expected at most {MOST_PIXELS:,} in all"
        )
    if image.mode != "RGB":
        raise UnfitPicture(name, f"found the mode {image.mode}, expected RGB")


_RESAMPLE = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}


def _sized(image: Image.Image, size: int | None, resample: str) -> np.ndarray:
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), _RESAMPLE[resample])
    return np.array(image)


def resized(picture: np.ndarray, size: int, resample: str = "bilinear") -> np.ndarray:
    """A picture (h, w, 3) uint8 brought to (size, size, 3) uint8, as `read_picture` does."""
    return _sized(Image.fromarray(picture), size, resample)


# ---------------------------------------------------------------------------- sets of pictures


def pack(pictures: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of different sizes as one row of pixels and their shapes.

    Args:
        pictures: each (height, width, channels) uint8.

    Returns:
        pixels (total,) uint8 and shapes (n, 3) int64.
    """
    shapes = np.array([picture.shape for picture in pictures], np.int64).reshape(-1, 3)
    flat = [np.ascontiguousarray(picture, np.uint8).reshape(-1) for picture in pictures]
    return np.concatenate([np.empty(0, np.uint8), *flat]), shapes


def unpack(pixels: np.ndarray, shapes: np.ndarray) -> list[np.ndarray]:
    """The pictures that `pack` put together, as views.

    Raises:
        KerasbookError: the shapes do not account for the pixels.
    """
    sizes = [math.prod(int(side) for side in shape) for shape in shapes]
    if sum(sizes) != len(pixels) or np.any(np.asarray(shapes) < 1):
        raise KerasbookError(
            f"pictures: found {len(pixels):,} pixel values and shapes for {sum(sizes):,}, "
            "expected as many; run the preprocess step again."
        )
    ends = np.cumsum(sizes)
    return [
        pixels[end - size : end].reshape(tuple(int(side) for side in shape))
        for end, size, shape in zip(ends, sizes, shapes)
    ]


def as_table(left_out: LeftOut) -> np.ndarray:
    """What was left out, as an array (n, 2) of str: name and reason."""
    return np.array(left_out, dtype=str).reshape(-1, 2) if left_out else np.empty((0, 2), "<U1")


def load_pictures(paths: Iterable[str | Path]) -> Arrays:
    """The pictures of single files, each at its own size.

    Returns:
        `pixels` (total,) uint8, `shapes` (n, 3) int64, `names` (n,) str (without suffix) and
        `left_out` (m, 2) str (file name, reason).

    Raises:
        KerasbookError: a file cannot be opened, or no picture remains.
    """
    pictures, names, left_out = [], [], []
    for path in map(Path, paths):
        try:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise KerasbookError(
                f"{path}: cannot be read ({error.strerror or error}). Expected a downloaded "
                "picture; run snakemake again to fetch it."
            ) from error
        try:
            pictures.append(read_picture(content, path.name))
            names.append(path.stem)
        except UnfitPicture as fault:
            left_out.append((fault.name, fault.reason))
    if not pictures:
        told = "; ".join(f"{name}: {reason}" for name, reason in left_out)
        raise KerasbookError(f"pictures: found none to work with ({told or 'no files'}).")
    pixels, shapes = pack(pictures)
    return {
        "pixels": pixels,
        "shapes": shapes,
        "names": np.array(names),
        "left_out": as_table(left_out),
    }


def make_photographs() -> Arrays:
    """Three photographs that installed libraries carry, as `load_pictures` gives them.

    scikit-learn's `china` (a temple) and `flower` (a dahlia), and matplotlib's portrait of
    Grace Hopper, `hopper`.
    """
    paths = _bundled_photographs()
    arrays = load_pictures(paths.values())
    return {**arrays, "names": np.array(list(paths))}


def _bundled_photographs() -> dict[str, Path]:
    import sklearn.datasets
    from matplotlib import cbook

    folder = Path(sklearn.datasets.__file__).parent / "images"
    portrait = cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return {
        "china": folder / "china.jpg",
        "flower": folder / "flower.jpg",
        "hopper": Path(portrait),
    }


# ---------------------------------------------------------------------------- picture folders


def load_picture_folders(path: str | Path, size: int = SIZE) -> Arrays:
    """An archive `<any>/{train,val}/<class>/<picture>`, read without extracting it.

    Pictures are in the order of split, class and name. Files that are no RGB picture, or
    do not lie at such a place, are left out by name.

    Returns:
        `x_train`, `x_val` (n, size, size, 3) uint8, `y_train`, `y_val` (n,) uint8 from 0 in
        the order of `classes` (k,) str, `names_train`, `names_val` (n,) str (`class/file`),
        and `left_out` (m, 2) str (path in the archive, reason).

    Raises:
        KerasbookError: no readable zip archive, a path that leaves the archive, a file packed by
            another method than deflate, more data than pictures of that kind can be, or a split
            or class without pictures.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_folders(path, archive, size)
    except FileNotFoundError as error:
        raise KerasbookError(
            f"{path}: not found. Expected a downloaded archive; run snakemake again to fetch it."
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise KerasbookError(
            f"{path}: found no readable zip archive ({error}), expected a whole one. Delete the "
            "file and run snakemake again to fetch it."
        ) from error


def _read_folders(path: Path, archive: zipfile.ZipFile, size: int) -> Arrays:
    entries = _entries(path, archive)
    left_out: LeftOut = []
    found: dict[str, list[tuple[str, str, np.ndarray]]] = {split: [] for split in SPLITS}
    for entry in entries:
        parts = entry.filename.split("/")
        shown = entry.filename if entry.filename.isprintable() else ascii(entry.filename)
        if len(parts) < 3 or parts[-3] not in SPLITS or not parts[-1].isprintable():
            left_out.append((shown, "found outside train/<class>/ and val/<class>/"))
            continue
        if entry.file_size > MOST_BYTES:
            left_out.append((shown, f"found {entry.file_size:,} bytes, too many for a picture"))
            continue
        try:
            picture = read_picture(zip_member(path, archive, entry), parts[-1], size)
        except UnfitPicture as fault:
            left_out.append((shown, fault.reason))
            continue
        found[parts[-3]].append((parts[-2], parts[-1], picture))
    return _folder_arrays(path, found, left_out)


def _entries(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The archive's files in the order of their paths, once its directory is found sane."""
    # Not is_dir(), which fails where a name is empty.
    entries = [entry for entry in archive.infolist() if not entry.filename.endswith("/")]
    total = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_ARCHIVE_ENTRIES or total > MOST_ARCHIVE_BYTES:
        raise KerasbookError(
            f"{path}: found {len(entries):,} files of {total:,} bytes in all, expected at most "
            f"{MOST_ARCHIVE_ENTRIES:,} files and {MOST_ARCHIVE_BYTES:,} bytes."
        )
    for entry in entries:
        if {"", ".", ".."} & set(entry.filename.split("/")) or "\\" in entry.filename:
            raise KerasbookError(
                f"{path}: found the path {entry.filename!r} in it, expected paths inside the "
                "archive's own folders."
            )
    return sorted(entries, key=lambda entry: entry.filename)


def _folder_arrays(path: Path, found: dict[str, list], left_out: LeftOut) -> Arrays:
    classes = sorted({name for pictures in found.values() for name, _, _ in pictures})
    arrays: Arrays = {"classes": np.array(classes), "left_out": as_table(left_out)}
    for split, pictures in found.items():
        here = {name for name, _, _ in pictures}
        if len(classes) < 2 or len(classes) > 256 or here != set(classes):
            raise KerasbookError(
                f"{path}: found pictures of {sorted(here) or 'nothing'} in {split}, expected "
                f"pictures of each of two to 256 classes (train and val hold {classes})."
            )
        codes = {name: code for code, name in enumerate(classes)}
        pictures.sort(key=lambda one: (codes[one[0]], one[1]))
        arrays[f"x_{split}"] = np.stack([picture for _, _, picture in pictures])
        arrays[f"y_{split}"] = np.array([codes[name] for name, _, _ in pictures], np.uint8)
        arrays[f"names_{split}"] = np.array([f"{name}/{file}" for name, file, _ in pictures])
        pictures.clear()
    return arrays


def make_photo_patches(size: int = PATCH, step: int = PATCH_STEP) -> Arrays:
    """Which photograph is this patch from? Made of scikit-learn's two photographs.

    Patches for training come from the left half of each picture, those for validation from
    its right half, so that no pixel is in both. The form is that of `load_picture_folders`.

    Args:
        size: height and width of a patch, in pixels.
        step: from one patch to the next, in pixels.
    """
    paths = _bundled_photographs()
    found: dict[str, list] = {split: [] for split in SPLITS}
    for name in ("china", "flower"):
        picture = read_picture(paths[name].read_bytes(), paths[name].name)
        half = picture.shape[1] // 2
        for split, part in (("train", picture[:, :half]), ("val", picture[:, half:])):
            found[split] += [
                (name, f"row{row:03d}_column{column:03d}.png", patch)
                for row, column, patch in _patches(part, size, step)
            ]
    return _folder_arrays(Path("scikit-learn's photographs"), found, [])


def _patches(picture: np.ndarray, size: int, step: int) -> Iterable[tuple[int, int, np.ndarray]]:
    height, width = picture.shape[:2]
    for row in range(0, height - size + 1, step):
        for column in range(0, width - size + 1, step):
            yield row, column, picture[row : row + size, column : column + size]


def smoke_folders(arrays: Arrays, per_split: int = SMOKE_PATCHES) -> Arrays:
    """The arrays of `load_picture_folders` cut to the first few pictures of each class."""
    cut = dict(arrays)
    each = max(1, per_split // len(arrays["classes"]))
    for split in SPLITS:
        labels = arrays[f"y_{split}"]
        first = [np.flatnonzero(labels == code)[:each] for code in np.unique(labels)]
        for name in ("x", "y", "names"):
            cut[f"{name}_{split}"] = arrays[f"{name}_{split}"][np.concatenate(first)]
    return cut
