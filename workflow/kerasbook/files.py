"""Files written whole or not at all, and digests of what they hold."""

import contextlib
import functools
import hashlib
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kerasbook.errors import KerasbookError

# A temporary file that nobody has touched for so long (s) is nobody's, whatever machine made it.
ABANDONED = 24 * 3600


@functools.cache
def _machine() -> str:
    """Eight digits for this machine, or for the part of it (a container) that sees its processes.

    A process number says nothing beyond it.
    """
    try:
        part = str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not on Linux
        part = ""
    return hashlib.sha256(f"{os.uname().nodename} {part}".encode()).hexdigest()[:8]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        pass
    return True


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` whose processes were killed; those in use stay."""
    name = re.compile(
        rf"\.{re.escape(path.stem)}\.([0-9a-f]{{8}})-([0-9]{{1,9}})-\w{{8}}{re.escape(path.suffix)}"
    )
    with contextlib.suppress(OSError), os.scandir(path.parent) as found:
        for one in found:
            owner = name.fullmatch(one.name)
            if owner is None:
                continue
            with contextlib.suppress(OSError):  # gone by now
                dead = owner[1] == _machine() and not _runs(int(owner[2]))
                if dead or time.time() - one.stat().st_mtime > ABANDONED:
                    Path(one.path).unlink()


def _sync_folder(folder: Path) -> None:
    """Have a new name in a folder outlive a power cut, where the file system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it there when the block ends well.

    The temporary name keeps the suffix of `path`, since writers such as Keras's
    choose the format by it. If the block raises, what was at `path` stays. The
    content is on the disk before the name is, so that a machine which goes down
    leaves no empty file. What a process that was killed has left beside `path`
    goes with the next write.

    Raises:
        KerasbookError: the folder is read-only or the disk is full.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.{_machine()}-{os.getpid()}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp gives 0600; a result is as readable as any file of the user's.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        # An error about another file (an input, say) is not about this target.
        about = {str(path), str(path.parent), str(temporary)}
        if error.filename is not None and str(error.filename) not in about:
            raise
        raise KerasbookError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Expected a writable folder with space left; free space or choose another folder."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value: object) -> None:
    """Write `value` as JSON in the order of its keys; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def nulled(value: object) -> object:
    """`value` with null in place of every number that JSON cannot hold (NaN, infinity)."""
    if isinstance(value, Mapping):
        return {key: nulled(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [nulled(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number(value: object) -> float:
    """A number that `nulled` may have made null: NaN, then."""
    return math.nan if value is None else float(value)


def read_json(path: str | os.PathLike) -> object:
    """Read a JSON file.

    Raises:
        KerasbookError: the file is missing or is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise KerasbookError(
            f"{path}: not found. Expected a result of an earlier step; run snakemake again."
        ) from error
    except ValueError as error:
        raise KerasbookError(
            f"{path}: is not valid JSON ({error}). Delete it and run snakemake again."
        ) from error


def digest_of_files(paths: Iterable[str | os.PathLike]) -> str:
    """The SHA-256 of files and their names: of the lines `<SHA-256>  <path>`, sorted by path.

    It is what `sha256sum` prints of them, digested once more.

    Raises:
        KerasbookError: a file cannot be read.
    """
    lines = {}
    for path in paths:
        name = Path(path).as_posix()
        try:
            digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        except OSError as error:
            raise KerasbookError(
                f"{name}: cannot be read ({error.strerror or error}). "
                "Expected a file of the project."
            ) from error
        lines[name] = f"{digest}  {name}\n"
    return hashlib.sha256("".join(lines[name] for name in sorted(lines)).encode()).hexdigest()


def digest_of_arrays(arrays: Mapping[str, object]) -> str:
    """The SHA-256 of named numpy arrays: names, dtypes, shapes and bytes, in the names' order.

    It is the same for equal data however the file that holds it was packed.
    """
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()
