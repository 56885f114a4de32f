"""The figures of chapter 4.4."""

from kerasbook import plots, steps
from kerasbook.figures import compared
from kerasbook.metrics import confusion as counts_of
from kerasbook.reporting import ChapterFigure, Results, write_report


def curves(results: Results) -> ChapterFigure:
    """Test accuracy by epoch."""
    names = list(results.experiments)
    histories = {name: {"accuracy": results.history(name)[1]["epoch_accuracy"]} for name in names}
    told = [results.value(name, "test_accuracy")["mean"] for name in names]
    return ChapterFigure(
        "curves",
        "Test accuracy by epoch",
        "Share of the test digits told right after each epoch, counted from 0. A strong line is "
        "the mean over seeds, a thin line one seed.",
        "Accuracy by epoch, ending at "
        + "; ".join(f"{name} {one:.3f}" for name, one in zip(names, told))
        + ".",
        plots.curves(
            histories,
            ["accuracy"],
            labels={
                "accuracy": "test accuracy",
                **{name: results.experiments[name]["title"] for name in names},
            },
            first=0,
            percent=["accuracy"],
        ),
    )


def saturation(results: Results) -> ChapterFigure:
    """Saturated hidden and output units by epoch."""
    names = list(results.experiments)
    metrics = {"saturated_hidden_1": "saturated hidden units",
               "saturated_output": "saturated output units"}  # fmt: skip
    histories = {name: {key: results.history(name)[1][key] for key in metrics} for name in names}
    told = [results.value(name, "hidden_saturation")["mean"] for name in names]
    first = next(iter(results.experiments.values()))
    threshold = first["settings"]["saturation_threshold"]
    return ChapterFigure(
        "saturation",
        "Saturated units by layer and epoch",
        f"Share of activations within {threshold:g} of 0 or of 1, over all test digits, by epoch. "
        "There the sigmoid's slope, and with it the gradient, is nearly nothing.",
        "Share of saturated hidden units after the last epoch: "
        + "; ".join(f"{name} {one:.3f}" for name, one in zip(names, told))
        + ".",
        plots.curves(
            histories,
            list(metrics),
            labels={
                **metrics,
                **{name: results.experiments[name]["title"] for name in names},
            },
            first=0,
            percent=list(metrics),
        ),
    )


def accuracy(results: Results) -> ChapterFigure:
    """Test accuracy of every experiment, beside the nearest mean digit."""
    nearest = results.used("ch06", "mnist")["summary"]["test_accuracy"]["mean"]
    return compared(
        results,
        "accuracy",
        "Against the nearest mean digit",
        "Test accuracy after the last epoch. The dashed line is the nearest mean digit of chapter "
        f"4.6 ({nearest:.4f}), which any network must beat.",
        "test_accuracy",
        list(results.experiments),
        axis="test accuracy",
        percent=True,
        baseline=("nearest mean digit", nearest),
    )


def confusion(results: Results) -> ChapterFigure:
    """What the first printed network answers."""
    first = next(iter(results.experiments))
    seed = results.seeds(first)[0]
    given = results.predictions(first, seed)["outputs"].argmax(axis=1)
    counts = counts_of(results.data["y_test"], given, 10)
    answers = int((counts.sum(axis=0) > 0).sum())
    return ChapterFigure(
        "confusion",
        "What the printed network answers",
        "Test digits by digit (row) and by the answer of the first printed network "
        f"({results.experiments[first]['title']}, seed {seed}). It gives {answers} of 10 answers.",
        f"Confusion matrix of ten digits, of which the network ever answers {answers}.",
        plots.confusion_matrix(counts, [str(digit) for digit in range(10)]),
    )


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page."""
    return [curves(results), saturation(results), accuracy(results), confusion(results)]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
