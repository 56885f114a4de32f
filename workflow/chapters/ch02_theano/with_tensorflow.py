"""The chapter in TensorFlow: the same expressions, variables and descent.

Call `set_up` first: TensorFlow's thread pools are fixed at first use.
"""

import os
from typing import Any

import numpy as np

from chapters.ch02_theano.graphs import CONSTANT, INPUT, OPERATION, RESULT, Builder, Graph
from chapters.ch02_theano.logistic import Line
from chapters.ch02_theano.with_pytensor import AT, CALLS, SHAPE


def set_up(threads: int) -> None:
    """Import TensorFlow, held to `threads` threads and to the CPU.

    The two libraries are compared in float64 on one machine, which asks no GPU of its job.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.set_visible_devices([], "GPU")


def traced(function: Any, *specs: Any) -> Graph:
    """The graph that `tf.function` records of a function, operation by operation.

    Args:
        specs: a `tf.TensorSpec` for each argument.
    """
    import tensorflow as tf

    builder = Builder()
    known: dict[str, int] = {}
    constants: dict[str, str] = {}
    recorded = function.get_concrete_function(*specs).graph
    results = {output.op.name for output in recorded.outputs}
    for op in recorded.get_operations():
        if op.type == "Const":
            value = tf.make_ndarray(op.get_attr("value")).ravel()
            constants[op.name] = f"{value[0]:g}"
        elif op.type == "Placeholder":
            known[op.name] = builder.add(op.name, INPUT, [])
        else:
            # A constant is a node wherever it is used, as in PyTensor's graphs.
            inputs = [
                builder.add(constants[one.op.name], CONSTANT, [])
                if one.op.name in constants
                else known[one.op.name]
                for one in op.inputs
            ]
            kind = RESULT if op.name in results else OPERATION
            known[op.name] = builder.add(op.type, kind, inputs)
    return builder.graph()


def symbolic() -> tuple[dict[str, float], dict[str, Graph]]:
    """The tutorial's expressions: values and traced graphs."""
    import tensorflow as tf

    @tf.function
    def expression(x):
        return 3 * (x**2) + 1

    @tf.function
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = 3 * (x**2) + 1
        return tape.gradient(y, x)

    x = tf.constant(AT, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        log = tf.math.log(x)
    log_slope = tape.gradient(log, x)
    values = {
        "3x2_plus_1_at_2": 3 * (x**2) + 1,
        "3x2_plus_1_at_2_compiled": expression(x),
        "slope_of_3x2_plus_1_at_2": slope(x),
        "dlogx_at_2": log_slope,
        "twice_dlogx_at_2": 2 * log_slope,
    }
    spec = tf.TensorSpec([], tf.float32, name="x")
    graphs = {
        "tensorflow_expression": traced(expression, spec),
        "tensorflow_gradient": traced(slope, spec),
    }
    return {key: float(value) for key, value in values.items()}, graphs


def shared() -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The tutorial's shared variables and updates; returns what PyTensor's `shared` does."""
    import tensorflow as tf

    x = tf.Variable(np.zeros(SHAPE, dtype=np.float32))
    x.assign(x.numpy())

    @tf.function
    def squared():
        return (x + 2) ** 2

    count = tf.Variable(0)

    @tf.function
    def call():
        before = tf.identity(count)
        count.assign_add(1)
        return before

    counted = [int(call()) for _ in range(CALLS)]
    return ((x + 2) ** 2).numpy(), squared().numpy(), counted


def descend(
    x: np.ndarray, y: np.ndarray, start: Line, rate: float, penalty: float, steps: int
) -> Line:
    """The tutorial's logistic regression: so many steps of gradient descent over all rows.

    TensorFlow computes what is written, so the loss is written in the form that does not
    overflow.

    Args:
        x: (n, n_features) float64.
        y: (n,), 0 or 1.
        start: the weights and the bias to begin with.
    """
    import tensorflow as tf

    w, b = tf.Variable(start.weights), tf.Variable(np.float64(start.bias))

    @tf.function
    def run(rows, labels, n):
        for _ in tf.range(n):
            with tf.GradientTape() as tape:
                z = tf.linalg.matvec(rows, w) + b
                losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=z)
                cost = tf.reduce_mean(losses) + penalty * tf.reduce_sum(w**2)
            gw, gb = tape.gradient(cost, [w, b])
            w.assign_sub(rate * gw)
            b.assign_sub(rate * gb)

    run(tf.constant(x), tf.constant(y, tf.float64), tf.constant(steps))
    return Line(w.numpy(), float(b.numpy()))
