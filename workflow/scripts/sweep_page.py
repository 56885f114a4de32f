"""The page of a sweep: which hyperparameter mattered, the best point, and all points."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasbook import html, importance, plots, provenance, steps, tried
from kerasbook.files import write_text
from kerasbook.importance import Importance
from kerasbook.reporting import EDITION_NOTES, write_table
from kerasbook.tried import Tried

LINKS = {"index": "../../index.html", "report": "../report.html"}


def number(value: float | None) -> str:
    return html.format_number(value)


def tried_text(told: Mapping[str, Any]) -> str:
    """What was tried of a key."""
    if told["listed"] is not None:
        return ", ".join(map(str, told["listed"]))
    low, high = (f"{one:.4g}" for one in told["bounds"])
    return f"drawn from {low} to {high}{', evenly by its logarithm' if told['log'] else ''}"


def lead_of(sweep: Mapping[str, Any], n_points: int) -> str:
    """What was tried, in a sentence."""
    keys = ", ".join(sweep["keys"])
    how = "drawn at random" if sweep["drawn"] else "of a grid"
    seeds = html.format_count(len(sweep["seeds"]), "seed")
    return f"{html.format_count(n_points, 'point')} {how}, each with {seeds}: {keys}."


def verdict_of(found: Sequence[Importance], n_points: int) -> str:
    """Which hyperparameter mattered, in words."""
    tried_points = html.format_count(n_points, "point")
    if not found:
        return (
            f"{tried_points} cannot tell which hyperparameter mattered: expected "
            f"{importance.LEAST_POINTS} or more, and not all with the same result."
        )
    out = [one for one in found if one.stands_out]
    idle = [one.key for one in found if not one.stands_out]
    if not out:
        return (
            f"No hyperparameter stands out from {tried_points}: every interval "
            "holds zero. More points would narrow them."
        )
    first = out[0]
    text = f"{first.key} mattered most: it has a part in "
    text += f"{100 * max(first.mean, 0):.0f} % of the variance of the points' order "
    text += f"(95 % interval {100 * first.lower:.0f} to {100 * first.upper:.0f} %). "
    more = [f"{one.key} ({100 * one.mean:.0f} %)" for one in out[1:]]
    if more:
        text += f"So did {', '.join(more)}. "
    if idle:
        matters = "matters" if len(idle) == 1 else "matter"
        text += f"These points do not show that {', '.join(idle)} {matters}."
    return text.strip()


def caution_of(points: Sequence[Tried], sweep: Mapping[str, Any]) -> str:
    """How much of the best point's number is the luck of the best of many."""
    metric, held_out, n = sweep["metric"], sweep["held_out"], len(points)
    if n == 1 or points[0].mean(metric) is None:
        return "There was no choice to be made."
    text = f"It is the best of {n}, and so partly the luckiest. "
    mean = points[0].mean(metric)
    if held_out and points[0].mean(held_out) is not None:
        usual = tried.usual_gap(points, metric, held_out)
        text += (
            f"On rows that had no part in the choice ({held_out}) it has "
            f"{number(points[0].mean(held_out))}, which differs by "
            f"{number(points[0].mean(held_out) - mean)} from its {metric}; of a point in the "
            f"middle that is {number(usual)}. Report the number of those rows."
        )
        return text
    other = tried.left_out_seed(points, metric, sweep["better"])
    if other is not None:
        text += (
            "Chosen by all seeds but one, and judged by that one, the best point has "
            f"{number(other)} on average, against {number(mean)} here: report the former."
        )
        if not held_out:
            text += " Where all seeds are judged by the same rows, those rows chose, too."
        return text
    return text + (
        "With one seed and no held-out number nothing here tells how much: run it with other "
        "seeds before its number is reported."
    )


def best_of(points: Sequence[Tried], sweep: Mapping[str, Any], command: str) -> dict[str, Any]:
    """What the page says of the best point."""
    best, metric = points[0], sweep["metric"]
    seeds = {seed: number(value) for seed, value in best.by_seed(metric).items()}
    measured = html.format_measured(best.mean(metric), best.sd(metric))
    told = f"{metric}: {measured}."
    if len(seeds) > 1:
        told += " By seed: " + ", ".join(f"{one} ({seed})" for seed, one in seeds.items()) + "."
    rows = [
        {"key": key, "value": best.values[key], "tried": tried_text(one)}
        for key, one in sweep["keys"].items()
    ]
    return {
        "rows": [
            {
                **row,
                "value": number(row["value"]) if isinstance(row["value"], float) else row["value"],
            }
            for row in rows
        ],
        "told": told,
        "caution": caution_of(points, sweep),
        "command": command,
    }


def judged(
    points: Sequence[Tried], sweep: Mapping[str, Any]
) -> tuple[list[Tried], list[Importance]]:
    """The points, the best first, and the importance of each key.

    Args:
        points: in the order in which they were planned. Named values become numbers in the order
            of their appearance: among points with the best first, those would tell the metric.
    """
    metric, better = sweep["metric"], sweep["better"]
    order = importance.ranks([one.mean(metric) for one in points], better)
    values = [one.values for one in points]
    found = importance.importances(values, list(sweep["keys"]), order)
    return tried.best_first(points, metric, better), found


def figures_of(
    points: Sequence[Tried], found: Sequence[Importance], sweep: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Name -> title, caption, alternative text and the figure."""
    metric, better = sweep["metric"], sweep["better"]
    order = [one.key for one in found] or list(sweep["keys"])
    keys = {key: sweep["keys"][key] for key in order}
    shares = "; ".join(
        f"{one.key} {one.mean:.2f} ({one.lower:.2f} to {one.upper:.2f})" for one in found
    )
    best = ", ".join(f"{key} {points[0].values[key]}" for key in keys)
    away = sum(one.mean(metric) is None for one in points)
    return {
        "importance": {
            "title": "Importance of each hyperparameter",
            "caption": "The share of the variance of the points' order in which the "
            "hyperparameter has a part, alone or with others, on points that the model behind it "
            "had not seen. The line holds 95 % of the resamples; coloured where it lies above "
            "zero.",
            "alt": f"Importance with interval: {shares or 'too few points'}.",
            "figure": tried.importance_figure(found),
        },
        "parallel": {
            "title": "Where the good points lie",
            "caption": "A line for each point, from axis to axis, the most important "
            "hyperparameter on top, down to the metric. Where values come from a list, the points "
            "stand a little apart."
            + (" Points that ran away end at the worst metric." if away else ""),
            "alt": f"Parallel coordinates of {len(points)} points. The best one: {best}; "
            f"{metric} {number(points[0].mean(metric))}.",
            "figure": tried.parallel_figure(points, keys, metric, better),
        },
        "effects": {
            "title": "One hyperparameter at a time",
            "caption": "A dot is a point, the line the medians of each value, or of five groups "
            "of equal size. The others vary at the same time.",
            "alt": f"{metric} by {', '.join(keys)}, a panel each.",
            "figure": tried.effects_figure(points, keys, metric),
        },
    }


def main(snakemake) -> None:
    """Write the page, its tables and its figures."""
    sweep, chapter = snakemake.params.sweep, snakemake.params.chapter
    slug, name = snakemake.wildcards.chapter, snakemake.wildcards.sweep
    metric, held_out = sweep["metric"], sweep["held_out"]
    where = f"config/chapters/{slug.split('_', 1)[0]}.yaml: sweeps.{name}"
    needed = [metric, *([held_out] if held_out else [])]
    points = tried.read_points(snakemake.input.points, needed, where)
    points, found = judged(points, sweep)

    folder = Path(snakemake.output.html).parent
    figures = []
    for file, (key, one) in zip(
        snakemake.output.figures, figures_of(points, found, sweep).items(), strict=True
    ):
        plots.save_svg(one["figure"], file, one["title"])
        told = {part: one[part] for part in ("title", "caption", "alt")}
        figures.append({"name": key, "file": Path(file).relative_to(folder).as_posix(), **told})

    seed = sweep["seeds"][0]
    rows = [
        {
            "rank": place,
            "name": one.name,
            "values": one.values,
            "metric": one.mean(metric),
            "sd": one.sd(metric),
            "held_out": one.mean(held_out) if held_out else None,
            "seconds": one.seconds,
            "record": Path(one.files[seed]).relative_to(folder).as_posix(),
            "runs": ",".join(one.runs.values()),
        }
        for place, one in enumerate(points, 1)
    ]
    command = f"snakemake {snakemake.params.options} --force -- {points[0].files[seed]}"
    page = {
        **sweep,
        "slug": f"{slug}/sweeps/{name}.html",
        "number": chapter["number"],
        "chapter_title": chapter["title"],
        "lead": lead_of(sweep, len(points)),
        "verdict": verdict_of(found, len(points)),
        "n_points": len(points),
        "n_runs": len(snakemake.input.points),
        "n_away": sum(one.mean(metric) is None for one in points),
        "seconds": sum(one.seconds for one in points),
        "best": best_of(points, sweep, command),
        "points": rows,
        "figures": figures,
        "files": {
            "table": Path(snakemake.output.table).name,
            "importance": Path(snakemake.output.importance).name,
        },
        # Pages that another command makes: led to where they are there.
        **{key: link if (folder / link).is_file() else None for key, link in LINKS.items()},
        "mlflow_experiment": f"{snakemake.params.edition}/{slug}",
        "mlflow_run": f"sweeps/{name}",
        "edition": snakemake.params.edition,
        "edition_note": EDITION_NOTES.get(snakemake.params.edition),
        "generated": provenance.now(),
        "commit": provenance.commit()[0],
    }
    write_text(snakemake.output.html, html.render_sweep(page, folder))
    write_table(
        snakemake.output.importance,
        ["key", "mean", "lower", "upper"],
        [vars(one) for one in found],
    )
    keys = list(sweep["keys"])
    columns = ["rank", "name", *keys, "metric", "sd", "held_out", "seconds", "runs"]
    write_table(snakemake.output.table, columns, [row["values"] | row for row in rows])


if "snakemake" in globals():
    steps.run(main, snakemake)
