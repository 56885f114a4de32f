"""Figures in one style, saved as small SVG files that read in dark and in light.

Every plot takes plain arrays and returns a `matplotlib.figure.Figure`; `save_svg` writes it.
Figures are drawn with two stand-in colours, `INK` for text and axes and `PAPER` for what
should look like the page. `save_svg` turns them into `currentColor` and a CSS variable, so
the same file follows the theme of the report that it is inlined in and is dark on white
when opened on its own.

The palette is that of Okabe and Ito (2008), which stays apart under the common kinds of
colour blindness; lines differ in dash and marker as well.
"""

import contextlib
import functools
import io
import math
import re
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from kerasbook.files import write_text

INK = "#010101"
PAPER = "#fefefe"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
SKY, AMBER, DEEP_BLUE = "#56b4e9", "#e69f00", "#00588c"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, AMBER)
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P")

# Inches. Drawn for a phone: at 360 px one point of type is about one pixel.
WIDTH = 4.2

_STYLE = {
    "font.family": "sans-serif",
    # What the layout is measured with. It is wider than the fonts of the page, so labels fit.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.labelcolor": INK,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.0,
    "hatch.color": INK,
    "path.simplify": True,
    "path.simplify_threshold": 0.25,
    "image.interpolation": "none",
    "svg.fonttype": "none",
    "svg.image_inline": True,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The style of all figures, for the plots that one chapter alone draws."""
    with matplotlib.rc_context(_STYLE):
        yield


def styled(plot: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorates a function that draws, so that it does in the style of all figures."""

    @functools.wraps(plot)
    def in_style(*args, **kwargs) -> Figure:
        with style():
            return plot(*args, **kwargs)

    return in_style


def panels(rows: int, columns: int, height: float, width: float = WIDTH) -> tuple[Figure, list]:
    """A figure of `rows` x `columns` axes, each row `height` inches high.

    Call it within `style()`. Returns the figure and its axes, row by row, as a flat list.
    """
    figure = Figure(figsize=(width, rows * height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def _readable(name: str) -> str:
    """`val_accuracy` as a reader would write it."""
    words = name.replace("_", " ")
    return re.sub(r"^val ", "validation ", words)


def _plain_log_ticks(axis) -> None:
    """Numbers as they are read (2, 50) where they are short, and not as powers of ten."""
    low, high = axis.get_view_interval()
    if low < 1e-3 or high > 1e4:
        return
    # Within two powers of ten there are few of them, so 2 and 5 stand between.
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _percent_ticks(axis) -> None:
    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.6g}%"))


def _integer_ticks(axis, most: int = 6) -> None:
    axis.set_major_locator(MaxNLocator(nbins=most, integer=True, min_n_ticks=1))


def _seeds_by_epochs(values) -> np.ndarray:
    array = np.atleast_2d(np.asarray(values, dtype=float))
    if array.ndim != 2:
        raise ValueError(f"found an array of shape {array.shape}, expected (n_seeds, n_epochs)")
    return array


def _mean_of_finite(values: np.ndarray) -> np.ndarray:
    """The mean over seeds for each epoch, NaN where no seed has a finite value."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0.0).sum(axis=0)
    count = finite.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _draw_seeds(axes: Axes, values: np.ndarray, first: int, index: int, label: str) -> None:
    """The mean over seeds as a strong line over a thin line for each seed."""
    epochs = np.arange(first, first + values.shape[1])
    colour = PALETTE[index % len(PALETTE)]
    few = values.shape[1] <= 12
    if len(values) > 1:
        for seed in values:
            axes.plot(epochs, seed, color=colour, linewidth=0.7, alpha=0.4)
    axes.plot(
        epochs,
        _mean_of_finite(values),
        color=colour,
        linestyle=DASHES[index % len(DASHES)] if index else "-",
        marker=MARKERS[index % len(MARKERS)] if few else None,
        label=label,
    )


@styled
def curves(
    histories: Mapping[str, Mapping[str, np.ndarray]],
    metrics: Sequence[str] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    x_label: str = "epoch",
    first: int = 1,
    printed: Mapping[str, Mapping[str, Mapping[int, float]]] | None = None,
    percent: Sequence[str] = (),
    log: Sequence[str] = (),
) -> Figure:
    """One panel for each metric, one line for each experiment.

    Args:
        histories: experiment -> metric -> array of shape (n_seeds, n_epochs). The strong
            line is the mean over seeds, the thin ones are the seeds. An experiment may
            lack a metric.
        metrics: what to draw, in this order; all if None.
        labels: a label with its unit for a metric or an experiment, instead of its name.
        first: the number of the first epoch.
        printed: experiment -> metric -> epoch -> printed value, drawn as hollow diamonds.
        percent: metrics that are shares of 1 and are shown in per cent.
        log: metrics with a logarithmic axis.
    """
    labels = labels or {}
    if metrics is None:
        metrics = list(dict.fromkeys(m for history in histories.values() for m in history))
    columns = min(2, max(1, len(metrics)))
    rows = max(1, math.ceil(len(metrics) / columns))
    figure, axes = panels(rows, columns, 1.7 if columns == 2 else 2.2)
    for panel, metric in zip(axes, metrics):
        for index, (experiment, history) in enumerate(histories.items()):
            if metric not in history:
                continue
            label = labels.get(experiment, _readable(experiment))
            _draw_seeds(panel, _seeds_by_epochs(history[metric]), first, index, label)
            points = (printed or {}).get(experiment, {}).get(metric, {})
            if points:
                panel.plot(
                    list(points),
                    list(points.values()),
                    linestyle="none",
                    marker="D",
                    markersize=5,
                    markerfacecolor="none",
                    markeredgecolor=PALETTE[index % len(PALETTE)],
                    label="printed",
                )
        panel.set_title(textwrap.fill(labels.get(metric, _readable(metric)), 46 // columns))
        _integer_ticks(panel.xaxis)
        if metric in percent:
            _percent_ticks(panel.yaxis)
        if metric in log:
            panel.set_yscale("log")
            _plain_log_ticks(panel.yaxis)
    for panel in axes[len(metrics) :]:
        panel.set_axis_off()
    for panel in axes[max(0, len(metrics) - columns) : len(metrics)]:
        panel.set_xlabel(x_label)
    legend_above(figure, axes)
    return figure


def legend_above(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for all panels, each label once, `printed` last."""
    known = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels()):
            known.setdefault(textwrap.fill(label, 42), handle)
    if "printed" in known:
        known["printed"] = known.pop("printed")
    if len(known) > 1:
        # A line of type is about 45 letters; a handle takes the room of 6 more.
        longest = max(len(label) for label in known)
        columns = 3 if longest <= 11 else 2 if longest <= 22 else 1
        lines = sum(label.count("\n") + 1 for label in known) / columns
        # The panels keep their height: the figure grows by that of the legend.
        figure.set_figheight(figure.get_figheight() + 0.16 * math.ceil(lines))
        figure.legend(
            known.values(), known.keys(), loc="outside upper left", ncols=columns, borderpad=0.1
        )


def note(text: str) -> Figure:
    """A sentence in place of a picture: why there is nothing to draw."""
    figure, [panel] = panels(1, 1, 0.9)
    panel.set_axis_off()
    panel.text(0.0, 0.5, textwrap.fill(text, 52), va="center", transform=panel.transAxes)
    return figure


@styled
def saturation(
    layers: Mapping[str, np.ndarray], *, x_label: str = "epoch", first: int = 1
) -> Figure:
    """The share of saturated units by epoch, a line for each layer (or network and layer).

    Args:
        layers: name -> array of shape (n_seeds, n_epochs), shares between 0 and 1.
    """
    metric = "saturated units"
    figure = curves(
        {name: {metric: values} for name, values in layers.items()},
        [metric],
        labels={name: name for name in layers},
        x_label=x_label,
        first=first,
        percent=[metric],
    )
    figure.axes[0].set_ylim(-0.02, 1.02)
    return figure


@styled
def confusion_matrix(counts: np.ndarray, labels: Sequence[str]) -> Figure:
    """Counts by true (row) and predicted (column) class, shaded by their share of the row.

    Args:
        counts: integers of shape (k, k).
        labels: k names.
    """
    counts = np.asarray(counts)
    k = len(labels)
    if counts.shape != (k, k):
        raise ValueError(f"found counts of shape {counts.shape}, expected {(k, k)}")
    side = min(WIDTH, 1.5 + 0.62 * k) if k <= 3 else WIDTH
    figure, (axes,) = panels(1, 1, side * (0.86 if k <= 3 else 0.92), side)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for row in range(k):
        for column in range(k):
            share = shares[row, column]
            strong = share >= 0.5
            # No shade in between: on it neither dark nor white type would be readable.
            opacity = 0.82 + 0.18 * share if strong else 0.04 + 0.5 * share
            axes.add_patch(
                Rectangle(
                    (column - 0.47, row - 0.47),
                    0.94,
                    0.94,
                    facecolor=(*to_rgb(DEEP_BLUE), round(opacity, 2)),
                    edgecolor="none",
                )
            )
            if counts[row, column]:
                axes.text(
                    column,
                    row,
                    f"{counts[row, column]:d}",
                    ha="center",
                    va="center",
                    fontsize=11 if k <= 3 else 7.5,
                    color="#ffffff" if strong else INK,
                )
    axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(k), labels)
    axes.set_yticks(range(k), labels)
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@styled
def image_grid(
    images: np.ndarray,
    titles: Sequence[str] | None = None,
    columns: int = 5,
    cmap: str = "gray",
    *,
    limits: tuple[float, float] | None = None,
    width: float = WIDTH,
) -> Figure:
    """Small images side by side, embedded as one raster.

    Args:
        images: floats or integers of shape (n, height, width).
        titles: a short text for each image, above it.
        cmap: name of a matplotlib colour map.
        limits: the values of its two ends; the smallest and largest of all images if None.
    """
    images = np.asarray(images, dtype=float)
    n, high, wide = images.shape
    columns = max(1, min(columns, n))
    rows = math.ceil(n / columns)
    gap = max(1, round(wide / 14))
    # The strip for a title, in pixels of the image: the type has a fixed size in points.
    pixels_per_point = columns * (wide + gap) / (width * 72)
    lines = max((title.count("\n") + 1 for title in titles), default=0) if titles else 0
    head = math.ceil((lines * 10.5 + 3) * pixels_per_point) if lines else 0
    mosaic = np.full((rows * (high + gap + head) - gap, columns * (wide + gap) - gap), np.nan)
    figure, (axes,) = panels(1, 1, width * mosaic.shape[0] / mosaic.shape[1], width)
    figure.get_layout_engine().set(w_pad=0, h_pad=0)
    for index, image in enumerate(images):
        top = (index // columns) * (high + gap + head) + head
        left = (index % columns) * (wide + gap)
        mosaic[top : top + high, left : left + wide] = image
        if titles:
            axes.text(
                left + wide / 2 - 0.5,
                top - 0.5 - 2.5 * pixels_per_point,
                titles[index],
                ha="center",
                va="bottom",
                fontsize=8,
                linespacing=1.15,
            )
    low, top_value = limits or (np.nanmin(mosaic), np.nanmax(mosaic))
    axes.imshow(mosaic, cmap=cmap, vmin=low, vmax=top_value, aspect="equal")
    axes.set_axis_off()
    return figure


def dots(axes: Axes, points: np.ndarray, colour: str, size: float, cap: str, label: str) -> None:
    """Points as one path of strokes without length, a tenth of the bytes of markers."""
    vertices = np.repeat(np.asarray(points, dtype=float), 2, axis=0)
    codes = np.tile([Outline.MOVETO, Outline.LINETO], len(points))
    outline = Outline(vertices, codes)
    outline.should_simplify = False
    axes.add_patch(
        PathPatch(outline, facecolor="none", edgecolor=colour, linewidth=size, capstyle=cap)
    )
    axes.plot(
        [],
        [],
        linestyle="none",
        marker="o" if cap == "round" else "s",
        markersize=size,
        color=colour,
        label=label,
    )
    axes.update_datalim(points)


def _draw_classes(axes: Axes, x: np.ndarray, y: np.ndarray | None, size: float, names) -> None:
    x = np.asarray(x, dtype=float)
    if y is None:
        dots(axes, x, BLUE, size, "round", "rows")
        return
    y = np.asarray(y).ravel()
    for index, value in enumerate(np.unique(y)):
        name = (names or {}).get(value, f"class {value:g}")
        cap = ("round", "projecting")[index % 2]
        colour = (ORANGE, BLUE, GREEN, PURPLE)[index % 4]
        # A square of the same width looks larger than the disc.
        dots(axes, x[y == value], colour, size * (0.85 if index % 2 else 1.0), cap, name)


@styled
def scatter_points(
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    names: Mapping[float, str] | None = None,
    x_label: str = "first input",
    y_label: str = "second input",
) -> Figure:
    """Rows with two columns as points, discs and squares by class.

    Args:
        x: floats of shape (n, 2).
        y: classes of shape (n,) or None.
        names: a name for each class.
    """
    figure, (axes,) = panels(1, 1, 3.0)
    _draw_classes(axes, x, y, 4.0, names)
    axes.autoscale_view()
    axes.set(xlabel=x_label, ylabel=y_label)
    legend_above(figure, [axes])
    return figure


def _thin(grid: np.ndarray, most: int) -> np.ndarray:
    """Every k-th row and column, so that neither has more than `most`."""
    step = max(1, math.ceil(max(grid.shape) / most))
    return grid[::step, ::step]


def _draw_boundary(axes: Axes, panel: Mapping, names) -> None:
    xx, yy, z = (np.asarray(panel[key], dtype=float) for key in ("xx", "yy", "z"))
    extent = (xx.min(), xx.max(), yy.min(), yy.max())
    # Sixteen steps compress well and the eye sees no fewer.
    sure = np.round((np.clip(_thin(z, 90), 0, 1) - 0.5) * 16) / 8
    image = np.empty((*sure.shape, 4))
    image[..., :3] = np.where(sure[..., None] > 0, to_rgb(BLUE), to_rgb(ORANGE))
    image[..., 3] = np.abs(sure) * 0.38
    if yy[0, 0] <= yy[-1, 0]:
        image = image[::-1]
    axes.imshow(image, extent=extent, aspect="auto", interpolation="none", zorder=0)
    if z.min() < 0.5 < z.max():
        coarse = [_thin(grid, 110) for grid in (xx, yy, z)]
        axes.contour(*coarse, levels=[0.5], colors=[INK], linewidths=1.3, zorder=2)
    if panel.get("x") is not None:
        _draw_classes(axes, panel["x"], panel.get("y"), 2.4, names)
    axes.set(xlim=extent[:2], ylim=extent[2:])


@styled
def decision_boundary(
    grids: Sequence[Mapping],
    columns: int = 2,
    *,
    names: Mapping[float, str] | None = None,
    x_label: str = "first input",
    y_label: str = "second input",
) -> Figure:
    """What a network answers over the plane, a panel for each network.

    The tint is the probability of class 1, from orange (0) to blue (1), and the line is 0.5.

    Args:
        grids: mappings with `title`; `xx`, `yy`, `z` of shape (h, w), z the probabilities;
            and optionally the rows `x` of shape (n, 2) with their classes `y` of shape (n,).
    """
    columns = max(1, min(columns, len(grids)))
    rows = math.ceil(len(grids) / columns)
    figure, axes = panels(rows, columns, 2.0 if columns > 1 else 3.0)
    for index, (axis, panel) in enumerate(zip(axes, grids)):
        _draw_boundary(axis, panel, names)
        axis.set_title("\n".join(textwrap.wrap(panel["title"], 46 // columns)))
        axis.grid(False)
        if index + columns >= len(grids):
            axis.set_xlabel(x_label)
        if index % columns == 0:
            axis.set_ylabel(y_label)
    for axis in axes[len(grids) :]:
        axis.set_axis_off()
    legend_above(figure, axes)
    return figure


@styled
def bar_with_error(
    names: Sequence[str],
    means: Sequence[float],
    sds: Sequence[float | None],
    baseline: float | None = None,
    baseline_name: str = "baseline",
    printed: Sequence[float | None] | None = None,
    *,
    label: str = "",
    percent: bool = False,
    seeds: Sequence[Sequence[float]] | None = None,
) -> Figure:
    """A row for each name: our mean, a bar of one standard deviation to each side.

    The means are points, not columns from zero, so that close values can be told apart.

    Args:
        sds: standard deviations; None or 0 for a single seed.
        baseline: a value drawn as a dashed line over all rows.
        printed: the printed value of each row or None, drawn as hollow diamonds.
        label: of the axis, with the unit.
        percent: show shares of 1 in per cent.
        seeds: the value of every seed of each row, drawn as thin rings in place of the
            standard deviation, which says little of a few seeds that lie in two heaps.
    """
    rows = np.arange(len(names))
    labels = [textwrap.fill(_readable(name), 24) for name in names]
    lines = max((label.count("\n") + 1 for label in labels), default=1)
    figure, (axes,) = panels(1, 1, 0.95 + (0.15 + 0.14 * lines) * len(names))
    if seeds is not None:
        sds = [None] * len(means)
        pairs = [(value, row) for row, values in zip(rows, seeds) for value in values]
        axes.plot(
            *zip(*pairs),
            linestyle="none",
            marker="o",
            markersize=7,
            markerfacecolor="none",
            markeredgecolor=BLUE,
            markeredgewidth=0.8,
            label="each seed",
        )
    errors = np.array([sd or 0.0 for sd in sds], dtype=float)
    axes.errorbar(
        means,
        rows,
        xerr=None if seeds is not None else np.where(np.isfinite(errors), errors, 0.0),
        fmt="o",
        color=BLUE,
        markersize=5,
        elinewidth=1.6,
        capsize=3,
        label="ours, mean" if seeds is not None else "ours, mean ± sd",
    )
    if printed is not None:
        known = [(value, row) for value, row in zip(printed, rows) if value is not None]
        if known:
            axes.plot(
                *zip(*known),
                linestyle="none",
                marker="D",
                markersize=6,
                markerfacecolor="none",
                markeredgecolor=ORANGE,
                markeredgewidth=1.3,
                label="printed",
            )
    if baseline is not None:
        axes.axvline(baseline, color=INK, linewidth=1.0, linestyle=(0, (4, 2)), label=baseline_name)
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    if percent:
        _percent_ticks(axes.xaxis)
    axes.set_xlabel(label)
    legend_above(figure, [axes])
    return figure


@styled
def histogram(
    values: np.ndarray,
    edges: np.ndarray | int = 30,
    *,
    counts: bool = False,
    log: bool = False,
    x_label: str = "value",
    y_label: str = "count",
) -> Figure:
    """How often values fall between edges, as one outline.

    Args:
        values: the values, or with `counts` their numbers between the `edges` already.
        edges: edges of shape (n_bins + 1,), or the number of bins.
        log: a logarithmic axis of counts.
    """
    if counts:
        heights, edges = np.asarray(values), np.asarray(edges)
    else:
        heights, edges = np.histogram(np.asarray(values).ravel(), bins=edges)
    figure, (axes,) = panels(1, 1, 2.3)
    # A baseline of 0 has no place on a logarithmic axis.
    floor = 0.5 if log else 0.0
    axes.stairs(np.maximum(heights, floor), edges, baseline=floor, fill=True, color=BLUE)
    if log:
        axes.set_yscale("log")
        axes.set_ylim(bottom=floor)
    axes.margins(x=0.01)
    axes.grid(axis="x", visible=False)
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure


# ---------------------------------------------------------------- writing the file

SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SANS = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif"


def _rounded(text: str) -> str:
    def short(match: re.Match) -> str:
        value = f"{float(match.group()):.2f}".rstrip("0").rstrip(".")
        return "0" if value == "-0" else value

    return _NUMBER.sub(short, text)


def _short_path(d: str) -> str:
    """Path data with two decimals and no space that the grammar does not need."""
    d = " ".join(_rounded(d).split())
    # A stroke without length is a dot; see `dots`.
    d = re.sub(r"M (\S+ \S+) L \1(?= M|$)", r"M \1 h 0", d)
    return re.sub(r" ?([A-Za-z]) ?", r"\1", d)


def _themed_style(text: str) -> str:
    """A style attribute with the stand-in colours replaced and without the font family."""
    declarations = []
    for declaration in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = declaration.partition(":")
        name, value = name.strip(), value.strip()
        if name == "font-family":  # the root names the fonts of the page
            continue
        if value.lower() in (INK, "#000000"):
            value = "currentColor"
        elif value.lower() == PAPER:
            value = "var(--paper, #fff)"
        declarations.append(f"{name}:{_rounded(value)}")
    return ";".join(declarations)


def _tidy(element: ET.Element) -> None:
    for child in list(element):
        if child.tag in (f"{SVG}metadata", f"{SVG}style"):
            element.remove(child)
            continue
        _tidy(child)
    attributes = element.attrib
    if XLINK_HREF in attributes:
        attributes["href"] = attributes.pop(XLINK_HREF)
    if "d" in attributes:
        attributes["d"] = _short_path(attributes["d"])
    for name in ("x", "y", "width", "height", "transform"):
        if name in attributes and element.tag != f"{SVG}svg":
            # A matrix of an image scales small rasters: two decimals would distort it.
            exact = name == "transform" and element.tag == f"{SVG}image"
            attributes[name] = attributes[name] if exact else _rounded(attributes[name])
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    if "style" in attributes:
        attributes["style"] = _themed_style(attributes["style"])
        if not attributes["style"]:
            del attributes["style"]
    if element.tag != f"{SVG}text":
        element.text = element.text if (element.text or "").strip() else None
    element.tail = None


def _flatten(element: ET.Element) -> None:
    """Replace groups that say nothing by what they hold, and drop outlines without paint."""
    children = []
    for child in element:
        _flatten(child)
        unpainted = child.tag == f"{SVG}path" and child.attrib.keys() == {"d", "style"}
        if unpainted and child.get("style") == "fill:none":
            continue
        if child.tag == f"{SVG}g" and not child.attrib:
            children.extend(child)
        elif len(child) or child.tag not in (f"{SVG}g", f"{SVG}defs"):
            children.append(child)
    element[:] = children


def _rename_ids(root: ET.Element, prefix: str) -> None:
    """Keep the ids that something refers to, numbered behind `prefix`, and drop the rest."""
    used: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            if name == "href" and value.startswith("#"):
                used.add(value[1:])
    new: dict[str, str] = {}
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in used:
            new[old] = f"{prefix}-{len(new)}"
            element.set("id", new[old])
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "href" and value.startswith("#"):
                element.set(name, f"#{new[value[1:]]}")
            elif "url(#" in value:
                renamed = _REFERENCE.sub(lambda found: f"url(#{new[found.group(1)]})", value)
                element.set(name, renamed)


def _split_lines(fig: Figure) -> None:
    """Draw labels of several lines that are flush right line by line.

    matplotlib writes such lines with their left ends where the font that it measures with puts
    them; in the fonts of the page their right ends would not meet.
    """
    fig.draw_without_rendering()
    fig.set_layout_engine("none")  # nothing moves from here on
    to_figure = fig.transFigure.inverted()
    for label in fig.findobj(Text):
        lines = label.get_text().split("\n")
        if len(lines) == 1 or label.get_ha() != "right" or not label.get_visible():
            continue
        box = label.get_window_extent()
        for place, line in enumerate(lines):
            middle = box.y1 - (place + 0.5) * box.height / len(lines)
            x, y = to_figure.transform((box.x1, middle))
            fig.text(
                x, y, line, ha="right", va="center",
                fontproperties=label.get_fontproperties(), color=label.get_color(),
            )  # fmt: skip
        label.set_visible(False)


def save_svg(fig: Figure, path: Path | str, title: str) -> None:
    """Write a figure as SVG, the same bytes for the same figure and file name.

    The file has no background of its own when inlined in a report (which drops the `style`
    of the root), is dark on white when opened by itself, and its ids start with its name.

    Args:
        fig: a figure made by one of the plots here, or within `style()`.
        path: target, whose stem becomes the prefix of the ids.
        title: what a screen reader says and a browser shows for the file.

    Raises:
        KerasbookError: the target cannot be written.
    """
    path = Path(path)
    prefix = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "figure"
    buffer = io.BytesIO()
    with style(), matplotlib.rc_context({"svg.hashsalt": path.stem}):
        _split_lines(fig)
        fig.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(buffer.getvalue())
    _tidy(root)
    _rename_ids(root, prefix)
    _flatten(root)
    root.attrib.pop("version", None)
    root.set("role", "img")
    root.set("fill", "currentColor")
    root.set("font-family", _SANS)
    root.set("stroke-linejoin", "round")
    root.set("style", "color:#222;background:#fff")
    heading = ET.Element(f"{SVG}title")
    heading.text = title
    root.insert(0, heading)
    ET.register_namespace("", SVG.strip("{}"))
    write_text(path, ET.tostring(root, encoding="unicode") + "\n")
