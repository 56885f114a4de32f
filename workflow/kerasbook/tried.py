"""What the points of a sweep came to: their numbers, the best of them, and their figures."""

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from kerasbook import plots
from kerasbook.errors import KerasbookError
from kerasbook.files import read_json
from kerasbook.importance import Importance, ranks
from kerasbook.validation import nearest

BEST_SHARE = 0.1
# Labels of an axis of the parallel coordinates: as many letters as its length holds.
LETTERS = 34


@dataclass(frozen=True)
class Tried:
    """A point: its values by key, and by seed its metrics, MLflow run and record.

    `seconds` are those of all seeds.
    """

    name: str
    values: Mapping[str, Any]
    metrics: Mapping[int, Mapping[str, float | None]]
    seconds: float
    runs: Mapping[int, str]
    files: Mapping[int, str]

    def by_seed(self, metric: str) -> dict[int, float | None]:
        """A metric of each seed, None where the training ran away."""
        return {seed: one.get(metric) for seed, one in self.metrics.items()}

    def mean(self, metric: str) -> float | None:
        """A metric's mean over the seeds, None if any training ran away."""
        values = list(self.by_seed(metric).values())
        return None if None in values else statistics.fmean(values)

    def sd(self, metric: str) -> float | None:
        """Its standard deviation over the seeds, None for a single one."""
        values = list(self.by_seed(metric).values())
        return None if None in values or len(values) < 2 else statistics.stdev(values)


def read_points(files: Iterable[str], metrics: Sequence[str], where: str) -> list[Tried]:
    """The points of a sweep from the files of their runs, in the order of the files.

    Args:
        metrics: those that the page needs.
        where: the sweep's entry, for messages.

    Raises:
        KerasbookError: no run has one of the metrics; named with those that there are.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for file in files:
        told = {**read_json(file), "file": file}
        found.setdefault(told["point"], []).append(told)
    known = sorted({key for runs in found.values() for run in runs for key in run["metrics"]})
    for metric in metrics:
        if metric not in known:
            raise KerasbookError(
                f"{where}: found the number '{metric}'{nearest(metric, known)}, expected one of "
                f"those that the runs have: {', '.join(known)}."
            )
    return [
        Tried(
            name,
            runs[0]["values"],
            {run["seed"]: run["metrics"] for run in runs},
            sum(run["seconds"] for run in runs),
            {run["seed"]: run["run_id"] for run in runs},
            {run["seed"]: run["file"] for run in runs},
        )
        for name, runs in found.items()
    ]


def best_first(points: Sequence[Tried], metric: str, better: str) -> list[Tried]:
    """The points by their mean over seeds, the best first; those that ran away last."""
    order = ranks([one.mean(metric) for one in points], better)
    return [points[place] for place in np.argsort(order, kind="stable")]


def left_out_seed(points: Sequence[Tried], metric: str, better: str) -> float | None:
    """What the point chosen by all seeds but one comes to with that one, on average.

    Choosing the best of many prefers lucky draws; the seed that had no part in the choice is
    not lucky. None with a single seed, or where a chosen point ran away.
    """
    seeds = list(points[0].metrics)
    if len(seeds) < 2:
        return None
    values = []
    for out in seeds:
        others = [
            replace(one, metrics={seed: n for seed, n in one.metrics.items() if seed != out})
            for one in points
        ]
        chosen = best_first(others, metric, better)[0].name
        values.append(next(one for one in points if one.name == chosen).by_seed(metric)[out])
    return None if None in values else statistics.fmean(values)


def usual_gap(points: Sequence[Tried], metric: str, held_out: str) -> float | None:
    """The median over points of the held-out number minus the one that they are judged by."""
    pairs = [(one.mean(metric), one.mean(held_out)) for one in points]
    gaps = [after - before for before, after in pairs if None not in (before, after)]
    return statistics.median(gaps) if gaps else None


# -------------------------------------------------------------------------------- figures


def wrapped(key: str, width: int) -> str:
    """A key of the YAML in lines: broken behind its dots, and where need be its underscores."""
    lines = [""]
    for part in re.findall(r"[^.]+\.?", key):
        pieces = [part] if len(part) <= width else re.findall(r"[^_]+_?", part)
        for piece in pieces:
            if lines[-1] and len(lines[-1]) + len(piece) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(lines)


@plots.styled
def importance_figure(found: Sequence[Importance]) -> Figure:
    """Each key's importance with its interval, the greatest on top."""
    if not found:
        return plots.note("There are too few different points to tell which key mattered.")
    figure, (axes,) = plots.panels(1, 1, 0.75 + 0.3 * len(found))
    for place, one in enumerate(found):
        colour = plots.ORANGE if one.stands_out else plots.INK
        axes.plot([one.lower, one.upper], [place, place], color=colour, linewidth=1.6)
        axes.plot([one.mean], [place], color=colour, marker="o", markersize=5)
    axes.axvline(0, color=plots.INK, linewidth=0.8)
    names = [wrapped(one.key, 22) for one in found]
    axes.set_yticks(range(len(found)), names)
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("share of the order's variance")
    return figure


@dataclass(frozen=True)
class _Axis:
    """One axis of the parallel coordinates: places from 0 to 1, and labels at some."""

    label: str
    places: np.ndarray
    ticks: Mapping[float, str]


def _scaled(values: np.ndarray, log: bool, low: float, high: float) -> np.ndarray:
    if log:
        values, low, high = np.log(values), math.log(low), math.log(high)
    return (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _key_axis(name: str, told: Mapping[str, Any], values: Sequence[Any]) -> _Axis:
    """The axis of a key. Where values are listed, points are set a little apart."""
    label = wrapped(name, 16)
    if told["listed"] is None:
        low, high = told["bounds"]
        middle = math.sqrt(low * high) if told["log"] else (low + high) / 2
        numbers = np.array(values, dtype=float)
        ticks = {0.0: _text(low), 0.5: f"{middle:.2g}", 1.0: _text(high)}
        return _Axis(label, _scaled(numbers, told["log"], low, high), ticks)
    listed = told["listed"]
    at = np.linspace(0.04, 0.96, len(listed)) if len(listed) > 1 else np.array([0.5])
    place = {str(one): where for one, where in zip(listed, at)}
    width = 0.3 * (at[1] - at[0]) if len(listed) > 1 else 0.2
    turns = np.random.default_rng(1).uniform(-0.5, 0.5, len(values))
    places = np.array([place[str(one)] for one in values]) + min(width, 0.08) * turns
    texts = [_text(one) for one in listed]
    if sum(len(text) + 2 for text in texts) > LETTERS:  # no room: the first and the last
        texts = [text if index in (0, len(texts) - 1) else "" for index, text in enumerate(texts)]
    return _Axis(label, places, dict(zip(at, texts)))


def metric_scale(numbers: Sequence[float]) -> tuple[bool, float, float]:
    """Whether a metric is shown on a logarithmic axis, and its ends."""
    low, high = min(numbers), max(numbers)
    return low > 0 and high / low >= 20, low, high


def _metric_axis(metric: str, values: Sequence[float | None], better: str) -> _Axis:
    known = [one for one in values if one is not None]
    log, low, high = metric_scale(known)
    worst = high if better == "less" else low
    numbers = np.array([worst if one is None else one for one in values], dtype=float)
    ticks = {0.0: f"{low:.4g}", 1.0: f"{high:.4g}"} if high > low else {0.5: f"{low:.4g}"}
    return _Axis(wrapped(metric, 16), _scaled(numbers, log, low, high), ticks)


def _lines(places: np.ndarray, which: Sequence[int]) -> Outline:
    """Lines through all axes as one path, which a file holds in few bytes: (n_points, n_axes)."""
    rows = np.arange(places.shape[1], dtype=float)
    vertices = [np.column_stack([places[one], rows]) for one in which]
    codes = [Outline.MOVETO] + [Outline.LINETO] * (len(rows) - 1)
    return Outline(np.concatenate(vertices), codes * len(which))


@plots.styled
def parallel_figure(
    points: Sequence[Tried], keys: Mapping[str, Mapping[str, Any]], metric: str, better: str
) -> Figure:
    """Parallel coordinates: a line for each point from key to key, down to the metric.

    The axes lie, so that their labels can be read and a phone has room for many.

    Args:
        points: the best first.
        keys: key -> `log`, `listed`, `bounds`, as `kerasbook.sweeps.Sweep.told` gives them, in
            the order in which they are drawn.
    """
    if points[0].mean(metric) is None:
        return plots.note("Every training ran away: there is no number to draw.")
    axes_ = [_key_axis(key, told, [one.values[key] for one in points])
             for key, told in keys.items()]  # fmt: skip
    axes_.append(_metric_axis(metric, [one.mean(metric) for one in points], better))
    places = np.column_stack([one.places for one in axes_])
    n, best = len(points), max(1, math.ceil(BEST_SHARE * len(points)))
    figure, (panel,) = plots.panels(1, 1, 0.3 + 0.6 * len(axes_))
    # Thin enough to see through, and strong enough for a dark page.
    shade = min(0.7, max(0.2, 40 / n))
    groups = [
        (range(best, n), plots.BLUE, 0.6, shade, f"the other {n - best}"),
        (range(1, best), plots.ORANGE, 1.0, 0.85, f"best {best} of {n}"),
        (range(1), plots.INK, 1.8, 1.0, "the best"),
    ]
    for which, colour, width, alpha, label in groups:
        if len(which):
            drawn = PathPatch(
                _lines(places, list(which)),
                facecolor="none", edgecolor=colour, linewidth=width, alpha=alpha,
            )  # fmt: skip
            panel.add_patch(drawn)
            panel.plot([], [], color=colour, linewidth=max(width, 1.2), label=label)
    # On lines type could not be read, so it stands on the page's colour.
    ground = {"facecolor": plots.PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
    for row, axis in enumerate(axes_):
        panel.plot([0, 1], [row, row], color=plots.INK, linewidth=0.8)
        for place, text in axis.ticks.items():
            panel.plot([place, place], [row, row + 0.07], color=plots.INK, linewidth=0.8)
            side = "left" if place < 0.02 else "right" if place > 0.98 else "center"
            if text:
                panel.text(place, row + 0.12, text, ha=side, va="top", fontsize=8.5, bbox=ground)
    panel.set_yticks(range(len(axes_)), [axis.label for axis in axes_])
    panel.tick_params(axis="y", length=0)
    panel.xaxis.set_visible(False)
    panel.grid(False)
    panel.spines[:].set_visible(False)
    panel.set(xlim=(-0.02, 1.02), ylim=(len(axes_) - 0.55, -0.15))
    plots.legend_above(figure, [panel])
    return figure


def _middle_line(values: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Medians of the metric along a key: of each value, or of five groups of equal size."""
    different = np.unique(values)
    if len(different) <= 8:
        groups = [values == one for one in different]
    else:
        groups = [np.isin(np.arange(len(values)), part)
                  for part in np.array_split(np.argsort(values, kind="stable"), 5)]  # fmt: skip
    return (
        np.array([np.median(values[group]) for group in groups]),
        np.array([np.median(numbers[group]) for group in groups]),
    )


@plots.styled
def effects_figure(
    points: Sequence[Tried], keys: Mapping[str, Mapping[str, Any]], metric: str
) -> Figure:
    """The metric by each key: a dot for each point, and medians along the key.

    Args:
        points, keys: as for `parallel_figure`.
    """
    shown = [one for one in points if one.mean(metric) is not None]
    if not shown:
        return plots.note("Every training ran away: there is no number to draw.")
    numbers = np.array([one.mean(metric) for one in shown])
    log = metric_scale(numbers)[0]
    columns = min(2, len(keys))
    figure, panels = plots.panels(math.ceil(len(keys) / columns), columns, 1.75)
    for place, (panel, (key, told)) in enumerate(zip(panels, keys.items())):
        chosen = [one.values[key] for one in shown]
        listed = told["listed"]
        if listed is not None and not told["log"]:
            order = {str(one): index for index, one in enumerate(listed)}
            values = np.array([order[str(one)] for one in chosen], dtype=float)
            step = math.ceil(len(listed) / 5)
            names = [_text(one)[:9] for one in listed]
            panel.set_xticks(range(0, len(listed), step), names[::step])
            panel.set_xlim(-0.5, len(listed) - 0.5)
        else:
            values = np.array(chosen, dtype=float)
        plots.dots(panel, np.column_stack([values, numbers]), plots.BLUE, 2.6, "round", "")
        panel.plot(*_middle_line(values, numbers), color=plots.ORANGE, marker="s", markersize=3.5)
        if told["log"]:
            panel.set_xscale("log")
        if log:
            panel.set_yscale("log")
        panel.autoscale_view(scalex=listed is None or told["log"])
        panel.set_title(wrapped(key, 46 // columns))
        if place % columns == 0:
            panel.set_ylabel(metric)
    for panel in panels[len(keys) :]:
        panel.set_axis_off()
    return figure
