"""This machine's C library: its functions of real numbers, and what it keeps for output."""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array


def libm(name: str, x: Array) -> Array:
    """A float32 function of this machine's C library, element by element.

    The runtimes call it too, and its results are not always the correctly rounded ones.
    """
    function = c_function(name, ctypes.c_float, 1)
    flat = [function(value) for value in np.ravel(x).tolist()]
    return np.array(flat, np.float32).reshape(np.shape(x))


def c_function(name: str, number: type[Any], arguments: int) -> Callable[..., float]:
    """A function of the C library, all of whose arguments and result are of one C type."""
    function = c_library()[name]
    function.restype, function.argtypes = number, [number] * arguments
    return function


@functools.cache
def c_library() -> ctypes.CDLL:
    return ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
