"""Exact integer products by BLAS, and the real multiplier of ops that have weights.

numpy multiplies integer matrices thirty times slower than floating-point ones. A float GEMM of
integers is exact, in any order and with fused multiply-add, while every partial sum stays below
2**24 (float32) or 2**53 (float64): all intermediate values are then representable. The bound used
here is ``max|x| * sum|w| + |constant|`` for each output channel, from the types and the weights
alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call
from tflreplay.model import Tensor
from tflreplay.rounding import INT32_MAX, Array, Multiplier

FLOAT32_EXACT = 2**24

# How the real multiplier of weights is computed (s1: input scale, s2: weights', so: output's).
DOUBLE = "float64 s1*s2/so"
FLOAT32_PRODUCT = "float64 (float32 s1*s2)/so"
FLOAT32 = "float32 s1*s2/so"


def exact_dtype(bound: int) -> type[np.float32] | type[np.float64]:
    """The float type in which sums of magnitude up to ``bound`` are exact."""
    return np.float32 if bound < FLOAT32_EXACT else np.float64


def largest_code(dtype: np.dtype[Any]) -> int:
    """max|code| of an integer type."""
    info = np.iinfo(dtype)
    return max(-int(info.min), int(info.max))


def exact_matmul(x: Array, weights: Array, zero_point: int, bias: Array | None) -> Array:
    """``(x - zero_point) @ weights + bias`` as a wrapping int32 accumulator would hold it.

    x: 8-bit codes ``(rows, depth)``; weights: integers ``(depth, columns)``, their own zero point
    already subtracted; bias: int32 ``(columns,)``. The zero point is folded into the constant:
    ``x @ w + (bias - zero_point * sum(w))``. Returns float32 or int64 of shape
    ``(rows, columns)``.
    """
    constant = folded_constant(weights, zero_point, bias)
    sums = np.abs(weights).sum(axis=0, dtype=np.int64)
    bound = int((largest_code(x.dtype) * sums + np.abs(constant)).max(initial=0))
    dtype = exact_dtype(bound)
    values = x.astype(dtype) @ weights.astype(dtype)
    values += constant.astype(dtype)
    return wrapped(values, bound)


def folded_constant(weights: Array, zero_point: int, bias: Array | None) -> Array:
    """int64 ``bias - zero_point * sum(weights)`` for each column of ``(depth, columns)``."""
    constant: Array = -zero_point * weights.sum(axis=0, dtype=np.int64)
    return constant if bias is None else constant + bias.astype(np.int64)


def wrapped(values: Array, bound: int) -> Array:
    """Exact sums reduced to int32 where ``bound`` says that they may not fit."""
    if bound <= INT32_MAX:
        return values
    return values.astype(np.int64).astype(np.int32)


def weight_multiplier(call: Call, weights: Tensor) -> Multiplier:
    """``input scale * weight scale / output scale``, in the precision of the row in force.

    The order of operations is that of ``PopulateConvolutionQuantizationParams`` (float64) or of
    ``GetQuantizedConvolutionMultipler`` (float32 product first), ``tflite/kernels/kernel_util.cc``,
    or XNNPACK's (float32 throughout), ``src/operators/convolution-nhwc.c``.
    """
    if weights.quantization is None:
        raise NotReplayed(f"{call.op.name} whose weights {weights.label} have no scale")
    scale = weights.quantization.scale
    if not weights.quantization.per_axis:
        scale = scale.reshape(())
    input_scale, output_scale = np.float32(call.input(0).scale), np.float32(call.output.scale)
    if call.arithmetic.multiplier == DOUBLE:
        product = np.float64(input_scale) * scale.astype(np.float64)
        return Multiplier.of(product / np.float64(output_scale))
    product = input_scale * scale
    if call.arithmetic.multiplier == FLOAT32_PRODUCT:
        return Multiplier.of(product.astype(np.float64) / np.float64(output_scale))
    assert call.arithmetic.multiplier == FLOAT32
    return Multiplier.of(product / output_scale)
