"""Importance on points whose truth is known."""

import itertools
import math

import numpy as np
import pytest

from kerasbook.importance import columns_of, importances, ranks


def random_points(n, seed):
    source = np.random.default_rng(seed)
    return [
        {
            "rate": float(10 ** source.uniform(-4, 0)),
            "units": int(source.integers(1, 100)),
            "idle": float(source.uniform()),
            "cell": str(source.choice(["gru", "lstm"])),
        }
        for _ in range(n)
    ]


def loss(point, source):
    """The rate decides with an optimum within its range, the units a little, noise the rest."""
    distance = math.log10(point["rate"]) + 1.5
    return distance**2 + 0.004 * point["units"] + source.normal(0, 0.15)


def found(points, seed=1):
    source = np.random.default_rng(seed)
    order = ranks([loss(one, source) for one in points], "less")
    return {one.key: one for one in importances(points, list(points[0]), order)}


def test_the_key_that_decides_is_found_and_the_interval_of_an_idle_one_holds_zero():
    shares = found(random_points(150, 7))
    assert next(iter(shares)) == "rate"
    assert shares["rate"].stands_out and shares["rate"].mean > 0.3
    for key in ("idle", "cell"):
        assert shares[key].lower <= 0 <= shares[key].upper
        assert not shares[key].stands_out


def test_a_small_grid_is_enough_where_one_key_decides():
    names = ("rate", "units", "idle")
    grid = itertools.product([0.001, 0.03, 1.0], [10, 20, 30], [1, 2, 3])
    points = [dict(zip(names, one)) | {"cell": "gru"} for one in grid]
    shares = found(points)
    assert next(iter(shares)) == "rate" and shares["rate"].stands_out
    assert shares["idle"].lower <= 0 <= shares["idle"].upper
    assert shares["cell"].mean == 0


def test_a_key_that_alone_decides_has_nearly_all_of_the_variance():
    points = random_points(300, 3)
    order = ranks([one["idle"] for one in points], "less")
    shares = {one.key: one.mean for one in importances(points, list(points[0]), order)}
    assert 0.8 < shares["idle"] < 1.1
    assert all(abs(share) < 0.05 for key, share in shares.items() if key != "idle")


def test_the_same_points_give_the_same_numbers():
    points = random_points(30, 5)
    assert found(points) == found(points)


def test_too_few_points_or_a_metric_that_never_changes_say_nothing():
    points = random_points(7, 1)
    assert found(points) == {}
    assert importances(random_points(50, 1), ["rate", "idle"], np.ones(50)) == []


def test_ranks_begin_with_the_best_and_end_with_those_that_ran_away():
    assert ranks([0.5, 0.9, None, 0.9], "more").tolist() == [3, 1.5, 4, 1.5]
    assert ranks([0.5, 0.9, math.nan, 0.1], "less").tolist() == [2, 3, 4, 1]


@pytest.mark.parametrize("values", [["a", "b", "a"], [True, False, True], [[1], [2], [1]]])
def test_values_that_are_no_numbers_are_counted(values):
    columns = columns_of([{"key": one} for one in values], ["key"])
    assert columns.tolist() == [[0.0], [1.0], [0.0]]
