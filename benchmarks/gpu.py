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
from functools import partial
from typing import Any

from benchmarks.measure import ROOT, Row, Training, not_measured, seconds
from kerasbook import devices

# Pairs of processes, and measured epochs in each of them.
PAIRS, EPOCHS = 3, 3
NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


def networks() -> dict[str, Callable[[], Training]]:
    """What the chapters' benchmarks train, by name; to be called once Keras is set up."""
    from benchmarks import ch07, ch08, ch09, ch10

    return {
        "ch07_convnet": ch07.deepest,
        "ch08_scratch": ch08.whole_network,
        "ch09_sentence_cnn_rand": partial(ch09.sentences, "rand"),
        "ch10_lstm": partial(ch10.sentiment, "lstm"),
        "ch10_characters": ch10.character_network,
    }


def rates(threads: int) -> dict[str, Any]:
    """Rows a second of each network in this process, the median epoch, and the device's name.

    Args:
        threads: of the CPU.
    """
    from kerasbook import models

    models.set_up_keras(threads, gpu=1)
    told: dict[str, Any] = {"device": models.device_name()}
    for name, prepared in networks().items():
        training = prepared()
        training.epoch()  # the graph is built by the first call
        taken = statistics.median(seconds(training.epoch) for _ in range(EPOCHS))
        told[name] = training.rows / taken
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
    for name in sides["cpu"][0]:
        if name == "device":
            continue
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
