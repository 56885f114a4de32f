"""Histories kept to the last digit, progress that tells the time left, fits that repeat."""

import json
import logging
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest

from kerasbook import training
from kerasbook.steps import Step
from kerasbook.training import Progress, fit, read_history, save_run, write_history


def test_history_comes_back_to_the_last_bit(tmp_path):
    random = np.random.default_rng(1)
    history = {
        "loss": list(random.random(5)),
        "val_loss": [0.1 + 0.2, 1 / 3, 1e-300, 5e-324, 1.7976931348623157e308],
        "accuracy": [np.float64(0.5), np.float32(0.1), 1, 0, -0.0],
        "odd": [math.nan, math.inf, -math.inf, 0.0, 1.0],
    }
    path = tmp_path / "history.tsv"
    write_history(path, history, first_epoch=3)
    epochs, found = read_history(path)
    assert epochs.tolist() == [3, 4, 5, 6, 7]
    assert list(found) == list(history)
    for name, values in history.items():
        expected = np.array([float(one) for one in values])
        assert found[name].tobytes() == expected.tobytes()


def test_history_is_a_plain_table(tmp_path):
    path = tmp_path / "history.tsv"
    write_history(path, {"loss": [0.5, 0.25], "accuracy": [0.75, 1]}, first_epoch=0)
    assert path.read_text() == "epoch\tloss\taccuracy\n0\t0.5\t0.75\n1\t0.25\t1.0\n"


def test_history_whose_columns_differ_in_length_is_refused(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_history(tmp_path / "history.tsv", {"loss": [1.0, 2.0], "f1": [1.0]}, 0)
    assert list(tmp_path.iterdir()) == []


def test_history_without_an_epoch(tmp_path):
    write_history(tmp_path / "history.tsv", {"loss": []}, first_epoch=1)
    epochs, found = read_history(tmp_path / "history.tsv")
    assert (len(epochs), len(found["loss"])) == (0, 0)


def test_progress_tells_each_epoch_the_time_gone_and_the_time_left(caplog, monkeypatch):
    clock = iter([100.0, 102.0, 106.0, 109.0])
    monkeypatch.setattr(training, "time", type("", (), {"monotonic": lambda: next(clock)}))
    sent = []
    with caplog.at_level(logging.INFO, "kerasbook.training"):
        progress = Progress(3, 50, lambda values, number: sent.append((number, dict(values))))
        for number, loss in enumerate([0.5, 0.25, 0.125], start=1):
            progress.epoch({"loss": loss, "accuracy": 1 - loss}, number)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "epoch 1 of 3: loss=0.5 accuracy=0.5, 2.0 s gone, 4 s left",
        "epoch 2 of 3: loss=0.25 accuracy=0.75, 6.0 s gone, 3 s left",
        "epoch 3 of 3: loss=0.125 accuracy=0.875, 9.0 s gone, 0 s left",
    ]
    assert sent == [
        (1, {"loss": 0.5, "accuracy": 0.5}),
        (2, {"loss": 0.25, "accuracy": 0.75}),
        (3, {"loss": 0.125, "accuracy": 0.875}),
    ]
    assert progress.history == {"loss": [0.5, 0.25, 0.125], "accuracy": [0.5, 0.75, 0.875]}
    assert progress.rows_per_second == pytest.approx(150 / 9)


def test_progress_before_the_first_epoch_has_no_speed():
    assert Progress(3, 50).rows_per_second == 0.0


# -------------------------------------------------------------------------- Keras


@pytest.fixture(scope="module")
def keras():
    from kerasbook.models import set_up_keras

    return set_up_keras(1)


ROWS = np.random.default_rng(4).random((256, 6)).astype(np.float32)
LABELS = (ROWS.sum(axis=1) > 3).astype(np.uint8)


def fitted(keras, seed, send=None, epochs=3):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(0.5),
        metrics=["accuracy"],
    )
    train, watched = (ROWS[:200], LABELS[:200]), (ROWS[200:], LABELS[200:])
    progress = fit(model, train, watched, epochs, 16, send, seed=seed)
    return progress, model


@pytest.mark.slow
def test_fit_tells_every_epoch_counted_from_one(keras, caplog):
    sent = []
    before = time.monotonic()
    with caplog.at_level(logging.INFO, "kerasbook.training"):
        progress, _ = fitted(keras, 1, lambda values, number: sent.append((number, dict(values))))
    assert set(progress.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert [number for number, _ in sent] == [1, 2, 3]
    for name, values in progress.history.items():
        assert values == [one[name] for _, one in sent]
    assert progress.history["loss"][-1] < progress.history["loss"][0]
    assert 0 < progress.seconds <= time.monotonic() - before
    assert progress.rows_per_second == pytest.approx(3 * 200 / progress.seconds)
    assert sum("epoch" in record.getMessage() for record in caplog.records) == 3


@pytest.mark.slow
def test_same_seed_gives_the_same_bits_and_another_seed_others(keras):
    (one, first), (again, second), (other, _) = (fitted(keras, seed) for seed in (7, 7, 8))
    assert one.history == again.history
    for left, right in zip(first.get_weights(), second.get_weights(), strict=True):
        assert left.tobytes() == right.tobytes()
    assert one.history != other.history


@pytest.mark.slow
def test_last_validation_loss_is_that_of_the_model_on_the_watched_rows(keras):
    progress, model = fitted(keras, 2)
    loss, accuracy = model.evaluate(ROWS[200:], LABELS[200:], verbose=0)
    assert progress.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
    assert progress.history["val_accuracy"][-1] == pytest.approx(accuracy, rel=1e-6)


class SeenRun:
    """Keeps what a run is told."""

    id = "run"

    def __init__(self):
        self.told = []

    def metrics(self, values, step=0):
        self.told.append(("metrics", step, dict(values)))

    def history(self, values, first=0):
        self.told.append(("history", first, dict(values)))

    def tags(self, values):
        self.told.append(("tags", None, dict(values)))

    def record(self):
        return {"rule": "r", "code_sha256": "c"}


@pytest.mark.parametrize("live", [False, True])
def test_a_history_reaches_mlflow_once(tmp_path, live):
    outputs = {name: tmp_path / name for name in ("history.tsv", "record.json", "p.npz")}
    snakemake = SimpleNamespace(
        output=SimpleNamespace(
            history=outputs["history.tsv"], record=outputs["record.json"],
            predictions=outputs["p.npz"],
        )
    )  # fmt: skip
    run = SeenRun()
    progress = Progress(2, 10, run.metrics if live else None)
    for epoch in (1, 2):
        progress.epoch({"loss": 1 / epoch}, epoch)
    step = Step("r", "train", "smoke", "ch01_x", experiment="one", seed=3)
    odd = {"loss_partial": math.nan, "times": {"fit_ms": 12.5}}  # of a run that diverged
    save_run(snakemake, run, step, progress, {"x": np.zeros(2)}, parameters=7, **odd)
    sent = [one for one in run.told if "loss" in one[2]]
    if live:
        assert sent == [("metrics", 1, {"loss": 1.0}), ("metrics", 2, {"loss": 0.5})]
    else:
        assert sent == [("history", 1, {"loss": [1.0, 0.5]})]
    assert read_history(outputs["history.tsv"])[1]["loss"].tolist() == [1.0, 0.5]
    record = json.loads(outputs["record.json"].read_text())
    assert (record["seed"], record["parameters"], record["run_id"]) == (3, 7, "run")
    assert record["provenance"] == run.record()
    assert (record["loss_partial"], record["times"]) == (None, {"fit_ms": 12.5})
    assert ("metrics", 0, {"fit_ms": 12.5}) in run.told
