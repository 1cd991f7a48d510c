"""Rows of the activation functions that are ops of their own."""

from __future__ import annotations

import numpy as np

from tflreplay.arithmetic.row import (
    APPROXIMATED,
    EXACT,
    INTEGER_OPS,
    INTERPOLATED,
    LIKE_LIBM,
    MEASURED,
    OPTIMIZED_HEADER,
    OPTIMIZED_INTEGER_OPS,
    RATIO,
    REFERENCE_OPS,
    TABLE,
    finished,
)
from tflreplay.arithmetic.types import EIGHT_BITS, FLOAT, INT8, INT16, QUANTIZED
from tflreplay.kernels import activations, functions, hard_swish, plain, sigmoid16
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.optimized import plain as optimized_plain
from tflreplay.kernels.optimized import sigmoid16 as optimized_sigmoid16

_SLOPE = "float32 si/so; float32 si*{alpha}/so where x < zi"

REFERENCE = (
    *(
        Arithmetic(op, INT16, kernel, "double", RATIO, source="activations.cc")
        for op, kernel in (("RELU", activations.relu), ("RELU6", activations.relu6))
    ),
    *(
        finished(op, FLOAT, plain.elementwise(function), EXACT, "activations.cc")
        for op, function in (
            ("RELU", plain.between(0, np.inf)),
            ("RELU6", plain.between(0, 6)),
            ("RELU_N1_TO_1", plain.between(-1, 1)),
            ("RELU_0_TO_1", plain.between(0, 1)),
            ("PRELU", plain.prelu),
            ("HARD_SWISH", plain.hard_swish),
            ("LOGISTIC", plain.logistic),
            ("TANH", functions.tanh),
        )
    ),
    *(
        Arithmetic(op, EIGHT_BITS, kernel, "double", RATIO, source="activations.cc")
        for op, kernel in (
            ("RELU", activations.relu),
            ("RELU6", activations.relu6),
            ("RELU_N1_TO_1", activations.relu_n1_to_1),
            ("RELU_0_TO_1", activations.relu_0_to_1),
        )
    ),
    finished("LEAKY_RELU", FLOAT, plain.leaky_relu, EXACT, "activations.cc"),
    *(
        Arithmetic(
            "LEAKY_RELU",
            types,
            kernel,
            "double",
            _SLOPE.format(alpha=alpha),
            source=f"{REFERENCE_OPS}leaky_relu.h",
            since=since,
        )
        for types in (INT16, EIGHT_BITS)
        for kernel, alpha, since in (
            (activations.leaky_relu, "|alpha|", {"litert": "2.1.4"}),
            (activations.leaky_relu_signed, "alpha", {}),
        )
    ),
    Arithmetic(
        "PRELU",
        QUANTIZED,
        activations.prelu,
        "double",
        _SLOPE.format(alpha="sa"),
        source=f"{REFERENCE_OPS}prelu.h",
    ),
    Arithmetic(
        "HARD_SWISH",
        EIGHT_BITS,
        hard_swish.hard_swish,
        multiplier="float32 si/128/so, float32 si/128/(3/32768), cut to 16 bits",
        algorithm="16-bit fixed point",
        source=f"{REFERENCE_OPS}hard_swish.h",
    ),
    finished("GELU", EIGHT_BITS, activations.gelu, TABLE, "activations.cc"),
    finished("GELU", INT16, activations.gelu, INTERPOLATED, "activations.cc"),
    finished("GELU", FLOAT, plain.gelu, LIKE_LIBM, f"{REFERENCE_OPS}gelu.h", APPROXIMATED),
    finished(
        "LOGISTIC", INT16, sigmoid16.logistic, "interpolated table", f"{INTEGER_OPS}logistic.h"
    ),
    finished("LOGISTIC", EIGHT_BITS, activations.logistic, TABLE, "activations.cc"),
    finished("TANH", INT16, sigmoid16.tanh, "interpolated table", f"{INTEGER_OPS}tanh.h"),
    finished("TANH", EIGHT_BITS, activations.tanh, TABLE, "activations.cc"),
)

OPTIMIZED = (
    finished("ELU", INT8, activations.elu, TABLE, "activations.cc"),
    *(
        finished(op, FLOAT, plain.elementwise(function), LIKE_LIBM, OPTIMIZED_HEADER, APPROXIMATED)
        for op, function in (
            ("ELU", functions.elu),
            ("LOGISTIC", plain.logistic),
            ("TANH", functions.tanh),
        )
    ),
    *(
        Arithmetic(
            "HARD_SWISH",
            FLOAT,
            optimized_plain.hard_swish,
            algorithm="float32; body: x/6 first",
            source=OPTIMIZED_HEADER,
            since=since,
            tolerance=tolerance,
        )
        for since, tolerance in ((MEASURED, 0.0), ({}, APPROXIMATED))
    ),
    Arithmetic(
        "LEAKY_RELU",
        INT16,
        activations.leaky_relu_signed,
        "double",
        _SLOPE.format(alpha="alpha"),
        source=f"{OPTIMIZED_INTEGER_OPS}leaky_relu.h",
    ),
    *(
        finished(
            op, INT16, kernel, "fixed point where the scale allows, else a table", OPTIMIZED_HEADER
        )
        for op, kernel in (
            ("LOGISTIC", optimized_sigmoid16.logistic),
            ("TANH", optimized_sigmoid16.tanh),
        )
    ),
)
