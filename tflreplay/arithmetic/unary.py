"""Rows of the ops on one tensor, element by element; activations have a file of their own."""

from __future__ import annotations

import numpy as np

from tflreplay.arithmetic.row import (
    APPROXIMATED,
    EXACT,
    INTERPOLATED,
    LIKE_LIBM,
    MEASURED,
    NOT_TFLM,
    RATIO,
    REFERENCE_OPS,
    TABLE,
    finished,
)
from tflreplay.arithmetic.types import BOOL, FLOAT, INT8, INT16, SIGNED, UNQUANTIZED
from tflreplay.kernels import functions, plain, unary
from tflreplay.kernels.call import Arithmetic

REFERENCE = (
    *(
        Arithmetic(
            "SQRT",
            FLOAT,
            plain.elementwise(np.sqrt),
            algorithm=how,
            source="elementwise.cc",
            since=since,
            tolerance=tolerance,
        )
        for how, since, tolerance in ((EXACT, MEASURED, 0.0), (LIKE_LIBM, {}, APPROXIMATED))
    ),
    finished("SQRT", SIGNED, unary.sqrt, "float32 root and quotient, truncated", "elementwise.cc"),
    Arithmetic("ABS", SIGNED, unary.abs_, "double", RATIO, source="elementwise.cc"),
    finished(
        "NEG", (*SIGNED, *UNQUANTIZED), unary.neg, "negated raw codes", f"{REFERENCE_OPS}neg.h"
    ),
    Arithmetic(
        "RSQRT",
        INT8,
        unary.rsqrt,
        multiplier="float64 1/(float32 sqrt(si)*so)",
        algorithm="double, fixed point",
        source="elementwise.cc",
    ),
    Arithmetic(
        "RSQRT",
        INT16,
        unary.rsqrt16,
        algorithm=INTERPOLATED,
        source="elementwise.cc",
        since=NOT_TFLM,
    ),
    *(
        finished(op, types, kernel, how, source)
        for op, kernel, source in (
            ("EXP", unary.exp, "exp.cc"),
            ("LOG", unary.log, "elementwise.cc"),
        )
        for types, how in ((INT8, TABLE), (INT16, INTERPOLATED))
    ),
    *(
        finished(op, types, plain.elementwise(function), EXACT, "elementwise.cc")
        for op, types, function in (
            ("ABS", ("float32", "int32"), np.abs),
            ("RSQRT", FLOAT, plain.rsqrt),
            ("EXP", FLOAT, functions.exp),
            ("LOG", FLOAT, functions.log),
            ("SIN", FLOAT, functions.sin),
            ("COS", FLOAT, functions.cos),
            ("SQUARE", FLOAT, np.square),
            ("FLOOR", FLOAT, np.floor),
            ("LOGICAL_NOT", BOOL, np.logical_not),
        )
    ),
)

OPTIMIZED = (
    finished("CEIL", FLOAT, plain.elementwise(np.ceil), EXACT, "ceil.cc"),
    finished("ROUND", FLOAT, plain.elementwise(plain.round_half_even), EXACT, "round.cc"),
)
