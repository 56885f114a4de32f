"""Which GPU a job gets, what it is told where there is none, and what is measured of it.

There is no GPU here: a module of the name of NVIDIA's library says that there are some.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kerasbook import devices, models
from kerasbook.errors import KerasbookError
from kerasbook.steps import Step
from kerasbook.training import Progress, save_run

WORKFLOW = Path(devices.__file__).parents[1]
FAKE = """
class NVMLError(Exception):
    pass
class Memory:
    used = 3 * 2**30
class Rates:
    gpu = 80
def nvmlInit():
    pass
def nvmlDeviceGetCount():
    return 2
def nvmlDeviceGetHandleByIndex(number):
    if number >= 2:
        raise NVMLError("Invalid Argument")
    return number
def nvmlDeviceGetHandleByUUID(name):
    raise NVMLError("Not Found")
def nvmlDeviceGetMemoryInfo(handle):
    return Memory
def nvmlDeviceGetUtilizationRates(handle):
    return Rates
"""
CLAIM = """
import sys, time
from pathlib import Path
from kerasbook import devices
print(devices.claim(Path(sys.argv[1])), devices.visible(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """A folder to put on Python's path, whose library knows of two GPUs."""
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "pynvml.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    yield folder
    sys.modules.pop("pynvml", None)


@pytest.fixture
def claims(tmp_path, two_gpus, telling):
    path = os.pathsep.join([str(two_gpus), str(WORKFLOW)])
    return lambda **more: telling(CLAIM, tmp_path / "claims", PYTHONPATH=path, **more)


def test_jobs_at_once_get_different_gpus_and_a_third_shares_with_a_warning(claims):
    first, told = claims()
    assert told == "0 ['0']"
    assert claims()[1] == "1 ['1']"
    third, told = claims()
    assert told == "0 ['0']"
    assert "all 2 GPUs are held" in third.communicate()[1]
    first.kill()
    first.wait()
    assert claims()[1] == "0 ['0']"


def test_a_job_that_asked_for_no_gpu_holds_none(two_gpus, tmp_path, telling):
    # What it may see is told by what it would hand on to TensorFlow.
    tells = f"import os, sys\nprint(os.environ.get({devices.VISIBLE!r}), flush=True)\n"
    (two_gpus / "tensorflow.py").write_text(f"{tells}sys.stdin.read()\n")
    path = os.pathsep.join([str(two_gpus), str(WORKFLOW)])
    given = {"KERAS_BACKEND": "tensorflow", "TMPDIR": str(tmp_path), "PYTHONPATH": path}
    sets_up = """
import sys
from kerasbook import models
from kerasbook.steps import Step
models.set_up(Step("r", "train", "smoke", "ch07_x", gpu=int(sys.argv[1])))
"""
    told = [telling(sets_up, asked, **given)[1] for asked in (0, 1, 0, 1)]
    assert told == ["None", "0", "None", "1"]


def test_what_a_scheduler_gave_is_kept(claims):
    assert claims(CUDA_VISIBLE_DEVICES="GPU-af")[1] == "None ['GPU-af']"
    assert claims(CUDA_VISIBLE_DEVICES="")[1] == "None []"
    assert claims(CUDA_VISIBLE_DEVICES="-1")[1] == "None []"
    assert claims(CUDA_VISIBLE_DEVICES="3, 5")[1] == "3 ['3']"


def test_no_library_and_no_driver_are_no_gpu(monkeypatch):
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert devices.visible() == []
    assert devices.claim() is None


def test_memory_and_utilisation_are_told(two_gpus):
    watch = devices.Watch(importlib.import_module("pynvml"), seconds=0.01)
    watch.look()
    assert watch.told() == {"memory_mb": 3 * 1024, "utilisation": 80}
    watch.stop.set()
    watch.thread.join(timeout=5)
    assert not watch.thread.is_alive()


class SeenRun:
    """Keeps what a run is told."""

    id = "run"

    def __init__(self):
        self.told, self.tagged = {}, {}
        self.metrics, self.tags = self.told.update, self.tagged.update

    def history(self, values, first=0):
        pass

    def record(self):
        return {}


@pytest.mark.parametrize(
    ("device", "asked"), [("gpu: Some card", 1), ("gpu: Some card", 0), ("cpu", 1)]
)
def test_what_was_asked_for_and_used_reaches_the_run_and_its_record(
    two_gpus, tmp_path, monkeypatch, device, asked
):
    if device != "cpu":
        monkeypatch.setattr(
            devices, "_watch", devices.Watch(importlib.import_module("pynvml"), seconds=60)
        )
    outputs = {"history": "history.tsv", "predictions": "p.npz", "record": "train.json"}
    job = SimpleNamespace(
        output=SimpleNamespace(**{key: tmp_path / name for key, name in outputs.items()})
    )
    run = SeenRun()
    step = Step("r", "train", "smoke", "ch07_x", experiment="one", seed=1, gpu=asked)
    save_run(job, run, step, Progress(0, 0), {"x": np.zeros(1)}, device=device)
    used = {"memory_mb": 3 * 1024, "utilisation": 80} if device != "cpu" else {}
    assert run.told == {"gpu_asked": asked, **{f"gpu_{key}": one for key, one in used.items()}}
    assert run.tagged["device"] == device
    record = json.loads((tmp_path / "train.json").read_text())
    assert (record["device"], record["gpu"]) == (device, {"asked": asked, **used})


def test_nothing_of_a_gpu_is_said_where_none_was_asked_for_or_used(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "_watch", None)
    files = {name: tmp_path / f"{name}.npz" for name in ("history", "predictions", "record")}
    run = SeenRun()
    step = Step("r", "train", "smoke", "ch07_x", experiment="one", seed=1)
    job = SimpleNamespace(output=SimpleNamespace(**files))
    save_run(job, run, step, Progress(0, 0), {"x": np.zeros(1)})
    assert run.told == {}
    assert "gpu" not in json.loads(files["record"].read_text())


@pytest.mark.parametrize("seen", [None, "1"])
def test_cuda_counts_gpus_as_nvml_does_from_its_first_import(
    two_gpus, tmp_path, monkeypatch, telling, seen
):
    tells = f"import os\nprint(os.environ.get({devices.ORDER!r}))\nraise SystemExit\n"
    (two_gpus / "tensorflow.py").write_text(tells)
    given = {"KERAS_BACKEND": "tensorflow", "TMPDIR": str(tmp_path)}
    given["PYTHONPATH"] = os.pathsep.join([str(two_gpus), str(WORKFLOW)])
    if seen:
        given[devices.VISIBLE] = seen
    monkeypatch.delenv(devices.ORDER, raising=False)
    sets_up = "from kerasbook import models; models.set_up_keras(1)"
    assert telling(sets_up, **given)[1] == "PCI_BUS_ID"
    given[devices.ORDER] = "FASTEST_FIRST"
    assert telling(sets_up, **given)[1] == "FASTEST_FIRST", "what somebody set stays"


@pytest.mark.parametrize("seen", ["3", "GPU-af"])
def test_a_gpu_that_cannot_be_looked_at_stops_no_training(two_gpus, monkeypatch, caplog, seen):
    monkeypatch.setenv(devices.VISIBLE, seen)
    monkeypatch.setattr(devices, "_watch", None)
    with caplog.at_level("INFO"):
        devices.watch()
    assert f"the GPU {seen} cannot be looked at" in caplog.text
    assert devices.used() == {}


@pytest.mark.slow
def test_a_job_that_needs_a_gpu_says_so_before_it_trains(monkeypatch):
    monkeypatch.setattr(devices, "name_of", lambda backend: None)
    monkeypatch.setenv(devices.REQUIRED, "0")
    models.set_up_keras(1, gpu=1)
    monkeypatch.setenv(devices.REQUIRED, "1")
    models.set_up_keras(1, gpu=0)  # a job that can use none
    monkeypatch.setenv(devices.VISIBLE, "-1")
    with pytest.raises(KerasbookError, match=r"require_gpu: found no GPU that TensorFlow.*'-1'"):
        models.set_up_keras(1, gpu=1)
    monkeypatch.setattr(devices, "name_of", lambda backend: "Some card")
    models.set_up_keras(1, gpu=1)


@pytest.mark.slow
def test_device_is_what_tensorflow_sees(monkeypatch):
    import tensorflow as tf

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert models.device_name().startswith("gpu: ") == bool(tf.config.list_physical_devices("GPU"))
    fake = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [fake])
    monkeypatch.setattr(
        tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "Some card"}
    )
    assert models.device_name() == "gpu: Some card"


def test_a_backend_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torchlike")
    with pytest.raises(KerasbookError, match="backend: found no package torchlike installed"):
        models.set_up_keras(1)


def test_what_only_tensorflow_can_do_says_so(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    models.need_tensorflow("Grad-CAM", "do without.")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(KerasbookError, match="backend: found jax, expected tensorflow for Grad"):
        models.need_tensorflow("Grad-CAM", "do without.")
