"""The names of the classes that a network knows, and its best answers in words."""

import json
from pathlib import Path

import numpy as np

from kerasbook.errors import KerasbookError

N_CLASSES = 1000
MOST_BYTES = 1_000_000


def read_class_index(path: str | Path) -> list[tuple[str, str]]:
    """WordNet id and name of each class of `imagenet_class_index.json`, in the order of classes.

    Raises:
        KerasbookError: no JSON, or another shape than {"0": ["n01440764", "tench"], ...} with
            1,000 classes.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        table = json.loads(content)
    except FileNotFoundError as error:
        raise KerasbookError(f"{path}: not found; run snakemake again to fetch it.") from error
    except (ValueError, RecursionError) as error:
        raise KerasbookError(
            f"{path}: found no JSON ({error}), expected the names of ImageNet's classes; delete "
            "the file and run snakemake again."
        ) from error
    wanted = {str(number) for number in range(N_CLASSES)}
    found = len(table) if isinstance(table, dict | list) else type(table).__name__
    if not isinstance(table, dict) or set(table) != wanted:
        raise KerasbookError(
            f"{path}: found {found} entries, expected the classes 0 to {N_CLASSES - 1}."
        )
    for key, entry in table.items():
        texts = isinstance(entry, list) and all(isinstance(one, str) and one for one in entry)
        if not texts or len(entry) != 2:
            raise KerasbookError(
                f"{path}: found {str(entry)[:80]} for class {key}, expected a WordNet id and a "
                "name."
            )
    return [tuple(table[str(number)]) for number in range(N_CLASSES)]


def best(probabilities: np.ndarray, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """The `k` largest probabilities of each row and their classes, largest first.

    Args:
        probabilities: (n, classes); k is cut to the number of classes.

    Returns:
        classes (n, k) int64 and probabilities (n, k).
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(probabilities, order, axis=1)
