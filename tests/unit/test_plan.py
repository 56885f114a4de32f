"""Which file comes from which, asked without Snakemake."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from kerasbook import plan as plans
from kerasbook.catalogue import load_catalogue
from kerasbook.configuration import load_settings
from kerasbook.plan import Plan, code_of
from kerasbook.verdicts import read_ledger

ROOT = Path(__file__).resolve().parents[2]
CH07 = "ch07_mnist_convnets"


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def plan_of(**values):
    return Plan(load_settings(values), load_catalogue(Path("config/datasets.yaml")))


def test_every_path_names_its_edition_so_that_they_never_mix():
    paths = {
        edition: [
            *plan.all_targets("report"), *plan.all_targets("evaluate"),
            *plan.all_targets("train"), *plan.all_targets("preprocess"), plan.tracking,
        ]
        for edition in ("bundled", "book", "smoke")
        for plan in [plan_of(edition=edition)]
    }  # fmt: skip
    for edition, files in paths.items():
        assert files
        for file in files:
            assert Path(file).parts[0] in ("results", "data")
            assert edition in Path(file).parts
            assert not Path(file).is_absolute()
    together = [file for files in paths.values() for file in files]
    assert len(set(together)) == len(together)


def test_names_that_others_rely_on():
    plan = plan_of(edition="smoke", seeds=[3])
    assert plan.page("ch07")["html"] == f"results/smoke/{CH07}/report.html"
    assert f"results/smoke/{CH07}/conv/metrics.json" in plan.targets("evaluate", "ch07")
    assert f"results/smoke/{CH07}/conv/seed3/train.json" in plan.targets("train", "ch07")
    assert plan.targets("preprocess", "ch07") == [f"data/processed/smoke/{CH07}/mnist.npz"]


def test_only_the_book_edition_downloads():
    assert plan_of(edition="bundled").all_targets("download") == []
    files = plan_of(edition="book").targets("download", "ch07")
    assert "data/raw/mnist/train-images-idx3-ubyte.gz" in files
    assert {Path(file).parts[:2] for file in files} == {("data", "raw")}


def test_targets_of_selected_chapters_only():
    one = plan_of(chapters=["ch06"])
    assert {Path(file).parts[2] for file in one.all_targets("report")} == {"ch06_mnist_explored"}
    every = plan_of().all_targets("report")
    assert len({Path(file).parts[2] for file in every}) == len(one.settings.chapters)


def test_runs_of_an_experiment_are_in_the_order_of_its_seeds():
    plan = plan_of(edition="book", seeds=[5, 2])
    of = SimpleNamespace(chapter="ch01_neural_network", experiment="ann_2_1_1_2it")
    runs = plan.runs_of(of)
    assert set(runs) == {"records", "histories", "predictions"}
    assert [Path(file).parent.name for file in runs["records"]] == ["seed123", "seed5", "seed2"]
    assert [Path(file).name for file in runs["histories"]] == ["history.tsv"] * 3


def test_a_report_stands_on_all_runs_and_on_the_chapters_it_uses():
    plan = plan_of(edition="smoke", seeds=[1])
    inputs = plan.report_inputs(SimpleNamespace(chapter=CH07))
    n_experiments = len(plan.chapter(CH07).experiments)
    for key in ("metrics", "evaluated", "records", "histories", "predictions"):
        assert len(inputs[key]) == n_experiments
    assert inputs["uses"] == ["results/smoke/ch06_mnist_explored/mnist/metrics.json"]
    assert inputs["ledger"] == "config/published.tsv"
    assert inputs["text"] == f"workflow/chapters/{CH07}/text.md"
    assert "workflow/kerasbook/templates/chapter.html" in inputs["templates"]


@pytest.mark.parametrize("edition", ["bundled", "book"])
def test_the_overview_counts_the_jobs_that_are_run(edition):
    plan = plan_of(edition=edition, seeds=[1, 2])
    chapters = plan.overview()
    assert [one["number"] for one in chapters] == [f"4.{number}" for number in range(1, 12)]
    for stage in ("preprocess", "train", "evaluate"):
        jobs = sum(one["jobs"][stage] for one in chapters)
        assert jobs == len(plan.all_targets(stage)) > len(chapters)
    assert all(one["jobs"]["report"] == 1 for one in chapters)
    by_number = {one["number"]: one for one in chapters}
    files = [one for one in plan.targets("download", "ch07") if not one.endswith(".json")]
    assert by_number["4.7"]["jobs"]["download"] == len(files)
    assert by_number["4.7"]["uses"] == ["4.6"]
    assert by_number["4.8"]["starts"] > 0 == by_number["4.7"]["starts"]


def test_of_one_chapter_the_overview_has_what_that_needs():
    plan = plan_of(chapters=["ch07"])
    lender, borrower = plan.overview()
    assert lender["jobs"] == {
        "download": 0, "preprocess": 1, "train": 1, "evaluate": 1, "report": 0,
    }  # fmt: skip
    assert borrower["jobs"]["report"] == 1


def test_tracking_tree_has_every_experiment_with_its_labels():
    tree = plan_of().tracking_tree()
    settings = load_settings({})
    conv = settings.chapters["ch07"].experiments["conv"]
    assert tree[CH07]["conv"] == {"title": conv.title, "variant": "as_printed"}
    assert {slug: set(names) for slug, names in tree.items()} == {
        chapter.slug: set(chapter.experiments) for chapter in settings.chapters.values()
    }


# ------------------------------------------------------------- data that cannot be had


def without(missing, **values):
    settings = load_settings({"edition": "book", **values})
    return Plan(settings, load_catalogue(Path("config/datasets.yaml")), missing)


def test_experiments_whose_data_is_missing_are_no_part_of_the_plan():
    every, some = without({}), without({"intro_to_ann": "no network"})
    assert "ch01" in every.selected
    assert "ch01" not in some.selected
    assert set(every.selected) - set(some.selected) == {"ch01"}
    assert some.absent["ch01"] == dict.fromkeys(every.chapters["ch01"].experiments, "no network")
    assert not some.absent["ch07"]
    for stage in ("download", "preprocess", "train", "evaluate", "report"):
        assert not [file for file in some.all_targets(stage) if "ch01" in file or "ann" in file]
    assert "ch01_neural_network" in some.tracking_tree()


def test_rows_without_data_carry_the_reason_and_no_others_do():
    assert without({}).reasons() == {}
    reasons = without({"intro_to_ann": "no network"}).reasons()
    ledger = read_ledger(Path("config/published.tsv"))
    assert reasons == {row.id: "no network" for row in ledger if row.chapter == "ch01"}
    # A chapter that was not selected is not run for that reason.
    assert without({"intro_to_ann": "no network"}, chapters=["ch07"]).reasons() == {}


def test_numbers_of_another_backend_than_tensorflow_are_not_judged():
    plan = without({"intro_to_ann": "no network"}, backend="jax", chapters=["ch01", "ch07"])
    found = plan.reasons()
    ledger = read_ledger(Path("config/published.tsv"))
    assert {row.id for row in ledger if row.chapter in ("ch01", "ch07")} >= set(found)
    assert {why for name, why in found.items() if name.startswith("ch01.")} == {"no network"}
    assert found["ch07.conv.test_accuracy"].startswith("trained with jax")
    assert plan.lacking() == {name: why for name, why in found.items() if why == "no network"}


def test_data_of_another_kind_of_use_takes_its_experiment_along(monkeypatch):
    model = type(load_settings({}).chapters["ch07"].experiments["conv"])
    monkeypatch.setattr(
        model, "raw_data", lambda self: ["intro_to_ann"] if self.epochs == 9 else []
    )
    settings = load_settings({"edition": "book"})
    conv = settings.chapters["ch07"].experiments["conv"]
    settings.chapters["ch07"].experiments["conv"] = conv.model_copy(update={"epochs": 9})
    assert "intro_to_ann" in settings.data_needed(load_catalogue(Path("config/datasets.yaml")))
    catalogue = load_catalogue(Path("config/datasets.yaml"))
    plan = Plan(settings, catalogue)
    of = SimpleNamespace(chapter=CH07, experiment="conv")
    assert plan.raw_of(of) == ["data/raw/intro_to_ann/intro_to_ann.csv"]
    assert plan.raw_records_of(of) == ["data/raw/intro_to_ann/intro_to_ann.csv.json"]
    other = SimpleNamespace(chapter=CH07, experiment="conv_dense")
    assert plan.raw_of(other) == plan.raw_records_of(other) == []
    # The page tells of them too, once for all experiments.
    assert plan.report_inputs(of)["raw_records"] == plan.raw_records_of(of)
    assert plan.report_inputs(SimpleNamespace(chapter="ch06_mnist_explored"))["raw_records"] == []
    assert "data/raw/intro_to_ann/intro_to_ann.csv" in plan.targets("download", "ch07")
    left = Plan(settings, catalogue, {"intro_to_ann": "gone"})
    assert left.absent["ch07"] == {"conv": "gone"}
    assert {why for name, why in left.reasons().items() if name.startswith("ch07.conv.")} == {
        "gone"
    }
    assert not [name for name in left.reasons() if name.startswith("ch07.conv_dense.")]


def test_an_experiment_that_starts_from_another_has_its_model_and_needs_its_data():
    plan = plan_of(edition="smoke")
    starting = {
        name: one.starts_from()[0]
        for name, one in plan.chapters["ch08"].experiments.items()
        if one.starts_from()
    }
    assert "miniature_digits" in starting.values() and "miniature_digits" not in starting
    for name, maker in starting.items():
        of = SimpleNamespace(chapter=plan.chapters["ch08"].slug, experiment=name)
        seed = plan.settings.seeds("ch08", maker)[0]
        folder = plan.run.format(chapter=of.chapter, experiment=maker, seed=seed)
        assert plan.start_of(of) == [f"{folder}/model"]
        assert "mnist" in plan.chapters["ch08"].needs(name)
        assert plan.raw_of(of) == []
    of = SimpleNamespace(chapter=plan.chapters["ch08"].slug, experiment="miniature_digits")
    assert plan.start_of(of) == []


# ------------------------------------------------------------------ code as an input


def test_code_of_finds_what_is_imported_directly_and_behind_that():
    script = Path("workflow/chapters") / CH07 / "train.py"
    code = code_of(script)
    direct = {"models.py", "steps.py", "tracking.py", "training.py", "arrays.py"}
    behind = {"files.py", "errors.py", "provenance.py"}
    names = {Path(file).name for file in code}
    assert direct | behind <= names
    assert str(script) not in code
    assert list(code) == sorted(set(code))
    assert all((ROOT / file).is_file() for file in code)


def test_code_of_sees_imports_from_a_chapters_own_room():
    code = code_of(Path("workflow/chapters/ch06_mnist_explored/evaluate.py"))
    assert "workflow/chapters/ch06_mnist_explored/preprocess.py" in code
    assert "workflow/kerasbook/plots.py" in code


@pytest.mark.parametrize("step", ["preprocess", "train", "evaluate", "report"])
def test_no_chapter_depends_on_anothers_room(step):
    for room in sorted(Path("workflow/chapters").glob("ch*")):
        for file in code_of(room / f"{step}.py"):
            parts = Path(file).parts
            assert parts[1] == "kerasbook" or parts[2] == room.name, f"{room.name} needs {file}"


def test_plots_do_not_make_training_run_again():
    for room in sorted(Path("workflow/chapters").glob("ch*")):
        names = {Path(file).name for file in code_of(room / "train.py")}
        assert not names & {"plots.py", "html.py", "reporting.py", "verdicts.py"}


def test_readers_of_raw_files_make_no_training_run_again():
    readers = {"data.py", "processed.py", "catalogue.py", "download.py", "tables.py"}
    for room in sorted(Path("workflow/chapters").glob("ch*")):
        names = {Path(file).name for file in code_of(room / "train.py")}
        assert not names & readers, f"{room.name}: {names & readers}"


def test_runs_that_read_raw_files_have_the_records_beside_them():
    """`raw_digests` compares them: the train rule of such a chapter names both."""
    chapters = load_settings({"edition": "book"}).chapters.values()
    rooms = [one.slug for one in chapters if any(e.raw_data() for e in one.experiments.values())]
    assert len(rooms) >= 2
    for room in rooms:
        folder = Path("workflow/chapters") / room
        rule = (folder / "rules.smk").read_text(encoding="utf-8")
        assert "raw=PLAN.raw_of,\n        raw_records=PLAN.raw_records_of," in rule
        assert "raw_digests(snakemake)" in (folder / "train.py").read_text(encoding="utf-8")


IMPORTS = {
    "kerasbook/one.py": "import kerasbook.two\n",
    "kerasbook/two.py": "def late():\n    from kerasbook import three\n    return three\n",
    "kerasbook/three.py": "from kerasbook.one import x\nimport numpy\nimport json.decoder\n",
    "kerasbook/unused.py": "",
    "kerasbook/four.py": "from kerasbook.two import late\n",
    "chapters/room/train.py": "from chapters.room import network\nfrom kerasbook import four, no\n",
    "chapters/room/network.py": "import chapters.room.train\n",
}


def test_code_of_follows_every_way_to_import(tmp_path, monkeypatch):
    for name, text in IMPORTS.items():
        path = tmp_path / "workflow" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    for cached in (plans._imports, plans.code_of):
        cached.cache_clear()
    try:
        found = code_of(Path("workflow/chapters/room/train.py"))
    finally:
        for cached in (plans._imports, plans.code_of):
            cached.cache_clear()
    assert found == tuple(
        f"workflow/{name}"
        for name in (
            "chapters/room/network.py", "kerasbook/four.py", "kerasbook/one.py",
            "kerasbook/three.py", "kerasbook/two.py",
        )
    )  # fmt: skip


@pytest.mark.parametrize("edition", ["bundled", "book", "smoke"])
def test_every_input_that_is_no_result_exists(edition):
    plan = plan_of(edition=edition)
    for chapter in plan.settings.chapters.values():
        inputs = plan.report_inputs(SimpleNamespace(chapter=chapter.slug))
        for key in ("text", "ledger", "templates"):
            for file in [inputs[key]] if isinstance(inputs[key], str) else inputs[key]:
                assert (ROOT / file).is_file()


def test_an_edit_of_the_copy_is_seen_by_the_plan(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    path = tmp_path / "config/chapters/ch07.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("epochs: 2", "epochs: 3", 1), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    plan = plan_of(edition="book")
    assert plan.settings_of(SimpleNamespace(chapter=CH07, experiment="conv"))["epochs"] == 3
