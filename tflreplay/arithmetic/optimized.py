"""Where the optimized kernels differ from the reference ones, on x86-64.

The op resolver BUILTIN_WITHOUT_DEFAULT_DELEGATES.
"""

from __future__ import annotations

from tflreplay.arithmetic import (
    activations,
    binary,
    movement,
    normalization,
    pooling,
    quantize,
    reduce,
    unary,
    weighted,
)

ROWS = (
    *weighted.OPTIMIZED,
    *binary.OPTIMIZED,
    *unary.OPTIMIZED,
    *activations.OPTIMIZED,
    *normalization.OPTIMIZED,
    *reduce.OPTIMIZED,
    *pooling.OPTIMIZED,
    *quantize.OPTIMIZED,
    *movement.OPTIMIZED,
)
