"""Chapter 4.7: the four printed networks' deepest, against plain Keras."""

import numpy as np

from benchmarks.measure import Row, settings_of, throughput
from chapters.ch07_mnist_convnets.train import OUTPUT
from kerasbook import models

ROWS = 1_280


def ch07() -> list[Row]:
    """Rows a second of the network with two convolutions, pooling and dropout."""
    models.set_up_keras(1)
    generator = np.random.default_rng(0)
    x = generator.random((ROWS, 28, 28, 1), dtype=np.float32)
    y = generator.integers(0, 2, ROWS)
    settings = settings_of("ch07", "conv_conv_pool_dropout")
    each = []
    for _ in range(2):
        model = models.build(settings["layers"], (28, 28, 1), OUTPUT)
        model.compile(
            loss="sparse_categorical_crossentropy",
            optimizer=models.optimizer(settings["optimizer"]),
            metrics=["accuracy"],
        )
        each.append(model)
    return [throughput("ch07_convnet_throughput", *each, x, y, settings["batch_size"])]
