"""Chapter 4.5: its two small convolutional networks, against plain Keras."""

import numpy as np

from benchmarks.measure import Row, Training, settings_of, throughput
from chapters.ch05_convolutions import networks
from kerasbook import models

ROWS = 2_560


def ch05() -> list[Row]:
    """Rows a second of the network that the chapter opens, and of the one with dropout."""
    models.set_up_keras(1)
    generator = np.random.default_rng(0)
    x = generator.random((ROWS, 28, 28, 1), dtype=np.float32)
    y = generator.integers(0, 10, ROWS)
    rows = []
    for name in ("network", "dropout"):
        settings = settings_of("ch05", name)
        layers, optimizer = settings["layers"], settings["optimizer"]
        ours, plain = (networks.compiled(layers, optimizer) for _ in range(2))
        training = Training(ours, x, y, settings["batch_size"])
        rows.append(throughput(f"ch05_{name}_throughput", training, plain))
    return rows
