"""The workflow, drawn: a row for each chapter, a column for each stage, the jobs in the boxes."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kerasbook import diagrams, plots

# Inches.
ROW = 0.36
HEAD = 0.32
FOOT = 0.62
FIRST, LAST = 0.72, 3.66  # the middles of the first and the last stage
RAIL = 4.08  # where the pages meet on their way to the first page


def stages_of(chapters: Sequence[Mapping[str, Any]]) -> list[str]:
    """The stages that any of the chapters has: bundled data is not downloaded."""
    return [stage for stage in chapters[0]["jobs"] if any(one["jobs"][stage] for one in chapters)]


@plots.styled
def drawn(chapters: Sequence[Mapping[str, Any]]) -> Figure:
    """Jobs and what they wait for.

    Args:
        chapters: as `kerasbook.plan.Plan.overview` gives them.
    """
    stages = stages_of(chapters)
    height = HEAD + ROW * len(chapters) + FOOT
    figure, axes = diagrams.sheet(height)
    step = (LAST - FIRST) / max(len(stages) - 1, 1)
    across = {stage: FIRST + step * place for place, stage in enumerate(stages)}
    down = {
        one["number"]: height - HEAD - ROW * (place + 0.5) for place, one in enumerate(chapters)
    }
    for stage, x in across.items():
        diagrams.label(axes, x, height - HEAD / 2, stage)
    wide = diagrams.box_width("000")
    for one in chapters:
        y = down[one["number"]]
        diagrams.label(axes, 0, y, one["number"], ha="left", fontweight="bold")
        filled = [stage for stage in stages if one["jobs"][stage]]
        for before, stage in itertools.pairwise(filled):
            ends = (across[before] + wide / 2, across[stage] - wide / 2)
            diagrams.arrow(axes, [(end, y) for end in ends])
        for stage in filled:
            colour = plots.ORANGE if stage == "report" else plots.INK
            diagrams.box(axes, across[stage], y, str(one["jobs"][stage]), width=wide, colour=colour)
        if one["starts"]:
            left, right, top = across["train"] - 0.08, across["train"] + 0.08, y + diagrams.BOX / 2
            points = [(right, top), (right, top + 0.09), (left, top + 0.09), (left, top)]
            diagrams.arrow(axes, points, colour=plots.BLUE)
        if one["jobs"]["report"]:
            diagrams.line(axes, [(across["report"] + wide / 2, y), (RAIL, y)])
    _compare(axes, chapters, across, down, wide)
    pages = [down[one["number"]] for one in chapters if one["jobs"]["report"]]
    if pages:
        diagrams.arrow(axes, [(RAIL, max(pages)), (RAIL, FOOT * 0.5), (RAIL - 0.12, FOOT * 0.5)])
        text = "first page, errata"
        half = diagrams.box_width(text) / 2
        diagrams.box(axes, RAIL - 0.12 - half, FOOT * 0.5, text, colour=plots.ORANGE)
    return figure


def _compare(
    axes: Axes,
    chapters: Sequence[Mapping[str, Any]],
    across: Mapping[str, float],
    down: Mapping[str, float],
    wide: float,
) -> None:
    """Lines from a chapter's results to the pages that compare with them."""
    way = across["report"] - wide / 2 - 0.14
    for one in chapters:
        for used in one["uses"]:
            start = (across["evaluate"] + wide / 2, down[used])
            y = down[one["number"]]
            lower = y - 0.06 if y > down[used] else y + 0.06  # beside the chapter's own arrow
            ends = [(way, lower), (across["report"] - wide / 2, lower)]
            diagrams.arrow(axes, [start, (way, down[used]), *ends], colour=plots.BLUE, dashed=True)
            diagrams.knot(axes, way, down[used], plots.BLUE)


def told(chapters: Sequence[Mapping[str, Any]]) -> str:
    """The figure in words."""
    stages = stages_of(chapters)
    rows = [
        f"{one['number']} "
        + ", ".join(f"{one['jobs'][stage]} {stage}" for stage in stages if one["jobs"][stage])
        for one in chapters
    ]
    compare = [
        f"{one['number']} compares with {' and '.join(one['uses'])}"
        for one in chapters
        if one["uses"]
    ]
    starts = [
        f"in {one['number']} {one['starts']} of {one['jobs']['evaluate']} experiments start from "
        "the model of another"
        for one in chapters
        if one["starts"]
    ]
    return f"Jobs by chapter and stage: {'; '.join([*rows, *compare, *starts])}."
