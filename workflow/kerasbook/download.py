"""Files of the catalogue fetched: from the mirror, else from their addresses, and checked.

A file arrives as `<name>.part` with `<name>.part.json` beside it, which says what
the part is a beginning of. Only a file whose digests are right is moved to its
place. A part survives nothing but the death of the process, after which the next
call continues it.
"""

import contextlib
import email.utils
import gzip
import hashlib
import json
import logging
import os
import random
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote, urlsplit

import filelock
import requests
import urllib3

from kerasbook.catalogue import FileEntry
from kerasbook.contents import members_digest, tensors_digest
from kerasbook.errors import KerasbookError
from kerasbook.provenance import shown_uri, split_login

log = logging.getLogger(__name__)

CHUNK = 1 << 20
# Smaller for the network: what came before a connection broke is kept by whole chunks.
NETWORK_CHUNK = 1 << 16
# This file lies in <project>/workflow/kerasbook/; a relative mirror is meant from <project>.
PROJECT = Path(__file__).resolve().parents[2]
# A server that asks for a longer wait than this is given up for the next source.
LONGEST_WAIT = 60.0
SECONDS_BETWEEN_LINES = 5.0
RETRIED = {408, 425, 429}
NO_SUCH_FILE = "no such file"
AN_HTML_PAGE = "but with an HTML page in place of the file (a login page, a proxy's notice?)"
# The only place where a user's Kaggle name and key are sent.
KAGGLE = "https://www.kaggle.com"
KAGGLE_VARIABLES = ("KAGGLE_USERNAME", "KAGGLE_KEY")


class Address(str):
    """A web address that keeps its name and password beside its text, as `login`.

    They are sent with each request, and nothing that is told, logged or written down of
    the address can show them.
    """

    login: tuple[str, str] | None

    def __new__(cls, address: str):
        shown, login = split_login(address)
        self = super().__new__(cls, shown)
        self.login = login
        return self


class _SourceFailed(Exception):
    """This source will not give the file; the next one is tried."""


class _TryAgain(Exception):
    """This attempt failed in a way that may pass; `wait` is what the server asked for, in s."""

    def __init__(self, told: str, wait: float | None = None):
        super().__init__(told)
        self.wait = wait


class _NotTheFile(Exception):
    """The bytes are not those of the catalogue."""


class _StartAnew(Exception):
    """The part cannot be continued, or came out wrong after it was: no proof of a bad source."""


def fetch(
    dataset_name: str,
    entry: FileEntry,
    target: str | os.PathLike,
    mirror: str | None = None,
    *,
    timeout: float = 30.0,
    retries: int = 4,
    backoff: float = 1.0,
    progress: Callable[[str], None] = log.info,
) -> dict:
    """Bring one file of the catalogue to `target`, checked, whole or not at all.

    A right file at `target` is left as it is; a wrong one is replaced once a right
    one is there. Of several processes that want the same target one downloads.

    Args:
        mirror: a folder (if relative, from the project's root) or an http(s)
            address that holds `entry.mirror`; tried before `entry.urls`. An address may
            hold a name and password, which are sent and never told.
        timeout: seconds without an answer or a byte after which an attempt ends.
        retries: further attempts per address after the first.
        backoff: seconds before the first further attempt; doubled each time, with jitter.
        progress: called with a line of text now and then.

    Returns:
        `dataset`, `file`, `source` (an address, "mirror: <path in the mirror folder>", or
        "already there"), `bytes`, `sha256`, `content_sha256` and `seconds` (the whole call).

    Raises:
        KerasbookError: no source gave the file (every source with its fault), or
            `target` cannot be written. No partial file remains.
    """
    started = monotonic()
    target = Path(target)
    record = {"dataset": dataset_name, "file": entry.name}

    def finished(source: str, found: dict) -> dict:
        return record | {"source": source} | found | {"seconds": monotonic() - started}

    # A right file needs no lock, so that a read-only folder of a class's data serves.
    if found := _right(target, entry):
        return finished("already there", found)
    with _locked(target, progress):
        if found := _right(target, entry):
            return finished("already there", found)
        source, found = _from_first_good_source(
            dataset_name, entry, target, mirror, timeout, retries, backoff, progress
        )
    progress(f"{entry.name}: {found['bytes']:,} bytes from {source}, digest right")
    return finished(source, found)


def _from_first_good_source(
    dataset_name: str,
    entry: FileEntry,
    target: Path,
    mirror: str | None,
    timeout: float,
    retries: int,
    backoff: float,
    progress: Callable[[str], None],
) -> tuple[str, dict]:
    """Try the sources in order; return the one that gave the file, and what was measured."""
    part = _Part(target)
    faults = []
    try:
        for source in sources(entry, mirror):
            try:
                if isinstance(source, Path):
                    found = _copy(source, entry, part)
                else:
                    found = _download(source, entry, part, timeout, retries, backoff, progress)
                part.move_to_target()
                # Not the folder's own path, which is nobody's business in a report.
                told = f"mirror: {entry.mirror}" if isinstance(source, Path) else str(source)
                return told, found
            except _SourceFailed as fault:
                faults.append(f"  - {source}: {fault}")
                progress(f"{entry.name}: {source}: {fault}")
    except Exception:
        part.remove()
        raise
    part.remove()
    raise KerasbookError(
        f"{target}: found no source that gives this file of data set '{dataset_name}'. Tried:\n"
        + "\n".join(faults)
        + f"\nExpected {described(entry)}. How to get it:\n"
        + "\n".join(f"  - {way}" for way in how_to_get([entry]))
    )


def expected_size(entry: FileEntry) -> str:
    """The size of the file as it is served, in words."""
    return f"{entry.bytes:,} bytes" if entry.bytes else f"at most {entry.limit:,} bytes"


def described(entry: FileEntry) -> str:
    """How the right file is known, in words."""
    if entry.content_sha256 is None:
        return f"{expected_size(entry)} with the MD5 {entry.md5}"
    return f"{expected_size(entry)} whose content has the SHA-256 {entry.content_sha256}"


def how_to_get(entries: Sequence[FileEntry]) -> list[str]:
    """What a user can do where no source gives these files, a sentence or two per way."""
    paths = ", ".join(entry.mirror for entry in entries)
    ways = []
    for competition in dict.fromkeys(entry.kaggle for entry in entries if entry.kaggle):
        ways.append(
            f"From Kaggle: accept the rules of its competition at {rules_page(competition)}, and "
            f"set {' and '.join(KAGGLE_VARIABLES)} in the environment to the name and the key of "
            "an API token of yours. The data must not be passed on."
        )
    if any(entry.kaggle is None for entry in entries):
        ways.append("From the addresses above: check the network, and try again.")
    ways.append(
        f"By hand: get the file{'s' * (len(entries) > 1)}, with a browser say, and put "
        f"{'them' if len(entries) > 1 else 'it'} into a folder of yours, as {paths}. Name that "
        "folder as `mirror:` in the configuration or as KERASBOOK_MIRROR in the environment."
    )
    ways.append("Not at all: the bundled edition needs no download.")
    return ways


def rules_page(competition: str) -> str:
    """The page on which a user accepts the rules of a competition of Kaggle."""
    return f"{KAGGLE}/c/{competition}/rules"


def sources(entry: FileEntry, mirror: str | None) -> Iterator[Path | Address]:
    """Where a file may come from, in order: a path in a mirror folder, and addresses.

    Raises:
        KerasbookError: the mirror is neither a folder nor an address.
    """
    if mirror:
        shown = shown_uri(mirror)
        if urlsplit(shown).scheme in ("http", "https"):
            yield Address(mirror.rstrip("/") + "/" + quote(entry.mirror))
        elif "://" in mirror:
            raise KerasbookError(
                f"mirror: found '{shown}', expected a folder or an address that starts with "
                "https:// or http://; change `mirror:` or KERASBOOK_MIRROR."
            )
        else:
            yield PROJECT / Path(mirror).expanduser() / entry.mirror
    yield from map(Address, entry.urls)


def kept_path(entry: FileEntry, raw_folder: str | os.PathLike = "data/raw") -> Path:
    """Where a file that was fetched once is kept, whatever Snakemake removes."""
    return Path(raw_folder) / ".fetched" / f"{entry.content_id[:16]}.{entry.name}"


def fault_of_file(path: Path, entry: FileEntry) -> str | None:
    """Why a path cannot be the file, by a look at its size alone; None if it may be."""
    try:
        size = path.stat().st_size if path.is_file() else None
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    return NO_SUCH_FILE if size is None else _fault_of_size(size, entry)


def _fault_of_size(size: int, entry: FileEntry) -> str | None:
    if size > entry.limit or size != (entry.bytes or size) or size == 0:
        return f"found {size:,} bytes, expected {expected_size(entry)}"
    return None


def fault_of_address(url: str, entry: FileEntry, timeout: float) -> str | None:
    """Why an address does not give the file, by its answer without the body; None if it may.

    Asked by HEAD, and by GET for one byte where a server does not take that.
    """
    try:
        with requests.Session() as session:
            session.auth = login(url, entry)
            headers = {"Accept-Encoding": "identity"}
            with _answer(session, url, headers, timeout, method="HEAD") as response:
                if response.status_code < 400:
                    return _fault_of_headers(response, entry)
            headers["Range"] = "bytes=0-0"
            with _answer(session, url, headers, timeout) as response:
                if response.status_code == 429:  # the file is there; the download waits
                    return None
                if response.status_code not in (200, 206):
                    return refusal(response.status_code, response.reason, url, entry)
                return _fault_of_headers(response, entry)
    except (_SourceFailed, _TryAgain) as fault:
        return str(fault)


def _fault_of_headers(response: requests.Response, entry: FileEntry) -> str | None:
    declared = response.headers.get("Content-Length", "")
    if response.status_code == 206:
        declared = response.headers.get("Content-Range", "").rpartition("/")[2]
    size = int(declared) if declared.isdecimal() else None
    html = "text/html" in response.headers.get("Content-Type", "").lower()
    if html and size != entry.bytes:
        return f"HTTP {response.status_code}, {AN_HTML_PAGE}"
    return None if size is None else _fault_of_size(size, entry)


# ------------------------------------------------------------------- the file on the disk


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Tell an error of the disk as one about `target`."""
    try:
        yield
    except OSError as error:
        raise KerasbookError(
            f"{target}: cannot be written ({error.strerror or error}). "
            "Expected a writable folder with space left; free space or choose another folder."
        ) from error


@contextlib.contextmanager
def _locked(target: Path, progress: Callable[[str], None]) -> Iterator[None]:
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            progress(f"{target.name}: another process is downloading it; waiting")
            lock.acquire()
    try:
        yield
    finally:
        # Removed while still held: whoever waits sees that its file lost its name, and
        # opens the lock anew.
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()


class _Part:
    """The beginning of a file, and what it is a beginning of."""

    def __init__(self, target: Path):
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.identity_path = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def identity(self) -> dict:
        """`url` and `validator` of what the part was begun from; empty if not known."""
        try:
            value = json.loads(self.identity_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def begin(self, identity: dict) -> None:
        """Empty the part and say what it will be; in this order, so that they never mix."""
        with _writing(self.target):
            self.identity_path.unlink(missing_ok=True)
            self.path.write_bytes(b"")
            self.identity_path.write_text(json.dumps(identity), encoding="utf-8")

    def append(self, chunks: Iterator[bytes]) -> None:
        with _writing(self.target), open(self.path, "ab") as file:
            for chunk in chunks:
                file.write(chunk)

    def move_to_target(self) -> None:
        with _writing(self.target):
            with open(self.path, "rb+") as file:
                os.fsync(file.fileno())
            self.path.replace(self.target)
        self.remove()

    def remove(self) -> None:
        for path in (self.path, self.identity_path):
            with contextlib.suppress(OSError):
                path.unlink()


def _right(target: Path, entry: FileEntry) -> dict | None:
    """What `check_file` finds at `target`; None if there is no file or not the right one."""
    try:
        return check_file(target, entry) if target.is_file() else None
    except (_NotTheFile, OSError) as fault:
        log.warning("%s: is there, but %s; it is fetched again", target, fault)
        return None


def require_file(path: Path, entry: FileEntry) -> None:
    """Make sure that a downloaded file is still the one of the catalogue.

    Raises:
        KerasbookError: it was changed, or cannot be read.
    """
    try:
        check_file(path, entry)
    except (_NotTheFile, OSError) as error:
        raise KerasbookError(
            f"{path}: {error}. Delete it and run snakemake again to fetch it anew."
        ) from error


def check_file(path: Path, entry: FileEntry) -> dict:
    """Measure a file and compare it with the catalogue.

    Memory is bounded and decompression ends at the declared size, so a gzip bomb
    costs no more than the file that it pretends to be.

    Returns:
        `bytes`, `sha256`, `content_sha256`.

    Raises:
        _NotTheFile: with what is wrong.
        OSError: the file cannot be read.
    """
    size, sha256, md5, beginning = _measure(path, with_md5=entry.md5 is not None)
    if entry.bytes is not None and size != entry.bytes:
        page = "an HTML page of " if _is_html(beginning) else ""
        short = " (is it truncated?)" if size < entry.bytes and not page else ""
        raise _NotTheFile(f"found {page}{size:,} bytes, expected {entry.bytes:,}{short}")
    if md5 != entry.md5:
        raise _NotTheFile(f"wrong digest: found MD5 {md5} of the file, expected {entry.md5}")
    content_sha256 = _content_digest(path, entry, sha256, beginning)
    if content_sha256 != (entry.content_sha256 or content_sha256):
        what = WHAT_IS_DIGESTED["unpacked" if entry.packed else entry.content]
        raise _NotTheFile(
            f"wrong digest: found SHA-256 {content_sha256} of {what}, "
            f"expected {entry.content_sha256}"
        )
    if entry.sha256 is not None and sha256 != entry.sha256:
        raise _NotTheFile(
            f"wrong digest: found SHA-256 {sha256} of the file, expected {entry.sha256} "
            "(the content is right: it was packed again)"
        )
    return {"bytes": size, "sha256": sha256, "content_sha256": content_sha256}


WHAT_IS_DIGESTED = {
    "bytes": "the content",
    "unpacked": "the content after decompression",
    "members": "the files in the archive",
    "tensors": "the weights",
}


def _measure(path: Path, with_md5: bool) -> tuple[int, str, str | None, bytes]:
    """The size, the SHA-256, the MD5 if it is asked for, and the first bytes of a file."""
    digest, size, beginning = hashlib.sha256(), 0, b""
    md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            beginning = beginning or chunk[:512]
            digest.update(chunk)
            if md5:
                md5.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest(), md5.hexdigest() if md5 else None, beginning


def _content_digest(path: Path, entry: FileEntry, sha256: str, beginning: bytes) -> str:
    """The SHA-256 of what the catalogue calls the file's content."""
    if entry.packed:
        return _unpacked_digest(path, entry)
    if entry.content == "bytes":
        return sha256
    try:
        if entry.content == "members":
            digest, size = members_digest(path, entry.members, entry.content_bytes)
        else:
            digest, size = tensors_digest(path, entry.content_bytes)
    except KerasbookError as error:
        page = "an HTML page: " if _is_html(beginning) else ""
        told = str(error).removeprefix(f"{path}: ")
        raise _NotTheFile(f"{page}{told}") from error
    if size != entry.content_bytes:
        raise _NotTheFile(
            f"found {size:,} bytes in {WHAT_IS_DIGESTED[entry.content]}, expected "
            f"{entry.content_bytes:,}"
        )
    return digest


def _unpacked_digest(path: Path, entry: FileEntry) -> str:
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
                if size > entry.content_bytes:
                    raise _NotTheFile(
                        f"found more than the expected {entry.content_bytes:,} bytes "
                        "after decompression"
                    )
                digest.update(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _NotTheFile(f"corrupt gzip ({error})") from error
    if size != entry.content_bytes:
        raise _NotTheFile(
            f"found {size:,} bytes after decompression, expected {entry.content_bytes:,}"
        )
    return digest.hexdigest()


def _is_html(beginning: bytes) -> bool:
    start = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<?xml"))


# ------------------------------------------------------------------- a folder as the source


def _copy(source: Path, entry: FileEntry, part: _Part) -> dict:
    folder = source.parents[entry.mirror.count("/")]
    if not folder.is_dir():
        raise _SourceFailed(f"the mirror folder {folder} does not exist or is no folder")
    if not source.is_file():
        raise _SourceFailed(f"the mirror folder has no such file (looked at {source})")
    part.begin({"url": str(source)})
    part.append(_chunks_of_file(source, entry.limit))
    try:
        return check_file(part.path, entry)
    except _NotTheFile as fault:
        raise _SourceFailed(str(fault)) from fault


def _chunks_of_file(source: Path, most: int) -> Iterator[bytes]:
    try:
        with open(source, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > most:
                raise _SourceFailed(f"found {size:,} bytes, expected {most:,}")
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise _SourceFailed(f"cannot be read ({error.strerror or error})") from error


# ------------------------------------------------------------------- an address as the source


def _download(
    url: str,
    entry: FileEntry,
    part: _Part,
    timeout: float,
    retries: int,
    backoff: float,
    progress: Callable[[str], None],
) -> dict:
    """Fetch one address into `part`, in several attempts if need be, and check it."""
    with requests.Session() as session:
        session.auth = login(url, entry)
        attempt = 0
        while True:
            try:
                return _attempt(session, url, entry, part, timeout, progress)
            except _StartAnew as fault:
                # Ends: a part is continued only after an attempt that counted, or once
                # after the death of an earlier process.
                part.remove()
                progress(f"{entry.name}: {fault}; starting anew")
            except _TryAgain as fault:
                if attempt >= retries:
                    raise _SourceFailed(f"{fault} (tried {attempt + 1} times)") from fault
                wait = backoff * 2**attempt * random.uniform(0.5, 1.5)
                wait = max(wait, fault.wait or 0.0)
                attempt += 1
                progress(
                    f"{entry.name}: {fault}; attempt {attempt + 1} of {retries + 1} in {wait:.1f} s"
                )
                sleep(wait)


def _attempt(
    session: requests.Session,
    url: str,
    entry: FileEntry,
    part: _Part,
    timeout: float,
    progress: Callable[[str], None],
) -> dict:
    """One request, which continues the part if the part is of this address."""
    identity = part.identity()
    offset = part.size() if identity.get("url") == url else 0
    if offset > entry.limit:
        offset = 0
    resumed = offset > 0
    if offset != entry.limit:
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if identity.get("validator"):
                headers["If-Range"] = identity["validator"]
        with _answer(session, url, headers, timeout) as response:
            resumed = _receive(response, url, entry, part, offset, progress)
    try:
        return check_file(part.path, entry)
    except _NotTheFile as fault:
        raise (_StartAnew if resumed else _SourceFailed)(str(fault)) from fault
    except OSError as error:
        raise KerasbookError(f"{part.path}: cannot be read back ({error}).") from error


def credentials() -> tuple[str, str] | None:
    """The user's own Kaggle name and key from the environment, if both are there."""
    name, key = (os.environ.get(variable, "").strip() for variable in KAGGLE_VARIABLES)
    return (name, key) if name and key else None


def login(url: str, entry: FileEntry) -> tuple[str, str] | None:
    """The name and password to send to an address: those written in it, for Kaggle's the user's.

    requests sends them to no other host when it is redirected, as Kaggle does to its storage.

    Returns:
        Name and password; None for every other address.

    Raises:
        _SourceFailed: the address is Kaggle's and there are none.
    """
    if isinstance(url, Address) and url.login:
        return url.login
    if entry.kaggle is None or not url.startswith(f"{KAGGLE}/"):
        return None
    found = credentials()
    if found is None:
        raise _SourceFailed(
            f"needs an account of Kaggle: {' and '.join(KAGGLE_VARIABLES)} are not set"
        )
    return found


def refusal(status: int, reason: str, url: str, entry: FileEntry) -> str:
    """What an answer without the file means."""
    told = f"HTTP {status} {reason}"
    if entry.kaggle is None or not url.startswith(f"{KAGGLE}/"):
        return told
    if status == 401:
        return f"{told}: Kaggle does not know this name and key; make a new API token"
    if status == 403:
        return f"{told}: accept the rules of the competition at {rules_page(entry.kaggle)}"
    return told


@contextlib.contextmanager
def _answer(
    session: requests.Session, url: str, headers: dict, timeout: float, method: str = "GET"
) -> Iterator[requests.Response]:
    """The server's answer, with every fault before the body told."""
    try:
        response = session.request(
            method, url, headers=headers, timeout=timeout, stream=True, allow_redirects=True
        )
    except requests.exceptions.SSLError as error:
        raise _SourceFailed(f"the secure connection failed ({_root(error)})") from error
    except requests.exceptions.TooManyRedirects as error:
        raise _SourceFailed("too many redirects") from error
    except requests.exceptions.InvalidSchema as error:
        raise _SourceFailed(
            f"redirected to something other than http or https, which is not followed ({error})"
        ) from error
    except requests.exceptions.Timeout as error:
        raise _TryAgain(f"no answer within {timeout:g} s") from error
    except requests.exceptions.ConnectionError as error:
        raise _TryAgain(f"no connection ({_root(error)})") from error
    except requests.exceptions.RequestException as error:
        raise _SourceFailed(f"the request failed ({error})") from error
    with response:
        yield response


def _root(error: BaseException) -> str:
    """The innermost cause in the words of urllib3, without its object addresses."""
    reason = error.args[0] if error.args else error
    reason = getattr(reason, "reason", reason)
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "the server's name cannot be resolved; is there a network?"
    return re.sub(r"<[^>]*>:? ?|^\w*\([^)]*\): ", "", str(reason)).strip() or type(error).__name__


def _receive(
    response: requests.Response,
    url: str,
    entry: FileEntry,
    part: _Part,
    offset: int,
    progress: Callable[[str], None],
) -> bool:
    """Write the body into `part`; return whether it continued an earlier beginning."""
    status = response.status_code
    if not offset and status in (206, 416):
        raise _SourceFailed(f"HTTP {status} to a request for the whole file")
    if status == 416 or (status == 206 and _range_start(response) != offset):
        raise _StartAnew(f"HTTP {status}: the server would not continue at byte {offset:,}")
    if status in RETRIED or status >= 500:
        raise _later(response)
    if status not in (200, 206):
        raise _SourceFailed(refusal(status, response.reason, url, entry))
    if status == 200:
        part.begin({"url": url, "validator": _validator(response)})
        offset = 0
    chunks = _body(response, entry, offset)
    declared = response.headers.get("Content-Length", "")
    size = offset + int(declared) if declared.isdecimal() else entry.limit
    part.append(_with_progress(chunks, entry.name, size, offset, progress))
    return status == 206


def _later(response: requests.Response) -> Exception:
    """What to raise for an answer that means "not now"."""
    told = f"HTTP {response.status_code} {response.reason}"
    wait = _retry_after(response.headers.get("Retry-After", ""))
    if wait is not None and wait > LONGEST_WAIT:
        return _SourceFailed(f"{told}, with the wish to be asked again after {wait:.0f} s")
    return _TryAgain(told, wait)


def _retry_after(value: str) -> float | None:
    """Seconds, from a number or a date; None if there is neither."""
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _range_start(response: requests.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _validator(response: requests.Response) -> str | None:
    """What an If-Range may name: a strong ETag, else the date of the last change."""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    return response.headers.get("Last-Modified")


def _body(response: requests.Response, entry: FileEntry, offset: int) -> Iterator[bytes]:
    """The chunks of the body as sent, refused as soon as they cannot be the file."""
    declared = response.headers.get("Content-Length", "")
    size = offset + int(declared) if declared.isdecimal() else None
    html = "text/html" in response.headers.get("Content-Type", "").lower()
    total = offset
    try:
        # The raw stream: a .gz that is sent with Content-Encoding: gzip must stay packed.
        for chunk in response.raw.stream(NETWORK_CHUNK, decode_content=False):
            if total == 0 and (_is_html(chunk[:512]) or (html and size != entry.bytes)):
                raise _SourceFailed(f"HTTP {response.status_code}, {AN_HTML_PAGE}")
            total += len(chunk)
            if total > entry.limit:
                raise _SourceFailed(f"found more than the expected {entry.limit:,} bytes")
            yield chunk
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _TryAgain(
            f"truncated: the connection broke after {total:,} of "
            f"{size or entry.limit:,} bytes ({_kind(error)})"
        ) from error
    if size is None and entry.bytes is not None and total < entry.bytes:
        # No length was declared, so a cut connection looks like the end of the file.
        raise _TryAgain(f"truncated: the body ended after {total:,} of {entry.bytes:,} bytes")


def _kind(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return "no more data came"
    return "it was closed by the other side"


def _with_progress(
    chunks: Iterator[bytes], name: str, size: int, offset: int, progress: Callable[[str], None]
) -> Iterator[bytes]:
    """Pass the chunks on, with a line of percent, speed and time left every few seconds."""
    total = offset
    started = told = monotonic()
    for chunk in chunks:
        yield chunk
        total += len(chunk)
        now = monotonic()
        if now - told >= SECONDS_BETWEEN_LINES:
            told = now
            speed = (total - offset) / (now - started)
            left = max(0.0, size - total) / speed
            progress(
                f"{name}: {100 * total / size:.0f} % of {size / 1e6:.1f} MB, "
                f"{speed / 1e6:.2f} MB/s, {left:.0f} s left"
            )
