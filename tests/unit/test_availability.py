"""What can be had is found out before any job, and told in one message."""

import hashlib
import re
import time
from pathlib import Path

import pytest

from kerasbook import availability, download
from kerasbook.availability import message, missing, reason
from kerasbook.catalogue import Catalogue, Dataset, FileEntry, load_catalogue
from kerasbook.download import kept_path
from kerasbook.errors import KerasbookError
from tests.misbehaving_server import Behaviour, MisbehavingServer, closed_port

ROOT = Path(__file__).resolve().parents[2]
BODY = b"some weights" * 100
WORDS = {"licence": "L", "citation": "C", "homepage": "https://data.example/"}


@pytest.fixture(scope="module")
def server():
    with MisbehavingServer() as one:
        yield one


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def path(request):
    """An address of the test's own on the shared server."""
    return re.sub(r"\W", "_", request.node.name)


def entry(*urls: str, name: str = "data.h5", **changes) -> FileEntry:
    fields = {"name": name, "role": "weights", "urls": list(urls), "mirror": f"set/{name}"}
    fields |= {"bytes": len(BODY), "md5": hashlib.md5(BODY, usedforsecurity=False).hexdigest()}
    return FileEntry(**fields | changes)


def catalogue(*entries: FileEntry, **more: FileEntry) -> Catalogue:
    """The data set `set` of these files, and others of one file each."""
    made = Dataset(title="Made", kind="keras_weights", **WORDS)
    files = {"set": entries} | {name: (one,) for name, one in more.items()}
    sets = {
        name: Dataset.model_construct(
            title=f"The {name}", kind="keras_weights", stand_in="made", files=list(several), **WORDS
        )
        for name, several in files.items()
    }
    return Catalogue.model_construct(datasets=sets | {"made": made})


def faults(found: dict, name: str = "set") -> dict[str, str]:
    return {place: fault for file in found[name].files for place, fault in file.looked}


def test_what_an_address_has_is_not_missing(server, path, tmp_path):
    one = entry(server.serve(path, BODY))
    assert missing(catalogue(one), ["set"], None, tmp_path) == {}
    assert [method for method, at in server.methods if at == f"/{path}"] == ["HEAD"]


@pytest.mark.parametrize("where", ["raw", "kept", "mirror"])
def test_what_lies_here_asks_no_network(server, path, tmp_path, where):
    one = entry(server.serve(path, BODY))
    raw = tmp_path / "raw"
    place = {
        "raw": raw / "set" / "data.h5",
        "kept": kept_path(one, raw),
        "mirror": tmp_path / "mirror" / "set" / "data.h5",
    }[where]
    place.parent.mkdir(parents=True)
    place.write_bytes(BODY)
    place.with_name("data.h5.json").write_text("{}")  # the record of the download
    assert missing(catalogue(one), ["set"], str(tmp_path / "mirror"), raw) == {}
    assert server.ranges(path) == []


def test_a_file_of_another_size_is_not_taken_for_it(server, path, tmp_path):
    gone = server.serve(path, b"", Behaviour(status=404))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.h5").write_bytes(BODY[:7])
    found = missing(catalogue(entry(gone)), ["set"], str(tmp_path), tmp_path)
    assert faults(found)[str(tmp_path / "set" / "data.h5")] == (
        "found 7 bytes, expected 1,200 bytes"
    )


@pytest.mark.parametrize("there", [True, False])
def test_a_mirrors_file_of_the_right_size_and_other_content_is_not_taken_for_it(
    server, path, tmp_path, there
):
    """Its download would fail in the middle of the run; where an address has it, it would not."""
    url = server.serve(path, BODY, *([] if there else [Behaviour(status=404)]))
    place = tmp_path / "mirror" / "set" / "data.h5"
    place.parent.mkdir(parents=True)
    place.write_bytes(BODY[::-1])
    found = missing(catalogue(entry(url)), ["set"], str(tmp_path / "mirror"), tmp_path)
    if there:
        assert found == {}
    else:
        assert faults(found)[str(place)].startswith("wrong digest: found MD5")
        assert reason("set", found["set"]).endswith("cannot be had: HTTP 404 Not Found")


@pytest.mark.parametrize("where", ["raw", "kept"])
def test_what_was_downloaded_is_known_by_its_size_and_the_mirror_is_not_read(
    tmp_path, monkeypatch, where
):
    one, raw = entry("http://127.0.0.1:1/x"), tmp_path / "raw"
    own = {"raw": raw / "set" / "data.h5", "kept": kept_path(one, raw)}[where]
    for place in (own, tmp_path / "mirror" / "set" / "data.h5"):
        place.parent.mkdir(parents=True)
        place.write_bytes(BODY)
    own.with_name("data.h5.json").write_text("{}")
    monkeypatch.setattr(availability, "require_file", lambda *_: pytest.fail("a file was read"))
    assert missing(catalogue(one), ["set"], str(tmp_path / "mirror"), raw) == {}


def test_a_file_that_no_download_brought_is_told(server, path, tmp_path):
    """Snakemake would remove it, to make it and its record anew."""
    gone = server.serve(path, b"", Behaviour(status=404))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "data.h5").write_bytes(BODY)
    found = missing(catalogue(entry(gone)), ["set"], None, tmp_path)
    assert "put it into a mirror folder" in faults(found)[str(tmp_path / "set" / "data.h5")]


def test_bundled_data_is_never_missing(tmp_path):
    shipped = load_catalogue(ROOT / "config" / "datasets.yaml")
    names = [name for name, one in shipped.datasets.items() if one.bundled]
    assert len(names) > 5
    assert missing(shipped, names, None, tmp_path) == {}


def test_unknown_names_and_mirrors_are_told(tmp_path):
    one = catalogue(entry("http://127.0.0.1:1/x"))
    with pytest.raises(KerasbookError, match="found 'sets' \\(did you mean 'set'"):
        missing(one, ["sets"], None, tmp_path)
    with pytest.raises(KerasbookError, match="mirror: found 'ftp://x'"):
        missing(one, ["set"], "ftp://x", tmp_path)


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (Behaviour(status=404), "HTTP 404 Not Found"),
        (Behaviour(status=403), "HTTP 403 Forbidden"),
        (Behaviour(status=500), "HTTP 500 Internal Server Error"),
        (Behaviour(content_type="text/html", declare_length=False), "but with an HTML page"),
        (Behaviour(status=302, headers={"Location": "file:///etc/passwd"}), "not followed"),
    ],
)
def test_what_an_address_answers_is_told(server, path, tmp_path, behaviour, told):
    url = server.serve(path, BODY, behaviour)
    found = missing(catalogue(entry(url)), ["set"], None, tmp_path)
    assert told in faults(found)[url]
    assert told in message(found)
    assert told in reason("set", found["set"])


def test_an_answer_of_another_size_is_told(server, path, tmp_path):
    url = server.serve(path, BODY[:-1])
    found = missing(catalogue(entry(url)), ["set"], None, tmp_path)
    assert faults(found)[url] == "found 1,199 bytes, expected 1,200 bytes"


@pytest.mark.parametrize("status", [403, 405, 500, 501])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_does_not_take_head_is_asked_for_one_byte(
    server, path, tmp_path, status, ranges
):
    url = server.serve(path, BODY, Behaviour(head_status=status, ranges=ranges))
    assert missing(catalogue(entry(url)), ["set"], None, tmp_path) == {}
    assert [method for method, at in server.methods if at == f"/{path}"] == ["HEAD", "GET"]
    assert server.ranges(path)[1] == "bytes=0-0"


def test_a_file_of_gigabytes_is_not_fetched_to_see_whether_it_is_there(server, path, tmp_path):
    """The server takes neither HEAD nor a range and sends slowly: only the headers are read."""
    body = bytes(20_000_000)
    slow = Behaviour(head_status=405, ranges=False, pause=0.1)
    one = entry(server.serve(path, body, slow), bytes=len(body))
    began = time.monotonic()
    assert missing(catalogue(one), ["set"], None, tmp_path) == {}
    assert time.monotonic() - began < 5


def test_the_second_address_and_the_mirrors_address_count(server, path, tmp_path):
    gone = server.serve(path + "_gone", b"", Behaviour(status=404))
    there = server.serve(path, BODY)
    assert missing(catalogue(entry(gone, there)), ["set"], None, tmp_path) == {}
    server.serve(f"{path}/set/data.h5", BODY)
    mirror = f"{server.address}/{path}"
    assert missing(catalogue(entry(gone)), ["set"], mirror, tmp_path) == {}
    found = missing(catalogue(entry(gone)), ["set"], mirror + "/other", tmp_path)
    assert list(faults(found))[1:] == [f"{mirror}/other/set/data.h5", gone]


def test_nobody_listens(tmp_path):
    url = f"http://127.0.0.1:{closed_port()}/x"
    found = missing(catalogue(entry(url)), ["set"], None, tmp_path)
    assert "no connection" in faults(found)[url]


def test_stalling_servers_are_waited_for_together_and_not_long(server, path, tmp_path):
    slow = [server.serve(f"{path}{n}", BODY, Behaviour(wait=20)) for n in range(8)]
    files = [entry(url, name=f"{n}.h5") for n, url in enumerate(slow)]
    began = time.monotonic()
    found = missing(catalogue(*files), ["set"], None, tmp_path, timeout=0.5)
    assert time.monotonic() - began < 3
    assert all(
        "no answer within" in fault for fault in faults(found).values() if "such" not in fault
    )
    assert len(found["set"].files) == 8


def test_asking_ends_even_if_a_name_is_looked_up_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(availability, "fault_of_address", lambda *_: time.sleep(30))
    began = time.monotonic()
    found = missing(catalogue(entry("http://x.example/")), ["set"], None, tmp_path, timeout=0.2)
    assert time.monotonic() - began < 3
    assert faults(found)["http://x.example/"] == "no answer within 0.8 s"


def test_only_what_is_missing_is_told(server, path, tmp_path):
    gone = server.serve(path + "_gone", b"", Behaviour(status=404))
    there = server.serve(path, BODY)
    files = [entry(there, name="there.h5"), entry(gone, name="b.h5")]
    sets = catalogue(*files, other=entry(there), lost=entry(gone))
    found = missing(sets, ["other", "lost", "set", "lost"], None, tmp_path)
    assert list(found) == ["lost", "set"]
    assert [file.entry.name for file in found["set"].files] == ["b.h5"]
    told = message(found)
    assert "set: The set" in told
    assert "lost: The lost" in told
    assert "there.h5" not in told
    assert "The other" not in told


def test_the_message_says_where_it_was_looked_for_and_what_to_do(server, path, tmp_path):
    gone = server.serve(path, b"", Behaviour(status=404))
    found = missing(catalogue(entry(gone)), ["set"], str(tmp_path / "m"), tmp_path / "raw")
    told = message(found)
    for part in (
        "Nothing was run",
        "data.h5 (1,200 bytes); looked for at",
        f"{tmp_path}/raw/set/data.h5: no such file",
        f"{tmp_path}/m/set/data.h5: no such file",
        f"{gone}: HTTP 404 Not Found",
        "as set/data.h5. Name that folder as `mirror:`",
        "`missing_data: skip`",
        "the bundled edition needs no download",
    ):
        assert part in told
    assert "Kaggle" not in told


def test_the_reason_for_a_table_is_one_sentence_without_paths(server, path, tmp_path):
    gone = [server.serve(f"{path}{n}", b"", Behaviour(status=404 + n)) for n in range(2)]
    files = [entry(gone[0], name="a.h5"), entry(gone[1], name="b.h5"), entry(gone[1], name="c.h5")]
    found = missing(catalogue(*files), ["set"], str(tmp_path), tmp_path)
    told = reason("set", found["set"])
    assert told == (
        "a.h5 and 2 more of the data set set cannot be had: HTTP 404 Not Found; "
        "HTTP 405 Method Not Allowed"
    )
    one = missing(catalogue(files[0]), ["set"], str(tmp_path), tmp_path)
    assert reason("set", one["set"]) == "a.h5 of the data set set cannot be had: HTTP 404 Not Found"


# ---------------------------------------------------------------------------- Kaggle


@pytest.fixture
def kaggle(server, monkeypatch):
    monkeypatch.setattr(download, "KAGGLE", server.address)
    monkeypatch.setenv("KAGGLE_USERNAME", "a-learner")
    monkeypatch.setenv("KAGGLE_KEY", "s3cret")
    return server


def test_kaggle_without_an_account_is_not_asked(kaggle, path, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_KEY")
    one = entry(kaggle.serve(path, BODY), kaggle="a-competition")
    found = missing(catalogue(one), ["set"], None, tmp_path)
    assert kaggle.ranges(path) == []
    assert "KAGGLE_USERNAME and KAGGLE_KEY are not set" in reason("set", found["set"])
    assert f"accept the rules of its competition at {kaggle.address}/c/a-competition" in message(
        found
    )


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (Behaviour(login=("a-learner", "s3cret")), None),
        (Behaviour(login=("a-learner", "s3cret"), head_status=403), None),
        (Behaviour(login=("a-learner", "other")), "Kaggle does not know this name and key"),
        (Behaviour(status=403), "accept the rules of the competition at"),
    ],
)
def test_kaggle_with_an_account(kaggle, path, tmp_path, behaviour, told):
    one = entry(kaggle.serve(path, BODY, behaviour), kaggle="a-competition")
    found = missing(catalogue(one), ["set"], None, tmp_path)
    if told is None:
        assert found == {}
    else:
        assert told in reason("set", found["set"])
        assert "s3cret" not in message(found)


@pytest.mark.book
def test_a_whole_mirror_is_right_and_looked_through_in_seconds(mirror, tmp_path):
    shipped = load_catalogue(ROOT / "config" / "datasets.yaml")
    names = [
        name
        for name, one in shipped.datasets.items()
        if all((mirror / file.mirror).exists() for file in one.files)
    ]
    began = time.monotonic()
    assert missing(shipped, names, str(mirror), tmp_path) == {}
    assert time.monotonic() - began < 20
