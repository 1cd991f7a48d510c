"""What SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION share: they go along the last axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, Multiplier, high_mul
from tflreplay.ops.base.step import Step, given, multiplied, wrapping

ONE_Q26 = 2.0**26  # exp's argument is Q5.26


def sum_in_order(x: Array) -> Array:
    """The float32 sum from left to right, each partial sum rounded."""
    return x.cumsum(axis=-1, dtype=np.float32)[..., -1:]


def scaled_differences(real_multiplier: float, what: str) -> tuple[Array, Array]:
    """The differences 0 ... -255 times the multiplier, in Q5.26, and which of them that holds.

    ``what`` says of which op the multiplier is what.
    ``PreprocessSoftmaxScaling`` and ``CalculateInputRadius`` in
    ``tflite/kernels/internal/quantization_util.cc``.

    Raises:
        NotReplayed: a multiplier for which the kernel aborts the process.
    """
    if real_multiplier <= 1:
        raise NotReplayed(f"{what} of {real_multiplier / ONE_Q26:g}")
    multiplier = multiplier_of(real_multiplier)
    mantissa, shift = int(multiplier.mantissa), int(multiplier.shift)
    difference = -np.arange(256, dtype=np.int64)
    reachable = -difference <= (31 << 26) >> shift
    return high_mul(np.where(reachable, difference, 0) << shift, mantissa), reachable


def multiplier_of(real_multiplier: float) -> Multiplier:
    """To Q5.26, no larger than an int32."""
    return Multiplier.of(min(real_multiplier, 2.0**31 - 1))


def below_maximum(row: Array, position: int) -> Step:
    """How far one code of a row lies below the largest."""
    code, largest = int(row[position]), int(row.max())
    return given("x - max", f"{code} - {largest}", code - largest)


def exponential_stages(difference: int, real_multiplier: float, e: int) -> Iterator[Step]:
    """From a difference below the maximum to ``e``, its exponential in Q0.31."""
    m = multiplier_of(real_multiplier)
    shift = int(m.shift)
    if -difference > (31 << 26) >> shift:
        yield given("e", f"{difference} lies below what Q5.26 holds", e)
        return
    yield (left := wrapping("d", f"{difference} * 2**{shift}", difference << shift))
    yield (scaled := multiplied("d", left.result, int(m.mantissa)))
    yield given("e", f"exp({scaled.result} / 2**26) * 2**31, as gemmlowp has it", e)
