"""What rows of several tables say in the same way: sources, words, tolerances."""

from __future__ import annotations

from tflreplay.kernels.call import Arithmetic, Kernel

REFERENCE_OPS = "internal/reference/"
INTEGER_OPS = f"{REFERENCE_OPS}integer_ops/"
OPTIMIZED_OPS = "internal/optimized/"
OPTIMIZED_INTEGER_OPS = f"{OPTIMIZED_OPS}integer_ops/"
OPTIMIZED_HEADER = f"{OPTIMIZED_OPS}optimized_ops.h"

RATIO = "float32 si/so"
EXACT = "float32"
TABLE = "float32 table, half away"
INTERPOLATED = "float32 table of 513, interpolated"
LIKE_LIBM = "float32 by the C library, which the engine approximates"
UNORDERED = "float64, rounded to float32; the order of summation is not modelled"
UNORDERED_SUMS = "float64 sums, rounded to float32; the order of summation is not modelled"

# Tolerances, as fractions of the largest value of a layer.
APPROXIMATED, SUMMED = 2e-6, 1e-5

# TensorFlow 2.17.1 gives other last bits in two float32 ops.
MEASURED = {"litert": "0", "tensorflow": "2.21.0"}
# TFLM computes something else, which is not modelled.
NOT_TFLM = {"litert": "0", "tensorflow": "0"}


def finished(
    op: str,
    types: tuple[str, ...],
    kernel: Kernel,
    algorithm: str,
    source: str,
    tolerance: float = 0.0,
) -> Arithmetic:
    """A row whose kernel returns finished arrays: nothing is requantized by a rule."""
    return Arithmetic(op, types, kernel, algorithm=algorithm, source=source, tolerance=tolerance)
