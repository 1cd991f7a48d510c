"""MUL: the product of two inputs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import Accumulation, Array, Multiplier, requantize
from tflreplay.ops.base.call import Call, accumulation, operands
from tflreplay.ops.base.card import PAIR, Card, Form, Slip, Worst
from tflreplay.ops.base.cmsis_nn import CMSIS_NN, equal_shapes
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.ledger import Staged, Stages, Sum, Term, Terms
from tflreplay.ops.base.lines import of_pair
from tflreplay.ops.base.loops import inner_loop, narrowed
from tflreplay.ops.base.plain import with_activation
from tflreplay.ops.base.plain_rows import xnnpack_flushed
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.predicates import binary
from tflreplay.ops.base.row import Clamp, Row
from tflreplay.ops.base.smallest import pair
from tflreplay.ops.base.step import Step, doubled, saturated
from tflreplay.ops.base.terms import Arrays, Index, operand, sum_of_terms
from tflreplay.ops.base.types import EIGHT_BITS, INT16, SIGNED, UNQUANTIZED
from tflreplay.ops.base.words import (
    INTEGER_OPS,
    MICRO,
    OPTIMIZED_INTEGER_OPS,
    REFERENCE_OPS,
    finished,
    in_both_precisions,
)

# ---- reference kernels ------------------------------------------------------------------------


def mul(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize((a - za) * (b - zb))`` with ``s1 * s2 / so`` in the precision of the row.

    a, b: int8, uint8 or int16, broadcast. ``MulElementwise`` in
    ``tflite/kernels/internal/reference/integer_ops/mul.h`` and ``.../reference/mul.h``; the
    multiplier in ``tflite/kernels/mul.cc`` and, of TFLM, in
    ``tensorflow/lite/micro/kernels/mul_common.cc``.
    """
    ta, tb = operands(call)
    # A centred 8-bit code fits 9 bits and a product 17: float32 holds both exactly.
    exact = np.dtype(np.int64 if a.itemsize > 1 else np.float32)
    left = a.astype(exact) - exact.type(ta.zero_point)
    right = b.astype(exact) - exact.type(tb.zero_point)
    return accumulation(
        call, left * right, _multiplier(call), call.option("fused_activation_function")
    )


def _multiplier(call: Call) -> Multiplier:
    """``s1 * s2 / so`` in the precision of the row."""
    ta, tb = operands(call)
    precision = call.row.multiplier
    assert isinstance(precision, Precision)
    second = np.asarray(tb.scale, np.float32)
    return Multiplier.of(precision.multiplier(ta.scale, second, call.output.scale))


def _terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    factors = tuple(operand(call, arrays, i, index) for i in (0, 1))
    return sum_of_terms("(a - z1) * (b - z2)", Term(factors))


mul_unquantized = with_activation(np.multiply)


# ---- optimized kernels ------------------------------------------------------------------------


def optimized_mul(call: Call, a: Array, b: Array) -> Array:
    """As :func:`mul`, but for the vector body, which adds the zero point in 16 bits.

    a, b: int8 or uint8, broadcast. The body is 16 int8 or 8 uint8 elements wide. See
    :func:`~tflreplay.ops.base.loops.narrowed`; the uint8 scalar-broadcast kernel does not saturate.
    ``MulElementwise`` and ``MulSimpleBroadcast`` in
    ``tflite/kernels/internal/optimized/integer_ops/mul.h`` and ``.../optimized/optimized_ops.h``.
    """
    products = mul(call, a, b)
    tail = requantize(products, call.rule)
    loop = inner_loop(a.shape, b.shape)
    if loop is None:
        return tail
    signed = a.dtype == np.int8
    # Lanes of a vector that are shifted left by 32 or more are 0.
    kept = products.values * (products.multiplier.shift < 32)
    body = narrowed(replace(products, values=kept), call.rule, saturate=signed or not loop.scalar)
    return np.where(loop.body(tail.shape, 16 if signed else 8), body, tail)


def _optimized_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`optimized_mul`."""
    total, signed = _terms(call, arrays, index, shape), call.input(0).dtype == "int8"
    loop = inner_loop(arrays[0].shape, arrays[1].shape)
    body, note = (False, "") if loop is None else loop.place(index, shape, 16 if signed else 8)
    m, acc, steps = _multiplier(call), total.accumulator, []
    if body and m.shift >= 32:
        steps.append(Step(f"{acc} * 2**{m.shift}", Fraction(0), 0, label="no bit of a lane left"))
        acc = 0
    steps += doubled("", acc, int(m.mantissa), int(m.shift))
    if body and (signed or (loop is not None and not loop.scalar)):
        value = steps[-1].result
        steps.append(saturated("", f"{value} in 16 bits", value, -(2**15), 2**15 - 1))
    return Staged(
        ((str(call.row.multiplier), m),),
        tuple(steps),
        total,
        bits=16 if body else 32,
        exact=(f"{total.total} * {float(m.real)!r}", total.total * Fraction(float(m.real))),
        note=note,
    )


@condition
def may_pass_16_bits(site: Site) -> bool:
    """255**2*s1*s2/so > 2**15 - 256"""
    a, b, y = site.input(0).scale, site.input(1).scale, site.output.scale
    with np.errstate(all="ignore"):
        return bool(255 * 255 * a * b / np.float64(y) > 2**15 - 256)


# ---- XNNPACK ----------------------------------------------------------------------------------


@condition
def product_ratio(site: Site) -> bool:
    """2**-16 <= s1*s2/so < 256"""
    a, b, y = site.input(0), site.input(1), site.output
    with np.errstate(all="ignore"):
        product = np.float32(a.scale) * np.float32(b.scale) / np.float32(y.scale)
    return bool(2.0**-16 <= product < 256)


_XNNPACK = Row(
    EIGHT_BITS,
    mul,
    "float-even32",
    Precision.FLOAT32,
    source="src/xnnpack/requantization.h",
    pairwise=True,
    when=every(binary, product_ratio),
    clamp=Clamp.HALF_EVEN,
    ledger=Terms(_terms),
)

_TFLM = Row(
    SIGNED,
    mul,
    "double",
    Precision.FLOAT64,
    source=f"{MICRO}mul_common.cc",
    pairwise=True,
    ledger=Terms(_terms),
)

CARDS = (
    Card(
        "MUL",
        {
            "xnnpack": (
                xnnpack_flushed(np.multiply, "product"),
                replace(_XNNPACK, rule="rndnu", source="src/qs8-vmul/neon.c.in", on=AARCH64),
                _XNNPACK,
            ),
            "optimized": (
                *in_both_precisions(
                    Row(
                        EIGHT_BITS,
                        optimized_mul,
                        multiplier=Precision.FLOAT32,
                        algorithm="double; body: 16-bit sum with the zero point",
                        source=f"{OPTIMIZED_INTEGER_OPS}mul.h",
                        when=may_pass_16_bits,
                        ledger=Stages(_optimized_stages),
                    )
                ),
            ),
            "reference": (
                *in_both_precisions(
                    Row(
                        INT16,
                        mul,
                        "double",
                        Precision.FLOAT32,
                        source=f"{INTEGER_OPS}mul.h",
                        ledger=Terms(_terms),
                    )
                ),
                finished(UNQUANTIZED, mul_unquantized, "product", f"{REFERENCE_OPS}mul.h"),
                *in_both_precisions(
                    Row(
                        EIGHT_BITS,
                        mul,
                        "double",
                        Precision.FLOAT32,
                        source=f"{INTEGER_OPS}mul.h",
                        pairwise=True,
                        ledger=Terms(_terms),
                    )
                ),
            ),
            "tflm": (_TFLM,),
            "cmsis-nn": (
                replace(
                    _TFLM,
                    source=f"{CMSIS_NN}BasicMathFunctions/arm_elementwise_mul_s8.c",
                    when=equal_shapes,
                ),
            ),
        },
        sums_once=True,
        operands=PAIR,
        accumulates="product",
        slips=frozenset({Slip.SECOND_INPUT, Slip.PRODUCT}),
        worst=Worst.AT_ENDS,
        rescales=("output",),
        lines=of_pair,
        smallest=pair("MulOptions"),
        form=Form.PRODUCT,
    ),
)
