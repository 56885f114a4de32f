"""Figures of a chapter's page that several chapters have, made from their results."""

from collections.abc import Mapping, Sequence
from typing import Any

from kerasbook import plots
from kerasbook.reporting import ChapterFigure, Results

RINGS = "A ring is a seed, the dot their mean."


def absent(results: Results, name: str, title: str, experiment: str | None = None) -> ChapterFigure:
    """In place of a figure whose experiment, or any that it could show, was not run."""
    reasons = results.absent if experiment is None else {experiment: results.absent[experiment]}
    why = "; ".join(dict.fromkeys(reasons.values())) or "no such experiment is configured"
    told = f"{title}: not run, {why}"
    return ChapterFigure(name, title, told, told, plots.note(told))


def compared(
    results: Results,
    name: str,
    title: str,
    caption: str,
    metric: str,
    experiments: Sequence[str] | Mapping[str, str],
    *,
    axis: str,
    percent: bool = False,
    baseline: tuple[str, float] | None = None,
    printed: Sequence[float | None] | None = None,
) -> ChapterFigure:
    """One metric of several experiments: a row for each, a ring for each seed.

    Args:
        caption: what is compared; how to read the marks is added to it.
        experiments: their names, or name -> label where that is not the title.
        axis: what the axis shows, with its unit.
        percent: show shares of 1 in per cent.
        baseline: what the dashed line is called, and where it lies.
        printed: the printed value beside each experiment, None where there is none.
    """
    labels = dict(experiments) if isinstance(experiments, Mapping) else results.titles(experiments)
    means = {one: results.value(one, metric)["mean"] for one in labels}
    line: dict[str, Any] = {}
    told = "; ".join(f"{labels[one]} {mean:.4f}" for one, mean in means.items())
    if baseline is not None:
        line = {"baseline_name": baseline[0], "baseline": baseline[1]}
        told += f". Dashed line, {baseline[0]}: {baseline[1]:.4f}"
    return ChapterFigure(
        name,
        title,
        f"{caption} {RINGS}",
        f"{axis[0].upper()}{axis[1:]} by experiment: {told}.",
        plots.bar_with_error(
            list(labels.values()),
            list(means.values()),
            [None] * len(labels),
            label=axis,
            percent=percent,
            printed=printed,
            seeds=[list(results.by_seed(one, metric).values()) for one in labels],
            **line,
        ),
    )


def repairs(results: Results, first: str) -> dict[str, str]:
    """A printed experiment and those that repair one of its faults -> labels for `compared`."""
    repaired = [
        one["corrected"]
        for one in results.file["faults"]
        if one["as_printed"] == first and results.has(one["corrected"])
    ]
    return {first: "as printed", **results.titles(repaired)}
