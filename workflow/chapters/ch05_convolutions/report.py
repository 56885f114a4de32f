"""The figures of chapter 4.5."""

import numpy as np

from chapters.ch05_convolutions import activations, figures, filters, pooling, receptive
from kerasbook import plots, steps
from kerasbook.figures import absent
from kerasbook.html import format_count
from kerasbook.reporting import ChapterFigure, Results, write_report

SIDE = 28
FILTER = 5
SQUARES = 4
TITLES = {"max": "max", "average": "average", "l2": "L2"}


def _readable(name: str) -> str:
    """`conv2d_1` as a reader would write it."""
    kind, _, number = name.rpartition("_")
    return f"{'conv' if kind == 'conv2d' else 'pool'} {number}"


def _picture(results: Results, index: int = 0) -> np.ndarray:
    """A test digit (28, 28), 0 to 1."""
    return results.data_of("mnist")["x_test"][index] / 255.0


def _of(results: Results, experiment: str) -> dict[str, np.ndarray]:
    """The predictions of an experiment's first seed."""
    return results.predictions(experiment, results.seeds(experiment)[0])


def places_for(picture: np.ndarray, size: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """A filter cut from a picture, where it fits best, and where it fits worst on the ink.

    The filter is the square whose pixels differ most, less their mean: a curve, that is, which
    does not answer to brightness alone.

    Args:
        picture: (h, w), 0 to 1.

    Returns:
        The filter (size, size) and two top left corners.
    """
    windows = np.lib.stride_tricks.sliding_window_view(picture, (size, size))
    spread = windows.std(axis=(2, 3))
    best = np.unravel_index(spread.argmax(), spread.shape)
    weights = windows[best] - windows[best].mean()
    answers = filters.filtered(picture, weights)
    ink = windows.mean(axis=(2, 3))
    worst = np.unravel_index(np.where(ink >= ink[best] / 2, answers, np.inf).argmin(), ink.shape)
    return weights, [(int(row), int(column)) for row, column in (best, worst)]


def window(results: Results) -> ChapterFigure:
    """One filter on two places of a digit."""
    picture = _picture(results)
    weights, places = places_for(picture, FILTER)
    figure, sums = figures.window(picture, weights, places)
    digit = int(results.data_of("mnist")["y_test"][0])
    return ChapterFigure(
        "window",
        "One filter, two places",
        f"A filter of {FILTER} x {FILTER} weights on two places of a handwritten {digit}: each "
        "pixel times the weight upon it, and all products added. Where the stroke runs as in the "
        f"filter the sum is {sums[0]:.2f}, elsewhere on the stroke it can be {sums[1]:.2f}. "
        "Pixels go from 0 (paper) to 1 (ink).",
        f"A digit {digit} twice with a box on it, the pixels in the box as numbers, and the "
        f"filter's weights as numbers. The sums of products are {sums[0]:.2f} and {sums[1]:.2f}.",
        figure,
    )


def kernels(results: Results) -> ChapterFigure:
    """The photograph under every kernel."""
    told = results.experiments["kernels"]["settings"]["kernels"]
    found = _of(results, "kernels")
    shown = [(name, found[f"under_{name}"], one["signed"]) for name, one in told.items()]
    rough = {name: results.value("kernels", f"roughness_{name}")["mean"] for name in told}
    listed = ", ".join(f"{name.replace('_', ' ')} {one:.2f}" for name, one in rough.items())
    return ChapterFigure(
        "kernels",
        "A photograph under kernels",
        "The middle of the photograph, and what each kernel makes of it. Where a kernel's weights "
        "add up to zero, grey stands for zero, lighter for more and darker for less. How rough the "
        "result is, as a multiple of the photograph (mean difference between neighbouring pixels): "
        f"{listed}.",
        f"A temple's roofs in grey, plain and under {len(told)} kernels: {listed} times as rough.",
        figures.photograph(filters.grey(results.data_of("photographs")["photo"]), shown),
    )


def structure(results: Results) -> ChapterFigure:
    """The small network's layers."""
    rows = receptive.outline(results.experiments["network"]["settings"]["layers"], SIDE, 10)
    whole = sum(parameters for _, _, parameters in rows)
    listed = "; ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape, _ in rows)
    return ChapterFigure(
        "structure",
        "A small convolutional network",
        "The network that the next figures open, from the picture to the ten answers: what each "
        f"layer is, the shape that leaves it, and its weights and biases, {whole:,} in all.",
        f"Layers from the picture down: {listed}.",
        figures.structure(rows),
    )


def fields(results: Results) -> ChapterFigure:
    """Receptive fields, worked out and measured."""
    layers = receptive.receptive_fields(results.experiments["network"]["settings"]["layers"], SIDE)
    found = _of(results, "network")
    measured = {
        one.name: results.value("network", f"measured_field_{one.name}")["mean"] for one in layers
    }
    titles = [f"{_readable(one.name)}: {one.size} x {one.size}" for one in layers]
    seeds = len(results.seeds("network"))
    return ChapterFigure(
        "receptive",
        "What a unit sees",
        "How much each of the 28 x 28 pixels counts for the unit in the middle of each layer: the "
        "gradient of the unit with respect to the pixel, its absolute value averaged over random "
        "pictures, as a share of the layer's largest. The box is the receptive field as worked out "
        "from kernels and strides, its side written above. Measured (first to last pixel with a "
        f"gradient, mean of {format_count(seeds, 'seed')}): "
        + ", ".join(f"{_readable(name)} {one:g}" for name, one in measured.items())
        + " pixels.",
        "Squares of gradient that grow from layer to layer: "
        + ", ".join(f"{title}" for title in titles)
        + ".",
        figures.receptive(found["seen_on_noise"], layers, titles),
    )


def features(results: Results) -> ChapterFigure:
    """The feature maps of one digit."""
    layers = receptive.receptive_fields(results.experiments["network"]["settings"]["layers"], SIDE)
    found = _of(results, "network")
    maps = {"picture": _picture(results)[..., np.newaxis]}
    maps |= {_readable(one.name): found[f"maps_{one.name}"] for one in layers}
    digit = int(results.data_of("mnist")["y_test"][0])
    silent = float((found[f"maps_{layers[-1].name}"] == 0).mean())
    return ChapterFigure(
        "features",
        "Feature maps",
        f"What each layer of the trained network makes of a handwritten {digit}: a square for each "
        "filter, from 0 (dark) to the layer's largest value (bright). "
        f"{silent:.0%} of the last layer's values are exactly zero.",
        f"A digit {digit}, and below it rows of smaller and smaller squares in which strokes, "
        "edges and at last a few bright spots remain.",
        figures.features(maps),
    )


def patches(results: Results) -> ChapterFigure:
    """What the last maps answer to most."""
    found = _of(results, "network")
    strongest, typical = found["patch_responses"], found["typical_responses"]
    titles = [f"{one:.1f}" for one in strongest]
    size = found["patches"].shape[1]
    dead = int((strongest == 0).sum())
    return ChapterFigure(
        "patches",
        "What each filter looks for",
        f"For each filter of the last convolution or pooling, the {size} x {size} pixels of test "
        "pictures to which it answers most, and its answer. The filters' usual best answer to a "
        f"picture is {np.median(typical):.1f} (median); {dead} of {len(strongest)} never answer.",
        f"{len(strongest)} patches of digits, strokes and bends, with answers from "
        f"{strongest.min():.1f} to {strongest.max():.1f}.",
        plots.image_grid(found["patches"], titles, 8, "gray_r", limits=(0, 255)),
    )


def functions(results: Results) -> ChapterFigure:
    """The four activation functions."""
    found = _of(results, "activations")
    steep = {name: results.value("activations", f"steepest_{name}") for name in activations.NAMES}
    flat = {name: results.value("activations", f"flat_share_{name}") for name in activations.NAMES}
    listed = "; ".join(
        f"{name} {steep[name]['mean']:.2f} and {flat[name]['mean']:.0%}"
        for name in activations.NAMES
    )
    return ChapterFigure(
        "activations",
        "Activation functions and their derivatives",
        f"The steepest slope of each, and the share of the inputs between -{activations.LIMIT:g} "
        f"and {activations.LIMIT:g} where the slope is below {activations.FLAT}: {listed}.",
        f"Lines of four functions and of their derivatives. Steepest slope and flat share: "
        f"{listed}.",
        figures.functions(found["grid"], found["values"], found["slopes"], activations.NAMES),
    )


def gradients(results: Results) -> ChapterFigure:
    """The vanishing gradient."""
    settings = results.experiments["activations"]["settings"]
    stacks, depths = list(settings["stacks"]), settings["depths"]
    seeds = results.seeds("activations")
    runs = [results.predictions("activations", seed) for seed in seeds]
    norms = {name: np.concatenate([run[f"norms_{name}"] for run in runs], 1) for name in stacks}
    ratios = {
        name: np.median(activations.first_to_last(one, depths), axis=1)
        for name, one in norms.items()
    }
    names = {name: name.replace("_he", ", He").replace("_", " ") for name in stacks}
    listed = "; ".join(f"{names[name]} {one[-1]:.2g}" for name, one in ratios.items())
    return ChapterFigure(
        "gradients",
        "The vanishing gradient",
        "Root mean square of the gradient of the loss (nats) over the weights of each hidden "
        f"layer, before any training, for {settings['rows']} digits: median of "
        f"{settings['draws'] * len(seeds)} draws of the weights. Left, layer by layer in the "
        f"deepest network; right, the first layer's as a multiple of the last one's. At "
        f"{depths[-1]} layers: {listed}.",
        f"Two panels of lines on logarithmic axes. First layer over last at {depths[-1]} hidden "
        f"layers: {listed}.",
        figures.gradients(
            {names[name]: np.median(norms[name][-1], axis=0) for name in stacks},
            depths,
            {names[name]: ratios[name] for name in stacks},
        ),
    )


def squares(results: Results) -> ChapterFigure:
    """Four by four pixels, pooled."""
    picture = _picture(results)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (SQUARES, SQUARES))
    # Where the pixels within the squares differ most, which is where the kinds differ.
    mean = pooling.pool(windows.reshape(-1, SQUARES, SQUARES), 2, "average")
    length = pooling.pool(windows.reshape(-1, SQUARES, SQUARES), 2, "l2")
    spread = (length**2 / 4 - mean**2).min(axis=(1, 2))
    pixels = windows.reshape(-1, SQUARES, SQUARES)[spread.argmax()]
    pooled = {TITLES[kind]: pooling.pool(pixels[np.newaxis], 2, kind)[0] for kind in pooling.KINDS}
    listed = "; ".join(
        f"{kind} {', '.join(f'{one:.1f}' for one in values.ravel())}"
        for kind, values in pooled.items()
    )
    return ChapterFigure(
        "squares",
        "Pooling, in numbers",
        f"{SQUARES} x {SQUARES} pixels of a digit, and what is kept of each square of 2 x 2: its "
        "largest value, its mean, or the root of its sum of squares (L2).",
        f"A matrix of numbers and three of a quarter of its size: {listed}.",
        figures.squares(pixels, pooled, 2),
    )


def pooled(results: Results) -> ChapterFigure:
    """A digit pooled, and the same after a shift by one pixel."""
    size = results.experiments["pooling"]["settings"]["sizes"][0]
    picture = results.data_of("mnist")["x_test"][:1] / 255.0
    tiles, titles = [], []
    for moved, image in ((0, picture), (1, pooling.shifted(picture, 0, 1))):
        told = {"pixels": image[0]}
        told |= {TITLES[kind]: pooling.pool(image, size, kind)[0] for kind in pooling.KINDS}
        for name, one in told.items():
            large = one.repeat(len(image[0]) // len(one), 0).repeat(len(image[0]) // len(one), 1)
            tiles.append(large / max(float(large.max()), 1e-9))
            titles.append(f"{name}, moved" if moved else name)
    return ChapterFigure(
        "pooling",
        "A digit, pooled",
        f"A test digit, and its largest, mean and L2 values in squares of {size} x {size}; below, "
        "the same after a shift to the right by one pixel. Each is shaded by its largest value.",
        "A digit in fine and in coarse squares, three kinds of pooling, twice.",
        plots.image_grid(np.stack(tiles), titles, 4, "gray_r", limits=(0, 1)),
    )


def shifts(results: Results) -> ChapterFigure:
    """What shifts change behind each pooling."""
    settings = results.experiments["pooling"]["settings"]
    found = _of(results, "pooling")
    first = settings["sizes"][0]
    listed = ", ".join(
        f"{TITLES[kind]} {results.value('pooling', f'change_{kind}_{first}_1')['mean']:.3f}"
        for kind in pooling.KINDS
    )
    plain = results.value("pooling", "change_plain_1")["mean"]
    return ChapterFigure(
        "shifts",
        "What a shift changes",
        "How far the values move when the picture is shifted, as a share of their own length "
        "(Euclidean norms; mean over test digits and four directions), without pooling and behind "
        f"each kind. One pixel, squares of {first} x {first}: no pooling {plain:.3f}, {listed}.",
        f"Rising lines of relative change by shift. At one pixel: no pooling {plain:.3f}, "
        f"{listed}.",
        figures.shifts(
            {TITLES[kind]: found[kind] for kind in pooling.KINDS}, found["plain"], settings["sizes"]
        ),
    )


def dropout(results: Results) -> ChapterFigure:
    """Training with dropout and without."""
    history = results.history("dropout")[1]
    metrics = [f"{rows}_{what}" for what in ("loss", "accuracy") for rows in ("train", "val")]
    lines = {
        "with dropout": {metric: history[metric] for metric in metrics},
        "without": {metric: history[f"plain_{metric}"] for metric in metrics},
    }
    gaps = {
        name: results.value("dropout", f"loss_gap_{name}")["mean"] for name in ("dropout", "plain")
    }
    rows = results.experiments["dropout"]["settings"]["train_rows"]
    told = f"{gaps['dropout']:.3f} nats with dropout, {gaps['plain']:.3f} without"
    return ChapterFigure(
        "dropout",
        "Dropout's effect",
        f"One network, trained on {rows} digits from the same first weights with and without its "
        "dropout layers, measured after each epoch with dropout at rest. The test rows' loss ends "
        f"above the training rows' by {told}.",
        f"Four panels of loss and accuracy by epoch. The gap of the loss: {told}.",
        plots.curves(
            lines,
            metrics,
            labels={
                "train_loss": "training loss (nats)",
                "val_loss": "test loss (nats)",
                "train_accuracy": "training accuracy",
                "val_accuracy": "test accuracy",
            },
            percent=["train_accuracy", "val_accuracy"],
            log=["train_loss"],
        ),
    )


# In the order of the page: the figure and the experiment (or its data) that it is drawn from.
FIGURES = (
    (window, "network"),
    (kernels, "kernels"),
    (structure, "network"),
    (fields, "network"),
    (features, "network"),
    (patches, "network"),
    (functions, "activations"),
    (gradients, "activations"),
    (squares, "pooling"),
    (pooled, "pooling"),
    (shifts, "pooling"),
    (dropout, "dropout"),
)
NAMES = {fields: "receptive", functions: "activations", pooled: "pooling"}


def figures_of(results: Results) -> list[ChapterFigure]:
    """All figures, in the order of the page; a note where the experiment was not run."""
    drawn = []
    for draw, experiment in FIGURES:
        name = NAMES.get(draw, draw.__name__)
        able = results.has(experiment)
        drawn.append(
            draw(results) if able else absent(results, name, name.capitalize(), experiment)
        )
    return drawn


def main(snakemake) -> None:
    """Write the chapter's page."""
    write_report(snakemake, figures_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
