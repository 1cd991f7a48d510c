"""LEAKY_RELU: x, or x times alpha below zero."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.ops.base.call import Call, accumulation, same_type
from tflreplay.ops.base.card import Card, Worst
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.ledger import Slopes, Sum, Terms
from tflreplay.ops.base.lookup import centred_codes, look_up
from tflreplay.ops.base.ported import activations as ported
from tflreplay.ops.base.predicates import eight_bit_ratio, normal, ratio, unary, unary_rank
from tflreplay.ops.base.row import Kernel, Row, Versions
from tflreplay.ops.base.terms import Arrays, Index, by_eight_bits, centred, input_code
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT16, SIGNED
from tflreplay.ops.base.words import (
    EXACT,
    LITERT_FLOAT64,
    MICRO,
    MICRO_FLOAT64,
    OPTIMIZED_INTEGER_OPS,
    REFERENCE_OPS,
    finished,
)

Number = type[np.float32 | np.float64]
_SLOPE = "{number} si/so; {number} si*{alpha}/so where x < zi"


# ---- reference and optimized kernels ----------------------------------------------------------


def leaky_relu(call: Call, x: Array) -> Array:
    """``clamp(rule(x - zi, m) + zo)``; m is ``si / so``, or ``si * alpha / so`` below zero.

    x: int8, uint8 or int16 of any shape; multipliers in float32. A negative alpha rescales by its
    magnitude and negates. ``QuantizeLeakyRelu`` in
    ``tflite/kernels/internal/reference/leaky_relu.h``.
    """
    return _by_magnitude(call, x, np.float32)


def leaky_relu_in_float64(call: Call, x: Array) -> Array:
    """As :func:`leaky_relu`, the multipliers in float64.

    ``QuantizeLeakyRelu`` as above; of TFLM, ``CalculateOpDataLeakyRelu`` in
    ``tensorflow/lite/micro/kernels/leaky_relu_common.cc``.
    """
    return _by_magnitude(call, x, np.float64)


def _by_magnitude(call: Call, x: Array, number: Number) -> Array:
    slope = _slope(call, number)
    negative = call.rule(centred_codes(call.input(0)), Multiplier.of(abs(slope)))
    return _by_table(call, x, negative * np.int64(np.sign(slope)), number)


def leaky_relu_signed(call: Call, x: Array) -> Array:
    """As :func:`leaky_relu`, a negative alpha making a negative multiplier."""
    slope = Multiplier.of(_slope(call, np.float32))
    return _by_table(call, x, call.rule(centred_codes(call.input(0)), slope), np.float32)


def _alpha(call: Call) -> np.float32:
    return np.float32(call.option("alpha"))


def _slope(call: Call, number: Number) -> np.float32 | np.float64:
    si, so = number(call.input(0).scale), number(call.output.scale)
    return si * number(_alpha(call)) / so


def _by_table(call: Call, x: Array, negative: Array, number: Number) -> Array:
    """The table whose entries for x below zero are ``negative``."""
    same_type(call)
    ti, to = call.input(0), call.output
    centred = centred_codes(ti)
    positive = call.rule(centred, Multiplier.of(number(ti.scale) / number(to.scale)))
    scaled = np.where(centred < 0, negative, positive)
    table = np.clip(scaled + to.zero_point, *to.code_range).astype(to.numpy_dtype)
    return look_up(x, table)


def leaky_relu_float(call: Call, x: Array) -> Array:
    """``x``, or ``x * alpha`` where x is not above 0; float32 of any shape."""
    alpha = np.float32(call.option("alpha"))
    with np.errstate(all="ignore"):
        return np.where(x > 0, x, x * alpha)


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_leaky_relu(call: Call, x: Array) -> Accumulation:
    """``acc = (x - zi) * m``, requantized by 2**-8; m has 8 fractional bits.

    x: int8 or uint8 of any shape. ``m = round_half_even(256 * si / so)``, or
    ``round_half_even(256 * (si / so * alpha))`` below zero, in float32.
    ``xnn_init_qs8_lrelu_scalar_params`` in ``src/microparams-init.c``.
    """
    ti, to = call.input(0), call.output
    positive = int(np.rint(np.float32(256) * ratio(ti, to)))
    slope = ratio(ti, to) * _alpha(call)
    negative = int(np.rint(np.float32(256) * slope))
    centred = x.astype(np.int32) - ti.zero_point
    values = np.where(centred < 0, centred * negative, centred * positive)
    return accumulation(call, values, Multiplier.of(2.0**-8))


def _xnnpack_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    x, si_so = input_code(call, arrays, index), ratio(call.input(0), call.output)
    if x.value >= 0:
        return by_eight_bits(x, si_so, "si/so")
    return by_eight_bits(x, si_so * _alpha(call), "(si/so * alpha)")


def xnnpack_leaky_relu_float(call: Call, x: Array) -> Array:
    """``x``, or ``x * alpha`` below 0; float32 of any shape. ``src/f32-vlrelu/``."""
    with np.errstate(all="ignore"):
        return np.where(x < 0, x * _alpha(call), x)


@condition
def slope_ratio(site: Site) -> bool:
    """1/256 <= |alpha*si/so|, 1/256 - 128 <= alpha*si/so <= 128"""
    with np.errstate(all="ignore"):
        slope = ratio(site.activation, site.output) * np.float32(site.option("alpha"))
    # The lowest is -(2**15 - 1) / 256, a multiplier of 16 bits.
    return bool(1 / 256 - 128 <= slope <= 128 and abs(slope) >= 1 / 256)


@condition
def normal_alpha(site: Site) -> bool:
    """alpha normal"""
    return normal(np.abs(np.float32(site.option("alpha"))))


_KERNELS: tuple[tuple[Kernel, Number, str, Versions], ...] = (
    (leaky_relu_in_float64, np.float64, "|alpha|", LITERT_FLOAT64),
    (leaky_relu, np.float32, "|alpha|", {"litert": "2.1.4"}),
    (leaky_relu_signed, np.float32, "alpha", {}),
)

CARDS = (
    Card(
        "LEAKY_RELU",
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    xnnpack_leaky_relu_float,
                    algorithm=EXACT,
                    source="src/f32-vlrelu/",
                    when=every(unary_rank, normal_alpha),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_leaky_relu,
                    "single",
                    "float32 si/so, float32 (si/so)*alpha where x < zi, to 8 fractional bits",
                    "fixed point",
                    "src/microparams-init.c",
                    when=every(unary, eight_bit_ratio, normal_alpha, slope_ratio),
                    ledger=Terms(_xnnpack_terms),
                ),
            ),
            "optimized": (
                Row(
                    INT16,
                    leaky_relu_signed,
                    "double",
                    _SLOPE.format(number="float32", alpha="alpha"),
                    source=f"{OPTIMIZED_INTEGER_OPS}leaky_relu.h",
                    ledger=Slopes(centred, _alpha, signed=True),
                ),
            ),
            "reference": (
                finished(FLOAT, leaky_relu_float, EXACT, "activations.cc"),
                *(
                    Row(
                        types,
                        kernel,
                        "double",
                        _SLOPE.format(number=number.__name__, alpha=alpha),
                        source=f"{REFERENCE_OPS}leaky_relu.h",
                        since=since,
                        ledger=Slopes(centred, _alpha, number, signed=alpha == "alpha"),
                    )
                    for types in (INT16, EIGHT_BITS)
                    for kernel, number, alpha, since in _KERNELS
                ),
            ),
            "tflm": (
                Row(
                    SIGNED,
                    leaky_relu_in_float64,
                    "double",
                    _SLOPE.format(number="float64", alpha="|alpha|"),
                    source=f"{MICRO}leaky_relu_common.cc",
                    since=MICRO_FLOAT64,
                    ledger=Slopes(centred, _alpha, np.float64),
                ),
            ),
        },
        unary=True,
        worst=Worst.AT_ENDS,
        rescales=("codes below the zero point", "codes from the zero point on"),
        ported=ported.LEAKY_RELU,
    ),
)
