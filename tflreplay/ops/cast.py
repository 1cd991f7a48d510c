"""CAST: from one type to another."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.c import beyond
from tflreplay.ground.errors import NotReplayed, UndefinedHere
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.types import BOOL, FLOAT, INDICES, QUANTIZED

# Types that are packed in memory; the engines convert them from and to float32 only.
PACKED = ("int2", "int4", "uint4")

_INTEGERS = (*QUANTIZED, *INDICES)
_WIDE = ("uint16", "uint32", "float64", "complex64")
_TYPES = (*_INTEGERS, *FLOAT, "float16", *BOOL, *_WIDE, *PACKED)


def cast(call: Call, x: Array) -> Array:
    """x as the output's type; a real number becomes an integer by cutting it, and saturates.

    NaN becomes the highest integer. Integers keep their low bits; floats are rounded half to even,
    to float32 before float16. Of a complex number the real part is taken. As bool, all but 0 is
    true. ``tflite/kernels/cast.cc``.

    Raises:
        NotReplayed: a packed type is converted from or to another than float32.
    """
    types = (call.input(0).dtype, call.output.dtype)
    if "float32" not in types and any(name in PACKED for name in types):
        raise NotReplayed(f"CAST of {types[0]} to {types[1]} (there is float32 only)")
    target = call.output.numpy_dtype
    if x.dtype.kind == "c" and target.kind != "c":
        x = x.real
    if x.dtype.kind == "f" and target.kind in "iu":
        return _whole(call, x)
    with np.errstate(over="ignore"):  # too large for the type is infinite
        return (x.astype(np.float32) if target == np.float16 else x).astype(target)


def cast_in_range(call: Call, x: Array) -> Array:
    """As :func:`cast`, when numbers beyond an integer type became whatever the vector code gave.

    Raises:
        NotReplayed: also where there is such a number.
    """
    if x.dtype.kind in "fc" and call.output.numpy_dtype.kind in "iu":
        below, above = beyond(x.real, *call.output.code_range)
        if (below | above).any():
            raise UndefinedHere(
                f"CAST of a number beyond {call.output.dtype}, which {call.engine.runtime} "
                f"{call.engine.version} leaves to the compiler"
            )
    return cast(call, x)


def _whole(call: Call, x: Array) -> Array:
    low, high = call.output.code_range
    below, above = beyond(x, low, high)
    output = np.where(below | above, 0, x).astype(call.output.numpy_dtype)
    output[below], output[above] = low, high
    return output


CARDS = (
    Card(
        "CAST",
        {
            "reference": (
                Row(
                    _TYPES,
                    cast,
                    algorithm="C cast, saturating",
                    source="cast.cc",
                    since={"litert": "2.2.0"},
                ),
                Row(
                    _TYPES,
                    cast_in_range,
                    algorithm="C cast, of numbers in range",
                    source="cast.cc",
                ),
            ),
        },
    ),
)
