"""The same seeds and threads give the same numbers: two smoke editions, made apart."""

import pytest

from kerasbook.configuration import rooms

pytestmark = pytest.mark.slow

SLUGS = rooms()


@pytest.fixture(scope="module")
def again(copy_of_the_project):
    """A second copy, in which everything up to the metrics was made anew."""
    project = copy_of_the_project("again")
    command = ["-c2", "--configfile", "config/smoke.yaml", "--", "evaluate"]
    project.succeed(*command, seconds=1800)
    return project


@pytest.mark.parametrize("chapter", SLUGS)
def test_the_same_seeds_and_threads_give_the_same_bytes(smoke, again, chapter):
    first, second = (
        {
            path.parent.name: path.read_bytes()
            for path in (one.folder / "results/smoke" / SLUGS[chapter]).glob("*/metrics.json")
        }
        for one in (smoke.project, again)
    )
    assert first
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []
