"""Installs Debian's packages that the tests of SLURM and of the tracking server use.

`python -m tests.packages` does so where KERASBOOK_INSTALL_SLURM is set, as .ci/run sets it. The
tests would install them, too, but run beside each other, and apt-get admits one at a time. What
cannot be had the tests tell.
"""

import os
import sys

from kerasbook import tracking_server
from kerasbook.errors import KerasbookError
from tests.slurm import cluster
from tests.slurm.conftest import WANTED


def main() -> None:
    """Install what is missing, where that is wanted."""
    if not os.environ.get(WANTED):
        return
    if cluster.why_not(may_install=True) is None:
        cluster.install()
    tracking_server.install()


if __name__ == "__main__":
    try:
        main()
    except (cluster.ClusterError, KerasbookError) as error:
        print(error, file=sys.stderr)
