"""Real numbers made codes, as apps and ports write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.ops.base.call import Call


@dataclass(frozen=True)
class Quantizer:
    """``clamp(rounded(x / so) + zo)``; with ``zero_point_first``, ``clamp(rounded(x / so + zo))``.

    x: floating point of any shape; the output has one scale. All is computed in ``number``, with
    the quotient as a product by ``1 / so`` where ``inverse``. Without ``clamps``, what does not fit
    the type wraps around, as a conversion from int32 does. ``bounds`` are those of another type.
    """

    rounded: Callable[[Array], Array] = round_half_away
    zero_point_first: bool = False
    clamps: bool = True
    number: type[np.float32 | np.float64] = np.float32
    inverse: bool = False
    bounds: tuple[int, int] | None = None

    def __call__(self, call: Call, x: Array) -> Array:
        to = call.output
        scale, zero_point, one = np.array([to.scale, to.zero_point, 1], self.number)
        with np.errstate(all="ignore"):
            real = x.astype(self.number)
            steps = real * (one / scale) if self.inverse else real / scale
            first = self.zero_point_first
            codes = self.rounded(steps + zero_point) if first else self.rounded(steps) + zero_point
            whole = np.nan_to_num(codes).clip(-(2.0**31), 2.0**31 - 1).astype(np.int64)
        if self.clamps:
            whole = whole.clip(*(self.bounds or to.code_range))
        return np.asarray(whole.astype(to.numpy_dtype))


def _half_up(x: Array) -> Array:
    return np.asarray(np.floor(x + x.dtype.type(0.5)))


# How a quotient is computed: what lies at a tie, or is cut at an integer, depends on it.
NUMBERS = (
    Quantizer(),
    Quantizer(inverse=True),
    Quantizer(number=np.float64),
    Quantizer(number=np.float64, inverse=True),
)
_ROUNDED: tuple[Callable[[Array], Array], ...] = (np.rint, round_half_away, _half_up)
# Ways to round to nearest. They differ at ties, and in what is one after a rounding to float32.
TO_NEAREST = tuple(
    replace(number, rounded=rounded, zero_point_first=first)
    for rounded in _ROUNDED
    for number in NUMBERS
    for first in (False, True)
)
