"""The figures of chapter 4.8."""

import numpy as np

from chapters.ch08_deep_networks.evaluate import shares
from chapters.ch08_deep_networks.imagenet import best
from chapters.ch08_deep_networks.networks import NETWORKS
from kerasbook import pictures, plots, steps
from kerasbook.figures import absent, compared, repairs
from kerasbook.reporting import ChapterFigure, Results, write_report

TOP = 5
SHOWN_SIZE = 112
# The recognition whose answers are shown is the first of these that was run.
SHOWN_ANSWERS = ("mobilenet_samples", "other_networks_samples", "vgg16_strawberry_1157")
SIGMOID, SOFTMAX = "ft_printed", "ft_softmax"


# ---------------------------------------------------------------------------- architectures


@plots.styled
def _columns(panels: dict[str, dict[str, float]]):
    most = max(len(values) for values in panels.values())
    figure, axes = plots.panels(len(panels), 1, 0.55 + 0.2 * most)
    for panel, (label, values) in zip(axes, panels.items()):
        rows = range(len(values))
        panel.barh(rows, list(values.values()), color=plots.BLUE, height=0.62)
        for row, value in zip(rows, values.values()):
            text = f"{value:.1f}" if value < 100 else f"{value:.0f}"
            panel.annotate(
                text, (value, row), xytext=(3, 0), textcoords="offset points", va="center",
                fontsize=7,
            )  # fmt: skip
        panel.set_yticks(rows, [NETWORKS[name].title for name in values])
        panel.set_ylim(most - 0.5, -0.5)
        panel.set_xlim(0, max(values.values()) * 1.15)
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="y", visible=False)
        panel.set_xlabel(label)
    return figure


def architectures(results: Results) -> ChapterFigure:
    """Parameters, time and memory of each network."""
    title = "How large the famous networks are"
    found = results.of_task("architectures")
    if not found:
        return absent(results, "architectures", title)
    name = found[0]
    settings = results.experiments[name]["settings"]
    times = results.record(name, results.seeds(name)[0])["times"]
    networks = settings["networks"]
    counts = {one: results.value(name, f"parameters_{one}")["mean"] / 1e6 for one in networks}
    panels = {"parameters (millions)": counts}
    if settings["forward"]:
        forward = settings["forward"]
        panels |= {
            "one picture forward (ms)": {one: times[f"forward_{one}_ms"] for one in forward},
            "memory for it (MiB)": {one: times[f"memory_{one}_mb"] for one in forward},
        }
    published = settings["published"]
    met = results.value(name, "published_counts_met")["mean"]
    return ChapterFigure(
        "architectures",
        title,
        f"Parameters, counted; {met:.0f} of {len(published)} counts round to the published "
        "figure (in millions "
        + ", ".join(f"{NETWORKS[one].title} {told}" for one, told in published.items())
        + "). Below, for the networks that were built, the time of a second forward pass of one "
        "picture and the memory that building the network and running it took, on this machine.",
        "Bars. Millions of parameters: "
        + "; ".join(f"{NETWORKS[one].title} {count:.1f}" for one, count in counts.items())
        + ".",
        _columns(panels),
    )


# ---------------------------------------------------------------------------- answers


@plots.styled
def _answers(shown: list, words: list[list[str]], values: np.ndarray):
    figure, axes = plots.panels(len(shown), 2, 1.05)
    for row, picture in enumerate(shown):
        left, right = axes[2 * row], axes[2 * row + 1]
        left.imshow(picture)
        left.set_axis_off()
        ranks = np.arange(len(values[row]))
        right.barh(ranks, values[row], color=plots.BLUE, height=0.6)
        right.set_yticks(ranks, words[row])
        right.set_ylim(len(ranks) - 0.5, -0.5)
        right.set_xlim(0, 1)
        right.tick_params(axis="y", length=0)
        right.grid(axis="y", visible=False)
        right.tick_params(labelbottom=row == len(shown) - 1)
    axes[-1].set_xlabel("probability")
    return figure


def _others(results: Results, name: str, shown: str, names: np.ndarray) -> str:
    """The first answers of the other networks to one picture, as a sentence."""
    picture = results.experiments[name]["settings"]["picture"]
    row = int(np.flatnonzero(names == picture)[0])
    told = []
    for experiment in results.of_task("recognition"):
        predictions = results.predictions(experiment, results.seeds(experiment)[0])
        for network in results.experiments[experiment]["settings"]["networks"]:
            if network == shown:
                continue
            [[index]], [[share]] = best(predictions[f"probabilities_{network}"][row : row + 1], 1)
            word = str(predictions["class_names"][index]).replace("_", " ")
            told.append(f"{NETWORKS[network].title} {word} ({share:.2f})")
    return f" On {picture} the other networks answer: {', '.join(told)}." if told else ""


def answers(results: Results) -> ChapterFigure:
    """The best answers of one trained network to each picture."""
    title = "What a trained network sees"
    name = next((one for one in SHOWN_ANSWERS if results.has(one)), None)
    if name is None:
        return absent(results, "answers", title)
    network = results.experiments[name]["settings"]["networks"][0]
    predictions = results.predictions(name, results.seeds(name)[0])
    data = results.data_of("imagenet_samples")
    order, values = best(predictions[f"probabilities_{network}"], TOP)
    words = [[one.replace("_", " ") for one in predictions["class_names"][row]] for row in order]
    shown = [
        pictures.resized(one, SHOWN_SIZE) for one in pictures.unpack(data["pixels"], data["shapes"])
    ]
    said = "; ".join(
        f"{picture}: {word[0]} {value[0]:.2f}"
        for picture, word, value in zip(data["names"], words, values)
    )
    return ChapterFigure(
        "answers",
        title,
        f"The {values.shape[1]} classes that {NETWORKS[network].title} finds likeliest on each "
        f"picture, {len(predictions['class_names'])} being known to it."
        + _others(results, name, network, data["names"]),
        f"Pictures with their likeliest classes. {said}.",
        _answers(shown, words, values),
    )


# ---------------------------------------------------------------------------- fine-tuning


def _saved(results: Results) -> str:
    """What computing the frozen part's features once is worth, as a sentence."""
    if not results.has(SIGMOID):
        return ""
    times = results.record(SIGMOID, results.seeds(SIGMOID)[0])["times"]
    frozen, cached = times["frozen_pass_ms"], times["cached_epoch_ms"]
    return (
        f"Fine-tuned as printed, the frozen part takes {frozen:.0f} ms for all training "
        f"pictures, an epoch of the rest {cached:.0f} ms on this machine: with the features "
        f"computed once, an epoch is {(frozen + cached) / cached:.1f} times as fast as one that "
        "computes them anew, as the tutorial's does."
    )


def curves(results: Results) -> ChapterFigure:
    """Accuracy and loss by epoch of the fine-tuned networks."""
    title = "Fine-tuning by epoch"
    names = results.of_task("fine_tuning")
    if not names:
        return absent(results, "curves", title)
    histories = {name: results.history(name)[1] for name in names}
    return ChapterFigure(
        "curves",
        title,
        "Accuracy and loss (nats) by epoch on the training and the validation pictures. A strong "
        "line is the mean over seeds, a thin line one seed. Where there is a second stage, its "
        f"epochs follow the first's. {_saved(results)}",
        "Line plots of training and validation accuracy and loss by epoch, a line per experiment. "
        + "Last validation accuracy: "
        + "; ".join(
            f"{results.experiments[name]['title']} {told['val_accuracy'][:, -1].mean():.3f}"
            for name, told in histories.items()
        )
        + ".",
        plots.curves(
            histories,
            ["accuracy", "val_accuracy", "loss", "val_loss"],
            labels={
                **results.titles(names),
                "loss": "loss (nats)",
                "val_loss": "validation loss (nats)",
            },
            percent=["accuracy", "val_accuracy"],
        ),
    )


def ways(results: Results) -> ChapterFigure:
    """Accuracy of every way to learn the two classes."""
    title = "Accuracy on the validation pictures"
    names = results.of_task("fine_tuning")
    if not names:
        return absent(results, "ways", title)
    majority = results.value(names[0], "majority_accuracy")["mean"]
    own = [
        results.value(name, "own_classes_accuracy")["mean"]
        for name in names
        if results.experiments[name]["settings"]["own_classes"]
    ]
    without = (
        f" The network's own answer, before it learnt anything here, is right on {own[0]:.3f}: "
        "both are among the classes that it was trained on."
        if own
        else ""
    )
    return compared(
        results,
        "ways",
        title,
        "The dashed line is the rule that always gives the commoner class "
        f"({majority:.3f}).{without}",
        "test_accuracy",
        names,
        axis="accuracy",
        percent=True,
        baseline=("always the commoner class", majority),
    )


def outputs(results: Results) -> ChapterFigure:
    """The two outputs of each validation picture: sigmoid against softmax."""
    title = "Two sigmoids are no probabilities"
    if not (results.has(SIGMOID) and results.has(SOFTMAX)):
        return absent(results, "outputs", title)
    seed = results.seeds(SIGMOID)[0]
    points = [results.predictions(name, seed)["outputs"] for name in (SIGMOID, SOFTMAX)]
    sums = [one.sum(axis=1) for one in points]
    classes = results.data_of("hymenoptera")["classes"]
    return ChapterFigure(
        "outputs",
        title,
        f"Both outputs for each validation picture (seed {seed}). Those of the softmax lie on the "
        f"line of sum 1; those of the sigmoids as printed add up to between {sums[0].min():.2f} "
        f"and {sums[0].max():.2f}.",
        f"Scatter plot of the two outputs. Mean sum: sigmoid {sums[0].mean():.3f}, softmax "
        f"{sums[1].mean():.3f}.",
        plots.scatter_points(
            np.concatenate(points),
            np.repeat([0, 1], [len(one) for one in points]),
            names={0: "sigmoid, as printed", 1: "softmax"},
            x_label=f"output for {classes[0]}",
            y_label=f"output for {classes[1]}",
        ),
    )


@plots.styled
def _explained(shown: np.ndarray, heat: np.ndarray, labels: list[str], columns: int):
    rows = -(-len(shown) // columns)
    figure, axes = plots.panels(rows, columns, plots.WIDTH / columns + 0.22)
    for panel in axes:
        panel.set_axis_off()
    for panel, picture, one, label in zip(axes, shown, heat, labels):
        panel.imshow(_overlaid(picture, one))
        panel.set_title(label, fontsize=7)
    return figure


def _overlaid(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture (s, s, 3) uint8, grey where the network did not look, in its colours where it did.

    Args:
        heat: (h, w) from 0 to 1.
    """
    from PIL import Image

    size = picture.shape[0]
    weight = Image.fromarray((heat * 255).astype(np.uint8)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    share = np.asarray(weight, dtype=np.float32)[..., np.newaxis] / 255
    grey = picture.mean(axis=-1, keepdims=True) * 0.45
    return (share * picture + (1 - share) * grey).astype(np.uint8)


def grad_cam(results: Results) -> ChapterFigure:
    """What a fine-tuned network looks at."""
    title = "Where the fine-tuned network looks"
    able = [
        name
        for name in results.of_task("fine_tuning")
        if results.experiments[name]["settings"]["grad_cam"]
    ]
    if not able:
        return absent(results, "grad_cam", title)
    name = able[0]
    seed = results.seeds(name)[0]
    told, data = results.predictions(name, seed), results.data_of("hymenoptera")
    rows, classes = told["cam_rows"], data["classes"]
    given = told["outputs"][rows].argmax(axis=1)
    sure = np.where(given == 1, shares(told["outputs"][rows]), 1 - shares(told["outputs"][rows]))
    right = int((given == data["y_val"][rows]).sum())
    labels = [
        f"{classes[truth]}: {classes[answer]} {share:.2f}"
        for truth, answer, share in zip(data["y_val"][rows], given, sure)
    ]
    shown = np.stack([pictures.resized(data["x_val"][row], SHOWN_SIZE) for row in rows])
    return ChapterFigure(
        "grad_cam",
        title,
        "Grad-CAM of some validation pictures of each class, "
        f"{results.experiments[name]['title'].lower()} (seed {seed}): in colour what speaks for "
        "the answer, dark grey what does not. Above each picture what it is, the answer, and its "
        f"share. {right} of {len(rows)} answers are right.",
        "Pictures, coloured where the network looked. " + "; ".join(labels) + ".",
        _explained(shown, told["cam_maps"], labels, 3),
    )


def faults(results: Results) -> ChapterFigure:
    """The network as printed, and with one fault repaired at a time."""
    title = "One fault repaired at a time"
    if not results.has(SIGMOID):
        return absent(results, "faults", title)
    return compared(
        results,
        "faults",
        title,
        "Cross-entropy (nats) on the validation pictures, of the outputs' shares, as printed and "
        "with one fault repaired at a time.",
        "test_loss",
        repairs(results, SIGMOID),
        axis="cross-entropy (nats)",
    )


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page."""
    return [
        architectures(results),
        answers(results),
        curves(results),
        ways(results),
        outputs(results),
        grad_cam(results),
        faults(results),
    ]


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
