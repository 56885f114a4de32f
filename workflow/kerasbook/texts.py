"""Many texts as two arrays, and the labelled texts of the book read from their files.

Texts are kept as the UTF-8 bytes of all of them in one row and the offsets of their
boundaries: arrays that a .npz file holds without pickled objects.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from kerasbook.archives import members
from kerasbook.errors import KerasbookError
from kerasbook.safe_pickle import load_texts

FETCH_AGAIN = "Delete the file and run snakemake again to fetch it."
# No file of texts of these data sets holds more.
LARGEST_TEXT = 1 << 28
# Reviews of each split and label; ratings of 1 to 4 stars are negative, 7 to 10 positive
# (Maas et al., 2011).
REVIEWS_PER_GROUP = 12_500
REVIEW = re.compile(r"aclImdb/(train|test)/(neg|pos)/([0-9]+)_([0-9]+)\.txt")
RATINGS = {"neg": range(1, 5), "pos": range(7, 11)}

Arrays = dict[str, np.ndarray]


def pack(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Texts as arrays.

    Returns:
        texts (total,) uint8, the UTF-8 bytes of all texts one after the other, and
        offsets (n + 1,) int64: text i is `texts[offsets[i] : offsets[i + 1]]`.
    """
    return pack_bytes([text.encode("utf-8", "surrogatepass") for text in texts])


def pack_bytes(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """`pack` of texts that are UTF-8 bytes already."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return np.frombuffer(b"".join(texts), np.uint8), offsets


def unpack(texts: np.ndarray, offsets: np.ndarray) -> list[str]:
    """The texts that `pack` put together.

    Raises:
        KerasbookError: the offsets do not fit the bytes, or a text is no UTF-8.
    """
    bounds = offsets.tolist()
    if not bounds or bounds[0] != 0 or bounds[-1] != len(texts) or np.any(np.diff(offsets) < 0):
        raise KerasbookError(
            f"texts: found {len(texts):,} bytes with offsets that do not rise from 0 to that "
            "number, expected what pack() gives; run the preprocess step again."
        )
    whole = np.ascontiguousarray(texts, np.uint8).tobytes()
    try:
        return [
            whole[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(bounds)
        ]
    except UnicodeDecodeError as error:
        raise KerasbookError(f"texts: found bytes that are no UTF-8 ({error}).") from error


def labelled(
    groups: Sequence[Sequence[str]], labels: Sequence[int], names: Sequence[str]
) -> Arrays:
    """Groups of texts, each of one label, one group after the other.

    Args:
        groups: the texts of each group.
        labels: the label of each group.
        names: what the labels 0, 1, ... are called.

    Returns:
        `texts`, `offsets` as of `pack`, `labels` (n,) uint8 and `label_names` (k,) str.
    """
    texts, offsets = pack([text for group in groups for text in group])
    sizes = [len(group) for group in groups]
    return {
        "texts": texts,
        "offsets": offsets,
        "labels": np.repeat(np.array(labels, np.uint8), sizes),
        "label_names": np.array(names),
    }


def _unreadable(path: Path, error: OSError) -> KerasbookError:
    return KerasbookError(
        f"{path}: cannot be read ({error.strerror or error}). Expected a downloaded file; "
        "run snakemake again to fetch it."
    )


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not content or len(content) > LARGEST_TEXT:
        found = f"more than {LARGEST_TEXT:,} bytes" if content else "an empty file"
        raise KerasbookError(f"{path}: found {found}, expected text. {FETCH_AGAIN}")
    return content


def load_text(path: str | Path) -> Arrays:
    """A file's bytes.

    Returns:
        `text` (n,) uint8.

    Raises:
        KerasbookError: missing, empty or far too large.
    """
    return {"text": np.frombuffer(_bytes_of(Path(path)), np.uint8)}


def load_posts(female: str | Path, male: str | Path) -> Arrays:
    """The blog posts of two pickled lists, first the women's, nothing filtered.

    Returns:
        As `labelled`, with the labels 0 (female) and 1 (male).

    Raises:
        KerasbookError: as `safe_pickle.load_texts`.
    """
    return labelled([load_texts(female), load_texts(male)], [0, 1], ["female", "male"])


def load_lines(negative: str | Path, positive: str | Path) -> Arrays:
    """The lines of two Latin-1 files, first the positive ones.

    A line ends at a line feed alone: the files hold other characters that Python's
    `splitlines` takes for line ends.

    Returns:
        As `labelled`, with the labels 0 (negative) and 1 (positive).

    Raises:
        KerasbookError: a file is missing, or holds an empty line.
    """
    groups = [_lines_of(Path(path)) for path in (positive, negative)]
    return labelled(groups, [1, 0], ["negative", "positive"])


def _lines_of(path: Path) -> list[str]:
    lines = _bytes_of(path).decode("latin-1").split("\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            raise KerasbookError(
                f"{path}, line {number}: found nothing, expected a sentence. {FETCH_AGAIN}"
            )
    return lines


def load_reviews(path: str | Path, most_bytes: int, per_group: int = REVIEWS_PER_GROUP) -> Arrays:
    """The labelled reviews of the IMDB archive, read in one pass without extracting it.

    The reviews stand in the order train neg, train pos, test neg, test pos, each by file name.

    Args:
        most_bytes: what all reviews hold at most, in bytes.
        per_group: reviews of each split and label.

    Returns:
        As `labelled`, with the labels 0 (negative) and 1 (positive), and `split` (n,)
        uint8, 0 for training and 1 for test.

    Raises:
        KerasbookError: as `archives.members`, another number of reviews, a rating that does
            not fit the folder, or a review that is no UTF-8.
    """
    path = Path(path)
    groups: dict[tuple[str, str], list[tuple[str, bytes]]] = {
        (split, label): [] for split in ("train", "test") for label in ("neg", "pos")
    }
    try:
        for name, content in members(path, REVIEW, most_bytes):
            split, label, _, rating = REVIEW.fullmatch(name).groups()
            if int(rating[:3]) not in RATINGS[label]:
                raise KerasbookError(
                    f"{path}: found '{name}', a rating of {rating[:3]} stars under {label}; "
                    f"expected 1 to 4 under neg and 7 to 10 under pos. {FETCH_AGAIN}"
                )
            groups[split, label].append((name, content))
    except OSError as error:
        raise _unreadable(path, error) from error
    for (split, label), reviews in groups.items():
        if len(reviews) != per_group:
            raise KerasbookError(
                f"{path}: found {len(reviews):,} reviews in aclImdb/{split}/{label}, expected "
                f"{per_group:,}. {FETCH_AGAIN}"
            )
        reviews.sort()
    ordered = [review for reviews in groups.values() for review in reviews]
    for name, content in ordered:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise KerasbookError(
                f"{path}: found bytes in '{name}' that are no UTF-8 ({error}). {FETCH_AGAIN}"
            ) from error
    texts, offsets = pack_bytes([content for _, content in ordered])
    return {
        "texts": texts,
        "offsets": offsets,
        "labels": np.tile(np.repeat(np.array([0, 1], np.uint8), per_group), 2),
        "label_names": np.array(["negative", "positive"]),
        "split": np.repeat(np.array([0, 1], np.uint8), 2 * per_group),
    }


def cut_texts(arrays: Arrays, rows: np.ndarray) -> Arrays:
    """The labelled texts at some positions, in that order; every array of n rows is cut.

    Args:
        arrays: as `labelled` gives them, with `split` or without.
        rows: positions, (k,).
    """
    starts, ends = arrays["offsets"][rows], arrays["offsets"][rows + 1]
    whole = arrays["texts"]
    pieces = [whole[start:end] for start, end in zip(starts.tolist(), ends.tolist())]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(ends - starts, out=offsets[1:])
    cut = arrays | {
        "texts": np.concatenate([np.empty(0, np.uint8), *pieces]),
        "offsets": offsets,
    }
    return cut | {name: arrays[name][rows] for name in ("labels", "split") if name in arrays}
