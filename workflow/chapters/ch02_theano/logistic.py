"""Logistic regression in numpy: what both libraries' descents are measured by.

The loss is that of the tutorial (line 812 of the chapters): the mean cross-entropy plus
`penalty` times the sum of the squared weights; the bias is not penalised.
"""

from typing import NamedTuple

import numpy as np

from kerasbook.errors import KerasbookError


class Line(NamedTuple):
    """What a logistic regression learns: weights (n_features,) and a bias, float64."""

    weights: np.ndarray
    bias: float

    def difference(self, other: "Line") -> float:
        """The largest difference of any weight or of the bias; NaN if one is not finite."""
        gaps = np.append(np.abs(self.weights - other.weights), abs(self.bias - other.bias))
        return float(gaps.max())


def scaling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, (n_features,) float64.

    A column that never varies gets 1, so that dividing by it leaves it at zero.
    """
    mean, sd = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    return mean, np.where(sd > 0, sd, 1.0)


def standardised(x: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Columns brought to mean 0 and standard deviation 1: (n, n_features) float64."""
    out = x.astype(np.float64)
    out -= mean
    out /= sd
    return out


def for_counts(line: Line, mean: np.ndarray, sd: np.ndarray) -> Line:
    """The same line for rows that are not standardised."""
    weights = line.weights / sd
    return Line(weights, float(line.bias - mean @ weights))


def logits(x: np.ndarray, line: Line) -> np.ndarray:
    """The log odds of class 1 for each row, (n,) float64."""
    return x @ line.weights + line.bias


def cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Nats of each row, (n,), from its log odds: log(1 + exp(z)) - y z, which never overflows."""
    with np.errstate(invalid="ignore"):  # log odds that are not a number have no loss
        return np.logaddexp(0.0, z) - y * z


def written_cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same as the tutorial writes it (lines 809 to 811), in the precision of `z`.

    Where the sigmoid rounds to 1 or its exponential overflows, the logarithm of zero is
    infinite, and zero times it is not a number.
    """
    one = z.dtype.type(1)
    y = y.astype(z.dtype)
    with np.errstate(all="ignore"):
        p = one / (one + np.exp(-z))
        return -y * np.log(p) - (one - y) * np.log(one - p)


def cost(x: np.ndarray, y: np.ndarray, line: Line, penalty: float) -> float:
    """What the descent minimises."""
    loss = cross_entropy(logits(x, line), y).mean()
    return float(loss + penalty * np.square(line.weights).sum())


def inverse_penalty(n: int, penalty: float) -> float:
    """The C at which scikit-learn minimises the same.

    It minimises |w|² / 2 + C · (sum of the cross-entropies). Divided by C n that is the mean
    cross-entropy plus |w|² / (2 C n), so that penalty = 1 / (2 C n).

    Raises:
        KerasbookError: no penalty, for which there is no C.
    """
    if penalty <= 0:
        raise KerasbookError(
            f"penalty: found {penalty}, expected more than 0, since scikit-learn's C is its inverse"
        )
    return 1.0 / (2.0 * n * penalty)


def reference(x: np.ndarray, y: np.ndarray, penalty: float) -> Line:
    """The minimum of the cost, by scikit-learn's LogisticRegression (L-BFGS)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=inverse_penalty(len(y), penalty), tol=1e-8, max_iter=10_000)
    model.fit(x, y)
    return Line(model.coef_[0].astype(np.float64), float(model.intercept_[0]))
