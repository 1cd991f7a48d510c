"""L2_NORMALIZATION: x divided by its length along the last axis."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.fixed_point import inverse_square_root
from tflreplay.ground.functions import multiply_add
from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import Array, Multiplier, double, wrap32
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.step import doubled, given, inverse_root
from tflreplay.ops.base.terms import Arrays, Codes, Index, sum_of_products
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT
from tflreplay.ops.base.words import EXACT, INTEGER_OPS, REFERENCE_OPS, finished

_SCALE_BITS = 7  # of the output: 2**-7
_VECTOR = 8
_EPSILON = np.float32(1e-6)


def l2_normalization(call: Call, x: Array) -> Array:
    """``clamp(double(d, 2**7 / sqrt(sum(d ** 2))) + zo)`` over the last axis, ``d = x - zi``.

    x: int8 or uint8 of rank 1 or more; the inverse square root is in fixed point. The output's
    scale is 1/128, its zero point 0 or, of uint8, 128. uint8 multiplies d by 2**7, int8 the
    multiplier. ``L2Normalization`` in
    ``tflite/kernels/internal/reference/integer_ops/l2normalization.h`` and
    ``.../reference/l2normalization.h``.
    """
    same_type(call)
    to = call.output
    centred = x.astype(np.int64) - call.input(0).zero_point
    mantissa, shift = inverse_square_root(wrap32((centred**2).sum(axis=-1, keepdims=True)))
    if to.dtype == "uint8":
        centred = centred << _SCALE_BITS
    else:
        shift = shift + _SCALE_BITS
    normalized = double(centred, Multiplier(np.ldexp(mantissa, shift - 31), mantissa, shift))
    middle = 128 if to.dtype == "uint8" else 0
    return (normalized + middle).clip(*to.code_range).astype(to.numpy_dtype)


def _stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`l2_normalization`."""
    ti, to = call.input(0), call.output
    row = np.array([(*index[:-1], i) for i in range(shape[-1])])
    codes = Codes("x", arrays[0], row, ti.zero_point)
    total = sum_of_products("sum of (x - zi)**2", [codes, codes])
    inverse = inverse_square_root(np.asarray(total.accumulator))
    mantissa, shift = (int(each) for each in inverse)
    d = int(arrays[0][index]) - ti.zero_point
    steps = [inverse_root(total.accumulator, mantissa, shift)]
    if to.dtype == "uint8":
        d <<= _SCALE_BITS
        steps.append(given("d", f"{d >> _SCALE_BITS} * 2**{_SCALE_BITS}", d))
    else:
        shift += _SCALE_BITS
    steps += doubled("out", d, mantissa, shift)
    middle = 128 if to.dtype == "uint8" else 0
    code = steps[-1].result + middle
    steps.append(given("out", f"{steps[-1].result} + {middle}", code))
    return Staged((), tuple(steps), total, middle)


def l2_normalization_float(call: Call, x: Array) -> Array:
    """``x / max(sqrt(sum(x ** 2)), 1e-6)``: ``.../internal/reference/l2normalization.h``.

    Every operation is rounded to float32; the sum is taken from left to right. aarch64 adds the
    last squares, behind a multiple of 8, before they are rounded.
    """
    vectors = x.shape[-1] - x.shape[-1] % _VECTOR
    if call.engine.machine not in AARCH64:
        vectors = x.shape[-1]
    total = np.zeros((*x.shape[:-1], 1), np.float32)
    for i in range(x.shape[-1]):
        value = x[..., i : i + 1]
        total = multiply_add(value, value, total, fused=i >= vectors)
    return np.asarray(x / np.maximum(np.sqrt(total), _EPSILON))


CARDS = (
    Card(
        "L2_NORMALIZATION",
        {
            "reference": (
                Row(
                    EIGHT_BITS,
                    l2_normalization,
                    algorithm="double, by a root in fixed point",
                    source=f"{INTEGER_OPS}l2normalization.h",
                    ledger=Stages(_stages),
                ),
                finished(
                    FLOAT,
                    l2_normalization_float,
                    EXACT,
                    f"{REFERENCE_OPS}l2normalization.h",
                ),
            ),
        },
        refusals=refusals.L2_NORMALIZATION,
    ),
)
