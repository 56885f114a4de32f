"""Metrics against cases that were worked out by hand."""

import math

import numpy as np
import pytest

from kerasbook import metrics

LABELS = np.array([0, 0, 0, 1, 1])
# One not-six taken for a six, one six missed; 0.5 itself is no six.
PROBABILITIES = np.array([0.1, 0.5, 0.8, 0.4, 0.9])


def test_binary_metrics_by_hand():
    found = metrics.binary(LABELS, PROBABILITIES)
    loss = -sum(map(math.log, [0.9, 0.5, 0.2, 0.4, 0.9])) / 5
    assert found["test_loss"] == pytest.approx(loss, rel=1e-12)
    assert found["test_accuracy"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["f1"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    # Of the six pairs (six, not six) the six has the larger probability in four.
    assert found["roc_auc"] == pytest.approx(4 / 6)
    assert found["majority_accuracy"] == pytest.approx(3 / 5)


def test_the_share_of_the_labels_is_a_trivial_rule():
    loss = -(3 * math.log(3 / 5) + 2 * math.log(2 / 5)) / 5
    assert metrics.binary(LABELS, PROBABILITIES)["null_loss"] == pytest.approx(loss, rel=1e-12)
    diverged = metrics.binary(LABELS, np.full(5, np.nan))
    assert diverged["null_loss"] == pytest.approx(loss, rel=1e-12)
    assert math.isnan(diverged["test_accuracy"])
    assert metrics.entropy(0.0) == metrics.entropy(1.0) == 0.0


def test_accuracy_of_a_network_that_gives_no_numbers_is_none():
    probabilities = np.array([[0.2, 0.8], [0.6, 0.4], [0.9, 0.1]])
    assert metrics.accuracy(np.array([1, 1, 0]), probabilities) == pytest.approx(2 / 3)
    probabilities[1] = np.nan
    assert math.isnan(metrics.accuracy(np.array([1, 0, 0]), probabilities))


def test_majority_is_the_commoner_class_whichever_it_is():
    assert metrics.binary(1 - LABELS, PROBABILITIES)["majority_accuracy"] == pytest.approx(3 / 5)


def test_loss_of_a_certain_mistake_is_clipped_as_keras_does():
    found = metrics.binary(np.array([0, 1]), np.array([0.0, 0.0]))
    assert found["test_loss"] == pytest.approx(-math.log(1e-7) / 2, rel=1e-6)


def test_one_class_alone_leaves_out_what_it_does_not_define():
    found = metrics.binary(np.zeros(3, int), np.array([0.1, 0.2, 0.7]))
    assert found["test_accuracy"] == pytest.approx(2 / 3)
    assert (found["majority_accuracy"], found["f1"]) == (1.0, 0.0)
    assert not {"balanced_accuracy", "roc_auc"} & found.keys()


def test_single_precision_probabilities_are_told_in_double():
    found = metrics.binary(LABELS, PROBABILITIES.astype(np.float32))
    assert all(type(one) is float for one in found.values())
    assert found["test_loss"] == pytest.approx(
        metrics.binary(LABELS, PROBABILITIES)["test_loss"], rel=1e-6
    )


def test_summary_has_mean_spread_and_number_of_seeds():
    table = metrics.summary([{"a": 1.0, "b": 5.0}, {"a": 2.0}, {"a": 6.0, "c": 7}])
    assert table["a"] == {"mean": 3.0, "sd": pytest.approx(math.sqrt(7)), "n": 3}
    assert table["b"] == {"mean": 5.0, "sd": None, "n": 1}
    assert list(table) == ["a", "b", "c"]
    assert metrics.summary([]) == {}
