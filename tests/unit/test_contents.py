"""Digests of what a file holds: the same for other packings, another for any other content."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasbook.archives import ArchiveError
from kerasbook.contents import ContentError, members_digest, tensors_digest
from tests.unit.archive_examples import tar_gz, zipped

FILES = [("set/b.txt", b"second"), ("set/a.txt", b"first"), ("set/notes", b"not counted")]
PATTERN = r"set/[a-z]\.txt"


def digest_of(tmp_path: Path, name: str, content: bytes) -> tuple[str, int]:
    (tmp_path / name).write_bytes(content)
    return members_digest(tmp_path / name, PATTERN, 100)


def test_members_are_digested_whatever_the_packing(tmp_path):
    found = {
        digest_of(tmp_path, "x.tar.gz", tar_gz(FILES)),
        digest_of(tmp_path, "x.tar.gz", tar_gz(FILES[1::-1])),
        digest_of(tmp_path, "x.zip", zipped(FILES)),
        digest_of(tmp_path, "x.zip", zipped(FILES, zipfile.ZIP_STORED)),
    }
    assert len(found) == 1
    assert next(iter(found))[1] == len(b"firstsecond")


def test_members_are_digested_as_sha256sum_prints_them(tmp_path):
    found, _ = digest_of(tmp_path, "x.zip", zipped(FILES))
    (tmp_path / "set").mkdir()
    for name, content in FILES[:2]:
        (tmp_path / name).write_bytes(content)
    printed = subprocess.run(
        ["sha256sum", "set/a.txt", "set/b.txt"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    assert found == hashlib.sha256(printed).hexdigest()


@pytest.mark.parametrize(
    "files",
    [
        [("set/b.txt", b"Second"), FILES[1]],
        [("set/c.txt", b"second"), FILES[1]],
        FILES[:1],
        [*FILES, ("set/d.txt", b"")],
    ],
)
def test_other_members_have_another_digest(tmp_path, files):
    assert digest_of(tmp_path, "x.zip", zipped(files)) != digest_of(
        tmp_path, "y.zip", zipped(FILES)
    )


def test_an_archive_without_such_members(tmp_path):
    with pytest.raises(ContentError, match="no file in the archive whose path fits"):
        digest_of(tmp_path, "x.zip", zipped(FILES[2:]))


def test_more_than_is_expected_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match="more than the expected 100 bytes"):
        digest_of(tmp_path, "x.zip", zipped([("set/a.txt", bytes(101))]))


# ---------------------------------------------------------------------------- weights

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)
LAYERS = {"conv": {"kernel:0": KERNEL, "bias:0": np.ones(3, np.float32)}, "relu": {}}


def weights(path: Path, layers: dict = LAYERS, **options) -> Path:
    """A file in the layout of Keras 1 and 2."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for layer, values in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in values]
            for name, array in values.items():
                group.create_dataset(f"{layer}/{name}", data=array, **options)
    return path


def test_weights_are_digested_whatever_the_file(tmp_path):
    plain = tensors_digest(weights(tmp_path / "a.h5"), 1000)
    packed = tensors_digest(weights(tmp_path / "b.h5", compression="gzip"), 1000)
    turned = tensors_digest(weights(tmp_path / "c.h5", dict(reversed(LAYERS.items()))), 1000)
    renamed = {"conv": {"depthwise_kernel:0": KERNEL, "bias:0": np.ones(3, np.float32)}}
    assert plain == packed == turned == tensors_digest(weights(tmp_path / "d.h5", renamed), 1000)
    assert plain[1] == 36


@pytest.mark.parametrize(
    "layer",
    [
        {"kernel:0": KERNEL + 1, "bias:0": np.ones(3, np.float32)},
        {"kernel:0": KERNEL.reshape(3, 2), "bias:0": np.ones(3, np.float32)},
        {"kernel:0": KERNEL.view(np.int32), "bias:0": np.ones(3, np.float32)},
        {"bias:0": np.ones(3, np.float32), "kernel:0": KERNEL},
        {"kernel:0": KERNEL},
    ],
)
def test_other_weights_have_another_digest(tmp_path, layer):
    usual = tensors_digest(weights(tmp_path / "a.h5"), 1000)
    assert tensors_digest(weights(tmp_path / "b.h5", {"conv": layer}), 1000) != usual


def test_weights_of_another_layer_have_another_digest(tmp_path):
    usual = tensors_digest(weights(tmp_path / "a.h5"), 1000)
    assert tensors_digest(weights(tmp_path / "b.h5", {"cond": LAYERS["conv"]}), 1000) != usual


def edited(path: Path, edit) -> Path:
    weights(path)
    with h5py.File(path, "a") as file:
        edit(file)
    return path


def elsewhere(file) -> None:
    other = Path(file.filename).with_name("other.h5")
    weights(other)
    del file["conv"]
    file["conv"] = h5py.ExternalLink(str(other), "/conv")


def raw_elsewhere(file) -> None:
    other = Path(file.filename).with_name("raw.bin")
    other.write_bytes(bytes(24))
    del file["conv/conv/kernel:0"]
    file.create_dataset("conv/conv/kernel:0", (2, 3), "f4", external=[(str(other), 0, 24)])


def huge(file) -> None:
    del file["conv/conv/kernel:0"]
    file.create_dataset("conv/conv/kernel:0", (1 << 40,), "f4", chunks=(1 << 16,))


def texts(file) -> None:
    del file["conv/conv/kernel:0"]
    file["conv/conv/kernel:0"] = ["text"]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda file: file.attrs.pop("layer_names"), "none of Keras's"),
        (lambda file: file["conv"].attrs.pop("weight_names"), "none of Keras's"),
        (lambda file: file.pop("conv/conv/bias:0"), "found a link in place of 'conv/bias:0'"),
        (lambda file: file.pop("conv"), "found a link in place of 'conv'"),
        (elsewhere, "found a link in place of 'conv'"),
        (raw_elsewhere, "in another file"),
        (huge, "more than the expected 1,000 bytes of weights"),
        (texts, "found the type object"),
    ],
)
def test_files_that_are_no_weights(tmp_path, edit, told):
    with pytest.raises(ContentError, match=told):
        tensors_digest(edited(tmp_path / "a.h5", edit), 1000)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89HDF\r\n\x1a\n" + bytes(50)])
def test_files_that_are_no_hdf5(tmp_path, content):
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(ContentError, match="HDF5 file"):
        tensors_digest(tmp_path / "a.h5", 1000)


def test_truncated_weights(tmp_path):
    path = weights(tmp_path / "a.h5")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ContentError, match="damaged HDF5 file"):
        tensors_digest(path, 1000)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        tensors_digest(tmp_path / "a.h5", 1000)
