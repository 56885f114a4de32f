"""What the workflow costs beside the trainings, and how that grows with the number of jobs.

The bundled edition is run on one core and on two, each Python of it with a probe that tells how
long it lived, imported and tracked. Of a core's second, what is no training is the overhead:
Snakemake (with the time in which a core has nothing to do, and the process that writes into the
store), imports, tracking, pages, and the rest of the jobs (reading, evaluating, saving). In a
training the telling of an epoch and the checkpoint after it are no training either. Then
trainings of the book's scale, and sweeps of a tiny network, from 10 to 500 jobs. The two figures
go to `results/cost.svg` and `results/cost_growth.svg`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import ROOT, Row, copy_of_the_project, not_measured, seconds
from benchmarks.sweep import sweep_of

CORES = (1, 2)
JOBS = (10, 50, 200, 500)
# A training that takes no less than this (s) is one of the book's scale.
LONG = 120
# What is run where there are no results of the book edition: as printed, for some minutes.
DATA = "data/processed/book/ch09_unsupervised/movie_reviews.npz"
RECORD = "results/book/ch09_unsupervised/sentence_cnn_rand/seed1/train.json"
PAGES = ("report", "index", "errata", "crate")
PARTS = ("training", "imports", "tracking", "pages", "other work", "Snakemake and idle")
PROBE = '''
import atexit, builtins, importlib, json, os, sys, time

born = time.time()
told = {"imports": 0.0, "tracking": 0.0}
depth = [0]

def timed(real, part):
    def call(*arguments, **more):
        if depth[0]:
            return real(*arguments, **more)
        depth[0] += 1
        start = time.perf_counter()
        try:
            return real(*arguments, **more)
        finally:
            depth[0] -= 1
            told[part] += time.perf_counter() - start
            watch()
    return call

def watch():
    """Time what asks the store, once it is there."""
    tracking = sys.modules.get("kerasbook.tracking")
    if tracking is None or hasattr(tracking, "probed") or not hasattr(tracking, "tracked"):
        return
    tracking.probed = True
    real = tracking._Direct.say
    def say(*arguments):
        start, before = time.perf_counter(), told["imports"]
        try:
            return real(*arguments)
        finally:
            # An import on the way is an import.
            told["tracking"] += time.perf_counter() - start - (told["imports"] - before)
    tracking._Direct.say = say

builtins.__import__ = timed(builtins.__import__, "imports")
importlib.import_module = timed(importlib.import_module, "imports")

def forked():
    """A job that is forked begins here, and has what was imported before for nothing."""
    global born
    born = time.time()
    told.update(imports=0.0, tracking=0.0)

def tell():
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if job is not None:
        told.update(rule=job.rule, seconds=time.time() - born)
        with open(os.path.join(os.environ["KERASBOOK_PROBE"], f"{os.getpid()}.json"), "w") as file:
            json.dump(told, file)

os.register_at_fork(after_in_child=forked)
atexit.register(tell)
'''


class Spent(NamedTuple):
    """Seconds from beginning to end, and those of training among them."""

    wall: float
    training: float


def trained(record: Mapping[str, Any]) -> float:
    """How long a run learned (s), all its fits: without telling of epochs and keeping states.

    Args:
        record: what the run's `train.json` says.
    """
    told = record["seconds"] - record.get("told_seconds", 0.0)
    return told + record.get("other_fits_seconds", 0.0)


def overhead(runs: Iterable[Spent]) -> float:
    """The share of the time of all runs together that is no training, from 0 to 1."""
    runs = list(runs)
    return 1 - sum(one.training for one in runs) / sum(one.wall for one in runs)


def shares(wall: float, cores: int, jobs: list[dict], training: float) -> dict[str, float]:
    """The parts of all cores' seconds, each as a share; together 1.

    Args:
        wall: seconds from beginning to end.
        jobs: of each job its rule, `seconds`, and those of `imports` and `tracking`.
        training: seconds of all trainings together, as `trained` has them.
    """
    whole = wall * cores
    spent: Counter[str] = Counter()
    for job in jobs:
        left = job["seconds"] - job["imports"] - job["tracking"]
        stage = job["rule"].split("_", 1)[-1]
        spent["pages" if stage in PAGES else "other work"] += left
        spent["imports"] += job["imports"]
        spent["tracking"] += job["tracking"]
    spent["other work"] -= training
    spent["training"] = training
    spent["Snakemake and idle"] = whole - sum(job["seconds"] for job in jobs)
    return {part: spent[part] / whole for part in PARTS}


def bundled(cores: int) -> dict[str, float]:
    """The parts of the bundled edition's time on some cores."""
    with tempfile.TemporaryDirectory() as name:
        folder, probe = Path(name) / "project", Path(name) / "probe"
        folder.mkdir()
        probe.mkdir()
        copy_of_the_project(folder)
        (probe / "sitecustomize.py").write_text(PROBE, encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", f"-c{cores}", "--quiet"]
        environment = os.environ | {"PYTHONPATH": str(probe), "KERASBOOK_PROBE": str(probe)}

        def run() -> None:
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)

        wall = seconds(run)
        jobs = [json.loads(file.read_text("utf-8")) for file in probe.glob("*.json")]
        records = [
            json.loads(file.read_text("utf-8"))
            for file in folder.glob("results/bundled/*/*/seed*/train.json")
        ]
        assert len(jobs) > len(records) > 0
        return shares(wall, cores, jobs, sum(map(trained, records)))


def of_the_book(results: Path = ROOT / "results" / "book") -> list[Spent]:
    """The jobs of the book edition that train for `LONG` or more, as Snakemake timed them."""
    found = []
    for file in results.glob("ch*/*/seed*/train.json"):
        record = json.loads(file.read_text("utf-8"))
        folder, name = file.parents[2], f"{file.parts[-3]}.{file.parts[-2]}.tsv"
        measured = folder / "benchmarks" / "train" / name
        if record["seconds"] < LONG or not measured.exists():
            continue
        header, row = (line.split("\t") for line in measured.read_text("utf-8").splitlines()[:2])
        found.append(Spent(float(row[header.index("s")]), trained(record)))
    return found


def one_of_the_book(mirror: str) -> tuple[list[Spent], float]:
    """One training of the book edition, in a copy of the project; its data is made before.

    Args:
        mirror: what `KERASBOOK_MIRROR` says: an address, or a folder.

    Returns:
        What `of_the_book` finds of it, and how long the whole command took (s), with the start
        and the end of Snakemake, which in a run of the edition hundreds of jobs share.
    """
    if "://" not in mirror:
        mirror = str(ROOT / Path(mirror).expanduser())
    options = ["-c1", "--quiet", "--configfile", "config/book.yaml", "--"]
    with tempfile.TemporaryDirectory() as name:
        copy_of_the_project(Path(name))

        def make(target: str) -> None:
            command = [sys.executable, "-m", "snakemake", *options, target]
            environment = os.environ | {"KERASBOOK_MIRROR": mirror}
            subprocess.run(command, cwd=name, env=environment, check=True, capture_output=True)

        make(DATA)
        wall = seconds(lambda: make(RECORD))
        return of_the_book(Path(name) / "results" / "book"), wall


def book() -> list[Row]:
    """The overhead of the jobs that train at the book's scale: in all their time, and the worst.

    The bound is on all their time together: no median hides a half of them, and a second that is
    lost in a long training counts as one that is lost in a short one.
    """
    name, bound = "book_training_overhead", "<= 5"
    runs, mirror, more = of_the_book(), os.environ.get("KERASBOOK_MIRROR"), []
    why = (
        f"found no training of {LONG} s or more in results/book, and no KERASBOOK_MIRROR to make "
        "one from; run `make book`, or set it to a folder that has the data"
    )
    if not runs and mirror:
        runs, wall = one_of_the_book(mirror)
        why = f"{RECORD} took less than {LONG} s here; run `make book` for longer ones"
        command = Spent(wall, sum(one.training for one in runs))
        more = [Row("book_command_overhead", 100 * overhead([command]), "%")]
    if not runs:
        return [not_measured(name, "%", bound, why)]
    return [
        Row(name, 100 * overhead(runs), "%", bound),
        Row("book_training_overhead_worst", 100 * max(overhead([one]) for one in runs), "%"),
        Row("book_trainings", len(runs), "1"),
        Row("book_training_seconds", sum(one.training for one in runs), "s"),
        *more,
    ]


def growth() -> dict[int, Spent]:
    """Number of jobs -> seconds of a core for each job of a sweep of a tiny network."""
    taken = {}
    for points in JOBS:
        with tempfile.TemporaryDirectory() as name:
            snakemake, target = sweep_of(points, Path(name))
            wall = seconds(lambda: snakemake("-c2", target))  # noqa: B023
            records = (Path(name) / target).with_suffix("").glob("*/seed*.json")
            training = sum(trained(json.loads(file.read_text("utf-8"))) for file in records)
            taken[points] = Spent(2 * wall / points, training / points)
    return taken


def drawn(
    parts: dict[int, dict[str, float]],
    per_job: dict[int, Spent],
    folder: Path = ROOT / "results",
) -> None:
    """Both figures: the parts of the bundled edition's time, and the seconds of a job.

    Args:
        parts: number of cores -> the parts, as `shares` has them.
        per_job: number of jobs -> seconds of a core for each.
    """
    from kerasbook import plots

    with plots.style():
        figure, [axes] = plots.panels(1, 1, 1.1)
        left = dict.fromkeys(parts, 0.0)
        for number, part in enumerate(PARTS):
            for cores, told in parts.items():
                axes.barh(
                    f"{cores} core{'' if cores == 1 else 's'}", 100 * told[part],
                    left=left[cores], color=f"C{number}",
                    label=part if cores == CORES[0] else None,
                )  # fmt: skip
                left[cores] += 100 * told[part]
        axes.set_xlabel("share of the cores' time (%)")
        plots.legend_above(figure, [axes])
        title = "Where the bundled edition's time goes"
        plots.save_svg(figure, folder / "cost.svg", title)
        figure, [axes] = plots.panels(1, 1, 1.8)
        jobs, spent = list(per_job), per_job.values()
        axes.plot(jobs, [one.wall for one in spent], marker="o", label="with its training")
        over = [one.wall - one.training for one in spent]
        axes.plot(jobs, over, marker="s", label="overhead alone")
        axes.set(xscale="log", xlabel="jobs", ylabel="core seconds per job", ylim=(0, None))
        axes.set_xticks(jobs, [str(n) for n in jobs], minor=False)
        plots.legend_above(figure, [axes])
        plots.save_svg(figure, folder / "cost_growth.svg", "Cost of a job")


def cost() -> list[Row]:
    """Overhead of the bundled edition with its parts, of book trainings, and its growth."""
    parts = {cores: bundled(cores) for cores in CORES}
    rows = []
    for cores, told in parts.items():
        overhead = 100 * (1 - told["training"])
        rows.append(Row(f"bundled_overhead_{cores}_cores", overhead, "%", "<= 35"))
        # The rest of the overhead a plain script has too: it reads, evaluates and saves.
        added = 100 * sum(told[part] for part in PARTS if part not in ("training", "other work"))
        rows.append(Row(f"bundled_workflow_alone_{cores}_cores", added, "%"))
        rows += [
            Row(f"{part.lower().replace(' ', '_')}_{cores}_cores", 100 * value, "%")
            for part, value in told.items()
        ]
    rows += book()
    per_job = growth()
    for jobs, one in per_job.items():
        rows.append(Row(f"core_seconds_per_job_of_{jobs}", one.wall, "s"))
        rows.append(Row(f"overhead_seconds_per_job_of_{jobs}", one.wall - one.training, "s"))
    drawn(parts, per_job)
    return rows
