"""What keeps the numbers of equal seeds equal, and what does not: `make determinism`.

Of each chapter an experiment of every task is run in the smoke edition, once as it is and once
under each condition, every time in a copy of its own. Each run of the copy is compared with the
same of the first, bit for bit, and where bits differ, by how much its numbers do. The rows go to
`results/reference/determinism.tsv`, and from there into `docs/determinism.md`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, copy_of_the_project
from kerasbook.configuration import load_chapter, rooms
from kerasbook.files import read_json, write_text
from kerasbook.html import format_number
from kerasbook.provenance import commit, machine
from kerasbook.readme import replaced
from kerasbook.reporting import write_table

COLUMNS = [
    "condition", "chapter", "runs", "same", "largest_change", "others", "processor", "commit",
]  # fmt: skip
TABLE = ROOT / "results/reference/determinism.tsv"
PAGE = ROOT / "docs/determinism.md"
BEGIN = (
    "<!-- Written by `make determinism` from results/reference/determinism.tsv; do not edit. -->"
)
END = "<!-- The end of what `make determinism` writes. -->"


@dataclass(frozen=True)
class Condition:
    """How a copy is run: more arguments of Snakemake, more of the environment."""

    name: str
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


def conditions(chapters: Sequence[str]) -> list[Condition]:
    """The conditions, the first that of the reference."""
    threads = ["--set-threads", *(f"{chapter}_train=2" for chapter in chapters)]
    return [
        Condition("the same"),
        Condition("one job at a time", ["--cores", "1"]),
        Condition("two threads a run", threads),
        Condition("without oneDNN", environment={"TF_ENABLE_ONEDNN_OPTS": "0"}),
        Condition("with AVX2 alone", environment={"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    ]


def metrics(folder: Path, chapters: Sequence[str]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """(chapter, experiment, seed) -> every number of that run."""
    slugs = rooms()
    return {
        (chapter, path.parent.name, seed): values
        for chapter in chapters
        for path in sorted((folder / "results/smoke" / slugs[chapter]).glob("*/metrics.json"))
        for seed, values in read_json(path)["seeds"].items()
    }


def of_each_task(chapter: str) -> list[str]:
    """Experiments of a chapter, the first of every task."""
    experiments = load_chapter(chapter, "smoke", ROOT / "config" / "chapters").experiments
    first: dict[Any, str] = {}
    for name, experiment in experiments.items():
        first.setdefault(experiment.settings().get("task"), name)
    return list(first.values())


def run(condition: Condition, chapters: Sequence[str]) -> dict:
    """The metrics of the smoke edition under a condition."""
    with tempfile.TemporaryDirectory() as folder:
        copy_of_the_project(Path(folder))
        slugs = rooms()
        targets = [
            f"results/smoke/{slugs[chapter]}/{name}/metrics.json"
            for chapter in chapters
            for name in of_each_task(chapter)
        ]
        command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--cores", "2"]
        command += ["--configfile", "config/smoke.yaml", *condition.arguments, "--", *targets]
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            env=os.environ | condition.environment,
            stdout=subprocess.DEVNULL,
        )
        return metrics(Path(folder), chapters)


def change(one: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    """The largest relative difference of two runs' numbers; None where they do not tell the same.

    Of a number that is 0 in one of the two, the difference itself.
    """
    if set(one) != set(other):
        return None
    largest = 0.0
    for name, value in one.items():
        if value == other[name]:
            continue
        if not (isinstance(value, int | float) and isinstance(other[name], int | float)):
            return None
        size = max(abs(value), abs(other[name])) if value and other[name] else 1.0
        largest = max(largest, abs(value - other[name]) / size)
    return largest


def section(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of the table as `docs/determinism.md` shows them, between its marks."""
    lines = [
        "| condition | runs with the same bits | chapters with other bits "
        "| largest relative change | runs that tell other numbers |",
        "| --- | ---: | --- | ---: | --- |",
    ]
    for name in dict.fromkeys(row["condition"] for row in rows):
        found = [row for row in rows if row["condition"] == name]
        same, runs = (sum(int(row[key]) for row in found) for key in ("same", "runs"))
        bits = [row["chapter"] for row in found if int(row["same"]) < int(row["runs"])]
        largest = max(float(row["largest_change"]) for row in found)
        others = [f"{row['others']} of {row['chapter']}" for row in found if int(row["others"])]
        cells = [
            name,
            f"{same} of {runs}",
            ", ".join(bits) or "–",
            "–" if largest == 0 else format_number(largest, 2),
            ", ".join(others) or "–",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    told = [f"Measured on the CPU ({rows[0]['processor']}) at commit {rows[0]['commit'][:7]}."]
    return "\n".join([BEGIN, "", *lines, "", *told, "", END])


def compared(name: str, first: Mapping, other: Mapping) -> list[dict[str, Any]]:
    """A row for each chapter: how many runs are the same, and by how much others differ."""
    rows = []
    for chapter in dict.fromkeys(key[0] for key in first):
        found = [change(first[key], other[key]) for key in first if key[0] == chapter]
        changes = [one for one in found if one is not None]
        rows.append(
            {
                "condition": name,
                "chapter": chapter,
                "runs": len(found),
                "same": sum(one == 0 for one in changes),
                "largest_change": max(changes, default=0.0),
                "others": len(found) - len(changes),
                "processor": machine()["processor"],
                "commit": commit()[0] or "unknown",
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all conditions; 1 if the same condition does not give the same bits."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.determinism", description=__doc__)
    parser.add_argument(
        "--chapter", action="append", choices=sorted(rooms()), help="this one alone"
    )
    parser.add_argument("--out", type=Path, default=TABLE, help="the table; docs/ gets the usual")
    options = parser.parse_args(arguments)
    chapters = options.chapter or sorted(rooms())
    first, *others = conditions(chapters)
    reference = run(first, chapters)
    rows = []
    for condition in (first, *others):
        found = compared(condition.name, reference, run(condition, chapters))
        same, all_ = (sum(row[key] for row in found) for key in ("same", "runs"))
        print(f"{condition.name:20} {same} of {all_} runs the same", flush=True)
        rows += found
    write_table(options.out, COLUMNS, rows)
    if options.out == TABLE:
        write_text(PAGE, replaced(PAGE, section(rows), BEGIN, END))
    return int(any(row["same"] < row["runs"] for row in rows if row["condition"] == first.name))


if __name__ == "__main__":
    sys.exit(main())
