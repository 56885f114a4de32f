"""Train one network of chapter 4.4 with one seed."""

import numpy as np

from chapters.ch04_sgd_network import network
from kerasbook import checkpoints, steps
from kerasbook.arrays import read_processed
from kerasbook.tracking import log_dense_model, tracked
from kerasbook.training import Progress, save_run

SCALES = {"raw": 1.0, "scaled": 1 / 255}
DIGITS = 10


def compile_network(
    images: np.ndarray, labels: np.ndarray, parameters: network.Parameters, batch_size: int
) -> None:
    """Train a copy on one batch, so that the times measured later hold no compilation."""
    copy = network.Parameters(*(tuple(part.copy() for part in group) for group in parameters))
    rows = np.arange(min(batch_size, len(images)))
    network.train_epoch(images, labels, copy, batch_size, 1.0, 1.0, rows)


def main(snakemake) -> None:
    """Train, predict the test digits, and write model, history and predictions."""
    step = steps.step_of(snakemake)
    settings = step.settings
    data, about = read_processed(snakemake)
    images, labels = data["x_train"], data["y_train"]
    scale = SCALES[settings["pixels"]]
    sizes = [images.shape[1], *settings["hidden"], DIGITS]
    layers = [*(f"hidden_{i}" for i in range(1, len(sizes) - 1)), "output"]
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        parameters = network.initial_parameters(sizes, step.seed)
        compile_network(images, labels, parameters, settings["batch_size"])
        progress = Progress(settings["epochs"], len(images), run.metrics)
        keep = checkpoints.of_run(snakemake, run, step)
        found = keep.read("train")
        if found is not None:
            network.put_back(parameters, found.arrays)
            progress.restore(found.told)

        def tell(epoch: int, correct: int, shares: list[float]) -> None:
            saturated = {f"saturated_{name}": one for name, one in zip(layers, shares)}
            accuracy = correct / len(data["y_test"])
            progress.epoch(
                {"test_correct": correct, "epoch_accuracy": accuracy, **saturated}, epoch
            )
            arrays = network.named_arrays(parameters)
            with progress.aside():
                keep.write("train", checkpoints.State(epoch + 1, arrays, progress.state()))

        network.train(
            images,
            labels,
            data["x_test"],
            data["y_test"],
            parameters,
            epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            scale=scale,
            seed=step.seed,
            threshold=settings["saturation_threshold"],
            on_epoch=tell,
            first_epoch=0 if found is None else found.done,
        )
        network.save(snakemake.output.model, parameters, scale)
        outputs = network.forward(data["x_test"], parameters, scale)[-1]
        uri = log_dense_model(run, snakemake.output.model, data["x_test"][:2].astype(np.float64))
        count = sum(part.size for group in parameters for part in group)
        save_run(snakemake, run, step, progress, {"outputs": outputs}, count, uri, first_epoch=0)


if "snakemake" in globals():
    steps.run(main, snakemake)
