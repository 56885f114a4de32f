"""The reference snapshot: the book edition's tables, kept with the code, and comparing with them.

`results/reference/` holds what one machine made of the book edition: the verdicts, the errata,
each run's digest and numbers, and what made them. It holds no models and no data.

    python -m kerasbook.reference take            from results/book
    python -m kerasbook.reference compare ch04    the runs of a chapter beside it
"""

import argparse
import csv
import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasbook import readme
from kerasbook.configuration import PROJECT
from kerasbook.errors import KerasbookError
from kerasbook.files import read_json, write_json, write_text
from kerasbook.reporting import write_table
from kerasbook.validation import nearest
from kerasbook.verdicts import COVERAGE, chance, false_discoveries

BOOK = Path("results/book")
FOLDER = Path("results/reference")
TABLES = ("reproduction.tsv", "errata.tsv")
RUN_COLUMNS = [
    "chapter",
    "experiment",
    "seed",
    "threads",
    "seconds",
    "peak_mb",
    "settings",
    "sha256",
]
METRIC_COLUMNS = ["chapter", "experiment", "seed", "metric", "value"]
# Two machines round differently; a number without spread is the same if so many digits are.
SAME = 1e-6
# What a machine may change between two chapters and be the same.
PASSING = ("memory_gb", "system")


def digest(value: object) -> str:
    """The SHA-256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Run:
    """One run of an experiment: how it was made, and every number that it gave."""

    chapter: str
    experiment: str
    seed: int
    threads: int
    seconds: float
    peak_mb: float
    settings: str  # digest
    sha256: str  # of `metrics`, those of each epoch among them
    metrics: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from other runs."""
        return self.chapter, self.experiment, self.seed


def records_of(results: Path, page: Mapping[str, Any]) -> Iterator[tuple[dict, int, dict]]:
    """Experiment, seed and record of each run that a chapter's page shows.

    Raises:
        KerasbookError: a record is missing or broken.
    """
    for experiment in page["experiments"]:
        folder = results / page["slug"] / experiment["name"]
        for seed in experiment["seeds"]:
            yield experiment, seed, read_json(folder / f"seed{seed}" / "train.json")


def runs_of(results: Path, page: Mapping[str, Any]) -> Iterator[Run]:
    """The runs that a chapter's page shows, as its folder has them.

    Raises:
        KerasbookError: a file of them is missing or broken.
    """
    metrics = {
        one["name"]: read_json(results / page["slug"] / one["name"] / "metrics.json")["seeds"]
        for one in page["experiments"]
    }
    for experiment, seed, record in records_of(results, page):
        values = metrics[experiment["name"]][str(seed)]
        yield Run(
            page["chapter"],
            experiment["name"],
            seed,
            record["threads"],
            round(record["seconds"], 2),
            round(record["peak_memory_mb"], 1),
            digest(experiment["settings"])[:16],
            digest(values),
            {key: value for key, value in values.items() if "@" not in key},
        )


def pages_of(results: Path) -> list[dict[str, Any]]:
    """The chapters' pages of an edition, as data.

    Raises:
        KerasbookError: there is none.
    """
    pages = [read_json(path) for path in sorted(results.glob("ch*/report.json"))]
    if not pages:
        raise KerasbookError(
            f"{results}: found no chapter's report.json, expected the results of an edition. "
            "Run it first (make book)."
        )
    return pages


def made_by(pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What made some pages: versions, machine, code, data, time.

    Raises:
        KerasbookError: they were made with different versions or on different machines.
    """
    about = [page["provenance"] for page in pages]
    for key in ("versions", "machine"):
        kinds = [{k: v for k, v in one[key].items() if k not in PASSING} for one in about]
        found = {digest(kind): page["chapter"] for kind, page in zip(kinds, pages)}
        if len(found) > 1:
            raise KerasbookError(
                f"{key}: found different ones behind the pages of {' and '.join(found.values())}, "
                "expected one. Make the pages of an edition on one machine, with one environment."
            )
    steps = [step for one in about for step in one["steps"]]
    return {
        "edition": pages[0]["edition"],
        "chapters": {
            page["chapter"]: {"number": page["number"], "title": page["title"]} for page in pages
        },
        "seeds": common_seeds(pages),
        "first": min(one["generated"] for one in about),
        "last": max(one["generated"] for one in about),
        "commits": sorted({one["commit"] or "unknown" for one in about}),
        "dirty": any(one["dirty"] for one in about),
        "machine": about[0]["machine"],
        "versions": about[0]["versions"],
        "jobs": len(steps),
        "hours": round(math.fsum(step["seconds"] or 0.0 for step in steps) / 3600, 2),
        "data": {
            page["chapter"]: {one["dataset"]: one["digest"] for one in page["provenance"]["data"]}
            for page in pages
        },
    }


def common_seeds(pages: Sequence[Mapping[str, Any]]) -> list[int]:
    """The seeds that most experiments have; some have a printed one, or none to choose."""
    of_each = [tuple(one["seeds"]) for page in pages for one in page["experiments"]]
    return list(Counter(of_each).most_common(1)[0][0])


def take(results: Path, folder: Path) -> dict[str, Any]:
    """Write the snapshot of an edition's results; what made it is returned.

    Raises:
        KerasbookError: the edition is not the book's, not all its chapters are there, or the
            pages are not of one machine and environment.
    """
    pages = pages_of(results)
    made = made_by(pages)
    if made["edition"] != "book":
        raise KerasbookError(
            f"{results}: found the {made['edition']} edition, expected the book edition, which "
            "alone stands on the tutorial's data."
        )
    tables = {name: read_text(results / name) for name in TABLES}
    trained = [record["provenance"] for page in pages for _, _, record in records_of(results, page)]
    made["first"] = min([made["first"], *(one["started"] for one in trained)])
    made["trained_at"] = sorted({one["commit"] or "unknown" for one in trained})
    runs = [run for page in pages for run in runs_of(results, page)]
    write_table(folder / "runs.tsv", RUN_COLUMNS, (vars(run) for run in runs))
    values = (
        dict(zip(METRIC_COLUMNS, (*run.key, name, json.dumps(value)), strict=True))
        for run in runs
        for name, value in run.metrics.items()
    )
    write_table(folder / "metrics.tsv", METRIC_COLUMNS, values)
    for name, text in tables.items():
        write_text(folder / name, text)
    write_json(folder / "made.json", made)
    return made


def read_text(path: Path) -> str:
    """The text of a table.

    Raises:
        KerasbookError: it is missing.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise KerasbookError(
            f"{path}: not found. Expected a table of the book edition; run it first (make book)."
        ) from error


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table, as text.

    Raises:
        KerasbookError: it is missing.
    """
    return list(csv.DictReader(read_text(path).splitlines(), delimiter="\t"))


@dataclass(frozen=True)
class Snapshot:
    """The reference, read back."""

    made: dict[str, Any]
    runs: dict[tuple[str, str, int], Run]
    reproduction: list[dict[str, str]]
    errata: list[dict[str, str]]


def read(folder: Path) -> Snapshot:
    """Read the snapshot.

    Raises:
        KerasbookError: a file of it is missing or no such table.
    """
    try:
        values: dict[tuple[str, str, int], dict[str, Any]] = {}
        for row in read_table(folder / "metrics.tsv"):
            key = row["chapter"], row["experiment"], int(row["seed"])
            values.setdefault(key, {})[row["metric"]] = json.loads(row["value"])
        runs = {}
        for row in read_table(folder / "runs.tsv"):
            key = row["chapter"], row["experiment"], int(row["seed"])
            size = int(row["threads"]), float(row["seconds"]), float(row["peak_mb"])
            runs[key] = Run(*key, *size, row["settings"], row["sha256"], values.get(key, {}))
    except (KeyError, TypeError, ValueError) as error:
        raise KerasbookError(
            f"{folder}: found a table that cannot be read ({error!r}), expected the snapshot that "
            "`make snapshot` writes. Restore it with git checkout."
        ) from error
    return Snapshot(
        read_json(folder / "made.json"),
        runs,
        read_table(folder / "reproduction.tsv"),
        read_table(folder / "errata.tsv"),
    )


@dataclass(frozen=True)
class Compared:
    """One run, or one number of an experiment, beside the reference's.

    `standing` is one of `STANDINGS`.
    """

    experiment: str
    what: str
    standing: str
    ours: Any = None
    theirs: Any = None
    p: float | None = None


STANDINGS = {
    "same": "bit for bit",
    "holds": "where one more run of the reference would lie",
    "outside": "outside its 95 % interval, as one number in twenty is by chance",
    "stands out": "outside even though many were looked at",
    "differs": "other digits, in a number without a spread",
    "not judged": "other digits, where a single run of the reference shows no spread",
    "not compared": "other settings, or not in the reference",
}


def same_kind(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What differs between two machines and environments; nothing if bits are to be equal."""
    apart = []
    for name in sorted(set(ours["versions"]) | set(theirs["versions"])):
        mine, other = ours["versions"].get(name), theirs["versions"].get(name)
        # What runs and records the jobs makes no number.
        if mine != other and name not in ("snakemake", "mlflow", "matplotlib"):
            apart.append(f"{name} {mine or 'absent'} for {other or 'absent'}")
    for name in ("processor", "instructions"):
        mine, other = ours["machine"].get(name), theirs["machine"].get(name)
        if mine != other:
            apart.append(f"{name} {mine or 'unknown'} for {other or 'unknown'}")
    return apart


def _numbers(experiment: str, ours: Sequence[Run], theirs: Sequence[Run]) -> list[Compared]:
    """The numbers of an experiment whose runs are not the same bits, by the verdicts' rule."""
    out = []
    for name in dict.fromkeys(key for run in ours for key in run.metrics):
        mine = [run.metrics[name] for run in ours if name in run.metrics]
        other = [run.metrics[name] for run in theirs if name in run.metrics]
        if not other:
            out.append(Compared(experiment, name, "not compared", mine[0]))
            continue
        if any(isinstance(one, str) or one is None for one in mine + other):
            standing = "holds" if set(mine) == set(other) else "differs"
            out.append(Compared(experiment, name, standing, mine[0], other[0]))
            continue
        mean, reference = math.fsum(mine) / len(mine), math.fsum(other) / len(other)
        if all(math.isclose(mean, one, rel_tol=SAME, abs_tol=1e-12) for one in other):
            out.append(Compared(experiment, name, "holds", mean, reference))
        elif len(other) == 1:
            out.append(Compared(experiment, name, "not judged", mean, reference))
        elif len(set(other)) == 1:
            out.append(Compared(experiment, name, "differs", mean, reference))
        else:
            p = chance(other, mean, mean, len(mine))
            standing = "holds" if p >= 1 - COVERAGE else "outside"
            out.append(Compared(experiment, name, standing, mean, reference, p))
    return out


def compare(snapshot: Snapshot, results: Path, chapter: str) -> tuple[list[str], list[Compared]]:
    """The runs of a chapter beside the reference.

    A run with the seed, settings and threads of one of the reference, on the same kind of machine,
    is to be the same bits. Elsewhere each number of an experiment is judged as the verdicts do: it
    holds if the mean of our seeds lies where that of so many further runs of the reference would
    lie with a chance of 95 %; of those outside, the ones stand out that would do so even though
    many were looked at (Benjamini and Hochberg).

    Returns:
        what differs between the machines, and what is to be said of each run or number.

    Raises:
        KerasbookError: the chapter was not run, or is not in the snapshot.
    """
    pages = {page["chapter"]: page for page in pages_of(results)}
    if chapter not in pages:
        raise KerasbookError(
            f"{results}: found no results of '{chapter}'{nearest(chapter, list(pages))}, expected "
            f"a chapter that was run: {', '.join(pages)}."
        )
    if chapter not in snapshot.made["data"]:
        raise KerasbookError(f"{FOLDER}: found no '{chapter}' there, expected a snapshot of it.")
    page = pages[chapter]
    made = made_by([page])
    if made["data"][chapter] != snapshot.made["data"][chapter]:
        raise KerasbookError(
            f"{chapter}: found other data than the reference's, expected the same digests: "
            "numbers on different data are not compared."
        )
    apart = same_kind(made, snapshot.made)
    out = []
    ours: dict[str, list[Run]] = {}
    for run in runs_of(results, page):
        ours.setdefault(run.experiment, []).append(run)
    for experiment, mine in ours.items():
        theirs = [run for run in snapshot.runs.values() if run.key[:2] == (chapter, experiment)]
        if not theirs or theirs[0].settings != mine[0].settings:
            why = "other settings than the reference's" if theirs else "not in the reference"
            out.append(Compared(experiment, why, "not compared"))
            continue
        rest = []
        for run in mine:
            other = snapshot.runs.get(run.key)
            if other is not None and other.sha256 == run.sha256:
                out.append(Compared(experiment, f"seed {run.seed}", "same"))
            else:
                if other is not None and not apart and other.threads == run.threads:
                    out.append(Compared(experiment, f"seed {run.seed}: other bits", "differs"))
                rest.append(run)
        if rest:
            out += _numbers(experiment, rest, theirs)
    chances = {f"{one.experiment}.{one.what}": one.p for one in out if one.p is not None}
    stand = false_discoveries(chances)
    return apart, [
        Compared(**{**vars(one), "standing": "stands out"})
        if f"{one.experiment}.{one.what}" in stand
        else one
        for one in out
    ]


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def told(snapshot: Snapshot, chapter: str, apart: Sequence[str], found: Sequence[Compared]) -> str:
    """A comparison as lines for the screen."""
    made = snapshot.made
    lines = [
        f"{chapter} beside the reference of {made['last'][:10]} ({made['machine']['processor']}, "
        f"seeds {', '.join(map(str, made['seeds']))}):",
        "The same kind of machine and environment: equal seeds and threads are to give equal bits."
        if not apart
        else f"Another machine or environment ({'; '.join(apart)}): numbers are judged as the "
        "verdicts do.",
    ]
    counts = Counter(one.standing for one in found)
    for name, meaning in STANDINGS.items():
        if counts[name]:
            lines.append(f"{counts[name]:6d}  {name}: {meaning}")
    for one in found:
        if one.standing in ("outside", "stands out", "differs", "not compared"):
            beside = "" if one.ours is None else f": {_shown(one.ours)}"
            beside += "" if one.theirs is None else f" for {_shown(one.theirs)}"
            lines.append(f"  {one.standing}: {one.experiment}, {one.what}{beside}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the snapshot, or compare; 1 if something stands out or differs that should not."""
    parser = argparse.ArgumentParser(prog="kerasbook.reference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("take", help="write results/reference from results/book")
    commands.add_parser("readme", help="write the README's results from results/reference")
    commands.add_parser("compare", help="a chapter's runs beside it").add_argument("chapter")
    given = parser.parse_args(arguments)
    try:
        if given.command == "take":
            take(PROJECT / BOOK, PROJECT / FOLDER)
        if given.command in ("take", "readme"):
            readme.write(PROJECT, read(PROJECT / FOLDER))
            return 0
        snapshot = read(PROJECT / FOLDER)
        apart, found = compare(snapshot, PROJECT / BOOK, given.chapter)
    except KerasbookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(told(snapshot, given.chapter, apart, found) + "\n")
    return int(any(one.standing in ("stands out", "differs") for one in found))


if __name__ == "__main__":
    sys.exit(main())
