"""LOG_SOFTMAX: the logarithm of SOFTMAX along the last axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflreplay.ground import functions
from tflreplay.ground.errors import UndefinedHere
from tflreplay.ground.fixed_point import exp_on_negative_values, log_q12_to_q5
from tflreplay.ground.libm import libm
from tflreplay.ground.rounding import INT32_MIN, Array, Multiplier, double, rounding_divide_by_pot
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.last_axis import (
    ONE_Q26,
    below_maximum,
    exponential_stages,
    multiplier_of,
    scaled_differences,
    sum_in_order,
)
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.step import AWAY, EVEN, given, over, plus, shifted, times, to_integer
from tflreplay.ops.base.terms import Arrays, Index
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT
from tflreplay.ops.base.words import (
    EXACT,
    INTEGER_OPS,
    LIKE_LIBM,
    OPTIMIZED_HEADER,
    REFERENCE_OPS,
    SUMMED,
    finished,
)

# ---- reference kernels ------------------------------------------------------------------------


def log_softmax(call: Call, x: Array) -> Array:
    """``rounding_divide_by_pot(d - log(sum(exp(d))), 22) + high`` in gemmlowp's fixed point.

    x: int8 or uint8 of rank 1 or more; d is ``si * (x - max)`` in Q5.26 and the sum in Q12.19. The
    output's scale is 1/16 and its zero point the highest code. ``LogSoftmax`` in
    ``tflite/kernels/internal/reference/integer_ops/log_softmax.h`` and ``.../log_softmax.h``.

    Raises:
        NotReplayed: a scale or a sum for which the kernel aborts the process.
    """
    same_type(call)
    scale = call.input(0).scale
    scaled, reachable = scaled_differences(scale * ONE_Q26, "LOG_SOFTMAX with a scale")
    exponentials = np.where(reachable, exp_on_negative_values(scaled), 0)
    below_max = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    total = rounding_divide_by_pot(exponentials[below_max], 12).sum(axis=-1, keepdims=True)
    if (total >= 2**31).any():
        raise UndefinedHere("LOG_SOFTMAX with a sum of exponentials of 4096 or more")
    logarithm = log_q12_to_q5(total)

    low, high = call.output.code_range
    codes = rounding_divide_by_pot(scaled[below_max] - logarithm, 22) + high
    kept = -below_max > np.maximum(-int(reachable.sum()), _lowest(logarithm, scale))
    return np.where(kept, codes.clip(low, high), low).astype(call.output.numpy_dtype)


def _lowest(logarithm: Array, scale: float) -> Array:
    """The smallest difference from which the logarithm can be subtracted."""
    multiplier = multiplier_of(scale * ONE_Q26)
    divisor = float(1 << (31 - int(multiplier.shift))) / float(multiplier.mantissa)
    return double(logarithm + INT32_MIN, Multiplier.of(divisor))


def _stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`log_softmax`."""
    real, row = call.input(0).scale * ONE_Q26, arrays[0][index[:-1]].astype(np.int64)
    low, high = call.output.code_range
    scaled, reachable = scaled_differences(real, "LOG_SOFTMAX with a scale")
    e = np.where(reachable, exp_on_negative_values(scaled), 0)
    total = int(rounding_divide_by_pot(e[row.max() - row], 12).sum())
    logarithm = int(log_q12_to_q5(np.asarray(total)))
    difference = below_maximum(row, index[-1])
    d = difference.result
    lowest = int(_lowest(np.asarray(logarithm), call.input(0).scale))
    if d <= max(-int(reachable.sum()), lowest):
        last = given("out", f"{d} lies below what Q5.26 holds: the lowest code", low)
        return Staged((), (difference, last), zero_point=call.output.zero_point)
    *argument, _ = exponential_stages(d, real, 0)
    value = argument[-1].result - logarithm
    out = replace(
        shifted("out", value, 22, AWAY), formula=f"({argument[-1].result} - {logarithm}) / 2**22"
    )
    steps = (
        difference,
        *argument,
        given("sum", f"the row's {len(row):,} exp(d), in Q12.19", total),
        given("log", f"log({total} / 2**19) * 2**26, as gemmlowp has it", logarithm),
        out,
        given("out", f"{out.result} + {high}", out.result + high),
    )
    return Staged(((str(call.row.multiplier), multiplier_of(real)),), steps, zero_point=high)


def log_softmax_float(call: Call, x: Array) -> Array:
    """``x - max - log(sum(exp(x - max)))``: ``.../internal/reference/log_softmax.h``.

    Every operation is rounded to float32; the sum is taken from left to right.
    """
    below_max = x - x.max(axis=-1, keepdims=True)
    return np.asarray(below_max - functions.log(sum_in_order(functions.exp(below_max))))


# ---- optimized kernels ------------------------------------------------------------------------


def optimized_log_softmax(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(x * (si / so) - (si * max + log(sum(e))) / so) + zo)``.

    x: int8 or uint8 of rank 1 or more, raw codes; ``e = exp(-si * (max - x))``, the sum from left
    to right. Every operation is rounded to float32. ``LogSoftmax`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    same_type(call)
    to = call.output
    si, so = np.float32(call.input(0).scale), np.float32(to.scale)
    table = libm("expf", -si * np.arange(256, dtype=np.float32))
    highest = x.max(axis=-1, keepdims=True)
    total = sum_in_order(table[highest.astype(np.int64) - x])
    offset = (si * highest.astype(np.float32) + libm("logf", total)) / so
    codes: Array = np.rint((si / so) * x.astype(np.float32) - offset) + to.zero_point
    return codes.clip(*to.code_range).astype(to.numpy_dtype)


def _optimized_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`optimized_log_softmax`."""
    si, so = np.float32(call.input(0).scale), np.float32(call.output.scale)
    row, code = arrays[0][index[:-1]].astype(np.int64), int(arrays[0][index])
    largest = int(row.max())
    total = sum_in_order(libm("expf", -si * np.arange(256, dtype=np.float32))[largest - row])[0]
    logarithm = libm("logf", np.array([total]))[0]
    top = times("", si, np.float32(largest))
    moved = plus("", np.float32(top.result), logarithm)
    offset = over("offset", np.float32(moved.result), so)
    ratio = over("", si, so)
    scaled = times("", np.float32(ratio.result), np.float32(code))
    out = plus("", np.float32(scaled.result), np.float32(-offset.result))
    steps = (
        given("sum", f"the row's {len(row):,} exp(si * (x - max)), in order", float(total)),
        given("log", f"log({float(total)!r})", float(logarithm)),
        *(top, moved, offset, ratio, scaled, out),
        to_integer("", np.float32(out.result), EVEN),
    )
    return Staged((), steps, bits=None)


CARDS = (
    Card(
        "LOG_SOFTMAX",
        {
            "optimized": (
                finished(FLOAT, log_softmax_float, LIKE_LIBM, OPTIMIZED_HEADER, SUMMED),
                Row(
                    EIGHT_BITS,
                    optimized_log_softmax,
                    multiplier="float32 si/so",
                    algorithm="float32 table and sum, half even",
                    source=OPTIMIZED_HEADER,
                    ledger=Stages(_optimized_stages),
                ),
            ),
            "reference": (
                Row(
                    EIGHT_BITS,
                    log_softmax,
                    multiplier="float64 si*2**26",
                    algorithm="fixed point",
                    source=f"{INTEGER_OPS}log_softmax.h",
                    ledger=Stages(_stages),
                ),
                finished(FLOAT, log_softmax_float, EXACT, f"{REFERENCE_OPS}log_softmax.h"),
            ),
        },
        refusals=refusals.LOG_SOFTMAX,
    ),
)
