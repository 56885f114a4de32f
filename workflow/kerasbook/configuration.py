"""The one model of the configuration.

From it come the checks that run before any job, the JSON schemas in
`workflow/schemas/`, and the commented `config/config.yaml`:

    python -m kerasbook.configuration        # from workflow/: writes them anew

Each chapter's room holds a `settings.py` whose `Experiment` says what an entry
of `config/chapters/chNN.yaml` may hold, or whose `EXPERIMENTS` do, one for each
`task`; the rooms are found, not listed.
"""

import importlib
import json
import operator
import os
import textwrap
from collections.abc import Mapping
from functools import cached_property, reduce
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args

from pydantic import AfterValidator, Field, TypeAdapter, field_validator

from kerasbook.errors import KerasbookError
from kerasbook.files import write_text
from kerasbook.provenance import is_served, shown_uri
from kerasbook.store import DEFAULT_URI, FILES
from kerasbook.sweeps import MOST_POINTS, Sweep, sweep_of
from kerasbook.validation import Strict, nearest, read_yaml, retyped, validate

WORKFLOW = Path(__file__).resolve().parents[1]
PROJECT = WORKFLOW.parent
MIRROR_VARIABLE = "KERASBOOK_MIRROR"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"

Edition = Literal["bundled", "book", "smoke"]
Variant = Literal["as_printed", "corrected", "exercise", "beyond"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def _unique(seeds: list[int] | None) -> list[int] | None:
    repeated = sorted({seed for seed in seeds or [] if seeds.count(seed) > 1})
    if repeated:
        raise ValueError(
            f"found {seeds}, where {repeated} repeat; expected every seed once "
            "(a repeated seed is the same run, and would count twice)."
        )
    return seeds


Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_unique)]


class Download(Strict):
    """How downloads behave."""

    timeout: float = Field(30.0, gt=0, le=3600, description="Seconds without a byte.")
    retries: int = Field(4, ge=0, le=20, description="New tries after a broken connection.")
    backoff: float = Field(1.0, ge=0, le=60, description="Seconds before the first new try.")


class Config(Strict):
    """What `config/config.yaml`, a `--configfile` and `--config` may say."""

    edition: Edition = Field(
        "bundled",
        description="Which data: `bundled` (what the installed libraries carry, no network), "
        "`book` (the original data and sizes, the reproduction), `smoke` (tests).",
    )
    chapters: Literal["all"] | Annotated[list[str], Field(min_length=1)] = Field(
        "all", description="`all`, or a list such as [ch01, ch07]."
    )
    seeds: Seeds = Field(
        [1, 2],
        description="One run of each experiment per seed. The spread over them is what the "
        "verdicts use, so the book edition has five, and more where they are cheap.",
    )
    mirror: str | None = Field(
        None,
        description="A folder or an address that holds the data sets, asked before their own "
        f"addresses. The environment variable {MIRROR_VARIABLE} sets it too; this key wins.",
    )
    missing_data: Literal["error", "skip"] = Field(
        "error",
        description="What happens where data cannot be had (no network, no Kaggle account, weights "
        "of 500 MB): `error` stops before the first job and lists what is missing and how to get "
        "it; `skip` runs all the rest, and the numbers concerned are `not run`, with the reason.",
    )
    tracking_uri: str | None = Field(
        None,
        description="Where runs go: the address of an MLflow tracking server, or of a database; "
        f"`{FILES}` writes them beside the results, for `snakemake tracking_import`. Without it "
        f"the environment variable {TRACKING_VARIABLE}, and without that results/mlflow.db.",
    )
    environment: Literal["cpu", "gpu"] = Field(
        "cpu", description="Which file of envs/ the rules use under `--sdm conda`."
    )
    require_gpu: bool = Field(
        False,
        description="Stop a training that can use a GPU where there is none, before it begins; "
        "else it runs on the CPU.",
    )
    backend: Literal["tensorflow", "jax", "torch"] = Field(
        "tensorflow",
        description="What Keras computes with. The tutorial's own, and the one that the numbers "
        "are judged with, is TensorFlow; another one is to be installed beside it.",
    )
    train_threads: int = Field(
        1, ge=1, le=256, description="Threads of one training. The same seed and threads give "
        "the same numbers; another count may differ in the last digits."
    )  # fmt: skip
    fork_jobs: int = Field(
        5,
        ge=0,
        description="From how many local jobs of a kind on they are forked from a process that "
        "has their slow imports done; 0 never, and each starts a Python that imports for itself.",
    )
    download: Download = Field(Download(), description="How downloads behave.")

    @field_validator("chapters", mode="before")
    @classmethod
    def _all_or_list(cls, value: Any) -> Any:
        names = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
        if value != "all" and not names:
            raise ValueError(f"found {value!r}, expected all, or a list such as [ch01, ch07].")
        return value

    @field_validator("mirror", "tracking_uri")
    @classmethod
    def _not_empty(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("found an empty text, expected an address or folder, or null.")
        return value

    @field_validator("mirror")
    @classmethod
    def _folder_or_web_address(cls, value: str | None) -> str | None:
        if value and "://" in value and not is_served(value):
            raise ValueError(
                f"found '{shown_uri(value)}', expected a folder, or an address that starts with "
                "http:// or https://."
            )
        return value

    @field_validator("tracking_uri")
    @classmethod
    def _database_or_server(cls, value: str | None) -> str | None:
        databases = ("sqlite:///", "postgresql", "mysql", "mssql")
        if value and value != FILES and not is_served(value) and not value.startswith(databases):
            raise ValueError(
                f"found '{shown_uri(value)}', expected an MLflow server (http://...), a database "
                f"(sqlite:///results/mlflow.db), or {FILES}; MLflow no longer tracks into plain "
                "folders."
            )
        return value


class BaseExperiment(Strict):
    """What every experiment has, whatever its chapter."""

    # What a data set must be for this chapter; the edition's stand-in follows from it.
    DATA_KIND: ClassVar[str] = "idx_images"
    # What its training imports that takes long: a key of `fork_server.LIBRARIES`.
    LIBRARIES: ClassVar[str] = "plain"

    title: str = Field(min_length=1, description="A few words for tables and plots.")
    variant: Variant = Field(description="as_printed, corrected, exercise or beyond.")
    dataset: Name = Field(description="A data set of config/datasets.yaml.")
    seeds: Seeds | None = Field(
        None, description="Seeds of this experiment alone, instead of the configured ones."
    )
    seed_shift: int = Field(
        0,
        ge=0,
        le=10**6,
        description="Added to each configured seed, where the tutorial runs one network twice.",
    )
    printed_seed: Seed | None = Field(
        None,
        description="The seed that the tutorial fixes: run besides the others, and the only one "
        "on which ledger rows of the kind `seeded` are judged.",
    )

    @property
    def libraries(self) -> str:
        """`LIBRARIES`, where that does not depend on the experiment's settings."""
        return self.LIBRARIES

    def seeds_to_run(self, configured: list[int]) -> list[int]:
        """The printed seed first, then the experiment's own or the configured ones."""
        shifted = [seed + self.seed_shift for seed in configured]
        seeds = self.seeds if self.seeds is not None else shifted
        first = [] if self.printed_seed is None else [self.printed_seed]
        return first + [seed for seed in seeds if seed not in first]

    def raw_data(self) -> list[str]:
        """Data sets whose files a run reads as they are, such as weights; besides `dataset`."""
        return []

    def starts_from(self) -> tuple[str, str] | None:
        """The experiment whose first run's model these runs start from, and its task."""
        return None

    def settings(self) -> dict[str, Any]:
        """What makes a run what it is: all but how it is called and how often it is run."""
        names = {"title", "variant", "seeds", "seed_shift", "printed_seed"}
        return self.model_dump(mode="json", exclude=names)


class KerasExperiment(BaseExperiment):
    """An experiment that trains with Keras: it can use a GPU, and another precision."""

    LIBRARIES: ClassVar[str] = "keras"

    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32",
        description="What the layers compute in; weights and answers stay float32. Half the "
        "digits are faster on a GPU made for them.",
    )

    def settings(self) -> dict[str, Any]:
        """As of every experiment; the usual precision is not told, as nothing depends on it."""
        told = super().settings()
        if told["precision"] == "float32":
            del told["precision"]
        return told


class Fault(Strict):
    """A fault of the printed code, priced by two experiments that differ in it alone.

    Where one run does it both ways, it is the same experiment twice, with two metrics.
    """

    id: Name
    printed: str = Field(description="What the tutorial does.")
    wrong: str = Field(description="Why that is a fault.")
    as_printed: Name = Field(description="The experiment that has the fault.")
    corrected: Name = Field(description="The experiment without it.")
    metric: str = Field(description="The metric whose change is its price.")
    repaired_metric: str | None = Field(
        None, description="The same of the experiment without the fault, where it has another name."
    )


class UnpricedFault(Strict):
    """A fault of the printed code that changes no number: it stops, or costs room, or hides."""

    id: Name
    printed: str = Field(description="What the tutorial does.")
    wrong: str = Field(description="Why that is a fault.")
    why: str = Field(description="Why no two runs can tell what it costs, as a sentence.")


class Cause(Strict):
    """Why printed numbers lie where none of our runs would, as far as it is known."""

    rows: list[str] = Field(
        min_length=1, description="Ledger rows without their chapter: experiment.metric@epoch."
    )
    cause: str = Field(min_length=1, description="Said beside them where they lie outside.")


class Baseline(Strict):
    """The trivial rule that stands beside a metric."""

    metric: str = Field(description="The metric that holds the rule's value.")
    name: str = Field(description="What the rule is called.")


class Peer(Strict):
    """A figure that others report for the same task."""

    value: float
    source: str


class SweepEntry(Strict):
    """Hyperparameters to try: every point of a grid, or points drawn at random."""

    title: str = Field(min_length=1, description="A few words for its page.")
    of: Name = Field(description="The experiment of this file that every point starts from.")
    space: dict[str, Any] = Field(
        min_length=1,
        description="Key of the experiment (optimizer.learning_rate, layers.0.filters): its "
        "values. A list of them, or, where they need names, {choice: {name: value}}; with `draws` "
        "also {uniform: [low, high]}, {log_uniform: [low, high]}, {integers: [low, high]} or "
        "{log_integers: [low, high]}, bounds included.",
    )
    fixed: dict[str, Any] = Field(
        {}, description="Keys that have another value than in the experiment, at every point."
    )
    draws: int | None = Field(
        None,
        ge=1,
        le=MOST_POINTS,
        description="How many points are drawn at random; without it, every point of the grid.",
    )
    seed: Seed = Field(1, description="Of the draws.")
    seeds: Seeds = Field([1], description="Each point is run once with each of these.")
    metric: str = Field(min_length=1, description="The number that a point is judged by.")
    better: Literal["more", "less"] = Field(description="What of that number is better.")
    held_out: str | None = Field(
        None,
        description="A number of the same kind on rows that had no part in choosing a point, such "
        "as test_loss where the metric is val_loss.",
    )
    minutes: int = Field(
        10,
        ge=1,
        le=10_080,
        description="What a run takes at most: a cluster's allocations are as long as their runs.",
    )
    editions: dict[Edition, dict[str, Any]] = Field(
        {}, description="Values of these keys that hold in one edition alone."
    )


class TaskValues(Strict):
    """Values of all experiments of one task."""

    defaults: dict[str, Any] = Field({}, description="Values for every experiment of the task.")
    editions: dict[Edition, dict[str, Any]] = Field(
        {}, description="Values that take the place of `defaults` in one edition."
    )


class OwnEditions(Strict):
    """What an experiment says for one edition alone."""

    editions: dict[Edition, dict[str, Any]] = Field({})


class ChapterFile(Strict):
    """What `config/chapters/chNN.yaml` may hold, before defaults are filled in."""

    number: str = Field(description="The tutorial's own number, such as 4.7.")
    title: str
    summary: str = Field(description="One sentence for the index page.")
    telling_figure: Name = Field(description="The figure that the chapter's card shows.")
    shown_metrics: list[str] = Field(description="The metrics of the experiments table.")
    defaults: dict[str, Any] = Field({}, description="Values for every experiment.")
    editions: dict[Edition, dict[str, Any]] = Field(
        {}, description="Values that take the place of `defaults` in one edition."
    )
    tasks: dict[Name, TaskValues] = Field(
        {}, description="Values of the experiments of one task, before those of all experiments."
    )
    experiments: dict[Name, dict[str, Any]] = Field(
        min_length=1,
        description="One entry per experiment; what it says itself always wins, and what it says "
        "for one edition, under its own `editions`, most of all.",
    )
    facts: dict[Name, Name] = Field(
        {},
        description="Experiment of the ledger: the data set whose preprocessing tells its numbers.",
    )
    answers: dict[str, str] = Field(
        {},
        description="Experiment.metric of the ledger: the experiment.metric of ours that answers "
        "it, where it is called otherwise.",
    )
    linear: list[Name] = Field(
        [], description="Experiments that are linear in their inputs: what networks are to beat."
    )
    uses: list[str] = Field([], description="Chapters whose metrics the report compares with.")
    faults: list[Fault] = Field([], description="Faults of the printed code.")
    unpriced: list[UnpricedFault] = Field(
        [], description="Faults of the printed code that no number of a run can price."
    )
    causes: list[Cause] = Field(
        [], description="Why numbers lie outside of what our runs give, as far as it is known."
    )
    baselines: dict[str, Baseline] = Field(
        {}, description="Metric, or experiment.metric: the trivial rule beside it."
    )
    peers: dict[str, Peer] = Field(
        {}, description="Metric, or experiment.metric@epoch: a figure that others report."
    )
    sweeps: dict[Name, SweepEntry] = Field(
        {}, description="Hyperparameters to try; `snakemake chNN_sweeps` runs them."
    )


class Chapter:
    """One chapter: its room, its file, and its experiments and sweeps in one edition."""

    def __init__(
        self,
        slug: str,
        file: ChapterFile,
        experiments: dict[str, BaseExperiment],
        sweeps: dict[str, Sweep] | None = None,
    ):
        self.slug = slug
        self.id = slug.split("_", 1)[0]
        self.file = file
        self.experiments = experiments
        self.sweeps = sweeps or {}

    def needs(self, experiment: str) -> list[str]:
        """The data sets that an experiment cannot be run without."""
        one = self.experiments[experiment]
        start = one.starts_from()
        return [one.dataset, *one.raw_data(), *(self.needs(start[0]) if start else [])]

    @property
    def datasets(self) -> list[str]:
        """The data sets that are preprocessed, each once, that of the printed experiments first."""
        each = self.experiments.values()
        first = [one.dataset for one in each if one.variant == "as_printed"]
        return list(dict.fromkeys([*first, *(one.dataset for one in each)]))


def rooms() -> dict[str, str]:
    """Chapter id to slug, for every room in workflow/chapters."""
    found = sorted(path.parent.name for path in WORKFLOW.glob("chapters/ch*/settings.py"))
    return {slug.split("_", 1)[0]: slug for slug in found}


def experiment_models(slug: str) -> tuple[type[BaseExperiment], ...]:
    """What a room's settings.py admits: its `Experiment`, or its `EXPERIMENTS`, one per task."""
    module = importlib.import_module(f"chapters.{slug}.settings")
    return getattr(module, "EXPERIMENTS", None) or (module.Experiment,)


def task_of(model: type[BaseExperiment]) -> str | None:
    """The task of a model, None where its chapter has one sort of experiment."""
    field = model.model_fields.get("task")
    return None if field is None else get_args(field.annotation)[0]


def merged(file: ChapterFile, entry: Mapping[str, Any], edition: str) -> dict[str, Any]:
    """The values of one entry under `experiments:` in one edition, not yet checked.

    What somebody wrote into an experiment is what is run: the experiment's own values for
    the edition, then its own, then the task's and the chapter's for the edition, then their
    defaults.
    """
    task = file.tasks.get(entry.get("task", ""), TaskValues())
    own = {key: value for key, value in entry.items() if key != "editions"}
    layers = (
        file.defaults,
        task.defaults,
        file.editions.get(edition, {}),
        task.editions.get(edition, {}),
        own,
        entry.get("editions", {}).get(edition, {}),
    )
    return reduce(operator.or_, layers, {})


def _check_known_keys(path: Path, file: ChapterFile, models: dict) -> None:
    """Keys given for many experiments at once are keys of each of them, used or not."""
    unknown_tasks = [task for task in file.tasks if task not in models]
    if unknown_tasks:
        known = [task for task in models if task]
        raise KerasbookError(
            f"{path}: tasks.{unknown_tasks[0]}: unknown task{nearest(unknown_tasks[0], known)}. "
            f"Known tasks: {', '.join(known) or 'none, the chapter has one sort of experiment'}."
        )
    places = [("", file, list(models.values()))]
    places += [(f"tasks.{task}.", told, [models[task]]) for task, told in file.tasks.items()]
    for prefix, told, fitting in places:
        fields = [set(model.model_fields) for model in fitting]
        known = [name for name in fitting[0].model_fields if name in set.intersection(*fields)]
        for place, values in {"defaults": told.defaults, **told.editions}.items():
            for key in values:
                if key not in known:
                    where = place if place == "defaults" else f"editions.{place}"
                    raise KerasbookError(
                        f"{path}: {prefix}{where}.{key}: unknown key{nearest(key, known)}. "
                        f"Known keys: {', '.join(known)}."
                    )


def _model_for(entry: Mapping[str, Any], models: dict, where: str) -> type[BaseExperiment]:
    """The model that an entry is checked against."""
    if None in models:
        return models[None]
    task = entry.get("task")
    if isinstance(task, str) and task in models:
        return models[task]
    found = "no task" if task is None else f"'{task}'{nearest(str(task), list(models))}"
    raise KerasbookError(f"{where}.task: found {found}, expected one of: {', '.join(models)}.")


def _load_sweeps(path: Path, file: ChapterFile, models: dict, edition: str) -> dict[str, Sweep]:
    """The chapter's sweeps in one edition, every point checked."""
    sweeps = {}
    for name, entry in file.sweeps.items():
        where = f"{path}: sweeps.{name}"
        own = entry.editions.get(edition, {})
        if own:
            values = entry.model_dump(exclude={"editions"}) | own
            entry = validate(SweepEntry, values, f"{where} (editions.{edition})")
        if entry.of not in file.experiments:
            raise KerasbookError(
                f"{where}.of: found '{entry.of}'{nearest(entry.of, list(file.experiments))}, "
                "expected an experiment of this file."
            )
        base = file.experiments[entry.of]
        model = _model_for(base, models, f"{path}: experiments.{entry.of}")
        sweeps[name] = sweep_of(name, entry, merged(file, base, edition), model, where)
    return sweeps


def load_chapter(chapter: str, edition: str, folder: Path | None = None) -> Chapter:
    """Read `config/chapters/<chapter>.yaml` and check each experiment.

    Raises:
        KerasbookError: naming the file, the key, what was found and expected.
    """
    path = Path("config/chapters" if folder is None else folder) / f"{chapter}.yaml"
    slug = rooms()[chapter]
    models = {task_of(model): model for model in experiment_models(slug)}
    file = validate(ChapterFile, read_yaml(path), str(path))
    _check_known_keys(path, file, models)
    experiments = {}
    for name, entry in file.experiments.items():
        where = f"{path}: experiments.{name}"
        model = _model_for(entry, models, where)
        validate(OwnEditions, {key: entry[key] for key in ("editions",) if key in entry}, where)
        experiments[name] = validate(model, merged(file, entry, edition), where)
    ids = [fault.id for fault in (*file.faults, *file.unpriced)]
    if twice := sorted({one for one in ids if ids.count(one) > 1}):
        raise KerasbookError(
            f"{path}: faults, unpriced: found the id '{twice[0]}' twice, expected one of its own "
            "for each."
        )
    for index, fault in enumerate(file.faults):
        for role in ("as_printed", "corrected"):
            name = getattr(fault, role)
            if name not in experiments:
                raise KerasbookError(
                    f"{path}: faults.{index}.{role}: found '{name}'"
                    f"{nearest(name, list(experiments))}, expected an experiment of this file."
                )
    for row, name in file.answers.items():
        if name.partition(".")[0] not in experiments:
            raise KerasbookError(
                f"{path}: answers.{row}: found '{name}'{nearest(name, list(experiments))}, "
                "expected experiment.metric, of an experiment of this file."
            )
    for name in file.linear:
        if name not in experiments:
            raise KerasbookError(
                f"{path}: linear: found '{name}'{nearest(name, list(experiments))}, expected an "
                "experiment of this file."
            )
    used = {one.dataset for one in experiments.values()}
    for row, name in file.facts.items():
        if name not in used:
            raise KerasbookError(
                f"{path}: facts.{row}: found '{name}'{nearest(name, sorted(used))}, expected a "
                f"data set of this file's experiments: {', '.join(sorted(used))}."
            )
    return Chapter(slug, file, experiments, _load_sweeps(path, file, models, edition))


class Settings:
    """The checked configuration and everything that follows from it."""

    def __init__(self, config: Config, chapters: dict[str, Chapter], selected: list[str]):
        self.config = config
        self.chapters = chapters
        self.selected = selected

    def seeds(self, chapter: str, experiment: str) -> list[int]:
        """The seeds that an experiment is run with; `chapter` is an id or a slug."""
        entry = self.chapters[chapter.split("_", 1)[0]].experiments[experiment]
        return entry.seeds_to_run(self.config.seeds)

    def data_needed(self, catalogue: Any) -> list[str]:
        """The data sets that the selected chapters and their sweeps stand on, each once."""
        chapters = [self.chapters[chapter] for chapter in self.selected]
        named = [name for one in chapters for key in one.experiments for name in one.needs(key)]
        named += [
            name for one in chapters for sweep in one.sweeps.values() for name in sweep.needs()
        ]
        edition = self.config.edition
        return list(dict.fromkeys(catalogue.resolve(name, edition) for name in named))

    @cached_property
    def mirror(self) -> str | None:
        """The mirror: the configured one, else the environment's."""
        return self.config.mirror or os.environ.get(MIRROR_VARIABLE) or None

    @cached_property
    def tracking_uri(self) -> str:
        """Where runs are tracked; a sqlite address is relative to the project."""
        told = self.config.tracking_uri or os.environ.get(TRACKING_VARIABLE)
        return told or DEFAULT_URI


def _check_start(where: str, experiment: BaseExperiment, others: Mapping[str, Any]) -> None:
    """The experiment that another starts from is there, and makes what that one needs."""
    start = experiment.starts_from()
    if start is None:
        return
    name, task = start
    makers = [key for key, one in others.items() if getattr(one, "task", None) == task]
    if name not in makers:
        raise KerasbookError(
            f"{where}: starts from '{name}'{nearest(name, makers)}, expected an experiment of "
            f"this file of the task {task}: {', '.join(makers) or 'none is there'}."
        )


def _check_data(where: str, experiment: BaseExperiment, catalogue: Any) -> None:
    """The data sets that an experiment names are there, and of the kind that it can use."""
    known = catalogue.datasets
    for field, name in [("dataset", experiment.dataset)] + [
        ("raw_data", name) for name in experiment.raw_data()
    ]:
        if name not in known:
            raise KerasbookError(
                f"{where}.{field}: found '{name}'{nearest(name, list(known))}, expected a data set "
                "of config/datasets.yaml; correct the name or add the data set there."
            )
    kind, wanted = known[experiment.dataset].kind, experiment.DATA_KIND
    if kind != wanted:
        fitting = [name for name, one in known.items() if one.kind == wanted]
        raise KerasbookError(
            f"{where}.dataset: found '{experiment.dataset}' of the kind {kind}, expected one of "
            f"the kind {wanted}: {', '.join(fitting)}."
        )


def load_settings(values: dict[str, Any], source: str = "config/config.yaml") -> Settings:
    """Check the configuration, all chapters' files and the data sets they name.

    Args:
        values: the merged configuration, as Snakemake hands it over.
        source: the files it was read from, for the messages.

    Raises:
        KerasbookError: before any job starts, for each thing that is wrong.
    """
    from kerasbook.catalogue import load_catalogue

    config = validate(Config, retyped(values), source)
    known = rooms()
    wanted = list(known) if config.chapters == "all" else list(config.chapters)
    for chapter in wanted:
        if chapter not in known:
            raise KerasbookError(
                f"{source}: chapters: found '{chapter}'{nearest(chapter, list(known))}, "
                f"expected chapters among {', '.join(known)}, or all."
            )
    catalogue = load_catalogue(Path("config/datasets.yaml"))
    chapters = {chapter: load_chapter(chapter, config.edition) for chapter in known}
    for chapter, entry in chapters.items():
        for used in entry.file.uses:
            if used not in known:
                raise KerasbookError(
                    f"config/chapters/{chapter}.yaml: uses: found '{used}'"
                    f"{nearest(used, list(known))}, expected chapters among {', '.join(known)}."
                )
        for name, experiment in entry.experiments.items():
            where = f"config/chapters/{chapter}.yaml: experiments.{name}"
            _check_data(where, experiment, catalogue)
            _check_start(where, experiment, entry.experiments)
        for name, sweep in entry.sweeps.items():
            for point in sweep.points.values():
                where = f"config/chapters/{chapter}.yaml: sweeps.{name}"
                _check_data(where, point.experiment, catalogue)
    return Settings(config, chapters, sorted(set(wanted)))


def default_file() -> str:
    """`config/config.yaml`: every key with its default, its meaning and its bounds."""
    lines = [
        "# yaml-language-server: $schema=../workflow/schemas/config.schema.json",
        "# Written from workflow/kerasbook/configuration.py (`make schemas`). The values are the",
        "# defaults: change them here, in a file given by --configfile, or by --config key=value.",
        "",
    ]

    def comment(text: str, indent: str) -> list[str]:
        return textwrap.wrap(
            text, 96, initial_indent=indent + "# ", subsequent_indent=indent + "# "
        )

    def write(model: type[Strict], indent: str) -> None:
        for name, field in model.model_fields.items():
            lines.extend(comment(field.description or "", indent))
            if isinstance(field.default, Strict):
                lines.append(f"{indent}{name}:")
                write(type(field.default), indent + "  ")
            else:
                value = json.dumps(field.default)
                lines.append(f"{indent}{name}: {value.strip(chr(34))}")
            if not indent:
                lines.append("")

    write(Config, "")
    return "\n".join(lines).rstrip() + "\n"


def generated_files() -> dict[Path, str]:
    """Every file that is written from the models, by its path in the project."""
    files = {Path("config/config.yaml"): default_file()}

    def schema(name: str, model: Any) -> None:
        text = json.dumps(TypeAdapter(model).json_schema(), indent=2, ensure_ascii=False)
        files[Path("workflow/schemas") / name] = text + "\n"

    schema("config.schema.json", Config)
    for chapter, slug in rooms().items():
        models = experiment_models(slug)
        one = (
            models[0]
            if len(models) == 1
            else Annotated[
                Union[models], Field(discriminator="task")  # noqa: UP007 (a tuple of classes)
            ]
        )
        schema(f"{chapter}.experiment.schema.json", one)
    schema("chapter.schema.json", ChapterFile)
    return files


def main() -> None:
    """Write the generated files."""
    for path, text in generated_files().items():
        write_text(PROJECT / path, text)


if __name__ == "__main__":
    main()
