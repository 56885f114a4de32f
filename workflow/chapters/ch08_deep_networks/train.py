"""One experiment of chapter 4.8: count, recognise, pre-train or fine-tune."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch08_deep_networks import fine_tuning, forward, imagenet, networks, weights
from kerasbook import checkpoints, models, pictures, steps
from kerasbook.arrays import read_processed
from kerasbook.errors import KerasbookError
from kerasbook.files import write_json
from kerasbook.raw import raw_digests
from kerasbook.tracking import tracked
from kerasbook.training import Progress, fit, save_keras_run, save_run
from kerasbook.validation import nearest

DIGIT_SIZE = 32


def folder_of(snakemake: Any) -> Path:
    """The folder that the run's model goes to."""
    folder = Path(snakemake.output.model)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def weights_files(snakemake: Any, origin: str, names: list[str]) -> list[Path | None]:
    """The file with each network's weights; None for random ones."""
    if origin == "random":
        return [None] * len(names)
    if origin == "imagenet":  # in the order of the experiment's raw_data()
        return [Path(file) for file in snakemake.input.raw[: len(names)]]
    return [start_file(snakemake)] * len(names)


def start_file(snakemake: Any) -> Path:
    """The weights that an experiment of this chapter has left to this one."""
    return Path(snakemake.input.start[0]) / "weights.h5"


# ---------------------------------------------------------------------------- architectures


def count_architectures(snakemake: Any, step: Any, data: Mapping[str, np.ndarray]) -> dict:
    """Parameters of each network, and the shape of a picture as it takes it (channels last).

    Of some also time and memory of a forward pass.
    """
    first = pictures.unpack(data["pixels"], data["shapes"])[0]
    shapes = {}
    for name in step.settings["networks"]:
        network = networks.NETWORKS[name]
        sized = pictures.resized(first, network.size, "nearest")[np.newaxis]
        shapes[f"shape_{name}"] = np.array(networks.prepared(sized, network.family).shape, np.int64)
    parameters = forward.counted(step.settings["networks"])
    times = {}
    for name in step.settings["forward"]:
        measured = forward.passed(name, step.threads)
        times |= {f"forward_{name}_ms": measured["ms"], f"memory_{name}_mb": measured["mb"]}
    write_json(folder_of(snakemake) / "parameters.json", parameters)
    predictions = {
        "networks": np.array(list(parameters)),
        "parameters": np.array(list(parameters.values()), np.int64),
        **shapes,
    }
    return {"predictions": predictions, "times": times}


# ---------------------------------------------------------------------------- recognition


def recognise(snakemake: Any, step: Any, data: Mapping[str, np.ndarray]) -> dict:
    """What trained networks see on the pictures.

    The predictions hold, by network, `probabilities_<network>` (n_pictures, classes) and
    `shape_<network>` (of the input, channels last); where the preprocessing is the
    tutorial's, `own_<network>` are those with the network's own.
    """
    settings = step.settings
    asked, there = settings["picture"], data["names"].tolist()
    if asked not in there:
        left_out = "; ".join(": ".join(one) for one in data["left_out"].tolist())
        raise KerasbookError(
            f"config/chapters/ch08.yaml: experiments.{step.experiment}.picture: found '{asked}'"
            f"{nearest(asked, there)}, expected one of {', '.join(there)}. Left out as unreadable: "
            f"{left_out or 'none'}."
        )
    names = settings["networks"]
    files = weights_files(snakemake, settings["weights"], names)
    if settings["weights"] == "imagenet":
        told = imagenet.read_class_index(snakemake.input.raw[-1])
    else:
        told = [(str(digit), str(digit)) for digit in range(networks.MINIATURE_CLASSES)]
    predictions = {
        "wordnet_ids": np.array([one for one, _ in told]),
        "class_names": np.array([one for _, one in told]),
    }
    shown = pictures.unpack(data["pixels"], data["shapes"])
    for name, file in zip(names, files, strict=True):
        predictions |= answers(name, file, shown, settings["preprocessing"])
    sources = {name: None if file is None else file.name for name, file in zip(names, files)}
    write_json(folder_of(snakemake) / "weights.json", sources)
    return {"predictions": predictions, "times": {}, "device": models.device_name()}


def answers(
    name: str, file: Path | None, shown: list[np.ndarray], preprocessing: str
) -> dict[str, np.ndarray]:
    """One network's probabilities for pictures (h, w, 3) of any size."""
    network = networks.NETWORKS[name]
    # The miniature learnt on small pictures; its size does not change its layers.
    model = networks.build(name)
    if file is not None:
        weights.load_weights(file, model, network.match)
    # Keras's load_img, which the tutorial calls, takes the nearest pixels.
    sized = np.stack([pictures.resized(one, network.size, "nearest") for one in shown])
    printed = preprocessing == "printed"
    x = networks.prepared(sized, "caffe_printed" if printed else network.family)
    out = {
        f"probabilities_{name}": model.predict(x, batch_size=8, verbose=0),
        f"shape_{name}": np.array(x[:1].shape, np.int64),
    }
    if printed:
        x = networks.prepared(sized, network.family)
        out[f"own_{name}"] = model.predict(x, batch_size=8, verbose=0)
    return out


# ---------------------------------------------------------------------------- pre-training


def coloured(digits: np.ndarray) -> np.ndarray:
    """Digits (n, 28, 28) uint8 as pictures (n, 32, 32, 3) uint8, white on black."""
    border = (DIGIT_SIZE - digits.shape[1]) // 2
    padded = np.pad(digits, ((0, 0), (border, border), (border, border)))
    return np.repeat(padded[..., np.newaxis], 3, axis=-1)


def pretrain(snakemake: Any, step: Any, run: Any, data: Mapping[str, np.ndarray]) -> None:
    """Train the miniature on digits; its weights go to a file in the old HDF5 layout."""
    settings = step.settings
    family = networks.NETWORKS["miniature"].family
    model = networks.build("miniature", DIGIT_SIZE)
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=models.optimizer(settings["optimizer"]),
        metrics=["accuracy"],
    )
    x_test = networks.prepared(coloured(data["x_test"]), family)
    x_train = networks.prepared(coloured(data["x_train"]), family)
    progress = fit(
        model,
        (x_train, data["y_train"]),
        (x_test, data["y_test"]),
        settings["epochs"],
        settings["batch_size"],
        run.metrics,
        seed=step.seed,
        keep=checkpoints.of_run(snakemake, run, step),
    )
    probabilities = model.predict(x_test, batch_size=1000, verbose=0)
    weights.save_weights(folder_of(snakemake) / "weights.h5", weights.layers_of(model))
    save_keras_run(
        snakemake, run, step, model, progress, {"probabilities": probabilities}, x_test[:2]
    )


# ---------------------------------------------------------------------------- fine-tuning


def brought_to(data: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """The pictures of both parts at the size that the experiment asks for."""
    if data["x_train"].shape[1] == size:
        return dict(data)
    return dict(data) | {
        name: np.stack([pictures.resized(one, size) for one in data[name]])
        for name in ("x_train", "x_val")
    }


def explained(n: int, labels: np.ndarray) -> np.ndarray:
    """Which `n` pictures are explained: of each class in turn, spread over its pictures."""
    classes = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    each = -(-n // len(classes))
    spread = [
        rows[np.linspace(0, len(rows) - 1, min(each, len(rows))).round().astype(int)]
        for rows in classes
    ]
    turns = [rows[turn] for turn in range(each) for rows in spread if turn < len(rows)]
    return np.array(turns[:n], np.int64)


def own_answer(
    name: str, file: Path | None, shown: np.ndarray, classes: list[int] | None
) -> fine_tuning.OwnClasses | None:
    """What a trained network makes of two of its own classes; None where it has none of them.

    Args:
        shown: pictures (n, size, size, 3) uint8, of the size that the network learnt on.
    """
    if file is None or classes is None:
        return None
    network = networks.NETWORKS[name]
    model = networks.build(name, shown.shape[1])
    weights.load_weights(file, model, network.match)
    return fine_tuning.own_classes(model, shown, network.family, classes)


def fine_tune(snakemake: Any, step: Any, run: Any, data: Mapping[str, np.ndarray]) -> None:
    """One stage, or two; then the validation pictures are answered and some explained."""
    settings = step.settings
    if settings["grad_cam"]:  # said before it trains
        models.need_tensorflow("Grad-CAM", "set grad_cam: 0 in the experiment to do without.")
    name = settings["network"]
    network = networks.NETWORKS[name]
    data = brought_to(data, settings["size"])
    base = networks.build(name, settings["size"], top=False)
    file = weights_files(snakemake, settings["weights"], [name])[0]
    if file is not None:
        weights.load_weights(file, base, network.match, whole=False)
    tuned = fine_tuning.FineTuned(base, settings)
    own = own_answer(name, file, data["x_val"], settings["own_classes"])
    if settings["head_start"] == "own_classes":
        tuned.start_from(own)
    learnt = dict(data)
    if settings["mirrored"]:
        learnt["x_train"], learnt["y_train"] = fine_tuning.with_mirrored(
            data["x_train"], data["y_train"]
        )
    keep = checkpoints.of_run(snakemake, run, step)
    progress = tuned.stage(
        learnt, settings["frozen_before"], settings["optimizer"], settings["epochs"], run.metrics,
        seed=(step.seed, 1), keep=keep, name="first_stage",
    )  # fmt: skip
    second = settings["second_stage"]
    if second is not None:
        more = tuned.stage(
            learnt,
            second["frozen_before"],
            second["optimizer"],
            second["epochs"],
            lambda values, epoch: run.metrics(values, settings["epochs"] + epoch),
            seed=(step.seed, 2),
            keep=keep,
            name="second_stage",
        )
        progress = fine_tuning.joined(progress, more)
    predictions = {"outputs": tuned.probabilities(data["x_val"])}
    if own is not None:
        predictions["own_shares"] = own.shares
    rows = explained(settings["grad_cam"], data["y_val"])
    if len(rows):
        predictions |= {"cam_rows": rows, "cam_maps": tuned.grad_cam(data["x_val"][rows])}
    save_keras_run(
        snakemake,
        run,
        step,
        tuned.serving(),
        progress,
        predictions,
        data["x_val"][:1],
        times=tuned.times,
    )


def main(snakemake) -> None:
    """Run one experiment with one seed."""
    step = steps.step_of(snakemake)
    task = step.settings["task"]
    if task != "architectures":  # which leaves Keras to other processes
        models.set_up(step).utils.set_random_seed(step.seed)
    data, about = read_processed(snakemake)
    inputs = {"data": about["digest"], **raw_digests(snakemake)}
    if snakemake.input.start:
        inputs["start"] = weights.digest(start_file(snakemake))
    with tracked(snakemake.params.tracking, step, inputs) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        if task == "pretraining":
            pretrain(snakemake, step, run, data)
        elif task == "fine_tuning":
            fine_tune(snakemake, step, run, data)
        else:
            done = (
                count_architectures(snakemake, step, data)
                if task == "architectures"
                else recognise(snakemake, step, data)
            )
            save_run(snakemake, run, step, Progress(0, 0), **done)


if "snakemake" in globals():
    steps.run(main, snakemake)
