"""Chapter 4.7: the four printed networks' deepest, against plain Keras."""

import numpy as np

from benchmarks.measure import Row, Training, settings_of, throughput
from chapters.ch07_mnist_convnets.train import OUTPUT
from kerasbook import models

ROWS = 1_280


def deepest() -> Training:
    """The network with two convolutions, pooling and dropout."""
    settings = settings_of("ch07", "conv_conv_pool_dropout")
    model = models.build(settings["layers"], (28, 28, 1), OUTPUT)
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=models.optimizer(settings["optimizer"]),
        metrics=["accuracy"],
    )
    generator = np.random.default_rng(0)
    x = generator.random((ROWS, 28, 28, 1), dtype=np.float32)
    return Training(model, x, generator.integers(0, 2, ROWS), settings["batch_size"])


def ch07() -> list[Row]:
    """Rows a second of that network."""
    models.set_up_keras(1)
    return [throughput("ch07_convnet_throughput", deepest(), deepest().model)]
