"""Files appear whole or not at all, and equal data has equal digests."""

import errno
import hashlib
import json
import math
import os
import stat
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from kerasbook.errors import KerasbookError
from kerasbook.files import (
    ABANDONED,
    digest_of_arrays,
    digest_of_files,
    nulled,
    number,
    read_json,
    write_json,
    write_text,
    written_whole,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_at_the_end_and_nothing_else_stays(tmp_path):
    target = tmp_path / "deep" / "er" / "out.txt"
    with written_whole(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".txt"
    assert target.read_text() == "half"
    assert names(target.parent) == ["out.txt"]


def test_failure_leaves_what_was_there_and_no_rubbish(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), written_whole(target) as temporary:
        temporary.write_text("new")
        _ = 1 / 0
    assert target.read_text() == "old"
    assert names(tmp_path) == ["out.txt"]


def test_interruption_leaves_no_rubbish(tmp_path):
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "out.txt") as temporary:
        temporary.write_text("new")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@pytest.mark.parametrize("mask, expected", [(0o022, 0o644), (0o077, 0o600)])
def test_result_is_as_readable_as_any_file_of_the_user(tmp_path, mask, expected):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "out.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == expected


def test_full_disk_is_told_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with (
        pytest.raises(KerasbookError, match=r"out\.txt: cannot be written \(No space left"),
        written_whole(target),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert target.read_text() == "old"
    assert names(tmp_path) == ["out.txt"]


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "results").write_text("a file in the way")
    with pytest.raises(KerasbookError, match="cannot be written"):
        write_text(tmp_path / "results" / "out.txt", "x")


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path):
    (tmp_path / "out.txt").mkdir()
    with pytest.raises(KerasbookError, match="cannot be written"):
        write_text(tmp_path / "out.txt", "x")
    assert names(tmp_path) == ["out.txt"]


def test_an_error_about_another_file_is_not_said_of_this_one(tmp_path):
    with pytest.raises(FileNotFoundError), written_whole(tmp_path / "out.txt"):
        (tmp_path / "input.txt").read_text()
    assert names(tmp_path) == []


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path, monkeypatch
):
    done = []
    really_synced, really_moved = os.fsync, Path.replace

    def synced(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        done.append((f"{kind} synced", os.fstat(handle).st_ino))
        really_synced(handle)

    def moved(self, target):
        done.append(("moved", self.stat().st_ino))
        return really_moved(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", moved)
    write_text(tmp_path / "out.txt", "x")
    file = (tmp_path / "out.txt").stat().st_ino
    folder = tmp_path.stat().st_ino
    assert done == [("file synced", file), ("moved", file), ("folder synced", folder)]


def test_a_folder_that_cannot_be_synced_stops_nothing_and_a_file_does(tmp_path, monkeypatch):
    def synced(handle):
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        number = errno.EINVAL if folder else fault
        if number:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", synced)
    fault = None
    write_text(tmp_path / "out.txt", "old")
    fault = errno.ENOSPC  # as over a network, where the disk is asked at last
    with pytest.raises(KerasbookError, match=r"out\.txt: cannot be written \(No space left"):
        write_text(tmp_path / "out.txt", "new")
    assert (tmp_path / "out.txt").read_text() == "old"
    assert names(tmp_path) == ["out.txt"]


WRITES = """
import sys
from kerasbook.files import written_whole
with written_whole(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary.name, flush=True)
    sys.stdin.readline()
"""


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path, telling):
    target = tmp_path / "out.txt"
    process, left = telling(WRITES, target)
    _, of_another = telling(WRITES, tmp_path / "out.more.txt")
    process.kill()
    process.wait()
    assert left in names(tmp_path)
    write_text(tmp_path / "other.txt", "x")
    assert left in names(tmp_path), "no target's but its own"
    write_text(target, "whole")
    assert names(tmp_path) == sorted([of_another, "other.txt", "out.txt"])


def test_two_processes_that_write_at_once_leave_each_other_alone(tmp_path, telling):
    target = tmp_path / "out.txt"
    process, at_work = telling(WRITES, target)
    write_text(target, "ours")
    assert at_work in names(tmp_path)
    process.communicate("go on\n", timeout=30)
    assert process.returncode == 0
    assert target.read_text() == "half"
    assert names(tmp_path) == ["out.txt"]


def test_what_another_machine_left_goes_when_nobody_touched_it_for_a_day(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = tmp_path / f".out.0123abcd-{dead.pid}-abcdefgh.txt"
    left.write_text("half")
    write_text(tmp_path / "out.txt", "x")
    assert left.exists(), "its process may run there"
    long_ago = time.time() - ABANDONED - 60
    os.utime(left, (long_ago, long_ago))
    write_text(tmp_path / "out.txt", "x")
    assert names(tmp_path) == ["out.txt"]


def test_json_keeps_order_every_digit_and_letters(tmp_path):
    value = {"z": 0.1 + 0.2, "a": [1, None, True], "name": "naïve – Süß"}
    path = tmp_path / "a.json"
    write_json(path, value)
    assert read_json(path) == value
    assert list(read_json(path)) == ["z", "a", "name"]
    assert "Süß" in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_json_with_numbers_that_json_has_not_is_refused(tmp_path, odd):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"loss": odd})
    assert names(tmp_path) == []


def test_a_number_that_was_made_null_comes_back_as_none_at_all():
    told = nulled({"loss": math.nan, "epochs": 3})
    assert told == {"loss": None, "epochs": 3}
    assert math.isnan(number(told["loss"]))
    assert number(told["epochs"]) == 3.0


def test_missing_and_broken_json_are_told(tmp_path):
    with pytest.raises(KerasbookError, match=r"a\.json: not found"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"half": ')
    with pytest.raises(KerasbookError, match=r"a\.json: is not valid JSON"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KerasbookError, match=r"a\.json: is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_digest_of_files_is_that_of_what_sha256sum_prints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("b.py", "1"), ("a/c.py", "2")):
        write_text(name, text)
    command = ["sha256sum", "a/c.py", "b.py"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    base = digest_of_files(["b.py", Path("a/c.py"), "b.py"])
    assert base == hashlib.sha256(printed).hexdigest()
    write_text("b.py", "3")
    assert digest_of_files(["b.py", "a/c.py"]) != base
    assert digest_of_files(["a/c.py"]) != digest_of_files(["b.py"])
    with pytest.raises(KerasbookError, match=r"^d\.py: cannot be read"):
        digest_of_files(["d.py"])


ARRAYS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.array([1, 2], np.uint8)}


def test_equal_arrays_have_one_digest_however_they_lie_in_memory():
    base = digest_of_arrays(ARRAYS)
    assert base == digest_of_arrays(dict(reversed(ARRAYS.items())))
    assert base == digest_of_arrays({**ARRAYS, "x": np.asfortranarray(ARRAYS["x"])})
    strided = np.repeat(ARRAYS["x"], 2, axis=1)[:, ::2]
    assert base == digest_of_arrays({**ARRAYS, "x": strided})
    assert len(base) == 64
    json.dumps(base)


@pytest.mark.parametrize(
    "other",
    [
        {"x": ARRAYS["x"]},
        {**ARRAYS, "x": ARRAYS["x"] + 1},
        {**ARRAYS, "x": ARRAYS["x"].astype(np.float64)},
        {**ARRAYS, "x": ARRAYS["x"].astype(">f4")},
        {**ARRAYS, "x": ARRAYS["x"].reshape(3, 2)},
        {"x": ARRAYS["x"], "z": ARRAYS["y"]},
        {"x": ARRAYS["y"], "y": ARRAYS["x"]},
    ],
    ids=["fewer", "values", "dtype", "byte order", "shape", "name", "swapped"],
)
def test_other_arrays_have_another_digest(other):
    assert digest_of_arrays(other) != digest_of_arrays(ARRAYS)


def test_scalars_texts_and_empty_arrays_have_digests_of_their_own():
    digests = [
        digest_of_arrays({"x": one})
        for one in (
            np.float64(1), np.array([1.0]), np.array(["a"]), np.array("a"), np.zeros(0),
            np.zeros((0, 3)), np.zeros((3, 0)), np.array([True]),
        )
    ]  # fmt: skip
    assert len(set(digests)) == len(digests)
