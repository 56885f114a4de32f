"""What the experiments of chapter 4.5 came to, task by task."""

import numpy as np

from chapters.ch05_convolutions.activations import FLAT, NAMES, first_to_last
from chapters.ch05_convolutions.receptive import extent, receptive_fields, within
from kerasbook import metrics, steps
from kerasbook.evaluation import SeedRun, evaluate

SIDE = 28
Metrics = dict[str, float | int | str]


def kernels(run: SeedRun) -> Metrics:
    """Sum of weights and roughness (as a multiple of the photograph's) by kernel."""
    found = run.predictions
    out: Metrics = {"scipy_difference": float(found["scipy_difference"].max())}
    for index, name in enumerate(run.settings["kernels"]):
        out[f"sum_{name}"] = float(found["sums"][index])
        out[f"roughness_{name}"] = float(found["roughness"][index])
    return out


def activations(run: SeedRun) -> Metrics:
    """Steepest slope and flat share of each function; what depth does to the gradient.

    `first_to_last_<stack>_<depth>` is the first hidden layer's gradient as a multiple of the
    last one's, the median over draws, and that of the deepest network where no depth is named;
    `first_layer_<stack>_<depth>` is the first layer's own, as a multiple of that in the
    shallowest network; `powers_lost...` are both in the deepest, in powers of ten.
    """
    found, depths = run.predictions, run.settings["depths"]
    grid, values, slopes = found["grid"], found["values"], found["slopes"]
    out: Metrics = {}
    for index, name in enumerate(NAMES):
        out[f"steepest_{name}"] = float(slopes[index].max())
        out[f"flat_share_{name}"] = float((slopes[index] < FLAT).mean())
    softplus, sigmoid = NAMES.index("softplus"), NAMES.index("sigmoid")
    numeric = np.gradient(values[softplus], grid, edge_order=2)
    out["softplus_slope_from_sigmoid"] = float(np.abs(numeric - values[sigmoid]).max())
    for name in run.settings["stacks"]:
        norms = found[f"norms_{name}"]
        ratio = np.median(first_to_last(norms, depths), axis=1)
        first = np.median(norms[:, :, 0], axis=1)
        for index, depth in enumerate(depths):
            out[f"first_to_last_{name}_{depth}"] = float(ratio[index])
            out[f"first_layer_{name}_{depth}"] = float(first[index] / first[0])
        out[f"first_to_last_{name}"] = float(ratio[-1])
        out[f"powers_lost_{name}"] = float(-np.log10(ratio[-1]))
        out[f"powers_lost_by_depth_{name}"] = float(-np.log10(first[-1] / first[0]))
    return out


def pooling(run: SeedRun) -> Metrics:
    """Relative change by shift: `change_plain_<shift>`, `change_<kind>_<size>_<shift>`."""
    found = run.predictions
    out: Metrics = {f"change_plain_{i}": float(one) for i, one in enumerate(found["plain"], 1)}
    for kind in ("max", "average", "l2"):
        for size, row in zip(run.settings["sizes"], found[kind]):
            for shift, one in enumerate(row, 1):
                out[f"change_{kind}_{size}_{shift}"] = float(one)
    return out


def shapes(run: SeedRun) -> Metrics:
    """Shapes in both orders, parameters, and how far the two orders' numbers lie apart."""
    out: Metrics = {}
    largest = []
    for name in run.settings["networks"]:
        told = {
            key.split(".")[1]: one for key, one in run.predictions.items()
            if key.split(".")[0] == name
        }  # fmt: skip
        out[f"{name}_output_shape"] = str(told["shape_printed"])
        out[f"{name}_channels_first"] = str(told["shape_channels_first"])
        out[f"{name}_channels_last"] = str(told["shape_channels_last"])
        out[f"{name}_parameters"] = int(told["parameters"])
        largest.append(float(told["difference"]))
    # Where the machine cannot run channels first there is no number, and none is given.
    ran = np.isfinite(largest)
    out["channels_first_ran"] = int(ran.sum())
    if ran.any():
        out["order_difference"] = float(np.nanmax(largest))
    return out


def network(run: SeedRun) -> Metrics:
    """Test accuracy, and the receptive fields as worked out and as measured (pixels)."""
    found, labels = run.predictions, run.data["y_test"]
    commonest = np.bincount(run.data["y_train"]).argmax()
    out: Metrics = {
        "test_accuracy": metrics.accuracy(labels, found["probabilities"]),
        "majority_accuracy": float((labels == commonest).mean()),
        "parameters_without_pooling": int(found["parameters_without_pooling"]),
    }
    wrong = 0
    for index, field in enumerate(receptive_fields(run.settings["layers"], SIDE)):
        rows, columns = extent(found["seen_on_noise"][index])
        wrong += (rows, columns) != (within(field, SIDE),) * 2
        out[f"field_{field.name}"] = field.size
        out[f"measured_field_{field.name}"] = max(rows[1] - rows[0], columns[1] - columns[0])
    out["fields_that_differ"] = wrong
    return out


def dropout(run: SeedRun) -> Metrics:
    """The gap between training and test rows with dropout and without, and the scale."""
    found, last = run.predictions, {key: one[-1] for key, one in run.history.items()}
    out: Metrics = {}
    for name, prefix in (("dropout", ""), ("plain", "plain_")):
        for metric in ("accuracy", "loss"):
            train, test = last[f"{prefix}train_{metric}"], last[f"{prefix}val_{metric}"]
            out[f"train_{metric}_{name}"], out[f"test_{metric}_{name}"] = float(train), float(test)
            out[f"{metric}_gap_{name}"] = float(
                train - test if metric == "accuracy" else test - train
            )
    out["test_accuracy"] = out["test_accuracy_dropout"]
    out["scale_ratio"] = float(found["scale_training"].mean() / found["scale_inference"])
    out["zeroed_share"] = float(found["zeroed"].mean())
    out["spread_ratio"] = float(found["spread"].mean())
    return out


TASKS = {
    "kernels": kernels,
    "activations": activations,
    "pooling": pooling,
    "shapes": shapes,
    "network": network,
    "dropout": dropout,
}


def metrics_of(run: SeedRun) -> Metrics:
    """The metrics of the experiment's task."""
    return TASKS[run.settings["task"]](run)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
