"""BATCH_MATMUL."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.kernels.call import Call, accumulation
from tflreplay.kernels.matmul import exact_matmul, weight_multiplier

_TYPES = (("int8", "int8"), ("int16", "int16"), ("int16", "int8"))


def batch_matmul(call: Call, a: Array, b: Array) -> Accumulation:
    """``acc[..., i, j] = sum_k (a[..., i, k] - za) * (b[..., k, j] - zb)``.

    a and b: int8, or int16 by int16 or int8, of 2 to 5 dimensions, all but the last two broadcast;
    ``adj_x`` and ``adj_y`` swap the last two of a and b. The accumulator is int32 for int8, else
    int64. Where b has a scale for each channel, the runtime reads none: the multiplier is 0.
    ``BatchMatMul`` in ``tflite/kernels/internal/reference/batch_matmul.h``.
    """
    right = call.input(1)
    centred = b.astype(np.int32)
    if right.quantization is not None and not right.quantization.per_axis:
        centred -= right.zero_point
    return product(call, a, centred)


def product(call: Call, a: Array, b: Array) -> Accumulation:
    """The sums of :func:`batch_matmul`; b less its zero point.

    Raises:
        NotReplayed: no kernel takes inputs and an output of these types.
    """
    left, right = call.input(0), call.input(1)
    if (left.dtype, right.dtype) not in _TYPES or call.output.dtype != left.dtype:
        raise NotReplayed(f"{call.op.name} of {left.dtype} by {right.dtype} to {call.output.dtype}")
    a, b = adjoined(call, a, b)
    bits = 32 if left.dtype == "int8" else 64
    values = exact_matmul(a, b, left.zero_point, None, bits)
    multiplier = weight_multiplier(call, left, right)
    if multiplier.real.ndim:
        multiplier = Multiplier.of(0.0)
    return accumulation(call, values, multiplier)


def adjoined(call: Call, a: Array, b: Array) -> tuple[Array, Array]:
    """a and b, their last two axes swapped where the options say so."""
    return (
        a.swapaxes(-1, -2) if call.option("adj_x") else a,
        b.swapaxes(-1, -2) if call.option("adj_y") else b,
    )
