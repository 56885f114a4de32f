"""Max, average and L2 pooling, and what a shift of the picture changes in each."""

from collections.abc import Sequence

import numpy as np

KINDS = ("max", "average", "l2")


def pool(images: np.ndarray, size: int, kind: str) -> np.ndarray:
    """One value for each square of `size` x `size` pixels, the squares side by side.

    Args:
        images: (n, height, width). Rows and columns that fill no square are left out, as
            Keras does with `valid` padding.
        kind: `max`; `average`; or `l2`, the root of the sum of squares.

    Returns:
        (n, height // size, width // size) float64.

    Raises:
        ValueError: another kind, or squares larger than the pictures.
    """
    n, height, width = images.shape
    rows, columns = height // size, width // size
    if not rows or not columns:
        raise ValueError(f"found squares of {size} x {size} over pictures of {height} x {width}")
    whole = images[:, : rows * size, : columns * size].astype(np.float64)
    squares = whole.reshape(n, rows, size, columns, size)
    if kind == "max":
        return squares.max(axis=(2, 4))
    if kind == "average":
        return squares.mean(axis=(2, 4))
    if kind == "l2":
        return np.sqrt(np.square(squares).sum(axis=(2, 4)))
    raise ValueError(f"found the pooling '{kind}', expected one of: {', '.join(KINDS)}")


def shifted(images: np.ndarray, down: int, right: int) -> np.ndarray:
    """Pictures (n, height, width) moved by whole pixels, zeros coming in."""
    _, height, width = images.shape
    out = np.zeros_like(images)
    source = images[
        :, max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)
    ]
    top, left = max(0, down), max(0, right)
    out[:, top : top + source.shape[1], left : left + source.shape[2]] = source
    return out


def relative_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How far each picture moved, as a multiple of its own length: (n,), Euclidean norms.

    A picture that was empty has no such number: NaN.
    """
    far = np.linalg.norm((after - before).reshape(len(before), -1), axis=1)
    own = np.linalg.norm(before.reshape(len(before), -1), axis=1)
    return np.divide(far, own, out=np.full(len(own), np.nan), where=own > 0)


def shift_changes(images: np.ndarray, sizes: Sequence[int], shifts: int) -> dict[str, np.ndarray]:
    """What shifts by 1, 2, ... pixels change, without pooling and behind each.

    Args:
        images: (n, height, width), 0 to 1.

    Returns:
        `plain` (shifts,) and for each kind `<kind>` (sizes, shifts): the mean over pictures and
        the four directions of the relative change, float64.
    """
    pooled = {(kind, size): pool(images, size, kind) for kind in KINDS for size in sizes}
    out = {"plain": np.zeros(shifts)} | {kind: np.zeros((len(sizes), shifts)) for kind in KINDS}
    for pixels in range(1, shifts + 1):
        for down, right in ((pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)):
            moved = shifted(images, down, right)
            out["plain"][pixels - 1] += np.nanmean(relative_change(images, moved)) / 4
            for kind in KINDS:
                for place, size in enumerate(sizes):
                    change = relative_change(pooled[kind, size], pool(moved, size, kind))
                    out[kind][place, pixels - 1] += np.nanmean(change) / 4
    return out
