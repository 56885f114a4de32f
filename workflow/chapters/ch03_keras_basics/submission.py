"""Kaggle's submission file of the Otto competition."""

from pathlib import Path

import numpy as np

from kerasbook.errors import KerasbookError
from kerasbook.files import written_whole


def write_submission(
    path: Path, ids: np.ndarray, classes: np.ndarray, probabilities: np.ndarray
) -> None:
    """Write `id,Class_1,...` and a line per row, in the order given, whole or not at all.

    Args:
        ids: (n,) of the rows.
        classes: (k,) names, the columns' own.
        probabilities: (n, k), each row's sum 1.

    Raises:
        KerasbookError: shapes that do not agree, or a row that holds no probabilities.
    """
    import pandas as pd

    if probabilities.shape != (len(ids), len(classes)):
        raise KerasbookError(
            f"{path}: found probabilities of shape {probabilities.shape}, expected "
            f"{(len(ids), len(classes))}, a row per id and a column per class."
        )
    bad = ~(np.isfinite(probabilities).all(axis=1) & (probabilities >= 0).all(axis=1))
    bad |= np.abs(probabilities.sum(axis=1) - 1) > 1e-3
    if bad.any():
        raise KerasbookError(
            f"{path}: found {int(bad.sum())} rows that are no probabilities, the first that of id "
            f"{ids[bad.argmax()]}; expected numbers from 0 with the sum 1. Look at the training "
            "log: a network that diverged gives such rows."
        )
    table = pd.DataFrame(probabilities, columns=list(classes))
    table.insert(0, "id", ids)
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
