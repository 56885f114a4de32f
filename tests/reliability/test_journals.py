"""Journals are brought to a store exactly once, wherever the import dies; on sqlite stores."""

import json
import shutil
import socket
import threading
from collections import Counter
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import ViewType

from kerasbook import delivery, journal, store, tracking
from kerasbook.delivery import deliver
from kerasbook.files import read_json
from kerasbook.journal import Journal
from kerasbook.steps import Step
from kerasbook.store import FILES, prepare
from kerasbook.tracking import add_artifact, add_results, log_dense_model, tracked

pytestmark = pytest.mark.slow

SLUG = "ch07_mnist_convnets"
TREE = {SLUG: {"conv": {"title": "Conv", "variant": "as_printed"}}}
CHANGES = (
    "create_run", "log_batch", "set_tag", "set_terminated", "log_inputs", "log_artifact",
    "create_logged_model", "log_model_artifacts", "finalize_logged_model", "log_outputs",
    "delete_run", "delete_logged_model",
)  # fmt: skip


def step(name="train", seed=None, **settings):
    of = {"experiment": "conv", "seed": seed, "settings": {"epochs": 3, **settings}}
    return Step(f"ch07_{name}", name, "smoke", SLUG, **of, source=f"{name}.py")


class Folder:
    """A results folder, and stores that its journals are brought to."""

    def __init__(self, folder: Path, empty: Path | None = None):
        self.empty = empty  # a store with nothing in it, which takes seconds to make
        self.file = folder / "results" / "smoke" / "tracking.json"
        self.journal = self.file.parent / "journal"

    def uri(self, name):
        file = self.file.parent.parent / f"{name}.db"
        if self.empty is not None and not file.exists():
            shutil.copyfile(self.empty, file)
        return f"sqlite:///{file}"

    def bring(self, name, **more):
        return deliver(
            self.file, self.uri(name), **{"the_dead": True, "from_anywhere": True, **more}
        )

    def client(self, name):
        return store.client_of(self.uri(name))

    def runs(self, name, view=ViewType.ACTIVE_ONLY):
        experiment = self.client(name).get_experiment_by_name(f"smoke/{SLUG}")
        return self.client(name).search_runs([experiment.experiment_id], "", view)

    def content(self, name):
        """All that a store says of its active runs, less the ids that it gave itself."""
        client = self.client(name)
        runs = self.runs(name)
        key = {run.info.run_id: run.data.tags[store.KEY] for run in runs}

        def told(run):
            tags = {k: one for k, one in run.data.tags.items() if k != store.MODEL}
            tags["mlflow.parentRunId"] = key.get(tags.get("mlflow.parentRunId"))
            parent = tags["step"] in ("chapter", "experiment")  # made when it was needed
            return {
                "tags": tags, "params": run.data.params, "status": run.info.status,
                "began": parent or run.info.start_time,
                "ended": parent or "killed" in tags.values() or run.info.end_time,
                "metrics": {
                    metric: sorted(
                        (one.step, one.value, one.timestamp)
                        for one in client.get_metric_history(run.info.run_id, metric)
                    )
                    for metric in run.data.metrics
                },
                "data": [(one.dataset.name, one.dataset.digest, one.tags[0].value)
                         for one in run.inputs.dataset_inputs],
                "files": [one.path for one in client.list_artifacts(run.info.run_id)],
                "models": len(run.outputs.model_outputs),
            }  # fmt: skip

        return sorted((key[run.info.run_id], json.dumps(told(run), sort_keys=True)) for run in runs)


def train(folder, seed, value, **settings):
    with tracked(folder.file, step(seed=seed, **settings), {"data": "abc"}) as run:
        run.dataset("digits", "d" * 64, "data/x.npz", "training")
        for epoch in (1, 2, 3):
            run.metrics({"loss": value / epoch}, epoch)
        run.history({"error": [value, value, 0.1 + 0.2]})
        weights = folder.file.parent / "weights.npz"
        np.savez(weights, weights_0=np.ones((2, 1)), biases_0=np.ones(1), scale=np.float64(1))
        log_dense_model(run, weights, np.zeros((2, 2)))
    return run


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What a training, its retry, another seed's, an evaluation and a dead job wrote."""
    folder = Folder(tmp_path_factory.mktemp("written"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, FILES)
        prepare(FILES, "smoke", TREE, folder.file)
        train(folder, 1, 5.0)
        first, second = train(folder, 1, 1.0), train(folder, 2, 2.0)
        with pytest.raises(ZeroDivisionError), tracked(folder.file, step(seed=9)):
            1 / 0  # noqa: B018
        picture = folder.file.parent / "confusion.svg"
        with tracked(folder.file, step("evaluate")) as run:
            for seed, one in enumerate((first, second), 1):
                add_results(run, one.id, {"test_accuracy": seed / 3, "loss@1": 0.5})
                picture.write_text(f"seed {seed}")
                add_artifact(run, one.id, picture)
            picture.unlink()
            add_results(run, None, {"test_accuracy_mean": 0.5})
        dead = Journal(folder.journal, journal.new_id())
        template = journal.journals(folder.journal)[0].events()
        tags = {**template[0]["tags"], "kerasbook.run": dead.id, "kerasbook.pid": "0"}
        dead.append({**template[0], "id": dead.id, "seed": 8, "tags": tags, "time": 2**41})
        dead.append({"event": "log", "metrics": [["loss", 0.25, 2**41, 1]]})
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    file = tmp_path_factory.mktemp("empty") / "results" / "empty.db"
    prepare(f"sqlite:///{file}", "smoke", {SLUG: {}}, file.parent / "smoke" / "tracking.json")
    return file


@pytest.fixture
def folder(written, empty, tmp_path):
    """A copy of it, with stores that hold nothing yet."""
    shutil.copytree(written.file.parent, tmp_path / "results" / "smoke")
    return Folder(tmp_path, empty)


def test_in_the_mode_files_nothing_but_the_journals_is_written(written):
    assert not list(written.file.parent.parent.glob("*.db"))
    assert len(list(written.journal.glob("*.jsonl"))) == 6
    assert read_json(written.file)["uri"] == FILES


def test_an_import_that_dies_after_every_change_loses_and_doubles_nothing(folder, monkeypatch):
    whole = folder.bring("whole")
    assert (whole.brought, whole.there, whole.waiting, whole.faults) == (6, 0, 0, [])
    reference = folder.content("whole")
    again = folder.bring("whole")
    assert (again.brought, again.there) == (0, 6)
    assert folder.content("whole") == reference
    check_content(folder, "whole")

    left = 0

    def dying(method):
        def call(self, *args, **kwargs):
            nonlocal left
            if left <= 0:
                raise ConnectionError("dead")
            result = method(self, *args, **kwargs)
            left -= 1
            if left == 0:  # the change was made, and nobody heard so
                raise ConnectionError("died")
            return result

        return call

    deaths = allowed = 0
    with monkeypatch.context() as patch:
        for name in CHANGES:
            patch.setattr(mlflow.MlflowClient, name, dying(getattr(mlflow.MlflowClient, name)))
        patch.setattr(delivery, "_answers", lambda uri: left > 0)
        while True:
            deaths += 1
            allowed += 1
            left = allowed
            done = folder.bring("other")
            if not done.faults:
                break
            allowed *= not done.brought  # the next journal, from its first change on
            assert deaths < 300
    assert deaths > 20
    assert folder.content("other") == reference
    assert folder.bring("other").there == 6


def check_content(folder, name):
    """What was said above is there."""
    runs = folder.runs(name)
    keys = Counter(run.data.tags[store.KEY] for run in runs)
    assert set(keys.values()) == {1}
    by_key = {run.data.tags[store.KEY]: run for run in runs}
    first = by_key["ch07_train/train/conv/1"]
    assert first.info.status == "FINISHED"
    assert first.data.metrics["test_accuracy"] == 1 / 3
    assert first.data.metrics["loss/1"] == 0.5
    history = folder.client(name).get_metric_history(first.info.run_id, "loss")
    assert [(one.step, one.value) for one in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert len(folder.client(name).get_metric_history(first.info.run_id, "error")) == 3
    model = mlflow.pyfunc.load_model(first.data.tags[store.MODEL])
    assert model.predict(np.zeros((2, 2))).shape == (2, 1)
    assert model.metadata.run_id == first.info.run_id
    assert by_key["ch07_train/train/conv/8"].info.status == "KILLED"
    failed = by_key["ch07_train/train/conv/9"]
    assert (failed.info.status, failed.data.tags["error"][:17]) == ("FAILED", "ZeroDivisionError")
    parent = by_key["experiment/conv"]
    assert parent.data.metrics["test_accuracy_mean"] == 0.5
    assert first.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert by_key["ch07_evaluate/evaluate/conv"].info.status == "FINISHED"
    deleted = folder.runs(name, ViewType.DELETED_ONLY)
    assert len(deleted) == 1, "the retried run went to the trash, and no other"
    ticket = journal.tickets(folder.journal)[first.data.tags[journal.RUN_TAG]]
    assert ticket["run_id"] == first.info.run_id


def test_what_comes_late_does_not_take_the_place_of_what_is_newer(folder, monkeypatch):
    uri = folder.uri("late")
    prepare(uri, "smoke", TREE, folder.file)
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    with tracked(folder.file, step(seed=1), {"data": "abc"}) as newest:  # made after the journals
        newest.metrics({"loss": 0.0}, 1)
    with tracked(folder.file, step(seed=2, epochs=9), {"data": "abc"}) as other:
        other.metrics({"loss": 0.0}, 1)
    folder.bring("late")
    runs = folder.runs("late")
    same = [one for one in runs if one.data.tags[store.KEY] == "ch07_train/train/conv/1"]
    assert [one.info.run_id for one in same] == [newest.id]
    states = {
        one.data.params["epochs"]: one.data.tags[store.STATE]
        for one in runs
        if one.data.tags[store.KEY] == "ch07_train/train/conv/2"
    }
    assert states == {"3": "superseded", "9": "current"}


def test_results_that_come_late_do_not_hide_newer_ones(folder, monkeypatch):
    folder.bring("store")
    [evaluated] = [
        one for one in journal.journals(folder.journal) if one.begun()["name"] == "evaluate"
    ]
    train_id = next(one["run"] for one in evaluated.events() if one["event"] == "results")
    run_id = journal.tickets(folder.journal)[train_id]["run_id"]
    monkeypatch.setenv(tracking.URI_VARIABLE, folder.uri("store"))
    with tracked(folder.file, step("evaluate", epochs=9)) as run:
        add_results(run, run_id, {"test_accuracy": 0.9})
    again = journal.tickets(folder.journal)[evaluated.id]["run_id"]
    folder.client("store").set_tag(again, store.TOLD, "0")  # as if the import had died late
    assert folder.bring("store").brought == 1
    history = folder.client("store").get_metric_history(run_id, "test_accuracy")
    assert [(one.step, one.value) for one in history] == [(0, 1 / 3), (1, 0.9)]


def test_a_journal_whose_job_runs_is_left_to_it(folder, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, FILES)
    with tracked(folder.file, step(seed=3)) as run:
        assert folder.bring("store").brought == 6
        assert not journal.is_own(folder.runs("store")[0].info.run_id)
        assert run.id not in journal.tickets(folder.journal)
    assert folder.bring("store").brought == 1


def test_of_another_machine_a_job_without_an_end_is_left_unless_asked(folder):
    [dead] = [one for one in journal.journals(folder.journal) if len(one.events()) == 2]
    text = dead.file.read_text(encoding="utf-8")
    dead.file.write_text(text.replace(socket.gethostname(), "elsewhere"), encoding="utf-8")
    assert folder.bring("store").waiting == 1
    assert folder.bring("store", everywhere=True).brought == 1


def test_results_wait_until_the_run_that_they_are_added_to_is_there(folder):
    trained = [one for one in journal.journals(folder.journal) if one.events()[0]["seed"] == 2]
    [lock] = trained
    assert lock.take()  # somebody else brings it just now
    done = folder.bring("store")
    assert done.waiting == 1
    assert "its journal has not been brought" in done.faults[0]
    lock.leave()
    done = folder.bring("store")
    assert (done.brought, done.faults) == (2, [])
    check_content(folder, "store")


def test_results_wait_for_the_end_of_the_run_that_they_are_added_to(folder, monkeypatch):
    """Where a server went away in mid-training, it has the run but not yet what it told last."""
    uri = folder.uri("store")
    with monkeypatch.context() as patch:  # the sqlite store as a server
        patch.setattr(tracking, "is_served", lambda uri: True)
        patch.setenv(tracking.URI_VARIABLE, uri)
        patch.setattr(journal.Courier, "start", lambda courier: None)
        patch.setattr(journal.Courier, "close", lambda courier: False)
        with tracked(folder.file, step(seed=7)) as trained:
            trained.metrics({"train_accuracy": 0.9}, 0)
        assert not journal.is_own(trained.id), "the store has not made it"
        with tracked(folder.file, step("evaluate", epochs=7)) as run:
            add_results(run, trained.id, {"train_accuracy": 0.9})
    assert not folder.client("store").get_run(trained.id).data.metrics
    [left] = [one for one in journal.journals(folder.journal) if one.begun()["seed"] == 7]
    assert left.take()
    assert "its journal has not been brought" in folder.bring("store").faults[0]
    left.leave()
    assert folder.bring("store").faults == []
    history = folder.client("store").get_metric_history(trained.id, "train_accuracy")
    assert [(one.step, one.value) for one in history] == [(0, 0.9)]


class Silent:
    """A port that takes connections and never says a word."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.kept = []
        threading.Thread(target=self._accept, daemon=True).start()
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def _accept(self):
        while True:
            try:
                self.kept.append(self.socket.accept())
            except OSError:
                return

    def __exit__(self, *_):
        for connection, _ in self.kept:
            connection.close()
        self.socket.close()


def test_a_server_that_says_nothing_holds_no_epoch_up(folder, monkeypatch):
    import time

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Silent() as uri:
        monkeypatch.setenv(tracking.URI_VARIABLE, uri)
        with tracked(folder.file, step(seed=4)) as run:
            started = time.monotonic()
            for epoch in range(1, 501):
                run.metrics({"loss": 1 / epoch}, epoch)
            spent = time.monotonic() - started
    assert spent < 1, "shorter than one of its requests takes to be given up"
    assert journal.is_own(run.id)
    [mine] = [one for one in journal.journals(folder.journal) if one.id == run.id]
    steps = [row[3] for event in mine.events() for row in event.get("metrics", ())]
    assert steps[:500] == list(range(1, 501))
    assert mine.events()[-1]["event"] == "end"
    # Another store is not meant, unless somebody says so.
    assert folder.bring("store", from_anywhere=False).waiting == 7
    assert folder.bring("store").brought == 7
    assert not mine.file.exists()
