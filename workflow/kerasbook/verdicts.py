"""The ledger of printed numbers, and the one rule that judges them."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kerasbook.errors import KerasbookError

VERDICTS = ("exact", "holds", "better", "worse", "differs", "not run", "not judged")
OUTSIDE = ("better", "worse", "differs")  # where the printed number is not what our runs give
KINDS = ("constant", "seeded", "stochastic", "timing")
COVERAGE = 0.95
CAUGHT = 0.8  # the power at which a shift counts as one that the rule sees
LESS_IS_BETTER = ("loss", "error")
MORE_IS_BETTER = ("accuracy", "correct", "f1", "auc")
SHARES = ("accuracy", "f1", "auc")
COLUMNS = ["id", "chapter", "experiment", "metric", "epoch", "value", "line", "kind", "note"]


@dataclass(frozen=True)
class Row:
    """One printed number: a line of config/published.tsv."""

    id: str
    chapter: str
    experiment: str
    metric: str
    epoch: str
    printed: str
    line: int
    kind: str
    note: str

    @property
    def key(self) -> str:
        """The metric's name in metrics.json: `loss@2`, `test_accuracy`."""
        return f"{self.metric}@{self.epoch}" if self.epoch else self.metric

    @property
    def name(self) -> str:
        """Experiment and key, as a chapter's file names a row."""
        return f"{self.experiment}.{self.key}"


@dataclass(frozen=True)
class Verdict:
    """What became of a printed number.

    `lower` and `upper` bound the interval that the verdict used, `p` is the chance that one
    more run lies at least as far off as the printed value; they, `mean` and `sd` are None where
    there is none.
    """

    verdict: str
    reason: str
    mean: float | None = None
    sd: float | None = None
    n_seeds: int = 0
    lower: float | None = None
    upper: float | None = None
    text: str | None = None
    p: float | None = None


def _row(path: Path, told: Mapping[str, str | None]) -> Row:
    """One line of the ledger, checked."""
    name = f"{path}: {told['id']}"
    missing = [key for key in COLUMNS[:-1] if told[key] is None]
    if missing:
        raise KerasbookError(f"{name}: found no {missing[0]}, expected {len(COLUMNS)} columns.")
    if not told["line"].isdigit():
        raise KerasbookError(f"{name}: line: found '{told['line']}', expected a line number.")
    if told["kind"] not in KINDS:
        raise KerasbookError(
            f"{name}: kind: found '{told['kind']}', expected one of: {', '.join(KINDS)}."
        )
    if told["kind"] == "stochastic":
        try:
            printed_range(told["value"])
        except ValueError as error:
            raise KerasbookError(
                f"{name}: value: found '{told['value']}', expected a number or a range."
            ) from error
    return Row(
        told["id"],
        told["chapter"],
        told["experiment"],
        told["metric"],
        told["epoch"],
        told["value"],
        int(told["line"]),
        told["kind"],
        told["note"] or "",
    )


def read_ledger(path: Path) -> list[Row]:
    """Read config/published.tsv.

    Raises:
        KerasbookError: no such file, another header, a line that is no row of the
            ledger, or an id that stands twice.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            if reader.fieldnames != COLUMNS:
                raise KerasbookError(
                    f"{path}: found the columns {reader.fieldnames}, expected {COLUMNS}."
                )
            rows = [_row(path, one) for one in reader]
    except FileNotFoundError as error:
        raise KerasbookError(f"{path}: not found. Expected the ledger there.") from error
    ids = [row.id for row in rows]
    if len(set(ids)) != len(ids):
        twice = sorted({one for one in ids if ids.count(one) > 1})
        raise KerasbookError(f"{path}: found the ids {twice} twice, expected each once.")
    return rows


def decimals(printed: str) -> int:
    """Digits after the point of a printed number."""
    return len(printed.partition(".")[2])


def printed_range(printed: str) -> tuple[float, float]:
    """The least and the largest value that a printed text stands for: of `0.78-0.79`, both.

    Half of the last digit is added on each side, since what was printed was rounded.

    Raises:
        ValueError: the text is neither a number nor a range.
    """
    head, dash, tail = printed[1:].partition("-")  # a sign in front is no dash
    low, high = printed[:1] + head, tail if dash else printed
    return (
        float(low) - 0.5 * 10.0 ** -decimals(low),
        float(high) + 0.5 * 10.0 ** -decimals(high),
    )


def same_digits(value: object, printed: str) -> bool:
    """Whether a value, written with as many decimals as the printed one, is the same text."""
    if isinstance(value, str):
        return value == printed
    try:
        float(printed)
    except ValueError:
        return str(value) == printed
    return f"{float(value):.{decimals(printed)}f}" == printed


def _sd(values: list[float], mean: float) -> float:
    """Standard deviation of two or more values, n - 1 in the divisor."""
    return math.hypot(*(value - mean for value in values)) / math.sqrt(len(values) - 1)


def prediction_interval(values: list[float]) -> tuple[float, float]:
    """Where one more run of the same experiment would lie, with a chance of 95 %.

    Student's t prediction interval: mean ± t · sd · sqrt(1 + 1/n) with n - 1 degrees
    of freedom, since the tutorial printed a single run (Hahn and Meeker 1991, 4.2).

    Raises:
        ValueError: fewer than two values, which show no spread.
    """
    from scipy import stats

    n = len(values)
    if n < 2:
        raise ValueError(f"found {n} value(s), expected two or more")
    mean = math.fsum(values) / n
    reach = float(stats.t.ppf(0.5 + COVERAGE / 2, n - 1)) * _sd(values, mean) * math.sqrt(1 + 1 / n)
    return mean - reach, mean + reach


def chance(values: list[float], least: float, largest: float, more: int = 1) -> float:
    """The chance that one more run lies as far from our mean as the nearest of what was printed.

    Two-sided, of the same t distribution as `prediction_interval`: below 0.05 where that interval
    and the printed value, which stands for all from `least` to `largest`, do not meet.

    Args:
        more: how many runs the other value is the mean of.
    """
    from scipy import stats

    n = len(values)
    mean = math.fsum(values) / n
    away = max(least - mean, mean - largest, 0.0)
    spread = _sd(values, mean) * math.sqrt(1 / more + 1 / n)
    if spread == 0:
        return float(away == 0)
    return float(2 * stats.t.sf(away / spread, n - 1))


def power(shift: float, n: int) -> float:
    """The chance that a printed run of a shifted process lies outside our interval.

    Args:
        shift: how far the printed process lies from ours, in standard deviations of a run.
        n: our seeds.

    0.05 for no shift. Runs are taken as normal, with the same spread here and there.
    """
    from scipy import integrate, stats

    degrees, moved = n - 1, shift / math.sqrt(1 + 1 / n)
    limit = float(stats.t.ppf(0.5 + COVERAGE / 2, degrees))

    def inside(spread: float) -> float:
        """The density of our seeds' spread, times the chance to lie inside the interval then."""
        reach = limit * spread / math.sqrt(degrees)
        chance_inside = stats.norm.cdf(reach - moved) - stats.norm.cdf(-reach - moved)
        return float(stats.chi.pdf(spread, degrees) * chance_inside)

    return 1 - integrate.quad(inside, 0, math.inf)[0]


def seen_shift(n: int) -> float:
    """The shift, in standard deviations of a run, that n seeds catch with a chance of 80 %."""
    from scipy import optimize

    return float(optimize.brentq(lambda shift: power(shift, n) - CAUGHT, 0, 100))


def distance(mean: float, sd: float, n: int, printed: str) -> float:
    """How far a printed number lies from our mean, in half widths of the prediction interval.

    Below 0 where it is less than ours. What lies from -1 to 1 holds. A printed range counts with
    its near end; 0 if our mean lies in it, infinite if it does not and ours has no spread.
    """
    from scipy import stats

    least, largest = printed_range(printed)
    away = max(least - mean, 0.0) + min(largest - mean, 0.0)
    reach = float(stats.t.ppf(0.5 + COVERAGE / 2, n - 1)) * sd * math.sqrt(1 + 1 / n)
    if away == 0:
        return 0.0
    return away / reach if reach > 0 else math.copysign(math.inf, away)


def false_discoveries(chances: Mapping[str, float]) -> set[str]:
    """The rows that lie outside even though many were looked at.

    Of rows that all hold, 5 % lie outside their interval by chance. Those returned are chosen
    so that at most 5 % of them are expected to be such (Benjamini and Hochberg 1995).

    Args:
        chances: row id -> its `p`.
    """
    if not chances:
        return set()
    from scipy import stats

    adjusted = stats.false_discovery_control(list(chances.values()))
    return {name for name, one in zip(chances, adjusted) if one < 1 - COVERAGE}


def direction(metric: str) -> int:
    """1 where more is better, -1 where less is, 0 where neither is."""
    if any(word in metric for word in LESS_IS_BETTER):
        return -1
    return 1 if any(word in metric for word in MORE_IS_BETTER) else 0


def possible(metric: str) -> tuple[float, float]:
    """The least and the largest value that a metric can have, which an interval is cut to."""
    if any(word in metric for word in SHARES):
        return 0.0, 1.0
    return (0.0 if direction(metric) else -math.inf), math.inf


def largest_change(metric: str) -> float:
    """The largest change that a metric can make."""
    low, high = possible(metric)
    return high - low if math.isfinite(high) and math.isfinite(low) else math.inf


def judge(row: Row, values: Mapping[int, object], printed_seed: int | None = None) -> Verdict:
    """Judge one printed number by our runs.

    Args:
        values: seed -> our value; a number, or a text for a shape.
        printed_seed: the seed that the tutorial fixed, if it fixed one.

    The rule, the same for all rows:

    - constant: `exact` if every run gives every printed digit, else `differs`;
    - seeded: the same, on the printed seed alone;
    - stochastic: `holds` if the printed value, give or take half of its last digit, lies in
      the 95 % prediction interval of our seeds (a printed range: if the two overlap); else
      `better` or `worse` by where our mean lies, or `differs` for a metric that has no
      better side;
    - timing: shown, `not judged`.
    """
    if not values:
        return Verdict("not run", "this number was not produced")
    used = dict(values)
    if row.kind == "seeded":
        if printed_seed not in used:
            return Verdict("not run", "the printed seed was not run")
        used = {printed_seed: used[printed_seed]}
    texts = [value for value in used.values() if isinstance(value, str)]
    numbers = [float(value) for value in used.values() if not isinstance(value, str)]
    finite = all(map(math.isfinite, numbers))
    mean = math.fsum(numbers) / len(numbers) if numbers and finite and not texts else None
    sd = _sd(numbers, mean) if mean is not None and len(numbers) > 1 else None
    own = {"mean": mean, "sd": sd, "n_seeds": len(used), "text": texts[0] if texts else None}
    if row.kind == "timing":
        return Verdict("not judged", "a time, which depends on the machine", **own)
    if row.kind in ("constant", "seeded"):
        wrong = [value for value in used.values() if not same_digits(value, row.printed)]
        if not wrong:
            return Verdict("exact", "every printed digit", **own)
        return Verdict("differs", f"ours is {wrong[0]}", **own)
    if not finite:
        return Verdict("differs", "ours is not finite", **own)
    if len(numbers) < 2:
        return Verdict("not judged", "one seed shows no spread; run two or more", **own)
    lower, upper = prediction_interval(numbers)
    least, largest = printed_range(row.printed)
    low, high = possible(row.metric)
    own |= {"lower": max(lower, low), "upper": min(upper, high)}
    own["p"] = chance(numbers, least, largest)
    if lower <= largest and least <= upper:
        return Verdict("holds", f"inside the 95 % prediction interval of {len(used)} seeds", **own)
    where = "below" if largest < lower else "above"
    reason = f"printed value {where} the 95 % prediction interval of {len(used)} seeds"
    side = direction(row.metric)
    if side == 0:
        return Verdict("differs", reason, **own)
    return Verdict("better" if (mean - least) * side > 0 else "worse", reason, **own)


def paired_effect(
    before: Mapping[int, float], after: Mapping[int, float], largest: float = math.inf
) -> dict[str, float | int | None]:
    """The mean change over the seeds that both have, with its 95 % confidence interval.

    `before` and `after` are the means over these seeds, `effect` their difference.

    Seeds of which one run diverged are left out. The interval is cut to `largest`, the
    largest change that there can be. Student's t on the differences; `lower` and `upper`
    are None for fewer than two pairs.
    """
    seeds = [
        seed
        for seed in sorted(set(before) & set(after))
        if math.isfinite(before[seed]) and math.isfinite(after[seed])
    ]
    changes = [float(after[seed]) - float(before[seed]) for seed in seeds]
    n = len(changes)
    if n == 0:
        nothing = ("before", "after", "effect", "lower", "upper")
        return {**dict.fromkeys(nothing), "n": 0}
    effect = math.fsum(changes) / n
    means = {
        "before": math.fsum(before[seed] for seed in seeds) / n,
        "after": math.fsum(after[seed] for seed in seeds) / n,
    }
    if n < 2:
        return {**means, "effect": effect, "lower": None, "upper": None, "n": n}
    from scipy import stats

    spread = _sd(changes, effect)
    reach = float(stats.t.ppf(0.5 + COVERAGE / 2, n - 1)) * spread / math.sqrt(n)
    lower, upper = max(effect - reach, -largest), min(effect + reach, largest)
    return {**means, "effect": effect, "lower": lower, "upper": upper, "n": n}
