"""Locks that a Snakemake left behind when it was killed.

Snakemake locks the files that it makes by a list in its folder, which stays where the process is
killed; then nobody can go on before `snakemake --unlock`. Nothing in the list says whether who
wrote it is alive. So each Snakemake of this project also holds a lock of the operating system,
which ends with the process, however it ends: where nobody holds it, the list is stale.

Beside it stands a note of those that may have written the list: their hosts, since on a file
system of several machines such a lock may be seen by its own machine alone; and how they submit
jobs, which outlive them. Each adds itself, and the note goes when the list is empty.
"""

import contextlib
import fcntl
import json
import logging
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from kerasbook import files

logger = logging.getLogger(__name__)
ALIVE = "kerasbook.alive"
SUBMITS = "kerasbook.submits"
OWNER = "kerasbook.owner.json"
SUBMITTED = (
    "{folder}: locked by a Snakemake that was killed, whose jobs were submitted to a cluster and "
    "may still run. Expected none; cancel them there ({how}), then run `snakemake --unlock`."
)
ELSEWHERE = (
    "{folder}: locked, maybe by a Snakemake on {hosts}, of which this machine ({here}) cannot "
    "tell whether it lives. Expected none; look there, and wait for it if it does. If it was "
    "killed, {cancel}run `snakemake --unlock`."
)
# By the name of Snakemake's executor plugin.
CANCEL = {"slurm": "`make slurm-cancel`"}
CANCEL_ELSE = "bkill, qdel, kubectl delete job"

# Held until the process ends.
_held: list[IO] = []


@contextlib.contextmanager
def _shared(path: Path) -> Iterator[bool | None]:
    """Hold a file until the process ends, and nobody else meanwhile where nobody else does.

    Yields:
        Whether others hold it; None on a file system that cannot tell.
    """
    # For reading, too: NFS gives no shared lock on a file that is open for writing alone.
    file = path.open("a+")
    _held.append(file)
    others: bool | None = False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        others = True
    except OSError as error:
        logger.info("%s: cannot be held (%s)", path, error)
        others = None
    try:
        yield others
    finally:
        if others is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_SH)
            except OSError as error:
                logger.info("%s: cannot be shared (%s)", path, error)


def hold(folder: Path) -> str | None:
    """Hold the project as one that is alive; before that, clear locks that nobody holds.

    Several may hold it at once, as Snakemake lets several run that make different files.

    Args:
        folder: Snakemake's own, `.snakemake`.

    Returns:
        What the user is to be told, None if nothing.
    """
    folder.mkdir(exist_ok=True)
    with _shared(folder / ALIVE) as others:
        try:
            return _clear(folder) if others is False else None
        except OSError as error:
            logger.info("%s: locks cannot be cleared (%s)", folder, error)
            return None


def submit(folder: Path) -> bool:
    """Hold the project as one that submits jobs: whether another one that lives does so, too."""
    with _shared(folder / SUBMITS) as others:
        return bool(others)


def _noted(folder: Path) -> dict[str, set[str]]:
    """The `hosts` and `executors` in the note."""
    try:
        told = json.loads((folder / OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = {}
    told = told if isinstance(told, Mapping) else {}
    lists = {key: told.get(key) for key in ("hosts", "executors")}
    return {
        key: {str(one) for one in value} if isinstance(value, list) else set()
        for key, value in lists.items()
    }


def hosts_elsewhere(folder: Path) -> list[str]:
    """The other machines on which a Snakemake may have locked the project."""
    return sorted(_noted(folder)["hosts"] - {socket.gethostname()})


def _clear(folder: Path) -> str | None:
    """Remove the locks of processes that are all gone, and the note of who they were."""
    stale = sorted((folder / "locks").glob("*.lock"))
    executors = _noted(folder)["executors"]
    how = " or ".join(sorted({CANCEL.get(name, CANCEL_ELSE) for name in executors}))
    if stale and (hosts := hosts_elsewhere(folder)):
        return ELSEWHERE.format(
            folder=folder,
            hosts=", ".join(hosts),
            here=socket.gethostname(),
            cancel=f"cancel its jobs ({how}) and " if how else "",
        )
    if stale and executors:
        return SUBMITTED.format(folder=folder, how=how)
    for one in stale:
        one.unlink(missing_ok=True)
    (folder / OWNER).unlink(missing_ok=True)
    if not stale:
        return None
    return (
        f"{folder}: unlocked; the Snakemake that locked it was killed. What it left half done is "
        "done again."
    )


def tell_owner(folder: Path, executor: str | None) -> None:
    """Add this process to the note of those that may lock the project.

    What stands there of others stays: they may live, or have been killed beside one that lives.

    Args:
        folder: Snakemake's own, `.snakemake`.
        executor: the name of Snakemake's plugin where jobs go elsewhere, where they outlive a
            Snakemake that is killed; None where they are its own processes.

    Raises:
        KerasbookError: the folder is read-only or the disk is full.
    """
    noted = _noted(folder)
    noted["hosts"].add(socket.gethostname())
    if executor is not None:
        noted["executors"].add(executor)
    files.write_json(folder / OWNER, {key: sorted(value) for key, value in noted.items()})
