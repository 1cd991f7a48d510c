"""DIV, FLOOR_DIV and FLOOR_MOD; inputs are broadcast."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from tflreplay.ground.errors import UndefinedHere
from tflreplay.ground.fixed_point import bit_length, divide_by_any_pot, reciprocal
from tflreplay.ground.rounding import Array, Multiplier, high_mul, wrap32
from tflreplay.ops.base.call import Call, activation_range, operands
from tflreplay.ops.base.card import PAIR, Card
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.plain import elementwise, with_activation
from tflreplay.ops.base.plain_rows import xnnpack_flushed
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.step import by_any_pot, inverse, multiplied, wrapping
from tflreplay.ops.base.terms import Arrays, Index, operand
from tflreplay.ops.base.types import QUANTIZED, SIGNED, UNQUANTIZED
from tflreplay.ops.base.words import LITERT_FLOAT64, REFERENCE_OPS, finished

Number = type[np.float32 | np.float64]


def div(call: Call, a: Array, b: Array) -> Array:
    """``clamp(rescale((a - za) * (1 / (b - zb))) + zo)`` with the multiplier ``s1 / (s2 * so)``.

    a, b: int8, uint8 or int16. The reciprocal is in fixed point, the dividend shifted left as far
    as it goes; the multiplier is a float32 quotient of a float32 product. ``DivElementwise`` in
    ``tflite/kernels/internal/reference/div.h``.

    Raises:
        NotReplayed: a divisor of 0.
    """
    return _div(call, a, b, np.float32)


def div_in_float64(call: Call, a: Array, b: Array) -> Array:
    """As :func:`div`, the multiplier in float64."""
    return _div(call, a, b, np.float64)


def _div(call: Call, a: Array, b: Array, number: Number) -> Array:
    """As :func:`div`, the multiplier computed in this type."""
    ta, tb = operands(call)
    to = call.output
    dividend = a.astype(np.int64) - ta.zero_point
    divisor = b.astype(np.int64) - tb.zero_point
    if not divisor.all():
        raise UndefinedHere("DIV by 0: the kernel computes nothing of meaning")
    inverse, exponent = reciprocal(np.abs(divisor))
    dividend = np.where(divisor < 0, -dividend, dividend)
    # CountLeadingSignBits: a negative number has as many as its complement.
    headroom = 31 - bit_length(np.where(dividend < 0, ~dividend, dividend))
    quotient = high_mul(wrap32(dividend << headroom), inverse)
    m = _multiplier(call, number)
    right = exponent + headroom - m.shift
    codes = wrap32(divide_by_any_pot(high_mul(quotient, m.mantissa), right) + to.zero_point)
    low, high = activation_range(call, call.option("fused_activation_function"))
    return codes.clip(low, high).astype(to.numpy_dtype)


def _stages(number: Number) -> Callable[..., Staged]:
    """Of :func:`div`, the multiplier computed in ``number``."""

    def stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
        ta, tb, to = *operands(call), call.output
        a, b = (operand(call, arrays, i, index).value for i in (0, 1))
        m = _multiplier(call, number)
        mantissa, exponent = (int(each) for each in reciprocal(np.asarray(abs(b))))
        dividend = -a if b < 0 else a
        headroom = 31 - (~dividend if dividend < 0 else dividend).bit_length()
        left = wrapping("a", f"{dividend} * 2**{headroom}", dividend << headroom)
        ratio = multiplied("a/b", left.result, mantissa)
        product = multiplied("out", ratio.result, int(m.mantissa))
        last = by_any_pot("out", product.result, exponent + headroom - int(m.shift))
        s1, s2, so = (Fraction(tensor.scale) for tensor in (ta, tb, to))
        exact = f"{a} * {ta.scale!r} / ({b} * {tb.scale!r}) / {to.scale!r}"
        return Staged(
            ((str(call.row.multiplier), m),),
            (inverse("1/b", abs(b), mantissa, exponent), left, ratio, product, last),
            exact=(exact, a * s1 / (b * s2) / so),
        )

    return stages


def _multiplier(call: Call, number: Number) -> Multiplier:
    (ta, tb), to = operands(call), call.output
    return Multiplier.of(number(ta.scale) / (number(tb.scale) * number(to.scale)))


def _divide(a: Array, b: Array) -> Array:
    """The quotient; of integers it is truncated.

    Raises:
        NotReplayed: an integer divided by 0, for which the kernel stops the run.
    """
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    _check_divisor("DIV", b)
    sign = np.sign(a.astype(np.int64)) * np.sign(b)
    quotient = np.abs(a.astype(np.int64)) // np.abs(b.astype(np.int64)) * sign
    return np.asarray(quotient).astype(a.dtype)


div_unquantized = with_activation(_divide)


@elementwise
def floor_div(a: Array, b: Array) -> Array:
    """``floor(a / b)``, the quotient in float64; of raw codes too.

    ``FloorDiv`` in ``tflite/kernels/internal/reference/floor_div.h``.

    Raises:
        NotReplayed: a divisor of 0, for which the kernel stops the run.
    """
    _check_divisor("FLOOR_DIV", b)
    quotient = np.floor(a.astype(np.float64) / b)
    return quotient.astype(a.dtype if a.dtype.kind == "f" else np.int64).astype(a.dtype)


@elementwise
def floor_mod(a: Array, b: Array) -> Array:
    """The remainder, of the divisor's sign; of raw codes too.

    ``FloorMod`` in ``tflite/kernels/internal/reference/floor_mod.h``.

    Raises:
        NotReplayed: an integer divided by 0, for which the kernel stops the run.
    """
    if a.dtype.kind != "f":
        _check_divisor("FLOOR_MOD", b)
    remainder = np.fmod(a, b)
    return np.where((remainder != 0) & ((b < 0) != (remainder < 0)), remainder + b, remainder)


def _check_divisor(op: str, b: Array) -> None:
    if not b.all():
        raise UndefinedHere(f"{op} by 0: the kernel stops the run")


CARDS = (
    Card(
        "DIV",
        {
            "xnnpack": (xnnpack_flushed(_divide, "quotient"),),
            "reference": (
                *(
                    Row(
                        QUANTIZED,
                        kernel,
                        multiplier=multiplier,
                        algorithm="double, by a reciprocal in fixed point",
                        source=f"{REFERENCE_OPS}div.h",
                        since=since,
                        ledger=Stages(_stages(number)),
                    )
                    for kernel, number, multiplier, since in (
                        (div_in_float64, np.float64, "float64 s1/(s2*so)", LITERT_FLOAT64),
                        (div, np.float32, "float32 s1/(s2*so)", {}),
                    )
                ),
                finished(
                    ("float32", "int32"),
                    div_unquantized,
                    "quotient, of integers truncated",
                    "div.cc",
                ),
            ),
        },
        operands=PAIR,
    ),
    Card(
        "FLOOR_DIV",
        {
            "reference": (
                finished(
                    (*SIGNED, "int32", "float32"),
                    floor_div,
                    "float64 quotient of raw codes, floor",
                    f"{REFERENCE_OPS}floor_div.h",
                ),
            ),
        },
    ),
    Card(
        "FLOOR_MOD",
        {
            "reference": (
                finished(
                    (*SIGNED, *UNQUANTIZED),
                    floor_mod,
                    "remainder of raw codes",
                    f"{REFERENCE_OPS}floor_mod.h",
                ),
            ),
        },
    ),
)
