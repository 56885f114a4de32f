"""The MLflow store: made ready before any job, and told what runs say.

What was measured and decided:

- Processes that meet a fresh sqlite file at once corrupt it, so `prepare` makes
  the store, every MLflow experiment and every parent run before any job starts,
  and jobs use the ids that it wrote down; what is added later is made under a lock.
- A run is known by its key (project, rule, experiment, seed) and its fingerprint
  (parameters and input digests). Of runs with the same key and fingerprint one
  is kept: once a retry has finished, the run before it goes to MLflow's trash. A
  run whose parameters differ stays for comparison, tagged `superseded`.
- On a server that several checkouts share, each has a project id of its own, so
  that none touches the runs of another.
- A run that its process could not close is closed by `close_dead_runs`.
- MLflow's `nested=True` and `MLFLOW_RUN_ID` do not work across processes;
  the tag `mlflow.parentRunId` does.
- The store may be told an event twice, as an answer can be lost: a metric with key, time, step
  and value of its own is there once (the primary key of MLflow's tables), tags, parameters and
  artifacts are replaced, a run is looked up by the tag that holds its journal's id before it is
  made, a model by its run. MLflow's own retries would skip that look: a server is asked once.
"""

import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasbook import journal
from kerasbook.errors import KerasbookError
from kerasbook.files import read_json, write_json, write_text
from kerasbook.journal import RUN_TAG, Event, Journal, journals_of
from kerasbook.provenance import is_served, shown_uri, split_login, without_login

logger = logging.getLogger(__name__)

# Both are read as MLflow is imported. Nobody is told what is run here, unless whoever runs it
# says so; git prints to the terminal where a folder is no repository, and MLflow asks GitPython.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

SQLITE = "sqlite:///"
DEFAULT_URI = f"{SQLITE}results/mlflow.db"
# No store: each run writes a journal, to be imported.
FILES = "files"
KEY = "kerasbook.key"
FINGERPRINT = "kerasbook.fingerprint"
STATE = "kerasbook.state"
PROJECT = "kerasbook.project"
TOLD = "kerasbook.told"  # how many of its events the store has, once it has all
MODEL = "model_uri"
# A sqlite store belongs to the folder that it lies in, so its one project needs no id.
LOCAL_PROJECT = "local"


def absolute_uri(uri: str) -> str:
    """The address that MLflow gets: a relative sqlite path made absolute."""
    if uri.startswith(SQLITE) and not uri.startswith(SQLITE + "/"):
        return SQLITE + str(Path(uri.removeprefix(SQLITE)).resolve())
    return uri


def _project(uri: str, path: Path) -> str:
    """The id that tells this checkout's runs from others' on a shared server."""
    if uri.startswith(SQLITE):
        return LOCAL_PROJECT
    file = path.parent.parent / "project_id"
    if not file.exists():
        write_text(file, uuid.uuid4().hex[:12] + "\n")
    return file.read_text(encoding="utf-8").strip()


def _key(project: str, *parts: object) -> str:
    own = () if project == LOCAL_PROJECT else (project,)
    return "/".join(str(part) for part in (*own, *parts) if part is not None)


def client_of(uri: str) -> Any:
    """An MLflow client; the environment's run id, which would break nesting, is dropped.

    MLflow prints a server's address, and its errors repeat it. So it gets the address without
    name and password, and these where it looks for them itself.
    """
    if is_served(uri):
        uri, login = split_login(uri)
        if login and all(login):
            os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = login
    os.environ.pop("MLFLOW_RUN_ID", None)
    import mlflow

    mlflow.set_tracking_uri(absolute_uri(uri))
    return mlflow.MlflowClient(absolute_uri(uri))


def _parent_run(client: Any, experiment_id: str, key: str, tags: dict[str, str]) -> str:
    """The id of the run that holds others, made where it is missing.

    It does no work of its own, so it is never left RUNNING.
    """
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    if found:
        for tag, value in tags.items():
            if found[0].data.tags.get(tag) != value:  # a title was changed
                client.set_tag(found[0].info.run_id, tag, value)
        if found[0].info.status == "RUNNING":  # whoever made it died before the next line
            client.set_terminated(found[0].info.run_id, "FINISHED")
        return found[0].info.run_id
    run = client.create_run(experiment_id, tags={KEY: key, **tags}, run_name=tags["step_title"])
    client.set_terminated(run.info.run_id, "FINISHED")
    return run.info.run_id


def prepare(
    uri: str, edition: str, chapters: Mapping[str, Mapping[str, Mapping[str, str]]], path: Path
) -> dict[str, Any]:
    """Make the store, the MLflow experiments and the parent runs that are missing.

    Their ids are written to `path`, beside those that it already holds of the same
    store. One process at a time does it, whoever asks.

    Args:
        uri: where runs are tracked.
        chapters: slug -> experiment -> tags of its parent run (title, variant).

    Returns:
        What `path` says.

    Raises:
        KerasbookError: the store cannot be reached or its experiment was deleted.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    # Editions share the store, so its lock lies beside it; a server looks after itself.
    beside = path
    if uri.startswith(SQLITE):
        beside = Path(absolute_uri(uri).removeprefix(SQLITE))
        try:
            beside.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _no_answer(uri, error) from error
    with contextlib.ExitStack() as locked:
        try:
            locked.enter_context(FileLock(beside.with_name(f".{beside.name}.lock")))
        except PermissionError:  # somebody else's
            raise
        except (OSError, NotImplementedError) as error:  # a file system without locks
            logger.warning("%s: cannot be locked (%s).", beside, error)
        project = _project(uri, path)
        told = {"uri": shown_uri(uri), "edition": edition, "project": project, "chapters": {}}
        if path.exists():
            known = read_json(path)
            told["labels"] = known.get("labels", {})
            if known["uri"] == shown_uri(uri) and _store_exists(uri):
                told["chapters"] = known["chapters"]
        told["labels"] = {**told.get("labels", {}), **labels_of(chapters)}
        if uri == FILES:
            write_json(path, told)
            return told
        with asking(uri):
            client = client_of(uri)
            for slug, experiments in chapters.items():
                place = _prepare_chapter(client, uri, project, edition, slug, experiments)
                place["experiments"] = {
                    **told["chapters"].get(slug, {}).get("experiments", {}),
                    **place["experiments"],
                }
                told["chapters"][slug] = place
        write_json(path, told)
    return told


def labels_of(
    chapters: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> dict[str, Mapping[str, str]]:
    """`slug/experiment` -> title and variant, where there are any."""
    return {
        f"{slug}/{name}": labels
        for slug, experiments in chapters.items()
        for name, labels in experiments.items()
        if labels
    }


def _no_answer(uri: str, error: Exception) -> KerasbookError:
    fault = without_login(f"{type(error).__name__}: {error}", uri)
    return KerasbookError(
        f"{shown_uri(uri)}: the tracking store does not answer ({fault}). "
        "Expected a reachable MLflow server or a writable sqlite file; "
        "see `tracking_uri` in config/config.yaml."
    )


@contextlib.contextmanager
def asking(uri: str) -> Iterator[None]:
    """Tell what goes wrong with the store as one message that names it."""
    try:
        yield
    except KerasbookError:
        raise
    except Exception as error:
        raise _no_answer(uri, error) from error


def _store_exists(uri: str) -> bool:
    """Whether a sqlite store is where it should be; a server is asked when it is used."""
    return not uri.startswith(SQLITE) or Path(absolute_uri(uri).removeprefix(SQLITE)).exists()


@dataclass(frozen=True)
class Place:
    """Where a step's run goes: project, MLflow experiment, parent run."""

    project: str
    experiment_id: str
    parent: str


def known_place(uri: str, path: Path, chapter: str, experiment: str | None) -> Place | None:
    """Where a step's run goes, if it stands in the file that `prepare` wrote before any job."""
    told = read_json(path) if path.exists() else {}
    place = told.get("chapters", {}).get(chapter)
    if place is None or told["uri"] != shown_uri(uri) or not _store_exists(uri):
        return None
    parent = place["experiments"].get(experiment) if experiment else place["run_id"]
    return Place(told["project"], place["experiment_id"], parent) if parent else None


def _place(uri: str, path: Path, begun: Event) -> Place:
    """Where a run goes. What `prepare` did not make (an experiment added meanwhile, another
    address, a store that was deleted) is made here."""
    chapter, experiment = begun["chapter"], begun["experiment"]
    found = known_place(uri, path, chapter, experiment)
    if found is None:
        experiments = {experiment: begun["labels"]} if experiment else {}
        prepare(uri, begun["edition"], {chapter: experiments}, path)
        found = known_place(uri, path, chapter, experiment)
    assert found is not None  # prepare has just made it
    return found


def _prepare_chapter(
    client: Any,
    uri: str,
    project: str,
    edition: str,
    slug: str,
    experiments: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    name = f"{edition}/{slug}"
    known = client.get_experiment_by_name(name)
    if known is None:
        location = None
        if uri.startswith(SQLITE):
            folder = Path(absolute_uri(uri).removeprefix(SQLITE)).parent / "mlartifacts"
            location = (folder / edition / slug).as_uri()
        experiment_id = client.create_experiment(name, artifact_location=location)
        # The UI opens on runs and models rather than on traces and prompts.
        client.set_experiment_tag(
            experiment_id, "mlflow.experimentKind", "custom_model_development"
        )
        client.set_experiment_tag(
            experiment_id,
            "mlflow.note.content",
            f"Chapter `{slug}`, edition `{edition}`. The chapter's run holds a run per "
            "experiment, which holds a run per seed. Sort the seeds' runs by `test_accuracy` or "
            "`test_loss`; the experiments' runs carry mean and standard deviation.",
        )
    elif known.lifecycle_stage != "active":
        raise KerasbookError(
            f"{shown_uri(uri)}: the MLflow experiment '{name}' was deleted. Expected an active "
            "one; restore it with "
            f"`mlflow experiments restore --experiment-id {known.experiment_id}`."
        )
    else:
        experiment_id = known.experiment_id
    common = {"edition": edition, "chapter": slug, PROJECT: project}
    top = _parent_run(
        client, experiment_id, _key(project, "chapter", slug),
        {**common, "step": "chapter", "step_title": slug},
    )  # fmt: skip
    runs = {
        experiment: _parent_run(
            client,
            experiment_id,
            _key(project, "experiment", experiment),
            {
                **common,
                **tags,
                "experiment": experiment,
                "step": "sweep" if experiment.startswith("sweeps/") else "experiment",
                "step_title": experiment,
                "mlflow.parentRunId": top,
            },
        )
        for experiment, tags in experiments.items()
    }
    return {"experiment_id": experiment_id, "run_id": top, "experiments": runs}


def own_process() -> dict[str, str]:
    import psutil

    return {
        "kerasbook.host": socket.gethostname(),
        "kerasbook.pid": str(os.getpid()),
        "kerasbook.process_started": str(psutil.Process().create_time()),
    }


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether the process that a run belongs to still runs; elsewhere nobody here can tell."""
    import psutil

    if tags.get("kerasbook.host") != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(tags["kerasbook.pid"]))
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and not yet waited for
            return False
        return abs(process.create_time() - float(tags["kerasbook.process_started"])) < 1.0
    except (psutil.Error, KeyError, ValueError):
        return False


def close_dead_runs(path: Path, uri: str | None = None, everywhere: bool = False) -> list[str]:
    """Mark KILLED each of the project's runs that is RUNNING although its process is gone.

    Args:
        path: the file that `prepare` wrote.
        uri: the store's address with its password, if it has one.
        everywhere: also runs of other machines, whose processes nobody here can see. That is
            a guess: Snakemake locks the files that it makes and not the folder, so another
            Snakemake may have jobs of other chapters there. A run that was closed by mistake
            is FINISHED and current again once its job has ended: `tracked` sets both.

    Returns:
        The ids of the runs that were closed.

    Raises:
        KerasbookError: the store does not answer.
    """
    told = read_json(path)
    uri = uri or told["uri"]
    with asking(uri):
        return _close_dead_runs(client_of(uri), told, everywhere)


def _close_dead_runs(client: Any, told: Mapping[str, Any], everywhere: bool) -> list[str]:
    mine = f"attributes.status = 'RUNNING' and tags.`{PROJECT}` = '{told['project']}'"
    ids = [chapter["experiment_id"] for chapter in told["chapters"].values()]
    closed = []
    for run in client.search_runs(ids, mine, max_results=5000):
        elsewhere = run.data.tags.get("kerasbook.host") != socket.gethostname()
        if (everywhere and elsewhere) or not is_alive(run.data.tags):
            client.set_tag(run.info.run_id, STATE, "killed")
            client.set_terminated(run.info.run_id, "KILLED")
            closed.append(run.info.run_id)
    return closed


def _runs_of(client: Any, experiment_id: str, key: str) -> list[Any]:
    query = f"tags.`{KEY}` = '{key}'"
    return list(client.search_runs([experiment_id], query, max_results=1000))


def _trash(client: Any, run: Any) -> None:
    for output in getattr(run.outputs, "model_outputs", None) or []:
        client.delete_logged_model(output.model_id)
    client.delete_run(run.info.run_id)


def _clear_the_way(client: Any, experiment_id: str, key: str, mark: str, before: int) -> None:
    """Before a run: what an attempt that did not finish left behind. A finished run stays.

    Attempts that began later than `before` (ms) are none of its business: what a run said may
    come late, from its journal.
    """
    for run in _runs_of(client, experiment_id, key):
        if run.info.start_time > before:
            continue
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "KILLED")
        if run.info.status != "FINISHED" and run.data.tags.get(FINGERPRINT) == mark:
            _trash(client, run)


def _supersede(client: Any, experiment_id: str, key: str, mark: str, run_id: str) -> bool:
    """After a run has finished: the runs before it are no longer current.

    Nor is it itself, if one that began later has finished already.

    Returns:
        Whether the run itself went to the trash.
    """
    runs = {run.info.run_id: run for run in _runs_of(client, experiment_id, key)}
    own = runs.pop(run_id, None)
    if own is None:
        return True
    later = {one for one in runs if runs[one].info.start_time > own.info.start_time}
    newer = [runs[one] for one in later if runs[one].info.status == "FINISHED"]
    if any(run.data.tags.get(FINGERPRINT) == mark for run in newer):
        _trash(client, own)
    elif newer:
        client.set_tag(run_id, STATE, "superseded")
    for run in (run for name, run in runs.items() if name not in later):
        if run.data.tags.get(FINGERPRINT) == mark:
            _trash(client, run)
        elif run.data.tags.get(STATE) != "superseded":
            client.set_tag(run.info.run_id, STATE, "superseded")
    return any(run.data.tags.get(FINGERPRINT) == mark for run in newer)


class Receiver:
    """Puts what one run says into a store; what is said twice is there once.

    Args:
        uri: of the store.
        path: the file that `prepare` wrote.
        fresh: whether the run is certainly not in the store yet.
    """

    def __init__(self, uri: str, path: Path, fresh: bool):
        if is_served(uri):
            # A request that is sent again without a look may be obeyed twice.
            os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        self.uri, self.path, self.fresh = uri, path, fresh
        self.client: Any = None
        self.begun: Event = {}
        self.place: Place | None = None
        self.run_id: str | None = None
        self.told: str | None = None  # the run's tag TOLD, as it was found
        self.gone = False  # somebody deleted the run, or a later one took its place
        self.result: str | None = None

    def receive(self, events: Iterable[Event]) -> None:
        """Put events into the store, in their order.

        Raises:
            KerasbookError: the store does not answer; some of the events may be there.
        """
        with asking(self.uri):
            for event in journal.merged(events):
                if not self.gone:
                    getattr(self, f"_{event['event']}")(event)

    @property
    def experiment_id(self) -> str:
        """MLflow's id of the experiment that the run is in."""
        assert self.place is not None  # the first event tells
        return self.place.experiment_id

    @property
    def _key(self) -> str:
        names = ("rule", "name", "experiment", "point", "seed")
        parts = (self.begun.get(name) for name in names)
        return _key(self.place.project, *parts)

    def _begin(self, event: Event) -> None:
        if self.run_id is not None:
            return
        self.begun = event
        self.place = _place(self.uri, self.path, event)
        self.client = client_of(self.uri)  # not before: many that meet a fresh file corrupt it
        fresh, self.fresh = self.fresh, False  # an answer may be lost
        found = None if fresh else self._run_of(event["id"])
        if found is not None:
            self.run_id = found.info.run_id
            self.told = found.data.tags.get(TOLD)
            self.gone = found.info.lifecycle_stage != "active"
            return
        mark, begun = event["tags"][FINGERPRINT], event["time"]
        _clear_the_way(self.client, self.place.experiment_id, self._key, mark, begun)
        tags = {
            KEY: self._key,
            PROJECT: self.place.project,
            "mlflow.parentRunId": self.place.parent,
            **event["tags"],
        }
        made = self.client.create_run(
            self.place.experiment_id, start_time=begun, tags=tags, run_name=event["title"]
        )
        self.run_id = made.info.run_id

    def _run_of(self, own_id: str) -> Any:
        """The run of a journal, the deleted ones too; None where there is none.

        Of two, which a lost answer may leave, the first; `_end` does away with the other.
        """
        from mlflow.entities import ViewType

        query = f"tags.`{RUN_TAG}` = '{own_id}'"
        found = self.client.search_runs([self.place.experiment_id], query, ViewType.ALL)
        active = [run for run in found if run.info.lifecycle_stage == "active"]
        return min(active or found, key=lambda run: run.info.run_id, default=None)

    def _other(self, run_id: str | None) -> Any:
        """A run of another job, the parent for None; None where the store does not have it.

        It was made in another store, or somebody deleted it: results are no worse for that.

        Raises:
            KerasbookError: it waits in its journal to be brought.
        """
        from mlflow.exceptions import MlflowException

        if run_id is not None and journal.is_own(run_id):
            other = self._run_of(run_id)
        else:
            try:
                other = self.client.get_run(run_id or self.place.parent)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                other = None
        if run_id is not None and self._waits(run_id, other):
            raise KerasbookError(
                f"{run_id}: this run, to which results are to be added, was expected in "
                f"{shown_uri(self.uri)} whole; its journal has not been brought there yet."
            )
        if other is None or other.info.lifecycle_stage != "active":
            logger.warning("MLflow run %s is not in this store: nothing is added to it", run_id)
            return None
        return other

    def _waits(self, run_id: str, run: Any) -> bool:
        """Whether a run has more to say than the store knows.

        What is added to it before would be there twice where it says the same (its last epoch's
        accuracy and that of its evaluation may have one name).
        """
        own_id = run.data.tags.get(RUN_TAG, "") if run is not None else run_id
        if not journal.is_own(own_id):
            return False
        one = Journal(journals_of(self.path), own_id)
        begun = one.begun()
        if begun is None:
            return False
        if begun["uri"] != FILES:  # it is deleted once the store has all of it
            return True
        return run is None or int(run.data.tags.get(TOLD, 0)) < len(one.events())

    def _log(self, event: Event, run_id: str | None = None) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self.client.log_batch(
            run_id or self.run_id,
            metrics=[Metric(*row) for row in event.get("metrics", ())],
            params=[Param(key, one) for key, one in event.get("params", {}).items()],
            tags=[RunTag(key, one) for key, one in event.get("tags", {}).items()],
        )

    def _dataset(self, event: Event) -> None:
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.data.sources import LocalArtifactDatasetSource
        from mlflow.entities import DatasetInput, InputTag

        source = LocalArtifactDatasetSource(event["source"])
        data = MetaDataset(source, name=event["name"], digest=event["digest"])
        tags = [InputTag("mlflow.data.context", event["context"])]
        self.client.log_inputs(self.run_id, [DatasetInput(data._to_mlflow_entity(), tags)])

    def _artifact(self, event: Event) -> None:
        run_id = self.run_id
        if event["run"] is not None:
            other = self._other(event["run"])
            run_id = other.info.run_id if other is not None else None
        file = self._file(event["path"])
        if run_id is not None and file is not None:
            self.client.log_artifact(run_id, str(file), event["folder"])

    def _file(self, name: str) -> Path | None:
        """What an event speaks of: a file beside the journal, or where the job has it."""
        file = journals_of(self.path) / self.begun["id"] / name
        if Path(name).is_absolute() or file.exists():
            return file
        logger.warning("%s: found no such file, so MLflow run %s lacks it", file, self.run_id)
        return None

    def _model(self, event: Event) -> None:
        """Upload a model that was saved in MLflow's format."""
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model
        from mlflow.models.model import MLMODEL_FILE_NAME

        run = self.client.get_run(self.run_id)
        folder = self._file(event["path"])
        if MODEL in run.data.tags or folder is None:
            return
        experiment_id = self.place.experiment_id
        found = self.client.search_logged_models(
            [experiment_id], f"source_run_id = '{self.run_id}'"
        )
        made = next(iter(found), None) or self.client.create_logged_model(
            experiment_id, event["name"], self.run_id, params=run.data.params
        )
        file = folder / MLMODEL_FILE_NAME
        described = Model.load(str(file))
        described.run_id, described.model_id = self.run_id, made.model_id
        described.model_uuid, described.artifact_path = made.model_id, made.artifact_location
        described.save(str(file))
        self.client.log_model_artifacts(made.model_id, str(folder))
        self.client.finalize_logged_model(made.model_id, "READY")
        linked = getattr(run.outputs, "model_outputs", None) or []
        if made.model_id not in {one.model_id for one in linked}:
            self.client.log_outputs(self.run_id, [LoggedModelOutput(made.model_id, 0)])
        self.result = f"models:/{made.model_id}"
        self.client.set_tag(self.run_id, MODEL, self.result)

    def _results(self, event: Event) -> None:
        other = self._other(event["run"])
        if other is None:
            return
        new: dict[int, list[list[Any]]] = {}
        for name, value, at, _ in event["metrics"]:
            step = 0
            if name in other.data.metrics:
                if other.data.metrics[name] == value:
                    continue
                known = self.client.get_metric_history(other.info.run_id, name)
                if max(one.timestamp for one in known) > at:
                    continue  # this one comes late
                step = len(known)
            new.setdefault(step, []).append([name, value, at, step])
        for rows in new.values():
            self._log({"metrics": rows}, other.info.run_id)

    def _end(self, event: Event) -> None:
        self.client.set_terminated(self.run_id, event["status"], event["time"])
        if event["status"] == "FINISHED":
            mark, experiment_id = self.begun["tags"][FINGERPRINT], self.place.experiment_id
            self.gone = _supersede(self.client, experiment_id, self._key, mark, self.run_id)
