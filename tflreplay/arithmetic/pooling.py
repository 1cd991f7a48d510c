"""Rows of the pooling ops."""

from __future__ import annotations

from tflreplay.arithmetic.row import (
    APPROXIMATED,
    INTEGER_OPS,
    OPTIMIZED_HEADER,
    REFERENCE_OPS,
    UNORDERED,
    finished,
)
from tflreplay.arithmetic.types import EIGHT_BITS, FLOAT, INT16
from tflreplay.kernels import pooling

REFERENCE = (
    *(
        finished(op, FLOAT, kernel, how, f"{REFERENCE_OPS}pooling.h")
        for op, kernel, how in (
            ("AVERAGE_POOL_2D", pooling.average_pool_2d_float, "sum in order, quotient"),
            ("MAX_POOL_2D", pooling.max_pool_2d_float, "maximum"),
            ("L2_POOL_2D", pooling.l2_pool_2d, "sum in order, quotient, root"),
        )
    ),
    *(
        finished(op, types, kernel, how, f"{INTEGER_OPS}pooling.h")
        for op, kernel, how in (
            ("AVERAGE_POOL_2D", pooling.average_pool_2d, "integer mean, half away"),
            ("MAX_POOL_2D", pooling.max_pool_2d, "maximum"),
        )
        for types in (INT16, EIGHT_BITS)
    ),
)

OPTIMIZED = (
    finished("L2_POOL_2D", FLOAT, pooling.l2_pool_2d, UNORDERED, OPTIMIZED_HEADER, APPROXIMATED),
)
