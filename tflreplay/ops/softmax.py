"""SOFTMAX: exp(beta * x) divided by its sum along the last axis."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tflreplay.ground import functions
from tflreplay.ground.errors import NotReplayed, UndefinedHere
from tflreplay.ground.fixed_point import bit_length, exp_on_negative_values, reciprocal
from tflreplay.ground.libm import libm
from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import (
    Array,
    Multiplier,
    double,
    double_up,
    high_mul,
    round_half_away,
    rounding_divide_by_pot,
)
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.cmsis_nn import CMSIS_NN
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.float_table import (
    Function,
    interpolate,
    interpolated,
    interpolation_table,
)
from tflreplay.ops.base.last_axis import (
    ONE_Q26,
    below_maximum,
    exponential_stages,
    multiplier_of,
    scaled_differences,
    sum_in_order,
)
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.ported import activations as ported
from tflreplay.ops.base.predicates import few_dimensions, to_eight_bits
from tflreplay.ops.base.row import Defect, Row
from tflreplay.ops.base.step import (
    AWAY,
    TRUNCATED,
    UP,
    doubled,
    given,
    inverse,
    multiplied,
    over,
    plus,
    saturated,
    shifted,
    times,
    to_integer,
)
from tflreplay.ops.base.terms import Arrays, Index
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT16
from tflreplay.ops.base.words import (
    EXACT,
    LIKE_LIBM,
    MICRO,
    OPTIMIZED_HEADER,
    REFERENCE_OPS,
    SUMMED,
    finished,
)

_ONE_Q19 = 1 << 19  # the sum is Q12.19


# ---- reference kernels: 8 bits and float32 ----------------------------------------------------


def softmax(call: Call, x: Array) -> Array:
    """Softmax of the last axis in gemmlowp's fixed point.

    x: int8 or uint8 of rank 1 or more. With ``e = exp(beta * si * (x - max))`` in Q0.31, 0 below
    the smallest difference that Q5.26 holds, and ``sum`` the sum of e in Q12.19::

        out = min(rounding_divide_by_pot(high_mul(1 / sum, e), floor(log2 sum) + right) + low, high)

    ``right`` is 23 for an output of 8 bits, which has the scale 1/256, and 15 for one of 16. The
    output's zero point is taken to be the lowest code. ``Softmax`` in
    ``tflite/kernels/internal/reference/softmax.h``.

    Raises:
        NotReplayed: a pair of types that has no kernel, a multiplier or a sum for which the kernel
            aborts the process.
    """
    to = call.output
    _check_types(call)
    e = _below_max(call, x)
    if too_flat(call, x):
        raise UndefinedHere(
            f"SOFTMAX with a sum of exponentials of {_most(call)} or more: the kernel fails"
        )
    total = _sums(e)
    inverse, exponent = reciprocal(total)
    low, high = to.code_range
    right = exponent - 19 + 31 - 8 * to.numpy_dtype.itemsize
    code: Array = rounding_divide_by_pot(high_mul(inverse, e), right) + low
    return code.clip(max=high).astype(to.numpy_dtype)


def _below_max(call: Call, x: Array) -> Array:
    """e in Q0.31."""
    exponentials = _exponentials(call.option("beta") * call.input(0).scale * ONE_Q26)
    return np.asarray(exponentials[x.max(axis=-1, keepdims=True).astype(np.int64) - x])


def _sums(e: Array) -> Array:
    return np.asarray(rounding_divide_by_pot(e, 12).sum(axis=-1, keepdims=True))


def _stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`softmax`."""
    to = call.output
    row = _row(arrays, index)
    real = call.option("beta") * call.input(0).scale * ONE_Q26
    difference = below_maximum(row, index[-1])
    e = int(_exponentials(real)[-difference.result])
    steps = [difference, *exponential_stages(difference.result, real, e)]
    total = int(_sums(_below_max(call, row))[0])
    mantissa, exponent = (int(each) for each in reciprocal(np.asarray(total)))
    low, right = to.code_range[0], exponent - 19 + 31 - 8 * to.numpy_dtype.itemsize
    product = multiplied("e/sum", mantissa, e)
    out = shifted("out", product.result, right, AWAY)
    steps += [
        given("sum", f"the row's {len(row):,} e, each / 2**12", total),
        inverse("1/sum", total, mantissa, exponent),
        product,
        out,
        given("out", f"{out.result} + {low}", out.result + low),
    ]
    return Staged(((str(call.row.multiplier), multiplier_of(real)),), tuple(steps), zero_point=low)


def _row(arrays: Arrays, index: Index) -> Array:
    return np.asarray(arrays[0][index[:-1]])


def _most(call: Call) -> int:
    """The sum of exponentials at which the kernel aborts."""
    return 512 if call.output.numpy_dtype.itemsize == 1 else 4096


def too_flat(call: Call, x: Array) -> bool:
    """True where a row's sum of exponentials makes the kernel abort."""
    return bool((_sums(_below_max(call, x)) >= _most(call) * _ONE_Q19).any())


@condition
def long_rows(site: Site) -> bool:
    """rows of 512 or more (int16 output: 4096)"""
    most = 512 if site.output.numpy_dtype.itemsize == 1 else 4096
    return site.activation.shape[-1] >= most


_ABORTS = Defect(
    "aborts the process where a row's exponentials sum up to 512 (int16 output: 4096), as those of "
    "512 equal logits do",
    long_rows,
    shows=too_flat,
    aborts=True,
    report="https://github.com/tensorflow/tflite-micro/issues/3499",
)


def _check_types(call: Call) -> None:
    """Check that the output has the input's type, or 16 bits.

    Raises:
        NotReplayed: it has another.
    """
    source, target = call.input(0).dtype, call.output.dtype
    if target not in (source, "int16"):
        raise NotReplayed(f"SOFTMAX from {source} to {target}")


def _exponentials(real_multiplier: float) -> Array:
    """``exp`` in Q0.31 of every difference 0 ... 255 below the maximum."""
    scaled, reachable = scaled_differences(real_multiplier, "SOFTMAX with beta * scale")
    return np.where(reachable, exp_on_negative_values(scaled), 0)


def softmax_float(call: Call, x: Array) -> Array:
    """``e / sum(e)``, ``e = exp((x - max) * beta)``: ``.../internal/reference/softmax.h``.

    Every operation is rounded to float32; the sum is taken from left to right.
    """
    e = functions.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(call.option("beta")))
    return np.asarray(e / sum_in_order(e))


# ---- int16: the reference kernel and TFLM's, by two interpolated tables -----------------------

_LOW, _HIGH = -(2**15), 2**15 - 1
Real = np.float32 | np.float64
Apply = Callable[[Array, Multiplier], Array]


@dataclass(frozen=True)
class _Tables:
    """``exp`` from -10 to 0, and ``1 / (1 + y)`` from 0 to 1; both in Q0.15."""

    exp: Array
    reciprocal: Array


def softmax_int16(call: Call, x: Array) -> Array:
    """``e * r``, ``e = exp(d)`` and ``r = 1 / sum(e)`` from tables in Q0.15.

    x: int16 of rank 1 or more; the output's scale is 2**-15. ``d = double(x - max, beta * si /
    (10 / 65535))``, so that -65535 stands for -10; the scale's product with beta is rounded to
    float32, and the tables are computed in float64. ``SoftmaxInt16`` in
    ``tflite/kernels/internal/reference/softmax.h``.
    """
    return _by_tables(call, x, _int16_scale(call), _float64_tables())


def _int16_scale(call: Call) -> np.float64:
    return np.float64(np.float32(call.input(0).scale) * np.float32(call.option("beta")))


def _tables_stages(call: Call, arrays: Arrays, index: Index, scale: Any, tables: _Tables) -> Staged:
    """Of :func:`_by_tables`."""
    row, m = _row(arrays, index), Multiplier.of(scale / (10.0 / 65535.0))
    difference = below_maximum(row, index[-1])
    argument = list(doubled("d", difference.result, int(m.mantissa), int(m.shift)))
    moved = argument[-1].result + _HIGH
    code = saturated("d", f"{argument[-1].result} + {_HIGH}", moved, _LOW, _HIGH)
    own = interpolated("e", code.result, tables.exp)
    total = int(_table_exponentials(row, scale, tables).sum())
    bits = total.bit_length()
    mantissa = shifted("1 + y", total << (31 - bits), 14, UP)
    mantissa = replace(mantissa, formula=f"{total} * 2**{31 - bits} / 2**14")
    moved = mantissa.result - (1 << 15) - (1 << 16)
    y = saturated("y", f"{mantissa.result} - 2**15 - 2**16", moved, _LOW, _HIGH)
    part = interpolated("1/(1 + y)", y.result, tables.reciprocal)
    product = own[-1].result * part[-1].result
    out = shifted("out", product, bits - 1, UP)
    out = replace(out, formula=f"{own[-1].result} * {part[-1].result} / 2**{bits - 1}")
    cut = saturated("out", f"{out.result} in 16 bits", out.result, 0, _HIGH)
    summed = given("sum", f"the row's {len(row):,} e", total)
    steps = difference, *argument, code, *own, summed, mantissa, y, *part, out, cut
    return Staged(((str(call.row.multiplier), m),), steps, zero_point=0)


def _int16_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    return _tables_stages(call, arrays, index, _int16_scale(call), _float64_tables())


def _tflm_int16_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    return _tables_stages(call, arrays, index, _tflm_int16_scale(call), _float32_tables())


def tflm_softmax_int16(call: Call, x: Array) -> Array:
    """As :func:`softmax_int16`, the scale's product with beta in float64, the tables in float32.

    ``CalculateSoftmaxParams`` and ``InitializeLutForInt16`` in
    ``tensorflow/lite/micro/kernels/softmax_common.cc``.
    """
    return _by_tables(call, x, _tflm_int16_scale(call), _float32_tables())


def _tflm_int16_scale(call: Call) -> np.float64:
    return np.float64(call.input(0).scale) * np.float64(call.option("beta"))


def cmsis_nn_softmax_int16(call: Call, x: Array) -> Array:
    """As :func:`tflm_softmax_int16`, d by the rule, and int16 keeps the lowest bits of what does
    not fit it: of y, and of the output of a row of one.

    ``arm_softmax_s16`` in CMSIS-NN's ``Source/SoftmaxFunctions/arm_softmax_s16.c``.
    """
    return _by_tables(call, x, _tflm_int16_scale(call), _float32_tables(), call.rule, False)


def _by_tables(
    call: Call,
    x: Array,
    scale: np.float64,
    tables: _Tables,
    rule: Apply = double,
    saturates: bool = True,
) -> Array:
    same_type(call)
    e = _table_exponentials(x, scale, tables, rule)
    total = e.sum(axis=-1, keepdims=True)
    bits = bit_length(total)
    # (1 + y) * 2**16 with y from 0 to 1, then y moved to the middle of int16.
    mantissa = ((total << (31 - bits)) + (1 << 13)) >> 14
    argument = mantissa - (1 << 15) - (1 << 16)
    argument = argument.clip(_LOW, _HIGH) if saturates else argument
    inverse = interpolate(argument.astype(np.int16), tables.reciprocal).astype(np.int64)
    right = bits - 1
    result: Array = (e * inverse + ((1 << right) >> 1)) >> right
    return (result.clip(0, _HIGH) if saturates else result).astype(np.int16)


def _table_exponentials(
    x: Array, scale: np.float64, tables: _Tables, rule: Apply = double
) -> Array:
    difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    difference = rule(difference, Multiplier.of(scale / (10.0 / 65535.0)))
    e = interpolate((difference + _HIGH).clip(_LOW, _HIGH).astype(np.int16), tables.exp)
    return e.astype(np.int64)


@functools.cache
def _float64_tables() -> _Tables:
    def exp(x: Array) -> Array:
        return np.array([math.exp(value) for value in x.tolist()])

    return _tables(exp, np.float64(1))


@functools.cache
def _float32_tables() -> _Tables:
    return _tables(functions.exp, np.float32(1))


def _tables(exp: Function, one: Real) -> _Tables:
    """Computed in the type of ``one``."""

    def reciprocal(y: Array) -> Array:
        return np.asarray(one / (one + y))

    ten, two, codes = (type(one)(number) for number in (10, 2, 65535))
    return _Tables(
        interpolation_table(exp, ten / codes, _HIGH, two / codes, 0),
        interpolation_table(reciprocal, one / codes, _LOW, two / codes, 0),
    )


# ---- optimized kernels ------------------------------------------------------------------------


def optimized_softmax(call: Call, x: Array) -> Array:
    """``p = e * (1 / (sum(e) * so))`` over the last axis, ``e = exp(-si * beta * (max - x))``.

    x: int8 or uint8 of rank 1 or more. Every operation is rounded to float32, the sum from left to
    right. ``clamp(round_half_away(p) + zo)`` of int8 and int16; of uint8 ``clamp(trunc(p + 0.5))``,
    whatever the zero point. ``Softmax`` and ``PopulateSoftmaxLookupTable`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.

    Raises:
        NotReplayed: a pair of types that has no kernel.
    """
    to = call.output
    _check_types(call)
    e = _optimized_table(call)[x.max(axis=-1, keepdims=True).astype(np.int64) - x]
    probability: Array = e * (np.float32(1) / (sum_in_order(e) * np.float32(to.scale)))
    if to.dtype == "uint8":
        codes = np.trunc(probability + np.float32(0.5))
    else:
        codes = round_half_away(probability) + to.zero_point
    return np.clip(codes, *to.code_range).astype(to.numpy_dtype)


def _optimized_table(call: Call) -> Array:
    """e of the differences 0 ... 255 below the maximum."""
    scale = -np.float32(call.input(0).scale) * np.float32(call.option("beta"))
    return libm("expf", scale * np.arange(256, dtype=np.float32))


def _optimized_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`optimized_softmax`."""
    to, row = call.output, _row(arrays, index)
    e = _optimized_table(call)[int(row.max()) - row.astype(np.int64)]
    own, total = e[index[-1]], sum_in_order(e)[0]
    difference = below_maximum(row, index[-1])
    scaled = times("sum * so", total, np.float32(to.scale))
    one = over("1/(sum*so)", np.float32(1), np.float32(scaled.result))
    p = times("p", own, np.float32(one.result))
    steps = [
        difference,
        given("e", f"exp(si * beta * {difference.result})", float(own)),
        given("sum", f"the row's {len(row):,} e, in order", float(total)),
        *(scaled, one, p),
    ]
    if to.dtype != "uint8":
        last = to_integer("", np.float32(p.result), AWAY)
        return Staged((), (*steps, last))
    half = plus("", np.float32(p.result), np.float32(0.5))
    last = to_integer("", np.float32(half.result), TRUNCATED)
    return Staged((), (*steps, half, last), zero_point=to.zero_point)


def optimized_softmax_by_16_bits(call: Call, x: Array) -> Array:
    """``double-up(t, 1 / (sum(t) * so))`` over the last axis, ``t = exp(-si * beta * (max - x))``.

    x: int8 or uint8 of rank 1 or more, the output of x's type. t is a table of 16 bits,
    ``min(int(float32(exp * 65535) + 0.5), 65535)``; the multiplier is float32. ``SoftmaxInt8LUT``
    in ``tflite/kernels/internal/optimized/optimized_ops.h``, which clang compiles for aarch64.
    """
    to = call.output
    t = _table_of_16_bits(call)[x.max(axis=-1, keepdims=True).astype(np.int64) - x]
    total = t.sum(axis=-1, keepdims=True).astype(np.float32)
    multiplier = Multiplier.of(np.float32(1) / (total * np.float32(to.scale)))
    codes = double_up(t, multiplier) + to.zero_point
    return np.asarray(codes.clip(*to.code_range).astype(to.numpy_dtype))


def _table_of_16_bits(call: Call) -> Array:
    """e of the differences 0 ... 255 below the maximum, in 65535ths."""
    scale = np.float32(call.input(0).scale * call.option("beta"))
    e = libm("expf", scale * -np.arange(256, dtype=np.float32)) * np.float32(65535)
    return np.minimum(np.trunc(e.astype(np.float64) + 0.5), 65535).astype(np.int64)


def _stages_by_16_bits(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`optimized_softmax_by_16_bits`."""
    row = _row(arrays, index)
    t = _table_of_16_bits(call)[int(row.max()) - row.astype(np.int64)]
    own, total = int(t[index[-1]]), np.float32(t.sum())
    difference = below_maximum(row, index[-1])
    scaled = times("sum * so", total, np.float32(call.output.scale))
    one = over("1/(sum*so)", np.float32(1), np.float32(scaled.result))
    m = Multiplier.of(np.float32(one.result))
    steps = (
        difference,
        given("t", f"65535 * exp(si * beta * {difference.result}), rounded", own),
        given("sum", f"the row's {len(row):,} t", float(total)),
        *(scaled, one),
        *doubled("", own, int(m.mantissa), int(m.shift), UP),
    )
    return Staged((("float32 1/(sum*so)", m),), steps)


# ---- XNNPACK ----------------------------------------------------------------------------------


@condition
def unit_beta(site: Site) -> bool:
    """beta 1"""
    return site.op.options.get("beta") == 1


CARDS = (
    Card(
        "SOFTMAX",
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    softmax_float,
                    algorithm=LIKE_LIBM,
                    source="src/operators/softmax-nc.c",
                    when=every(few_dimensions, unit_beta),
                    tolerance=SUMMED,
                ),
            ),
            "optimized": (
                finished(FLOAT, softmax_float, LIKE_LIBM, OPTIMIZED_HEADER, SUMMED),
                Row(
                    EIGHT_BITS,
                    optimized_softmax_by_16_bits,
                    algorithm="16-bit table, sum of integers, double-up",
                    source=OPTIMIZED_HEADER,
                    when=to_eight_bits,
                    on=AARCH64,
                    ledger=Stages(_stages_by_16_bits),
                ),
                Row(
                    EIGHT_BITS,
                    optimized_softmax,
                    multiplier="float32 -si*beta",
                    algorithm="float32 table and sum, half away",
                    source=OPTIMIZED_HEADER,
                    ledger=Stages(_optimized_stages),
                ),
            ),
            "reference": (
                Row(
                    INT16,
                    softmax_int16,
                    multiplier="float64 (float32 si*beta)/(10/65535)",
                    algorithm="interpolated tables",
                    source=f"{REFERENCE_OPS}softmax.h",
                    ledger=Stages(_int16_stages),
                ),
                finished(FLOAT, softmax_float, EXACT, f"{REFERENCE_OPS}softmax.h"),
                Row(
                    EIGHT_BITS,
                    softmax,
                    multiplier="float64 beta*si*2**26",
                    algorithm="fixed point",
                    source=f"{REFERENCE_OPS}softmax.h",
                    ledger=Stages(_stages),
                    defects=(_ABORTS,),
                ),
            ),
            "cmsis-nn": (
                Row(
                    INT16,
                    cmsis_nn_softmax_int16,
                    "double",
                    "float64 si*beta/(10/65535)",
                    algorithm="interpolated float32 tables",
                    source=f"{CMSIS_NN}SoftmaxFunctions/arm_softmax_s16.c",
                ),
            ),
            "tflm": (
                Row(
                    INT16,
                    tflm_softmax_int16,
                    multiplier="float64 si*beta/(10/65535)",
                    algorithm="interpolated float32 tables",
                    source=f"{MICRO}softmax_common.cc",
                    ledger=Stages(_tflm_int16_stages),
                ),
            ),
        },
        ported=ported.SOFTMAX,
        refusals=refusals.SOFTMAX,
    ),
)
