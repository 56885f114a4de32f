"""The simplest classifier of digits: the nearest mean picture."""

import numpy as np
from sklearn.neighbors import NearestCentroid

from kerasbook import steps
from kerasbook.arrays import read_processed, save_npz
from kerasbook.tracking import log_dense_model, tracked
from kerasbook.training import Progress, save_run


def rows(images: np.ndarray) -> np.ndarray:
    """Pictures (n, 28, 28) of uint8 as rows (n, 784) of float32 between 0 and 1."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def as_dense(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest mean as a linear layer: the nearest m has the largest x·m - |m|²/2.

    Args:
        means: (k, d), a row per class.

    Returns:
        Weights (d, k) and biases (k,), float64.
    """
    means = means.astype(np.float64)
    return means.T.copy(), -0.5 * np.square(means).sum(axis=1)


def main(snakemake) -> None:
    """Fit, predict the test pictures, and write model, history and predictions."""
    step = steps.step_of(snakemake)
    data, about = read_processed(snakemake)
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        progress = Progress(1, len(data["x_train"]), run.metrics)
        x_train = rows(data["x_train"])
        model = NearestCentroid().fit(x_train, data["y_train"])
        accuracy = float((model.predict(x_train) == data["y_train"]).mean())
        progress.epoch({"train_accuracy": accuracy}, 0)
        x_test = rows(data["x_test"])
        weights, biases = as_dense(model.centroids_)
        save_npz(
            snakemake.output.model,
            weights_0=weights,
            biases_0=biases,
            classes=model.classes_,
            scale=np.float64(1 / 255),
            linear_output=np.array(True),
        )
        digits = model.predict(x_test).astype(np.uint8)
        example = data["x_test"][:2].reshape(2, -1).astype(np.float64)
        uri = log_dense_model(run, snakemake.output.model, example)
        count = model.centroids_.size
        save_run(snakemake, run, step, progress, {"digits": digits}, count, uri, first_epoch=0)


if "snakemake" in globals():
    steps.run(main, snakemake)
