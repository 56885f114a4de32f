"""The SLURM profile against a real SLURM: what jobs ask for, and what happens when they fail.

The profile is the project's own. The tests give what a site gives (account, partitions), and
shorter waits between two looks at the queue.
"""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kerasbook.journal import RUN_TAG
from tests.slurm.cluster import ACCOUNT, wait_for
from tests.workflow.conftest import ROOT, Project, copied, stop

PARTITIONS = "partitions: {cpu: {max_runtime: 1d}, gpu: {max_runtime: 1d, max_gpu: 4}}\n"
CHAPTERS = ("ch01_neural_network", "ch04_sgd_network", "ch05_convolutions", "ch06_mnist_explored")
# Of chapters that would take longer, an experiment each.
EXPERIMENTS = (
    ("ch03_keras_basics", "logreg"),
    ("ch07_mnist_convnets", "conv"),
    ("ch10_recurrent", "imdb_simple_rnn"),
)
ON_GPU = [*EXPERIMENTS, ("ch05_convolutions", "network"), ("ch05_convolutions", "dropout")]
WAYS_TO_FAIL = ("fails", "overruns", "swells", "cancelled")
EDITION = ["--configfile", "config/smoke.yaml"]
SMOKE = [*EDITION, "--config", "environment=gpu", "tracking_uri=files"]
# The status query fails so many times at first: more than the plugin's own five attempts.
FLAKY = """\
#!/bin/sh
case "$*" in *--name*)
    echo x >> {folder}/asked
    if [ $(wc -l < {folder}/asked) -le 8 ]; then echo "no controller" >&2; exit 1; fi
esac
exec {squeue} "$@"
"""
# The submission of one job fails at first.
REFUSING = """\
#!/bin/sh
case "$*" in *rule_refused*)
    if mkdir {folder}/refused.tried 2> /dev/null; then echo "no controller" >&2; exit 1; fi
esac
exec {sbatch} "$@"
"""


def options(account: str = f"slurm_account={ACCOUNT}") -> list[str]:
    return [
        "--workflow-profile", str(ROOT / "profiles" / "slurm"),
        "--default-resources", account,
        "--slurm-init-seconds-before-status-checks", "1",
        "--max-status-checks-per-second", "5",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def on_cluster(cluster, tmp_path_factory):
    """Makes a project's Snakemake talk to the cluster."""
    partitions = tmp_path_factory.mktemp("site") / "partitions.yaml"
    partitions.write_text(PARTITIONS, encoding="utf-8")

    def placed(project: Project) -> Project:
        there = {key: cluster.environment[key] for key in ("PATH", "SLURM_CONF")}
        there["SNAKEMAKE_SLURM_PARTITIONS"] = str(partitions)
        return replace(project, environment={**project.environment, **there})

    return placed


@pytest.fixture(scope="module")
def started(cluster, on_cluster, tmp_path_factory):
    """The smoke edition of four chapters and of three more chapters' experiments, and jobs that
    misbehave, at once and in the background.

    Gives, for each of the two, its project, its process and its output that is to come.
    """
    chapters = on_cluster(copied(tmp_path_factory.mktemp("chapters")))
    folder = tmp_path_factory.mktemp("misbehaving")
    (folder / "bin").mkdir()
    for name, script in {"squeue": FLAKY, "sbatch": REFUSING}.items():
        real = cluster.call("sh", "-c", f"command -v {name}").strip()
        text = script.format(folder=folder, **{name: real})
        (folder / "bin" / name).write_text(text, encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    wrong = on_cluster(Project(folder, chapters.environment))
    path = f"{folder}/bin:{wrong.environment['PATH']}"
    snakefile = str(ROOT / "tests" / "slurm" / "misbehaving.smk")
    running = {}
    with ThreadPoolExecutor() as pool:
        try:
            process = wrong.start("--snakefile", snakefile, *options(), PATH=path)
            running["wrong"] = wrong, process, pool.submit(process.communicate)
            tried = folder / "cancelled.tried"
            wait_for("the job that is to be cancelled", tried.exists, seconds=300)
            (job,) = [x["id"] for x in cluster.queued(folder) if x["comment"] == "rule_cancelled"]
            cluster.call("scancel", job)
            targets = [one.split("_")[0] for one in CHAPTERS]
            targets += [f"results/smoke/{slug}/{name}/metrics.json" for slug, name in EXPERIMENTS]
            process = chapters.start(*targets, *SMOKE, *options())
            running["chapters"] = chapters, process, pool.submit(process.communicate)
            yield running
        finally:
            for _, process, _ in running.values():
                stop(process)


@pytest.fixture(scope="module")
def both(started):
    """The two runs when they have ended: project, exit status and output of each."""
    done = {}
    for name, (project, process, output) in started.items():
        said = output.result(timeout=900)[0]
        done[name] = project, process.returncode, said
    return done


def declared(output: str) -> dict[str, dict[str, str]]:
    """What Snakemake printed of each job: the comment that its SLURM job has -> its resources."""
    found = {}
    for block in re.split(r"\n\[\w+ \w+ +\d+ [\d:]+ \d+\]\n", output):
        if match := re.match(r"rule (\w+):\n", block):
            wildcards = re.search(r"^    wildcards: (.*)$", block, re.M)
            values = [one.split("=")[1] for one in wildcards[1].split(", ")] if wildcards else []
            comment = f"rule_{match[1]}" + (f"_wildcards_{'_'.join(values)}" if values else "")
            told = re.search(r"^    resources: (.*)$", block, re.M)[1]
            threads = re.search(r"^    threads: (\d+)$", block, re.M)
            found[comment] = dict(one.split("=", 1) for one in told.split(", "))
            found[comment]["threads"] = threads[1] if threads else "1"
    return found


def minutes(limit: str) -> int:
    hours, minutes, seconds = map(int, limit.split(":"))
    assert seconds == 0
    return 60 * hours + minutes


# The next tests are mostly waits, while the two runs go on in the background.


@pytest.fixture
def held(cluster, on_cluster, tmp_path):
    """A project, and a way to start it whose one job is held in the queue."""
    folder = tmp_path / "project"
    folder.mkdir()
    project = on_cluster(copied(folder))
    target = "data/processed/smoke/ch06_mnist_explored/mnist.npz"
    hold = ["--default-resources", f"slurm_account={ACCOUNT}", "slurm_extra='--hold'"]
    arguments = [target, *SMOKE, *options(), *hold]

    def start():
        process = project.start(*arguments)
        try:
            wait_for("the job in the queue", lambda: cluster.queued(folder), seconds=180)
        except Exception:
            stop(process)
            raise
        return process

    return project, arguments, start


def cancel(project: Project) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "kerasbook.cluster", "cancel"], cwd=project.folder,
        env={**project.environment, "PYTHONPATH": "workflow"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_jobs_of_a_killed_snakemake_are_not_submitted_again(cluster, started, held):
    project, arguments, start = held
    process = start()
    process.kill()
    process.communicate()
    (left,) = cluster.queued(project.folder)
    project.succeed("--unlock", *SMOKE)
    status, output = project.run(*arguments)
    assert status == 1
    assert f"({left['id']})" in output
    assert "make slurm-cancel" in output
    assert [one["id"] for one in cluster.queued(project.folder)] == [left["id"]]
    assert cancel(project) == "Cancelled 1 jobs.\n"
    assert cluster.queued(project.folder) == []


def test_ctrl_c_cancels_and_sigterm_waits(cluster, started, held):
    project, _, start = held
    process = start()
    try:
        wait_for("the submission to be told", lambda: "submitted" in log_of(project), seconds=60)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
        wait_for("the job to leave", lambda: not cluster.queued(project.folder), seconds=60)
        assert process.returncode != 0
        process = start()
        process.send_signal(signal.SIGTERM)
        wait_for("SIGTERM", lambda: "Will exit after finishing" in log_of(project), seconds=60)
        assert process.poll() is None
        (job,) = cluster.queued(project.folder)
        cluster.call("scancel", job["id"])
        process.communicate(timeout=180)
        assert process.returncode != 0
        assert cluster.queued(project.folder) == []
    finally:
        stop(process)


def log_of(project: Project) -> str:
    """What the latest Snakemake in a project's folder has written so far."""
    logs = sorted(Path(project.folder, ".snakemake", "log").glob("*.log"), key=os.path.getmtime)
    return logs[-1].read_text(encoding="utf-8") if logs else ""


def test_four_chapters_run_on_the_cluster(both):
    project, status, output = both["chapters"]
    assert status == 0, output
    assert "MinJobAge" not in output
    for chapter in CHAPTERS:
        assert (project.folder / f"results/smoke/{chapter}/report.html").is_file()
    for chapter, name in EXPERIMENTS:
        assert (project.folder / f"results/smoke/{chapter}/{name}/metrics.json").is_file()


def test_all_runs_of_the_cluster_are_imported_into_a_store(both):
    project, _, output = both["chapters"]
    folder = project.folder / "results"
    assert not (folder / "mlflow.db").exists()
    written = {one.stem for one in (folder / "smoke" / "journal").glob("*.jsonl")}
    project.succeed("tracking_import", "-c1", *EDITION)
    slugs = {*CHAPTERS, *(slug for slug, _ in EXPERIMENTS)}
    runs = [run for slug in slugs for run in project.runs(f"smoke/{slug}")]
    runs = [run for run in runs if RUN_TAG in run.data.tags]  # the others hold these
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.tags[RUN_TAG] for run in runs) == sorted(written)
    # Each job is a run. The targets that only stand for others (ch01) have no wildcards.
    jobs = [key.split("_wildcards_")[0] for key in declared(output) if "_wildcards_" in key]
    assert Counter(f"rule_{run.data.tags['rule']}" for run in runs) == Counter(jobs)


def test_each_job_asked_for_what_its_rule_declares(cluster, both):
    project, _, output = both["chapters"]
    asked = {one["Comment"]: one for one in cluster.accounts(project.folder)}
    jobs = {key: one for key, one in declared(output).items() if "slurm_account" in one}
    jobs = {key: one for key, one in jobs.items() if "_wildcards_" in key}
    assert set(asked) == set(jobs)
    assert {key.split("_")[2] for key in jobs} == {"preprocess", "train", "evaluate", "report"}
    with_gpu = set()
    for key, job in jobs.items():
        one = asked[key]
        tres = dict(part.split("=") for part in one["ReqTRES"].split(","))
        gpus = int(job.get("gpu", 0))
        assert one["State"] == "COMPLETED"
        assert one["JobName"].startswith("kerasbook_")
        assert one["Account"] == ACCOUNT
        assert one["ReqMem"] == f"{job['mem_mb']}M"
        assert minutes(one["Timelimit"]) == int(job["runtime"])
        assert one["ReqCPUS"] == tres["cpu"] == job["threads"]
        assert int(tres.get("gres/gpu", 0)) == gpus
        where = ("gpu", "fast") if gpus else ("cpu", "plain")
        assert (one["Partition"], one["NodeList"]) == where
        if gpus:
            with_gpu.add(key)
    trainings = {f"rule_{slug[:4]}_train_wildcards_{slug}_{name}_1" for slug, name in ON_GPU}
    assert with_gpu == trainings
    assert len({slug for slug, _ in ON_GPU}) == 4


def test_the_runs_of_a_sweep_share_a_job_of_bounded_size(cluster, both):
    project, _, _ = both["chapters"]
    before = {one["JobIDRaw"] for one in cluster.accounts(project.folder)}
    project.succeed("ch01_sweeps", *SMOKE, *options(), seconds=600)
    jobs = [one for one in cluster.accounts(project.folder) if one["JobIDRaw"] not in before]
    (shared,) = [one for one in jobs if not one["Comment"].startswith("rule_sweep_page")]
    points = list((project.folder / f"results/smoke/{CHAPTERS[0]}/sweeps").rglob("seed*.json"))
    # Two layers of four runs, five minutes each (`minutes` of the sweep).
    assert len(points) == 8
    assert (shared["State"], shared["ReqCPUS"]) == ("COMPLETED", "4")
    assert minutes(shared["Timelimit"]) == 2 * 5
    assert shared["ReqMem"] == f"{4 * 2500}M"


@pytest.mark.parametrize("name", WAYS_TO_FAIL)
def test_what_went_wrong_is_noticed_and_tried_again_with_more(cluster, both, name):
    project, status, output = both["wrong"]
    assert status == 0, output
    jobs = [one for one in cluster.accounts(project.folder) if one["Comment"] == f"rule_{name}"]
    first, second = jobs
    # Here SLURM ends the step that takes too much memory, and its job fails; with cgroups, as
    # most clusters have them, the job ends as OUT_OF_MEMORY, which the plugin knows too.
    states = {"overruns": "TIMEOUT", "cancelled": "CANCELLED by 0"}
    assert first["State"] == states.get(name, "FAILED")
    if name == "swells":
        assert f"StepId={first['JobIDRaw']}.0 exceeded memory limit" in output
    assert second["State"] == "COMPLETED"
    assert (first["ReqMem"], second["ReqMem"]) == ("1000M", "2000M")
    assert minutes(second["Timelimit"]) == 2 * minutes(first["Timelimit"])
    assert (project.folder / f"{name}.txt").is_file()
    assert f"SLURM-job '{first['JobIDRaw']}' failed, SLURM status is" in output


def test_a_submission_that_fails_uses_up_a_try(cluster, both):
    """What the README says; a newer plugin may do better."""
    project, _, output = both["wrong"]
    jobs = [one for one in cluster.accounts(project.folder) if one["Comment"] == "rule_refused"]
    assert [one["ReqMem"] for one in jobs] == ["2000M"], output


@pytest.mark.parametrize("name", ["gpu", "gres"])
def test_a_job_sees_the_gpu_that_it_asked_for(cluster, both, name):
    project, _, output = both["wrong"]
    (one,) = [x for x in cluster.accounts(project.folder) if x["Comment"] == f"rule_{name}"]
    assert "gres/gpu=1" in one["ReqTRES"].split(",")
    assert one["Partition"] == "gpu"
    assert re.fullmatch(r"\d\n", (project.folder / f"{name}.txt").read_text()), output


def test_status_queries_that_fail_lose_no_job(both):
    project, status, output = both["wrong"]
    assert status == 0, output
    assert len((project.folder / "asked").read_text().split()) > 8
