"""How ADD, SUB and their kin bring their inputs to a common scale."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflreplay.ground.rounding import Array, Multiplier
from tflreplay.model import Tensor
from tflreplay.ops.base.lookup import centred_codes, look_up

Rescale = Callable[[Array, Multiplier], Array]


def twice_largest_scale(a: Tensor, b: Tensor) -> float:
    return float(np.float32(2) * np.float32(max(a.scale, b.scale)))


def power_of_two(scale: float) -> int | None:
    """The exponent of a scale that is a power of two, or nearly; else None: ``CheckedLog2``."""
    if not 0 < scale < math.inf:
        return None
    exponent = np.float32(math.log(scale)) * np.float32(1 / math.log(2))
    return round(exponent) if abs(exponent - np.rint(exponent)) < 1e-3 else None


def left_shift(tensor: Tensor) -> int:
    """Of the inputs, before they are rescaled."""
    return 15 if tensor.dtype == "int16" else 20


def common_scale(tensor: Tensor, codes: Array, unit: float, shift: int, by: Rescale) -> Array:
    """``by((code - zero_point) << shift, scale / unit)``, computed once for each possible code.

    Values that are no codes of the tensor's type, as a mistake may make them, one by one.
    """
    multiplier = Multiplier.of(tensor.scale / unit)
    if codes.dtype != tensor.numpy_dtype:
        return by((codes.astype(np.int64) - tensor.zero_point) << shift, multiplier)
    table = by(centred_codes(tensor) << shift, multiplier)
    return look_up(codes, table)
