"""Measures what the project promises about speed: `python -m benchmarks.run`.

Each ratio comes from one run in which both sides take turns on the same data, so
that what else the machine does meets both. The data is the bundled edition's.
The rows go to `results/bench.tsv`; the exit status is 1 if a bound is broken.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import reference_loops
from benchmarks.measure import ROOT, Row, compile_seconds, paired_ratio, seconds
from chapters.ch01_neural_network import network as ch01_network
from chapters.ch04_sgd_network import network as ch04_network
from kerasbook.bundled import make_digits, make_two_moons
from kerasbook.files import write_text

CH01_FIRST = """
import numpy as np
from chapters.ch01_neural_network import network
weights = network.initial_weights(2, 10, 1, 1)
first = lambda: network.train(np.zeros((1, 2)), np.zeros(1), weights, 1)
"""

CH04_FIRST = """
import numpy as np
from chapters.ch04_sgd_network import network
parameters = network.initial_parameters([784, 30, 10], 1)
images, one = np.zeros((1, 784), np.uint8), np.zeros(1, np.uint8)
first = lambda: network.train_epoch(images, one, parameters, 10, 3.0, 1.0, np.arange(1))
"""


def ch01() -> list[Row]:
    """The 2-10-1 network of chapter 4.1 against the loops over its units."""
    x, y = make_two_moons()
    y = y.astype(np.float64)
    start = ch01_network.initial_weights(2, 10, 1, seed=123)
    loops = reference_loops.UnitLoops(*start)
    iterations = 5
    slow_errors = loops.train(x, y, iterations)
    trained, errors = ch01_network.train(x, y, start, iterations)
    predicted = ch01_network.predict(x, trained)
    ratio = paired_ratio(
        lambda: reference_loops.UnitLoops(*start).train(x, y, iterations),
        lambda: ch01_network.train(x, y, start, iterations),
    )
    return [
        Row("ch01_speedup", ratio, "ratio", ">= 100"),
        Row("ch01_error_difference", float(np.abs(errors - slow_errors).max()), "1", "<= 1e-9"),
        Row(
            "ch01_prediction_difference",
            float(np.abs(predicted - loops.predict(x)[:, 0]).max()),
            "1",
            "<= 1e-9",
        ),
        Row("ch01_compile_seconds", compile_seconds(CH01_FIRST), "s"),
    ]


def ch04() -> list[Row]:
    """An epoch of chapter 4.4's network against one column vector at a time."""
    digits = make_digits()
    images = digits["x_train"].reshape(len(digits["x_train"]), -1)
    labels = digits["y_train"]
    order = np.random.default_rng(1).permutation(len(images))
    batch_size, rate = 10, 3.0

    def after(scale: float, rows: np.ndarray) -> float:
        """The largest difference of a weight or bias once both sides have learned `rows`."""
        parameters = ch04_network.initial_parameters([784, 30, 10], seed=1)
        loops = reference_loops.SampleLoops(*parameters)
        samples = reference_loops.as_samples(images, labels, scale)
        with np.errstate(over="ignore"):  # the plain sigmoid of raw sums, which still gives 0
            loops.train_epoch(samples, batch_size, rate, rows)
        ch04_network.train_epoch(images, labels, parameters, batch_size, rate, scale, rows)
        return loops.difference(*parameters)

    scaled = 1 / 255
    difference = after(scaled, order)
    # Raw pixels make each step so large that a rounding error grows to the size of
    # the weights within an epoch; before it grows, both sides agree.
    raw_batch, raw_epoch = after(1.0, order[:batch_size]), after(1.0, order)

    fast = ch04_network.initial_parameters([784, 30, 10], seed=1)
    slow = reference_loops.SampleLoops(*fast)
    samples = reference_loops.as_samples(images, labels, scaled)
    ratio = paired_ratio(
        lambda: slow.train_epoch(samples, batch_size, rate, order),
        lambda: ch04_network.train_epoch(images, labels, fast, batch_size, rate, scaled, order),
    )
    return [
        Row("ch04_speedup", ratio, "ratio", ">= 10"),
        Row("ch04_weight_difference", difference, "1", "<= 1e-9"),
        Row("ch04_raw_weight_difference_batch", raw_batch, "1", "<= 1e-9"),
        Row("ch04_raw_weight_difference_epoch", raw_epoch, "1"),
        Row("ch04_compile_seconds", compile_seconds(CH04_FIRST), "s"),
    ]


def dry_run() -> list[Row]:
    """How long Snakemake takes to plan everything, every job of every chapter."""
    command = [sys.executable, "-m", "snakemake", "-n", "--forceall", "--quiet"]

    def plan() -> None:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    taken = statistics.median(seconds(plan) for _ in range(3))
    return [Row("dry_run_seconds", taken, "s", "<= 5")]


def book_memory() -> list[Row]:
    """The largest resident memory of any job of the book edition, chapter by chapter.

    Snakemake's own benchmark files tell it, and for jobs too short for Snakemake to
    see, the runs' records; both count in MiB.
    """
    peaks: dict[str, float] = {}
    for folder in sorted((ROOT / "results" / "book").glob("ch*/")):
        measured = [json.loads(file.read_text("utf-8"))["peak_memory_mb"]
                    for file in folder.glob("*/seed*/train.json")]  # fmt: skip
        for file in folder.glob("benchmarks/**/*.tsv"):
            header, *rows = [line.split("\t") for line in file.read_text("utf-8").splitlines()]
            told = [row[header.index("max_rss")] for row in rows]
            measured += [float(one) for one in told if one not in ("NA", "-")]
        if measured:
            peaks[folder.name.split("_")[0]] = max(measured)
    if not peaks:
        print("book_memory: no book edition in results/book; run `make book` first.")
    return [
        Row(f"{chapter}_book_peak_memory", peak * 1.048576, "MB", "<= 2000")
        for chapter, peak in peaks.items()
    ]


BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "ch01": ch01,
    "ch04": ch04,
    "dry_run": dry_run,
    "book_memory": book_memory,
}


def as_table(rows: list[Row]) -> str:
    lines = ["\t".join(Row._fields)]
    lines += [f"{row.name}\t{row.value:.6g}\t{row.unit}\t{row.bound}" for row in rows]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=sorted(BENCHMARKS), help="run this one; may be repeated"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench.tsv")
    options = parser.parse_args(arguments)
    rows = []
    for name in options.only or BENCHMARKS:
        for row in BENCHMARKS[name]():
            print(f"{row.name:36} {row.value:12.6g} {row.unit:6} {row.bound}", flush=True)
            rows.append(row)
    write_text(options.out, as_table(rows))
    broken = [row for row in rows if not row.holds()]
    for row in broken:
        print(
            f"{row.name}: found {row.value:.6g} {row.unit}, expected {row.bound}.", file=sys.stderr
        )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
