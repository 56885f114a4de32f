"""Pickled lists of texts, read without running them.

A pickle is a program for a small stack machine, and some of its instructions import and
call whatever the file names. Here the instructions are listed by `pickletools`, which runs
nothing, and those that a list of texts needs are carried out by hand; any other is refused.
"""

import pickletools
from pathlib import Path
from typing import Any

from kerasbook.errors import KerasbookError

# No pickle of these data sets holds more, in bytes.
LARGEST = 1 << 26

TEXTS = {
    "SHORT_BINSTRING",
    "BINSTRING",
    "STRING",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "UNICODE",
}
PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
GETS = {"GET", "BINGET", "LONG_BINGET"}


class _Refused(Exception):
    """The file is no list of texts; the message says what was found."""


def load_texts(path: str | Path, most_bytes: int = LARGEST) -> list[str]:
    """The texts of a file that holds one pickled list of `str` and nothing else.

    Strings of Python 2 must be ASCII, as `pickle.load` demands too.

    Args:
        most_bytes: a larger file is refused unread.

    Raises:
        KerasbookError: names the file and what it holds (an object, a call, a number, a
            list in the list, ...). Nothing of the file has been run.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise KerasbookError(
            f"{path}: cannot be read ({error.strerror or error}). Expected a downloaded file; "
            "run snakemake again to fetch it."
        ) from error
    try:
        if len(content) > most_bytes:
            raise _Refused(f"more than {most_bytes:,} bytes")
        return _texts(content)
    except _Refused as fault:
        raise KerasbookError(
            f"{path}: found {fault}, expected a pickled list of texts and nothing else. Nothing of "
            "it was run. Delete the file and run snakemake again to fetch it."
        ) from fault


def _instructions(content: bytes) -> Any:
    try:
        yield from pickletools.genops(content)
    except (ValueError, IndexError, OverflowError, MemoryError) as error:
        told = str(error).split("\n", 1)[0][:120]
        raise _Refused(f"a damaged or truncated pickle ({told})") from error


def _texts(content: bytes) -> list[str]:
    """Carry out the instructions that a list of texts needs."""
    machine = _Machine()
    for instruction, value, position in _instructions(content):
        where = f"the instruction {instruction.name} at byte {position:,}"
        if instruction.name == "STOP":
            if position + 1 != len(content):
                raise _Refused(f"{len(content) - position - 1:,} bytes after the list's end")
            break
        machine.carry_out(instruction.name, value, where)
    texts = machine.result()
    # A text that is named again costs the file two bytes, and memory its whole length.
    if sum(map(len, texts)) > LARGEST:
        raise _Refused(f"more than {LARGEST:,} characters")
    return texts


class _Machine:
    """The stack machine of pickles, less all that is not a list of texts."""

    def __init__(self):
        self.texts: list[str] | None = None
        self.stack: list[Any] = []  # the list, texts that wait for it, and marks (None)
        self.memo: dict[int, Any] = {}

    def carry_out(self, name: str, value: Any, where: str) -> None:
        """One instruction; `where` names it in a message."""
        top = self.stack[-1] if self.stack else None
        if name in TEXTS:
            if name.endswith("STRING") and not value.isascii():
                raise _Refused(f"bytes that are no ASCII in {where}")
            self.stack.append(value)
        elif name == "EMPTY_LIST" and self.texts is None and not self.stack:
            self.texts = []
            self.stack.append(self.texts)
        elif name == "MARK":
            self.stack.append(None)
        elif name in PUTS and top is not None:
            self.memo[value] = top
        elif name == "MEMOIZE" and top is not None:
            self.memo[len(self.memo)] = top
        elif name in GETS and isinstance(self.memo.get(value), str):
            self.stack.append(self.memo[value])
        elif name == "APPEND" and len(self.stack) == 2:
            self._append(self.stack[1:], where)
        elif name == "APPENDS" and self.stack[1:2] == [None]:
            self._append(self.stack[2:], where)
        elif name not in ("PROTO", "FRAME"):
            # Texts alone are shown: Python refuses to write out a number of thousands of digits.
            raise _Refused(f"{where} ({value[:80]!r})" if isinstance(value, str) else where)

    def _append(self, items: list[Any], where: str) -> None:
        if self.texts is None or not all(isinstance(item, str) for item in items):
            raise _Refused(f"something other than texts before {where}")
        self.texts.extend(items)
        del self.stack[1:]

    def result(self) -> list[str]:
        """The list, once nothing waits for it any more."""
        if self.texts is None or len(self.stack) != 1:
            raise _Refused("something other than one list")
        return self.texts
