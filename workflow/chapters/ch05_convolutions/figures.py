"""The drawings that chapter 4.5 alone has, of plain arrays."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from chapters.ch05_convolutions.receptive import Field
from kerasbook import plots

# A photograph in 32 greys, and no more of it than shows the kernels, keeps the page small.
GREY_STEPS = 8
SHOWN = 112


def _numbers(axes, values: np.ndarray, title: str, cmap: str, limits: tuple[float, float]) -> None:
    """A small matrix as coloured squares with its numbers in them."""
    low, high = limits
    axes.imshow(values, cmap=cmap, vmin=low, vmax=high)
    middle, half = (low + high) / 2, (high - low) / 2
    for (row, column), value in np.ndenumerate(values):
        # On a diverging map both ends are dark, on greys only the upper one.
        far = (value - middle) / half
        dark = abs(far) > 0.6 if cmap == "RdBu_r" else far > 0
        text = f"{value:.1f}".replace("-0.0", "0.0")
        axes.text(column, row, text, ha="center", va="center", fontsize=6.5,
                  color="#ffffff" if dark else "#222222")  # fmt: skip
    _bare(axes, title)


def _bare(axes, title: str) -> None:
    axes.set_title(title, fontsize=8, fontweight="normal")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _box(axes, top: int, left: int, height: int, width: int, colour: str) -> None:
    axes.add_patch(
        Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor=colour, lw=1.6)
    )


@plots.styled
def window(
    picture: np.ndarray, weights: np.ndarray, places: Sequence[tuple[int, int]]
) -> tuple[Figure, list[float]]:
    """A filter laid on several places of a picture, with the numbers and the sum of products.

    Args:
        picture: (h, w), 0 to 1.
        weights: (size, size).
        places: top left corners.

    Returns:
        The figure and the sums.
    """
    size = len(weights)
    reach = float(np.abs(weights).max())
    figure, axes = plots.panels(len(places), 3, 1.55)
    sums = []
    for row, (top, left) in enumerate(places):
        whole, under, own = axes[3 * row : 3 * row + 3]
        pixels = picture[top : top + size, left : left + size]
        sums.append(float((pixels * weights).sum()))
        whole.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        _box(whole, top, left, size, size, plots.ORANGE)
        _bare(whole, "picture")
        _numbers(under, pixels, "pixels in the box", "gray_r", (0, 1))
        _numbers(own, weights, f"filter: sum {sums[-1]:.2f}", "RdBu_r", (-reach, reach))
    return figure, sums


def photograph(picture: np.ndarray, results: Sequence[tuple[str, np.ndarray, bool]]) -> Figure:
    """A photograph and what kernels make of it, in grey.

    Args:
        picture: (h, w), 0 to 255.
        results: name, (h', w') and whether results below zero are shown: then grey is zero.
    """
    tiles = [picture]
    for _, result, signed in results:
        if signed:
            result = 127.5 + result * (127.5 / np.abs(result).max()) * 2
        tiles.append(result)
    side = min(SHOWN, *(length for tile in tiles for length in tile.shape))
    shown = []
    for tile in tiles:
        top, left = ((length - side) // 2 for length in tile.shape)
        cut = np.clip(tile[top : top + side, left : left + side], 0, 255)
        shown.append(np.round(cut / GREY_STEPS) * GREY_STEPS)
    names = ["photograph", *(name.replace("_", " ") for name, _, _ in results)]
    return plots.image_grid(np.stack(shown), names, 2, "gray", limits=(0, 255))


@plots.styled
def structure(rows: Sequence[tuple[str, tuple[int, ...], int]]) -> Figure:
    """A network from the picture down to the answer, a row for each layer.

    Args:
        rows: what the layer is, the shape that leaves it, and its number of parameters.
    """
    high, side = 0.4, 0.34  # inches: of a row, and of the picture in it
    figure, (axes,) = plots.panels(1, 1, high * len(rows))
    largest = max(shape[0] for _, shape, _ in rows if len(shape) == 3)
    for index, (name, shape, parameters) in enumerate(rows):
        if len(shape) == 3:
            wide = tall = side * shape[0] / largest
            places = 0.045 * np.arange(min(shape[2], 16))
        else:
            wide, tall, places = 0.045, side, [0.0]
        for place in places:
            axes.add_patch(
                Rectangle((place, index * high - tall / 2), wide, tall, facecolor=plots.SKY,
                          edgecolor=plots.INK, linewidth=0.5)
            )  # fmt: skip
        told = " x ".join(map(str, shape))
        count = f", {parameters:,} weights" if parameters else ""
        axes.text(1.15, index * high, f"{name}: {told}{count}", va="center", fontsize=8.5)
    axes.set(xlim=(0, plots.WIDTH), ylim=((len(rows) - 0.5) * high, -0.5 * high), aspect="equal")
    axes.set_axis_off()
    return figure


@plots.styled
def receptive(maps: np.ndarray, fields: Sequence[Field], titles: Sequence[str]) -> Figure:
    """How much each pixel counts for the unit in the middle of each layer.

    Args:
        maps: (layers, h, w), at least 0; each is shaded by its own largest value.
        fields: the receptive fields as worked out, drawn as boxes.
    """
    columns = 3
    rows = -(-len(fields) // columns)
    figure, axes = plots.panels(rows, columns, 1.5)
    for panel, one, field, title in zip(axes, maps, fields, titles):
        first, end = field.seen(field.middle)
        panel.imshow(one / one.max(), cmap="Blues", vmin=0, vmax=1)
        _box(panel, first, first, end - first, end - first, plots.ORANGE)
        _bare(panel, title)
    for panel in axes[len(fields) :]:
        panel.set_axis_off()
    return figure


@plots.styled
def features(layers: Mapping[str, np.ndarray], columns: int = 8) -> Figure:
    """The maps of every layer for one picture, the layers one below the other.

    Args:
        layers: name -> (h, w, channels), at least 0; shaded by the layer's largest value.
    """
    heights = [-(-maps.shape[2] // columns) for maps in layers.values()]
    figure = Figure(figsize=(plots.WIDTH, 0.54 * sum(heights) + 0.24 * len(heights)),
                    layout="constrained")  # fmt: skip
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False).ravel()
    for panel, (name, maps), rows in zip(axes, layers.items(), heights):
        high, wide, channels = maps.shape
        mosaic = np.full((rows * (high + 1) - 1, columns * (wide + 1) - 1), np.nan)
        for channel in range(channels):
            top, left = channel // columns * (high + 1), channel % columns * (wide + 1)
            mosaic[top : top + high, left : left + wide] = maps[..., channel]
        panel.imshow(mosaic, cmap="viridis", vmin=0, vmax=max(float(maps.max()), 1e-9))
        _bare(panel, name)
    return figure


@plots.styled
def functions(
    grid: np.ndarray, values: np.ndarray, slopes: np.ndarray, names: Sequence[str]
) -> Figure:
    """Activation functions beside their derivatives.

    Args:
        grid: (n,).
        values, slopes: (k, n).
    """
    figure, axes = plots.panels(1, 2, 2.0)
    for index, name in enumerate(names):
        for panel, lines in zip(axes, (values, slopes)):
            panel.plot(grid[::6], lines[index, ::6], color=plots.PALETTE[index],
                       linestyle=plots.DASHES[index], label=name)  # fmt: skip
    axes[0].set(title="function", xlabel="input", ylim=(-1.2, 3))
    axes[1].set(title="derivative", xlabel="input", ylim=(-0.05, 1.05))
    plots.legend_above(figure, axes)
    return figure


@plots.styled
def gradients(
    layers: Mapping[str, np.ndarray], depths: Sequence[int], ratios: Mapping[str, np.ndarray]
) -> Figure:
    """The gradient by layer in the deepest network, and first layer to last by depth.

    Args:
        layers: stack -> (deepest,), the gradient in each hidden layer.
        ratios: stack -> (len(depths),).
    """
    figure, (left, right) = plots.panels(1, 2, 2.4)
    looks = zip(layers, cycle(plots.PALETTE), cycle(plots.DASHES), cycle(plots.MARKERS))
    for name, colour, dash, marker in looks:
        style = {"color": colour, "linestyle": dash, "marker": marker, "markersize": 3}
        left.plot(np.arange(1, len(layers[name]) + 1), layers[name], label=name, **style)
        right.plot(depths, ratios[name], **style)
    left.set(title=f"by layer, {max(depths)} deep", xlabel="layer", yscale="log")
    right.set(title="first layer / last layer", xlabel="hidden layers", yscale="log")
    plots.legend_above(figure, [left, right])
    return figure


@plots.styled
def squares(pixels: np.ndarray, pooled: Mapping[str, np.ndarray], size: int) -> Figure:
    """A few pixels and what each pooling keeps of each square, in numbers.

    Args:
        pixels: (h, w), 0 to 1.
        pooled: name -> (h // size, w // size).
    """
    figure, axes = plots.panels(1, 1 + len(pooled), 1.3)
    top = max(float(values.max()) for values in pooled.values())
    _numbers(axes[0], pixels, "pixels", "gray_r", (0, top))
    for side in range(size, len(pixels), size):
        axes[0].axhline(side - 0.5, color=plots.ORANGE, linewidth=1.4)
        axes[0].axvline(side - 0.5, color=plots.ORANGE, linewidth=1.4)
    for panel, (name, values) in zip(axes[1:], pooled.items()):
        _numbers(panel, values, name, "gray_r", (0, top))
    return figure


@plots.styled
def shifts(changes: Mapping[str, np.ndarray], plain: np.ndarray, sizes: Sequence[int]) -> Figure:
    """Relative change by shift, a panel for each size of the squares.

    Args:
        changes: kind -> (sizes, shifts).
        plain: (shifts,), without pooling.
    """
    figure, axes = plots.panels(1, len(sizes), 2.2)
    pixels = np.arange(1, len(plain) + 1)
    for place, (panel, size) in enumerate(zip(axes, sizes)):
        lines = {"no pooling": plain, **{kind: rows[place] for kind, rows in changes.items()}}
        for index, (name, values) in enumerate(lines.items()):
            panel.plot(pixels, values, color=plots.PALETTE[index], linestyle=plots.DASHES[index],
                       marker=plots.MARKERS[index], label=name)  # fmt: skip
        panel.set(title=f"squares of {size} x {size}", xlabel="shift (pixels)", xticks=pixels)
        panel.set_ylim(bottom=0)
    axes[0].set_ylabel("relative change")
    plots.legend_above(figure, axes)
    return figure
