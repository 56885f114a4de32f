"""Which file comes from which: the paths of the workflow, and the inputs of its rules.

Rules ask this module, so that a path is written down once and tested without Snakemake.
"""

import ast
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kerasbook.catalogue import Catalogue
from kerasbook.configuration import BaseExperiment, Chapter, KerasExperiment, Settings
from kerasbook.editions import configfile
from kerasbook.sweeps import PATTERN, Sweep
from kerasbook.verdicts import Row, read_ledger

WORKFLOW = Path("workflow")
STAGES = ("download", "preprocess", "train", "evaluate", "report")


@functools.cache
def _imports(path: Path) -> frozenset[Path]:
    """The project's own files that a Python file imports, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            file = WORKFLOW.joinpath(*name.split(".")).with_suffix(".py")
            if name.split(".")[0] in ("kerasbook", "chapters") and file.is_file():
                found.add(file)
    return frozenset(found)


@functools.cache
def code_of(script: Path) -> tuple[str, ...]:
    """The project's files that a script imports, directly or not; not the script itself.

    Snakemake sees a change of the script and not of what it imports: as inputs of the
    rule, these files make it run again, so that no result is older than its code.
    """
    seen: set[Path] = set()
    waiting = [script]
    while waiting:
        for file in _imports(waiting.pop()) - seen:
            seen.add(file)
            waiting.append(file)
    return tuple(sorted(str(file) for file in seen if file != script))


def code_of_point(chapter: str) -> tuple[str, ...]:
    """The files that the job of a sweep's point runs: the chapter's scripts, what those import.

    Args:
        chapter: its slug.
    """
    room = WORKFLOW / "chapters" / chapter
    scripts = [room / "train.py", room / "evaluate.py"]
    files = {str(one) for one in scripts}.union(*map(code_of, scripts))
    return tuple(sorted(files.union(code_of(WORKFLOW / "scripts" / "sweep_point.py"))))


def _without(
    chapters: Mapping[str, Chapter], missing: Mapping[str, str]
) -> tuple[dict[str, Chapter], dict[str, dict[str, str]]]:
    """Chapters less the experiments and sweeps whose data is missing; and why.

    Returns:
        The chapters, and chapter -> experiment -> why it was left out.
    """
    kept, absent = {}, {}
    for name, entry in chapters.items():
        why = {}
        for experiment in entry.experiments:
            reasons = [missing[one] for one in entry.needs(experiment) if one in missing]
            if reasons:
                why[experiment] = "; ".join(reasons)
        left = {key: one for key, one in entry.experiments.items() if key not in why}
        sweeps = {
            key: one for key, one in entry.sweeps.items() if missing.keys().isdisjoint(one.needs())
        }
        kept[name] = Chapter(entry.slug, entry.file, left, sweeps)
        absent[name] = why
    return kept, absent


class Plan:
    """The paths of one edition.

    Methods that take `wildcards` are input functions of Snakemake's rules.

    Args:
        missing: data set -> why it cannot be had. Experiments that need one are left out.
    """

    def __init__(
        self, settings: Settings, catalogue: Catalogue, missing: Mapping[str, str] | None = None
    ):
        self.settings = settings
        self.catalogue = catalogue
        self.missing = dict(missing or {})
        self.chapters, self.absent = _without(settings.chapters, self.missing)
        self.selected = [one for one in settings.selected if self.chapters[one].experiments]
        self.edition = settings.config.edition
        self.results = f"results/{self.edition}"
        self.tracking = f"{self.results}/tracking.json"
        self.journals = f"{self.results}/journal"
        self.chapter_results = f"{self.results}/{{chapter}}"
        self.experiment = f"{self.chapter_results}/{{experiment}}"
        self.run = f"{self.experiment}/seed{{seed}}"
        self.sweep = f"{self.chapter_results}/sweeps/{{sweep}}"
        self.point = f"{self.sweep}/{PATTERN}/seed{{seed}}.json"
        self.processed = f"data/processed/{self.edition}/{{chapter}}/{{dataset}}"
        self.logs = f"logs/{self.edition}/{{chapter}}"
        self.benchmarks = f"{self.chapter_results}/benchmarks"
        self.page_files = {
            "html": f"{self.chapter_results}/report.html",
            "page": f"{self.chapter_results}/report.json",
            "table": f"{self.chapter_results}/reproduction.tsv",
            "data": f"{self.chapter_results}/data.json",
        }

    def chapter(self, slug: str) -> Chapter:
        """The chapter of an id (ch07) or a slug."""
        return self.chapters[slug.split("_", 1)[0]]

    def _experiment(self, wildcards: Any) -> BaseExperiment:
        """The experiment of a job, or the point of a sweep that it runs."""
        if hasattr(wildcards, "point"):
            sweep = self.sweep_of(wildcards)
            return sweep.points[wildcards.point].experiment
        return self.chapter(wildcards.chapter).experiments[wildcards.experiment]

    def code(self, step: str) -> Any:
        """An input function: the library's files that the chapter's script of a step imports."""

        def files(wildcards: Any) -> list[str]:
            return list(code_of(WORKFLOW / "chapters" / wildcards.chapter / f"{step}.py"))

        return files

    def raw_files(self, wildcards: Any) -> list[str]:
        """The downloaded files of a data set and their records; none for a bundled one."""
        files = self._downloads(wildcards.dataset)
        return files + [f"{file}.json" for file in files]

    def dataset_of(self, wildcards: Any) -> dict[str, Any]:
        """What a data set's content depends on: a new address or licence re-runs nothing."""
        name = self.catalogue.resolve(wildcards.dataset, self.edition)
        entry = self.catalogue.get(name)
        return {"name": name, "kind": entry.kind, "content": entry.digests()}

    def data_of(self, wildcards: Any) -> dict[str, str]:
        """The processed data of an experiment: `data` (arrays) and `about` (digest, facts)."""
        experiment = self._experiment(wildcards)
        stem = self.processed.format(chapter=wildcards.chapter, dataset=experiment.dataset)
        return {"data": f"{stem}.npz", "about": f"{stem}.json"}

    def raw_of(self, wildcards: Any) -> list[str]:
        """The files that an experiment's runs read as they are; none for a bundled data set."""
        experiment = self._experiment(wildcards)
        return [file for name in experiment.raw_data() for file in self._downloads(name)]

    def raw_records_of(self, wildcards: Any) -> list[str]:
        """The records of the downloads of `raw_of`, in the same order."""
        return [f"{file}.json" for file in self.raw_of(wildcards)]

    def start_of(self, wildcards: Any) -> list[str]:
        """The model folder that an experiment's runs start from; none for most experiments."""
        chapter = self.chapter(wildcards.chapter)
        start = chapter.experiments[wildcards.experiment].starts_from()
        if start is None:
            return []
        seed = self.settings.seeds(chapter.id, start[0])[0]
        run = self.run.format(chapter=chapter.slug, experiment=start[0], seed=seed)
        return [f"{run}/model"]

    def _downloads(self, dataset: str) -> list[str]:
        """The downloaded files of what stands for a data set in this edition."""
        name = self.catalogue.resolve(dataset, self.edition)
        return [f"data/raw/{name}/{file.name}" for file in self.catalogue.get(name).files]

    def settings_of(self, wildcards: Any) -> dict[str, Any]:
        """What an experiment's numbers depend on, as plain values."""
        return self._settings(self._experiment(wildcards))

    def _settings(self, experiment: BaseExperiment) -> dict[str, Any]:
        """An experiment's settings, and the backend of Keras where it is not the usual one."""
        backend = self.settings.config.backend
        if backend == "tensorflow" or not isinstance(experiment, KerasExperiment):
            return experiment.settings()
        return {**experiment.settings(), "backend": backend}

    def gpu_of(self, wildcards: Any) -> int:
        """The GPUs that a training asks for: one if it can use it and the environment has it."""
        experiment = self._experiment(wildcards)
        config = self.settings.config
        wanted = config.environment == "gpu" or config.require_gpu
        return int(wanted and isinstance(experiment, KerasExperiment))

    def libraries_of(self, rule: str, wildcards: Any) -> str:
        """What a job of this machine imports: a key of `kerasbook.fork_server.LIBRARIES`.

        Where a GPU is used, TensorFlow is not imported ahead of the job that has it.
        """
        config = self.settings.config
        trains = rule == "sweep_point" or rule.endswith("_train")
        usual = config.backend == "tensorflow" and config.environment == "cpu"
        return self._experiment(wildcards).libraries if trains and usual else "plain"

    def labels_of(self, wildcards: Any) -> dict[str, str]:
        """How an experiment is called."""
        experiment = self.chapter(wildcards.chapter).experiments[wildcards.experiment]
        return {"title": experiment.title, "variant": experiment.variant}

    def runs_of(self, wildcards: Any) -> dict[str, list[str]]:
        """What the runs of an experiment wrote, in the order of its seeds."""
        names = {
            "records": "train.json",
            "histories": "history.tsv",
            "predictions": "predictions.npz",
        }
        of = {"chapter": wildcards.chapter, "experiment": wildcards.experiment}
        seeds = self.settings.seeds(**of)
        folders = [self.run.format(**of, seed=seed) for seed in seeds]
        return {key: [f"{folder}/{name}" for folder in folders] for key, name in names.items()}

    # ------------------------------------------------------------------------------- sweeps

    def sweep_of(self, wildcards: Any) -> Sweep:
        """The sweep of a job."""
        return self.chapter(wildcards.chapter).sweeps[wildcards.sweep]

    def values_of(self, wildcards: Any) -> dict[str, Any]:
        """What a sweep chose for a point, as it is shown."""
        return dict(self.sweep_of(wildcards).points[wildcards.point].values)

    def code_of_point(self, wildcards: Any) -> list[str]:
        """The files that a point's job runs; see the function."""
        return list(code_of_point(wildcards.chapter))

    def points_of(self, wildcards: Any) -> list[str]:
        """What the runs of a sweep's points wrote."""
        sweep = self.sweep_of(wildcards)
        folder = self.sweep.format(chapter=wildcards.chapter, sweep=wildcards.sweep)
        return [
            f"{folder}/{point}/seed{seed}.json"
            for point in sweep.space.instance_patterns
            for seed in sweep.entry.seeds
        ]

    def sweep_targets(self, chapters: Iterable[str]) -> list[str]:
        """The pages of the sweeps of some chapters."""
        return [
            self.sweep.format(chapter=self.chapters[one].slug, sweep=name) + ".html"
            for one in chapters
            for name in self.chapters[one].sweeps
        ]

    def sweeps_table(self, chapter: str) -> list[dict[str, Any]]:
        """What a chapter's page says of its sweeps, which may not have been run yet."""
        return [
            {
                "name": name,
                "title": one.entry.title,
                "of": one.entry.of,
                "keys": [key.name for key in one.keys],
                "n_runs": len(one.points) * len(one.entry.seeds),
                "target": f"{self.sweep.format(chapter=chapter, sweep=name)}.html",
            }
            for name, one in self.chapter(chapter).sweeps.items()
        ]

    def experiments_table(self, chapter: str) -> dict[str, dict[str, Any]]:
        """Each experiment of a chapter: its labels, settings, seeds and printed seed."""
        entry = self.chapter(chapter)
        return {
            name: {
                "title": one.title,
                "variant": one.variant,
                "settings": self._settings(one),
                "seeds": self.settings.seeds(chapter, name),
                "printed_seed": one.printed_seed,
            }
            for name, one in entry.experiments.items()
        }

    def metrics_of(self, chapter: str) -> list[str]:
        """The metrics files of all experiments of a chapter."""
        entry = self.chapter(chapter)
        return [
            self.experiment.format(chapter=entry.slug, experiment=name) + "/metrics.json"
            for name in entry.experiments
        ]

    def report_inputs(self, wildcards: Any) -> dict[str, Any]:
        """All that a chapter's page shows."""
        entry = self.chapter(wildcards.chapter)
        metrics = self.metrics_of(entry.slug)
        inputs: dict[str, Any] = {
            "metrics": metrics,
            "evaluated": [str(Path(file).with_name("evaluate.json")) for file in metrics],
        }
        raw_records: dict[str, None] = {}  # each once, however many experiments read it
        for name in entry.experiments:
            of = SimpleNamespace(chapter=entry.slug, experiment=name)
            for key, files in self.runs_of(of).items():
                inputs.setdefault(key, []).extend(files)
            raw_records |= dict.fromkeys(self.raw_records_of(of))
        inputs["raw_records"] = list(raw_records)
        stems = [self.processed.format(chapter=entry.slug, dataset=one) for one in entry.datasets]
        inputs["data"] = [f"{stem}.npz" for stem in stems]
        inputs["about"] = [f"{stem}.json" for stem in stems]
        inputs["uses"] = [file for used in entry.file.uses for file in self.metrics_of(used)]
        inputs["text"] = str(WORKFLOW / "chapters" / entry.slug / "text.md")
        inputs["ledger"] = "config/published.tsv"
        inputs["templates"] = self.templates()
        return inputs

    def templates(self) -> list[str]:
        """The files that the pages are rendered from."""
        folder = WORKFLOW / "kerasbook" / "templates"
        return sorted(str(path) for path in folder.iterdir() if path.is_file())

    def sources(self) -> list[str]:
        """The project's files that another machine needs to make these results anew.

        The configuration's own files are not among them: they may hold passwords.
        """
        folders = [WORKFLOW, Path("config/chapters"), Path("envs"), Path("profiles")]
        names = ["Snakefile", "Makefile", "README.md", "LICENSE", "CITATION.cff", "pyproject.toml",
                 "config/datasets.yaml", "config/published.tsv"]  # fmt: skip
        found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        found += [path for path in map(Path, names) if path.is_file()]
        left_out = ("__pycache__", ".")
        return sorted(
            path.as_posix()
            for path in found
            if not any(part.startswith(left_out) for part in path.parts)
        )

    def configuration(self) -> dict[str, Any]:
        """All that the configuration says, less the places that are a machine's own."""
        own = {"mirror", "tracking_uri"}
        return self.settings.config.model_dump(mode="json", exclude=own)

    def page(self, chapter: str) -> dict[str, str]:
        """The files of a chapter's page: it, its data, its table, the records of its data sets."""
        slug = self.chapter(chapter).slug
        return {key: path.format(chapter=slug) for key, path in self.page_files.items()}

    def targets(self, stage: str, chapter: str) -> list[str]:
        """What a stage (preprocess, train, evaluate, report) makes for a chapter."""
        entry = self.chapter(chapter)
        if stage == "report":
            return list(self.page(chapter).values())
        if stage == "evaluate":
            return self.metrics_of(chapter)
        if stage == "train":
            return [
                file
                for name in entry.experiments
                for file in self.runs_of(SimpleNamespace(chapter=entry.slug, experiment=name))[
                    "records"
                ]
            ]
        stems = [self.processed.format(chapter=entry.slug, dataset=one) for one in entry.datasets]
        if stage == "preprocess":
            return [f"{stem}.npz" for stem in stems]
        return [
            file
            for dataset in dict.fromkeys(
                one for name in entry.experiments for one in entry.needs(name)
            )
            for file in self.raw_files(SimpleNamespace(dataset=dataset))
        ]

    def all_targets(self, stage: str) -> list[str]:
        """What a stage makes for the selected chapters."""
        return [file for one in self.selected for file in self.targets(stage, one)]

    def overview(self) -> list[dict[str, Any]]:
        """The chapters that are run, how many jobs each stage has, and what binds them.

        Returns:
            For each chapter `number`, `title`, `jobs` (stage -> count; a download counts in
            every chapter that needs it), `uses` (the numbers of the chapters whose results its
            page compares with) and `starts` (how many experiments start from another's model).
        """
        used = {one for name in self.selected for one in self.chapters[name].file.uses}
        run = [name for name in self.chapters if name in self.selected or name in used]
        chapters = []
        for name in run:
            entry = self.chapters[name]
            counts = {stage: len(self.targets(stage, name)) for stage in STAGES}
            counts["download"] //= 2  # a file and its record
            counts["report"] = int(name in self.selected)
            chapters.append(
                {
                    "number": entry.file.number,
                    "title": entry.file.title,
                    "jobs": counts,
                    "uses": [self.chapters[one].file.number for one in entry.file.uses]
                    if name in self.selected
                    else [],
                    "starts": sum(
                        one.starts_from() is not None for one in entry.experiments.values()
                    ),
                }
            )
        return chapters

    def command_options(self) -> str:
        """The options that give another `snakemake` this configuration."""
        from kerasbook.configuration import Config
        from kerasbook.validation import read_yaml

        file = configfile(self.edition)
        usual = Config.model_validate(read_yaml(Path(file)) if file else {})
        ours = self.settings.config
        changed = [
            f"{key}={json.dumps(value).replace(' ', '')}"
            for key in ("seeds", "train_threads", "backend")
            if (value := getattr(ours, key)) != getattr(usual, key)
        ]
        options = ["-c2"]
        options += [f"--configfile {file}"] if file else []
        options += [f"--config {' '.join(changed)}"] if changed else []
        return " ".join(options)

    def reason_of(self, row: Row) -> str | None:
        """Why a number of the ledger cannot be produced for want of data; None where it can."""
        if row.chapter not in self.settings.selected:
            return None
        absent, file = self.absent[row.chapter], self.chapters[row.chapter].file
        answer = file.answers.get(row.name, row.name).partition(".")[0]
        dataset = file.facts.get(row.experiment)
        if dataset in self.missing:
            return self.missing[dataset]
        if not self.chapters[row.chapter].experiments:  # a chapter of which nothing is left
            return next(iter(absent.values()))
        return absent.get(answer)

    def lacking(self) -> dict[str, str]:
        """Id -> why, of the ledger's numbers that cannot be produced for want of data."""
        if not self.missing:
            return {}
        ledger = read_ledger(Path("config/published.tsv"))
        told = {row.id: self.reason_of(row) for row in ledger}
        return {name: why for name, why in told.items() if why}

    def reasons(self) -> dict[str, str]:
        """Id -> why, of the ledger's numbers that are not judged here."""
        backend = self.settings.config.backend
        if backend == "tensorflow":
            return self.lacking()
        why = f"trained with {backend}: the printed numbers are judged with TensorFlow"
        return {row.id: why for row in self._trained_with_keras()} | self.lacking()

    def _trained_with_keras(self) -> Iterator[Row]:
        for row in read_ledger(Path("config/published.tsv")):
            if row.chapter not in self.settings.selected:
                continue
            chapter = self.chapters[row.chapter]
            name = chapter.file.answers.get(row.name, row.name).partition(".")[0]
            if isinstance(chapter.experiments.get(name), KerasExperiment):
                yield row

    def tracking_tree(
        self, sweeps: Iterable[tuple[str, str]] = ()
    ) -> dict[str, dict[str, dict[str, str]]]:
        """Slug -> experiment -> tags, for the tracking store; `data` holds the downloads.

        Args:
            sweeps: slug and name of those that are run, so that the others leave no empty run.
        """
        data: dict[str, dict[str, dict[str, str]]] = {"data": {}} if self.edition == "book" else {}
        tree = data | {
            entry.slug: {
                name: self.labels_of(SimpleNamespace(chapter=entry.slug, experiment=name))
                for name in entry.experiments
            }
            for entry in self.chapters.values()
        }
        for slug, name in sweeps:
            title = self.chapter(slug).sweeps[name].entry.title
            tree[slug][f"sweeps/{name}"] = {"title": title}
        return tree
