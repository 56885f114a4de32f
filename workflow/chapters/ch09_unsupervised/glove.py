"""GloVe vectors (Pennington, Socher and Manning 2014), read for the words that are needed.

A file of vectors is text: a line holds a word and its numbers, parted by single blanks. The
published one has 400,000 lines in an archive of 862 MB; it is read as a stream, and only the
vectors of the vocabulary are kept.
"""

import contextlib
import logging
import math
import zipfile
import zlib
from collections.abc import Collection, Iterator
from importlib import resources
from pathlib import Path
from typing import IO

import numpy as np

from kerasbook.archives import require_bounded
from kerasbook.errors import KerasbookError

logger = logging.getLogger(__name__)

# A line of 300 numbers is 3 kB long; a file without line ends is not read into memory.
LONGEST_LINE = 1 << 16


def bundled_file() -> Path:
    """A small file of true GloVe vectors that gensim carries for its own tests."""
    return Path(str(resources.files("gensim") / "test" / "test_data" / "test_glove.txt"))


@contextlib.contextmanager
def _opened(path: Path, dimension: int) -> Iterator[IO[bytes]]:
    """The lines of a text file, or of an archive's file for this dimension."""
    if path.suffix != ".zip":
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        fitting = [name for name in names if name.endswith(f".{dimension}d.txt")]
        if len(fitting) != 1:
            raise KerasbookError(
                f"{path}: found {', '.join(names) or 'no file'} in it, expected one file whose "
                f"name ends in .{dimension}d.txt; set embedding_dim to a dimension that is there."
            )
        require_bounded(path, archive.getinfo(fitting[0]))
        with archive.open(fitting[0]) as file:
            yield file


def read_vectors(
    path: str | Path, words: Collection[str], dimension: int
) -> tuple[dict[str, np.ndarray], int]:
    """The vectors of some words.

    Args:
        path: a text file, or a .zip that holds one ending in `.<dimension>d.txt`.
        words: those that are wanted; what the others are is not looked at further.
        dimension: of the vectors.

    Returns:
        word -> (dimension,) float32, without the words that the file lacks, and how many lines
        the file has. Of a word that stands there twice the first vector counts.

    Raises:
        KerasbookError: no such file, a damaged or encrypted archive, a wanted word's line of
            another length or with something else than finite numbers, or a line that is no text.
    """
    path, wanted = Path(path), frozenset(words)
    found: dict[str, np.ndarray] = {}
    number = 0
    try:
        with _opened(path, dimension) as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
                _read_line(line, f"{path}, line {number}", wanted, dimension, found)
    except OSError as error:
        raise KerasbookError(
            f"{path}: cannot be read ({error.strerror or error}). Expected GloVe vectors; run "
            "snakemake again to fetch them."
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # or encrypted
        raise KerasbookError(
            f"{path}: found a damaged archive ({error}), expected a whole one. Delete the file "
            "and run snakemake again to fetch it."
        ) from error
    if not number:
        raise KerasbookError(f"{path}: found an empty file, expected a word and numbers per line.")
    logger.info("%s: %d lines, vectors of %d of %d words", path, number, len(found), len(wanted))
    return found, number


def _read_line(
    line: bytes, where: str, wanted: frozenset[str], dimension: int, found: dict[str, np.ndarray]
) -> None:
    if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
        raise KerasbookError(
            f"{where}: found more than {LONGEST_LINE:,} bytes, expected a word and "
            f"{dimension} numbers."
        )
    word, _, rest = line.rstrip(b"\r\n").partition(b" ")
    try:
        name = word.decode("utf-8")
    except UnicodeDecodeError as error:
        raise KerasbookError(
            f"{where}: found bytes that are no UTF-8 ({error}), expected a word and numbers."
        ) from error
    if name not in wanted:
        return
    if name in found:
        logger.warning("%s: the word %r stands there again; its first vector counts", where, name)
        return
    cells = rest.split()
    if len(cells) != dimension:
        raise KerasbookError(
            f"{where}: found {len(cells)} numbers after {name!r}, expected {dimension}; set "
            "embedding_dim to the dimension of the file, or fetch the file again."
        )
    try:
        values = [float(cell) for cell in cells]
    except ValueError as error:
        raise KerasbookError(f"{where}: found {error}, expected numbers after {name!r}.") from error
    if not all(map(math.isfinite, values)):
        raise KerasbookError(f"{where}: found a number that is not finite, after {name!r}.")
    found[name] = np.array(values, np.float32)


def embedding(
    path: str | Path, words: list[str], dimension: int, seed: int, reach: float
) -> tuple[np.ndarray, int]:
    """A first embedding: the file's vectors, and uniform draws for the words that it lacks.

    Args:
        words: the vocabulary, in the order of its indices.
        reach: draws lie in [-reach, reach).

    Returns:
        (n_words, dimension) float32, and how many of the words the file knows.
    """
    found, _ = read_vectors(path, words, dimension)
    table = np.random.default_rng(seed).uniform(-reach, reach, (len(words), dimension))
    rows = table.astype(np.float32)
    for place, word in enumerate(words):
        if word in found:
            rows[place] = found[word]
    return rows, len(found)
