"""What `make tracking-server` finds, and says where it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasbook import tracking_server
from kerasbook.errors import KerasbookError

ROOT = Path(__file__).resolve().parents[2]


def test_the_newest_postgresql_of_debians_is_taken(tmp_path):
    for version in ("9.6", "17", "15"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()
    (tmp_path / "18" / "bin").mkdir(parents=True)  # of which the server's package is not there
    assert tracking_server.binaries(tmp_path) == tmp_path / "17" / "bin"


def test_where_there_is_no_postgresql_the_package_is_named(monkeypatch):
    monkeypatch.setattr(tracking_server, "binaries", lambda: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(KerasbookError, match="apt-get install postgresql"):
        tracking_server.install()


def test_one_message_and_no_traceback_where_something_is_missing(tmp_path):
    code = (
        "import sys; from kerasbook import tracking_server; "
        "tracking_server.importlib.util.find_spec = lambda name: None; "
        "sys.exit(tracking_server.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--folder", tmp_path / "data"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("psycopg2: found no such package")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()
