"""Drawings of how something is built: boxes, signs and the arrows between them.

A sheet is measured in inches from its lower left corner, so what is drawn keeps its distances
whatever it is scaled to, and a label's room is known before it is drawn. The colours are those
of `kerasbook.plots`: what is read is blue, what comes out is orange.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.textpath import TextPath

from kerasbook import plots

# Points and inches.
TYPE = 8.0
BOX = 0.24  # a box's height
SIGN = 0.075  # a round sign's radius
NEEDED = 0.16  # of a box beside its label
DASHED = (0, (3, 2))


def sheet(height: float, width: float = plots.WIDTH) -> tuple[Figure, Axes]:
    """A figure of one sheet, `width` x `height` inches, y upwards. Call it in the style."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def width_of(text: str, size: float = TYPE) -> float:
    """Inches that a line of `size` points is wide."""
    plain = text.replace("$", r"\$")  # between two of them would be a formula
    return TextPath((0, 0), plain, size=size).get_extents().width / 72


def box_width(text: str) -> float:
    """Inches that a box around a label is wide."""
    return max(width_of(text) + NEEDED, BOX)


def box(
    axes: Axes,
    x: float,
    y: float,
    text: str = "",
    *,
    width: float | None = None,
    height: float = BOX,
    colour: str = plots.INK,
    dashed: bool = False,
    frame: bool = False,
) -> None:
    """A box around its label, its middle at (x, y).

    Args:
        width: inches; as wide as the label needs if None.
        colour: of the outline, which is stronger in any but that of text.
        frame: it stands around other boxes and their lines, behind them.
    """
    wide = box_width(text) if width is None else width
    axes.add_patch(
        FancyBboxPatch(
            (x - wide / 2, y - height / 2),
            wide,
            height,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=plots.PAPER,
            edgecolor=colour,
            linewidth=0.8 if colour == plots.INK else 1.4,
            linestyle="--" if dashed else "-",
            zorder=1 if frame else 3,
        )
    )
    label(axes, x, y, text)


def sign(axes: Axes, x: float, y: float, text: str) -> None:
    """An operation without weights, in a ring, or in a rounded box where it is a word."""
    if len(text) > 1:
        wide = width_of(text, TYPE - 1) + 0.1
        corners = f"round,pad=0,rounding_size={SIGN}"
        ring = FancyBboxPatch((x - wide / 2, y - SIGN), wide, 2 * SIGN, boxstyle=corners)
    else:
        ring = Circle((x, y), SIGN)
    ring.set(facecolor=plots.PAPER, edgecolor=plots.INK, linewidth=0.8, zorder=3)
    axes.add_patch(ring)
    label(axes, x, y, text, size=TYPE - 1)


def label(axes: Axes, x: float, y: float, text: str, *, size: float = TYPE, **looks) -> None:
    """A text as it stands (a dollar sign is one), its middle at (x, y) unless `looks` differ."""
    places = {"ha": "center", "va": "center_baseline" if "\n" not in text else "center"}
    axes.text(x, y, text, fontsize=size, zorder=4, parse_math=False, **(places | looks))


def line(
    axes: Axes, points: Sequence[Sequence[float]], *, colour: str = plots.INK, dashed: bool = False
) -> None:
    """A line through points (n, 2) without a head."""
    looks = {"linestyle": DASHED} if dashed else {}
    axes.plot(*np.asarray(points, float).T, color=colour, linewidth=0.8, alpha=_alpha(colour),
              **looks)  # fmt: skip


def arrow(
    axes: Axes, points: Sequence[Sequence[float]], *, colour: str = plots.INK, dashed: bool = False
) -> None:
    """An arrow through points (n, 2), n at least 2, its head at the last."""
    points = np.asarray(points, float)
    line(axes, points[:-1], colour=colour, dashed=dashed)
    axes.annotate(
        "",
        points[-1],
        points[-2],
        arrowprops={
            "arrowstyle": "-|>,head_length=0.28,head_width=0.13",
            "color": colour,
            "alpha": _alpha(colour),
            "linewidth": 0.8,
            "shrinkA": 0,
            "shrinkB": 0,
            **({"linestyle": DASHED} if dashed else {}),
        },
    )


def knot(axes: Axes, x: float, y: float, colour: str = plots.INK) -> None:
    """A dot where a line parts; lines that cross without one do not meet."""
    axes.add_patch(Circle((x, y), 0.022, facecolor=colour, edgecolor="none", zorder=3))


def _alpha(colour: str) -> float:
    """Arrows in the colour of text step back behind the texts; coloured ones need not."""
    return 0.6 if colour == plots.INK else 1.0


def some_of(n: int, most: int) -> list[int | None]:
    """Of the steps 1 to n the first ones and the last, `most` in all, or all if they are so few.

    Returns:
        Numbers from 1; None, once, in the place of those that are left out.

    Raises:
        ValueError: `most` below 2: there is a first step and a last one.
    """
    if most < 2:
        raise ValueError(f"found {most} steps to show, expected 2 or more")
    return [*range(1, n + 1)] if n <= most else [*range(1, most), None, n]
