"""A chapter's results put together: which run or data set answers a printed number."""

import html
import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import jinja2
import numpy as np
import pytest
from docutils.core import publish_parts

from kerasbook.arrays import save_npz
from kerasbook.errors import KerasbookError
from kerasbook.reporting import (
    DATA_RECORDS,
    Results,
    _collapsed,
    _faults,
    _jobs,
    as_rst,
    downloads,
    gpus_told,
    judged_rows,
    render_text,
    write_rows,
)
from kerasbook.verdicts import Row

SLUG = "ch09_unsupervised"
LEDGER = Path(__file__).resolve().parents[2] / "config" / "published.tsv"


def row(name, printed, kind="constant"):
    experiment, _, key = name.partition(".")
    metric, _, epoch = key.partition("@")
    return Row(f"ch09.{name}", "ch09", experiment, metric, epoch, printed, 1, kind, "")


class Wildcards(dict):
    __getattr__ = dict.__getitem__


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A function that writes the results of a chapter with two data sets and returns them."""
    monkeypatch.chdir(tmp_path)

    def make(edition="book", absent=None, reasons=None):
        folder = tmp_path / "results" / edition / SLUG
        experiments = {
            "cnn": {"title": "CNN", "variant": "as_printed", "settings": {"epochs": 3},
                    "seeds": [1, 2], "printed_seed": None},
            "kim": {"title": "Kim", "variant": "beyond", "settings": {"epochs": 9},
                    "seeds": [1], "printed_seed": None},
        }  # fmt: skip
        values = {
            "cnn": {"1": {"val_accuracy@1": 0.75, "sample": "said `so`"},
                    "2": {"val_accuracy@1": 0.77, "sample": "else"}},
            "kim": {"1": {"best": 0.81, "shape": "(10, 64)"}},
        }  # fmt: skip
        for name, seeds in values.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            numbers = {key for one in seeds.values() for key in one if key[0] in "vb"}
            summary = {
                key: {"mean": float(np.mean([one[key] for one in seeds.values()])),
                      "sd": 0.01 if len(seeds) > 1 else None, "n": len(seeds)}
                for key in numbers
            }  # fmt: skip
            (folder / name / "metrics.json").write_text(
                json.dumps({"seeds": seeds, "summary": summary})
            )
            runs = {seed: f"run-{name}-{seed}" for seed in seeds}
            (folder / name / "evaluate.json").write_text(
                json.dumps({"run_ids": runs, "times": {}, "evaluate_run_id": "e"})
            )
        abouts, data = [], []
        facts = {"reviews": {"vocabulary": 18765}, "blogs": {"n_posts": 4842}}
        for name, told in facts.items():
            data.append(str(tmp_path / f"{name}.npz"))
            save_npz(data[-1], x=np.full(3, len(name)))
            abouts.append(str(tmp_path / f"{name}.json"))
            about = {"dataset": name, "facts": told, "run_id": f"run-{name}"}
            (tmp_path / f"{name}.json").write_text(json.dumps(about))
        chapter = {
            "facts": {"blogs": "blogs", "sentences": "reviews"}, "baselines": {}, "peers": {},
            "answers": {"sentences.paper": "kim.best", "old.shape": "kim.shape"},
            "causes": [{"rows": ["cnn.val_accuracy@1"], "cause": "Other words."}], "faults": [],
            "unpriced": [],
        }  # fmt: skip
        shown = {name: one for name, one in experiments.items() if name not in (absent or {})}
        params = {
            "edition": edition, "tracking": "t", "chapter": chapter, "experiments": shown,
            "options": "-c2", "absent": absent or {}, "reasons": reasons or {},
            "sweeps": [],
        }  # fmt: skip
        names = list(shown)
        snakemake = SimpleNamespace(
            rule="ch09_report", threads=1, wildcards=Wildcards(chapter=SLUG),
            params=Wildcards(params),
            input=SimpleNamespace(
                metrics=[str(folder / name / "metrics.json") for name in names],
                about=abouts, data=data, uses=[], ledger=str(LEDGER),
            ),
        )  # fmt: skip
        return Results(snakemake)

    return make


def judged(results, *rows):
    results.ledger = list(rows)
    return judged_rows(results)


def test_a_data_sets_facts_answer_the_rows_that_name_it(made):
    posts, words = judged(
        made(), row("blogs.n_posts", "4842"), row("sentences.vocabulary", "18765")
    )
    assert (posts["verdict"], posts["run_ids"]) == ("exact", ["run-blogs"])
    assert (words["verdict"], words["run_ids"]) == ("exact", ["run-reviews"])
    assert words["command"].endswith(
        "--forcerun ch09_preprocess -- data/processed/book/ch09_unsupervised/reviews.npz"
    )


def test_another_experiment_may_answer_a_row(made):
    [shape] = judged(made(), row("old.shape", "(10, 64)"))
    assert (shape["verdict"], shape["ours"]) == ("exact", "(10, 64)")
    assert shape["run_ids"] == ["run-kim-1"]
    assert shape["command"].endswith("results/book/ch09_unsupervised/kim/metrics.json")
    [paper] = judged(made(), row("sentences.paper", "0.816", "stochastic"))
    assert (paper["verdict"], paper["mean"]) == ("not judged", 0.81)


def test_every_job_names_its_run_and_where_its_record_lies(made):
    results = made()
    for name, seeds in (("cnn", (1, 2)), ("kim", (1,))):
        for seed in seeds:
            results.run_folder(name, seed).mkdir()
            record = results.run_folder(name, seed) / "train.json"
            record.write_text('{"peak_memory_mb": 7.5}')
    jobs = _jobs(results)
    train = {(job["experiment"], job["seed"]): job for job in jobs if job["rule"] == "ch09_train"}
    assert set(train) == {("cnn", 1), ("cnn", 2), ("kim", 1)}
    assert (train["cnn", 2]["run_id"], train["cnn", 2]["peak_mb"]) == ("run-cnn-2", 7.5)
    others = [job for job in jobs if job["rule"] != "ch09_train"]
    assert Counter(job["rule"] for job in others) == {"ch09_preprocess": 2, "ch09_evaluate": 2}
    for job in jobs:
        if job["rule"] == "ch09_preprocess":
            assert job["record"] == DATA_RECORDS
        else:
            assert (results.folder / job["record"]).is_file()


def test_an_answer_or_a_fault_of_a_metric_that_nobody_has_is_told(made):
    results = made()
    results.file["answers"]["old.shape"] = "kim.shap"
    with pytest.raises(KerasbookError, match=r"kim\.shap; found no 'shap'.*'shape'"):
        judged(results, row("old.shape", "(10, 64)"))
    assert results.known("cnn", "val_accuracy@99") == {}  # an edition with fewer epochs
    with pytest.raises(KerasbookError, match=r"cnn\.tset_accuracy@1"):
        results.known("cnn", "tset_accuracy@1")


def test_a_baseline_may_be_of_one_experiment_alone(made):
    results = made()
    results.file["baselines"] = {
        "val_accuracy": {"metric": "chance", "name": "chance"},
        "kim.best": {"metric": "chance", "name": "chance"},
    }
    for one in results.metrics.values():
        one["summary"]["chance"] = {"mean": 0.5, "sd": None, "n": 1}
    told = judged(
        results,
        row("cnn.val_accuracy@1", "0.76", "stochastic"),
        row("kim.best", "0.81", "stochastic"),
    )
    assert [one["baseline"] for one in told] == [0.5, 0.5]
    [other] = judged(results, row("cnn.best", "0.8", "stochastic"))
    assert other["baseline"] is None


def test_every_row_has_every_column_of_the_table(made, tmp_path):
    rows = judged(
        made(), row("cnn.val_accuracy@1", "0.76", "stochastic"), row("blogs.n_posts", "4842"),
        row("nothing.loss", "1.0", "stochastic"),
    )  # fmt: skip
    write_rows(tmp_path / "reproduction.tsv", rows)
    header, *lines = (tmp_path / "reproduction.tsv").read_text().splitlines()
    table = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    assert float(table[0]["p"]) > 0.05
    assert table[0]["run_ids"] == "run-cnn-1,run-cnn-2"
    assert (table[1]["p"], table[2]["p"], table[2]["verdict"]) == ("", "", "not run")


def test_an_experiments_own_name_answers_it(made):
    [told] = judged(made(), row("cnn.val_accuracy@1", "0.76", "stochastic"))
    assert (told["verdict"], told["n_seeds"]) == ("holds", 2)
    assert told["run_ids"] == ["run-cnn-1", "run-cnn-2"]


def test_a_number_that_nothing_produces_is_not_run(made):
    [told] = judged(made(), row("nothing.loss", "1.0", "stochastic"))
    assert (told["verdict"], told["run_ids"], told["command"]) == ("not run", [], "")


def test_a_number_whose_data_is_missing_is_not_run_with_the_reason_in_every_edition(made):
    reason = {"ch09.kim.best": "the weights cannot be had"}
    for edition in ("book", "bundled"):
        results = made(edition, {"kim": "the weights cannot be had"}, reason)
        assert not results.has("kim")
        [told] = judged(results, row("kim.best", "0.8", "stochastic"))
        assert (told["verdict"], told["reason"]) == ("not run", "the weights cannot be had")
        assert told["command"].endswith("kim/metrics.json")  # with the data, this runs it


def test_a_row_that_lies_outside_has_its_cause_and_no_other(made):
    [inside] = judged(made(), row("cnn.val_accuracy@1", "0.76", "stochastic"))
    assert (inside["verdict"], inside["cause"]) == ("holds", None)
    results = made()
    results.metrics["cnn"]["seeds"]["2"]["val_accuracy@1"] = 0.7501
    [outside] = judged(results, row("cnn.val_accuracy@1", "0.9", "stochastic"))
    assert (outside["verdict"], outside["cause"]) == ("worse", "Other words.")


FAULT = {
    "id": "words", "printed": "a", "wrong": "b", "as_printed": "cnn", "corrected": "kim",
    "metric": "best", "repaired_metric": None,
}  # fmt: skip


def test_a_fault_that_could_not_be_measured_is_told_with_the_reason(made):
    results = made(absent={"kim": "the vectors cannot be had"})
    results.file["faults"] = [FAULT]
    [told] = _faults(results)
    assert (told["effect"], told["n"]) == (None, 0)
    assert told["text"] == "Not measured: kim was left out (the vectors cannot be had)."
    files = re.findall(r"(\w+)/metrics\.json", told["command"])
    assert files == ["cnn", "kim"]


def test_a_fault_that_changes_no_number_is_told_without_a_price(made):
    results = made(absent={"kim": "no vectors"})
    results.file["faults"] = [FAULT]
    results.file["unpriced"] = [{"id": "a", "printed": "b", "wrong": "c", "why": "It stops."}]
    _, told = _faults(results)
    assert (told["id"], told["printed"], told["wrong"]) == ("a", "b", "c")
    assert told["text"] == "Not measured: It stops."
    assert told["effect"] is told["as_printed"] is told["command"] is None
    assert set(told) == set(_faults(results)[0])


@pytest.mark.parametrize(
    ("balanced", "said"),
    [((0.5, 0.9), "1 of the 2"), ((0.5, 0.5), ""), ((0.3, 0.9), ""), ((0.8, 0.9), "")],
)
def test_two_kinds_of_runs_are_told_apart(made, balanced, said):
    results = made()
    for seed, value in zip("12", balanced):
        results.metrics["cnn"]["seeds"][seed]["balanced_accuracy"] = value
    told = _collapsed(results, "cnn")
    assert (said in told) if said else told == ""


def test_a_repair_that_makes_its_number_worse_says_so(made):
    results = made()
    for name, values in {"cnn": (0.9, 0.91), "kim": (0.7, 0.712)}.items():
        results.metrics[name]["seeds"] = {
            str(seed): {"test_accuracy": value} for seed, value in enumerate(values, 1)
        }
    results.file["faults"] = [{**FAULT, "metric": "test_accuracy"}]
    [worse] = _faults(results)
    assert "the repair makes it worse" in worse["text"]
    results.file["faults"] = [
        {**FAULT, "metric": "test_accuracy", "as_printed": "kim", "corrected": "cnn"}
    ]
    [better] = _faults(results)
    assert "does not hold zero" in better["text"]
    assert "worse" not in better["text"]


def test_data_of_each_set_and_none_of_one_that_is_not_there(made):
    results = made()
    assert results.data_of("blogs")["x"].tolist() == [5, 5, 5]
    assert results.data["x"].tolist() == [7, 7, 7]
    assert results.data_of("glove") is None
    assert results.about_of("glove") is None


def text(tmp_path, results, source):
    path = tmp_path / "text.md"
    path.write_text(source, encoding="utf-8")
    return render_text(path, results)


def test_text_names_the_data_set_whose_fact_it_tells(made, tmp_path):
    said = text(tmp_path, made(), "{{ fact('vocabulary') }} {{ fact('n_posts', 'blogs') }}")
    assert said == "18,765 4,842"


def test_text_of_what_was_left_out_says_so(made, tmp_path):
    results = made(absent={"kim": "no weights"})
    source = (
        "{{ ours('kim', 'best') }} {{ setting('kim', 'epochs') }} {{ quoted('kim', 'shape') }} "
        "{{ printed_seed('kim', 'best') }} {{ fact('a', 'glove') }} {{ has('kim') }} "
        "{{ has('cnn') }} {{ setting('cnn', 'epochs') }} {{ mean('kim', 'best') }}"
    )
    assert text(tmp_path, results, source) == "(not run) " * 5 + "False True 3 nan"


def test_text_asks_for_a_mean_as_a_number_and_for_settings_that_there_are(made, tmp_path):
    results = made()
    results.experiments["cnn"]["settings"]["optimizer"] = {"type": "sgd"}
    source = (
        "{% if mean('cnn', 'best') > 0 %}more{% endif %} {{ setting('cnn', 'optimizer.type') }}"
    )
    results.metrics["cnn"]["summary"]["best"] = {"mean": 0.5, "sd": None, "n": 1}
    assert text(tmp_path, results, source) == "more sgd"
    for name in ("optimizer.rate", "optimizer.type.a", "optimiser"):
        with pytest.raises(KerasbookError, match=rf"asks for the setting {name} of cnn; there is"):
            text(tmp_path, results, f"{{{{ setting('cnn', '{name}') }}}}")


def test_a_misspelt_experiment_is_no_experiment_that_was_left_out(made, tmp_path):
    with pytest.raises(KerasbookError, match=r"asks for kin\.best"):
        text(tmp_path, made(absent={"kim": "no weights"}), "{{ ours('kin', 'best') }}")


def test_a_quoted_text_cannot_end_its_block(made, tmp_path):
    results = made()
    results.metrics["cnn"]["seeds"]["1"]["sample"] = "x\n```\n<b>y</b> ```` z"
    said = text(tmp_path, results, "{{ quoted('cnn', 'sample') }}")
    fence = said.splitlines()[1]
    assert set(fence) == {"`"}
    assert len(fence) > 4
    assert said.splitlines()[-1] == fence


def test_what_is_printed_by_epoch_stands_beside_the_books_data_alone(made):
    rows = [
        row("cnn.loss@1", "0.7", "stochastic"),
        row("cnn.loss_partial@2", "0.6", "stochastic"),
        row("kim.best", "0.81", "stochastic"),
        row("kim.loss@1", "0.5", "stochastic"),
    ]
    results = made()
    results.ledger = rows
    both = {"cnn": {"loss": {1: 0.7, 2: 0.6}}, "kim": {"loss": {1: 0.5}}}
    assert results.printed_history() == both
    assert results.printed_history(["kim"]) == {"kim": both["kim"]}
    elsewhere = made("bundled")
    elsewhere.ledger = rows
    assert elsewhere.printed_history() == {}


def test_what_runs_read_as_it_was_downloaded_is_told_with_licence_and_source(tmp_path, monkeypatch):
    monkeypatch.chdir(LEDGER.parents[1])
    names = {"imagenet_classes": "imagenet_class_index.json", "glove": "glove.6B.zip"}
    records = []
    for number, (dataset, file) in enumerate(names.items()):
        record = {
            "dataset": dataset, "file": file, "source": "mirror: x", "bytes": 7, "sha256": "ab",
            "content_sha256": f"c{number}", "seconds": 1.0,
        }  # fmt: skip
        records.append(tmp_path / f"{file}.json")
        records[-1].write_text(json.dumps(record))
    classes, glove = downloads(records)
    assert (classes["dataset"], classes["file"]) == next(iter(names.items()))
    assert (classes["digest"], glove["digest"]) == ("c0", "c1")
    assert (glove["bytes"], glove["sha256"], glove["source"]) == (7, "ab", "mirror: x")
    assert "Public Domain" in glove["licence"]
    assert glove["title"] and glove["citation"]
    assert set(classes) == {
        "dataset", "digest", "title", "licence", "citation", "file", "bytes", "sha256",
        "content_sha256", "source",
    }  # fmt: skip
    assert downloads([]) == []


@pytest.mark.parametrize(
    "text",
    [
        "Loss (nats) of 3 x 3 filters: 0.5 ± 0.1, 'not six', a_b_ and *more*",
        "{{ 7 * 7 }} {% for %} {# no #} `code`_ |bar| http://example.org/ <b>&amp;",
        "1. first\n\n.. image:: file.png\n\n=====\n:key: \\value",
    ],
)
def test_a_caption_of_snakemakes_report_reads_as_it_was_written(text):
    rendered = jinja2.Environment().from_string(as_rst(text)).render()
    body = publish_parts(rendered, writer="html", settings_overrides={"report_level": 1})["body"]
    assert re.fullmatch(r"<p>[^<]*</p>\n", body)
    assert html.unescape(body[3:-5]) == " ".join(text.split())


def test_what_runs_asked_for_and_used_of_gpus():
    assert gpus_told([{"device": "cpu"}, {"device": "cpu"}]) is None
    card = {"device": "gpu: A card"}
    told = gpus_told(
        [
            {**card, "gpu": {"asked": 1, "memory_mb": 900.0, "utilisation": 40.0}},
            {**card, "gpu": {"asked": 1, "memory_mb": 700.0, "utilisation": 60.0}},
            {"device": "cpu", "gpu": {"asked": 1}},
            {"device": "cpu"},
        ]
    )
    assert told == {
        "asked": 3, "used": {"gpu: A card": 2, "cpu": 1}, "memory_mb": 900.0, "utilisation": 50.0,
    }  # fmt: skip
