"""What can be had of the data, found out before any job runs, without downloading it."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from kerasbook.catalogue import Catalogue, FileEntry
from kerasbook.download import (
    NO_SUCH_FILE,
    expected_size,
    fault_of_address,
    fault_of_file,
    how_to_get,
    kept_path,
    require_file,
    sources,
)
from kerasbook.errors import KerasbookError

# Asking ends after this many times the timeout of one answer: looking up a server's name
# knows no timeout of its own, and an address may redirect.
PATIENCE = 4

Key = tuple[str, str, str]  # data set, file, address


@dataclass(frozen=True)
class MissingFile:
    """A file that no source gives.

    `looked` holds each place and what was found there, in the order in which a download
    asks them; the file's own addresses come last.
    """

    entry: FileEntry
    looked: tuple[tuple[str, str], ...]

    @property
    def own_faults(self) -> list[str]:
        """What the file's own addresses answered, each answer once."""
        return list(dict.fromkeys(fault for _, fault in self.looked[-len(self.entry.urls) :]))


@dataclass(frozen=True)
class Missing:
    """A data set of which at least one file cannot be had."""

    title: str
    files: tuple[MissingFile, ...]


def missing(
    catalogue: Catalogue,
    names: Iterable[str],
    mirror: str | None = None,
    raw_folder: str | Path = "data/raw",
    timeout: float = 5.0,
) -> dict[str, Missing]:
    """The data sets that a download would not get, by name; empty if all can be had.

    A file that was downloaded is known by its size, and one in the mirror folder by its
    digest; they ask no network. For the others every address is asked at once, for its headers
    alone: what it holds is known when it is there.

    Args:
        names: data sets of the catalogue. Bundled ones are never missing.
        mirror: a folder (if relative, from the project's root) or an address.
        raw_folder: where downloads lie, `<data set>/<file>`.
        timeout: seconds for one answer; all of them together take at most four times that.

    Raises:
        KerasbookError: unknown data set, or the mirror is neither a folder nor an address.
    """
    wanted = {name: catalogue.get(name) for name in dict.fromkeys(names)}
    looked: dict[tuple[str, str], list[tuple[str, str]]] = {}
    remote: dict[tuple[str, str], list[str]] = {}
    for name, dataset in wanted.items():
        for entry in dataset.files:
            everywhere = list(sources(entry, mirror))
            folders = [source for source in everywhere if isinstance(source, Path)]
            faults = _faults_here(name, entry, Path(raw_folder), folders)
            if faults:
                looked[name, entry.name] = faults
                remote[name, entry.name] = [one for one in everywhere if isinstance(one, str)]
    answers = _asked(
        {
            (name, file, url): (url, wanted[name].file(file))
            for (name, file), urls in remote.items()
            for url in urls
        },
        timeout,
    )
    found: dict[str, Missing] = {}
    for name, dataset in wanted.items():
        files = []
        for entry in dataset.files:
            urls = remote.get((name, entry.name), [])
            told = [(url, answers[name, entry.name, url]) for url in urls]
            if told and all(fault for _, fault in told):
                files.append(MissingFile(entry, (*looked[name, entry.name], *told)))
        if files:
            found[name] = Missing(dataset.title, tuple(files))
    return found


def _faults_here(
    name: str, entry: FileEntry, raw: Path, folders: list[Path]
) -> list[tuple[str, str]]:
    """Why no place on this machine has the file; empty if one has it."""
    downloaded, kept = raw / name / entry.name, kept_path(entry, raw)
    fault = fault_of_file(downloaded, entry)
    if fault is None and not downloaded.with_name(f"{entry.name}.json").is_file():
        # Snakemake makes both files or none, and would remove this one first.
        fault = "there, but not by a download; put it into a mirror folder instead"
    faults = [(downloaded, fault)]
    fault = fault_of_file(kept, entry)
    if fault != NO_SUCH_FILE:
        faults.append((kept, fault))
    if all(fault for _, fault in faults):
        faults += [(path, _fault_of_content(path, entry)) for path in folders]
    if not all(fault for _, fault in faults):
        return []
    return [(str(path), fault) for path, fault in faults]


def _fault_of_content(path: Path, entry: FileEntry) -> str | None:
    """Why a file of a mirror folder is not the one of the catalogue; None if it is.

    Its size alone would let a damaged file pass, and stop the run at its download. So all of it
    is read, but only while it waits to be downloaded.
    """
    fault = fault_of_file(path, entry)
    if fault is not None:
        return fault
    try:
        require_file(path, entry)
    except KerasbookError as error:
        return str(error.__cause__)  # what was found, without the advice for a download
    return None


def _asked(asked: Mapping[Key, tuple[str, FileEntry]], timeout: float) -> dict[Key, str | None]:
    """What each address answers, all asked at the same time; None where it has the file."""
    late = f"no answer within {PATIENCE * timeout:g} s"
    answers: dict[Key, str | None] = dict.fromkeys(asked, late)

    def ask(key: Key, url: str, entry: FileEntry) -> None:
        answers[key] = fault_of_address(url, entry, timeout)

    # Threads that end with the process, and not a pool, which would wait for a name server.
    threads = [
        threading.Thread(target=ask, args=(key, *one), daemon=True) for key, one in asked.items()
    ]
    end = monotonic() + PATIENCE * timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - monotonic()))
    return dict(answers)


def message(found: Mapping[str, Missing]) -> str:
    """What is missing, where it was looked for and how to get it, for the screen."""
    lines = ["Data that is needed cannot be had. Nothing was run."]
    for name, one in found.items():
        lines += ["", f"{name}: {one.title}"]
        for file in one.files:
            lines.append(f"  {file.entry.name} ({expected_size(file.entry)}); looked for at")
            lines += [f"    {place}: {fault}" for place, fault in file.looked]
    entries = [file.entry for one in found.values() for file in one.files]
    lines += ["", "How to get it:", *(f"  - {way}" for way in how_to_get(entries))]
    lines.append(
        "  - Go on without it: with `missing_data: skip` in the configuration all the rest is "
        "run, and the numbers concerned are told as not run."
    )
    return "\n".join(lines)


def reason(name: str, one: Missing) -> str:
    """One sentence for a row of a table: what is missing and why, without paths."""
    faults = list(dict.fromkeys(fault for file in one.files for fault in file.own_faults))
    first, more = one.files[0].entry.name, len(one.files) - 1
    which = f"{first} and {more} more" if more else first
    return f"{which} of the data set {name} cannot be had: {'; '.join(faults)}"
