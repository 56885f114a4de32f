"""Training with a progress line per epoch, in the log and in MLflow."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from kerasbook import checkpoints, devices
from kerasbook import epochs as epochs_

logger = logging.getLogger(__name__)
KERAS_BATCH_SIZE = 32  # Keras's own, where none is given


class Progress:
    """One log line per epoch with the time left, and the same numbers live to MLflow.

    `seconds` are those until the end of the last epoch. `told_seconds` are the part of them in
    which nothing was trained: the epochs before were told of, and their states kept.

    Args:
        epochs: how many there will be.
        rows: training rows of an epoch, for the throughput.
        send: takes the epoch's metrics and its number, such as `Run.metrics`.
    """

    def __init__(
        self, epochs: int, rows: int, send: Callable[[Mapping[str, float], int], None] | None = None
    ):
        self.epochs = epochs
        self.rows = rows
        self.send = send
        self.history: dict[str, list[float]] = {}
        self.numbers: list[int] = []
        self.started = time.monotonic()
        self.seconds = 0.0
        self.told_seconds = 0.0
        self._aside = 0.0

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Count the time of this block as telling, not as training."""
        start = perf_counter()
        try:
            yield
        finally:
            self._aside += perf_counter() - start

    def epoch(self, values: Mapping[str, float], number: int) -> None:
        """Tell of an epoch that ended; `number` is the book's own count (from 0 or from 1)."""
        for key, value in values.items():
            self.history.setdefault(key, []).append(float(value))
        self.numbers.append(number)
        self.seconds = time.monotonic() - self.started
        self.told_seconds = self._aside
        done = len(self.numbers)
        left = self.seconds / done * (self.epochs - done)
        told = " ".join(f"{key}={value:.4g}" for key, value in values.items())
        logger.info(
            "epoch %d of %d: %s, %.1f s gone, %.0f s left", done, self.epochs, told,
            self.seconds, left,
        )  # fmt: skip
        if self.send is not None:
            with self.aside():
                self.send(values, number)

    def state(self) -> dict[str, Any]:
        """The epochs until now, and their time, for a checkpoint."""
        return {
            "history": self.history,
            "numbers": self.numbers,
            "seconds": self.seconds,
            "told_seconds": self.told_seconds,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the epochs of a checkpoint; a run that is new gets to know of them."""
        self.history, self.numbers = dict(state["history"]), list(state["numbers"])
        self.seconds = state["seconds"]
        self.started = time.monotonic() - self.seconds
        self._aside = self.told_seconds = state["told_seconds"]
        if self.send is not None:
            with self.aside():
                for place, number in enumerate(self.numbers):
                    self.send({key: one[place] for key, one in self.history.items()}, number)

    @property
    def rows_per_second(self) -> float:
        """Training rows per second over all epochs."""
        return self.rows * len(self.numbers) / max(self.seconds, 1e-9)


def write_history(path: Any, history: Mapping[str, list[float]], first_epoch: int) -> None:
    """Write a history as a table: `epoch`, then a column per metric, every digit kept."""
    import csv
    import io

    from kerasbook.files import write_text

    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(["epoch", *history])
    for index, row in enumerate(zip(*history.values(), strict=True)):
        writer.writerow([first_epoch + index, *(repr(float(value)) for value in row)])
    write_text(path, text.getvalue())


def read_history(path: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Epoch numbers (n,) and metric -> values (n,), float64."""
    import csv

    with open(path, encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file, delimiter="\t"))
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(header))
    return table[:, 0].astype(int), {name: table[:, i] for i, name in enumerate(header) if i}


def fit(
    model: Any,
    train: Any,
    validation: Any = None,
    epochs: int = 1,
    batch_size: int | None = None,
    send: Callable[[Mapping[str, float], int], None] | None = None,
    callbacks: Sequence[Any] = (),
    rows: int | None = None,
    *,
    seed: epochs_.Seed,
    keep: checkpoints.Checkpoints | None = None,
    name: str = "fit",
    kept: checkpoints.Kept | None = None,
    **fit_args: Any,
) -> Progress:
    """Fit a compiled Keras model, epochs counted from 1 as Keras prints them.

    The order of the rows and what dropout drops follow from the seed and the epoch's number
    alone (`kerasbook.epochs`). So a training that goes on from a checkpoint ends with the bits
    of one that was never stopped.

    Args:
        train: rows and labels (and, if given, sample weights); or a Keras `PyDataset` with a
            method `begin`, which is told the number of each epoch from 0, together with `rows`.
        validation: rows and labels that are watched, not learnt from; None for none.
        callbacks: further callbacks of Keras. One that has a state, such as early stopping, hands
            it over (`checkpoints.Stateful`); see `early_stopping`.
        rows: training rows of an epoch, where `train` does not tell.
        seed: of all that the epochs draw; several numbers tell fits of one run apart.
        keep: where the state lies after every epoch; None keeps none.
        name: of the checkpoint, where a run fits more than once.
        kept: what else moves on with the training, by name, such as lists of times.
        fit_args: passed to Keras's `fit`.

    Returns:
        The progress, whose `history` has a list per metric.
    """
    import keras

    if isinstance(train, tuple):
        first = train[0][0] if isinstance(train[0], list) else train[0]
        rows = len(first)
        data, begin = epochs_.batches(train, batch_size or KERAS_BATCH_SIZE, seed)
    else:
        data, begin = train, train.begin
    progress = Progress(epochs, rows or 0, send)
    moving = {"progress": progress, **(kept or {})}
    moving |= {
        f"callback_{place}": one for place, one in enumerate(callbacks) if hasattr(one, "restore")
    }
    found = None if keep is None else keep.read(name)
    if found is not None:
        put_back(model, found.arrays)
        fit_args["initial_epoch"] = epochs if found.told["stopped"] else found.done

    class Follow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            begin(epoch)
            epochs_.reseed(self.model, seed, epoch)

    class Tell(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict | None = None) -> None:
            if found is not None:  # now, as callbacks forget what they know when a fit begins
                checkpoints.restore(moving, found.told["moving"])

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            progress.epoch(logs or {}, epoch + 1)
            if keep is None:
                return
            with progress.aside():
                told = {"moving": checkpoints.state_of(moving), "stopped": self.model.stop_training}
                keep.write(name, checkpoints.State(epoch + 1, arrays_of(self.model), told))

    if isinstance(validation, tuple):
        fit_args.setdefault("validation_batch_size", 1000)
    model.fit(
        data,
        epochs=epochs,
        validation_data=validation,
        # What the chapter adds comes before the telling: it may put metrics into the epoch's.
        callbacks=[Follow(), *callbacks, Tell()],
        shuffle=False,
        verbose=0,
        **fit_args,
    )
    return progress


def _variables_of(model: Any) -> dict[str, Any]:
    parts = {
        "weight": model.weights,
        "optimizer": model.optimizer.variables,
        # What is drawn after the last epoch, too, is drawn as if nothing had happened.
        "seed": epochs_.seed_states(model),
    }
    return {f"{part}_{n}": one for part, each in parts.items() for n, one in enumerate(each)}


def arrays_of(model: Any) -> dict[str, np.ndarray]:
    """The weights of a Keras model, the state of its optimizer and of what it draws."""
    return {name: one.numpy() for name, one in _variables_of(model).items()}


def put_back(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Give a compiled Keras model what `arrays_of` has of it."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    for name, one in _variables_of(model).items():
        one.assign(arrays[name])


def early_stopping(**how: Any) -> Any:
    """Keras's `EarlyStopping`, which goes on from a checkpoint."""
    import keras

    class Stopping(keras.callbacks.EarlyStopping):
        names = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

        def state(self) -> dict[str, Any]:
            return {name: getattr(self, name) for name in self.names}

        def restore(self, state: Mapping[str, Any]) -> None:
            for name in self.names:
                setattr(self, name, state[name])

    return Stopping(**how)


def run_record(step: Any, run: Any, progress: Progress, **more: Any) -> dict[str, Any]:
    """What `train.json` says of a run: who it is, its time and memory, and where it comes from."""
    from kerasbook import provenance

    return {
        "experiment": step.experiment,
        "seed": step.seed,
        "seconds": progress.seconds,
        "told_seconds": progress.told_seconds,
        "rows_per_second": progress.rows_per_second,
        "peak_memory_mb": provenance.peak_memory_mb(),
        "threads": step.threads,
        "run_id": run.id,
        **more,
        "provenance": run.record(),
    }


def save_keras_run(
    snakemake: Any,
    run: Any,
    step: Any,
    model: Any,
    progress: Progress,
    predictions: Mapping[str, np.ndarray],
    example: np.ndarray,
    **more: Any,
) -> None:
    """Write a trained Keras model, its history, predictions and record; log the model.

    The model goes to the rule's output `model`, or into it where that is a folder. A point of a
    sweep keeps no model (`kerasbook.tracking.without_models`). The record and the run's tag
    `backend` say what Keras computed with.

    Args:
        example: a few rows of input, logged with the model and giving its signature.
        more: what else `train.json` says, such as `other_fits_seconds`: what was learnt in besides
            the training whose history it is.
    """
    import keras

    from kerasbook import models
    from kerasbook.tracking import keeps_models

    uri = _keep_model(snakemake, run, model, example) if keeps_models() else None
    told = {"device": models.device_name(), "backend": keras.backend.backend(), **more}
    save_run(snakemake, run, step, progress, predictions, model.count_params(), uri, **told)


def _keep_model(snakemake: Any, run: Any, model: Any, example: np.ndarray) -> str | None:
    """Write a Keras model and log it: its URI, as `Run.model` gives it."""
    import importlib.metadata

    import keras
    import mlflow

    from kerasbook.files import written_whole

    file = Path(snakemake.output.model)
    if file.suffix != ".keras":
        file.mkdir(parents=True, exist_ok=True)
        file = file / "model.keras"
    with written_whole(file) as temporary:
        model.save(temporary)
    # Requirements are named: MLflow's inference of them takes six seconds per model.
    backend = {"tensorflow": ("tensorflow-cpu", "tensorflow")}.get(
        keras.backend.backend(), (keras.backend.backend(),)
    )
    requirements = []
    for package in ("keras", *backend):
        try:
            requirements.append(f"{package}=={importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    signature = mlflow.models.infer_signature(example, model.predict_on_batch(example))
    # mlflow.keras 3.17 cannot save an input example (it writes before it makes the folder);
    # mlflow.tensorflow saves the same .keras file.
    return run.model(
        mlflow.tensorflow,
        model=model,
        signature=signature,
        input_example=example,
        pip_requirements=requirements,
    )


def save_run(
    snakemake: Any,
    run: Any,
    step: Any,
    progress: Progress,
    predictions: Mapping[str, np.ndarray],
    parameters: int | None = None,
    model_uri: str | None = None,
    first_epoch: int = 1,
    device: str = "cpu",
    backend: str | None = None,
    **more: Any,
) -> None:
    """Write a run's history, predictions and record; tell MLflow its size, speed and device.

    A history that was not sent epoch by epoch is sent now.

    Args:
        parameters: how many the model has, None where there is no model.
        model_uri: of the model that was logged, if one was.
        first_epoch: the tutorial's own count of epochs begins here.
        backend: what Keras computed with, None where it was not Keras.
        more: what else `train.json` says, null for a number that is not finite; `times` (ms)
            become metrics of the run.
    """
    from kerasbook.arrays import save_npz
    from kerasbook.files import nulled, write_json

    write_history(snakemake.output.history, progress.history, first_epoch)
    save_npz(snakemake.output.predictions, **predictions)
    used = {"device": device} | ({} if backend is None else {"backend": backend})
    told: dict[str, Any] = {**used, **more}
    if step.gpu or device != "cpu":
        told["gpu"] = {"asked": step.gpu, **devices.used()}
        run.metrics({f"gpu_{key}": value for key, value in told["gpu"].items()})
    if parameters is not None:
        run.metrics({"parameters": parameters})
        told["parameters"] = parameters
    if progress.history:
        run.metrics({"rows_per_second": progress.rows_per_second})
        if progress.send is None:  # epochs too short to be told of one by one
            run.history(progress.history, first_epoch)
    run.metrics(more.get("times", {}))
    run.tags(used)
    if model_uri is not None:
        told["model_uri"] = model_uri
    write_json(snakemake.output.record, nulled(run_record(step, run, progress, **told)))
