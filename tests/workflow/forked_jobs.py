"""Does jobs of Snakemake in forks of one process, which has done the slow imports for all.

Reads a job per line (JSON: rule, wildcards, input, output, params, log, threads), removes its
outputs as Snakemake does, writes the process id of the fork, and its exit status once it ends.
"""

import importlib
import json
import os
import shutil
import sys
from pathlib import Path

import mlflow.tensorflow  # noqa: F401
import numba  # noqa: F401

from kerasbook import crate, steps, training  # noqa: F401


class Items:
    """Named values as a Snakemake job has them."""

    def __init__(self, values):
        self.__dict__.update(values)

    def items(self):
        return self.__dict__.items()


class Job:
    def __init__(self, told):
        self.rule, self.threads, self.log = told["rule"], told["threads"], told["log"]
        for name in ("wildcards", "input", "output", "params"):
            setattr(self, name, Items(told[name]))


def do(told):
    """Do a job; the exit status that Snakemake would see."""
    for path in map(Path, told["output"].values()):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
    script = told["rule"].split("_", 1)[1]
    module = importlib.import_module(f"chapters.{told['wildcards']['chapter']}.{script}")
    try:
        steps.run(module.main, Job(told))
    except SystemExit as error:
        return error.code
    return 0


for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        # What the process that is forked from holds back at its end is not the fork's.
        os._exit(do(json.loads(line)))
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
