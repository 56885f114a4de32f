"""Chapter 4.1's network: against plain loops, by hand, and against the printed digits."""

import csv
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reference_loops import UnitLoops
from chapters.ch01_neural_network import network
from chapters.ch01_neural_network.printed_decimals import decimal_as_read_then, read_rows
from kerasbook.errors import KerasbookError

ROOT = Path(__file__).resolve().parents[2]

# The networks in the order in which the tutorial makes them: hidden units, iterations.
PRINTED = {
    "ann_2_1_1_2it": (1, 2),
    "ann_2_10_1_2it": (10, 2),
    "ann_2_10_1_100it": (10, 100),
}


@pytest.fixture
def rows():
    generator = np.random.default_rng(4)
    x = generator.standard_normal((60, 2))
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.float64)


@pytest.mark.parametrize("kind", ["last_gradient", "last_update"])
def test_the_loops_over_units_give_the_same(rows, kind):
    x, y = rows
    start = network.initial_weights(2, 4, 1, seed=7)
    loops = UnitLoops(*start)
    expected = loops.train(x, y, 8, 0.4, 0.3, kind)
    trained, errors = network.train(x, y, start, 8, 0.4, 0.3, kind)
    np.testing.assert_allclose(errors, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(trained.hidden, loops.hidden, rtol=0, atol=1e-9)
    np.testing.assert_allclose(trained.output, loops.output, rtol=0, atol=1e-9)
    predictions = network.predict(x, trained)
    assert predictions.shape == (60,)
    np.testing.assert_allclose(predictions, loops.predict(x)[:, 0], rtol=0, atol=1e-9)


def test_two_outputs(rows):
    x, y = rows
    start = network.initial_weights(2, 3, 2, seed=7)
    targets = np.column_stack([y, 1 - y])
    loops = UnitLoops(*start)
    expected = sum(
        loops.activate(row) and loops.learn(target, 0.5, 0.1, "last_gradient")
        for row, target in zip(x, targets)
    )
    trained, errors = network.train(x, targets, start, 1)
    assert errors[0] == pytest.approx(expected, abs=1e-9)
    assert network.predict(x, trained).shape == (60, 2)


def test_a_step_follows_the_slope_of_the_error():
    x, y = np.array([[0.7, -1.2]]), np.array([1.0])
    start = network.initial_weights(2, 3, 1, seed=5)

    def error(weights):
        return 0.5 * float(np.sum((y - network.predict(x, weights)) ** 2))

    trained, errors = network.train(x, y, start, 1, learning_rate=1.0, momentum=0.0)
    assert errors[0] == pytest.approx(error(start), abs=1e-15)
    for part in range(2):
        for place in np.ndindex(start[part].shape):
            around = []
            for shift in (1e-6, -1e-6):
                moved = network.Weights(*(array.copy() for array in start))
                moved[part][place] += shift
                around.append(error(moved))
            slope = (around[0] - around[1]) / 2e-6
            # The output layer moves after its deltas are taken, so both layers follow the slope.
            step = trained[part][place] - start[part][place]
            assert step == pytest.approx(-slope, abs=1e-9)


def test_momentum_adds_the_last_gradient_or_the_last_update():
    """With x = 0 and no weights only the output weight moves, and by sums done by hand."""
    x, y = np.zeros((1, 1)), np.array([1.0])
    start = network.Weights(np.zeros((2, 1)), np.zeros((1, 1)))
    by_hand = {}
    for kind in ("last_gradient", "last_update"):
        hidden, output, past_hidden, past_output = 0.0, 0.0, 0.0, 0.0
        for _ in range(3):
            h = 1 / (1 + np.exp(-hidden))
            o = 1 / (1 + np.exp(-h * output))
            delta = (1 - o) * o * (1 - o)
            gradient_output, gradient_hidden = delta * h, delta * output * h * (1 - h)
            update_output = 0.5 * gradient_output + 0.1 * past_output
            update_hidden = 0.5 * gradient_hidden + 0.1 * past_hidden
            output, hidden = output + update_output, hidden + update_hidden
            if kind == "last_gradient":
                past_output, past_hidden = gradient_output, gradient_hidden
            else:
                past_output, past_hidden = update_output, update_hidden
        by_hand[kind] = output
        trained, _ = network.train(x, y, start, 3, momentum_kind=kind)
        assert trained.output[0, 0] == pytest.approx(output, abs=1e-14)
        assert trained.hidden[1, 0] == pytest.approx(hidden, abs=1e-14)
        assert trained.hidden[0, 0] == 0.0
    # The first step: delta 1/8, activation 1/2, rate 1/2.
    once, _ = network.train(x, y, start, 1)
    assert once.output[0, 0] == 0.5 * (0.125 * 0.5)
    assert by_hand["last_gradient"] != by_hand["last_update"]


def test_draws_come_in_the_printed_order():
    generator = random.Random(123)
    first = [generator.random() for _ in range(4 + 40)]
    weights = network.initial_weights(2, 1, 1, seed=123)
    np.testing.assert_array_equal(weights.hidden[:, 0], [0.4 * d + -0.2 for d in first[:3]])
    assert weights.output[0, 0] == 4.0 * first[3] + -2.0
    assert network.n_draws(2, 1, 1) == 4
    assert network.n_draws(2, 10, 1) == 40
    second = network.initial_weights(2, 10, 1, seed=123, skip_draws=4)
    np.testing.assert_array_equal(second.hidden[0], [0.4 * d + -0.2 for d in first[4:14]])
    assert second.hidden.shape == (3, 10)
    np.testing.assert_array_equal(second.output[:, 0], [4.0 * d + -2.0 for d in first[34:44]])


def test_training_leaves_its_inputs_and_tells_its_progress(rows):
    x, y = rows
    start = network.initial_weights(2, 4, 1, seed=7)
    kept = network.Weights(*(array.copy() for array in start))
    told = []
    _, errors = network.train(x, y, start, 3, on_iteration=lambda *seen: told.append(seen))
    assert told == list(enumerate(errors.tolist()))
    np.testing.assert_array_equal(start.hidden, kept.hidden)
    np.testing.assert_array_equal(start.output, kept.output)


def test_weights_survive_the_disk(tmp_path, rows):
    weights = network.initial_weights(2, 10, 1, seed=1)
    network.save(tmp_path / "weights.npz", weights)
    loaded = network.load(tmp_path / "weights.npz")
    np.testing.assert_array_equal(
        network.predict(rows[0], loaded), network.predict(rows[0], weights)
    )


def test_arguments_that_do_not_fit_are_named(rows):
    x, y = rows
    weights = network.initial_weights(2, 2, 1, seed=1)
    with pytest.raises(KerasbookError, match="x: found shape"):
        network.train(x[:, :1], y, weights, 1)
    with pytest.raises(KerasbookError, match="y: found shape"):
        network.train(x, y[:-1], weights, 1)
    with pytest.raises(KerasbookError, match="x: found shape"):
        network.predict(x[0], weights)
    with pytest.raises(KerasbookError, match="momentum_kind: found 'nesterov'"):
        network.train(x, y, weights, 1, momentum_kind="nesterov")


def test_a_checkout_that_cannot_be_written_still_compiles(tmp_path):
    """Numba asks its locators for a cache folder; here none of them has one."""
    code = (
        "from numba.core import caching\n"
        "for kind in ('CacheImpl', 'CompileResultCacheImpl'):\n"
        "    getattr(caching, kind)._locator_classes = []\n"
        "import numpy as np\n"
        "from chapters.ch01_neural_network import network as one\n"
        "from chapters.ch04_sgd_network import network as four\n"
        "print(one.predict(np.zeros((1, 2)), one.initial_weights(2, 1, 1, 1)))\n"
        "four.train_epoch(np.zeros((1, 4), np.uint8), np.zeros(1, int),\n"
        "    four.initial_parameters([4, 3, 2], 1), 1, 1.0, 1.0, np.arange(1))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "workflow", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_decimals_are_read_as_they_were():
    assert decimal_as_read_then("2.067788388") == pytest.approx(2.067788388, rel=1e-15)
    assert decimal_as_read_then("-0.25") == -0.25
    assert decimal_as_read_then("12") == 12.0
    assert decimal_as_read_then("1e3") == 1000.0
    assert decimal_as_read_then("7.86E-05") == pytest.approx(7.86e-05, rel=1e-15)
    # Three decimals: divided by 10 and by 100, which is not what dividing by 1000 gives.
    assert decimal_as_read_then("0.009") == 9 / 10 / 100 != 0.009
    for text in ("nan", "", "1,5", "0x1"):
        with pytest.raises(ValueError, match="expected a decimal"):
            decimal_as_read_then(text)


def test_rows_end_in_carriage_returns_and_faults_are_named(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"Feature1,Feature2,Target\r0.009,-1.5,1\r0,7.8E-05,0\r")
    x, y = read_rows(path)
    np.testing.assert_array_equal(x[0], [9 / 10 / 100, -1.5])
    assert x.shape == (2, 2)
    assert y.tolist() == [1.0, 0.0]
    for body, told in (
        (b"a,b,c\r1,2,1", "found the header"),
        (b"Feature1,Feature2,Target\r", "no rows"),
        (b"Feature1,Feature2,Target\r1,2,1\r1,2", "line 3"),
        (b"Feature1,Feature2,Target\r1,2,5", "line 2: found the target '5'"),
        (b"Feature1,Feature2,Target\r1,nan,1", "line 2: found 'nan'"),
    ):
        path.write_bytes(body)
        with pytest.raises(KerasbookError, match=told):
            read_rows(path)


def seeded_rows():
    with open(ROOT / "config" / "published.tsv", encoding="utf-8", newline="") as file:
        ledger = list(csv.DictReader(file, delimiter="\t"))
    return [row for row in ledger if row["chapter"] == "ch01" and row["kind"] == "seeded"]


def as_printed(value, printed):
    """`value` with as many digits as the tutorial prints."""
    if len(printed) > 12:
        return format(value, ".17g")
    return format(value, f".{len(printed.partition('.')[2])}f")


@pytest.fixture(scope="module")
def printed_runs(mirror):
    x, y = read_rows(mirror / "ann" / "intro_to_ann.csv")
    runs, used = {}, 0
    for name, (n_hidden, iterations) in PRINTED.items():
        weights = network.initial_weights(2, n_hidden, 1, seed=123, skip_draws=used)
        used += network.n_draws(2, n_hidden, 1)
        trained, errors = network.train(x, y, weights, iterations)
        runs[name] = (errors, network.predict(x, trained))
    return runs


@pytest.mark.book
@pytest.mark.parametrize("row", seeded_rows(), ids=lambda row: row["id"])
def test_every_printed_digit(printed_runs, row):
    errors, predictions = printed_runs[row["experiment"]]
    metric = row["metric"]
    if metric == "error":
        value = errors[int(row["epoch"])]
    elif metric == "prediction_min":
        value = predictions.min()
    else:
        value = predictions[int(metric.removeprefix("prediction_row"))]
    assert as_printed(value, row["value"]) == row["value"]
