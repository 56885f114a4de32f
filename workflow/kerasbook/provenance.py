"""Where a result comes from: commit, versions, machine, time, memory, and addresses to show."""

import contextlib
import functools
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from kerasbook.journal import RUN_TAG, is_own

PACKAGES = (
    "snakemake", "mlflow", "keras", "tensorflow-cpu", "tensorflow", "numpy", "pandas",
    "scikit-learn", "scipy", "numba", "matplotlib", "pytensor", "gensim",
)  # fmt: skip
# Keras's other backends make numbers where one is chosen, and nowhere else.
BACKENDS = {"jax": ("jax", "jaxlib"), "torch": ("torch",)}
# As Linux names them, of Intel's, AMD's and ARM's.
VECTOR_INSTRUCTIONS = (
    "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8",
    "asimd", "sve",
)  # fmt: skip
# What stands between `://`, or what was typed for it, and the last `@` before the path. Libraries
# for databases also take a password in which a `/` is not escaped: what follows the first `:` is
# then no port.
LOGIN = re.compile(
    r"(\s*[a-z][a-z0-9+.-]*:/{0,2})(?:([^/?#]*)|([^:/@\[]*:(?!\d+(?:[/?#]|$)).*))@",
    re.IGNORECASE | re.DOTALL,
)


def split_login(address: str) -> tuple[str, tuple[str, str] | None]:
    """An address without name and password, and these two, unescaped; None if there are none."""
    match = LOGIN.match(address)
    if match is None:
        return address, None
    name, _, password = (match[2] or match[3] or "").partition(":")
    login = (unquote(name), unquote(password)) if name or password else None
    return match[1] + address[match.end() :], login


def shown_uri(uri: str) -> str:
    """The address without user name and password, for files, pages and messages."""
    return split_login(uri)[0]


def is_served(uri: str) -> bool:
    """Whether an address is a server's, not that of a database or a folder."""
    return uri.startswith(("http://", "https://"))


def without_login(text: str, uri: str) -> str:
    """A text that others wrote about `uri`, without the name and password that are in it."""
    match = LOGIN.match(uri)
    if match is None:
        return text
    login = match[2] or match[3] or ""
    if login:
        text = text.replace(f"{login}@", "")
    password = login.partition(":")[2]
    for one in {password, unquote(password)} - {""}:
        text = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", "***", text)
    return text


def run_page(uri: str, experiment_id: str, run_id: str = "") -> str | None:
    """The address of a run, or of its experiment, in the UI of a served store; None for a file.

    A run that began before the store had it has the id of its journal, by which the page of the
    experiment finds it. Name and password are left out.
    """
    shown = shown_uri(uri).rstrip("/")
    if not is_served(shown):
        return None
    page = f"{shown}/#/experiments/{quote(experiment_id, safe='')}"
    if is_own(run_id):
        query = quote(f"tags.`{RUN_TAG}` = '{run_id}'", safe="")
        return f"{page}/runs?searchFilter={query}"
    return f"{page}/runs/{quote(run_id, safe='')}" if run_id else page


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@functools.cache
def commit() -> tuple[str | None, bool]:
    """The commit of the project's code, and whether tracked files differ from it.

    (None, False) where there is no git or the project was unpacked from an archive.
    """
    head = _git("rev-parse", "HEAD")
    if head is None:
        return None, False
    return head, bool(_git("status", "--porcelain", "--untracked-files=no"))


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that make the numbers."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *BACKENDS.get(os.environ.get("KERAS_BACKEND", ""), ())):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _instructions() -> list[str]:
    """The vector instructions that the processor has, by which libraries choose their kernels."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return []
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    has = set(flags[1].split()) if flags else set()
    return [name for name in VECTOR_INSTRUCTIONS if name in has]


def machine() -> dict[str, object]:
    """Processor, its vector instructions, cores, memory (GiB) and system."""
    import psutil

    return {
        "processor": _processor(),
        "instructions": _instructions(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far, in MiB."""
    # What `getrusage` says on Linux began with the memory of whoever started the process.
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
