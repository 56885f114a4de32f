"""Write the conda files that the rules name, from the locks.

Everything but Python comes from the package index at the locked versions, what the
packages bring with them included: conda's channels build some of them weeks later or
not at all, and a result should not depend on who installed them.
"""

import json
import re
from pathlib import Path

ENVS = Path(__file__).parent
PIN = re.compile(r"^([A-Za-z0-9_.-]+(?:\[[^\]]*\])?==[^\\\n]+)", re.M)


def pins(file: Path) -> list[str]:
    """The requirements of a lock with version and marker, without their hashes."""
    return [pin.strip() for pin in PIN.findall(file.read_text("utf-8"))]


def locked(file: Path) -> dict[str, str]:
    """Package name to version, of a lock."""
    versions = {}
    for pin in pins(file):
        name, _, rest = pin.partition("==")
        versions[name.partition("[")[0].lower()] = rest.partition(";")[0].strip()
    return versions


def conda_file(kind: str) -> str:
    """The text of envs/<kind>.yaml; kind is cpu or gpu."""
    lines = [
        "# Written by envs/conda.py (`make locks`) from the lock of the same name.",
        "channels:",
        "  - conda-forge",
        "  - nodefaults",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
        "  - pip:",
    ]
    lines += [f"      - {json.dumps(pin)}" for pin in pins(ENVS / f"{kind}.lock")]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files."""
    for kind in ("cpu", "gpu"):
        (ENVS / f"{kind}.yaml").write_text(conda_file(kind), encoding="utf-8")


if __name__ == "__main__":
    main()
