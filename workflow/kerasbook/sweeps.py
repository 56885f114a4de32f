"""Sweeps: the points of a space of hyperparameters, each an experiment that is checked.

A sweep starts from an experiment of its chapter and puts other values in the places that its
`space` names. All that is drawn follows from its seed, and the first points of a longer sweep
are those of a shorter one.

A point is named by a digest of its values. Values themselves in a path (as Snakemake's
`Paramspace` has it by default) would be long floats and, for a whole list of layers, none at
all; a number in a row would name another point as soon as the space grows. With a digest, points
that are there already stay where they are and are not run again.
"""

import copy
import hashlib
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field

from kerasbook.errors import KerasbookError
from kerasbook.validation import Strict, nearest, validate

if TYPE_CHECKING:
    from kerasbook.configuration import BaseExperiment, SweepEntry

# `Paramspace.wildcard_pattern` of every sweep, known before the first space is made.
PATTERN = "point_{point}"
MOST_POINTS = 10_000
# What says how an experiment is called, how often it is run or what it may say at all.
NOT_SWEPT = ("title", "variant", "seeds", "seed_shift", "printed_seed", "task")
Bounds = Field(None, min_length=2, max_length=2)


class Drawn(Strict):
    """How a key's values are drawn; one of these."""

    uniform: list[float] | None = Bounds
    log_uniform: list[float] | None = Bounds
    integers: list[int] | None = Bounds
    log_integers: list[int] | None = Bounds
    choice: list[Any] | dict[str, Any] | None = None


@dataclass(frozen=True)
class Key:
    """One dimension: `draw` gives a value, `listed` has all of them where they can be listed.

    Values are pairs: how the value is shown, and the value itself. They differ where the YAML
    gives it a name, as a list of layers needs one.
    """

    name: str
    log: bool
    listed: tuple[tuple[Any, Any], ...] | None
    bounds: tuple[float, float] | None = None
    whole: bool = False

    def draw(self, source: random.Random) -> tuple[Any, Any]:
        """A value. Floats have four digits, so that they can be read and written down."""
        if self.listed is not None:
            return self.listed[source.randrange(len(self.listed))]
        assert self.bounds is not None
        low, high = self.bounds
        if self.whole and not self.log:
            value: float = source.randint(int(low), int(high))
        elif self.whole:  # each whole number has the share of the logarithms nearest to it
            edges = math.log(low - 0.5), math.log(high + 0.5)
            value = min(max(round(math.exp(source.uniform(*edges))), int(low)), int(high))
        elif self.log:
            value = float(f"{math.exp(source.uniform(math.log(low), math.log(high))):.4g}")
        else:
            value = float(f"{source.uniform(low, high):.4g}")
        return value, value


@dataclass(frozen=True)
class Point:
    """One choice of values: `values` as they are shown, and the experiment that they make."""

    name: str
    values: Mapping[str, Any]
    experiment: "BaseExperiment"


@dataclass(frozen=True)
class Sweep:
    """A sweep in one edition: what its entry says, its keys and its points by name."""

    name: str
    entry: "SweepEntry"
    keys: Sequence[Key]
    points: Mapping[str, Point]

    @cached_property
    def space(self) -> Any:
        """The points as Snakemake's `Paramspace`."""
        import pandas as pd
        from snakemake.utils import Paramspace

        return Paramspace(pd.DataFrame({"point": list(self.points)}), param_sep="_")

    def needs(self) -> list[str]:
        """The data sets that its points cannot be run without, each once."""
        each = [point.experiment for point in self.points.values()]
        return list(dict.fromkeys(name for one in each for name in [one.dataset, *one.raw_data()]))

    def told(self) -> dict[str, Any]:
        """What the sweep's page says of it, as plain values."""
        entry = self.entry
        return {
            "title": entry.title,
            "of": entry.of,
            "fixed": entry.fixed,
            "drawn": entry.draws is not None,
            "keys": {
                one.name: {
                    "log": one.log,
                    "listed": None if one.listed is None else [shown for shown, _ in one.listed],
                    "bounds": None if one.bounds is None else list(one.bounds),
                }
                for one in self.keys
            },
            "seeds": entry.seeds,
            "metric": entry.metric,
            "better": entry.better,
            "held_out": entry.held_out,
        }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(values: Any, where: str) -> tuple[tuple[Any, Any], ...]:
    """The pairs of a list, or of a mapping from names to values."""
    named = values.items() if isinstance(values, Mapping) else zip(values, values)
    pairs = list(named)
    shown = [name for name, _ in pairs]
    unnamed = [one for one in shown if isinstance(one, list | dict)]
    if unnamed:
        raise KerasbookError(
            f"{where}: found {json.dumps(unnamed[0])[:80]} in a list, expected values that can be "
            "shown; give lists and mappings names, as in {choice: {small: [...], large: [...]}}."
        )
    if not pairs or len({json.dumps(one) for one in shown}) < len(pairs):
        raise KerasbookError(f"{where}: found {shown}, expected one or more values, each once.")
    return tuple(pairs)


def _spans(numbers: Sequence[float]) -> bool:
    """Whether positive numbers are so far apart that a logarithmic axis shows them best."""
    return min(numbers) > 0 and max(numbers) / min(numbers) >= 20


def _key(name: str, told: Any, drawn: bool, where: str) -> Key:
    """One entry under `space:`, checked."""
    if isinstance(told, list):
        told = {"choice": told}
    if not isinstance(told, Mapping):
        expected = "{log_uniform: [1.0e-4, 0.1]}" if drawn else "[0.01, 0.1, 1]"
        raise KerasbookError(f"{where}: found {told!r}, expected values such as {expected}.")
    given = validate(Drawn, told, where).model_dump(exclude_none=True)
    if len(given) != 1:
        found = ", ".join(given) or "none"
        known = ", ".join(Drawn.model_fields)
        raise KerasbookError(f"{where}: found {found}, expected one of: {known}.")
    [(kind, values)] = given.items()
    if kind == "choice":
        listed = _listed(values, where)
        shown = [one for one, _ in listed]
        return Key(name, all(map(_is_number, shown)) and _spans(shown), listed)
    if not drawn:
        raise KerasbookError(
            f"{where}: found {kind} in a grid, expected a list of values; or say how many points "
            "are to be drawn with `draws`."
        )
    low, high = values
    log = kind.startswith("log_")
    if not low < high or (log and low <= 0):
        more = " above 0" if log else ""
        raise KerasbookError(
            f"{where}.{kind}: found {values}, expected a lower and an upper bound{more}."
        )
    return Key(name, log, None, (low, high), kind.endswith("integers"))


def keys_of(entry: "SweepEntry", where: str) -> list[Key]:
    """The dimensions of a sweep.

    Raises:
        KerasbookError: naming the key, what was found and expected.
    """
    for name in entry.space:
        if name in NOT_SWEPT:
            raise KerasbookError(
                f"{where}.space.{name}: found a key that changes no run, expected one of the "
                "experiment's settings."
            )
    return [
        _key(name, told, entry.draws is not None, f"{where}.space.{name}")
        for name, told in entry.space.items()
    ]


def _drawn(entry: "SweepEntry", keys: Sequence[Key], where: str) -> Iterator[dict[str, tuple]]:
    """As many different points as are asked for."""
    assert entry.draws is not None
    source, seen = random.Random(entry.seed), set()
    for _ in range(100 * entry.draws):
        values = {key.name: key.draw(source) for key in keys}
        mark = json.dumps([shown for shown, _ in values.values()])
        if mark not in seen:
            seen.add(mark)
            yield values
        if len(seen) == entry.draws:
            return
    raise KerasbookError(
        f"{where}.draws: found {entry.draws}, expected no more than there are different points "
        f"({len(seen)} were found); ask for fewer or widen the space."
    )


def _grid(keys: Sequence[Key], where: str) -> Iterator[dict[str, tuple]]:
    """Every combination, the last key changing fastest."""
    sizes = [len(key.listed or ()) for key in keys]
    if math.prod(sizes) > MOST_POINTS:
        raise KerasbookError(
            f"{where}.space: found a grid of {math.prod(sizes):,} points, expected no more than "
            f"{MOST_POINTS:,}; shorten its lists, or draw from it with `draws`."
        )
    for values in itertools.product(*(key.listed or () for key in keys)):
        yield {key.name: one for key, one in zip(keys, values)}


def put(settings: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set the value at a key such as `optimizer.learning_rate` or `layers.0.filters`.

    Raises:
        KerasbookError: there is no such place.
    """
    *way, last = key.split(".")
    place: Any = settings
    for depth, part in enumerate([*way, last]):
        above = ".".join([*way, last][:depth]) or "the experiment"
        if isinstance(place, list):
            if not (part.isdecimal() and int(part) < len(place)):
                raise KerasbookError(
                    f"{where}: found '{part}' for a list, expected a number from 0 to "
                    f"{len(place) - 1}: {above} has {len(place)} entries."
                )
            index: Any = int(part)
        elif isinstance(place, dict):
            index = part
            if depth < len(way) and part not in place:
                known = [name for name, one in place.items() if isinstance(one, dict | list)]
                raise KerasbookError(
                    f"{where}: found no '{part}'{nearest(part, known)} in {above}, expected one "
                    f"of: {', '.join(known) or 'none, it holds single values'}."
                )
        else:
            raise KerasbookError(
                f"{where}: found a single value at {above}, expected a list or a mapping there."
            )
        if depth == len(way):
            place[index] = value
        else:
            place = place[index]


def name_of(values: Mapping[str, Any]) -> str:
    """The name of a point, from its values as they are shown."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def sweep_of(
    name: str,
    entry: "SweepEntry",
    base: Mapping[str, Any],
    model: "type[BaseExperiment]",
    where: str,
) -> Sweep:
    """A sweep with all its points, each checked as an experiment is.

    Args:
        base: the values of the experiment that it starts from, as they stand in the YAML.
        model: what an experiment of its sort may say.
        where: the file and the sweep, for messages.

    Raises:
        KerasbookError: for the first thing that is wrong, naming the file, sweep and key.
    """
    keys = keys_of(entry, where)
    settings = copy.deepcopy(dict(base)) | {"title": entry.title}
    for key, value in entry.fixed.items():
        if key in NOT_SWEPT:
            raise KerasbookError(f"{where}.fixed.{key}: expected one of the experiment's settings.")
        put(settings, key, value, f"{where}.fixed.{key}")
    points: dict[str, Point] = {}
    every = _grid(keys, where) if entry.draws is None else _drawn(entry, keys, where)
    for number, chosen in enumerate(every, 1):
        told = copy.deepcopy(settings)
        for key, (_, value) in chosen.items():
            put(told, key, copy.deepcopy(value), f"{where}.space.{key}")
        values = {key: shown for key, (shown, _) in chosen.items()}
        text = ", ".join(f"{key}={shown}" for key, shown in values.items())
        experiment = validate(model, told, f"{where}.space: point {number} ({text})")
        if experiment.starts_from() is not None:
            raise KerasbookError(
                f"{where}.of: found '{entry.of}', which starts from the model of another "
                "experiment; expected one that starts from nothing."
            )
        point = Point(name_of(values), values, experiment)
        points[point.name] = point
    return Sweep(name, entry, keys, points)
