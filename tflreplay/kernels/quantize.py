"""QUANTIZE and DEQUANTIZE."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import (
    INT32_MIN,
    Accumulation,
    Array,
    Multiplier,
    round_half_away,
    wrap32,
)
from tflreplay.kernels.call import Call, accumulation
from tflreplay.model import Tensor

# Output types by input type.
_CONVERSIONS = {
    "float32": ("int8", "uint8", "int16"),
    "int8": ("int8", "uint8", "int16"),
    "uint8": ("int8", "uint8", "int16"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
}


def quantize(call: Call, x: Array) -> Accumulation | Array:
    """From float32: ``clamp(round_half_away(x / so) + zo)``; else ``requantize(x - zi)``.

    x: float32, int8, uint8, int16 or int32 of any shape. The float32 quotient becomes int32 as
    x86 converts it: NaN and all that does not fit give -2**31. Scale and zero point may be per
    axis. The requantization's multiplier is ``si / so`` in float64.
    ``tflite/kernels/quantize.cc``, ``AffineQuantize`` in
    ``tflite/kernels/internal/reference/quantize.h`` and ``Requantize`` in ``.../requantize.h``.
    """
    ti, to = call.input(0), call.output
    if to.dtype not in _CONVERSIONS[ti.dtype]:
        raise NotReplayed(f"QUANTIZE from {ti.dtype} to {to.dtype}")
    if ti.dtype == "float32":
        return _from_float(to, x)
    multiplier = Multiplier.of(ti.scale / to.scale)
    return accumulation(call, wrap32(x.astype(np.int64) - ti.zero_point), multiplier)


def _from_float(to: Tensor, x: Array) -> Array:
    scale, zero_point = _parameters(to, x.ndim)
    with np.errstate(over="ignore"):
        quotient = x / scale
    quotient = np.where(np.abs(quotient) < 2.0**31, quotient, np.float32(INT32_MIN))
    code = wrap32(round_half_away(quotient).astype(np.int64) + zero_point)
    return np.clip(code, *to.code_range).astype(to.numpy_dtype)


def dequantize(call: Call, x: Array) -> Array:
    """``float32(si * (x - zi))``, the product in float64; float16 is widened.

    x: int8, uint8, int16, int4 or float16 of any shape. Scale and zero point may be per axis.
    ``Dequantize`` in ``tflite/kernels/internal/reference/dequantize.h``.
    """
    ti = call.input(0)
    if ti.dtype == "float16":
        return x.astype(np.float32)
    scale, zero_point = _parameters(ti, x.ndim)
    real: Array = scale.astype(np.float64) * (x - zero_point)
    return real.astype(np.float32)


def _parameters(tensor: Tensor, rank: int) -> tuple[Array, Array]:
    """Scale (float32) and zero point (int64), of a shape that broadcasts over the tensor."""
    quantization = tensor.quantization
    if quantization is None:
        raise NotReplayed(f"tensor {tensor.label} has no quantization parameters")
    shape = [1] * rank
    if quantization.per_axis:
        shape[quantization.axis] = -1
    return quantization.scale.reshape(shape), quantization.zero_point.reshape(shape)
