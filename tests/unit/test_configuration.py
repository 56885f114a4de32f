"""The configuration: each fault is told before any job, and YAML alone adds an experiment."""

import json
import re
import shutil
from pathlib import Path
from typing import Literal

import jsonschema
import pytest
import yaml

from kerasbook import configuration
from kerasbook.configuration import (
    BaseExperiment,
    ChapterFile,
    Config,
    experiment_models,
    generated_files,
    load_chapter,
    load_settings,
    merged,
    rooms,
)
from kerasbook.errors import KerasbookError
from kerasbook.validation import read_yaml, validate

ROOT = Path(__file__).resolve().parents[2]
CONVOLUTION = {"type": "conv2d", "filters": 4, "kernel_size": 3}
FLATTEN = {"type": "flatten"}
STACK = [CONVOLUTION, FLATTEN]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of config/, in a folder that is the working folder."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(configuration.MIRROR_VARIABLE, raising=False)
    monkeypatch.delenv(configuration.TRACKING_VARIABLE, raising=False)
    return tmp_path


def edit(project, chapter, change):
    """Let `change` edit the plain values of a chapter's file."""
    path = project / "config" / "chapters" / f"{chapter}.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(values)
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def message_of(values):
    with pytest.raises(KerasbookError) as caught:
        load_settings(values)
    return str(caught.value)


# ------------------------------------------------------------------- config.yaml


def test_nothing_said_means_the_defaults(project):
    settings = load_settings({})
    assert settings.config.edition == "bundled"
    assert settings.selected == sorted(rooms())
    assert settings.tracking_uri == "sqlite:///results/mlflow.db"
    assert settings.mirror is None


@pytest.mark.parametrize(
    "values, expected",
    [
        ({"edtion": "book"}, ["edtion: unknown key", "did you mean 'edition'?", "seeds"]),
        ({"download": {"retires": 3}}, ["download.retires: unknown key", "'retries'?", "backoff"]),
        ({"edition": "bok"}, ["edition: found 'bok'", "'book'?", "bundled, book, smoke"]),
        ({"environment": "gpus"}, ["environment: found 'gpus'", "cpu, gpu"]),
        ({"train_threads": "two"}, ["train_threads: found 'two'", "integer"]),
        ({"train_threads": True}, ["train_threads: found True", "integer"]),
        ({"train_threads": 0}, ["train_threads: found 0", "greater than or equal to 1"]),
        ({"seeds": 3}, ["seeds: found 3", "list"]),
        ({"seeds": []}, ["seeds: found []", "at least 1"]),
        ({"seeds": [-1]}, ["seeds.0: found -1", "greater than or equal to 0"]),
        ({"seeds": [1.5]}, ["seeds.0: found 1.5", "integer"]),
        ({"seeds": [4, 7, 4]}, ["seeds: found [4, 7, 4]", "[4] repeat", "every seed once"]),
        ({"chapters": ["ch7"]}, ["chapters: found 'ch7'", "did you mean 'ch07'?", "ch01"]),
        ({"chapters": "ch07"}, ["chapters: found 'ch07'", "all, or a list"]),
        ({"chapters": []}, ["chapters: found []", "all, or a list"]),
        ({"chapters": [7]}, ["chapters: found [7]", "all, or a list"]),
        ({"download": {"timeout": 0}}, ["download.timeout: found 0", "greater than 0"]),
        ({"mirror": " "}, ["mirror: found an empty text", "null"]),
        ({"mirror": 3}, ["mirror: found 3", "string"]),
        ({"tracking_uri": ""}, ["tracking_uri: found an empty text"]),
        ({1: 2}, ["1: found 1", "strings"]),
    ],
)
def test_each_fault_names_its_key_and_what_was_expected(project, values, expected):
    told = message_of(values)
    assert told.startswith("config/config.yaml: ")
    assert len(told.splitlines()) == 1
    for part in expected:
        assert part in told


def test_command_line_values_that_snakemake_leaves_as_texts_are_read(project):
    told = {"seeds": ["3", "5"], "download": {"timeout": "2.5"}, "mirror": "null"}
    config = load_settings(told).config
    assert (config.seeds, config.download.timeout, config.mirror) == ([3, 5], 2.5, None)


def test_all_faults_are_told_at_once_with_their_file(project):
    with pytest.raises(KerasbookError) as caught:
        load_settings({"edition": "bok", "seeds": 3}, "config/mine.yaml")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["edition", "seeds"]
    assert all(line.startswith("config/mine.yaml: ") for line in lines)


def test_mirror_key_wins_over_the_environment(project, monkeypatch):
    monkeypatch.setenv(configuration.MIRROR_VARIABLE, "/from/environment")
    assert load_settings({}).mirror == "/from/environment"
    assert load_settings({"mirror": "/from/key"}).mirror == "/from/key"


def test_tracking_key_wins_over_the_environment(project, monkeypatch):
    monkeypatch.setenv(configuration.TRACKING_VARIABLE, "http://environment")
    assert load_settings({}).tracking_uri == "http://environment"
    assert load_settings({"tracking_uri": "http://key"}).tracking_uri == "http://key"
    assert load_settings({"tracking_uri": "files"}).tracking_uri == "files"


def test_chapters_are_selected_once_each_in_order(project):
    assert load_settings({"chapters": ["ch07", "ch01", "ch07"]}).selected == ["ch01", "ch07"]


# --------------------------------------------------------------- chapters/chNN.yaml


def add(name, **values):
    def change(chapter):
        chapter["experiments"][name] = {"title": "Mine", "variant": "beyond", **values}

    return change


def change_of(*path):
    """A change that sets the last of `path` at the keys before it."""

    def change(chapter):
        at = chapter
        for key in path[:-2]:
            at = at[key]
        at[path[-2]] = path[-1]

    return change


@pytest.mark.parametrize(
    "chapter, change, expected",
    [
        (
            "ch07",
            add("mine", layers=STACK, epoch=3),
            ["experiments.mine: epoch: unknown key", "did you mean 'epochs'?"],
        ),
        (
            "ch07",
            add("mine", layers=[{"type": "conv2", "filters": 3}]),
            ["experiments.mine: layers.0.type: found 'conv2'", "'conv2d'?", "dense", "dropout"],
        ),
        (
            "ch07",
            add("mine", layers=[{**CONVOLUTION, "fliters": 3}]),
            ["layers.0.conv2d.fliters: unknown key", "did you mean 'filters'?"],
        ),
        (
            "ch07",
            add("mine", layers=[{"type": "dropout", "rate": 1.5}]),
            ["layers.0.dropout.rate: found 1.5", "less than 1"],
        ),
        (
            "ch07",
            add("mine", layers=STACK, optimizer={"type": "adma"}),
            ["experiments.mine: optimizer.type: found 'adma'", "'adam'?", "sgd", "rmsprop"],
        ),
        (
            "ch07",
            add("mine", layers=STACK, optimizer={"type": "sgd", "learning_rate": 0}),
            ["optimizer.sgd.learning_rate: found 0", "greater than 0"],
        ),
        ("ch07", add("mine"), ["experiments.mine: layers: missing"]),
        ("ch07", add("mine", layers=[]), ["experiments.mine: layers: found []", "at least 1"]),
        (
            "ch07",
            add("mine", layers=STACK, epochs="two"),
            ["experiments.mine: epochs: found 'two'", "integer"],
        ),
        (
            "ch07",
            add("mine", layers=STACK, epochs=0),
            ["experiments.mine: epochs: found 0", "greater than or equal to 1"],
        ),
        (
            "ch07",
            add("mine", layers=STACK, seeds=[2, 2]),
            ["experiments.mine: seeds: found [2, 2]", "[2] repeat"],
        ),
        (
            "ch07",
            add("mine", layers=STACK, variant="corected"),
            ["experiments.mine: variant: found 'corected'", "'corrected'?"],
        ),
        (
            "ch07",
            add("mine", layers=STACK, dataset="mnits"),
            ["experiments.mine.dataset: found 'mnits'", "'mnist'?", "config/datasets.yaml"],
        ),
        (
            "ch07",
            add("Mine", layers=STACK),
            ["experiments.Mine", "found 'Mine'", "pattern"],
        ),
        (
            "ch07",
            change_of("defaults", "epochss", 3),
            ["defaults.epochss: unknown key", "did you mean 'epochs'?"],
        ),
        (
            "ch07",
            change_of("editions", "smoke", "epochss", 3),
            ["editions.smoke.epochss: unknown key", "did you mean 'epochs'?"],
        ),
        ("ch07", change_of("editions", "smok", {"epochs": 3}), ["editions.smok", "'smoke'?"]),
        (
            "ch07",
            change_of("faults", 0, "as_printed", "con"),
            ["faults.0.as_printed: found 'con'", "did you mean 'conv'?", "experiment of this file"],
        ),
        (
            "ch07",
            change_of("faults", 1, "corrected", "conv_negative"),
            ["faults.1.corrected: found 'conv_negative'", "'conv_negatives'?"],
        ),
        ("ch04", add("mine", epochs=1, hidden=[0], learning_rate=1.0, pixels="raw"), ["hidden.0"]),
        ("ch04", add("mine", hidden=[3], learning_rate=1.0, pixels="grey"), ["pixels", "'grey'"]),
        ("ch01", add("mine", hidden_units=1, iterations=0), ["iterations: found 0"]),
        ("ch01", add("mine", hidden_units=1, iterations=2, momentum=1.0), ["momentum: found 1.0"]),
        ("ch06", add("mine", first_labels=0), ["first_labels: found 0"]),
        ("ch06", change_of("sumary", "x"), ["sumary: unknown key", "did you mean 'summary'?"]),
        ("ch06", change_of("experiments", {}), ["experiments: found {}", "at least 1"]),
        ("ch06", change_of("linear", ["mnits"]), ["linear: found 'mnits'", "'mnist'?"]),
        (
            "ch08",
            change_of("unpriced", 0, "id", "dropout"),
            ["faults, unpriced: found the id 'dropout' twice"],
        ),
        (
            "ch08",
            change_of(
                *("experiments", "mobilenet_samples", "editions", "bundled"),
                *("weights", "miniature_digit"),
            ),
            ["starts from 'miniature_digit'", "'miniature_digits'?", "of the task pretraining"],
        ),
    ],
)
def test_each_fault_of_a_chapter_names_file_key_and_expected(project, chapter, change, expected):
    edit(project, chapter, change)
    told = message_of({})
    assert told.startswith(f"config/chapters/{chapter}.yaml: ")
    assert len(told.splitlines()) == 1
    for part in expected:
        assert part in told


def test_fault_of_a_chapter_that_is_not_selected_is_told_too(project):
    edit(project, "ch07", add("mine", layers=STACK, dataset="nowhere"))
    assert "found 'nowhere'" in message_of({"chapters": ["ch01"]})


def test_missing_chapter_file_is_told(project):
    (project / "config/chapters/ch06.yaml").unlink()
    assert "config/chapters/ch06.yaml: not found" in message_of({})


# ------------------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a: 1\nb: 2\na: 3\n", ["the key 'a' stands there twice", "line 3"]),
        ("x:\n  conv: {a: 1}\n  conv: {a: 2}\n", ["the key 'conv' stands there twice", "line 3"]),
        ("a: [1\n", ["is not valid YAML", "line"]),
        ("? [1, 2]\n: 3\n", ["is not valid YAML", "unhashable"]),
        ("- 1\n- 2\n", ["found list at the top"]),
        ("", ["found NoneType at the top"]),
        ("a: !!python/object/apply:os.getcwd []\n", ["is not valid YAML", "python/object"]),
    ],
)
def test_bad_yaml_is_told(tmp_path, text, expected):
    path = tmp_path / "some.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(KerasbookError) as caught:
        read_yaml(path)
    told = str(caught.value)
    assert told.startswith(f"{path}: ")
    assert len(told.splitlines()) == 1
    for part in expected:
        assert part in told


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_bytes(b"a: \xff\xfe\n")
    with pytest.raises(KerasbookError, match="is not valid YAML"):
        read_yaml(path)


def test_missing_yaml_is_told(tmp_path):
    with pytest.raises(KerasbookError, match="not found"):
        read_yaml(tmp_path / "none.yaml")


def test_anchors_and_merges_work_and_a_merged_key_may_be_said_anew(tmp_path):
    path = tmp_path / "some.yaml"
    path.write_text(
        "w: &w {a: 1, b: 2}\n"
        "n: {inner: &x {<<: *w, b: 3}}\n"
        "last: {<<: *x, c: 4}\n",
        encoding="utf-8",
    )  # fmt: skip
    told = read_yaml(path)
    assert told["n"]["inner"] == {"a": 1, "b": 3}
    assert told["last"] == {"a": 1, "b": 3, "c": 4}


# ------------------------------------------------------------------- precedence


def test_experiment_wins_over_edition_and_edition_over_defaults(project):
    def change(chapter):
        chapter["defaults"]["epochs"] = 2
        chapter["defaults"]["batch_size"] = 128
        chapter["editions"] = {"smoke": {"epochs": 1}}
        chapter["experiments"]["own"] = {
            "title": "Own", "variant": "beyond", "layers": STACK, "epochs": 9,
        }  # fmt: skip

    edit(project, "ch07", change)
    folder = project / "config/chapters"
    book = load_chapter("ch07", "book", folder).experiments
    smoke = load_chapter("ch07", "smoke", folder).experiments
    assert (book["conv"].epochs, smoke["conv"].epochs) == (2, 1)
    assert (book["own"].epochs, smoke["own"].epochs) == (9, 9)
    assert smoke["conv"].batch_size == book["conv"].batch_size == 128


def test_seeds_come_from_experiment_printed_seed_and_shift(project):
    settings = load_settings({"edition": "book", "seeds": [1, 2, 3]})
    assert settings.seeds("ch03", "exercise") == [1, 2, 3]
    assert settings.seeds("ch07", "conv") == list(range(1, 11))  # cheap, so the chapter names more
    smoke = load_settings({"edition": "smoke", "seeds": [1, 2, 3]})
    assert smoke.seeds("ch07_mnist_convnets", "build_model_exercise") == [101, 102, 103]
    assert settings.seeds("ch01", "ann_2_1_1_2it") == [123, 1, 2, 3]
    assert settings.seeds("ch06", "mnist") == [0]


def test_printed_seed_that_is_configured_too_is_run_once(project):
    settings = load_settings({"edition": "book", "seeds": [7, 123]})
    assert settings.seeds("ch01", "ann_2_1_1_2it") == [123, 7]


def test_names_and_numbers_of_runs_are_no_part_of_the_settings(project):
    experiment = load_chapter("ch07", "book", project / "config/chapters").experiments["conv"]
    settings = experiment.settings()
    assert not {"title", "variant", "seeds", "seed_shift", "printed_seed"} & settings.keys()
    assert {"dataset", "layers", "optimizer", "epochs", "batch_size"} <= settings.keys()
    assert json.loads(json.dumps(settings)) == settings


# ------------------------------------------------------------- several sorts in a chapter


class Encoder(BaseExperiment):
    task: Literal["encoder"]
    epochs: int
    codes: int = 32


class Vectors(BaseExperiment):
    DATA_KIND = "csv_points"
    task: Literal["vectors"]
    epochs: int
    size: int = 100

    def raw_data(self):
        return ["mnist"]


@pytest.fixture
def two_tasks(project, monkeypatch):
    """Chapter 7 as a chapter of two sorts of experiments; returns a function that loads it."""
    monkeypatch.setattr(configuration, "experiment_models", lambda slug: (Encoder, Vectors))
    path = project / "config/chapters/ch07.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in ("defaults", "editions", "faults", "uses", "sweeps"):
        values.pop(key, None)
    values["defaults"] = {"epochs": 7}
    values["tasks"] = {
        "encoder": {"defaults": {"dataset": "mnist"}, "editions": {"smoke": {"epochs": 1}}},
        "vectors": {"defaults": {"dataset": "intro_to_ann", "epochs": 5}},
    }
    values["experiments"] = {
        "plain": {"title": "Plain", "variant": "as_printed", "task": "encoder"},
        "long": {
            "title": "Long", "variant": "beyond", "task": "encoder", "epochs": 50,
            "editions": {"bundled": {"epochs": 9, "seeds": [4]}},
        },
        "words": {"title": "Words", "variant": "as_printed", "task": "vectors", "size": 20},
    }  # fmt: skip

    def load(edition="book", change=None):
        told = json.loads(json.dumps(values))
        if change is not None:
            change(told)
        path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
        return load_chapter("ch07", edition, path.parent)

    return load


def test_values_of_a_task_stand_between_the_chapters_and_the_experiments(two_tasks):
    epochs = {
        edition: {name: one.epochs for name, one in two_tasks(edition).experiments.items()}
        for edition in ("book", "smoke", "bundled")
    }
    assert epochs == {
        "book": {"plain": 7, "long": 50, "words": 5},
        "smoke": {"plain": 1, "long": 50, "words": 5},
        "bundled": {"plain": 7, "long": 9, "words": 5},
    }


def test_an_experiments_own_edition_gives_it_seeds_of_its_own(two_tasks):
    assert two_tasks("bundled").experiments["long"].seeds_to_run([1, 2]) == [4]
    assert two_tasks("book").experiments["long"].seeds_to_run([1, 2]) == [1, 2]


def test_each_task_has_its_model_and_names_the_files_it_reads_as_they_are(two_tasks):
    chapter = two_tasks()
    assert isinstance(chapter.experiments["words"], Vectors)
    assert chapter.needs("words") == ["intro_to_ann", "mnist"]
    assert chapter.needs("plain") == ["mnist"]
    assert chapter.datasets == ["mnist", "intro_to_ann"]


SWEEP = {"title": "Epochs", "of": "conv", "space": {"epochs": [1, 2]},
         "metric": "loss", "better": "less"}  # fmt: skip


def test_a_sweep_starts_from_what_its_experiment_is_in_the_edition(project):
    entry = SWEEP | {"space": {"batch_size": [1, 2]}, "editions": {"smoke": {"seeds": [1, 2]}}}
    edit(project, "ch07", lambda values: values.update(sweeps={"mine": entry}))
    found = {edition: load_chapter("ch07", edition) for edition in ("book", "smoke")}
    sweeps = {edition: chapter.sweeps["mine"] for edition, chapter in found.items()}
    assert {edition: one.entry.seeds for edition, one in sweeps.items()} == {
        "book": [1], "smoke": [1, 2],
    }  # fmt: skip
    for edition, sweep in sweeps.items():
        points = [one.experiment for one in sweep.points.values()]
        assert [one.batch_size for one in points] == [1, 2]
        assert {one.epochs for one in points} == {found[edition].experiments["conv"].epochs}
        assert {one.title for one in points} == {"Epochs"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"of": "cnv"}, ["ch07.yaml: sweeps.mine.of: found 'cnv'", "did you mean 'conv'?"]),
        ({"metirc": "loss"}, ["sweeps.mine.metirc: unknown key", "did you mean 'metric'?"]),
        ({"better": "higher"}, ["sweeps.mine.better: found 'higher'", "more, less"]),
        ({"space": {"epochz": [1]}}, ["sweeps.mine.space: point 1 (epochz=1): epochz: unknown"]),
        ({"editions": {"book": {"drws": 2}}}, ["sweeps.mine (editions.book): drws: unknown key"]),
        ({"space": {"dataset": ["mnits"]}}, ["sweeps.mine.dataset: found 'mnits'", "'mnist'?"]),
        ({"space": {"dataset": ["otto"]}}, ["sweeps.mine.dataset: found 'otto' of the kind"]),
    ],
)
def test_a_bad_sweep_stops_with_its_name_and_key(project, change, expected):
    edit(project, "ch07", lambda values: values.update(sweeps={"mine": SWEEP | change}))
    with pytest.raises(KerasbookError) as error:
        load_settings({"edition": "book"})
    for part in expected:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("experiments", "plain", "task"), "encodr", ["experiments.plain.task", "'encoder'?"]),
        (("experiments", "plain", "task"), None, ["found no task", "encoder, vectors"]),
        (("experiments", "plain", "size"), 3, ["experiments.plain: size: unknown key", "codes"]),
        (("tasks", "encodr"), {}, ["tasks.encodr: unknown task", "'encoder'?"]),
        (("tasks", "encoder", "defaults", "size"), 3, ["tasks.encoder.defaults.size: unknown"]),
        (("tasks", "encoder", "editions", "smoke", "sise"), 3, ["editions.smoke.sise: unknown"]),
        (("tasks", "encoder", "editions", "smok"), {}, ["editions.smok", "'smoke'?"]),
        (("defaults", "codes"), 3, ["defaults.codes: unknown key", "epochs"]),
        (("experiments", "long", "editions", "bok"), {}, ["editions.bok", "'book'?"]),
        (("experiments", "long", "editions"), 3, ["editions: found 3", "dictionary"]),
        (("experiments", "long", "editions", "book"), {"epoch": 1}, ["epoch: unknown", "'epochs'"]),
        (("facts",), {"blogs": "mnst"}, ["facts.blogs: found 'mnst'", "'mnist'?"]),
        (("answers",), {"a.b": "plane.loss"}, ["answers.a.b: found 'plane.loss'", "this file"]),
    ],
)
def test_a_fault_in_a_chapter_of_tasks_names_its_key(two_tasks, path, value, expected):
    def change(values):
        *above, last = path
        for key in above:
            values = values[key]
        values[last] = value

    with pytest.raises(KerasbookError) as caught:
        two_tasks(change=change)
    told = str(caught.value)
    assert told.startswith("config/chapters/ch07.yaml") or "/config/chapters/ch07.yaml" in told
    for part in expected:
        assert part in told


def test_raw_data_must_be_in_the_catalogue(project, monkeypatch):
    model = experiment_models("ch07_mnist_convnets")[0]
    monkeypatch.setattr(model, "raw_data", lambda self: ["wights"])
    told = message_of({"edition": "book"})
    assert "experiments.conv.raw_data: found 'wights'" in told


# ---------------------------------------------------- an experiment is data, not code


def test_adding_an_experiment_needs_yaml_alone(tmp_path):
    folder = tmp_path / "chapters"
    shutil.copytree(ROOT / "config" / "chapters", folder)
    text = (folder / "ch07.yaml").read_text(encoding="utf-8")
    entry = (
        "experiments:\n"
        "  wide:\n"
        "    title: One wide convolution\n"
        "    variant: beyond\n"
        "    epochs: 5\n"
        "    optimizer: {type: adam, learning_rate: 0.002}\n"
        "    layers: [{type: conv2d, filters: 64, kernel_size: 5}, {type: flatten}]\n"
    )
    (folder / "ch07.yaml").write_text(text.replace("experiments:\n", entry, 1), encoding="utf-8")
    chapter = load_chapter("ch07", "bundled", folder)
    wide = chapter.experiments["wide"]
    assert (wide.epochs, wide.optimizer.type, wide.layers[0].filters) == (5, "adam", 64)
    assert wide.dataset == "mnist"
    shipped = load_chapter("ch07", "bundled", ROOT / "config/chapters")
    assert set(chapter.experiments) - set(shipped.experiments) == {"wide"}


# ------------------------------------------------------------- generated files, schemas


@pytest.mark.parametrize("path", generated_files(), ids=str)
def test_generated_file_agrees_with_the_one_on_disk(path):
    assert (ROOT / path).read_text(encoding="utf-8") == generated_files()[path], (
        f"{path} is not what the models say: run `make schemas`"
    )


def test_default_file_says_each_default_and_explains_each_key(tmp_path):
    path = tmp_path / "config.yaml"
    text = generated_files()[Path("config/config.yaml")]
    path.write_text(text, encoding="utf-8")
    assert Config.model_validate(read_yaml(path)) == Config()
    for name, field in Config.model_fields.items():
        assert field.description, f"{name} has no description"
        before = text[: text.index(f"\n{name}:")]
        assert before.splitlines()[-1].startswith("#"), f"no comment stands above {name}"


def schema_of(name):
    return json.loads((ROOT / "workflow/schemas" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "config").glob("*.yaml")))
def test_config_file_agrees_with_its_schema(name):
    values = yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))
    if name == "datasets.yaml":  # checked by its own model, see test_catalogue.py
        assert set(values) == {"datasets"}
        return
    jsonschema.Draft202012Validator(schema_of("config.schema.json")).validate(values)
    load = Config.model_validate(values)
    assert load.edition == {"config": "bundled"}.get(name.split(".")[0], name.split(".")[0])


@pytest.mark.parametrize("chapter", rooms())
def test_chapter_file_agrees_with_its_schemas(chapter):
    path = ROOT / "config/chapters" / f"{chapter}.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema_of("chapter.schema.json")).validate(values)
    check = jsonschema.Draft202012Validator(schema_of(f"{chapter}.experiment.schema.json"))
    for edition in ("bundled", "book", "smoke"):
        for entry in values["experiments"].values():
            check.validate(merged(ChapterFile.model_validate(values), entry, edition))


@pytest.mark.parametrize(
    "values", [{"edtion": "book"}, {"edition": "bok"}, {"seeds": []}, {"train_threads": 0}]
)
def test_schema_refuses_what_the_model_refuses(values):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema_of("config.schema.json")).validate(values)


@pytest.mark.parametrize("path", generated_files(), ids=str)
def test_schema_is_a_valid_schema(path):
    if path.suffix == ".json":
        jsonschema.Draft202012Validator.check_schema(schema_of(path.name))
    else:
        text = (ROOT / path).read_text(encoding="utf-8")
        schema = text.splitlines()[0].partition("$schema=")[2]
        assert (ROOT / path.parent / schema).is_file()


def test_main_writes_every_generated_file(tmp_path, monkeypatch):
    monkeypatch.setattr(configuration, "PROJECT", tmp_path)
    configuration.main()
    for path, text in generated_files().items():
        assert (tmp_path / path).read_text(encoding="utf-8") == text


# ------------------------------------------------------------------ the real files


@pytest.mark.parametrize("edition", ["bundled", "book", "smoke"])
def test_project_loads_in_every_edition(edition, monkeypatch):
    monkeypatch.chdir(ROOT)
    settings = load_settings({"edition": edition})
    assert {chapter.slug for chapter in settings.chapters.values()} == set(rooms().values())
    for chapter in settings.chapters.values():
        assert chapter.datasets


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([CONVOLUTION], "add a layer {type: flatten}"),
        ([FLATTEN, CONVOLUTION], "layers.1 (conv2d): found an input of shape (784,)"),
        ([{**CONVOLUTION, "kernel_size": 99}, FLATTEN], "squares of 99 x 99 over an input of 28"),
        ([{"type": "max_pooling2d", "pool_size": 29}, FLATTEN], "layers.0 (max_pooling2d)"),
    ],
)
def test_layers_that_do_not_fit_each_other_are_told(layers, expected):
    values = {
        "title": "x", "variant": "beyond", "dataset": "mnist", "layers": layers, "epochs": 1,
        "batch_size": 8, "optimizer": {"type": "sgd"}, "negatives": "all_rows",
        "validation": "split",
    }  # fmt: skip
    with pytest.raises(KerasbookError, match=re.escape(expected)):
        validate(experiment_models("ch07_mnist_convnets")[0], values, "here")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"mirror": "ftp://somewhere"}, "mirror: found 'ftp://somewhere'"),
        ({"mirror": "ftp://me:s3cret@h/x"}, "mirror: found 'ftp://h/x'"),
        ({"tracking_uri": "./mlruns"}, "tracking_uri: found './mlruns'"),
    ],
)
def test_addresses_of_another_kind_are_told(project, values, expected):
    with pytest.raises(KerasbookError, match=re.escape(expected)):
        load_settings(values)
