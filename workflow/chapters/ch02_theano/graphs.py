"""Computation graphs as arrays: kept in a run's predictions, laid out for a picture."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kerasbook.errors import KerasbookError

INPUT, CONSTANT, OPERATION, RESULT = "input", "constant", "operation", "result"


class Graph(NamedTuple):
    """Operations and what flows into them.

    Attributes:
        labels: (n,) texts.
        kinds: (n,) texts: input, constant, operation, or result for an operation whose value
            is handed out.
        edges: (m, 2) int64: a value flows from the first node to the second. A node stands
            behind all that flow into it.
    """

    labels: np.ndarray
    kinds: np.ndarray
    edges: np.ndarray

    @property
    def operations(self) -> int:
        """How many nodes compute something."""
        return int(np.count_nonzero(np.isin(self.kinds, [OPERATION, RESULT])))

    @property
    def unused(self) -> np.ndarray:
        """The operations that no result depends on, (k,) int64."""
        needed = self.kinds == RESULT
        for source, target in self.edges[np.argsort(-self.edges[:, 1], kind="stable")]:
            needed[source] |= needed[target]
        return np.flatnonzero((self.kinds == OPERATION) & ~needed)


class Builder:
    """Collects nodes and edges in the order in which a graph is walked."""

    def __init__(self):
        self._nodes: list[tuple[str, str]] = []
        self._edges: list[tuple[int, int]] = []

    def add(self, label: str, kind: str, inputs: list[int]) -> int:
        """A node behind the nodes `inputs`, in the order of its arguments; gives its number."""
        self._nodes.append((label, kind))
        number = len(self._nodes) - 1
        self._edges += [(one, number) for one in inputs]
        return number

    def graph(self) -> Graph:
        """What was collected."""
        labels, kinds = zip(*self._nodes)
        edges = np.array(self._edges, dtype=np.int64).reshape(-1, 2)
        return Graph(np.array(labels), np.array(kinds), edges)


def packed(graphs: Mapping[str, Graph]) -> dict[str, np.ndarray]:
    """Graphs as named arrays, for an npz file."""
    return {
        f"{name}_{part}": array
        for name, graph in graphs.items()
        for part, array in graph._asdict().items()
    }


def unpacked(arrays: Mapping[str, np.ndarray], name: str) -> Graph:
    """One graph out of what `packed` gave.

    Raises:
        KerasbookError: there is no graph of that name.
    """
    missing = [part for part in Graph._fields if f"{name}_{part}" not in arrays]
    if missing:
        raise KerasbookError(f"predictions: found no {name}_{missing[0]}, expected the graph.")
    return Graph(*(arrays[f"{name}_{part}"] for part in Graph._fields))


def levels(graph: Graph) -> np.ndarray:
    """How many steps each node is away from where values end, (n,) int64, on the longest way.

    A constant so stands right above what it flows into.
    """
    level = np.zeros(len(graph.labels), dtype=np.int64)
    for source, target in graph.edges[np.argsort(-graph.edges[:, 1], kind="stable")]:
        level[source] = max(level[source], level[target] + 1)
    return level


class Place(NamedTuple):
    """Where a graph's nodes and edges are drawn.

    Attributes:
        x, y: (n,) float64, the middle of each node; y grows downwards, a level is 1.
        ways: for each edge the points (k, 2) that it passes, both ends included.
        width: of the whole picture, from x = 0.
    """

    x: np.ndarray
    y: np.ndarray
    ways: list[np.ndarray]
    width: float


def _with_bends(graph: Graph, level: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
    """Every edge cut into pieces of one level by bends, which are numbered behind the nodes.

    Returns:
        The levels of nodes and bends, and for each edge the nodes and bends that it passes.
    """
    all_levels, ways, following = list(level), [], len(level)
    for source, target in graph.edges:
        between = range(int(level[source]) - 1, int(level[target]), -1)
        all_levels += between
        ways.append([int(source), *range(following, following + len(between)), int(target)])
        following += len(between)
    return np.array(all_levels), ways


def _neighbours(ways: list[list[int]], n: int) -> tuple[list[list[int]], list[list[int]]]:
    """What each node or bend is joined to: on the level above, and on the level below."""
    above, below = [[] for _ in range(n)], [[] for _ in range(n)]
    for way in ways:
        for upper, lower in pairwise(way):
            above[lower].append(upper)
            below[upper].append(lower)
    return above, below


def _spread(wanted: np.ndarray, widths: np.ndarray, gap: float) -> np.ndarray:
    """Places in the given order as near to the wanted ones as the widths allow.

    The least squares answer under "each is so far right of the one before": isotonic
    regression of the wanted places less the room that those before need.
    """
    room = np.concatenate([[0.0], np.cumsum((widths[1:] + widths[:-1]) / 2 + gap)])
    blocks: list[list[float]] = []
    for value in wanted - room:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (low, m), (high, k) = blocks[-2:]
            blocks[-2:] = [[(low * m + high * k) / (m + k), m + k]]
    return np.concatenate([np.full(count, value) for value, count in blocks]) + room


def placed(graph: Graph, widths: np.ndarray, gap: float = 0.15, rounds: int = 24) -> Place:
    """Lay a graph out in levels, results at the bottom, with few crossings.

    Levels by the longest way to a result, order in a level by the mean of the neighbours
    (the method of Sugiyama, Tagawa and Toda 1981).

    Args:
        widths: (n,) of the nodes, in the unit that x will have.
        gap: between two neighbours.
        rounds: of ordering and of moving, down and up in turn.
    """
    level, ways = _with_bends(graph, levels(graph))
    widths = np.concatenate([widths, np.zeros(len(level) - len(widths))])
    above, below = _neighbours(ways, len(level))
    rows = [list(np.flatnonzero(level == one)) for one in range(level.max(), -1, -1)]
    x = np.zeros(len(level))
    for row in rows:
        x[row] = _spread(np.zeros(len(row)), widths[row], gap)
    for turn in range(2 * rounds):
        down = turn % 2 == 0
        joined = above if down else below
        for row in rows if down else rows[::-1]:
            near = [np.mean(x[joined[one]]) if joined[one] else x[one] for one in row]
            if turn < rounds:  # first who stands left of whom, then how far
                order = np.argsort(near, kind="stable")
                row[:] = [row[one] for one in order]
                near = [near[one] for one in order]
            x[row] = _spread(np.array(near), widths[row], gap)
    x -= (x - widths / 2).min()
    y = (level.max() - level).astype(np.float64)
    points = np.column_stack([x, y])
    n = len(graph.labels)
    width = float((x + widths / 2).max())
    return Place(x[:n], y[:n], [points[way] for way in ways], width)
