"""The chapter in PyTensor, Theano's living descendant.

Call `set_up` before anything else imports PyTensor: it reads its settings at import.
"""

import os
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from chapters.ch02_theano.graphs import CONSTANT, INPUT, OPERATION, RESULT, Builder, Graph
from chapters.ch02_theano.logistic import Line

AT = 2.0  # the tutorial evaluates at x = 2 (lines 558, 568 and 592 of the chapters)
SHAPE = (2, 3)  # of the shared variable (line 608)
CALLS = 3  # of the counter (lines 669 to 677)
# PyTensor simplifies and joins at positions up to 49; from 49.5 on operations may overwrite
# their inputs, and must not be replaced.
AFTER_JOINING = 49.2


def set_up(folder: Path) -> None:
    """Let PyTensor compute with numpy, and keep its files in `folder`.

    Its other linkers compile C or call numba, which takes longer than these small graphs
    run, and needs a compiler; a folder of its own keeps jobs that run at once apart.
    """
    os.environ["PYTENSOR_FLAGS"] = f"base_compiledir={folder},linker=py,cxx="


def _label(op: Any) -> str:
    """An operation's name without its options: `Add`, `Softplus`."""
    return str(op).partition("{")[0]


def walked(outputs: list[Any]) -> Graph:
    """The graph that computes `outputs`, a node for each operation and input.

    A constant is a node wherever it is used, so that a picture has no long lines from it.
    """
    from pytensor.graph.basic import Constant
    from pytensor.graph.traversal import toposort

    builder = Builder()
    known: dict[Any, int] = {}

    def number(variable: Any) -> int:
        if isinstance(variable, Constant):
            value = np.asarray(variable.data).ravel()
            return builder.add(f"{value[0]:g}", CONSTANT, [])
        if variable.owner is not None:
            return known[variable.owner]
        if variable not in known:
            known[variable] = builder.add(str(variable.name), INPUT, [])
        return known[variable]

    results = {output.owner for output in outputs}
    for node in toposort(outputs):
        kind = RESULT if node in results else OPERATION
        known[node] = builder.add(_label(node.op), kind, [number(one) for one in node.inputs])
    return builder.graph()


def rewritten(inputs: list[Any], output: Any) -> Graph:
    """The graph that PyTensor makes of an expression when it compiles a function of it."""
    import pytensor

    return walked(pytensor.function(inputs, output, mode=_mode()).maker.fgraph.outputs)


def _mode(rewrites: bool = True) -> Any:
    """How functions are made: with all of PyTensor's rewrites, or with none.

    Of its rewrites one is left out and one is added, both for numpy's sake, which would take
    element by element what it has no function for: several operations fused into one loop,
    and products and sums of three or more. Neither changes what is computed.
    """
    from pytensor.compile.mode import Mode, get_default_mode
    from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
    from pytensor.scalar.basic import Add, Mul
    from pytensor.tensor.elemwise import Elemwise

    if not rewrites:
        return Mode("py", optimizer=None)

    @node_rewriter([Elemwise])
    def two_at_a_time(fgraph, node):
        if len(node.inputs) < 3 or not isinstance(node.op.scalar_op, Add | Mul):
            return None
        return [reduce(node.op, node.inputs)]

    added = (dfs_rewriter(two_at_a_time), AFTER_JOINING)
    return get_default_mode().excluding("fusion").register(added)


def symbolic() -> tuple[dict[str, float], dict[str, str], dict[str, Graph]]:
    """The tutorial's expressions: values, printed forms and graphs (lines 515 to 593).

    The numbers are float32, as printed. The gradient that is drawn is that of the first
    expression; the printed one, of log(x), is a single division.
    """
    import pytensor
    import pytensor.tensor as pt

    x = pt.scalar("x", dtype="float32")
    y = 3 * (x**2) + 1
    log = pt.log(x)
    slope, log_slope = pt.grad(y, x), pt.grad(log, x)
    at = {x: np.float32(AT)}
    values = {
        "3x2_plus_1_at_2": y.eval(at),
        "3x2_plus_1_at_2_compiled": pytensor.function([x], y)(AT),
        "slope_of_3x2_plus_1_at_2": slope.eval(at),
        "dlogx_at_2": log_slope.eval(at),
        "twice_dlogx_at_2": (2 * log_slope).eval(at),
    }
    prints = {
        "print": str(y),
        "pprint": pytensor.printing.pprint(y),
        "debugprint": pytensor.printing.debugprint(y, file="str").rstrip(),
    }
    graphs = {
        "expression": walked([y]),
        "gradient": walked([slope]),
        "gradient_rewritten": rewritten([x], slope),
        **loss_graphs(),
    }
    return {key: float(value) for key, value in values.items()}, prints, graphs


def loss_graphs() -> dict[str, Graph]:
    """The tutorial's cross-entropy of one row (lines 809 to 811), as written and rewritten.

    `z` stands for the row's log odds, T.dot(x, w) + b.
    """
    import pytensor.tensor as pt

    z, y = pt.scalar("z", dtype="float64"), pt.scalar("y", dtype="float64")
    p = 1 / (1 + pt.exp(-z))
    loss = -y * pt.log(p) - (1 - y) * pt.log(1 - p)
    return {"loss": walked([loss]), "loss_rewritten": rewritten([z, y], loss)}


def shared() -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The tutorial's shared variables and updates (lines 608 to 679).

    Returns:
        (x + 2)² of a variable of zeros, evaluated and compiled (2, 3), and what the counter
        gives at each call.
    """
    import pytensor

    x = pytensor.shared(np.zeros(SHAPE, dtype=np.float32))
    x.set_value(x.get_value())
    squared = (x + 2) ** 2
    count = pytensor.shared(0)
    call = pytensor.function([], count, updates={count: count + 1})
    counted = [int(call()) for _ in range(CALLS)]
    return squared.eval(), pytensor.function([], squared)(), counted


class Descent:
    """The tutorial's logistic regression, compiled (lines 803 to 822).

    Args:
        start: the weights and the bias to begin with.
        rate: of the gradient descent.
        penalty: times the sum of the squared weights.
        rewrites: whether PyTensor may rewrite the loss before it computes.
    """

    def __init__(self, start: Line, rate: float, penalty: float, rewrites: bool = True):
        import pytensor
        import pytensor.tensor as pt

        x, y = pt.matrix("x", dtype="float64"), pt.vector("y", dtype="float64")
        self._w = pytensor.shared(start.weights, name="w")
        self._b = pytensor.shared(np.float64(start.bias), name="b")
        logits = pt.dot(x, self._w) + self._b
        chance = 1 / (1 + pt.exp(-logits))
        # Both logarithms are of a probability, which may have been rounded to 0 or 1.
        losses = -(y * pt.log(chance) + (1 - y) * pt.log(1 - chance))
        to_weights, to_bias = pt.grad(
            pt.mean(losses) + penalty * pt.sum(pt.sqr(self._w)), [self._w, self._b]
        )
        mode = _mode(rewrites)
        # What the tutorial's function returns besides, prediction and loss, would be computed
        # at every step and thrown away.
        self.step = pytensor.function(
            [x, y],
            pt.maximum(pt.abs(to_weights).max(), pt.abs(to_bias)),
            updates={
                self._w: self._w - rate * to_weights,
                self._b: self._b - rate * to_bias,
            },
            mode=mode,
        )
        self.losses = pytensor.function([x, y], losses, mode=mode)
        self.predict = pytensor.function([x], chance > 0.5, mode=mode)

    @property
    def line(self) -> Line:
        """The weights and the bias as they are now."""
        return Line(self._w.get_value(), float(self._b.get_value()))
