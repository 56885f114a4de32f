"""A process that has the slow imports done, and becomes each job of this machine by a fork.

Snakemake starts a Python for every script. TensorFlow alone takes such a Python some seconds to
import, as long as many a training of the bundled edition learns. Here these imports are done once:
`ForkServer` starts a process that imports what jobs of a kind import, and then waits; `start` has
it fork, and the fork runs the script as `python SCRIPT` would, with the job's environment and
arguments. The project's own modules are no part of what is imported beforehand, so a job has the
code that lies there when it starts. Nor is what a fork could not share: when it forks, no thread
of Python or TensorFlow runs, and no device was asked for.

The process ends when the Snakemake that started it does, however that ends, and its jobs with it
(`kerasbook.steps`). Where it fails, jobs are started as Snakemake starts them.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import traceback
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

# What jobs of each kind import from elsewhere. What is missing is left to the job that needs it.
SCRIPT = ("snakemake.iocontainers", "snakemake.logging", "psutil", "numpy")
LIBRARIES = {
    "plain": (
        *SCRIPT, "scipy.stats", "sklearn.metrics", "sklearn.linear_model", "jinja2", "yaml",
        "pydantic", "matplotlib.figure", "matplotlib.backends.backend_svg",
        "matplotlib.backends.backend_agg", "mlflow.sklearn", "numba",
    ),
    # After Keras, as `kerasbook.models` imports it.
    "keras": (*SCRIPT, "mlflow.tensorflow", "h5py"),
}  # fmt: skip
# Read by numerical libraries as they are imported, as Snakemake sets them for a job.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
TEMPORARY_VARIABLES = ("TMPDIR", "TMP", "TEMPDIR", "TEMP")
LOST = 1  # the exit status of a job that nobody can tell the end of


def available() -> bool:
    """Whether a process that has imported these libraries can be forked here, and go on."""
    return sys.platform == "linux"


def environment_of(
    environment: Mapping[str, str], threads: int, temporary: str | None
) -> dict[str, str]:
    """The environment in which Snakemake starts a script, made from its own."""
    made = {**environment, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    return made | (dict.fromkeys(TEMPORARY_VARIABLES, temporary) if temporary else {})


# ------------------------------------------------------------------------ Snakemake's side


class Worker:
    """A job that was started; its process id, and its end."""

    def __init__(self, connection: socket.socket):
        self._told = connection.makefile("r", encoding="utf-8")
        connection.close()  # the file keeps it open
        told = self._told.readline()
        if not told:
            raise ConnectionError("the fork server is gone")
        self.pid = int(told)

    def wait(self) -> int:
        """Wait for its end: its exit status, or the signal that killed it as a negative number."""
        with self._told:
            told = self._told.readline()
        if told:
            return os.waitstatus_to_exitcode(int(told))
        # The server died before it could tell. The job stops by itself, but not at once.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return LOST


class ForkServer:
    """Snakemake's end of such a process.

    Args:
        libraries: a key of `LIBRARIES`.
        environment: that of the jobs, since libraries read some of it as they are imported.
        log: takes what they say meanwhile; the jobs say what they do where Snakemake does.
    """

    def __init__(self, libraries: str, environment: Mapping[str, str], log: Path):
        self._control, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", __name__, libraries, str(theirs.fileno()), str(log)],
                env=dict(environment),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def start(self, script: str | Path, environment: Mapping[str, str]) -> Worker:
        """Have a script run; waits until the imports are done.

        Raises:
            OSError: the process is gone; the script was not started.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"\n"], [theirs.fileno()])
            order = {"script": str(script), "environment": dict(environment)}
            ours.sendall(json.dumps(order).encode() + b"\n")
            return Worker(ours)
        except OSError:
            ours.close()
            raise

    def end(self) -> None:
        """Let it go, once its last job is done."""
        self._control.close()
        self.process.wait()


# ---------------------------------------------------------------------------- the process


class Job(NamedTuple):
    """What a fork is to do."""

    script: str
    environment: dict[str, str]


def import_beforehand(kind: str) -> None:
    """Import what jobs of a kind need, and forget what of it is the project's own."""
    from kerasbook import steps

    steps.collect_seldom()
    if kind == "keras":
        from kerasbook import models

        models.import_keras()
    for name in LIBRARIES[kind]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(Exception):
        # Before it saves a model MLflow asks which package each module is of: all that are
        # installed, for a third of a second. It keeps the answer.
        from mlflow.utils import requirements_utils

        requirements_utils.warn_dependency_requirement_mismatches(["numpy"])
    for name in [one for one in sys.modules if one.split(".")[0] == "kerasbook"]:
        del sys.modules[name]
    # Nothing of it goes away, so no fork has to look through it, and to copy it thereby.
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _told_to(log: str) -> Iterator[None]:
    """Have what is written to the screen, by C++ too, go to a file for a while."""
    kept = [(number, os.dup(number)) for number in (1, 2)]
    with open(log, "ab") as file:
        for number, _ in kept:
            os.dup2(file.fileno(), number)
    try:
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()  # into the file; nobody waits for it on the screen
        raise SystemExit(1) from None
    finally:
        for number, before in kept:
            os.dup2(before, number)
            os.close(before)


def serve(control: socket.socket) -> Job | None:
    """Fork for each job that is asked for.

    Returns:
        In a fork, its job. In the process itself nothing, when Snakemake has closed its end.
    """
    # Ctrl-C is for the jobs, which say so in their turn.
    handlers = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_IGN,
                signal.SIGCHLD: lambda *_: None}  # fmt: skip
    before = {one: signal.signal(one, handler) for one, handler in handlers.items()}
    bell, ring = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(ring, False)
    signal.set_wakeup_fd(ring)  # rung by the end of a fork
    running: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as events:
        events.register(control, selectors.EVENT_READ)
        events.register(bell, selectors.EVENT_READ)
        while True:
            for key, _ in events.select():
                if key.fileobj is not control:
                    with contextlib.suppress(BlockingIOError):
                        os.read(bell, 4096)
                    continue
                _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
                if not descriptors:
                    return None
                connection = socket.socket(fileno=descriptors[0])
                pid = os.fork()
                if pid:
                    running[pid] = connection
                    continue
                signal.set_wakeup_fd(-1)
                for one, handler in before.items():
                    signal.signal(one, handler)
                os.close(bell)
                os.close(ring)
                for other in (control, *running.values()):
                    other.close()
                return _ordered(connection)
            while running:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                with running.pop(pid) as connection, contextlib.suppress(OSError):
                    connection.sendall(f"{status}\n".encode())


def _ordered(connection: socket.socket) -> Job:
    """In a fork: say who it is, and read what it is to do. Its end the server tells."""
    with connection, connection.makefile("r", encoding="utf-8") as told:
        connection.sendall(f"{os.getpid()}\n".encode())
        return Job(**json.loads(told.readline()))


def become(job: Job) -> None:
    """Run a script as the main module of this process, in the job's environment."""
    os.environ.clear()
    os.environ.update(job.environment)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else all forks would have the same
    main = types.ModuleType("__main__")
    main.__file__ = job.script
    sys.modules["__main__"] = main
    sys.argv = [job.script]
    sys.path[0] = str(Path(job.script).parent)
    exec(compile(Path(job.script).read_bytes(), job.script, "exec"), main.__dict__)


if __name__ == "__main__":
    kind, descriptor, log = sys.argv[1:]
    with _told_to(log):
        import_beforehand(kind)
    job = serve(socket.socket(fileno=int(descriptor)))
    if job is not None:
        become(job)
