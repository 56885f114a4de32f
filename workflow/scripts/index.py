"""The first page, and the table of every printed number."""

import os
import shlex
from collections import Counter
from pathlib import Path

from kerasbook import dag, html, plots, provenance, reproduction, steps
from kerasbook.comparison import against, comparable, stages
from kerasbook.delivery import import_command
from kerasbook.files import read_json, write_text
from kerasbook.reporting import (
    EDITION_NOTES,
    TABLE_COLUMNS,
    benchmark,
    printed_of,
    write_rows,
    write_table,
)
from kerasbook.store import DEFAULT_URI, FILES
from kerasbook.verdicts import COVERAGE, Row, false_discoveries, read_ledger, seen_shift

STEP_COLUMNS = ["chapter", "rule", "experiment", "seed", "seconds", "peak_mb", "run_id", "record"]
EXPERIMENT_COLUMNS = [
    "chapter", "name", "title", "variant", "n_seeds", "parameters", "seconds", "peak_mb", "skill",
    "linear", "metric", "mean", "sd",
]  # fmt: skip


def missing_row(row: Row, reasons: dict[str, str]) -> dict:
    """A printed number of a chapter that was not run, and why."""
    reason = reasons.get(row.id, "the chapter was not selected")
    empty = dict.fromkeys(
        ("mean", "sd", "lower", "upper", "p", "ours", "baseline", "baseline_name", "peer",
         "peer_source", "cause")
    )  # fmt: skip
    return {
        **printed_of(row),
        **empty,
        "n_seeds": 0,
        "verdict": "not run",
        "reason": reason,
        "run_ids": [],
        "command": "",
    }


def unseen_jobs(page: dict, results: Path) -> list[dict]:
    """The jobs that a chapter's page cannot tell of: its downloads, and what made the page.

    Args:
        results: the edition's folder.
    """
    files = dict.fromkeys((one["dataset"], one["file"]) for one in page["provenance"]["data"])
    jobs = [
        ("download", f"{dataset}/{file}", Path(f"logs/download/{dataset}/{file}.benchmark.tsv"))
        for dataset, file in files
    ]
    jobs.append(("report", None, results / page["slug"] / "benchmarks" / "report.tsv"))
    return [
        {"rule": f"{page['chapter']}_{stage}", "experiment": name, **benchmark(path)}
        for stage, name, path in jobs
        if path.exists()
    ]


def steps_of(pages: list[dict], others: dict[str, list[dict]]) -> list[dict]:
    """Every job of every chapter: its time (s), peak memory (MB), run and record, where it has one.

    Args:
        others: slug -> jobs that a chapter's page does not tell of.
    """
    rows = []
    for page in pages:
        for step in [*page["provenance"]["steps"], *others[page["slug"]]]:
            told = dict.fromkeys(STEP_COLUMNS) | {"chapter": page["chapter"], **step}
            if told["record"]:  # a path from the chapter's page there
                told["record"] = os.path.normpath(f"{page['slug']}/{told['record']}")
            rows.append(told)
    return rows


def experiments_of(pages: list[dict]) -> list[dict]:
    """Each shown metric of each experiment: a row of the table of experiments, as a file."""
    return [
        {
            **one,
            "chapter": page["chapter"],
            "n_seeds": len(one["seeds"]),
            "metric": metric["name"],
            "mean": metric["mean"],
            "sd": metric["sd"],
        }
        for page in pages
        for one in page["experiments"]
        for metric in one["metrics"]
    ]


def many(rows: list[dict]) -> dict:
    """What is to be said where many numbers are judged at once, each by a 95 % interval.

    Rows that stand out even so are marked.
    """
    chances = {row["id"]: row["p"] for row in rows if row["p"] is not None}
    seeds = Counter(row["n_seeds"] for row in rows if row["p"] is not None)
    n = seeds.most_common(1)[0][0] if seeds else None
    outside = [row["id"] for row in rows if row["p"] is not None and row["verdict"] != "holds"]
    stand = false_discoveries(chances)
    for row in rows:
        row["stands_out"] = "yes" if row["id"] in stand else None
    return {
        "judged": len(chances),
        "outside": len(outside),
        "expected": (1 - COVERAGE) * len(chances),
        "stand": len(stand),
        "seeds": n,
        "sees": seen_shift(n) if n else None,
    }


def index_of(
    pages: list[dict], ledger: list[Row], edition: str, reasons: dict[str, str], results: Path
) -> dict:
    """The data of the index page.

    Args:
        results: the edition's folder.
    """
    judged = {row["id"]: row for page in pages for row in page["rows"]}
    rows = [judged.get(row.id) or missing_row(row, reasons) for row in ledger]
    others = {page["slug"]: unseen_jobs(page, results) for page in pages}
    steps_done = [step for page in pages for step in page["provenance"]["steps"]]
    cards = []
    for page in pages:
        telling = [one for one in page["figures"] if one["name"] == page["telling_figure"]]
        cards.append(
            {
                **{key: page[key] for key in ("chapter", "slug", "number", "title", "summary",
                                              "verdict_counts")},
                "n_rows": len(page["rows"]),
                "figure": {"alt": telling[0]["alt"], "file": f"{page['slug']}/{telling[0]['file']}"}
                if telling
                else None,
                "report": f"{page['slug']}/report.html",
            }
        )  # fmt: skip
    return {
        "edition": edition,
        "edition_note": EDITION_NOTES.get(edition),
        "generated": provenance.now(),
        "commit": provenance.commit()[0],
        "verdict_counts": dict(Counter(row["verdict"] for row in rows)),
        "chapters": cards,
        "rows": rows,
        "many": many(rows),
        "n_rows_total": len(rows),
        "experiments": [
            {**one, "chapter": page["chapter"]} for page in pages for one in page["experiments"]
        ],
        "stages": stages(pages, others),
        "steps": steps_of(pages, others),
        "steps_total": {
            "seconds": sum(step["seconds"] or 0 for step in steps_done),
            "jobs": len(steps_done),
        },
    }


def compared(pages: list[dict], path: Path, folder: Path) -> dict:
    """Draw the experiments of all chapters beside each other, and say it in words."""
    experiments = comparable(pages)
    plots.save_svg(against(experiments), path, "Experiments of all chapters")
    best = {one["number"]: one for one in sorted(experiments, key=lambda one: one["skill"])}
    told = "; ".join(
        f"{number} {one['title']} {one['skill']:.3f}" for number, one in sorted(best.items())
    )
    return {
        "file": path.relative_to(folder).as_posix(),
        "alt": f"Skill against parameters and against time. The best of each chapter: {told}.",
        "caption": "Skill is the share of the trivial rule's mistakes that an experiment does not "
        "make, so that tasks on which guessing is worth more or less stand on one axis: 0 always "
        "gives the commonest class, 1 makes no mistake; what is below -1 stands there. "
        "A mark is the mean over seeds; linear models are hollow. The axes of size and time are "
        "logarithmic.",
    }


def workflow(chapters: list[dict], path: Path, folder: Path) -> dict | None:
    """Draw which job waits for which, and say it in words; None where no chapter can be run."""
    if not chapters:
        plots.save_svg(plots.note("No chapter can be run."), path, "The workflow")
        return None
    plots.save_svg(dag.drawn(chapters), path, "The workflow")
    return {
        "file": path.relative_to(folder).as_posix(),
        "alt": dag.told(chapters),
        "caption": "In each box the number of jobs. Blue and dashed: a chapter's page compares "
        "with the results of another. Blue above a box: experiments there start from the model "
        "of another.",
    }


def drawn_reproduction(rows: list[dict], path: Path, folder: Path) -> dict | None:
    """Draw the verdicts of all chapters, and how far off each judged number lies.

    None, and a note in place of the picture, where no number is judged.
    """
    judged = bool(reproduction.distances(rows))
    titles = {chapter: f"4.{int(chapter[2:])}" for chapter in reproduction.counts(rows)}
    figure = (
        reproduction.picture(rows, titles, plots.WIDTH)
        if judged
        else plots.note("No number of this edition is judged by an interval.")
    )
    plots.save_svg(figure, path, "Every printed number beside ours")
    if not judged:
        return None
    return {
        "file": path.relative_to(folder).as_posix(),
        "alt": reproduction.in_words(rows),
        "caption": "Left: the verdicts of each chapter. Right: each number that an interval "
        "judges, by how far the printed value lies from our mean, in half widths of its interval: "
        "what lies in the grey band holds. What is farther off stands at the edge.",
    }


def mlflow_command(uri: str, edition: str) -> str:
    """How a reviewer opens the runs: a server in a browser, a database by MLflow's own server.

    Runs that were written to files are imported first. The name and password of a database are
    left out; who may read it knows them.
    """
    shown = provenance.shown_uri(uri)
    if provenance.is_served(shown):
        return f"open {shown}"
    if shown == FILES:
        return f"{import_command(edition)} && {mlflow_command(DEFAULT_URI, edition)}"
    return f"mlflow ui --backend-store-uri {shlex.quote(shown)} --host 127.0.0.1"


def main(snakemake) -> None:
    """Write the index page and the table."""
    pages = [read_json(file) for file in snakemake.input.pages]
    ledger = read_ledger(Path(snakemake.input.ledger))
    params = snakemake.params
    folder = Path(snakemake.output.html).parent
    index = index_of(pages, ledger, params.edition, params.reasons, folder)
    index["mlflow_command"] = mlflow_command(params.tracking_uri, params.edition)
    index["comparison"] = compared(pages, Path(snakemake.output.comparison), folder)
    index["workflow"] = workflow(params.overview, Path(snakemake.output.workflow), folder)
    index["reproduction"] = drawn_reproduction(
        index["rows"], Path(snakemake.output.reproduction), folder
    )
    write_text(snakemake.output.html, html.render_index(index, folder))
    write_rows(snakemake.output.table, index["rows"], [*TABLE_COLUMNS, "stands_out"])
    write_table(snakemake.output.steps, STEP_COLUMNS, index["steps"])
    write_table(snakemake.output.experiments, EXPERIMENT_COLUMNS, experiments_of(pages))


if "snakemake" in globals():
    steps.run(main, snakemake)
