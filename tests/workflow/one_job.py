"""Does a job of Snakemake's without Snakemake, in a fork of `kerasbook.fork_server`.

The job is told in the environment (JSON: rule, wildcards, input, output, params, log, threads).
Its outputs are removed first, as Snakemake does.
"""

import importlib
import json
import os
import shutil
from pathlib import Path

from kerasbook import steps


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


told = json.loads(os.environ["TOLD"])
os.chdir(os.environ["PROJECT"])
for path in map(Path, told["output"].values()):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
script = told["rule"].split("_", 1)[1]
module = importlib.import_module(f"chapters.{told['wildcards']['chapter']}.{script}")
steps.run(module.main, Job(told))
