"""Jobs of Snakemake's without Snakemake: in forks of a process that has its imports done."""

import json
from pathlib import Path
from typing import Self

from kerasbook.fork_server import ForkServer, Worker


class Trainer:
    """Does jobs in forks, many at a time, until its block ends.

    Args:
        project: the copy of the project that the jobs belong to.
        log: takes what the imports say.
    """

    def __init__(self, project, log: Path):
        self.environment = {
            **project.environment,
            "PYTHONPATH": str(project.folder / "workflow"),
            "KERASBOOK_TRACKING_URI": "sqlite:///results/mlflow.db",
            "CUDA_VISIBLE_DEVICES": "",
            "PROJECT": str(project.folder),
        }
        self.server = ForkServer("keras", self.environment, log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.server.end()

    def start(self, job) -> Worker:
        told = {**self.environment, "TOLD": json.dumps(job)}
        return self.server.start(Path(__file__).with_name("one_job.py"), told)

    def do(self, job) -> int:
        """Do a job to its end: its exit status."""
        return self.start(job).wait()
