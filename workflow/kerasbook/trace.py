"""From a number to the run, its parameters, its data and its code: `make trace ID=...`.

Everything is read from the files of a results folder: no MLflow server is asked.
"""

import argparse
import signal
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasbook import records
from kerasbook.delivery import import_command
from kerasbook.editions import EDITIONS, configfile
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_files, read_json
from kerasbook.html import format_count
from kerasbook.journal import Journal, is_own, journals_of, tickets
from kerasbook.plan import code_of, code_of_point
from kerasbook.provenance import run_page
from kerasbook.records import Record
from kerasbook.tracking import flat
from kerasbook.validation import nearest
from kerasbook.verdicts import read_ledger

RESULTS = Path("results")
LEDGER = Path("config/published.tsv")
# Where `make ui` shows a store that is a file.
LOCAL_UI = "http://127.0.0.1:5000"
_WRAP = textwrap.TextWrapper(width=88, break_long_words=False, break_on_hyphens=False)
Line = tuple[str, str]


def newest_edition(results: Path) -> str:
    """The edition that was worked on last.

    Raises:
        KerasbookError: there are no results.
    """
    ages = {}
    for edition in EDITIONS:
        files = [*(results / edition).glob(records.TRAININGS)]
        files += (results / edition).glob(records.POINTS)
        files += (results / edition).glob("*/report.json")
        if files:
            ages[edition] = max(file.stat().st_mtime for file in files)
    if not ages:
        raise KerasbookError(f"{results}: found no results, expected some; run snakemake first.")
    return max(ages, key=ages.get)


def _is_printed(name: str) -> bool:
    return LEDGER.is_file() and name in {row.id for row in read_ledger(LEDGER)}


class _Folder:
    """What the results folder of an edition holds, read once."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.rows = records.rows(folder)
        self.runs = records.find(folder)
        self.journal = journals_of(folder / "tracking.json")
        self.tickets = tickets(self.journal)
        self.pages = {file.parent.name: read_json(file) for file in folder.glob("*/report.json")}

    def unknown(self, name: str) -> KerasbookError:
        if not self.runs:
            return KerasbookError(
                f"{self.folder}: found no results, expected some; run snakemake first."
            )
        if _is_printed(name):
            return KerasbookError(
                f"{name}: found no row of it in {self.folder}, expected one; its chapter has no "
                "page there yet. Run snakemake first."
            )
        known = [*self.rows, *self.runs]
        begun = [one for one in known if one.startswith(name)]
        hint = f" (did you mean '{begun[0]}'?)" if begun else nearest(name, known)
        return KerasbookError(
            f"{name}: found no such number or run in {self.folder}{hint}, expected an id of "
            f"{LEDGER}, another number of a run (ch03.mlp_relu.test_loss), or the id of an MLflow "
            "run. The pages show them."
        )

    def number(self, name: str) -> tuple[list[Record], dict[str, Any]] | None:
        """The runs of a number that the ledger does not have, and its value of each seed.

        Args:
            name: chapter, experiment and metric (`ch03.mlp_relu.test_loss`), or chapter, data set
                and what preprocessing tells of it (`ch07.mnist.n_train`), which no seed has.
        """
        if _is_printed(name):
            return None  # it is printed, but has no page yet
        chapter, _, rest = name.partition(".")
        own, _, metric = rest.partition(".")
        runs = [one for one in self.runs.values() if one.name == own and metric
                and one.chapter.split("_", 1)[0] == chapter]  # fmt: skip
        prepared = [one for one in runs if one.stage == "preprocess"]
        if prepared and metric in prepared[0].content["facts"]:
            return prepared, {"": prepared[0].content["facts"][metric]}
        trained = [one for one in runs if one.stage == "train"]
        evaluated = [one for one in runs if one.stage == "evaluate"]
        if not trained or not evaluated:
            return None
        folder = self.folder / trained[0].chapter / own
        values = read_json(folder / "metrics.json")["seeds"]
        if not any(metric in one for one in values.values()):
            values = read_json(folder / "evaluate.json")["times"]
        told = {seed: one[metric] for seed, one in values.items() if metric in one}
        return ([one for one in trained if str(one.seed) in told], told) if told else None

    def origin(self, record: Record) -> Mapping[str, Any]:
        """What a run said of itself, or what is left to say of one of an earlier version."""
        if record.origin:
            return record.origin
        page = self.pages.get(record.chapter, {})
        told = page.get("provenance", {})
        settings = [one["settings"] for one in page.get("experiments", ())
                    if one["name"] == record.name]  # fmt: skip
        kept = ("commit", "dirty", "versions", "machine")
        return {"settings": settings[0] if settings else {}, **{k: told.get(k) for k in kept}}

    def command(self, record: Record) -> str | None:
        """What makes a run's numbers anew."""
        if record.stage == "point":
            file = configfile(self.folder.name)
            options = f"-c2 --configfile {file}" if file else "-c2"
            return f"snakemake {options} --force -- {self.folder / record.file}"
        for row in self.rows.values():
            if record.run_id in row["run_ids"].split(","):
                return row["command"]
        experiments = self.pages.get(record.chapter, {}).get("experiments", ())
        return next((one["command"] for one in experiments if one["name"] == record.name), None)

    def data(self, record: Record, origin: Mapping[str, Any]) -> Iterator[str]:
        """The data of a run: what it is called, its digest, and where its files came from."""
        if record.stage == "preprocess":
            about = record.content
            yield from _data(about["resolved"], about["title"], about["digest"], about["files"])
            return
        told: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for file in self.pages.get(record.chapter, {}).get("provenance", {}).get("data", ()):
            files = told.setdefault((file["dataset"], file["title"], file["digest"]), [])
            files += [file] if file["bytes"] is not None else []  # else it has none
        digests = set(origin.get("inputs", {}).values())
        for (dataset, title, digest), files in told.items():
            if not digests or digest in digests:
                yield from _data(dataset, title, digest, files)
        for digest in sorted(digests - {digest for _, _, digest in told}):
            yield f"SHA-256 {digest}, of which the chapter's page does not tell"

    def mlflow(self, record: Record, origin: Mapping[str, Any]) -> str:
        """Where the run is seen in MLflow's UI."""
        uri, experiment = origin.get("mlflow_uri"), origin.get("mlflow_experiment_id")
        run_id = record.run_id
        if run_id in self.tickets:
            uri, experiment, run_id = (
                self.tickets[run_id][key] for key in ("uri", "experiment_id", "run_id")
            )
        elif is_own(run_id) and (file := Journal(self.journal, run_id).file).exists():
            return f"waits in {file} (`{import_command(self.folder.name)}` brings it to a store)"
        tracking = self.folder / "tracking.json"
        if experiment is None and tracking.is_file():
            told = read_json(tracking)
            uri = told["uri"]
            experiment = told["chapters"].get(record.chapter, {}).get("experiment_id")
        if experiment is None:
            return "not known"
        served = run_page(uri or "", experiment, run_id)
        local = run_page(LOCAL_UI, experiment, run_id)
        return served or f"{local} (after `make ui`)"


def _data(
    dataset: str, title: str, digest: str, files: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    yield f"{dataset}: {title}"
    yield f"content of SHA-256 {digest}"
    if not files:
        yield "made from installed libraries"
    for file in files:
        yield f"{file['file']}, SHA-256 {file['sha256']}, from {file['source']}"


def _code(origin: Mapping[str, Any]) -> Iterator[str]:
    commit = origin.get("commit") or "not known"
    changed = ", with changes that were not committed" if origin.get("dirty") else ""
    yield f"commit {commit}{changed}"
    digest = origin.get("code_sha256")
    if not digest:
        return
    script = Path(origin["script"])
    point = origin["rule"] == "sweep_point"
    now = None
    if script.is_file():
        code = code_of_point(origin["chapter"]) if point else code_of(script)
        now = digest_of_files({str(script), *code})
    state = "as it is here now" if now == digest else "here it is another now"
    imported = format_count(origin["code_files"] - 1, "file")
    yield f"{script} and {imported} that it imports, SHA-256 {digest}: {state}"


def _facts(folder: _Folder, record: Record) -> list[Line]:
    """What is known of a run, in the order of the page."""
    origin = folder.origin(record)
    facts: list[Line] = []
    if not record.origin:
        facts.append(("note", "made by an earlier version; what its page said of it"))
    settings = flat(origin.get("settings") or {})
    if settings:
        facts.append(("parameters", ", ".join(f"{key} {one}" for key, one in settings.items())))
    facts += [("data", one) for one in folder.data(record, origin)]
    facts += [("code", one) for one in _code(origin)]
    if origin.get("versions"):
        told = (f"{name} {version}" for name, version in origin["versions"].items())
        facts.append(("versions", ", ".join(told)))
    if origin.get("machine"):
        machine = origin["machine"]
        threads = f", {format_count(origin['threads'], 'thread')}" if "threads" in origin else ""
        facts.append(("machine", f"{machine['processor']}, {machine['cores']} cores, "
                      f"{machine['memory_gb']} GiB, {machine['system']}{threads}"))  # fmt: skip
    return facts


def _own(folder: _Folder, record: Record) -> list[Line]:
    """What one run has for itself."""
    origin = folder.origin(record)
    lines = [("run", record.run_id)]
    if record.seed is not None:
        lines.append(("seed", str(record.seed)))
    if "started" in origin:
        lines.append(("when", f"{origin['started']} to {origin['ended']}"))
    lines.append(("record", str(folder.folder / record.file)))
    if origin.get("log"):
        lines.append(("log", origin["log"]))
    lines.append(("MLflow", folder.mlflow(record, origin)))
    return lines


def _of_runs(folder: _Folder, runs: Sequence[Record]) -> Iterator[list[Line]]:
    """The runs of a number: what they share once, then what each has for itself."""
    facts = [_facts(folder, run) for run in runs]
    shared = [line for line in facts[0] if all(line in others for others in facts)]
    names = list(dict.fromkeys(run.name for run in runs if run.name))
    yield [("rule", f"{runs[0].rule} {', '.join(names)}".strip()), *shared]
    for run, told in zip(runs, facts, strict=True):
        yield [*_own(folder, run), *(line for line in told if line not in shared)]


def _of_row(folder: _Folder, row: Mapping[str, str]) -> Iterator[list[Line]]:
    chapter = row["id"].split(".")[0]
    page = next((slug for slug in folder.pages if slug.split("_")[0] == chapter), None)
    ours = row["ours"] or row["mean"]
    ours += f" ± {row['sd']}" if row["sd"] else ""
    if ours and row["kind"] != "constant":
        ours += f", of {format_count(int(row['n_seeds']), 'seed')}"
    lines = [
        ("number", f"{row['id']}, {row['kind']}, line {row['line']} of the source"),
        ("printed", row["printed"]),
        ("ours", ours or "none"),
        ("verdict", f"{row['verdict']}: {row['reason']}"),
    ]
    if page:
        lines.append(("page", f"{folder.folder / page / 'report.html'}#{row['id']}"))
    if row["command"]:
        lines.append(("re-run", row["command"]))
    yield lines
    named = [name for name in row["run_ids"].split(",") if name]
    runs = [folder.runs[name] for name in named if name in folder.runs]
    lost = [name for name in named if name not in folder.runs]
    if runs:
        yield from _of_runs(folder, runs)
    if lost:
        yield [("run", f"{name}: found no record of it in {folder.folder}") for name in lost]
    evaluated = [
        one for one in folder.runs.values()
        if one.stage == "evaluate" and runs and (one.chapter, one.name) == (
            runs[0].chapter, runs[0].name)
    ]  # fmt: skip
    for one in evaluated:
        yield [("evaluated", one.rule), *_own(folder, one),
               *(("code", told) for told in _code(folder.origin(one)))]  # fmt: skip


def _of_number(
    folder: _Folder, name: str, runs: Sequence[Record], values: Mapping[str, Any]
) -> Iterator[list[Line]]:
    """A number that the tutorial does not print, such as one of a page's prose."""
    lines = [("number", f"{name}, of {'the data' if '' in values else 'our runs'} alone")]
    for seed, value in values.items():
        lines.append(("ours", f"{value} (seed {seed})" if seed else str(value)))
    if runs[0].chapter in folder.pages:
        lines.append(("page", f"{folder.folder / runs[0].chapter / 'report.html'}"))
    command = folder.command(runs[0])
    if command:
        lines.append(("re-run", command))
    yield lines
    yield from _of_runs(folder, runs)


def _of_run(folder: _Folder, record: Record) -> Iterator[list[Line]]:
    rows = [name for name, row in folder.rows.items() if record.run_id in row["run_ids"].split(",")]
    blocks = list(_of_runs(folder, [record]))
    if rows:
        more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
        blocks[0].append(("numbers", f"{', '.join(rows[:3])}{more}"))
    command = folder.command(record)
    if command:
        blocks[0].append(("re-run", command))
    yield from blocks


def trace(folder: Path, name: str) -> str:
    """All that is known of where a number comes from, for the screen.

    Args:
        folder: the results of an edition.
        name: the id of a printed number (`ch07.conv.test_accuracy`) or of an MLflow run, or
            another number of a run or of the data, in the same form.

    Raises:
        KerasbookError: there is no such number or run; names the nearest.
    """
    known = _Folder(folder)
    if name not in known.runs:  # the records call a run as its journal did, or as MLflow does
        given = {one["run_id"]: own for own, one in known.tickets.items()}
        name = given.get(name) or known.tickets.get(name, {}).get("run_id", name)
    if name in known.rows:
        blocks = _of_row(known, known.rows[name])
    elif name in known.runs:
        blocks = _of_run(known, known.runs[name])
    elif (found := known.number(name)) is not None:
        blocks = _of_number(known, name, *found)
    else:
        raise known.unknown(name)
    return "\n\n".join(_text(lines) for lines in blocks)


def _text(lines: Sequence[Line]) -> str:
    """Lines with their labels in a column, each label once; what is copied is not broken."""
    out, before = [], None
    for label, text in lines:
        head = f"{label if label != before else '':12}"
        before = label
        wrapped = [text] if label in ("re-run", "MLflow") else _WRAP.wrap(text)
        out += [head + wrapped[0], *(" " * 12 + one for one in wrapped[1:])]
    return "\n".join(out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a trace; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make trace", description=__doc__)
    parser.add_argument(
        "id", help="of a printed number, of another number of a run, or of an MLflow run"
    )
    parser.add_argument("--edition", choices=EDITIONS, help="without it, the newest with results")
    options = parser.parse_args(arguments)
    if not options.id:
        parser.error("say which number or run: make trace ID=ch07.conv.test_accuracy")
    try:
        edition = options.edition or newest_edition(RESULTS)
        print(trace(RESULTS / edition, options.id))  # noqa: T201
    except KerasbookError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it, without a traceback
    sys.exit(main())
