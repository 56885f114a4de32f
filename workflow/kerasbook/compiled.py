"""Loops compiled to machine code."""

from collections.abc import Callable

import numba


def compiled(function: Callable) -> Callable:
    """`function` compiled by numba; the machine code is kept on disk where that is possible."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # neither the checkout nor the user's cache folder is writable
        return numba.njit(function)
