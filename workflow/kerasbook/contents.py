"""Digests of what a file holds, the same however it was packed."""

import hashlib
from pathlib import Path

import numpy as np

from kerasbook.archives import members
from kerasbook.errors import KerasbookError


class ContentError(KerasbookError):
    """A file that is not of the kind that it should be."""


def members_digest(path: str | Path, pattern: str, most_bytes: int) -> tuple[str, int]:
    """The digest of an archive's files whose path matches: names and contents, not the packing.

    It is the SHA-256 of the lines `<SHA-256 of a file>  <its path>`, sorted by path, as
    `sha256sum` prints them.

    Args:
        most_bytes: what those files hold at most, in bytes.

    Returns:
        The digest, and the bytes that the files hold in all.

    Raises:
        ArchiveError: as `archives.members`.
        ContentError: no file of it matches.
        OSError: the file cannot be read.
    """
    lines, size = {}, 0
    for name, content in members(path, pattern, most_bytes):
        lines[name] = f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        size += len(content)
    if not lines:
        raise ContentError(f"found no file in the archive whose path fits '{pattern}'")
    listing = "".join(lines[name] for name in sorted(lines))
    return hashlib.sha256(listing.encode()).hexdigest(), size


def tensors_digest(path: str | Path, most_bytes: int) -> tuple[str, int]:
    """The digest of a Keras HDF5 file's weights: layers, shapes, types and values.

    The layers are taken in the order of their names, their weights in the order of
    `weight_names`. What the weights themselves are called is left out: Keras 2 and Keras 3
    differ there for the same layer (`depthwise_kernel`, `kernel`), and weights are loaded by
    layer and place.

    Args:
        most_bytes: what all weights hold at most, in bytes.

    Returns:
        The digest, and the bytes that the weights hold in all.

    Raises:
        ContentError: no HDF5 file, or not in the layout that Keras 1 and 2 wrote
            (`layer_names`, `weight_names`), or other values than numbers.
        OSError: the file cannot be read.
    """
    import h5py

    with open(path, "rb") as file:
        beginning = file.read(8)
    if beginning != b"\x89HDF\r\n\x1a\n":
        raise ContentError("found no HDF5 file, expected the weights of a Keras model")
    try:
        with h5py.File(path, "r") as file:
            return _digest_of_layers(file, most_bytes)
    except (KeyError, RuntimeError, ValueError, TypeError, OSError, AttributeError) as error:
        told = str(error).split("\n", 1)[0][:160]
        raise ContentError(f"found a damaged HDF5 file, or none of Keras's ({told})") from error


def _digest_of_layers(file, most_bytes: int) -> tuple[str, int]:
    digest, total = hashlib.sha256(), 0
    for layer in sorted(_names(file, "layer_names")):
        group = _own(file, layer)
        for place, weight in enumerate(_names(group, "weight_names")):
            values = _own(group, weight)
            if values.dtype.kind not in "fiu":
                raise ContentError(f"found the type {values.dtype} in the layer '{layer}'")
            total += values.size * values.dtype.itemsize
            if total > most_bytes:
                raise ContentError(
                    f"found more than the expected {most_bytes:,} bytes of weights, at the layer "
                    f"'{layer}'"
                )
            digest.update(f"{layer} {place} {values.dtype.str} {values.shape}\n".encode())
            digest.update(np.ascontiguousarray(values[()]).tobytes())
    return digest.hexdigest(), total


def _names(group, attribute: str) -> list[str]:
    """A list of names, which Keras keeps as bytes."""
    return [
        name.decode("utf-8") if isinstance(name, bytes) else str(name)
        for name in group.attrs[attribute]
    ]


def _own(group, name: str):
    """A part of the file itself: a link to another file would read that one."""
    import h5py

    for step in name.split("/"):
        if not isinstance(group.get(step, getlink=True), h5py.HardLink):
            raise ContentError(
                f"found a link in place of '{name}', expected the weights themselves"
            )
        group = group[step]
    if isinstance(group, h5py.Dataset) and (group.external or group.is_virtual):
        raise ContentError(f"found values of '{name}' in another file, expected them in this one")
    return group
