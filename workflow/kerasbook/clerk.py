"""The process beside a running Snakemake that makes the store ready and writes in it for the jobs.

To import MLflow and to open its database takes a job longer than all that most jobs have to say.
So one process does it for the jobs of this machine: Snakemake's hook starts it before the first
job, each run speaks to it through a connection of its own to its socket, a line of JSON to and
fro, and it ends with its Snakemake. Where there is none (jobs elsewhere, or it was killed) a run
opens the database itself; what was said already is not there twice.
"""

import argparse
import importlib.util
import json
import logging
import math
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasbook.delivery import LEFTOVERS_SECONDS, deliver, waiting
from kerasbook.errors import KerasbookError
from kerasbook.files import write_json
from kerasbook.journal import Event
from kerasbook.store import FILES, SQLITE, Receiver, close_dead_runs, labels_of, prepare

logger = logging.getLogger(__name__)

# Set by the hook for the jobs: where the clerk listens. The folder is open to its user alone.
ADDRESS_VARIABLE = "KERASBOOK_CLERK"
READY = "ready "
# How long jobs may take to end after their Snakemake has.
LAST_WORDS_SECONDS = 10


class Lost(ConnectionError):
    """The clerk is not there, or not any more."""


class Line:
    """A run's connection to the clerk, with what `kerasbook.store.Receiver` has for its user.

    Raises:
        Lost: there is no clerk.
    """

    def __init__(self, uri: str, path: Path):
        self._hello: dict[str, Any] = {"uri": uri, "path": str(path.resolve())}
        self.run_id: str | None = None
        self.experiment_id: str | None = None
        self.result: str | None = None
        address = os.environ.get(ADDRESS_VARIABLE)
        if not address or not uri.startswith(SQLITE):
            raise Lost
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(address)
                # Which keeps the connection, until nobody has it any more.
                self._file = connection.makefile("rw", encoding="utf-8")
        except OSError as error:
            raise Lost from error

    def receive(self, events: Iterable[Event]) -> None:
        """Have events put into the store; they are there when this returns.

        Raises:
            KerasbookError: the store does not answer.
            Lost: the clerk does not; it may have done it.
        """
        try:
            self._file.write(json.dumps({**self._hello, "events": list(events)}) + "\n")
            self._file.flush()
            answer = self._file.readline()
        except OSError as error:
            raise Lost from error
        if not answer.endswith("\n"):
            raise Lost
        self._hello, told = {}, json.loads(answer)
        if "fault" in told:
            raise KerasbookError(told["fault"])
        self.run_id, self.experiment_id = told["run_id"], told["experiment_id"]
        self.result = told["result"]


class Clerk:
    """Listens, and puts what runs say into the store, one at a time."""

    def __init__(self, address: str):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(128)
        self._store = threading.Lock()
        self._talks: set[threading.Thread] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            talk = threading.Thread(target=self._attend, args=(connection,), daemon=True)
            self._talks.add(talk)
            talk.start()

    def _attend(self, connection: socket.socket) -> None:
        receiver: Receiver | None = None
        try:
            with connection, connection.makefile("rw", encoding="utf-8") as file:
                for line in file:
                    order = json.loads(line)
                    if receiver is None:
                        receiver = Receiver(order["uri"], Path(order["path"]), fresh=True)
                    file.write(json.dumps(self._answer(receiver, order["events"])) + "\n")
                    file.flush()
        except OSError:
            pass  # the job is gone
        finally:
            self._talks.discard(threading.current_thread())

    def _answer(self, receiver: Receiver, events: list[Event]) -> dict[str, Any]:
        try:
            with self._store:
                receiver.receive(events)
        except KerasbookError as error:
            return {"fault": str(error)}
        return {
            "run_id": receiver.run_id,
            "experiment_id": receiver.experiment_id,
            "result": receiver.result,
        }

    def close(self) -> None:
        """Hear out the jobs that are still there; take no new ones."""
        self._listener.close()
        until = time.monotonic() + LAST_WORDS_SECONDS
        for talk in list(self._talks):
            talk.join(max(0.0, until - time.monotonic()))


def _made_ready(order: dict[str, Any]) -> list[str]:
    """Before the first job: the store, what journals hold for it, the runs of dead processes."""
    path, uri = Path(order["path"]), order["uri"]
    prepare(uri, order["edition"], order["chapters"], path)
    return [] if uri == FILES else _swept(path, uri, LEFTOVERS_SECONDS, everywhere=True)


def _swept(path: Path, uri: str, seconds: float, everywhere: bool) -> list[str]:
    done = deliver(path, uri, seconds, the_dead=True, everywhere=everywhere)
    closed = [*done.killed, *close_dead_runs(path, uri, everywhere=everywhere)]
    return [f"MLflow run {run_id}: its process is gone, marked KILLED." for run_id in closed]


def _after_the_last(order: dict[str, Any]) -> list[str]:
    """After the last job: the same, and what is to be said of what waits."""
    path, uri = Path(order["path"]), order["uri"]
    told = []
    try:
        if uri != FILES and path.exists():
            told = _swept(path, uri, math.inf, everywhere=False)
    except KerasbookError as error:
        told = [str(error)]
    return told + waiting(path)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)  # noqa: T201


def main() -> None:
    """What the Snakefile's hook starts, with an order as a line of JSON on the standard input.

    Messages for the user go to the standard output. A line with READY and the address ends those
    of the beginning; the others come after the standard input was closed, which is when the
    Snakemake that started this has ended, in whatever way.
    """
    parser = argparse.ArgumentParser(description="Make the tracking store ready and serve jobs.")
    parser.add_argument("--serve", action="store_true", help="write into the store for jobs")
    serve = parser.parse_args().serve
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for Snakemake, and for its jobs
    order = json.loads(sys.stdin.readline())
    path, uri = Path(order["path"]), order["uri"]
    if uri != FILES and importlib.util.find_spec("mlflow") is None:
        # Snakemake's own environment at a site where rules bring theirs: jobs make the
        # store ready themselves, and only need to know how experiments are called.
        if not path.exists():
            empty = {"uri": "", "edition": order["edition"], "project": "", "chapters": {}}
            write_json(path, {**empty, "labels": labels_of(order["chapters"])})
        _say([READY])
        return
    # MLflow would try for minutes whether a server that is not there comes up.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    try:
        _say(_made_ready(order))
    except KerasbookError as error:
        _say([str(error)])
        sys.exit(1)
    with tempfile.TemporaryDirectory(prefix="kerasbook-") as folder:
        address = f"{folder}/clerk"
        clerk = None
        if serve and uri.startswith(SQLITE):
            try:
                clerk = Clerk(address)
            except OSError as error:  # a TMPDIR of more bytes than a socket's name may have
                logger.warning("%s: cannot listen there (%s); jobs write themselves", folder, error)
        _say([READY + (address if clerk else "")])
        sys.stdin.read()
        if clerk:
            clerk.close()
    _say(_after_the_last(order))


if __name__ == "__main__":
    main()
