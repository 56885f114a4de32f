"""The records that runs left in a results folder, found again by their MLflow ids."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasbook.errors import KerasbookError
from kerasbook.files import read_json

# Below the results folder of an edition.
TRAININGS = "*/*/seed*/train.json"
POINTS = "*/sweeps/*/point_*/seed*.json"


@dataclass(frozen=True)
class Record:
    """One run: which step it was, what its record says, and where that stands.

    `file` is relative to the results folder. `origin` is what the run said of its code, data
    and machine (`tracking.Run.record`); results of an earlier version lack it. Of a sweep's point
    the stage is `point`, and the name that of the sweep and its own.
    """

    run_id: str
    stage: str
    chapter: str
    name: str
    seed: int | None
    file: str
    content: Mapping[str, Any]

    @property
    def origin(self) -> Mapping[str, Any]:
        return self.content.get("provenance", {})

    @property
    def rule(self) -> str:
        if self.stage == "point":
            return "sweep_point"
        return f"{self.chapter.split('_', 1)[0]}_{self.stage}"


def find(folder: Path) -> dict[str, Record]:
    """Run id -> record, of all runs whose records lie in the results folder of an edition.

    Raises:
        KerasbookError: a record is no JSON, or names no run.
    """
    return {one.run_id: one for one in _all(folder)}


def _mapping(file: Path) -> Mapping[str, Any]:
    told = read_json(file)
    if not isinstance(told, Mapping):
        raise KerasbookError(
            f"{file}: found {type(told).__name__}, expected `key: value`. Delete the file and run "
            "snakemake again."
        )
    return told


def _all(folder: Path) -> Iterator[Record]:
    def record(
        file: Path, content: Any, run_id: str, stage: str, name: str = "", seed: str = ""
    ) -> Record:
        if not isinstance(content, Mapping) or not isinstance(content.get(run_id), str):
            raise KerasbookError(
                f"{file}: found no '{run_id}', expected the record of a run. Delete the file and "
                "run snakemake again."
            )
        path = file.relative_to(folder)
        number = int(seed.removeprefix("seed")) if seed else None
        return Record(
            content[run_id], stage, path.parts[0], name, number, path.as_posix(), content
        )  # fmt: skip

    for file in sorted(folder.glob(TRAININGS)):
        yield record(file, read_json(file), "run_id", "train", file.parts[-3], file.parts[-2])
    for file in sorted(folder.glob(POINTS)):
        name = f"sweeps/{file.parts[-3]} {file.parts[-2]}"
        yield record(file, read_json(file), "run_id", "point", name, file.stem)
    for file in sorted(folder.glob("*/*/evaluate.json")):
        yield record(file, read_json(file), "evaluate_run_id", "evaluate", file.parts[-2])
    for file in sorted(folder.glob("*/data.json")):
        for dataset, content in _mapping(file).items():
            yield record(file, content, "run_id", "preprocess", dataset)
    for file in sorted(folder.glob("*/report.json")):
        report = _mapping(file)["provenance"].get("report")
        if report is not None:  # a page of an earlier version does not tell its own run
            content = {**report, "provenance": report}
            yield record(file, content, "run_id", "report")


def rows(folder: Path) -> dict[str, dict[str, str]]:
    """Id -> the judged row, of every printed number that the results folder has.

    Chapters that ended before the first page was written count, too.
    """
    first = folder / "reproduction.tsv"
    files = [first] if first.is_file() else sorted(folder.glob("*/reproduction.tsv"))
    found = {}
    for path in files:
        with open(path, encoding="utf-8", newline="") as file:
            found |= {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}
    return found
