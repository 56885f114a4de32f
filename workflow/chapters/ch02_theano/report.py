"""The figures of chapter 4.2."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chapters.ch02_theano import logistic
from chapters.ch02_theano.graphs import CONSTANT, INPUT, RESULT, Graph, Place, placed, unpacked
from kerasbook import plots, steps
from kerasbook.diagrams import BOX, arrow, box, box_width, label
from kerasbook.figures import absent
from kerasbook.reporting import ChapterFigure, Results, write_report

LEVEL = 0.43  # inches from a row of a graph to the next
REACH = 60  # log odds up to which the loss is drawn
REGRESSIONS = ("otto_logreg_1step", "otto_logreg", "otto_logreg_1step_unrewritten")


def box_widths(graph: Graph) -> np.ndarray:
    """Inches that each node's box needs for its label, (n,)."""
    return np.array([box_width(str(one)) for one in graph.labels])


def draw_graph(axes: Axes, graph: Graph, place: Place, widths: np.ndarray) -> None:
    """Boxes and arrows: inputs blue, constants without a box, results orange, unused dashed."""
    unused = set(graph.unused)
    colours = {INPUT: plots.BLUE, RESULT: plots.ORANGE}
    for way in place.ways:
        points = way * [1, LEVEL]
        # An arrow ends at a box, not in its middle.
        points[0, 1] += BOX / 2
        points[-1, 1] -= BOX / 2
        arrow(axes, points)
    for index, (text, kind) in enumerate(zip(graph.labels, graph.kinds)):
        x, y = place.x[index], place.y[index] * LEVEL
        if kind == CONSTANT:
            label(axes, x, y, str(text))
            continue
        colour = colours.get(kind, plots.INK)
        box(axes, x, y, str(text), width=widths[index], colour=colour, dashed=index in unused)


@plots.styled
def graph_figure(graphs: dict[str, Graph], stacked: bool = False) -> Figure:
    """Computation graphs, side by side or stacked, each under its name, at one scale.

    Args:
        graphs: title -> graph.
    """
    laid = {}
    for title, graph in graphs.items():
        widths = box_widths(graph)
        laid[title] = (graph, placed(graph, widths), widths)
    heights = [place.y.max() * LEVEL + BOX for _, place, _ in laid.values()]
    n = len(laid)
    rows, columns = (n, 1) if stacked else (1, n)
    title_room = 0.3
    total = sum(heights) + n * title_room if stacked else max(heights) + title_room
    figure, axes = plots.panels(rows, columns, total / rows)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    shares = np.array([place.width for _, place, _ in laid.values()])
    room = plots.WIDTH - 0.2 * columns
    if stacked:
        axes[0].get_gridspec().set_height_ratios([one + title_room for one in heights])
        spans = np.full(n, max(room, shares.max()))
    else:
        spans = shares + max(0.0, room - shares.sum()) / n
        axes[0].get_gridspec().set_width_ratios(spans)
    for panel, (title, (graph, place, widths)), span, own in zip(
        axes, laid.items(), spans, heights
    ):
        draw_graph(panel, graph, place, widths)
        high = own if stacked else max(heights)
        margin = (span - place.width) / 2 + 0.03
        panel.set(
            xlim=(-margin, place.width + margin), ylim=(high - BOX / 2 + 0.04, -BOX / 2 - 0.04)
        )
        panel.set_title(title)
        panel.set_axis_off()
    return figure


BOXES = "An input has a blue box, a constant none, the result an orange one."
KEY = (
    "Values flow downwards: an input has a blue box, a constant none, a result an orange one; "
    "what flows into an operation is in no particular order from left to right."
)


def graphs_of(results: Results, *names: str) -> list[Graph]:
    """Graphs that the symbolic run kept."""
    told = results.predictions("symbolic", results.seeds("symbolic")[0])
    return [unpacked(told, name) for name in names]


def listed(graph: Graph) -> str:
    """A graph in words: its operations, in the order in which they are computed."""
    operations = graph.labels[(graph.kinds != INPUT) & (graph.kinds != CONSTANT)]
    return ", ".join(str(one) for one in operations)


def expression(results: Results) -> ChapterFigure:
    """The first expression in both libraries."""
    ours, theirs = graphs_of(results, "expression", "tensorflow_expression")
    return ChapterFigure(
        "expression",
        "One expression, two libraries",
        "The graph of 3x² + 1, as PyTensor builds it while the line is read, and as TensorFlow "
        f"records it when the function is first called. {KEY} TensorFlow's last operation hands "
        "the result out.",
        f"Two computation graphs. PyTensor: {listed(ours)}. TensorFlow: {listed(theirs)}.",
        graph_figure({"PyTensor": ours, "TensorFlow, traced": theirs}),
    )


def gradient(results: Results) -> ChapterFigure:
    """The expression's gradient, before and after PyTensor rewrites it."""
    before, after = graphs_of(results, "gradient", "gradient_rewritten")
    return ChapterFigure(
        "gradient",
        "A gradient, and what is left of it",
        "The gradient of 3x² + 1, as the chain rule gives it and as PyTensor compiles it: "
        f"{before.operations} operations become {after.operations}. {BOXES} Second "
        "keeps its second input and takes the shape of its first.",
        f"Two computation graphs. Before rewriting: {listed(before)}. After: {listed(after)}.",
        graph_figure({"from the chain rule": before, "compiled": after}),
    )


def traced(results: Results) -> ChapterFigure:
    """The gradient as TensorFlow records it."""
    [graph] = graphs_of(results, "tensorflow_gradient")
    return ChapterFigure(
        "traced",
        "The same gradient in TensorFlow",
        "What tf.function records of a gradient tape around 3x² + 1: the tape has run the "
        f"expression forwards, and of {graph.operations} operations {len(graph.unused)} (dashed) "
        f"are not needed for the gradient. TensorFlow drops them when it runs. {BOXES}",
        f"Computation graph: {listed(graph)}.",
        graph_figure({"traced, not yet simplified": graph}),
    )


def loss(results: Results) -> ChapterFigure:
    """The printed cross-entropy before and after PyTensor rewrites it."""
    before, after = graphs_of(results, "loss", "loss_rewritten")
    return ChapterFigure(
        "loss",
        "The loss as it is written, and as it is computed",
        "The cross-entropy of one row from its log odds z and its class y. Neither logarithm nor "
        f"division is left of it: {before.operations} operations become {after.operations}, and "
        f"Softplus, log(1 + exp(z)), does not overflow. {BOXES}",
        f"Two computation graphs. As written: {listed(before)}. Compiled: {listed(after)}.",
        graph_figure({"as written": before, "compiled": after}),
    )


@plots.styled
def overflow_figure(start: np.ndarray) -> Figure:
    """The loss of a row of another class by its log odds, and how the log odds are spread.

    Args:
        start: (n,) log odds before the first step.
    """
    figure, (top, bottom) = plots.panels(2, 1, 1.6)
    z = np.linspace(-REACH, REACH, 481)
    y = np.zeros(len(z))
    top.plot(z, logistic.cross_entropy(z, y), color=plots.BLUE, label="softplus form")
    for name, dtype, colour, dash in (
        ("as written, float64", np.float64, plots.ORANGE, plots.DASHES[1]),
        ("as written, float32", np.float32, plots.GREEN, plots.DASHES[2]),
    ):
        told = logistic.written_cross_entropy(z.astype(dtype), y)
        finite = np.isfinite(told)
        top.plot(z[finite], told[finite], color=colour, linestyle=dash, label=name)
        last = finite.nonzero()[0][-1]
        top.plot(z[last], told[last], marker="x", markersize=7, color=colour)
    top.set_title("loss of a row that is not class 1 (nats)")
    edges = np.linspace(-REACH, REACH, 61)
    heights, _ = np.histogram(start, edges)
    bottom.stairs(np.maximum(heights, 0.5), edges, baseline=0.5, fill=True, color=plots.BLUE)
    bottom.set_yscale("log")
    bottom.set_ylim(bottom=0.5)
    bottom.set_title("rows by their log odds before the first step")
    bottom.set_xlabel("log odds of class 1")
    for panel in (top, bottom):
        panel.set_xlim(-REACH, REACH)
    plots.legend_above(figure, [top, bottom])
    return figure


def overflow(results: Results) -> ChapterFigure:
    """Where the printed loss ends."""
    title = "Where the loss as it is written ends"
    name = REGRESSIONS[0]
    if not results.has(name):
        return absent(results, "overflow", title, name)
    seed = results.seeds(name)[0]
    start = results.predictions(name, seed)["start_logits"]
    lost = {kind: results.by_seed(name, f"not_finite_{kind}")[seed] for kind in FLOATS}
    beyond = int((np.abs(start) > REACH).sum())
    return ChapterFigure(
        "overflow",
        title,
        "The cross-entropy of a row that is not class 1, by its log odds: as the tutorial writes "
        "it, it ends at the cross, where the sigmoid has rounded to 1 and the logarithm is of "
        f"zero. Below, the {len(start):,} rows by their log odds under random weights (seed "
        f"{seed}), on a logarithmic axis; {beyond:,} lie farther out. Written so, the loss of "
        f"{lost['float32']:,} rows is not finite in float32, and of {lost['float64']:,} in "
        "float64; one is enough to spoil the mean.",
        "A rising loss curve; the form that is written ends in two crosses where it is still "
        f"rising. Below it a histogram of log odds from {start.min():.0f} to {start.max():.0f}.",
        overflow_figure(start),
    )


FLOATS = ("float32", "float64")


@plots.styled
def descent_figure(costs: list[np.ndarray], minimum: float, null: float) -> Figure:
    """Cost by step, on logarithmic axes.

    Args:
        costs: for each seed (k, 2), step and cost.
        minimum: scikit-learn's cost.
        null: that of weights of zero and the best bias.
    """
    figure, (axes,) = plots.panels(1, 1, 2.3)
    for index, one in enumerate(costs):
        axes.plot(*one.T, color=plots.BLUE, linewidth=1.2, alpha=0.8,
                  label="gradient descent" if not index else None)  # fmt: skip
        axes.plot(*one[0], marker="o", color=plots.ORANGE, linestyle="none",
                  label="after one step, as printed" if not index else None)  # fmt: skip
    axes.axhline(minimum, color=plots.GREEN, linewidth=1.2, linestyle=plots.DASHES[1],
                 label="minimum, by scikit-learn")  # fmt: skip
    axes.axhline(null, color=plots.INK, linewidth=1.0, linestyle=plots.DASHES[2],
                 label="class 1's share for every row")  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set(xlabel="step", ylabel="cost")
    plots.legend_above(figure, [axes])
    return figure


def descent(results: Results) -> ChapterFigure:
    """The cost by step."""
    title, name = "How far one step goes", REGRESSIONS[1]
    if not results.has(name):
        return absent(results, "descent", title, name)
    costs = [results.predictions(name, seed)["costs"] for seed in results.seeds(name)]
    minimum = results.value(name, "reference_cost")["mean"]
    share = results.value(name, "class1_share")["mean"]
    null = -(share * np.log(share) + (1 - share) * np.log1p(-share))
    first, last = (np.mean([one[k, 1] for one in costs]) for k in (0, -1))
    steps_taken = sorted(int(one[-1, 0]) for one in costs)
    between = f"{steps_taken[0]:,} to {steps_taken[-1]:,}" if len(costs) > 1 else steps_taken[0]
    return ChapterFigure(
        "descent",
        title,
        "Mean cross-entropy (nats) plus penalty after each step, a line per seed, on logarithmic "
        f"axes. After one step it is {first:.3f}; after {between} steps it is {last:.4f}, and "
        f"scikit-learn's minimum is {minimum:.4f}. Saying class 1's share of every row costs "
        f"{null:.4f}.",
        f"Falling cost curves from {first:.2f} after one step to {last:.4f}; the minimum is "
        f"{minimum:.4f}.",
        descent_figure(costs, minimum, null),
    )


@plots.styled
def answers_figure(
    titles: list[str], measured: dict[str, list[list[float]]], trivial: dict[str, float]
) -> Figure:
    """A panel for each metric, a row in it for each experiment.

    Args:
        titles: of the experiments.
        measured: metric -> for each experiment the value of every seed.
        trivial: metric -> what the rule that never says class 1 comes to.
    """
    figure, axes = plots.panels(len(measured), 1, 0.55 + 0.28 * len(titles))
    rows = range(len(titles))
    for panel, (metric, values) in zip(axes, measured.items()):
        for row, seeds in zip(rows, values):
            panel.plot(seeds, [row] * len(seeds), linestyle="none", marker="o", markersize=7,
                       markerfacecolor="none", markeredgecolor=plots.BLUE, markeredgewidth=0.8,
                       label="each seed")  # fmt: skip
            if seeds:
                panel.plot(np.mean(seeds), row, linestyle="none", marker="o", markersize=5,
                           color=plots.BLUE, label="ours, mean")  # fmt: skip
        panel.axvline(trivial[metric], color=plots.INK, linewidth=1.0, linestyle=(0, (4, 2)),
                      label="never class 1")  # fmt: skip
        panel.set_title(metric)
        panel.set_yticks(rows, [textwrap.fill(title, 22) for title in titles])
        panel.set_ylim(len(titles) - 0.5, -0.5)
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="y", visible=False)
    plots.legend_above(figure, axes)
    return figure


def answers(results: Results) -> ChapterFigure:
    """How many rows are told right, and how many are called class 1."""
    names = [name for name in REGRESSIONS if results.has(name)]
    title = "What the answers are worth"
    if not names:
        return absent(results, "answers", title, REGRESSIONS[0])
    keys = {
        "accuracy": ("test_accuracy", "majority_accuracy"),
        "balanced accuracy": ("balanced_accuracy", "trivial_balance"),
        "area under the ROC curve": ("roc_auc", "trivial_balance"),
    }
    measured = {
        shown: [finite(results.by_seed(name, key)) for name in names]
        for shown, (key, _) in keys.items()
    }
    trivial = {shown: results.value(names[0], rule)["mean"] for shown, (_, rule) in keys.items()}
    titles = [results.experiments[name]["title"] for name in names]
    share = results.value(names[0], "class1_share")["mean"]
    called = [results.value(name, "predicted_positive_share")["mean"] for name in names]
    majority = trivial["accuracy"]
    return ChapterFigure(
        "answers",
        title,
        "On held-out rows. A ring is a seed, the dot their mean. The dashed line is the rule that "
        f"never says class 1, which is right on {majority:.2%}. Of all rows {share:.2%} are class "
        "1, and called so are "
        + "; ".join(f"{one:.2%} ({text})" for one, text in zip(called, titles))
        + ". A model whose weights are not numbers has no metrics here.",
        "On held-out rows, mean over seeds: "
        + "; ".join(
            f"{shown} "
            + ", ".join(
                f"{text} {np.mean(seeds):.3f}" if seeds else f"{text} none"
                for text, seeds in zip(titles, values)
            )
            for shown, values in measured.items()
        )
        + ".",
        answers_figure(titles, measured, trivial),
    )


def finite(by_seed: dict[int, float]) -> list[float]:
    """The values of the seeds that ended well."""
    return [value for value in by_seed.values() if np.isfinite(value)]


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page."""
    each = (expression, gradient, traced, loss, overflow, descent, answers)
    return [one(results) for one in each]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
