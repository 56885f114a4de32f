"""Checkpoints: whole or absent, of their run alone, and a training that goes on from one."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from kerasbook import checkpoints
from kerasbook.checkpoints import Checkpoints, State
from kerasbook.steps import Step
from kerasbook.training import early_stopping, fit

N, BATCH, EPOCHS = 70, 16, 5
X = np.random.default_rng(1).random((N, 5))
Y = (X.sum(axis=1) > 2.5).astype(np.uint8)
TOLD = {
    "history": {"loss": [0.5, float("nan")]},
    "best": None,
    "weights": [np.arange(3.0), np.ones((2, 2), np.float32)],
    "wait": np.int64(3),
}


@pytest.fixture
def keep(tmp_path):
    return Checkpoints(tmp_path / "checkpoint", "mark")


def test_a_checkpoint_comes_back_as_it_was(keep):
    flat = np.arange(5, dtype=np.float32)
    keep.write("fit", State(2, {"flat": flat}, TOLD))
    found = keep.read("fit")
    assert found.done == 2
    assert found.arrays["flat"].dtype == np.float32
    np.testing.assert_array_equal(found.arrays["flat"], flat)
    assert found.told["history"]["loss"][0] == 0.5
    assert np.isnan(found.told["history"]["loss"][1])
    assert (found.told["best"], found.told["wait"]) == (None, 3)
    for one, other in zip(found.told["weights"], TOLD["weights"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_that_is_missing_or_damaged_or_of_another_run_is_none(keep, caplog):
    assert keep.read("fit") is None
    keep.write("fit", State(2, {"flat": np.ones(1000)}, {}))
    assert Checkpoints(keep.folder, "another").read("fit") is None
    file = keep.folder / "fit.npz"
    whole = file.read_bytes()
    for damaged in (whole[:-40], whole[:300], b"", whole[:2000] + b"x" * 50 + whole[2050:]):
        file.write_bytes(damaged)
        caplog.clear()
        assert keep.read("fit") is None
        assert "begins anew" in caplog.text
    file.write_bytes(whole)
    assert keep.read("fit").done == 2


def test_a_write_that_fails_leaves_the_one_before(keep, caplog, monkeypatch):
    keep.write("fit", State(1, {"flat": np.ones(10)}, {}))

    def full(file, **arrays):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(np, "savez", full)
    keep.write("fit", State(2, {"flat": np.zeros(10)}, {}))
    monkeypatch.undo()
    assert "no checkpoint after epoch 2" in caplog.text
    assert "No space left" in caplog.text
    assert keep.read("fit").done == 1
    assert [one.name for one in keep.folder.iterdir()] == ["fit.npz"]


def of_run(tmp_path, **changed):
    snakemake = SimpleNamespace(output=SimpleNamespace(record=str(tmp_path / "seed1/train.json")))
    origin = {
        "settings": {"epochs": 3}, "inputs": {"data": "a"}, "code_sha256": "b",
        "versions": {"numpy": "2"}, "threads": 1,
    }  # fmt: skip
    tags = {}
    run = SimpleNamespace(origin={**origin, **changed}, tags=tags.update)
    seed = changed.get("seed", 1)
    point = changed.get("point")
    step = Step("ch01_train", "train", "smoke", "ch01_x", experiment="one", seed=seed, point=point)
    return checkpoints.of_run(snakemake, run, step), run, tags


def test_a_run_takes_up_its_own_checkpoint_only_and_says_so(tmp_path):
    first, run, tags = of_run(tmp_path)
    first.write("fit", State(2, {}, {}))
    for changed in (
        {"settings": {"epochs": 4}}, {"inputs": {"data": "c"}}, {"code_sha256": "d"},
        {"versions": {"numpy": "3"}}, {"threads": 2}, {"seed": 2},
    ):  # fmt: skip
        assert of_run(tmp_path, **changed)[0].read("fit") is None
    again, run, tags = of_run(tmp_path)
    assert again.read("fit").done == 2
    assert run.origin["resumed"] == {"fit": 2}
    assert tags == {"resumed_after_epoch": "fit 2"}
    assert json.dumps(run.origin)
    again.remove()
    assert list((tmp_path / "seed1").iterdir()) == []


def test_a_point_of_a_sweep_keeps_no_checkpoint(tmp_path):
    keep, _, _ = of_run(tmp_path, point="0123456789")
    keep.write("fit", State(2, {}, {}))
    assert list(tmp_path.iterdir()) == []
    assert keep.read("fit") is None
    keep.remove()


class Killed(BaseException):
    pass


def network(keras, optimizer):
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.get(optimizer), loss="binary_crossentropy")
    return model


def trained(keras, keep, killed_in=None, optimizer="adam", patience=None):
    """A training that dies in an epoch, counted from 0, or not."""
    model = network(keras, optimizer)
    times: list[float] = []

    class Die(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == killed_in and batch == 2:
                raise Killed

        def on_epoch_end(self, epoch, logs=None):
            times.append(float(epoch))

    callbacks = [Die()]
    if patience is not None:
        callbacks.append(
            early_stopping(monitor="val_loss", patience=patience, restore_best_weights=True)
        )
    sent = []
    progress = fit(
        model, (X, Y), (X[:20], 1 - Y[:20]), EPOCHS, BATCH,
        lambda values, epoch: sent.append((epoch, values["loss"])), callbacks,
        seed=7, keep=keep, kept={"times": times},
    )  # fmt: skip
    return model, progress, times, sent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "patience", "killed_in"),
    [("adam", None, [0, 3]), ("rmsprop", None, [1, 1, 4]), ("adam", 1, [1]), ("adam", 1, [5])],
)
def test_a_training_that_was_killed_ends_with_the_same_bits(keep, optimizer, patience, killed_in):
    from kerasbook.models import set_up_keras

    keras = set_up_keras(1)
    whole, told, times, sent = trained(keras, None, None, optimizer, patience)
    for epoch in killed_in:
        if epoch < EPOCHS:
            with pytest.raises(Killed):
                trained(keras, keep, epoch, optimizer, patience)
        else:  # killed after its last epoch, before its outputs
            trained(keras, keep, None, optimizer, patience)
    later, progress, later_times, later_sent = trained(keras, keep, None, optimizer, patience)
    assert progress.history == told.history
    assert (later_times, later_sent) == (times, sent)
    assert patience is None or len(told.history["loss"]) < EPOCHS, "it was to stop early"
    for one, other in zip(whole.get_weights(), later.get_weights(), strict=True):
        assert one.tobytes() == other.tobytes()
    for one, other in zip(whole.optimizer.variables, later.optimizer.variables, strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    drawn = [np.asarray(one(X, training=True)) for one in (whole, later)]
    assert drawn[0].tobytes() == drawn[1].tobytes(), "what dropout drops after the training"
