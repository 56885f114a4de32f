"""The same seeds and threads give the same numbers: two smoke editions, made apart.

Of each chapter one experiment is made twice, and another by the tests that kill trainings
(test_resume.py); `make determinism` takes one of every task.
"""

import pytest

from kerasbook.configuration import load_chapter, rooms

pytestmark = pytest.mark.slow

SLUGS = rooms()


def target(folder, chapter):
    """What the first experiment of a chapter comes to that trains, or else the first."""
    experiments = load_chapter(chapter, "smoke", folder / "config/chapters").experiments
    trained = [name for name, one in experiments.items() if one.settings().get("epochs")]
    name = next(iter([*trained, *experiments]))
    return f"results/smoke/{SLUGS[chapter]}/{name}/metrics.json"


@pytest.fixture(scope="module")
def again(copy_of_the_project):
    """A second copy, in which those experiments were made from the raw data on."""
    project = copy_of_the_project("again")
    targets = [target(project.folder, chapter) for chapter in SLUGS]
    project.succeed("-c2", "--configfile", "config/smoke.yaml", "--", *targets, seconds=1800)
    return project


@pytest.mark.parametrize("chapter", SLUGS)
def test_the_same_seeds_and_threads_give_the_same_bytes(smoke, again, chapter):
    file = target(again.folder, chapter)
    first, second = ((one.folder / file).read_bytes() for one in (smoke.project, again))
    assert first == second
