"""The diagram of chapter 4.11, of plain texts."""

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from kerasbook import plots
from kerasbook.diagrams import SIGN, TYPE, arrow, box, label, line, sheet, sign, some_of

READ, STATE, MEMORY = plots.BLUE, plots.ORANGE, plots.GREEN
# Inches. Of a cell: its side, and from its middle the lines of memory, of what is handed on, of
# the gates and of what feeds them.
CELL = 0.74
_MEMORY, _OUT, _GATES, _BUS = 0.26, 0.06, -0.13, -0.29
GATES = {"f": -0.22, "i": 0.0, "o": 0.22}  # forget, input, output: from left to right
# The places of the chain: of its cells, and of those that are left out before the last one; the
# answer's place, and a character's room in a strip.
PLACES = (0.64, 1.59, 2.67)
LEFT_OUT = 2.13
ANSWER = 3.53
SQUARE, ROW = 0.155, 0.3
MOST = 20  # characters of a strip


def visible(character: str) -> str:
    """A character as it can be seen: a space as an open box, what has no shape as U+FFFD."""
    shown = {" ": "\u2423", "\n": "\u21b5", "\r": "\u21b5", "\t": "\u21e5"}.get(character)
    return shown or (character if character.isprintable() else "\ufffd")


@plots.styled
def chain(window: str, written: str) -> Figure:
    """An LSTM along a window of characters, and the window as it moves on over what is written.

    Args:
        window: the characters that are read first, at least one.
        written: those that come next, at least one; a row of the lower part for each.
    """
    strips = ROW * len(written) + 0.36
    figure, axes = sheet(strips + 1.58)
    for y, text in ((strips + 1.46, "reading a window"), (strips - 0.14, "writing")):
        label(axes, 0.06, y, text, fontweight="bold", ha="left")
    _chain(axes, strips + 0.76, window, written[0])
    for row, _ in enumerate(written):
        _strip(axes, strips - 0.14 - ROW * (row + 1), row, window + written[: row + 1])
    return figure


def _chain(axes: Axes, y: float, window: str, answer: str) -> None:
    """Cells in a row from zeros to the last state, and what the network makes of it."""
    steps = some_of(len(window), len(PLACES))
    places = [*PLACES[:-1], LEFT_OUT, PLACES[-1]] if None in steps else PLACES[-len(steps) :]
    end, leaves = places[0] - CELL / 2 - 0.14, _BUS
    for height in (_MEMORY, _BUS):
        label(axes, end - 0.06, y + height, "0")
    for height, text in ((CELL / 2 + 0.1, "memory"), (-CELL / 2 - 0.08, "state")):
        if len(steps) > 1:
            label(axes, (places[0] + places[1]) / 2, y + height, text)
    for x, step in zip(places, steps):
        half = CELL / 2 if step else 0.1
        start, turn, end = end, (end + x - half) / 2, x - half
        arrow(axes, [(start, y + _MEMORY), (end, y + _MEMORY)], colour=MEMORY)
        way = [(start, leaves), (turn, leaves), (turn, _BUS), (end, _BUS)]
        arrow(axes, [(one, y + height) for one, height in way], colour=STATE)
        if step:
            _cell(axes, x, y)
            arrow(axes, [(x, y - 0.55), (x, y + _BUS)], colour=READ)
            label(axes, x, y - 0.63, visible(window[step - 1]))
            label(axes, x + 0.12, y - 0.63, f"({step})", size=TYPE - 1, ha="left")
        else:
            label(axes, x, y, "...")
        end, leaves = x + half, _OUT if step else _BUS
    place = y + _OUT
    arrow(axes, [(end, place), (ANSWER - 0.31, place)], colour=STATE)
    box(axes, ANSWER, place, "softmax", width=0.62, colour=STATE)
    arrow(axes, [(ANSWER + 0.31, place), (ANSWER + 0.44, place)], colour=STATE)
    _written(axes, ANSWER + 0.54, place, answer)


def _cell(axes: Axes, x: float, y: float) -> None:
    """A cell: memory along the top, and the gates that are fed from the line at the bottom."""
    box(axes, x, y, width=CELL, height=CELL, frame=True)
    left, right = x - CELL / 2, x + CELL / 2
    memory, bus, out = y + _MEMORY, y + _BUS, x + GATES["o"]
    line(axes, [(left, memory), (right, memory)], colour=MEMORY)
    line(axes, [(left, bus), (out, bus)], colour=STATE)
    for name, place in GATES.items():
        top = y + _OUT if name == "o" else memory
        arrow(axes, [(x + place, bus), (x + place, y + _GATES - 0.075)])
        arrow(axes, [(x + place, y + _GATES + 0.075), (x + place, top - SIGN)])
        box(axes, x + place, y + _GATES, name, width=0.15, height=0.15, colour=plots.PURPLE)
    arrow(axes, [(out, memory), (out, y + _OUT + SIGN)], colour=MEMORY)
    line(axes, [(out, y + _OUT), (right, y + _OUT)], colour=STATE)
    for name, height, text in (("f", _MEMORY, "×"), ("i", _MEMORY, "+"), ("o", _OUT, "×")):
        sign(axes, x + GATES[name], y + height, text)


def _strip(axes: Axes, y: float, row: int, text: str) -> None:
    """The window of the row, moved on by one for each row before, and its next character."""
    shown = min(len(text) - row - 1, MOST)
    read, answer = text[-1 - shown : -1], text[-1]
    left = 0.25 + row * SQUARE
    right = left + shown * SQUARE
    if shown < len(text) - row - 1:
        label(axes, left - 0.1, y, "...")
    for index, character in enumerate(read):
        x = left + (index + 0.5) * SQUARE
        if index < shown - row:
            label(axes, x, y, visible(character))
        else:
            _written(axes, x, y, character)
    axes.add_patch(
        Rectangle((left, y - 0.11), right - left, 0.22, fill=False, edgecolor=READ, linewidth=1.4)
    )
    arrow(axes, [(right, y), (right + 0.28, y)], colour=STATE)
    _written(axes, right + 0.38, y, answer)


def _written(axes: Axes, x: float, y: float, character: str) -> None:
    """A character that the network wrote."""
    axes.add_patch(
        Rectangle((x - SQUARE / 2, y - 0.09), SQUARE, 0.18, facecolor=(*to_rgb(STATE), 0.25),
                  edgecolor="none")
    )  # fmt: skip
    label(axes, x, y, visible(character))
