"""One experiment of chapter 4.5, one seed: what each task computes."""

import time
from pathlib import Path

import numpy as np

from chapters.ch05_convolutions import activations, filters, networks, pooling
from kerasbook import checkpoints, models, steps
from kerasbook.arrays import read_processed
from kerasbook.tracking import tracked
from kerasbook.training import Progress, save_keras_run, save_run


def kernels(settings: dict, data: dict, seed: int) -> dict[str, np.ndarray]:
    """The photograph under each kernel."""
    return filters.look_through(data["photo"], settings["kernels"])


def gradients(settings: dict, data: dict, seed: int) -> dict[str, np.ndarray]:
    """The four functions, and the gradients of every stack: `norms_<stack>`."""
    rng = np.random.default_rng(seed)
    rows = settings["rows"]
    x = data["x_train"][:rows].reshape(-1, 28 * 28) / 255.0
    labels = data["y_train"][:rows]
    shape = (settings["depths"], settings["width"], settings["draws"])
    norms = {
        f"norms_{name}": activations.gradient_norms(x, labels, stack, *shape, rng)
        for name, stack in settings["stacks"].items()
    }
    return {**activations.curves(), **norms}


def pools(settings: dict, data: dict, seed: int) -> dict[str, np.ndarray]:
    """What shifts change behind each kind of pooling."""
    images = data["x_test"][: settings["rows"]] / 255.0
    return pooling.shift_changes(images, settings["sizes"], settings["shifts"])


def shapes(settings: dict, data: dict, seed: int) -> dict[str, np.ndarray]:
    """What Keras says of each of the tutorial's networks, in both orders."""
    out = {}
    for name, network in settings["networks"].items():
        told = networks.orders_compared(network, data["photo"])
        out |= {f"{name}.{key}": np.asarray(one) for key, one in told.items()}
    return out


def _computed(snakemake, run, step, data, compute) -> None:
    """A run without a model: its arrays are its predictions."""
    progress = Progress(0, 0)
    predictions = compute(step.settings, data, step.seed)
    progress.seconds = time.monotonic() - progress.started
    Path(snakemake.output.model).mkdir(parents=True, exist_ok=True)
    save_run(snakemake, run, step, progress, predictions)


def _network(snakemake, run, step, data) -> None:
    """Train the small network on all training rows, and open it."""
    settings = step.settings
    layers = settings["layers"]
    x_test = networks.scaled(data["x_test"])
    model = networks.compiled(layers, settings["optimizer"])
    progress = networks.fit(
        model, (networks.scaled(data["x_train"]), data["y_train"]), (x_test, data["y_test"]),
        settings["epochs"], settings["batch_size"], run.metrics, seed=step.seed,
        keep=checkpoints.of_run(snakemake, run, step),
    )  # fmt: skip
    predictions = {
        "probabilities": model.predict(x_test, batch_size=networks.BATCH, verbose=0),
        "parameters_without_pooling": np.int64(networks.without_pooling(layers)),
        **networks.opened(model, layers, data["x_test"], step.seed),
    }
    save_keras_run(snakemake, run, step, model, progress, predictions, x_test[:2])


def _dropout(snakemake, run, step, data) -> None:
    """Train one network twice from the same weights, with and without dropout, on few rows."""
    settings = step.settings
    order = np.random.default_rng(step.seed).permutation(len(data["x_train"]))
    rows = np.sort(order[: settings["train_rows"]])
    train = networks.scaled(data["x_train"][rows]), data["y_train"][rows]
    held_out = networks.scaled(data["x_test"]), data["y_test"]
    kept = [layer for layer in settings["layers"] if layer["type"] != "dropout"]
    model = networks.compiled(settings["layers"], settings["optimizer"])
    plain = networks.compiled(kept, settings["optimizer"])
    plain.set_weights(model.get_weights())
    keep = checkpoints.of_run(snakemake, run, step)
    rows_and_settings = (train, held_out, settings, step.seed, keep)
    with_dropout = networks.fit_observed(model, *rows_and_settings, "with_dropout")
    without = networks.fit_observed(plain, *rows_and_settings, "without_dropout")
    both = Progress(settings["epochs"], 2 * len(rows), run.metrics)
    for epoch in range(settings["epochs"]):
        told = {key: values[epoch] for key, values in with_dropout.history.items()}
        told |= {f"plain_{key}": values[epoch] for key, values in without.history.items()}
        both.epoch(told, epoch + 1)
    both.seconds = with_dropout.seconds + without.seconds
    both.told_seconds = with_dropout.told_seconds + without.told_seconds
    predictions = networks.dropout_scale(model, held_out[0], settings["draws"])
    save_keras_run(snakemake, run, step, model, both, predictions, held_out[0][:2])


COMPUTED = {"kernels": kernels, "activations": gradients, "pooling": pools, "shapes": shapes}
TRAINED = {"network": _network, "dropout": _dropout}
NEED_KERAS = ("shapes", "network", "dropout")
NEED_TENSORFLOW = ("shapes", "network")


def main(snakemake) -> None:
    """Do the experiment's task, and write what came of it."""
    step = steps.step_of(snakemake)
    task = step.settings["task"]
    if task in NEED_TENSORFLOW:  # said before it trains
        models.need_tensorflow("shapes and receptive fields", "run chapter ch05 with it.")
    if task in NEED_KERAS:
        models.set_up(step).utils.set_random_seed(step.seed)
    data, about = read_processed(snakemake)
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        if task in COMPUTED:
            _computed(snakemake, run, step, data, COMPUTED[task])
        else:
            TRAINED[task](snakemake, run, step, data)


if "snakemake" in globals():
    steps.run(main, snakemake)
