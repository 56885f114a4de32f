"""What a cluster needs before the first job, and the SLURM jobs that Snakemake submitted.

A Snakemake that is killed leaves its jobs in the queue, knows nothing of them when it is
started again and submits each a second time. They are found by their working directory and
their name, which is an optional prefix and a random id (snakemake-executor-plugin-slurm 2.8).
"""

import argparse
import getpass
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kerasbook.errors import KerasbookError
from kerasbook.store import DEFAULT_URI, FILES, SQLITE

# The plugin looks at the queue every so many seconds at most, while nothing changes there.
LONGEST_WAIT = 180
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Job:
    """A job in the queue: its id, and its state as squeue writes it (RUNNING, PENDING)."""

    id: str
    state: str


def _call(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KerasbookError(f"{command[0]}: {error}. Is this a machine of the cluster?") from None
    if done.returncode:
        told = (done.stderr or done.stdout).strip()
        raise KerasbookError(f"{command[0]} failed: {told}. Is SLURM's controller up?")
    return done.stdout


def jobs_of(folder: Path) -> list[Job]:
    """This user's jobs in the queue that a Snakemake submitted from a folder.

    Raises:
        KerasbookError: squeue is not there, or does not answer.
    """
    told = _call(
        "squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i|%T|%j|%Z"
    )  # fmt: skip
    found = []
    for line in told.splitlines():
        number, state, name, where = line.split("|", 3)
        if re.fullmatch(rf"(.+_)?{UUID}", name) and Path(where) == folder:
            found.append(Job(number, state))
    return found


def left_over(folder: Path, living: bool = False, hosts: Sequence[str] = ()) -> str | None:
    """What to tell before a run, where jobs of another one still wait or run; or None.

    Jobs that are only being cleaned up after (COMPLETING) write nothing more.

    Args:
        folder: where the jobs were submitted.
        living: whether a Snakemake that submits jobs from there is known to run.
        hosts: other machines, on which one may run.

    Raises:
        KerasbookError: squeue is not there, or does not answer.
    """
    jobs = [job for job in jobs_of(folder) if job.state != "COMPLETING"]
    if not jobs:
        return None
    shown = ", ".join(job.id for job in jobs[:5]) + (", ..." if len(jobs) > 5 else "")
    if living:
        return (
            f"Another Snakemake of this folder runs and has {len(jobs)} SLURM jobs ({shown}), "
            "expected none: this one could submit some of them a second time. Wait until it has "
            "ended, then type the same command again."
        )
    if hosts:
        return (
            f"Found {len(jobs)} SLURM jobs of this folder ({shown}), expected none: their "
            f"Snakemake may run on {', '.join(hosts)}, and this one would submit each a second "
            "time. Look there, and wait for it if it does. If it was killed, cancel them with "
            "`make slurm-cancel`; then type the same command again."
        )
    return (
        f"Found {len(jobs)} SLURM jobs of an earlier run of this folder ({shown}), expected none: "
        "that Snakemake was killed and could not cancel them, and this one would submit each a "
        "second time. Cancel them with `make slurm-cancel`, then type the same command again."
    )


def unchosen_store(told: str | None) -> str | None:
    """What to tell before jobs go to other machines, where nobody said where runs go; or None.

    A sqlite store that somebody chose is let pass: a cluster may be of one machine.

    Args:
        told: the address that was set, None where none was.
    """
    if told:
        return None
    return (
        f"Found the local store {DEFAULT_URI.removeprefix(SQLITE)} for jobs on a cluster: "
        "processes of many machines corrupt such a file. Expected the address of an MLflow "
        f"server, or `{FILES}`, which `snakemake tracking_import` brings to a store afterwards. "
        f"Set `tracking_uri` in config/config.yaml, or add it to --config (`--config "
        f"environment=gpu tracking_uri={FILES}`). On a cluster of one machine it may be "
        f"{DEFAULT_URI}."
    )


def forgetful(first_wait: int) -> str | None:
    """What to tell where SLURM forgets jobs too soon for squeue to say how they ended; or None.

    Args:
        first_wait: seconds until the plugin looks at the queue for the first time.
    """
    try:
        told = _call("scontrol", "show", "config")
    except KerasbookError:
        told = ""
    match = re.search(r"^MinJobAge\s*=\s*(\d+)", told, re.MULTILINE)
    # As the plugin has it: below three of its first waits it asks sacct, whatever it was told.
    enough = 3 * first_wait
    least = max(LONGEST_WAIT, enough)
    if match and int(match[1]) > least:
        return None
    missed = (
        "Snakemake may look after SLURM has forgotten how a job ended, and waits for it for ever"
        if match and int(match[1]) >= enough
        else "Snakemake asks sacct in its place, and waits for ever for a job that is cancelled"
    )
    return (
        f"Found MinJobAge = {f'{match[1]} s' if match else 'unknown'} (`scontrol show config`), "
        f"expected more than {least} s for squeue to tell how jobs end: {missed}. Have the "
        "site's administrator raise it (SLURM's own is 300). Until then, where squeue no longer "
        "shows a job that Snakemake waits for: Ctrl-C, and the same command again."
    )


def cancel(folder: Path, seconds: float = 120) -> int:
    """Cancel a folder's jobs and wait until they have left the queue: how many there were.

    Raises:
        KerasbookError: SLURM does not answer, or jobs are still there after so many seconds.
    """
    jobs = jobs_of(folder)
    if jobs:
        _call("scancel", *(job.id for job in jobs))
    end = time.monotonic() + seconds
    while left := jobs_of(folder):
        if time.monotonic() > end:
            raise KerasbookError(
                f"Found {len(left)} jobs still in the queue {seconds:.0f} s after scancel, "
                "expected none. `squeue --me` shows them; ask the site's administrator where "
                "they stay."
            )
        time.sleep(0.5)
    return len(jobs)


def main() -> None:
    """`list` or `cancel` the jobs of the folder in which it is called."""
    parser = argparse.ArgumentParser(description="The SLURM jobs submitted from this folder.")
    parser.add_argument("action", choices=["list", "cancel"])
    action = parser.parse_args().action
    try:
        if action == "cancel":
            print(f"Cancelled {cancel(Path.cwd())} jobs.")  # noqa: T201
        else:
            for job in jobs_of(Path.cwd()):
                print(job.id, job.state)  # noqa: T201
    except KerasbookError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
