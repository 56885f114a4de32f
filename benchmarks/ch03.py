"""Chapter 4.3: an epoch of softmax regression on rows of Otto's size, against plain Keras."""

import numpy as np

from benchmarks.measure import Row, Training, settings_of, throughput
from chapters.ch03_keras_basics import networks, rows
from kerasbook import models

N, FEATURES, CLASSES = 61_878, 93, 9
BATCH = 32


def ch03() -> list[Row]:
    """How long an epoch takes, and how many times as long plain Keras needs for the same."""
    keras = models.set_up_keras(1)
    generator = np.random.default_rng(0)
    counts = generator.poisson(1.0, (N, FEATURES)).astype(np.uint16)
    x = rows.scaling(counts, "counts")(counts)
    y = generator.integers(0, CLASSES, N).astype(np.uint8)
    settings = {
        "layers": [],
        "optimizer": {"type": "sgd", "learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
    }
    model = networks.build(settings, FEATURES, CLASSES)
    plain = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(CLASSES)])
    plain.add(keras.layers.Activation("softmax"))
    plain.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")

    logreg = throughput("ch03_throughput", Training(model, x, y, BATCH), plain)
    measured = [logreg]
    some = slice(12_800)
    for name in ("mlp_overfitting", "exercise"):
        told = settings_of("ch03", name)
        ours, same = (networks.build(told, FEATURES, CLASSES) for _ in range(2))
        training = Training(ours, x[some], y[some], told["batch_size"])
        measured.append(throughput(f"ch03_{name}_throughput", training, same))
    return measured
