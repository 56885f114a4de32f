"""The page and the table of all faults of the printed code."""

from collections import Counter
from pathlib import Path

from kerasbook import errata, html, plots, provenance, steps
from kerasbook.files import read_json, write_text
from kerasbook.reporting import EDITION_NOTES, write_table


def told_of(rows: list[dict]) -> str:
    """The figure in words."""
    known = [row for row in rows if row["relative"] is not None]
    each = "; ".join(
        f"{row['number']} {row['fault'].replace('_', ' ')} {100 * row['relative']:+.1f} %"
        for row in known
    )
    return f"Relative change of each fault's number once it is repaired: {each or 'none'}."


def main(snakemake) -> None:
    """Write the page, the table and the figure."""
    rows = errata.collect(read_json(file) for file in snakemake.input.pages)
    counts = Counter(row["standing"] for row in rows)
    bare = sum(row["relative"] is None and row["effect"] is not None for row in rows)
    figure = Path(snakemake.output.figure)
    plots.save_svg(errata.forest(rows), figure, "What the faults cost")
    folder = Path(snakemake.output.html).parent
    page = {
        "rows": rows,
        "counts": {name: counts[name] for name in errata.STANDINGS if counts[name]},
        "standings": errata.STANDINGS,
        "figure": {
            "file": figure.relative_to(folder).as_posix(),
            "alt": told_of(rows),
            "caption": "The dot is the mean over paired seeds, the line the 95 % interval of the "
            "change. Coloured: the interval does not hold zero. Changes beyond the axis "
            "stand at its edge. Not drawn: what was not measured"
            + (f", and what began at 0, of which nothing is a share ({bare})." if bare else "."),
        },
        "edition": snakemake.params.edition,
        "edition_note": EDITION_NOTES.get(snakemake.params.edition),
        "generated": provenance.now(),
        "commit": provenance.commit()[0],
    }
    write_text(snakemake.output.html, html.render_errata(page, folder))
    write_table(snakemake.output.table, errata.COLUMNS, rows)


if "snakemake" in globals():
    steps.run(main, snakemake)
