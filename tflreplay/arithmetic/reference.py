"""What the reference kernels compute: the op resolver BUILTIN_REF."""

from __future__ import annotations

from tflreplay.arithmetic import (
    activations,
    binary,
    comparison,
    control_flow,
    movement,
    normalization,
    pooling,
    quantize,
    recurrent,
    reduce,
    unary,
    weighted,
)

ROWS = (
    *weighted.REFERENCE,
    *binary.REFERENCE,
    *unary.REFERENCE,
    *activations.REFERENCE,
    *normalization.REFERENCE,
    *comparison.REFERENCE,
    *reduce.REFERENCE,
    *pooling.REFERENCE,
    *recurrent.REFERENCE,
    *quantize.REFERENCE,
    *movement.ROWS,
    *control_flow.ROWS,
)
