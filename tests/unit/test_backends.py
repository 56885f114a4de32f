"""The same network, weights and rows give the same losses with each backend of Keras.

Each backend has a process of its own, since Keras takes one when it is imported.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasbook import training

pytestmark = pytest.mark.slow
WORKFLOW = Path(training.__file__).parents[1]
SCRIPT = """
import json, os, sys
from pathlib import Path
import numpy as np
from kerasbook import characters, models
from kerasbook.checkpoints import Checkpoints
from kerasbook.files import digest_of_arrays
from kerasbook.training import arrays_of, fit

keras = models.set_up_keras(1, precision=sys.argv[2])
from chapters.ch07_mnist_convnets.train import OUTPUT
from chapters.ch10_recurrent import networks
from kerasbook.fused import fused

draws = np.random.default_rng(3)

def weighted(model, optimizer, loss):
    model.set_weights([draws.normal(0, 0.2, one.shape) for one in model.get_weights()])
    model.compile(optimizer=models.optimizer(optimizer), loss=loss)
    return model

layers = [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "activation": "relu"},
    {"type": "max_pooling2d", "pool_size": 2}, {"type": "flatten"},
]
adam = {"type": "adam", "learning_rate": 0.01}
pictures = draws.random((60, 28, 28, 1), np.float32)
labels = (pictures.mean((1, 2, 3)) > 0.5).astype(np.uint8)
sparse = "sparse_categorical_crossentropy"
told = {}

def conv():
    draws.bit_generator.state = conv.state
    return weighted(models.build(layers, (28, 28, 1), OUTPUT), adam, sparse)

conv.state = draws.bit_generator.state
model = conv()
rows = (pictures, labels)
told["conv"] = fit(model, rows, rows, 3, 16, seed=1).history["loss"]
told["bits"] = [digest_of_arrays(arrays_of(model))]
# Stopped after two epochs, and gone on with in another model.
keep = Checkpoints(Path(sys.argv[1]), "mark")
fit(conv(), rows, rows, 2, 16, seed=1, keep=keep)
model = conv()
told["resumed"] = fit(model, rows, rows, 3, 16, seed=1, keep=keep).history["loss"]
told["bits"].append(digest_of_arrays(arrays_of(model)))
told["scaled"] = hasattr(model.optimizer, "dynamic_scale")

ids = draws.integers(0, 5, 200).astype(np.uint8)
model = weighted(
    networks.character_network({"units": 8, "recurrent_activation": "sigmoid"}, 10, 5),
    {"type": "rmsprop", "learning_rate": 0.01}, sparse,
)
source = characters.batches(ids, characters.window_starts(200, 10), 10, 32, 1)
told["lstm"] = fit(model, source, epochs=2, rows=source.windows, seed=1).history["loss"]
write = characters.Generator(model, 20)
told["text"] = write(ids[None, :10], [1.0], draws.random((1, 20))).tolist()
keras.utils.set_random_seed(7)
settings = {"cell": "gru", "words": 6, "embedding": 4, "units": 5, "dropout": 0.5,
            "embedding_dropout": 0.3}
model = networks.sentiment_network(settings, 9)
model.compile(optimizer="sgd", loss="binary_crossentropy")
words = draws.integers(0, 9, (64, 6)).astype(np.uint16)
# The same bits from the same seed and epoch: what dropout drops.
weights = model.get_weights()
runs = []
for _ in range(2):
    model.set_weights(weights)
    runs.append(fit(model, (words, words[:, 0] % 2), None, 2, 16, seed=4).history["loss"])
told["dropout"] = runs
model.set_weights(weights)
model.compile(optimizer=fused(models.optimizer(adam)), loss="binary_crossentropy")
told["fused"] = fit(model, (words, words[:, 0] % 2), None, 2, 16, seed=4).history["loss"]
told["preallocates"] = os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE")
told["backend"] = keras.backend.backend()
print(json.dumps(told))
"""


def losses(tmp_path, backend, precision="float32"):
    folder = tmp_path / f"{backend}_{precision}"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), precision],
        env={**os.environ, "PYTHONPATH": str(WORKFLOW), "KERAS_BACKEND": backend},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backends")
    return {one: losses(folder, one) for one in ("tensorflow", "jax")}


def test_losses_and_texts_agree(both):
    assert {one: told["backend"] for one, told in both.items()} == {one: one for one in both}
    for name in ("conv", "lstm"):
        np.testing.assert_allclose(both["jax"][name], both["tensorflow"][name], rtol=1e-4)
        assert both["jax"][name][-1] < both["jax"][name][0]
    assert both["jax"]["text"] == both["tensorflow"]["text"]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_training_goes_on_and_dropout_follows_the_seed(both, backend):
    told = both[backend]
    assert told["resumed"] == told["conv"]
    assert told["bits"][0] == told["bits"][1], "of the weights and the optimizer's state"
    assert told["dropout"][0] == told["dropout"][1]
    assert np.isfinite(told["fused"]).all()


def test_jax_takes_a_gpus_memory_as_it_is_needed(both):
    assert both["jax"]["preallocates"] == "false"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_nearly_the_same_and_goes_on_with_the_same_bits(
    both, tmp_path, precision
):
    told = losses(tmp_path, "tensorflow", precision)
    assert told["conv"] != both["tensorflow"]["conv"]
    np.testing.assert_allclose(told["conv"], both["tensorflow"]["conv"], rtol=0.1)
    assert told["resumed"] == told["conv"]
    assert told["bits"][0] == told["bits"][1]
    assert np.isfinite(told["fused"]).all()
    # Gradients of half precision are small for it: the loss is scaled, and the scale moves on.
    assert told["scaled"] == (precision == "mixed_float16")
