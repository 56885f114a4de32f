"""Fixtures that several test modules share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.hookimpl(tryfirst=True)  # before `-m` is looked at
def pytest_collection_modifyitems(items):
    """Mark the tests that look at the one smoke run, which `make test` makes beside the others."""
    for item in items:
        if "smoke" in item.fixturenames or item.module.__name__.endswith("test_pages"):
            item.add_marker(pytest.mark.smoke_run)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder with the book edition's data; a test that asks for it needs that data."""
    value = os.environ.get("KERASBOOK_MIRROR", "")
    if not value:
        pytest.skip("KERASBOOK_MIRROR is not set, so the book's data is not at hand")
    if value.startswith(("http://", "https://")):
        pytest.skip("KERASBOOK_MIRROR is an address; these tests read a folder")
    return ROOT / Path(value).expanduser()


@pytest.fixture(scope="session")
def crate_issues():
    """Validates a results folder's RO-Crate; gives the issues of each profile.

    The validator has an environment of its own, which `make test` makes and names.
    """
    named = os.environ.get("KERASBOOK_CRATE_PYTHON")
    python = ROOT / (named or ".venv/crate/bin/python")
    if not named and not python.is_file():
        pytest.skip("the validator's environment is not there; `make crate` makes it")

    def issues(folder: Path, severity: str = "REQUIRED") -> dict[str, list[dict[str, str]]]:
        script = ROOT / "tests" / "validate_crate.py"
        done = subprocess.run(
            [python, script, folder, "--severity", severity, "--json"],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return json.loads(done.stdout)["issues"]

    return issues


@pytest.fixture
def telling():
    """Starts Python code in a process of its own; gives the process and the first line it prints.

    What still runs after the test is killed.
    """
    started = []

    def start(code: str, *arguments: object, **environment: str):
        one = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **environment},
        )  # fmt: skip
        started.append(one)
        return one, one.stdout.readline().strip()

    yield start
    for one in started:
        one.kill()
        one.communicate()
