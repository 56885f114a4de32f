"""The drawings that chapter 4.10 alone has, of plain arrays."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasbook import plots
from kerasbook.diagrams import (
    BOX,
    SIGN,
    arrow,
    box,
    knot,
    label,
    line,
    sheet,
    sign,
    some_of,
)

# What a cell of the layer is called, and how many boxes of weights and biases it has. Keras's GRU
# has two biases in each box.
CELLS = {"simple_rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}
LAYERS = {"simple_rnn": 1, "lstm": 4, "gru": 3}
BIASES = {"simple_rnn": 1, "lstm": 1, "gru": 2}
# What flows: read, kept and handed on, kept inside.
WORD, STATE, MEMORY = plots.BLUE, plots.ORANGE, plots.GREEN


@plots.styled
def lengths(sizes: np.ndarray, cut: int) -> Figure:
    """How long the texts are, in words; the dashed line is what the networks read."""
    longest = int(np.quantile(sizes, 0.99))
    figure, (axes,) = plots.panels(1, 1, 2.2)
    heights, edges = np.histogram(np.minimum(sizes, longest), bins=40)
    axes.stairs(heights, edges, fill=True, color=plots.BLUE)
    axes.axvline(cut, color=plots.ORANGE, linestyle=(0, (4, 2)))
    axes.set(xlabel="words and marks of a text", ylabel="texts")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(axis="x", visible=False)
    return figure


@plots.styled
def following(words: Sequence[str], beliefs: Mapping[str, np.ndarray], names: list[str]) -> Figure:
    """What each network believes after each word of one review.

    Args:
        words: (n,).
        beliefs: network -> (n,) probabilities of the second label.
        names: of the two labels.
    """
    figure, (axes,) = plots.panels(1, 1, 3.1)
    places = np.arange(1, len(words) + 1)
    for index, (name, belief) in enumerate(beliefs.items()):
        axes.plot(
            places,
            belief,
            color=plots.PALETTE[index],
            linestyle=plots.DASHES[index],
            label=name,
        )
    axes.axhline(0.5, color=plots.INK, linewidth=0.7)
    last = list(beliefs.values())[-1]
    for place in turns(last):
        # Above all curves, since they cross each other at the turns.
        axes.vlines(place + 1, last[place], 1.06, color=plots.INK, linewidth=0.5, alpha=0.4)
        axes.text(
            place + 1, 1.08, words[place], ha="center", va="bottom", fontsize=7.5, parse_math=False
        )
    axes.set(xlabel="words read", ylabel=f"probability of {names[1]}", ylim=(-0.05, 1.2))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    plots.legend_above(figure, [axes])
    return figure


def turns(belief: np.ndarray, most: int = 7, apart: int = 12) -> list[int]:
    """Where a belief changes most, at most `most` places that lie `apart` from each other."""
    change = np.abs(np.diff(belief, prepend=belief[:1]))
    found: list[int] = []
    for place in np.argsort(-change, kind="stable"):
        if len(found) == most:
            break
        if all(abs(place - other) >= apart for other in found):
            found.append(int(place))
    return sorted(found)


def cell_weights(cell: str, units: int, embedding: int) -> int:
    """Weights and biases of a recurrent layer as Keras counts them.

    Args:
        cell: simple_rnn, lstm or gru.
        units: of the layer, numbers of its state.
        embedding: numbers that stand for a word.
    """
    return LAYERS[cell] * units * (embedding + units + BIASES[cell])


@plots.styled
def unrolled(words: int, weights: int) -> Figure:
    """A recurrent layer with its loop, and the same layer drawn once for each word.

    Args:
        words: that it reads.
        weights: of the layer, biases among them.
    """
    figure, axes = sheet(2.3)
    y, wide, top = 0.66, 0.38, 2.0
    label(axes, 0.06, 2.18, "rolled", fontweight="bold", ha="left")
    label(axes, 1.32, 2.18, "unrolled", fontweight="bold", ha="left")
    _cell(axes, 0.42, y, wide, "a\nword")
    _answer(axes, 0.42, y, top)
    loop = y + 0.32
    knot(axes, 0.42, loop, STATE)
    back = [(0.42, loop), (0.9, loop), (0.9, y), (0.42 + wide / 2, y)]
    arrow(axes, back, colour=STATE)
    label(axes, 0.9, loop + 0.1, "state")
    # One set of weights lies under all steps.
    left, right = 1.32, plots.WIDTH - 0.04
    box(
        axes, (left + right) / 2, y + 0.11, width=right - left, height=0.58, dashed=True, frame=True
    )
    label(axes, (left + right) / 2, y + 0.3, f"the same {weights:,} weights at each step")
    steps = some_of(words, 4)
    places = np.linspace(1.86, 3.9, 5)[-len(steps) :]
    for before, x, step in zip([places[0] - 0.37, *places[:-1]], places, steps):
        start = before + (wide / 2 if before in places else 0.05)
        arrow(axes, [(start, y), (x - wide / 2, y)], colour=STATE)
        if step is None:
            label(axes, x, y, "...")
        else:
            _cell(axes, x, y, wide, f"word\n{step}")
    label(axes, places[0] - 0.4, y, "0")
    _answer(axes, places[-1], y, top)
    beside = places[-1] - 0.08
    label(axes, beside, y + 0.49, "last state", ha="right")
    if len(places) > 1:
        arrow(axes, [(beside, y + 0.62), (places[0], y + 0.62)], dashed=True)
        label(axes, beside, y + 0.72, "the gradient's way back", ha="right")
    return figure


def _cell(axes: Axes, x: float, y: float, wide: float, word: str) -> None:
    """A step of the layer, and the word that it reads."""
    box(axes, x, y, "cell", width=wide)
    arrow(axes, [(x, 0.3), (x, y - BOX / 2)], colour=WORD)
    label(axes, x, 0.16, word)


def _answer(axes: Axes, x: float, y: float, top: float) -> None:
    """The last state on its way to the one unit that answers."""
    arrow(axes, [(x, y + BOX / 2), (x, top - 0.42)], colour=STATE)
    box(axes, x, top - 0.3, "output", width=0.52, colour=plots.ORANGE)
    arrow(axes, [(x, top - 0.3 + BOX / 2), (x, top + 0.03)], colour=plots.ORANGE)


# Inches of the cells' figure: where the inputs come from, the bus on the left from which each
# box is fed, and the rows of boxes.
_BELOW, _JOIN, _ABOVE = 0.2, 0.36, 2.24
_WORDS, _STATES, _BOXES, _SIDE = 0.06, 0.16, 0.56, 0.58
_APART = 0.05  # of the two arrows into a box, from its middle
PROPOSAL = "proposal"


@plots.styled
def cells(weights: Mapping[str, int]) -> Figure:
    """What is inside of recurrent cells, side by side.

    Args:
        weights: cell (simple_rnn, lstm or gru) -> its layer's weights and biases.
    """
    figure, axes = sheet(2.96)
    inside = {"simple_rnn": (_simple_rnn, 0.93), "lstm": (_lstm, 1.78), "gru": (_gru, 1.43)}
    left = 0.04
    for cell, count in weights.items():
        draw, width = inside[cell]
        label(axes, left, 2.84, CELLS[cell], ha="left", fontweight="bold")
        label(axes, left, 2.6, f"{count:,}\nweights", ha="left")
        draw(axes, left)
        left += width
    return figure


def _layer(axes: Axes, left: float, y: float, text: str, *, state: bool = True) -> None:
    """A box with weights, fed by the word and, unless something is between, by the state."""
    edge = left + _BOXES - _SIDE / 2
    arrow(axes, [(left + _WORDS, y + _APART), (edge, y + _APART)], colour=WORD)
    if state:
        arrow(axes, [(left + _STATES, y - _APART), (edge, y - _APART)], colour=STATE)
    gate = text != PROPOSAL
    box(axes, left + _BOXES, y, text, width=_SIDE, colour=plots.PURPLE if gate else plots.INK)


def _bus(
    axes: Axes,
    left: float,
    words: Sequence[float],
    states: Sequence[float],
    source: float | None = None,
) -> None:
    """The lines of word and state, from below or the state's from a line at x = `source`.

    Args:
        words, states: the heights at which they part, ascending; each ends at its last.
    """
    label(axes, left, 0.1, "word", ha="left")
    x, bus, own = left + _WORDS, left + _STATES, left + _BOXES
    line(axes, [(x, _BELOW), (x, words[-1])], colour=WORD)
    if source is None:
        label(axes, own, 0.1, "state")
    way = [(own, _BELOW), (own, _JOIN)] if source is None else [(source, _JOIN)]
    line(axes, [*way, (bus, _JOIN), (bus, states[-1])], colour=STATE)
    for place, heights, colour in ((x, words, WORD), (bus, states, STATE)):
        for height in heights[:-1]:
            knot(axes, place, height, colour)


def _simple_rnn(axes: Axes, left: float) -> None:
    y = 1.3
    _bus(axes, left, [y + _APART], [y - _APART])
    _layer(axes, left, y, PROPOSAL)
    arrow(axes, [(left + _BOXES, y + BOX / 2), (left + _BOXES, _ABOVE)], colour=STATE)
    label(axes, left + _BOXES, _ABOVE + 0.1, "state")


def _lstm(axes: Axes, left: float) -> None:
    forget, let_in, new, out = 0.62, 0.98, 1.34, 1.78
    rows = {"forget": forget, "input": let_in, PROPOSAL: new, "output": out}
    _bus(axes, left, [y + _APART for y in rows.values()], [y - _APART for y in rows.values()])
    for text, y in rows.items():
        _layer(axes, left, y, text)
    edge, inner, memory = left + _BOXES + _SIDE / 2, left + 1.04, left + 1.46
    label(axes, memory, 0.1, "memory")
    arrow(axes, [(memory, _BELOW), (memory, _ABOVE)], colour=MEMORY)
    label(axes, memory, _ABOVE + 0.1, "memory")
    sign(axes, memory, forget, "×")
    arrow(axes, [(edge, forget), (memory - SIGN, forget)])
    middle = (let_in + new) / 2
    for y, towards in ((let_in, middle - SIGN), (new, middle + SIGN)):
        arrow(axes, [(edge, y), (inner, y), (inner, towards)])
    sign(axes, inner, middle, "×")
    arrow(axes, [(inner + SIGN, middle), (memory - SIGN, middle)])
    sign(axes, memory, middle, "+")
    turn = (new + out) / 2
    knot(axes, memory, turn, MEMORY)
    arrow(axes, [(memory, turn), (inner, turn), (inner, out - SIGN)], colour=MEMORY)
    sign(axes, inner, turn, "tanh")
    arrow(axes, [(edge, out), (inner - SIGN, out)])
    sign(axes, inner, out, "×")
    arrow(axes, [(inner, out + SIGN), (inner, _ABOVE)], colour=STATE)
    label(axes, inner, _ABOVE + 0.1, "state")


def _gru(axes: Axes, left: float) -> None:
    update, reset, new = 0.62, 1.02, 1.74
    edge, inner, state = left + _BOXES + _SIDE / 2, left + 1.01, left + 1.28
    scaled = (reset + new) / 2
    states = [update - _APART, reset - _APART, scaled]
    _bus(axes, left, [y + _APART for y in (update, reset, new)], states, source=state)
    knot(axes, state, _JOIN, STATE)
    label(axes, state, 0.1, "state")
    arrow(axes, [(state, _BELOW), (state, _ABOVE)], colour=STATE)
    label(axes, state, _ABOVE + 0.1, "state")
    _layer(axes, left, update, "update")
    _layer(axes, left, reset, "reset")
    _layer(axes, left, new, PROPOSAL, state=False)
    x = left + _BOXES
    arrow(axes, [(x, reset + BOX / 2), (x, scaled - SIGN)])
    arrow(axes, [(left + _STATES, scaled), (x - SIGN, scaled)], colour=STATE)
    sign(axes, x, scaled, "×")
    arrow(axes, [(x, scaled + SIGN), (x, new - BOX / 2)], colour=STATE)
    arrow(axes, [(edge, update), (state - SIGN, update)])
    sign(axes, state, update, "×")
    knot(axes, inner, update)
    arrow(axes, [(inner, update), (inner, new - SIGN)])
    sign(axes, inner, (update + new) / 2, "1 −")
    arrow(axes, [(edge, new), (inner - SIGN, new)])
    sign(axes, inner, new, "×")
    arrow(axes, [(inner + SIGN, new), (state - SIGN, new)])
    sign(axes, state, new, "+")
