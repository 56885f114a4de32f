"""The figures of chapter 4.10."""

import numpy as np

from chapters.ch10_recurrent import figures, reviews
from chapters.ch10_recurrent.evaluate import known_by_epoch
from kerasbook import plots, steps
from kerasbook.figures import absent, compared
from kerasbook.reporting import ChapterFigure, Results, write_report

LOSS = {"loss": "loss (nats)", "val_loss": "test loss (nats)", "val_accuracy": "test accuracy"}


def accuracy(results: Results) -> ChapterFigure:
    """Test accuracy of the networks and of their linear rivals."""
    title = "Test accuracy"
    names = results.of_task("sentiment", "linear")
    if not names:
        return absent(results, "accuracy", title)
    majority = results.value(names[0], "majority_accuracy")["mean"]
    peer = results.file["peers"]["test_accuracy"]
    rows = results.about_of("imdb")["facts"]["n_test"]
    return compared(
        results,
        "accuracy",
        title,
        f"Share of the {rows} test rows that are told right. The dashed line always gives the "
        f"commoner label ({majority:.4f}). Others report {peer['value']} for film reviews: "
        f"{peer['source']}.",
        "test_accuracy",
        names,
        axis="test accuracy",
        percent=True,
        baseline=("always the commoner label", majority),
    )


def curves(results: Results) -> ChapterFigure:
    """Loss and accuracy of the networks by epoch."""
    title = "The networks by epoch"
    names = results.of_task("sentiment")
    if not names:
        return absent(results, "curves", title)
    histories = {name: results.history(name)[1] for name in names}
    titles = results.titles(names)
    ends = "; ".join(
        f"{titles[name]}: training loss {one['loss'][:, -1].mean():.3f}, loss of watched rows "
        f"{one['val_loss'][:, -1].mean():.3f}"
        for name, one in histories.items()
    )
    split = [one for one in names if "validation_split" in results.experiments[one]["settings"]]
    kept = "".join(f"; '{titles[one]}' watches rows kept from training instead" for one in split)
    return ChapterFigure(
        "curves",
        title,
        "Accuracy and cross-entropy (nats) by epoch, on the training rows and on the test rows, "
        f"which the tutorial watches{kept}. A strong line is the mean over seeds, a thin line one "
        "seed" + (", a diamond what is printed." if results.edition == "book" else "."),
        f"Line plots by epoch. After the last one: {ends}.",
        plots.curves(
            histories,
            ["accuracy", "val_accuracy", "loss", "val_loss"],
            labels={**titles, **LOSS},
            percent=["accuracy", "val_accuracy"],
            printed=results.printed_history(names),
        ),
    )


def lengths(results: Results) -> ChapterFigure:
    """How much of a review the networks read."""
    title = "What is cut off"
    data, names = results.data_of("imdb"), results.of_task("sentiment")
    if data is None or not names:
        return absent(results, "lengths", title)
    sizes = np.diff(data["offsets"]) - 1
    cut = results.experiments[names[0]]["settings"]["words"]
    return ChapterFigure(
        "lengths",
        title,
        f"Words and marks of the {len(sizes)} texts; the longest hundredth is in the last column. "
        f"Of a text beyond the dashed line only the last {cut} are read: "
        f"{100 * (sizes > cut).mean():.0f} % of all texts.",
        f"Histogram of text lengths, median {np.median(sizes):.0f}, with a line at {cut}.",
        figures.lengths(sizes, cut),
    )


def exercises(results: Results) -> list[str]:
    """The networks of the exercise that read the same: words and marks."""
    return [
        name
        for name in results.of_task("sentiment")
        if results.experiments[name]["variant"] == "exercise"
        and results.experiments[name]["settings"]["marks"]
    ]


def unrolled(results: Results) -> ChapterFigure:
    """The first network's layer with its loop, and step by step."""
    name, title = "unrolled", "One layer, as many steps as words"
    names = results.of_task("sentiment")
    if not names:
        return absent(results, name, title)
    settings = results.experiments[names[0]]["settings"]
    cell, words = settings["cell"], settings["words"]
    units, embedding = settings["units"], settings["embedding"]
    weights = figures.cell_weights(cell, units, embedding)
    return ChapterFigure(
        name,
        title,
        f"The {figures.CELLS[cell]} layer of '{results.experiments[names[0]]['title']}': left with "
        f"its loop, right drawn once for each of the {words} words of a row. A word comes as "
        f"{embedding} numbers, the state has {units} and begins with zeros. Only the last state "
        "goes on, to the one unit that gives the probability; the gradient (dashed) goes the "
        "whole way back.",
        "Left: a cell that reads a word and whose state leads back into it. Right: cells in a row "
        f"for words 1 to {words}, from each an arrow to the next one, and from the last one to "
        f"the output. A frame around all of them says that they share {weights:,} weights.",
        figures.unrolled(words, weights),
    )


def cells(results: Results) -> ChapterFigure:
    """What is inside of the exercise's three cells."""
    name, title = "cells", "Inside the cells"
    found = {}
    for one in exercises(results):
        found.setdefault(results.experiments[one]["settings"]["cell"], one)
    if not found:
        return absent(results, name, title)
    settings = {cell: results.experiments[one]["settings"] for cell, one in found.items()}
    weights = {
        cell: figures.cell_weights(cell, one["units"], one["embedding"])
        for cell, one in settings.items()
    }
    listed = "; ".join(f"{figures.CELLS[cell]} {count:,}" for cell, count in weights.items())
    kinds = {
        "simple_rnn": "SimpleRNN: the proposal is the new state.",
        "lstm": "LSTM: forget gate times old memory, plus input gate times proposal, is the new "
        "memory; output gate times its tanh is the new state.",
        "gru": "GRU: the new state lies between the proposal and the old state, as the update "
        "gate says; the reset gate says how much of the old state the proposal sees.",
    }
    return ChapterFigure(
        name,
        title,
        "One step of each recurrent layer of the exercise, from below upwards. A box is a layer "
        "with weights: a gate (purple outline) gives numbers between 0 and 1 (sigmoid), a "
        "proposal between -1 and 1 (tanh). Rings act on each number by itself and have no "
        "weights. In Keras the GRU's reset gate acts after the weights of the state, not before. "
        f"Weights and biases of the layers: {listed}.",
        " ".join(kinds[cell] for cell in weights) + f" Weights and biases: {listed}.",
        figures.cells(weights),
    )


def following(results: Results) -> ChapterFigure:
    """A test review, word by word, as the networks of the exercise read it."""
    title = "One review, word by word"
    names = exercises(results)
    data = results.data_of("imdb")
    if not names or data is None:
        return absent(results, "following", title)
    answers = {name: results.predictions(name, results.seeds(name)[0]) for name in names}
    row = int(answers[names[0]]["followed_row"])
    read = len(answers[names[0]]["followed"])
    vocabulary = data["vocabulary"].tobytes().decode().split("\n")
    numbers = data["x_test"][row][-read:]
    words = [word_of(number, vocabulary) for number in numbers]
    labels = [str(one) for one in data["label_names"]]
    truth = labels[int(data["y_test"][row])]
    beliefs = {results.experiments[name]["title"]: answers[name]["followed"] for name in names}
    ends = "; ".join(f"{name} {one[-1]:.2f}" for name, one in beliefs.items())
    return ChapterFigure(
        "following",
        title,
        f"The probability of '{labels[1]}' after each word of a test row that is '{truth}' (seed "
        f"{results.seeds(names[0])[0]}). The words are those at which the last network of the "
        "legend changes its mind most.",
        f"Line plot of probabilities over {read} words. At the end: {ends}. The row is {truth}.",
        figures.following(words, beliefs, labels),
    )


def word_of(number: int, vocabulary: list[str]) -> str:
    """The word of a number, or what the number stands for."""
    if number <= reviews.FIRST_RANK:
        return {reviews.PADDING: "", reviews.START: "(start)"}.get(int(number), "(rare word)")
    return vocabulary[int(number) - reviews.FIRST_RANK - 1]


def character_loss(results: Results) -> ChapterFigure:
    """The character networks' loss by epoch."""
    title = "Learning to write"
    names = [
        name
        for name in results.of_task("characters")
        if results.experiments[name]["variant"] != "corrected"  # which learns the same
    ]
    if not names:
        return absent(results, "character_loss", title)
    histories = {name: results.history(name)[1] for name in names}
    titles = results.titles(names)
    trivial = results.value(names[0], "trivial_loss")["mean"]
    figure = plots.curves(
        histories,
        ["loss"],
        labels={**titles, **LOSS},
        printed=results.printed_history(names),
    )
    ends = "; ".join(
        f"{titles[name]} {one['loss'][:, -1].mean():.3f} after {one['loss'].shape[1]} epoch(s)"
        for name, one in histories.items()
    )
    return ChapterFigure(
        "character_loss",
        title,
        "Mean cross-entropy (nats per character) of an epoch on the text that is learnt. Knowing "
        f"only how often each character comes gives {trivial:.3f}"
        + (
            "; diamonds are printed, the second one the mean of a part of its epoch."
            if results.edition == "book"
            else "."
        ),
        f"Loss by epoch: {ends}.",
        figure,
    )


def longest(results: Results) -> str | None:
    """The character network with the most epochs."""
    names = results.of_task("characters")
    return max(
        names, key=lambda name: results.experiments[name]["settings"]["epochs"], default=None
    )


def known_words(results: Results) -> ChapterFigure:
    """How many words of what is written are words of the text."""
    title = "Words that the text knows"
    name, data = longest(results), results.data_of("nietzsche")
    if name is None or data is None:
        return absent(results, "known_words", title)
    runs = [results.predictions(name, seed) for seed in results.seeds(name)]
    shares = np.stack([known_by_epoch(data["ids"], data["alphabet"], one["texts"]) for one in runs])
    diversities = runs[0]["diversities"]
    metric = "share of known words"
    lines = {f"diversity {d:g}": {metric: shares[:, :, i]} for i, d in enumerate(diversities)}
    ends = "; ".join(f"{d:g}: {100 * shares[:, -1, i].mean():.0f} %"
                     for i, d in enumerate(diversities))  # fmt: skip
    written = results.experiments[name]["settings"]["written"]
    return ChapterFigure(
        "known_words",
        title,
        f"The share of words in texts of {written} characters that occur in the text that was "
        f"learnt, by epoch, of '{results.experiments[name]['title']}'. A low diversity repeats "
        "what is likely; a high one invents.",
        f"Lines by epoch, one for each diversity. After the last epoch: {ends}.",
        plots.curves(lines, [metric], labels={key: key for key in lines}, percent=[metric]),
    )


def all_figures(results: Results) -> list[ChapterFigure]:
    """The chapter's figures, in the order of the text."""
    return [
        unrolled(results),
        accuracy(results),
        curves(results),
        lengths(results),
        cells(results),
        following(results),
        character_loss(results),
        known_words(results),
    ]


def main(snakemake) -> None:
    """Write the chapter's page, tables and figures."""
    write_report(snakemake, all_figures)


if "snakemake" in globals():
    steps.run(main, snakemake)
