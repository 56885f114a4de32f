"""What runs say, written down beside the results until an MLflow store has it.

A journal is a file `<id>.jsonl`, one event a line, in the order in which they were said: `begin`,
`log` (metrics, parameters, tags), `dataset`, `artifact`, `model`, `results` (of another run) and
`end`. Each metric carries the time at which it was logged, which makes it the same metric however
often it is sent. Files that events speak of lie in the folder `<id>`. The id begins with `j`, so
that nobody takes it for a run's id in MLflow, which only the store can give.

Whoever writes a journal or sends it holds its lock, which the system opens where a process dies.
Nothing here knows MLflow: `kerasbook.tracking` says and receives the events.
"""

import contextlib
import json
import logging
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from kerasbook.errors import KerasbookError
from kerasbook.files import read_json, write_json

logger = logging.getLogger(__name__)

Event = Mapping[str, Any]
RUN_TAG = "kerasbook.run"  # holds the journal's id, in MLflow
MOST_METRICS = 1000  # of one request, by MLflow's limits
MOST_PARAMS_OR_TAGS = 100
# Seconds between two tries to reach a store that does not answer: at first, and at most.
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0


def new_id() -> str:
    """An id for a run that no store knows yet."""
    return f"j{uuid.uuid4().hex}"


def is_own(run_id: str) -> bool:
    """Whether a run's id is a journal's, and not MLflow's."""
    return re.fullmatch(r"j[0-9a-f]{32}", run_id) is not None


def journals_of(path: str | os.PathLike) -> Path:
    """The folder of the journals that belong to the file that `store.prepare` wrote."""
    return Path(path).with_name("journal")


class Journal:
    """The journal of one run in a folder."""

    def __init__(self, folder: Path, run: str):
        self.id = run
        self.file = folder / f"{run}.jsonl"
        self.payload = folder / run
        self.ticket = folder / f"{run}.json"
        self._lock_file = folder / f".{run}.lock"
        self._lock: Any = None
        self._open: IO[str] | None = None

    def take(self) -> bool:
        """Take the lock; False where another process has it.

        On a file system without locks there is none to take. What two processes bring at once
        is there once even so, unless both make the run in the same moment.
        """
        import filelock

        lock = filelock.FileLock(self._lock_file)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except (filelock.Timeout, PermissionError):  # held by another, or somebody else's
            return False
        except (OSError, NotImplementedError) as error:
            logger.warning("%s: cannot be locked (%s).", self.file, error)
            return True
        self._lock = lock
        return True

    def leave(self) -> None:
        """Give the lock back, and delete its file where the journal is gone."""
        if self._open is not None:
            self._open.close()
            self._open = None
        if self._lock is not None:
            if not self.file.exists():
                self._lock_file.unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def append(self, event: Event) -> None:
        """Write an event; it is in the file when this returns.

        Raises:
            KerasbookError: the disk is full or the folder cannot be written.
        """
        line = json.dumps(event, allow_nan=False) + "\n"
        try:
            if self._open is None:
                self._open = open(self.file, "a", encoding="utf-8")  # noqa: SIM115
            self._open.write(line)
            self._open.flush()
        except OSError as error:
            raise _unwritable(self.file, error) from error

    def keep(self, path: Path) -> str:
        """Copy a file or a folder beside the journal; its place there."""
        name = f"{sum(1 for _ in self.payload.glob('*'))}/{path.name}"
        target = self.payload / name
        try:
            target.parent.mkdir(parents=True)
            if path.is_dir():
                shutil.copytree(path, target)
            else:
                shutil.copyfile(path, target)
        except OSError as error:
            raise _unwritable(target, error) from error
        return name

    def begun(self) -> dict[str, Any] | None:
        """The first event; None where there is none that is whole."""
        try:
            with open(self.file, encoding="utf-8") as file:
                event = json.loads(file.readline())
        except (OSError, ValueError):
            return None
        return event if isinstance(event, dict) and event.get("event") == "begin" else None

    def events(self) -> list[dict[str, Any]]:
        """All that was written; a last line that a dying process left half is no event."""
        try:
            lines = self.file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and isinstance(event.get("event"), str):
                    found.append(event)
        return found if found and found[0]["event"] == "begin" else []

    def stamp(self, told: Mapping[str, str]) -> None:
        """Write down where the run is in a store, for those who look for it by its id here."""
        write_json(self.ticket, told)

    def delete(self) -> None:
        """Delete what was written, its ticket not."""
        shutil.rmtree(self.payload, ignore_errors=True)
        self.file.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> KerasbookError:
    return KerasbookError(
        f"{path}: cannot be written ({error.strerror or error}). Expected a writable folder with "
        "space left, for what runs say until the tracking store has it."
    )


def journals(folder: Path) -> list[Journal]:
    """The journals of a folder, those that began first at the front."""

    found = [Journal(folder, file.stem) for file in folder.glob("*.jsonl") if is_own(file.stem)]
    return sorted(found, key=lambda one: ((one.begun() or {"time": 0})["time"], one.id))


def tickets(folder: Path) -> dict[str, dict[str, str]]:
    """Id -> `uri`, `experiment_id` and `run_id` of the runs that a store has."""
    files = [file for file in folder.glob("j*.json") if is_own(file.stem)]
    return {file.stem: read_json(file) for file in sorted(files)}


def merged(events: Iterable[Event]) -> Iterator[Event]:
    """The same events in fewer requests: `log` events that follow one another become one.

    None of those that come out has more metrics, parameters or tags than MLflow takes at once.
    """
    waiting: dict[str, Any] | None = None
    for event in events:
        if event["event"] != "log":
            if waiting:
                yield from _split(waiting)
            waiting = None
            yield event
            continue
        waiting = waiting or {"event": "log", "metrics": [], "params": {}, "tags": {}}
        waiting["metrics"] += event.get("metrics", ())
        waiting["params"] |= event.get("params", {})
        waiting["tags"] |= event.get("tags", {})
    if waiting:
        yield from _split(waiting)


def _split(event: Mapping[str, Any]) -> Iterator[Event]:
    limits = {"metrics": MOST_METRICS, "params": MOST_PARAMS_OR_TAGS, "tags": MOST_PARAMS_OR_TAGS}
    rows = {"metrics": event["metrics"], "params": list(event["params"].items()),
            "tags": list(event["tags"].items())}  # fmt: skip
    while any(rows.values()):
        one = {key: rows[key][:limit] for key, limit in limits.items()}
        rows = {key: rows[key][limit:] for key, limit in limits.items()}
        yield {"event": "log", "metrics": one["metrics"], "params": dict(one["params"]),
               "tags": dict(one["tags"])}  # fmt: skip


class Courier(threading.Thread):
    """Brings events to a store in the background, in their order, whenever it answers.

    Whoever says something never waits for the store. What it does not take is brought again,
    after waits that grow to half a minute, so `receive` is to bear events that it had already.

    Args:
        receive: takes events; raises where the store does not.
        events: what is to be brought first.
        where: what is told of the store and the journal, for the log.
    """

    def __init__(self, receive: Callable[[list[Event]], None], events: list[Event], where: str):
        super().__init__(name="courier", daemon=True)
        self._receive = receive
        self._where = where
        self._waiting = list(events)
        self._closing = False
        self._changed = threading.Condition()
        self.fault: Exception | None = None

    def bring(self, event: Event) -> None:
        """Have an event brought, soon."""
        with self._changed:
            self._waiting.append(event)
            self._changed.notify()

    def close(self) -> bool:
        """Wait until all was brought, or until the store has once more not answered.

        Returns:
            Whether all was brought.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self.join()
        return not self._waiting

    def run(self) -> None:
        wait = FIRST_WAIT
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                events, last = list(self._waiting), self._closing
            if not events:
                return
            try:
                self._receive(events)
            except Exception as fault:
                if self.fault is None:
                    logger.warning("%s: %s. The job goes on.", self._where, fault)
                self.fault = fault
                if last:
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            if self.fault is not None:
                logger.info("%s: it answers again.", self._where)
            self.fault, wait = None, FIRST_WAIT
            with self._changed:
                del self._waiting[: len(events)]


def milliseconds() -> int:
    """The time, as MLflow counts it."""
    return int(time.time() * 1000)


def ended(status: str, at: int | None = None) -> Event:
    """That a run has ended, and how.

    Args:
        status: one of MLflow's: FINISHED, FAILED or KILLED.
        at: when (ms); now for None.
    """
    return {"event": "end", "status": status, "time": at or milliseconds()}
