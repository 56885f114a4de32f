"""The figures of chapter 4.3."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chapters.ch03_keras_basics.evaluate import in_use_of
from kerasbook import plots, steps
from kerasbook.figures import compared, repairs
from kerasbook.metrics import confusion
from kerasbook.reporting import ChapterFigure, PrintedHistory, Results, write_report
from kerasbook.training import read_history

PRINTED_STOP = "logreg_early_stopping"
SPLITS_ONLY = "logreg_early_stopping_splits_only"


def history_of(results: Results, name: str, seed: int) -> dict[str, np.ndarray]:
    """A run's history: metric -> values (n_epochs,). Runs that stop early differ in length."""
    return read_history(results.run_folder(name, seed) / "history.tsv")[1]


def losses(results: Results, printed: PrintedHistory) -> ChapterFigure:
    """Training loss by epoch of the three networks of the printed size, and as printed."""
    names = ["logreg", "mlp", "mlp_relu"]
    titles = results.titles(names)
    ends = {name: results.value(name, "train_loss")["mean"] for name in names}
    return ChapterFigure(
        "losses",
        "Training loss by epoch",
        "Cross-entropy of the training rows by epoch, in nats, as Keras prints it: the mean over "
        "the epoch's batches. A strong line is the mean over seeds, a thin line one seed."
        + (" Hollow diamonds are the printed losses of softmax regression." if printed else ""),
        "Line plot of training loss by epoch. Last epoch: "
        + "; ".join(f"{titles[name]} {ends[name]:.4f}" for name in names)
        + ".",
        plots.curves(
            {name: results.history(name)[1] for name in names},
            ["loss"],
            labels={**titles, "loss": "training loss (nats)"},
            printed=printed,
        ),
    )


def diamonds(axes: Axes, x: list[float], y: list[float], colour: str, size: float) -> None:
    """Printed values, if there are any."""
    if x:
        axes.plot(
            x, y, linestyle="none", marker="D", markersize=size, markerfacecolor="none",
            markeredgecolor=colour, markeredgewidth=0.8, label="printed",
        )  # fmt: skip


@plots.styled
def draw_state(
    whole: dict[str, list], changes: dict[str, list], printed: dict[str, dict[int, float]]
) -> Figure:
    """All fits of one model in a row, and how the loss of the last one falls.

    Args:
        whole: lists of epoch numbers and losses, one entry per fit: `epochs`, `loss`,
            `val_loss`.
        changes: label -> the losses by epoch of each seed's last fit.
        printed: metric -> epoch of the last fit -> printed value.
    """
    figure, (above, below) = plots.panels(2, 1, 2.2)
    for index, (epochs, loss, val_loss) in enumerate(
        zip(whole["epochs"], whole["loss"], whole["val_loss"])
    ):
        label = {"label": "training loss"} if index == 0 else {}
        above.plot(epochs, loss, color=plots.BLUE, **label)
        if len(val_loss):
            label = {"label": "validation loss"} if index == 1 else {}
            above.plot(epochs, val_loss, color=plots.ORANGE, linestyle=(0, (5, 1.5)), **label)
            above.axvline(epochs[0] - 0.5, color=plots.INK, alpha=0.25, linewidth=0.7)
    every = np.concatenate([*whole["loss"][1:], *whole["val_loss"]])
    shown = [*every, *(value for told in printed.values() for value in told.values())]
    margin = 0.15 * (max(shown) - min(shown))
    above.set_ylim(min(shown) - margin, max(shown) + margin)
    last = whole["epochs"][-1][0] - 1
    for metric, colour in (("loss", plots.BLUE), ("val_loss", plots.ORANGE)):
        told = printed.get(metric, {})
        diamonds(above, [last + epoch for epoch in told], list(told.values()), colour, 4)
    above.set_title("all epochs of one model (nats)")
    above.set_xlabel("epoch since the weights were new")
    for (label, runs), colour in zip(changes.items(), (plots.PURPLE, plots.GREEN)):
        for index, loss in enumerate(runs):
            epochs = np.arange(1, len(loss) + 1)
            told = {"label": label} if index == 0 else {}
            below.plot(epochs, loss - loss[0], color=colour, linewidth=1.0, **told)
    told = printed.get("loss", {})
    change = [value - told[1] for value in told.values()]
    diamonds(below, list(told), change, plots.BLUE, 5)
    below.set_title("last fit: training loss since its first epoch (nats)")
    below.set_xlabel("epoch of the last fit")
    for axes in (above, below):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    plots.legend_above(figure, [above, below])
    return figure


def state(results: Results, printed: PrintedHistory) -> ChapterFigure:
    """What the model went through before the printed fit, and how that shows."""
    seed = results.seeds(PRINTED_STOP)[0]
    record = results.record(PRINTED_STOP, seed)
    fits = [*record["before"], history_of(results, PRINTED_STOP, seed)]
    whole: dict[str, list] = {"epochs": [], "loss": [], "val_loss": []}
    done = 0
    for one in fits:
        loss = np.asarray(one["loss"], dtype=float)
        whole["epochs"].append(done + np.arange(1, len(loss) + 1))
        whole["loss"].append(loss)
        whole["val_loss"].append(np.asarray(one.get("val_loss", []), dtype=float))
        done += len(loss)
    labels = {PRINTED_STOP: "the cell, seven times", SPLITS_ONLY: "only split before"}
    changes = {
        label: [history_of(results, name, one)["loss"] for one in results.seeds(name)]
        for name, label in labels.items()
    }
    sizes = ", ".join(f"{one['n_train']:,}" for one in record["before"] if one["n_val"])
    return ChapterFigure(
        "state",
        "What the printed fit began with",
        f"Above, all epochs of one model (seed {seed}): first on all rows, then once for each run "
        f"of the cell that splits and fits, on {sizes} and at last {record['n_train']:,} rows; a "
        "thin upright line is a run of the cell. The axis is cut where the first epochs are "
        "higher. Below, how the training loss of the last fit falls from its first epoch, for "
        "every seed, with the earlier runs of the cell fitting, or only splitting."
        + (" Hollow diamonds are the printed losses." if printed else ""),
        "Two line plots. Change of the training loss over the last fit: "
        + "; ".join(
            f"{label} {results.value(name, 'loss_change')['mean']:.4f} nats"
            for name, label in labels.items()
        )
        + ".",
        draw_state(whole, changes, printed.get(PRINTED_STOP, {})),
    )


@plots.styled
def draw_overfitting(histories: list[dict[str, np.ndarray]], best: int, stop: int | None) -> Figure:
    """Training and validation loss by epoch, with the best epoch and where to stop."""
    figure, (axes,) = plots.panels(1, 1, 2.4)
    for metric, colour, dash, label in (
        ("loss", plots.BLUE, "-", "training loss"),
        ("val_loss", plots.ORANGE, (0, (5, 1.5)), "validation loss"),
    ):
        for index, history in enumerate(histories):
            epochs = np.arange(1, len(history[metric]) + 1)
            told = {"label": label, "linewidth": 1.6} if index == 0 else {"linewidth": 0.7}
            axes.plot(epochs, history[metric], color=colour, linestyle=dash, **told)
    axes.axvline(best, color=plots.INK, linewidth=1.0, label="best epoch")
    if stop is not None:
        axes.axvline(
            stop, color=plots.INK, linewidth=1.0, linestyle=(0, (1.5, 1.2)), label="early stop"
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set(xlabel="epoch", ylabel="cross-entropy (nats)")
    plots.legend_above(figure, [axes])
    return figure


def would_stop(val_loss: np.ndarray, patience: int) -> int | None:
    """The epoch, from 1, after which early stopping ends the training; None if it never does.

    `patience` as Keras 1 counts it: patience + 1 epochs in a row without a smaller loss.
    """
    best, since = np.inf, 0
    for epoch, loss in enumerate(val_loss, start=1):
        best, since = (loss, 0) if loss < best else (best, since + 1)
        if since > patience:
            return epoch
    return None


def overfitting(results: Results) -> ChapterFigure:
    """Over-fitting, and what early stopping and the checkpoint make of it."""
    name = "mlp_overfitting"
    seeds = results.seeds(name)
    histories = [history_of(results, name, seed) for seed in seeds]
    patience = results.experiments[PRINTED_STOP]["settings"]["patience"]
    best = int(histories[0]["val_loss"].argmin()) + 1
    stop = would_stop(histories[0]["val_loss"], patience)
    stopped = "never" if stop is None else f"after epoch {stop}"
    last, kept = (results.value(name, f"{one}_loss")["mean"] for one in ("last", "best"))
    return ChapterFigure(
        "overfitting",
        "Over-fitting, early stopping and the checkpoint",
        f"A wide layer without regularisation (seed {seeds[0]} strong, others thin). The upright "
        f"lines are those of seed {seeds[0]}: the best epoch is {best}, and early stopping with a "
        f"patience of {patience} would end the training {stopped}. On the test rows, which took "
        f"no part in this, the last epoch's weights come to {last:.4f} nats and the checkpoint's "
        f"to {kept:.4f}, mean over seeds.",
        f"Line plot: training loss falls to {histories[0]['loss'][-1]:.3f} nats, validation loss "
        f"is lowest, {histories[0]['val_loss'].min():.3f}, in epoch {best} and ends at "
        f"{histories[0]['val_loss'][-1]:.3f}.",
        draw_overfitting(histories, best, stop),
    )


def confusion_of_exercise(results: Results) -> ChapterFigure:
    """The exercise's confusion matrix on its test rows."""
    name = "exercise"
    seed = results.seeds(name)[0]
    predictions = results.predictions(name, seed)
    labels = results.data["y_train"][predictions["rows"]]
    given = in_use_of(predictions, results.experiments[name]["settings"]).argmax(axis=1)
    classes = [str(one) for one in results.data["classes"]]
    counts = confusion(labels, given, len(classes))
    off = counts - np.diag(np.diagonal(counts))
    true, answer = np.unravel_index(off.argmax(), off.shape)
    return ChapterFigure(
        "confusion",
        "Which classes the deeper network confuses",
        f"Test rows (n = {len(labels):,}) of the deeper network, seed {seed}, by class and by "
        f"answer. The commonest mistake: {off[true, answer]} rows of {classes[true]} are taken "
        f"for {classes[answer]}.",
        "Confusion matrix. Right answers by class: "
        + "; ".join(
            f"{one} {row[index]} of {row.sum()}"
            for index, (one, row) in enumerate(zip(classes, counts))
        )
        + ".",
        plots.confusion_matrix(counts, [one.rsplit("_", 1)[-1] for one in classes]),
    )


def ladder(results: Results) -> ChapterFigure:
    """Log loss of every model on rows that it never learnt from."""
    names = [
        name for name in results.experiments if "test_loss" in results.metrics[name]["summary"]
    ]
    names.sort(key=lambda name: -results.value(name, "test_loss")["mean"])
    null = results.value(names[0], "null_loss")["mean"]
    peer = results.file["peers"]["exercise.test_loss"]
    book = results.edition == "book"
    return compared(
        results,
        "ladder",
        "Log loss of every model on held-out rows",
        "Multi-class log loss (nats) on the test rows, of the models that never learnt from them. "
        f"Whoever gives every row the frequencies of the classes comes to {null:.3f}."
        + (f" The dashed line is {peer['source']}: {peer['value']}." if book else ""),
        "test_loss",
        names,
        axis="log loss on held-out rows (nats)",
        baseline=("Keras 1 example", peer["value"]) if book else None,
    )


def faults(results: Results, printed: PrintedHistory) -> ChapterFigure:
    """What one would report of early stopping, as printed and with each fault repaired."""
    labels = {
        name: title.removeprefix("Early stopping: ")
        for name, title in repairs(results, PRINTED_STOP).items()
    }
    last = list(printed.get(PRINTED_STOP, {}).get("val_loss", {}).values())[-1:]
    return compared(
        results,
        "faults",
        "Early stopping, one fault repaired at a time",
        "What one would report: log loss (nats) of the test rows, of the printed early stopping "
        "and with one fault repaired at a time, at last all. Lower is not better here where the "
        "test rows had been learnt from.",
        "reported_loss",
        labels,
        axis="reported log loss (nats)",
        printed=[*last, *[None] * (len(labels) - 1)] if last else None,
    )


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page; printed numbers beside the tutorial's own data."""
    printed = results.printed_history()
    return [
        losses(results, printed),
        state(results, printed),
        overfitting(results),
        confusion_of_exercise(results),
        ladder(results),
        faults(results, printed),
    ]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
