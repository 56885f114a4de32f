"""What the tests of this folder do where no SLURM can be started."""

import pytest

from tests.slurm import conftest


@pytest.fixture(autouse=True)
def none(monkeypatch):
    """Nobody here is root."""
    monkeypatch.setattr(conftest.os, "geteuid", lambda: 1000)


def start() -> None:
    next(conftest.cluster.__wrapped__())


def test_they_are_skipped_with_the_reason(monkeypatch):
    monkeypatch.delenv(conftest.WANTED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="started by root alone"):
        start()


def test_they_fail_where_they_are_wanted(monkeypatch):
    monkeypatch.setenv(conftest.WANTED, "1")
    with pytest.raises(pytest.fail.Exception, match=r"root alone.*unset it to skip"):
        start()
