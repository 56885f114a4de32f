"""Data that the installed libraries carry, in the form of the book's: the stand-ins."""

import ast
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from kerasbook.errors import KerasbookError
from kerasbook.texts import Arrays, labelled

DIGITS_TEST_ROWS = 360
DIGITS_SPLIT_SEED = 0
MOONS_ROWS = 500
MOONS_NOISE = 0.2
MOONS_SEED = 0

HELP_BYTES = 300_000

# Whose docstring is it? The folder that Python imports, and the label's name.
DOCUMENTED = {"pandas": "pandas", "sklearn": "scikit-learn"}
DOCSTRINGS = 750  # of each package; so the next two
SENTENCES = 2_000
PARAGRAPHS = {"train": 1_000, "test": 500}
SHORTEST_DOCSTRING = 200  # characters
SENTENCE_WORDS = range(5, 51)
SHORTEST_PARAGRAPH = 20  # words
# Every third docstring's paragraphs are for testing.
TEST_EVERY = 3

# A heading of numpydoc: a line and its underline.
_HEADING_LINES = re.compile(r"^[ \t]*[A-Z][^\n]*\n[ \t]*-{3,}[ \t]*$", re.MULTILINE)
_HEADING = re.compile(f"(?={_HEADING_LINES.pattern})", re.MULTILINE)
_EXAMPLES = re.compile(r"[ \t]*Examples?\b")
_CODE = re.compile(r"^[ \t]*(>>>|\.\.\.( |$)|\.\. ).*\n?", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_BLANK_LINES = re.compile(r"\n\s*\n")


# ---------------------------------------------------------------------------- numbers


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


def make_digit_counts() -> Arrays:
    """scikit-learn's 1,797 handwritten digits as rows of counts, in the form of the Otto tables.

    Each of the 64 counts, from 0 to 16, says how many dark pixels a block of 4 x 4 held. The
    split is that of `make_digits`.

    Returns:
        `x_train` (1437, 64), `x_test` (360, 64) uint16, `y_train` (1437,) uint8 from 0 in the
        order of `classes` (10,) str, and `id_test` (360,) int64 from 1.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x_train, x_test, y_train, _ = train_test_split(
        digits.data.astype(np.uint16),
        digits.target.astype(np.uint8),
        test_size=DIGITS_TEST_ROWS,
        random_state=DIGITS_SPLIT_SEED,
        stratify=digits.target,
    )
    return {
        "x_train": x_train,
        "y_train": y_train,
        "classes": np.array([f"digit_{digit}" for digit in range(10)]),
        "x_test": x_test,
        "id_test": np.arange(1, len(x_test) + 1, dtype=np.int64),
    }


# ---------------------------------------------------------------------------- text


def make_help_topics(most_bytes: int = HELP_BYTES) -> Arrays:
    """Python's own help topics in alphabetical order, whole topics up to a size.

    Returns:
        `text` (n,) uint8, n at most `most_bytes`.
    """
    from pydoc_data.topics import topics

    kept, size = [], 0
    for name in sorted(topics):
        topic = topics[name].strip().encode() + b"\n\n"
        if size + len(topic) > most_bytes:
            break
        kept.append(topic)
        size += len(topic)
    return {"text": np.frombuffer(b"".join(kept), np.uint8)}


def _sources(package: str) -> list[Path]:
    """The Python files of an installed package but its tests; nothing is imported.

    They are in the order of a digest of their names, which mixes the parts of the package,
    so that the first few stand for all of them.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise KerasbookError(
            f"bundled texts: found no installed {package}, expected it with its .py files; "
            "install the environment of the README."
        )
    folder = Path(found.origin).parent
    names = [file.relative_to(folder).as_posix() for file in folder.rglob("*.py")]
    kept = [name for name in names if "tests" not in name.split("/")]
    kept.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    return [folder / name for name in kept]


def _documented(node: ast.AST) -> Iterator[str]:
    """The docstrings of a module, class or function and of all that it defines, in order."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        text = ast.get_docstring(node)
        if text:
            yield text
    for part in ("body", "orelse", "handlers", "finalbody"):
        inner = getattr(node, part, [])
        for child in inner if isinstance(inner, list) else []:
            yield from _documented(child)


def prose(docstring: str) -> str:
    """A docstring without its examples and other code, whose imports would name the package."""
    sections = _HEADING.split(docstring)
    kept = [section for section in sections if not _EXAMPLES.match(section)]
    return _CODE.sub("", "".join(kept)).strip()


def _docstrings(package: str) -> Iterator[str]:
    """The prose of every docstring of a package, each once; files are read as they are needed."""
    seen = set()
    for file in _sources(package):
        for docstring in _documented(ast.parse(file.read_bytes())):
            text = prose(docstring)
            if len(text) >= SHORTEST_DOCSTRING and text not in seen:
                seen.add(text)
                yield text


def make_docstrings() -> Arrays:
    """Whose docstring is it: pandas' or scikit-learn's?

    The installed .py files are parsed and not imported. Examples are left out, as their
    imports give the answer away.

    Returns:
        As `texts.labelled`: first pandas' texts (label 0), then scikit-learn's (label 1).
    """
    groups = [list(islice(_docstrings(package), DOCSTRINGS)) for package in DOCUMENTED]
    return labelled(groups, [0, 1], list(DOCUMENTED.values()))


def make_docstring_sentences() -> Arrays:
    """Whose sentence is it? Sentences of 5 to 50 words from the docstrings, each once.

    Returns:
        As `texts.labelled`, in the order of the book's sentences: first those of label 1
        (scikit-learn), then those of label 0 (pandas).
    """
    groups = [list(islice(_sentences(package), SENTENCES)) for package in reversed(DOCUMENTED)]
    return labelled(groups, [1, 0], list(DOCUMENTED.values()))


def _sentences(package: str) -> Iterator[str]:
    seen = set()
    for docstring in _docstrings(package):
        for paragraph in _paragraphs(docstring):
            for sentence in _SENTENCE_END.split(paragraph):
                if (
                    len(sentence.split()) in SENTENCE_WORDS
                    and sentence[0].isupper()
                    and sentence[-1] in ".!?"
                    and sentence not in seen
                ):
                    seen.add(sentence)
                    yield sentence


def _paragraphs(docstring: str) -> list[str]:
    """The paragraphs of a docstring, each on one line, without numpydoc's headings."""
    plain = _HEADING_LINES.sub("\n", docstring)
    return [" ".join(part.split()) for part in _BLANK_LINES.split(plain)]


def make_docstring_paragraphs() -> Arrays:
    """Whose paragraph is it? Paragraphs of 20 words and more, split by docstring.

    A paragraph that several docstrings share is kept once, where it first stands, so that
    none is in both parts.

    Returns:
        As `texts.load_reviews`: training texts of label 0 (pandas), of label 1 (scikit-learn),
        then test texts of label 0, of label 1; with `split` (n,) uint8.
    """
    seen: set[str] = set()
    by_package = [_split_paragraphs(package, seen) for package in DOCUMENTED]
    groups = [parts[part] for part in PARAGRAPHS for parts in by_package]
    arrays = labelled(groups, [0, 1, 0, 1], list(DOCUMENTED.values()))
    sizes = [len(group) for group in groups]
    return arrays | {"split": np.repeat(np.array([0, 0, 1, 1], np.uint8), sizes)}


def _split_paragraphs(package: str, seen: set[str]) -> dict[str, list[str]]:
    """The paragraphs of a package for training and for test, without those of `seen`."""
    parts: dict[str, list[str]] = {part: [] for part in PARAGRAPHS}
    for number, docstring in enumerate(_docstrings(package)):
        part = "test" if number % TEST_EVERY == TEST_EVERY - 1 else "train"
        for paragraph in _paragraphs(docstring):
            if len(paragraph.split()) >= SHORTEST_PARAGRAPH and paragraph not in seen:
                seen.add(paragraph)
                parts[part].append(paragraph)
        if all(len(parts[part]) >= count for part, count in PARAGRAPHS.items()):
            break
    return {part: parts[part][:count] for part, count in PARAGRAPHS.items()}
