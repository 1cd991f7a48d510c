"""ADD and SUB: fixed point with multipliers of 21 bits."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.kernels.call import Call, accumulation


def add(call: Call, a: Array, b: Array) -> Accumulation:
    """``acc = (a - za) * ma + (b - zb) * mb``, requantized by ``2**-shift``, the inputs broadcast.

    a, b: int8 or uint8. With the float32 ratios ``ra = s1 / so`` and ``rb = s2 / so``:
    ``shift = 20 - floor(log2(max(ra, rb)))``, ``ma = round_half_even(ra * 2**shift)``, mb likewise.
    ``xnn_init_qs8_add_scalar_params`` in ``src/microparams-init.c``.
    """
    return _sum(call, a, b, 1)


def sub(call: Call, a: Array, b: Array) -> Accumulation:
    """As :func:`add`, with mb negated."""
    return _sum(call, a, b, -1)


def _sum(call: Call, a: Array, b: Array, sign: int) -> Accumulation:
    tensors = call.input(0), call.input(1)
    ratios = [np.float32(t.scale) / np.float32(call.output.scale) for t in tensors]
    shift = 21 - int(np.frexp(max(ratios))[1])
    left, right = (
        # 9 bits by 22: two such products fit an int32.
        (codes.astype(np.int32) - tensor.zero_point) * np.int32(np.rint(np.ldexp(ratio, shift)))
        for codes, tensor, ratio in zip((a, b), tensors, ratios, strict=True)
    )
    return accumulation(
        call,
        left + sign * right,
        Multiplier.of(2.0**-shift),
        call.option("fused_activation_function"),
    )
