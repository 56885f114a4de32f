"""The SLURM jobs of a folder, asked of an squeue that says what it is told to, and what is said
before the first job."""

import os
from pathlib import Path

import pytest

from kerasbook.cluster import Job, cancel, forgetful, jobs_of, left_over, unchosen_store
from kerasbook.errors import KerasbookError

RUN = "0fa3e7c2-4f5e-4b8c-9b1d-3a8a7d7f0c11"
HERE = Path("/home/book/book")
QUEUE = f"""\
11|RUNNING|kerasbook_{RUN}|{HERE}
12|PENDING|{RUN}|{HERE}
13|RUNNING|kerasbook_{RUN}|/home/book/other
14|RUNNING|snakemake|{HERE}
15|COMPLETING|kerasbook_{RUN}|{HERE}
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Puts commands on the PATH: a queue to print, which scancel empties unless it is stubborn."""

    def put(queue: str, stubborn: bool = False) -> Path:
        (tmp_path / "queue").write_text(queue, encoding="utf-8")
        emptied = "" if stubborn else f"; : > {tmp_path}/queue"
        for name, does in {
            "squeue": f"cat {tmp_path}/queue",
            "scancel": f'echo "$@" > {tmp_path}/cancelled{emptied}',
        }.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return tmp_path

    return put


def test_a_folders_jobs_are_those_that_snakemake_submitted_there(slurm):
    slurm(QUEUE)
    assert jobs_of(HERE) == [Job("11", "RUNNING"), Job("12", "PENDING"), Job("15", "COMPLETING")]


def test_a_folder_with_a_bar_in_its_name(slurm):
    slurm(f"11|RUNNING|{RUN}|/home/book/a|b\n")
    assert jobs_of(Path("/home/book/a|b")) == [Job("11", "RUNNING")]


def test_what_is_left_over_is_told_with_what_to_do(slurm):
    slurm(QUEUE)
    told = left_over(HERE)
    assert "2 SLURM jobs" in told
    assert "(11, 12)" in told
    assert "make slurm-cancel" in told


def test_jobs_of_a_living_snakemake_are_waited_for_and_not_cancelled(slurm):
    slurm(QUEUE)
    told = left_over(HERE, living=True)
    assert "Another Snakemake of this folder runs and has 2 SLURM jobs (11, 12)" in told
    assert "Wait" in told
    assert "cancel" not in told
    told = left_over(HERE, hosts=["login2"])
    assert "2 SLURM jobs of this folder (11, 12)" in told
    assert "may run on login2" in told


@pytest.mark.parametrize("queue", ["", f"15|COMPLETING|{RUN}|{HERE}\n", f"1|RUNNING|x|{HERE}\n"])
def test_nothing_is_told_where_nothing_is_left_over(slurm, queue):
    slurm(queue)
    assert left_over(HERE) is None


def test_cancel_ends_this_folders_jobs_alone(slurm):
    folder = slurm(QUEUE)
    assert cancel(HERE) == 3
    assert (folder / "cancelled").read_text() == "11 12 15\n"


def test_cancel_of_nothing_calls_nothing(slurm):
    folder = slurm("")
    assert cancel(HERE) == 0
    assert not (folder / "cancelled").exists()


def test_jobs_that_stay_are_told(slurm):
    slurm(QUEUE, stubborn=True)
    with pytest.raises(KerasbookError, match="3 jobs still in the queue"):
        cancel(HERE, seconds=0)


def test_a_machine_without_slurm_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KerasbookError, match="machine of the cluster"):
        jobs_of(HERE)


def test_a_controller_that_is_down_is_told(slurm, tmp_path):
    slurm("")
    (tmp_path / "squeue").write_text("#!/bin/sh\necho 'no contact' >&2\nexit 1\n")
    with pytest.raises(KerasbookError, match="no contact"):
        left_over(HERE)


def test_jobs_of_many_machines_do_not_get_a_store_that_nobody_chose():
    told = unchosen_store(None)
    assert told.startswith("Found the local store results/mlflow.db")
    assert "Expected the address of an MLflow server, or `files`" in told
    assert "tracking_uri=files" in told


@pytest.mark.parametrize(
    "chosen", ["files", "http://127.0.0.1:5000", "sqlite:///results/mlflow.db", "sqlite:////tmp/x"]
)
def test_a_store_that_was_chosen_is_let_pass(chosen):
    assert unchosen_store(chosen) is None


@pytest.fixture
def min_job_age(tmp_path, monkeypatch):
    """Puts an scontrol on the PATH that tells this MinJobAge, or fails."""

    def put(line: str | None) -> None:
        does = "exit 1" if line is None else f"cat {tmp_path}/configuration"
        told = f"MemLimitEnforce         = No\nMessageTimeout          = 10 sec\n{line}\n"
        (tmp_path / "configuration").write_text(told, encoding="utf-8")
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (tmp_path / "scontrol").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return put


FORGOTTEN, CANCELLED = "forgotten how a job ended", "for ever for a job that is cancelled"


@pytest.mark.parametrize(
    "line, found, missed",
    [
        ("MinJobAge               = 180 sec", "180 s", FORGOTTEN),
        ("MinJobAge               = 60 sec", "60 s", FORGOTTEN),
        ("MinJobAge               = 59 sec", "59 s", CANCELLED),
        ("MinJobAge               = 0 sec", "0 s", CANCELLED),
        ("", "unknown", CANCELLED),
        (None, "unknown", CANCELLED),
    ],
)
def test_a_slurm_that_forgets_jobs_too_soon_is_told_in_one_line(min_job_age, line, found, missed):
    min_job_age(line)
    told = forgetful(first_wait=20)
    assert told.startswith(f"Found MinJobAge = {found} (`scontrol show config`), expected more")
    assert "more than 180 s" in told
    assert missed in told
    assert "Have the site's administrator raise it" in told
    assert "\n" not in told


def test_a_slurm_that_remembers_jobs_long_enough_is_not_spoken_of(min_job_age):
    min_job_age("MinJobAge               = 300 sec")
    assert forgetful(first_wait=20) is None
    assert "more than 360 s" in forgetful(first_wait=120)


def test_a_machine_without_scontrol_is_told_that_nothing_is_known(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "MinJobAge = unknown" in forgetful(first_wait=20)
