"""Figures that several chapters have."""

import math

import pytest

from kerasbook import figures
from kerasbook.reporting import Results


class Told(Results):
    """Results of three experiments, without files."""

    def __init__(self, edition="book"):
        self.id, self.slug, self.edition = "ch09", "ch09_unsupervised", edition
        self.experiments = {
            name: {"title": title, "settings": {"task": task}}
            for name, title, task in (
                ("cnn", "CNN", "sentences"), ("cnn_stopped", "CNN, stopped", "sentences"),
                ("words", "Words", "vectors"),
            )
        }  # fmt: skip
        seeds = {
            "cnn": [0.7, 0.8], "cnn_stopped": [0.9, None], "words": [0.5, 0.5],
        }  # fmt: skip
        self.metrics = {
            name: {
                "seeds": {str(n): {"accuracy": value} for n, value in enumerate(values)},
                "summary": {"accuracy": {"mean": None if None in values else sum(values) / 2}},
            }
            for name, values in seeds.items()
        }
        self.absent = {"kim": "no weights", "glove": "no weights"}
        self.file = {
            "faults": [
                {"as_printed": "cnn", "corrected": "cnn_stopped"},
                {"as_printed": "cnn", "corrected": "kim"},
                {"as_printed": "words", "corrected": "cnn"},
            ]
        }


def texts_of(figure):
    return [one.get_text() for one in figure.findobj(lambda a: hasattr(a, "get_text"))]


def test_a_row_for_each_experiment_with_a_ring_for_each_seed():
    told = figures.compared(
        Told(), "ladder", "All", "Shares.", "accuracy", ["cnn", "words"],
        axis="test accuracy", percent=True, baseline=("the commoner", 0.6),
    )  # fmt: skip
    assert (told.name, told.title) == ("ladder", "All")
    assert told.caption == "Shares. A ring is a seed, the dot their mean."
    assert told.alt == (
        "Test accuracy by experiment: CNN 0.7500; Words 0.5000. Dashed line, the commoner: 0.6000."
    )
    [axes] = told.figure.axes
    rings = next(line for line in axes.lines if line.get_label() == "each seed")
    assert rings.get_xydata().tolist() == [[0.7, 0], [0.8, 0], [0.5, 1], [0.5, 1]]
    assert {"CNN", "Words", "the commoner", "test accuracy"} <= set(texts_of(told.figure))


def test_labels_may_be_given_and_a_run_that_diverged_is_no_error():
    told = figures.compared(
        Told(), "faults", "One", "Loss.", "accuracy", {"cnn": "as printed", "cnn_stopped": "stop"},
        axis="loss (nats)", printed=[0.75, None],
    )  # fmt: skip
    assert told.alt == "Loss (nats) by experiment: as printed 0.7500; stop nan."
    assert "printed" in texts_of(told.figure)


def test_repairs_of_an_experiment_are_those_that_were_run():
    assert figures.repairs(Told(), "cnn") == {"cnn": "as printed", "cnn_stopped": "CNN, stopped"}
    assert figures.repairs(Told(), "cnn_stopped") == {"cnn_stopped": "as printed"}


def test_in_place_of_a_figure_stands_why_it_is_not_there():
    for experiment in ("kim", None):
        told = figures.absent(Told(), "glove", "Vectors", experiment)
        assert told.caption == told.alt == "Vectors: not run, no weights"
    with pytest.raises(KeyError):
        figures.absent(Told(), "glove", "Vectors", "cnn")


def test_experiments_by_task_title_and_whether_they_were_run():
    results = Told()
    assert results.of_task("sentences") == ["cnn", "cnn_stopped"]
    assert results.of_task("vectors", "sentences") == ["cnn", "cnn_stopped", "words"]
    assert results.those_run(["kim", "words"]) == ["words"]
    assert results.titles(["words"]) == {"words": "Words"}
    assert math.isnan(results.value("cnn_stopped", "accuracy")["mean"])
