"""The process that writes into the store for jobs: what it is told is there once, come what may."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kerasbook import clerk, store
from kerasbook.errors import KerasbookError
from kerasbook.tracking import URI_VARIABLE
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

SLUG = "ch07_mnist_convnets"
CHAPTERS = {SLUG: {"conv": {"title": "Conv", "variant": "as_printed"}}}
# Two epochs, and a third when the standard input says so.
JOB = """
import os, sys
from pathlib import Path
from kerasbook.steps import Step
from kerasbook.tracking import add_results, tracked

step = Step("ch07_train", "train", "smoke", "ch07_mnist_convnets", "conv", int(sys.argv[2]),
            {"epochs": 3}, source="train.py")
with tracked(sys.argv[1], step, {"data": "abc"}) as run:
    run.dataset("digits", "d" * 64, "data/x.npz", "training")
    for epoch in (1, 2, 3):
        if epoch == 3:
            print(os.getpid(), flush=True)
            sys.stdin.readline()
        run.metrics({"loss": 1 / epoch}, epoch)
    note = Path(sys.argv[1]).with_name(f"note{sys.argv[2]}.txt")
    note.write_text("kept")
    run.artifact(note)
    add_results(run, run.id, {"test_accuracy": 0.5})
    add_results(run, None, {"test_accuracy_mean": 0.5})
print("mlflow" in sys.modules, flush=True)
"""


class Place:
    """A folder with a store, and clerks and jobs that are started in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.uri = f"sqlite:///{folder}/results/mlflow.db"
        self.file = folder / "results" / "smoke" / "tracking.json"
        self.address = ""
        self.started: list[subprocess.Popen] = []

    def start(self, *command: str, **environment: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=self.folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), URI_VARIABLE: self.uri,
                 clerk.ADDRESS_VARIABLE: self.address, **environment},
        )  # fmt: skip
        self.started.append(process)
        return process

    def clerk(self) -> subprocess.Popen:
        """A clerk that is ready; the jobs that are started afterwards know of it."""
        process = self.start("-m", "kerasbook.clerk", "--serve")
        order = {"uri": self.uri, "edition": "smoke", "path": str(self.file), "chapters": CHAPTERS}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line.startswith(clerk.READY), line + process.stderr.read()
        self.address = line.removeprefix(clerk.READY).strip()
        return process

    def job(self, seed: int) -> subprocess.Popen:
        """A job that has told of two epochs and waits."""
        process = self.start("-c", JOB, str(self.file), str(seed))
        assert process.stdout.readline().strip() == str(process.pid), process.stderr.read()
        return process

    def finish(self, job: subprocess.Popen) -> bool:
        """Let a job go on to its end: whether it has imported MLflow."""
        told, errors = job.communicate("go\n", timeout=120)
        assert job.returncode == 0, errors
        return told.strip() == "True"

    def content(self) -> dict[str, tuple]:
        """Seed -> what the store says of its one run."""
        client = store.client_of(self.uri)
        experiment = client.get_experiment_by_name(f"smoke/{SLUG}").experiment_id
        runs = client.search_runs([experiment], "tags.rule = 'ch07_train'")
        found = {}
        for run in runs:
            epochs = [(one.step, one.value) for one in client.get_metric_history(
                run.info.run_id, "loss")]  # fmt: skip
            files = [one.path for one in client.list_artifacts(run.info.run_id)]
            found[run.data.tags["seed"]] = (
                run.info.status, sorted(epochs), run.data.metrics.get("test_accuracy"), files,
                run.data.params, run.data.tags[store.STATE],
                [one.dataset.digest for one in run.inputs.dataset_inputs],
            )  # fmt: skip
        assert len(found) == len(runs), "a run is there twice"
        return found


@pytest.fixture
def place(tmp_path):
    (tmp_path / "results").mkdir()
    one = Place(tmp_path)
    yield one
    for process in one.started:
        process.kill()
        process.communicate()


def test_eight_jobs_at_once_say_the_same_by_the_clerk_as_by_themselves(place):
    office = place.clerk()
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(place.job, range(1, 9)))
        imported = list(pool.map(place.finish, jobs))
    assert imported == [False] * 8
    told, errors = office.communicate(timeout=60)
    assert (office.returncode, told) == (0, ""), errors
    assert not Path(place.address).exists()
    assert place.finish(place.job(9)), "a job that finds no clerk imports MLflow itself"
    content = place.content()
    assert len(content) == 9
    alone = content.pop("9")
    assert alone[:4] == ("FINISHED", [(1, 1.0), (2, 0.5), (3, 1 / 3)], 0.5, ["note9.txt"])
    for seed, one in content.items():
        assert one[:3] == alone[:3]
        assert one[3] == [f"note{seed}.txt"]
        assert one[4] == {**alone[4], "seed": seed}
        assert one[5:] == alone[5:]


def test_a_job_whose_clerk_is_killed_goes_on_and_nothing_is_there_twice(place):
    office = place.clerk()
    job = place.job(1)
    office.kill()
    office.communicate()
    assert place.finish(job)
    assert place.content()["1"][:3] == ("FINISHED", [(1, 1.0), (2, 0.5), (3, 1 / 3)], 0.5)


def test_when_its_snakemake_is_gone_the_clerk_marks_what_died_and_ends(place):
    office = place.clerk()
    dead, last = place.job(1), place.job(2)
    dead.send_signal(signal.SIGKILL)
    dead.communicate()
    office.stdin.close()
    office.stdin = None  # as communicate() wants it
    time.sleep(0.5)
    assert not place.finish(last), "a job that is ending is still heard"
    told = office.stdout.read()
    assert office.wait(timeout=60) == 0
    assert "its process is gone, marked KILLED" in told
    content = place.content()
    assert content["1"][:2] == ("KILLED", [(1, 1.0), (2, 0.5)])
    assert content["2"][0] == "FINISHED"


def test_where_no_socket_can_be_made_jobs_write_themselves(place, monkeypatch):
    folder = place.folder / ("long" * 30)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    place.clerk()
    assert place.address == ""
    assert place.finish(place.job(1))
    assert place.content()["1"][0] == "FINISHED"


def test_a_job_leaves_no_connection_to_be_warned_of(place):
    place.clerk()
    job = place.start("-W", "always::ResourceWarning", "-c", JOB, str(place.file), "1")
    job.stdout.readline()
    _, errors = job.communicate("go\n", timeout=120)
    assert job.returncode == 0, errors
    assert "unclosed" not in errors


def test_ctrl_c_is_not_for_the_clerk(place):
    office = place.clerk()
    office.send_signal(signal.SIGINT)
    assert not place.finish(place.job(1))


def test_what_the_store_has_against_a_run_reaches_the_job(place, monkeypatch):
    place.clerk()
    monkeypatch.setenv(clerk.ADDRESS_VARIABLE, place.address)
    monkeypatch.setenv(URI_VARIABLE, place.uri)
    line = clerk.Line(place.uri, place.file)
    (place.folder / "results" / "mlflow.db").write_bytes(b"no database")
    begun = {"event": "begin", "id": "j1", "chapter": SLUG, "experiment": "conv", "labels": {},
             "edition": "smoke", "time": 1, "tags": {store.FINGERPRINT: "x"}, "rule": "r",
             "name": "train", "point": None, "seed": 1, "title": "t"}  # fmt: skip
    with pytest.raises(KerasbookError, match=r"mlflow\.db: the tracking store does not answer"):
        line.receive([begun])


def test_a_store_that_cannot_be_made_is_told_before_any_job(place):
    place.uri = f"sqlite:///{place.folder}/results/mlflow.db/no/folder.db"
    (place.folder / "results" / "mlflow.db").write_text("")
    process = place.start("-m", "kerasbook.clerk", "--serve")
    order = {"uri": place.uri, "edition": "smoke", "path": str(place.file), "chapters": CHAPTERS}
    told, _ = process.communicate(json.dumps(order) + "\n", timeout=60)
    assert process.returncode == 1
    assert "the tracking store does not answer" in told
    assert clerk.READY not in told
