"""Copies of the project in which Snakemake is run, and one smoke run that many tests look at."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
# Each Python that starts with this on its path says at its end what it imported, and what job it
# did for Snakemake.
PROBE = """
import atexit, json, os, sys

def plain(named):
    return {k: v if isinstance(v, (dict, str, int)) else list(v) for k, v in named.items()}

def tell():
    name = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    heavy = [one for one in ("tensorflow", "keras", "mlflow", "sklearn") if one in sys.modules]
    job = getattr(sys.modules["__main__"], "snakemake", None)
    wildcards = dict(job.wildcards.items()) if job is not None else {}
    told = {"script": name, "heavy": heavy, "rule": getattr(job, "rule", None), **wildcards,
            "forked": "kerasbook.fork_server" in sys.orig_argv}
    if job is not None and job.rule.endswith(("_train", "_evaluate")):
        parts = ("input", "output", "params")
        told["job"] = {"rule": job.rule, "wildcards": wildcards, "threads": job.threads,
                       "log": list(job.log), **{one: plain(getattr(job, one)) for one in parts}}
    with open(os.path.join(os.path.dirname(__file__), f"{os.getpid()}.json"), "w") as file:
        json.dump(told, file)

atexit.register(tell)
"""
# Runs a command and prints the seconds of a core that it took.
CLOCK = """
import resource, subprocess, sys

status = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, flush=True)
sys.exit(status)
"""


@dataclass(frozen=True)
class Project:
    """A copy of the project."""

    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *map(str, arguments)]

    def start(self, *arguments: str, new_session: bool = False, **more: str) -> subprocess.Popen:
        """Start `snakemake` with these arguments; its output can be read from the process."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=new_session,
            # Whoever starts the tests in the background leaves SIGINT ignored, which children
            # inherit: a terminal does not, and Snakemake is started as from a terminal.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, seconds: float = 600, **more: str) -> tuple[int, str]:
        """Run `snakemake` with these arguments: its exit status and all it prints."""
        process = self.start(*arguments, **more)
        try:
            output, _ = process.communicate(timeout=seconds)
        finally:
            stop(process)
        return process.returncode, output

    def succeed(self, *arguments: str, seconds: float = 600, **more: str) -> str:
        """Run `snakemake`, which must end well: all it prints."""
        status, output = self.run(*arguments, seconds=seconds, **more)
        assert status == 0, output
        return output

    def cpu_seconds(self, *arguments: str) -> tuple[float, str]:
        """What `snakemake`, which must end well, and its jobs take of a core, and all it prints.

        How quick it is, whatever else the machine does meanwhile. A Python of its own counts,
        since this one may reap in the same time what another test has left.
        """
        ended = subprocess.run(
            [sys.executable, "-c", CLOCK, *self.command(*arguments)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert ended.returncode == 0, ended.stdout
        output, _, seconds = ended.stdout.rstrip().rpartition("\n")
        return float(seconds), output

    def made(self) -> list[str]:
        """What lies in `results/` and did not come with the code."""
        return sorted(one.name for one in self.folder.glob("results/*") if one.name != "reference")

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Rule -> number of jobs that a dry run would start."""
        output = self.succeed("-n", "--configfile", "config/smoke.yaml", "--", *arguments)
        table = re.search(r"^Job stats:\njob +count\n[- ]+\n((?:\w+ +\d+\n)+)", output, re.M)
        if table is None:
            assert "Nothing to be done" in output, output
            return {}
        found = {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()}
        del found["total"]
        return found

    def json(self, path: str | Path) -> dict:
        return json.loads((self.folder / path).read_text(encoding="utf-8"))

    @property
    def client(self):
        """An MLflow client of the project's store."""
        import mlflow

        uri = f"sqlite:///{self.folder}/results/mlflow.db"
        mlflow.set_tracking_uri(uri)
        return mlflow.MlflowClient(uri)

    def runs(self, name: str, query: str = "") -> list:
        """The active runs of an MLflow experiment, such as `smoke/ch07_mnist_convnets`."""
        experiment = self.client.get_experiment_by_name(name)
        return self.client.search_runs([experiment.experiment_id], query, max_results=5000)


def stop(process: subprocess.Popen) -> None:
    """End a Snakemake and its jobs, if they still run."""
    if process.poll() is None:
        below = psutil.Process(process.pid).children(recursive=True)
        for one in [psutil.Process(process.pid), *below]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


def copied(folder: Path) -> Project:
    """Copy all that git would hold, into a repository of its own with one commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    environment = {key: os.environ[key] for key in kept if key in os.environ}
    # No test may reach the network; nobody listens there.
    proxies = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    environment |= dict.fromkeys(proxies, "http://127.0.0.1:9")
    environment |= {"no_proxy": "", "PYTHONDONTWRITEBYTECODE": "1"}
    who = {"user.name": "tests", "user.email": "tests@localhost", "commit.gpgsign": "false"}
    said = [part for key, value in who.items() for part in ("-c", f"{key}={value}")]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "copy"]):
        subprocess.run(["git", *said, *command], cwd=folder, check=True, env=environment)
    return Project(folder, environment)


@pytest.fixture
def project(tmp_path):
    """A fresh copy, to be changed at will."""
    folder = tmp_path / "project"
    folder.mkdir()
    return copied(folder)


@pytest.fixture(scope="session")
def copy_of_the_project(tmp_path_factory):
    """Makes a copy under a name, for a module's tests to share."""
    return lambda name: copied(tmp_path_factory.mktemp(name))


@dataclass(frozen=True)
class Smoke:
    """The smoke edition of all chapters, run once for all tests: look, and leave it as it is."""

    project: Project
    output: str
    imports: list[dict]


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    probe = tmp_path_factory.mktemp("probe")
    (probe / "sitecustomize.py").write_text(PROBE, encoding="utf-8")
    project = copied(folder)
    output = project.succeed(
        "-c2", "--configfile", "config/smoke.yaml", seconds=1800, PYTHONPATH=str(probe)
    )
    imports = [json.loads(path.read_text()) for path in probe.glob("*.json")]
    return Smoke(project, output, imports)


@pytest.fixture(scope="session")
def report_zip(smoke, tmp_path_factory):
    """The smoke run in Snakemake's own report."""
    target = tmp_path_factory.mktemp("report") / "report.zip"
    smoke.project.succeed("--configfile", "config/smoke.yaml", "--report", target)
    return target
