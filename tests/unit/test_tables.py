"""The Otto tables: read as they are, and every way in which a table can be wrong."""

from pathlib import Path

import numpy as np
import pytest

from kerasbook.errors import KerasbookError
from kerasbook.tables import CLASSES, FEATURES, load_otto
from tests.unit.archive_examples import zipped

RNG = np.random.default_rng(5)
TRAIN = RNG.integers(0, 300, (4, 93))
TEST = RNG.integers(0, 300, (3, 93))
TARGETS = ["Class_9", "Class_1", "Class_1", "Class_2"]


def csv(values: np.ndarray, targets: list[str] | None = None, end: str = "\n") -> str:
    header = ["id", *FEATURES, *(["target"] if targets else [])]
    rows = [
        [str(number), *map(str, row), *([targets[number - 1]] if targets else [])]
        for number, row in enumerate(values, start=1)
    ]
    return end.join(",".join(cells) for cells in [header, *rows]) + end


def otto(tmp_path: Path, train: str | None = None, test: str | None = None) -> dict:
    train = csv(TRAIN, TARGETS) if train is None else train
    test = csv(TEST) if test is None else test
    for name, text in (("train.csv", train), ("test.csv", test)):
        (tmp_path / f"{name}.zip").write_bytes(zipped([(name, text.encode())]))
    return load_otto(tmp_path / "train.csv.zip", tmp_path / "test.csv.zip", 10_000)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_are_read_in_the_files_order(tmp_path, end):
    arrays = otto(tmp_path, csv(TRAIN, TARGETS, end), csv(TEST, end=end))
    assert np.array_equal(arrays["x_train"], TRAIN)
    assert np.array_equal(arrays["x_test"], TEST)
    assert arrays["y_train"].tolist() == [8, 0, 0, 1]
    assert arrays["classes"].tolist() == CLASSES
    assert arrays["id_test"].tolist() == [1, 2, 3]
    assert {name: str(array.dtype) for name, array in arrays.items() if name != "classes"} == {
        "x_train": "uint16",
        "x_test": "uint16",
        "y_train": "uint8",
        "id_test": "int64",
    }


TABLE = csv(TRAIN, TARGETS)
FIRST = ",".join(map(str, TRAIN[0][:3]))


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ("", "found '' in the first line, expected 'id'"),
        (TABLE.replace("feat_2,", "feat_two,"), "found 'feat_two' in the first line, expected"),
        (TABLE.replace("feat_1,feat_2", "feat_2,feat_1"), "found 'feat_2' in the first line"),
        (csv(TEST), "found '94 columns' in the first line, expected '95 columns'"),
        (TABLE.splitlines()[0] + "\n", "found no row"),
        (TABLE.replace(FIRST, "-1,0,0", 1), "found values from -1 to"),
        (TABLE.replace(FIRST, "65536,0,0", 1), "to 65536, expected counts from 0 to 65,535"),
        (TABLE.replace(FIRST, "0.5,0,0", 1), "a row that does not fit"),
        (TABLE.replace(FIRST, "many,0,0", 1), "a row that does not fit"),
        (TABLE.replace(FIRST, ",0,0", 1), "a row that does not fit"),
        (TABLE.replace(FIRST, "0,0,0,0", 1), "line 2: found 96 columns, expected 95"),
        (TABLE.replace(FIRST, "0,0", 1), "line 2: found 94 columns, expected 95"),
        (TABLE + "\n5,6\n", "line 6: found 1 columns, expected 95"),
        (TABLE.replace(FIRST, f"{10**30},0,0", 1), "a row that does not fit"),
        (TABLE.replace("Class_9", "Class_10"), "found the class 'Class_10', expected one of"),
        (TABLE.replace("Class_9", ""), "found the class 'nan'"),
        (TABLE.replace("\n2,", "\n1,"), "found the id 1 twice"),
    ],
)
def test_every_fault_of_a_table_is_told(tmp_path, train, told):
    with pytest.raises(KerasbookError) as caught:
        otto(tmp_path, train)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "train.csv.zip"))


def test_every_row_with_a_column_too_many(tmp_path):
    wide = "\n".join(line + ",7" * (number > 0) for number, line in enumerate(TABLE.splitlines()))
    with pytest.raises(KerasbookError, match="line 2: found 96 columns"):
        otto(tmp_path, wide)


def test_the_table_for_submission_is_checked_too(tmp_path):
    with pytest.raises(KerasbookError, match=r"test\.csv: found '95 columns'"):
        otto(tmp_path, test=TABLE)


def test_a_zip_without_the_table(tmp_path):
    otto(tmp_path)
    (tmp_path / "test.csv.zip").write_bytes(zipped([("other.csv", b"x")]))
    with pytest.raises(KerasbookError, match=r"test\.csv\.zip: found no test\.csv in it"):
        load_otto(tmp_path / "train.csv.zip", tmp_path / "test.csv.zip", 10_000)


def test_a_table_larger_than_expected(tmp_path):
    otto(tmp_path)
    with pytest.raises(KerasbookError, match="more than the expected 100 bytes"):
        load_otto(tmp_path / "train.csv.zip", tmp_path / "test.csv.zip", 100)


def test_a_missing_table_is_told(tmp_path):
    with pytest.raises(KerasbookError, match=r"train\.csv\.zip: cannot be read"):
        load_otto(tmp_path / "train.csv.zip", tmp_path / "test.csv.zip", 100)


@pytest.mark.book
def test_the_books_tables(mirror):
    arrays = load_otto(mirror / "otto/train.csv.zip", mirror / "otto/test.csv.zip", 27_912_710)
    assert arrays["x_train"].shape == (61_878, 93)
    assert arrays["x_test"].shape == (144_368, 93)
    assert np.bincount(arrays["y_train"])[:3].tolist() == [1929, 16122, 8004]
    assert np.array_equal(arrays["id_test"], np.arange(1, 144_369))
