"""Exact integer products by BLAS, and the real multiplier of ops that have weights.

numpy multiplies integer matrices thirty times slower than floating-point ones. A float GEMM of
integers is exact, in any order and with fused multiply-add, while every partial sum stays below
2**24 (float32) or 2**53 (float64): all intermediate values are then representable. The bound used
here is ``max|x| * sum|w| + |constant|`` for each output channel, from the types and the weights
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Sums:
    """What weights fix about their sums: the constant to add, and how large a sum can get.

    ``constant`` is int64 ``bias - zero_point * sum(weights)`` for each column of weights
    ``(depth, columns)``: the input's zero point, folded in. ``bound`` holds for every partial sum.
    """

    constant: Array
    bound: int

    @classmethod
    def of(cls, weights: Array, zero_point: int, bias: Array | None, codes: np.dtype[Any]) -> Sums:
        """For inputs of the integer type ``codes``."""
        constant: Array = -zero_point * weights.sum(axis=0, dtype=np.int64)
        if bias is not None:
            constant = constant + bias.astype(np.int64)
        info = np.iinfo(codes)
        largest = max(-int(info.min), int(info.max))
        magnitude = np.abs(weights).sum(axis=0, dtype=np.int64)
        return cls(constant, int((largest * magnitude + np.abs(constant)).max(initial=0)))

    @property
    def dtype(self) -> type[np.float32] | type[np.float64]:
        """The float type in which the sums are exact."""
        return np.float32 if self.bound < FLOAT32_EXACT else np.float64

    def wrapped(self, values: Array) -> Array:
        """Exact sums reduced to int32 where ``bound`` says that they may not fit."""
        if self.bound <= INT32_MAX:
            return values
        return values.astype(np.int64).astype(np.int32)

    def matmul(self, x: Array, weights: Array) -> Array:
        """``x @ weights + constant``; x: codes, weights: as ``dtype``."""
        values: Array = x.astype(self.dtype) @ weights
        values += self.constant.astype(self.dtype)
        return self.wrapped(values)


def exact_matmul(x: Array, weights: Array, zero_point: int, bias: Array | None) -> Array:
    """``(x - zero_point) @ weights + bias`` as a wrapping int32 accumulator would hold it.

    x: 8-bit codes ``(rows, depth)``; weights: integers ``(depth, columns)``, their own zero point
    already subtracted; bias: int32 ``(columns,)``. Returns float32, float64 or int32 of shape
    ``(rows, columns)``.
    """
    sums = Sums.of(weights, zero_point, bias, x.dtype)
    return sums.matmul(x, weights.astype(sums.dtype))


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
