"""What the character network of chapter 4.10 writes while it learns."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasbook import characters

# Lines 3102 and 3103 of the chapters: characters that the network sees, and from one window's
# start to the next one's.
WINDOW = 40
STEP = 3
SAMPLERS = {
    "as_printed": characters.tempered_as_printed,
    "log_space": characters.tempered,
}


class Writing:
    """The texts that a network writes after each epoch, one for each diversity.

    Args:
        reshape: the way of tempering, of `kerasbook.characters`.
        seed: of the places where the texts begin and of the draws.
    """

    def __init__(self, model: Any, ids: np.ndarray, settings: Mapping[str, Any], seed: int):
        self.model = model
        self.windows = characters.windows(ids, WINDOW)
        self.diversities = np.array(settings["diversities"])
        self.as_printed = settings["sampling"] == "as_printed"
        self.write = characters.Generator(
            model, settings["written"], SAMPLERS[settings["sampling"]]
        )
        self.seed = seed
        self.starts: list[np.ndarray] = []
        self.texts: list[np.ndarray] = []
        self.logs_of_zero: list[int] = []
        self.least: list[float] = []

    def state(self) -> dict[str, list]:
        """What has been written, for a checkpoint."""
        return {name: getattr(self, name) for name in ("starts", "texts", "logs_of_zero", "least")}

    def restore(self, state: Mapping[str, list]) -> None:
        """Go on after what a checkpoint holds."""
        for name, one in state.items():
            setattr(self, name, one)

    def after(self, epoch: int) -> None:
        """Write from a place of the text that the seed and the epoch give."""
        draws = np.random.default_rng([self.seed, epoch])
        # As many windows as the tutorial chooses from (line 3147): one has no end.
        start = self.windows[draws.integers(len(self.windows) - 1)]
        k = len(self.diversities)
        starts = np.tile(start, (k, 1))
        texts = self.write(starts, self.diversities, draws.random((k, self.write.length)))
        self.starts.append(start)
        self.texts.append(texts)
        # What the network said on the way, all windows at once.
        read = np.concatenate([starts, texts[:, :-1]], axis=1)
        seen = np.lib.stride_tricks.sliding_window_view(read, WINDOW, axis=1)
        said = self.model.predict_on_batch(seen.reshape(-1, WINDOW).astype(np.int32))
        self.least.append(float(said.min()))
        lowest = 0.0 if self.as_printed else characters.TINY
        # Each is a logarithm that comes out as minus infinity.
        self.logs_of_zero.append(int((np.maximum(said.astype(np.float64), lowest) == 0).sum()))


def told(
    alphabet: np.ndarray,
    start: np.ndarray,
    diversities: Sequence[float],
    texts: np.ndarray,
    width: int | None = None,
) -> str:
    """The texts of one epoch to read, each in full.

    Args:
        start: (window,) ids, where all of them go on from.
        texts: (n_diversities, length) ids.
        width: characters after which a line is broken; none is if None.
    """
    beginning = characters.decode(start, alphabet)
    parts = [
        f"----- diversity {diversity:g}\n{beginning}|{characters.decode(text, alphabet)}\n"
        for diversity, text in zip(diversities, texts, strict=True)
    ]
    whole = "\n".join(parts)
    return whole if width is None else re.sub(f"(.{{{width}}})(?=.)", r"\1\n", whole)
