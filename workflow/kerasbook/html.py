"""The report: a page for each chapter and an index, each one file that needs no network.

`render_chapter` takes what `report.json` holds, `render_index` what the index is made of.
Everything that reaches a page is escaped by Jinja2, Markdown may not carry HTML, and
figures are checked before they are inlined: a page can show what a file says, never run it.
"""

import base64
import hashlib
import itertools
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

from kerasbook.errors import KerasbookError
from kerasbook.provenance import run_page

MAX_BYTES = 1_500_000
TEMPLATES = Path(__file__).parent / "templates"

# A symbol for each verdict, so that no one has to tell colours apart.
VERDICTS = {
    "exact": ("=", "Every printed digit comes out."),
    "holds": ("≈", "The printed value lies in the interval that our seeds give."),
    "better": ("▲", "Ours is better, and the printed value lies outside our interval."),
    "worse": ("▼", "Ours is worse, and the printed value lies outside our interval."),
    "differs": ("≠", "The printed value is another than ours, and neither is the better one."),
    "not run": (
        "○",
        "Nothing of ours can be compared; the reason stands beside it.",
    ),
    "not judged": ("·", "Measured but not compared: a timing, or a spread that cannot be known."),
}
VARIANTS = {
    "as_printed": "as printed",
    "corrected": "corrected",
    "exercise": "exercise",
    "beyond": "beyond the book",
}
MINUS = "\N{MINUS SIGN}"


# ------------------------------------------------------------------------ numbers


def _signed(text: str) -> str:
    """Digits with a proper minus sign, and no minus before nothing but zeros."""
    if not re.search(r"[1-9]", text):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _decimals_of(text: str) -> int | None:
    match = re.fullmatch(r"[-+]?\d+(?:\.(\d+))?", text.strip())
    return len(match.group(1) or "") if match else None


def _decimals_for(size: float, digits: int) -> int:
    """Decimals that show `digits` significant digits of a number of this size."""
    if not size or not math.isfinite(size):
        return digits
    return min(12, max(0, digits - 1 - math.floor(math.log10(abs(size)))))


def format_number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` significant digits; whole numbers as they are; `–` for None."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value).replace("-", MINUS)
    if float(value).is_integer() and abs(value) < 1e15:
        return _signed(f"{value:.0f}")
    if abs(value) < 1e-4 or abs(value) >= 1e15:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    return _signed(f"{value:.{_decimals_for(value, digits)}f}")


def format_like(value: float | None, printed: str, sd: float | None = None) -> str:
    """A number with as many decimals as the printed one, so that the two can be compared.

    Args:
        value: ours; None and what is not finite give `–`, `nan` and `inf`.
        printed: as it stands in the book, e.g. `0.9599`, `1348` or `1.2e-05`.
        sd: the spread of ours. Where more than five decimals were printed, digits that
            drown in the spread are left out.
    """
    if value is None or not math.isfinite(value):
        return format_number(value)
    exponent = re.fullmatch(r"\s*[-+]?\d+(?:\.(\d+))?[eE][-+]?\d+\s*", printed)
    if exponent:
        return f"{value:.{len(exponent.group(1) or '')}e}".replace("-", MINUS)
    decimals = _decimals_of(printed)
    if decimals is None:
        return format_number(value)
    if sd and decimals > 5:
        decimals = min(decimals, max(4, _decimals_for(sd, 2)))
    return _signed(f"{value:.{decimals}f}")


def format_measured(mean: float | None, sd: float | None) -> str:
    """`0.9640 ± 0.0021`: two significant digits of the spread lead, else four of the mean."""
    if mean is None:
        return "–"
    if not sd or not math.isfinite(sd) or not math.isfinite(mean):
        return format_number(mean)
    decimals = _decimals_for(sd, 2)
    return f"{_signed(f'{mean:.{decimals}f}')} ± {sd:.{decimals}f}"


def format_seconds(seconds: float | None) -> str:
    """`0.42 s`, `12.1 s`, `3 min 5 s`, `2 h 4 min`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def format_bytes(count: float | None) -> str:
    """Bytes in decimal units: `312 B`, `9.9 MB`."""
    if count is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def format_count(number: int, noun: str) -> str:
    """How many of something: `1 seed`, `3 seeds`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _grouped(value: float | None) -> str:
    """A count with a narrow space between thousands."""
    return "–" if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


# ----------------------------------------------------------------------- figures

SVG_NAMESPACE = "{http://www.w3.org/2000/svg}"
_SVG_ELEMENTS = {
    *("svg", "g", "defs", "use", "clipPath", "path", "rect", "circle", "ellipse", "line"),
    *("polyline", "polygon", "text", "tspan", "image", "title", "desc"),
}
_ID_USE = re.compile(r"url\(#([^)]+)\)")


def _figure_path(folder: Path, file: str) -> Path:
    path = folder / file
    if Path(file).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise KerasbookError(
            f"{file}: this figure lies outside the page's folder. "
            "Expected a path below that folder; write the figure there."
        )
    if not path.is_file():
        raise KerasbookError(
            f"{path}: not found. Expected a figure of the report; run snakemake again."
        )
    return path


def _check_attribute(name: str, value: str, path: Path) -> None:
    local = name.rsplit("}", 1)[-1].lower()
    if local == "href":
        allowed = value.startswith(("#", "data:image/png;base64,"))
    else:
        # Without its references into the file itself, nothing may still look like an address.
        # A CSS escape could spell one in another way, so there may be none.
        rest = _ID_USE.sub("", value).lower()
        allowed = not local.startswith("on") and not any(
            sign in rest for sign in ("url(", "javascript:", "@import", "\\")
        )
    if not allowed:
        raise KerasbookError(
            f'{path}: found the attribute {local}="{value[:60]}", which may run or load '
            "something. Expected a figure as kerasbook.plots.save_svg writes it."
        )


def _inline_svg(path: Path, alt: str, prefix: str) -> Markup:
    """The SVG element for a page: checked, with ids behind `prefix` and the alternative text."""
    text = path.read_text(encoding="utf-8")
    try:
        # A document type is what could define entities.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise KerasbookError(
                f"{path}: found a document type. Expected a figure as kerasbook.plots.save_svg "
                "writes it; write it with that."
            )
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise KerasbookError(
            f"{path}: is not valid SVG ({error}). Delete it and run snakemake again."
        ) from error
    for element in root.iter():
        tag = str(element.tag).removeprefix(SVG_NAMESPACE)
        if tag not in _SVG_ELEMENTS:
            raise KerasbookError(
                f"{path}: found the element <{tag}>. Expected a figure as "
                "kerasbook.plots.save_svg writes it."
            )
        element.tag = tag
        for name, value in list(element.attrib.items()):
            _check_attribute(name, value, path)
            del element.attrib[name]
            local = name.rsplit("}", 1)[-1]
            if local == "id":
                value = prefix + value
            elif local == "href" and value.startswith("#"):
                value = f"#{prefix}{value[1:]}"
            else:
                value = _ID_USE.sub(lambda used: f"url(#{prefix}{used.group(1)})", value)
            element.set(local, value)
    for title in root.findall("title"):  # the alternative text says it
        root.remove(title)
    width = re.match(r"[\d.]+", root.get("width", "302"))
    for name in ("width", "height", "style", "font-family", "aria-labelledby"):
        root.attrib.pop(name, None)
    # Type drawn at 9 points reads like the text of the page at 1.65 times that.
    root.set("style", f"max-width:{float(width.group()) * 1.65:.0f}px")
    root.set("role", "img")
    root.set("aria-label", alt)
    return Markup(ET.tostring(root, encoding="unicode"))


def _picture(folder: Path, file: str, alt: str, prefix: str) -> Markup:
    """A figure's file as an element that needs no other file.

    Raises:
        KerasbookError: missing, outside the folder, of another kind, or not harmless.
    """
    path = _figure_path(folder, file)
    if path.suffix == ".svg":
        return _inline_svg(path, alt, prefix)
    if path.suffix == ".png":
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(data, alt)
    raise KerasbookError(f"{path}: found the suffix '{path.suffix}', expected .svg or .png.")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()


def _figures(page: Mapping, folder: Path) -> dict[str, Markup]:
    """Name -> the whole `<figure>`."""
    template = _environment().get_template("figure.html")
    figures = {}
    for figure in page["figures"]:
        name = figure["name"]
        if name in figures:
            raise KerasbookError(f"{page['slug']}: two figures are named '{name}'; rename one.")
        prefix = f"{_slug(name)}-"
        picture = _picture(folder, figure["file"], figure["alt"], prefix)
        figures[name] = Markup(
            template.render(figure=figure, picture=picture, anchor=f"figure-{_slug(name)}")
        )
    return figures


# ---------------------------------------------------------------------- Markdown

_FIGURE_LINE = re.compile(r"\{\{figure:([\w.-]+)\}\}\s*")
_PARAGRAPH_ENDERS = {"alt": ["paragraph", "reference", "blockquote", "list"]}


def _figure_rule(state: StateBlock, line: int, end: int, silent: bool) -> bool:
    """A line `{{figure:NAME}}` on its own is a block, as a heading is."""
    start = state.bMarks[line] + state.tShift[line]
    match = _FIGURE_LINE.fullmatch(state.src[start : state.eMarks[line]])
    if match is None or state.is_code_block(line):
        return False
    if not silent:
        token = state.push("figure", "", 0)
        token.meta = {"name": match.group(1)}
        token.map = [line, line + 1]
        state.line = line + 1
    return True


def _is_relative(address: str) -> bool:
    """Whether a link stays among the report's files: no scheme, no host, no root."""
    return not re.match(r"[^/?#]*:", address) and not address.startswith(("/", "\\"))


def _keep_relative_links(state: StateCore) -> None:
    """Take the link from the text of every link that leaves the report; the text stays."""
    for block in state.tokens:
        kept, dropped = [], []
        for token in block.children or []:
            if token.type == "link_open":
                dropped.append(not _is_relative(str(token.attrGet("href"))))
                if dropped[-1]:
                    continue
            elif token.type == "link_close" and dropped.pop():
                continue
            kept.append(token)
        if block.children is not None:
            block.children = kept


def _order_headings(state: StateCore) -> None:
    """Headings of the text start below the section's and never skip a level."""
    level = 2
    opened: list[int] = []
    wanted = [int(t.tag[1]) for t in state.tokens if t.type == "heading_open"]
    top = min(wanted, default=1)
    for token in state.tokens:
        if token.type == "heading_open":
            level = min(6, level + 1, int(token.tag[1]) - top + 3)
            opened.append(level)
            token.tag = f"h{level}"
        elif token.type == "heading_close":
            token.tag = f"h{opened.pop()}"


def _plain(inline: Token) -> str:
    """What is read of a heading's or a paragraph's token, without its marks."""
    read = ("text", "code_inline")
    return "".join(one.content for one in inline.children or [] if one.type in read)


def _link_headings(state: StateCore) -> None:
    """Give every heading of the text an id, and make it a link to itself."""
    taken: set[str] = set()
    for opening, inline in itertools.pairwise(state.tokens):
        if opening.type != "heading_open":
            continue
        base = name = f"text-{_slug(_plain(inline)) or 'part'}"
        for number in itertools.count(2):
            if name not in taken:
                break
            name = f"{base}-{number}"
        taken.add(name)
        opening.attrSet("id", name)
        children = inline.children or []
        if not any(one.type == "link_open" for one in children):  # a link holds no other
            link = Token("link_open", "a", 1, attrs={"href": f"#{name}"})
            inline.children = [link, *children, Token("link_close", "a", -1)]


def _parser() -> MarkdownIt:
    """What reads the text of a chapter."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    markdown.block.ruler.before("paragraph", "figure", _figure_rule, _PARAGRAPH_ENDERS)
    for rule in (_keep_relative_links, _order_headings, _link_headings):
        markdown.core.ruler.push(rule.__name__.strip("_"), rule)
    return markdown


def _outline(text: str) -> list[dict[str, str]]:
    """The `id` and the `title` of the text's headings of the highest level."""
    return [
        {"id": str(opening.attrGet("id")), "title": _plain(inline)}
        for opening, inline in itertools.pairwise(_parser().parse(text))
        if opening.type == "heading_open" and opening.tag == "h3"
    ]


def render_markdown(text: str, figures: Mapping[str, Markup] | None = None) -> Markup:
    """Markdown as HTML: no raw HTML, no images, only links that stay within the report.

    Args:
        figures: name -> HTML for lines that consist of `{{figure:NAME}}`.

    Raises:
        KerasbookError: the text names a figure that is not there.
    """
    figures = figures or {}
    markdown = _parser()

    def render_figure(self, tokens, index, options, env) -> str:
        name = tokens[index].meta["name"]
        if name not in figures:
            known = ", ".join(figures) or "none"
            raise KerasbookError(
                f"text.md: found {{{{figure:{name}}}}}, expected one of the figures: {known}."
            )
        return str(figures[name])

    def open_table(self, tokens, index, options, env) -> str:
        return '<div class="scroll" role="region" tabindex="0" aria-label="Table"><table>\n'

    def close_table(self, tokens, index, options, env) -> str:
        return "</table></div>\n"

    markdown.add_render_rule("figure", render_figure)
    markdown.add_render_rule("table_open", open_table)
    markdown.add_render_rule("table_close", close_table)
    return Markup(markdown.render(text))


def _placed(text: str) -> set[str]:
    return {token.meta["name"] for token in _parser().parse(text) if token.type == "figure"}


# ------------------------------------------------------------- what a page shows


def _tally(counts: Mapping[str, int]) -> dict:
    """The numbers behind the stacked bar and the sentence beside it.

    A number holds if its verdict is `exact` or `holds`; those not run or not judged do not
    count among the ones that could.
    """
    unknown = counts.keys() - VERDICTS.keys()
    if unknown:
        raise KerasbookError(
            f"verdict_counts: found '{min(unknown)}', expected one of: {', '.join(VERDICTS)}."
        )
    full = {verdict: int(counts.get(verdict, 0)) for verdict in VERDICTS}
    total = sum(full.values())
    judged = total - full["not run"] - full["not judged"]
    return {
        "parts": [
            {"verdict": verdict, "n": n, "share": 100 * n / total}
            for verdict, n in full.items()
            if n
        ],
        "total": total,
        "judged": judged,
        "hold": full["exact"] + full["holds"],
        "not_run": full["not run"],
        "not_judged": full["not judged"],
    }


def _strip(row: Mapping) -> dict | None:
    """Positions from 0 to 100 of interval, mean and printed value on one scale."""
    try:
        printed = float(row["printed"])
    except ValueError:
        return None
    values = [row["lower"], row["upper"], row["mean"], printed]
    if not all(_is_number(value) for value in values):
        return None
    low, high = min(values), max(values)
    span = high - low or abs(high) or 1.0
    lower, upper, mean, printed = (round(8 + 84 * (v - low) / span, 1) for v in values)
    if high == low:
        lower = upper = mean = printed = 50.0
    return {"lower": lower, "width": round(max(upper - lower, 1), 1), "mean": mean, "at": printed}


def _row_view(row: Mapping) -> dict:
    """A row of the ledger with its numbers as text."""
    if row["verdict"] not in VERDICTS:
        raise KerasbookError(
            f"{row['id']}: found the verdict '{row['verdict']}', "
            f"expected one of: {', '.join(VERDICTS)}."
        )
    printed, sd = row["printed"], row["sd"]
    own_text = row.get("ours")  # a shape or a label has no mean
    ours = str(own_text) if own_text is not None else format_like(row["mean"], printed, sd)
    interval = None
    if _is_number(row["lower"]) and _is_number(row["upper"]):
        ends = [format_like(row[end], printed, sd) for end in ("lower", "upper")]
        interval = f"[{ends[0]}, {ends[1]}]"
    return {
        **row,
        "printed": _signed(printed) if _decimals_of(printed) is not None else printed,
        "printed_sort": _sort_key(printed),
        "ours": ours,
        "ours_sort": "" if row["mean"] is None else row["mean"],
        "spread": format_like(sd, printed, sd) if sd is not None and row["n_seeds"] > 1 else None,
        "interval": interval,
        "strip": _strip(row),
        "baseline_text": _reference(row["baseline"], printed),
        "peer_text": _reference(row["peer"], printed),
        "order": list(VERDICTS).index(row["verdict"]),
    }


def _reference(value: float | None, printed: str) -> str:
    """A baseline or a peer's figure: the printed decimals, but never more than five."""
    if value is None:
        return "–"
    return format_like(value, printed, sd=abs(value) / 10 or None)


def _sort_key(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _unique_ids(rows: Iterable[Mapping]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row["id"] in seen or re.search(r"\s", row["id"]) or not row["id"]:
            raise KerasbookError(
                f"rows: found the id '{row['id']}' twice, empty or with a space, "
                "expected the ledger's ids, each once."
            )
        seen.add(row["id"])


def _row_groups(page: Mapping) -> list[dict]:
    """Rows by experiment, in the order of the ledger."""
    titles = {experiment["name"]: experiment for experiment in page["experiments"]}
    groups: dict[str, dict] = {}
    for row in page["rows"]:
        name = row["experiment"]
        experiment = titles.get(name)
        group = groups.setdefault(
            name,
            {
                "name": name,
                "title": experiment["title"] if experiment else name,
                "variant": experiment["variant"] if experiment else None,
                "rows": [],
            },
        )
        group["rows"].append(_row_view(row))
    return list(groups.values())


def _run_views(page: Mapping) -> dict[str, dict]:
    """Run id -> its record, a path from the page, and its page in a served MLflow, if any."""
    provenance = page["provenance"]
    uri, experiment = provenance["tracking_uri"], provenance.get("mlflow_experiment_id")
    return {
        step["run_id"]: {
            "id": step["run_id"],
            "record": _record_link(step.get("record")),
            "served": run_page(uri, experiment, step["run_id"]) if experiment else None,
        }
        for step in provenance["steps"]
        if step["run_id"]
    }


def _record_link(path: str | None) -> str | None:
    """A relative address for a path of the results folder."""
    return quote(path) if path and _is_relative(path) else None


def _experiment_view(experiment: Mapping) -> dict:
    return {
        **experiment,
        "parameters": _grouped(experiment["parameters"]),
        "seconds_text": format_seconds(experiment["seconds"]),
        "seconds_sort": "" if experiment["seconds"] is None else experiment["seconds"],
        "peak": "–" if experiment["peak_mb"] is None else f"{experiment['peak_mb']:.0f} MB",
        "metrics": [
            {**metric, "text": format_measured(metric["mean"], metric["sd"])}
            for metric in experiment["metrics"]
        ],
    }


def _fault_view(fault: Mapping) -> dict:
    effect, lower, upper = fault["effect"], fault["lower"], fault["upper"]
    view = {**fault, "anchor": f"fault-{_slug(fault['id'])}", "effect_text": None, "interval": None}
    if effect is None:
        return view
    known = _is_number(lower) and _is_number(upper)
    size = (upper - lower) / 2 if known and upper > lower else effect
    decimals = _decimals_for(size, 2)

    def text(value: float) -> str:
        digits = _signed(f"{value:.{decimals}f}")
        return digits if digits.startswith(MINUS) or value <= 0 else f"+{digits}"

    view["effect_text"] = text(effect)
    if known:
        view["interval"] = f"[{text(lower)}, {text(upper)}]"
    return view


def _erratum_view(row: Mapping) -> dict:
    """A fault on the page over all chapters."""
    view = {
        **_fault_view({**row, "id": row["fault"]}),
        "anchor": f"{row['chapter']}-{row['fault']}",
    }
    change = row["relative"]
    view["change"] = None if change is None else _percent(change)
    view["sort"] = "" if change is None else abs(change)
    if change is None and row["effect"]:  # a change from 0 is larger than any share of it
        view["change"], view["sort"] = "from 0", 1e9
    view["values"] = [format_number(row[key]) for key in ("before", "after")]
    return view


def _percent(share: float) -> str:
    """A relative change: two digits, its sign, and from a tenfold on as a factor."""
    decimals = _decimals_for(100 * share, 2)
    text = _signed(f"{100 * share:.{decimals}f}")
    return f"{text if share <= 0 else '+' + text}%"


def _banner(data: Mapping) -> str | None:
    if data["edition"] == "book":
        return None
    return data["edition_note"] or (
        f"This page stands on the data of the {data['edition']} edition, not on the book's: "
        "none of its numbers counts as a reproduction."
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        seconds=format_seconds, size=format_bytes, number=format_number, slug=_slug
    )
    environment.globals.update(VERDICTS=VERDICTS, VARIANTS=VARIANTS)
    return environment


def _page(template: str, **values) -> str:
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    # The validator hashes a script without the space around it, browsers with it.
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        _environment()
        .get_template(template)
        .render(css=Markup(css), script=Markup(script), script_digest=digest, **values)
    )


def _within_bounds(html: str, name: str, sizes: Mapping[str, int]) -> str:
    size = len(html.encode("utf-8"))
    if size >= MAX_BYTES:
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
        told = ", ".join(f"{figure} ({format_bytes(bytes_)})" for figure, bytes_ in largest)
        raise KerasbookError(
            f"{name}: the page has {format_bytes(size)}, expected less than "
            f"{format_bytes(MAX_BYTES)}. Its largest figures: {told or 'none'}; draw them smaller."
        )
    return html


def _sizes(figures: Mapping[str, Markup]) -> dict[str, int]:
    return {name: len(html.encode("utf-8")) for name, html in figures.items()}


def render_chapter(page: Mapping, folder: Path) -> str:
    """The page of one chapter.

    Args:
        page: the content of the chapter's report.json.
        folder: what the files of the figures are relative to.

    Raises:
        KerasbookError: a figure is missing or not harmless, the text names an unknown
            figure, an id or a verdict is wrong, or the page is too large.
    """
    folder = Path(folder)
    _unique_ids(page["rows"])
    figures = _figures(page, folder)
    text = render_markdown(page["text"], figures)
    placed = _placed(page["text"])
    groups = _row_groups(page)
    rows = [row for group in groups for row in group["rows"]]
    runs = _run_views(page)
    html = _page(
        "chapter.html",
        page=page,
        banner=_banner(page),
        tally=_tally(page["verdict_counts"]),
        text=text,
        outline=_outline(page["text"]),
        left_over=[html for name, html in figures.items() if name not in placed],
        groups=groups,
        has_baseline=any(row["baseline"] is not None for row in rows),
        has_peer=any(row["peer"] is not None for row in rows),
        experiments=[_experiment_view(experiment) for experiment in page["experiments"]],
        faults=[_fault_view(fault) for fault in page["faults"]],
        provenance=page["provenance"],
        runs=runs,
        seed_runs={
            (step["experiment"], step["seed"]): runs[step["run_id"]]
            for step in page["provenance"]["steps"]
            if step["seed"] is not None and step["run_id"] in runs
        },
        known={experiment["name"] for experiment in page["experiments"]},
    )
    return _within_bounds(html, f"{page['slug']}/report.html", _sizes(figures))


def render_errata(errata: Mapping, folder: Path) -> str:
    """The page of all faults of the printed code.

    Args:
        errata: the data of the page: `rows` as `kerasbook.errata.collect` gives them, `counts`
            by standing, `standings` with what each means, `figure` (file, alt, caption), and
            `edition`, `edition_note`, `generated`, `commit`.
        folder: what the file of the figure is relative to.

    Raises:
        KerasbookError: as `render_chapter`.
    """
    picture = _picture(Path(folder), errata["figure"]["file"], errata["figure"]["alt"], "errata-")
    html = _page(
        "errata.html",
        errata=errata,
        banner=_banner(errata),
        picture=picture,
        rows=[_erratum_view(row) for row in errata["rows"]],
    )
    return _within_bounds(html, "errata.html", {"errata": len(picture.encode("utf-8"))})


# Rows of a sweep's table; what is more stands in its file.
MOST_POINTS_SHOWN = 600


def _point_views(sweep: Mapping, points: list[Mapping]) -> list[dict]:
    """The best points with their numbers as text."""
    return [
        {
            "rank": point["rank"],
            "values": [
                format_number(one) if _is_number(one) else str(one)
                for one in (point["values"][key] for key in sweep["keys"])
            ],
            "metric": format_measured(point["metric"], point["sd"]),
            "held_out": format_number(point["held_out"]),
            "seconds": format_number(point["seconds"], 3),
            "name": point["name"],
            "record": quote(point["record"]),
        }
        for point in points[:MOST_POINTS_SHOWN]
    ]


def render_sweep(sweep: Mapping, folder: Path) -> str:
    """The page of a sweep.

    Args:
        sweep: the data of the page, as `workflow/scripts/sweep_page.py` makes it.
        folder: what the files of the figures are relative to.

    Raises:
        KerasbookError: as `render_chapter`.
    """
    figures = _figures(sweep, Path(folder))
    points = sweep["points"]
    html = _page(
        "sweep.html",
        sweep=sweep,
        banner=_banner(sweep),
        figures=figures,
        best=sweep["best"],
        rows=_point_views(sweep, points),
        numeric={
            key: all(_is_number(one["values"][key]) for one in points) for key in sweep["keys"]
        },
    )
    return _within_bounds(html, sweep["slug"], _sizes(figures))


def render_index(index: Mapping, folder: Path) -> str:
    """The page over all chapters.

    Args:
        index: the data of the index (see the module `report` of the chapters).
        folder: what the files of the figures are relative to.

    Raises:
        KerasbookError: as `render_chapter`.
    """
    folder = Path(folder)
    _unique_ids(index["rows"])
    reports = {chapter["chapter"]: chapter["report"] for chapter in index["chapters"]}
    pictures, cards = {}, []
    for chapter in index["chapters"]:
        figure = chapter["figure"]
        picture = None
        if figure is not None:
            prefix = f"{_slug(chapter['chapter'])}-"
            picture = _picture(folder, figure["file"], figure["alt"], prefix)
            pictures[figure["file"]] = picture
        cards.append({**chapter, "picture": picture, "tally": _tally(chapter["verdict_counts"])})
    drawn = {}
    for name in ("reproduction", "comparison", "workflow"):
        told = index[name]
        drawn[name] = told and _picture(folder, told["file"], told["alt"], f"{name}-")
        if told:
            pictures[told["file"]] = drawn[name]
    html = _page(
        "index.html",
        index=index,
        banner=_banner(index),
        tally=_tally(index["verdict_counts"]),
        chapters=cards,
        rows=[{**_row_view(row), "report": reports.get(row["chapter"])} for row in index["rows"]],
        experiments=[_experiment_view(experiment) for experiment in index["experiments"]],
        reports=reports,
        drawn=drawn,
    )
    return _within_bounds(html, "index.html", _sizes(pictures))
