"""MLflow runs that survive parallel jobs, retries and kills.

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
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import logging
import math
import os
import socket
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbook import provenance
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_files, read_json, write_json, write_text
from kerasbook.provenance import shown_uri, split_login, without_login
from kerasbook.steps import Step, Terminated

if TYPE_CHECKING:  # MLflow runs this file by its name; so the plan knows that it is used
    from kerasbook import dense_pyfunc  # noqa: F401

logger = logging.getLogger(__name__)

# Nobody is told what is run here, unless whoever runs it says so. Read as MLflow is imported.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

SQLITE = "sqlite:///"
DEFAULT_URI = f"{SQLITE}results/mlflow.db"
# Set by the Snakefile for its jobs, so that another address re-runs nothing.
URI_VARIABLE = "KERASBOOK_TRACKING_URI"
KEY = "kerasbook.key"
FINGERPRINT = "kerasbook.fingerprint"
STATE = "kerasbook.state"
PROJECT = "kerasbook.project"
CODE = "kerasbook.code_sha256"
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


def _client(uri: str) -> Any:
    """An MLflow client; the environment's run id, which would break nesting, is dropped.

    MLflow prints a server's address, and its errors repeat it. So it gets the address without
    name and password, and these where it looks for them itself.
    """
    if uri.startswith(("http://", "https://")):
        uri, login = split_login(uri)
        if login and all(login):
            os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = login
    os.environ.pop("MLFLOW_RUN_ID", None)
    # git prints to the terminal where a folder is no repository; MLflow asks GitPython.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    import mlflow

    mlflow.set_tracking_uri(absolute_uri(uri))
    return mlflow.MlflowClient(absolute_uri(uri))


def fingerprint(settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """A digest of a run's parameters and of its inputs' digests."""
    text = json.dumps({"settings": settings, "inputs": inputs}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _parent_run(client: Any, experiment_id: str, key: str, tags: dict[str, str]) -> str:
    """The id of the run that holds others, made where it is missing.

    It does no work of its own, so it is never left RUNNING.
    """
    found = client.search_runs([experiment_id], f"tags.`{KEY}` = '{key}'", max_results=1)
    if found:
        for tag, value in tags.items():
            if found[0].data.tags.get(tag) != value:  # a title was changed
                client.set_tag(found[0].info.run_id, tag, value)
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
    with FileLock(beside.with_name(f".{beside.name}.lock")):
        project = _project(uri, path)
        told = {"uri": shown_uri(uri), "edition": edition, "project": project, "chapters": {}}
        if path.exists():
            known = read_json(path)
            told["labels"] = known.get("labels", {})
            if known["uri"] == shown_uri(uri) and _store_exists(uri):
                told["chapters"] = known["chapters"]
        told["labels"] = {**told.get("labels", {}), **labels_of(chapters)}
        with _asking(uri):
            client = _client(uri)
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
def _asking(uri: str) -> Iterator[None]:
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
class _Place:
    """Where a step's run goes: address, project, MLflow experiment, parent run, labels."""

    uri: str
    project: str
    experiment_id: str
    parent: str
    labels: Mapping[str, str]


def _place(path: Path, step: Step) -> _Place:
    """Where the run of a step goes.

    They stand in the file that `prepare` wrote before any job. What is not there (an
    experiment added meanwhile, another address, a store that was deleted) is made here.
    """

    def look(told: Mapping[str, Any]) -> _Place | None:
        place = told.get("chapters", {}).get(step.chapter)
        if place is None or told["uri"] != shown_uri(uri) or not _store_exists(uri):
            return None
        parent = place["experiments"].get(step.experiment) if step.experiment else place["run_id"]
        labels = told.get("labels", {}).get(f"{step.chapter}/{step.experiment}", {})
        if parent is None:
            return None
        return _Place(uri, told["project"], place["experiment_id"], parent, labels)

    told = read_json(path) if path.exists() else {}
    uri = os.environ.get(URI_VARIABLE) or told.get("uri", DEFAULT_URI)
    found = look(told)
    if found is None:
        labels = told.get("labels", {}).get(f"{step.chapter}/{step.experiment}", {})
        experiments = {step.experiment: labels} if step.experiment else {}
        found = look(prepare(uri, step.edition, {step.chapter: experiments}, path))
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
                "step": "experiment",
                "step_title": experiment,
                "mlflow.parentRunId": top,
            },
        )
        for experiment, tags in experiments.items()
    }
    return {"experiment_id": experiment_id, "run_id": top, "experiments": runs}


def _own_process() -> dict[str, str]:
    import psutil

    return {
        "kerasbook.host": socket.gethostname(),
        "kerasbook.pid": str(os.getpid()),
        "kerasbook.process_started": str(psutil.Process().create_time()),
    }


def _is_alive(tags: Mapping[str, str]) -> bool:
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
    with _asking(uri):
        return _close_dead_runs(_client(uri), told, everywhere)


def _close_dead_runs(client: Any, told: Mapping[str, Any], everywhere: bool) -> list[str]:
    mine = f"attributes.status = 'RUNNING' and tags.`{PROJECT}` = '{told['project']}'"
    ids = [chapter["experiment_id"] for chapter in told["chapters"].values()]
    closed = []
    for run in client.search_runs(ids, mine, max_results=5000):
        elsewhere = run.data.tags.get("kerasbook.host") != socket.gethostname()
        if (everywhere and elsewhere) or not _is_alive(run.data.tags):
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


def _clear_the_way(client: Any, experiment_id: str, key: str, mark: str) -> None:
    """Before a run: what an attempt that did not finish left behind. A finished run stays."""
    for run in _runs_of(client, experiment_id, key):
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "KILLED")
        if run.info.status != "FINISHED" and run.data.tags.get(FINGERPRINT) == mark:
            _trash(client, run)


def _supersede(client: Any, experiment_id: str, key: str, mark: str, run_id: str) -> None:
    """After a run has finished: the runs before it are no longer current."""
    for run in _runs_of(client, experiment_id, key):
        if run.info.run_id == run_id:
            continue
        if run.data.tags.get(FINGERPRINT) == mark:
            _trash(client, run)
        elif run.data.tags.get(STATE) != "superseded":
            client.set_tag(run.info.run_id, STATE, "superseded")


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings as MLflow parameters: nested keys joined by dots, layers in one line."""
    out: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            out.update(flat(value, f"{prefix}{key}."))
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            out[prefix + key] = " > ".join(_layer_text(one) for one in value)[:6000]
        else:
            out[prefix + key] = str(value)[:6000]
    return out


def _layer_text(layer: Mapping[str, Any]) -> str:
    own = [str(value) for key, value in layer.items() if key != "type"]
    return f"{layer['type']}({', '.join(own)})" if own else str(layer["type"])


def _metrics(values: Mapping[str, float], step: int) -> list[Any]:
    """MLflow metrics of the finite values; the others are named in the log."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    kept = []
    for key, value in values.items():
        if value is None or not math.isfinite(value):
            logger.warning("metric %s is %s at step %d: not sent to MLflow", key, value, step)
            continue
        # MLflow allows letters, digits, _ - . / and space in names; the ledger writes loss@2.
        kept.append(Metric(key.replace("@", "/"), float(value), now, step))
    return kept


@dataclass
class Run:
    """An open run, in the store at `uri`.

    Each method raises a KerasbookError where the store does not answer.
    """

    client: Any
    id: str
    uri: str
    origin: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Where the run's numbers come from, until now, for the files that it leaves.

        That is rule, script and digest of the code, commit, settings, digests of the inputs,
        versions, machine, log, when it began and now, and its place in the store. No store is
        needed to read it afterwards.
        """
        return {**self.origin, "ended": provenance.now()}

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step in one call."""
        self._log(metrics=_metrics(values, step))

    def _log(self, **batch: list[Any]) -> None:
        with _asking(self.uri):
            self.client.log_batch(self.id, **batch)

    def history(self, values: Mapping[str, list[float]], first: int = 0) -> None:
        """Log metrics of many steps in one call per thousand values (the server's limit)."""
        length = max(map(len, values.values()), default=0)
        rows = [
            metric
            for index in range(length)
            for metric in _metrics({key: one[index] for key, one in values.items()}, first + index)
        ]
        for start in range(0, len(rows), 1000):
            self._log(metrics=rows[start : start + 1000])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self._log(tags=[RunTag(key, str(value)[:5000]) for key, value in values.items()])

    def artifact(self, path: str | os.PathLike, folder: str | None = None) -> None:
        """Attach a file."""
        with _asking(self.uri):
            self.client.log_artifact(self.id, str(path), folder)

    def dataset(self, name: str, digest: str, source: str, context: str) -> None:
        """Say which data the run used.

        Args:
            digest: SHA-256 of the data's arrays; MLflow keeps its first 36 characters.
            source: the relative path of the file that was read.
            context: training, testing or validation.
        """
        import mlflow
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.data.sources import LocalArtifactDatasetSource

        data = MetaDataset(LocalArtifactDatasetSource(source), name=name, digest=digest[:36])
        with _asking(self.uri):
            mlflow.log_input(data, context=context)
        self.tags({f"data.{name}": digest})
        said = {"dataset": name, "digest": digest, "file": str(source)}
        self.origin.setdefault("data", []).append(said)


def _end(run: Run, status: str) -> None:
    """Close a run in the store and, where it was opened in this process, in MLflow here."""
    import mlflow

    active = mlflow.active_run()
    if active is not None and active.info.run_id == run.id:
        mlflow.end_run(status)
    else:
        run.client.set_terminated(run.id, status)


def _end_broken(run: Run, status: str, error: BaseException | None = None) -> None:
    """Close the run of a job that failed or was stopped, as well as the store allows.

    What the store says against it goes to the log: the user is to read why the job failed.
    """
    try:
        _end(run, status)
        if error is not None:
            run.tags({"error": f"{type(error).__name__}: {error}"})
    except Exception as fault:
        told = fault if isinstance(fault, KerasbookError) else _no_answer(run.uri, fault)
        logger.warning("MLflow run %s could not be closed as %s: %s", run.id, status, told)


def _origin(place: _Place, step: Step, inputs: Mapping[str, str]) -> dict[str, Any]:
    """What is known of a run as it begins; see `Run.record`."""
    head, dirty = provenance.commit()
    code = sorted({step.source, *step.code} - {""})
    return {
        "edition": step.edition,
        "chapter": step.chapter,
        "rule": step.rule,
        "script": step.source,
        "code_files": len(code),
        "code_sha256": digest_of_files(code) if all(Path(one).is_file() for one in code) else None,
        "commit": head,
        "dirty": dirty,
        "settings": step.settings,
        "inputs": dict(inputs),
        "threads": step.threads,
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "log": step.log,
        "mlflow_uri": shown_uri(place.uri),
        "mlflow_experiment_id": place.experiment_id,
        "started": provenance.now(),
    }


@contextlib.contextmanager
def tracked(
    path: str | os.PathLike, step: Step, inputs: Mapping[str, str] | None = None
) -> Iterator[Run]:
    """Open the MLflow run of a step; close it as FINISHED, FAILED or KILLED.

    What the job itself raises comes through, whatever the store says as the run is closed.

    Args:
        path: the file that `prepare` wrote.
        inputs: input name -> digest, part of the fingerprint.

    Raises:
        KerasbookError: the store does not answer, or its experiment was deleted.
    """
    place = _place(Path(path), step)
    import mlflow

    key = _key(place.project, step.rule, step.name, step.experiment, step.seed)
    mark = fingerprint(step.settings, inputs or {})
    with _asking(place.uri):
        client = _client(place.uri)
        _clear_the_way(client, place.experiment_id, key, mark)
    head, dirty = provenance.commit()
    origin = _origin(place, step, inputs or {})
    tags = {
        KEY: key,
        FINGERPRINT: mark,
        STATE: "current",
        PROJECT: place.project,
        "mlflow.parentRunId": place.parent,
        "mlflow.source.name": step.source,
        "mlflow.source.type": "LOCAL",
        "edition": step.edition,
        "chapter": step.chapter,
        "step": step.name.split(" ")[0],
        "rule": step.rule,
        "device": "cpu",
        "threads": str(step.threads),
        **({"experiment": step.experiment} if step.experiment else {}),
        **({"seed": str(step.seed)} if step.seed is not None else {}),
        **({"mlflow.source.git.commit": head, "git_dirty": str(dirty).lower()} if head else {}),
        **({CODE: origin["code_sha256"]} if origin["code_sha256"] else {}),
        **place.labels,
        **_own_process(),
    }
    from mlflow.entities import Param, RunTag

    params = [Param(name, value) for name, value in flat(step.settings).items()]
    if step.seed is not None:
        params.append(Param("seed", str(step.seed)))
    started = time.monotonic()
    with _asking(place.uri):
        made = client.create_run(place.experiment_id, tags=tags, run_name=step.title)
    open_run = Run(client, made.info.run_id, place.uri, origin)
    try:
        with _asking(place.uri):
            client.log_batch(open_run.id, params=params)
            mlflow.start_run(run_id=open_run.id)
        yield open_run
        spent = {
            "seconds": time.monotonic() - started,
            "peak_memory_mb": provenance.peak_memory_mb(),
        }
        # The state again: another Snakemake that started meanwhile may have taken the run for
        # dead. In one call with the metrics, as each call costs every job its time.
        open_run._log(metrics=_metrics(spent, 0), tags=[RunTag(STATE, "current")])
        with _asking(place.uri):
            _end(open_run, "FINISHED")
    except (Terminated, KeyboardInterrupt):
        _end_broken(open_run, "KILLED")
        raise
    except BaseException as error:
        _end_broken(open_run, "FAILED", error)
        raise
    with _asking(place.uri):
        _supersede(client, place.experiment_id, key, mark, open_run.id)


def log_dense_model(weights_file: str | os.PathLike, example: Any) -> str:
    """Log a stack of dense layers to the open run, as numpy arrays and code: no pickle.

    Args:
        weights_file: as `kerasbook.dense_pyfunc` reads it.
        example: a few rows of input (n, n_in), which give the signature.

    Returns:
        The model's URI.
    """
    import mlflow
    import numpy as np

    code = Path(__file__).with_name("dense_pyfunc.py")
    with np.load(weights_file, allow_pickle=False) as file:
        n_out = file[f"biases_{sum(name.startswith('biases_') for name in file.files) - 1}"].shape[
            0
        ]
    signature = mlflow.models.infer_signature(example, np.zeros((len(example), n_out)))
    # Requirements are named: MLflow's inference of them takes six seconds per model.
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(code),
        artifacts={"weights": str(weights_file)},
        signature=signature,
        input_example=example,
        pip_requirements=[f"mlflow=={mlflow.__version__}", f"numpy=={np.__version__}"],
    )
    return logged.model_uri


def add_results(run: Run, run_id: str, values: Mapping[str, float]) -> None:
    """Add final metrics to a run that another job made, once.

    A value that is there already is left; a value that changed (the run was
    evaluated anew) is logged at the next step, so no step holds two.

    Raises:
        KerasbookError: the store does not answer.
    """
    with _asking(run.uri):
        _add_results(run, run_id, values)


def _add_results(run: Run, run_id: str, values: Mapping[str, float]) -> None:
    other = _run_or_none(run, run_id)
    if other is None:
        return
    known = other.data.metrics
    new: dict[int, dict[str, float]] = {}
    for key, value in values.items():
        name = key.replace("@", "/")
        if name not in known:
            new.setdefault(0, {})[key] = value
        elif value is not None and known[name] != value:
            step = len(run.client.get_metric_history(run_id, name))
            new.setdefault(step, {})[key] = value
    for step, group in new.items():
        run.client.log_batch(run_id, metrics=_metrics(group, step))


def add_artifact(run: Run, run_id: str, path: Path) -> None:
    """Attach a file to a run that another job made.

    Raises:
        KerasbookError: the store does not answer.
    """
    with _asking(run.uri):
        if _run_or_none(run, run_id) is not None:
            run.client.log_artifact(run_id, str(path))


def _run_or_none(run: Run, run_id: str) -> Any:
    """A run of another job, or None where the store does not have it.

    It was made in another store, or somebody deleted it: results are no worse for that.
    """
    from mlflow.exceptions import MlflowException

    try:
        other = run.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        other = None
    if other is None or other.info.lifecycle_stage != "active":
        logger.warning("MLflow run %s is not in this store: nothing is added to it", run_id)
        return None
    return other


def main() -> None:
    """What the Snakefile's hooks call, with an order as JSON on the standard input.

    `start` makes the store ready and closes the runs of dead processes; `sweep` only
    closes. Messages for the user go to the standard output.
    """
    parser = argparse.ArgumentParser(description="Make the tracking store ready, or sweep it.")
    parser.add_argument("action", choices=["start", "sweep"])
    action = parser.parse_args().action
    order = json.load(sys.stdin)
    path = Path(order["path"])
    if importlib.util.find_spec("mlflow") is None:
        # Snakemake's own environment at a site where rules bring theirs: jobs make the
        # store ready themselves, and only need to know how experiments are called.
        if not path.exists():
            empty = {"uri": "", "edition": order["edition"], "project": "", "chapters": {}}
            write_json(path, {**empty, "labels": labels_of(order["chapters"])})
        return
    # MLflow would try for minutes whether a server that is not there comes up.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    start = action == "start"
    try:
        if start:
            prepare(order["uri"], order["edition"], order["chapters"], path)
        closed = close_dead_runs(path, order["uri"], everywhere=start) if path.exists() else []
        for run_id in closed:
            print(f"MLflow run {run_id}: its process is gone, marked KILLED.")  # noqa: T201
    except KerasbookError as error:
        print(error)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main()
