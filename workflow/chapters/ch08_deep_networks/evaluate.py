"""What the experiments of chapter 4.8 came to."""

from pathlib import Path

import numpy as np

from chapters.ch08_deep_networks.imagenet import best
from kerasbook import metrics, steps
from kerasbook.evaluation import SeedRun, confusion_artifact, evaluate

TOP = 5


def agrees(parameters: int, published: str) -> bool:
    """Whether a count, in millions, rounds to the published figure."""
    decimals = len(published.partition(".")[2])
    return f"{parameters / 1e6:.{decimals}f}" == published


def architectures(run: SeedRun) -> dict[str, float | str]:
    """`parameters_<network>`, `millions_<network>`, and how many agree with the published ones.

    `input_shape_<network>` is that of one picture as the network takes it.
    """
    counts = dict(zip(run.predictions["networks"].tolist(), run.predictions["parameters"].tolist()))
    published = run.settings["published"]
    right = sum(agrees(counts[name], millions) for name, millions in published.items())
    told = {f"parameters_{name}": count for name, count in counts.items()}
    told |= {f"millions_{name}": count / 1e6 for name, count in counts.items()}
    shapes = {name: run.predictions[f"shape_{name}"] for name in counts}
    told |= {f"input_shape_{name}": shape_as_printed(shape) for name, shape in shapes.items()}
    return {**told, "published_counts": len(published), "published_counts_met": right}


def shape_as_printed(shape: np.ndarray) -> str:
    """The shape of the input with the channels first, as the tutorial prints it (line 2328)."""
    rows, height, width, channels = shape.tolist()
    return str((rows, channels, height, width))


def kind_of(picture: str) -> str:
    """What a picture's name says is on it: `strawberry_1157` shows a strawberry."""
    return picture.rsplit("_", 1)[0]


def recognition(run: SeedRun) -> dict[str, float | str]:
    """The answer for the picture in question, and how often the networks are right.

    `top1` and `input_shape` are those of the first network; `top1_accuracy` and
    `top5_accuracy` count, over all networks, the pictures of classes that they know.
    """
    names, settings = run.data["names"], run.settings
    classes = run.predictions["class_names"]
    first = settings["networks"][0]
    row = int(np.flatnonzero(names == settings["picture"])[0])
    order, shares = best(run.predictions[f"probabilities_{first}"], TOP)
    out: dict[str, float | str] = {
        "top1": str(classes[order[row, 0]]),
        "top1_probability": float(shares[row, 0]),
        "wordnet_id": str(run.predictions["wordnet_ids"][order[row, 0]]),
        "input_shape": shape_as_printed(run.predictions[f"shape_{first}"]),
    }
    if f"own_{first}" in run.predictions:
        order, shares = best(run.predictions[f"own_{first}"], 1)
        out["own_top1"] = str(classes[order[row, 0]])
        out["own_top1_probability"] = float(shares[row, 0])
    known = [i for i, name in enumerate(names) if kind_of(str(name)) in classes]
    out["known_pictures"] = len(known)
    if known:
        truth = np.array([np.flatnonzero(classes == kind_of(str(names[i])))[0] for i in known])
        hits = np.concatenate(
            [
                best(run.predictions[f"probabilities_{name}"][known], TOP)[0] == truth[:, None]
                for name in settings["networks"]
            ]
        )
        out["top1_accuracy"] = float(hits[:, 0].mean())
        out["top5_accuracy"] = float(hits.any(axis=1).mean())
    return out


def pretraining(run: SeedRun) -> dict[str, float | str]:
    """How well the digits are told apart."""
    labels, probabilities = run.data["y_test"], run.predictions["probabilities"]
    counts = np.bincount(labels)
    return {
        "test_accuracy": metrics.accuracy(labels, probabilities),
        "majority_accuracy": float(counts.max() / counts.sum()),
    }


def shares(outputs: np.ndarray) -> np.ndarray:
    """The second class's share (n,) of the outputs (n, 2), which may not add up to 1."""
    return outputs[:, 1] / outputs.sum(axis=1)


def tuning(run: SeedRun) -> dict[str, float | str]:
    """Metrics on the validation pictures, class 1 being the second.

    `test_loss` is of the outputs' shares; `output_sum` is what the two outputs add up to
    (1 for probabilities), `output_sum_error` how far from 1 they are, both means;
    `own_classes_accuracy` is the network's before it learnt anything here.
    """
    outputs = run.predictions["outputs"].astype(np.float64)
    total = outputs.sum(axis=1)
    labels, own = run.data["y_val"], run.predictions.get("own_shares")
    before = {}
    if own is not None:
        before["own_classes_accuracy"] = float((own.argmax(axis=1) == labels).mean())
    return {
        **before,
        **metrics.binary(labels, shares(outputs)),
        "output_sum": float(total.mean()),
        "output_sum_error": float(np.abs(total - 1).mean()),
        "train_accuracy": float(run.history["accuracy"][-1]),
    }


METRICS = {
    "architectures": architectures,
    "recognition": recognition,
    "pretraining": pretraining,
    "fine_tuning": tuning,
}


def metrics_of(run: SeedRun) -> dict[str, float | str]:
    """The metrics of the experiment's task."""
    return METRICS[run.settings["task"]](run)


def artifacts_of(run: SeedRun, folder: Path) -> list[Path]:
    """The confusion matrix of a fine-tuned network."""
    if run.settings["task"] != "fine_tuning":
        return []
    given = run.predictions["outputs"].argmax(axis=1)
    return confusion_artifact(run.data["y_val"], given, list(run.data["classes"]), folder)


def main(snakemake) -> None:
    """Write the experiment's metrics."""
    evaluate(snakemake, metrics_of, artifacts_of)


if "snakemake" in globals():
    steps.run(main, snakemake)
