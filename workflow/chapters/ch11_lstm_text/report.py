"""The figures of chapter 4.11."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from chapters.ch11_lstm_text import figures
from chapters.ch11_lstm_text.sampling import SAMPLERS
from kerasbook import plots, steps
from kerasbook.characters import decode
from kerasbook.figures import absent
from kerasbook.reporting import ChapterFigure, Results, write_report

PRINTED_CLASSIFIERS = ("one_hot_lstm", "tfidf_lstm")
LINEAR = "tfidf_linear"
WRITTEN = 3  # characters of the drawing of how a network writes
LEFT = {
    "nonzero_whole": "whole rows",
    "nonzero_last_columns": "their last columns",
    "nonzero_integers": "cast to integers",
}


def curves(results: Results) -> ChapterFigure:
    """Accuracy and loss of the printed classifiers by epoch."""
    title = "The printed classifiers by epoch"
    names = results.those_run(PRINTED_CLASSIFIERS)
    if not names:
        return absent(results, "curves", title)
    histories = {name: results.history(name)[1] for name in names}
    labels = results.titles(names)
    ends = "; ".join(
        f"{labels[name]}: training accuracy {one['accuracy'][:, -1].mean():.4f}, "
        f"test accuracy {one['val_accuracy'][:, -1].mean():.4f}"
        for name, one in histories.items()
    )
    return ChapterFigure(
        "curves",
        title,
        "Accuracy and mean squared error of the networks as printed, by epoch, on the training "
        "rows and on the test rows, which the tutorial watches. A strong line is the mean over "
        "seeds, a thin line one seed"
        + (", a diamond what is printed." if results.edition == "book" else "."),
        f"Nearly flat lines by epoch. After the last one: {ends}.",
        plots.curves(
            histories,
            ["accuracy", "val_accuracy", "loss", "val_loss"],
            labels={
                **labels,
                "val_accuracy": "test accuracy",
                "loss": "squared error",
                "val_loss": "test squared error",
            },
            percent=["accuracy", "val_accuracy"],
            printed=results.printed_history(names),
        ),
    )


def ladder(results: Results) -> ChapterFigure:
    """Test accuracy of all classifiers beside the linear model's folds."""
    title = "Who wrote it?"
    names = results.of_task("one_hot", "tfidf", "linear")
    if not names:
        return absent(results, "ladder", title)
    values = [list(results.by_seed(name, "test_accuracy").values()) for name in names]
    labels = list(results.titles(names).values())
    told = "a ring is a seed, the dot their mean"
    if results.has(LINEAR):
        folds = results.experiments[LINEAR]["settings"]["folds"]
        each = [
            value
            for fold in range(1, folds + 1)
            for value in results.by_seed(LINEAR, f"fold{fold}_accuracy").values()
        ]
        values.append(each)
        labels.append(f"The same over {folds} folds")
        told += f"; in the last row a ring is a fold of a seed, {len(each)} in all"
    means = [float(np.mean(one)) for one in values]
    majority = results.value(names[0], "majority_accuracy")["mean"]
    return ChapterFigure(
        "ladder",
        title,
        f"Share of the test rows whose label is told right: {told}. Labels are those that an "
        "experiment learns by, right or wrong, so high is not always good: with a vectorizer for "
        "each class the columns give the class away. The dashed line always gives the commoner "
        f"label ({majority:.4f} of the first experiment's test rows).",
        "Test accuracy: "
        + "; ".join(f"{name} {mean:.4f}" for name, mean in zip(labels, means))
        + f". Commoner label {majority:.4f}.",
        plots.bar_with_error(
            labels,
            means,
            [None] * len(means),
            baseline=majority,
            baseline_name="always the commoner label",
            label="test accuracy",
            percent=True,
            seeds=values,
        ),
    )


@plots.styled
def _shares(names: Sequence[str], shares: Sequence[float], counts: Sequence[int]) -> Figure:
    figure, (axes,) = plots.panels(1, 1, 1.6)
    rows = np.arange(len(names))
    axes.barh(rows, shares, height=0.55, color=plots.BLUE)
    for row, share, count in zip(rows, shares, counts):
        axes.text(share + 0.015, row, f"{count:,}", va="center")
    axes.set_yticks(rows, names)
    axes.set(xlim=(0, 1.25), xlabel="share of the weights that are not zero")
    axes.set_xticks(np.linspace(0, 1, 5), [f"{share:.0%}" for share in np.linspace(0, 1, 5)])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return figure


def padding(results: Results) -> ChapterFigure:
    """What pad_sequences leaves of the TF-IDF rows."""
    title = "What the padding leaves"
    if not results.has("tfidf_lstm"):
        return absent(results, "padding", title)
    seed = results.seeds("tfidf_lstm")[0]
    kept = results.predictions("tfidf_lstm", seed)
    counts = [int(kept[key]) for key in LEFT]
    shares = [count / counts[0] for count in counts]
    told = "; ".join(f"{name} {count:,}" for name, count in zip(LEFT.values(), counts))
    return ChapterFigure(
        "padding",
        title,
        f"Entries that are not zero in TF-IDF rows of {int(kept['columns']):,} columns: in whole "
        "rows, in the last columns that the padding keeps, and once they are cast to integers. "
        "A weight survives the cast only if it is 1: in a row whose only word it is.",
        f"Bars, number of entries that are not zero: {told}.",
        _shares(list(LEFT.values()), shares, counts),
    )


@plots.styled
def _words(words: Sequence[str], weights: np.ndarray, names: Sequence[str]) -> Figure:
    figure, axes = plots.panels(1, 2, 2.6)
    half = len(words) // 2
    for panel, part, colour, name in zip(
        axes, (slice(0, half), slice(half, None)), (plots.ORANGE, plots.BLUE), names
    ):
        size = np.abs(weights[part])
        order = np.argsort(size)
        panel.barh(np.arange(half), size[order], color=colour)
        chosen = [words[part][one] for one in order]
        panel.set_yticks(np.arange(half), [word.replace("$", r"\$") for word in chosen])
        panel.set_title(name)
        panel.set_xlabel("weight")
        panel.grid(axis="y", visible=False)
    return figure


def words(results: Results) -> ChapterFigure:
    """The words by which the linear model tells the two apart."""
    title = "The telling words"
    if not results.has(LINEAR):
        return absent(results, "words", title)
    seed = results.seeds(LINEAR)[0]
    kept = results.predictions(LINEAR, seed)
    chosen, weights = kept["telling_words"].tolist(), kept["telling_weights"]
    first, second = (str(name) for name in results.data["label_names"])
    half = len(chosen) // 2
    return ChapterFigure(
        "words",
        title,
        f"The words with the largest weights in the logistic regression (seed {seed}), by the "
        "label that they speak for.",
        f"For {second}: {', '.join(chosen[:half])}. For {first}: {', '.join(chosen[half:][::-1])}.",
        _words(chosen, weights, [second, first]),
    )


def chain(results: Results) -> ChapterFigure:
    """How a window is read, and how it moves on over what a network wrote."""
    name, title = "chain", "Reading a window, writing one character"
    names, data = results.of_task("characters"), results.data_of("blogs")
    if not names or data is None:
        return absent(results, name, title)
    losses = {one: results.value(one, "text_loss")["mean"] for one in names}
    shown = min(names, key=lambda one: np.nan_to_num(losses[one], nan=np.inf))
    told, seed = results.experiments[shown], results.seeds(shown)[0]
    kept = results.predictions(shown, seed)
    size, start = told["settings"]["window"], int(kept["starts"][-1])
    window = decode(data["characters"][start : start + size], data["alphabet"])
    last = kept["samples"][-1][SAMPLERS.index("as printed")][-1]
    written = decode(last[:WRITTEN], data["alphabet"])
    diversity = told["settings"]["diversities"][-1]
    return ChapterFigure(
        name,
        title,
        f"Above: an LSTM reads {size} characters, one after the other, and begins with zeros. In "
        "each cell the gate f (forget) says how much of the memory stays, i (input) how much of "
        "what is new is added, o (output) how much of it is handed on as the state. The last "
        "state alone says, through a softmax, which character comes next. Below: what is drawn "
        "(shaded) joins the window, which moves on by one and loses its first character. So "
        f"'{told['title']}', of these networks the one with the lowest loss over the text, went on "
        f"from a place of the text (seed {seed}, last epoch, diversity {diversity:g}).",
        f"A chain of cells over {size} characters, each cell with gates f, i and o, a line of "
        "memory and a line of state, then a softmax. Below it windows, each one character "
        f"further on: from {window!r} the network goes on with {written!r}.",
        figures.chain(window, written),
    )


def loss(results: Results) -> ChapterFigure:
    """The character networks' loss by epoch."""
    title = "Learning to write: loss by epoch"
    names = results.of_task("characters")
    if not names:
        return absent(results, "loss", title)
    histories = {name: results.history(name)[1] for name in names}
    labels = results.titles(names)
    uniform = results.value(names[0], "uniform_loss")["mean"]
    # A network that learns by squared error has no loss in nats; its text loss has.
    shown = {
        name: {
            "text_loss": one["text_loss"],
            **({"loss": one["loss"]} if _in_nats(results, name) else {}),
        }
        for name, one in histories.items()
    }
    ends = "; ".join(
        f"{labels[name]} {one['text_loss'][:, -1].mean():.3f} after epoch "
        f"{one['text_loss'].shape[1]}"
        for name, one in shown.items()
    )
    return ChapterFigure(
        "loss",
        title,
        "Cross-entropy (nats per character) by epoch: its mean while the epoch is learnt, as "
        "Keras prints it, and over windows spread evenly through the text once the epoch has "
        "ended, there without the least probability that the first one counts with. "
        f"All characters equally likely would give {uniform:.3f}. The axes are logarithmic: "
        "what diverges goes far. A strong line is the mean over seeds, a thin line one seed"
        + (", a diamond what is printed." if results.edition == "book" else "."),
        f"Lines by epoch. Loss over the text at the end: {ends}.",
        plots.curves(
            shown,
            ["loss", "text_loss"],
            labels={**labels, "loss": "loss while learning", "text_loss": "loss after the epoch"},
            printed=results.printed_history(names),
            log=["loss", "text_loss"],
        ),
    )


def _in_nats(results: Results, name: str) -> bool:
    return results.experiments[name]["settings"]["loss"] == "categorical_crossentropy"


def known_words(results: Results) -> ChapterFigure:
    """How many words of the samples are words of the text."""
    title = "Words, or letters only?"
    names = results.of_task("characters")
    if not names:
        return absent(results, "known_words", title)
    histories = {name: results.history(name)[1] for name in names}
    labels = results.titles(names)
    ends = "; ".join(
        f"{labels[name]} {one['known_words'][:, -1].mean():.3f}" for name, one in histories.items()
    )
    return ChapterFigure(
        "known_words",
        title,
        "The share of words in the samples that stand in the text as well, after each epoch: the "
        "mean over the printed diversities, drawn by the printed sampler. Letters alone come to a "
        "share, too, where the text has such short words. A strong line is the mean over seeds, a "
        "thin line one seed.",
        f"Lines by epoch. At the end: {ends}.",
        plots.curves(
            histories,
            ["known_words"],
            labels={**labels, "known_words": "words that the text has"},
            percent=["known_words"],
        ),
    )


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page."""
    return [
        curves(results),
        padding(results),
        ladder(results),
        words(results),
        chain(results),
        loss(results),
        known_words(results),
    ]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
