"""Chapter 4.1 against plain Python loops."""

import numpy as np

from benchmarks import reference_loops
from benchmarks.measure import Row, compile_seconds, paired_ratio
from chapters.ch01_neural_network import network
from kerasbook.bundled import make_two_moons

FIRST = """
import numpy as np
from chapters.ch01_neural_network import network
weights = network.initial_weights(2, 10, 1, 1)
first = lambda: network.train(np.zeros((1, 2)), np.zeros(1), weights, 1)
"""


def ch01() -> list[Row]:
    """The 2-10-1 network of chapter 4.1 against the loops over its units."""
    x, y = make_two_moons()
    y = y.astype(np.float64)
    start = network.initial_weights(2, 10, 1, seed=123)
    loops = reference_loops.UnitLoops(*start)
    iterations = 5
    slow_errors = loops.train(x, y, iterations)
    trained, errors = network.train(x, y, start, iterations)
    predicted = network.predict(x, trained)
    ratio = paired_ratio(
        lambda: reference_loops.UnitLoops(*start).train(x, y, iterations),
        lambda: network.train(x, y, start, iterations),
    )
    return [
        Row("ch01_speedup", ratio, "ratio", ">= 100"),
        Row("ch01_error_difference", float(np.abs(errors - slow_errors).max()), "1", "<= 1e-9"),
        Row(
            "ch01_prediction_difference",
            float(np.abs(predicted - loops.predict(x)[:, 0]).max()),
            "1",
            "<= 1e-9",
        ),
        Row("ch01_compile_seconds", compile_seconds(FIRST), "s"),
    ]
