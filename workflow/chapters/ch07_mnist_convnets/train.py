"""Train one convolutional network of chapter 4.7 with one seed."""

import numpy as np

from kerasbook import checkpoints, models, steps
from kerasbook.arrays import read_processed
from kerasbook.tracking import tracked
from kerasbook.training import fit, save_keras_run

VALIDATION_SHARE = 0.1
OUTPUT = {"type": "dense", "units": 2, "activation": "softmax"}


def scaled(images: np.ndarray) -> np.ndarray:
    """Pictures (n, 28, 28) of uint8 as (n, 28, 28, 1) of float32 between 0 and 1."""
    return images[..., np.newaxis].astype(np.float32) / np.float32(255)


def split(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows to watch, a tenth, drawn by the seed."""
    order = np.random.default_rng(seed).permutation(n)
    watched = max(1, round(n * VALIDATION_SHARE))
    return np.sort(order[watched:]), np.sort(order[:watched])


def rows_for(
    data: dict[str, np.ndarray], settings: dict, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Training and validation pairs (pictures of float32, labels) of an experiment."""
    x = data[f"x_{settings['negatives']}"]
    y = data[f"y_{settings['negatives']}"]
    if settings["validation"] == "test":
        return (scaled(x), y), (scaled(data["x_test"]), data["y_test"])
    learnt, watched = split(len(x), seed)
    return (scaled(x[learnt]), y[learnt]), (scaled(x[watched]), y[watched])


def main(snakemake) -> None:
    """Train, predict the test rows, and write model, history and predictions."""
    step = steps.step_of(snakemake)
    keras = models.set_up(step)
    settings = step.settings
    data, about = read_processed(snakemake)
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        keras.utils.set_random_seed(step.seed)
        model = models.build(settings["layers"], (28, 28, 1), OUTPUT)
        model.compile(
            loss="sparse_categorical_crossentropy",
            optimizer=models.optimizer(settings["optimizer"]),
            metrics=["accuracy"],
        )
        train, validation = rows_for(data, settings, step.seed)
        progress = fit(
            model,
            train,
            validation,
            settings["epochs"],
            settings["batch_size"],
            run.metrics,
            seed=step.seed,
            keep=checkpoints.of_run(snakemake, run, step),
        )
        x_test = scaled(data["x_test"])
        probabilities = model.predict(x_test, batch_size=1000, verbose=0)
        save_keras_run(
            snakemake, run, step, model, progress, {"probabilities": probabilities}, x_test[:2]
        )


if "snakemake" in globals():
    steps.run(main, snakemake)
