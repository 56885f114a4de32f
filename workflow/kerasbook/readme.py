"""What the README says of the results: written from the reference snapshot, never typed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerasbook import plots
from kerasbook.errors import KerasbookError
from kerasbook.files import write_text
from kerasbook.html import format_number, format_seconds
from kerasbook.reproduction import counts, in_words, picture
from kerasbook.verdicts import COVERAGE, VERDICTS, false_discoveries, seen_shift

if TYPE_CHECKING:
    from kerasbook.reference import Snapshot

BEGIN = "<!-- Written by `make snapshot` from results/reference; do not edit. -->"
END = "<!-- The end of what `make snapshot` writes. -->"
PICTURE = Path("docs/reproduction.svg")
# The faults that are named; errata.tsv has them all.
MOST = 5
MAKERS = ("python", "keras", "tensorflow-cpu", "tensorflow", "numpy")


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
    costs = [row for row in errata if row["standing"] == "costs"]
    rows = [
        (
            _cell(f"{row['printed']} {row['wrong']}"),
            f"`{row['metric']}`",
            _number(row["before"]),
            _number(row["after"]),
            f"{_number(row['lower'])} to {_number(row['upper'])}",
        )
        for row in costs[:MOST]
    ]
    if not rows:
        return []
    return [
        "",
        f"Of {len(errata)} faults of the printed code, each repaired alone and paired by seed, "
        f"{len(costs)} have a 95 % interval that does not hold zero. Those that change most:",
        "",
        *_table(["fault", "number", "as printed", "repaired", "change (95 %)"], rows, 2),
    ]


def section(snapshot: "Snapshot") -> str:
    """The README's results, between the two marks."""
    rows, made = snapshot.reproduction, snapshot.made
    total = Counter(row["verdict"] for row in rows)
    shown = [verdict for verdict in VERDICTS if total[verdict]]
    chances = {row["id"]: float(row["p"]) for row in rows if row["p"]}
    outside = sum(p < 1 - COVERAGE for p in chances.values())
    table = [
        (_title(made["chapters"][chapter]), sum(count.values()), *(count[one] for one in shown))
        for chapter, count in counts(rows).items()
    ]
    table.append(("all", len(rows), *(total[verdict] for verdict in shown)))
    machine, versions = made["machine"], made["versions"]
    named = [
        f"{name} {versions[name]}" for name in ("python", "keras", "numpy") if name in versions
    ]
    threads = sorted({run.threads for run in snapshot.runs.values()})
    n = Counter(int(row["n_seeds"]) for row in rows if row["p"]).most_common(1)[0][0]
    days = dict.fromkeys((made["first"][:10], made["last"][:10]))
    when = f"on {made['last'][:10]}" if len(days) == 1 else f"from {' to '.join(days)}"
    seeds = f"seed{'' if len(made['seeds']) == 1 else 's'} {', '.join(map(str, made['seeds']))}"
    lines = [
        BEGIN,
        "",
        f"The tutorial prints {len(rows)} numbers. On the original data, with the {seeds}:",
        "",
        *_table(["chapter", "numbers", *shown], table, 1),
        "",
        f"![{in_words(rows)}]({PICTURE.as_posix()})",
        "",
        f"{len(chances)} numbers are judged by a 95 % interval. {outside} lie outside, where "
        f"{format_number((1 - COVERAGE) * len(chances), 2)} would if all held; "
        f"{len(false_discoveries(chances))} stand out even though many were looked at. With "
        f"{n} seeds the rule catches, four times in five, a printed run whose process lies "
        f"{format_number(seen_shift(n), 2)} standard deviations from ours.",
        *_of_faults(snapshot.errata),
        "",
        f"Made {when} on {machine['cores']} cores ({machine['processor']}), "
        f"{' or '.join(map(str, threads))} {'thread' if threads == [1] else 'threads'} a run, "
        f"{', '.join(named)}: {made['jobs']} jobs, "
        f"{format_seconds(3600 * made['hours'])} of computing. The tables are in "
        "[`results/reference/`](results/reference/); `make compare CHAPTER=ch04` runs a chapter "
        "and compares it with them.",
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


def write(project: Path, snapshot: "Snapshot") -> None:
    """Write the README's results and their picture.

    Raises:
        KerasbookError: the README lacks its marks.
    """
    readme = project / "README.md"
    text = replaced(readme, section(snapshot))
    draw(snapshot, project / PICTURE)
    write_text(readme, text)
