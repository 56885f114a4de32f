"""Chapter 4.3: which rows are learnt from, metrics, settings and the submission; no TensorFlow."""

import csv
import math

import numpy as np
import pytest
from pydantic import ValidationError

from chapters.ch03_keras_basics import metrics, rows
from chapters.ch03_keras_basics.report import would_stop
from chapters.ch03_keras_basics.settings import Network, Reference
from chapters.ch03_keras_basics.submission import write_submission
from kerasbook.configuration import load_chapter
from kerasbook.errors import KerasbookError

PRINTED_ROWS = 61_878


def settings(**more):
    """Values of an experiment that the row plan asks for."""
    told = {
        "held_out": 0.15,
        "runs_before": 0,
        "fits_before": True,
        "epochs_before": 0,
        "learnt_before": "all_rows",
        "validation": "test",
        "validation_split": 0.15,
        "features": "counts",
        "scaled_on": "all_rows",
    }
    return told | more


@pytest.mark.parametrize("n", [1000, 61_878, 23_336, 7])
def test_a_split_is_that_of_scikit_learn(n):
    from sklearn.model_selection import train_test_split

    own = np.random.default_rng(0).permutation(n)
    expected = train_test_split(own, test_size=0.15, random_state=42)
    for found, wanted in zip(rows.split(own, 0.15), expected):
        np.testing.assert_array_equal(found, wanted)


def test_seven_runs_of_the_cell_give_the_printed_sizes():
    told = rows.plan(PRINTED_ROWS, 1, settings(runs_before=6))
    assert (len(told.final.train), len(told.final.watched)) == (19_835, 3_501)
    assert [len(one.train) for one in told.before] == [
        52_596,
        44_706,
        38_000,
        32_300,
        27_455,
        23_336,
    ]
    for earlier, later in zip(told.before, (*told.before[1:], told.final)):
        assert set(later.train) | set(later.watched) == set(earlier.train)


def test_the_printed_test_rows_were_learnt_from_and_can_be_kept_away():
    printed = settings(runs_before=3, epochs_before=10)
    told = rows.plan(1000, 1, printed)
    assert rows.share_seen(told, printed) == 1.0
    repaired = printed | {"learnt_before": "without_test_rows"}
    clean = rows.plan(1000, 1, repaired)
    assert rows.share_seen(clean, repaired) == 0.0
    np.testing.assert_array_equal(clean.test, told.test)
    np.testing.assert_array_equal(clean.final.train, told.final.train)
    assert len(clean.all_rows) == 1000 - len(told.test)


def test_three_parts_share_no_row():
    chosen = settings(validation="split")
    told = rows.plan(1000, 3, chosen)
    parts = [set(told.final.train), set(told.final.watched), set(told.test)]
    assert [len(one) for one in parts] == [722, 128, 150]
    assert len(set.union(*parts)) == 1000
    assert rows.share_seen(told, chosen) == 0.0
    repaired = chosen | {"epochs_before": 10, "learnt_before": "training_rows"}
    assert set(rows.plan(1000, 3, repaired).all_rows) == parts[0]


def test_without_held_out_rows_all_are_told_of():
    chosen = settings(held_out=0.0, validation="none")
    told = rows.plan(50, 1, chosen)
    assert sorted(told.final.train) == sorted(told.test) == list(range(50))
    assert rows.share_seen(told, chosen) == 1.0


def test_a_split_of_too_few_rows_says_so():
    with pytest.raises(KerasbookError, match="splitting 1 rows: found 1 test rows, expected"):
        rows.split(np.arange(1), 0.15)


@pytest.mark.parametrize("scaled_on", ["all_rows", "training_rows"])
@pytest.mark.parametrize("features", ["counts", "log_counts"])
@pytest.mark.parametrize("validation", ["test", "split"])
def test_scaling(scaled_on, features, validation):
    counts = np.random.default_rng(0).integers(0, 30, (200, 4)).astype(np.uint16)
    counts[:, 2] = 7  # a constant column
    chosen = settings(scaled_on=scaled_on, features=features, validation=validation)
    told = rows.plan(200, 1, chosen)
    scale = rows.scaling_of({"x_train": counts}, told, chosen)
    kept = np.arange(200) if scaled_on == "all_rows" else told.final.train
    values = np.log1p(counts.astype(float)) if features == "log_counts" else counts.astype(float)
    scaled = scale(counts)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[kept].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[kept].std(axis=0), [1, 1, 0, 1], atol=1e-5)
    expected = (values[:, 0] - values[kept, 0].mean()) / values[kept, 0].std()
    np.testing.assert_allclose(scaled[:, 0], expected, atol=1e-4)


def test_metrics_are_those_of_scikit_learn():
    from sklearn import metrics as theirs

    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 300)
    probabilities = generator.dirichlet(np.ones(5), 300)  # the fifth class never occurs
    probabilities[:, 4] *= 1e-3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    told = metrics.multiclass(labels, probabilities)
    given = probabilities.argmax(axis=1)
    assert told["loss"] == pytest.approx(theirs.log_loss(labels, probabilities, labels=range(5)))
    assert told["accuracy"] == theirs.accuracy_score(labels, given)
    assert told["macro_f1"] == pytest.approx(theirs.f1_score(labels, given, average="macro"))


def test_a_sure_mistake_costs_no_more_than_keras_says():
    told = metrics.multiclass(np.array([1]), np.array([[1.0, 0.0]]))
    assert told["loss"] == pytest.approx(-math.log(1e-7))


def test_a_run_that_diverged_has_no_metrics():
    told = metrics.multiclass(np.array([0, 1]), np.array([[0.5, 0.5], [np.nan, np.nan]]))
    assert all(math.isnan(value) for value in told.values())


def test_trivial_rules_learn_from_the_other_rows():
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    told = metrics.trivial(labels, np.array([3, 4, 5, 6]), 2)
    assert told["majority_accuracy"] == 0.0
    assert told["null_loss"] == pytest.approx(-math.log(1 / 4))
    everything = metrics.trivial(labels, np.arange(8), 2)
    entropy = -(3 / 8 * math.log(3 / 8) + 5 / 8 * math.log(5 / 8))
    assert everything == pytest.approx({"null_loss": entropy, "majority_accuracy": 5 / 8})


def test_early_stopping_counts_as_the_printed_log():
    printed = [0.6680, 0.6689, 0.6695, 0.6702, 0.6709, 0.6716]
    assert would_stop(np.array(printed), 4) == 6
    assert would_stop(np.array(printed[:5]), 4) is None
    assert would_stop(np.array([3.0, 2.0, 2.5, 1.0, 1.5, 1.5]), 1) == 6


def test_submission(tmp_path):
    file = tmp_path / "model" / "submission.csv"
    probabilities = np.array([[0.25, 0.75], [1e-9, 1 - 1e-9]], np.float32)
    write_submission(file, np.array([7, 3]), np.array(["Class_1", "Class_2"]), probabilities)
    with open(file, newline="", encoding="utf-8") as opened:
        read = list(csv.reader(opened))
    assert read == [["id", "Class_1", "Class_2"], ["7", "0.25", "0.75"], ["3", "1e-09", "1"]]


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([[0.5, 0.5]], r"shape \(1, 2\), expected \(2, 2\)"),
        (
            [[0.5, 0.5], [np.nan, np.nan]],
            "1 rows that are no probabilities, the first.* id 3",
        ),
        ([[0.5, 0.9], [0.5, 0.5]], "the first that of id 7"),
        ([[1.5, -0.5], [0.5, 0.5]], "the first that of id 7"),
    ],
)
def test_a_submission_of_nonsense_is_refused_and_leaves_nothing(tmp_path, probabilities, message):
    file = tmp_path / "submission.csv"
    with pytest.raises(KerasbookError, match=message):
        write_submission(file, np.array([7, 3]), np.array(["a", "b"]), np.array(probabilities))
    assert not list(tmp_path.iterdir())


def network(**more):
    """A valid entry of the YAML file."""
    told = {
        "task": "network", "title": "t", "variant": "beyond", "dataset": "otto",
        "held_out": 0.15, "features": "counts", "scaled_on": "all_rows", "layers": [],
        "optimizer": {"type": "sgd"}, "rate_schedule": "constant", "epochs": 2, "batch_size": 32,
        "epochs_before": 0, "batch_size_before": 32, "runs_before": 0, "fits_before": True,
        "learnt_before": "all_rows", "validation": "none", "validation_split": 0.0,
        "patience": None, "weights": "last", "submission": False,
    }  # fmt: skip
    return told | more


def test_valid_settings_pass():
    assert Network(**network()).layers == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held_out": 0.0, "validation": "test"}, "held_out: found 0 with validation: test"),
        ({"held_out": 0.0, "runs_before": 1}, "held_out: found 0"),
        ({"validation": "split"}, "validation_split: found 0"),
        ({"patience": 4}, "without rows to watch no epoch is the best one"),
        ({"weights": "best"}, "without rows to watch no epoch is the best one"),
        ({"layers": [{"type": "conv2d", "filters": 2, "kernel_size": 3}]}, "expected .height"),
        ({"epochs": 0}, "epochs"),
        ({"held_out": 1.0}, "held_out"),
        ({"epoch": 3}, "epoch"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        Network(**network(**changes))


def test_a_reference_has_no_layers():
    with pytest.raises(ValidationError, match="layers"):
        Reference(
            task="reference", title="t", variant="beyond", dataset="otto", held_out=0.15,
            features="counts", scaled_on="all_rows", model="logistic_regression", iterations=5,
            layers=[],
        )  # fmt: skip


@pytest.mark.parametrize("edition", ["bundled", "book", "smoke"])
def test_each_repair_differs_from_the_printed_early_stopping_in_one_thing(edition):
    experiments = load_chapter("ch03", edition).experiments
    printed = experiments["logreg_early_stopping"].settings()
    expected = {
        "unseen": {"learnt_before"},
        "split_once": {"runs_before"},
        "own_validation": {"validation"},
        "one_validation": {"validation_split"},
        "splits_only": {"fits_before"},
    }
    for name, keys in expected.items():
        repaired = experiments[f"logreg_early_stopping_{name}"].settings()
        assert {key for key in printed if printed[key] != repaired[key]} == keys
    linear, bent = (experiments[name].settings() for name in ("mlp", "mlp_relu"))
    assert {key for key in linear if linear[key] != bent[key]} == {"layers"}
