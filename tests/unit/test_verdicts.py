"""The rule that judges every printed number, on simulated data where the truth is known."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kerasbook import verdicts
from kerasbook.errors import KerasbookError
from kerasbook.verdicts import (
    Row,
    chance,
    direction,
    judge,
    paired_effect,
    prediction_interval,
    read_ledger,
    same_digits,
)

ROOT = Path(__file__).resolve().parents[2]
LEDGER = ROOT / "config" / "published.tsv"


def row(printed="0.9500", kind="stochastic", metric="test_accuracy", epoch=""):
    return Row("x", "ch07", "conv", metric, epoch, printed, 1, kind, "")


def seeds(*values):
    return dict(enumerate(values, start=1))


# ------------------------------------------------------------------------- digits


@pytest.mark.parametrize(
    "value, printed, same",
    [
        (53.629950001, "53.62995", True),
        (53.62994, "53.62995", False),
        (0.96, "0.9600", True),
        (0.96004, "0.9600", True),
        (0.96006, "0.9600", False),
        (5918, "5918", True),
        (5918.0, "5918", True),
        (5917, "5918", False),
        (-0.4312, "-0.431", True),
        (np.float32(0.25), "0.25", True),
        (np.int64(7), "7", True),
        ("(60000, 28, 28)", "(60000, 28, 28)", True),
        ("(60000, 28)", "(60000, 28, 28)", False),
        (3, "(3,)", False),
        (math.nan, "0.5", False),
    ],
)
def test_same_digits(value, printed, same):
    assert same_digits(value, printed) is same


def test_row_key_carries_the_epoch():
    assert row(metric="loss", epoch="2").key == "loss@2"
    assert row(metric="test_accuracy").key == "test_accuracy"


# ----------------------------------------------------------------- constant, seeded


def test_constant_is_exact_where_every_run_gives_every_digit():
    verdict = judge(row("5918", "constant", "n_train"), seeds(5918, 5918))
    assert (verdict.verdict, verdict.mean, verdict.sd, verdict.n_seeds) == ("exact", 5918, 0.0, 2)
    assert (verdict.lower, verdict.upper) == (None, None)


def test_constant_differs_where_one_run_is_off_and_says_which_number_it_gave():
    verdict = judge(row("5918", "constant", "n_train"), seeds(5918, 5917))
    assert verdict.verdict == "differs"
    assert "5917" in verdict.reason


def test_a_shape_is_compared_as_text():
    shape = row("(60000, 28, 28)", "constant", "train_shape")
    same = judge(shape, seeds("(60000, 28, 28)"))
    assert (same.verdict, same.mean, same.sd) == ("exact", None, None)
    assert same.text == "(60000, 28, 28)"
    assert judge(shape, seeds("(10, 28, 28)")).verdict == "differs"


def test_seeded_rows_are_judged_on_the_printed_seed_alone():
    seeded = row("53.62995", "seeded", "error", "0")
    values = {123: 53.629951, 1: 40.0, 2: 41.0}
    verdict = judge(seeded, values, printed_seed=123)
    assert (verdict.verdict, verdict.n_seeds, verdict.sd) == ("exact", 1, None)
    assert judge(seeded, {**values, 123: 53.6}, printed_seed=123).verdict == "differs"


def test_seeded_row_without_its_seed_is_not_run():
    seeded = row("53.62995", "seeded", "error", "0")
    for printed_seed in (123, None):
        verdict = judge(seeded, seeds(53.62995), printed_seed)
        assert verdict.verdict == "not run"
        assert "printed seed" in verdict.reason


# ------------------------------------------------------------------------ the others


def test_times_are_never_judged_but_shown():
    for value in (100.0, 1e9):
        verdict = judge(row("1367000", "timing", "fit_ms"), seeds(value, value + 1))
        assert verdict.verdict == "not judged"
        assert verdict.mean == value + 0.5
        assert "machine" in verdict.reason


def test_nothing_measured_is_not_run():
    verdict = judge(row(), {})
    assert (verdict.verdict, verdict.n_seeds, verdict.mean) == ("not run", 0, None)


def test_one_seed_is_not_judged_even_if_it_is_equal():
    verdict = judge(row("0.9500"), seeds(0.95))
    assert verdict.verdict == "not judged"
    assert "one seed" in verdict.reason


@pytest.mark.parametrize(
    "metric, printed, ours, expected",
    [
        ("test_accuracy", "0.9500", (0.949, 0.951, 0.950), "holds"),
        ("test_accuracy", "0.8000", (0.949, 0.951, 0.950), "better"),
        ("test_accuracy", "0.9900", (0.949, 0.951, 0.950), "worse"),
        ("test_loss", "0.8000", (0.290, 0.291, 0.289), "better"),
        ("test_loss", "0.1000", (0.290, 0.291, 0.289), "worse"),
        ("error", "5.0", (9.0, 9.1, 9.2), "worse"),
        ("test_correct", "2000", (9400.0, 9410.0, 9420.0), "better"),
        ("predicted_positive", "40", (10.0, 11.0, 12.0), "differs"),
    ],
)
def test_stochastic_rows(metric, printed, ours, expected):
    verdict = judge(row(printed, metric=metric), seeds(*ours))
    assert verdict.verdict == expected
    assert verdict.lower < verdict.mean < verdict.upper
    assert f"of {len(ours)} seeds" in verdict.reason
    side = {"better": ("below", "above"), "worse": ("below", "above")}.get(expected)
    if side:
        assert ("below" if float(printed) < verdict.lower else "above") in verdict.reason


def test_rounding_of_the_printed_value_counts_for_it():
    equal = seeds(0.96003, 0.96003, 0.96003)  # no spread: the interval is a point
    assert judge(row("0.9600"), equal).verdict == "holds"
    assert judge(row("0.96000"), equal).verdict == "better"


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_differ(odd):
    verdict = judge(row("0.5000", metric="loss", epoch="1"), seeds(0.5, odd, -odd))
    assert verdict.verdict == "differs"
    assert "not finite" in verdict.reason


def test_a_printed_range_holds_where_it_overlaps_the_interval():
    stated = row("0.78-0.79", metric="val_accuracy", epoch="7-8")
    assert verdicts.printed_range("0.78-0.79") == pytest.approx((0.775, 0.795))
    assert judge(stated, seeds(0.780, 0.785, 0.790)).verdict == "holds"
    assert judge(stated, seeds(0.901, 0.902, 0.903)).verdict == "better"
    assert judge(stated, seeds(0.701, 0.702, 0.703)).verdict == "worse"


def test_a_negative_number_is_no_range():
    assert verdicts.printed_range("-0.5") == pytest.approx((-0.55, -0.45))


def test_huge_values_do_not_break_the_rule():
    assert judge(row("0.5000", metric="loss"), seeds(1e200, 2e200)).verdict in ("holds", "worse")


def test_prediction_interval_by_the_formula_of_the_book():
    values = [0.95, 0.96, 0.965]
    low, high = prediction_interval(values)
    mean, sd = np.mean(values), np.std(values, ddof=1)
    reach = stats.t.ppf(0.975, 2) * sd * np.sqrt(1 + 1 / 3)
    assert (low, high) == pytest.approx((mean - reach, mean + reach), rel=1e-12)
    with pytest.raises(ValueError, match="two or more"):
        prediction_interval([1.0])


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_a_true_reproduction_holds_in_95_of_100_cases(n_seeds):
    random = np.random.default_rng(20 + n_seeds)
    repetitions = 4000
    draws = random.normal(0.96, 0.004, size=(repetitions, n_seeds + 1))
    held = 0
    for *ours, printed in draws:
        verdict = judge(row(f"{printed:.9f}"), seeds(*ours))
        assert verdict.verdict in ("holds", "better", "worse")
        held += verdict.verdict == "holds"
    # Four standard deviations of the binomial count around the stated rate.
    slack = 4 * math.sqrt(0.95 * 0.05 / repetitions)
    assert abs(held / repetitions - 0.95) < slack


@pytest.mark.parametrize(("n_seeds", "shift"), [(2, 10.0), (3, 4.0), (5, 3.0), (5, 5.0)])
def test_a_shifted_process_is_caught_at_the_stated_power(n_seeds, shift):
    random = np.random.default_rng(40 + n_seeds)
    repetitions, sd = 3000, 0.004
    draws = random.normal(0.5, sd, size=(repetitions, n_seeds + 1))
    caught = sum(
        judge(row(f"{printed - shift * sd:.9f}"), seeds(*ours)).verdict == "better"
        for *ours, printed in draws
    )
    stated = verdicts.power(shift, n_seeds)
    assert abs(caught / repetitions - stated) < 4 * math.sqrt(stated * (1 - stated) / repetitions)


def test_more_seeds_see_smaller_shifts():
    seen = [verdicts.seen_shift(n) for n in (2, 3, 5, 10)]
    assert seen == sorted(seen, reverse=True)
    for n, shift in zip((2, 3, 5, 10), seen):
        assert verdicts.power(shift, n) == pytest.approx(0.8, abs=1e-6)
        assert verdicts.power(0, n) == pytest.approx(0.05, abs=1e-9)


def test_a_shift_of_many_standard_deviations_is_caught():
    random = np.random.default_rng(3)
    caught = {"better": 0, "worse": 0}
    for _ in range(300):
        ours = random.normal(0.90, 0.001, 5)
        printed = random.normal(0.90, 0.001)
        caught["worse"] += judge(row(f"{printed + 0.02:.6f}"), seeds(*ours)).verdict == "worse"
        caught["better"] += judge(row(f"{printed - 0.02:.6f}"), seeds(*ours)).verdict == "better"
    assert caught["better"] >= 298
    assert caught["worse"] >= 298


def test_the_chance_agrees_with_the_interval():
    random = np.random.default_rng(11)
    for _ in range(300):
        values = list(random.normal(0.5, 0.1, 4))
        printed = f"{random.normal(0.5, 0.25):.3f}"
        found = judge(row(printed, metric="loss"), seeds(*values))
        assert (found.verdict == "holds") == (found.p >= 0.05), (values, printed)
    assert judge(row("0.5", metric="loss"), {1: 0.5, 2: 0.5}).p == 1.0
    assert judge(row("0.7", metric="loss"), {1: 0.5, 2: 0.5}).p == 0.0


def test_of_many_true_rows_five_in_a_hundred_lie_outside_and_none_stands():
    """And of 20 false ones among 200 nearly all do, with few true ones beside them."""
    random = np.random.default_rng(4)
    true, false = {}, {}
    for index in range(200):
        values = list(random.normal(0, 1, 5))
        printed = random.normal(12 if index < 20 else 0, 1)
        (false if index < 20 else true)[f"r{index}"] = verdicts.chance(values, printed, printed)
    outside = sum(one < 0.05 for one in true.values())
    assert 2 <= outside <= 18  # 9 expected
    assert len(verdicts.false_discoveries(true)) <= 1
    found = verdicts.false_discoveries(true | false)
    assert len(found & set(false)) >= 17
    assert len(found & set(true)) <= 3
    assert verdicts.false_discoveries({}) == set()


@pytest.mark.parametrize(
    "draw",
    [
        lambda random, size: random.beta(40, 0.8, size),  # an accuracy near 1
        lambda random, size: random.exponential(size=size),
        lambda random, size: random.lognormal(0, 1, size),  # a loss that may run away
        lambda random, size: random.random(size),
        lambda random, size: random.normal(random.random(size) < 0.2, 0.05),  # it dies or not
    ],
    ids=["bounded", "exponential", "lognormal", "uniform", "two_ends"],
)
@pytest.mark.parametrize("n_seeds", [5, 10])
def test_numbers_that_are_not_normal_hold_in_nine_of_ten_cases_at_least(draw, n_seeds):
    """What the README says of such numbers."""
    random = np.random.default_rng(6)
    repetitions = 2000
    held = 0
    for *ours, printed in draw(random, (repetitions, n_seeds + 1)):
        held += verdicts.chance(ours, printed, printed) >= 0.05
    assert held / repetitions > 0.90 - 3 * math.sqrt(0.9 * 0.1 / repetitions)


def test_rows_that_hang_together_stand_out_by_chance_no_more_often_than_stated():
    """Epochs of one run: ten rows that are nearly one, in six runs; a table in which all hold."""
    random = np.random.default_rng(5)
    tables, outside = 300, 0
    marked = 0
    for _ in range(tables):
        chances = {}
        for run in range(6):
            shared = random.normal(size=(6, 1))
            epochs = 0.95 * shared + math.sqrt(1 - 0.95**2) * random.normal(size=(6, 10))
            for epoch, (*ours, printed) in enumerate(epochs.T):
                chances[f"{run}.{epoch}"] = verdicts.chance(ours, printed, printed)
        outside += sum(one < 0.05 for one in chances.values())
        marked += bool(verdicts.false_discoveries(chances))
    # Each row's rate is as stated, though the rows of a table lie outside together.
    assert 0.04 < outside / (60 * tables) < 0.065
    assert marked / tables < 0.05 + 3 * math.sqrt(0.05 * 0.95 / tables)


def test_every_verdict_is_a_known_one():
    some = [
        judge(row("1", "constant", "n"), seeds(1)),
        judge(row("1", "constant", "n"), seeds(2)),
        judge(row("1", "timing", "fit_ms"), seeds(2)),
        judge(row(), {}),
        judge(row(), seeds(0.95, 0.951)),
        judge(row("0.1"), seeds(0.95, 0.951)),
        judge(row("0.999"), seeds(0.9, 0.901)),
    ]
    assert {one.verdict for one in some} == set(verdicts.VERDICTS)


@pytest.mark.parametrize(
    "metric, side",
    [("val_loss", -1), ("error", -1), ("accuracy", 1), ("roc_auc", 1), ("f1", 1),
     ("test_correct", 1), ("stopped_epoch", 0)],
)  # fmt: skip
def test_direction(metric, side):
    assert direction(metric) == side


# ------------------------------------------------------------------------- effects


def test_paired_effect_agrees_with_scipy():
    random = np.random.default_rng(8)
    before, after = random.normal(0.95, 0.01, 6), random.normal(0.97, 0.01, 6)
    found = paired_effect(seeds(*before), seeds(*after))
    test = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert found["n"] == 6
    assert found["effect"] == pytest.approx(float(np.mean(after - before)), rel=1e-12)
    assert (found["lower"], found["upper"]) == pytest.approx((test.low, test.high), rel=1e-9)


def test_paired_effect_pairs_by_seed_and_drops_what_has_no_partner():
    found = paired_effect({1: 1.0, 2: 2.0, 9: 50.0}, {2: 2.5, 1: 1.5, 4: -9.0})
    assert found == {
        "before": 1.5, "after": 2.0, "effect": 0.5, "lower": 0.5, "upper": 0.5, "n": 2,
    }  # fmt: skip


def test_paired_effect_of_one_or_no_pair_has_no_interval():
    assert paired_effect({1: 1.0}, {1: 3.0}) == {
        "before": 1.0, "after": 3.0, "effect": 2.0, "lower": None, "upper": None, "n": 1,
    }  # fmt: skip
    assert paired_effect({1: 1.0}, {2: 3.0})["effect"] is None
    assert paired_effect({}, {})["n"] == 0


# -------------------------------------------------------------------------- ledger


def test_ledger_has_its_313_rows_with_unique_ids():
    rows = read_ledger(LEDGER)
    assert len(rows) == 313
    assert len({one.id for one in rows}) == 313
    assert {one.kind for one in rows} == {"constant", "seeded", "stochastic", "timing"}
    assert {one.chapter for one in rows} == {f"ch{n:02d}" for n in range(1, 12)}


def test_ledger_is_read_as_it_is_written():
    with open(LEDGER, encoding="utf-8", newline="") as file:
        plain = list(csv.DictReader(file, delimiter="\t"))
    for one, written in zip(read_ledger(LEDGER), plain, strict=True):
        assert (one.id, one.printed, one.kind) == (written["id"], written["value"], written["kind"])
        assert one.line == int(written["line"])


@pytest.mark.parametrize("one", read_ledger(LEDGER), ids=lambda one: one.id)
def test_every_row_of_the_ledger_can_be_judged(one):
    value = one.printed if one.kind == "constant" else 0.5
    verdict = judge(one, {123: value, 1: value}, printed_seed=123)
    assert verdict.verdict in verdicts.VERDICTS
    if one.kind == "constant":
        assert verdict.verdict == "exact"


HEADER = "\t".join(verdicts.COLUMNS) + "\n"
LINE = "ch07.a\tch07\tconv\tloss\t1\t0.5\t12\tstochastic\t\n"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("id\tvalue\nx\t1\n", ["found the columns ['id', 'value']", "expected"]),
        (HEADER + LINE + LINE, ["ch07.a", "twice"]),
        (HEADER + LINE.replace("\t12\t", "\ttwelve\t"), ["ch07.a", "line", "'twelve'"]),
        (HEADER + LINE.replace("stochastic", "stochstic"), ["ch07.a", "kind", "'stochstic'"]),
        (HEADER + LINE.replace("\t0.5\t", "\thalf\t"), ["ch07.a", "value", "'half'"]),
        (HEADER + "ch07.a\tch07\n", ["ch07.a", "expected"]),
    ],
)
def test_bad_ledger_is_told(tmp_path, text, expected):
    path = tmp_path / "published.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KerasbookError) as caught:
        read_ledger(path)
    told = str(caught.value)
    assert told.startswith(f"{path}: ")
    for part in expected:
        assert part in told


def test_missing_ledger_is_told(tmp_path):
    with pytest.raises(KerasbookError, match="not found"):
        read_ledger(tmp_path / "published.tsv")


def test_the_mean_of_many_runs_is_to_lie_nearer_than_one_run():
    seeds = [1.0, 1.1, 0.9, 1.05]
    assert chance(seeds, 1.3, 1.3, more=4) < chance(seeds, 1.3, 1.3)
    assert chance(seeds, 1.3, 1.3, more=1) == chance(seeds, 1.3, 1.3)
