"""What `snakemake` says before any job: the plan, or what is wrong with the configuration."""

import re

import pytest

from kerasbook.configuration import rooms

pytestmark = pytest.mark.slow


def test_dry_run_of_the_whole_dag_is_quick_and_lists_every_rule(project):
    seconds, output = project.cpu_seconds("-n", "--configfile", "config/book.yaml", "--forceall")
    jobs = int(re.search(r"^total +(\d+)$", output, re.M)[1])
    assert jobs > 600
    assert seconds < 3 + jobs / 100, jobs  # Snakemake alone takes a second or two
    for chapter in rooms():
        for stage in ("preprocess", "train", "evaluate", "report"):
            assert re.search(rf"^{chapter}_{stage} +[1-9]", output, re.M), f"{chapter}_{stage}"
    assert re.search(r"^index +1", output, re.M)
    assert re.search(r"^download_file +[1-9]", output, re.M)
    assert project.made() == []
    assert not (project.folder / "logs").exists()


def test_the_default_edition_needs_no_download(project):
    output = project.succeed("-n")
    assert "results/bundled/index.html" in output
    assert "download_file" not in output


@pytest.mark.parametrize(
    "target, inside, outside",
    [
        ("ch07", ["ch07_report", "ch06_evaluate"], ["ch01_train", "ch06_report"]),
        ("train", ["ch01_train", "ch07_train"], ["ch07_evaluate"]),
        ("preprocess", ["ch01_preprocess"], ["ch01_train"]),
    ],
)
def test_a_chapter_or_a_stage_can_be_asked_for(project, target, inside, outside):
    jobs = project.jobs(target)
    assert set(inside) <= set(jobs)
    assert not set(outside) & set(jobs)


def test_the_profile_applies_without_being_named(project):
    output = project.succeed("-n")
    assert "profiles/default" in output


BAD = {
    "unknown key": (
        ["--config", "edtion=book"],
        None,
        ["edtion: unknown key", "did you mean 'edition'?"],
    ),
    "unknown edition": (["--config", "edition=bok"], None, ["edition: found 'bok'", "'book'?"]),
    "unknown chapter": (["--config", "chapters=[ch7]"], None, ["'ch7'", "did you mean 'ch07'?"]),
    "repeated seeds": (["--config", "seeds=[3,3]"], None, ["seeds: found [3, 3]", "[3] repeat"]),
    "out of range": (["--config", "train_threads=0"], None, ["train_threads: found 0"]),
    "unknown layer": (
        [],
        ("config/chapters/ch07.yaml", "{type: flatten}", "{type: flaten}"),
        ["config/chapters/ch07.yaml", "found 'flaten'", "did you mean 'flatten'?"],
    ),
    "missing data set": (
        [],
        ("config/chapters/ch04.yaml", "dataset: mnist", "dataset: mnits"),
        ["config/chapters/ch04.yaml", "found 'mnits'", "did you mean 'mnist'?"],
    ),
    "key twice in a chapter": (
        [],
        ("config/chapters/ch06.yaml", "title: MNIST", "title: Twice\ntitle: MNIST"),
        ["config/chapters/ch06.yaml", "the key 'title' stands there twice"],
    ),
    "key twice in config.yaml": (
        [],
        ("config/config.yaml", "train_threads: 1", "train_threads: 1\ntrain_threads: 2"),
        ["config/config.yaml", "the key 'train_threads' stands there twice"],
    ),
    "key in a configfile": (
        ["--configfile", "config/smoke.yaml"],
        ("config/smoke.yaml", "seeds: [1]", "seds: [1]"),
        ["config/smoke.yaml", "seds: unknown key", "did you mean 'seeds'?"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_configuration_stops_with_one_clear_message(project, case):
    arguments, edit, expected = BAD[case]
    if edit:
        name, old, new = edit
        path = project.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    status, output = project.run("-c1", *arguments, seconds=60)
    assert status == 1
    for part in expected:
        assert part in output
    # One message: no traceback, and every part of it once.
    assert "Traceback" not in output
    assert output.count(expected[-1]) == 1
    told = [line for line in output.splitlines() if expected[0] in line]
    assert len(told) == 1
    assert project.made() == []
    assert not (project.folder / "logs").exists()


def test_an_experiment_added_in_yaml_is_planned_without_code(project):
    path = project.folder / "config/chapters/ch07.yaml"
    text = path.read_text(encoding="utf-8")
    entry = (
        "experiments:\n  mine:\n    title: Mine\n    variant: beyond\n    epochs: 5\n"
        "    layers: [{type: conv2d, filters: 8, kernel_size: 5}, {type: flatten}]\n"
    )
    path.write_text(text.replace("experiments:\n", entry, 1), encoding="utf-8")
    target = "results/smoke/ch07_mnist_convnets/mine/metrics.json"
    assert project.jobs(target) == {"ch07_preprocess": 1, "ch07_train": 1, "ch07_evaluate": 1}


def test_lint_finds_nothing(project):
    status, output = project.run("--lint")
    assert status == 0, output
    assert "Congratulations" in output
