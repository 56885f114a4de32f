"""What a process says of itself."""

import os
import subprocess
import sys
from pathlib import Path

from kerasbook import provenance


def test_the_peak_of_memory_is_the_processes_own():
    """Of a small process that a large one has started, too."""
    small = "from kerasbook.provenance import peak_memory_mb; print(peak_memory_mb())"
    large = (
        "import subprocess, sys; held = b'x' * (300 << 20); "
        f"print(subprocess.check_output([sys.executable, '-c', {small!r}], text=True))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(provenance.__file__).parents[1])}
    told = subprocess.check_output([sys.executable, "-c", large], text=True, env=environment)
    assert 1 < float(told) < 200
    grown = f"held = b'x' * (300 << 20); {small}"
    told = subprocess.check_output([sys.executable, "-c", grown], text=True, env=environment)
    assert float(told) > 300
