"""The figures of chapter 4.7."""

import numpy as np

from kerasbook import models, plots, steps
from kerasbook.figures import compared, repairs
from kerasbook.html import format_count
from kerasbook.metrics import confusion
from kerasbook.reporting import ChapterFigure, Results, write_report

SHOWN_DIGITS = 15  # as many as the tutorial shows predictions of (line 1804)
SHOWN_MISTAKES = 15


def printed(results: Results) -> list[str]:
    """The experiments that the tutorial prints, the exercises left out."""
    told = results.experiments.items()
    return [name for name, one in told if one["variant"] == "as_printed"]


def curves(results: Results) -> ChapterFigure:
    """Accuracy and loss by epoch, of the printed networks."""
    names = printed(results)
    histories = {name: results.history(name)[1] for name in names}
    metrics = ["accuracy", "val_accuracy", "loss", "val_loss"]
    titles = {name: results.experiments[name]["title"] for name in names}
    return ChapterFigure(
        "curves",
        "The printed networks by epoch",
        "Accuracy and cross-entropy (nats) of the printed networks by epoch, on the training "
        "rows and on the rows that are watched. A strong line is the mean over seeds, a thin line "
        "one seed.",
        "Line plots of training and validation accuracy and loss by epoch, a line per network.",
        plots.curves(
            histories,
            metrics,
            labels={**titles, "loss": "loss (nats)", "val_loss": "validation loss (nats)"},
            percent=["accuracy", "val_accuracy"],
        ),
    )


def fifteen(results: Results) -> ChapterFigure:
    """The first test digits with the first network's answers."""
    first = printed(results)[0]
    seed = results.seeds(first)[0]
    answers = results.predictions(first, seed)["probabilities"][:SHOWN_DIGITS].argmax(axis=1)
    digits = results.data["digit_test"][:SHOWN_DIGITS]
    right = int((answers == (digits == 6)).sum())
    return ChapterFigure(
        "fifteen",
        "The first fifteen test digits",
        f"The first test pictures and what the first network (seed {seed}) says of each: 1 for "
        f"six, 0 for not six. {right} of {len(digits)} answers are right.",
        "Fifteen handwritten digits: "
        + ", ".join(f"{digit} answered {answer}" for digit, answer in zip(digits, answers))
        + ".",
        plots.image_grid(
            results.data["x_test"][:SHOWN_DIGITS], [str(one) for one in answers], 5, "gray_r"
        ),
    )


def confusion_of_first(results: Results) -> ChapterFigure:
    """The first network's confusion matrix, all seeds together."""
    labels = results.data["y_test"]
    first = printed(results)[0]
    seeds = results.seeds(first)
    answers = [results.predictions(first, seed)["probabilities"].argmax(axis=1) for seed in seeds]
    counts = sum(confusion(labels, given, 2) for given in answers)
    return ChapterFigure(
        "confusion",
        "Confusion matrix",
        "What the test digits are and what the first network says, "
        f"{format_count(len(seeds), 'seed')} together.",
        f"Confusion matrix. Not six: {counts[0, 0]} right, {counts[0, 1]} taken for six. "
        f"Six: {counts[1, 1]} right, {counts[1, 0]} missed.",
        plots.confusion_matrix(counts, ["not six", "six"]),
    )


def mistakes(results: Results) -> ChapterFigure:
    """The test digits that the first network gets wrong most confidently."""
    first = printed(results)[0]
    seed = results.seeds(first)[0]
    labels = results.data["y_test"]
    six = results.predictions(first, seed)["probabilities"][:, 1]
    confidence = np.where(labels == 1, 1 - six, six)
    worst = np.argsort(-confidence, kind="stable")[:SHOWN_MISTAKES]
    titles = [f"{results.data['digit_test'][one]}: {six[one]:.2f}" for one in worst]
    wrong = int((confidence > 0.5).sum())
    return ChapterFigure(
        "mistakes",
        "The worst mistakes",
        f"The test pictures on which the first network (seed {seed}) errs most, with the digit "
        f"that each is and the probability that the network gives to six. It gets {wrong} of "
        f"{len(labels)} wrong.",
        "The digits with the worst answers: " + "; ".join(titles) + ".",
        plots.image_grid(results.data["x_test"][worst], titles, 5, "gray_r"),
    )


def filters(results: Results) -> ChapterFigure:
    """What the first layer of the first network has learnt."""
    first = printed(results)[0]
    seed = results.seeds(first)[0]
    kernel = models.first_kernel(str(results.run_folder(first, seed) / "model.keras"))
    images = np.moveaxis(kernel[:, :, 0, :], -1, 0)
    reach = float(np.abs(images).max())
    return ChapterFigure(
        "filters",
        "The first layer's filters",
        f"The {len(images)} filters of {images.shape[1]} x {images.shape[2]} weights of the first "
        f"network (seed {seed}). Red is positive, blue negative; the strongest weight is "
        f"{reach:.2f}.",
        f"A grid of {len(images)} small squares of {images.shape[1]} by {images.shape[2]} weights.",
        plots.image_grid(images, None, 8, "RdBu_r", limits=(-reach, reach)),
    )


def ladder(results: Results) -> ChapterFigure:
    """Test accuracy of every experiment, beside the trivial rule and the nearest mean digit."""
    names = list(results.experiments)
    majority = results.value(names[0], "majority_accuracy")["mean"]
    nearest = results.used("ch06", "mnist")["summary"]["six_accuracy"]["mean"]
    return compared(
        results,
        "ladder",
        "Test accuracy of every network",
        f"The dashed line is the rule that always says 'not six' ({majority:.4f}). The nearest "
        "mean digit of chapter 4.6, which learns no weights at all, comes to "
        f"{nearest:.4f} on the same question.",
        "test_accuracy",
        names,
        axis="test accuracy",
        percent=True,
        baseline=("always 'not six'", majority),
    )


def faults(results: Results) -> ChapterFigure:
    """The first network as printed and with each fault repaired."""
    return compared(
        results,
        "faults",
        "One fault repaired at a time",
        "Balanced accuracy (the mean of the shares of sixes and of not-sixes that are told right) "
        "of the first network, as printed and with one fault repaired at a time.",
        "balanced_accuracy",
        repairs(results, printed(results)[0]),
        axis="balanced accuracy",
        percent=True,
    )


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page."""
    return [
        curves(results),
        fifteen(results),
        confusion_of_first(results),
        mistakes(results),
        filters(results),
        ladder(results),
        faults(results),
    ]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
