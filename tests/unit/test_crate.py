"""The RO-Crate of a results folder: valid by a public validator, and true to the records."""

import itertools
import json
from pathlib import Path

import page_example
import pytest
import yaml

from kerasbook import records
from kerasbook.catalogue import load_catalogue
from kerasbook.configuration import load_settings
from kerasbook.crate import README, copy_code, crate
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_files, write_json, write_text
from kerasbook.plan import Plan, code_of

ROOT = Path(__file__).resolve().parents[2]
SLUG = page_example.SLUG
RUN = f"#run-{page_example.RUNS[0]}"
# What nobody here knows: who ran it, where the workflow is published and by whom.
NOT_KNOWN = {
    "The Application SHOULD have a url",
    "The SoftwareApplication id SHOULD be an absolute URI",
    "The Action SHOULD have an agent that is a Person or Organization",
    "The `publisher` property of a `Root Data Entity` SHOULD be an `Organization`",
    "The organization SHOULD have a URL.",
}


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def plan_of(**values):
    settings = load_settings({"edition": "book", "chapters": ["ch07"], **values})
    return Plan(settings, load_catalogue(Path("config/datasets.yaml")))


def described(folder, pages, plan=None):
    plan = plan or plan_of()
    return crate(folder, pages, records.find(folder), plan.catalogue, plan.configuration())


def made(folder, **values):
    """Write a results folder with its crate; the crate's entities by id."""
    pages = page_example.write_results(folder)
    plan = plan_of(**values)
    copy_code(plan.sources(), folder / "code", plan.configuration())
    write_text(folder / "README.md", README.format(edition="book"))
    told = described(folder, pages, plan)
    write_json(folder / "ro-crate-metadata.json", told)
    return {one["@id"]: one for one in told["@graph"]}


def named(value):
    """The ids that a property refers to."""
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        folder = tmp_path_factory.mktemp("results") / "book"
        return folder, made(folder)


@pytest.mark.slow
def test_the_crate_is_valid_and_lacks_only_what_nobody_knows(example, crate_issues):
    found = crate_issues(example[0], "RECOMMENDED")
    assert list(found) == ["workflow-run-crate-0.5", "provenance-run-crate-0.5"]
    for profile, issues in found.items():
        assert [one for one in issues if one["severity"] == "REQUIRED"] == [], profile
        assert {one["message"] for one in issues} <= NOT_KNOWN, profile


@pytest.mark.slow
def test_the_validator_sees_what_is_missing(tmp_path, crate_issues):
    entities = made(tmp_path)
    del entities["#workflow-book"]["instrument"], entities["#step-ch07_train"]["workExample"]
    told = json.loads((tmp_path / "ro-crate-metadata.json").read_text())
    write_json(
        tmp_path / "ro-crate-metadata.json",
        {"@context": told["@context"], "@graph": list(entities.values())},
    )
    (tmp_path / "index.html").unlink()
    found = [one["message"] for one in crate_issues(tmp_path)["provenance-run-crate-0.5"]]
    for part in ("MUST have an instrument", "workExample", "index.html"):
        assert [one for one in found if part in one], part


def test_a_run_leads_to_its_parameters_data_code_times_and_files(example):
    folder, entities = example
    run = entities[RUN]
    used = [entities[name] for name in named(run["object"])]
    values = {one["name"]: one["value"] for one in used if one["@type"] == "PropertyValue"}
    assert values == {"dataset": "mnist", "epochs": "2", "optimizer.type": "sgd", "seed": "1"}
    [data] = [one for one in used if one["@type"] == "Dataset"]
    assert data["identifier"] == f"sha256:{page_example.DIGEST}"
    assert (run["startTime"], run["endTime"]) == (
        "2026-01-02T03:00:00+00:00", "2026-01-02T03:04:00+00:00",
    )  # fmt: skip
    assert run["identifier"] == page_example.RUNS[0]
    [script] = named(run["instrument"])
    assert (folder / script).read_bytes() == Path(script.removeprefix("code/")).read_bytes()
    assert (folder / named(run["result"])[0] / "train.json").is_file()
    for part in ("c0de" * 16, "0123abc with changes", "x86_64", "conv.seed1.log"):
        assert part in run["description"]


def test_data_has_its_licence_its_digest_and_the_address_that_serves_it(example):
    _, entities = example
    mnist = entities["#dataset-mnist"]
    assert "CC BY-SA 3.0" in mnist["license"]
    assert mnist["url"].startswith("http")
    [file] = [entities[name] for name in named(mnist["hasPart"])]
    recorded = page_example.PROVENANCE["data"][0]
    assert (file["sha256"], file["contentSize"]) == (recorded["sha256"], str(recorded["bytes"]))
    assert file["url"] == load_catalogue(Path("config/datasets.yaml")).get("mnist").files[0].urls[0]
    assert recorded["source"] in file["description"]
    assert recorded["content_sha256"] in file["description"]


def test_what_a_run_reads_as_it_was_downloaded_is_an_input_of_that_run_alone(example):
    _, entities = example
    first, second = (entities[f"#run-{name}"] for name in page_example.RUNS)
    assert "#dataset-glove" not in named(first["object"])
    assert "#dataset-glove" in named(second["object"])
    [file] = [entities[name] for name in named(entities["#dataset-glove"]["hasPart"])]
    assert (file["name"], file["encodingFormat"]) == ("glove.6B.zip", "application/zip")


def test_from_the_data_to_the_page_every_result_is_what_the_next_run_was_given(example):
    _, entities = example
    by_name = {one["name"]: one for one in entities.values() if one["@type"] == "CreateAction"}
    runs = ["ch07_train conv, seed 1", "ch07_train conv, seed 2"]
    steps = [["ch07_preprocess mnist"], runs, ["ch07_evaluate conv"], ["ch07_report"]]
    for before, after in itertools.pairwise(steps):
        results = {name for one in before for name in named(by_name[one]["result"])}
        for one in after:
            assert results <= set(named(by_name[one]["object"])), one
    whole = entities["#workflow-book"]
    assert {"index.html", "errata.html", f"{SLUG}/report.html"} <= set(named(whole["result"]))
    assert {"#dataset-mnist", "code/config/config.yaml"} <= set(named(whole["object"]))


def test_equal_records_give_the_same_crate(example):
    folder, entities = example
    pages = [json.loads((folder / SLUG / "report.json").read_text())]
    assert described(folder, pages)["@graph"] == list(entities.values())


def test_code_that_is_another_now_is_told(tmp_path):
    pages = page_example.write_results(tmp_path)
    plan = plan_of()
    copy_code(plan.sources(), tmp_path / "code", plan.configuration())
    (tmp_path / "README.md").write_text("")
    record = tmp_path / SLUG / "conv/seed2/train.json"
    told = json.loads(record.read_text())
    script = told["provenance"]["script"]
    told["provenance"]["code_sha256"] = digest_of_files({script, *code_of(Path(script))})
    record.write_text(json.dumps(told))
    entities = {one["@id"]: one for one in described(tmp_path, pages)["@graph"]}
    assert "another state than that in code/" in entities[RUN]["description"]
    same = entities[f"#run-{page_example.RUNS[1]}"]["description"]
    assert "another state" not in same


def test_runs_of_an_earlier_version_that_recorded_less_are_described(tmp_path, crate_issues):
    pages = page_example.write_results(tmp_path)
    for file in tmp_path.glob("*/*/seed*/train.json"):
        told = json.loads(file.read_text())
        del told["provenance"]
        file.write_text(json.dumps(told))
    plan = plan_of()
    copy_code(plan.sources(), tmp_path / "code", plan.configuration())
    (tmp_path / "README.md").write_text("")
    told = described(tmp_path, pages, plan)
    run = next(one for one in told["@graph"] if one["@id"] == RUN)
    assert "earlier version" in run["description"]
    assert "endTime" not in run
    write_json(tmp_path / "ro-crate-metadata.json", told)
    assert not any(crate_issues(tmp_path).values())


def test_no_place_of_this_machine_and_no_password_is_told(tmp_path):
    secrets = {"mirror": "https://me:s3cret@mirror.example/x",
               "tracking_uri": "http://me:s3cret@runs.example"}  # fmt: skip
    made(tmp_path, **secrets)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            text = file.read_bytes()
            assert b"s3cret" not in text, file
            assert str(tmp_path).encode() not in text, file
            assert str(ROOT).encode() not in text, file


def test_the_copied_code_has_the_configuration_that_was_used(example):
    folder, _ = example
    told = yaml.safe_load((folder / "code/config/config.yaml").read_text())
    assert (told["edition"], told["chapters"], told["seeds"]) == ("book", ["ch07"], [1, 2])
    assert load_settings(told).config.model_dump(exclude={"mirror", "tracking_uri"}) == told
    # The pages' commands name this file.
    assert (folder / "code/config/book.yaml").read_text() == (
        folder / "code/config/config.yaml"
    ).read_text()


def test_sources_are_what_makes_the_results_and_nothing_else():
    sources = plan_of().sources()
    wanted = {
        "Snakefile", "config/published.tsv", "config/chapters/ch07.yaml", "envs/cpu.lock",
        "workflow/rules/stages.smk", "workflow/kerasbook/templates/style.css", "LICENSE",
        "profiles/default/profile.yaml",
    }  # fmt: skip
    assert wanted <= set(sources)
    assert sources == sorted(set(sources))
    # The configuration's own files may hold passwords.
    assert not {"config/config.yaml", "config/book.yaml"} & set(sources)
    assert not [one for one in sources if "__pycache__" in one or one.endswith(".pyc")]


def test_a_run_without_a_record_is_told(tmp_path):
    pages = page_example.write_results(tmp_path)
    plan = plan_of()
    copy_code(plan.sources(), tmp_path / "code", plan.configuration())
    (tmp_path / SLUG / "conv/seed1/train.json").unlink()
    with pytest.raises(KerasbookError, match=f"names the run {page_example.RUNS[0]}; found no"):
        described(tmp_path, pages)


def test_a_result_that_is_missing_is_told(tmp_path):
    pages = page_example.write_results(tmp_path)
    plan = plan_of()
    copy_code(plan.sources(), tmp_path / "code", plan.configuration())
    (tmp_path / SLUG / "conv/metrics.json").unlink()
    with pytest.raises(KerasbookError, match=r"conv/metrics\.json: cannot be read"):
        described(tmp_path, pages)
