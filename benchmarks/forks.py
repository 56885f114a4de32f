"""A chapter whose jobs are forked from processes that have their imports done, and one's without.

Both in the smoke edition on two cores, in which a job hardly does more than it has to.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Row, copy_of_the_project, seconds

CHAPTER = "ch07"
PAIRS = 2


def forks() -> list[Row]:
    """How many times as long the chapter takes where each job starts a Python."""
    with tempfile.TemporaryDirectory() as name:
        copy_of_the_project(Path(name))

        def run(*settings: str) -> float:
            command = [
                sys.executable, "-m", "snakemake", "-c2", "--quiet", "--forceall",
                "--config", "edition=smoke", "seeds=[1]", *settings, "--", CHAPTER,
            ]  # fmt: skip
            return seconds(
                lambda: subprocess.run(command, cwd=name, check=True, capture_output=True)
            )

        ratio = statistics.median(run("fork_jobs=0") / run() for _ in range(PAIRS))
        return [Row("forked_jobs_speedup", ratio, "ratio", ">= 1.3")]
