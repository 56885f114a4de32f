"""What a benchmark measures with: rows with their bounds, and both sides timed in turn."""

import math
import operator
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = str(ROOT / "workflow")
if WORKFLOW not in sys.path:
    sys.path.insert(0, WORKFLOW)

COMPARISONS = {">=": operator.ge, "<=": operator.le}
REPEATS = 5
# Characters that the slow side of `generation` writes: the fast side's cost per character hardly
# depends on how many there are.
BY_PREDICT = 10


class Row(NamedTuple):
    """One measurement; `bound` is such as ">= 100", or empty where nothing is promised.

    A value that could not be measured here is NaN, and `why` says why. It neither keeps its bound
    nor breaks it. NaN without a reason is a fault, and breaks it.
    """

    name: str
    value: float
    unit: str
    bound: str = ""
    why: str = ""

    def verdict(self) -> str:
        """`holds`, `broken` or `not measured`; empty where nothing is promised."""
        if not self.bound:
            return ""
        if self.why:
            return "not measured"
        comparison, limit = self.bound.split()
        return "holds" if COMPARISONS[comparison](self.value, float(limit)) else "broken"


def not_measured(name: str, unit: str, bound: str, why: str) -> Row:
    """The row of what could not be measured here."""
    return Row(name, math.nan, unit, bound, why)


def seconds(call: Callable[[], object]) -> float:
    """How long `call` takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def paired_ratio(slow: Callable[[], object], fast: Callable[[], object]) -> float:
    """How many times as long `slow` takes as `fast`: the median over pairs run in turn."""
    return statistics.median(seconds(slow) / seconds(fast) for _ in range(REPEATS))


def settings_of(chapter: str, experiment: str) -> dict[str, Any]:
    """What an experiment of the book edition says, so that no benchmark measures another."""
    from kerasbook.configuration import load_chapter

    folder = ROOT / "config" / "chapters"
    return load_chapter(chapter, "book", folder).experiments[experiment].settings()


class Training(NamedTuple):
    """A compiled Keras model, and what it learns in an epoch.

    `y` is None where `x` is a data set of batches, such as `kerasbook.characters.batches` makes.
    """

    model: Any
    x: Any
    y: Any
    batch_size: int

    @property
    def rows(self) -> int:
        """Of an epoch."""
        return self.x.windows if self.y is None else len(self.x)

    def epoch(self) -> None:
        """Learn for an epoch as the chapters do."""
        from kerasbook.training import fit

        told = {"epochs": 1, "send": lambda values, epoch: None, "seed": 1}
        if self.y is None:
            fit(self.model, self.x, rows=self.rows, **told)
        else:
            fit(self.model, (self.x, self.y), batch_size=self.batch_size, **told)


def throughput(name: str, ours: Training, plain: Any, x: Any = None, y: Any = None) -> Row:
    """Rows a second of a training as the chapters do it, over Keras's own `fit` in turn with it.

    Args:
        plain: a compiled Keras model of the same shape.
        x, y: the arrays that it learns from; those of `ours` if None.
    """
    x, y = (ours.x if x is None else x), (ours.y if y is None else y)

    def with_keras() -> None:
        plain.fit(x, y, batch_size=ours.batch_size, epochs=1, verbose=0)

    ours.epoch()  # the first call builds the graph
    with_keras()
    return Row(name, paired_ratio(with_keras, ours.epoch), "ratio", ">= 0.9")


def generation(
    chapter: str, model: Any, ids: np.ndarray, window: int, write: Callable[[], np.ndarray]
) -> list[Row]:
    """How many times as fast as one `predict` per character a model writes, and its first call.

    The slow side writes one text, as the tutorial does; the fast side all of a sample's texts at
    once, as the chapters do, and each of their characters counts.

    Args:
        model: of characters; takes ids (k, window).
        ids: (n,), a text to begin with, longer than the window.
        write: writes and returns ids of any shape; each counts as a character.
    """
    draws = np.random.default_rng(1).random(BY_PREDICT)

    def by_predict() -> None:
        seen = np.asarray(ids[:window], np.int32)
        for draw in draws:
            said = model.predict(seen[np.newaxis], verbose=0)[0]
            seen = np.append(seen[1:], np.searchsorted(np.cumsum(said), draw * said.sum()))

    by_predict()
    compiling = seconds(write)
    written = np.size(write())
    ratios = []
    for _ in range(REPEATS):
        slow = seconds(by_predict) / BY_PREDICT
        ratios.append(slow / (seconds(write) / written))
    return [
        Row(f"{chapter}_generation_speedup", statistics.median(ratios), "ratio", ">= 50"),
        Row(f"{chapter}_generation_first_call", compiling, "s"),
    ]


def copy_of_the_project(folder: Path) -> None:
    """Copy all files that git holds into `folder`, as they are now."""
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in filter(None, files):
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy)


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
    script = f"{code}\nfrom kerasbook.provenance import peak_memory_mb\nprint(peak_memory_mb())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": WORKFLOW},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1]) * 2**20 / 1e6
