"""Fixtures that several test modules share."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
