"""The tutorial's rows as its pandas read them, to the last bit.

Until version 1.2 (2020) pandas turned decimals into floating point by a quick
way that often misses the nearest number by a bit or two. The five digits that
the tutorial prints of an error do not show it; the seventeen that it prints of
the smallest prediction do, and come out only from the rows as they were read then.
"""

import os
import re
from pathlib import Path

import numpy as np

from kerasbook.errors import KerasbookError

HEADER = ["Feature1", "Feature2", "Target"]
DECIMAL = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?")


def decimal_as_read_then(text: str) -> float:
    """The number that pandas before 1.2 made of a decimal.

    It gathered all digits in one floating-point number and then divided by (or
    multiplied with) 10, 100, 10,000, 1e8 ... as the binary digits of the exponent
    told: each such step rounds.

    Raises:
        ValueError: `text` is no finite decimal.
    """
    match = DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"found {text!r}, expected a decimal such as -0.25 or 7.8e-05")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    number = 0.0
    for digit in whole + fraction:
        number = number * 10.0 + int(digit)
    exponent = int(match[4] or 0) - len(fraction)
    left, power = abs(exponent), 10.0
    while left:
        if left & 1:
            number = number / power if exponent < 0 else number * power
        left >>= 1
        power *= power
    return -number if sign == "-" else number


def read_rows(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read the tutorial's `intro_to_ann.csv`, whose lines end in bare carriage returns.

    Returns:
        x, (n, 2) float64, and y, (n,) float64 of zeros and ones.

    Raises:
        KerasbookError: another header, a line of another form, or no rows.
    """
    lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
    found = lines[0].split(",") if lines else []
    if found != HEADER:
        raise KerasbookError(f"{path}: found the header {found}, expected {HEADER}.")
    x, y = [], []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        try:
            first, second, target = line.split(",")
            if target not in ("0", "1"):
                raise ValueError(f"found the target {target!r}, expected 0 or 1")
            x.append([decimal_as_read_then(first), decimal_as_read_then(second)])
            y.append(float(target))
        except ValueError as error:
            raise KerasbookError(f"{path}: line {number}: {error}. Download it again.") from error
    if not x:
        raise KerasbookError(f"{path}: found no rows below the header. Download it again.")
    return np.array(x), np.array(y)
