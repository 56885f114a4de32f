import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.text import Text

from kerasbook import plots
from kerasbook.errors import KerasbookError

SVG = "{http://www.w3.org/2000/svg}"
RANDOM = np.random.default_rng(5)
POINTS = RANDOM.normal(size=(500, 2))
CLASSES = (POINTS[:, 0] > 0).astype(int)
XX, YY = np.meshgrid(np.linspace(-3, 3, 200), np.linspace(-3, 3, 200))
IMAGES = RANDOM.random((15, 28, 28))
LONG = RANDOM.random((1, 2000))
PIXELS = RANDOM.integers(0, 256, 4000)
SHARES = RANDOM.random((2, 10))
HISTORY = {"loss": RANDOM.random((3, 10)), "val_accuracy": RANDOM.random((3, 10))}
GRID = {
    "title": "2-1-1, two iterations",
    "xx": XX,
    "yy": YY,
    "z": 1 / (1 + np.exp(-XX - YY**3 / 9)),
    "x": POINTS,
    "y": CLASSES,
}

PLOTS = {
    "curves": lambda: plots.curves(
        {"conv": HISTORY, "conv_dense": {"loss": HISTORY["loss"] + 1}},
        printed={"conv": {"loss": {1: 0.289}}},
        percent=["val_accuracy"],
        log=["loss"],
    ),
    "long": lambda: plots.curves({"one": {"error": LONG}}, x_label="iteration"),
    "confusion": lambda: plots.confusion_matrix(
        np.arange(100).reshape(10, 10), [str(k) for k in range(10)]
    ),
    "two": lambda: plots.confusion_matrix(np.array([[9012, 30], [150, 808]]), ["not 6", "6"]),
    "images": lambda: plots.image_grid(IMAGES, [f"{k}\ntrue {k}" for k in range(15)]),
    "boundary": lambda: plots.decision_boundary([GRID] * 4),
    "scatter": lambda: plots.scatter_points(POINTS, CLASSES),
    "bars": lambda: plots.bar_with_error(
        ["conv", "conv_dense"], [0.96, 0.97], [0.01, None], 0.9042, printed=[0.9599, None]
    ),
    "histogram": lambda: plots.histogram(PIXELS, 32, log=True),
    "counts": lambda: plots.histogram(np.array([3, 0, 4]), np.arange(4), counts=True),
    "saturation": lambda: plots.saturation({"raw": SHARES}),
}


@pytest.fixture(params=PLOTS)
def drawn(request, tmp_path):
    path = tmp_path / f"{request.param}.svg"
    plots.save_svg(PLOTS[request.param](), path, "A title with <angles> & more")
    return path


def test_figure_follows_the_theme_and_is_small(drawn):
    text = drawn.read_text()
    assert "currentColor" in text
    for stand_in in (plots.INK, plots.PAPER, "#000000"):
        assert stand_in not in text.lower()
    assert len(text) < 60_000 or drawn.stem == "boundary"
    assert len(text) < 80_000
    outlines = "".join(re.findall(r' d="([^"]*)"', text))
    assert outlines or drawn.stem == "images"
    assert not re.search(r"\.\d{3}", outlines)


def test_figure_names_itself_and_loads_nothing(drawn):
    root = ET.parse(drawn).getroot()
    assert root.tag == f"{SVG}svg"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "A title with <angles> & more"
    assert root.get("role") == "img"
    assert root.get("style") == "color:#222;background:#fff"
    for element in root.iter():
        assert element.tag.removeprefix(SVG) not in ("script", "style", "metadata")
        for name, value in element.attrib.items():
            if name.endswith("href"):
                assert value.startswith(("#", "data:image/png;base64,"))


def test_ids_are_unique_prefixed_and_used(drawn):
    root = ET.parse(drawn).getroot()
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    text = drawn.read_text()
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
    used = {left or right for left, right in used}
    assert len(ids) == len(set(ids))
    assert set(ids) == used
    assert all(identity.startswith(f"{drawn.stem}-") for identity in ids)


@pytest.mark.parametrize("name", PLOTS)
def test_the_same_figure_gives_the_same_bytes(tmp_path, name):
    figures = []
    for run in ("first", "second"):
        path = tmp_path / run / f"{name}.svg"
        plots.save_svg(PLOTS[name](), path, "title")
        figures.append(path.read_bytes())
    assert figures[0] == figures[1]


def test_epochs_are_whole_numbers_and_start_where_told():
    figure = plots.curves({"one": {"loss": np.array([[3.0, 2.0]])}}, first=0)
    axes = figure.axes[0]
    figure.canvas.draw()
    assert list(axes.lines[0].get_xdata()) == [0, 1]
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= 1]
    assert ticks == [0, 1]


def test_curves_draw_the_mean_over_a_line_for_each_seed():
    values = np.array([[1.0, 3.0], [3.0, np.nan]])
    lines = plots.curves({"one": {"loss": values}}).axes[0].lines
    assert len(lines) == 3
    np.testing.assert_allclose(lines[-1].get_ydata(), [2.0, 3.0])


def test_a_missing_metric_leaves_the_line_out():
    figure = plots.curves({"a": {"loss": [[1.0]]}, "b": {"accuracy": [[1.0]]}})
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]


@pytest.mark.parametrize("length", [4, 11, 12, 22, 23, 42, 90])
def test_the_legend_fits_however_long_its_labels(length):
    labels = [("word " * 30)[: length - 2] + f"{n:02}" for n in range(7)]
    figure = plots.curves({name: {"loss": [[2.0, 1.0]]} for name in labels})
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1


def test_long_titles_of_panels_stay_in_the_figure():
    title = "Momentum that accumulates, a fifth of the rows held out"
    grids = [{**GRID, "title": title}] * 2
    curves = plots.curves({"one": {title: [[2.0, 1.0]], "loss": [[2.0, 1.0]]}})
    for figure in (plots.decision_boundary(grids), curves):
        figure.canvas.draw()
        for axes in figure.axes:
            shown = next(t for t in axes.findobj(Text) if t.get_text() == axes.get_title("left"))
            assert shown.get_window_extent().x1 <= figure.bbox.x1


def test_long_names_of_bars_are_shown_whole():
    name = "one convolution, one dense layer, dropout, everything repaired"
    figure = plots.bar_with_error([name, "conv"], [0.9, 0.8], [None, None])
    shown = figure.axes[0].get_yticklabels()[0].get_text()
    assert shown.split() == name.split()
    figure.canvas.draw()
    assert figure.axes[0].get_yticklabels()[0].get_window_extent().x0 >= 0


def test_curves_refuse_another_shape():
    with pytest.raises(ValueError, match=r"\(2, 2, 2\)"):
        plots.curves({"one": {"loss": np.zeros((2, 2, 2))}})


def test_confusion_matrix_refuses_labels_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        plots.confusion_matrix(np.eye(2), ["a", "b", "c"])


def test_confusion_matrix_reads_row_by_row(tmp_path):
    path = tmp_path / "confusion.svg"
    plots.save_svg(plots.confusion_matrix(np.array([[1, 2], [3, 4]]), ["x", "y"]), path, "t")
    texts = [element.text for element in ET.parse(path).iter(f"{SVG}text")]
    assert [text for text in texts if text in "1234"] == ["1", "2", "3", "4"]


def test_scatter_draws_every_point(tmp_path):
    path = tmp_path / "scatter.svg"
    plots.save_svg(plots.scatter_points(POINTS, CLASSES), path, "t")
    assert path.read_text().count("h0") == len(POINTS)


def test_an_upright_grid_and_one_from_the_top_give_the_same_tint():
    # imshow counts rows from the top, a grid may count either way
    upright = plots.decision_boundary([GRID]).axes[0].images[0].get_array()
    turned = {**GRID, **{key: GRID[key][::-1] for key in ("xx", "yy", "z")}}
    other = plots.decision_boundary([turned]).axes[0].images[0].get_array()
    top, bottom = upright[0, 0], upright[-1, -1]
    np.testing.assert_allclose(other[0, 0], top)
    np.testing.assert_allclose(other[-1, -1], bottom)
    # The network answers 0 in the lower left corner, and 0 is orange: more red than blue.
    assert upright[-1, 0, 0] > upright[-1, 0, 2]


def test_an_unwritable_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KerasbookError, match="cannot be written"):
        plots.save_svg(plots.histogram([1, 2, 3]), tmp_path / "file" / "a.svg", "t")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file"]


def test_a_plot_leaves_the_settings_of_matplotlib_alone(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.save_svg(plots.histogram([1, 2, 3]), tmp_path / "a.svg", "t")
    assert dict(matplotlib.rcParams) == before


def test_every_line_of_a_wrapped_label_ends_where_the_labels_end(tmp_path):
    names = ["Two convs, batch normalisation", "A"]
    figure = plots.bar_with_error(names, [0.1, 0.2], [None, None])
    path = tmp_path / "figure.svg"
    plots.save_svg(figure, path, "Labels")
    once = path.read_bytes()
    texts = {element.text: element for element in ET.fromstring(once).iter(f"{SVG}text")}
    ends = []
    for line in ("Two convs, batch", "normalisation", "A"):
        assert "text-anchor:end" in texts[line].get("style")
        ends.append(float(texts[line].get("x")))
    assert max(ends) - min(ends) < 0.1
    plots.save_svg(figure, path, "Labels")
    assert path.read_bytes() == once


@pytest.mark.parametrize(
    ("values", "there"),
    [([1.6, 12.0], {"2", "5", "10"}), ([1.6, 640.0], {"10", "100"})],
)
def test_a_logarithmic_axis_has_numbers_as_they_are_read(values, there):
    figure = plots.curves({"a": {"loss": np.array([values])}}, ["loss"], log=["loss"])
    figure.draw_without_rendering()
    panel = figure.axes[0]
    low, high = panel.get_ylim()
    major = {one.get_text() for one in panel.get_yticklabels()
             if low <= one.get_position()[1] <= high}  # fmt: skip
    assert major == there
    assert not any(one.get_text() for one in panel.get_yticklabels(minor=True))
