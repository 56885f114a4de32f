"""What profiles/slurm says of snakemake-executor-plugin-slurm. A newer one may do better: then
the profile, its comments and the README are to follow."""

import asyncio
import contextlib
import inspect
import logging
from types import SimpleNamespace

import pytest
from snakemake_executor_plugin_slurm import Executor, ExecutorSettings
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import set_gres_string

from kerasbook.cluster import LONGEST_WAIT


class Resources(dict):
    """As a job has them: by key, and by name."""

    __getattr__ = dict.__getitem__


def flags(**resources: object) -> str:
    """The flags of sbatch for a job that asks for these."""
    job = SimpleNamespace(resources=Resources(resources), threads=1)
    given = dict.fromkeys(("run_uuid", "slurm_logfile", "comment_str"), "x")
    params = {**given, "account": "", "partition": "", "workdir": ""}
    return get_submit_command(job, params) + set_gres_string(job)


@pytest.mark.parametrize(
    "resources, sent, not_sent",
    [
        ({"gpu": 1}, ["--gpus=1"], ["--gres"]),
        ({"gpu": 0}, [], ["--gpus", "--gres"]),
        ({"gres": "gpu:1", "gpu": 0}, ["--gres=gpu:1"], ["--gpus"]),
        ({"gres": "", "gpu": 0}, [], ["--gpus", "--gres"]),
        ({"gpu": 1, "gres": "gpu:1"}, ["--gpus=1", "--gres=gpu:1"], []),
        ({"gpus": 1}, [], ["--gpus", "--gres"]),
        ({"mem_mb": 2000, "runtime": 30}, ["--mem 2000", "-t 30", "--cpus-per-task=1"], []),
    ],
)
def test_what_reaches_sbatch(resources, sent, not_sent):
    told = flags(**resources)
    assert [one for one in sent if one not in told] == []
    assert [one for one in not_sent if one in told] == []


FORGOTTEN = "forgotten"  # an answer that does not name the job


class Told(Executor):
    """The plugin's executor, less its start, with what it reports and which command it asks."""

    def __init__(self, answers: list, attempts: int, command: str = "squeue", age: int = 300):
        settings = ExecutorSettings(
            status_command=command,
            status_attempts=attempts,
            init_seconds_before_status_checks=20,  # as the profile says
        )
        self.age = age
        self.asked: set[str] = set()
        self.workflow = SimpleNamespace(executor_settings=settings)
        self.logger = logging.getLogger("tests")
        self.run_uuid = "x"
        self._status_query_calls = self._status_query_failures = 0
        self._status_query_total_seconds = self._status_query_max_seconds = 0.0
        self._status_query_min_seconds = None
        self._status_query_cycle_rows = []
        self._next_seconds_between_status_checks = 1
        self.status_rate_limiter = contextlib.nullcontext()
        self.answers = answers
        self.failed: list[str] = []

    def report_job_error(self, job_info, msg=None, **_):
        self.failed.append(job_info.external_jobid)

    def look(self, monkeypatch) -> list[str]:
        """Look at the one job there is, which is seven: the ids that are waited for further."""
        import snakemake_executor_plugin_slurm as plugin

        async def query(command, _):
            self.asked.add(command.split()[0])
            answer = self.answers.pop(0)
            if answer == FORGOTTEN:
                return {}, 0.0
            return ({"7": answer}, 0.0) if answer else (None, None)

        async def waited():
            job = SimpleNamespace(external_jobid="7", aux={})
            return [one.external_jobid async for one in self.check_active_jobs([job])]

        monkeypatch.setattr(plugin, "query_job_status", query)
        monkeypatch.setattr(plugin, "get_min_job_age", lambda: self.age)
        monkeypatch.setattr(plugin, "is_query_tool_available", lambda name: True)
        monkeypatch.setattr(plugin.subprocess, "check_output", lambda *_, **__: "")
        return asyncio.run(waited())


def test_a_cancelled_job_is_noticed_by_squeues_word_alone(monkeypatch):
    by_sacct = Told(["CANCELLED by 0"], 5, "sacct")
    assert by_sacct.look(monkeypatch) == ["7"]  # waited for, for ever
    assert by_sacct.failed == []
    by_squeue = Told(["CANCELLED"], 5)
    assert by_squeue.look(monkeypatch) == []
    assert by_squeue.failed == ["7"]


def test_as_many_failed_queries_as_attempts_lose_the_jobs(monkeypatch):
    lost = Told([None] * 5, 5)
    assert lost.look(monkeypatch) == []  # neither waited for
    assert lost.failed == []  # nor reported
    kept = Told([*[None] * 5, "RUNNING"], 6)
    assert kept.look(monkeypatch) == ["7"]


def test_a_job_that_slurm_has_forgotten_is_waited_for(monkeypatch):
    seen = Told(["RUNNING", FORGOTTEN], 5)
    assert seen.look(monkeypatch) == ["7"]
    assert seen.look(monkeypatch) == ["7"]
    assert seen.failed == []


@pytest.mark.parametrize("age, command", [(60, "squeue"), (59, "sacct"), (None, "sacct")])
def test_below_three_first_waits_sacct_is_asked_in_place_of_squeue(monkeypatch, age, command):
    seen = Told(["RUNNING"], 5, age=age)
    seen.look(monkeypatch)
    assert seen.asked == {command}


def test_the_longest_wait_between_two_looks_is_the_plugins():
    assert f"max_sleep_time = {LONGEST_WAIT}\n" in inspect.getsource(Executor.check_active_jobs)
