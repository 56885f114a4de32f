"""Arrays in files: the same bytes for equal arrays, and no pickled objects."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from kerasbook.arrays import load_npz, save_npz
from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_arrays


def test_npz_round_trip_with_equal_bytes(tmp_path):
    arrays = {"x": np.linspace(0, 1, 7), "y": np.array(["a", "bc"]), "n": np.array(3)}
    save_npz(tmp_path / "a.npz", **arrays)
    save_npz(tmp_path / "b.npz", **arrays)
    loaded = load_npz(tmp_path / "a.npz")
    assert digest_of_arrays(loaded) == digest_of_arrays(arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_npz_refuses_objects_and_other_names(tmp_path):
    with pytest.raises(ValueError, match="no array of objects"):
        save_npz(tmp_path / "a.npz", x=np.array([{}, None], dtype=object))
    with pytest.raises(ValueError, match=r"ends in \.npz"):
        save_npz(tmp_path / "a.bin", x=np.zeros(1))
    assert list(tmp_path.iterdir()) == []


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


def damaged(path: Path, kind: str) -> None:
    save_npz(path, x=np.arange(1000))
    whole = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[:-100])
    elif kind == "flipped":
        path.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "other":
        path.write_bytes(b"hello")
    elif kind == "single":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "pickled":
        np.savez(path, x=np.array([Evil()], dtype=object))
    elif kind == "no array":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", b"\x93NUMPY\x01\x00\xff\xff")


@pytest.mark.parametrize(
    "kind", ["truncated", "flipped", "empty", "other", "single", "pickled", "no array"]
)
def test_damaged_npz_is_told(tmp_path, kind):
    path = tmp_path / "a.npz"
    damaged(path, kind)
    with pytest.raises(KerasbookError, match=r"no readable file of arrays .*run snakemake again"):
        load_npz(path)


def test_missing_npz_is_told(tmp_path):
    with pytest.raises(KerasbookError, match="not found"):
        load_npz(tmp_path / "a.npz")
