"""The data sets as arrays: every header field, every row, and the bundled sets."""

import gzip
import hashlib
import pickle
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from kerasbook import bundled, data, texts
from kerasbook.catalogue import load_catalogue
from kerasbook.download import require_file
from kerasbook.errors import KerasbookError
from tests.unit.archive_examples import zipped

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue(ROOT / "config" / "datasets.yaml")


def idx(values: np.ndarray, code: int = 0x08) -> bytes:
    head = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    return head + values.tobytes()


def digest(arrays: dict[str, np.ndarray]) -> str:
    one = hashlib.sha256()
    for name in sorted(arrays):
        one.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        one.update(np.ascontiguousarray(arrays[name]).tobytes())
    return one.hexdigest()


# ---------------------------------------------------------------------------- idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def test_idx_is_read_as_a_view():
    raw = idx(IMAGES)
    array = data.parse_idx(raw, 3)
    assert np.array_equal(array, IMAGES)
    assert array.dtype == np.uint8
    assert not array.flags.writeable
    assert np.shares_memory(array, np.frombuffer(raw, np.uint8))


@pytest.mark.parametrize(("code", "dtype"), list(data.IDX_TYPES.items()))
def test_every_type_is_read_big_endian(code, dtype):
    values = np.array([1, 2, -3 if dtype.kind != "u" else 3], dtype)
    assert data.parse_idx(idx(values, code), 1).tolist() == values.tolist()


def test_idx_from_a_path(tmp_path):
    (tmp_path / "x.idx").write_bytes(idx(IMAGES))
    assert np.array_equal(data.parse_idx(tmp_path / "x.idx", 3), IMAGES)
    with pytest.raises(KerasbookError, match="cannot be read"):
        data.parse_idx(tmp_path / "none", 3)


GOOD = idx(IMAGES)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "found 0 bytes"),
        (GOOD[:3], "found 3 bytes"),
        (b"\x01" + GOOD[1:], "the first bytes 0100, expected two zero bytes"),
        (b"\x00\x01" + GOOD[2:], "the first bytes 0001, expected two zero bytes"),
        (GOOD[:2] + b"\x0a" + GOOD[3:], "the type code 0x0a, expected one of: 0x08"),
        (GOOD[:3] + b"\x02" + GOOD[4:], "found 2 dimensions, expected 3"),
        (GOOD[:10], "a header of 16 bytes; the file is too short"),
        (GOOD[:4] + struct.pack(">I", 0) + GOOD[8:], "found the shape (0, 3, 4)"),
        (GOOD[:4] + struct.pack(">I", 2**32 - 1) + GOOD[8:], "found the shape (4294967295, 3, 4)"),
        (GOOD[:4] + struct.pack(">I", 3) + GOOD[8:], "24 bytes, too short; expected 36"),
        (GOOD[:-1], "23 bytes, too short; expected 24"),
        (GOOD + b"\0", "too long; expected 24"),
    ],
)
def test_every_field_of_an_idx_header_is_checked(tmp_path, raw, told):
    with pytest.raises(KerasbookError) as caught:
        data.parse_idx(raw, 3, "some file")
    assert told in str(caught.value)
    assert str(caught.value).startswith("some file: ")
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(raw, mtime=0))
    with pytest.raises(KerasbookError) as caught:
        data.read_idx_gz(path, 3)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_sizes_that_overflow_64_bits_are_refused():
    raw = struct.pack(">HBB4I", 0, 8, 4, *[2**16] * 4)
    with pytest.raises(KerasbookError, match="found the shape"):
        data.parse_idx(raw, 4)


def test_idx_gz(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(GOOD, mtime=0))
    assert np.array_equal(data.read_idx_gz(path, 3), IMAGES)


@pytest.mark.parametrize(
    "packed",
    [
        b"no gzip at all",
        gzip.compress(GOOD, mtime=0)[:-12],
        gzip.compress(GOOD, mtime=0)[:-8] + b"\0\0\0\0" + gzip.compress(GOOD, mtime=0)[-4:],
    ],
)
def test_corrupt_idx_gz(tmp_path, packed):
    path = tmp_path / "x.gz"
    path.write_bytes(packed)
    with pytest.raises(KerasbookError, match="found a corrupt gzip"):
        data.read_idx_gz(path, 3)


def test_missing_idx_gz(tmp_path):
    with pytest.raises(KerasbookError, match=r"x\.gz: cannot be read .*run snakemake again"):
        data.read_idx_gz(tmp_path / "x.gz", 3)


def write_mnist(folder: Path, dataset, **changes) -> None:
    """Six training and four test images as the four files; `changes` by role."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (6, 28, 28), dtype=np.uint8),
        "train_labels": np.array([5, 0, 4, 1, 9, 2], np.uint8),
        "test_images": rng.integers(0, 256, (4, 28, 28), dtype=np.uint8),
        "test_labels": np.array([7, 2, 1, 0], np.uint8),
    } | changes
    for role, array in arrays.items():
        code = next(c for c, d in data.IDX_TYPES.items() if d == array.dtype)
        raw = gzip.compress(idx(array, code), mtime=0)
        (folder / dataset.by_role(role).name).write_bytes(raw)


def test_idx_images_and_labels(tmp_path, catalogue):
    mnist = catalogue.get("mnist")
    write_mnist(tmp_path, mnist)
    arrays = data.load_idx_images(tmp_path, mnist)
    assert {name: array.shape for name, array in arrays.items()} == {
        "x_train": (6, 28, 28),
        "y_train": (6,),
        "x_test": (4, 28, 28),
        "y_test": (4,),
    }
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
    assert arrays["y_train"].tolist() == [5, 0, 4, 1, 9, 2]
    assert arrays["y_test"].tolist() == [7, 2, 1, 0]


@pytest.mark.parametrize(
    ("role", "array", "told"),
    [
        ("train_labels", np.zeros(5, np.uint8), "found 5 labels for 6 images"),
        ("test_labels", np.array([0, 1, 2, 10], np.uint8), "labels up to 10"),
        ("test_labels", np.zeros(4, np.int8), "int8 labels"),
        ("train_images", np.zeros((6, 28, 27), np.uint8), r"of \(28, 27\) pixels"),
        ("train_images", np.zeros((6, 28, 28), np.int8), "int8 images"),
        ("train_images", np.zeros((6, 784), np.uint8), "found 2 dimensions, expected 3"),
    ],
)
def test_files_that_do_not_fit_together(tmp_path, catalogue, role, array, told):
    mnist = catalogue.get("mnist")
    write_mnist(tmp_path, mnist, **{role: array})
    with pytest.raises(KerasbookError, match=told):
        data.load_idx_images(tmp_path, mnist)


# ---------------------------------------------------------------------------- points

HEADER = "Feature1,Feature2,Target"


def write_points(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "intro_to_ann.csv"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_points_with_any_line_end(tmp_path, end):
    path = write_points(tmp_path, end.join([HEADER, "2.067788388,0.258133225,1", "-1e-3,0.1,0"]))
    x, y = data.load_points(path)
    assert x.tolist() == [[2.067788388, 0.258133225], [-0.001, 0.1]]
    assert y.tolist() == [1, 0]
    assert (x.dtype, y.dtype) == (np.float64, np.int64)
    assert x.flags.c_contiguous


def test_points_are_the_nearest_doubles(tmp_path):
    values = np.random.default_rng(3).normal(size=(200, 2))
    lines = [f"{a!r},{b!r},0" for a, b in values.tolist()]
    x, _ = data.load_points(write_points(tmp_path, "\r".join([HEADER, *lines, ""])))
    assert np.array_equal(x, values)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found the first line ''"),
        ("Feature1,Target\r1,0", "found the first line 'Feature1,Target'"),
        ("1,2,0\r1,2,1", "found the first line '1,2,0'"),
        (HEADER, "found no row"),
        (f"{HEADER}\r1,2", "line 2: found 2 columns"),
        (f"{HEADER}\r1,2,1\r1,2,1,4", "line 3: found 4 columns"),
        (f"{HEADER}\r1,2,1\r\r1,2,1", "line 3: found 1 columns"),
        (f"{HEADER}\r1,x,1", "line 2: found '1,x,1', expected numbers"),
        (f"{HEADER}\r1,nan,1", "line 2: found '1,nan,1', expected finite numbers"),
        (f"{HEADER}\rinf,2,1", "line 2: found 'inf,2,1', expected finite numbers"),
        (f"{HEADER}\r1,2,2", "line 2: found the target '2', expected 0 or 1"),
        (f"{HEADER}\r1,2,1.0", "line 2: found the target '1.0', expected 0 or 1"),
        (f"{HEADER}\r1,2,\u0661", "not ASCII"),
    ],
)
def test_every_row_of_the_points_is_checked(tmp_path, text, told):
    with pytest.raises(KerasbookError) as caught:
        data.load_points(write_points(tmp_path, text))
    assert told in str(caught.value)


def test_missing_points(tmp_path):
    with pytest.raises(KerasbookError, match="cannot be read"):
        data.load_points(tmp_path / "none.csv")


# ---------------------------------------------------------------------------- bundled data


@pytest.fixture(scope="module")
def digits():
    return bundled.make_digits()


def test_digits_have_the_form_of_mnist(digits):
    assert digits["x_train"].shape == (1437, 28, 28)
    assert digits["x_test"].shape == (360, 28, 28)
    assert {array.dtype for array in digits.values()} == {np.dtype(np.uint8)}
    for part in ("train", "test"):
        x = digits[f"x_{part}"]
        assert x.max() == 255
        assert x[:, 4:24, 4:24].sum() == x.sum(dtype=np.int64)
        assert np.array_equal(np.unique(digits[f"y_{part}"]), np.arange(10))


def test_digits_keep_their_ink_and_their_place(digits):
    """Enlarged images, shrunk by averaging blocks, are the originals but for the blur."""
    from sklearn.datasets import load_digits

    images = load_digits().images
    everything = np.concatenate([digits["x_train"], digits["x_test"]])
    assert everything.mean() * 28**2 / 20**2 == pytest.approx(images.mean() * 255 / 16, rel=0.05)
    means = np.concatenate([digits["y_train"], digits["y_test"]])
    for digit in range(10):
        ours = everything[means == digit].mean(axis=0)[4:24, 4:24]
        small = ours.reshape(4, 5, 4, 5).mean(axis=(1, 3))
        theirs = images[load_digits().target == digit].mean(axis=0) * 255 / 16
        theirs = theirs.reshape(4, 2, 4, 2).mean(axis=(1, 3))
        assert np.corrcoef(small.ravel(), theirs.ravel())[0, 1] > 0.99


def test_digits_are_split_once_for_all_by_class(digits):
    rows = [{image.tobytes() for image in digits[f"x_{part}"]} for part in ("train", "test")]
    assert not rows[0] & rows[1]
    train, test = (np.bincount(digits[f"y_{part}"]) for part in ("train", "test"))
    assert np.all(np.abs(test - (train + test) * 360 / 1797) < 1)


def test_digits_are_the_same_in_every_call(digits):
    assert digest(bundled.make_digits()) == digest(digits)


def test_two_moons():
    x, y = bundled.make_two_moons()
    assert (x.shape, x.dtype, y.dtype) == ((500, 2), np.float64, np.int64)
    assert np.bincount(y).tolist() == [250, 250]
    assert digest(dict(zip("xy", bundled.make_two_moons()))) == digest({"x": x, "y": y})
    # A straight line must not solve them, or the chapter has nothing to show.
    line = np.linalg.lstsq(np.c_[x, np.ones(500)], y, rcond=None)[0]
    assert 0.8 < ((np.c_[x, np.ones(500)] @ line > 0.5) == y).mean() < 0.95


def test_bundled_data_does_not_touch_the_global_random_state():
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    bundled.make_two_moons()
    bundled.make_digits()
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("limit", [1, 7, 60, 99, 100])
def test_stratified_rows_sum_to_the_limit_and_keep_shares(limit):
    y = np.random.default_rng(0).permutation(np.repeat([3, 5, 9], [50, 30, 20]))
    rows = data.stratified_rows(y, limit)
    assert len(rows) == limit == len(set(rows.tolist()))
    assert np.all(np.diff(rows) > 0)
    counts = np.array([(y[rows] == k).sum() for k in (3, 5, 9)])
    assert np.all(np.abs(counts - np.array([50, 30, 20]) * limit / 100) < 1)


def test_stratified_rows_beyond_the_rows_there_are():
    assert data.stratified_rows(np.array([1, 0]), 10).tolist() == [0, 1]


def test_smoke_cuts_images_and_labels_alike(digits):
    smoke = data.make_smoke(digits, "idx_images")
    assert smoke["x_train"].shape == (300, 28, 28)
    assert smoke["x_test"].shape == (100, 28, 28)
    label_of = {x.tobytes(): y for x, y in zip(digits["x_test"], digits["y_test"])}
    assert [label_of[x.tobytes()] for x in smoke["x_test"]] == smoke["y_test"].tolist()
    assert set(smoke) == set(digits)


# ---------------------------------------------------------------------------- load_dataset


def write_raw(folder: Path, catalogue) -> None:
    """A small file for each of the book's data sets that are read into arrays."""
    write_mnist(folder / "mnist", catalogue.get("mnist"))
    for name in ("intro_to_ann", "otto", "nietzsche", "blogs", "movie_reviews"):
        (folder / name).mkdir()
    write_points(folder / "intro_to_ann", f"{HEADER}\r1,2,1\r3,4,0")
    features = ",".join(f"feat_{number}" for number in range(1, 94))
    row = ",".join("7" * 93)
    for name, table in (
        ("train.csv", f"id,{features},target\n1,{row},Class_2\n2,{row},Class_9\n"),
        ("test.csv", f"id,{features}\n1,{row}\n2,{row}\n"),
    ):
        packed = zipped([(name, table.encode())])
        (folder / "otto" / f"{name}.zip").write_bytes(packed)
    (folder / "nietzsche" / "nietzsche.txt").write_bytes(b"Supposing that truth")
    for sex in ("female", "male"):
        posts = pickle.dumps([f"a {sex} post"], 2)
        (folder / "blogs" / f"{sex}_blog_list.txt").write_bytes(posts)
    for label in ("neg", "pos"):
        (folder / "movie_reviews" / f"rt-polarity.{label}").write_bytes(b"a caf\xe9 \n")


def types(arrays: dict[str, np.ndarray]) -> dict[str, tuple]:
    """Types and dimensions; texts of whatever length."""
    return {
        name: ("text" if array.dtype.kind == "U" else array.dtype, array.ndim)
        for name, array in arrays.items()
    }


def test_each_edition_has_the_same_names_and_types(tmp_path, catalogue):
    write_raw(tmp_path, catalogue)
    for name, row in (
        ("mnist", "x_train"),
        ("intro_to_ann", "x"),
        ("otto", "y_train"),
        ("nietzsche", "text"),
        ("blogs", "labels"),
        ("movie_reviews", "labels"),
    ):
        book = data.load_dataset(name, catalogue, tmp_path, "book")
        assert len(book[row]) < 30
        sizes = [len(book[row])]
        for edition in ("smoke", "bundled"):
            other = data.load_dataset(name, catalogue, tmp_path / "nowhere", edition)
            sizes.append(len(other[row]))
            assert types(other) == types(book)
            if name != "otto":  # 93 columns, its stand-in 64
                assert {k: v.shape[1:] for k, v in other.items()} == {
                    k: v.shape[1:] for k, v in book.items()
                }
        assert sizes == sorted(sizes)
        assert len(set(sizes)) == 3


def test_pictures_come_from_their_module(tmp_path, catalogue):
    arrays = data.load_dataset("imagenet_samples", catalogue, tmp_path, "bundled")
    assert arrays["names"].tolist() == ["china", "flower", "hopper"]
    smoke = data.load_dataset("hymenoptera", catalogue, tmp_path, "smoke")
    whole = data.load_dataset("hymenoptera", catalogue, tmp_path, "bundled")
    assert 0 < len(smoke["x_train"]) < len(whole["x_train"])
    with pytest.raises(KerasbookError, match=r"hymenoptera_data\.zip: not found"):
        data.load_dataset("hymenoptera", catalogue, tmp_path, "book")
    with pytest.raises(KerasbookError, match=r"apricot_565\.jpeg: cannot be read"):
        data.load_dataset("imagenet_samples", catalogue, tmp_path, "book")


@pytest.mark.parametrize("edition", ["book", "bundled", "smoke"])
@pytest.mark.parametrize("name", ["imagenet_vgg16", "imagenet_classes", "glove"])
def test_files_that_are_read_as_they_are_have_no_arrays(tmp_path, catalogue, name, edition):
    with pytest.raises(KerasbookError, match=r"are read as they are; .* raw_data\(\)"):
        data.load_dataset(name, catalogue, tmp_path, edition)


def test_smoke_texts_keep_the_shares_of_labels_and_parts(tmp_path, catalogue):
    smoke = data.load_dataset("imdb", catalogue, tmp_path, "smoke")
    groups = np.bincount(2 * smoke["split"].astype(int) + smoke["labels"])
    assert groups.sum() == len(smoke["offsets"]) - 1 == data.SMOKE_TEXTS
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    assert abs(groups[0] - 2 * groups[2]) <= 1
    whole = data.load_dataset("imdb", catalogue, tmp_path, "bundled")
    assert set(texts.unpack(smoke["texts"], smoke["offsets"])) <= set(
        texts.unpack(whole["texts"], whole["offsets"])
    )


def test_smoke_edition_is_small(tmp_path, catalogue):
    assert len(data.load_dataset("intro_to_ann", catalogue, tmp_path, "smoke")["x"]) == 60
    assert len(data.load_dataset("intro_to_ann", catalogue, tmp_path, "bundled")["x"]) == 500
    smoke = data.load_dataset("mnist", catalogue, tmp_path, "smoke")
    assert (len(smoke["x_train"]), len(smoke["x_test"])) == (300, 100)


def test_book_edition_without_its_files_is_told(tmp_path, catalogue):
    with pytest.raises(KerasbookError, match=r"train-images-idx3-ubyte\.gz: cannot be read"):
        data.load_dataset("mnist", catalogue, tmp_path, "book")
    with pytest.raises(KerasbookError, match="did you mean 'mnist'"):
        data.load_dataset("mnits", catalogue, tmp_path, "book")


def test_bundled_data_that_nothing_makes_is_told(tmp_path, catalogue):
    made = {"faces": catalogue.get("digits")}
    other = catalogue.model_copy(update={"datasets": catalogue.datasets | made})
    with pytest.raises(KerasbookError, match="data set 'faces'"):
        data.load_dataset("faces", other, tmp_path, "bundled")


# ---------------------------------------------------------------------------- the book's data


@pytest.fixture
def raw(mirror, catalogue, tmp_path) -> Path:
    """The mirror's files laid out as the download leaves them."""
    for name, dataset in catalogue.datasets.items():
        for entry in dataset.files:
            link = tmp_path / name / entry.name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(mirror / entry.mirror)  # a file that is not there is not read
    return tmp_path


@pytest.mark.book
def test_the_books_mnist(raw, catalogue):
    arrays = data.load_dataset("mnist", catalogue, raw, "book")
    assert arrays["x_train"].shape == (60_000, 28, 28)
    assert arrays["x_test"].shape == (10_000, 28, 28)
    assert arrays["y_train"][:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(arrays["y_test"])[:3].tolist() == [980, 1135, 1032]


@pytest.mark.book
def test_the_books_points(raw, catalogue):
    arrays = data.load_dataset("intro_to_ann", catalogue, raw, "book")
    assert arrays["x"].shape == (500, 2)
    assert arrays["x"][0].tolist() == [2.067788388, 0.258133225]
    assert np.bincount(arrays["y"]).tolist() == [250, 250]


@pytest.mark.book
@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("otto", {"x_train": (61_878, 93), "x_test": (144_368, 93), "classes": (9,)}),
        ("nietzsche", {"text": (600_901,)}),
        ("blogs", {"labels": (4863,), "offsets": (4864,)}),
        ("movie_reviews", {"labels": (10_662,)}),
        ("imdb", {"labels": (50_000,), "split": (50_000,), "texts": (65_477_753,)}),
        ("imagenet_samples", {"names": (6,)}),
        ("hymenoptera", {"y_train": (244,), "y_val": (153,), "left_out": (1, 2)}),
    ],
)
def test_the_books_other_data(raw, catalogue, name, shapes):
    arrays = data.load_dataset(name, catalogue, raw, "book")
    assert {key: arrays[key].shape for key in shapes} == shapes


@pytest.mark.book
def test_imdb_is_checked_and_read_in_seconds(raw, catalogue):
    """One pass for the digest and one for the arrays; the limit is that of all preprocessing."""
    entry = catalogue.get("imdb").files[0]
    began = time.process_time()
    require_file(raw / "imdb" / entry.name, entry)
    data.load_dataset("imdb", catalogue, raw, "book")
    assert time.process_time() - began < 20
