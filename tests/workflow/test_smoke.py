"""The smoke edition of all chapters, from the configuration to the index page."""

import csv
import dataclasses
import html
import html.parser
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import urllib.parse
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kerasbook.arrays import load_npz
from kerasbook.comparison import comparable
from kerasbook.configuration import rooms
from kerasbook.records import find
from kerasbook.reporting import EDITION_NOTES
from kerasbook.trace import trace
from kerasbook.training import read_history
from kerasbook.verdicts import read_ledger

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SLUGS = rooms()
# Experiments that use TensorFlow and train no Keras model with it.
TENSORFLOW_WITHOUT_A_MODEL = {
    "ch02": {"symbolic", "shared", "otto_logreg", "otto_logreg_1step"},
    "ch05": {"shapes"},
    "ch08": {
        "mobilenet_samples", "other_networks_samples", "vgg16_strawberry_1157",
    },
}  # fmt: skip
RESULTS = Path("results/smoke")
COUNTS_AS_REPRODUCTION = {"exact", "holds", "better", "worse", "differs"}


@pytest.fixture
def edit(smoke):
    """Change a file of the smoke copy; it is as it was, to its time stamp, after the test."""
    kept = []

    def change(name, old, new):
        path = smoke.project.folder / name
        stat, text = path.stat(), path.read_text(encoding="utf-8")
        kept.append((path, text, stat))
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    yield change
    for path, text, stat in reversed(kept):
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def trained(smoke, chapter):
    """(experiment, seed, folder) of each run of a chapter."""
    folder = smoke.project.folder / RESULTS / SLUGS[chapter]
    return [
        (path.parent.parent.name, int(path.parent.name.removeprefix("seed")), path.parent)
        for path in sorted(folder.glob("*/seed*/train.json"))
    ]


def list_of_experiments(smoke, chapter):
    return sorted({experiment for experiment, _, _ in trained(smoke, chapter)})


def datasets_of(smoke, chapter):
    """Data set, as the chapter calls it -> the record of its preprocessing."""
    folder = smoke.project.folder / "data/processed/smoke" / SLUGS[chapter]
    records = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")]
    return {one["dataset"]: one for one in records}


# ------------------------------------------------------------------------- the run


def test_every_stage_left_its_files(smoke):
    for chapter, slug in SLUGS.items():
        runs = trained(smoke, chapter)
        assert runs
        for experiment, _, folder in runs:
            names = {path.name for path in folder.iterdir()}
            assert {"history.tsv", "train.json", "predictions.npz"} <= names
            assert {"model.keras", "weights.npz", "model"} & names
            assert (folder.parent / "metrics.json").is_file(), experiment
        page = smoke.project.folder / RESULTS / slug
        assert all((page / name).is_file() for name in ("report.html", "report.json"))
        assert list((page / "figures").glob("*.svg"))


def test_a_second_run_does_nothing_and_is_quick(smoke):
    def stamps():
        files = (smoke.project.folder / "results").rglob("*")
        return {path: path.stat().st_mtime_ns for path in files if path.is_file()}

    before = stamps()
    seconds, output = smoke.project.cpu_seconds("-c2", "--configfile", "config/smoke.yaml")
    assert seconds < 10
    assert "Nothing to be done" in output
    assert stamps() == before


def test_the_screen_stays_free_of_chatter(smoke):
    chatter = re.compile(r"oneDNN|absl|\w*Warning:|Traceback|INFO mlflow|alembic|cuda", re.I)
    assert chatter.findall(smoke.output) == []
    logs = smoke.project.folder / "logs/smoke"
    told = (logs / SLUGS["ch07"] / "train/conv.seed1.log").read_text(encoding="utf-8")
    assert re.search(r"epoch 1 of \d+: .*loss=.* s left", told)


def test_tensorflow_is_imported_where_it_trains_and_nowhere_else(smoke):
    scripts = Counter()
    for one in smoke.imports:
        match = re.search(
            r"\.(preprocess|train|evaluate|report|errata|index|crate)\.py$", one["script"]
        )
        if not match:
            continue
        scripts[match[1]] += 1
        heavy = "tensorflow" in one["heavy"]
        assert ("keras" in one["heavy"]) == heavy, one
        if match[1] != "train":
            assert not heavy, one
            continue
        chapter, experiment = one["chapter"].split("_")[0], one["experiment"]
        folder = smoke.project.folder / RESULTS / one["chapter"] / experiment
        trains = any(folder.glob("seed*/**/*.keras"))
        other = experiment in TENSORFLOW_WITHOUT_A_MODEL.get(chapter, ())
        assert heavy == (trains or other), one
    experiments = sum(len(list_of_experiments(smoke, chapter)) for chapter in SLUGS)
    assert scripts == {
        "preprocess": sum(len(datasets_of(smoke, chapter)) for chapter in SLUGS),
        "train": sum(len(trained(smoke, chapter)) for chapter in SLUGS),
        "evaluate": experiments,
        "report": len(SLUGS),
        "errata": 1,
        "index": 1,
        "crate": 1,
    }


def test_all_jobs_were_forked_and_their_imports_told_to_logs(smoke):
    jobs = [one for one in smoke.imports if one["rule"] is not None]
    assert len(jobs) > 200
    assert [one for one in jobs if not one["forked"]] == []
    logs = sorted(one.name for one in smoke.project.folder.glob("logs/smoke/fork_server.*"))
    assert logs == ["fork_server.keras.log", "fork_server.plain.log"]


@pytest.mark.parametrize(
    ("chapter", "experiment"),
    [
        ("ch03", "logreg_early_stopping"),
        ("ch09", "pretraining"),
        ("ch10", "nietzsche_lstm_log_space"),
    ],
)
def test_what_a_run_trains_besides_is_told(smoke, chapter, experiment):
    record = smoke.project.json(f"{RESULTS}/{SLUGS[chapter]}/{experiment}/seed1/train.json")
    assert record["other_fits_seconds"] > 0


# ----------------------------------------------------------------------- the pages


class Page(html.parser.HTMLParser):
    """What a page would load, where it leads, and what it says."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.images, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        if tag == "a":
            self.links.append(told.get("href") or "")
        else:
            self.loads += [told[key] or "" for key in ("src", "href", "data") if key in told]
        if tag == "img":
            self.images.append(told)

    def handle_data(self, data):
        self.text.append(data)


def pages(smoke):
    folder = smoke.project.folder / RESULTS
    chapters = (folder / slug / "report.html" for slug in SLUGS.values())
    return [folder / "index.html", folder / "errata.html", *chapters]


def test_pages_are_small_self_contained_and_say_their_edition(smoke):
    for path in pages(smoke):
        text = path.read_text(encoding="utf-8")
        assert path.stat().st_size < 1_500_000, path
        page = Page(text)
        for load in page.loads:
            assert load.startswith(("data:", "#")), f"{path.name} loads {load[:80]}"
        assert not re.search(r"@import|url\(\s*['\"]?(?!data:|#)", text)
        for image in page.images:
            assert image.get("alt")
        said = " ".join(" ".join(page.text).split())
        assert EDITION_NOTES["smoke"] in said
        assert str(smoke.project.folder) not in text, f"{path.name} holds an absolute path"


def test_the_edition_stands_above_the_chapters_text(smoke):
    for path in pages(smoke):
        text = path.read_text(encoding="utf-8")
        assert text.index("<body") < text.index("reproduce nothing") < text.index("<h2")


def test_links_of_the_pages_lead_somewhere(smoke):
    """To a file, and where they name a place, to a page that has it."""
    texts = {path.resolve(): path.read_text(encoding="utf-8") for path in pages(smoke)}
    places = {path: set(re.findall(r'\sid="([^"]*)"', text)) for path, text in texts.items()}
    named = 0
    for path, text in texts.items():
        for link in Page(text).links:
            file, _, place = link.partition("#")
            if file.startswith(("http://", "https://")):
                continue
            target = (path.parent / urllib.parse.unquote(file)).resolve() if file else path
            assert target.is_file(), f"{path.name}: {link}"
            if "#" in link:
                name = html.escape(urllib.parse.unquote(place))
                assert name in places.get(target, ()), f"{path.name}: {link}"
                named += bool(file)
    assert named > len(SLUGS)  # from the first page to each chapter's numbers


def test_no_figure_or_result_holds_an_absolute_path(smoke):
    folder = smoke.project.folder / RESULTS
    for path in folder.rglob("*"):
        if path.suffix in (".json", ".tsv", ".svg", ".html"):
            assert str(smoke.project.folder) not in path.read_text(encoding="utf-8"), path


def test_the_famous_networks_have_as_many_parameters_as_is_published(smoke):
    found = smoke.project.json(RESULTS / SLUGS["ch08"] / "architectures/metrics.json")["summary"]
    assert found["published_counts_met"]["mean"] == found["published_counts"]["mean"] == 5
    [seed] = smoke.project.json(RESULTS / SLUGS["ch08"] / "architectures/metrics.json")[
        "seeds"
    ].values()
    assert seed["input_shape_vgg16"] == "(1, 3, 224, 224)"  # line 2328 of the chapters
    assert seed["input_shape_inception_v3"] == "(1, 3, 299, 299)"


# -------------------------------------------------------------------- the verdicts


def rows_of(path, delimiter="\t"):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_the_table_has_a_row_for_each_printed_number_and_claims_nothing(smoke):
    rows = rows_of(smoke.project.folder / RESULTS / "reproduction.tsv")
    ledger = read_ledger(ROOT / "config/published.tsv")
    assert len(rows) == 313
    assert [row["id"] for row in rows] == [row.id for row in ledger]
    assert [row["printed"] for row in rows] == [row.printed for row in ledger]
    needed = {"id", "printed", "mean", "sd", "n_seeds", "lower", "upper", "verdict", "reason",
              "baseline", "peer", "run_ids", "command"}  # fmt: skip
    assert needed <= rows[0].keys()
    for row in rows:
        assert row["verdict"] not in COUNTS_AS_REPRODUCTION, row
        assert row["verdict"] == "not run"
        assert row["reason"]
        assert "smoke" in row["reason"]


def test_the_values_in_the_table_are_those_of_the_runs(smoke):
    rows = {row["id"]: row for row in rows_of(smoke.project.folder / RESULTS / "reproduction.tsv")}
    metrics = smoke.project.json(RESULTS / SLUGS["ch07"] / "conv/metrics.json")
    row = rows["ch07.conv.test_accuracy"]
    assert float(row["mean"]) == metrics["summary"]["test_accuracy"]["mean"]
    assert (row["sd"], row["n_seeds"]) == ("", "1")
    record = smoke.project.json(RESULTS / SLUGS["ch07"] / "conv/seed1/train.json")
    assert row["run_ids"] == record["run_id"]
    for chapter, slug in SLUGS.items():
        own = rows_of(smoke.project.folder / RESULTS / slug / "reproduction.tsv")
        # What stands out does so among the rows of all chapters.
        assert [rows[row["id"]] for row in own] == [row | {"stands_out": ""} for row in own], (
            chapter
        )


# --------------------------------------------------- from a number to where it comes from


def test_the_results_are_a_valid_crate(smoke, crate_issues):
    found = crate_issues(smoke.project.folder / RESULTS)
    assert found == {"workflow-run-crate-0.5": [], "provenance-run-crate-0.5": []}


def test_the_crate_knows_every_run_of_the_chapters_and_its_code_is_theirs(smoke):
    told = smoke.project.json(RESULTS / "ro-crate-metadata.json")["@graph"]
    actions = {one["identifier"]: one for one in told if one["@id"].startswith("#run-")}
    wanted = {
        run.info.run_id
        for slug in SLUGS.values()
        for run in smoke.project.runs(f"smoke/{slug}")
        if run.data.tags["step"] not in ("chapter", "experiment")
    }
    assert set(actions) == wanted
    for action in actions.values():
        assert action["startTime"] <= action["endTime"]
        assert "SHA-256" in action["description"]
        assert "another state" not in action["description"], action
    texts = json.dumps(told)
    assert str(smoke.project.folder) not in texts
    assert "sqlite" not in texts


def test_the_crates_code_plans_the_same_jobs(smoke, tmp_path):
    shutil.copytree(smoke.project.folder / RESULTS / "code", tmp_path / "code")
    alone = dataclasses.replace(smoke.project, folder=tmp_path / "code")
    jobs = alone.jobs()
    for chapter in SLUGS:
        assert jobs[f"{chapter}_train"] == len(trained(smoke, chapter))
    assert "results/smoke/index.html" in alone.succeed("-n")


def test_every_row_leads_to_its_runs_in_two_clicks_and_in_one_command(smoke, monkeypatch):
    monkeypatch.chdir(smoke.project.folder)
    records = find(RESULTS)
    first = Page((RESULTS / "index.html").read_text(encoding="utf-8"))
    rows = {row["id"]: row for row in rows_of(RESULTS / "reproduction.tsv")}
    named = {one for row in rows.values() for one in row["run_ids"].split(",") if one}
    assert named and named <= set(records)
    for slug in SLUGS.values():
        page = Page((RESULTS / slug / "report.html").read_text(encoding="utf-8"))
        for name, row in rows.items():
            if not slug.startswith(name.split(".")[0]) or not row["run_ids"]:
                continue
            assert f"{slug}/report.html#{urllib.parse.quote(name)}" in first.links
            for run_id in row["run_ids"].split(","):
                record = records[run_id]
                assert record.origin["code_sha256"] and record.origin["versions"]
                assert record.file.removeprefix(f"{slug}/") in page.links
        # A number of the prose or of a table, which the tutorial does not print.
        for name in list_of_experiments(smoke, slug.split("_")[0])[-1:]:
            seeds = smoke.project.json(RESULTS / slug / name / "metrics.json")["seeds"]
            for seed, values in seeds.items():
                text = trace(RESULTS, f"{slug.split('_')[0]}.{name}.{next(iter(values))}")
                record = smoke.project.json(RESULTS / slug / name / f"seed{seed}" / "train.json")
                assert record["run_id"] in text, (slug, name)
    text = trace(RESULTS, "ch07.conv.test_accuracy")
    [run_id] = rows["ch07.conv.test_accuracy"]["run_ids"].split(",")
    for part in (run_id, "batch_size", "as it is here now", "made from installed libraries"):
        assert part in text


COMMAND = "snakemake -c2 --configfile config/smoke.yaml --forcerun "


@pytest.mark.parametrize("chapter", SLUGS)
def test_the_commands_of_the_pages_run_what_they_say(smoke, chapter):
    """One of each kind is given to Snakemake as it stands; the others name files that are there."""
    folder, slug = smoke.project.folder, SLUGS[chapter]
    page = smoke.project.json(RESULTS / slug / "report.json")
    told = [*page["rows"], *page["experiments"], *page["faults"]]
    commands = {one["command"] for one in told if one["command"]}
    kinds = {}
    for command in sorted(commands, key=len):
        assert command.startswith(COMMAND)
        rule, _, *targets = shlex.split(command.removeprefix(COMMAND))
        assert targets and all((folder / one).is_file() for one in targets), command
        kinds[rule] = (command, targets)  # the longest, so that of a fault where there is one
    assert set(kinds) <= {f"{chapter}_train", f"{chapter}_preprocess"}
    for rule, (command, targets) in kinds.items():
        plan = smoke.project.succeed("-n", *shlex.split(command)[1:])
        forced = re.findall(rf"^(?:local)?rule {rule}:\n(?:    .*\n)+", plan, re.M)
        assert forced, command
        for target in targets:
            wanted = (
                f"experiment={Path(target).parent.name}"
                if rule.endswith("_train")
                else f"dataset={Path(target).stem}"
            )
            assert any(wanted in job for job in forced), command


def test_the_first_page_has_a_telling_figure_of_each_chapter_and_those_over_all(smoke):
    text = (smoke.project.folder / RESULTS / "index.html").read_text(encoding="utf-8")
    sections = dict(re.findall(r'<section id="(\w+)"(.*?)</section>', text, re.S))
    for slug in SLUGS.values():
        [card] = [one for one in sections["chapters"].split('<li class="card">')
                  if f'href="{slug}/report.html"' in one]  # fmt: skip
        assert "<svg" in card.partition("<h3>")[0], slug
    assert "<svg" in sections["across"] and 'id="figure-across"' in sections["across"]
    assert "<svg" in sections["stages"] and 'id="figure-workflow"' in sections["stages"]
    for name in ("stages", "experiments"):
        assert sections[name].count("<tr>") > len(SLUGS), name


def test_the_exercise_of_4_3_leaves_a_table_for_kaggle(smoke):
    """As the competition wants it, of the test rows in their order, whichever seed."""
    folder = smoke.project.folder
    [file] = (folder / "data/processed/smoke" / SLUGS["ch03"]).glob("*.npz")
    data = load_npz(file)
    for seed in (folder / RESULTS / SLUGS["ch03"] / "exercise").glob("seed*"):
        rows = rows_of(seed / "model" / "submission.csv", ",")
        assert list(rows[0]) == ["id", *data["classes"].tolist()]
        assert [row["id"] for row in rows] == [str(one) for one in data["id_test"].tolist()]
        values = np.array([list(row.values())[1:] for row in rows], float)
        np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-3)
        assert len(np.unique(values.argmax(axis=1))) > 1


def test_linear_models_stand_beside_the_networks(smoke):
    told = [smoke.project.json(RESULTS / slug / "report.json") for slug in SLUGS.values()]
    drawn = {(one["chapter"], one["name"]) for one in comparable(told) if one["linear"]}
    declared = {(page["chapter"], one["name"]) for page in told for one in page["experiments"]
                if one["linear"]}  # fmt: skip
    assert {chapter for chapter, _ in drawn} == {chapter for chapter, _ in declared}
    assert {chapter for chapter, _ in drawn} >= {"ch02", "ch03", "ch09", "ch10", "ch11"}


def test_every_job_stands_in_the_table_of_steps(smoke):
    steps = rows_of(smoke.project.folder / RESULTS / "steps.tsv")
    experiments = rows_of(smoke.project.folder / RESULTS / "experiments.tsv")
    for chapter, slug in SLUGS.items():
        own = [one for one in steps if one["chapter"] == chapter]
        counts = Counter(one["rule"].removeprefix(f"{chapter}_") for one in own)
        names = set(list_of_experiments(smoke, chapter))
        assert counts["train"] == len(trained(smoke, chapter))
        assert counts["evaluate"] == len(names)
        assert counts["preprocess"] == len(datasets_of(smoke, chapter))
        assert counts["report"] == 1
        assert all(float(one["seconds"]) >= 0 for one in own)
        assert all((smoke.project.folder / RESULTS / one["record"]).is_file()
                   for one in own if one["record"])  # fmt: skip
        assert all(float(one["peak_mb"]) > 0 for one in own if one["rule"].endswith("_train"))
        assert {one["name"] for one in experiments if one["chapter"] == chapter} == names
        one = next(one for one in experiments if one["chapter"] == chapter)
        told = smoke.project.json(RESULTS / slug / one["name"] / "metrics.json")
        assert float(one["mean"]) == told["summary"][one["metric"]]["mean"]
        assert int(one["n_seeds"]) == len(told["seeds"])


# ---------------------------------------------------------------------- the MLflow store


@pytest.mark.parametrize("chapter", SLUGS)
def test_every_step_is_a_run_under_chapter_and_experiment(smoke, chapter):
    slug = SLUGS[chapter]
    runs = smoke.project.runs(f"smoke/{slug}")
    by_id = {run.info.run_id: run for run in runs}
    steps = Counter(run.data.tags["step"] for run in runs)
    experiments = {experiment for experiment, _, _ in trained(smoke, chapter)}
    assert steps == {
        "chapter": 1,
        "experiment": len(experiments),
        "preprocess": len(datasets_of(smoke, chapter)),
        "train": len(trained(smoke, chapter)),
        "evaluate": len(experiments),
        "report": 1,
    }
    above = {"experiment": "chapter", "preprocess": "chapter", "report": "chapter",
             "train": "experiment", "evaluate": "experiment"}  # fmt: skip
    for run in runs:
        assert run.info.status == "FINISHED"
        tags = run.data.tags
        if tags["step"] == "chapter":
            assert "mlflow.parentRunId" not in tags
            continue
        parent = by_id[tags["mlflow.parentRunId"]]
        assert parent.data.tags["step"] == above[tags["step"]]
        if tags["step"] in ("train", "evaluate"):
            assert parent.data.tags["experiment"] == tags["experiment"]
    names = Counter(run.info.run_name for run in runs)
    assert set(names.values()) == {1}, "two runs look alike"


def test_no_run_of_the_store_is_left_open_or_astray(smoke):
    client = smoke.project.client
    ids = [one.experiment_id for one in client.search_experiments()]
    assert client.search_runs(ids, "attributes.status = 'RUNNING'") == []
    assert client.search_runs(["0"]) == []


@pytest.mark.parametrize("chapter", SLUGS)
def test_each_seeds_run_has_metrics_curves_data_rule_commit_and_model(smoke, chapter):
    import mlflow

    project, slug = smoke.project, SLUGS[chapter]
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=project.folder, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    datasets = datasets_of(smoke, chapter)
    for experiment, seed, folder in trained(smoke, chapter):
        record = project.json(folder / "train.json")
        run = project.client.get_run(record["run_id"])
        tags, metrics = run.data.tags, run.data.metrics
        about = datasets[run.data.params["dataset"]]
        expected = {
            "experiment": experiment, "seed": str(seed), "rule": f"{chapter}_train",
            "edition": "smoke", "chapter": slug, "mlflow.source.git.commit": head,
            "git_dirty": "false", f"data.{about['resolved']}": about["digest"],
        }  # fmt: skip
        assert expected.items() <= tags.items()
        assert tags["variant"] in ("as_printed", "corrected", "exercise", "beyond")
        assert tags["device"]
        assert run.data.params["seed"] == str(seed)
        [used] = run.inputs.dataset_inputs
        assert used.dataset.digest == about["digest"][:36]
        measured = ["seconds", "peak_memory_mb"]
        measured += ["parameters"] if "parameters" in record else []
        measured += ["rows_per_second"] if read_history(folder / "history.tsv")[1] else []
        for name in measured:
            assert metrics[name] > 0, name
        final = project.json(folder.parent / "metrics.json")["seeds"][str(seed)]
        numbers = {
            key: value
            for key, value in final.items()
            if "@" not in key and isinstance(value, int | float)
        }
        assert numbers
        assert {key: metrics[key] for key in numbers} == pytest.approx(numbers, rel=1e-12)
        epochs, history = read_history(folder / "history.tsv")
        for name, values in history.items():
            points = project.client.get_metric_history(run.info.run_id, name)
            assert [one.step for one in points] == epochs.tolist(), f"{experiment} {name}"
            assert [one.value for one in points] == values.tolist()
        has_model = "model_uri" in record
        assert len(run.outputs.model_outputs) == has_model
        assert has_model or not list(folder.glob("**/*.keras"))
        if not has_model:
            continue
        info = mlflow.models.get_model_info(record["model_uri"])
        assert info.signature.inputs is not None
        assert info.signature.outputs is not None
        assert info.saved_input_example_info
        assert tags["model_uri"] == record["model_uri"]


def test_pictures_stand_where_a_reviewer_looks_for_them(smoke):
    for chapter in ("ch06", "ch07"):
        for _, _, folder in trained(smoke, chapter):
            run_id = smoke.project.json(folder / "train.json")["run_id"]
            names = [one.path for one in smoke.project.client.list_artifacts(run_id)]
            assert "confusion_matrix.svg" in names
    [report] = smoke.project.runs("smoke/ch07_mnist_convnets", "tags.step = 'report'")
    names = [one.path for one in smoke.project.client.list_artifacts(report.info.run_id)]
    assert {"report.html", "reproduction.tsv", "figures"} <= set(names)


def test_experiments_runs_carry_the_mean_over_seeds(smoke):
    for chapter, slug in SLUGS.items():
        for run in smoke.project.runs(f"smoke/{slug}", "tags.step = 'experiment'"):
            name = run.data.tags["experiment"]
            table = smoke.project.json(RESULTS / slug / name / "metrics.json")["summary"]
            shown = {key: one["mean"] for key, one in table.items() if "@" not in key}
            assert shown, chapter
            for key, mean in shown.items():
                assert math.isclose(run.data.metrics[f"{key}_mean"], mean, rel_tol=1e-12)


# ---------------------------------------------------------------------- the logged models


def arrays_of(smoke, chapter, folder):
    processed = smoke.project.folder / "data/processed/smoke" / SLUGS[chapter]
    record = smoke.project.json(folder / "train.json")
    run = smoke.project.client.get_run(record["run_id"])
    data = processed / f"{run.data.params['dataset']}.npz"
    return np.load(data, allow_pickle=False), np.load(
        folder / "predictions.npz", allow_pickle=False
    )


@pytest.mark.parametrize(
    "chapter, experiment",
    [
        ("ch01", "ann_2_10_1_100it"),
        ("ch04", "network_784_30_10"),
        ("ch04", "network_784_30_10_scaled"),
        ("ch06", "mnist"),
        ("ch10", "imdb_lstm_exercise"),
        ("ch07", "conv_conv_pool_dropout"),
        ("ch07", "batch_normalization_exercise"),
    ],
)
def test_the_model_loaded_by_its_uri_predicts_the_same(smoke, chapter, experiment):
    import mlflow

    from chapters.ch07_mnist_convnets.train import scaled

    [folder] = [path for name, _, path in trained(smoke, chapter) if name == experiment]
    data, told = arrays_of(smoke, chapter, folder)
    assert smoke.project.client  # which says where the store is
    uri = smoke.project.json(folder / "train.json")["model_uri"]
    model = mlflow.pyfunc.load_model(uri)
    if chapter == "ch01":
        given, expected = model.predict(data["x"]), told["predictions"]
    elif chapter == "ch04":
        given, expected = model.predict(data["x_test"].astype(np.float64)), told["outputs"]
    elif chapter == "ch06":
        pixels = data["x_test"].reshape(len(data["x_test"]), -1)
        given = model.predict(pixels.astype(np.float64)).argmax(axis=1)
        expected = told["digits"]
    elif chapter == "ch10":
        run_id = smoke.project.json(folder / "train.json")["run_id"]
        words = int(smoke.project.client.get_run(run_id).data.params["words"])
        given, expected = model.predict(data["x_test"][:, -words:]), told["probabilities"]
    else:
        given, expected = model.predict(scaled(data["x_test"])), told["probabilities"]
    given = np.asarray(given).reshape(expected.shape)
    assert len(np.unique(expected)) > 1
    np.testing.assert_allclose(given, expected, rtol=1e-6, atol=1e-7)


# -------------------------------------------------------------------- what an edit re-runs


def test_epochs_of_one_experiment_re_run_it_alone(smoke, edit):
    edit("config/chapters/ch07.yaml", "  conv_dense:\n", "  conv_dense:\n    epochs: 3\n")
    assert smoke.project.jobs() == {
        "ch07_train": 1, "ch07_evaluate": 1, "ch07_report": 1, "errata": 1, "index": 1,
        "crate": 1, "all": 1,
    }  # fmt: skip


def test_a_title_re_runs_no_training(smoke, edit):
    edit("config/chapters/ch04.yaml", "title: 30 hidden", "title: Thirty hidden")
    jobs = smoke.project.jobs()
    assert "ch04_report" in jobs
    assert not {"ch04_preprocess", "ch07_train", "ch07_report"} & set(jobs)


def test_a_chapters_script_re_runs_that_stage_of_that_chapter(smoke, edit):
    edit("workflow/chapters/ch07_mnist_convnets/train.py", "SHARE = 0.1", "SHARE = 0.2")
    n_runs = len(trained(smoke, "ch07"))
    assert smoke.project.jobs() == {
        "ch07_train": n_runs, "ch07_evaluate": n_runs, "ch07_report": 1, "errata": 1, "index": 1,
        "crate": 1, "all": 1,
    }  # fmt: skip


def test_a_chapters_own_network_re_runs_its_training(smoke, edit):
    edit("workflow/chapters/ch04_sgd_network/network.py", "import numpy", "import  numpy")
    jobs = smoke.project.jobs()
    assert jobs["ch04_train"] == len(trained(smoke, "ch04"))
    assert not {rule for rule in jobs if rule.startswith(("ch01", "ch06", "ch07"))}


def test_a_plot_re_runs_no_training_and_the_librarys_training_does(smoke, edit):
    edit("workflow/kerasbook/html.py", "import ", "import  ")
    rules = {rule.split("_")[-1] for rule in smoke.project.jobs()}
    assert rules == {"report", "errata", "index", "crate", "all"}
    edit("workflow/kerasbook/training.py", "import logging", "import  logging")
    jobs = smoke.project.jobs()
    for chapter in SLUGS:
        assert jobs[f"{chapter}_train"] == len(trained(smoke, chapter))
    assert not {rule for rule in jobs if rule.endswith("preprocess")}


def test_a_chapters_text_re_runs_its_page_alone(smoke, edit):
    edit("workflow/chapters/ch06_mnist_explored/text.md", "a person should", "a person must")
    expected = {"ch06_report": 1, "errata": 1, "index": 1, "crate": 1, "all": 1}
    assert smoke.project.jobs() == expected


def test_another_edition_stands_apart(smoke):
    output = smoke.project.succeed("-n")
    assert "results/bundled/index.html" in output
    assert "results/smoke" not in output


# ---------------------------------------------------------------------- --report


def told_by(report: str, name: str):
    """One of the values that a report of Snakemake's hands its own script."""
    start = report.index("= ", report.index(f'<script id="{name}">')) + 2
    return json.JSONDecoder().raw_decode(report, start)[0]


def check_report(archive: zipfile.ZipFile, folder: Path, results: Path) -> None:
    """Each figure of the results is in Snakemake's report, in its chapter's place and told."""
    text = archive.read("report/report.html").decode("utf-8")
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']https?:", text)
    shown, places = told_by(text, "results"), told_by(text, "categories")
    drawn = sorted((folder / results).glob("**/figures/*.svg"))
    assert len(drawn) > len(SLUGS)
    for path in drawn:
        name = path.relative_to(folder).as_posix()
        assert archive.read(f"report/{shown[name]['data_uri']}") == path.read_bytes(), name
        if path.parents[1] == folder / results:
            assert name in places["All chapters"]["Other"]
            continue
        page = json.loads((path.parents[1] / "report.json").read_text(encoding="utf-8"))
        place = f"{page['chapter']} {page['number']} {page['title']}"
        assert name in places[place]["Figures"]
        [told] = [one for one in page["figures"] if f"figures/{path.name}" == one["file"]]
        assert shown[name]["labels"] == {"shows": told["title"]}
        said = html.unescape(re.sub(r"<[^>]+>", "", shown[name]["caption"]))
        wanted = f"{told['title']} {told['caption']}"
        assert " ".join(said.split()).startswith(" ".join(wanted.split()))
        assert f"{page['edition']} edition" in said
    assert list(places) == sorted(places)  # 4.2 before 4.10


def test_snakemakes_report_is_made_offline_and_tells_its_figures(smoke, report_zip):
    with zipfile.ZipFile(report_zip) as archive:
        check_report(archive, smoke.project.folder, RESULTS)
