"""The faults over all chapters: what stands first, and what each is said to cost."""

import pytest

from kerasbook import errata, html, plots
from kerasbook.reporting import unpriced


def fault(name, effect, lower=None, upper=None, before=0.5, n=3, **more):
    return {
        "id": name, "printed": "As it is.", "wrong": "Why it is wrong.", "as_printed": "a",
        "corrected": "b", "metric": "test_loss", "repaired_metric": None, "text": "",
        "before": before, "after": None if effect is None else before + effect,
        "effect": effect, "lower": lower, "upper": upper, "n": n, "command": "snakemake <x>",
        **more,
    }  # fmt: skip


PAGES = [
    {
        "chapter": "ch07", "number": "4.7", "slug": "ch07_x",
        "faults": [fault("small", 0.01, 0.005, 0.015), fault("nothing", 0.2, -0.1, 0.5)],
    },
    {
        "chapter": "ch11", "number": "4.11", "slug": "ch11_x",
        "faults": [
            fault("large", -0.4, -0.5, -0.3), fault("once", 0.3, n=1), fault("dead", None, n=0),
            fault("from_zero", 0.3, 0.2, 0.4, before=0.0),
            unpriced({"id": "hidden", "printed": "a", "wrong": "b", "why": "Nothing <changes>."}),
        ],
    },
]  # fmt: skip


def test_what_costs_comes_first_and_the_dearest_before_the_others():
    rows = errata.collect(PAGES)
    assert [row["fault"] for row in rows] == [
        "from_zero", "large", "small", "nothing", "once", "dead", "hidden",
    ]  # fmt: skip
    assert [row["standing"] for row in rows] == [
        "changes", "changes", "changes", "not shown", "one seed", "not measured", "not measured",
    ]  # fmt: skip
    assert rows[1]["relative"] == pytest.approx(-0.8)
    assert rows[1]["relative_lower"] == pytest.approx(-1.0)
    assert rows[0]["relative"] is None  # nothing is a share of zero
    assert rows[0]["report"] == "ch11_x/report.html"
    assert not set(errata.COLUMNS) - set(rows[0])


def test_the_figure_has_a_row_for_each_fault_that_has_a_share():
    figure = errata.forest(errata.collect(PAGES))
    labels = [one.get_text() for one in figure.axes[0].get_yticklabels()]
    assert labels == ["4.11 large", "4.7 small", "4.7 nothing", "4.11 once"]
    assert errata.forest([]).axes is not None


def test_the_page_is_escaped_and_says_each_once(tmp_path):
    rows = errata.collect(PAGES)
    (tmp_path / "figures").mkdir()
    plots.save_svg(errata.forest(rows), tmp_path / "figures" / "errata.svg", "What they cost")
    page = {
        "rows": rows, "counts": {"changes": 3, "not shown": 1}, "standings": errata.STANDINGS,
        "figure": {"file": "figures/errata.svg", "alt": "a <figure>", "caption": "dots & lines"},
        "edition": "book", "edition_note": None, "generated": "today", "commit": None,
    }  # fmt: skip
    told = html.render_errata(page, tmp_path)
    assert told.count('<article class="fault"') == len(rows)
    assert "snakemake &lt;x&gt;" in told
    assert "snakemake <x>" not in told
    assert "dots &amp; lines" in told
    # A fault's numbers lead to their experiments, whose rows lead to the runs.
    assert told.count('<a href="ch11_x/report.html#experiment-a">') == 2 * 4
    assert "Not measured: Nothing &lt;changes&gt;." in told  # and it leads to no experiment
    assert told.count('class="command"') == len(rows) - 1
    assert told.count('<a href="ch07_x/report.html#experiment-b">') == 2 * 2
    for part in ('id="ch11-large"', "\N{MINUS SIGN}80%", "+40%", ">from 0<", "errata.tsv"):
        assert part in told
