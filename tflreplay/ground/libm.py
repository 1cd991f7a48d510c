"""This machine's C library: its functions of real numbers, and what it keeps for output."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tflreplay.ground import glibc
from tflreplay.ground.machine import X86_64, this_machine
from tflreplay.ground.rounding import Array

_ON_ARRAYS = {"expf": glibc.expf, "logf": glibc.logf}
_BLOCK = 16384  # elements at a time: the temporaries stay in the second-level cache


def libm(name: str, x: Array) -> Array:
    """A float32 function as this machine's C library computes it.

    The runtimes call it too, and its results are not always the correctly rounded ones. On x86-64
    Linux those of :mod:`tflreplay.ground.glibc` are computed on whole arrays.
    """
    whole = _ON_ARRAYS.get(name)
    if whole is not None and sys.platform == "linux" and this_machine() in X86_64:
        flat = np.ravel(x).astype(np.float32)
        parts = [whole(flat[start : start + _BLOCK]) for start in range(0, flat.size, _BLOCK)]
        return np.concatenate([np.empty(0, np.float32), *parts]).reshape(np.shape(x))
    function = c_function(name, ctypes.c_float, 1)
    found = [function(value) for value in np.ravel(x).tolist()]
    return np.array(found, np.float32).reshape(np.shape(x))


def c_function(name: str, number: type[Any], arguments: int) -> Callable[..., float]:
    """A function of the C library, all of whose arguments and result are of one C type."""
    function = c_library()[name]
    function.restype, function.argtypes = number, [number] * arguments
    return function


@functools.cache
def c_library() -> ctypes.CDLL:
    return ctypes.CDLL("ucrtbase" if os.name == "nt" else None)
