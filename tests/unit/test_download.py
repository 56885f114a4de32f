"""Every way in which a download goes wrong, against a real server on this machine."""

import errno
import gzip
import hashlib
import io
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasbook import availability, download
from kerasbook.catalogue import Catalogue, Dataset, FileEntry
from kerasbook.contents import tensors_digest
from kerasbook.download import fetch
from kerasbook.errors import KerasbookError
from tests.misbehaving_server import Behaviour, MisbehavingServer, basic, closed_port
from tests.unit.archive_examples import tar_gz, zipped

ROOT = Path(__file__).resolve().parents[2]
CONTENT = np.random.default_rng(1).integers(0, 256, 400_000, dtype=np.uint8).tobytes()
PACKED = gzip.compress(CONTENT, mtime=0)
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>" + b" " * 500


@pytest.fixture(scope="module")
def server():
    with MisbehavingServer() as one:
        yield one


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "raw" / "data.gz"


@pytest.fixture
def path(request):
    """An address of the test's own on the shared server."""
    return re.sub(r"\W", "_", request.node.name)


def entry(*urls: str, body: bytes = PACKED, name: str = "data.gz", **changes) -> FileEntry:
    content = gzip.decompress(body) if name.endswith(".gz") else body
    fields = {
        "name": name,
        "role": "table",
        "urls": list(urls),
        "mirror": f"set/{name}",
        "bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "content_bytes": len(content),
        "content_sha256": hashlib.sha256(content).hexdigest(),
    }
    return FileEntry(**fields | changes)


def get(one: FileEntry, target: Path, mirror=None, **options) -> dict:
    return fetch(
        "set", one, target, mirror, **{"timeout": 5, "retries": 3, "backoff": 0.01} | options
    )


def refused(one: FileEntry, target: Path, mirror=None, **options) -> str:
    """The message of a fetch that must fail and leave nothing behind."""
    with pytest.raises(KerasbookError) as caught:
        get(one, target, mirror, **options)
    assert left_in(target) == []
    return str(caught.value)


def left_in(target: Path) -> list[str]:
    return sorted(x.name for x in target.parent.iterdir()) if target.parent.is_dir() else []


def make_mirror(tmp_path: Path, body: bytes) -> Path:
    folder = tmp_path / "mirror"
    (folder / "set").mkdir(parents=True)
    (folder / "set" / "data.gz").write_bytes(body)
    return folder


# ---------------------------------------------------------------------------- what goes well


def test_a_good_server(server, path, target):
    url = server.serve(path, PACKED)
    record = get(entry(url), target)
    assert target.read_bytes() == PACKED
    assert left_in(target) == ["data.gz"]
    asked = [headers for at, headers in server.requests if at == f"/{path}"]
    assert [headers["Accept-Encoding"] for headers in asked] == ["identity"]
    assert record["source"] == url
    assert record["bytes"] == len(PACKED)
    assert record["sha256"] == hashlib.sha256(PACKED).hexdigest()
    assert record["content_sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (record["dataset"], record["file"]) == ("set", "data.gz")
    assert record["seconds"] > 0


def test_a_file_that_is_not_packed(server, path, target):
    url = server.serve(path, CONTENT)
    get(entry(url, body=CONTENT, name="data.csv"), target)
    assert target.read_bytes() == CONTENT


def test_a_packed_file_sent_as_encoded_stays_packed(server, path, target):
    url = server.serve(path, PACKED, Behaviour(headers={"Content-Encoding": "gzip"}))
    get(entry(url), target)
    assert target.read_bytes() == PACKED


def test_another_packing_of_the_same_content_is_taken_where_the_catalogue_allows(
    server, path, target
):
    other = gzip.compress(CONTENT, compresslevel=1, mtime=7)
    assert other != PACKED
    url = server.serve(path, other)
    assert get(entry(url, bytes=None, sha256=None), target)["bytes"] == len(other)


def test_mirror_folder_comes_first(server, path, target, tmp_path):
    url = server.serve(path, PACKED)
    record = get(entry(url), target, str(make_mirror(tmp_path, PACKED)))
    assert record["source"] == "mirror: set/data.gz"
    assert server.ranges(path) == []
    assert left_in(target) == ["data.gz"]


def test_mirror_folder_is_taken_from_the_projects_root(target, tmp_path, monkeypatch):
    make_mirror(tmp_path, PACKED)
    monkeypatch.setattr(download, "PROJECT", tmp_path)
    get(entry("http://127.0.0.1:1/x"), target, "mirror")
    assert target.read_bytes() == PACKED


def test_mirror_address(server, path, target):
    server.serve(f"{path}/set/data.gz", PACKED)
    record = get(entry("http://127.0.0.1:1/x"), target, f"{server.address}/{path}/")
    assert record["source"] == f"{server.address}/{path}/set/data.gz"


MIRROR_LOGIN = ("me", "s3cret@x")


def mirror_with_a_login(address: str) -> str:
    return address.replace("http://", "http://me:s3cret%40x@")


def test_a_mirrors_password_is_sent_and_never_told(server, path, target, caplog):
    caplog.set_level(logging.DEBUG)
    cut = Behaviour(login=MIRROR_LOGIN, cut_after=150_000, times=1)
    server.serve(f"{path}/set/data.gz", PACKED, cut, Behaviour(login=MIRROR_LOGIN))
    mirror = mirror_with_a_login(f"{server.address}/{path}")
    record = get(entry("http://127.0.0.1:1/x"), target, mirror)
    assert record["source"] == f"{server.address}/{path}/set/data.gz"
    assert type(record["source"]) is str
    assert target.read_bytes() == PACKED
    assert logins(server, f"{path}/set/data.gz") == [basic(*MIRROR_LOGIN)] * 2
    secrets = ("s3cret", "me:", basic(*MIRROR_LOGIN).split()[1])
    assert not any(secret in text for secret in secrets for text in (caplog.text, str(record)))


def test_a_mirrors_password_is_in_no_part(server, path, target, monkeypatch):
    server.serve(f"{path}/set/data.gz", PACKED, Behaviour(login=MIRROR_LOGIN))
    begun = []
    begin = download._Part.begin

    def seen(part, identity):
        begin(part, identity)
        begun.append(part.identity_path.read_text())

    monkeypatch.setattr(download._Part, "begin", seen)
    get(entry("http://127.0.0.1:1/x"), target, mirror_with_a_login(f"{server.address}/{path}"))
    assert len(begun) == 1
    assert f'"{server.address}/{path}/set/data.gz"' in begun[0]
    assert "s3cret" not in begun[0]


@pytest.mark.parametrize("login", [None, ("me", "another")])
def test_a_mirrors_password_is_in_no_fault(server, path, target, caplog, login):
    caplog.set_level(logging.DEBUG)
    behaviour = Behaviour(login=login) if login else Behaviour(status=404)
    url = server.serve(f"{path}/set/data.gz", PACKED, behaviour)
    one = entry(mirror_with_a_login(f"http://127.0.0.1:{closed_port()}/x"))
    message = refused(one, target, mirror_with_a_login(f"{server.address}/{path}"), retries=0)
    assert f"{url}: HTTP {401 if login else 404}" in message
    for text in (message, caplog.text):
        assert "s3cret" not in text
        assert "me:" not in text
    with pytest.raises(KerasbookError) as caught:
        list(download.sources(one, "ftp://me:s3cret@data.example"))
    assert "mirror: found 'ftp://data.example', expected" in str(caught.value)


def test_a_mirrors_password_is_sent_where_it_is_only_asked(server, path, tmp_path):
    """As before the first job, which is not begun where data is missing."""
    url = server.serve(f"{path}/set/data.gz", PACKED, Behaviour(login=MIRROR_LOGIN))
    mirror = mirror_with_a_login(f"{server.address}/{path}")
    one = entry("http://127.0.0.1:1/x")
    first, _ = download.sources(one, mirror)
    assert str(first) == url
    assert download.fault_of_address(first, one, timeout=5) is None
    wrong = mirror.replace("me:", "you:")
    dataset = Dataset.model_construct(title="The set", kind="tables", files=[one])
    catalogue = Catalogue.model_construct(datasets={"set": dataset})
    found = availability.missing(catalogue, ["set"], wrong, tmp_path)
    message = availability.message(found)
    assert f"{url}: HTTP 401 Unauthorized\n" in message
    for text in (message, availability.reason("set", found["set"])):
        assert "s3cret" not in text


def test_a_mirrors_password_goes_to_no_other_host(server, path, target):
    with MisbehavingServer() as storage:
        goal = storage.serve(path, PACKED)
        moved = Behaviour(status=302, headers={"Location": goal})
        server.serve(f"{path}/set/data.gz", b"", moved)
        mirror = mirror_with_a_login(f"{server.address}/{path}")
        get(entry("http://127.0.0.1:1/x"), target, mirror)
        assert logins(server, f"{path}/set/data.gz") == [basic(*MIRROR_LOGIN)]
        assert logins(storage, path) == [None]


def test_a_good_file_is_left_untouched(server, path, target):
    url = server.serve(path, PACKED)
    get(entry(url), target)
    before = target.stat()
    assert get(entry(url), target)["source"] == "already there"
    after = target.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len(server.ranges(path)) == 1


def test_a_bad_file_is_replaced_once_a_good_one_is_there(server, path, target):
    target.parent.mkdir()
    target.write_bytes(b"bad")
    gone = server.serve(path + "_gone", b"", Behaviour(status=404))
    with pytest.raises(KerasbookError):
        get(entry(gone), target)
    assert target.read_bytes() == b"bad"
    assert left_in(target) == ["data.gz"]
    get(entry(server.serve(path, PACKED)), target)
    assert target.read_bytes() == PACKED
    assert left_in(target) == ["data.gz"]


def test_the_next_source_is_tried_after_one_that_fails(server, path, target, tmp_path):
    bad = server.serve(path + "_bad", PACKED[::-1])
    good = server.serve(path, PACKED)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert get(entry(bad, good), target, str(empty))["source"] == good
    assert target.read_bytes() == PACKED


def test_progress_tells_percent_speed_and_time_left(server, path, target, monkeypatch):
    monkeypatch.setattr(download, "SECONDS_BETWEEN_LINES", 0.05)
    url = server.serve(path, PACKED, Behaviour(pause=0.06))
    lines = []
    get(entry(url), target, progress=lines.append)
    assert any(re.search(r"data\.gz: \d+ % of 0\.4 MB, [\d.]+ MB/s, \d+ s left", x) for x in lines)


def test_progress_goes_to_the_log(server, path, target, caplog):
    caplog.set_level(logging.INFO, "kerasbook.download")
    get(entry(server.serve(path, PACKED)), target)
    assert "digest right" in caplog.text


# ---------------------------------------------------------------------------- retry and resume


def test_errors_of_the_server_are_retried(server, path, target):
    url = server.serve(path, PACKED, Behaviour(status=500, times=2), Behaviour(status=503, times=1))
    get(entry(url), target)
    assert len(server.ranges(path)) == 4


def test_retries_end(server, path, target):
    url = server.serve(path, PACKED, Behaviour(status=500))
    message = refused(entry(url), target)
    assert "HTTP 500 Internal Server Error (tried 4 times)" in message
    assert len(server.ranges(path)) == 4


def test_waits_grow_and_vary(server, path, target, monkeypatch):
    waits = []
    monkeypatch.setattr(download, "sleep", waits.append)
    url = server.serve(path, PACKED, Behaviour(status=500))
    refused(entry(url), target, backoff=10, retries=4)
    assert len(waits) == 4
    for k, wait in enumerate(waits):
        assert 5 * 2**k <= wait <= 15 * 2**k
    assert len({wait / 2**k for k, wait in enumerate(waits)}) == 4


def test_retry_after_is_honoured(server, path, target, monkeypatch):
    waits = []
    monkeypatch.setattr(download, "sleep", waits.append)
    later = Behaviour(status=429, headers={"Retry-After": "7"}, times=1)
    get(entry(server.serve(path, PACKED, later)), target)
    assert waits == [7.0]


def test_a_long_retry_after_gives_up(server, path, target):
    later = Behaviour(status=429, headers={"Retry-After": "86400"})
    message = refused(entry(server.serve(path, PACKED, later)), target)
    assert "asked again after 86400 s" in message
    assert len(server.ranges(path)) == 1


def test_retry_after_as_a_date():
    assert download._retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert download._retry_after("Fri, 21 Oct 2199 07:28:00 GMT") > 1e9
    assert download._retry_after("soon") is None


def test_a_broken_transfer_is_continued(server, path, target):
    url = server.serve(path, PACKED, Behaviour(cut_after=150_000, times=2))
    get(entry(url), target)
    ranges = server.ranges(path)
    assert ranges[0] is None
    assert len(ranges) == 3
    starts = [int(value[len("bytes=") : -1]) for value in ranges[1:]]
    assert 0 < starts[0] < starts[1]
    assert target.read_bytes() == PACKED


def test_a_server_that_ignores_range(server, path, target):
    url = server.serve(path, PACKED, Behaviour(cut_after=150_000, times=1), Behaviour(ranges=False))
    get(entry(url), target)
    assert target.read_bytes() == PACKED


def test_a_server_that_answers_416(server, path, target):
    url = server.serve(
        path, PACKED, Behaviour(cut_after=150_000, times=1), Behaviour(refuse_ranges=True)
    )
    get(entry(url), target, retries=1)
    assert target.read_bytes() == PACKED
    assert server.ranges(path)[0] is None
    assert server.ranges(path)[2] is None


def test_a_server_that_continues_elsewhere(server, path, target):
    url = server.serve(
        path, PACKED, Behaviour(cut_after=150_000, times=1), Behaviour(wrong_range=True)
    )
    get(entry(url), target, retries=1)
    begun = server.ranges(path)[1]
    assert begun is not None
    assert server.ranges(path) == [None, begun, None]
    assert target.read_bytes() == PACKED


@pytest.mark.parametrize("status", [206, 416])
def test_an_answer_about_a_range_that_nobody_asked_for(server, path, target, status):
    url = server.serve(path, PACKED, Behaviour(status=status))
    assert f"HTTP {status} to a request for the whole file" in refused(entry(url), target)
    assert len(server.ranges(path)) == 1


def test_no_length_and_a_cut_is_seen_as_broken(server, path, target):
    url = server.serve(path, PACKED, Behaviour(cut_after=150_000, declare_length=False, times=1))
    get(entry(url), target)
    assert len(server.ranges(path)) == 2
    assert target.read_bytes() == PACKED


def test_a_file_that_changed_between_two_attempts_is_not_mixed(server, path, target):
    """The part is of version 1; the server now has version 2, and says so by its ETag."""
    url = server.serve(path, PACKED)
    leave_part(target, PACKED[::-1][:100_000], url, '"v0"')
    get(entry(url), target, retries=0)
    assert server.ranges(path) == ["bytes=100000-"]
    assert target.read_bytes() == PACKED
    assert left_in(target) == ["data.gz"]


def test_a_wrong_part_that_the_server_continues_costs_one_more_download(server, path, target):
    """No ETag, so only the digest shows that the two halves do not fit."""
    url = server.serve(path, PACKED, Behaviour(etag=None))
    leave_part(target, PACKED[::-1][:100_000], url, None)
    get(entry(url), target, retries=0)
    assert server.ranges(path) == ["bytes=100000-", None]
    assert target.read_bytes() == PACKED


def test_a_part_of_another_source_is_not_continued(server, path, target):
    url = server.serve(path, PACKED)
    leave_part(target, PACKED[:100_000], "http://other.example/data.gz", '"v1"')
    get(entry(url), target)
    assert server.ranges(path) == [None]


def test_a_part_without_a_readable_identity_is_not_continued(server, path, target):
    url = server.serve(path, PACKED)
    leave_part(target, PACKED[:100_000], url, '"v1"')
    target.with_name("data.gz.part.json").write_text("{")
    get(entry(url), target)
    assert server.ranges(path) == [None]


def test_a_part_that_was_whole_needs_no_request(server, path, target):
    url = server.serve(path, PACKED)
    leave_part(target, PACKED, url, '"v1"')
    get(entry(url), target)
    assert server.ranges(path) == []
    assert target.read_bytes() == PACKED


def leave_part(target: Path, begun: bytes, url: str, validator: str | None) -> None:
    part = download._Part(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    part.begin({"url": url, "validator": validator})
    part.append(iter([begun]))


CHILD = """
import sys
from pathlib import Path
from kerasbook.catalogue import FileEntry
from kerasbook.download import fetch
entry = FileEntry.model_validate_json(sys.argv[1])
print(fetch("set", entry, Path(sys.argv[2]), backoff=0.01)["source"])
"""


def start_child(one: FileEntry, target: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, one.model_dump_json(), str(target)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_download_is_continued_by_the_next_call(server, path, target):
    url = server.serve(path, PACKED, Behaviour(block=1 << 16, pause=0.01, stall_after=1 << 17))
    child = start_child(entry(url), target)
    part = target.with_name("data.gz.part")
    deadline = time.monotonic() + 15
    while not (part.is_file() and part.stat().st_size >= 1 << 16):
        assert time.monotonic() < deadline, "the child wrote nothing"
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not target.exists()
    begun = part.stat().st_size
    server.serve(path, PACKED)
    get(entry(url), target)
    assert server.ranges(path) == [None, f"bytes={begun}-"]
    assert target.read_bytes() == PACKED
    assert left_in(target) == ["data.gz"]


def test_several_processes_download_once(server, path, target):
    url = server.serve(path, PACKED, Behaviour(block=1 << 15, pause=0.1))
    children = [start_child(entry(url), target) for _ in range(3)]
    told = [child.communicate(timeout=20)[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert sorted(told) == sorted([url, "already there", "already there"])
    assert len(server.ranges(path)) == 1
    assert left_in(target) == ["data.gz"]


# ---------------------------------------------------------------------------- what goes wrong


def test_nobody_listens(target):
    url = f"http://127.0.0.1:{closed_port()}/data.gz"
    message = refused(entry(url), target)
    assert f"{url}: no connection (" in message
    assert "Connection refused) (tried 4 times)" in message
    assert "KERASBOOK_MIRROR" in message
    assert "0x" not in message


def test_no_network(target, monkeypatch):
    def no_answer(*_args, **_kwargs):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_answer)
    message = refused(entry("http://data.example/data.gz"), target)
    assert "name cannot be resolved; is there a network?" in message


def test_404_is_told_at_once(server, path, target):
    url = server.serve(path, b"", Behaviour(status=404))
    message = refused(entry(url), target)
    assert f"{url}: HTTP 404 Not Found\n" in message
    assert len(server.ranges(path)) == 1


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_html_with_status_200(server, path, target, content_type):
    url = server.serve(path, HTML, Behaviour(content_type=content_type))
    message = refused(entry(url), target)
    assert "HTTP 200, but with an HTML page in place of the file" in message
    assert len(server.ranges(path)) == 1


def test_a_page_that_only_its_type_shows(server, path, target):
    url = server.serve(path, b"Please log in", Behaviour(content_type="text/html"))
    assert "an HTML page in place of the file" in refused(entry(url), target)


def test_html_of_the_right_size(server, path, target):
    url = server.serve(path, HTML, Behaviour(content_type="text/html"))
    one = entry(url, bytes=len(HTML))
    assert "an HTML page in place of the file" in refused(one, target)


def test_html_in_the_mirror_folder(target, tmp_path):
    mirror = make_mirror(tmp_path, HTML)
    message = refused(entry(f"http://127.0.0.1:{closed_port()}/x"), target, str(mirror), retries=0)
    assert f"found an HTML page of {len(HTML):,} bytes, expected {len(PACKED):,}" in message


def test_truncated_body_by_a_cut_connection(server, path, target):
    url = server.serve(path, PACKED, Behaviour(cut_after=70_000, ranges=False))
    message = refused(entry(url), target)
    assert re.search(
        rf"truncated: the connection broke after [\d,]+ of {len(PACKED):,} bytes .*tried 4 times",
        message,
    )


def test_truncated_file_at_the_source(server, path, target):
    url = server.serve(path, PACKED[:-10])
    message = refused(entry(url), target)
    assert (
        f"found {len(PACKED) - 10:,} bytes, expected {len(PACKED):,} (is it truncated?)" in message
    )


def test_a_body_that_never_ends(server, path, target):
    url = server.serve(path, PACKED * 3)
    assert f"found more than the expected {len(PACKED):,} bytes" in refused(entry(url), target)


def test_wrong_digest(server, path, target):
    wrong = gzip.compress(CONTENT[::-1], mtime=0)
    url = server.serve(path, wrong)
    message = refused(entry(url, bytes=len(wrong)), target)
    assert f"wrong digest: found SHA-256 {hashlib.sha256(CONTENT[::-1]).hexdigest()}" in message
    assert f"expected {hashlib.sha256(CONTENT).hexdigest()}" in message


def test_right_content_in_another_packing(server, path, target):
    other = gzip.compress(CONTENT, mtime=7)
    message = refused(entry(server.serve(path, other)), target)
    assert "of the file" in message
    assert "packed again" in message


@pytest.mark.parametrize("at", [0, 2_000, len(PACKED) - 6])
def test_corrupt_gzip(server, path, target, at):
    corrupt = PACKED[:at] + bytes([PACKED[at] ^ 0xFF]) + PACKED[at + 1 :]
    message = refused(entry(server.serve(path, corrupt)), target)
    assert re.search(r"corrupt gzip|wrong digest", message)
    assert len(server.ranges(path)) == 1


def test_gzip_with_a_wrong_head(server, path, target):
    url = server.serve(path, b"\0" * len(PACKED))
    assert "corrupt gzip (Not a gzipped file" in refused(entry(url), target)


def test_gzip_bomb_ends_at_the_declared_size(server, path, target):
    bomb = gzip.compress(bytes(50_000_000), mtime=0)
    url = server.serve(path, bomb)
    one = entry(url, bytes=len(bomb))
    message = refused(one, target)
    assert f"found more than the expected {len(CONTENT):,} bytes after decompression" in message


def test_a_server_that_stalls(server, path, target):
    url = server.serve(path, PACKED, Behaviour(stall_after=1 << 16))
    message = refused(entry(url), target, timeout=0.2, retries=1)
    assert "no more data came" in message


def test_a_slow_server_is_waited_for(server, path, target):
    url = server.serve(path, PACKED, Behaviour(pause=0.1))
    get(entry(url), target, timeout=1)
    assert target.read_bytes() == PACKED


def test_redirect_is_followed(server, path, target):
    goal = server.serve(path, PACKED)
    url = server.serve(path + "_old", b"", Behaviour(status=302, headers={"Location": goal}))
    get(entry(url), target)
    assert target.read_bytes() == PACKED


@pytest.mark.parametrize("scheme", ["file", "ftp"])
def test_redirect_to_another_scheme_is_not_followed(server, path, target, tmp_path, scheme):
    """The file is there and right, so only the refusal to follow keeps it out."""
    (tmp_path / "there.gz").write_bytes(PACKED)
    goal = f"{scheme}://{tmp_path}/there.gz"
    url = server.serve(path, b"", Behaviour(status=302, headers={"Location": goal}))
    assert "other than http or https, which is not followed" in refused(entry(url), target)


def test_redirect_in_a_circle(server, path, target):
    url = f"{server.address}/{path}"
    server.serve(path, b"", Behaviour(status=302, headers={"Location": url}))
    assert "too many redirects" in refused(entry(url), target)


def test_mirror_folder_that_lacks_the_file(server, path, target, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    gone = server.serve(path, b"", Behaviour(status=404))
    message = refused(entry(gone), target, str(empty))
    assert f"no such file (looked at {empty}/set/data.gz)" in message
    assert "HTTP 404" in message


def test_missing_mirror_folder(server, path, target, tmp_path):
    gone = server.serve(path, b"", Behaviour(status=404))
    message = refused(entry(gone), target, str(tmp_path / "nowhere"))
    assert f"the mirror folder {tmp_path / 'nowhere'} does not exist" in message


def test_mirror_of_another_scheme(target):
    message = refused(entry("http://127.0.0.1:1/x"), target, "ftp://data.example/pub")
    assert "mirror: found 'ftp://data.example/pub', expected a folder or an address" in message


# ---------------------------------------------------------------------------- kinds of content

FILES = [(f"set/{n}.txt", CONTENT[n * 1000 : (n + 1) * 1000]) for n in range(40)]
TAR, ZIP = tar_gz(FILES), zipped(FILES)


def weights(**options) -> bytes:
    """A Keras HDF5 file with one layer."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["layer_names"] = [b"conv"]
        file.create_group("conv").attrs["weight_names"] = [b"conv/kernel:0"]
        values = np.frombuffer(CONTENT, np.uint8)[:200_000].astype(np.float32)
        file["conv"].create_dataset("conv/kernel:0", data=values, **options)
    return buffer.getvalue()


def members_entry(url: str, name: str = "data.tar.gz") -> FileEntry:
    lines = [f"{hashlib.sha256(body).hexdigest()}  {path}\n" for path, body in sorted(FILES)]
    return FileEntry(
        name=name,
        role="table",
        urls=[url],
        mirror=f"set/{name}",
        most_bytes=200_000,
        content="members",
        members=r"set/\d+\.txt",
        content_bytes=40_000,
        content_sha256=hashlib.sha256("".join(lines).encode()).hexdigest(),
    )


def tensors_entry(url: str, tmp_path: Path) -> FileEntry:
    (tmp_path / "of_the_catalogue.h5").write_bytes(weights())
    digest, size = tensors_digest(tmp_path / "of_the_catalogue.h5", 1_000_000)
    return FileEntry(
        name="data.h5",
        role="weights",
        urls=[url],
        mirror="set/data.h5",
        most_bytes=1_000_000,
        content="tensors",
        content_bytes=size,
        content_sha256=digest,
    )


def md5_entry(url: str, body: bytes, **changes) -> FileEntry:
    fields = {"name": "data.h5", "role": "weights", "urls": [url], "mirror": "set/data.h5"}
    fields |= {"md5": hashlib.md5(body, usedforsecurity=False).hexdigest(), "bytes": len(body)}
    return FileEntry(**fields | changes)


@pytest.mark.parametrize("name", ["data.tar.gz", "data.zip"])
def test_an_archive_is_known_by_its_members_however_packed(server, path, target, name):
    pack = tar_gz if name.endswith(".gz") else zipped
    bodies = [pack(FILES), pack([("set/more.md", b"x"), *reversed(FILES)])]
    records = []
    for number, body in enumerate(bodies):
        one = members_entry(server.serve(f"{path}{number}", body), name)
        records.append(get(one, target.with_name(f"{number}.{name}")))
        assert target.with_name(f"{number}.{name}").read_bytes() == body
    assert records[0]["content_sha256"] == records[1]["content_sha256"] == one.content_sha256
    assert records[0]["sha256"] == hashlib.sha256(bodies[0]).hexdigest()
    assert records[0]["sha256"] != records[1]["sha256"]


def test_weights_are_known_by_their_values_however_stored(server, path, target, tmp_path):
    for number, body in enumerate([weights(), weights(compression="gzip")]):
        one = tensors_entry(server.serve(f"{path}{number}", body), tmp_path)
        got = target.with_name(f"{number}.h5")
        assert get(one, got)["content_sha256"] == one.content_sha256
        assert got.read_bytes() == body


@pytest.mark.parametrize("exact", [True, False])
def test_a_file_is_known_by_its_md5(server, path, target, exact):
    sizes = {} if exact else {"bytes": None, "most_bytes": 500_000}
    one = md5_entry(server.serve(path, CONTENT), CONTENT, **sizes)
    record = get(one, target)
    assert record["content_sha256"] == record["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert target.read_bytes() == CONTENT
    other = server.serve(path + "_other", CONTENT[::-1])
    target.unlink()
    message = refused(md5_entry(other, CONTENT, **sizes), target)
    assert "wrong digest: found MD5" in message
    assert f"with the MD5 {one.md5}" in message


def test_a_packed_file_of_which_only_an_md5_is_known(server, path, target):
    one = md5_entry(server.serve(path, PACKED), PACKED, name="data.gz")
    assert get(one, target)["content_sha256"] == hashlib.sha256(PACKED).hexdigest()


OF_KIND = {
    "members": (lambda url, tmp_path: members_entry(url), TAR),
    "tensors": (tensors_entry, weights()),
    "md5": (
        lambda url, tmp_path: md5_entry(url, CONTENT, bytes=None, most_bytes=500_000),
        CONTENT,
    ),
}


@pytest.mark.parametrize("kind", list(OF_KIND))
@pytest.mark.parametrize(
    ("make_body", "behaviour", "told"),
    [
        (lambda body: body, Behaviour(status=404), "HTTP 404 Not Found"),
        (lambda body: body, Behaviour(status=403), "HTTP 403 Forbidden"),
        (lambda body: HTML, Behaviour(content_type="text/html"), "HTML page"),
        (lambda body: HTML, Behaviour(), "HTML page"),
        (lambda body: body, Behaviour(cut_after=9_000), "truncated: the connection broke"),
        (lambda body: body[:-5_000], Behaviour(), None),
        (lambda body: body[:-5_000], Behaviour(declare_length=False), None),
        (lambda body: body[:500] + body[:500] + body[1000:], Behaviour(), None),
        (lambda body: b"", Behaviour(), None),
        (lambda body: bytes(2_000_000), Behaviour(), "found more than the expected"),
        (lambda body: bytes(150_000), Behaviour(), None),
    ],
)
def test_wrong_answers_for_every_kind_of_content(
    server, path, target, tmp_path, kind, make_body, behaviour, told
):
    """As for plain files: told, and nothing is left behind."""
    make, body = OF_KIND[kind]
    url = server.serve(path, make_body(body), behaviour)
    message = refused(make(url, tmp_path), target, retries=1)
    assert url in message
    if told is not None:
        assert told in message


@pytest.mark.parametrize("kind", list(OF_KIND))
def test_a_mirror_with_other_content_is_passed_over(server, path, target, tmp_path, kind):
    make, body = OF_KIND[kind]
    one = make(server.serve(path, body), tmp_path)
    folder = tmp_path / "mirror" / "set"
    folder.mkdir(parents=True)
    (folder / one.name).write_bytes(body[: len(body) // 2])
    assert get(one, target, str(tmp_path / "mirror"))["source"].endswith(path)
    (folder / one.name).write_bytes(body)
    assert get(one, target.with_name("2"), str(tmp_path / "mirror"))["source"].startswith("mirror")


@pytest.mark.parametrize("kind", list(OF_KIND))
def test_a_broken_transfer_of_every_kind_is_continued(server, path, target, tmp_path, kind):
    make, body = OF_KIND[kind]
    assert len(body) > 30_000
    url = server.serve(path, body, Behaviour(cut_after=20_000, block=10_000, times=1))
    get(make(url, tmp_path), target)
    assert target.read_bytes() == body
    assert len(server.ranges(path)) == 2


def test_an_archive_with_other_members_is_told(server, path, target):
    for files, told in (
        ([*FILES[1:], ("set/0.txt", FILES[0][1][::-1])], "of the files in the archive"),
        (FILES[1:], "found 39,000 bytes in the files in the archive, expected 40,000"),
        ([*FILES, ("set/99.txt", b"x")], "more than the expected 40,000 bytes"),
        ([*FILES, ("../evil.txt", b"x")], "expected paths inside"),
        ([("other/0.txt", b"x")], "no file in the archive whose path fits"),
    ):
        message = refused(members_entry(server.serve(path, tar_gz(files))), target)
        assert told in message


def test_other_weights_are_told(server, path, target, tmp_path):
    body = weights()
    place = body.index(np.float32(CONTENT[0]).tobytes() + np.float32(CONTENT[1]).tobytes())
    changed = body[:place] + b"\1" + body[place + 1 :]
    message = refused(tensors_entry(server.serve(path, changed), tmp_path), target)
    assert "wrong digest" in message
    assert "of the weights" in message


# ---------------------------------------------------------------------------- Kaggle

USER, KEY = "a-learner", "s3cret-k3y"


@pytest.fixture
def kaggle(server, monkeypatch):
    """The test server in Kaggle's place, and a user with a name and a key."""
    monkeypatch.setattr(download, "KAGGLE", server.address)
    monkeypatch.setenv("KAGGLE_USERNAME", USER)
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    return server


def kaggle_entry(*urls: str) -> FileEntry:
    return members_entry(urls[0], "data.zip").model_copy(
        update={"kaggle": "a-competition", "urls": list(urls)}
    )


def logins(server: MisbehavingServer, path: str) -> list[str | None]:
    return [headers.get("Authorization") for at, headers in server.requests if at == f"/{path}"]


def test_kaggle_is_asked_with_the_users_name_and_key(kaggle, path, target, caplog):
    caplog.set_level(logging.DEBUG)
    url = kaggle.serve(path, ZIP, Behaviour(login=(USER, KEY)))
    record = get(kaggle_entry(url), target)
    assert target.read_bytes() == ZIP
    assert logins(kaggle, path) == [basic(USER, KEY)]
    secrets = (KEY, basic(USER, KEY).split()[1])
    assert not any(secret in text for secret in secrets for text in (caplog.text, str(record)))


def test_kaggles_storage_does_not_see_the_key(kaggle, path, target):
    """Kaggle answers with the address of a storage, which is another host."""
    with MisbehavingServer() as storage:
        goal = storage.serve(path, ZIP)
        moved = Behaviour(status=302, headers={"Location": goal})
        record = get(kaggle_entry(kaggle.serve(path, b"", moved)), target)
        assert target.read_bytes() == ZIP
        assert logins(kaggle, path) == [basic(USER, KEY)]
        assert logins(storage, path) == [None]
        assert record["source"] == f"{kaggle.address}/{path}"


def test_no_other_address_sees_the_key(kaggle, path, target):
    """Neither a mirror nor another address of the same file, nor a host whose name begins so."""
    gone = Behaviour(status=404)
    with MisbehavingServer() as other:
        mirror = other.serve(f"{path}/set/data.zip", b"", gone).removesuffix("/set/data.zip")
        urls = [other.serve(path, b"", gone), kaggle.serve(path, b"", gone)]
        refused(kaggle_entry(*urls), target, mirror)
        assert logins(other, f"{path}/set/data.zip") == [None]
        assert logins(other, path) == [None]
        assert logins(kaggle, path) == [basic(USER, KEY)]
    assert download.login(f"{kaggle.address}.evil.example/x", kaggle_entry(urls[1])) is None
    assert download.login(urls[1], members_entry(urls[1])) is None


def test_a_name_that_kaggle_does_not_know(kaggle, path, target):
    url = kaggle.serve(path, ZIP, Behaviour(login=(USER, "another key")))
    message = refused(kaggle_entry(url), target)
    assert "HTTP 401 Unauthorized: Kaggle does not know this name and key" in message
    assert KEY not in message
    assert len(kaggle.ranges(path)) == 1


def test_rules_that_are_not_accepted(kaggle, path, target):
    url = kaggle.serve(path, ZIP, Behaviour(status=403))
    message = refused(kaggle_entry(url), target)
    rules = f"{kaggle.address}/c/a-competition/rules"
    assert f"HTTP 403 Forbidden: accept the rules of the competition at {rules}" in message
    assert KEY not in message


@pytest.mark.parametrize("variable", ["KAGGLE_USERNAME", "KAGGLE_KEY"])
@pytest.mark.parametrize("value", [None, "", " "])
def test_without_an_account_kaggle_is_not_asked(kaggle, path, target, monkeypatch, variable, value):
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    message = refused(kaggle_entry(kaggle.serve(path, ZIP)), target)
    assert kaggle.ranges(path) == []
    for told in (
        "needs an account of Kaggle: KAGGLE_USERNAME and KAGGLE_KEY are not set",
        f"accept the rules of its competition at {kaggle.address}/c/a-competition/rules",
        "set KAGGLE_USERNAME and KAGGLE_KEY in the environment",
        "The data must not be passed on",
        "as set/data.zip. Name that folder as `mirror:`",
        "the bundled edition needs no download",
    ):
        assert told in message


def test_a_mirror_needs_no_account(kaggle, path, target, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    (tmp_path / "mirror" / "set").mkdir(parents=True)
    (tmp_path / "mirror" / "set" / "data.zip").write_bytes(ZIP)
    one = kaggle_entry(kaggle.serve(path, ZIP))
    assert get(one, target, str(tmp_path / "mirror"))["source"] == "mirror: set/data.zip"
    assert kaggle.ranges(path) == []


def test_the_real_address_of_kaggle():
    assert download.KAGGLE == "https://www.kaggle.com"


# ---------------------------------------------------------------------------- the target


def test_folder_of_the_target_is_a_file(server, path, tmp_path):
    """A path that cannot be made, whoever asks: its parent is a file."""
    (tmp_path / "file").write_text("")
    message = refused(entry(server.serve(path, PACKED)), tmp_path / "file" / "data.gz")
    assert "cannot be written" in message
    assert server.ranges(path) == []


READ_ONLY_CHILD = """
import os, sys
from pathlib import Path
from kerasbook.catalogue import FileEntry
from kerasbook.download import fetch
from kerasbook.errors import KerasbookError
entry = FileEntry.model_validate_json(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    fetch("set", entry, Path("data.gz"))
except KerasbookError as error:
    print(error)
"""


def test_read_only_folder(server, path, tmp_path):
    """Permission bits do not stop root, so a child that is root becomes `nobody` first.

    It starts in the folder, since the folders above are closed to nobody in their own right.
    """
    folder = tmp_path / "read_only"
    folder.mkdir()
    folder.chmod(0o555)
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            READ_ONLY_CHILD,
            entry(server.serve(path, PACKED)).model_dump_json(),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert "data.gz: cannot be written (Permission denied)" in told.stdout, told.stderr
    assert list(folder.iterdir()) == []
    assert server.ranges(path) == []


FULL_CHILD = """
import resource, sys
from pathlib import Path
from kerasbook.catalogue import FileEntry
from kerasbook.download import fetch
from kerasbook.errors import KerasbookError
entry = FileEntry.model_validate_json(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    fetch("set", entry, Path(sys.argv[2]))
except KerasbookError as error:
    print(error)
"""


def test_a_write_that_the_system_refuses_midway(server, path, target):
    """A limit on the size of files stands in for a disk that fills up: it stops root too."""
    one = entry(server.serve(path, PACKED), "http://127.0.0.1:1/never-asked")
    told = subprocess.run(
        [sys.executable, "-c", FULL_CHILD, one.model_dump_json(), target],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
    )
    assert f"{target}: cannot be written (File too large)" in told.stdout, told.stderr
    assert "never-asked" not in told.stdout
    assert left_in(target) == []


def test_full_disk(server, path, target, monkeypatch):
    """The real error of a full device, from /dev/full, where the part would be opened."""
    url = server.serve(path, PACKED)
    opened = open

    def on_a_full_disk(name, mode="r", *args, **kwargs):
        return opened("/dev/full" if mode == "ab" else name, mode, *args, **kwargs)

    monkeypatch.setattr(download, "open", on_a_full_disk, raising=False)
    message = refused(entry(url), target)
    assert f"{target}: cannot be written ({os.strerror(errno.ENOSPC)})" in message
    assert "free space or choose another folder" in message


def test_target_is_a_folder(server, path, target):
    target.mkdir(parents=True)
    with pytest.raises(KerasbookError, match="cannot be written"):
        get(entry(server.serve(path, PACKED)), target)
    assert left_in(target) == ["data.gz"]


def test_memory_stays_small_for_a_bomb(tmp_path):
    """300 MB of zeros behind 300 kB: checking it must not hold them."""
    bomb = gzip.compress(bytes(300_000_000), compresslevel=9, mtime=0)
    path = tmp_path / "bomb.gz"
    path.write_bytes(bomb)
    one = entry("http://x.example/", bytes=len(bomb), content_bytes=290_000_000)
    code = """
import resource, sys
from pathlib import Path
from kerasbook.catalogue import FileEntry
from kerasbook import download
entry = FileEntry.model_validate_json(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    download.check_file(Path(sys.argv[2]), entry)
except download._NotTheFile:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    told = subprocess.run(
        [sys.executable, "-c", code, one.model_dump_json(), path],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(told.stdout) * unit < 30e6


def test_no_tensorflow_is_imported():
    code = "import sys, kerasbook.download; print('tensorflow' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "False"


@pytest.mark.book
def test_the_books_files_come_from_the_mirror(mirror, tmp_path):
    from kerasbook.catalogue import load_catalogue

    catalogue = load_catalogue(ROOT / "config" / "datasets.yaml")
    for name, dataset in catalogue.datasets.items():
        for one in dataset.files:
            if not (mirror / one.mirror).exists():
                assert one.md5 or name == "glove"  # files of 100 MB and more
                continue
            record = fetch(name, one, tmp_path / name / one.name, str(mirror))
            assert record["source"] == f"mirror: {one.mirror}"
            assert one.sha256 in (None, record["sha256"])
            assert record["content_sha256"] == one.content_sha256
