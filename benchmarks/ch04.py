"""Chapter 4.4 against one column vector at a time."""

import numpy as np

from benchmarks import reference_loops
from benchmarks.measure import Row, compile_seconds, paired_ratio
from chapters.ch04_sgd_network import network
from kerasbook.bundled import make_digits

FIRST = """
import numpy as np
from chapters.ch04_sgd_network import network
parameters = network.initial_parameters([784, 30, 10], 1)
images, one = np.zeros((1, 784), np.uint8), np.zeros(1, np.uint8)
first = lambda: network.train_epoch(images, one, parameters, 10, 3.0, 1.0, np.arange(1))
"""


def ch04() -> list[Row]:
    """An epoch of chapter 4.4's network against one column vector at a time."""
    digits = make_digits()
    images = digits["x_train"].reshape(len(digits["x_train"]), -1)
    labels = digits["y_train"]
    order = np.random.default_rng(1).permutation(len(images))
    batch_size, rate = 10, 3.0

    def after(scale: float, rows: np.ndarray) -> float:
        """The largest difference of a weight or bias once both sides have learned `rows`."""
        parameters = network.initial_parameters([784, 30, 10], seed=1)
        loops = reference_loops.SampleLoops(*parameters)
        samples = reference_loops.as_samples(images, labels, scale)
        with np.errstate(over="ignore"):  # the plain sigmoid of raw sums, which still gives 0
            loops.train_epoch(samples, batch_size, rate, rows)
        network.train_epoch(images, labels, parameters, batch_size, rate, scale, rows)
        return loops.difference(*parameters)

    scaled = 1 / 255
    difference = after(scaled, order)
    # Raw pixels make each step so large that a rounding error grows to the size of
    # the weights within an epoch; before it grows, both sides agree.
    raw_batch, raw_epoch = after(1.0, order[:batch_size]), after(1.0, order)

    fast = network.initial_parameters([784, 30, 10], seed=1)
    slow = reference_loops.SampleLoops(*fast)
    samples = reference_loops.as_samples(images, labels, scaled)
    ratio = paired_ratio(
        lambda: slow.train_epoch(samples, batch_size, rate, order),
        lambda: network.train_epoch(images, labels, fast, batch_size, rate, scaled, order),
    )
    return [
        Row("ch04_speedup", ratio, "ratio", ">= 10"),
        Row("ch04_weight_difference", difference, "1", "<= 1e-9"),
        Row("ch04_raw_weight_difference_batch", raw_batch, "1", "<= 1e-9"),
        Row("ch04_raw_weight_difference_epoch", raw_epoch, "1"),
        Row("ch04_compile_seconds", compile_seconds(FIRST), "s"),
    ]
