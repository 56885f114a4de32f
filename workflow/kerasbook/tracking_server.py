"""An MLflow server on this machine with PostgreSQL behind it: `make tracking-server`.

Both keep what they have in one folder of the project. PostgreSQL listens to no network: MLflow
reaches it by a socket in a folder that only its user can enter. MLflow listens on 127.0.0.1.
"""

import argparse
import contextlib
import importlib.util
import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasbook.errors import KerasbookError

FOLDER = Path(".tracking")
# Debian puts each version into a folder of its own and none of them on the path.
DEBIAN = Path("/usr/lib/postgresql")
START_SECONDS = 180  # of MLflow, which makes its tables at the first start
STOP_SECONDS = 15
SOCKETS = "kerasbook-socket-"  # the folder of PostgreSQL's socket begins so


def binaries(debian: Path = DEBIAN) -> Path | None:
    """The folder with PostgreSQL's programs, of its newest version; None where there are none."""

    def version(folder: Path) -> tuple[int, ...]:
        return tuple(map(int, re.findall(r"\d+", folder.parent.name)))

    found = [file.parent for file in debian.glob("*/bin/initdb")]
    if found:
        return max(found, key=version)
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def install() -> Path:
    """PostgreSQL's programs; installed where they are missing and Debian's packages can be had.

    Raises:
        KerasbookError: they are missing, and only the user can change that.
    """
    found = binaries()
    if found is not None:
        return found
    missing = KerasbookError(
        "PostgreSQL: found none of its programs (looked in /usr/lib/postgresql and on the path), "
        "expected initdb and pg_ctl. Install it: apt-get install postgresql."
    )
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise missing
    print("Installing PostgreSQL with apt-get (once).", flush=True)  # noqa: T201
    # Debian would make a database of its own and start it; this file says that it should not.
    cluster = Path("/etc/postgresql-common/createcluster.conf")
    if not cluster.exists():
        cluster.parent.mkdir(parents=True, exist_ok=True)
        cluster.write_text("create_main_cluster = false\n", encoding="utf-8")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "UCF_FORCE_CONFFOLD": "1"}
    install = ["install", "-qq", "--no-install-recommends", "postgresql"]
    for command in (["update", "-qq"], install):
        done = subprocess.run(
            ["apt-get", *command], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise KerasbookError(f"{missing} (apt-get {command[0]} failed: {last})")
    found = binaries()
    if found is None:
        raise missing
    return found


def _as_another() -> dict[str, Any]:
    """For root, under whom PostgreSQL refuses to run: the user of Debian's package, as options of
    `subprocess`."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise KerasbookError(
            "PostgreSQL: found no user 'postgres', expected one, since PostgreSQL does not run as "
            "root. Call `make tracking-server` as another user."
        ) from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Postgres:
    """A PostgreSQL of one's own, whose data lie in a folder.

    `uri` is its address for MLflow while it runs.
    """

    def __init__(self, folder: Path, programs: Path):
        self.data = folder.resolve() / "postgres"
        self.log = self.data / "server.log"
        self.programs = programs
        self.another = _as_another()
        self.socket: Path | None = None

    @property
    def uri(self) -> str:
        return f"postgresql+psycopg2://kerasbook@/postgres?host={self.socket}"

    def _own(self, folder: Path) -> None:
        folder.chmod(0o700)
        if self.another:
            os.chown(folder, self.another["user"], self.another["group"])

    def _call(self, program: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [self.programs / program, "-D", self.data, *arguments],
            cwd="/", capture_output=True, text=True, **self.another,
        )  # fmt: skip
        if check and done.returncode:
            raise KerasbookError(
                f"{self.data}: PostgreSQL's {program} failed ({done.stderr.strip()}). "
                f"What it wrote is in {self.log}, if it came that far."
            )
        return done.returncode

    def start(self) -> None:
        """Start it; make its files, if there are none, and end one that a killed server left.

        Raises:
            KerasbookError: its user cannot enter the folder, or it does not start.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        self._own(self.data)
        if subprocess.run(["test", "-w", self.data], cwd="/", **self.another).returncode:
            raise KerasbookError(
                f"{self.data}: the user 'postgres', under whom root must run PostgreSQL, cannot "
                "enter this folder. Call `make tracking-server` as another user, or give a "
                "folder that everybody can enter, FOLDER=/var/lib/kerasbook."
            )
        if not (self.data / "PG_VERSION").exists():
            self._call("initdb", "-U", "kerasbook", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        self._clear_up()
        self.socket = Path(tempfile.mkdtemp(prefix=SOCKETS))
        self._own(self.socket)
        options = f"-c listen_addresses= -k {shlex.quote(str(self.socket))}"
        self._call("pg_ctl", "start", "-w", "-s", "-l", str(self.log), "-o", options)

    def _clear_up(self) -> None:
        """End a PostgreSQL whose server was killed, and delete the folder of its socket."""
        told = self.data / "postmaster.pid"
        lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
        if self._call("pg_ctl", "status", check=False) == 0:
            self._call("pg_ctl", "stop", "-w", "-s", "-m", "fast")
        if len(lines) > 4 and Path(lines[4]).name.startswith(SOCKETS):
            shutil.rmtree(lines[4], ignore_errors=True)

    def stop(self) -> None:
        """Stop it, whole; sessions that are open are closed."""
        self._call("pg_ctl", "stop", "-w", "-s", "-m", "fast")
        if self.socket is not None:
            shutil.rmtree(self.socket, ignore_errors=True)


def _mlflow(uri: str, folder: Path, port: int, workers: int) -> subprocess.Popen:
    artifacts = folder.resolve() / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    # Nothing here asks for the jobs that the server could run, each a process that waits.
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **os.environ,
    }  # fmt: skip
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_BACKEND_STORE_URI"):
        environment.pop(name, None)
    with open(folder / "mlflow.log", "a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
             "--workers", str(workers), "--backend-store-uri", uri,
             "--artifacts-destination", artifacts.as_uri()],
            env=environment, stdout=log, stderr=log,
            start_new_session=True,  # Ctrl-C is for us, who stop them in their order
        )  # fmt: skip


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + START_SECONDS
    while True:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            opener.open(f"{address}/health", timeout=5),
        ):
            return
        if process.poll() is not None or time.monotonic() > until:
            raise KerasbookError(f"{address}: MLflow does not start; {log} says why.")
        time.sleep(0.2)


def _end(process: subprocess.Popen) -> None:
    """Stop a process and all that it started."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)


@contextlib.contextmanager
def served(folder: Path, port: int, workers: int) -> Iterator[subprocess.Popen]:
    """Run both servers; yields MLflow's process once it answers, and stops both.

    Raises:
        KerasbookError: something is missing, taken, or does not start.
    """
    import filelock

    if importlib.util.find_spec("psycopg2") is None:
        raise KerasbookError(
            "psycopg2: found no such package, expected that of envs/server.lock, by which MLflow "
            "speaks to PostgreSQL. `make tracking-server` installs it."
        )
    programs = install()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(filelock.FileLock(folder / "lock", timeout=0))
        except filelock.Timeout:
            raise KerasbookError(f"{folder}: a tracking server runs there already.") from None
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise KerasbookError(
                    f"127.0.0.1:{port}: cannot be listened on ({error.strerror}). Expected a free "
                    "port; give another one, PORT=5001."
                ) from None
        database = Postgres(folder, programs)
        database.start()
        stack.callback(database.stop)
        process = _mlflow(database.uri, folder, port, workers)
        stack.callback(_end, process)
        _wait_for(f"http://127.0.0.1:{port}", process, folder / "mlflow.log")
        yield process


def main() -> int:
    """Run both servers until Ctrl-C or SIGTERM; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make tracking-server", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where both keep their data")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=4, help="processes that answer requests")
    options = parser.parse_args()
    for signum in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in the background
        signal.signal(signum, signal.default_int_handler)
    try:
        with served(options.folder, options.port, options.workers) as process:
            print(  # noqa: T201
                f"Tracking server: http://127.0.0.1:{options.port}  (stop it with Ctrl-C)\n"
                f"Runs go there with `tracking_uri: http://127.0.0.1:{options.port}`.",
                flush=True,
            )
            process.wait()
            raise KerasbookError(f"MLflow has ended; {options.folder / 'mlflow.log'} says why.")
    except KeyboardInterrupt:
        return 0
    except KerasbookError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
