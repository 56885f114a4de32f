"""The same seeds and threads give the same numbers: two smoke editions, made apart.

The data of every chapter is prepared twice. Where a chapter has no training that the tests kill
and compare with one that was not killed (test_resume.py), an experiment is made twice, too;
`make determinism` takes one of every task.
"""

import pytest

from kerasbook.arrays import load_npz
from kerasbook.configuration import load_chapter, rooms
from tests.workflow.test_resume import SCENARIOS

pytestmark = pytest.mark.slow

SLUGS = rooms()
TRAINED_AGAIN = {
    chapter: slug for chapter, slug in SLUGS.items() if slug not in {one for one, _ in SCENARIOS}
}


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
    targets = ["preprocess", *(target(project.folder, chapter) for chapter in TRAINED_AGAIN)]
    project.succeed("-c2", "--configfile", "config/smoke.yaml", "--", *targets, seconds=1800)
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


@pytest.mark.parametrize("chapter", TRAINED_AGAIN)
def test_the_same_seeds_and_threads_give_the_same_bytes(smoke, again, chapter):
    file = target(again.folder, chapter)
    first, second = ((one.folder / file).read_bytes() for one in (smoke.project, again))
    assert first == second
