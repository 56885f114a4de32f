"""Archives that tests make: sane ones, and ones that nobody should trust."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable


def tar_gz(files: Iterable[tuple[str, bytes]], entries: Iterable[tarfile.TarInfo] = ()) -> bytes:
    """A .tar.gz of files, and then of entries without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in entries:
            archive.addfile(entry)
    return gzip.compress(buffer.getvalue(), compresslevel=6, mtime=0)


def tar_entry(name: str, kind: bytes, target: str = "", size: int = 0) -> tarfile.TarInfo:
    """The header of a link, a device, a folder, or of a file that claims a size."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, target, size
    return entry


def zipped(
    files: Iterable[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A .zip of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def understated(files: Iterable[tuple[str, bytes]], method: int, claimed: int) -> bytes:
    """A .zip whose first file claims to hold `claimed` bytes."""
    content = bytearray(zipped(files, method))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # in both headers
        at = content.index(mark) + place
        content[at : at + 4] = claimed.to_bytes(4, "little")
    return bytes(content)


def zip_link(name: str) -> zipfile.ZipInfo:
    """The entry of a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = 0o120777 << 16
    return entry
