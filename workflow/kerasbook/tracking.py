"""The MLflow run of a step: what a job says of itself, and on which way it gets to the store.

What a run says are events (`kerasbook.journal`), which a `kerasbook.store.Receiver` puts into a
store. A database gets each at once, by the clerk of this machine where there is one. To a server
they are brought in the background, so that no training waits for it or fails without it; until it
has them all they lie in a journal, and what a job could not bring is brought by
`kerasbook.delivery`. In the mode `files` there is the journal alone.
"""

import contextlib
import contextvars
import hashlib
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbook import clerk, journal, provenance
from kerasbook.delivery import LEFTOVERS_SECONDS, deliver, put_away
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_files, read_json
from kerasbook.journal import RUN_TAG, Event, Journal, ended, journals_of
from kerasbook.provenance import is_served, shown_uri
from kerasbook.steps import Step, Terminated
from kerasbook.store import (
    DEFAULT_URI,
    FILES,
    FINGERPRINT,
    STATE,
    Receiver,
    known_place,
    own_process,
)

if TYPE_CHECKING:  # MLflow runs this file by its name; so the plan knows that it is used
    from kerasbook import dense_pyfunc  # noqa: F401

logger = logging.getLogger(__name__)

# Set by the Snakefile for its jobs, so that another address re-runs nothing.
URI_VARIABLE = "KERASBOOK_TRACKING_URI"
CODE = "kerasbook.code_sha256"


def fingerprint(settings: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """A digest of a run's parameters and of its inputs' digests."""
    text = json.dumps({"settings": settings, "inputs": inputs}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


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


def _metrics(values: Mapping[str, float], step: int) -> list[list[Any]]:
    """Metrics as events hold them: name, value, time (ms), step, of the finite values.

    The others are named in the log.
    """
    now = journal.milliseconds()
    kept = []
    for key, value in values.items():
        if value is None or not math.isfinite(value):
            logger.warning("metric %s is %s at step %d: not sent to MLflow", key, value, step)
            continue
        # MLflow allows letters, digits, _ - . / and space in names; the ledger writes loss@2.
        kept.append([key.replace("@", "/"), float(value), now, int(step)])
    return kept


def _uri_and_labels(path: Path, step: Step) -> tuple[str, Mapping[str, str]]:
    """Where runs are tracked, and what the step's experiment is called."""
    told = read_json(path) if path.exists() else {}
    labels = told.get("labels", {}).get(f"{step.chapter}/{step.experiment}", {})
    return os.environ.get(URI_VARIABLE) or told.get("uri") or DEFAULT_URI, labels


class _Direct:
    """A run's way into a database: what it says is there when it has said it."""

    def __init__(self, uri: str, path: Path, begun: Event):
        self._uri, self._path, self._begun = uri, path, begun
        self._receiver: clerk.Line | Receiver
        try:
            self._receiver = clerk.Line(uri, path)
        except clerk.Lost:
            self._receiver = Receiver(uri, path, fresh=True)
        self.say(begun)
        self.id, self.experiment_id = self._receiver.run_id, self._receiver.experiment_id

    def say(self, *events: Event) -> None:
        try:
            self._receiver.receive(events)
        except clerk.Lost:
            logger.warning("The process that writes into the store is gone: done here from now on.")
            self._receiver = Receiver(self._uri, self._path, fresh=False)
            self._receiver.receive([self._begun, *events])

    def artifact(self, path: Path) -> str:
        return str(path.resolve())

    def model(self, save: Callable[[Path], None]) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder) / "model")
            self.say({"event": "model", "name": "model", "path": f"{folder}/model"})
        return self._receiver.result

    def close(self, leftovers: bool = False) -> None:
        pass


class _Written:
    """A run's way into its journal, and from there to a server in the background, if there is one.

    Its id is MLflow's where the server answered as it began, else the journal's.
    """

    def __init__(self, uri: str, path: Path, begun: Event):
        self._uri, self._path = uri, path
        self._journal = Journal(journals_of(path), begun["id"])
        self._journal.take()
        self._journal.append(begun)
        self.id, self.experiment_id = begun["id"], None
        self._receiver = self._courier = None
        if uri == FILES:
            return
        place = known_place(uri, path, begun["chapter"], begun["experiment"])
        self.experiment_id = place and place.experiment_id
        self._receiver = Receiver(uri, path, fresh=True)
        first = [begun]
        try:
            self._receiver.receive(first)
            self.id, first = self._receiver.run_id, []
            self.experiment_id = self._receiver.place.experiment_id
        except KerasbookError as fault:
            logger.warning("%s The job goes on and writes to %s.", fault, self._journal.file)
        self._courier = journal.Courier(
            self._receiver.receive, first, f"What waits in {self._journal.file}"
        )
        self._courier.start()

    def say(self, *events: Event) -> None:
        for event in events:
            self._journal.append(event)
            if self._courier is not None:
                self._courier.bring(event)

    def artifact(self, path: Path) -> str:
        return self._journal.keep(path)

    def model(self, save: Callable[[Path], None]) -> str | None:
        with tempfile.TemporaryDirectory() as folder:
            save(Path(folder) / "model")
            kept = self._journal.keep(Path(folder) / "model")
        self.say({"event": "model", "name": "model", "path": kept})
        return None if journal.is_own(self.id) else f"runs:/{self.id}/model"

    def close(self, leftovers: bool = False) -> None:
        """Bring what waits, if the server answers, and then, if wanted, what other jobs left."""
        try:
            brought = self._courier is not None and self._courier.close()
            if brought:
                put_away(self._journal, self._receiver, known=not journal.is_own(self.id))
        finally:
            self._journal.leave()
        if brought and leftovers:
            deliver(self._path, self._uri, seconds=LEFTOVERS_SECONDS)


@dataclass
class Run:
    """An open run.

    `id` is MLflow's, or the journal's where no store has the run yet. Each method raises a
    KerasbookError where a database does not answer; a server is waited for in the background.
    """

    id: str
    way: _Direct | _Written
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

    def _log(self, **batch: Any) -> None:
        self.way.say({"event": "log", **batch})

    def history(self, values: Mapping[str, list[float]], first: int = 0) -> None:
        """Log metrics of many steps in one call per thousand values (the server's limit)."""
        length = max(map(len, values.values()), default=0)
        rows = [
            metric
            for index in range(length)
            for metric in _metrics({key: one[index] for key, one in values.items()}, first + index)
        ]
        self._log(metrics=rows)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self._log(tags={key: str(value)[:5000] for key, value in values.items()})

    def artifact(self, path: str | os.PathLike, folder: str | None = None) -> None:
        """Attach a file."""
        kept = self.way.artifact(Path(path))
        self.way.say({"event": "artifact", "run": None, "path": kept, "folder": folder})

    def model(self, flavor: Any, **saved: Any) -> str | None:
        """Log a model; MLflow keeps the address of the one model of a run in the tag `model_uri`.

        Args:
            flavor: the module of MLflow that saves it, such as `mlflow.sklearn`.
            saved: what its `save_model` takes.

        Returns:
            The model's URI; None where no store has the run yet, or in `without_models`.
        """
        if not keeps_models():
            return None
        return self.way.model(lambda path: flavor.save_model(path=str(path), **saved))

    def dataset(self, name: str, digest: str, source: str, context: str) -> None:
        """Say which data the run used.

        Args:
            digest: SHA-256 of the data's arrays; MLflow keeps its first 36 characters.
            source: the relative path of the file that was read.
            context: training, testing or validation.
        """
        self.way.say({"event": "dataset", "name": name, "digest": digest[:36],
                      "source": str(source), "context": context})  # fmt: skip
        self.tags({f"data.{name}": digest})
        said = {"dataset": name, "digest": digest, "file": str(source)}
        self.origin.setdefault("data", []).append(said)


def _end_broken(run: Run, status: str, error: BaseException | None = None) -> None:
    """Close the run of a job that failed or was stopped, as well as the store allows.

    What the store says against it goes to the log: the user is to read why the job failed.
    """
    try:
        run.way.say(ended(status))
        if error is not None:
            run.tags({"error": f"{type(error).__name__}: {error}"})
    except Exception as fault:
        logger.warning("MLflow run %s could not be closed as %s: %s", run.id, status, fault)
    with contextlib.suppress(Exception):
        run.way.close()


def _origin(uri: str, step: Step, inputs: Mapping[str, str]) -> dict[str, Any]:
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
        "mlflow_uri": shown_uri(uri),
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
        KerasbookError: the database does not answer, or its experiment was deleted.
    """
    path = Path(path)
    uri, labels = _uri_and_labels(path, step)
    origin = _origin(uri, step, inputs or {})
    head, dirty = origin["commit"], origin["dirty"]
    own_id = journal.new_id()
    tags = {
        FINGERPRINT: fingerprint(step.settings, inputs or {}),
        STATE: "current",
        RUN_TAG: own_id,
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
        **({"point": step.point} if step.point else {}),
        **({"mlflow.source.git.commit": head, "git_dirty": str(dirty).lower()} if head else {}),
        **({CODE: origin["code_sha256"]} if origin["code_sha256"] else {}),
        **labels,
        **own_process(),
    }
    begun = {
        "event": "begin",
        "id": own_id,
        "time": journal.milliseconds(),
        "uri": shown_uri(uri),
        "edition": step.edition,
        "chapter": step.chapter,
        "rule": step.rule,
        "name": step.name,
        "experiment": step.experiment,
        "point": step.point,
        "seed": step.seed,
        "title": step.title,
        "labels": labels,
        "tags": tags,
    }
    # What a sweep chose stands under its own key too: layers are one parameter.
    params = flat(step.settings) | {key: str(value) for key, value in step.values.items()}
    if step.seed is not None:
        params["seed"] = str(step.seed)
    started = time.monotonic()
    way = (_Written if uri == FILES or is_served(uri) else _Direct)(uri, path, begun)
    open_run = Run(way.id, way, {**origin, "mlflow_experiment_id": way.experiment_id})
    try:
        open_run._log(params=params)
        yield open_run
        for action in _AT_THE_END.get():
            action(open_run)
        spent = {
            "seconds": time.monotonic() - started,
            "peak_memory_mb": provenance.peak_memory_mb(),
        }
        # The state again: another Snakemake that started meanwhile may have taken the run for
        # dead. In one call with the metrics, as each call costs every job its time.
        open_run._log(metrics=_metrics(spent, 0), tags={STATE: "current"})
        way.say(ended("FINISHED"))
    except (Terminated, KeyboardInterrupt):
        _end_broken(open_run, "KILLED")
        raise
    except BaseException as error:
        _end_broken(open_run, "FAILED", error)
        raise
    way.close(leftovers=True)


_KEEPS_MODELS = contextvars.ContextVar("keeps_models", default=True)
_AT_THE_END: contextvars.ContextVar[tuple[Callable[[Any], None], ...]] = contextvars.ContextVar(
    "at_the_end", default=()
)


@contextlib.contextmanager
def at_the_end(action: Callable[[Run], None]) -> Iterator[None]:
    """In this block a run that ends well is given to `action` before it is closed."""
    token = _AT_THE_END.set((*_AT_THE_END.get(), action))
    try:
        yield
    finally:
        _AT_THE_END.reset(token)


@contextlib.contextmanager
def without_models() -> Iterator[None]:
    """In this block runs log no model, as the points of a sweep need none."""
    token = _KEEPS_MODELS.set(False)
    try:
        yield
    finally:
        _KEEPS_MODELS.reset(token)


def keeps_models() -> bool:
    """Whether runs log their models here."""
    return _KEEPS_MODELS.get()


def log_dense_model(run: Run, weights_file: str | os.PathLike, example: Any) -> str | None:
    """Log a stack of dense layers to a run, as numpy arrays and code: no pickle.

    Args:
        weights_file: as `kerasbook.dense_pyfunc` reads it.
        example: a few rows of input (n, n_in), which give the signature.

    Returns:
        The model's URI; None where no store has the run yet, or no models are kept.
    """
    if not keeps_models():  # before MLflow is imported, which takes longer than many a training
        return None
    import mlflow
    import numpy as np

    code = Path(__file__).with_name("dense_pyfunc.py")
    with np.load(weights_file, allow_pickle=False) as file:
        n_out = file[f"biases_{sum(name.startswith('biases_') for name in file.files) - 1}"].shape[
            0
        ]
    signature = mlflow.models.infer_signature(example, np.zeros((len(example), n_out)))
    # Requirements are named: MLflow's inference of them takes six seconds per model.
    return run.model(
        mlflow.pyfunc,
        python_model=str(code),
        artifacts={"weights": str(weights_file)},
        signature=signature,
        input_example=example,
        pip_requirements=[f"mlflow=={mlflow.__version__}", f"numpy=={np.__version__}"],
    )


def add_results(run: Run, run_id: str | None, values: Mapping[str, float]) -> None:
    """Add final metrics to a run that another job made, once; to the run's parent for None.

    A value that is there already is left; a value that changed (the run was
    evaluated anew) is logged at the next step, so no step holds two.

    Raises:
        KerasbookError: the database does not answer.
    """
    run.way.say({"event": "results", "run": run_id, "metrics": _metrics(values, 0)})


def add_artifact(run: Run, run_id: str, path: Path) -> None:
    """Attach a file to a run that another job made.

    Raises:
        KerasbookError: the database does not answer.
    """
    kept = run.way.artifact(path)
    run.way.say({"event": "artifact", "run": run_id, "path": kept, "folder": None})
