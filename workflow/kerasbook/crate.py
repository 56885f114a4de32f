"""A results folder as an RO-Crate: what it holds, and which run, data and code made it.

The crate follows the Workflow Run RO-Crate profiles (process, workflow and provenance, 0.5) upon
RO-Crate 1.1. A crate can hold only what lies in its folder, and where the workflow is published
nobody knows here. So its code is copied into the folder, with the configuration that was used;
the data sets are not: they are described, with address, licence and digest.

Everything comes from the files that the runs left: equal files give the same crate, byte for byte.
"""

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from kerasbook.catalogue import Catalogue
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_files, write_text
from kerasbook.plan import code_of
from kerasbook.records import Record
from kerasbook.tracking import flat
from kerasbook.validation import read_yaml

RUN_PROFILE = "https://w3id.org/ro/wfrun"
RUN_TERMS = "https://w3id.org/ro/terms/workflow-run#"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate"
# The profiles' terms that RO-Crate 1.1 lacks stand here, so that no second file is to be fetched.
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {
        "sha256": f"{RUN_TERMS}sha256",
        "buildInstructions": "https://codemeta.github.io/terms/buildInstructions",
    },
]
PROFILES = {
    f"{RUN_PROFILE}/process/0.5": ("Process Run Crate", "0.5"),
    f"{RUN_PROFILE}/workflow/0.5": ("Workflow Run Crate", "0.5"),
    f"{RUN_PROFILE}/provenance/0.5": ("Provenance Run Crate", "0.5"),
    f"{WORKFLOW_CRATE}/1.0": ("Workflow RO-Crate", "1.0"),
}
PYTHON = "https://www.python.org/"
LICENSE = "https://spdx.org/licenses/MIT"
CODE = "code"
CONFIGURATION = "config/config.yaml"
FORMATS = {
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".h5": "application/x-hdf5",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown",
    ".py": "text/x-python",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
    ".zip": "application/zip",
}
STAGES = ("preprocess", "train", "evaluate", "report")
README = """# kerasbook, {edition} edition

- `index.html` is the first page: every printed number, ours, and whether it holds.
- `chNN_*/report.html` are the chapters' pages. A number's row leads to the records of its runs
  (`train.json`): parameters, digest of the data, code, versions, machine, times.
- `reproduction.tsv`, `experiments.tsv`, `steps.tsv` and `errata.tsv` say the same to programs.
- `code/` is the code that made all this, with the configuration that was used.
- `ro-crate-metadata.json` says which run, data and code made what (RO-Crate 1.1; Provenance Run
  Crate 0.5).
"""

Reference = dict[str, str]


def copy_code(sources: Iterable[str], folder: Path, configuration: Mapping[str, Any]) -> None:
    """Copy the project's files into a folder, with the configuration that was used.

    Args:
        sources: paths of the project, which keep their places.
        configuration: as `Plan.configuration` gives it.
    """
    for source in sources:
        target = folder / source
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    text = (
        "# The configuration that these results were made with, less what belongs to a machine:\n"
        "# the mirror of the data and the tracking server.\n"
        f"{yaml.safe_dump(dict(configuration), sort_keys=False)}"
    )
    files = {CONFIGURATION}
    if configuration["edition"] != "bundled":  # the pages' commands name this one
        files.add(f"config/{configuration['edition']}.yaml")
    for file in files:
        write_text(folder / file, text)


class _Graph:
    """The entities of a crate, each once, in the order in which they came."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.entities: dict[str, dict[str, Any]] = {}

    def add(self, name: str, kind: str | list[str], /, **properties: Any) -> Reference:
        """Add an entity, less its empty properties; one that is there stays as it is."""
        told = {key: one for key, one in properties.items() if one not in (None, "", [], {})}
        self.entities.setdefault(name, {"@id": name, "@type": kind, **told})
        return {"@id": name}

    def file(self, path: str, kinds: Sequence[str] = (), **properties: Any) -> Reference:
        """A file of the folder, with its size (bytes) and digest; read once."""
        if quote(path) in self.entities:
            return {"@id": quote(path)}
        target = self.folder / path
        try:
            content = target.read_bytes()
        except OSError as error:
            raise KerasbookError(
                f"{target}: cannot be read ({error.strerror or error}). Expected a result; run "
                "snakemake again."
            ) from error
        return self.add(
            quote(path),
            ["File", *kinds] if kinds else "File",
            **{"name": path, **properties},
            encodingFormat=FORMATS.get(target.suffix, "text/plain"),
            contentSize=str(len(content)),
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def directory(self, path: str, parts: Iterable[Reference] = (), **properties: Any) -> Reference:
        """A folder of the folder."""
        return self.add(f"{quote(path)}/", "Dataset", **properties, hasPart=_once(parts))

    def property_value(self, name: str, value: Any) -> Reference:
        """A parameter and its value, which all runs share that have it."""
        mark = hashlib.sha256(f"{name}={value}".encode()).hexdigest()[:12]
        return self.add(
            f"#parameter-{quote(name)}-{mark}", "PropertyValue", name=name, value=str(value)
        )


def package_url(name: str, version: str) -> str:
    """A package of Python's index as a package URL (purl), which names no server."""
    return f"pkg:pypi/{quote(name)}@{version}"


def _compact(value: Any) -> Any:
    """JSON-LD, as RO-Crate wants it, has a value alone in place of a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _once(references: Iterable[Reference]) -> list[Reference]:
    return [{"@id": name} for name in dict.fromkeys(one["@id"] for one in references)]


def _time(text: str | None) -> str | None:
    """A time as the profiles' shapes want it: with an offset in place of the Z."""
    return text and text.replace("Z", "+00:00")


@cache
def _present_digest(script: str) -> str | None:
    """The digest of a script and the code that it imports, as they are now."""
    path = Path(script)
    return digest_of_files({script, *code_of(path)}) if path.is_file() else None


def _described(record: Record) -> str:
    """In words: which state of the code made a run, with how many threads, on what."""
    origin = record.origin
    if not origin:
        return "Made by an earlier version, which recorded neither code nor machine."
    known = origin["code_sha256"]
    told = f"Code: {origin['script']} and what it imports, SHA-256 {known or 'not known'}"
    if known and known != _present_digest(origin["script"]):
        told += f", another state than that in {CODE}/"
    changed = " with changes that were not committed" if origin["dirty"] else ""
    told += f"; commit {origin['commit'] or 'not known'}{changed}."
    machine = origin["machine"]
    return (
        f"{told} Threads: {origin['threads']}, on {machine['processor']}, {machine['cores']} "
        f"cores, {machine['memory_gb']} GiB, {machine['system']}. Log: {origin['log']}."
    )


class _Crate:
    """One crate being put together; see `crate`."""

    def __init__(
        self,
        folder: Path,
        pages: Sequence[Mapping[str, Any]],
        records: Mapping[str, Record],
        catalogue: Catalogue,
        configuration: Mapping[str, Any],
    ):
        self.graph = _Graph(folder)
        self.pages = pages
        self.catalogue = catalogue
        self.configuration = configuration
        self.citation = read_yaml(folder / CODE / "CITATION.cff")
        self.records = [_of_run(records, page, run_id) for page in pages for run_id in _runs(page)]

    def build(self) -> dict[str, Any]:
        graph = self.graph
        # The first two stand at the top, as is usual, and are filled at the end.
        descriptor = graph.add("ro-crate-metadata.json", "CreativeWork")["@id"]
        root = graph.add("./", "Dataset")["@id"]
        authors = [
            graph.add(f"#author-{number}", "Organization", name=one["name"])
            for number, one in enumerate(self.citation["authors"], 1)
        ]
        licence = graph.add(
            LICENSE,
            "CreativeWork",
            name="MIT License",
            description="Of the code, the pages and the tables. The data sets, which are not part "
            "of this crate, have licences of their own.",
        )
        data = {page["slug"]: self._data(page) for page in self.pages}
        tools = {one.rule: self._tool(one) for one in self.records}
        actions = {one.run_id: self._action(one, tools[one.rule], data) for one in self.records}
        workflow = self._workflow(list(tools.values()), authors, licence)
        whole = self._whole_run(workflow, data)
        self._organised(workflow, whole, tools, actions)
        chapters = [self._chapter(page) for page in self.pages]
        code = graph.directory(
            CODE,
            [{"@id": name} for name in graph.entities if name.startswith(f"{CODE}/")],
            name="The code that made these results",
            description="The workflow, its library, the ledger of printed numbers, the locks of "
            "its packages and the configuration that was used.",
        )
        profiles = [
            graph.add(address, "CreativeWork", name=name, version=version)
            for address, (name, version) in PROFILES.items()
        ]
        edition = self.configuration["edition"]
        graph.entities[descriptor] |= {
            "about": {"@id": root},
            "conformsTo": [
                {"@id": "https://w3id.org/ro/crate/1.1"},
                {"@id": f"{WORKFLOW_CRATE}/1.0"},
            ],
        }
        graph.entities[root] |= {
            "name": f"kerasbook, {edition} edition",
            "description": f"{self.citation['abstract'].strip()} These are the results of the "
            f"{edition} edition.",
            "datePublished": self._times()[1],
            "license": licence,
            "author": authors,
            "conformsTo": profiles,
            "mainEntity": workflow,
            "hasPart": [*self._first_pages(), *chapters, code],
            "mentions": [whole, *actions.values()],
        }
        entities = [
            {key: _compact(value) for key, value in entity.items()}
            for entity in graph.entities.values()
        ]
        return {"@context": CONTEXT, "@graph": entities}

    # ---------------------------------------------------------------- data

    def _data(self, page: Mapping[str, Any]) -> dict[str, Reference]:
        """Data set, as a chapter calls it -> what its runs were given of it."""
        told: dict[str, list[Mapping[str, Any]]] = {}
        for file in page["provenance"]["data"]:
            told.setdefault(file["dataset"], []).append(file)
        for name, files in told.items():
            self._dataset(name, files)
        return {
            record.name: self.graph.add(
                f"#data-{page['slug']}-{record.name}",
                "Dataset",
                name=f"{record.name} as chapter {page['number']} uses it",
                description="Arrays made from the data set, and no part of this crate. The "
                "digest is the SHA-256 of their names, types, shapes and values.",
                identifier=f"sha256:{record.content['digest']}",
                isBasedOn=_dataset(record.content["resolved"]),
            )
            for record in self._of(page, "preprocess")
        }

    def _dataset(self, name: str, files: Sequence[Mapping[str, Any]]) -> None:
        """A data set: who made it, its licence, its address, and the files that were fetched."""
        entry, about = self.catalogue.get(name), files[0]
        fetched = [file for file in files if file["bytes"] is not None]
        self.graph.add(
            _dataset(name)["@id"],
            "Dataset",
            name=about["title"],
            description=None if fetched else "Made from what the installed libraries carry.",
            license=about["licence"],
            citation=about["citation"],
            url=entry.homepage,
            hasPart=[
                self.graph.add(
                    f"#file-{name}-{quote(file['file'])}",
                    "File",
                    name=file["file"],
                    description=f"Fetched from {file['source']}; its content has the SHA-256 "
                    f"{file['content_sha256']}.",
                    encodingFormat=FORMATS.get(Path(file["file"]).suffix, "text/plain"),
                    contentSize=str(file["bytes"]),
                    sha256=file["sha256"],
                    url=entry.file(file["file"]).urls[0],
                )
                for file in fetched
            ],
        )

    # ---------------------------------------------------------------- code

    def _tool(self, record: Record) -> Reference:
        """The script of a rule, in the copy of the code."""
        stage = record.rule.rpartition("_")[2]
        return self.graph.file(
            f"{CODE}/workflow/chapters/{record.chapter}/{stage}.py",
            ["SoftwareSourceCode"],
            version=self.citation["version"],
            description=f"The script of the rule {record.rule}.",
        )

    def _packages(self) -> list[Reference]:
        found = sorted(
            {
                (name, version)
                for record in self.records
                for name, version in record.origin.get("versions", {}).items()
            }
        )
        return [
            self.graph.add(
                f"{PYTHON}#{version}" if name == "python" else package_url(name, version),
                "SoftwareApplication",
                name=name,
                softwareVersion=version,
                url=PYTHON if name == "python" else None,
            )
            for name, version in found
        ]

    def _workflow(
        self, tools: list[Reference], authors: list[Reference], licence: Reference
    ) -> Reference:
        graph = self.graph
        language = graph.add(
            f"{WORKFLOW_CRATE}#snakemake",
            "ComputerLanguage",
            name="Snakemake",
            identifier={"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
            url={"@id": "https://snakemake.readthedocs.io"},
        )
        lock = graph.file(
            f"{CODE}/envs/{self.configuration['environment']}.lock",
            conformsTo=graph.add(
                "https://pip.pypa.io/en/stable/reference/requirements-file-format/",
                "WebPage",
                name="Requirements file format of pip",
            ),
        )
        return graph.file(
            f"{CODE}/Snakefile",
            ["SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            name=self.citation["title"],
            version=self.citation["version"],
            conformsTo=graph.add(
                "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE",
                "CreativeWork",
                name="Bioschemas ComputationalWorkflow profile",
                version="1.0-RELEASE",
            ),
            programmingLanguage=language,
            author=authors,
            license=licence,
            hasPart=_once(tools),
            softwareRequirements=self._packages(),
            buildInstructions=lock,
        )

    # ---------------------------------------------------------------- runs

    def _of(self, page: Mapping[str, Any], stage: str) -> list[Record]:
        return [one for one in self.records if one.chapter == page["slug"] and one.stage == stage]

    def _times(self) -> tuple[str | None, str]:
        """When the first run began, as far as that is known, and when the last page was done."""
        starts = [one.origin["started"] for one in self.records if one.origin]
        ends = [one.origin["ended"] for one in self.records if one.origin]
        ends += [page["provenance"]["generated"] for page in self.pages]
        return _time(min(starts, default=None)), _time(max(ends))

    def _action(
        self, record: Record, tool: Reference, data: Mapping[str, Mapping[str, Reference]]
    ) -> Reference:
        inputs, results = self._inputs_and_results(record, data[record.chapter])
        name = record.name if record.seed is None else f"{record.name}, seed {record.seed}"
        return self.graph.add(
            f"#run-{record.run_id}",
            "CreateAction",
            name=f"{record.rule} {name}".strip(),
            description=_described(record),
            identifier=record.run_id,
            instrument=tool,
            object=_once(inputs),
            result=results,
            startTime=_time(record.origin.get("started")),
            endTime=_time(record.origin.get("ended")),
        )

    def _inputs_and_results(
        self, record: Record, arrays: Mapping[str, Reference]
    ) -> tuple[list[Reference], list[Reference]]:
        """What a run was given, and what it left."""
        graph, slug = self.graph, record.chapter
        if record.stage == "preprocess":
            return [_dataset(record.content["resolved"])], [arrays[record.name]]
        same = [one for one in self.records if one.chapter == slug]
        if record.stage == "report":
            metrics = [self._metrics(one) for one in same if one.stage == "evaluate"]
            ledger = graph.file(f"{CODE}/config/published.tsv")
            return [*arrays.values(), *metrics, ledger], self._page_files(slug)
        settings = record.origin.get("settings", {})
        inputs = [arrays[settings["dataset"]]] if settings.get("dataset") in arrays else []
        # `<data set>/<file>`: what was read as it was downloaded, such as weights.
        read = [key.split("/")[0] for key in record.origin.get("inputs", {}) if "/" in key]
        inputs += map(_dataset, read)
        inputs += [graph.property_value(key, one) for key, one in flat(settings).items()]
        if record.stage == "train":
            inputs.append(graph.property_value("seed", record.seed))
            return inputs, [self._run_folder(record)]
        runs = [one for one in same if (one.stage, one.name) == ("train", record.name)]
        return [*inputs, *map(self._run_folder, runs)], [self._metrics(record)]

    def _metrics(self, record: Record) -> Reference:
        return self.graph.file(f"{record.chapter}/{record.name}/metrics.json")

    def _run_folder(self, record: Record) -> Reference:
        return self.graph.directory(
            f"{record.chapter}/{record.name}/seed{record.seed}",
            name=f"{record.chapter} {record.name}, seed {record.seed}",
            description="The run's record (train.json), its history by epoch (history.tsv), its "
            "predictions and its model.",
        )

    def _page_files(self, slug: str) -> list[Reference]:
        names = ("report.html", "report.json", "reproduction.tsv", "data.json")
        figures = self.graph.directory(f"{slug}/figures", name=f"Figures of {slug}")
        return [*(self.graph.file(f"{slug}/{name}") for name in names), figures]

    def _first_pages(self) -> list[Reference]:
        names = {
            "index.html": "The first page: every printed number and its verdict",
            "reproduction.tsv": "Every printed number: ours, its verdict and its runs",
            "steps.tsv": "The time and memory of every job, and its run",
            "experiments.tsv": "What each experiment came to, in time, memory and metrics",
            "errata.html": "The faults of the printed code, and what each costs",
            "errata.tsv": "The faults of the printed code, as a table",
        }
        pages = [self.graph.file(file, name=name) for file, name in names.items()]
        return [*pages, self.graph.file("README.md", about={"@id": "./"})]

    def _chapter(self, page: Mapping[str, Any]) -> Reference:
        slug = page["slug"]
        return self.graph.directory(
            slug,
            [{"@id": name} for name in self.graph.entities if name.startswith(f"{slug}/")],
            name=f"{page['number']} {page['title']}",
            description=page["summary"],
        )

    def _whole_run(
        self, workflow: Reference, data: Mapping[str, Mapping[str, Reference]]
    ) -> Reference:
        graph = self.graph
        started, ended = self._times()
        files = [CONFIGURATION, "config/datasets.yaml", "config/published.tsv"]
        files += [f"config/chapters/{page['chapter']}.yaml" for page in self.pages]
        datasets = [one for one in graph.entities if one.startswith("#dataset-")]
        pages = [one for page in self.pages for one in self._page_files(page["slug"])]
        return graph.add(
            f"#workflow-{self.configuration['edition']}",
            "CreateAction",
            name=f"The {self.configuration['edition']} edition of kerasbook",
            description="One or more calls of Snakemake, each of which made what was missing or "
            "out of date.",
            instrument=workflow,
            object=[
                *(graph.file(f"{CODE}/{one}") for one in files),
                *({"@id": d} for d in datasets),
            ],
            result=[*self._first_pages(), *pages],
            startTime=started,
            endTime=ended,
        )

    def _organised(
        self,
        workflow: Reference,
        whole: Reference,
        tools: Mapping[str, Reference],
        actions: Mapping[str, Reference],
    ) -> None:
        """The steps of the workflow, and that Snakemake had their runs made."""
        graph, steps, controls = self.graph, [], []
        order = sorted(tools, key=lambda rule: (STAGES.index(rule.rpartition("_")[2]), rule))
        for position, rule in enumerate(order, 1):
            step = graph.add(
                f"#step-{rule}",
                "HowToStep",
                name=rule,
                position=str(position),
                workExample=tools[rule],
            )
            steps.append(step)
            controls.append(
                graph.add(
                    f"#control-{rule}",
                    "ControlAction",
                    name=f"Snakemake starts the jobs of {rule}",
                    instrument=step,
                    object=[actions[one.run_id] for one in self.records if one.rule == rule],
                )
            )
        graph.entities[workflow["@id"]]["step"] = steps
        engines = [one for one in graph.entities if one.startswith(package_url("snakemake", ""))]
        engine = engines[0] if engines else f"{WORKFLOW_CRATE}#snakemake-engine"
        graph.add(
            f"#snakemake-{self.configuration['edition']}",
            "OrganizeAction",
            name="Snakemake",
            instrument=graph.add(engine, "SoftwareApplication", name="snakemake"),
            object=controls,
            result=whole,
        )


def _dataset(name: str) -> Reference:
    return {"@id": f"#dataset-{name}"}


def _runs(page: Mapping[str, Any]) -> list[str]:
    """The ids of a chapter's runs in the order of their stages, that of the page last."""
    provenance = page["provenance"]
    last = [provenance["report"]["run_id"]] if "report" in provenance else []
    return [step["run_id"] for step in provenance["steps"] if step["run_id"]] + last


def _of_run(records: Mapping[str, Record], page: Mapping[str, Any], run_id: str) -> Record:
    if run_id not in records:
        raise KerasbookError(
            f"{page['slug']}/report.json: names the run {run_id}; found no record of it, expected "
            "one beside the page. Run snakemake again."
        )
    return records[run_id]


def crate(
    folder: Path,
    pages: Sequence[Mapping[str, Any]],
    records: Mapping[str, Record],
    catalogue: Catalogue,
    configuration: Mapping[str, Any],
) -> dict[str, Any]:
    """What `ro-crate-metadata.json` says of a results folder, as JSON-LD.

    Args:
        folder: the results of an edition, with a README.md, in which `copy_code` has filled
            `code/`.
        pages: what the chapters' `report.json` hold.
        records: of the folder's runs, as `kerasbook.records.find` gives them.
        configuration: as `Plan.configuration` gives it.

    Raises:
        KerasbookError: a page names a run or a file that is not in the folder.
    """
    return _Crate(folder, pages, records, catalogue, configuration).build()
