"""The Keras side of chapter 4.3: a network, its earlier fits, its last one, its best weights."""

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch03_keras_basics.rows import Fit, Plan
from kerasbook import models
from kerasbook.checkpoints import Checkpoints
from kerasbook.training import Progress, early_stopping, fit

# The batches of one call into TensorFlow. The numbers are the same with 1, the time is not.
STEPS_PER_EXECUTION = 64
PREDICT_BATCH = 4096

Rows = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def build(settings: Mapping[str, Any], n_features: int, n_classes: int) -> Any:
    """The compiled network of an experiment's settings."""
    output = {"type": "dense", "units": n_classes, "activation": "softmax"}
    model = models.build(settings["layers"], (n_features,), output)
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=models.optimizer(settings["optimizer"]),
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    return model


def predict(model: Any, x: np.ndarray) -> np.ndarray:
    """Probabilities (n, k) float32."""
    return model.predict(x, batch_size=PREDICT_BATCH, verbose=0)


def half_cosine(rate: float, epochs: int) -> Callable[[int], float]:
    """The learning rate of an epoch counted from 0, from `rate` towards nothing.

    Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, without restarts.
    """
    return lambda epoch: rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def _stopping(patience: int | None) -> list[Any]:
    """Early stopping with a patience as Keras 1 counts it.

    There the epoch that found the patience used up was followed by one more: the printed log,
    with a patience of 4, stops after five epochs without a smaller loss.
    """
    if patience is None:
        return []
    return [early_stopping(monitor="val_loss", patience=patience + 1)]


def fit_before(
    model: Any,
    told: Plan,
    rows: Rows,
    settings: Mapping[str, Any],
    seed: int,
    keep: Checkpoints | None = None,
) -> list[dict]:
    """What happened to the model before the fit that is printed.

    Args:
        rows: gives columns (n, n_features) and labels (n,) of indices into the table.

    Returns:
        A mapping per fit: rows learnt from and watched, its time (s), and the losses by epoch.
    """
    fits = []
    if settings["epochs_before"]:
        done = fit(
            model, rows(told.all_rows), None, settings["epochs_before"],
            settings["batch_size_before"], seed=(seed, len(fits)), keep=keep, name="before_0",
        )  # fmt: skip
        fits.append(_told(Fit(told.all_rows, told.all_rows[:0]), done))
    for run in told.before if settings["fits_before"] else ():
        done = fit(
            model,
            rows(run.train),
            rows(run.watched),
            settings["epochs"],
            settings["batch_size"],
            callbacks=_stopping(settings["patience"]),
            seed=(seed, len(fits)),
            keep=keep,
            name=f"before_{len(fits)}",
        )
        fits.append(_told(run, done))
    return fits


def _told(run: Fit, done: Progress) -> dict[str, Any]:
    seconds = done.seconds - done.told_seconds
    return {
        "n_train": len(run.train), "n_val": len(run.watched), "seconds": seconds, **done.history
    }  # fmt: skip


def fit_printed(
    model: Any,
    run: Fit,
    rows: Rows,
    settings: Mapping[str, Any],
    seed: int,
    send: Callable[[Mapping[str, float], int], None] | None = None,
    keep: Checkpoints | None = None,
) -> tuple[Progress, list[np.ndarray] | None]:
    """The fit that is printed, with its callbacks.

    Returns:
        The progress, and the weights of the epoch with the smallest validation loss as the
        checkpoint on disk holds them; None where nothing is watched.
    """
    import keras

    callbacks = _stopping(settings["patience"])
    if settings["rate_schedule"] == "cosine":
        rate = half_cosine(settings["optimizer"]["learning_rate"], settings["epochs"])
        callbacks.append(keras.callbacks.LearningRateScheduler(rate))
    more = {}
    if settings["validation"] == "test":  # as printed: Keras takes the rows and not the share
        more["validation_split"] = settings["validation_split"]
    watched = rows(run.watched) if len(run.watched) else None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "best.weights.h5"
        if watched is not None:
            callbacks.append(_best_on_disk(file))
        progress = fit(
            model, rows(run.train), watched, settings["epochs"], settings["batch_size"], send,
            callbacks, seed=seed, keep=keep, **more,
        )  # fmt: skip
        best = _weights_in(model, file) if file.exists() else None
    return progress, best


def _best_on_disk(file: Path) -> Any:
    """The tutorial's checkpoint, which goes on from one of ours."""
    import keras

    class Best(keras.callbacks.ModelCheckpoint):
        def state(self) -> dict[str, Any]:
            held = np.frombuffer(file.read_bytes(), np.uint8) if file.exists() else None
            return {"best": self.best, "file": held}

        def restore(self, state: Mapping[str, Any]) -> None:
            self.best = state["best"]
            if state["file"] is not None:
                file.write_bytes(state["file"].tobytes())

    return Best(file, monitor="val_loss", save_best_only=True, save_weights_only=True)


def _weights_in(model: Any, file: Path) -> list[np.ndarray]:
    """The weights that a file holds, those of the model left as they are."""
    last = model.get_weights()
    model.load_weights(file)
    stored = model.get_weights()
    model.set_weights(last)
    return stored


def as_one_matrix(model: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """What a stack of dense layers is, if nothing stands between them that bends a line.

    Returns:
        The product of the weights (n_features, n_classes) and its constant (n_classes,), both
        float64, whatever the activations between the layers; None where there are no two dense
        layers, or others than dense, dropout and activation layers.
    """
    import keras

    allowed = (keras.layers.Dense, keras.layers.Dropout, keras.layers.Activation)
    dense = [one for one in model.layers if isinstance(one, keras.layers.Dense)]
    if len(dense) < 2 or not all(isinstance(one, allowed) for one in model.layers):
        return None
    first, *others = [[part.astype(np.float64) for part in one.get_weights()] for one in dense]
    matrix, constant = first
    for weights, bias in others:
        matrix, constant = matrix @ weights, constant @ weights + bias
    return matrix, constant


def softmax(values: np.ndarray) -> np.ndarray:
    """Softmax along the last axis."""
    raised = np.exp(values - values.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def linear_gap(model: Any, x: np.ndarray, probabilities: np.ndarray) -> float | None:
    """The largest difference between the network's answers and those of its one matrix.

    Args:
        x: (n, n_features).
        probabilities: (n, n_classes), the network's.
    """
    one = as_one_matrix(model)
    if one is None:
        return None
    return float(np.abs(softmax(x @ one[0] + one[1]) - probabilities).max())
