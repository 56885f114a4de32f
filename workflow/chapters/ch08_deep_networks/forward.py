"""How large and how fast networks are, found out in processes of their own.

Memory that one network leaves behind would hide what the next one takes:

    python -m chapters.ch08_deep_networks.forward count vgg16 vgg19    parameters of each
    python -m chapters.ch08_deep_networks.forward pass vgg16 1         network, threads
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chapters.ch08_deep_networks import networks
from kerasbook import models
from kerasbook.errors import KerasbookError
from kerasbook.provenance import peak_memory_mb

WORKFLOW = Path(__file__).resolve().parents[2]


def measure(name: str, threads: int) -> dict[str, float]:
    """Time and memory of a forward pass.

    Returns:
        `ms`: of a second pass, since the first one compiles; `mb`: the most memory (MiB) that
        building the network and running it took beyond what Keras takes by itself.
    """
    import psutil

    models.set_up_keras(threads)
    before = psutil.Process().memory_info().rss / 2**20
    network = networks.NETWORKS[name]
    picture = np.full((1, network.size, network.size, 3), 128, np.uint8)
    x = networks.prepared(picture, network.family)
    model = networks.build(name)
    model.predict_on_batch(x)
    started = time.perf_counter()
    model.predict_on_batch(x)
    return {
        "ms": (time.perf_counter() - started) * 1000,
        "mb": max(0.0, peak_memory_mb() - before),
    }


def _in_a_process(*arguments: str) -> dict[str, float]:
    path = os.pathsep.join(filter(None, [str(WORKFLOW), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "chapters.ch08_deep_networks.forward", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise KerasbookError(
            f"{' '.join(arguments)}: found a process that ended with status {done.returncode} "
            f"({last}), expected a measurement; free memory, or leave the network out."
        )
    return json.loads(done.stdout.splitlines()[-1])


def passed(name: str, threads: int) -> dict[str, float]:
    """`measure` in a new process.

    Raises:
        KerasbookError: the process failed; with status -9, for want of memory.
    """
    return _in_a_process("pass", name, str(threads))


def counted(names: Sequence[str]) -> dict[str, int]:
    """The number of parameters of each network, counted in a new process.

    Raises:
        KerasbookError: the process failed.
    """
    return _in_a_process("count", *names)


def main(command: str, *arguments: str) -> None:
    """Print what a command asks for, as JSON."""
    if command == "count":
        told = {name: networks.count_parameters(name) for name in arguments}
    else:
        told = measure(arguments[0], int(arguments[1]))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
