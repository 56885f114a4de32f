"""The figures of chapter 4.6."""

import numpy as np

from kerasbook import plots, steps
from kerasbook.metrics import confusion
from kerasbook.reporting import ChapterFigure, Results, write_report

# The tutorial shows the record that Python counts as 1, and asks for the eleventh.
SECOND, ELEVENTH = 1, 10


def record(results: Results, name: str, index: int, ordinal: str) -> ChapterFigure:
    """One training picture, large."""
    digit = int(results.data["y_train"][index])
    return ChapterFigure(
        name,
        f"The {ordinal} record",
        f"The {ordinal} training picture, labelled {digit}.",
        f"A handwritten digit {digit}, 28 by 28 pixels.",
        plots.image_grid(results.data["x_train"][index : index + 1], None, 1, "gray_r", width=2.4),
    )


def means(results: Results) -> ChapterFigure:
    """The mean picture of each digit."""
    images, labels = results.data["x_train"], results.data["y_train"]
    pictures = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)])
    accuracy = results.value("mnist", "test_accuracy")["mean"]
    return ChapterFigure(
        "means",
        "The mean of each digit",
        "The mean of all training pictures of each digit. Answering with the nearest of these ten "
        f"is right on {accuracy:.1%} of the test pictures.",
        "Ten blurred digits, 0 to 9, each the mean of its training pictures.",
        plots.image_grid(pictures, [str(digit) for digit in range(10)], 5, "gray_r"),
    )


def pixels(results: Results) -> ChapterFigure:
    """How dark the pixels are."""
    values = np.bincount(results.data["x_train"].ravel(), minlength=256)
    edges = np.arange(0, 257, 8)
    heights = values.reshape(-1, 8).sum(axis=1)
    white = values[0] / values.sum()
    return ChapterFigure(
        "pixels",
        "The distribution of pixel values",
        f"Pixels of the training pictures by value, 0 being paper and 255 ink, in steps of eight, "
        f"on a logarithmic axis. {white:.1%} of the pixels are exactly 0.",
        f"Histogram of pixel values on a logarithmic axis; {white:.1%} are zero.",
        plots.histogram(heights, edges, counts=True, log=True, x_label="pixel value",
                        y_label="pixels"),
    )  # fmt: skip


def digits(results: Results) -> ChapterFigure:
    """The nearest mean's confusion matrix."""
    seed = results.seeds("mnist")[0]
    given = results.predictions("mnist", seed)["digits"]
    counts = confusion(results.data["y_test"], given, 10)
    off = counts - np.diag(np.diag(counts))
    worst = np.unravel_index(off.argmax(), off.shape)
    return ChapterFigure(
        "confusion",
        "Where the nearest mean errs",
        f"Test pictures by digit (row) and by nearest mean (column). The commonest mistake is a "
        f"{worst[0]} taken for a {worst[1]}, {off.max()} times.",
        f"Confusion matrix of ten digits; the commonest mistake is {worst[0]} for {worst[1]}.",
        plots.confusion_matrix(counts, [str(digit) for digit in range(10)]),
    )


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page."""
    return [
        record(results, "second", SECOND, "second"),
        record(results, "eleventh", ELEVENTH, "eleventh"),
        means(results),
        pixels(results),
        digits(results),
    ]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
