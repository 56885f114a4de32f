"""Fixtures that several test modules share."""

import os
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
