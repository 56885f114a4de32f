"""Pages with invented results, of what a smoke run has none: verdicts, and the page of a sweep."""

import json
from pathlib import Path
from types import SimpleNamespace

from scripts import sweep_page

from kerasbook import html
from kerasbook.files import write_text
from tests.unit import page_example

SWEEP = {
    "title": "Shape & rate",
    "of": "conv",
    "fixed": {"epochs": 2},
    "drawn": True,
    "keys": {
        "optimizer.learning_rate": {"log": True, "listed": None, "bounds": [1e-3, 1.0]},
        "layers.0.filters": {"log": False, "listed": [4, 8, 16], "bounds": None},
        "cell": {"log": False, "listed": ["gru", "lstm"], "bounds": None},
    },
    "seeds": [1, 2],
    "metric": "loss",
    "better": "less",
    "held_out": "test_loss",
}


def write_points(folder: Path) -> list[str]:
    """The records of sixty runs, of which two ran away."""
    files = []
    for place in range(30):
        rate = 10 ** (-0.1 * place)
        values = {"optimizer.learning_rate": rate, "layers.0.filters": [4, 8, 16][place % 3],
                  "cell": ["gru", "lstm"][place % 2]}  # fmt: skip
        for seed in SWEEP["seeds"]:
            loss = None if place == 7 else abs(place - 12) / 10 + 0.01 * seed + 0.2 * (place % 2)
            told = {"point": f"p{place:02}", "seed": seed, "values": values, "seconds": 1.5,
                    "metrics": {"loss": loss, "test_loss": loss and loss + 0.02},
                    "run_id": f"{place:031}{seed}"}  # fmt: skip
            files.append(folder / f"p{place:02}/seed{seed}.json")
            write_text(files[-1], json.dumps(told))
    return list(map(str, files))


def write_sweep(folder: Path) -> Path:
    """The page of a sweep, made by its script."""
    page = folder / "sweeps/shape_and_rate.html"
    stem = page.with_suffix("")
    sweep_page.main(
        SimpleNamespace(
            input=SimpleNamespace(points=write_points(stem)),
            output=SimpleNamespace(
                html=str(page),
                table=f"{stem}.tsv",
                importance=f"{stem}_importance.tsv",
                figures=[f"{stem}_{name}.svg" for name in ("importance", "parallel", "effects")],
            ),
            params=SimpleNamespace(
                sweep=SWEEP,
                chapter={"number": "4.7", "title": "Six or not six"},
                options="-c2",
                edition="book",
            ),
            wildcards=SimpleNamespace(chapter=page_example.SLUG, sweep="shape_and_rate"),
        )
    )
    return page


def write(folder: Path) -> list[Path]:
    """The pages of an edition with one chapter, below a folder."""
    chapter = folder / page_example.SLUG
    page_example.draw_figures(chapter)
    told = {
        folder / "index.html": html.render_index(page_example.index(), folder),
        folder / "errata.html": html.render_errata(page_example.errata(), folder),
        chapter / "report.html": html.render_chapter(page_example.page(), chapter),
    }
    for path, text in told.items():
        write_text(path, text)
    return [*told, write_sweep(chapter)]
