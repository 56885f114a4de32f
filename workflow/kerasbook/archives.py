"""The files of a .zip or .tar.gz, read one after the other without extracting any."""

import errno
import gzip
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from kerasbook.errors import KerasbookError

MOST_MEMBERS = 500_000
# What else an archive may hold, in multiples of what is wanted of it, and at least.
MOST_OTHER_TIMES = 16
MOST_OTHER = 1 << 26


class ArchiveError(KerasbookError):
    """An archive that is damaged, or holds what none of ours does."""


def members(
    path: str | Path, pattern: str | re.Pattern, most_bytes: int
) -> Iterator[tuple[str, bytes]]:
    """The files of an archive whose whole path matches, in the archive's order.

    Memory holds one of them at a time. What is declared is checked before it is read, so
    that an archive that claims or unpacks to absurd sizes costs no more than a sane one.

    Args:
        path: a `.zip` or `.tar.gz`, whatever its name.
        pattern: a regular expression for paths.
        most_bytes: what the matching files hold at most, all together.

    Yields:
        The path in the archive and the content.

    Raises:
        ArchiveError: damaged, encrypted, packed by another method than deflate, a path that
            leaves the archive's folder or stands there twice, a link or a device, or too much
            content.
        OSError: the file cannot be read.
    """
    path = Path(path)
    pattern = re.compile(pattern)
    with open(path, "rb") as file:
        beginning = file.read(2)
    # By content: a download in progress has another name.
    read = {b"PK": _zip_members, b"\x1f\x8b": _tar_members}.get(beginning)
    try:
        if read is None:
            raise tarfile.ReadError("neither .zip nor .tar.gz")
        yield from read(path, pattern, most_bytes)
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        NotImplementedError,  # a kind of zip that zipfile does not know
        RuntimeError,  # an encrypted member
        UnicodeDecodeError,
    ) as error:
        raise ArchiveError(
            f"{path}: found a damaged archive ({error}), expected a whole one."
        ) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # else a zip that points to before its own beginning
            raise
        raise ArchiveError(
            f"{path}: found a damaged archive (a file before its beginning), expected a whole one."
        ) from error


class _Budget:
    """What has been met of an archive, against what it may hold."""

    def __init__(self, path: Path, most_bytes: int):
        self.path = path
        self.most_bytes = most_bytes
        self.bytes = 0
        self.count = 0
        self.seen: set[str] = set()

    def meet(self, name: str) -> None:
        """Any entry of the archive, wanted or not."""
        self.count += 1
        if self.count > MOST_MEMBERS:
            raise ArchiveError(f"{self.path}: found more than {MOST_MEMBERS:,} files in it.")
        parts = name.rstrip("/").split("/")
        if {"", "..", "."} & set(parts[1:]) or parts[0] in ("", "..") or "\\" in name:
            raise ArchiveError(
                f"{self.path}: found the path {name[:120]!r} in it, expected paths inside the "
                "archive's own folder."
            )

    def take(self, name: str, size: int) -> None:
        """An entry that is wanted and of `size` bytes."""
        if name in self.seen:
            raise ArchiveError(f"{self.path}: found {name!r} in it twice.")
        self.seen.add(name)
        self.bytes += size
        if self.bytes > self.most_bytes:
            raise ArchiveError(
                f"{self.path}: found more than the expected {self.most_bytes:,} bytes in it, "
                f"at {name!r}."
            )


def require_bounded(path: Path, entry: zipfile.ZipInfo) -> None:
    """Make sure that a zip's file can be read without unpacking more than is asked for.

    Of deflated files `zipfile` unpacks as much as is asked for; of LZMA and BZIP2 all that a
    block of the archive holds, which it then cuts, and their damage has errors of its own.

    Raises:
        ArchiveError: the file is packed in another way.
    """
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveError(
            f"{path}: found {entry.filename[:120]!r} in it, packed by the method "
            f"{entry.compress_type}, expected deflated or stored files."
        )


def zip_member(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The content of a zip's file, of which no more is unpacked than the file claims to hold.

    Raises:
        ArchiveError: as `require_bounded`.
    """
    require_bounded(path, entry)
    with archive.open(entry) as file:
        return file.read(entry.file_size)  # read() alone would unpack up to a gigabyte at once


def _zip_members(path: Path, pattern: re.Pattern, most_bytes: int) -> Iterator[tuple[str, bytes]]:
    budget = _Budget(path, most_bytes)
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            budget.meet(entry.filename)
            kind = entry.external_attr >> 28  # the file type of Unix; 0 where none is told
            if kind not in (0, 0o10, 0o04):
                raise ArchiveError(
                    f"{path}: found {entry.filename!r} in it, a link or a device, expected files."
                )
            if entry.is_dir() or not pattern.fullmatch(entry.filename):
                continue
            budget.take(entry.filename, entry.file_size)
            yield entry.filename, zip_member(path, archive, entry)


class _Counted(io.RawIOBase):
    """A gzip's content, which ends with an error where it is longer than it may be."""

    def __init__(self, file: gzip.GzipFile, path: Path, most: int):
        self.file, self.path, self.left = file, path, most

    def read(self, size: int = -1) -> bytes:
        content = self.file.read(size if size >= 0 else self.left + 1)
        self.left -= len(content)
        if self.left < 0:
            raise ArchiveError(f"{self.path}: found far more in it than expected.")
        return content


def _tar_members(path: Path, pattern: re.Pattern, most_bytes: int) -> Iterator[tuple[str, bytes]]:
    budget = _Budget(path, most_bytes)
    with gzip.open(path) as packed:
        stream = _Counted(packed, path, MOST_OTHER_TIMES * most_bytes + MOST_OTHER)
        with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 18) as archive:
            for entry in archive:
                budget.meet(entry.name)
                if not (entry.isreg() or entry.isdir()):
                    raise ArchiveError(
                        f"{path}: found {entry.name!r} in it, a link or a device, expected files."
                    )
                if entry.isdir() or not pattern.fullmatch(entry.name):
                    continue
                budget.take(entry.name, entry.size)
                yield entry.name, archive.extractfile(entry).read()
                archive.members.clear()  # tarfile remembers every entry
        while stream.read(1 << 18):  # to the end, where gzip checks its sum
            pass
