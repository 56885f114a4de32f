"""The figures of chapter 4.1."""

import numpy as np

from chapters.ch01_neural_network import network
from kerasbook import plots, steps
from kerasbook.reporting import ChapterFigure, Results, write_report

MARGIN = 0.5  # around the points, as in the tutorial's plots (lines 396 and 397)
GRID = 120  # cells along each axis
CLASSES = {0: "class 0", 1: "class 1"}


def points(results: Results) -> ChapterFigure:
    """The rows."""
    x, y = results.data["x"], results.data["y"]
    return ChapterFigure(
        "data",
        "The points",
        f"All {len(x)} rows: two features, and the class as colour and shape.",
        f"Scatter plot of {int((y == 0).sum())} points of class 0 and {int((y == 1).sum())} of "
        "class 1, which curve around each other.",
        plots.scatter_points(x, y, names=CLASSES),
    )


def boundary(results: Results, name: str) -> dict[str, object]:
    """What an experiment's first seed answers over the plane."""
    x, y = results.data["x"], results.data["y"]
    low, high = x.min(axis=0) - MARGIN, x.max(axis=0) + MARGIN
    xx, yy = np.meshgrid(np.linspace(low[0], high[0], GRID), np.linspace(low[1], high[1], GRID))
    weights = network.load(results.run_folder(name, results.seeds(name)[0]) / "weights.npz")
    z = network.predict(np.column_stack([xx.ravel(), yy.ravel()]), weights).reshape(xx.shape)
    return {"title": results.experiments[name]["title"], "xx": xx, "yy": yy, "z": z, "x": x, "y": y}


def boundaries(results: Results) -> ChapterFigure:
    """The border that each network draws."""
    names = list(results.experiments)
    told = [results.value(name, "train_accuracy")["mean"] for name in names]
    return ChapterFigure(
        "boundaries",
        "The border of each network",
        "Where each network (its first seed) says class 1, from orange (never) to blue (always); "
        "the line is the border at one half, where there is one.",
        "Decision boundaries, with the accuracy on the rows learnt from: "
        + "; ".join(f"{name} {one:.3f}" for name, one in zip(names, told))
        + ".",
        plots.decision_boundary([boundary(results, name) for name in names], 2, names=CLASSES),
    )


def errors(results: Results) -> ChapterFigure:
    """The error by iteration of the printed networks."""
    told = results.experiments.items()
    names = [name for name, one in told if one["variant"] != "corrected"]
    histories = {name: results.history(name)[1] for name in names}
    last = {name: results.value(name, "final_error")["mean"] for name in names}
    return ChapterFigure(
        "errors",
        "The error by iteration",
        "Half the squared misses, summed over all rows, by iteration counted from 0. A strong line "
        "is the mean over seeds, a thin line one seed.",
        "Falling error curves, ending at "
        + "; ".join(f"{name} {one:.2f}" for name, one in last.items())
        + ".",
        plots.curves(
            histories,
            ["error"],
            labels={name: results.experiments[name]["title"] for name in names},
            x_label="iteration",
            first=0,
        ),
    )


def momentum(results: Results) -> ChapterFigure:
    """The error by iteration, with the printed and the accumulating momentum."""
    fault = next(one for one in results.file["faults"] if one["id"] == "momentum")
    names = [fault["as_printed"], fault["corrected"]]
    histories = {name: results.history(name)[1] for name in names}
    last = [results.value(name, "final_error")["mean"] for name in names]
    return ChapterFigure(
        "momentum",
        "Momentum as printed and accumulating",
        f"The same network with the last gradient and with the last update in its momentum term. "
        f"After the last iteration the mean error is {last[0]:.2f} and {last[1]:.2f}.",
        f"Two falling error curves: {last[0]:.2f} as printed, {last[1]:.2f} corrected at the end.",
        plots.curves(
            histories,
            ["error"],
            labels=dict(zip(names, ("last gradient, as printed", "last update, corrected"))),
            x_label="iteration",
            first=0,
        ),
    )


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page."""
    return [points(results), boundaries(results), errors(results), momentum(results)]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
