"""The same seeds and threads give the same numbers: two smoke editions, made apart.

The data of every chapter is prepared twice, and an experiment of each trained and evaluated
twice; `make determinism` takes one of every task.
"""

import pytest

from kerasbook.arrays import load_npz
from kerasbook.configuration import load_chapter, rooms
from tests.workflow.trainer import Trainer

pytestmark = pytest.mark.slow

SLUGS = rooms()


def experiment_of(folder, chapter):
    """The first experiment of a chapter that has epochs, or else the first."""
    experiments = load_chapter(chapter, "smoke", folder / "config/chapters").experiments
    trained = [name for name, one in experiments.items() if one.settings().get("epochs")]
    return next(iter([*trained, *experiments]))


@pytest.fixture(scope="module")
def again(smoke, copy_of_the_project, tmp_path_factory):
    """A second copy, in which those experiments were made from the raw data on.

    The data and 4.7's are made by jobs that each start a Python, the others by forks.
    """
    project = copy_of_the_project("again")
    wanted = {(slug, experiment_of(project.folder, one)) for one, slug in SLUGS.items()}
    by_snakemake = next(one for one in wanted if one[0] == SLUGS["ch07"])
    project.succeed(
        "-c2", "--configfile", "config/smoke.yaml", "--config", "fork_jobs=0", "--",
        "preprocess", f"results/smoke/{'/'.join(by_snakemake)}/metrics.json", seconds=1800,
    )  # fmt: skip
    wanted.remove(by_snakemake)
    jobs = [one["job"] for one in smoke.imports
            if (one.get("chapter"), one.get("experiment")) in wanted and "job" in one]  # fmt: skip
    # Of each, the training comes first.
    jobs = sorted(jobs, key=lambda job: job["rule"].endswith("_evaluate"))
    assert len(jobs) == 2 * len(wanted)
    said = tmp_path_factory.mktemp("again-said") / "imports.log"
    with Trainer(project, said) as trainer:
        failed = [job for job in jobs if trainer.do(job) != 0]
    logs = [project.folder / one for job in failed for one in job["log"]]
    assert not failed, "\n".join(one.read_text() for one in (said, *logs) if one.exists())
    return project


@pytest.mark.parametrize("chapter", SLUGS)
def test_the_same_data_is_prepared_to_the_same_bytes(smoke, again, chapter):
    first, second = (one.folder / "data/processed/smoke" / SLUGS[chapter]
                     for one in (smoke.project, again))  # fmt: skip
    names = sorted(path.name for path in first.glob("*.npz"))
    assert names == sorted(path.name for path in second.glob("*.npz"))
    assert names
    for name in names:
        ours, theirs = load_npz(first / name), load_npz(second / name)
        assert ours.keys() == theirs.keys()
        for key, values in ours.items():
            assert values.dtype == theirs[key].dtype, (name, key)
            assert values.tobytes() == theirs[key].tobytes(), (name, key)


@pytest.mark.parametrize("chapter", SLUGS)
def test_the_same_seeds_and_threads_give_the_same_bytes(smoke, again, chapter):
    file = f"results/smoke/{SLUGS[chapter]}/{experiment_of(again.folder, chapter)}/metrics.json"
    first, second = ((one.folder / file).read_bytes() for one in (smoke.project, again))
    assert first == second
