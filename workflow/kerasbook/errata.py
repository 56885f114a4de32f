"""The faults of the printed code over all chapters, ranked by what each costs.

A fault's price is the metric of the experiment without it minus that of the experiment as
printed, paired by seed (`kerasbook.verdicts.paired_effect`). Metrics differ in their units, so
faults are ranked by the change relative to the value as printed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kerasbook import plots

# What the seeds say of a fault, in the order of the page.
STANDINGS = {
    "changes": "its interval does not hold zero: the number changes once it is repaired",
    "not shown": "its interval holds zero: these seeds do not show that it costs anything",
    "one seed": "a single seed, whose change has no interval",
    "not measured": "no seed ended well in both experiments, one of them could not be run, or it "
    "changes no number",
}
COLUMNS = [
    "chapter", "fault", "standing", "metric", "repaired_metric", "before", "after", "effect",
    "lower", "upper", "relative", "n", "as_printed", "corrected", "printed", "wrong", "text",
    "command",
]  # fmt: skip
# Relative changes beyond these stand at the figure's edge.
LEAST_SHOWN, MOST_SHOWN = -2.0, 10.0


def standing_of(fault: Mapping[str, Any]) -> str:
    """Which of `STANDINGS` a fault of a chapter's page has."""
    if fault["effect"] is None:
        return "not measured"
    if fault["lower"] is None or fault["upper"] is None:
        return "one seed"
    return "not shown" if fault["lower"] <= 0 <= fault["upper"] else "changes"


def relative(fault: Mapping[str, Any], key: str) -> float | None:
    """`effect`, `lower` or `upper` as a share of the value as printed; None where that is 0."""
    if fault[key] is None or not fault["before"]:
        return None
    return fault[key] / abs(fault["before"])


def collect(pages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All faults of the chapters' pages, what costs most first.

    Faults whose interval does not hold zero come first, then the others, each by the size of
    the relative change.
    """
    rows = []
    for page in pages:
        for fault in page["faults"]:
            rows.append(
                {
                    **{key: fault[key] for key in fault if key in COLUMNS},
                    "chapter": page["chapter"],
                    "number": page["number"],
                    "report": f"{page['slug']}/report.html",
                    "fault": fault["id"],
                    "standing": standing_of(fault),
                    "relative": relative(fault, "effect"),
                    "relative_lower": relative(fault, "lower"),
                    "relative_upper": relative(fault, "upper"),
                }
            )
    return ranked(rows)


def ranked(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Faults in the order of the page: by their standing, then by the relative change.

    A change from nothing is beyond every share of it.

    Args:
        rows: with `standing` and `relative`, a number, a text of one, or nothing.
    """
    order = list(STANDINGS)

    def size(row: Mapping[str, Any]) -> float:
        if row["relative"] in (None, ""):
            return math.inf if float(row["effect"] or 0.0) else 0.0
        return abs(float(row["relative"]))

    return sorted(rows, key=lambda row: (order.index(row["standing"]), -size(row)))


@plots.styled
def forest(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The relative change of each fault with its interval, in the order of the rows.

    The axis is linear up to one per cent to each side and logarithmic beyond.
    """
    shown = [row for row in rows if row["relative"] is not None]
    if not shown:
        return plots.note("No fault was measured.")
    figure, (axes,) = plots.panels(1, 1, 0.9 + 0.21 * len(shown))
    places = np.arange(len(shown))
    for place, row in zip(places, shown):
        colour = plots.ORANGE if row["standing"] == "changes" else plots.INK
        values = [row["relative"], row["relative_lower"], row["relative_upper"]]
        middle, low, high = np.clip(
            [row["relative"] if one is None else one for one in values],
            LEAST_SHOWN, MOST_SHOWN,
        )  # fmt: skip
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
        axes.plot([middle], [place], color=colour, marker="o", markersize=4.5)
    axes.axvline(0, color=plots.INK, linewidth=0.8)
    axes.set_xscale("symlog", linthresh=0.01, linscale=0.5)
    axes.set_xlim(1.2 * LEAST_SHOWN, 1.2 * MOST_SHOWN)
    # Grid lines at 10 % to the left and 100 % to the right have no room for a label.
    ticks = {-1: "\N{MINUS SIGN}100%", -0.1: "", 0: "0", 0.1: "+10%", 1: "", 10: "+1000%"}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    labels = [f"{row['number']} {row['fault'].replace('_', ' ')}" for row in shown]
    axes.set_yticks(places, labels)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("relative change once repaired")
    return figure
