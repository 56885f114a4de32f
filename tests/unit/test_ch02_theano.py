"""Chapter 4.2: symbols and descents in both libraries, against the ledger, numpy and sklearn."""

import os
from pathlib import Path

import numpy as np
import pytest

from chapters.ch02_theano import evaluate, graphs, logistic, train, with_pytensor, with_tensorflow
from chapters.ch02_theano.logistic import Line
from chapters.ch02_theano.preprocess import prepare
from chapters.ch02_theano.settings import LogisticRegression
from kerasbook.errors import KerasbookError
from kerasbook.evaluation import SeedRun
from kerasbook.validation import validate
from kerasbook.verdicts import read_ledger, same_digits

LEDGER = Path(__file__).resolve().parents[2] / "config" / "published.tsv"
SETTINGS = {
    "title": "t",
    "variant": "as_printed",
    "dataset": "otto",
    "task": "logistic_regression",
    "learning_rate": 0.1,
    "penalty": 0.01,
    "steps": 50,
    "tolerance": 1e-9,
    "held_out": 0.2,
    "rewrites": True,
    "tensorflow": True,
}


@pytest.fixture(scope="module", autouse=True)
def libraries(tmp_path_factory):
    """PyTensor and TensorFlow, set up as a job sets them up."""
    before = os.environ.get("PYTENSOR_FLAGS")
    with_pytensor.set_up(tmp_path_factory.mktemp("pytensor"))
    with_tensorflow.set_up(1)
    yield
    if before is None:
        del os.environ["PYTENSOR_FLAGS"]
    else:
        os.environ["PYTENSOR_FLAGS"] = before


@pytest.fixture(scope="module")
def in_pytensor(libraries):
    return with_pytensor.symbolic()


@pytest.fixture(scope="module")
def in_tensorflow(libraries):
    return with_tensorflow.symbolic()


@pytest.fixture(scope="module")
def zeros_or_not():
    """Real rows: scikit-learn's digits as 64 counts, standardised, and whether each is a 0."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    mean, sd = logistic.scaling(digits.data)
    x = logistic.standardised(digits.data[:600], mean, sd)
    return x, (digits.target[:600] == 0).astype(np.float64)


@pytest.fixture
def start(zeros_or_not):
    return Line(np.random.default_rng(1).standard_normal(zeros_or_not[0].shape[1]), 0.0)


def in_numpy(x, y, line, steps, rate=0.1, penalty=0.01):
    """The descent written out: the reference of both libraries."""
    w, b = line.weights.copy(), line.bias
    for _ in range(steps):
        miss = (1 / (1 + np.exp(-(x @ w + b))) - y) / len(y)
        w, b = w - rate * (x.T @ miss + 2 * penalty * w), b - rate * miss.sum()
    return Line(w, float(b))


# ---------------------------------------------------------------- symbols


def test_values_are_the_ledgers_to_every_digit_in_both(in_pytensor, in_tensorflow):
    printed = {row.metric: row.printed for row in read_ledger(LEDGER) if row.chapter == "ch02"}
    for values in (in_pytensor[0], in_tensorflow[0]):
        for metric in ("3x2_plus_1_at_2", "dlogx_at_2"):
            assert same_digits(values[metric], printed[metric])
        assert values["3x2_plus_1_at_2_compiled"] == values["3x2_plus_1_at_2"]
        assert values["slope_of_3x2_plus_1_at_2"] == 12.0
        assert values["twice_dlogx_at_2"] == 1.0
    assert in_pytensor[0] == in_tensorflow[0]


def test_printed_forms(in_pytensor):
    prints = in_pytensor[1]
    assert prints["pprint"] == "((3 * (x ** 2)) + 1)"
    assert prints["print"].startswith("Add")
    assert [line.split("[")[0].strip(" ├─└│") for line in prints["debugprint"].splitlines()] == [
        "Add", "Mul", "3", "Pow", "x", "2", "1",
    ]  # fmt: skip


def operations(graph):
    chosen = np.isin(graph.kinds, [graphs.OPERATION, graphs.RESULT])
    return list(graph.labels[chosen])


def test_the_graphs_are_those_of_the_expressions(in_pytensor, in_tensorflow):
    ours, theirs = in_pytensor[2], in_tensorflow[1]
    assert operations(ours["expression"]) == ["Pow", "Mul", "Add"]
    assert operations(theirs["tensorflow_expression"]) == ["Pow", "Mul", "AddV2", "Identity"]
    assert list(ours["expression"].labels[ours["expression"].kinds == graphs.INPUT]) == ["x"]
    assert sorted(ours["expression"].labels[ours["expression"].kinds == graphs.CONSTANT]) == [
        "1", "2", "3",
    ]  # fmt: skip
    assert len(ours["expression"].unused) == 0
    # The tape's forward pass: 3 x² and the sum; the gradient itself is not among it.
    unused = theirs["tensorflow_gradient"].unused
    assert "AddV2" in theirs["tensorflow_gradient"].labels[unused]
    assert "Identity" not in theirs["tensorflow_gradient"].labels[unused]


def test_rewriting_leaves_six_x_of_the_gradient_and_no_logarithm_of_the_loss(in_pytensor):
    told = in_pytensor[2]
    assert operations(told["gradient_rewritten"]) == ["Mul"]
    assert sorted(told["gradient_rewritten"].labels) == ["6", "Mul", "x"]
    assert told["gradient"].operations > 5
    assert {"Log", "Exp", "True_div"} <= set(operations(told["loss"]))
    assert not {"Log", "Exp", "True_div"} & set(operations(told["loss_rewritten"]))
    assert "Softplus" in operations(told["loss_rewritten"])


@pytest.mark.parametrize("library", [with_pytensor, with_tensorflow])
def test_shared_variables_and_the_counter(library):
    evaluated, compiled, counted = library.shared()
    for values in (evaluated, compiled):
        np.testing.assert_array_equal(values, np.full((2, 3), 4, np.float32))
    assert counted == [0, 1, 2]


# ---------------------------------------------------------------- graphs


def test_graphs_survive_the_arrays(in_pytensor):
    arrays = graphs.packed(in_pytensor[2])
    assert all(not array.dtype.hasobject for array in arrays.values())
    for name, graph in in_pytensor[2].items():
        for part, same in zip(graphs.unpacked(arrays, name), graph):
            np.testing.assert_array_equal(part, same)
    with pytest.raises(KerasbookError, match="found no traced_labels"):
        graphs.unpacked(arrays, "traced")


def test_a_layout_has_no_boxes_over_each_other_and_flows_downwards(in_pytensor, in_tensorflow):
    for graph in [*in_pytensor[2].values(), *in_tensorflow[1].values()]:
        widths = np.array([0.3 + 0.1 * len(label) for label in graph.labels])
        place = graphs.placed(graph, widths, gap=0.1)
        for level in np.unique(place.y):
            row = np.flatnonzero(place.y == level)
            row = row[np.argsort(place.x[row])]
            left, right = place.x[row] - widths[row] / 2, place.x[row] + widths[row] / 2
            assert (left[1:] - right[:-1] >= 0.1 - 1e-9).all()
        assert (place.x - widths / 2).min() >= -1e-9
        assert (place.x + widths / 2).max() <= place.width + 1e-9
        for way, (source, target) in zip(place.ways, graph.edges, strict=True):
            assert (np.diff(way[:, 1]) == 1).all()
            assert tuple(way[0]) == (place.x[source], place.y[source])
            assert tuple(way[-1]) == (place.x[target], place.y[target])


def test_a_layout_without_need_crosses_no_lines():
    builder = graphs.Builder()
    a, b = builder.add("a", graphs.INPUT, []), builder.add("b", graphs.INPUT, [])
    left = builder.add("f", graphs.OPERATION, [b])
    right = builder.add("g", graphs.OPERATION, [a])
    builder.add("h", graphs.RESULT, [left, right])
    place = graphs.placed(builder.graph(), np.full(5, 0.3))
    assert (place.x[a] - place.x[b]) * (place.x[right] - place.x[left]) > 0


# ---------------------------------------------------------------- the regression


def test_both_libraries_descend_as_numpy_does(zeros_or_not, start):
    x, y = zeros_or_not
    line, costs, largest = train.descend(x, y, start, SETTINGS)
    other = with_tensorflow.descend(x, y, start, 0.1, 0.01, 50)
    expected = in_numpy(x, y, start, 50)
    assert line.difference(expected) < 1e-12
    assert other.difference(expected) < 1e-12
    assert line.difference(other) <= 1e-5
    assert line.difference(start) > 0.1
    assert costs[-1, 0] == 50
    assert costs[-1, 1] == pytest.approx(logistic.cost(x, y, line, 0.01), abs=1e-12)
    assert (np.diff(costs[:, 1]) < 0).all()
    assert largest > SETTINGS["tolerance"]


def test_a_step_follows_the_slope_of_the_cost(zeros_or_not, start):
    x, y = zeros_or_not
    line, _, _ = train.descend(x, y, start, {**SETTINGS, "steps": 1, "learning_rate": 1.0})
    for place in range(0, len(start.weights), 9):
        shift = np.zeros(len(start.weights))
        shift[place] = 1e-5
        ends = [
            logistic.cost(x, y, Line(start.weights + sign * shift, 0.0), 0.01) for sign in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / 2e-5
        assert line.weights[place] - start.weights[place] == pytest.approx(-slope, abs=1e-8)


def test_at_convergence_it_is_scikit_learns_minimum(zeros_or_not):
    x, y = zeros_or_not
    settings = {**SETTINGS, "steps": 20_000, "tolerance": 1e-7, "learning_rate": 1.0}
    line, costs, largest = train.descend(x, y, Line(np.zeros(x.shape[1]), 0.0), settings)
    best = logistic.reference(x, y, 0.01)
    assert costs[-1, 0] < 20_000
    assert largest <= 1e-7
    assert line.difference(best) < 1e-3
    assert logistic.cost(x, y, line, 0.01) == pytest.approx(
        logistic.cost(x, y, best, 0.01), abs=1e-8
    )


def test_as_it_is_written_the_loss_overflows_and_every_answer_is_no(zeros_or_not, start):
    x, y = zeros_or_not
    steep = Line(start.weights * 20, 0.0)
    lost = {}
    for rewrites in (True, False):
        descent = with_pytensor.Descent(steep, 0.1, 0.01, rewrites)
        with np.errstate(all="ignore"):
            losses = descent.losses(x, y)
            descent.step(x, y)
        lost[rewrites] = ~np.isfinite(losses)
        assert np.isfinite(descent.line.weights).all() == rewrites
        assert descent.predict(x).any() == rewrites
    assert not lost[True].any()
    z = logistic.logits(x, steep)
    np.testing.assert_array_equal(lost[False], ~np.isfinite(logistic.written_cross_entropy(z, y)))
    assert 0 < lost[False].sum() < len(y)


def test_the_rewritten_loss_is_the_softplus_form(zeros_or_not, start):
    x, y = zeros_or_not
    steep = Line(start.weights * 20, 0.5)
    losses = with_pytensor.Descent(steep, 0.1, 0.01).losses(x, y)
    expected = logistic.cross_entropy(logistic.logits(x, steep), y)
    np.testing.assert_allclose(losses, expected, rtol=1e-9, atol=1e-12)


def test_written_and_softplus_form_agree_where_the_first_is_finite():
    z = np.linspace(-900, 900, 3601)
    for label in (0.0, 1.0):
        y = np.full(len(z), label)
        exact = logistic.cross_entropy(z, y)
        assert np.isfinite(exact).all()
        ends = {}
        for dtype in (np.float64, np.float32):
            told = logistic.written_cross_entropy(z.astype(dtype), y)
            assert told.dtype == dtype
            near = np.abs(z) < 10
            np.testing.assert_allclose(told[near], exact[near], rtol=5e-2, atol=1e-4)
            ends[dtype] = np.abs(z[~np.isfinite(told)]).min()
        assert 16 < ends[np.float32] < 18 < 36 < ends[np.float64] < 38


def test_the_penalty_and_scikit_learns_c():
    assert logistic.inverse_penalty(50, 0.01) == 1.0
    with pytest.raises(KerasbookError, match="penalty: found 0, expected more than 0"):
        logistic.inverse_penalty(50, 0)


def test_scaling_leaves_a_constant_column_at_zero_and_can_be_folded_into_the_line():
    counts = np.array([[1, 7, 0], [3, 7, 9], [8, 7, 3]], np.uint16)
    mean, sd = logistic.scaling(counts)
    x = logistic.standardised(counts, mean, sd)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(x.std(axis=0), [1, 0, 1])
    line = Line(np.array([0.5, -2.0, 1.5]), 0.25)
    np.testing.assert_allclose(
        logistic.logits(counts, logistic.for_counts(line, mean, sd)), logistic.logits(x, line)
    )


def test_marks_begin_at_one_end_at_the_last_and_grow():
    assert train.marks(1) == [1]
    told = train.marks(5000)
    assert (told[0], told[-1]) == (1, 5000)
    assert len(told) <= train.MARKS
    assert (np.diff(np.diff(told)[5:]) >= 0).all()


# ---------------------------------------------------------------- the stages


class Sent:
    """Takes metrics in place of an MLflow run."""

    def __init__(self):
        self.values = []

    def metrics(self, values, step=0):
        self.values.append((step, values))


@pytest.fixture(scope="module")
def regression(libraries, zeros_or_not):
    """A short regression on counts, as a job leaves it."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    tables = {
        "x_train": digits.data[:500].astype(np.uint16),
        "y_train": digits.target[:500].astype(np.uint8),
        "x_test": digits.data[500:520].astype(np.uint16),
        "classes": np.array([str(one) for one in range(10)]),
    }
    data, facts = prepare(tables, [])
    sent = Sent()
    line, arrays, times, progress = train.regression(data, SETTINGS, 3, sent)
    run = SeedRun(3, {}, np.array([1]), progress.history, arrays, data, SETTINGS)
    return {"facts": facts, "line": line, "times": times, "run": run, "sent": sent.values,
            "progress": progress}  # fmt: skip


def test_facts_of_the_table(regression):
    assert regression["facts"]["n_classes"] == 10
    assert regression["facts"]["n_features"] == 64
    assert regression["facts"]["n_rows"] == 500
    from sklearn.datasets import load_digits

    zeros = load_digits().target[:500] == 0
    assert regression["facts"]["n_class1"] == zeros.sum()
    np.testing.assert_array_equal(regression["run"].data["y"], zeros)


def test_a_regression_is_measured_on_what_it_learnt_and_on_what_it_did_not(regression):
    run = regression["run"]
    told = evaluate.metrics_of(run)
    assert told["weight_difference"] <= 1e-5
    assert told["steps"] == 50 == regression["progress"].rows / 500
    assert told["final_cost"] > told["reference_cost"]
    assert told["train_loss"] > told["reference_loss"]
    y = run.data["y"][run.predictions["order"]]
    assert len(run.predictions["test_logits"]) == 100
    assert told["majority_accuracy"] == pytest.approx(max(y[-100:].mean(), 1 - y[-100:].mean()))
    assert told["class1_share"] == y.mean()
    share = y[:-100].mean()
    assert told["null_loss"] == pytest.approx(
        -np.where(y[-100:] == 1, np.log(share), np.log(1 - share)).mean()
    )
    assert [step for step, _ in regression["sent"]] == train.marks(50)
    # The logged model takes counts.
    counts = run.data["x"][run.predictions["order"]]
    np.testing.assert_allclose(
        logistic.logits(counts, regression["line"]), run.predictions["logits"], atol=1e-9
    )


def test_rows_held_out_leave_no_trace_in_what_is_learnt(regression, start):
    run = regression["run"]
    counts, y = run.data["x"][:200], run.data["y"][:200].astype(float)
    other, changed = counts.copy(), y.copy()
    other[-1] += 500
    changed[-1] = 1 - changed[-1]
    told, same = (
        train.held_out(*rows, start, SETTINGS) for rows in ((counts, y), (other, changed))
    )
    assert len(told["test_logits"]) == 40
    np.testing.assert_array_equal(told["test_logits"][:-1], same["test_logits"][:-1])
    assert told["test_logits"][-1] != same["test_logits"][-1]
    assert told["learnt_share"] == same["learnt_share"] == y[:160].mean()


def with_logits(regression, logits):
    run = regression["run"]
    changed = {**run.predictions, "logits": logits}
    return evaluate.metrics_of(SeedRun(3, {}, run.epochs, run.history, changed, run.data, SETTINGS))


def test_the_six_shown_rows_are_the_first_and_the_last_three(regression):
    logits = np.full(500, -1.0)
    logits[[0, 2, 499, 3, 250, 496]] = 1.0  # three of them are shown
    told = with_logits(regression, logits)
    assert told["predicted_positive"] == 3
    assert told["predicted_positive_share"] == 6 / 500
    assert told["chance_of_six_zeros"] == pytest.approx((1 - 6 / 500) ** 6)


def test_rows_that_are_not_a_number_are_never_called_class_1(regression):
    told = with_logits(regression, np.full(500, np.nan))
    assert told["predicted_positive"] == 0
    assert told["predicted_positive_share"] == 0
    assert np.isnan(told["train_loss"])


def test_a_matrix_whose_elements_differ_has_no_value():
    assert evaluate.every(np.full((2, 3), 4.0)) == 4.0
    assert np.isnan(evaluate.every(np.array([[4.0, 4.0], [4.0, 5.0]])))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", 0.0),
        ("steps", 0),
        ("tolerance", 0.0),
        ("held_out", 0.9),
        ("penalty", -0.1),
        ("rewrites", "sometimes"),
        ("momentum", 0.9),
    ],
)
def test_settings_that_make_no_sense_are_named(key, value):
    with pytest.raises(KerasbookError, match=key):
        validate(LogisticRegression, {**SETTINGS, key: value}, "ch02.yaml")


@pytest.mark.book
def test_on_the_products_one_step_is_far_from_the_minimum_in_both_libraries(mirror):
    import csv
    import io
    import zipfile

    with zipfile.ZipFile(mirror / "otto" / "train.csv.zip") as archive:
        [name] = archive.namelist()
        rows = list(csv.reader(io.StringIO(archive.read(name).decode())))[1:]
    counts = np.array([row[1:-1] for row in rows], np.uint16)
    y = np.array([row[-1] == "Class_1" for row in rows], np.float64)
    assert counts.shape == (61_878, 93)
    x = logistic.standardised(counts, *logistic.scaling(counts))
    begin = Line(np.random.default_rng(1).standard_normal(93), 0.0)
    line, _, _ = train.descend(x, y, begin, {**SETTINGS, "steps": 1})
    other = with_tensorflow.descend(x, y, begin, 0.1, 0.01, 1)
    assert line.difference(other) <= 1e-5
    best = logistic.reference(x, y, 0.01)
    assert logistic.cost(x, y, line, 0.01) > 10 * logistic.cost(x, y, best, 0.01)
    # The rule that never says class 1 is hard to beat, even at the minimum.
    right = ((logistic.logits(x, best) > 0) == (y == 1)).mean()
    assert 1 - y.mean() < right < 1 - y.mean() + 0.01
