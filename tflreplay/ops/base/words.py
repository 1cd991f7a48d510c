"""What rows of several tables say in the same way: sources, words, tolerances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tflreplay.ops.base.precision import Precision, Ratio
from tflreplay.ops.base.raw_codes import raw_codes
from tflreplay.ops.base.row import Kernel, Row, Versions

REFERENCE_OPS = "internal/reference/"
INTEGER_OPS = f"{REFERENCE_OPS}integer_ops/"
OPTIMIZED_OPS = "internal/optimized/"
OPTIMIZED_INTEGER_OPS = f"{OPTIMIZED_OPS}integer_ops/"
OPTIMIZED_HEADER = f"{OPTIMIZED_OPS}optimized_ops.h"
# TFLM's; the full path is told, since it differs from LiteRT's.
MICRO = "tensorflow/lite/micro/kernels/"

EXACT = "float32"
TABLE = "float32 table, half away"
INTERPOLATED = "float32 table of 513, interpolated"
LIKE_LIBM = "float32 by the C library, which the engine approximates"
APPROXIMATELY = "float32, which the engine approximates"
UNORDERED = "float64, rounded to float32; the order of summation is not modelled"
UNORDERED_SUMS = "float64 sums, rounded to float32; the order of summation is not modelled"

# Tolerances, as fractions of the largest value of a layer.
APPROXIMATED, SUMMED = 2e-6, 1e-5
ZEROS = 1e-30  # only 0 and -0 are taken for each other

# LiteRT 1.0.1 and TensorFlow 2.17.1 give other last bits in two float32 ops.
MEASURED = {"litert": "1.1.1", "tensorflow": "2.18.0"}
# The wheel of TFLM that computes in float64 what was float32 before; that of the day before,
# 0.dev20261012203412, does not.
MICRO_FLOAT64 = {"tflm": "0.dev20261013214400"}
# LiteRT's own kernels compute in float64 what was float32, or a float32 product of scales, before;
# the nightly build before this one, 2.4.0.dev20261014, does not. aarch64's build of the 14th does,
# that of the 13th does not.
LITERT_FLOAT64 = {"litert": "2.4.0.dev20261016", "litert@aarch64": "2.4.0.dev20261014"}
# Of uint8 convolutions, a few builds later; not yet in 2.4.0.dev20261018.
CONVOLUTION_FLOAT64 = {"litert": "2.4.0.dev20261019"}
# XNNPACK's generic quantize rounds half away, the zero point inside, from edd5da7ab5 on, and half
# even from 76c91a5d29 on. Before, it rounded half even and added the zero point then.
XNNPACK_HALF_AWAY = {"litert": "1.1.1", "tensorflow": "2.19.0"}
XNNPACK_HALF_EVEN = {"litert": "2.1.3", "tensorflow": "2.22.0"}
# From then on, XNNPACK takes EXP, SIN, COS, REDUCE_MAX and REDUCE_MIN of float32, and looks at the
# rank of an op on one tensor.
XNNPACK_UNARY = {"litert": "1.3.0", "tensorflow": "2.20.0"}
# TFLM computes something else, which is not modelled.
NOT_TFLM = {"litert": "0", "tensorflow": "0"}


def finished(
    types: tuple[str, ...],
    kernel: Kernel,
    algorithm: str,
    source: str,
    tolerance: float = 0.0,
    terms: Callable[..., int] | None = None,
) -> Row:
    """A row whose kernel returns finished arrays: nothing is requantized by a rule."""
    return Row(types, kernel, algorithm=algorithm, source=source, tolerance=tolerance, terms=terms)


def in_both_precisions(row: Row, since: Versions = LITERT_FLOAT64) -> tuple[Row, Row]:
    """The row since its multiplier is computed in float64, and as it was before.

    Its kernel computes the multiplier as the row in force says.
    """
    precise = Ratio.FLOAT64 if isinstance(row.multiplier, Ratio) else Precision.FLOAT64
    return replace(row, multiplier=precise, since=since), row


def moved(types: tuple[str, ...], kernel: Kernel, source: str) -> Row:
    """A row whose kernel only moves data."""
    return Row(
        types, kernel, algorithm="copy", source=source, moves=True, defects=(raw_codes(kernel),)
    )
