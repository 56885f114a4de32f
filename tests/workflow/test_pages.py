"""The pages before public validators and in a browser: HTML, accessibility, phone, print, use.

They run on the pages of the smoke run and on some with invented results, or on those of the
folder that KERASBOOK_PAGES names (`make pages`). HTML is checked with Java, the rest in Chromium
by Node.js, both with what `npm ci` in tests/pages brings. A test is skipped where a tool of its
own is not there; where KERASBOOK_INSTALL_BROWSER asks for the tools, as in CI, it fails.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.pages import examples
from tests.pages.picture import browser_here

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tests/pages"
PACKAGES = TOOLS / "node_modules"
VALIDATOR = PACKAGES / "vnu-jar/build/dist/vnu.jar"


def need(tools: dict[str, object]) -> None:
    """Skip, or fail where they were asked for, if a tool is not there.

    Args:
        tools: name -> anything true where it is there.
    """
    missing = [name for name, there in tools.items() if not there]
    if not missing:
        return
    reason = f"not found: {', '.join(missing)}"
    if os.environ.get("KERASBOOK_INSTALL_BROWSER"):
        pytest.fail(f"{reason}, though KERASBOOK_INSTALL_BROWSER asks for it", pytrace=False)
    pytest.skip(reason)


def npm_package(name: str) -> dict[str, bool]:
    return {f"{name} (npm ci in tests/pages)": (PACKAGES / name / "package.json").is_file()}


@pytest.fixture(scope="session")
def validator() -> list:
    """The command of the Nu HTML checker."""
    need({"java": shutil.which("java"), **npm_package("vnu-jar")})
    return ["java", "-jar", VALIDATOR, "--format", "json"]


@pytest.fixture(scope="session")
def browser():
    """Asks the browser about pages; gives what it says of them."""
    chromium = browser_here()
    packages = npm_package("playwright-core") | npm_package("axe-core")
    need({"node": shutil.which("node"), "chromium": chromium, **packages})

    def ask(**what) -> dict:
        done = subprocess.run(
            ["node", TOOLS / "browser.js"],
            input=json.dumps({"chromium": chromium, "pages": [], **what}),
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="module")
def folder(request):
    """The folder with the pages of an edition."""
    named = os.environ.get("KERASBOOK_PAGES")
    if named is None:
        return request.getfixturevalue("smoke").project.folder / "results/smoke"
    path = ROOT / named
    if not (path / "index.html").is_file():
        pytest.fail(f"{path}: no index.html there; run snakemake first", pytrace=False)
    return path


@pytest.fixture(scope="module")
def pages(folder, tmp_path_factory):
    files = [folder / "index.html", folder / "errata.html", *sorted(folder.glob("ch*/report.html"))]
    files += sorted(folder.glob("ch*/sweeps/*.html"))  # where sweeps were run
    assert len(files) > 2
    if "KERASBOOK_PAGES" not in os.environ:
        files += examples.write(tmp_path_factory.mktemp("examples"))
    return files


@pytest.fixture(scope="module")
def told(browser, folder, pages):
    return browser(pages=[str(path) for path in pages], index=str(folder / "index.html"))


@pytest.fixture(scope="module")
def screens(told, pages):
    """Page, theme and width -> what is told of that view."""
    views = {
        f"{page} {view}": one
        for page, said in told["pages"].items()
        for view, one in said["screens"].items()
    }
    assert len(views) == 4 * len(pages)
    return views


@pytest.fixture(scope="module")
def papers(told):
    return {page: said["paper"] for page, said in told["pages"].items()}


def faults(views: dict, key: str) -> dict:
    """Where something is told under a key."""
    return {view: one[key] for view, one in views.items() if one[key]}


def test_pages_are_valid_html_and_css(validator, pages):
    """The Nu HTML checker: neither errors nor warnings, the drawings and the style included."""
    done = subprocess.run([*validator, *pages], capture_output=True, text=True, timeout=300)
    messages = json.loads(done.stderr)["messages"]
    assert [(one["url"], one["message"], one.get("extract")) for one in messages] == []


def test_axe_finds_nothing_on_a_screen_or_a_phone_in_light_or_dark(screens):
    assert faults(screens, "violations") == {}


def test_pages_ask_for_nothing_and_run_without_errors(told):
    views = {**told["pages"], "use": told["use"], "plain": told["plain"]}
    assert faults(views, "requests") == {}
    assert faults(views, "errors") == {}


def test_no_page_is_wider_than_its_window(screens):
    assert faults(screens, "outside") == {}
    for view, one in screens.items():
        assert one["width"] <= int(view.rpartition(" ")[2]), view


@pytest.mark.parametrize("what", ["buttons", "scrolling", "tall", "folded"])
def test_print_cuts_nothing_off_and_shows_what_is_folded(papers, what):
    assert faults(papers, what) == {}
    assert all(one["width"] <= 688 for one in papers.values())


# ------------------------------------------------------------- the table of the first page


@pytest.fixture(scope="module")
def rows(folder):
    with open(folder / "reproduction.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_rows_are_found_by_words_and_by_verdict(told, rows):
    use = told["use"]
    names = [row["id"] for row in rows]
    assert use["all"] == names
    losses = [name for name in names if name.startswith("ch07.") and "loss" in name]
    assert losses and use["found"] == losses
    assert use["nothing"] == {"rows": [], "said": f"0 of {len(names)} numbers"}
    verdict = use["verdict"]["name"]
    assert use["verdict"]["rows"] == [row["id"] for row in rows if row["verdict"] == verdict] != []


def number(text: str) -> float | None:
    """The number that a text begins with: of a range the lower end."""
    found = re.match(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)
    return float(found[0]) if found else None


@pytest.mark.parametrize(("way", "sign"), [("up", 1), ("down", -1)])
def test_rows_are_sorted_by_a_column_both_ways_and_texts_stay_last(told, rows, way, sign):
    one = told["use"][way]
    assert one["told"] == {"up": "ascending", "down": "descending"}[way]
    assert len(one["values"]) == len(rows)
    numbers = [number(text) for text in one["values"]]
    known = [value for value in numbers if value is not None]
    assert 0 < len(known) < len(numbers)
    assert numbers == known + [None] * (len(numbers) - len(known))
    assert [sign * value for value in known] == sorted(sign * value for value in known)


def test_a_command_is_copied_and_the_theme_turned_over(told):
    assert told["use"]["copied"] in ("Copied", "Selected")
    assert told["use"]["light"] != told["use"]["dark"]


def test_without_javascript_all_is_there_and_nothing_pretends_to_work(told, rows):
    plain = told["plain"]
    assert plain["rows"] == [row["id"] for row in rows]
    assert plain["controls"] == []
    assert plain["opened"] == 1


# ------------------------------------------------------------------------ snakemake --report


@pytest.mark.skipif("KERASBOOK_PAGES" in os.environ, reason="looks at the smoke run's report")
def test_snakemakes_report_opens_from_its_zip(browser, report_zip, tmp_path):
    with zipfile.ZipFile(report_zip) as archive:
        archive.extractall(tmp_path)
    opened = browser(report=str(tmp_path / "report/report.html"))["report"]
    assert [one for one in opened["requests"] if not one.startswith(tmp_path.as_uri())] == []
    drawn = {path.relative_to(tmp_path / "report").as_posix() for path in tmp_path.rglob("*.svg")}
    assert {one["source"] for one in opened["figures"]} == drawn
