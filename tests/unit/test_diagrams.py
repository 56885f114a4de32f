"""Boxes and arrows, and the rooms' drawings of networks: what is in them, and that it fits."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.text import Annotation, Text

from chapters.ch09_unsupervised import figures as ch09
from chapters.ch09_unsupervised import report as ch09_report
from chapters.ch10_recurrent import figures as ch10
from chapters.ch10_recurrent import report as ch10_report
from chapters.ch11_lstm_text import figures as ch11
from chapters.ch11_lstm_text import report as ch11_report
from kerasbook import diagrams, plots
from kerasbook.reporting import Results


def texts_of(figure) -> list[Text]:
    """The labels of a figure; arrows are annotations without a text."""
    return [one for axes in figure.axes for one in axes.texts if one.get_text()]


def told(figure) -> list[str]:
    return [one.get_text() for one in texts_of(figure)]


def check_room(figure) -> None:
    """No label lies upon another or leaves the sheet."""
    renderer = figure.canvas.get_renderer()
    boxes = [(one.get_text(), one.get_window_extent(renderer)) for one in texts_of(figure)]
    whole = figure.bbox
    for text, one in boxes:
        inside = whole.x0 <= one.x0 and one.x1 <= whole.x1 and whole.y0 <= one.y0
        assert inside and one.y1 <= whole.y1, text
    for (text, one), (other_text, other) in combinations(boxes, 2):
        assert not one.overlaps(other), (text, other_text)


# ------------------------------------------------------------------------------- the helpers


@plots.styled
def drawn(draw):
    figure, axes = diagrams.sheet(1.0, 2.0)
    draw(axes)
    return figure


def test_a_sheet_is_measured_in_inches():
    figure = drawn(lambda axes: None)
    [axes] = figure.axes
    assert figure.get_size_inches().tolist() == [2.0, 1.0]
    assert axes.transData.transform((0.5, 0.25)).tolist() == [0.5 * figure.dpi, 0.25 * figure.dpi]


@pytest.mark.parametrize("text", ["+", "a label that needs more room", "costs $5 or $6"])
def test_a_box_holds_its_label(text):
    figure = drawn(lambda axes: diagrams.box(axes, 1.0, 0.5, text, colour=plots.BLUE))
    [axes] = figure.axes
    [patch] = axes.patches
    [label] = texts_of(figure)
    assert label.get_text() == text and not label.get_parse_math()
    outline = patch.get_window_extent()
    extent = label.get_window_extent(figure.canvas.get_renderer())
    assert outline.x0 < extent.x0 and extent.x1 < outline.x1
    assert outline.width >= diagrams.BOX * figure.dpi


def test_a_frame_lies_behind_lines_and_these_behind_boxes():
    def draw(axes):
        diagrams.box(axes, 1.0, 0.5, width=1.8, height=0.8, frame=True)
        diagrams.line(axes, [(0, 0), (1, 0.5)])
        diagrams.box(axes, 1.0, 0.5, "in")

    [axes] = drawn(draw).axes
    frame, inner = axes.patches
    assert frame.get_zorder() < axes.lines[0].get_zorder() < inner.get_zorder()


def test_a_sign_is_round_and_a_words_box_is_wider():
    def draw(axes):
        diagrams.sign(axes, 0.5, 0.5, "×")
        diagrams.sign(axes, 1.5, 0.5, "tanh")

    [axes] = drawn(draw).axes
    ring, word = axes.patches
    assert isinstance(ring, Circle) and isinstance(word, FancyBboxPatch)
    assert word.get_width() > 2 * ring.radius


def test_an_arrow_has_its_head_at_the_last_point():
    [axes] = drawn(lambda axes: diagrams.arrow(axes, [(0, 0), (1, 0), (1, 0.7)])).axes
    [head] = [one for one in axes.texts if isinstance(one, Annotation)]
    assert np.array([head.xyann, head.xy]).tolist() == [[1, 0], [1, 0.7]]
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [1, 0]]


def test_some_steps_are_the_first_ones_and_the_last():
    assert diagrams.some_of(3, 3) == [1, 2, 3]
    assert diagrams.some_of(1, 3) == [1]
    assert diagrams.some_of(100, 3) == [1, 2, None, 100]
    with pytest.raises(ValueError, match="found 1 steps"):
        diagrams.some_of(9, 1)


# ------------------------------------------------------------------------------- the drawings


@pytest.mark.parametrize("codes", [1, 32, 784])
def test_the_autoencoders_sizes_are_those_of_its_arrays(codes):
    picture = np.linspace(0, 1, 28 * 28).reshape(28, 28)
    figure = ch09.structure(picture, np.arange(codes), picture)
    check_room(figure)
    assert {f"{codes:,}\ncodes", "input:\n784 pixels", "output:\n784 pixels"} <= set(told(figure))
    weights = (codes * 784 + codes, 784 * codes + 784)
    assert {f"{one:,}\nweights" for one in weights} <= set(told(figure))


@pytest.mark.parametrize("words", [1, 2, 4, 5, 100])
def test_a_layer_is_unrolled_over_its_words(words):
    figure = ch10.unrolled(words, 32_896)
    check_room(figure)
    shown = told(figure)
    assert f"word\n{words}" in shown and f"word\n{words + 1}" not in shown
    assert ("..." in shown) == (words > 4)
    assert "the same 32,896 weights at each step" in shown
    assert ("the gradient's way back" in shown) == (words > 1)


@pytest.mark.parametrize(
    ("cell", "weights"),  # as the test of the printed networks finds them in Keras
    [
        ("simple_rnn", 128 * (128 + 128 + 1)),
        ("lstm", 4 * 128 * (128 + 128 + 1)),
        ("gru", 3 * 128 * (128 + 128 + 2)),
    ],
)
def test_the_weights_of_a_cell(cell, weights):
    assert ch10.cell_weights(cell, 128, 128) == weights
    figure = ch10.cells({cell: weights})
    check_room(figure)
    assert {ch10.CELLS[cell], f"{weights:,}\nweights"} <= set(told(figure))


@pytest.mark.parametrize("units", [8, 128, 1024])
def test_each_cell_has_its_gates(units):
    weights = {cell: ch10.cell_weights(cell, units, units) for cell in ch10.CELLS}
    figure = ch10.cells(weights)
    check_room(figure)
    shown = told(figure)
    for gate in ("forget", "input", "output", "update", "reset"):
        assert shown.count(gate) == 1
    assert shown.count("proposal") == 3
    # As many boxes as there are layers of weights.
    boxes = [one for one in figure.axes[0].patches
             if isinstance(one, FancyBboxPatch) and one.get_height() == diagrams.BOX]  # fmt: skip
    assert len(boxes) == sum(ch10.LAYERS.values())


@pytest.mark.parametrize("window", ["a", "abc", "abcd", "a window of twenty c", "x" * 60])
def test_a_window_moves_on_over_what_is_written(window):
    figure = ch11.chain(window, "$\n ")
    check_room(figure)
    shown = told(figure)
    assert f"({len(window)})" in shown and f"({len(window) + 1})" not in shown
    # A dollar sign is predicted once, above and in the first row, and read in the next two.
    assert shown.count("$") == 2 + min(2, len(window))
    omitted = (len(window) > len(ch11.PLACES)) + 3 * (len(window) > ch11.MOST)
    assert shown.count("...") == omitted


def test_every_character_can_be_seen():
    assert [ch11.visible(one) for one in "a \n\t\x00\ud800"] == [
        "a", "\u2423", "\u21b5", "\u21e5", "\ufffd", "\ufffd",
    ]  # fmt: skip


# ------------------------------------------------------------------------------- on the pages


class Told(Results):
    """Results without files: experiments, their settings and what they kept."""

    def __init__(self, experiments, kept=None, data=None, losses=None):
        self.experiments = {
            name: {"title": name.upper(), "variant": "exercise", "settings": one, "seeds": [1]}
            for name, one in experiments.items()
        }
        self.absent = {} if experiments else {"some": "the data cannot be had"}
        self.kept, self.arrays, self.losses = kept or {}, data, losses or {}

    def predictions(self, experiment, seed):
        return self.kept

    def record(self, experiment, seed):
        return {"parameters": 4321}

    def data_of(self, dataset):
        return self.arrays

    def value(self, experiment, metric):
        return {"mean": self.losses[experiment]}


@pytest.mark.parametrize(
    "draw",
    [ch09_report.structure, ch10_report.unrolled, ch10_report.cells, ch11_report.chain],
)
def test_without_experiments_the_page_says_so(draw):
    one = draw(Told({}))
    assert one.caption.endswith("not run, the data cannot be had")
    assert one.name == draw.__name__


def test_the_autoencoders_figure_tells_its_counted_weights():
    pictures = {"x_test": np.zeros((3, 28, 28), np.uint8), "y_test": np.array([7, 1, 2])}
    kept = {"codes": np.ones((3, 5)), "back": np.zeros((3, 784), np.float16)}
    one = ch09_report.structure(Told({"autoencoder": {"codes": 5}}, kept, pictures))
    assert "4,321 weights and biases" in one.caption and "digit 7" in one.alt
    assert "5\ncodes" in told(one.figure)


def test_the_cells_are_those_of_the_exercise():
    both = {"task": "sentiment", "units": 8, "embedding": 4, "words": 6, "marks": True}
    results = Told(
        {
            "gru": {**both, "cell": "gru"},
            "tuned": {**both, "cell": "lstm", "marks": False},
        }
    )
    one = ch10_report.cells(results)
    assert one.caption.endswith("layers: GRU 336.") and "LSTM" not in one.caption
    layer = ch10_report.unrolled(results)
    assert "each of the 6 words" in layer.caption and "336 weights" in layer.alt


def test_the_chain_shows_the_network_with_the_lowest_loss():
    settings = {"task": "characters", "window": 3, "diversities": [0.2, 0.8]}
    samples = np.zeros((1, 2, 2, 5), np.uint8)
    samples[0, 0, 1] = [2, 1, 0, 0, 0]
    data = {"characters": np.array([0, 1, 2, 0, 1]), "alphabet": np.array(["a", "b", "c"])}
    kept = {"starts": np.array([1]), "samples": samples}
    losses = {"lost": np.nan, "high": 3.0, "low": 2.0}
    one = ch11_report.chain(Told(dict.fromkeys(losses, settings), kept, data, losses))
    assert "'LOW'" in one.caption and "diversity 0.8" in one.caption
    assert "from 'bca' the network goes on with 'cba'" in one.alt
