"""Which rows a model of chapter 4.3 learns from, watches, and is tested on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasbook.errors import KerasbookError

SPLIT_SEED = 42  # line 976 of the chapters: every run of the cell draws with the same seed


@dataclass(frozen=True)
class Fit:
    """Rows of one call of `fit`, as indices (n,) int64 into the table."""

    train: np.ndarray
    watched: np.ndarray


@dataclass(frozen=True)
class Plan:
    """All that happens to a model, in order.

    Attributes:
        all_rows: what the epochs before the first split learn from.
        before: the earlier runs of the splitting cell.
        final: the fit that the tutorial prints.
        test: the rows that the results are told of: the test rows, or where none are
            held out the rows that were learnt from.
    """

    all_rows: np.ndarray
    before: tuple[Fit, ...]
    final: Fit
    test: np.ndarray


def split(rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Training and test rows as scikit-learn's `train_test_split` with the printed seed.

    The number of test rows is rounded up, and they come first in the drawn order.

    Raises:
        KerasbookError: no row is left to learn from.
    """
    n_test = math.ceil(share * len(rows))
    if not 0 < n_test < len(rows):
        raise KerasbookError(
            f"chapter 4.3, splitting {len(rows)} rows: found {n_test} test rows, expected between "
            f"1 and {len(rows) - 1}; lower runs_before or change held_out."
        )
    order = np.random.RandomState(SPLIT_SEED).permutation(len(rows))
    return rows[order[n_test:]], rows[order[:n_test]]


def plan(n: int, seed: int, settings: Mapping[str, Any]) -> Plan:
    """The rows of every fit of an experiment.

    Args:
        n: rows of the table.
        seed: shuffles the rows once, as the tutorial does when it loads them.
        settings: of a `Network` or a `Reference`, as plain values.
    """
    rows = np.random.default_rng(seed).permutation(n)
    nothing = np.empty(0, np.int64)
    if settings["held_out"] == 0:
        learnt, watched = _with_watched(rows, nothing, settings)
        return Plan(rows, (), Fit(learnt, watched), rows)
    runs = []
    left = rows
    for _ in range(settings.get("runs_before", 0) + 1):
        left, test = split(left, settings["held_out"])
        runs.append(Fit(left, test))
    learnt, watched = _with_watched(left, test, settings)
    # Test rows of earlier runs are no training rows of later ones, so only the last ones matter.
    kept_away = {
        "all_rows": nothing,
        "without_test_rows": test,
        "training_rows": np.union1d(test, watched),
    }[settings.get("learnt_before", "all_rows")]
    before = tuple(Fit(_less(run.train, kept_away), run.watched) for run in runs[:-1])
    return Plan(_less(rows, kept_away), before, Fit(learnt, watched), test)


def _less(rows: np.ndarray, away: np.ndarray) -> np.ndarray:
    """The rows that are not among `away`, in their order."""
    return rows[~np.isin(rows, away)] if len(away) else rows


def _with_watched(
    train: np.ndarray, test: np.ndarray, settings: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows to watch; `split` takes the last ones, as Keras does."""
    kind = settings.get("validation", "none")
    if kind == "test":
        return train, test
    if kind == "none":
        return train, train[:0]
    learnt = int(len(train) * (1 - settings["validation_split"]))
    return train[:learnt], train[learnt:]


def share_seen(told: Plan, settings: Mapping[str, Any]) -> float:
    """The share of the test rows that the model has learnt from in any of its fits."""
    fits = [told.final.train]
    if settings.get("epochs_before"):
        fits.append(told.all_rows)
    if settings.get("fits_before"):
        fits += [one.train for one in told.before]
    return float(np.isin(told.test, np.unique(np.concatenate(fits))).mean())


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation (n_features,) float32 of the counts, or of log(1 + count)."""

    mean: np.ndarray
    deviation: np.ndarray
    logarithm: bool

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Counts (n, n_features) as float32 of about mean 0 and variance 1."""
        values = counts.astype(np.float32)
        if self.logarithm:
            np.log1p(values, out=values)
        values -= self.mean
        values /= self.deviation
        return values


def scaling(counts: np.ndarray, features: str) -> Scaling:
    """The scaling of some rows (n, n_features); a column that is constant is left at zero."""
    logarithm = features == "log_counts"
    values = counts.astype(np.float64)
    values = np.log1p(values) if logarithm else values
    deviation = values.std(axis=0)
    deviation[deviation == 0] = 1.0
    return Scaling(values.mean(axis=0).astype(np.float32), deviation.astype(np.float32), logarithm)


def scaling_of(data: Mapping[str, np.ndarray], told: Plan, settings: Mapping[str, Any]) -> Scaling:
    """The scaling of all rows, or of those that neither judge nor stop the training."""
    counts = data["x_train"]
    if settings["scaled_on"] == "training_rows":
        kept = np.ones(len(counts), bool)
        for away in (told.test, told.final.watched):
            kept[away] = settings["held_out"] == 0
        counts = counts[kept]
    return scaling(counts, settings["features"])
