"""Jobs that die in mid-training: no run stays open, and the next `snakemake` goes on with them."""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

SLUG = "ch07_mnist_convnets"
SERVER = "kerasbook.fork_server"
EPOCHS = 25


@pytest.fixture(scope="module")
def long(copy_of_the_project):
    """A copy in which four experiments take many epochs."""
    project = copy_of_the_project("long")
    path = project.folder / "config/chapters/ch07.yaml"
    text = path.read_text(encoding="utf-8")
    for name in ("conv", "conv_corrected", "conv_negatives", "conv_dense"):
        text = text.replace(f"  {name}:\n", f"  {name}:\n    epochs: {EPOCHS}\n", 1)
    path.write_text(text, encoding="utf-8")
    return project


def target(experiment: str) -> str:
    return f"results/smoke/{SLUG}/{experiment}/seed1/train.json"


def snakemake_on(experiment: str, forked: bool = True) -> list[str]:
    """The command, its jobs forked from a process that has their imports done, or started."""
    how = ["--config", f"fork_jobs={int(forked)}"]
    return ["-c2", "--configfile", "config/smoke.yaml", *how, "--", target(experiment)]


def wait_for_epoch(project, experiment: str, process, number: int = 2) -> None:
    log = project.folder / f"logs/smoke/{SLUG}/train/{experiment}.seed1.log"
    deadline = time.monotonic() + 120
    while not (log.exists() and f"epoch {number} of {EPOCHS}" in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "the training did not begin"
        time.sleep(0.05)


def script_of(process, forked: bool = True) -> psutil.Process:
    """The process that trains, somewhere below Snakemake."""

    def trains(one) -> bool:
        if forked:
            return all(SERVER in each.cmdline() for each in (one, one.parent()))
        return one.cmdline() != [] and one.cmdline()[-1].endswith(".train.py")

    [found] = filter(trains, psutil.Process(process.pid).children(recursive=True))
    return found


def trainings(project, experiment: str) -> list:
    query = f"tags.step = 'train' and tags.experiment = '{experiment}'"
    return project.runs(f"smoke/{SLUG}", query)


def check_closed(project, experiment: str) -> None:
    """One run, marked KILLED, with the epochs it had; none open."""
    [dead] = project.runs(
        f"smoke/{SLUG}", f"tags.step = 'train' and tags.experiment = '{experiment}'"
    )
    assert dead.info.status == "KILLED"
    steps = [one.step for one in project.client.get_metric_history(dead.info.run_id, "loss")]
    assert steps == list(range(1, len(steps) + 1))
    assert 1 <= len(steps) < EPOCHS
    assert project.runs(f"smoke/{SLUG}", "attributes.status = 'RUNNING'") == []
    check_left(project, experiment)


def check_left(project, experiment: str) -> None:
    """Nothing but a checkpoint."""
    folder = (project.folder / target(experiment)).parent
    assert [one.name for one in folder.iterdir()] == ["checkpoint"], "half a result was left"


def check_completed(project, experiment: str) -> None:
    """One run, FINISHED, each epoch once."""
    [run] = project.runs(
        f"smoke/{SLUG}", f"tags.step = 'train' and tags.experiment = '{experiment}'"
    )
    assert run.info.status == "FINISHED"
    record = project.json(target(experiment))
    assert record["run_id"] == run.info.run_id
    assert 1 <= record["provenance"]["resumed"]["fit"] < EPOCHS
    log = project.folder / f"logs/smoke/{SLUG}/train/{experiment}.seed1.log"
    assert "epoch 1 of" not in log.read_text(encoding="utf-8"), "it began anew"
    assert not (project.folder / target(experiment)).with_name("checkpoint").exists()
    for metric in ("loss", "val_accuracy"):
        points = project.client.get_metric_history(run.info.run_id, metric)
        assert [one.step for one in points] == list(range(1, EPOCHS + 1))
    assert project.runs(f"smoke/{SLUG}", "attributes.status = 'RUNNING'") == []


@pytest.mark.parametrize(("forked", "experiment"), [(True, "conv"), (False, "conv_corrected")])
def test_a_job_killed_by_the_system_is_closed_and_done_again(long, forked, experiment):
    command = snakemake_on(experiment, forked)
    process = long.start(*command)
    try:
        wait_for_epoch(long, experiment, process)
        script_of(process, forked).kill()
        output, _ = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 1
    assert "ch07_train" in output
    assert re.search(r"MLflow run \w{32}: .*KILLED", output)
    check_closed(long, experiment)
    long.succeed(*command)
    check_completed(long, experiment)


def test_control_c_closes_the_runs_and_the_next_snakemake_completes_them(long):
    process = long.start(*snakemake_on("conv_negatives"), new_session=True)
    try:
        wait_for_epoch(long, "conv_negatives", process)
        os.killpg(process.pid, signal.SIGINT)  # what a terminal sends to all of them
        process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    check_closed(long, "conv_negatives")
    long.succeed(*snakemake_on("conv_negatives"))
    check_completed(long, "conv_negatives")
    assert (Path(long.folder) / target("conv")).is_file(), "the other experiment's result is gone"


def test_after_kill_9_of_snakemake_the_job_ends_and_the_next_snakemake_goes_on(long):
    process = long.start(*snakemake_on("conv_dense"))
    wait_for_epoch(long, "conv_dense", process)
    script = script_of(process)
    server = script.parent()
    process.kill()
    process.wait()
    script.wait(timeout=30)  # nobody killed it: it saw that its Snakemake was gone
    server.wait(timeout=30)
    check_left(long, "conv_dense")
    assert list((long.folder / ".snakemake/locks").iterdir()) != []
    output = long.succeed(*snakemake_on("conv_dense"))
    assert "unlocked; the Snakemake that locked it was killed" in output
    check_completed(long, "conv_dense")
