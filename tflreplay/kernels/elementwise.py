"""ADD, SUB and MUL."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call, accumulation
from tflreplay.model import Tensor
from tflreplay.rounding import Accumulation, Array, Multiplier

_LEFT_SHIFT = 20
Rescale = Callable[[Array, Multiplier], Array]


def add(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize(rescale(a - za) + rescale(b - zb))``, the inputs broadcast.

    a, b: int8 or uint8. ``AddElementwise`` in
    ``tflite/kernels/internal/reference/integer_ops/add.h`` and ``.../reference/add.h``.
    """
    return rescaled_sum(call, a, b, call.rule)


def sub(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize(rescale(a - za) - rescale(b - zb))``, the inputs broadcast.

    a, b: int8 or uint8. ``SubElementwise`` in ``tflite/kernels/internal/reference/sub.h``.
    """
    left, right = _rescaled(call, a, b, call.rule)
    return _sum(call, left - right)


def mul(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize((a - za) * (b - zb))`` with the multiplier ``float32(s1 * s2 / so)``.

    a, b: int8 or uint8, broadcast. ``MulElementwise`` in
    ``tflite/kernels/internal/reference/integer_ops/mul.h`` and ``.../reference/mul.h``.
    """
    ta, tb = _operands(call)
    # A centred 8-bit code fits 9 bits and a product 17: float32 holds both exactly.
    left = a.astype(np.float32) - np.float32(ta.zero_point)
    right = b.astype(np.float32) - np.float32(tb.zero_point)
    scale = np.float32(ta.scale) * np.float32(tb.scale) / np.float32(call.output.scale)
    return accumulation(
        call, left * right, Multiplier.of(scale), call.option("fused_activation_function")
    )


def _operands(call: Call) -> tuple[Tensor, Tensor]:
    a, b = call.input(0), call.input(1)
    if b.dtype != a.dtype:
        raise NotReplayed(f"{call.op.name} of {a.dtype} and {b.dtype}")
    return a, b


def _twice_largest_scale(a: Tensor, b: Tensor) -> float:
    return float(np.float32(2) * np.float32(max(a.scale, b.scale)))


def rescaled_sum(call: Call, a: Array, b: Array, rescale: Rescale) -> Accumulation:
    """The sum of both inputs on their common scale, each brought there by ``rescale``."""
    left, right = _rescaled(call, a, b, rescale)
    return _sum(call, left + right)


def _rescaled(call: Call, a: Array, b: Array, by: Rescale) -> tuple[Array, Array]:
    """Both inputs on the common scale ``2 * max(s1, s2) / 2**20``, as int64.

    ``by((code - zero_point) << 20, s / (2 * max(s1, s2)))``: a function of the 8-bit code alone,
    so it is computed once for each of the 256 codes.
    """
    ta, tb = _operands(call)
    twice = _twice_largest_scale(ta, tb)

    def rescale(tensor: Tensor, codes: Array) -> Array:
        every = np.arange(256, dtype=np.uint8)
        centred = every.view(codes.dtype).astype(np.int64) - tensor.zero_point
        table = by(centred << _LEFT_SHIFT, Multiplier.of(tensor.scale / twice))
        return table.take(codes.view(np.uint8))

    return rescale(ta, a), rescale(tb, b)


def _sum(call: Call, values: Array) -> Accumulation:
    twice = _twice_largest_scale(call.input(0), call.input(1))
    unit = float(np.float32(2.0**_LEFT_SHIFT) * np.float32(call.output.scale))
    return accumulation(
        call, values, Multiplier.of(twice / unit), call.option("fused_activation_function")
    )
