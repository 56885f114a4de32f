"""What is asked of an autoencoder and of its codes; arrays only."""

import numpy as np


def flat(pictures: np.ndarray) -> np.ndarray:
    """Pictures (n, 28, 28) of uint8 as (n, 784) of float32 between 0 and 1."""
    return pictures.reshape(len(pictures), -1).astype(np.float32) / np.float32(255)


def drawn_codes(kind: str, codes: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Codes to draw pictures from.

    Args:
        kind: `uniform`, between 0 and 1 (line 2549), or `codes`: normal, with the mean and
            covariance of the given codes, negative values set to 0 as the encoder does.
        codes: (m, k), of the training pictures.

    Returns:
        (n, k) float32.
    """
    generator = np.random.default_rng(seed)
    if kind == "uniform":
        return generator.random((n, codes.shape[1]), dtype=np.float32)
    covariance = np.cov(codes, rowvar=False).reshape(codes.shape[1], codes.shape[1])
    drawn = generator.multivariate_normal(codes.mean(axis=0), covariance, n, method="eigh")
    return np.maximum(drawn, 0).astype(np.float32)


def distance_to_nearest(pictures: np.ndarray, others: np.ndarray) -> float:
    """Root mean square difference of a picture's pixels to the nearest other, mean over pictures.

    Args:
        pictures: (n, 784), others: (m, 784), float32 between 0 and 1.
    """
    squares = (pictures**2).sum(1)[:, None] + (others**2).sum(1) - 2 * pictures @ others.T
    return float(np.sqrt(np.maximum(squares.min(axis=1), 0) / pictures.shape[1]).mean())


def cross_entropy(targets: np.ndarray, given: np.ndarray) -> float:
    """Mean binary cross-entropy (nats) per pixel, probabilities clipped as Keras clips them."""
    clipped = np.clip(given, 1e-7, 1 - 1e-7)
    return float(-np.mean(targets * np.log(clipped) + (1 - targets) * np.log1p(-clipped)))


def labelled_rows(labels: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Rows of `count` pictures drawn without replacement, as many of each digit as can be.

    Args:
        labels: (n,), n at least `count`.

    Returns:
        (count,) int64.
    """
    order = generator.permutation(len(labels))
    by_digit = order[np.argsort(labels[order], kind="stable")]
    digits = labels[by_digit]
    # Each row's place among those of its digit: the first of every digit come first.
    place = np.arange(len(digits)) - np.searchsorted(digits, digits)
    return by_digit[np.argsort(place, kind="stable")][:count]


def batches(n: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """`size` row numbers from passes over n rows, each pass in an order of its own: (size,)."""
    passes = -(-size // n)
    return np.concatenate([generator.permutation(n) for _ in range(passes)])[:size]
