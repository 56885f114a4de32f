"""Archives read without extracting them: sane ones, and every kind that is refused."""

import gzip
import subprocess
import sys
import tarfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest

from kerasbook import archives
from kerasbook.archives import ArchiveError, members
from tests.unit.archive_examples import tar_entry, tar_gz, understated, zip_link, zipped

FILES = [("set/b.txt", b"second"), ("set/a.txt", b"first"), ("set/other.md", b"x" * 50)]
WANTED = r"set/[a-z]+\.txt"


def write(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def both(tmp_path: Path, files: list) -> list[Path]:
    return [
        write(tmp_path, "x.tar.gz", tar_gz(files)),
        write(tmp_path, "x.zip", zipped(files)),
    ]


def refused(path: Path, most_bytes: int = 1000, pattern: str = WANTED) -> str:
    with pytest.raises(ArchiveError) as caught:
        list(members(path, pattern, most_bytes))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_wanted_files_come_in_the_archives_order(tmp_path):
    for path in both(tmp_path, FILES):
        assert list(members(path, WANTED, 11)) == FILES[:2]


def test_folders_are_passed_over(tmp_path):
    content = tar_gz(FILES, [tar_entry("set", tarfile.DIRTYPE), tar_entry("./", tarfile.DIRTYPE)])
    assert len(list(members(write(tmp_path, "x.tar.gz", content), ".*", 1000))) == 3
    content = zipped([("set/", b""), *FILES])
    assert len(list(members(write(tmp_path, "x.zip", content), ".*", 1000))) == 3


@pytest.mark.parametrize(
    "name", ["../a.txt", "/etc/passwd", "set/../../a.txt", "set//a.txt", "set/./a", "set\\..\\a"]
)
def test_paths_that_leave_the_folder(tmp_path, name):
    for path in both(tmp_path, [*FILES, (name, b"x")]):
        assert "expected paths inside" in refused(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices(tmp_path, kind):
    content = tar_gz(FILES, [tar_entry("set/c.txt", kind, "/etc/passwd")])
    assert "'set/c.txt' in it, a link or a device" in refused(write(tmp_path, "x.tar.gz", content))


def test_links_in_a_zip(tmp_path):
    content = zipped([*FILES, (zip_link("set/c.txt"), b"/etc/passwd")])
    assert "'set/c.txt' in it, a link or a device" in refused(write(tmp_path, "x.zip", content))


def test_a_file_that_stands_there_twice(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns as it writes
        paths = both(tmp_path, [*FILES, FILES[0]])
    for path in paths:
        assert "'set/b.txt' in it twice" in refused(path)


def test_more_content_than_expected(tmp_path):
    for path in both(tmp_path, FILES):
        assert "more than the expected 10 bytes in it, at 'set/a.txt'" in refused(path, 10)


def test_a_size_that_is_only_claimed(tmp_path):
    """The header says four terabytes; nothing of that size is ever asked for."""
    content = tar_gz(FILES[:1], [tar_entry("set/c.txt", tarfile.REGTYPE, size=1 << 42)])
    assert "more than the expected" in refused(write(tmp_path, "x.tar.gz", content))


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    for path in both(tmp_path, FILES):
        assert "more than 2 files" in refused(path)


def test_what_is_not_wanted_is_bounded_too(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_OTHER", 1 << 16)
    bomb = [*FILES, ("set/zeros.md", bytes(10_000_000))]
    assert "far more in it than expected" in refused(write(tmp_path, "x.tar.gz", tar_gz(bomb)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: b"no archive at all, however long it may go on" * 20,
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw[:-12],
        lambda raw: raw[:60] + bytes([raw[60] ^ 255]) + raw[61:],
    ],
)
def test_damaged_archives(tmp_path, damage):
    files = [(f"set/{letter}.txt", letter.encode() * 3000) for letter in "abcdef"]
    for path in both(tmp_path, files):
        path.write_bytes(damage(path.read_bytes()))
        assert "damaged archive" in refused(path, 100_000)


def test_a_gzip_whose_sum_is_wrong(tmp_path):
    content = bytearray(tar_gz(FILES))
    content[-8] ^= 1
    assert "damaged archive" in refused(write(tmp_path, "x.tar.gz", bytes(content)))


def test_a_gzip_without_a_tar(tmp_path):
    assert "damaged archive" in refused(write(tmp_path, "x.tar.gz", gzip.compress(b"x" * 2000)))


@pytest.mark.parametrize("place", [14, 18])
def test_a_zip_that_points_to_before_its_beginning(tmp_path, place):
    content = bytearray(zipped(FILES))
    content[content.rindex(b"PK\x05\x06") + place] ^= 0x80
    assert "damaged archive" in refused(write(tmp_path, "x.zip", bytes(content)))


def test_an_encrypted_zip(tmp_path):
    content = bytearray(zipped(FILES, zipfile.ZIP_STORED))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag in both headers
        content[content.index(mark) + place] |= 1
    assert "encrypted" in refused(write(tmp_path, "x.zip", bytes(content)))


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (zipfile.ZIP_DEFLATED, "damaged archive"),
        (zipfile.ZIP_LZMA, "found 'set/a.txt' in it, packed by the method 14, expected deflated"),
        (zipfile.ZIP_BZIP2, "found 'set/a.txt' in it, packed by the method 12, expected deflated"),
    ],
)
def test_no_more_is_unpacked_than_is_claimed(tmp_path, method, told):
    """A few kilobytes that claim ten bytes and hold thirty million."""
    path = write(tmp_path, "x.zip", understated([("set/a.txt", bytes(30_000_000))], method, 10))
    tracemalloc.start()
    assert told in refused(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1e6


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_damaged_members_of_such_packings_have_no_error_of_their_own(tmp_path, method):
    content = bytearray(zipped([("set/a.txt", b"some text " * 500)], method))
    content[50:70] = bytes(20)
    assert "packed by the method" in refused(write(tmp_path, "x.zip", bytes(content)), 10_000)


def test_a_file_that_is_not_wanted_may_be_packed_as_it_likes(tmp_path):
    content = zipped([("set/a.md", b"x")], zipfile.ZIP_LZMA)
    assert list(members(write(tmp_path, "x.zip", content), WANTED, 10)) == []


def test_a_missing_file(tmp_path):
    for name in ("x.zip", "x.tar.gz"):
        with pytest.raises(FileNotFoundError):
            list(members(tmp_path / name, WANTED, 10))


def test_memory_holds_one_file_at_a_time(tmp_path):
    """60 files of 2 MB each: reading them one after the other must not hold them all."""
    files = [(f"set/{n}.txt", bytes(2_000_000)) for n in range(60)]
    path = write(tmp_path, "x.tar.gz", tar_gz(files))
    code = """
import resource, sys
from kerasbook.archives import members
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert sum(len(content) for _, content in members(sys.argv[1], ".*", 120_000_000)) == 120_000_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    told = subprocess.run(
        [sys.executable, "-c", code, path],
        cwd=Path(archives.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(told.stdout) * unit < 30e6
