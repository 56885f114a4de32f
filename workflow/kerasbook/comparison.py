"""Experiments of all chapters beside each other: what they come to, their size and their time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kerasbook import plots

STAGES = ("download", "preprocess", "train", "evaluate", "report")
COLOURS = (plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE)
LEAST_SHOWN = -1.0  # a skill below it stands there
MARKERS = ("o", "s", "^", "D")


def comparable(pages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The experiments of the chapters' pages that have a skill and a number of parameters."""
    return [
        {**one, "chapter": page["chapter"], "number": page["number"]}
        for page in pages
        for one in page["experiments"]
        if one["skill"] is not None and one["parameters"]
    ]


@plots.styled
def against(experiments: Sequence[Mapping[str, Any]]) -> Figure:
    """Skill against parameters and against the time of a run, a mark for each experiment.

    Linear models, which the networks are to beat, are hollow.
    """
    figure, axes = plots.panels(1, 2, 3.1)
    chapters = list(dict.fromkeys(one["number"] for one in experiments))
    for index, number in enumerate(chapters):
        colour = COLOURS[index % len(COLOURS)]
        marker = MARKERS[index // len(COLOURS) % len(MARKERS)]
        for linear in (False, True):
            of = [one for one in experiments
                  if one["number"] == number and one["linear"] == linear]  # fmt: skip
            if not of:
                continue
            for panel, key in zip(axes, ("parameters", "seconds")):
                panel.plot(
                    np.maximum([one[key] for one in of], 1e-3),
                    [max(one["skill"], LEAST_SHOWN) for one in of],
                    linestyle="none",
                    marker=marker,
                    markersize=5,
                    color=colour,
                    markerfacecolor="none" if linear else colour,
                    label=f"{number}{', linear' if linear else ''}",
                )
    for panel, label in zip(axes, ("parameters", "seconds of training")):
        panel.set_xscale("log")
        panel.set_xlabel(label)
        panel.axhline(0, color=plots.INK, linewidth=0.8)
    axes[0].set_ylabel("skill over the trivial rule")
    plots.legend_above(figure, [axes[0]])
    return figure


def stages(
    pages: Iterable[Mapping[str, Any]], others: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Jobs, time (s, together) and peak memory (MB) of each stage of each chapter.

    Args:
        others: slug -> jobs that a chapter's page does not tell of, as its own.
    """
    rows = []
    for page in pages:
        steps = [*page["provenance"]["steps"], *others.get(page["slug"], ())]
        cells = []
        for stage in STAGES:
            jobs = [one for one in steps if one["rule"].endswith(f"_{stage}")]
            peaks = [one["peak_mb"] for one in jobs if one["peak_mb"] is not None]
            cells.append(
                {
                    "jobs": len(jobs),
                    "seconds": sum(one["seconds"] or 0.0 for one in jobs),
                    "peak_mb": max(peaks, default=None),
                }
                if jobs
                else None
            )
        rows.append({"number": page["number"], "title": page["title"], "cells": cells})
    return {"names": list(STAGES), "rows": rows}
