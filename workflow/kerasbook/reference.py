"""The reference snapshot: the book edition's tables, kept with the code, and comparing with them.

`results/reference/` holds what was made of the book edition: the verdicts, the errata, each run's
digest and numbers, and what made each chapter; and the tables of sweeps that were run, as settings
may have been chosen by them. It holds no models and no data. A chapter is of one machine and
environment, others may be of others; its `trained_at` in `made.json` names its runs' commits.

    python -m kerasbook.reference take            all chapters, from results/book
    python -m kerasbook.reference take ch04       one chapter again, the others as they are
    python -m kerasbook.reference compare ch04    the runs of a chapter beside it
"""

import argparse
import csv
import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasbook import errata, readme
from kerasbook.configuration import PROJECT, load_chapter, rooms
from kerasbook.editions import configfile
from kerasbook.errors import KerasbookError
from kerasbook.files import read_json, write_json, write_text
from kerasbook.reporting import (
    TABLE_COLUMNS,
    causes_of,
    forced_command,
    not_measured,
    unpriced,
    write_table,
)
from kerasbook.sweeps import PATTERN
from kerasbook.tracking import flat
from kerasbook.validation import nearest, read_yaml
from kerasbook.verdicts import COVERAGE, OUTSIDE, chance, false_discoveries, read_ledger

BOOK = Path("results/book")
FOLDER = Path("results/reference")
SWEEPS = "sweeps"
CONFIGURATION = PROJECT / "config"
REPRODUCTION_COLUMNS = [*TABLE_COLUMNS, "stands_out"]
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


def _printed_epochs(chapter: str) -> set[str]:
    """The metrics of single epochs that the ledger has rows of, such as `loss@2`."""
    rows = [row for row in read_ledger(CONFIGURATION / "published.tsv") if row.chapter == chapter]
    answers = load_chapter(chapter, "book", CONFIGURATION / "chapters").file.answers.values()
    return {row.key for row in rows} | {answer.partition(".")[2] for answer in answers}


def runs_of(results: Path, page: Mapping[str, Any]) -> Iterator[Run]:
    """The runs that a chapter's page shows, as its folder has them.

    Of the metrics of single epochs those are kept that the tutorial prints.

    Raises:
        KerasbookError: a file of them is missing or broken.
    """
    metrics = {
        one["name"]: read_json(results / page["slug"] / one["name"] / "metrics.json")["seeds"]
        for one in page["experiments"]
    }
    printed = _printed_epochs(page["chapter"])
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
            {key: one for key, one in values.items() if "@" not in key or key in printed},
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


def made_by(page: Mapping[str, Any]) -> dict[str, Any]:
    """What made a chapter's page: versions, machine, code, data, time."""
    about = page["provenance"]
    return {
        "number": page["number"],
        "title": page["title"],
        "seeds": common_seeds(page),
        "first": about["generated"],
        "last": about["generated"],
        "commits": [about["commit"] or "unknown"],
        "dirty": about["dirty"],
        "machine": about["machine"],
        "versions": about["versions"],
        "data": {one["dataset"]: one["digest"] for one in about["data"]},
        "left_out": dict(page["absent"]),
    }


def common_seeds(page: Mapping[str, Any]) -> list[int]:
    """The seeds that most experiments have; some have a printed one, or none to choose."""
    of_each = [tuple(one["seeds"]) for one in page["experiments"]]
    return list(Counter(of_each).most_common(1)[0][0])


def _taken(results: Path, page: Mapping[str, Any]) -> tuple[dict[str, Any], list[Run]]:
    """What made a chapter, and its runs.

    Raises:
        KerasbookError: the chapter is not of the book edition, or of code that is in no commit.
    """
    made = made_by(page)
    if page["edition"] != "book":
        raise KerasbookError(
            f"{results}: found the {page['edition']} edition, expected the book edition, which "
            "alone stands on the tutorial's data."
        )
    records = list(records_of(results, page))
    trained = [record["provenance"] for _, _, record in records]
    dirty = [f"{experiment['name']}/seed{seed}" for experiment, seed, record in records
             if record["provenance"]["dirty"]]  # fmt: skip
    if made["dirty"] or dirty:
        raise KerasbookError(
            f"{results}/{page['slug']}: found results of code that is in no commit "
            f"({', '.join(dirty) or 'the page'}), expected a commit that leads to it. Commit, "
            "remove what is named, and run the chapter again."
        )
    made["first"] = min([made["first"], *(one["started"] for one in trained)])
    made["trained_at"] = sorted({one["commit"] or "unknown" for one in trained})
    return made, list(runs_of(results, page))


def _sweeps(results: Path, page: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Name, table and the runs' commits of each of a chapter's sweeps that was run.

    Raises:
        KerasbookError: a point of one is missing, or of code that is in no commit.
    """
    folder = results / page["slug"] / "sweeps"
    for name in load_chapter(page["chapter"], "book", CONFIGURATION / "chapters").sweeps:
        table = folder / f"{name}.tsv"
        if not table.exists():  # they are no part of `all`
            continue
        points = (folder / name / PATTERN.format(point=row["name"]) for row in read_table(table))
        made = [read_json(one)["provenance"] for point in points for one in point.glob("*.json")]
        if not made or any(one["dirty"] for one in made):
            raise KerasbookError(
                f"{table}: found points of code that is in no commit, expected a commit that leads "
                f"to them. Commit, remove {folder / name}, and run the sweep again."
            )
        commits = sorted({one["commit"] or "unknown" for one in made})
        yield name, read_text(table), commits


def _told_of_errata(row: Mapping[str, Any], chapters: Mapping[str, Any]) -> dict[str, Any]:
    """A row of errata with its texts as the chapter's file has them today.

    One that was priced by another number keeps the texts that told of that.
    """
    chapter = chapters[row["chapter"]]
    faults = {one["id"]: {key: one[key] for key in ("printed", "wrong")}
              for one in chapter["faults"] if one["metric"] == row["metric"]}  # fmt: skip
    faults |= {one["id"]: _filled(unpriced(one)) for one in chapter["unpriced"]}
    told = {**dict.fromkeys(errata.COLUMNS, ""), **row, **faults.get(row["fault"], {})}
    if not told["command"] and told["as_printed"]:
        told["command"] = _command(row["chapter"], told["as_printed"], told["corrected"])
    return told


def _command(chapter: str, *experiments: str) -> str:
    """What runs experiments of the book edition anew."""
    files = [f"{BOOK}/{rooms()[chapter]}/{one}/metrics.json" for one in dict.fromkeys(experiments)]
    return forced_command(f"-c2 --configfile {configfile('book')}", chapter, " ".join(files))


def _told_of_number(row: Mapping[str, Any], chapters: Mapping[str, Any]) -> dict[str, Any]:
    """A printed number with its cause as the chapter's file has it today.

    One that was not run has a command, too: with what it lacks, this runs it.
    """
    chapter, name = row["id"].split(".", 1)
    cause = causes_of(chapters[chapter]).get(name, "") if row["verdict"] in OUTSIDE else ""
    told = {**dict.fromkeys(REPRODUCTION_COLUMNS, ""), **row, "cause": cause}
    experiment = chapters[chapter]["answers"].get(name, name).partition(".")[0]
    if row["verdict"] == "not run" and experiment in chapters[chapter]["experiments"]:
        told["command"] = _command(chapter, experiment)
    return told


def take(results: Path, folder: Path, chapters: Sequence[str] = ()) -> dict[str, Any]:
    """Write the snapshot of an edition's results; what made it is returned.

    Args:
        chapters: those to take, the others staying as they are; all of them if none is named.

    Raises:
        KerasbookError: a chapter was not run, is not the book edition's, or is of code that is in
            no commit. The snapshot is then as it was.
    """
    pages = {page["chapter"]: page for page in pages_of(results)}
    every = list(rooms())
    wanted = list(chapters) or every
    for name in wanted:
        if name not in pages:
            hint = nearest(name, every) if name not in every else ""
            raise KerasbookError(
                f"{results}: found no results of '{name}'{hint}, expected "
                f"{'them' if chapters else 'those of all chapters'}. Run the chapter first, or "
                "name those that are to be taken (make snapshot CHAPTER=ch04)."
            )
    taken = {name: _taken(results, pages[name]) for name in wanted}
    sweeps = {name: list(_sweeps(results, pages[name])) for name in wanted}
    for name, found in sweeps.items():
        taken[name][0]["sweeps"] = {sweep: commits for sweep, _, commits in found}
    numbers = {row["id"]: row for row in read_table(results / "reproduction.tsv")}
    faults = read_table(results / "errata.tsv")
    if chapters:
        before = read(folder)
        made = {**before.made["chapters"], **{name: one for name, (one, _) in taken.items()}}
        runs = [run for run in before.runs.values() if run.chapter not in taken]
        kept = {row["id"]: row for row in before.reproduction}
        numbers = {
            name: (numbers if name.split(".", 1)[0] in taken else kept).get(name) or row
            for name, row in kept.items()
        }
        faults = [one for one in before.errata if one["chapter"] not in taken] + [
            one for one in faults if one["chapter"] in taken
        ]
    else:
        made, runs = {name: one for name, (one, _) in taken.items()}, []
    runs = sorted(
        [*runs, *(run for _, new in taken.values() for run in new)],
        key=lambda run: every.index(run.chapter),
    )
    values = (
        dict(zip(METRIC_COLUMNS, (*run.key, name, json.dumps(value)), strict=True))
        for run in runs
        for name, value in run.metrics.items()
    )
    write_table(folder / "runs.tsv", RUN_COLUMNS, (vars(run) for run in runs))
    write_table(folder / "metrics.tsv", METRIC_COLUMNS, values)
    for name, found in sweeps.items():
        for table in (folder / SWEEPS).glob(f"{name}.*.tsv"):
            table.unlink()
        for sweep, text, _ in found:
            write_text(folder / SWEEPS / f"{name}.{sweep}.tsv", text)
    whole = {"edition": "book", "chapters": {name: made[name] for name in every if name in made}}
    _write_told(folder, whole, numbers.values(), faults)
    write_json(folder / "made.json", whole)
    return whole


def _write_told(
    folder: Path,
    made: Mapping[str, Any],
    numbers: Iterable[Mapping[str, Any]],
    faults: Sequence[Mapping[str, Any]],
) -> None:
    """Write the tables of numbers and faults, with the texts of the chapters' files of today.

    What stands out does so among all rows, of whichever time they are.
    """
    files = {
        name: load_chapter(name, "book", CONFIGURATION / "chapters").file.model_dump(mode="json")
        for name in rooms()
    }
    told = [_told_of_number(row, files) for row in numbers]
    stand = false_discoveries({row["id"]: float(row["p"]) for row in told if row["p"]})
    told = [{**row, "stands_out": "yes" if row["id"] in stand else ""} for row in told]
    ids = {name: {one["id"] for one in (*file["faults"], *file["unpriced"])}
           for name, file in files.items()}  # fmt: skip
    # A fault that is told of no more goes, unless it has a price.
    rows = [
        _told_of_errata(row, files)
        for row in faults
        if row["standing"] != "not measured" or row["fault"] in ids[row["chapter"]]
    ]
    known = {(row["chapter"], row["fault"]) for row in rows}
    for name, about in made["chapters"].items():
        for fault in files[name]["faults"]:
            missing = [one for one in (fault["as_printed"], fault["corrected"])
                       if one in about["left_out"]]  # fmt: skip
            if (name, fault["id"]) not in known and missing:
                rows.append(_not_measured(name, fault, missing[0], about["left_out"][missing[0]]))
        rows += [
            {**dict.fromkeys(errata.COLUMNS, ""), **_filled(unpriced(fault)),
             "chapter": name, "fault": fault["id"], "standing": "not measured"}
            for fault in files[name]["unpriced"] if (name, fault["id"]) not in known
        ]  # fmt: skip
    write_table(folder / "reproduction.tsv", REPRODUCTION_COLUMNS, told)
    write_table(folder / "errata.tsv", errata.COLUMNS, errata.ranked(rows))


def _not_measured(chapter: str, fault: Mapping[str, Any], missing: str, why: str) -> dict[str, Any]:
    """A row of errata of a fault whose experiment was left out."""
    told = {key: value for key, value in fault.items() if key in errata.COLUMNS and value}
    told |= {"chapter": chapter, "fault": fault["id"], "standing": "not measured", "n": 0}
    told["command"] = _command(chapter, fault["as_printed"], fault["corrected"])
    return {**dict.fromkeys(errata.COLUMNS, ""), **told, "text": not_measured(missing, why)}


def _filled(told: Mapping[str, Any]) -> dict[str, Any]:
    """What of a fault has a column in the table, and a value."""
    return {key: one for key, one in told.items() if key in errata.COLUMNS and one is not None}


def retell(folder: Path) -> None:
    """Give the snapshot's tables the texts that the chapters' files have today.

    Causes and what is wrong about a fault are told there, and no run tells them.
    """
    snapshot = read(folder)
    _write_told(folder, snapshot.made, snapshot.reproduction, snapshot.errata)


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


def behind(snapshot: Snapshot) -> dict[str, list[str]]:
    """Chapter -> its experiments that the configuration makes otherwise by now, or anew.

    Their numbers are those of other settings or seeds, or they are not in the snapshot at all
    although their data was there. What is listed here is to be run again and taken.
    """
    seeds = read_yaml(CONFIGURATION / "book.yaml")["seeds"]
    out: dict[str, list[str]] = {}
    for name in rooms():
        left_out = snapshot.made["chapters"].get(name, {}).get("left_out", {})
        experiments = load_chapter(name, "book", CONFIGURATION / "chapters").experiments
        for experiment, entry in experiments.items():
            runs = [run for key, run in snapshot.runs.items() if key[:2] == (name, experiment)]
            if not runs and experiment in left_out:
                continue
            same = {run.settings for run in runs} == {digest(flat(entry.settings()))[:16]}
            if not same or [run.seed for run in runs] != entry.seeds_to_run(seeds):
                out.setdefault(name, []).append(experiment)
    return out


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
    "new": "not in the reference, which has nothing to compare them with",
    "not compared": "in the reference, but here with other settings, not run, or not told",
}


# What a comparison does not end well with.
FAULTS = ("stands out", "differs", "not compared")


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
    for name in dict.fromkeys(key for run in [*ours, *theirs] for key in run.metrics):
        mine = [run.metrics[name] for run in ours if name in run.metrics]
        other = [run.metrics[name] for run in theirs if name in run.metrics]
        if not other:
            out.append(Compared(experiment, name, "new", mine[0]))
            continue
        if not mine:
            # What only some runs tell (an epoch that few come to) may be missing by chance.
            if len(other) == len(theirs):
                out.append(Compared(experiment, name, "not compared", None, other[0]))
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
    if chapter not in snapshot.made["chapters"]:
        raise KerasbookError(f"{FOLDER}: found no '{chapter}' there, expected a snapshot of it.")
    page = pages[chapter]
    made, theirs_made = made_by(page), snapshot.made["chapters"][chapter]
    if made["data"] != theirs_made["data"]:
        raise KerasbookError(
            f"{chapter}: found other data than the reference's, expected the same digests: "
            "numbers on different data are not compared."
        )
    apart = same_kind(made, theirs_made)
    out = []
    ours: dict[str, list[Run]] = {}
    for run in runs_of(results, page):
        ours.setdefault(run.experiment, []).append(run)
    for experiment, mine in ours.items():
        theirs = [run for run in snapshot.runs.values() if run.key[:2] == (chapter, experiment)]
        if not theirs:
            out.append(Compared(experiment, "not in the reference", "new"))
            continue
        if theirs[0].settings != mine[0].settings:
            out.append(Compared(experiment, "other settings than the reference's", "not compared"))
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
    of_theirs = dict.fromkeys(key[1] for key in snapshot.runs if key[0] == chapter)
    for experiment in of_theirs:
        if experiment not in ours:
            why = page["absent"].get(experiment, "the chapter has no such experiment any more")
            out.append(Compared(experiment, f"not run here: {why}", "not compared"))
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
    made = snapshot.made["chapters"][chapter]
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
        if one.standing in ("outside", "new", *FAULTS):
            beside = "" if one.ours is None else f": {_shown(one.ours)}"
            beside += "" if one.theirs is None else f" for {_shown(one.theirs)}"
            lines.append(f"  {one.standing}: {one.experiment}, {one.what}{beside}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the snapshot, or compare; 1 if something of the reference is not found again."""
    parser = argparse.ArgumentParser(prog="kerasbook.reference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    taking = commands.add_parser("take", help="write results/reference from results/book")
    taking.add_argument("chapters", nargs="*", help="only these; all of them if none is named")
    commands.add_parser(
        "readme", help="write the README's results, and today's texts of faults and causes"
    )
    commands.add_parser("compare", help="a chapter's runs beside it").add_argument("chapter")
    given = parser.parse_args(arguments)
    try:
        if given.command == "take":
            take(PROJECT / BOOK, PROJECT / FOLDER, given.chapters)
        if given.command == "readme":
            retell(PROJECT / FOLDER)
        if given.command in ("take", "readme"):
            snapshot = read(PROJECT / FOLDER)
            readme.write(PROJECT, snapshot, behind(snapshot))
            return 0
        snapshot = read(PROJECT / FOLDER)
        apart, found = compare(snapshot, PROJECT / BOOK, given.chapter)
    except KerasbookError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(told(snapshot, given.chapter, apart, found) + "\n")
    return int(any(one.standing in FAULTS for one in found))


if __name__ == "__main__":
    sys.exit(main())
