"""The catalogue of data sets: the shipped file, and every way in which an entry can be wrong."""

import copy
import hashlib
from pathlib import Path

import pytest
import yaml

from kerasbook.catalogue import Catalogue, load_catalogue
from kerasbook.errors import KerasbookError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "config" / "datasets.yaml"

TABLE = {
    "name": "points.csv.gz",
    "role": "table",
    "urls": ["https://data.example/points.csv.gz"],
    "mirror": "points/points.csv.gz",
    "bytes": 100,
    "sha256": "a" * 64,
    "content_bytes": 300,
    "content_sha256": "b" * 64,
}
WORDS = {
    "title": "T",
    "licence": "L",
    "citation": "C",
    "homepage": "https://data.example/",
}
SMALL = {
    "datasets": {
        "points": WORDS | {"kind": "csv_points", "stand_in": "made", "files": [TABLE]},
        "made": WORDS | {"kind": "bundled"},
    }
}


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return load_catalogue(SHIPPED)


def load(tmp_path: Path, value: object) -> Catalogue:
    path = tmp_path / "datasets.yaml"
    path.write_text(yaml.safe_dump(value))
    return load_catalogue(path)


def changed(file: dict | None = None, **fields) -> dict:
    value = copy.deepcopy(SMALL)
    value["datasets"]["points"] |= fields
    value["datasets"]["points"]["files"][0] |= file or {}
    return value


def test_shipped_catalogue_has_the_data_of_the_first_chapters(shipped):
    assert {"intro_to_ann", "mnist", "two_moons", "digits"} <= set(shipped.datasets)
    for name, dataset in shipped.datasets.items():
        assert (dataset.kind == "bundled") == (not dataset.files), name


def test_shipped_files_have_exact_digests_and_more_than_one_source(shipped):
    for dataset in shipped.datasets.values():
        for entry in dataset.files:
            assert entry.sha256 is not None
            assert entry.most_bytes == entry.bytes
            assert all(url.endswith("/" + entry.name) for url in entry.urls)
            assert entry.mirror.endswith("/" + entry.name)
    assert all(len(entry.urls) > 1 for entry in shipped.get("mnist").files)


def test_editions_resolve_to_what_stands_in(shipped):
    assert shipped.resolve("mnist", "book") == "mnist"
    assert shipped.resolve("mnist", "bundled") == "digits"
    assert shipped.resolve("mnist", "smoke") == "digits"
    assert shipped.resolve("intro_to_ann", "bundled") == "two_moons"
    assert shipped.resolve("digits", "book") == "digits"
    assert shipped.resolve("digits", "bundled") == "digits"


def test_unknown_names_are_told_with_the_nearest(shipped):
    with pytest.raises(KerasbookError, match="found 'mnits' \\(did you mean 'mnist'\\?\\)"):
        shipped.get("mnits")
    with pytest.raises(KerasbookError, match="found 'bok' \\(did you mean 'book'\\?\\)"):
        shipped.resolve("mnist", "bok")
    with pytest.raises(KerasbookError, match=r"did you mean 'train-labels-idx1-ubyte\.gz'"):
        shipped.get("mnist").file("train-labels")
    with pytest.raises(KerasbookError, match="made from installed libraries"):
        shipped.get("digits").file("x")


def test_files_by_role_and_by_name(shipped):
    mnist = shipped.get("mnist")
    entry = mnist.by_role("test_labels")
    assert entry.name == "t10k-labels-idx1-ubyte.gz"
    assert mnist.file(entry.name) == entry


def test_a_small_catalogue_is_taken(tmp_path):
    catalogue = load(tmp_path, SMALL)
    assert catalogue.get("points").files[0].packed
    assert not catalogue.get("made").files


def test_a_file_may_be_packed_in_several_ways(tmp_path):
    entry = load(tmp_path, changed({"bytes": None, "sha256": None})).get("points").files[0]
    assert entry.most_bytes > entry.content_bytes


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (changed({"urls": ["ftp://data.example/x"]}), "files.0.urls.0: found 'ftp://"),
        (changed({"urls": ["file:///etc/passwd"]}), "found 'file:///etc/passwd'"),
        (changed({"urls": ["https:///x"]}), "found 'https:///x'"),
        (changed({"urls": []}), "at least 1 item"),
        (changed(homepage="data.example"), "points.homepage: found 'data.example'"),
        (changed({"mirror": "../x"}), "files.0.mirror: found '../x'"),
        (changed({"mirror": "a/../../x"}), "found 'a/../../x'"),
        (changed({"mirror": "/x"}), "found '/x', expected a relative path"),
        (changed({"mirror": "a\\..\\x"}), "expected a relative path with forward slashes"),
        (changed({"mirror": "c:x"}), "expected a relative path"),
        (changed({"mirror": "a//x"}), "without empty parts"),
        (changed({"mirror": ""}), "without empty parts"),
        (changed({"mirror": "a\nb"}), "files.0.mirror"),
        (changed({"name": "../x.gz"}), "files.0.name: found '../x.gz'"),
        (changed({"name": "a/x.gz"}), "expected a plain file name"),
        (changed({"name": ".."}), "files.0.name: found '..'"),
        (changed({"name": ".x"}), "expected a plain file name"),
        (changed({"sha256": "a" * 63}), "expected a SHA-256 as 64 lower-case hex digits"),
        (changed({"content_sha256": "G" * 64}), "files.0.content_sha256: found 'GGG"),
        (changed({"content_sha256": None}), "files.0.content_sha256"),
        (changed({"bytes": 0}), "files.0.bytes: found 0"),
        (changed({"bytes": "100"}), "files.0.bytes: found '100'"),
        (changed({"bytes": None}), "found sha256 without bytes"),
        (changed({"name": "x.csv"}), "expected equal sizes for a file that is not packed"),
        (changed({"name": "x.csv", "bytes": 300}), "to be equal for a file that is not packed"),
        (changed({"urs": []}), "files.0.urs: unknown key (did you mean 'urls'?)"),
        (changed({"role": "tables"}), "found files with the roles ['tables']"),
        (changed(files=[TABLE, TABLE]), "found files with the roles ['table', 'table']"),
        (changed(kind="csv_point"), "found 'csv_point' (did you mean 'csv_points'?)"),
        (changed(kind="bundled"), "expected exactly [] for kind 'bundled'"),
        (changed(stand_in=None), "expected a stand_in for every kind but 'bundled'"),
        (changed(stand_in="mad"), "points.stand_in: found 'mad' (did you mean 'made'?)"),
        (changed(stand_in="points"), "expected a data set of kind 'bundled': made"),
        (changed(licence=""), "points.licence"),
        ({"datasets": {"../x": WORDS | {"kind": "bundled"}}}, "'../x'"),
        ({"dataset": {}}, "dataset: unknown key (did you mean 'datasets'?)"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path, value, told):
    with pytest.raises(KerasbookError) as caught:
        load(tmp_path, value)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "datasets.yaml"))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(KerasbookError, match="not found"):
        load_catalogue(tmp_path / "none.yaml")


@pytest.mark.book
def test_shipped_digests_are_those_of_the_real_files(shipped, mirror):
    for dataset in shipped.datasets.values():
        for entry in dataset.files:
            path = mirror / entry.mirror
            assert path.stat().st_size == entry.bytes
            assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
