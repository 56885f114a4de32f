"""The same seeds and threads give the same numbers: two smoke editions, made apart.

Of each chapter one experiment of every task is made twice; `make determinism` takes them all.
"""

import pytest

from kerasbook.configuration import load_chapter, rooms

pytestmark = pytest.mark.slow

SLUGS = rooms()


def one_of_each_task(folder, chapter):
    """Experiments of a chapter, the first of every task."""
    experiments = load_chapter(chapter, "smoke", folder / "config/chapters").experiments
    first = {}
    for name, experiment in experiments.items():
        first.setdefault(experiment.settings().get("task"), name)
    return list(first.values())


@pytest.fixture(scope="module")
def again(copy_of_the_project):
    """A second copy, in which the chosen experiments were made from the raw data on."""
    project = copy_of_the_project("again")
    targets = [
        f"results/smoke/{slug}/{name}/metrics.json"
        for chapter, slug in SLUGS.items()
        for name in one_of_each_task(project.folder, chapter)
    ]
    project.succeed("-c2", "--configfile", "config/smoke.yaml", "--", *targets, seconds=1800)
    return project


@pytest.mark.parametrize("chapter", SLUGS)
def test_the_same_seeds_and_threads_give_the_same_bytes(smoke, again, chapter):
    names = one_of_each_task(again.folder, chapter)
    assert names
    for name in names:
        file = f"results/smoke/{SLUGS[chapter]}/{name}/metrics.json"
        first, second = ((one.folder / file).read_bytes() for one in (smoke.project, again))
        assert first == second, name
