"""The drawings that chapter 4.10 alone has, of plain arrays."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kerasbook import plots


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
        axes.annotate(
            words[place],
            (place + 1, last[place]),
            xytext=(0, 6 if last[place] > 0.5 else -6),
            textcoords="offset points",
            ha="center",
            va="bottom" if last[place] > 0.5 else "top",
            fontsize=7.5,
            parse_math=False,
        )
    axes.set(xlabel="words read", ylabel=f"probability of {names[1]}", ylim=(-0.12, 1.12))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    plots.legend_above(figure, [axes])
    return figure


def turns(belief: np.ndarray, most: int = 7, apart: int = 8) -> list[int]:
    """Where a belief changes most, at most `most` places that lie `apart` from each other."""
    change = np.abs(np.diff(belief, prepend=belief[:1]))
    found: list[int] = []
    for place in np.argsort(-change, kind="stable"):
        if len(found) == most:
            break
        if all(abs(place - other) >= apart for other in found):
            found.append(int(place))
    return sorted(found)
