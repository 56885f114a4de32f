"""A SLURM of the tests' own, and two runs on it that the tests look at."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from tests.slurm.cluster import PREFIX, Cluster, ClusterError, install, why_not

# Set by CI and `make test-slurm`: these tests are wanted, and may install what is missing.
WANTED = "KERASBOOK_INSTALL_SLURM"


def do_without(reason: str) -> NoReturn:
    """Skip the tests where no SLURM can be started; fail where they are wanted."""
    if os.environ.get(WANTED):
        pytest.fail(
            f"{reason}. Expected a SLURM to be started, since {WANTED} is set; unset it to skip "
            "these tests.",
            pytrace=False,
        )
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cluster():
    reason = why_not(may_install=bool(os.environ.get(WANTED)))
    if reason:
        do_without(reason)
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
