import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser

import html5lib
import page_example
import pytest

from kerasbook import html
from kerasbook.errors import KerasbookError

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edition") / "ch07_mnist_convnets"
    page_example.draw_figures(folder)
    return folder


@pytest.fixture(scope="module")
def chapter(folder):
    return html.render_chapter(page_example.page(), folder)


@pytest.fixture(scope="module")
def index(folder):
    return html.render_index(page_example.index(), folder.parent)


@pytest.fixture(scope="module")
def errata(folder):
    return html.render_errata(page_example.errata(), folder.parent)


@pytest.fixture(params=["chapter", "index", "errata"])
def rendered(request):
    return request.getfixturevalue(request.param)


def tree(text: str):
    """The parsed page; any fault of its HTML raises."""
    return html5lib.HTMLParser(strict=True).parse(text)


def elements(text: str, name: str) -> list:
    root = tree(text)
    return [element for element in root.iter() if element.tag in (XHTML + name, SVG + name)]


def words(element) -> str:
    return " ".join("".join(element.itertext()).split())


def attribute(root, name: str) -> list[str]:
    """The values of an attribute, wherever it stands."""
    return [element.get(name) for element in root.iter() if element.get(name) is not None]


def with_page(folder, **changes) -> str:
    return html.render_chapter({**page_example.page(), **changes}, folder)


# ---------------------------------------------------------------- one file, no network


def test_the_page_is_valid_html(rendered):
    assert rendered.startswith("<!DOCTYPE html>")
    assert elements(rendered, "main")


def test_nothing_is_loaded_from_elsewhere(rendered):
    for element in tree(rendered).iter():
        for name, value in element.attrib.items():
            local = name.rsplit("}", 1)[-1]
            if local in ("src", "srcset", "href", "action", "data", "poster", "formaction"):
                assert value.startswith(("#", "data:", "../")) or ":" not in value, value
                assert not value.startswith("//")
            for address in re.findall(r"url\(([^)]*)\)", value):
                assert address.startswith("#")
    for style in elements(rendered, "style"):
        assert "url(" not in words(style)
        assert "@import" not in words(style)
    links = [link.get("rel") for link in elements(rendered, "link")]
    assert links == ["icon"]


def test_the_policy_forbids_loading_and_allows_only_the_pages_own_script(rendered):
    policies = [m for m in elements(rendered, "meta") if m.get("http-equiv")]
    policy = policies[0].get("content")
    assert "default-src 'none'" in policy
    assert "img-src data:" in policy
    scripts = re.findall(r"<script>(.*?)</script>", rendered, flags=re.S)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy


def test_every_id_stands_once_and_every_link_within_the_page_has_a_target(rendered):
    root = tree(rendered)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for element in root.iter():
        for name, value in element.attrib.items():
            local = name.rsplit("}", 1)[-1]
            if local == "href" and value.startswith("#"):
                assert value[1:].replace("%40", "@") in ids
            elif local in ("aria-labelledby", "aria-controls", "for", "data-controls"):
                assert set(value.split()) <= set(ids)
            for target in re.findall(r"url\(#([^)]*)\)", value):
                assert target in ids


def test_headings_start_at_one_and_skip_no_level(rendered):
    levels = [
        int(element.tag[-1])
        for element in tree(rendered).iter()
        if re.fullmatch(rf"{re.escape(XHTML)}h[1-6]", str(element.tag))
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(next_ <= level + 1 for level, next_ in itertools.pairwise(levels))


def test_every_picture_has_a_text_or_is_hidden(rendered):
    pictures = elements(rendered, "svg") + elements(rendered, "img")
    assert pictures
    for picture in pictures:
        described = picture.get("role") == "img" and picture.get("aria-label")
        assert described or picture.get("alt") or picture.get("aria-hidden") == "true"


def test_the_page_has_landmarks_and_a_skip_link(rendered):
    for name in ("header", "main", "footer", "nav"):
        assert elements(rendered, name)
    first = elements(rendered, "a")[0]
    assert first.get("href") == "#content"
    assert elements(rendered, "html")[0].get("lang") == "en"


def test_regions_that_scroll_are_reached_by_the_keyboard(rendered):
    regions = [e for e in elements(rendered, "div") if e.get("class") in ("scroll", "tall")]
    assert regions
    for region in regions:
        assert region.get("tabindex") == "0"
        assert region.get("role") == "region"
        assert region.get("aria-label")
    labels = [region.get("aria-label") for region in regions]
    assert len(labels) == len(set(labels))


def test_what_needs_javascript_is_hidden_until_it_runs(rendered):
    for button in elements(rendered, "button"):
        parents = [e for e in tree(rendered).iter() if e.get("data-controls")]
        within = any(
            button.attrib == inner.attrib for e in parents for inner in e.iter(f"{XHTML}button")
        )
        assert "hidden" in button.attrib or within
    for controls in (e for e in tree(rendered).iter() if e.get("data-controls")):
        assert "hidden" in controls.attrib


def test_the_script_has_no_space_around_it_which_the_validator_would_not_hash(rendered):
    [script] = re.findall(r"<script>(.*?)</script>", rendered, flags=re.S)
    assert script == script.strip()


def test_tables_are_told_by_their_elements_alone(rendered):
    """Within a table no role may stand in the HTML: the script adds those of the cards."""
    for table in elements(rendered, "table"):
        assert not attribute(table, "role")


def test_every_control_has_a_name(rendered):
    labelled = {
        field for label in elements(rendered, "label") for field in label.iter(f"{XHTML}input")
    }
    root = tree(rendered)
    for button in root.iter(f"{XHTML}button"):
        assert words(button)
    for summary in root.iter(f"{XHTML}summary"):
        assert words(summary)
    for link in root.iter(f"{XHTML}a"):
        assert words(link)
    assert len(labelled) == len(elements(rendered, "input"))


def test_every_cell_that_a_phone_shows_without_its_head_has_a_label_or_speaks_for_itself(rendered):
    for table in elements(rendered, "table"):
        if "cards" not in (table.get("class") or ""):
            continue
        heads = {words(head) for head in table.iter(f"{XHTML}th") if head.get("scope") == "col"}
        cells = list(table.iter(f"{XHTML}td"))
        assert cells
        for cell in cells:
            label = cell.get("data-label")
            assert label is None or any(label in head for head in heads)
            number = "num" in (cell.get("class") or "").split()
            assert label is not None or not number


def test_every_section_is_linked_at_the_top_and_its_heading_to_itself(rendered):
    contents = next(nav for nav in elements(rendered, "nav") if nav.get("class") == "contents")
    links = [link.get("href") for link in contents.iter(f"{XHTML}a")]
    sections = elements(rendered, "section")
    assert [f"#{one.get('id')}" for one in sections] == [a for a in links if a.startswith("#")]
    for section in sections:
        heading = section.find(f"{XHTML}h2")
        assert heading.get("id") == section.get("aria-labelledby")
        assert heading.find(f"{XHTML}a").get("href") == f"#{section.get('id')}"


def test_figures_lead_to_their_files_and_to_themselves(folder, chapter, index, errata):
    for text, where in ((chapter, folder), (index, folder.parent), (errata, folder.parent)):
        figures = elements(text, "figure")
        assert figures
        for figure in figures:
            links = [link.get("href") for link in figure.iter(f"{XHTML}a")]
            assert (where / links[-1]).is_file()
            if figure.get("id"):
                assert links[0] == f"#{figure.get('id')}"


def test_what_a_page_was_made_of_stands_on_it(chapter, index, errata):
    for text in (chapter, index):
        made = words(next(p for p in elements(text, "p") if "made 2026" in words(p)))
        assert "made 2026-01-02 from commit 0123abc" in made
    assert "reproduction.tsv" in attribute(tree(index), "href")
    assert "errata.tsv" in attribute(tree(errata), "href")
    links = attribute(tree(chapter), "href")
    assert {"reproduction.tsv", "report.json"} <= set(links)
    root = html.TEMPLATES.parents[2]
    source = [link.removeprefix("../../../") for link in links if link.startswith("../../../")]
    assert len(source) == 3
    assert all((root / file).is_file() for file in source)


def test_the_outline_names_the_parts_of_a_longer_text(folder):
    parts = "\n\n".join(f"## Part {letter}\n\n### Below" for letter in "abc")
    text = with_page(folder, text=parts)
    [outline] = [nav for nav in elements(text, "nav") if nav.get("class") == "outline"]
    told = {link.get("href"): words(link) for link in outline.iter(f"{XHTML}a")}
    assert told == {f"#text-part-{letter}": f"Part {letter}" for letter in "abc"}
    assert set(told) <= {f"#{name}" for name in attribute(tree(text), "id")}
    short = with_page(folder, text="## Part a\n\n## Part b")
    assert not [nav for nav in elements(short, "nav") if nav.get("class") == "outline"]


def test_colours_of_both_themes_are_apart_enough():
    """WCAG AA: 4.5 to 1 for type, here for every pair that the style sheet puts together."""
    macros = (html.TEMPLATES / "macros.html").read_text()

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    themes = re.split(r"macro stylesheet", macros)
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", theme))
        pairs = [(name, "paper") for name in ("ink", "muted", "accent")]
        pairs += [("ink", "panel"), ("muted", "panel"), ("ink", "mark"), ("banner-ink", "banner")]
        pairs += [(name[:-3], name) for name in colours if name.endswith("-bg")]
        assert len(pairs) == 13
        for front, back in pairs:
            assert contrast(colours[front], colours[back]) >= 4.5, (front, back)


# ------------------------------------------------------------------------- escaping


def hostile(value):
    """The same structure with every text that a person may write replaced."""
    kept = {"id", "slug", "chapter", "file", "verdict", "edition", "printed", "name", "generated"}
    if isinstance(value, dict):
        return {k: v if k in kept else hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def test_hostile_text_stays_text(folder):
    page = hostile({**page_example.page(), "edition": "smoke"})
    index = hostile(page_example.index())
    for text in (
        html.render_chapter(page, folder),
        html.render_index({**index, "edition": "smoke"}, folder.parent),
    ):
        assert "alert(1)" in text
        assert len(elements(text, "script")) == 1
        assert not elements(text, "img")
        for element in tree(text).iter():
            assert not any(name.lower().startswith("on") for name in element.attrib)


def test_hostile_names_stay_text(folder):
    page = page_example.page()
    page["title"] = page["rows"][0]["experiment"] = page["experiments"][0]["name"] = HOSTILE
    page["rows"][0]["printed"] = page["rows"][0]["metric"] = HOSTILE
    page["provenance"]["versions"] = {HOSTILE: HOSTILE}
    text = html.render_chapter(page, folder)
    assert len(elements(text, "script")) == 1
    assert not elements(text, "img")
    assert HOSTILE.split('"')[0] in words(elements(text, "h1")[0])


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "a <b onclick=alert(1)>b</b>",
        "[press](javascript:alert(1))",
        "[press](JaVaScRiPt:alert(1))",
        "[press](java&#115;cript:alert(1))",
        "[press](data:text/html;base64,PHNjcmlwdD4=)",
        "[press](https://example.org/)",
        "[press](//example.org/)",
        "[press](/etc/passwd)",
        "<https://example.org/>",
        "![picture](https://example.org/a.png)",
        "![picture](javascript:alert(1))",
        "[press]: javascript:alert(1)\n\n[press]",
        "<style>body { display: none }</style>",
    ],
)
def test_hostile_markdown_gives_neither_elements_nor_links(markdown):
    rendered = str(html.render_markdown(markdown))
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

    Reader().feed(rendered)
    assert {tag for tag, _ in found} <= {"p"}
    assert not any(attributes for _, attributes in found)


def test_links_between_pages_stay():
    rendered = str(html.render_markdown("[before](../ch06/report.html#ch06.a)"))
    assert '<a href="../ch06/report.html#ch06.a">before</a>' in rendered


def test_headings_of_the_text_are_links_to_themselves_each_under_its_own_name():
    rendered = str(html.render_markdown("# `fit` *it*\n\n# Fit it\n\n# ...\n\n# See [a](b.html)"))
    assert '<h3 id="text-fit-it"><a href="#text-fit-it"><code>fit</code>' in rendered
    assert '<h3 id="text-fit-it-2"><a href="#text-fit-it-2">Fit it</a></h3>' in rendered
    assert '<h3 id="text-part"><a href="#text-part">...</a></h3>' in rendered
    assert '<h3 id="text-see-a">See <a href="b.html">a</a></h3>' in rendered


def test_the_text_of_a_dropped_link_stays():
    assert "<p>see this <em>page</em> now</p>" in html.render_markdown(
        "see [this *page*](https://example.org) now"
    )


# -------------------------------------------------------------------------- figures


def test_figures_stand_where_the_text_says_and_the_others_follow(chapter):
    at = {name: chapter.index(f'id="figure-{name}"') for name in ("curves", "confusion")}
    assert chapter.index("share one of them") < at["curves"] < chapter.index("The networks")
    assert at["confusion"] > chapter.index('id="figures"')
    assert chapter.count('id="figure-curves"') == 1
    assert "{{figure" not in chapter


def test_a_figure_line_ends_a_paragraph_and_is_code_in_a_code_block():
    figures = {"a": html.Markup("<figure>A</figure>")}
    rendered = str(html.render_markdown("before\n{{figure:a}}\nafter", figures))
    assert rendered == "<p>before</p>\n<figure>A</figure><p>after</p>\n"
    assert "{{figure:a}}" in html.render_markdown("```\n{{figure:a}}\n```", figures)
    assert "{{figure:a}}" in html.render_markdown("in a line {{figure:a}}", figures)


def test_an_unknown_figure_is_told(folder):
    with pytest.raises(KerasbookError, match=r"figure:cuves.*curves, confusion"):
        with_page(folder, text="{{figure:cuves}}")


def change_figure(folder, content: bytes, name: str = "bad.svg") -> str:
    (folder / "figures" / name).write_bytes(content)
    figure = {**page_example.page()["figures"][0], "file": f"figures/{name}"}
    return with_page(folder, figures=[figure])


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ("<style>* {fill: red}</style>", "<style>"),
        ("<foreignObject/>", "<foreignObject>"),
        ('<a href="#x"><path/></a>', "<a>"),
        ('<path onclick="alert(1)"/>', "onclick"),
        ('<use href="https://example.org/a.svg#b"/>', "href"),
        ('<image href="https://example.org/a.png"/>', "href"),
        ('<image href="data:image/svg+xml;base64,AAAA"/>', "href"),
        ('<path style="fill:url(https://example.org/a)"/>', "style"),
        ('<path style="fill:url( &quot;https://example.org/a&quot; )"/>', "style"),
        ('<path style="fill:u\\72l(x)"/>', "style"),
        ("<path>", "not valid SVG"),
    ],
)
def test_a_figure_that_could_run_or_load_is_refused(folder, inside, told):
    text = f'<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>'
    with pytest.raises(KerasbookError, match=re.escape(told)):
        change_figure(folder, text.encode())


def test_a_figure_with_entities_is_refused(folder):
    bomb = b'<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>'
    with pytest.raises(KerasbookError, match="document type"):
        change_figure(folder, bomb)


@pytest.mark.parametrize("file", ["../../secret.svg", "/etc/hostname", "figures/none.svg"])
def test_a_figure_must_lie_in_the_folder(folder, file):
    figure = {**page_example.page()["figures"][0], "file": file}
    with pytest.raises(KerasbookError, match=r"outside|not found"):
        with_page(folder, figures=[figure], text="")


def test_a_png_is_carried_along(folder):
    rendered = change_figure(folder, b"\x89PNG\r\n\x1a\n", "small.png")
    image = elements(rendered, "img")[0]
    assert image.get("src") == "data:image/png;base64,iVBORw0KGgo="
    assert image.get("alt") == page_example.page()["figures"][0]["alt"]


def test_a_page_that_is_too_large_names_its_largest_figures(folder):
    path = "M" + "1 2 " * 400_000
    text = f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{path}"/></svg>'
    with pytest.raises(KerasbookError, match=r"less than 1\.5 MB.*curves \(1\.6 MB\)"):
        change_figure(folder, text.encode())


def test_a_real_page_is_small(rendered):
    assert len(rendered.encode()) < 150_000


# ------------------------------------------------------------------------- contents


def rows_of(text: str) -> dict:
    rows = [row for row in elements(text, "tr") if row.get("data-verdict")]
    return {row.get("id"): row for row in rows}


@pytest.mark.parametrize("name", ["chapter", "index"])
def test_every_number_has_its_row_with_verdict_and_values(name, request):
    expected = page_example.page()["rows"]
    rows = rows_of(request.getfixturevalue(name))
    for row in expected:
        cells = words(rows[row["id"]])
        assert row["verdict"] in cells
        assert row["printed"] in cells
    assert "0.9640 ± 0.0021" in words(rows["ch07.conv.test_accuracy"])
    assert "0.1021 ± 0.0051" in words(rows["ch07.conv.test_loss"])
    assert "3121 ± 50" in words(rows["ch07.conv_dense.fit_ms"])


def test_a_row_carries_interval_baseline_peer_runs_and_the_command(chapter):
    cells = words(rows_of(chapter)["ch07.conv.test_accuracy"])
    assert "[0.9598, 0.9682]" in cells
    assert "0.9042 majority class" in cells
    assert "0.9793" in cells
    assert "logistic regression on the same rows" in cells
    for run in page_example.RUNS:
        assert run in cells
    assert "snakemake -c2 --configfile config/book.yaml" in cells


def test_rows_of_the_index_lead_to_the_row_of_the_chapter(index):
    row = rows_of(index)["ch07.conv.loss@1"]
    link = row.find(f".//{XHTML}a")
    assert link.get("href") == "ch07_mnist_convnets/report.html#ch07.conv.loss%401"
    assert rows_of(index)["ch08.vgg.label"].find(f".//{XHTML}a") is None


def test_a_text_of_ours_stands_where_there_is_no_mean(folder):
    rows = [
        page_example.row("ch06.mnist.train_shape", "(60000, 28, 28)", None, "exact", ours="(6, 2)")
    ]
    rendered = with_page(folder, rows=rows)
    assert "(60000, 28, 28) (6, 2)" in words(rows_of(rendered)["ch06.mnist.train_shape"])


def test_columns_that_nobody_fills_are_left_out(folder):
    rows = [{**row, "baseline": None, "peer": None} for row in page_example.page()["rows"]]
    heads = [words(head) for head in elements(with_page(folder, rows=rows), "th")]
    assert "Baseline" not in heads
    assert "Peer" not in heads


def test_the_share_counts_what_was_compared(chapter):
    assert "4 of 7 numbers that were compared hold (1 not run, 1 not judged)." in " ".join(
        re.sub(r"<[^>]+>", "", chapter).split()
    )


def test_an_edition_that_compares_nothing_says_so(folder):
    rendered = with_page(folder, verdict_counts={"not run": 9})
    plain = " ".join(re.sub(r"<[^>]+>", "", rendered).split())
    assert "None of the numbers was compared (9 not run)." in plain


def test_the_banner_stands_at_the_top_unless_the_edition_is_the_books(folder, rendered):
    assert 'class="banner"' not in rendered
    note = "These results stand on small digits."
    told = with_page(folder, edition="bundled", edition_note=note)
    untold = with_page(folder, edition="smoke", edition_note=None)
    index = html.render_index(
        {**page_example.index(), "edition": "bundled", "edition_note": note}, folder.parent
    )
    for text in (told, index):
        banner = next(p for p in elements(text, "p") if p.get("class") == "banner")
        assert words(banner) == f"Edition: bundled. {note}"
        assert text.index('class="banner"') < text.index("<main")
        assert text.index('class="banner"') < text.index("<nav")
    assert "none of its numbers counts as a reproduction" in untold


def test_faults_show_effect_interval_and_seeds(chapter):
    faults = [words(fault) for fault in elements(chapter, "article")]
    assert "+0.0123" in faults[0]
    assert "[+0.0081, +0.0165]" in faults[0]
    assert "3 paired seeds" in faults[0]
    assert "The configured optimizer learns faster" in faults[0]
    assert "\N{MINUS SIGN}0.0004" in faults[1]
    assert "[\N{MINUS SIGN}0.0031, +0.0023]" in faults[1]
    assert "not measured" in faults[2]


def test_provenance_names_digests_runs_and_commit(chapter):
    section = next(s for s in elements(chapter, "section") if s.get("id") == "provenance")
    told = words(section)
    provenance = page_example.page()["provenance"]
    for fact in (
        provenance["commit"],
        "changes that are not committed",
        provenance["data"][0]["sha256"],
        provenance["data"][0]["content_sha256"],
        provenance["steps"][0]["run_id"],
        "tensorflow 2.21.0",
        "9.9 MB",
        "3 min 4 s",
    ):
        assert fact in told


def test_provenance_says_what_was_asked_for_and_used_of_gpus(chapter):
    found = [
        re.sub(r"\s+", " ", "".join(element.itertext()))
        for element in tree(chapter).iter(f"{XHTML}div")
        if "".join(element.itertext()).startswith("GPU")
    ]
    told = "asked for by 2 runs; used: Some <card> by 1, cpu by 1; at most 900 MB of its memory"
    assert found == [f"GPU{told}, 41 % busy on average"]


def links_of(element) -> list[str]:
    return [link.get("href") for link in element.iter(f"{XHTML}a")]


def test_a_number_leads_to_the_records_of_its_runs(chapter):
    row = rows_of(chapter)["ch07.conv.test_accuracy"]
    assert "conv/seed1/train.json" in links_of(row)
    # A run that the page knows no record of is named and leads nowhere.
    assert page_example.RUNS[1] in words(row)
    assert not [link for link in links_of(row) if page_example.RUNS[1] in link]


def test_an_experiment_a_fault_and_a_job_lead_to_the_records_too(chapter):
    rows = {row.get("id"): row for row in elements(chapter, "tr")}
    assert links_of(rows["experiment-conv"]) == ["conv/seed1/train.json"]
    fault = elements(chapter, "article")[0]
    assert links_of(fault) == ["#experiment-conv"]  # conv_optimizer has no row on this page
    section = next(s for s in elements(chapter, "section") if s.get("id") == "provenance")
    assert "conv/seed1/train.json" in links_of(section)


def test_a_run_leads_to_mlflow_where_that_is_served_and_the_password_is_not_told(folder):
    def rendered(uri):
        page = page_example.page()
        page["provenance"] |= {"tracking_uri": uri, "mlflow_experiment_id": "7"}
        return html.render_chapter(page, folder)

    served = rendered("https://me:s3cret@runs.example/")
    row = rows_of(served)["ch07.conv.test_accuracy"]
    assert links_of(row)[-1] == (
        f"https://runs.example/#/experiments/7/runs/{page_example.RUNS[0]}"
    )
    for uri in ("sqlite:///results/mlflow.db", "javascript:alert(1)//"):
        assert "/experiments/" not in rendered(uri)


@pytest.mark.parametrize("record", ["/etc/passwd", "javascript:alert(1)", "//x.example/a", None])
def test_a_record_outside_the_results_is_no_link(folder, record):
    page = page_example.page()
    page["provenance"]["steps"][0]["record"] = record
    row = rows_of(html.render_chapter(page, folder))["ch07.conv.test_accuracy"]
    assert links_of(row) == ["#ch07.conv.test_accuracy"]


def test_a_page_without_figures_faults_and_steps_is_valid(folder):
    page = page_example.page()
    page.update(figures=[], faults=[], experiments=[], text="", rows=[], verdict_counts={})
    page["provenance"].update(data=[], steps=[], commit=None)
    assert elements(html.render_chapter(page, folder), "main")


def test_the_page_comes_out_the_same_from_json(folder, chapter):
    page = json.loads(json.dumps(page_example.page()))
    assert html.render_chapter(page, folder) == chapter


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verdict": "wrong"}, "found the verdict 'wrong', expected one of: exact, holds"),
        ({"id": "ch07.conv.loss@1"}, "'ch07.conv.loss@1' twice"),
        ({"id": "with space"}, "'with space'"),
    ],
)
def test_a_row_that_is_wrong_is_told(folder, change, told):
    rows = page_example.page()["rows"]
    rows[0].update(change)
    with pytest.raises(KerasbookError, match=re.escape(told)):
        with_page(folder, rows=rows)


def test_counts_of_an_unknown_verdict_are_told(folder):
    with pytest.raises(KerasbookError, match="found 'maybe'"):
        with_page(folder, verdict_counts={"maybe": 2})


# -------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("value", "printed", "sd", "expected"),
    [
        (0.96396, "0.9599", None, "0.9640"),
        (0.96396, "0.9599", 0.2, "0.9640"),
        (1402.67, "1348", 210.0, "1403"),
        (-0.5, "0.25", None, "−0.50"),
        (-0.001, "0.25", None, "0.00"),
        (0.10211, "0.129807630396", 0.0051, "0.1021"),
        (0.10211, "0.129807630396", 0.0000051, "0.1021100"),
        (0.07655307811318013, "0.076553078113180129", None, "0.076553078113180129"),
        (3.14159e-5, "2.7e-05", None, "3.1e−05"),
        (0.785, "0.78-0.79", None, "0.7850"),
        (None, "0.9599", None, "–"),
        (float("nan"), "0.9599", None, "nan"),
        (float("-inf"), "0.9599", None, "−inf"),
    ],
)
def test_ours_is_written_like_the_printed_number(value, printed, sd, expected):
    assert html.format_like(value, printed, sd) == expected


@pytest.mark.parametrize(
    ("mean", "sd", "expected"),
    [
        (0.96396, 0.00213, "0.9640 ± 0.0021"),
        (1402.67, 210.3, "1403 ± 210"),
        (0.96396, None, "0.9640"),
        (12.0, 0.0, "12"),
        (-3.25, 0.5, "−3.25 ± 0.50"),
        (0.00001234, None, "1.234e−05"),
        (None, None, "–"),
    ],
)
def test_a_measurement_is_written_with_the_digits_its_spread_allows(mean, sd, expected):
    assert html.format_measured(mean, sd) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4249, "0.42 s"), (12.1, "12.1 s"), (185, "3 min 5 s"), (7440, "2 h 4 min"), (None, "–")],
)
def test_seconds_are_written_for_people(seconds, expected):
    assert html.format_seconds(seconds) == expected


def test_one_of_a_thing_is_no_plural():
    assert [html.format_count(n, "seed") for n in (0, 1, 3)] == ["0 seeds", "1 seed", "3 seeds"]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(312, "312 B"), (9_912_422, "9.9 MB"), (2_400_000_000_000, "2400.0 GB"), (None, "–")],
)
def test_bytes_are_written_for_people(count, expected):
    assert html.format_bytes(count) == expected


def test_pages_know_the_verdicts_that_the_rule_gives():
    from kerasbook import html, verdicts

    assert list(html.VERDICTS) == list(verdicts.VERDICTS)


# ---------------------------------------------------------------- sweeps


def test_a_chapter_tells_its_sweeps_and_how_to_run_them(folder, chapter):
    section = next(one for one in elements(chapter, "section") if one.get("id") == "sweeps")
    sweep = page_example.SWEEP
    told = words(section)
    assert f"{sweep['n_runs']} runs" in told
    assert sweep["title"] in told
    assert all(key in told for key in [*sweep["keys"], sweep["command"], sweep["target"]])
    assert f"#experiment-{sweep['of']}" in attribute(section, "href")
    assert 'href="#sweeps"' in chapter
    none = with_page(folder, sweeps=[])
    assert 'id="sweeps"' not in none and 'href="#sweeps"' not in none
