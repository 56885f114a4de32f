"""Trainings with another backend of Keras, and with a GPU required where there is none.

`tests/unit/test_backends.py` compares networks; here Snakemake runs jobs, from data to metrics.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasbook.arrays import load_npz

pytestmark = pytest.mark.slow

CH07, CH10 = "ch07_mnist_convnets", "ch10_recurrent"
SMOKE = ("--configfile", "config/smoke.yaml")
IMDB, WRITER = f"{CH10}/imdb_lstm_exercise", f"{CH10}/nietzsche_lstm_long"
# Run -> numbers, and between what they lie. These networks see a hundred rows or so, for two
# epochs: the first two learn to rank pictures, the others not to be far from chance.
RUNS = {
    f"{CH07}/conv": {"test_loss": (0.5, 0.75), "roc_auc": (0.8, 1.0)},
    # Dropout, momentum, rows apart to be watched.
    f"{CH07}/conv_conv_pool_dropout_corrected": {"test_loss": (0.4, 0.75), "roc_auc": (0.9, 1.0)},
    # Its optimizer takes TensorFlow's kernels where there are some.
    IMDB: {"test_loss": (0.65, 0.72), "loss@2": (0.65, 0.72)},
    # It writes in a loop that the backend compiles; its alphabet has 67 characters or so.
    WRITER: {"loss@1": (3.5, 4.3), "loss@2": (3.0, 4.2), "least_log10": (-4.0, -1.8)},
}
# Reads a model in a process with JAX, and writes what it says of the data.
SAYS = """
import json, sys
import numpy as np
from kerasbook import models
from kerasbook.arrays import load_npz, save_npz

keras = models.set_up_keras(1)
model = keras.models.load_model(sys.argv[1])
data, task, settings = load_npz(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
if task == "writing":
    from chapters.ch10_recurrent.writing import Writing

    written = Writing(model, data["ids"], settings, 1)
    written.after(settings["epochs"] - 1)
    said = {"texts": written.texts[0], "least": np.array(written.least[0])}
else:
    from chapters.ch07_mnist_convnets.train import scaled

    x = data["x_test"]
    x = scaled(x) if task == "pictures" else x[:, -settings["words"]:]
    said = {"probabilities": model.predict(x, batch_size=1000, verbose=0)}
save_npz(sys.argv[5], backend=np.array(keras.backend.backend()), **said)
"""


@pytest.fixture(scope="module")
def jax(copy_of_the_project):
    """A copy in which those experiments were run with JAX."""
    project = copy_of_the_project("jax")
    targets = [f"results/smoke/{run}/metrics.json" for run in RUNS]
    project.succeed("-c2", *SMOKE, "--config", "backend=jax", "--", *targets, seconds=1200)
    return project


def folder_of(project, run: str) -> Path:
    return project.folder / "results/smoke" / run / "seed1"


@pytest.mark.parametrize("run", RUNS)
def test_its_numbers_are_finite_and_such_as_the_network_gives(jax, run):
    found = jax.json(f"results/smoke/{run}/metrics.json")["seeds"]["1"]
    numbers = {key: one for key, one in found.items() if not isinstance(one, str)}
    assert {key: one for key, one in numbers.items() if not math.isfinite(one)} == {}
    beyond = {
        key: numbers[key]
        for key, (low, high) in RUNS[run].items()
        if not low <= numbers[key] <= high
    }
    assert beyond == {}
    assert numbers["loss@2"] < numbers["loss@1"]


@pytest.mark.parametrize("run", RUNS)
def test_the_record_and_the_tracked_run_say_that_jax_computed(jax, run):
    slug, experiment = run.split("/")
    record = json.loads((folder_of(jax, run) / "train.json").read_text())
    assert (record["backend"], record["device"]) == ("jax", "cpu")
    origin = record["provenance"]
    assert origin["settings"]["backend"] == "jax"
    assert {"jax", "jaxlib"} <= set(origin["versions"])
    query = f"tags.step = 'train' and tags.experiment = '{experiment}'"
    [tracked] = jax.runs(f"smoke/{slug}", query)
    assert tracked.info.status == "FINISHED"
    assert (tracked.data.tags["backend"], tracked.data.params["backend"]) == ("jax", "jax")


@pytest.mark.parametrize("run", RUNS)
def test_the_model_that_was_written_says_the_same_again(jax, run, tmp_path):
    folder = folder_of(jax, run)
    settings = json.loads((folder / "train.json").read_text())["provenance"]["settings"]
    task = {IMDB: "reviews", WRITER: "writing"}.get(run, "pictures")
    data = jax.folder / f"data/processed/smoke/{run.split('/')[0]}/{settings['dataset']}.npz"
    model = next(folder.glob("**/model.keras"))
    said = tmp_path / "said.npz"
    done = subprocess.run(
        [sys.executable, "-c", SAYS, model, data, task, json.dumps(settings), said],
        env={**os.environ, "PYTHONPATH": str(jax.folder / "workflow"), "KERAS_BACKEND": "jax"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found, kept = load_npz(said), load_npz(folder / "predictions.npz")
    assert str(found["backend"]) == "jax"
    if task == "writing":
        np.testing.assert_array_equal(found["texts"], kept["texts"][-1])
        np.testing.assert_allclose(found["least"], kept["least_probability"][-1], rtol=1e-5)
    else:
        probabilities = kept["probabilities"].reshape(found["probabilities"].shape)
        np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-6)


def test_a_gpu_that_is_required_and_missing_stops_trainings_before_they_begin(project):
    runs = [f"{CH07}/conv", IMDB]
    targets = [f"results/smoke/{run}/seed1/train.json" for run in runs]
    status, output = project.run(
        "-c2", *SMOKE, "--keep-going", "--config", "require_gpu=true", "environment=gpu", "--",
        *targets, CUDA_VISIBLE_DEVICES="-1",
    )  # fmt: skip
    assert status != 0
    for rule in ("ch07_train", "ch10_train"):
        told = [line for line in output.splitlines() if line.startswith(f"{rule}: ")]
        [line] = told
        assert line.startswith(f"{rule}: require_gpu: found no GPU that TensorFlow can use")
        assert "expected one" in line
        assert "require_gpu: false" in line
    for run in runs:
        slug, experiment = run.split("/")
        assert [one for one in folder_of(project, run).rglob("*") if one.is_file()] == []
        log = project.folder / f"logs/smoke/{slug}/train/{experiment}.seed1.log"
        assert "epoch 1 of" not in log.read_text()
        query = f"tags.step = 'train' and tags.experiment = '{experiment}'"
        assert {one.info.status for one in project.runs(f"smoke/{slug}", query)} <= {"FAILED"}
