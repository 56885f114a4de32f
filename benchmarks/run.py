"""Measures what the project promises about speed: `python -m benchmarks.run`.

Each ratio comes from one run in which both sides take turns on the same data, so
that what else the machine does meets both. The data is the bundled edition's.
The rows go to `results/bench.tsv`; the exit status is 1 if a bound is broken. The last lines
count the bounds that hold, and name those that are broken and those on what could not be
measured here.
"""

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import ROOT, Row, copy_of_the_project, not_measured, seconds
from kerasbook.files import write_text


def dry_run() -> list[Row]:
    """How long Snakemake takes to plan everything, every job of every chapter."""
    command = [sys.executable, "-m", "snakemake", "-n", "--forceall", "--quiet"]

    def plan() -> None:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    taken = statistics.median(seconds(plan) for _ in range(3))
    return [Row("dry_run_seconds", taken, "s", "<= 5")]


def bundled() -> list[Row]:
    """How long the bundled edition of all chapters takes on two cores, in a copy of its own."""
    with tempfile.TemporaryDirectory() as folder:
        copy_of_the_project(Path(folder))
        command = [sys.executable, "-m", "snakemake", "-c2", "--quiet"]

        def run() -> None:
            subprocess.run(command, cwd=folder, check=True, capture_output=True)

        return [Row("bundled_seconds", seconds(run), "s", "<= 720")]


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
        why = "found no book edition in results/book; run `make book` first"
        return [not_measured("book_peak_memory", "MB", "<= 2000", why)]
    # 144 million weights of a network of 4.8, and the wide vectors of one of 4.9; their rules ask
    # for more than that.
    most = {"ch08": 2500, "ch09": 2500}
    return [
        Row(f"{chapter}_book_peak_memory", peak * 1.048576, "MB", f"<= {most.get(chapter, 2000)}")
        for chapter, peak in peaks.items()
    ]


def of_chapter(name: str) -> Callable[[], list[Row]]:
    """The benchmark of a chapter, imported when it is run: `benchmarks/chNN.py` has `chNN`."""
    return lambda: getattr(importlib.import_module(f"benchmarks.{name}"), name)()


CHAPTERS = sorted(path.stem for path in Path(__file__).parent.glob("ch[0-9][0-9].py"))
BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    **{name: of_chapter(name) for name in CHAPTERS},
    "gpu": lambda: importlib.import_module("benchmarks.gpu").gpu(),
    "dry_run": dry_run,
    "book_memory": book_memory,
    "sweep": lambda: importlib.import_module("benchmarks.sweep").sweep(),
    "forks": lambda: importlib.import_module("benchmarks.forks").forks(),
    "cost": lambda: importlib.import_module("benchmarks.cost").cost(),
    "bundled": bundled,
}


def as_table(rows: list[Row]) -> str:
    lines = ["\t".join(Row._fields)]
    lines += ["\t".join([row.name, f"{row.value:.6g}", *row[2:]]) for row in rows]
    return "\n".join(lines) + "\n"


def as_line(row: Row) -> str:
    """A row for the screen."""
    value = f"not measured: {row.why}" if row.why else f"{row.value:12.6g} {row.unit:6} {row.bound}"
    return f"{row.name:36} {value}"


def summary(rows: list[Row], failed: list[str]) -> list[str]:
    """What is to be known at the end: how many bounds hold, and every one that is not kept."""
    found = {
        "broken": lambda row: f"found {row.value:.6g} {row.unit}, expected {row.bound}.",
        "not measured": lambda row: f"not measured: {row.why}. Expected {row.bound}.",
    }
    lines = [
        f"{row.name}: {told(row)}"
        for verdict, told in found.items()
        for row in rows
        if row.verdict() == verdict
    ]
    lines += [f"{name}: the benchmark failed; its traceback stands above." for name in failed]
    count = Counter(row.verdict() for row in rows)
    lines.append(
        f"Of {sum(count.values()) - count['']} bounds {count['holds']} hold, "
        f"{count['broken']} are broken, {count['not measured']} could not be measured here."
    )
    return lines


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=sorted(BENCHMARKS), help="run this one; may be repeated"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "bench.tsv")
    options = parser.parse_args(arguments)
    rows, failed = [], []
    for name in options.only or BENCHMARKS:
        try:
            measured = BENCHMARKS[name]()
        except Exception:  # the others' figures are not lost for one that fails
            traceback.print_exc()
            failed.append(name)
            continue
        for row in measured:
            print(as_line(row), flush=True)
            rows.append(row)
    write_text(options.out, as_table(rows))
    print(*summary(rows, failed), sep="\n", file=sys.stderr)
    return int(bool(failed) or any(row.verdict() == "broken" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
