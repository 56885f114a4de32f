"""Trainings that are killed anywhere, again and again, end with the bits of one that was not.

The jobs are those of the smoke run, with more epochs. They are done without Snakemake, in forks
of a process that has its imports done, so that a kill costs a second and not ten;
`test_interruptions` does it with Snakemake.
"""

import contextlib
import copy
import io
import json
import os
import random
import resource
import shutil
import signal
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasbook.arrays import load_npz
from tests.workflow.trainer import Trainer

pytestmark = pytest.mark.slow

# Chapter and experiment, and what is set to give it more epochs.
SCENARIOS = {
    ("ch03_keras_basics", "logreg_early_stopping"): {"epochs": 6},
    ("ch03_keras_basics", "exercise"): {"epochs": 8},
    ("ch04_sgd_network", "network_784_30_10"): {"epochs": 12},
    ("ch05_convolutions", "dropout"): {"epochs": 6},
    ("ch07_mnist_convnets", "conv_conv_pool_dropout"): {"epochs": 6},
    ("ch08_deep_networks", "ft_two_stage"): {"epochs": 4},
    ("ch09_unsupervised", "sentence_cnn_rand_stopped"): {"epochs": 6},
    ("ch10_recurrent", "imdb_lstm_exercise"): {"epochs": 5},
    ("ch10_recurrent", "nietzsche_lstm"): {"epochs": 4},
    ("ch11_lstm_text", "char_lstm"): {"epochs": 5},
}
KILLS = 3  # of each, ten experiments
MOST_ATTEMPTS = 12
SIGNALS = ("SIGKILL", "SIGTERM", "SIGKILL", "full disk")
SECONDS = 240
FULL_AT = 8192  # bytes of a file that a full disk lets be written; logs and records fit


@dataclass
class Story:
    """What became of one experiment."""

    whole: Path
    killed: Path
    kills: list[str] = field(default_factory=list)
    # Of each attempt: the epochs that the checkpoints held afterwards, and its log.
    attempts: list[tuple[dict[str, int], str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    run_id: str = ""


def checkpoints_in(folder: Path) -> dict[str, int]:
    """Name of a training -> epochs done, of the checkpoints that are there; each is whole."""
    return {
        file.stem: json.loads(load_npz(file)["told"].tobytes())["done"]
        for file in folder.glob("checkpoint/[!.]*.npz")
    }


def moved(job, seed: int):
    """The job with its outputs, log and seed elsewhere."""
    told = copy.deepcopy(job)
    old = f"/seed{job['wildcards']['seed']}/"
    told["output"] = {k: v.replace(old, f"/seed{seed}/") for k, v in told["output"].items()}
    told["log"] = [one.replace(".log", f".{seed}.log") for one in told["log"]]
    return told


def suffer(trainer: Trainer, project, job, draws: random.Random) -> Story:
    """Do a job once in peace; do it again, killed at random moments, until it is done."""
    # The seed stays: the folder alone tells the two apart.
    calm, hunted = moved(job, 1001), moved(job, 1002)
    folder = project.folder / Path(hunted["output"]["record"]).parent
    story = Story(project.folder / Path(calm["output"]["record"]).parent, folder)
    began = time.monotonic()
    story.statuses.append(trainer.do(calm))
    length = time.monotonic() - began
    log = project.folder / hunted["log"][0]
    turn = draws.randrange(len(SIGNALS))
    while len(story.kills) < KILLS and len(story.attempts) < MOST_ATTEMPTS:
        how = SIGNALS[(turn + len(story.kills)) % len(SIGNALS)]
        worker = trainer.start(hunted)
        if not story.kills:  # one, at the least, falls into an epoch after the first
            until = time.monotonic() + SECONDS
            while not checkpoints_in(folder) and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(draws.random() * length / 16)
        else:
            time.sleep(draws.random() * length / 2)
        with contextlib.suppress(ProcessLookupError):
            if how == "full disk":
                resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (FULL_AT, FULL_AT))
            else:
                os.kill(worker.pid, getattr(signal, how))
        story.statuses.append(worker.wait())
        if story.statuses[-1] != 0:  # else it was done before, and begins anew
            story.kills.append(how)
        story.attempts.append((checkpoints_in(folder), log.read_text() if log.exists() else ""))
    story.statuses.append(trainer.do(hunted))
    story.attempts.append(({}, log.read_text()))
    story.left = [one.name for one in folder.iterdir()]
    story.run_id = json.loads((folder / "train.json").read_text())["run_id"]
    return story


@pytest.fixture(scope="module")
def stories(smoke, copy_of_the_project, tmp_path_factory):
    project = copy_of_the_project("hunted")
    jobs = {}
    for one in smoke.imports:
        key = (one.get("chapter"), one.get("experiment"))
        if key in SCENARIOS and "job" in one and "seed" in one:
            job = one["job"]
            job["params"]["settings"] |= SCENARIOS[key]
            jobs[key] = job
            for files in job["input"].values():
                for name in [files] if isinstance(files, str) else files:
                    source, target = smoke.project.folder / name, project.folder / name
                    if not target.exists():
                        target.parent.mkdir(parents=True, exist_ok=True)
                        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
    assert set(jobs) == set(SCENARIOS)
    seed = random.SystemRandom().randrange(10**6)
    print(f"kills drawn from {seed}")
    waiting = list(jobs.items())
    told = {}

    def work(trainer):
        while waiting:
            key, job = waiting.pop()
            told[key] = suffer(trainer, project, job, random.Random(f"{seed} {key}"))

    imports = tmp_path_factory.mktemp("trainer") / "imports.log"
    with Trainer(project, imports) as trainer, ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [trainer] * 2))
    return project, told


def weights_of(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of all that a run's model holds: no file names, no dates."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".npz" and "checkpoint" not in file.parts:
            name = file.relative_to(folder)
            arrays = load_npz(file)
            found |= {f"{name}/{key}": one.tobytes() for key, one in arrays.items()}
        if file.suffix == ".keras":
            held = io.BytesIO(zipfile.ZipFile(file).read("model.weights.h5"))
            with h5py.File(held) as weights:
                names: list[str] = []
                weights.visit(names.append)
                arrays = {one: weights[one] for one in names}
                found |= {
                    name: np.asarray(one).tobytes()
                    for name, one in arrays.items()
                    if isinstance(one, h5py.Dataset)
                }
    return found


@pytest.mark.parametrize("key", SCENARIOS, ids=lambda key: f"{key[0][:4]}-{key[1]}")
def test_it_ends_with_the_same_bits(stories, key):
    story = stories[1][key]
    assert story.statuses[0] == story.statuses[-1] == 0, story.attempts[-1][1]
    whole, killed = weights_of(story.whole), weights_of(story.killed)
    assert len(whole) > 2
    assert whole.keys() == killed.keys()
    assert [name for name in whole if whole[name] != killed[name]] == []
    histories = [(one / "history.tsv").read_bytes() for one in (story.whole, story.killed)]
    assert histories[0] == histories[1]


@pytest.mark.parametrize("key", SCENARIOS, ids=lambda key: f"{key[0][:4]}-{key[1]}")
def test_it_goes_on_after_the_last_finished_epoch_and_leaves_nothing(stories, key):
    story = stories[1][key]
    assert len(story.kills) == KILLS
    assert any(held for held, _ in story.attempts), "no kill came after an epoch's end"
    last = story.attempts[-1][1]
    for (held, _), (_, log) in zip(story.attempts, story.attempts[1:]):
        # A later kill may have come before the checkpoint was read.
        if log == last or "kerasbook.training: epoch " in log:
            for name, done in held.items():
                assert f"{name}.npz: training goes on after epoch {done}." in log
    assert any("goes on after epoch" in log for _, log in story.attempts)
    assert "checkpoint" not in story.left


def test_at_least_thirty_were_killed(stories):
    kills = [one for story in stories[1].values() for one in story.kills]
    assert len(kills) >= 30, kills
    assert set(kills) == set(SIGNALS)


def test_mlflow_holds_one_run_of_each_with_every_epoch_once(stories):
    project, told = stories
    for (slug, experiment), story in told.items():
        query = f"tags.step = 'train' and tags.experiment = '{experiment}'"
        runs = project.runs(f"smoke/{slug}", query)
        # The calm one, then the hunted one in its place: the same settings, data and seed.
        [run] = runs
        assert run.info.run_id == story.run_id
        assert run.info.status == "FINISHED"
        went_on = "goes on after epoch" in story.attempts[-1][1]
        assert ("resumed_after_epoch" in run.data.tags) == went_on
        lines = (story.killed / "history.tsv").read_text().splitlines()
        name = lines[0].split("\t")[1]
        points = project.client.get_metric_history(run.info.run_id, name)
        finite = [row.split("\t") for row in lines[1:] if row.split("\t")[1] != "nan"]
        assert [one.step for one in points] == [int(float(row[0])) for row in finite]
