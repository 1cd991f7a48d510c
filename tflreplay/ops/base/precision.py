"""In which precision and order an op's real multiplier is computed from its scales."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array


class Precision(Enum):
    """s1: the input's scale, s2: the other input's or the weights', so: the output's.

    The value is what a printed table shows. The order of operations is that of
    ``PopulateConvolutionQuantizationParams`` (float64) or of ``GetQuantizedConvolutionMultipler``
    (float32 product first), ``tflite/kernels/kernel_util.cc``, or XNNPACK's (float32 throughout),
    ``src/operators/convolution-nhwc.c``.
    """

    FLOAT64 = "float64 s1*s2/so"
    FLOAT32_PRODUCT = "float64 (float32 s1*s2)/so"
    FLOAT32 = "float32 s1*s2/so"

    def __str__(self) -> str:
        return self.value

    def multiplier(self, s1: float, s2: Array, so: float) -> Array:
        """``s1 * s2 / so`` of float32 numbers, s2 of shape ``()`` or ``(channels,)``."""
        first, last = np.float32(s1), np.float32(so)
        if self is Precision.FLOAT64:
            return np.asarray(np.float64(first) * s2.astype(np.float64) / np.float64(last))
        product = first * s2
        if self is Precision.FLOAT32_PRODUCT:
            return np.asarray(product.astype(np.float64) / np.float64(last))
        return np.asarray(product / last)


class Ratio(Enum):
    """si: the input's scale, so: the output's, of ops that have no other.

    The value is what a printed table shows.
    """

    FLOAT64 = "float64 si/so"
    FLOAT32 = "float32 si/so"

    def __str__(self) -> str:
        return self.value

    def of(self, si: float, so: float) -> np.floating[Any]:
        """``si / so`` of float32 numbers."""
        number = np.float64 if self is Ratio.FLOAT64 else np.float32
        return number(si) / number(so)
