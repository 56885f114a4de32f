"""Each layer and optimizer that a YAML file may name builds what its name says."""

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import TypeAdapter

from kerasbook import devices, layers, models
from kerasbook.errors import KerasbookError
from kerasbook.validation import Strict

pytestmark = pytest.mark.slow

WORKFLOW = Path(__file__).parents[2] / "workflow"
LAYERS = {
    "dense": {"units": 3, "activation": "relu"},
    "conv2d": {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
    "max_pooling2d": {"pool_size": 3},
    "average_pooling2d": {},
    "global_average_pooling2d": {},
    "flatten": {},
    "dropout": {"rate": 0.25},
    "batch_normalization": {"momentum": 0.9, "epsilon": 1e-5},
    "activation": {"activation": "tanh"},
}
OPTIMIZERS = ["sgd", "adam", "rmsprop", "adadelta"]
OUTPUT = {"type": "dense", "units": 2, "activation": "softmax"}
SHAPES = {  # what each layer makes of (12, 12, 2)
    "dense": (12, 12, 3), "conv2d": (6, 6, 4), "max_pooling2d": (4, 4, 2),
    "average_pooling2d": (6, 6, 2), "global_average_pooling2d": (2,), "flatten": (288,),
    "dropout": (12, 12, 2), "batch_normalization": (12, 12, 2), "activation": (12, 12, 2),
}  # fmt: skip


@pytest.fixture(scope="module")
def keras():
    return models.set_up_keras(1)


def entry(kind, value):
    """A layer or optimizer as a chapter's script gets it: checked, with its defaults."""
    return TypeAdapter(kind).validate_python(value).model_dump(mode="json")


def tags_of(union) -> set[str]:
    """The `type` of each member of a discriminated union."""
    members = get_args(get_args(union)[0])
    assert all(issubclass(member, Strict) for member in members)
    return {get_args(member.model_fields["type"].annotation)[0] for member in members}


def test_the_cases_here_are_all_that_there_are():
    assert tags_of(layers.Layer) == set(LAYERS) == set(SHAPES)
    assert tags_of(layers.Optimizer) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_builds_with_its_values(keras, name):
    value = entry(layers.Layer, {"type": name, **LAYERS[name]})
    flat = [] if name in ("flatten", "global_average_pooling2d") else [{"type": "flatten"}]
    model = models.build([value, *flat], (12, 12, 2), OUTPUT)
    layer = model.layers[0]
    assert type(layer).__name__.lower() == name.replace("_", "")
    assert layer.output.shape[1:] == SHAPES[name]
    assert model.output_shape == (None, 2)
    config = layer.get_config()
    for key, told in value.items():
        if key in ("kernel_size", "strides", "pool_size"):
            assert config[key] == (told, told)
        elif key != "type":
            assert config[key] == told
    probabilities = model.predict_on_batch(np.random.default_rng(0).random((3, 12, 12, 2)))
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("activation", get_args(layers.Activation))
def test_each_activation_is_one_of_keras(keras, activation):
    model = models.build([entry(layers.Layer, {"type": "activation", "activation": activation})],
                         (4,), OUTPUT)  # fmt: skip
    assert model.layers[0].get_config()["activation"] == activation


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_builds_with_its_rate(keras, name):
    made = models.optimizer(entry(layers.Optimizer, {"type": name, "learning_rate": 0.125}))
    assert type(made).__name__.lower() == name
    assert float(made.learning_rate) == 0.125


def test_sgd_gets_momentum_and_nesterov(keras):
    told = {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True}
    made = models.optimizer(entry(layers.Optimizer, told))
    assert (made.momentum, made.nesterov) == (pytest.approx(0.9), True)


def test_decay_lowers_the_rate_by_every_step(keras):
    made = models.optimizer({"type": "sgd", "learning_rate": 0.1, "decay": 0.5})
    weight = keras.Variable(np.zeros(1, np.float32))
    made.build([weight])
    # A gradient of one moves the weight by the rate itself.
    before, moves = 0.0, []
    for _ in range(4):
        made.apply([keras.ops.ones((1,))])
        now = float(weight.numpy()[0])
        moves.append(before - now)
        before = now
    assert moves == pytest.approx([0.1 / (1 + 0.5 * step) for step in range(4)], rel=1e-5)


def test_same_seed_same_weights(keras):
    def made(seed):
        keras.utils.set_random_seed(seed)
        model = models.build([entry(layers.Layer, {"type": "dense", "units": 5})], (4,), OUTPUT)
        return b"".join(weight.tobytes() for weight in model.get_weights())

    assert made(1) == made(1) != made(2)


def test_first_kernel_is_that_of_the_model(keras, tmp_path):
    keras.utils.set_random_seed(3)
    convolution = entry(layers.Layer, {"type": "conv2d", "filters": 4, "kernel_size": 3})
    second = entry(layers.Layer, {"type": "conv2d", "filters": 6, "kernel_size": 2})
    model = models.build([convolution, second, {"type": "flatten"}], (8, 8, 2), OUTPUT)
    model.save(tmp_path / "model.keras")
    kernel = models.first_kernel(str(tmp_path / "model.keras"))
    assert kernel.shape == (3, 3, 2, 4)
    assert kernel.tobytes() == model.layers[0].get_weights()[0].tobytes()


def test_a_model_whose_first_convolution_has_another_name_has_a_first_kernel(keras, tmp_path):
    # Keras counts its layers' names on within a process; the file's names start anew.
    for _ in range(2):
        convolution = entry(layers.Layer, {"type": "conv2d", "filters": 2, "kernel_size": 3})
        model = models.build([convolution, {"type": "flatten"}], (5, 5, 1), OUTPUT)
    assert model.layers[0].name != "conv2d"
    model.save(tmp_path / "model.keras")
    kernel = models.first_kernel(str(tmp_path / "model.keras"))
    assert np.array_equal(kernel, model.layers[0].get_weights()[0])


def test_a_model_without_a_convolution_is_told(keras, tmp_path):
    model = models.build([entry(layers.Layer, {"type": "dense", "units": 5})], (4,), OUTPUT)
    model.save(tmp_path / "model.keras")
    with pytest.raises(KerasbookError, match=r"model\.keras: found no convolution"):
        models.first_kernel(str(tmp_path / "model.keras"))


def test_keras_comes_without_what_it_can_do_without_and_that_can_be_imported_later():
    code = (
        "import sys\n"
        "from kerasbook import models\n"
        "models.set_up_keras(1)\n"
        "assert not set(models.OPTIONAL) & set(sys.modules)\n"
        "import pandas\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "assert LogisticRegression().fit([[0.0], [1.0]], [0, 1]).predict([[1.0]]) == [1]\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(WORKFLOW)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


def test_what_was_imported_before_keras_stays():
    import pandas

    with models._without(("pandas", "kerasbook_has_no_such_package")):
        assert sys.modules["pandas"] is pandas
    assert "kerasbook_has_no_such_package" not in sys.modules


def test_the_memory_of_each_gpu_grows_as_it_is_needed_and_that_is_said_before_any_use(
    keras, monkeypatch
):
    import tensorflow as tf

    gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{n}", "GPU") for n in range(2)]
    done = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(
        tf.config.experimental,
        "set_memory_growth",
        lambda gpu, grows: done.append((gpu.name[-5:], grows)),
    )
    # The first to look at a device, and what makes the first tensors.
    monkeypatch.setattr(devices, "require", lambda backend, asked: done.append("device used"))
    monkeypatch.setenv(models.BACKEND, "tensorflow")
    models.set_up_keras(1, gpu=1)
    assert done == [("GPU:0", True), ("GPU:1", True), "device used"]
