"""What a benchmark measures with: rows with their bounds, and both sides timed in turn."""

import operator
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = str(ROOT / "workflow")
if WORKFLOW not in sys.path:
    sys.path.insert(0, WORKFLOW)

COMPARISONS = {">=": operator.ge, "<=": operator.le}
REPEATS = 5


class Row(NamedTuple):
    """One measurement; `bound` is such as ">= 100", or empty where nothing is promised."""

    name: str
    value: float
    unit: str
    bound: str = ""

    def holds(self) -> bool:
        if not self.bound:
            return True
        comparison, limit = self.bound.split()
        return bool(COMPARISONS[comparison](self.value, float(limit)))


def seconds(call: Callable[[], object]) -> float:
    """How long `call` takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def paired_ratio(slow: Callable[[], object], fast: Callable[[], object]) -> float:
    """How many times as long `slow` takes as `fast`: the median over pairs run in turn."""
    return statistics.median(seconds(slow) / seconds(fast) for _ in range(REPEATS))


def compile_seconds(code: str) -> float:
    """How long the first call of `code` takes in a fresh process without a cache on disk.

    `code` follows the project's imports and must set `first` to a callable.
    """
    script = f"import time\n{code}\nstart = time.perf_counter()\nfirst()\n"
    script += "print(time.perf_counter() - start)"
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": WORKFLOW, "NUMBA_CACHE_DIR": folder}
        result = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    return float(result.stdout)


def peak_memory_mb(code: str) -> float:
    """The largest resident memory (MB of 10^6 bytes) of a fresh process that runs `code`.

    `code` follows the project's imports.
    """
    script = f"{code}\nimport resource\n"
    script += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"  # KiB on Linux
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": WORKFLOW},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1]) * 1024 / 1e6
