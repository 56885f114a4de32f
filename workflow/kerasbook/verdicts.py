"""The ledger of printed numbers, and the one rule that judges them."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kerasbook.errors import KerasbookError

VERDICTS = ("exact", "holds", "better", "worse", "differs", "not run", "not judged")
COVERAGE = 0.95
LESS_IS_BETTER = ("loss", "error")
MORE_IS_BETTER = ("accuracy", "correct", "f1", "auc")
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


@dataclass(frozen=True)
class Verdict:
    """What became of a printed number.

    `lower` and `upper` bound the interval that the verdict used; they, `mean` and `sd`
    are None where there is none.
    """

    verdict: str
    reason: str
    mean: float | None = None
    sd: float | None = None
    n_seeds: int = 0
    lower: float | None = None
    upper: float | None = None
    text: str | None = None


def read_ledger(path: Path) -> list[Row]:
    """Read config/published.tsv.

    Raises:
        KerasbookError: another header, or an id that stands twice.
    """
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        if reader.fieldnames != COLUMNS:
            raise KerasbookError(
                f"{path}: found the columns {reader.fieldnames}, expected {COLUMNS}."
            )
        rows = [
            Row(
                one["id"],
                one["chapter"],
                one["experiment"],
                one["metric"],
                one["epoch"],
                one["value"],
                int(one["line"]),
                one["kind"],
                one["note"] or "",
            )
            for one in reader
        ]
    ids = [row.id for row in rows]
    if len(set(ids)) != len(ids):
        twice = sorted({one for one in ids if ids.count(one) > 1})
        raise KerasbookError(f"{path}: found the ids {twice} twice, expected each once.")
    return rows


def decimals(printed: str) -> int:
    """Digits after the point of a printed number."""
    return len(printed.partition(".")[2])


def same_digits(value: object, printed: str) -> bool:
    """Whether a value, written with as many decimals as the printed one, is the same text."""
    if isinstance(value, str):
        return value == printed
    try:
        float(printed)
    except ValueError:
        return str(value) == printed
    return f"{float(value):.{decimals(printed)}f}" == printed


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
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    reach = float(stats.t.ppf(0.5 + COVERAGE / 2, n - 1)) * sd * math.sqrt(1 + 1 / n)
    return mean - reach, mean + reach


def direction(metric: str) -> int:
    """1 where more is better, -1 where less is, 0 where neither is."""
    if any(word in metric for word in LESS_IS_BETTER):
        return -1
    return 1 if any(word in metric for word in MORE_IS_BETTER) else 0


def judge(row: Row, values: Mapping[int, object], printed_seed: int | None = None) -> Verdict:
    """Judge one printed number by our runs.

    Args:
        values: seed -> our value; a number, or a text for a shape.
        printed_seed: the seed that the tutorial fixed, if it fixed one.

    The rule, the same for all rows:

    - constant: `exact` if every run gives every printed digit, else `differs`;
    - seeded: the same, on the printed seed alone;
    - stochastic: `holds` if the printed value, give or take half of its last digit, lies in
      the 95 % prediction interval of our seeds; else `better` or `worse` by where our mean
      lies, or `differs` for a metric that has no better side;
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
    mean = math.fsum(numbers) / len(numbers) if numbers and not texts else None
    sd = None
    if mean is not None and len(numbers) > 1:
        sd = math.sqrt(math.fsum((one - mean) ** 2 for one in numbers) / (len(numbers) - 1))
    own = {"mean": mean, "sd": sd, "n_seeds": len(used), "text": texts[0] if texts else None}
    if row.kind == "timing":
        return Verdict("not judged", "a time, which depends on the machine", **own)
    if row.kind in ("constant", "seeded"):
        wrong = [value for value in used.values() if not same_digits(value, row.printed)]
        if not wrong:
            return Verdict("exact", "every printed digit", **own)
        return Verdict("differs", f"ours is {wrong[0]}", **own)
    if not all(map(math.isfinite, numbers)):
        return Verdict("differs", "ours is not finite", **own)
    if len(numbers) < 2:
        return Verdict("not judged", "one seed shows no spread; run two or more", **own)
    lower, upper = prediction_interval(numbers)
    half = 0.5 * 10.0 ** -decimals(row.printed)
    printed = float(row.printed)
    own |= {"lower": lower, "upper": upper}
    if lower - half <= printed <= upper + half:
        return Verdict("holds", f"inside the 95 % prediction interval of {len(used)} seeds", **own)
    where = "below" if printed < lower else "above"
    reason = f"printed value {where} the 95 % prediction interval of {len(used)} seeds"
    side = direction(row.metric)
    if side == 0:
        return Verdict("differs", reason, **own)
    return Verdict("better" if (mean - printed) * side > 0 else "worse", reason, **own)


def paired_effect(
    before: Mapping[int, float], after: Mapping[int, float]
) -> dict[str, float | int | None]:
    """The mean change over the seeds that both have, with its 95 % confidence interval.

    Student's t on the differences; `lower` and `upper` are None for fewer than two pairs.
    """
    seeds = sorted(set(before) & set(after))
    changes = [float(after[seed]) - float(before[seed]) for seed in seeds]
    n = len(changes)
    if n == 0:
        return {"effect": None, "lower": None, "upper": None, "n": 0}
    effect = math.fsum(changes) / n
    if n < 2:
        return {"effect": effect, "lower": None, "upper": None, "n": n}
    from scipy import stats

    sd = math.sqrt(math.fsum((one - effect) ** 2 for one in changes) / (n - 1))
    reach = float(stats.t.ppf(0.5 + COVERAGE / 2, n - 1)) * sd / math.sqrt(n)
    return {"effect": effect, "lower": effect - reach, "upper": effect + reach, "n": n}
