"""Benchmarks build what they measure, and one that fails loses no other's figures."""

import json
import math
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import cost, determinism, measure, run, sweep
from benchmarks.cost import Spent
from benchmarks.measure import Row, not_measured
from kerasbook import readme
from kerasbook.checkpoints import Checkpoints
from kerasbook.configuration import load_chapter, rooms
from kerasbook.reference import read_table
from kerasbook.steps import Step
from kerasbook.training import Progress, fit, save_run


def test_a_bound_holds_or_is_broken_or_was_not_measured():
    assert Row("a", 1.0, "s", "<= 1").verdict() == "holds"
    assert Row("a", 1.1, "s", "<= 1").verdict() == "broken"
    assert Row("a", 0.8, "ratio", ">= 0.9").verdict() == "broken"
    assert Row("a", 0.8, "ratio").verdict() == ""
    assert not_measured("a", "s", "<= 1", "no data").verdict() == "not measured"
    assert Row("a", math.nan, "s", "<= 1").verdict() == "broken", "there must be a reason"


def test_one_that_fails_is_told_and_the_others_are_kept(tmp_path, monkeypatch, capsys):
    def fails():
        raise KeyError("gates")

    benchmarks = {"first": lambda: [Row("a", 2.0, "s", "<= 1")], "second": fails,
                  "third": lambda: [Row("b", 3.0, "s")]}  # fmt: skip
    monkeypatch.setattr(run, "BENCHMARKS", benchmarks)
    out = tmp_path / "bench.tsv"
    assert run.main(["--out", str(out)]) == 1
    assert out.read_text().splitlines()[1:] == ["a\t2\ts\t<= 1\t", "b\t3\ts\t\t"]
    told = capsys.readouterr().err
    assert "a: found 2 s, expected <= 1." in told
    assert "second: the benchmark failed" in told
    assert run.main(["--only", "third", "--out", str(out)]) == 0


def test_what_was_not_measured_is_named_with_its_reason_and_not_counted_as_held(
    tmp_path, monkeypatch, capsys
):
    rows = [Row("a", 0.5, "s", "<= 1"), not_measured("b", "s", "<= 1", "found no data"),
            Row("c", 3.0, "s")]  # fmt: skip
    monkeypatch.setattr(run, "BENCHMARKS", {"some": lambda: rows})
    out = tmp_path / "bench.tsv"
    assert run.main(["--out", str(out)]) == 0
    assert out.read_text().splitlines()[2] == "b\tnan\ts\t<= 1\tfound no data"
    told = capsys.readouterr()
    assert "not measured: found no data" in told.out
    assert "b: not measured: found no data. Expected <= 1." in told.err
    last = told.err.splitlines()[-1]
    assert last == "Of 2 bounds 1 hold, 0 are broken, 1 could not be measured here."


# What a chapter's benchmark measures, cut to a moment.
SMALL = {"ROWS": 64, "SENTENCES": 32, "PICTURES": 256, "BATCHES": 1, "STEPS": 1, "N": 256,
         "WINDOWS": 128, "WRITTEN": 3}  # fmt: skip
SMALLER = {"ch08": {"PICTURES": 8, "DIGITS": 32, "BATCHES": 1}}  # of 224 x 224 pixels


@pytest.mark.parametrize("chapter", ["ch03", "ch05", "ch07", "ch08", "ch09", "ch10", "ch11"])
def test_what_a_chapters_benchmark_measures_can_be_trained(monkeypatch, chapter):
    """All but the time: a few rows, one repetition."""
    import importlib

    module = importlib.import_module(f"benchmarks.{chapter}")
    for name, value in (SMALL | SMALLER.get(chapter, {})).items():
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(measure, "REPEATS", 1)
    monkeypatch.setattr(measure, "BY_PREDICT", 1)
    monkeypatch.delenv("KERASBOOK_MIRROR", raising=False)
    monkeypatch.setattr(measure, "peak_memory_mb", lambda code: 1.0)
    if hasattr(module, "peak_memory_mb"):
        monkeypatch.setattr(module, "peak_memory_mb", lambda code: compile(code, "c", "exec") and 1)
    for row in getattr(module, chapter)():
        assert math.isnan(row.value) == (row.name == "ch10_imdb_preprocess_seconds")
        assert bool(row.why) == math.isnan(row.value)


def test_the_character_network_is_measured_as_the_chapter_trains_it(monkeypatch):
    import benchmarks.ch10 as ch10
    from chapters.ch10_recurrent import networks

    asked = []

    def network(settings, window, symbols):
        asked.append(settings)
        raise InterruptedError

    monkeypatch.setattr(networks, "character_network", network)
    with pytest.raises(InterruptedError):
        ch10.character_networks()
    assert asked == [measure.settings_of("ch10", "nietzsche_lstm")]
    assert asked[0]["recurrent_activation"].startswith("hard_sigmoid")


# ------------------------------------------------------------------- what the workflow costs


def slow(*told):
    time.sleep(0.05)


def test_telling_of_epochs_is_no_part_of_the_training_that_cost_counts(tmp_path):
    progress = Progress(3, 10, slow)
    for epoch in (1, 2, 3):
        time.sleep(0.02)
        progress.epoch({"loss": 1.0}, epoch)
        with progress.aside():
            time.sleep(0.05)
    # The third epoch is told of after its end, and so after `seconds`.
    assert 0.2 <= progress.told_seconds < progress.seconds
    assert progress.seconds - progress.told_seconds >= 0.06
    later = Progress(4, 10, slow)
    later.restore(progress.state())
    assert later.told_seconds == progress.told_seconds
    later.epoch({"loss": 1.0}, 4)
    assert later.told_seconds >= progress.told_seconds + 0.15, "three epochs told of once more"
    assert later.seconds - later.told_seconds >= progress.seconds - progress.told_seconds
    job = SimpleNamespace(
        output=SimpleNamespace(**{one: tmp_path / f"{one}.npz" for one in
                                  ("history", "predictions", "record")})
    )  # fmt: skip
    said = SimpleNamespace(metrics=print, tags=print, history=print, record=dict, id="run")
    step = Step("r", "train", "smoke", "ch07_x", experiment="one", seed=1)
    save_run(job, said, step, later, {"x": np.zeros(1)})
    record = json.loads((tmp_path / "record.npz").read_text())
    assert record["told_seconds"] == later.told_seconds
    assert cost.trained(record) == pytest.approx(later.seconds - later.told_seconds)
    assert cost.trained({"seconds": 3.0}) == 3.0  # a record of an earlier version
    besides = {"seconds": 3.0, "told_seconds": 0.5, "other_fits_seconds": 4.0}
    assert cost.trained(besides) == 6.5


@pytest.mark.slow
def test_a_checkpoint_is_no_part_of_the_training_that_cost_counts(tmp_path, monkeypatch):
    from kerasbook.models import set_up_keras

    keras = set_up_keras(1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    monkeypatch.setattr(Checkpoints, "write", slow)
    rows = (np.zeros((8, 3), np.float32), np.zeros(8, np.float32))
    progress = fit(model, rows, None, 3, 8, seed=1, keep=Checkpoints(tmp_path, "mark"))
    assert 0.1 <= progress.told_seconds < progress.seconds


def test_the_parts_of_the_time_are_those_of_all_cores_and_add_up():
    def job(rule, seconds, imports, tracking):
        return {"rule": rule, "seconds": seconds, "imports": imports, "tracking": tracking}

    jobs = [job("ch01_train", 50, 10, 5), job("ch01_report", 20, 4, 1), job("index", 10, 2, 0),
            job("ch01_evaluate", 5, 1, 1)]  # fmt: skip
    found = cost.shares(100, 2, jobs, training=30)
    assert sum(found.values()) == pytest.approx(1)
    expected = {"training": 30, "imports": 17, "tracking": 7, "pages": 15 + 8,
                "other work": 35 - 30 + 3, "Snakemake and idle": 200 - 85}  # fmt: skip
    assert {part: share * 200 for part, share in found.items()} == pytest.approx(expected)


def book_run(results, experiment, record, wall):
    chapter = results / "ch10_x"
    folder = chapter / experiment / "seed1"
    folder.mkdir(parents=True)
    (folder / "train.json").write_text(json.dumps(record))
    if wall is not None:
        table = chapter / "benchmarks/train" / f"{experiment}.seed1.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(f"s\th:m:s\tmax_rss\n{wall}\t0:00:00\t100.0\n")


def test_trainings_of_the_books_scale_are_told_by_all_their_time_and_by_the_worst(
    tmp_path, monkeypatch
):
    book_run(tmp_path, "long", {"seconds": 1010.0, "told_seconds": 10.0}, 1020)
    book_run(tmp_path, "shorter", {"seconds": 180.0}, 200)
    book_run(tmp_path, "too_short", {"seconds": 100.0}, 200)
    book_run(tmp_path, "not_timed", {"seconds": 500.0}, None)
    found = cost.of_the_book(tmp_path)
    assert sorted(found) == [Spent(200.0, 180.0), Spent(1020.0, 1000.0)]
    assert cost.overhead(found) == pytest.approx(40 / 1220)
    monkeypatch.setattr(cost, "of_the_book", lambda: found)
    rows = {row.name: row for row in cost.book()}
    assert rows["book_training_overhead"].value == pytest.approx(100 * 40 / 1220)
    assert rows["book_training_overhead"].verdict() == "holds"
    assert rows["book_training_overhead_worst"].value == pytest.approx(10)
    assert rows["book_trainings"].value == 2


def test_without_the_book_edition_one_training_is_run_where_there_is_its_data(monkeypatch):
    monkeypatch.setattr(cost, "of_the_book", list)
    monkeypatch.setattr(cost, "one_of_the_book", lambda mirror: ([Spent(300.0, 270.0)], 360.0))
    monkeypatch.setenv("KERASBOOK_MIRROR", "somewhere")
    rows = {row.name: row for row in cost.book()}
    told = rows["book_training_overhead"]
    assert (told.value, told.verdict()) == (pytest.approx(10), "broken")
    assert rows["book_command_overhead"].value == pytest.approx(25)
    monkeypatch.setattr(cost, "one_of_the_book", lambda mirror: ([], 90.0))
    [row] = cost.book()
    assert (row.verdict(), "took less than 120 s" in row.why) == ("not measured", True)
    monkeypatch.delenv("KERASBOOK_MIRROR")
    [row] = cost.book()
    assert (row.name, row.verdict()) == ("book_training_overhead", "not measured")
    assert "found no training of 120 s or more in results/book" in row.why


def test_what_is_run_of_the_book_is_a_training_as_printed_with_a_rule_of_its_own():
    slug, experiment = Path(cost.RECORD).parts[2:4]
    chapter = slug.split("_")[0]
    assert rooms()[chapter] == slug
    entry = load_chapter(chapter, "book", measure.ROOT / "config/chapters").experiments[experiment]
    assert entry.variant == "as_printed"
    assert Path(cost.DATA).stem == entry.settings()["dataset"]
    assert Path(cost.DATA).parent.name == slug


def test_the_figures_show_every_part_and_the_overhead_beside_the_whole(tmp_path):
    parts = {cores: dict.fromkeys(cost.PARTS, 1 / len(cost.PARTS)) for cores in (1, 2)}
    cost.drawn(parts, {10: Spent(5.0, 2.0), 500: Spent(3.0, 2.0)}, tmp_path)
    shares = (tmp_path / "cost.svg").read_text()
    for told in (*cost.PARTS, "1 core", "2 cores"):
        assert f">{told}<" in shares
    growth = (tmp_path / "cost_growth.svg").read_text()
    for told in ("with its training", "overhead alone", "core seconds per job", "10", "500"):
        assert f">{told}<" in growth


def test_a_job_of_a_growing_sweep_is_told_with_and_without_its_training(monkeypatch, tmp_path):
    def sweep_of(points, folder):
        page = folder / "results/sweeps/benchmark.html"

        def snakemake(*arguments):
            assert arguments == ("-c2", "results/sweeps/benchmark.html")
            for number in range(points):
                file = page.with_suffix("") / f"point_{number}/seed1.json"
                file.parent.mkdir(parents=True)
                file.write_text(json.dumps({"seconds": 0.5, "told_seconds": 0.25}))

        return snakemake, "results/sweeps/benchmark.html"

    monkeypatch.setattr(cost, "JOBS", (2, 4))
    monkeypatch.setattr(cost, "sweep_of", sweep_of)
    monkeypatch.setattr(cost, "seconds", lambda call: call() or 6.0)
    assert cost.growth() == {2: Spent(6.0, 0.25), 4: Spent(3.0, 0.25)}


def test_the_sweep_that_is_measured_is_one_that_the_chapter_accepts(tmp_path, monkeypatch):
    called = []

    def copied(folder):
        shutil.copytree(measure.ROOT / "config", folder / "config")

    monkeypatch.setattr(sweep, "copy_of_the_project", copied)
    monkeypatch.setattr(
        sweep.subprocess, "run", lambda command, **more: called.append((command, more["cwd"]))
    )
    snakemake, target = sweep.sweep_of(7, tmp_path)
    assert target == f"results/smoke/{rooms()['ch04']}/sweeps/benchmark.html"
    [(command, where)] = called
    assert f"data/processed/smoke/{rooms()['ch04']}/mnist.npz" in command
    assert where == tmp_path
    chapter = load_chapter("ch04", "smoke", tmp_path / "config/chapters")
    assert chapter.sweeps["benchmark"].entry.draws == 7
    snakemake("-n", target)
    assert {"-n", target, "config/smoke.yaml"} <= set(called[-1][0])


def test_determinism_counts_the_runs_of_a_condition_and_names_what_differs():
    a = {"condition": "a", "chapter": "ch01", "runs": 6, "same": 6, "largest_change": 0.0,
         "others": 0}  # fmt: skip
    b = {**a, "condition": "b"}
    rows = [a, {key: str(value) for key, value in b.items()},
            {**b, "chapter": "ch04", "runs": "4", "same": "1", "largest_change": "0.25",
             "others": "2"}]  # fmt: skip
    made = {"processor": "Some CPU", "commit": "0123456789"}
    told = determinism.section([{**row, **made} for row in rows])
    assert "| a | 6 of 6 | – | – | – |" in told
    assert "| b | 7 of 10 | ch04 | 0.25 | 2 of ch04 |" in told
    assert "Some CPU) at commit 0123456." in told


def test_determinism_takes_the_largest_change_and_tells_other_numbers_apart():
    def compare(one, other):
        [row] = determinism.compared("a", {("ch01", "x", "1"): one}, {("ch01", "x", "1"): other})
        return row["same"], row["largest_change"], row["others"]

    numbers = {"loss": 2.0, "difference": 0.0, "rows": 3}
    assert compare(numbers, dict(numbers)) == (1, 0.0, 0)
    assert compare(numbers, {**numbers, "loss": 1.5}) == (0, 0.25, 0)
    assert compare(numbers, {**numbers, "difference": 1e-6}) == (0, 1e-6, 0)
    assert compare(numbers, {"loss": 2.0}) == (0, 0.0, 1)
    assert compare(numbers, {**numbers, "rows": None}) == (0, 0.0, 1)


def test_the_page_on_determinism_says_what_was_measured():
    rows = read_table(determinism.TABLE)
    page = determinism.PAGE
    assert page.read_text("utf-8") == readme.replaced(
        page, determinism.section(rows), determinism.BEGIN, determinism.END
    ), "call `make determinism`"
    assert {row["chapter"] for row in rows} == set(rooms())
    assert all(row["same"] == row["runs"] for row in rows if row["condition"] == "the same")


# ------------------------------------------------------------------------------- a GPU's worth


def sides(monkeypatch, visible, device):
    """What `benchmarks.gpu` tells of a machine, where a GPU is four times as fast."""
    from benchmarks import gpu

    def in_a_process(environment):
        on_gpu = environment != gpu.NO_GPU
        told = dict.fromkeys(gpu.networks(), 400.0 if on_gpu else 100.0)
        return {"device": device if on_gpu else "cpu", **told}

    monkeypatch.setattr(gpu, "_in_a_process", in_a_process)
    monkeypatch.setattr(gpu.devices, "visible", lambda: visible)
    monkeypatch.setattr(gpu.shutil, "which", lambda name: None)
    return {row.name: row for row in gpu.gpu()}


def test_a_gpu_is_measured_beside_the_cpu(monkeypatch):
    rows = sides(monkeypatch, ["0"], "gpu: H100")
    assert rows["ch10_lstm_on_cpu"].value == 100
    assert rows["ch10_lstm_on_gpu"].value == 400
    assert rows["ch10_lstm_gpu_speedup"].value == 4
    assert {row.why for row in rows.values()} == {""}


@pytest.mark.parametrize(
    ("visible", "why"), [([], "found no GPU of NVIDIA"), (["0"], "does not use it")]
)
def test_no_speed_of_a_gpu_is_told_where_none_was_used(monkeypatch, visible, why):
    rows = sides(monkeypatch, visible, "cpu")
    assert not [name for name in rows if name.endswith("_gpu_speedup")]
    assert rows["ch10_characters_on_cpu"].value == 100
    assert why in rows["ch10_characters_on_gpu"].why


def test_the_gpus_benchmark_trains_what_the_chapters_do(monkeypatch):
    """Those networks are trained above, chapter by chapter; here one is timed."""
    from benchmarks import ch07, gpu

    monkeypatch.setattr(ch07, "ROWS", 64)
    one = {name: made for name, made in gpu.networks().items() if made is ch07.deepest}
    monkeypatch.setattr(gpu, "networks", lambda: one)
    told = gpu.rates(threads=1)
    assert told.keys() == {"device", "ch07_convnet"}
    assert told["ch07_convnet"] > 0
