"""MLflow runs under parallel jobs, retries and kills, on a real sqlite store."""

import contextlib
import dataclasses
import logging
import math
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import traceback
from collections import Counter
from pathlib import Path

import psutil
import pytest

from kerasbook import provenance, tracking
from kerasbook import store as mlstore
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_files, read_json, write_json
from kerasbook.steps import Step, Terminated
from kerasbook.store import close_dead_runs, prepare
from kerasbook.tracking import add_artifact, add_results, tracked
from tests.misbehaving_server import MisbehavingServer, basic, closed_port
from tests.unit import page_example

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SLUG = "ch07_mnist_convnets"
TREE = {
    SLUG: {
        name: {"title": name.title(), "variant": "as_printed"} for name in ("conv", "deep", "third")
    },
    "ch06_mnist_explored": {"mnist": {"title": "Nearest mean", "variant": "as_printed"}},
}
EPOCHS = 5
N_PROCESSES = 8


def step(experiment="conv", seed=1, **settings):
    return Step(
        rule="ch07_train",
        name="train",
        edition="smoke",
        chapter=SLUG,
        experiment=experiment,
        seed=seed,
        settings={"epochs": EPOCHS, "optimizer": {"type": "sgd"}, **settings},
        source="workflow/chapters/ch07_mnist_convnets/train.py",
    )


class Store:
    """A sqlite store in a folder, and the file that says where things are in it."""

    def __init__(self, folder: Path):
        self.uri = f"sqlite:///{folder}/results/mlflow.db"
        self.database = folder / "results" / "mlflow.db"
        self.file = folder / "results" / "smoke" / "tracking.json"

    def prepare(self, tree=TREE):
        return prepare(self.uri, "smoke", tree, self.file)

    @property
    def client(self):
        return mlstore.client_of(self.uri)

    def runs(self, query="", slug=SLUG, deleted=False):
        from mlflow.entities import ViewType

        experiment = self.client.get_experiment_by_name(f"smoke/{slug}")
        view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        return self.client.search_runs([experiment.experiment_id], query, view, max_results=1000)

    def runs_of(self, key, **more):
        return self.runs(f"tags.`{mlstore.KEY}` = '{key}'", **more)

    def steps(self, run_id, metric="loss"):
        return [one.step for one in self.client.get_metric_history(run_id, metric)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One store for the tests that need no fresh one; each takes seeds of its own."""
    store = Store(tmp_path_factory.mktemp("store"))
    store.prepare()
    return store


@pytest.fixture
def store(made, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, made.uri)
    return made


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A folder in which there is no store yet."""
    one = Store(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, one.uri)
    return one


def train(run, epochs=EPOCHS):
    """Send what a training sends."""
    for epoch in range(1, epochs + 1):
        run.metrics({"loss": 1 / epoch, "val_loss": 2 / epoch}, epoch)


def together(work, store):
    """Call `work(store, index)` in eight processes that wait for one another."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(N_PROCESSES)
    processes = [
        spawn.Process(target=_meet, args=(work, store, index, barrier))
        for index in range(N_PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=180)
    assert [process.exitcode for process in processes] == [0] * N_PROCESSES


def _meet(work, store, index, barrier):
    import mlflow  # noqa: F401  (its import takes a second, and not the same one everywhere)

    barrier.wait(timeout=120)
    work(store, index)


# ---------------------------------------------------------------- eight at once


def _prepare(store, index):
    store.prepare()


def test_eight_processes_prepare_a_fresh_store_at_once(fresh):
    together(_prepare, fresh)
    names = [one.name for one in fresh.client.search_experiments()]
    assert Counter(names) == Counter(["Default", *(f"smoke/{slug}" for slug in TREE)])
    told = read_json(fresh.file)
    for slug, experiments in TREE.items():
        keys = Counter(run.data.tags[mlstore.KEY] for run in fresh.runs(slug=slug))
        expected = [f"chapter/{slug}", *(f"experiment/{name}" for name in experiments)]
        assert keys == Counter(expected)
        place = told["chapters"][slug]
        for run in fresh.runs(slug=slug):
            assert run.info.status == "FINISHED"
            parent = run.data.tags.get("mlflow.parentRunId")
            assert parent == (None if run.info.run_id == place["run_id"] else place["run_id"])
        assert set(place["experiments"]) == set(experiments)


def _train_one(store, index):
    with tracked(store.file, step("conv" if index % 2 else "deep", seed=index), {}) as run:
        train(run)


def test_eight_jobs_at_once_on_a_fresh_store_lose_and_double_nothing(fresh):
    # No `prepare` before: at a site whose Snakemake has no MLflow, the jobs do it themselves.
    together(_train_one, fresh)
    place = read_json(fresh.file)["chapters"][SLUG]
    seeds = fresh.runs("tags.step = 'train'")
    assert sorted(int(run.data.tags["seed"]) for run in seeds) == list(range(N_PROCESSES))
    for run in seeds:
        assert run.info.status == "FINISHED"
        name = "conv" if int(run.data.tags["seed"]) % 2 else "deep"
        assert run.data.tags["experiment"] == name
        assert run.data.tags["mlflow.parentRunId"] == place["experiments"][name]
        for metric in ("loss", "val_loss"):
            assert fresh.steps(run.info.run_id, metric) == [1, 2, 3, 4, 5]
    keys = Counter(run.data.tags[mlstore.KEY] for run in fresh.runs())
    assert set(keys.values()) == {1}, "a parent run was made twice"
    assert fresh.runs("attributes.status = 'RUNNING'") == []
    default = fresh.client.search_runs(["0"])
    assert default == [], "a run fell into MLflow's Default experiment"


# ------------------------------------------------------------------- what is said


def test_run_says_who_it_is_and_what_it_stood_on(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no git here
    with tracked(store.file, step(seed=11), {"data": "abc"}) as run:
        run.dataset("digits", "d" * 64, "data/processed/smoke/x.npz", "training")
        train(run)
    found = store.client.get_run(run.id)
    tags, params = found.data.tags, found.data.params
    place = read_json(store.file)["chapters"][SLUG]
    assert found.info.run_name == "conv seed 11"
    assert tags["mlflow.parentRunId"] == place["experiments"]["conv"]
    assert found.info.experiment_id == place["experiment_id"]
    expected = {
        "chapter": SLUG, "experiment": "conv", "variant": "as_printed", "edition": "smoke",
        "seed": "11", "rule": "ch07_train", "step": "train", "data.digits": "d" * 64,
        "title": "Conv",
    }  # fmt: skip
    assert expected.items() <= tags.items()
    assert tags["device"]
    assert params == {"epochs": "5", "optimizer.type": "sgd", "seed": "11"}
    [used] = found.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("digits", "d" * 36)
    assert found.data.metrics["seconds"] > 0
    assert found.data.metrics["peak_memory_mb"] > 10


def test_a_run_tells_where_its_numbers_come_from_without_the_store(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: ("c" * 40, True))
    script, imported = Path(step().source), Path("workflow/kerasbook/a.py")
    for file in (script, imported):
        file.parent.mkdir(parents=True)
        file.write_text(file.name)
    one = dataclasses.replace(step(seed=16), code=(str(imported),), log="logs/a.log", threads=2)
    with tracked(store.file, one, {"data": "abc"}) as run:
        run.dataset("digits", "d" * 64, "data/processed/smoke/x.npz", "training")
        told = run.record()
    code = digest_of_files([script, imported])
    expected = {
        "edition": "smoke", "chapter": SLUG, "rule": "ch07_train", "script": str(script),
        "code_files": 2, "code_sha256": code, "commit": "c" * 40, "dirty": True,
        "settings": one.settings, "inputs": {"data": "abc"}, "threads": 2, "log": "logs/a.log",
        "mlflow_uri": store.uri,
        "mlflow_experiment_id": read_json(store.file)["chapters"][SLUG]["experiment_id"],
        "data": [
            {"dataset": "digits", "digest": "d" * 64, "file": "data/processed/smoke/x.npz"}
        ],
    }  # fmt: skip
    assert expected.items() <= told.items()
    assert told["versions"]["mlflow"] and told["machine"]["cores"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z", told["started"])
    assert told["started"] <= told["ended"]
    # What the pages, the crate and the command `make trace` are tested with has the same keys.
    assert set(page_example.origin("train")) == set(told) - {"data"}
    assert store.client.get_run(run.id).data.tags[tracking.CODE] == code
    write_json(tmp_path / "a.json", told)


def test_commit_is_said_where_there_is_one(store, monkeypatch):
    monkeypatch.setattr(provenance, "commit", lambda: ("c" * 40, True))
    with tracked(store.file, step(seed=12)) as run:
        pass
    tags = store.client.get_run(run.id).data.tags
    assert (tags["mlflow.source.git.commit"], tags["git_dirty"]) == ("c" * 40, "true")


def test_run_id_in_the_environment_does_no_harm(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with tracked(store.file, step(seed=13)) as run:
        train(run)
    assert run.id != "0" * 32
    found = store.client.get_run(run.id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "conv seed 13")
    assert found.data.tags["mlflow.parentRunId"]


def test_values_that_are_not_finite_are_skipped_with_a_warning(store, caplog):
    with (
        caplog.at_level(logging.WARNING, "kerasbook.tracking"),
        tracked(store.file, step(seed=14)) as run,
    ):
        run.metrics({"loss": 0.5, "val_loss": 0.6}, 1)
        run.metrics({"loss": math.nan, "val_loss": 0.7}, 2)
        run.metrics({"loss": math.inf, "val_loss": None}, 3)
    assert store.steps(run.id) == [1]
    assert store.steps(run.id, "val_loss") == [1, 2]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3
    assert "loss is nan at step 2" in told[0]
    assert store.client.get_run(run.id).info.status == "FINISHED"


def test_history_longer_than_the_servers_limit_arrives_whole(store):
    with tracked(store.file, step(seed=15)) as run:
        run.history({"loss": [0.1] * 700, "val_loss": [0.2] * 700}, first=1)
    assert store.steps(run.id) == list(range(1, 701))
    assert store.steps(run.id, "val_loss") == list(range(1, 701))


# ------------------------------------------------------------ retries and changes


def test_retry_leaves_one_run_and_no_step_twice(store):
    ids = []
    for _ in range(3):
        with tracked(store.file, step(seed=21), {"data": "abc"}) as run:
            train(run)
        ids.append(run.id)
    key = "ch07_train/train/conv/21"
    [kept] = store.runs_of(key)
    assert kept.info.run_id == ids[-1]
    assert kept.data.tags[mlstore.STATE] == "current"
    assert store.steps(kept.info.run_id) == [1, 2, 3, 4, 5]
    assert {one.info.run_id for one in store.runs_of(key, deleted=True)} == set(ids[:-1])


@pytest.mark.parametrize("change", ["settings", "inputs"])
def test_changed_parameters_or_data_keep_the_older_run_for_comparison(store, change):
    seed = {"settings": 22, "inputs": 23}[change]
    older = step(seed=seed)
    newer = step(seed=seed, epochs=9) if change == "settings" else older
    with tracked(store.file, older, {"data": "abc"}) as first:
        train(first)
    with tracked(store.file, newer, {"data": "abc" if change == "settings" else "xyz"}) as second:
        train(second)
    found = {run.info.run_id: run for run in store.runs_of(f"ch07_train/train/conv/{seed}")}
    assert set(found) == {first.id, second.id}
    assert found[first.id].data.tags[mlstore.STATE] == "superseded"
    assert found[second.id].data.tags[mlstore.STATE] == "current"
    assert store.steps(first.id) == [1, 2, 3, 4, 5]


def test_going_back_to_older_parameters_leaves_one_run_of_each(store):
    for epochs in (5, 9, 5):
        with tracked(store.file, step(seed=24, epochs=epochs)) as run:
            train(run)
    found = store.runs_of("ch07_train/train/conv/24")
    states = {one.data.params["epochs"]: one.data.tags[mlstore.STATE] for one in found}
    assert (len(found), states) == (2, {"9": "superseded", "5": "current"})


def test_other_seeds_and_experiments_are_left_alone(store):
    for one in (step(seed=25), step(seed=26), step("deep", seed=25), step(seed=25)):
        with tracked(store.file, one) as run:
            train(run)
    for key in ("conv/25", "conv/26", "deep/25"):
        [found] = store.runs_of(f"ch07_train/train/{key}")
        assert found.data.tags[mlstore.STATE] == "current"


def test_an_experiment_added_later_gets_its_parent_run(store):
    late = step("late", seed=1)
    told = read_json(store.file)
    told["labels"][f"{SLUG}/late"] = {"title": "Late", "variant": "beyond"}
    write_json(store.file, told)
    with tracked(store.file, late) as run:
        pass
    parent_id = read_json(store.file)["chapters"][SLUG]["experiments"]["late"]
    assert store.client.get_run(run.id).data.tags["mlflow.parentRunId"] == parent_id
    parent = store.client.get_run(parent_id)
    assert (parent.info.run_name, parent.data.tags["variant"]) == ("late", "beyond")
    assert set(read_json(store.file)["chapters"][SLUG]["experiments"]) >= {"conv", "deep", "late"}


def test_prepare_again_changes_nothing(store):
    before = read_json(store.file)
    n_runs = len(store.runs())
    store.prepare()
    assert read_json(store.file)["chapters"].keys() == before["chapters"].keys()
    assert read_json(store.file)["chapters"][SLUG]["run_id"] == before["chapters"][SLUG]["run_id"]
    assert len(store.runs()) == n_runs


# ------------------------------------------------------------------ kills, failures


JOB = """
    import sys, time
    from types import SimpleNamespace
    from kerasbook import steps
    from kerasbook.tracking import tracked

    file, log, seed = sys.argv[1:]
    step = steps.Step("ch07_train", "train", "smoke", "ch07_mnist_convnets", "conv", int(seed),
                      {"epochs": 5, "optimizer": {"type": "sgd"}})

    def main(snakemake):
        with tracked(file, step, {}) as run:
            for epoch in (1, 2):
                run.metrics({"loss": 1 / epoch}, epoch)
            print("two epochs done", flush=True)
            time.sleep(120)

    steps.run(main, SimpleNamespace(rule="ch07_train", log=[log]))
"""


@pytest.fixture
def job(store, tmp_path):
    """Start a job that trains for two epochs and then takes its time; returns its process."""
    started = []

    def start(seed):
        script = tmp_path / "job.py"
        script.write_text(textwrap.dedent(JOB), encoding="utf-8")
        log = tmp_path / f"{seed}.log"
        process = subprocess.Popen(
            [sys.executable, script, store.file, log, str(seed)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        deadline = time.monotonic() + 60
        while not (log.exists() and "two epochs done" in log.read_text(encoding="utf-8")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline, "the job did not begin"
            time.sleep(0.05)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stderr.close()


def test_a_job_killed_by_the_system_is_closed_and_then_superseded(store, job):
    process = job(seed=31)
    key = "ch07_train/train/conv/31"
    assert close_dead_runs(store.file) == [], "a job that runs was taken for dead"
    process.send_signal(signal.SIGKILL)
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)
    [dead] = store.runs_of(key)
    assert dead.info.status == "RUNNING"
    # Nobody has waited for the process yet: it is a zombie, and as good as gone.
    assert close_dead_runs(store.file) == [dead.info.run_id]
    [dead] = store.runs_of(key)
    assert (dead.info.status, dead.data.tags[mlstore.STATE]) == ("KILLED", "killed")
    process.wait()
    assert close_dead_runs(store.file) == []
    with tracked(store.file, step(seed=31)) as run:
        train(run)
    [kept] = store.runs_of(key)
    assert (kept.info.run_id, kept.info.status) == (run.id, "FINISHED")
    assert store.steps(run.id) == [1, 2, 3, 4, 5]


def test_a_retry_closes_the_dead_run_even_if_nobody_swept(store, job):
    process = job(seed=32)
    process.kill()
    process.wait()
    with tracked(store.file, step(seed=32, epochs=7)) as run:
        train(run)
    found = {one.info.run_id: one for one in store.runs_of("ch07_train/train/conv/32")}
    del found[run.id]
    [dead] = found.values()
    assert (dead.info.status, dead.data.tags[mlstore.STATE]) == ("KILLED", "superseded")


def test_a_job_told_to_stop_closes_its_run_at_once(store, job):
    process = job(seed=33)
    process.terminate()
    assert process.wait(timeout=30) == 143
    assert "ch07_train: stopped by SIGTERM" in process.stderr.read()
    [run] = store.runs_of("ch07_train/train/conv/33")
    assert run.info.status == "KILLED"
    assert store.steps(run.info.run_id) == [1, 2]


def test_a_failing_job_leaves_a_failed_run_that_says_why(store):
    with pytest.raises(ZeroDivisionError), tracked(store.file, step(seed=34)) as run:
        run.metrics({"loss": 1.0}, 1)
        _ = 1 / 0
    found = store.client.get_run(run.id)
    assert found.info.status == "FAILED"
    assert found.data.tags["error"] == "ZeroDivisionError: division by zero"
    import mlflow

    assert mlflow.active_run() is None


def test_a_run_that_cannot_be_described_is_not_left_running(store, monkeypatch):
    monkeypatch.setattr(tracking, "flat", lambda settings: {"bad name?\0": "x"})
    with pytest.raises(Exception, match="name"), tracked(store.file, step(seed=35)):
        pytest.fail("the run opened")
    [run] = store.runs_of("ch07_train/train/conv/35")
    assert run.info.status == "FAILED"


def broken(monkeypatch, *methods):
    """Have the store fail in these methods from now on, as on a full disk."""
    import mlflow
    from mlflow.exceptions import MlflowException

    def fail(*args, **kwargs):
        raise MlflowException("database or disk is full")

    for method in methods:
        monkeypatch.setattr(mlflow.MlflowClient, method, fail)


@pytest.mark.parametrize("error", [KerasbookError("x.csv: found no rows"), Terminated("signal 15")])
@pytest.mark.parametrize(
    "methods", [["log_batch"], ["set_terminated"], ["log_batch", "set_terminated"]]
)
def test_the_jobs_own_error_is_told_where_the_store_fails_too(
    store, monkeypatch, caplog, error, methods
):
    with monkeypatch.context() as patch, pytest.raises(type(error)) as caught:  # noqa: SIM117
        with tracked(store.file, step(seed=44)):
            broken(patch, *methods)
            raise error
    assert caught.value is error
    if "set_terminated" in methods or isinstance(error, KerasbookError):
        assert "could not be closed" in caplog.text
        assert "database or disk is full" in caplog.text
    import mlflow

    assert mlflow.active_run() is None


@pytest.mark.parametrize("method", ["search_runs", "create_run", "log_batch"])
def test_a_store_that_fails_at_the_start_is_told(store, monkeypatch, method):
    with monkeypatch.context() as patch:
        broken(patch, method)
        with pytest.raises(KerasbookError) as caught, tracked(store.file, step(seed=45)):
            pytest.fail("the job was begun")
    told = str(caught.value)
    assert told.startswith(f"{store.uri}: the tracking store does not answer (MlflowException: ")
    assert "database or disk is full" in told
    assert store.runs("attributes.status = 'RUNNING' and tags.seed = '45'") == []


@pytest.mark.parametrize("method", ["log_batch", "set_terminated", "search_runs"])
def test_a_store_that_fails_at_the_end_is_told(store, monkeypatch, method):
    with (
        monkeypatch.context() as patch,
        pytest.raises(KerasbookError, match=r"does not answer .*disk is full"),
        tracked(store.file, step(seed=46)),
    ):
        broken(patch, method)
    import mlflow

    assert mlflow.active_run() is None


@pytest.mark.parametrize(
    ("method", "work"),
    [
        ("log_batch", lambda run: run.metrics({"loss": 1.0})),
        ("log_batch", lambda run: run.history({"loss": [1.0]})),
        ("log_artifact", lambda run: run.artifact("x.png")),
        ("get_run", lambda run: add_results(run, run.id, {"test_accuracy": 1.0})),
        ("get_run", lambda run: add_artifact(run, run.id, Path("x.png"))),
    ],
)
def test_a_store_that_fails_midway_is_told(store, monkeypatch, method, work):
    with monkeypatch.context() as patch, tracked(store.file, step(seed=47)) as run:
        broken(patch, method)
        with pytest.raises(KerasbookError, match=r"does not answer .*disk is full"):
            work(run)
        patch.undo()


def test_a_sweep_that_gets_no_answer_is_told(store, monkeypatch):
    broken(monkeypatch, "search_runs")
    with pytest.raises(KerasbookError, match=r"does not answer .*disk is full"):
        close_dead_runs(store.file)


def test_runs_of_other_machines_are_not_closed_and_reused_process_ids_are_seen(store):
    experiment_id = read_json(store.file)["chapters"][SLUG]["experiment_id"]
    own = mlstore.own_process()
    long_ago = str(float(own["kerasbook.process_started"]) - 1000)
    own[mlstore.PROJECT] = mlstore.LOCAL_PROJECT
    made = {
        "stranger": {**own, "kerasbook.process_started": long_ago, mlstore.PROJECT: "another"},
        "elsewhere": {**own, "kerasbook.host": "another-machine", "kerasbook.pid": "1"},
        "reused": {**own, "kerasbook.process_started": long_ago},
        "mine": own,
    }
    ids = {
        name: store.client.create_run(experiment_id, tags=tags).info.run_id
        for name, tags in made.items()
    }
    assert own["kerasbook.host"] == socket.gethostname()
    assert close_dead_runs(store.file) == [ids["reused"]]
    status = {name: store.client.get_run(one).info.status for name, one in ids.items()}
    told = {"stranger": "RUNNING", "elsewhere": "RUNNING", "reused": "KILLED", "mine": "RUNNING"}
    assert status == told
    # Before the first job of a Snakemake, those elsewhere are taken for dead as well.
    assert close_dead_runs(store.file, everywhere=True) == [ids["elsewhere"]]
    for name in ("stranger", "mine"):
        store.client.set_terminated(ids[name])


def test_a_run_taken_for_dead_by_another_snakemake_ends_as_any_other(store, monkeypatch):
    """Snakemake locks files: `snakemake ch09` may start while jobs of `ch01` run elsewhere."""
    own = mlstore.own_process()
    with monkeypatch.context() as there:
        there.setattr(tracking, "own_process", lambda: own | {"kerasbook.host": "a-node"})
        with tracked(store.file, step(seed=43)) as run:
            assert close_dead_runs(store.file, everywhere=True) == [run.id]
            assert store.client.get_run(run.id).info.status == "KILLED"
            train(run)
    found = store.client.get_run(run.id)
    assert (found.info.status, found.data.tags[mlstore.STATE]) == ("FINISHED", "current")
    assert store.steps(run.id) == [1, 2, 3, 4, 5]


def test_a_failed_retry_leaves_the_finished_run_as_it_was(store):
    with tracked(store.file, step(seed=36)) as run:
        train(run)
    with pytest.raises(ZeroDivisionError), tracked(store.file, step(seed=36)):
        1 / 0  # noqa: B018
    kept = store.client.get_run(run.id)
    assert (kept.info.status, kept.info.lifecycle_stage) == ("FINISHED", "active")
    with tracked(store.file, step(seed=36)) as third:
        train(third)
    [found] = store.runs_of("ch07_train/train/conv/36")
    assert found.info.run_id == third.id


def test_results_for_a_run_that_is_gone_are_left_out_with_a_warning(store, caplog):
    with tracked(store.file, step(seed=37)) as run:
        train(run)
    store.client.delete_run(run.id)
    with tracked(store.file, step(seed=38)) as other:
        add_results(other, run.id, {"test_accuracy": 0.5})
        add_results(other, "0" * 32, {"test_accuracy": 0.5})
    assert caplog.text.count("is not in this store") == 2


def test_checkouts_that_share_a_server_do_not_touch_each_others_runs(store, monkeypatch):
    with tracked(store.file, step(seed=39)) as ours:
        train(ours)
    monkeypatch.setattr(mlstore, "_project", lambda uri, path: "another")
    other = store.file.parent / "another.json"
    prepare(store.uri, "smoke", TREE, other)
    with tracked(other, step(seed=39)) as theirs:
        train(theirs)
    assert store.client.get_run(ours.id).info.lifecycle_stage == "active"
    assert theirs.id != ours.id
    assert store.client.get_run(theirs.id).data.tags[mlstore.PROJECT] == "another"


def test_passwords_are_not_written_down():
    shown = provenance.shown_uri("https://user:secret@runs.example:5000/x")
    assert shown == "https://runs.example:5000/x"
    assert provenance.shown_uri("sqlite:///results/mlflow.db") == "sqlite:///results/mlflow.db"


@pytest.fixture
def other_login(monkeypatch):
    """A login that the environment holds, which the one in an address goes before."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "nobody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "nothing")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:s3cret@127.0.0.1:{port}", "http://127.0.0.1:{port}"),
        # Not the form of an address of MLflow's, so its error repeats it.
        ("postgresql+a+b://me:s3cret@db.example/runs", "postgresql+a+b://db.example/runs"),
        ("postgresql+a+b://me:s3cret/x@db.example/runs", "postgresql+a+b://db.example/runs"),
    ],
)
def test_passwords_are_in_no_message(tmp_path, other_login, capfd, caplog, uri, shown):
    port = closed_port()
    with pytest.raises(KerasbookError) as caught:
        prepare(uri.format(port=port), "smoke", TREE, tmp_path / "tracking.json")
    told = str(caught.value)
    assert told.startswith(f"{shown.format(port=port)}: the tracking store does not answer")
    printed = capfd.readouterr()
    for text in (told, caplog.text, printed.out, printed.err):
        assert "s3cret" not in text
        assert "me:" not in text
    if uri.startswith("http"):  # the job's log holds the traceback
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_server_gets_the_password_of_its_address(tmp_path, other_login):
    with MisbehavingServer() as server:
        uri = server.address.replace("http://", "http://me:s%40cret@")
        with pytest.raises(KerasbookError, match="404"):
            prepare(uri, "smoke", TREE, tmp_path / "tracking.json")
    assert {told.get("Authorization") for _, told in server.requests} == {basic("me", "s@cret")}


# ----------------------------------------------------------------- results added later


def test_results_added_twice_are_there_once_and_changed_ones_follow(store):
    with tracked(store.file, step(seed=41)) as run:
        train(run)

    def points(name):
        return [(one.step, one.value) for one in store.client.get_metric_history(run.id, name)]

    for _ in range(2):
        add_results(run, run.id, {"test_accuracy": 0.1 + 0.2, "f1": 0.5, "loss@1": 0.25})
    assert points("test_accuracy") == [(0, 0.1 + 0.2)]
    assert points("loss/1") == [(0, 0.25)]
    add_results(run, run.id, {"test_accuracy": 0.9, "f1": 0.5, "roc_auc": math.nan})
    assert points("test_accuracy") == [(0, 0.1 + 0.2), (1, 0.9)]
    assert points("f1") == [(0, 0.5)]
    assert store.client.get_run(run.id).data.metrics["test_accuracy"] == 0.9
    assert "roc_auc" not in store.client.get_run(run.id).data.metrics


# ------------------------------------------------------------------- a store that is gone


def test_a_deleted_store_is_made_anew(fresh):
    fresh.prepare()
    before = read_json(fresh.file)["chapters"][SLUG]["run_id"]
    fresh.database.unlink()
    # A job is a process of its own: one that had the file open would write on into it.
    process = multiprocessing.get_context("spawn").Process(target=_train_one, args=(fresh, 1))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == 0
    place = read_json(fresh.file)["chapters"][SLUG]
    assert place["run_id"] != before
    import sqlite3

    with contextlib.closing(sqlite3.connect(fresh.database)) as database:
        [[n_runs]] = database.execute(
            "select count(*) from tags where key = 'step' and value = 'train'"
        )
        [[n_parents]] = database.execute(
            "select count(*) from tags where key = 'mlflow.parentRunId' and value = ?",
            [place["experiments"]["conv"]],
        )
    assert (n_runs, n_parents) == (1, 1)


def test_a_deleted_experiment_is_told_with_the_cure(fresh):
    fresh.prepare()
    place = read_json(fresh.file)["chapters"][SLUG]
    fresh.client.delete_experiment(place["experiment_id"])
    with pytest.raises(KerasbookError) as caught:
        fresh.prepare()
    told = str(caught.value)
    assert f"'smoke/{SLUG}' was deleted" in told
    assert f"mlflow experiments restore --experiment-id {place['experiment_id']}" in told


def test_a_store_that_cannot_be_is_told(tmp_path):
    in_the_way = tmp_path / "results"
    in_the_way.write_text("a file where a folder should be")
    with pytest.raises(KerasbookError, match=r"results/mlflow\.db: "):
        prepare(f"sqlite:///{in_the_way}/mlflow.db", "smoke", TREE, tmp_path / "tracking.json")
    assert not (tmp_path / "tracking.json").exists()


def test_a_file_that_is_no_store_is_told_and_kept(tmp_path):
    database = tmp_path / "mlflow.db"
    database.write_text("my notes, not a database " * 100)
    with pytest.raises(KerasbookError, match="the tracking store does not answer"):
        prepare(f"sqlite:///{database}", "smoke", TREE, tmp_path / "tracking.json")
    assert database.read_text().startswith("my notes")


def test_a_server_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(KerasbookError) as caught:
        prepare(f"http://127.0.0.1:{port}", "smoke", TREE, tmp_path / "tracking.json")
    told = str(caught.value)
    assert told.startswith(f"http://127.0.0.1:{port}: the tracking store does not answer")
    assert "tracking_uri" in told
