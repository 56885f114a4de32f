"""A SLURM of the tests' own, and two runs on it that the tests look at."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.slurm.cluster import PREFIX, Cluster, ClusterError, install, why_not


@pytest.fixture(scope="session")
def cluster():
    reason = why_not(may_install=bool(os.environ.get("KERASBOOK_INSTALL_SLURM")))
    if reason:
        pytest.skip(reason)
    # Not below pytest's own folders: the path of a socket has 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    one = Cluster(folder)
    try:
        install()
        one.start()
        yield one
    except ClusterError as error:
        raise ClusterError(f"{error}\n" + "\n".join(one.logs())) from None
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)
