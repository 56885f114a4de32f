"""The report stage: results, ledger and text put together into a chapter's page."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np

from kerasbook import provenance
from kerasbook.arrays import load_npz
from kerasbook.catalogue import load_catalogue
from kerasbook.errors import KerasbookError
from kerasbook.files import read_json, write_json, write_text
from kerasbook.metrics import skill
from kerasbook.steps import step_of
from kerasbook.tracking import Run, flat, tracked
from kerasbook.training import read_history
from kerasbook.validation import nearest
from kerasbook.verdicts import (
    OUTSIDE,
    Row,
    Verdict,
    decimals,
    direction,
    judge,
    largest_change,
    paired_effect,
    read_ledger,
)

EDITION_NOTES = {
    "bundled": "This is the bundled edition: its numbers come from small data sets that the "
    "installed libraries carry, not from the tutorial's data, and reproduce nothing.",
    "smoke": "This is the smoke edition: its numbers come from a cut of small bundled data, made "
    "to test the workflow, and reproduce nothing.",
}
NOT_RUN = "(not run)"
# So near to a half is the balanced accuracy of a run that gives (nearly) one answer to all.
COLLAPSED = 1e-3
# The records of a chapter's data sets, beside its page.
DATA_RECORDS = "data.json"
# Experiment -> metric -> epoch -> printed value.
PrintedHistory = dict[str, dict[str, dict[int, float]]]
TABLE_COLUMNS = [
    "id", "printed", "mean", "sd", "n_seeds", "verdict", "reason", "cause", "run_ids", "lower",
    "upper", "p", "ours", "baseline", "baseline_name", "peer", "peer_source", "kind", "line",
    "command",
]  # fmt: skip


@dataclass(frozen=True)
class ChapterFigure:
    """A figure of a chapter's page: what it shows, in words for who sees it and who does not."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Any


class Results:
    """What the runs of a chapter left behind, read when asked for."""

    def __init__(self, snakemake: Any):
        step = step_of(snakemake)
        self.edition = step.edition
        self.slug = step.chapter
        self.id = step.chapter.split("_", 1)[0]
        self.file: dict[str, Any] = snakemake.params.chapter
        self.options: str = snakemake.params.options
        self.experiments: dict[str, dict[str, Any]] = snakemake.params.experiments
        self.folder = Path(snakemake.input.metrics[0]).parents[1]
        # Experiment -> why it was not run, and ledger row -> why there is no number for it.
        self.sweeps: list[dict[str, Any]] = snakemake.params.sweeps
        self.absent: dict[str, str] = snakemake.params.absent
        self.reasons: dict[str, str] = snakemake.params.reasons
        self.metrics = self._of_each("metrics.json")
        self.evaluated = self._of_each("evaluate.json")
        self.about = [read_json(file) for file in snakemake.input.about]
        names = [about["dataset"] for about in self.about]
        self._data_files = dict(zip(names, snakemake.input.data, strict=True))
        self._used = [Path(file) for file in snakemake.input.uses]
        self.ledger = read_ledger(Path(snakemake.input.ledger))

    def _of_each(self, file: str) -> dict[str, dict[str, Any]]:
        return {name: read_json(self.folder / name / file) for name in self.experiments}

    def has(self, experiment: str) -> bool:
        """Whether an experiment was run: one whose data cannot be had may be left out."""
        return experiment in self.experiments

    def those_run(self, names: Iterable[str]) -> list[str]:
        """Those of some experiments that were run."""
        return [name for name in names if self.has(name)]

    def of_task(self, *tasks: str) -> list[str]:
        """The experiments of some tasks that were run, in the order of the chapter's file."""
        return [n for n, one in self.experiments.items() if one["settings"]["task"] in tasks]

    def titles(self, names: Iterable[str]) -> dict[str, str]:
        """Experiment -> its title."""
        return {name: self.experiments[name]["title"] for name in names}

    def printed_history(self, names: Iterable[str] | None = None) -> PrintedHistory:
        """What the tutorial prints by epoch, of some experiments or of all the chapter's.

        Nothing in other editions than the book's, whose data is another. The mean of a part
        of an epoch (`loss_partial`) stands where the epoch's would.
        """
        points: PrintedHistory = {}
        for row in self.ledger if self.edition == "book" else ():
            wanted = names is None or row.experiment in names
            if row.chapter == self.id and wanted and row.epoch.isdigit():
                metric = row.metric.removesuffix("_partial")
                of_metric = points.setdefault(row.experiment, {}).setdefault(metric, {})
                of_metric[int(row.epoch)] = float(row.printed)
        return points

    def run_folder(self, experiment: str, seed: int) -> Path:
        """Where a run's files are."""
        return self.folder / experiment / f"seed{seed}"

    def seeds(self, experiment: str) -> list[int]:
        """The seeds of an experiment."""
        return self.experiments[experiment]["seeds"]

    def record(self, experiment: str, seed: int) -> dict[str, Any]:
        """A run's train.json."""
        return read_json(self.run_folder(experiment, seed) / "train.json")

    def predictions(self, experiment: str, seed: int) -> dict[str, np.ndarray]:
        """A run's predictions."""
        return load_npz(self.run_folder(experiment, seed) / "predictions.npz")

    def history(self, experiment: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Epochs (n_epochs,) and metric -> values (n_seeds, n_epochs)."""
        tables = [
            read_history(self.run_folder(experiment, seed) / "history.tsv")
            for seed in self.seeds(experiment)
        ]
        names = tables[0][1]
        return tables[0][0], {
            name: np.stack([table[name] for _, table in tables]) for name in names
        }

    def value(self, experiment: str, metric: str) -> dict[str, Any]:
        """Mean (NaN if a run diverged), sd (None for one seed) and n of a metric.

        Raises:
            KerasbookError: there is no such experiment or metric.
        """
        told = self._metrics_of(experiment, metric)["summary"].get(metric)
        if told is None:
            raise self._not_there(experiment, metric)
        return {**told, "mean": math.nan if told["mean"] is None else told["mean"]}

    def _metrics_of(self, experiment: str, metric: str) -> dict[str, Any]:
        if experiment not in self.metrics:
            raise self._not_there(experiment, metric)
        return self.metrics[experiment]

    def _not_there(self, experiment: str, metric: str) -> KerasbookError:
        if experiment in self.metrics:
            seeds = self.metrics[experiment]["seeds"].values()
            known = list(dict.fromkeys(key for one in seeds for key in one))
        else:
            known = list(self.metrics)
        missing = metric if experiment in self.metrics else experiment
        return KerasbookError(
            f"{self.slug}: the page asks for {experiment}.{metric}; found no '{missing}'"
            f"{nearest(missing, known)}, expected one that the chapter's runs give."
        )

    def by_seed(self, experiment: str, metric: str) -> dict[int, Any]:
        """A metric's (or a time's) value of each seed that has one; NaN of one that diverged."""
        told = self._metrics_of(experiment, metric)["seeds"]
        if not any(metric in values for values in told.values()):
            told = self.evaluated[experiment]["times"]
        values = {int(seed): one[metric] for seed, one in told.items() if metric in one}
        return {seed: math.nan if one is None else one for seed, one in values.items()}

    def known(self, experiment: str, metric: str) -> dict[int, Any]:
        """`by_seed` of a metric that the chapter's file names.

        Raises:
            KerasbookError: no seed has it, nor the same of another epoch (in an edition with
                fewer epochs the one that is asked for may be missing).
        """
        values = self.by_seed(experiment, metric)
        kinds = {
            key.partition("@")[0]
            for seeds in (self.metrics[experiment]["seeds"], self.evaluated[experiment]["times"])
            for one in seeds.values()
            for key in one
        }
        if not values and not ("@" in metric and metric.partition("@")[0] in kinds):
            raise self._not_there(experiment, metric)
        return values

    def used(self, chapter: str, experiment: str) -> dict[str, Any]:
        """The metrics file of another chapter's experiment that this chapter `uses`."""
        for path in self._used:
            if path.parts[-3].startswith(f"{chapter}_") and path.parts[-2] == experiment:
                return read_json(path)
        raise KerasbookError(
            f"config/chapters/{self.id}.yaml: uses: found no {chapter}, expected it there, since "
            f"{self.slug} compares with its experiment {experiment}."
        )

    def data_of(self, dataset: str) -> dict[str, np.ndarray] | None:
        """The arrays of a data set of the chapter; None where it cannot be had."""
        file = self._data_files.get(dataset)
        return None if file is None else load_npz(file)

    def about_of(self, dataset: str | None = None) -> dict[str, Any] | None:
        """What is known of a data set, or of the chapter's first; None where there is none."""
        wanted = (about for about in self.about if dataset in (None, about["dataset"]))
        return next(wanted, None)

    @cached_property
    def data(self) -> dict[str, np.ndarray]:
        """The arrays of the chapter's first data set."""
        return load_npz(next(iter(self._data_files.values())))


def rerun_command(results: Results, target: str, stage: str = "train") -> str:
    """The one line that makes a target anew: from a stage on, with this configuration."""
    return forced_command(results.options, results.id, target, stage)


def forced_command(options: str, chapter: str, target: str, stage: str = "train") -> str:
    """The line that makes a target of a chapter (`ch07`) anew, from a stage on."""
    return f"snakemake {options} --forcerun {chapter}_{stage} -- {target}"


@dataclass(frozen=True)
class _Answer:
    """Where our value of a ledger row comes from."""

    values: dict[int, Any]
    runs: list[str]
    command: str
    experiment: str | None = None
    printed_seed: int | None = None


def _of_data(results: Results, row: Row) -> _Answer | None:
    """The answer of a row that preprocessing tells; None for a row that it does not."""
    named = "data" if row.experiment == "data" else results.file["facts"].get(row.experiment)
    about = results.about_of(None if named == "data" else named) if named else None
    if about is None or row.key not in about["facts"]:
        return None
    target = f"data/processed/{results.edition}/{results.slug}/{about['dataset']}.npz"
    command = rerun_command(results, target, "preprocess")
    return _Answer({0: about["facts"][row.key]}, [about["run_id"]], command)


def _of_experiment(results: Results, row: Row) -> _Answer:
    """The answer of a row that runs tell, of the experiment of its name or another."""
    name, _, key = results.file["answers"].get(row.name, row.name).partition(".")
    command = rerun_command(results, f"{results.folder.as_posix()}/{name}/metrics.json")
    if name not in results.experiments:  # left out for want of data; with it, this runs it
        return _Answer({}, [], command if name in results.absent else "")
    told = results.experiments[name]
    renamed = row.name in results.file["answers"]
    values = (results.known if renamed else results.by_seed)(name, key)
    if row.kind == "seeded" and told["printed_seed"] in values:
        values = {told["printed_seed"]: values[told["printed_seed"]]}
    runs = results.evaluated[name]["run_ids"]
    return _Answer(
        values, [runs[str(seed)] for seed in values], command, name, told["printed_seed"]
    )


def _beside(results: Results, row: Row, experiment: str | None) -> dict[str, Any]:
    """The baseline and the peer figure of a row, where its metric has one."""
    out: dict[str, Any] = {"baseline": None, "baseline_name": None, "peer": None,
                           "peer_source": None}  # fmt: skip
    baselines = results.file["baselines"]
    entry = baselines.get(f"{row.experiment}.{row.metric}") or baselines.get(row.metric)
    if entry and experiment is not None:
        found = results.metrics[experiment]["summary"].get(entry["metric"])
        if found:
            out |= {"baseline": found["mean"], "baseline_name": entry["name"]}
    peers = results.file["peers"]
    peer = peers.get(f"{row.experiment}.{row.key}") or peers.get(row.metric)
    if peer:
        out |= {"peer": peer["value"], "peer_source": peer["source"]}
    return out


def printed_of(row: Row) -> dict[str, Any]:
    """What the ledger says of a number, under the names of the pages."""
    return {
        "id": row.id,
        "chapter": row.chapter,
        "experiment": row.experiment,
        "metric": row.metric,
        "epoch": row.epoch,
        "printed": row.printed,
        "line": row.line,
        "kind": row.kind,
    }


def causes_of(chapter: Mapping[str, Any]) -> dict[str, str]:
    """Ledger row without its chapter -> why it lies outside, from a chapter's file."""
    return {row: one["cause"] for one in chapter["causes"] for row in one["rows"]}


def judged_rows(results: Results) -> list[dict[str, Any]]:
    """Every printed number of the chapter, judged."""
    rows = []
    causes = causes_of(results.file)
    for row in results.ledger:
        if row.chapter != results.id:
            continue
        answer = _of_data(results, row) or _of_experiment(results, row)
        verdict = judge(row, answer.values, answer.printed_seed)
        if row.id in results.reasons:
            verdict = Verdict("not run", results.reasons[row.id])
        elif results.edition != "book":
            verdict = Verdict(
                "not run", f"the {results.edition} edition stands on other data",
                verdict.mean, verdict.sd, verdict.n_seeds, None, None, verdict.text,
            )  # fmt: skip
        rows.append(
            {
                **printed_of(row),
                "mean": verdict.mean,
                "sd": verdict.sd,
                "n_seeds": verdict.n_seeds,
                "lower": verdict.lower,
                "upper": verdict.upper,
                "p": verdict.p,
                "ours": verdict.text,
                "verdict": verdict.verdict,
                "reason": verdict.reason,
                "cause": causes.get(row.name) if verdict.verdict in OUTSIDE else None,
                **_beside(results, row, answer.experiment),
                "run_ids": answer.runs,
                "command": answer.command,
            }
        )
    return rows


def write_rows(
    path: str | Path, rows: Sequence[dict[str, Any]], columns: Sequence[str] = TABLE_COLUMNS
) -> None:
    """Write judged rows as a table."""
    write_table(path, columns, ({**row, "run_ids": ",".join(row["run_ids"])} for row in rows))


def write_table(
    path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write rows as a tab-separated table, every digit kept, empty where there is no value."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (row[key] for key in columns)
        writer.writerow(["" if one is None else one for one in values])
    write_text(path, text.getvalue())


def _experiments(results: Results) -> list[dict[str, Any]]:
    out = []
    for name, told in results.experiments.items():
        records = [results.record(name, seed) for seed in told["seeds"]]
        summary = results.metrics[name]["summary"]
        shown = [key for key in results.file["shown_metrics"] if key in summary]
        target = f"{results.folder.as_posix()}/{name}/metrics.json"
        out.append(
            {
                "name": name,
                "title": told["title"],
                "variant": told["variant"],
                "seeds": told["seeds"],
                "settings": flat(told["settings"]),
                "parameters": records[0].get("parameters"),
                "seconds": float(np.mean([one["seconds"] for one in records])),
                "peak_mb": max(one["peak_memory_mb"] for one in records),
                "metrics": [{"name": key, **summary[key]} for key in shown],
                "skill": skill(summary),
                "linear": name in results.file["linear"],
                "command": rerun_command(results, target),
            }
        )
    return out


def _sweeps(results: Results) -> list[dict[str, Any]]:
    """The chapter's sweeps: what runs each, and where its page will then be."""
    return [
        one | {"command": f"snakemake {results.options} -- {one['target']}"}
        for one in results.sweeps
    ]


def _faults(results: Results) -> list[dict[str, Any]]:
    out = []
    for fault in results.file["faults"]:
        both = list(dict.fromkeys((fault["as_printed"], fault["corrected"])))
        files = " ".join(f"{results.folder.as_posix()}/{name}/metrics.json" for name in both)
        command = rerun_command(results, files)
        missing = [name for name in both if not results.has(name)]
        if missing:
            why = results.absent.get(missing[0], "it was not run")
            empty = dict.fromkeys(("before", "after", "effect", "lower", "upper"))
            text = not_measured(missing[0], why)
            out.append({**fault, **empty, "n": 0, "text": text, "command": command})
            continue
        before = results.known(fault["as_printed"], fault["metric"])
        after = results.known(fault["corrected"], fault["repaired_metric"] or fault["metric"])
        effect = paired_effect(before, after, largest_change(fault["metric"]))
        if effect["effect"] is None:
            text = "The two experiments share no seed that ended well, so nothing can be paired."
        elif effect["lower"] is None:
            text = "One seed only: the change has no interval."
        elif effect["lower"] <= 0 <= effect["upper"]:
            text = "The interval holds zero: these seeds do not show that the fault costs anything."
        else:
            text = "The interval does not hold zero: the fault changes this number."
            if effect["effect"] * direction(fault["metric"]) < 0:
                text += " By this number alone the repair makes it worse."
        text += _collapsed(results, fault["corrected"])
        out.append({**fault, **effect, "text": text, "command": command})
    return out + [unpriced(fault) for fault in results.file["unpriced"]]


def unpriced(fault: Mapping[str, str]) -> dict[str, Any]:
    """A fault that no number tells the cost of, in the form of the others."""
    empty = dict.fromkeys(
        ("metric", "repaired_metric", "before", "after", "effect", "lower", "upper", "as_printed",
         "corrected", "command")
    )  # fmt: skip
    told = {key: fault[key] for key in ("id", "printed", "wrong")}
    return {**told, **empty, "n": 0, "text": f"Not measured: {fault['why']}"}


def not_measured(experiment: str, why: str) -> str:
    """What is said of a fault whose experiment was left out."""
    return f"Not measured: {experiment} was left out ({why})."


def _collapsed(results: Results, experiment: str) -> str:
    """A sentence on seeds that ended at a trivial rule where others did not.

    A mean over two heaps says little. A trivial rule's balanced accuracy is a half, to the digit.
    """
    values = results.by_seed(experiment, "balanced_accuracy").values()
    lost = sum(math.isnan(value) or abs(value - 0.5) < COLLAPSED for value in values)
    if not 0 < lost < len(values):
        return ""
    return (
        f" {lost} of the {len(values)} corrected seeds ended no better than a trivial rule "
        "(balanced accuracy of a half), so mean and interval stand for two kinds of runs."
    )


def benchmark(path: Path) -> dict[str, float | None]:
    """Seconds and peak memory (MiB) of a job, as Snakemake measured them; NA for a short job."""

    def number(text: str | None) -> float | None:
        try:
            return float(text)
        except (TypeError, ValueError):
            return None

    with open(path, encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"), {})
    return {"seconds": number(row.get("s")), "peak_mb": number(row.get("max_rss"))}


def _jobs(results: Results) -> list[dict[str, Any]]:
    """Time, memory, run and record (a path from the page's) of every job of the chapter so far."""
    folder = results.folder / "benchmarks"
    jobs = []
    for about in results.about:
        jobs.append(("preprocess", about["dataset"], None, about["run_id"], DATA_RECORDS,
                     folder / "preprocess" / f"{about['dataset']}.tsv"))  # fmt: skip
    for name, told in results.experiments.items():
        for seed in told["seeds"]:
            run_id = results.evaluated[name]["run_ids"][str(seed)]
            jobs.append(("train", name, seed, run_id, f"{name}/seed{seed}/train.json",
                         folder / "train" / f"{name}.seed{seed}.tsv"))  # fmt: skip
        evaluate_id = results.evaluated[name]["evaluate_run_id"]
        jobs.append(("evaluate", name, None, evaluate_id, f"{name}/evaluate.json",
                     folder / "evaluate" / f"{name}.tsv"))  # fmt: skip
    out = []
    for stage, name, seed, run_id, record, path in jobs:
        measured = benchmark(path) if path.exists() else {"seconds": None, "peak_mb": None}
        if stage == "train" and measured["peak_mb"] is None:
            measured["peak_mb"] = results.record(name, seed)["peak_memory_mb"]
        out.append({"rule": f"{results.id}_{stage}", "experiment": name, "seed": seed,
                    **measured, "run_id": run_id, "record": record})  # fmt: skip
    return out


def _made_here(about: dict[str, Any]) -> dict[str, Any]:
    """What stands for the files of a data set that has none: the arrays' own digest."""
    return {
        "file": "made from installed libraries",
        "bytes": None,
        "sha256": None,
        "content_sha256": about["digest"],
        "source": "installed libraries",
    }


def downloads(records: Iterable[str | Path]) -> list[dict[str, Any]]:
    """What the page tells of files that runs read as they were downloaded, such as weights.

    Args:
        records: those of the downloads.
    """
    catalogue = load_catalogue(Path("config/datasets.yaml"))
    rows = []
    for record in map(read_json, records):
        about = catalogue.get(record["dataset"])
        rows.append(
            {
                "dataset": record["dataset"],
                "digest": record["content_sha256"],
                "title": about.title,
                "licence": about.licence,
                "citation": about.citation,
                "file": record["file"],
                "bytes": record["bytes"],
                "sha256": record["sha256"],
                "content_sha256": record["content_sha256"],
                "source": record["source"],
            }
        )
    return rows


def gpus_told(records: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What runs asked for and used of GPUs; None where they did neither.

    Args:
        records: of the runs, `train.json`.

    Returns:
        `asked` (how many runs), `used` (device -> how many runs), and over those that were
        looked at `memory_mb` (the most, MiB) and `utilisation` (the mean, %), else None.
    """
    told = [one for one in records if one.get("gpu")]
    if not told:
        return None
    measured = [one["gpu"] for one in told if "memory_mb" in one["gpu"]]
    return {
        "asked": sum(one["gpu"]["asked"] > 0 for one in told),
        "used": dict(Counter(one["device"] for one in told)),
        "memory_mb": max((one["memory_mb"] for one in measured), default=None),
        "utilisation": float(np.mean([one["utilisation"] for one in measured]))
        if measured
        else None,
    }


def _provenance(results: Results, snakemake: Any, run: Run) -> dict[str, Any]:
    head, dirty = provenance.commit()
    report = {"run_id": run.id, **run.record()}
    return {
        "generated": provenance.now(),
        "commit": head,
        "dirty": dirty,
        "tracking_uri": read_json(snakemake.params.tracking)["uri"],
        "mlflow_experiment": f"{results.edition}/{results.slug}",
        "mlflow_experiment_id": report["mlflow_experiment_id"],
        "machine": provenance.machine(),
        "gpu": gpus_told(
            results.record(name, seed)
            for name, told in results.experiments.items()
            for seed in told["seeds"]
        ),
        "versions": provenance.versions(),
        "data": [
            {
                "dataset": about["resolved"],
                "digest": about["digest"],
                "title": about["title"],
                "licence": about["licence"],
                "citation": about["citation"],
                **file,
            }
            for about in results.about
            for file in about["files"] or [_made_here(about)]
        ]
        + downloads(snakemake.input.raw_records),
        "steps": _jobs(results),
        "report": report,
    }


def render_text(path: Path, results: Results) -> str:
    """A chapter's text with its numbers filled in from the results and the ledger.

    The text may say `{{ ours('conv', 'test_accuracy') }}` (mean ± standard deviation over
    seeds, with the ledger's decimals or those given), `{% if mean('a', 'test_loss') < 1 %}`
    (the mean as a number, NaN where it was not run), `{{ printed_seed('ann', 'error@1') }}`
    (the value of the seed that the tutorial fixed, or as `ours` where it was not run),
    `{{ printed('ch07.conv.test_accuracy') }}`, `{{ setting('conv', 'epochs') }}`,
    `{{ fact('n_rows') }}` (of the first data set, or of the one that it names) and
    `{{ quoted('lstm', 'sample') }}` (a metric that is a text, as a block of its own); and
    `{% if edition == 'book' %}` around what only the tutorial's own data can show. Of an
    experiment that was left out for want of data they say `(not run)`; `{% if has('vgg16') %}`
    asks.

    Raises:
        KerasbookError: the text asks for a number that there is not.
    """
    import jinja2

    by_id = {row.id: row for row in results.ledger}

    def printed(row_id: str) -> str:
        if row_id not in by_id:
            raise KerasbookError(f"{path}: asks for the ledger row {row_id}; there is none.")
        return by_id[row_id].printed

    def shown(experiment: str, metric: str, value: float, digits: int | None) -> str:
        row = by_id.get(f"{results.id}.{experiment}.{metric}")
        places = digits if digits is not None else (decimals(row.printed) if row else 4)
        grouping = "," if abs(value) >= 10_000 else ""
        return f"{value:{grouping}.{places}f}"

    def left_out(experiment: str) -> bool:
        return experiment in results.absent

    def ours(experiment: str, metric: str, digits: int | None = None) -> str:
        if left_out(experiment):
            return NOT_RUN
        first = next(iter(results.by_seed(experiment, metric).values()), None)
        if isinstance(first, str):  # a shape, say, which has no mean
            return first
        told = results.value(experiment, metric)
        middle = shown(experiment, metric, told["mean"], digits)
        if not told["sd"]:  # one seed, or a number that no seed changes
            return middle
        return f"{middle} ± {shown(experiment, metric, told['sd'], digits)}"

    def mean(experiment: str, metric: str) -> float:
        return math.nan if left_out(experiment) else results.value(experiment, metric)["mean"]

    def printed_seed(experiment: str, metric: str, digits: int | None = None) -> str:
        seed = None if left_out(experiment) else results.experiments[experiment]["printed_seed"]
        if seed is None:
            return ours(experiment, metric, digits)
        return shown(experiment, metric, results.by_seed(experiment, metric)[seed], digits)

    def setting(experiment: str, name: str) -> str:
        if left_out(experiment):
            return NOT_RUN
        try:
            told = results.experiments[experiment]["settings"]
            return str(reduce(getitem, name.split("."), told))
        except (KeyError, TypeError) as error:
            raise KerasbookError(
                f"{path}: asks for the setting {name} of {experiment}; there is none."
            ) from error

    def fact(name: str, dataset: str | None = None) -> str:
        about = results.about_of(dataset)
        if about is None:
            return NOT_RUN
        value = about["facts"][name]
        return f"{value:,}" if isinstance(value, int) else str(value)

    def quoted(experiment: str, metric: str) -> str:
        if left_out(experiment):
            return NOT_RUN
        told = str(next(iter(results.by_seed(experiment, metric).values())))
        # No run of backticks in the text can end the block.
        fence = "`" * (2 + max([1, *map(len, re.findall("`+", told))]))
        return f"\n{fence}\n{told}\n{fence}\n"

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    # Figures are placed by the page, which knows them: {{figure:NAME}} passes through.
    source = path.read_text(encoding="utf-8").replace("{{figure:", "\0figure:")
    try:
        text = environment.from_string(source).render(
            printed=printed,
            ours=ours,
            mean=mean,
            printed_seed=printed_seed,
            setting=setting,
            fact=fact,
            quoted=quoted,
            has=results.has,
            edition=results.edition,
        )
    except jinja2.TemplateError as error:
        raise KerasbookError(f"{path}: {error}; correct the text.") from error
    return text.replace("\0figure:", "{{figure:")


def as_rst(text: str) -> str:
    """A text for a caption of `snakemake --report`, which reads RST as a template of Jinja.

    A sign that either could take for its own has a backslash before it.
    """
    return re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(text.split()))


def _caption(figure: ChapterFigure, results: Results) -> str:
    of = f"Chapter {results.file['number']}, {results.file['title']}, {results.edition} edition."
    return f"**{as_rst(figure.title)}** {as_rst(figure.caption)}\n\n{as_rst(of)}\n"


def write_report(snakemake: Any, figures_of: Callable[[Results], list[ChapterFigure]]) -> None:
    """Write a chapter's page, its data, its table of verdicts and its figures.

    Args:
        figures_of: the chapter's own part: its figures, named as its rule's outputs are.
    """
    from kerasbook import html, plots

    step = step_of(snakemake)
    results = Results(snakemake)
    digests = {about["dataset"]: about["digest"] for about in results.about}
    with tracked(snakemake.params.tracking, step, digests) as run:
        shown = []
        for one in figures_of(results):
            path = Path(snakemake.output[f"figure_{one.name}"])
            plots.save_svg(one.figure, path, one.title)
            write_text(path.with_suffix(".rst"), _caption(one, results))
            shown.append({"name": one.name, "title": one.title, "caption": one.caption,
                          "alt": one.alt, "file": f"figures/{path.name}"})  # fmt: skip
            run.artifact(path, "figures")
        telling = results.file["telling_figure"]
        if telling not in (names := [one["name"] for one in shown]):
            raise KerasbookError(
                f"config/chapters/{results.id}.yaml: telling_figure: found '{telling}'"
                f"{nearest(telling, names)}, expected one of the chapter's figures: "
                f"{', '.join(names)}."
            )
        rows = judged_rows(results)
        page = {
            "chapter": results.id,
            "slug": results.slug,
            "number": results.file["number"],
            "title": results.file["title"],
            "summary": results.file["summary"],
            "telling_figure": results.file["telling_figure"],
            "edition": results.edition,
            "edition_note": EDITION_NOTES.get(results.edition),
            "text": render_text(Path(snakemake.input.text), results),
            "verdict_counts": dict(Counter(row["verdict"] for row in rows)),
            "rows": rows,
            "experiments": _experiments(results),
            "sweeps": _sweeps(results),
            "absent": results.absent,
            "figures": shown,
            "faults": _faults(results),
            "provenance": _provenance(results, snakemake, run),
        }
        folder = Path(snakemake.output.html).parent
        write_text(snakemake.output.html, html.render_chapter(page, folder))
        write_json(snakemake.output.page, page)
        # The results folder is to tell of its numbers wherever it is carried.
        write_json(snakemake.output.data, {about["dataset"]: about for about in results.about})
        write_rows(snakemake.output.table, rows)
        run.artifact(snakemake.output.html)
        run.artifact(snakemake.output.table)
        counts = {
            f"verdict_{key.replace(' ', '_')}": n for key, n in page["verdict_counts"].items()
        }
        run.metrics(counts)
