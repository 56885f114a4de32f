"""The figures of chapter 4.10."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chapters.ch10_recurrent import figures, reviews
from chapters.ch10_recurrent.evaluate import known_by_epoch
from kerasbook import plots, steps
from kerasbook.reporting import ChapterFigure, Results, write_report
from kerasbook.verdicts import Row, read_ledger

LOSS = {"loss": "loss (nats)", "val_loss": "test loss (nats)", "val_accuracy": "test accuracy"}


def of_task(results: Results, *tasks: str) -> list[str]:
    """The experiments of some tasks that were run, in the file's order."""
    told = results.experiments.items()
    return [name for name, one in told if one["settings"]["task"] in tasks]


def absent(results: Results, name: str, title: str) -> ChapterFigure:
    """In place of a figure whose experiments were not run."""
    why = "; ".join(dict.fromkeys(results.absent.values())) or "the experiment was not run"
    return ChapterFigure(
        name, title, f"Not drawn: {why}.", "No figure.", plots.note(f"{title}: {why}.")
    )


def printed_points(
    results: Results, ledger: Sequence[Row], experiments: list[str]
) -> dict[str, dict[str, dict[int, float]]]:
    """What the tutorial prints of each experiment's history; nothing beside other data."""
    points: dict[str, dict[str, dict[int, float]]] = {}
    for row in ledger if results.edition == "book" else ():
        if row.chapter == results.id and row.experiment in experiments and row.epoch is not None:
            metrics = points.setdefault(row.experiment, {})
            # The mean of a part of an epoch stands where the epoch's would.
            name = row.metric.removesuffix("_partial")
            metrics.setdefault(name, {})[int(row.epoch)] = float(row.printed)
    return points


def accuracy(results: Results) -> ChapterFigure:
    """Test accuracy of the networks and of their linear rivals."""
    title = "Test accuracy"
    names = of_task(results, "sentiment", "linear")
    if not names:
        return absent(results, "accuracy", title)
    told = [results.value(name, "test_accuracy") for name in names]
    majority = results.value(names[0], "majority_accuracy")["mean"]
    peer = results.file["peers"]["test_accuracy"]
    rows = results.about_of("imdb")["facts"]["n_test"]
    return ChapterFigure(
        "accuracy",
        title,
        f"Share of the {rows} test rows that are told right. A ring is a seed, the dot their mean; "
        f"the dashed line always gives the commoner label ({majority:.4f}). Others report "
        f"{peer['value']} for film reviews: {peer['source']}.",
        "Test accuracy by experiment: "
        + "; ".join(f"{name} {one['mean']:.4f}" for name, one in zip(names, told))
        + f". Commoner label {majority:.4f}.",
        plots.bar_with_error(
            [results.experiments[name]["title"] for name in names],
            [one["mean"] for one in told],
            [one["sd"] for one in told],
            baseline=majority,
            baseline_name="always the commoner label",
            label="test accuracy",
            percent=True,
            seeds=[list(results.by_seed(name, "test_accuracy").values()) for name in names],
        ),
    )


def curves(results: Results, ledger: Sequence[Row]) -> ChapterFigure:
    """Loss and accuracy of the networks by epoch."""
    title = "The networks by epoch"
    names = of_task(results, "sentiment")
    if not names:
        return absent(results, "curves", title)
    histories = {name: results.history(name)[1] for name in names}
    titles = {name: results.experiments[name]["title"] for name in names}
    ends = "; ".join(
        f"{titles[name]}: training loss {one['loss'][:, -1].mean():.3f}, test loss "
        f"{one['val_loss'][:, -1].mean():.3f}"
        for name, one in histories.items()
    )
    return ChapterFigure(
        "curves",
        title,
        "Accuracy and cross-entropy (nats) by epoch, on the training rows and on the test rows, "
        "which the tutorial watches. A strong line is the mean over seeds, a thin line one seed"
        + (", a diamond what is printed." if results.edition == "book" else "."),
        f"Line plots by epoch. After the last one: {ends}.",
        plots.curves(
            histories,
            ["accuracy", "val_accuracy", "loss", "val_loss"],
            labels={**titles, **LOSS},
            percent=["accuracy", "val_accuracy"],
            printed=printed_points(results, ledger, names),
        ),
    )


def lengths(results: Results) -> ChapterFigure:
    """How much of a review the networks read."""
    title = "What is cut off"
    data = results.data_of("imdb")
    if data is None:
        return absent(results, "lengths", title)
    sizes = np.diff(data["offsets"]) - 1
    facts = results.about_of("imdb")["facts"]
    cut = data["x_train"].shape[1]
    return ChapterFigure(
        "lengths",
        title,
        f"Words and marks of the {len(sizes)} texts; the longest hundredth is in the last column. "
        f"Of a text beyond the dashed line only the last {cut} are read: "
        f"{facts['cut_percent']} % of all texts.",
        f"Histogram of text lengths, median {facts['median_length']}, with a line at {cut}.",
        figures.lengths(sizes, cut),
    )


def following(results: Results) -> ChapterFigure:
    """A test review, word by word, as the networks of the exercise read it."""
    title = "One review, word by word"
    names = [
        name
        for name in of_task(results, "sentiment")
        if results.experiments[name]["variant"] == "exercise"
        and results.experiments[name]["settings"]["marks"]  # so that all read the same
    ]
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


def character_loss(results: Results, ledger: Sequence[Row]) -> ChapterFigure:
    """The character networks' loss by epoch."""
    title = "Learning to write"
    names = [
        name
        for name in of_task(results, "characters")
        if results.experiments[name]["variant"] != "corrected"  # which learns the same
    ]
    if not names:
        return absent(results, "character_loss", title)
    histories = {name: results.history(name)[1] for name in names}
    titles = {name: results.experiments[name]["title"] for name in names}
    trivial = results.value(names[0], "trivial_loss")["mean"]
    figure = plots.curves(
        histories,
        ["loss"],
        labels={**titles, **LOSS},
        printed=printed_points(results, ledger, names),
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
    names = of_task(results, "characters")
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


def all_figures(results: Results, ledger: Sequence[Row]) -> list[ChapterFigure]:
    """The chapter's figures, in the order of the text."""
    return [
        accuracy(results),
        curves(results, ledger),
        lengths(results),
        following(results),
        character_loss(results, ledger),
        known_words(results),
    ]


def main(snakemake) -> None:
    """Write the chapter's page, tables and figures."""
    ledger = read_ledger(Path(snakemake.input.ledger))
    write_report(snakemake, lambda results: all_figures(results, ledger))


if "snakemake" in globals():
    steps.run(main, snakemake)
