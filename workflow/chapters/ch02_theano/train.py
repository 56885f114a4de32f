"""One run of chapter 4.2: the symbolic examples, the shared variables, or a regression."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch02_theano import graphs, logistic, with_pytensor, with_tensorflow
from chapters.ch02_theano.logistic import Line
from kerasbook import steps
from kerasbook.arrays import read_processed, save_npz
from kerasbook.files import write_text
from kerasbook.tracking import log_dense_model, tracked
from kerasbook.training import Progress, save_run

MARKS = 24  # steps at which the cost is noted, ever farther apart


def symbolic(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The expressions in both libraries: arrays to keep, and values for MLflow."""
    values, prints, drawn = with_pytensor.symbolic()
    others, more = with_tensorflow.symbolic()
    write_text(folder / "expression.txt", "\n\n".join(prints.values()) + "\n")
    arrays = graphs.packed({**drawn, **more})
    arrays |= {name: np.array(text) for name, text in prints.items()}
    told = values | {f"tensorflow_{key}": value for key, value in others.items()}
    return {**arrays, **{key: np.float64(value) for key, value in told.items()}}, told


def shared(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The shared variables in both libraries: arrays to keep, and values for MLflow."""
    arrays = {}
    for prefix, library in (("", with_pytensor), ("tensorflow_", with_tensorflow)):
        evaluated, compiled, counted = library.shared()
        arrays[f"{prefix}x_plus_2_squared"] = evaluated
        arrays[f"{prefix}x_plus_2_squared_compiled"] = compiled
        arrays[f"{prefix}counter"] = np.array(counted)
    save_npz(folder / "values.npz", **arrays)
    told = {key: float(np.max(value)) for key, value in arrays.items()}
    return arrays, told


def marks(most: int) -> list[int]:
    """Steps from 1 to `most`, both included, about equally far apart on a logarithmic axis."""
    return sorted({round(one) for one in np.geomspace(1, most, MARKS)})


def descend(
    x: np.ndarray, y: np.ndarray, start: Line, settings: dict[str, Any]
) -> tuple[Line, np.ndarray, float]:
    """PyTensor's descent.

    Returns:
        Where it ended, the noted steps with the cost after each (k, 2), and the largest
        component of the last gradient.
    """
    descent = with_pytensor.Descent(
        start, settings["learning_rate"], settings["penalty"], settings["rewrites"]
    )
    told = []
    noted = set(marks(settings["steps"]))
    with np.errstate(all="ignore"):  # as it is written, the loss divides by zero
        for step in range(1, settings["steps"] + 1):
            largest = float(descent.step(x, y))
            done = largest <= settings["tolerance"]
            if done or step in noted:
                told.append((step, logistic.cost(x, y, descent.line, settings["penalty"])))
            if done:
                break
    return descent.line, np.array(told), largest


def held_out(
    counts: np.ndarray, y: np.ndarray, start: Line, settings: dict[str, Any]
) -> dict[str, np.ndarray]:
    """A second descent that a share of the rows, the last ones, is kept from.

    Returns:
        The log odds of the rows that were kept, the share of class 1 among the others, and
        the steps that were taken.
    """
    learnt = round(len(y) * (1 - settings["held_out"]))
    mean, sd = logistic.scaling(counts[:learnt])
    x = logistic.standardised(counts[:learnt], mean, sd)
    line, costs, _ = descend(x, y[:learnt], start, settings)
    rest = logistic.standardised(counts[learnt:], mean, sd)
    return {
        "test_logits": logistic.logits(rest, line),
        "learnt_share": np.float64(y[:learnt].mean()),
        "test_steps": costs[-1, 0],
    }


def regression(
    data: dict[str, np.ndarray], settings: dict[str, Any], seed: int, run: Any
) -> tuple[Line, dict[str, np.ndarray], dict[str, float], Progress]:
    """A logistic regression over all rows, shuffled by the seed, and all that it is held against.

    Returns:
        The line for rows that are not standardised, arrays to keep, times in ms, and the
        progress, whose one entry is the whole descent.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(data["y"]))
    counts, y = data["x"][order], data["y"][order].astype(np.float64)
    mean, sd = logistic.scaling(counts)
    x = logistic.standardised(counts, mean, sd)
    start = Line(generator.standard_normal(x.shape[1]), 0.0)
    progress = Progress(1, len(y))
    line, costs, largest = descend(x, y, start, settings)
    taken = int(costs[-1, 0])
    progress.rows *= taken
    progress.epoch({"final_cost": costs[-1, 1]}, taken)
    for step, value in costs:
        run.metrics({"cost": value}, int(step))
    arrays = {
        "order": order,
        "start_logits": logistic.logits(x, start),
        "logits": logistic.logits(x, line),
        "costs": costs,
        "largest_gradient": np.float64(largest),
        **_named("", line),
        **held_out(counts, y, start, settings),
    }
    times = {"pytensor_ms": progress.seconds * 1000}
    if settings["tensorflow"]:
        started = time.perf_counter()
        other = with_tensorflow.descend(
            x, y, start, settings["learning_rate"], settings["penalty"], taken
        )
        times["tensorflow_ms"] = (time.perf_counter() - started) * 1000
        arrays |= _named("tensorflow_", other)
    if settings["penalty"] > 0:
        started = time.perf_counter()
        best = logistic.reference(x, y, settings["penalty"])
        times["scikit_learn_ms"] = (time.perf_counter() - started) * 1000
        arrays |= _named("reference_", best)
        arrays["reference_logits"] = logistic.logits(x, best)
    return logistic.for_counts(line, mean, sd), arrays, times, progress


def _named(prefix: str, line: Line) -> dict[str, np.ndarray]:
    return {f"{prefix}weights": line.weights, f"{prefix}bias": np.float64(line.bias)}


def log_line(run: Any, file: Path, line: Line, example: np.ndarray) -> str | None:
    """Write a line as a layer of one sigmoid and log it to MLflow; no model of NaN is logged."""
    save_npz(
        file,
        weights_0=line.weights[:, np.newaxis],
        biases_0=np.array([line.bias]),
        scale=np.float64(1.0),
    )
    return log_dense_model(run, file, example) if np.isfinite(line.weights).all() else None


def main(snakemake) -> None:
    """Run the experiment's task, and write what it left."""
    step = steps.step_of(snakemake)
    settings = step.settings
    data, about = read_processed(snakemake)
    folder = Path(snakemake.output.model)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as compiled,
        tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run,
    ):
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        with_pytensor.set_up(Path(compiled))
        if settings["task"] != "logistic_regression" or settings["tensorflow"]:
            with_tensorflow.set_up(snakemake.threads)
        if settings["task"] == "logistic_regression":
            line, arrays, times, progress = regression(data, settings, step.seed, run)
            uri = log_line(run, folder / "weights.npz", line, data["x"][:2].astype(np.float64))
            parameters = len(line.weights) + 1
            save_run(snakemake, run, step, progress, arrays, parameters, uri, times=times)
        else:
            task = symbolic if settings["task"] == "symbolic" else shared
            progress = Progress(0, 0)  # a few values: there are no epochs to tell of
            arrays, told = task(folder)
            progress.seconds = time.monotonic() - progress.started
            run.metrics(told)
            save_run(snakemake, run, step, progress, arrays)


if "snakemake" in globals():
    steps.run(main, snakemake)
