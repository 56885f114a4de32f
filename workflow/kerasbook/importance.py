"""Which hyperparameter mattered: how much worse a model of the metric does without each.

A model learns from the points' values in which order the metric puts them. A key's importance is
the share of that order's variance in which the key has a part, alone or with others (the total
effect of Sobol; half of what the squared error grows by when the key's values are shuffled, as
in Jansen 1999), on points that the model did not learn from. It is around zero, on either side,
for a key that changes nothing, and near one for a key that decides everything. Ranks and not the
metric itself, as one loss that ran away would be all the variance.

The interval comes from the bootstrap over points: each time the model learns from points drawn
with replacement and is asked about those that were not drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Fewer points say nothing of their keys.
LEAST_POINTS = 8
# From here on a forest sees what the keys do together; below, each key's values get an effect.
LEAST_FOR_FOREST = 40
RESAMPLES = 100
SHUFFLES = 3


@dataclass(frozen=True)
class Importance:
    """A key's importance, and the interval that holds 95 % of the resamples."""

    key: str
    mean: float
    lower: float
    upper: float

    @property
    def stands_out(self) -> bool:
        """Whether the interval lies above zero."""
        return self.lower > 0


def columns_of(points: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> np.ndarray:
    """The values of the points as numbers, (n_points, n_keys) float64.

    Values that are no numbers are counted in the order of their appearance.
    """
    columns = []
    for key in keys:
        values = [point[key] for point in points]
        if all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
            columns.append(np.array(values, dtype=np.float64))
        else:
            order = {text: place for place, text in enumerate(dict.fromkeys(map(str, values)))}
            columns.append(np.array([order[str(one)] for one in values], dtype=np.float64))
    return np.column_stack(columns)


def ranks(metric: Sequence[float | None], better: str) -> np.ndarray:
    """The points' ranks (n_points,) float64, 1 for the best; equal ones share their mean rank.

    Points without a number, whose training ran away, share the last rank.
    """
    from scipy.stats import rankdata

    numbers = np.array([np.nan if one is None else one for one in metric], dtype=np.float64)
    signed = -numbers if better == "more" else numbers
    return rankdata(np.where(np.isfinite(signed), signed, np.inf))


def _model(values: np.ndarray) -> Any:
    """What learns the order: effects of single values for small grids, else a forest."""
    n_points = len(values)
    categories = [np.unique(column) for column in values.T]
    few_values = max(map(len, categories)) <= max(2, n_points // 3)
    if few_values and n_points < LEAST_FOR_FOREST:
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder

        # Hardly any penalty: what a balanced analysis of variance would fit.
        return make_pipeline(OneHotEncoder(categories=categories), Ridge(alpha=0.1))
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(n_estimators=30, min_samples_leaf=2, n_jobs=1)


def importances(
    points: Sequence[Mapping[str, Any]],
    keys: Sequence[str],
    order: Sequence[float],
    seed: int = 1,
) -> list[Importance]:
    """The importance of each key, the greatest first; nothing where the points are too few.

    Args:
        points: their values by key, (n_points,).
        order: the points' ranks, (n_points,).
    """
    target = np.asarray(order, dtype=np.float64)
    n = len(target)
    if n < LEAST_POINTS or np.ptp(target) == 0:
        return []
    values = columns_of(points, keys)
    source = np.random.default_rng(seed)
    model = _model(values)
    drops: list[np.ndarray] = []
    while len(drops) < RESAMPLES:
        drawn = source.integers(n, size=n)
        left = np.setdiff1d(np.arange(n), drawn)
        if len(left) < 2 or np.ptp(target[drawn]) == 0:
            continue
        if "random_state" in model.get_params():
            model.set_params(random_state=int(source.integers(2**31)))
        model.fit(values[drawn], target[drawn])
        drops.append(_drops(model, values[left], target[left], source))
    # Without the last digits, in which a key of a single value would differ from zero.
    shares = np.round(np.array(drops) / (2 * target.var()), 9)
    lower, upper = np.percentile(shares, [2.5, 97.5], axis=0)
    found = [
        Importance(key, float(mean), float(low), float(high))
        for key, mean, low, high in zip(keys, shares.mean(axis=0), lower, upper)
    ]
    return sorted(found, key=lambda one: -one.mean)


def _drops(
    model: Any, values: np.ndarray, target: np.ndarray, source: np.random.Generator
) -> np.ndarray:
    """By how much the squared error grows when each column (n_keys,) is shuffled."""
    n, keys = values.shape
    asked = np.repeat(values[np.newaxis], 1 + keys * SHUFFLES, axis=0)
    for key in range(keys):
        for turn in range(SHUFFLES):
            place = 1 + key * SHUFFLES + turn
            asked[place, :, key] = values[source.permutation(n), key]
    said = model.predict(asked.reshape(-1, keys)).reshape(len(asked), n)
    errors = ((said - target) ** 2).mean(axis=1)
    return errors[1:].reshape(keys, SHUFFLES).mean(axis=1) - errors[0]
