"""The tutorial's rows as its pandas read them, to the last bit.

Until version 1.2 (2020) pandas turned decimals into floating point by a quick
way that often misses the nearest number by a bit or two. The five digits that
the tutorial prints of an error do not show it; the seventeen that it prints of
the smallest prediction do, and come out only from the rows as they were read then.
"""

import re

import numpy as np

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


def as_read_then(x: np.ndarray) -> np.ndarray:
    """Numbers read correctly, brought to what pandas before 1.2 would have read.

    The shortest decimal of a number stands for what the file says, which holds for
    files without trailing zeros and with at most 15 digits, as the tutorial's.

    Args:
        x: float64, any shape.

    Raises:
        ValueError: a number is not finite.
    """
    numbers = [decimal_as_read_then(repr(float(value))) for value in x.ravel()]
    return np.array(numbers, dtype=np.float64).reshape(x.shape)
