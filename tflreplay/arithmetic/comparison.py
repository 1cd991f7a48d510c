"""Rows of the ops that compare, of those on truth values and of those that choose by them."""

from __future__ import annotations

import numpy as np

from tflreplay.arithmetic.row import NOT_TFLM, REFERENCE_OPS, finished
from tflreplay.arithmetic.types import BOOL, EIGHT_BITS, INT16, RAW, UNQUANTIZED
from tflreplay.kernels import comparison, plain
from tflreplay.kernels.call import Arithmetic

_SOURCE = f"{REFERENCE_OPS}comparisons.h"
_TO_ONE_SCALE = "double, to a scale of 2**-8"
# LiteRT 8a6c60a8e: EQUAL and NOT_EQUAL compared raw codes before.
_SIXTEEN_BITS = {"litert": "2.1.0", "tensorflow": "2.21.0"}

# Op, kernels on rescaled numbers and on raw codes; the ops that take truth values first.
_COMPARED = tuple(
    (op, comparison.rescaled(compare), plain.elementwise(compare))
    for op, compare in (
        ("EQUAL", np.equal),
        ("NOT_EQUAL", np.not_equal),
        ("LESS", np.less),
        ("LESS_EQUAL", np.less_equal),
        ("GREATER", np.greater),
        ("GREATER_EQUAL", np.greater_equal),
    )
)

REFERENCE = (
    *(finished(op, EIGHT_BITS, rescaled, _TO_ONE_SCALE, _SOURCE) for op, rescaled, _ in _COMPARED),
    *(
        Arithmetic(
            op,
            INT16,
            rescaled,
            algorithm=_TO_ONE_SCALE,
            source=_SOURCE,
            since=_SIXTEEN_BITS,
        )
        for op, rescaled, _ in _COMPARED[:2]
    ),
    *(
        Arithmetic(
            op,
            INT16,
            raw,
            algorithm="raw codes",
            source=_SOURCE,
            since=NOT_TFLM if op == "GREATER" else {},
        )
        for op, _, raw in _COMPARED
    ),
    *(finished(op, UNQUANTIZED, raw, "compared", _SOURCE) for op, _, raw in _COMPARED),
    *(finished(op, BOOL, raw, "raw codes", _SOURCE) for op, _, raw in _COMPARED[:2]),
    finished("LOGICAL_AND", BOOL, plain.elementwise(np.logical_and), "and", "logical.cc"),
    finished("LOGICAL_OR", BOOL, plain.elementwise(np.logical_or), "or", "logical.cc"),
    *(
        finished(
            op,
            (*RAW, *BOOL),
            plain.elementwise(function),
            "copy",
            f"{REFERENCE_OPS}select.h",
        )
        for op, function in (("SELECT", plain.select_rows), ("SELECT_V2", plain.select))
    ),
)
