"""What the README says of the results: written from the reference snapshot, never typed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasbook import plots
from kerasbook.errors import KerasbookError
from kerasbook.files import write_text
from kerasbook.html import format_number, format_seconds
from kerasbook.reproduction import counts, in_words, picture
from kerasbook.verdicts import COVERAGE, OUTSIDE, VERDICTS, seen_shift

if TYPE_CHECKING:
    from kerasbook.reference import Snapshot

BEGIN = "<!-- Written by `make snapshot` from results/reference; do not edit. -->"
END = "<!-- The end of what `make snapshot` writes. -->"
PICTURE = Path("docs/reproduction.svg")
# The faults that are named; errata.tsv has them all.
MOST = 5
MAKERS = ("python", "keras", "numpy")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _number(text: str) -> str:
    return format_number(float(text), 3) if text else "–"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]], right: int) -> list[str]:
    """A table in Markdown, its columns from `right` on set flush right."""
    rule = ["---" if place < right else "---:" for place in range(len(header))]
    return [f"| {' | '.join(map(str, row))} |" for row in (header, rule, *rows)]


def _title(chapter: Mapping[str, str]) -> str:
    return f"{chapter['number']} {chapter['title']}"


def _of_faults(errata: Sequence[Mapping[str, str]]) -> list[str]:
    changes = [row for row in errata if row["standing"] == "changes"]
    rows = [
        (
            _cell(f"{row['printed']} {row['wrong']}"),
            f"`{row['metric']}`",
            _number(row["before"]),
            _number(row["after"]),
            f"{_number(row['lower'])} to {_number(row['upper'])}",
        )
        for row in changes[:MOST]
    ]
    if not rows:
        return []
    priced = [row for row in errata if row["standing"] != "not measured"]
    n = len({(row["as_printed"], row["corrected"]) for row in priced})
    return [
        "",
        f"{n} repairs of faults of the printed code are priced by {len(priced)} numbers, paired by "
        f"seed; {len(errata) - len(priced)} faults more are told of and could not be priced. "
        f"{len(changes)} of these numbers have a 95 % interval that does not hold zero. Those that "
        "change most:",
        "",
        *_table(["fault", "number", "as printed", "repaired", "change (95 %)"], rows, 2),
    ]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _makers(snapshot: "Snapshot") -> list[str]:
    """Where the chapters were made: a sentence for each machine and environment."""
    of_each: dict[str, list[str]] = {}
    days: dict[str, set[str]] = {}
    for name, made in snapshot.made["chapters"].items():
        machine, versions = made["machine"], made["versions"]
        packages = ", ".join(f"{one} {versions[one]}" for one in MAKERS if one in versions)
        maker = f"{machine['cores']} cores ({machine['processor']}), {packages}"
        of_each.setdefault(maker, []).append(name)
        days.setdefault(maker, set()).update((made["first"][:10], made["last"][:10]))
    most = max(of_each, key=lambda maker: len(of_each[maker]))
    told = []
    for maker, chapters in sorted(of_each.items(), key=lambda one: one[0] != most):
        numbers = _listed([snapshot.made["chapters"][name]["number"] for name in chapters])
        first, last = min(days[maker]), max(days[maker])
        when = f"on {last}" if first == last else f"from {first} to {last}"
        what = (
            "Made" if len(of_each) == 1 else f"Chapter{'s' * (len(chapters) > 1)} {numbers}: made"
        )
        told.append(f"{what} {when} on {maker}.")
    return told


def _seeds(snapshot: "Snapshot") -> str:
    """How many seeds the numbers that an interval judges have."""
    n = sorted(int(row["n_seeds"]) for row in snapshot.reproduction if row["p"])
    if not n:
        return "one seed"
    most = Counter(n).most_common(1)[0][0]
    return f"{most} seeds" if n[0] == n[-1] else f"{n[0]} to {n[-1]} seeds, mostly {most}"


def _behind(snapshot: "Snapshot", behind: Mapping[str, Sequence[str]]) -> list[str]:
    """Which numbers are of settings that the configuration has no more."""
    if not behind:
        return []
    each = [
        f"{snapshot.made['chapters'][chapter]['number']} "
        f"{', '.join(f'`{name}`' for name in experiments)}"
        for chapter, experiments in behind.items()
    ]
    return [
        "",
        "Since then the settings or seeds of some experiments have changed, and they are to be run "
        f"again: {'; '.join(each)}. Their numbers above are those of the settings before.",
    ]


def _left_out(chapters: Mapping[str, Any]) -> list[str]:
    """The experiments that were not run, by chapter; nothing where all were."""
    told = [
        f"{one['number']} {', '.join(f'`{name}`' for name in one['left_out'])}"
        for one in chapters.values()
        if one["left_out"]
    ]
    return ["", f"Left out, since their data could not be had: {'; '.join(told)}."] if told else []


def section(snapshot: "Snapshot", behind: Mapping[str, Sequence[str]]) -> str:
    """The README's results, between the two marks.

    Args:
        behind: chapter -> its experiments that the configuration makes otherwise by now.
    """
    rows, made = snapshot.reproduction, snapshot.made
    total = Counter(row["verdict"] for row in rows)
    shown = [verdict for verdict in VERDICTS if total[verdict]]
    chances = {row["id"]: float(row["p"]) for row in rows if row["p"]}
    outside = sum(row["verdict"] in OUTSIDE for row in rows if row["p"])
    table = [
        (_title(made["chapters"][chapter]), sum(count.values()), *(count[one] for one in shown))
        for chapter, count in counts(rows).items()
    ]
    table.append(("all", len(rows), *(total[verdict] for verdict in shown)))
    threads = sorted({run.threads for run in snapshot.runs.values()})
    n = Counter(int(row["n_seeds"]) for row in rows if row["p"]).most_common(1)[0][0]
    hours = sum(run.seconds for run in snapshot.runs.values())
    stand = sum(bool(row["stands_out"]) for row in rows)
    lines = [
        BEGIN,
        "",
        f"The tutorial prints {len(rows)} numbers. On the original data (those that vary from run "
        f"to run with {_seeds(snapshot)}):",
        "",
        *_table(["chapter", "numbers", *shown], table, 1),
        "",
        f"![{in_words(rows)}]({PICTURE.as_posix()})",
        "",
        f"{len(chances)} numbers are judged by a 95 % interval. {outside} lie outside, where "
        f"{format_number((1 - COVERAGE) * len(chances), 2)} would if all held; "
        f"{stand} {'stands' if stand == 1 else 'stand'} out even though many were looked at. With "
        f"{n} seeds the rule catches, four times in five, a printed run whose process lies "
        f"{format_number(seen_shift(n), 2)} standard deviations from ours.",
        *_of_faults(snapshot.errata),
        "",
        f"{' '.join(_makers(snapshot))} {len(snapshot.runs)} runs of "
        f"{' or '.join(map(str, threads))} {'thread' if threads == [1] else 'threads'}, "
        f"{format_seconds(hours)} of training. The tables are in "
        "[`results/reference/`](results/reference/); `make compare CHAPTER=ch04` runs a chapter "
        "and compares it with them.",
        *_left_out(made["chapters"]),
        *_behind(snapshot, behind),
        "",
        END,
    ]
    return "\n".join(lines)


def replaced(path: Path, new: str, begin: str = BEGIN, end: str = END) -> str:
    """A text file with what stands between its two marks replaced, marks and all.

    Raises:
        KerasbookError: the marks are not there, once each and in order.
    """
    text = path.read_text(encoding="utf-8")
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed or begin in tail or end in tail:
        raise KerasbookError(
            f"{path.name}: found no single pair of the lines '{begin}' and '{end}', expected them "
            f"around what is written there. Restore them with git checkout {path.name}."
        )
    return head + new + tail


def draw(snapshot: "Snapshot", path: Path) -> None:
    """Write the README's picture."""
    titles = {name: _title(one) for name, one in snapshot.made["chapters"].items()}
    figure = picture(snapshot.reproduction, titles, 8.4)
    plots.save_svg(figure, path, in_words(snapshot.reproduction))


def write(project: Path, snapshot: "Snapshot", behind: Mapping[str, Sequence[str]]) -> None:
    """Write the README's results and their picture.

    Raises:
        KerasbookError: the README lacks its marks.
    """
    readme = project / "README.md"
    text = replaced(readme, section(snapshot, behind))
    draw(snapshot, project / PICTURE)
    write_text(readme, text)
