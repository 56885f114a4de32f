"""The README's picture of a chapter's page, with what it shows as text beside the pixels.

    make picture            of 4.7 in results/book

The text (PNG's own, key `shows`) has the verdicts' counts and the first rows, so that a test can
tell when the picture no longer shows what the reference snapshot says.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE = 1180, 820
SHOWN = 6  # rows that stand in a picture of that size


def browser_here() -> str | None:
    """The path of the browser that is installed; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def shows(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the picture says: the counts of the verdicts, and each row's id, value and verdict.

    Args:
        rows: of a chapter, from `report.json` or the snapshot's `reproduction.tsv`.
    """
    counts = dict(sorted(Counter(row["verdict"] for row in rows).items()))
    first = [
        [row["id"], row["printed"], f"{float(row['mean']):.4f}" if row["mean"] else "",
         row["verdict"]]
        for row in rows[:SHOWN]
    ]  # fmt: skip
    return json.dumps({"verdicts": counts, "rows": first})


def shown_by(picture: Path) -> str | None:
    """The text of a picture; None where it has none."""
    with Image.open(picture) as image:
        return image.info.get("shows")


def main(page: Path, picture: Path) -> None:
    """Photograph a chapter's page from its table of numbers on."""
    if not page.is_file():
        raise SystemExit(f"{page}: not found; run the book edition's 4.7 first (make book)")
    rows = json.loads((page.parent / "report.json").read_text(encoding="utf-8"))["rows"]
    browser = browser_here()
    if browser is None:
        raise SystemExit(f"found none of {', '.join(BROWSERS)}, expected a browser")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        # Headless, it does not go to a place of a page: the table alone is left of it.
        text = page.read_text(encoding="utf-8").replace(
            "</head>",
            "<style>header, .title, nav, main > :not(#numbers) { display: none !important }"
            "</style></head>",
        )
        copy = Path(folder) / "page.html"
        copy.write_text(text, encoding="utf-8")
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--screenshot={shot}",
             f"--window-size={SIZE[0]},{SIZE[1]}", copy.as_uri()],
            check=True,
        )  # fmt: skip
        told = PngImagePlugin.PngInfo()
        told.add_text("shows", shows(rows))
        with Image.open(shot) as image:
            small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
            small.save(picture, optimize=True, pnginfo=told)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
