"""The whole reproduction in one picture: the verdicts of each chapter, and how far off they lie."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kerasbook import plots
from kerasbook.verdicts import VERDICTS, distance

# Those of templates/style.css; only what is not judged is hatched there.
COLOURS = {
    "exact": plots.GREEN,
    "holds": "#2f8fd0",
    "better": "#9a7fd6",
    "worse": "#e0a100",
    "differs": plots.ORANGE,
    "not judged": "#d9dbde",
    "not run": "#a9adb2",
}
FARTHEST = 3.0  # half intervals; what lies beyond stands there


def counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Counter]:
    """Chapter (`ch01`) -> its verdicts, counted, in the order of the ledger."""
    told: dict[str, Counter] = {}
    for row in rows:
        told.setdefault(row["id"].partition(".")[0], Counter())[row["verdict"]] += 1
    return told


def distances(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, float]]:
    """(chapter, verdict, how far off) of the numbers that were judged by an interval.

    How far off is told in half widths of the interval: what lies from -1 to 1 holds.
    """
    out = []
    for row in rows:
        if row["p"] in (None, ""):
            continue
        away = distance(
            float(row["mean"]), float(row["sd"]), int(row["n_seeds"]), str(row["printed"])
        )
        out.append((row["id"].partition(".")[0], row["verdict"], away))
    return out


@plots.styled
def picture(rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str], width: float) -> Figure:
    """Verdicts of each chapter as bars; beside them each judged number, by how far off it lies.

    Args:
        rows: of reproduction.tsv, or what it is written from.
        titles: chapter -> what stands at its line.
        width: inches.
    """
    told = counts(rows)
    places = {chapter: place for place, chapter in enumerate(told)}
    figure, (bars, dots) = plots.panels(1, 2, 0.9 + 0.27 * len(told), width)
    left = np.zeros(len(told))
    for verdict in (one for one in COLOURS if any(one in count for count in told.values())):
        sizes = np.array([count[verdict] for count in told.values()], dtype=float)
        bars.barh(
            list(places.values()), sizes, 0.72, left, color=COLOURS[verdict], label=verdict
        )  # fmt: skip
        left += sizes
    bars.set_yticks(list(places.values()), [titles[chapter] for chapter in told])
    bars.set_xlabel("printed numbers")
    dots.axvspan(-1, 1, color=plots.INK, alpha=0.08, linewidth=0)
    dots.axvline(0, color=plots.INK, linewidth=0.8)
    by_place: dict[tuple[int, float], int] = {}
    for chapter, verdict, away in distances(rows):
        at = float(np.clip(away, -FARTHEST, FARTHEST))
        # Dots that would cover each other stand one above the other.
        box = places[chapter], round(at / 0.15)
        level = by_place[box] = by_place.get(box, 0) + 1
        offset = (-1) ** level * (level // 2) * 0.13
        dots.plot(
            [at], [places[chapter] + max(-0.4, min(0.4, offset))],
            marker="o", markersize=3.2, color=COLOURS[verdict], linestyle="none",
        )  # fmt: skip
    dots.set_xlim(-FARTHEST - 0.25, FARTHEST + 0.25)
    dots.set_xticks(np.arange(-3, 4), [f"{one:+d}" if one else "0" for one in range(-3, 4)])
    dots.set_xlabel("printed minus ours, in half intervals")
    dots.set_yticks(list(places.values()), [""] * len(places))
    for axes in (bars, dots):
        axes.set_ylim(len(told) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
    plots.legend_above(figure, [bars])
    return figure


def in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """The picture's text for who does not see it."""
    total = Counter(row["verdict"] for row in rows)
    parts = [f"{total[verdict]} {verdict}" for verdict in VERDICTS if total[verdict]]
    away = [abs(one) for _, _, one in distances(rows)]
    text = f"Of {len(rows)} printed numbers: {', '.join(parts)}."
    if away and math.isfinite(sum(away)):
        text += (
            f" Of {len(away)} that an interval judges, {sum(one <= 1 for one in away)} lie inside."
        )
    return text
