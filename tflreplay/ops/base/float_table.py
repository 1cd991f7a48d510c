"""Functions of one number, tabulated in floating point: 8-bit codes one by one, 16-bit in steps.

``LUTPopulate`` and ``LUTLookup`` in ``tflite/kernels/internal/common.h``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.lookup import centred_codes, look_up

Function = Callable[[Array], Array]

_STEPS = 512  # of 128 codes each


def by_float_table(call: Call, x: Array, function: Function) -> Array:
    """``function`` of ``si * (x - zi)``, quantized; every operation rounded to float32.

    x: int8, uint8 or int16 of any shape. 8-bit: ``clamp(round_half_away(f * (1 / so)) + zo)``.
    int16, where both zero points are 0: :func:`interpolate` in an :func:`interpolation_table`.
    """
    same_type(call)
    with np.errstate(all="ignore"):  # a function may overflow, or give NaN
        return _by_table(call, x, function)


def _by_table(call: Call, x: Array, function: Function) -> Array:
    ti, to = call.input(0), call.output
    si, so = np.float32(ti.scale), np.float32(to.scale)
    if ti.dtype == "int16":
        return interpolate(x, interpolation_table(function, si, ti.zero_point, so, to.zero_point))
    real = si * centred_codes(ti).astype(np.float32)
    rescaled = round_half_away(function(real) * (np.float32(1) / so))
    codes = np.clip(rescaled + np.float32(to.zero_point), *to.code_range)
    return look_up(x, codes.astype(to.numpy_dtype))


def by_xnnpack_table(
    call: Call, x: Array, function: Function, rounded: Function, zero_point_inside: bool = True
) -> Array:
    """``clamp(rounded(f * (1 / so) + zo))``, f the function of ``si * (x - zi)``; in float32.

    x: int8 or uint8 of any shape. The zero point may also be added after rounding.
    """
    ti, to = call.input(0), call.output
    zero_point = np.float32(to.zero_point)
    real = centred_codes(ti).astype(np.float32) * np.float32(ti.scale)
    scaled = function(real) * (np.float32(1) / np.float32(to.scale))
    codes = rounded(scaled + zero_point) if zero_point_inside else rounded(scaled) + zero_point
    return look_up(x, codes.clip(*to.code_range).astype(to.numpy_dtype))


def interpolation_table(function: Function, si: Any, zi: int, so: Any, zo: int) -> Array:
    """The function at the 513 ends of the steps, int16.

    Each entry but the last is moved by half the error that interpolation makes in the middle of its
    step. The float type of the scales is that of every operation.
    """
    low, high = -(2**15), 2**15 - 1
    first, last = si * type(si)(low - zi), si * type(si)(high - zi)
    step = (last - first) / type(si)(_STEPS)
    inverse = type(si)(2**16) / (so * type(si)(high - zo) - so * type(si)(low - zo))
    starts = first + np.arange(_STEPS, dtype=type(si)) * step
    ends = first + np.arange(1, _STEPS + 1, dtype=type(si)) * step
    start = round_half_away(function(starts) * inverse)
    interpolated = round_half_away((function(ends) * inverse + start) / 2)
    error = interpolated - round_half_away(function(starts + step / 2) * inverse)
    at_last = round_half_away(function(np.array([last])) * inverse)
    entries = np.concatenate([start - round_half_away(error / 2), at_last])
    return entries.clip(low, high).astype(np.int16)


def interpolate(x: Array, table: Array) -> Array:
    """``entry + ((slope * offset + 64) >> 7)`` for int16 x, whose low 7 bits are the offset."""
    index = 256 + (x.astype(np.int32) >> 7)
    base, slope = table[index].astype(np.int32), (table[1:] - table[:-1])[index].astype(np.int32)
    return np.asarray((base + ((slope * (x & 0x7F) + 64) >> 7)).astype(np.int16))
