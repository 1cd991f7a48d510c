"""ADD, SUB and MUL."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Multiplier, rounding_divide_by_pot
from tflreplay.kernels.call import Call, accumulation, activation_range
from tflreplay.kernels.lookup import centred_codes, look_up
from tflreplay.model import Tensor

Rescale = Callable[[Array, Multiplier], Array]


def add(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize(rescale(a - za) + rescale(b - zb))``, the inputs broadcast.

    a, b: int8, uint8 or int16. ``AddElementwise`` in
    ``tflite/kernels/internal/reference/integer_ops/add.h`` and ``.../reference/add.h``.
    """
    return rescaled_sum(call, a, b, call.rule)


def sub(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize(rescale(a - za) - rescale(b - zb))``, the inputs broadcast.

    a, b: int8, uint8 or int16. ``SubElementwise`` in ``tflite/kernels/internal/reference/sub.h``.
    """
    left, right = _rescaled(call, a, b, call.rule)
    return _sum(call, left - right)


def mul(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize((a - za) * (b - zb))`` with the multiplier ``float32(s1 * s2 / so)``.

    a, b: int8, uint8 or int16, broadcast. ``MulElementwise`` in
    ``tflite/kernels/internal/reference/integer_ops/mul.h`` and ``.../reference/mul.h``.
    """
    ta, tb = operands(call)
    # A centred 8-bit code fits 9 bits and a product 17: float32 holds both exactly.
    exact = np.dtype(np.int64 if a.itemsize > 1 else np.float32)
    left = a.astype(exact) - exact.type(ta.zero_point)
    right = b.astype(exact) - exact.type(tb.zero_point)
    scale = np.float32(ta.scale) * np.float32(tb.scale) / np.float32(call.output.scale)
    return accumulation(
        call, left * right, Multiplier.of(scale), call.option("fused_activation_function")
    )


def add_power_of_two(call: Call, a: Array, b: Array) -> Array:
    """``clamp(saturate16(a * s1 / so + b * s2 / so))``, the scales powers of two.

    a, b: int16 of one shape. One of the ratios is 1; the other is a right shift, rounded half away
    from zero. ``Add`` in ``tflite/kernels/internal/reference/add.h``.
    """
    if a.shape != b.shape:
        raise NotReplayed("ADD of power-of-two scales, broadcast: the kernel aborts")
    return _sum_of_power_of_two(call, a, b, 1)


def sub_power_of_two(call: Call, a: Array, b: Array) -> Array:
    """As :func:`add_power_of_two`, the second input subtracted; the inputs are broadcast.

    ``Sub16`` in ``tflite/kernels/internal/reference/sub.h``.
    """
    return _sum_of_power_of_two(call, a, b, -1)


def _sum_of_power_of_two(call: Call, a: Array, b: Array, sign: int) -> Array:
    shift_a, shift_b = power_of_two_shifts(*operands(call), call.output)
    left = rounding_divide_by_pot(a.astype(np.int64), shift_a)
    right = rounding_divide_by_pot(b.astype(np.int64), shift_b)
    total = (left + sign * right).clip(-(2**15), 2**15 - 1)
    low, high = activation_range(call, call.option("fused_activation_function"))
    return np.asarray(total.clip(low, high).astype(np.int16))


def power_of_two_shifts(a: Tensor, b: Tensor, y: Tensor) -> tuple[int, int]:
    """How far each input is shifted right to the output's scale, all three powers of two.

    Raises:
        NotReplayed: both are shifted, or one to the left, which the runtime refuses to run.
    """
    of_a, of_b, of_y = (round(math.log2(tensor.scale)) for tensor in (a, b, y))
    shifts = of_y - of_a, of_y - of_b
    if min(shifts) != 0:
        raise NotReplayed(f"int16 of the scales 2**{of_a}, 2**{of_b} and 2**{of_y}")
    return shifts


def operands(call: Call) -> tuple[Tensor, Tensor]:
    a, b = call.input(0), call.input(1)
    if b.dtype != a.dtype:
        raise NotReplayed(f"{call.op.name} of {a.dtype} and {b.dtype}")
    return a, b


def twice_largest_scale(a: Tensor, b: Tensor) -> float:
    return float(np.float32(2) * np.float32(max(a.scale, b.scale)))


def rescaled_sum(call: Call, a: Array, b: Array, rescale: Rescale) -> Accumulation:
    """The sum of both inputs on their common scale, each brought there by ``rescale``."""
    left, right = _rescaled(call, a, b, rescale)
    return _sum(call, left + right)


def _rescaled(call: Call, a: Array, b: Array, by: Rescale) -> tuple[Array, Array]:
    """Both inputs on the common scale ``2 * max(s1, s2) / 2**left_shift``, as int64."""
    ta, tb = operands(call)
    twice, shift = twice_largest_scale(ta, tb), left_shift(ta)
    return common_scale(ta, a, twice, shift, by), common_scale(tb, b, twice, shift, by)


def left_shift(tensor: Tensor) -> int:
    """Of the inputs, before they are rescaled."""
    return 15 if tensor.dtype == "int16" else 20


def common_scale(tensor: Tensor, codes: Array, unit: float, shift: int, by: Rescale) -> Array:
    """``by((code - zero_point) << shift, scale / unit)``, computed once for each possible code."""
    table = by(centred_codes(tensor) << shift, Multiplier.of(tensor.scale / unit))
    return look_up(codes, table)


def _sum(call: Call, values: Array) -> Accumulation:
    ta, tb = operands(call)
    unit = float(np.float32(2.0 ** left_shift(ta)) * np.float32(call.output.scale))
    multiplier = Multiplier.of(twice_largest_scale(ta, tb) / unit)
    return accumulation(call, values, multiplier, call.option("fused_activation_function"))
