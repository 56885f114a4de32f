"""One command from a number to its run, its parameters, its data and its code."""

import json
import os
from pathlib import Path

import page_example
import pytest

from kerasbook import records, trace
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_files
from kerasbook.plan import code_of, code_of_point

ROOT = Path(__file__).resolve().parents[2]
SLUG = page_example.SLUG
NUMBER = "ch07.conv.test_accuracy"


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "results" / "book"
    page_example.write_results(folder)
    return folder


def change(file, **provenance):
    """Change what a run recorded of where it comes from; None takes a key away."""
    told = json.loads(file.read_text())
    told["provenance"] |= provenance
    told["provenance"] = {k: one for k, one in told["provenance"].items() if one is not None}
    file.write_text(json.dumps(told))


def said(folder, name):
    return " ".join(trace.trace(folder, name).split())


def test_a_number_leads_to_its_run_parameters_data_and_code(folder):
    text = said(folder, NUMBER)
    row = next(one for one in page_example.ROWS if one["id"] == NUMBER)
    data = page_example.PROVENANCE["data"][0]
    for part in (
        f"{NUMBER}, stochastic, line 1775", "printed 0.9599", "ours 0.964 ± 0.0021, of 3 seeds",
        f"verdict holds: {row['reason']}", row["command"],
        f"{SLUG}/report.html#{NUMBER}", "rule ch07_train conv", "epochs 2", "optimizer.type sgd",
        page_example.DIGEST, data["sha256"], data["source"], "commit 0123abc, with changes",
        f"workflow/chapters/{SLUG}/train.py and 11 files", "c0de" * 16, "tensorflow 2.21.0",
        "x86_64, 2 cores, 23.5 GiB, Linux 6.1, 1 thread",
        "2026-01-02T03:00:00Z to 2026-01-02T03:04:00Z", "evaluated ch07_evaluate",
    ):  # fmt: skip
        assert part in text, part
    for seed, run_id in enumerate(page_example.RUNS, 1):
        assert f"run {run_id} seed {seed}" in text
        assert f"{SLUG}/conv/seed{seed}/train.json" in text
        assert f"logs/book/{SLUG}/train/conv.seed{seed}.log" in text
        assert f"http://127.0.0.1:5000/#/experiments/7/runs/{run_id}" in text


def test_what_the_runs_share_is_told_once_and_it_fits_a_screen(folder):
    text = trace.trace(folder, NUMBER)
    assert text.count("tensorflow 2.21.0") == 1
    assert len(text.splitlines()) < 50
    other = folder / SLUG / "conv/seed2/train.json"
    change(other, machine={**page_example.PROVENANCE["machine"], "cores": 64})
    text = trace.trace(folder, NUMBER)
    shared, rest = text.split(f" {page_example.RUNS[0]}\n")
    first, second = rest.split(f" {page_example.RUNS[1]}\n")
    assert "cores" not in shared
    assert "2 cores" in first
    assert "64 cores" in second


def test_weights_that_a_run_read_are_data_of_that_run(folder):
    assert "glove: GloVe content of SHA-256 cd" in said(folder, page_example.RUNS[1])
    assert "glove" not in said(folder, page_example.RUNS[0])
    (folder / SLUG / "report.json").unlink()
    assert "of which the chapter's page does not tell" in said(folder, page_example.RUNS[0])


def test_a_fact_of_the_data_leads_to_the_run_that_prepared_it(folder):
    text = said(folder, "ch07.data.n_train")
    assert f"run {'d' * 32}" in text
    assert "rule ch07_preprocess mnist" in text
    assert f"mnist: MNIST content of SHA-256 {page_example.DIGEST}" in text
    assert page_example.PROVENANCE["data"][0]["source"] in text
    assert "seed" not in text.split("rule")[1]


def test_a_number_of_the_prose_leads_to_its_runs_too(folder):
    text = said(folder, "ch07.conv.hinge")
    for part in ("number ch07.conv.hinge, of our runs alone", "ours 0.25 (seed 1) 0.5 (seed 2)",
                 page_example.ROWS[1]["command"], "rule ch07_train conv", "commit 0123abc",
                 *(f"run {one}" for one in page_example.RUNS)):  # fmt: skip
        assert part in text, part
    text = said(folder, "ch07.mnist.n_train")
    assert "number ch07.mnist.n_train, of the data alone ours 11918" in text
    assert "rule ch07_preprocess mnist" in text


def test_a_printed_number_without_a_page_is_not_told_as_one_of_ours(folder):
    (folder / "reproduction.tsv").unlink()
    (folder / SLUG / "reproduction.tsv").unlink()
    (folder / SLUG / "report.json").unlink()
    with pytest.raises(KerasbookError, match="its chapter has no page there yet"):
        trace.trace(folder, NUMBER)
    assert "report.html" not in said(folder, "ch07.conv.hinge")
    (folder / SLUG / "conv/evaluate.json").unlink()
    (folder / SLUG / "conv/metrics.json").unlink()
    with pytest.raises(KerasbookError, match="found no such number or run"):
        trace.trace(folder, "ch07.conv.hinge")


def test_a_run_leads_to_its_numbers_and_its_command(folder):
    text = said(folder, page_example.RUNS[0])
    assert f"run {page_example.RUNS[0]} seed 1" in text
    assert page_example.RUNS[1] not in text
    assert "numbers ch07.data" not in text
    assert "ch07.conv.loss@1, " in text and "more" in text
    assert page_example.ROWS[1]["command"] in text
    assert "rule ch07_report" in said(folder, "a" * 32)
    assert "rule ch07_evaluate conv" in said(folder, "e" * 32)


def test_code_that_is_another_now_is_told(folder):
    file = folder / SLUG / "conv/seed1/train.json"
    assert "here it is another now" in said(folder, page_example.RUNS[0])
    script = f"workflow/chapters/{SLUG}/train.py"
    change(file, code_sha256=digest_of_files({script, *code_of(Path(script))}))
    assert "as it is here now" in said(folder, page_example.RUNS[0])


def test_a_served_mlflow_is_named_in_place_of_the_local_one_and_without_its_password(folder):
    file = folder / SLUG / "conv/seed1/train.json"
    change(file, mlflow_uri="https://me:s3cret@runs.example/x/")
    text = said(folder, page_example.RUNS[0])
    assert f"https://runs.example/x/#/experiments/7/runs/{page_example.RUNS[0]}" in text
    assert "127.0.0.1" not in text and "s3cret" not in text


@pytest.mark.parametrize("recorded", ["journal", "MLflow"])
def test_a_run_is_found_by_its_id_in_the_journal_and_in_mlflow(folder, recorded):
    own, given = "j" + "0" * 32, "f" * 32
    file = folder / SLUG / "conv/seed1/train.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "run_id": own if recorded == "journal" else given}))
    (folder / "journal").mkdir()
    ticket = {"uri": "sqlite:///x.db", "experiment_id": "9", "run_id": given}
    (folder / "journal" / f"{own}.json").write_text(json.dumps(ticket))
    assert said(folder, own) == said(folder, given)
    assert "rule ch07_train conv" in said(folder, own)


def test_what_a_run_of_an_earlier_version_did_not_record_its_page_tells(folder):
    file = folder / SLUG / "conv/seed1/train.json"
    told = json.loads(file.read_text())
    del told["provenance"]
    file.write_text(json.dumps(told))
    tracking = {"uri": "sqlite:///x.db", "chapters": {SLUG: {"experiment_id": "9"}}}
    (folder / "tracking.json").write_text(json.dumps(tracking))
    text = said(folder, page_example.RUNS[0])
    for part in ("earlier version", "batch_size 128", "commit 0123abc", "keras 3.15.1",
                 page_example.DIGEST, "/#/experiments/9/"):  # fmt: skip
        assert part in text, part


def test_a_number_that_was_not_run_says_why(folder):
    text = said(folder, "ch07.conv_dense.n_filters")
    assert "ours none" in text
    assert "verdict not run: the printed weights are not to be had" in text
    assert "run " not in text.split("re-run")[1].split("conv_dense", 1)[1]


def test_a_run_whose_record_is_gone_is_told(folder):
    (folder / SLUG / "conv/seed1/train.json").unlink()
    text = said(folder, NUMBER)
    assert f"{page_example.RUNS[0]}: found no record of it" in text
    assert f"run {page_example.RUNS[1]} seed 2" in text


@pytest.mark.parametrize(
    "name, told",
    [
        ("ch07.conv.test_acuracy", r"did you mean 'ch07\.conv\.test_accuracy'"),
        (page_example.RUNS[1][:8], rf"did you mean '{page_example.RUNS[1]}'"),
        ("ch01.data.n_rows", r"its chapter has no page there yet"),
        ("ch07.conv.nothing", r"found no such number or run"),
        ("ch07.conv", r"found no such number or run"),
        ("zzzz", r"found no such number or run in .*, expected an id of"),
    ],
)
def test_an_unknown_id_is_told_with_the_nearest(folder, name, told):
    with pytest.raises(KerasbookError, match=told):
        trace.trace(folder, name)


def test_the_newest_edition_is_taken(folder, capsys, monkeypatch):
    results = folder.parent
    monkeypatch.setattr(trace, "RESULTS", results)
    page_example.write_results(results / "smoke")
    (results / "bundled").mkdir()
    for number, edition in enumerate(("smoke", "book")):
        for file in (results / edition).rglob("*.json"):
            os.utime(file, (1000 + number, 1000 + number))
    assert trace.newest_edition(results) == "book"
    assert trace.main([NUMBER]) == 0
    assert f"{results / 'book' / SLUG}" in capsys.readouterr().out
    assert trace.main([NUMBER, "--edition", "smoke"]) == 0
    assert f"{results / 'smoke' / SLUG}" in capsys.readouterr().out
    assert trace.main([NUMBER, "--edition", "bundled"]) == 1
    assert "found no results" in capsys.readouterr().err
    with pytest.raises(KerasbookError, match="run snakemake first"):
        trace.newest_edition(folder / "nothing")


def test_nobody_forgets_to_say_which(capsys):
    with pytest.raises(SystemExit):
        trace.main([""])
    assert "ID=ch07.conv.test_accuracy" in capsys.readouterr().err


def write_point(folder):
    """The record of a sweep's point, as its job writes it, beside no other results."""
    file = folder / SLUG / "sweeps/rates/point_0a1b2c3d4e/seed3.json"
    file.parent.mkdir(parents=True)
    said = page_example.origin(
        "point", rule="sweep_point", script=f"workflow/chapters/{SLUG}/train.py",
        code_sha256=digest_of_files(code_of_point(SLUG)),
    )  # fmt: skip
    told = {"point": "0a1b2c3d4e", "values": {"epochs": 2}, "metrics": {}, "seed": 3,
            "seconds": 1.0, "run_id": "b" * 32, "provenance": said}  # fmt: skip
    file.write_text(json.dumps(told))
    return file


def test_a_run_of_a_sweep_leads_to_its_parameters_data_and_code(folder):
    write_point(folder)
    text = said(folder, "b" * 32)
    for part in (
        "rule sweep_point sweeps/rates point_0a1b2c3d4e", "seed 3", "optimizer.type sgd",
        f"mnist: MNIST content of SHA-256 {page_example.DIGEST}", "commit 0123abc, with changes",
        f"workflow/chapters/{SLUG}/train.py", "as it is here now", "sweeps/rates/point_0a1b2c3d4e",
        f"/#/experiments/7/runs/{'b' * 32}",
        f"--force -- {folder}/{SLUG}/sweeps/rates/point_0a1b2c3d4e/seed3.json",
    ):  # fmt: skip
        assert part in text, part


def test_sweeps_alone_are_results_too(tmp_path):
    write_point(tmp_path / "smoke")
    assert trace.newest_edition(tmp_path) == "smoke"
    # No page tells the data's name.
    text = said(tmp_path / "smoke", "b" * 32)
    assert f"data SHA-256 {page_example.DIGEST}" in text
    assert "snakemake -c2 --configfile config/smoke.yaml --force -- " in text


# ----------------------------------------------------------------- the records themselves


def test_every_run_is_found_by_its_id(folder):
    found = records.find(folder)
    told = {(one.rule, one.name, one.seed, one.file) for one in found.values()}
    assert told == {
        ("ch07_train", "conv", 1, f"{SLUG}/conv/seed1/train.json"),
        ("ch07_train", "conv", 2, f"{SLUG}/conv/seed2/train.json"),
        ("ch07_evaluate", "conv", None, f"{SLUG}/conv/evaluate.json"),
        ("ch07_preprocess", "mnist", None, f"{SLUG}/data.json"),
        ("ch07_report", "", None, f"{SLUG}/report.json"),
    }
    assert all(found[name].run_id == name for name in found)


@pytest.mark.parametrize("text", ["[]", "{}", '{"run_id": 3}', '{"run_id": '])
def test_a_record_that_is_none_is_told(folder, text):
    (folder / SLUG / "conv/seed1/train.json").write_text(text)
    with pytest.raises(KerasbookError, match=r"seed1/train\.json.*run snakemake again"):
        records.find(folder)


def test_rows_of_chapters_are_found_before_the_first_page_is_there(folder):
    every = records.rows(folder)
    (folder / "reproduction.tsv").unlink()
    assert records.rows(folder) == every
    assert NUMBER in every
