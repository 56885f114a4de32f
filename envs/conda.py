"""Write the conda files that the rules name, from the locks.

Everything but Python comes from the package index at the locked versions: conda's
channels build some of these packages weeks later or not at all, and a result should
not depend on who installed them.
"""

import re
from pathlib import Path

ENVS = Path(__file__).parent
# Snakemake itself and its plugins run the rules; the rules do not need them.
NOT_FOR_RULES = ("snakemake",)
LINE = re.compile(r"^([A-Za-z0-9_.-]+)(\[[a-z-]+\])?[^;#]*(;[^#]*)?")


def wanted(file: Path) -> list[tuple[str, str]]:
    """(name, extra) of each package that a *.in file asks for on Linux on x86_64."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found += wanted(file.parent / line[3:].strip())
        elif (match := LINE.match(line)) and not line.startswith("#"):
            elsewhere = match[3] and ("!=" in match[3])
            if not elsewhere and not match[1].startswith(NOT_FOR_RULES):
                found.append((match[1], match[2] or ""))
    return found


def locked(file: Path) -> dict[str, str]:
    """Package name to version, of a lock."""
    pins = re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", file.read_text("utf-8"), re.M
    )
    return {name.lower(): version for name, version in pins}


def conda_file(kind: str) -> str:
    """The text of envs/<kind>.yaml; kind is cpu or gpu."""
    versions = locked(ENVS / f"{kind}.lock")
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
    for name, extra in sorted(wanted(ENVS / f"{kind}.in")):
        lines.append(f"      - {name}{extra}=={versions[name.lower()]}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files."""
    for kind in ("cpu", "gpu"):
        (ENVS / f"{kind}.yaml").write_text(conda_file(kind), encoding="utf-8")


if __name__ == "__main__":
    main()
