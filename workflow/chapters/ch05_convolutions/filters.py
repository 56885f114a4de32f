"""Two-dimensional convolution in numpy, and what kernels do to a photograph.

What the field calls convolution is correlation: the kernel is not flipped.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# The weights of ITU-R BT.601 for red, green and blue.
LUMA = np.array([0.299, 0.587, 0.114])


def correlate2d(images: np.ndarray, kernels: np.ndarray, padding: str = "valid") -> np.ndarray:
    """Every kernel at every position of every picture: the sum of products over its square.

    Args:
        images: (n, height, width, channels).
        kernels: (kernel height, kernel width, channels, filters), as Keras stores them.
        padding: `valid` keeps to positions within the picture; `same` sets zeros around it,
            on the right and below one more where the kernel is even, as TensorFlow does.

    Returns:
        (n, out height, out width, filters).

    Raises:
        ValueError: the channels differ, or a kernel is larger than the pictures.
    """
    high, wide, channels, _ = kernels.shape
    if images.ndim != 4 or images.shape[3] != channels:
        raise ValueError(
            f"found pictures of shape {images.shape} under kernels of shape {kernels.shape}, "
            "expected (n, height, width, channels) with as many channels as the kernels"
        )
    if padding == "same":
        around = [((size - 1) // 2, size // 2) for size in (high, wide)]
        images = np.pad(images, [(0, 0), *around, (0, 0)])
    if high > images.shape[1] or wide > images.shape[2]:
        raise ValueError(f"found a kernel of {high} x {wide} over pictures of {images.shape[1:3]}")
    windows = sliding_window_view(images, (high, wide), axis=(1, 2))
    return np.tensordot(windows, kernels, axes=((3, 4, 5), (2, 0, 1)))


def grey(photo: np.ndarray) -> np.ndarray:
    """A photograph (h, w, 3) of uint8 as its brightness (h, w), float64, 0 to 255."""
    return photo @ LUMA


def weights_of(kernel: dict) -> np.ndarray:
    """The matrix of a kernel of the chapter's file, float64."""
    return np.array(kernel["weights"], dtype=np.float64) / kernel["divide_by"]


def filtered(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A picture (h, w) under one kernel, at the positions where the kernel lies within it."""
    return correlate2d(picture[np.newaxis, ..., np.newaxis], weights[..., np.newaxis, np.newaxis])[
        0, ..., 0
    ]


def roughness(picture: np.ndarray) -> float:
    """Mean absolute difference between pixels that are neighbours in a row or a column."""
    down, across = np.abs(np.diff(picture, axis=0)), np.abs(np.diff(picture, axis=1))
    return float((down.sum() + across.sum()) / (down.size + across.size))


def look_through(photo: np.ndarray, kernels: dict[str, dict]) -> dict[str, np.ndarray]:
    """A photograph under each kernel, and how far the results are from scipy's.

    Args:
        photo: (h, w, 3) uint8.
        kernels: as in the chapter's file, by name.

    Returns:
        `under_<name>` (h', w') float32; and per kernel, in their order (k,) float64: `sums` of
        the weights, `roughness` as a multiple of the photograph's, and `scipy_difference`, the
        largest distance from `scipy.signal.correlate2d` in grey levels.
    """
    from scipy import signal

    picture = grey(photo)
    own = roughness(picture)
    out: dict[str, np.ndarray] = {}
    rows = []
    for name, kernel in kernels.items():
        weights = weights_of(kernel)
        result = filtered(picture, weights)
        reference = signal.correlate2d(picture, weights, mode="valid")
        distance = np.abs(result - reference).max()
        rows.append((weights.sum(), roughness(result) / own, distance))
        out[f"under_{name}"] = result.astype(np.float32)
    sums, rough, distances = np.array(rows).T
    return {**out, "sums": sums, "roughness": rough, "scipy_difference": distances}
