"""Rows of the ops that normalize along the last axis."""

from __future__ import annotations

from tflreplay.arithmetic.row import (
    EXACT,
    INTEGER_OPS,
    LIKE_LIBM,
    OPTIMIZED_HEADER,
    RATIO,
    REFERENCE_OPS,
    SUMMED,
    finished,
)
from tflreplay.arithmetic.types import EIGHT_BITS, FLOAT, INT16
from tflreplay.kernels import float_rows, l2_normalization, log_softmax, softmax, softmax16
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.optimized import log_softmax as optimized_log_softmax
from tflreplay.kernels.optimized import softmax as optimized_softmax

REFERENCE = (
    Arithmetic(
        "SOFTMAX",
        INT16,
        softmax16.softmax,
        multiplier="float64 (float32 si*beta)/(10/65535)",
        algorithm="interpolated tables",
        source=f"{REFERENCE_OPS}softmax.h",
    ),
    finished("SOFTMAX", FLOAT, float_rows.softmax, EXACT, f"{REFERENCE_OPS}softmax.h"),
    Arithmetic(
        "SOFTMAX",
        EIGHT_BITS,
        softmax.softmax,
        multiplier="float64 beta*si*2**26",
        algorithm="fixed point",
        source=f"{REFERENCE_OPS}softmax.h",
    ),
    Arithmetic(
        "LOG_SOFTMAX",
        EIGHT_BITS,
        log_softmax.log_softmax,
        multiplier="float64 si*2**26",
        algorithm="fixed point",
        source=f"{INTEGER_OPS}log_softmax.h",
    ),
    finished("LOG_SOFTMAX", FLOAT, float_rows.log_softmax, EXACT, f"{REFERENCE_OPS}log_softmax.h"),
    finished(
        "L2_NORMALIZATION",
        EIGHT_BITS,
        l2_normalization.l2_normalization,
        "double, by a root in fixed point",
        f"{INTEGER_OPS}l2normalization.h",
    ),
    finished(
        "L2_NORMALIZATION",
        FLOAT,
        float_rows.l2_normalization,
        EXACT,
        f"{REFERENCE_OPS}l2normalization.h",
    ),
)

OPTIMIZED = (
    *(
        finished(op, FLOAT, kernel, LIKE_LIBM, OPTIMIZED_HEADER, SUMMED)
        for op, kernel in (
            ("SOFTMAX", float_rows.softmax),
            ("LOG_SOFTMAX", float_rows.log_softmax),
        )
    ),
    Arithmetic(
        "SOFTMAX",
        EIGHT_BITS,
        optimized_softmax.softmax,
        multiplier="float32 -si*beta",
        algorithm="float32 table and sum, half away",
        source=OPTIMIZED_HEADER,
    ),
    Arithmetic(
        "LOG_SOFTMAX",
        EIGHT_BITS,
        optimized_log_softmax.log_softmax,
        multiplier=RATIO,
        algorithm="float32 table and sum, half even",
        source=OPTIMIZED_HEADER,
    ),
)
