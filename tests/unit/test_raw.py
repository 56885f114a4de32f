"""Downloaded files that runs read as they are: those of their records, or refused."""

import hashlib
import json
from types import SimpleNamespace

import pytest

from kerasbook.errors import KerasbookError
from kerasbook.raw import raw_digests


@pytest.fixture
def files(tmp_path):
    """A Snakemake script's object with two downloads and their records."""
    raw, records = [], []
    for name in ("weights.h5", "classes.json"):
        path = tmp_path / name
        path.write_bytes(name.encode() * 100)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        record = {"dataset": "imagenet", "file": name, "sha256": sha256, "content_sha256": name[:2]}
        record_path = tmp_path / f"{name}.json"
        record_path.write_text(json.dumps(record))
        raw.append(str(path))
        records.append(str(record_path))
    return SimpleNamespace(input=SimpleNamespace(raw=raw, raw_records=records))


def test_what_they_hold_is_part_of_the_fingerprint(files):
    assert raw_digests(files) == {"imagenet/weights.h5": "we", "imagenet/classes.json": "cl"}


def test_most_runs_read_none():
    assert raw_digests(SimpleNamespace(input=SimpleNamespace(raw=[], raw_records=[]))) == {}


def test_a_file_that_was_exchanged_is_told(files, tmp_path):
    (tmp_path / "classes.json").write_bytes(b"other")
    with pytest.raises(KerasbookError, match=r"classes\.json: found SHA-256 .*run snakemake again"):
        raw_digests(files)


def test_a_file_that_is_not_there_is_told(files, tmp_path):
    (tmp_path / "weights.h5").unlink()
    with pytest.raises(KerasbookError, match=r"weights\.h5: cannot be read .*run snakemake again"):
        raw_digests(files)
