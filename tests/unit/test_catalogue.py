"""The catalogue of data sets: the shipped file, and every way in which an entry can be wrong."""

import copy
from pathlib import Path

import pytest
import yaml

from kerasbook.catalogue import Catalogue, FileEntry, load_catalogue
from kerasbook.download import check_file
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
MEMBERS = {
    "name": "x.zip",
    "bytes": None,
    "sha256": None,
    "most_bytes": 500,
    "content": "members",
    "members": "set/.*",
}
PICTURE = TABLE | {
    "name": "a.jpg",
    "role": "picture",
    "bytes": 300,
    "sha256": "b" * 64,
}
SMALL = {
    "datasets": {
        "points": WORDS | {"kind": "csv_points", "stand_in": "made", "files": [TABLE]},
        "made": WORDS | {"kind": "csv_points"},
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
    value["datasets"]["points"]["files"][0] |= file or {}
    value["datasets"]["points"] |= fields
    return value


def test_shipped_catalogue_has_the_data_of_the_first_chapters(shipped):
    assert {"intro_to_ann", "mnist", "two_moons", "digits"} <= set(shipped.datasets)
    for name, dataset in shipped.datasets.items():
        assert dataset.bundled == (dataset.stand_in is None), name


def test_shipped_catalogue_has_the_data_of_all_chapters(shipped):
    kinds = {name: one.kind for name, one in shipped.datasets.items() if not one.bundled}
    assert kinds == {
        "intro_to_ann": "csv_points",
        "mnist": "idx_images",
        "otto": "tables",
        "imdb": "labelled_texts",
        "nietzsche": "text",
        "blogs": "labelled_texts",
        "movie_reviews": "labelled_texts",
        "imagenet_samples": "pictures",
        "imagenet_classes": "class_index",
        "imagenet_mobilenet": "keras_weights",
        "imagenet_vgg16": "keras_weights",
        "imagenet_vgg19": "keras_weights",
        "imagenet_resnet50": "keras_weights",
        "imagenet_inception_v3": "keras_weights",
        "hymenoptera": "picture_folders",
        "glove": "word_vectors",
    }


def test_shipped_files_can_be_told_from_any_other(shipped):
    mirrors = []
    for dataset in shipped.datasets.values():
        for entry in dataset.files:
            assert entry.sha256 or entry.md5 or entry.content != "bytes", entry.name
            assert entry.bytes or entry.content != "bytes", entry.name
            ending = entry.name.removesuffix(".zip") if entry.kaggle else entry.name
            assert all(url.endswith("/" + ending) for url in entry.urls)
            assert entry.mirror.endswith("/" + entry.name)
            mirrors.append(entry.mirror)
    assert len(set(mirrors)) == len(mirrors)
    assert all(len(entry.urls) > 1 for entry in shipped.get("mnist").files)


def test_weights_are_those_that_keras_downloads(shipped):
    """Names, addresses and MD5s as the installed Keras has them in its source."""
    import importlib.util

    folder = Path(importlib.util.find_spec("keras").origin).parent / "src" / "applications"
    for name, module in (
        ("vgg16", "vgg16"),
        ("vgg19", "vgg19"),
        ("resnet50", "resnet"),
        ("inception_v3", "inception_v3"),
    ):
        (entry,) = shipped.get(f"imagenet_{name}").files
        source = (folder / f"{module}.py").read_text()
        assert f'"{entry.md5}"' in source
        address = entry.urls[0].removeprefix("https://storage.googleapis.com/tensorflow/")
        folder_of_url, file = address.rsplit("/", 1)
        joined = source.replace('"\n    "', "")
        assert f"{folder_of_url}/" in joined
        if name != "resnet50":  # whose name is put together from parts
            assert f"{folder_of_url}/{file}" in joined
    classes = (folder / "imagenet_utils.py").read_text()
    (entry,) = shipped.get("imagenet_classes").files
    assert entry.urls[0] in classes.replace('"\n    "', "")


def test_what_kaggle_gives_is_not_looked_for_elsewhere(shipped):
    for entry in shipped.get("otto").files:
        assert entry.kaggle == "otto-group-product-classification-challenge"
        assert all(url.startswith("https://www.kaggle.com/api/v1/") for url in entry.urls)
    assert "not to be redistributed" in " ".join(shipped.get("otto").licence.split())


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
    assert entry.limit > entry.content_bytes


def test_a_file_of_which_only_an_md5_is_known(tmp_path):
    wanted = {"name": "x.h5", "bytes": None, "sha256": None, "content_bytes": None}
    wanted |= {"content_sha256": None, "md5": "c" * 32, "most_bytes": 500}
    entry = load(tmp_path, changed(wanted)).get("points").files[0]
    assert (entry.limit, entry.content_id, entry.packed) == (500, "c" * 32, False)


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_a_file_known_by_its_members(tmp_path, name):
    entry = load(tmp_path, changed(MEMBERS | {"name": name})).get("points").files[0]
    assert not entry.packed
    assert entry.limit == 500


def test_a_file_as_it_is_given_to_a_job_is_the_same(shipped):
    for dataset in shipped.datasets.values():
        for entry in dataset.files:
            assert FileEntry.model_validate(entry.model_dump(mode="json")) == entry


def test_a_kind_with_several_files_of_one_role(tmp_path):
    value = changed(kind="pictures", files=[PICTURE, PICTURE | {"name": "b.jpg"}])
    value["datasets"]["made"]["kind"] = "pictures"
    points = load(tmp_path, value).get("points")
    assert [entry.name for entry in points.files] == ["a.jpg", "b.jpg"]
    assert len(points.digests()) == 2


def test_digests_change_with_content_and_names_alone(shipped):
    mnist = shipped.get("mnist")
    entry = mnist.files[0]
    moved = entry.model_copy(update={"urls": ["https://data.example/x"], "mirror": "other"})
    same = mnist.model_copy(update={"files": [moved, *mnist.files[1:]], "licence": "other"})
    assert same.digests() == mnist.digests()
    other = entry.model_copy(update={"content_sha256": "0" * 64})
    changed_one = mnist.model_copy(update={"files": [other, *mnist.files[1:]]})
    assert changed_one.digests() != mnist.digests()


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
        (changed({"content_sha256": None}), "found no content_bytes or no content_sha256"),
        (changed({"content_bytes": None}), "found no content_bytes or no content_sha256"),
        (changed(MEMBERS | {"content_bytes": None}), "found no content_bytes"),
        (changed(MEMBERS | {"content_sha256": None, "md5": "c" * 32}), "found no content_bytes"),
        (changed({"md5": "c" * 64}), "expected an MD5 as 32 lower-case hex digits"),
        (changed(MEMBERS | {"members": None}), "found members None with content 'members'"),
        (changed({"members": ".*"}), "found members '.*' with content 'bytes'"),
        (changed(MEMBERS | {"members": "set/("}), "expected a regular expression"),
        (changed(MEMBERS | {"name": "x.gz"}), "expected a .zip or .tar.gz"),
        (changed(MEMBERS | {"most_bytes": None}), "found neither bytes nor most_bytes"),
        (changed({"most_bytes": 500}), "found bytes and most_bytes, expected one of them"),
        (changed({"content": "member"}), "found 'member' (did you mean 'members'?)"),
        (changed({"kaggle": "../x"}), "files.0.kaggle: found '../x'"),
        (changed({"role": "picture"}, kind="pictures", stand_in="made"), "of kind 'pictures'"),
        (changed(kind="pictures"), "expected exactly ['picture*'] for kind 'pictures'"),
        (changed(kind="labelled_texts"), "or ['review_archive'] for kind 'labelled_texts'"),
        (changed({"bytes": 0}), "files.0.bytes: found 0"),
        (changed({"bytes": "100"}), "files.0.bytes: found '100'"),
        (changed({"bytes": None}), "found sha256 without bytes"),
        (changed({"name": "x.csv"}), "expected equal sizes for a file that is not packed"),
        (changed({"name": "x.csv", "bytes": 300}), "to be equal for a file that is not packed"),
        (changed({"urs": []}), "files.0.urs: unknown key (did you mean 'urls'?)"),
        (changed({"role": "tables"}), "found files with the roles ['tables']"),
        (changed(files=[TABLE, TABLE]), "found files with the roles ['table', 'table']"),
        (changed(kind="csv_point"), "found 'csv_point' (did you mean 'csv_points'?)"),
        (changed(files=[]), "found stand_in 'made' with 0 files"),
        (changed(stand_in=None), "found stand_in None with 1 files"),
        (changed(stand_in="mad"), "points.stand_in: found 'mad' (did you mean 'made'?)"),
        (changed(stand_in="points"), "of kind 'csv_points' without files: made"),
        (changed(licence=""), "points.licence"),
        ({"datasets": {"../x": WORDS | {"kind": "text"}}}, "'../x'"),
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
    """Of all files but those that no mirror of the tests holds."""
    absent = set()
    for name, dataset in shipped.datasets.items():
        for entry in dataset.files:
            path = mirror / entry.mirror
            if not path.exists():
                absent.add(name)
                continue
            found = check_file(path, entry)
            assert found["content_sha256"] == entry.content_sha256
            assert entry.sha256 in (None, found["sha256"])
    assert absent <= {
        "imagenet_vgg16",
        "imagenet_vgg19",
        "imagenet_resnet50",
        "imagenet_inception_v3",
        "glove",
    }
