"""Functions of one number, tabulated in floating point: 8-bit codes one by one, 16-bit in steps.

``LUTPopulate`` and ``LUTLookup`` in ``tflite/kernels/internal/common.h``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.lookup import centred_codes, look_up
from tflreplay.ops.base.step import (
    AWAY,
    UP,
    Step,
    given,
    over,
    plus,
    shifted,
    times,
    to_integer,
    wrapping,
)
from tflreplay.ops.base.terms import Arrays, Index

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


def tabled(name: str, of: Callable[[Call], Function], note: str = "") -> Stages:
    """The stages of :func:`by_float_table` on the function that ``of`` gives, called ``name``."""

    def stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
        ti, to, code = call.input(0), call.output, int(arrays[0][index])
        if ti.dtype == "int16":
            with np.errstate(all="ignore"):
                si, so = np.float32(ti.scale), np.float32(to.scale)
                table = interpolation_table(of(call), si, ti.zero_point, so, to.zero_point)
            return Staged((), interpolated("", code, table), zero_point=0, note=note)
        *steps, scaled = _scaled(call, code, name, of(call))
        return Staged((), (*steps, scaled, *_to_integer(call, scaled, AWAY)), bits=None, note=note)

    return Stages(stages)


def _scaled(call: Call, code: int, name: str, function: Function) -> Iterator[Step]:
    """Up to the function of one code, on the output's scale, in float32."""
    ti, to = call.input(0), call.output
    yield (real := times("real", np.float32(ti.scale), np.float32(code - ti.zero_point)))
    yield (one := over("1/so", np.float32(1), np.float32(to.scale)))
    with np.errstate(all="ignore"):
        value = np.float32(function(np.array([real.result], np.float32))[0])
        if not np.isfinite(value * np.float32(one.result)):
            limit = to.code_range[int(value > 0)] - to.zero_point
            yield given("f", f"{name}({real.result!r}) / so is infinite: the last code", limit)
            return
    yield given("f", f"{name}({real.result!r})", float(value))
    yield times("f / so", value, np.float32(one.result))


def _to_integer(call: Call, scaled: Step, how: str, zero_point: int = 0) -> Iterator[Step]:
    """The sum with a zero point in float32, and the integer nearest to it."""
    if isinstance(scaled.result, int):
        if zero_point:
            yield given("", f"{scaled.result} + {zero_point}", scaled.result + zero_point)
        return
    number = np.float32(scaled.result)
    if zero_point:
        yield (moved := plus("", number, np.float32(zero_point)))
        number = np.float32(moved.result)
    yield to_integer("", number, how)


def interpolated(label: str, code: int, table: Array) -> tuple[Step, ...]:
    """The stages of :func:`interpolate` on one int16 code."""
    entry, offset = 256 + (code >> 7), code & 0x7F
    base, end = (int(table[i]) for i in (entry, entry + 1))
    start = code - offset
    lower = given(label, f"entry {entry} of the table, at {start}", base)
    upper = given(label, f"entry {entry + 1} of the table, at {start + 128}", end)
    slope = wrapping("slope", f"{end} - {base}", end - base, 16)
    part = shifted("", slope.result * offset, 7, UP)
    part = replace(part, formula=f"{slope.result} * {offset} / 2**7")
    return lower, upper, slope, part, given(label, f"{base} + {part.result}", base + part.result)


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


def xnnpack_tabled(
    name: str, function: Function, how: str, zero_point_inside: bool = True
) -> Stages:
    """The stages of :func:`by_xnnpack_table`; ``how`` says where ties go."""

    def stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
        zero_point = call.output.zero_point if zero_point_inside else None
        *steps, scaled = _scaled(call, int(arrays[0][index]), name, function)
        last = _to_integer(call, scaled, how, zero_point or 0)
        return Staged((), (*steps, scaled, *last), zero_point=zero_point, bits=None)

    return Stages(stages)


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
