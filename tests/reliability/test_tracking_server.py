"""The smoke edition against a server with PostgreSQL that is killed in mid-run, and without one."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import mlflow
import psutil
import pytest

from kerasbook import journal, store, tracking_server
from kerasbook.errors import KerasbookError
from kerasbook.store import FILES
from kerasbook.training import read_history
from tests.misbehaving_server import closed_port
from tests.workflow.conftest import copied, stop

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SLUG = "ch07_mnist_convnets"
CHAPTERS = ("ch01", "ch04")  # whole, and of chapter 4.7 some
EXPERIMENTS = ("conv", "conv_dense", "conv_negatives", "conv_conv_pool_dropout")
SMOKE = ["--configfile", "config/smoke.yaml"]


class Recipe:
    """`make tracking-server`, as its module."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = closed_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "kerasbook.tracking_server", "--workers", "2"]
        told = self.folder / "told.txt"
        with open(told, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [*command, "--folder", self.folder / "data", "--port", str(self.port)],
                env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
                stdout=file,
                stderr=file,
            )
        wait_until(
            lambda: "Tracking server" in told.read_text(encoding="utf-8"), self.process,
            lambda: told.read_text(encoding="utf-8"),
        )  # fmt: skip

    def all_of_it(self) -> list[psutil.Process]:
        found = [self.process.pid]
        pid = self.folder / "data" / "postgres" / "postmaster.pid"
        with contextlib.suppress(OSError):
            found.append(int(pid.read_text(encoding="utf-8").split()[0]))
        below = []
        for one in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(one)
                below += [process, *process.children(recursive=True)]
        return below

    def kill(self) -> None:
        """As when the machine goes down: SIGKILL to MLflow, PostgreSQL and what started them."""
        processes = self.all_of_it()
        assert len(processes) > 5, "PostgreSQL or MLflow does not run"
        for one in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            processes = self.all_of_it()
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(timeout=90) == 0
            assert not [one for one in processes if runs(one)], "something runs on"


def runs(process: psutil.Process) -> bool:
    """Whether it runs; in a container nobody may take the dead away."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(holds, process, told, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert process.poll() is None, told()
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def server():
    try:
        tracking_server.install()
        tracking_server._as_another()
    except KerasbookError as error:
        pytest.skip(str(error))
    # pytest's own folders are closed to the user under whom root runs PostgreSQL.
    folder = Path(tempfile.mkdtemp(prefix="kerasbook-server-"))
    folder.chmod(0o755)
    recipe = Recipe(folder)
    try:
        recipe.start()
        yield recipe
        recipe.stop()
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in recipe.all_of_it():
                one.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def project(tmp_path):
    return copied(tmp_path)


def records_of(project) -> list[Path]:
    return sorted((project.folder / "results/smoke").glob("*/*/seed*/train.json"))


def begun_without_the_server(project) -> list[Path]:
    """The records of trainings that MLflow had no id for when they began."""
    return [file for file in records_of(project) if journal.is_own(project.json(file)["run_id"])]


def run_of(client, record: dict, slug: str):
    """A run by its id in a record: MLflow's, or that of its journal."""
    run_id = record["run_id"]
    if not journal.is_own(run_id):
        return client.get_run(run_id)
    experiment = client.get_experiment_by_name(f"smoke/{slug}")
    query = f"tags.`{journal.RUN_TAG}` = '{run_id}'"
    [found] = client.search_runs([experiment.experiment_id], query)
    return found


def check_nothing_lost_and_nothing_doubled(project, client) -> None:
    """Each record has one run, with the history and the metrics that lie in the results."""
    for file in records_of(project):
        slug, experiment = file.parts[-4], file.parts[-3]
        record = project.json(file)
        run = run_of(client, record, slug)
        assert run.info.status == "FINISHED", file
        assert run.data.tags[store.STATE] == "current"
        epochs, history = read_history(file.with_name("history.tsv"))
        for name, values in history.items():
            points = client.get_metric_history(run.info.run_id, name)
            assert sorted((one.step, one.value) for one in points) == list(
                zip(epochs.tolist(), values.tolist(), strict=True)
            ), f"{file} {name}"
        for name in set(run.data.metrics) - set(history):
            assert len(client.get_metric_history(run.info.run_id, name)) == 1, f"{file} {name}"
        metrics = project.json(file.parents[1] / "metrics.json")["seeds"][str(record["seed"])]
        final = {k: one for k, one in metrics.items() if "@" not in k and isinstance(one, float)}
        assert final
        assert {name: run.data.metrics[name] for name in final} == final
        assert len(run.outputs.model_outputs) == 1
        if slug == SLUG:
            files = [one.path for one in client.list_artifacts(run.info.run_id)]
            assert "confusion_matrix.svg" in files, experiment
    for slug in {file.parts[-4] for file in records_of(project)}:
        experiment = client.get_experiment_by_name(f"smoke/{slug}")
        runs = client.search_runs([experiment.experiment_id], max_results=1000)
        keys = Counter(run.data.tags[store.KEY] for run in runs)
        assert set(keys.values()) == {1}
        assert {run.info.status for run in runs} == {"FINISHED"}
        parents = {run.info.run_id for run in runs}
        assert all(run.data.tags.get("mlflow.parentRunId", run.info.run_id) in parents
                   for run in runs)  # fmt: skip


def test_a_server_that_is_killed_in_mid_run_loses_and_doubles_nothing(server, project):
    targets = [f"results/smoke/{SLUG}/{one}/metrics.json" for one in EXPERIMENTS]
    snakemake = ["-c8", *SMOKE, "--config", f"tracking_uri={server.uri}"]
    environment = {"no_proxy": "127.0.0.1"}
    process = project.start(*snakemake, "--", *CHAPTERS, *targets, **environment)
    try:
        logs = project.folder / "logs/smoke"

        def an_epoch_is_over():
            told = (log.read_text(encoding="utf-8") for log in logs.glob("*/train/*.log"))
            return any("epoch 1 of" in text for text in told)

        wait_until(an_epoch_is_over, process, lambda: "no epoch")
        server.kill()
        # Trainings that ran go on, and others begin while nobody answers.
        before = len(records_of(project))
        wait_until(
            lambda: len(records_of(project)) >= before + 4 and begun_without_the_server(project),
            process, lambda: "no training begins and ends while the server is away",
        )  # fmt: skip
        waiting = list((project.folder / "results/smoke/journal").glob("*.jsonl"))
        assert waiting, "no run waits for the server"
        server.start()
        output, _ = process.communicate(timeout=900)
    finally:
        stop(process)
    assert process.returncode == 0, output
    project.succeed("tracking_import", *snakemake, **environment)  # where it came back too late
    assert not list((project.folder / "results/smoke/journal").glob("*.jsonl"))

    client = mlflow.MlflowClient(server.uri)
    assert len(records_of(project)) >= 10 + len(EXPERIMENTS)
    check_nothing_lost_and_nothing_doubled(project, client)

    # Runs that began while nobody answered have an id of ours, which leads to MLflow's.
    ours = begun_without_the_server(project)
    run = run_of(client, project.json(ours[0]), ours[0].parts[-4])
    told = subprocess.run(
        [sys.executable, "-m", "kerasbook.trace", run.info.run_id, "--edition", "smoke"],
        cwd=project.folder, env={**project.environment, "PYTHONPATH": "workflow"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert f"run         {project.json(ours[0])['run_id']}" in told.stdout, told.stderr
    page = f"{server.uri}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert page in told.stdout


def test_a_cluster_without_a_server_writes_files_that_are_imported_once(project):
    files = [*SMOKE, "--config", f"tracking_uri={FILES}"]
    output = project.succeed("-c2", *files, "--", "ch01")
    assert "snakemake tracking_import" in output
    assert not (project.folder / "results/mlflow.db").exists()
    folder = project.folder / "results/smoke/journal"
    n = len(list(folder.glob("*.jsonl")))
    assert n == 1 + 6 + 6 + 1
    record = project.json(records_of(project)[0])
    assert journal.is_own(record["run_id"])

    def trace():
        return subprocess.run(
            [sys.executable, "-m", "kerasbook.trace", record["run_id"], "--edition", "smoke"],
            cwd=project.folder, env={**project.environment, "PYTHONPATH": "workflow"},
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    assert f"waits in results/smoke/journal/{record['run_id']}.jsonl" in trace()

    process = project.start("-c1", *files, "--", "tracking_import")
    try:
        wait_until(lambda: len(journal.tickets(folder)) >= 2, process, process.stdout.read)
    finally:
        stop(process)
    assert len(journal.tickets(folder)) < n, "it was not killed in mid-import"
    project.succeed("--unlock", *files)
    for _ in range(2):
        project.succeed("-c1", *files, "--", "tracking_import")
    assert len(journal.tickets(folder)) == n
    log = project.folder / "logs/smoke/tracking_import.log"
    assert f"0 runs imported, {n} were there" in log.read_text(encoding="utf-8")
    check_nothing_lost_and_nothing_doubled(project, project.client)
    run = run_of(project.client, record, "ch01_neural_network")
    assert f"/runs/{run.info.run_id} (after `make ui`)" in trace()
    # The files are as they were: nothing is run anew because its runs were imported.
    assert "Nothing to be done" in project.succeed("-n", *files, "--", "ch01")
