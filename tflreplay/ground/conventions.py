"""How a real multiplier is written as two integers, in each way that people meet.

All come to ``real ~ multiplier * 2**exponent``: what differs is how wide the multiplier is and what
the number called *shift* stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tflreplay.ground.rounding import Array, Multiplier, reduced_mantissa

_TOSA_SHIFTS = (2, 62)


@dataclass(frozen=True)
class Convention:
    """``formula`` says what the two integers stand for, and ``users`` who writes them so.

    ``bits`` is the width of a normalised multiplier: ``2**(bits - 1) <= multiplier < 2**bits``.
    ``shifts`` are the lowest and highest shift that it takes. ``exponent`` gives the power of two
    that the multiplier counts in, of a shift; ``of`` both integers, int64 arrays of the shape of a
    multiplier's.
    """

    name: str
    users: str
    formula: str
    source: str
    bits: int
    shifts: tuple[int, int]
    exponent: Callable[[int], int]
    of: Callable[[Multiplier], tuple[Array, Array]]

    def real(self, multiplier: int, shift: int) -> Fraction:
        """What the two integers stand for."""
        return multiplier * Fraction(2) ** self.exponent(shift)

    def normalised(self, multiplier: int) -> bool:
        return bool(2 ** (self.bits - 1) <= multiplier < 2**self.bits)

    def holds(self, multiplier: int, shift: int) -> bool:
        """True of two integers that can be written so, normalised or not."""
        return 0 <= multiplier < 2**self.bits and self.shifts[0] <= shift <= self.shifts[1]


def _tosa(bits: int) -> Callable[[Multiplier], tuple[Array, Array]]:
    def of(m: Multiplier) -> tuple[Array, Array]:
        """A shift above 62 is brought down, and takes bits of the multiplier with it."""
        fraction, exponent = np.frexp(m.real)
        mantissa = np.floor(fraction * 2.0**bits + 0.5).astype(np.int64)
        carried = mantissa == 2**bits
        mantissa, shift = np.where(carried, mantissa // 2, mantissa), bits - exponent - carried
        excess = (shift - _TOSA_SHIFTS[1]).clip(0, 31)
        return mantissa >> excess, np.minimum(shift, _TOSA_SHIFTS[1])

    return of


TOSA_SCALE32 = Convention(
    "TOSA scale32",
    "TOSA's RESCALE, Vela",
    "multiplier * 2**-shift",
    "computeMultiplierAndShiftTosaScale32, MLIR mlir/lib/Dialect/Tosa/Utils/QuantUtils.cpp; "
    "quantise_scale, ethos-u-vela ethosu/vela/scaling.py (which takes shifts of 0 to 63)",
    31,
    _TOSA_SHIFTS,
    lambda shift: -shift,
    _tosa(31),
)
TOSA_SCALE16 = Convention(
    "TOSA scale16",
    "TOSA's RESCALE of 48-bit sums",
    "multiplier * 2**-shift",
    "computeMultiplierAndShiftTosaScale16, MLIR mlir/lib/Dialect/Tosa/Utils/QuantUtils.cpp",
    15,
    _TOSA_SHIFTS,
    lambda shift: -shift,
    _tosa(15),
)
CONVENTIONS = (
    Convention(
        "exponent",
        "TFLite, TFLM, CMSIS-NN, ESP-NN",
        "multiplier * 2**(shift - 31)",
        "QuantizeMultiplier, tflite/kernels/internal/quantization_util.cc; arm_nn_requantize, "
        "CMSIS-NN Include/arm_nnsupportfunctions.h; esp_nn_multiply_by_quantized_mult, ESP-NN "
        "src/common/common_functions.h",
        31,
        (-31, 30),
        lambda shift: shift - 31,
        lambda m: (m.mantissa, m.shift),
    ),
    Convention(
        "right shift",
        "gemmlowp, TVM's q_multiply_shift",
        "multiplier * 2**(-shift - 31)",
        "OutputStageQuantizeDownInt32ByFixedPoint, gemmlowp public/output_stages.h; "
        "q_multiply_shift with q = 31, TVM include/tvm/tir/op.h",
        31,
        (-30, 31),
        lambda shift: -shift - 31,
        lambda m: (m.mantissa, -m.shift),
    ),
    TOSA_SCALE32,
    TOSA_SCALE16,
    Convention(
        "16-bit mantissa",
        "TFLite's and CMSIS-NN's 64-bit sums of int16",
        "multiplier * 2**(shift - 15)",
        "MultiplyByQuantizedMultiplier(int64_t, ...), tflite/kernels/internal/common.cc; "
        "REDUCE_MULTIPLIER, CMSIS-NN Include/arm_nnsupportfunctions.h",
        15,
        (-31, 14),
        lambda shift: shift - 15,
        lambda m: (reduced_mantissa(m.mantissa), m.shift),
    ),
)
