"""Train one network of chapter 4.1 with one seed."""

import time

import numpy as np

from chapters.ch01_neural_network import network
from kerasbook import steps
from kerasbook.arrays import read_processed
from kerasbook.tracking import log_dense_model, tracked
from kerasbook.training import Progress, save_run

# The history is sent to MLflow in one go: a call takes longer than an iteration.
N_INPUTS, N_OUTPUTS = 2, 1


def held_out_rows(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows kept from it, each in the table's order.

    The order stays, since this network learns row by row; the seed alone decides which rows.
    """
    kept = np.zeros(n, dtype=bool)
    kept[np.random.default_rng(seed).permutation(n)[: round(n * share)]] = True
    return np.flatnonzero(~kept), np.flatnonzero(kept)


def main(snakemake) -> None:
    """Train, predict every row, and write model, history and predictions."""
    step = steps.step_of(snakemake)
    settings = step.settings
    data, about = read_processed(snakemake)
    x, y = data["x"], data["y"]
    with tracked(snakemake.params.tracking, step, {"data": about["digest"]}) as run:
        run.dataset(about["resolved"], about["digest"], snakemake.input.data, "training")
        learnt, kept = held_out_rows(len(x), settings["held_out"], step.seed)
        weights = network.initial_weights(
            N_INPUTS, settings["hidden_units"], N_OUTPUTS, step.seed, settings["draws_before"]
        )
        # Compiled here, so that the times below are those of training and predicting.
        network.train(x[:1], y[:1], weights, 1)
        network.predict(x[:1], weights)
        progress = Progress(settings["iterations"], len(learnt))
        trained, _ = network.train(
            x[learnt],
            y[learnt],
            weights,
            settings["iterations"],
            settings["learning_rate"],
            settings["momentum"],
            settings["momentum_kind"],
            on_iteration=lambda iteration, error: progress.epoch({"error": error}, iteration),
        )
        started = time.perf_counter()
        predictions = network.predict(x, trained)
        predict_ms = (time.perf_counter() - started) * 1000
        network.save(snakemake.output.model, trained)
        save_run(
            snakemake,
            run,
            step,
            progress,
            {"predictions": predictions, "learnt": learnt, "held_out": kept},
            parameters=sum(part.size for part in trained),
            model_uri=log_dense_model(run, snakemake.output.model, x[:2]),
            first_epoch=0,
            times={"predict_ms": predict_ms},
        )


if "snakemake" in globals():
    steps.run(main, snakemake)
