"""The state of a training after its last finished epoch, from which the next job goes on.

Snakemake removes the outputs of a job that was killed before it runs the job again. So the
state lies beside them, in a folder that no rule declares. Each training of a run has one file
there, which is replaced whole after every epoch, and which goes when the job has ended well.

Keras's `BackupAndRestore` keeps the model and not what surrounds it: with shuffling, dropout or
early stopping, what goes on from there ends with other numbers. Here the draws follow from seed
and epoch (`kerasbook.epochs`), and whatever else has a state hands it over.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kerasbook import steps
from kerasbook.arrays import load_npz, save_npz
from kerasbook.errors import KerasbookError

logger = logging.getLogger(__name__)
FOLDER = "checkpoint"
TOLD = "told"


class Stateful(Protocol):
    """What moves on with a training, besides its model."""

    def state(self) -> Any:
        """What `restore` needs: numbers, texts, arrays, and lists and mappings of them."""

    def restore(self, state: Any) -> None:
        """Be as when `state` was called."""


# A list is kept as it is, and filled again in place.
Kept = Mapping[str, Stateful | list]


@dataclass
class State:
    """A training after an epoch.

    Args:
        done: epochs that are done.
        arrays: what the training itself is, such as weights and the optimizer's moments.
        told: all else, as `Stateful.state` gives it.
    """

    done: int
    arrays: dict[str, np.ndarray]
    told: dict[str, Any] = field(default_factory=dict)


def _packed(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """`value` as JSON holds it, its arrays moved to `arrays`."""
    if isinstance(value, np.ndarray):
        name = f"{TOLD}_{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {"mapping": {key: _packed(one, arrays) for key, one in value.items()}}
    if isinstance(value, list | tuple):
        return [_packed(one, arrays) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpacked(one, arrays) for one in value]
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        return {key: _unpacked(one, arrays) for key, one in value["mapping"].items()}
    return value


def state_of(kept: Kept) -> dict[str, Any]:
    """The state of each, by its name."""
    return {name: list(one) if isinstance(one, list) else one.state() for name, one in kept.items()}


def restore(kept: Kept, states: Mapping[str, Any]) -> None:
    """Put each back into its state."""
    for name, one in kept.items():
        if isinstance(one, list):
            one[:] = states[name]
        else:
            one.restore(states[name])


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they lie; None keeps none.
        mark: says what the run computes; a checkpoint with another mark is none of this run's.
        tell: takes the name of a training that goes on, and how many epochs are done.
    """

    def __init__(
        self, folder: Path | None, mark: str, tell: Callable[[str, int], None] | None = None
    ):
        self.folder = folder
        self.mark = mark
        self.tell = tell

    def _file(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{name}.npz"

    def write(self, name: str, state: State) -> None:
        """Replace the checkpoint of a training.

        Where the disk is full or read-only the one before stays, the log says so, and the
        training goes on.
        """
        file = self._file(name)
        if file is None:
            return
        arrays: dict[str, np.ndarray] = {}
        told = {"mark": self.mark, "done": state.done, TOLD: _packed(state.told, arrays)}
        text = np.frombuffer(json.dumps(told).encode(), np.uint8)
        own = {f"own_{key}": one for key, one in state.arrays.items()}
        try:
            save_npz(file, **own, **arrays, **{TOLD: text})
        except KerasbookError as error:
            logger.warning("no checkpoint after epoch %d: %s", state.done, error)

    def read(self, name: str) -> State | None:
        """The checkpoint of a training; None where there is none that is whole and this run's."""
        file = self._file(name)
        if file is None or not file.exists():
            return None
        try:
            arrays = load_npz(file)
            told = json.loads(arrays[TOLD].tobytes())
            if told["mark"] != self.mark:
                logger.info("%s: of other settings, data or code; training begins anew.", file)
                return None
            own = {key[4:]: one for key, one in arrays.items() if key.startswith("own_")}
            state = State(int(told["done"]), own, _unpacked(told[TOLD], arrays))
        except (KerasbookError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s: no readable checkpoint (%s); training begins anew.", file, error)
            return None
        logger.info("%s: training goes on after epoch %d.", file, state.done)
        if self.tell is not None:
            self.tell(name, state.done)
        return state

    def remove(self) -> None:
        """Remove them all."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def of_run(snakemake: Any, run: Any, step: steps.Step) -> Checkpoints:
    """The checkpoints of a training job, which go when the job has ended well.

    Their mark is a digest of all that makes the run's numbers: settings, seed, data, code,
    versions and threads. A point of a sweep keeps none: it begins anew, and takes little time.
    """
    names = ("settings", "inputs", "code_sha256", "versions", "threads")
    known = {name: run.origin[name] for name in names} | {"seed": step.seed}
    mark = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    resumed = run.origin.setdefault("resumed", {})

    def tell(name: str, done: int) -> None:
        resumed[name] = done
        run.tags({"resumed_after_epoch": ", ".join(f"{key} {n}" for key, n in resumed.items())})

    folder = None if step.point else Path(snakemake.output.record).parent / FOLDER
    found = Checkpoints(folder, mark, tell)
    steps.when_done(found.remove)
    return found
