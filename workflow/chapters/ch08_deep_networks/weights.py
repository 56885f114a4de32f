"""Weights in Keras's old HDF5 layout, read layer by layer and checked before any is used.

The layout (Keras 1 and 2, `model.save_weights('x.h5')`): the attribute `layer_names` of the
root lists groups, one per layer; each group's attribute `weight_names` lists its arrays in the
order of the layer's weights. The tutorial reads it with `f.attrs['layer_names']` (lines
2406-2416 of the chapters) from a file opened without a mode, which older versions of h5py
opened for writing. Here files are opened for reading only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from kerasbook.errors import KerasbookError
from kerasbook.files import digest_of_arrays, written_whole
from kerasbook.validation import nearest

AGAIN = "delete the file and run snakemake again to fetch it"
# HDF5 keeps an attribute below 64 KiB; Keras splits longer lists of names into parts.
MOST_ATTRIBUTE_BYTES = 60_000


def _names(group: Any, attribute: str, where: str) -> list[str]:
    """A list of names kept as one attribute, or as `attribute0`, `attribute1`, ..."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        parts = []
        while f"{attribute}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{attribute}{len(parts)}"])
        if not parts:
            raise KerasbookError(
                f"{where}: found no attribute {attribute}, expected weights in Keras's old HDF5 "
                f"layout (saved by save_weights of Keras 1 or 2); {AGAIN}."
            )
    names = [one for part in parts for one in np.atleast_1d(part).tolist()]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _member(group: Any, name: str, kind: type, where: str) -> Any:
    """A group or data set that lies in this very file: no link may lead out of it."""
    step = group
    for part in name.split("/"):
        if not isinstance(step, h5py.Group) or part in ("", ".", ".."):
            step = None
            break
        link = step.get(part, getlink=True)
        step = step[part] if isinstance(link, h5py.HardLink) else None
    outside = isinstance(step, h5py.Dataset) and (step.external or step.is_virtual)
    if not isinstance(step, kind) or outside:
        wanted = "a group" if kind is h5py.Group else "an array"
        raise KerasbookError(
            f"{where}: found no {name} in it, expected {wanted} that lies in the file; {AGAIN}."
        )
    return step


class WeightsFile:
    """An open file of weights; a context manager.

    Attributes:
        layers: name -> the arrays of a layer, unread, in the order of its weights; layers
            without weights are left out.

    Raises:
        KerasbookError: no file, no HDF5, a truncated one, or another layout.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self._file = h5py.File(self.path, "r")
        except FileNotFoundError as error:
            raise KerasbookError(
                f"{self.path}: not found. Expected downloaded weights; run snakemake again."
            ) from error
        except OSError as error:
            told = str(error).split("(", 1)[-1].rstrip(")")
            raise KerasbookError(
                f"{self.path}: found no whole HDF5 file ({told}), expected weights in Keras's old "
                f"HDF5 layout; {AGAIN}."
            ) from error
        try:
            self.layers = self._read_names()
        except BaseException:
            self._file.close()
            raise

    def _read_names(self) -> dict[str, list[Any]]:
        where = str(self.path)
        root = self._file
        if "model_weights" in root:  # a whole model, saved by Keras 1 or 2
            root = _member(root, "model_weights", h5py.Group, where)
        names = _names(root, "layer_names", where)
        if len(set(names)) != len(names):
            raise KerasbookError(f"{where}: found a layer's name twice, expected each once.")
        layers = {}
        for name in names:
            place = f"{where}, layer {name}"
            group = _member(root, name, h5py.Group, place)
            arrays = [
                _member(group, weight, h5py.Dataset, place)
                for weight in _names(group, "weight_names", place)
            ]
            if arrays:
                layers[name] = arrays
        return layers

    def __enter__(self) -> "WeightsFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _matched(
    weights: WeightsFile, model: Any, match: str, whole: bool
) -> list[tuple[Any, str, list[Any]]]:
    """Each layer of the model that has weights, with its name and arrays in the file."""
    wanted = [layer for layer in model.layers if layer.weights]
    if match == "order":
        names = list(weights.layers)
        if len(names) < len(wanted) or (whole and len(names) != len(wanted)):
            last = wanted[len(names)].name if len(names) < len(wanted) else names[len(wanted)]
            raise KerasbookError(
                f"{weights.path}, layer {last}: found {len(names)} layers with weights, expected "
                f"{len(wanted)} for {model.name}; use the file of this very network."
            )
        return [(layer, name, weights.layers[name]) for layer, name in zip(wanted, names)]
    for layer in wanted:
        if layer.name not in weights.layers:
            raise KerasbookError(
                f"{weights.path}, layer {layer.name}: found no layer of that name"
                f"{nearest(layer.name, list(weights.layers))}, expected all layers of "
                f"{model.name}; use the file of this very network."
            )
    return [(layer, layer.name, weights.layers[layer.name]) for layer in wanted]


def _array(weights: WeightsFile, name: str, entry: Any) -> np.ndarray:
    try:
        array = np.asarray(entry[()])
    except OSError as error:
        raise KerasbookError(
            f"{weights.path}, layer {name}: cannot be read ({str(error)[:120]}); {AGAIN}."
        ) from error
    if not np.isfinite(array).all():
        raise KerasbookError(
            f"{weights.path}, layer {name}: found values that are not finite, expected weights; "
            f"{AGAIN}."
        )
    return array


def load_weights(
    path: str | Path,
    model: Any,
    match: Literal["name", "order"] = "name",
    whole: bool = True,
) -> int:
    """Give a Keras model the weights of a file, all of them or none.

    Everything is checked and read once before the first layer is changed, one array in
    memory at a time.

    Args:
        match: by the layers' names, or (networks whose layers Keras numbers, such as
            Inception v3) by their order.
        whole: by order, whether the file must end where the model does; False for a model
            without its classifier.

    Returns:
        How many layers were given weights.

    Raises:
        KerasbookError: as `WeightsFile`; a layer that is missing, or whose arrays have
            another number, shape or type. The file and the layer are named.
    """
    with WeightsFile(path) as weights:
        matched = _matched(weights, model, match, whole)
        for layer, name, entries in matched:
            where = f"{weights.path}, layer {name}"
            shapes = [tuple(variable.shape) for variable in layer.weights]
            found = [entry.shape for entry in entries]
            if found != shapes:
                raise KerasbookError(
                    f"{where}: found weights of the shapes {found}, expected {shapes} for the "
                    f"layer {layer.name} of {model.name}; use the file of this very network."
                )
            for entry in entries:
                if entry.dtype.kind != "f":
                    raise KerasbookError(
                        f"{where}: found values of the type {entry.dtype}, expected floats; "
                        f"{AGAIN}."
                    )
                _array(weights, name, entry)
        for layer, name, entries in matched:
            for variable, entry in zip(layer.weights, entries):
                variable.assign(_array(weights, name, entry))
    return len(matched)


def digest(path: str | Path) -> str:
    """The SHA-256 of a file's weights: the same for equal weights, however the file came about.

    Raises:
        KerasbookError: as `WeightsFile`, or a layer cannot be read.
    """
    with WeightsFile(path) as weights:
        arrays = {
            f"{layer}/{place}": _array(weights, layer, entry)
            for layer, entries in weights.layers.items()
            for place, entry in enumerate(entries)
        }
    return digest_of_arrays(arrays)


def save_weights(path: str | Path, layers: Mapping[str, Sequence[tuple[str, np.ndarray]]]) -> None:
    """Write weights in the old layout, whole or not at all.

    Args:
        layers: name -> the layer's weights, each with its name such as `conv1/kernel:0`.
    """

    def keep(group: Any, attribute: str, names: Sequence[str]) -> None:
        encoded = [name.encode() for name in names]
        parts = max(1, -(-sum(map(len, encoded)) // MOST_ATTRIBUTE_BYTES))
        if parts == 1:
            group.attrs[attribute] = np.array(encoded, dtype=np.bytes_)
            return
        for index, part in enumerate(np.array_split(np.array(encoded, dtype=np.bytes_), parts)):
            group.attrs[f"{attribute}{index}"] = part

    with written_whole(path) as temporary, h5py.File(temporary, "w") as file:
        keep(file, "layer_names", list(layers))
        for name, arrays in layers.items():
            group = file.create_group(name)
            keep(group, "weight_names", [weight for weight, _ in arrays])
            for weight, array in arrays:
                group.create_dataset(weight, data=np.asarray(array, np.float32))


def layers_of(model: Any) -> dict[str, list[tuple[str, np.ndarray]]]:
    """A Keras model's layers with their weights, as `save_weights` takes them."""
    return {
        layer.name: [
            (f"{layer.name}/{variable.name}:0", value)
            for variable, value in zip(layer.weights, layer.get_weights(), strict=True)
        ]
        for layer in model.layers
    }
