"""What a GPU is worth: rows a second of the heavier networks on it, and on the CPU beside it.

Each side is a process of its own, as a device is chosen when Keras's backend starts; they take
turns. The backend is the one that `KERAS_BACKEND` names. Where there is no GPU, its rows are not
measured and those of the CPU are.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import ROOT, Row, not_measured, seconds, settings_of
from kerasbook import devices

# Pairs of processes, and measured epochs in each of them.
PAIRS, EPOCHS = 3, 3
BATCHES = 40
WORDS, SYMBOLS = 20_000, 59
NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}

# A compiled model and the arrays of an epoch, or a data set and None.
Prepared = tuple[Any, Any, Any, int]


def _convolutions() -> Prepared:
    """4.7's deepest network."""
    from chapters.ch07_mnist_convnets.train import OUTPUT
    from kerasbook import models

    settings = settings_of("ch07", "conv_conv_pool_dropout")
    model = models.build(settings["layers"], (28, 28, 1), OUTPUT)
    model.compile(models.optimizer(settings["optimizer"]), "sparse_categorical_crossentropy")
    draws = np.random.default_rng(1)
    rows = BATCHES * settings["batch_size"]
    x = draws.random((rows, 28, 28, 1), dtype=np.float32)
    return model, x, draws.integers(0, 2, rows), settings["batch_size"]


def _sentences() -> Prepared:
    """4.9's network of sentences, its vectors random."""
    from chapters.ch09_unsupervised import networks

    settings = settings_of("ch09", "sentence_cnn_rand")
    model = networks.sentence_cnn(settings, 56, WORDS, None)
    networks.compiled(model, settings, loss=networks.loss_of(settings))
    draws = np.random.default_rng(1)
    rows = BATCHES * settings["batch_size"]
    x = draws.integers(0, WORDS, (rows, 56)).astype(np.int32)
    return model, x, draws.integers(0, 2, rows), settings["batch_size"]


def _reviews() -> Prepared:
    """4.10's LSTM on a hundred words of a review."""
    from chapters.ch10_recurrent import networks
    from kerasbook import models
    from kerasbook.fused import fused

    settings = settings_of("ch10", "imdb_lstm_exercise")
    model = networks.sentiment_network(settings, WORDS)
    model.compile(fused(models.optimizer(settings["optimizer"])), "binary_crossentropy")
    draws = np.random.default_rng(1)
    rows = BATCHES * settings["batch_size"]
    x = draws.integers(0, WORDS, (rows, settings["words"])).astype(np.uint16)
    return model, x, draws.integers(0, 2, rows), settings["batch_size"]


def _characters() -> Prepared:
    """4.10's character LSTM on windows that are gathered batch by batch."""
    from chapters.ch10_recurrent import networks
    from chapters.ch10_recurrent.writing import STEP, WINDOW
    from kerasbook import characters, models

    settings = settings_of("ch10", "nietzsche_lstm")
    model = networks.character_network(settings, WINDOW, SYMBOLS)
    model.compile(models.optimizer(settings["optimizer"]), "sparse_categorical_crossentropy")
    batch = settings["batch_size"]
    length = WINDOW + STEP * BATCHES * batch
    ids = np.random.default_rng(1).integers(0, SYMBOLS, length).astype(np.uint8)
    starts = characters.window_starts(length, WINDOW, STEP)
    return model, characters.batches(ids, starts, WINDOW, batch, seed=1), None, batch


def _pictures() -> Prepared:
    """4.8's MobileNet, all of it, on pictures of 224 x 224 pixels."""
    from chapters.ch08_deep_networks import fine_tuning, networks
    from kerasbook import models

    settings = settings_of("ch08", "ft_scratch")
    base = networks.build(settings["network"], top=False)
    model = fine_tuning.FineTuned(base, settings).trainable_from(None)[1]
    model.compile(models.optimizer(settings["optimizer"]), fine_tuning.loss_of(settings))
    batch = settings["batch_size"]
    rows = max(1, BATCHES // 10) * batch
    x = np.random.default_rng(1).integers(0, 256, (rows, 224, 224, 3), dtype=np.uint8)
    return model, x, np.eye(2, dtype=np.float32)[np.arange(rows) % 2], batch


NETWORKS: dict[str, Callable[[], Prepared]] = {
    "ch07_conv_conv_pool_dropout": _convolutions,
    "ch08_ft_scratch": _pictures,
    "ch09_sentence_cnn_rand": _sentences,
    "ch10_imdb_lstm_exercise": _reviews,
    "ch10_nietzsche_lstm": _characters,
}


def rates(threads: int) -> dict[str, Any]:
    """Rows a second of each network in this process, the median epoch, and the device's name.

    Args:
        threads: of the CPU.
    """
    from kerasbook import models
    from kerasbook.training import fit

    models.set_up_keras(threads, gpu=1)
    told: dict[str, Any] = {"device": models.device_name()}
    for name, prepare in NETWORKS.items():
        model, x, y, batch = prepare()
        rows = len(x) if y is not None else x.windows

        def epoch(model=model, x=x, y=y, batch=batch, rows=rows) -> None:
            if y is None:
                fit(model, x, epochs=1, rows=rows, seed=1)
            else:
                fit(model, (x, y), None, 1, batch, seed=1)

        epoch()  # the graph is built by the first call
        told[name] = rows / statistics.median(seconds(epoch) for _ in range(EPOCHS))
    return told


def _in_a_process(environment: dict[str, str]) -> dict[str, Any]:
    # What another benchmark held this process to is not for its children.
    kept = {name: told for name, told in os.environ.items() if name not in ("NPROC", "XLA_FLAGS")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"],
        cwd=ROOT, env=kept | environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def gpu() -> list[Row]:
    """Rows a second on the CPU and on the GPU, and how many times as many the GPU takes."""
    # NVML's Python library is not installed everywhere; the driver's own command is.
    here = bool(devices.visible() or shutil.which("nvidia-smi"))
    sides: dict[str, list[dict[str, Any]]] = {"cpu": [], "gpu": []}
    for _ in range(PAIRS if here else 1):
        sides["cpu"].append(_in_a_process(NO_GPU))
        if here:
            sides["gpu"].append(_in_a_process({}))
    used = {one["device"] for one in sides["gpu"]}
    why = "" if here else "found no GPU of NVIDIA"
    if "cpu" in used:
        why = "found a GPU, but Keras's backend does not use it; install envs/gpu.lock"
    elif used:
        print(f"On {', '.join(sorted(used))}:")
    rows = []
    for name in NETWORKS:
        on_cpu = [one[name] for one in sides["cpu"]]
        rows.append(Row(f"{name}_on_cpu", statistics.median(on_cpu), "rows/s"))
        if why:
            rows.append(not_measured(f"{name}_on_gpu", "rows/s", "", why))
            continue
        on_gpu = [one[name] for one in sides["gpu"]]
        ratio = statistics.median(fast / slow for fast, slow in zip(on_gpu, on_cpu))
        rows.append(Row(f"{name}_on_gpu", statistics.median(on_gpu), "rows/s"))
        rows.append(Row(f"{name}_gpu_speedup", ratio, "ratio"))
    return rows


if __name__ == "__main__":
    print(json.dumps(rates(len(os.sched_getaffinity(0)))))
