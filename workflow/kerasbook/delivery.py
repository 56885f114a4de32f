"""What jobs could not bring to the store themselves is brought from their journals."""

import logging
import math
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from kerasbook import journal
from kerasbook.editions import configfile
from kerasbook.errors import KerasbookError
from kerasbook.journal import Event, Journal, ended, journals_of
from kerasbook.provenance import shown_uri
from kerasbook.store import FILES, STATE, TOLD, Receiver, client_of, is_alive

logger = logging.getLogger(__name__)

# How long a job, or the start of the workflow, cares for what other jobs could not bring.
LEFTOVERS_SECONDS = 20


@dataclass
class Delivery:
    """What became of the journals of a folder."""

    brought: int = 0  # runs that the store has now and had not, or not all of
    there: int = 0  # runs that it had
    waiting: int = 0  # runs that wait on
    faults: list[str] = field(default_factory=list)  # why
    killed: list[str] = field(default_factory=list)  # MLflow's ids of those whose job died


def put_away(one: Journal, receiver: Receiver, known: bool = False) -> None:
    """After all of a journal was brought: do away with it, unless it was written to stay.

    Args:
        known: whether those who look for the run know MLflow's id of it.
    """
    told = {"uri": shown_uri(receiver.uri), "experiment_id": receiver.place.experiment_id,
            "run_id": receiver.run_id}  # fmt: skip
    if not known:
        one.stamp(told)
    if receiver.begun["uri"] != FILES:
        one.delete()


def _answers(uri: str) -> bool:
    try:
        client_of(uri).search_experiments(max_results=1)
    except Exception:
        return False
    return True


def deliver(
    path: Path,
    uri: str,
    seconds: float = math.inf,
    the_dead: bool = False,
    everywhere: bool = False,
    from_anywhere: bool = False,
) -> Delivery:
    """Bring what journals hold to a store, each thing once, however often this is done or dies.

    A journal whose job runs is left to it.

    Args:
        path: the file that `prepare` wrote; the journals lie beside it.
        uri: the store's address.
        seconds: after which no further journal is begun.
        the_dead: also journals without an end, whose process died: those runs are marked KILLED.
        everywhere: also of processes on other machines, which nobody here can see.
        from_anywhere: also journals that were written for another store, or for none.
    """
    done = Delivery()
    until = time.monotonic() + seconds
    for one in journal.journals(journals_of(path)):
        begun = one.begun()
        meant = begun is None or from_anywhere or begun["uri"] == shown_uri(uri)
        if time.monotonic() > until or not meant:
            done.waiting += 1
            continue
        if not one.take():
            continue
        try:
            events = one.events()
            if not events:
                one.delete()
                continue
            end, waits = [], False
            if not any(event["event"] == "end" for event in events):
                elsewhere = begun["tags"].get("kerasbook.host") != socket.gethostname()
                waits = not the_dead or (elsewhere and not everywhere)
                waits = waits or (not elsewhere and is_alive(begun["tags"]))
                end = [{"event": "log", "tags": {STATE: "killed"}}, ended("KILLED")]
            if waits:
                done.waiting += 1
                continue
            receiver = Receiver(uri, path, fresh=False)
            if not _deliver(one, [*events, *end], receiver):
                done.there += 1
                continue
            done.brought += 1
            done.killed += [receiver.run_id] if end else []
        except (KerasbookError, OSError) as fault:
            done.faults.append(f"{one.file}: {fault}")
            done.waiting += 1
            if not _answers(uri):
                until = -math.inf
        finally:
            one.leave()
    return done


def _deliver(one: Journal, events: list[Event], receiver: Receiver) -> bool:
    """Bring a journal; False if the store had it all."""
    n = str(len(events))
    receiver.receive(events[:1])
    there = receiver.told == n or receiver.gone
    if not there:
        receiver.receive([*events[1:], {"event": "log", "tags": {TOLD: n}}])
    put_away(one, receiver)
    return not there


def waiting(path: Path) -> list[str]:
    """What is to be said of the journals that lie beside the file that `prepare` wrote."""
    folder = journals_of(path)
    known = journal.tickets(folder)
    left = [one for one in journal.journals(folder) if one.id not in known]
    if not left:
        return []
    command = import_command(path.parent.name)
    return [f"{folder}: {len(left)} runs wait there for a tracking store; `{command}` brings them."]


def import_command(edition: str) -> str:
    """What brings the runs that wait beside an edition's results to a store."""
    file = configfile(edition)
    return f"snakemake tracking_import -c1{f' --configfile {file}' if file else ''}"
