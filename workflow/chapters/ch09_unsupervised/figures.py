"""The diagram of chapter 4.9, of plain arrays."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from kerasbook import plots
from kerasbook.diagrams import arrow, label, sheet

# Inches: the sheet, the line through the middles, and widths and heights upon it.
HEIGHT, MIDDLE = 1.66, 0.86
SIDE, CODES, NARROW = 0.74, 0.11, 0.44
LAYER, GAP = 0.84, 0.17
LOSS = MIDDLE + SIDE / 2 + 0.22


@plots.styled
def structure(picture: np.ndarray, codes: np.ndarray, back: np.ndarray) -> Figure:
    """A picture pressed through the codes and drawn again, with the numbers of each part.

    Args:
        picture, back: (h, w), 0 to 1.
        codes: (k,), at least 0; shaded by the largest.
    """
    figure, axes = sheet(HEIGHT)
    n, pixels, middle = len(codes), picture.size, plots.WIDTH / 2
    layer = CODES / 2 + GAP + LAYER / 2  # from the middle to a layer's, and to a picture's
    end = layer + LAYER / 2 + GAP + SIDE / 2
    _shaded(axes, codes[:, np.newaxis], middle, CODES, NARROW, max(float(codes.max()), 1e-9))
    _below(axes, middle, f"{n:,}\ncodes")
    parts = (
        (-1, picture, "input", "encoder", n * (pixels + 1)),
        (1, back, "output", "decoder", pixels * (n + 1)),
    )
    for side, shown, what, name, weights in parts:
        x = middle + side * end
        _shaded(axes, shown, x, SIDE, SIDE, 1.0)
        _below(axes, x, f"{what}:\n{pixels:,} pixels")
        arrow(axes, [(middle, LOSS), (x, LOSS), (x, MIDDLE + SIDE / 2 + 0.02)],
              colour=plots.ORANGE, dashed=True)  # fmt: skip
        x = middle + side * layer
        near, far = x - side * LAYER / 2, x + side * LAYER / 2
        corners = [(near, NARROW), (far, SIDE), (far, -SIDE), (near, -NARROW)]
        axes.add_patch(
            Polygon([(x, MIDDLE + high / 2) for x, high in corners], edgecolor=plots.INK,
                    facecolor=(*to_rgb(plots.SKY), 0.35), linewidth=0.8)
        )  # fmt: skip
        label(axes, x, MIDDLE, name)
        _below(axes, x, f"{weights:,}\nweights")
        # From left to right on both sides of the codes.
        for start in (near, far + side * GAP):
            ends = sorted((start, start - side * GAP))
            arrow(axes, [(ends[0] + 0.02, MIDDLE), (ends[1] - 0.02, MIDDLE)])
    label(axes, middle, LOSS + 0.09, "the loss compares pixel by pixel")
    return figure


def _below(axes: Axes, x: float, text: str) -> None:
    label(axes, x, MIDDLE - SIDE / 2 - 0.2, text)


def _shaded(
    axes: Axes, values: np.ndarray, x: float, width: float, height: float, top: float
) -> None:
    """A matrix (h, w) in grey, 0 as paper, in a frame around (x, MIDDLE)."""
    extent = (x - width / 2, x + width / 2, MIDDLE - height / 2, MIDDLE + height / 2)
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(values, cmap="gray_r", vmin=0, vmax=top, extent=extent, aspect="auto")
    axes.set(xlim=limits[0], ylim=limits[1])
    left, right, low, high = extent
    axes.plot([left, right, right, left, left], [low, low, high, high, low], color=plots.INK,
              linewidth=0.6)  # fmt: skip
