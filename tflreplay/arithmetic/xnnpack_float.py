"""What XNNPACK computes of float32 without weights. Sources are files of XNNPACK."""

from __future__ import annotations

import numpy as np

from tflreplay.arithmetic.delegation import (
    constant_axes,
    every,
    few_dimensions,
    normal_alpha,
    overlapping_windows,
    plain_activation,
    unit_beta,
)
from tflreplay.arithmetic.row import APPROXIMATED, EXACT, LIKE_LIBM, SUMMED, UNORDERED
from tflreplay.arithmetic.types import FLOAT
from tflreplay.kernels import float_rows, functions, plain, pooling, reduce
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.xnnpack import plain as xnnpack_plain

# Of the largest value of a layer: only 0 and -0 are taken for each other.
_ZEROS = 1e-30
_FLOATS = every(few_dimensions, plain_activation)

ROWS = (
    *(
        Arithmetic(op, FLOAT, kernel, algorithm=EXACT, source=source, when=when)
        for op, kernel, source, when in (
            (
                "LEAKY_RELU",
                xnnpack_plain.leaky_relu,
                "src/f32-vlrelu/",
                every(few_dimensions, normal_alpha),
            ),
            ("NEG", plain.elementwise(xnnpack_plain.neg), "src/f32-vneg/", few_dimensions),
            ("ROUND", plain.elementwise(np.rint), "src/f32-vrnd/", few_dimensions),
        )
    ),
    *(
        Arithmetic(
            op,
            FLOAT,
            xnnpack_plain.flushed(function),
            algorithm=f"{how}, numbers below 2**-126 flushed to 0",
            source=source,
            when=_FLOATS,
        )
        for op, function, how, source in (
            ("ADD", np.add, "sum", "src/f32-vbinary/"),
            ("SUB", np.subtract, "difference", "src/f32-vbinary/"),
            ("MUL", np.multiply, "product", "src/f32-vbinary/"),
            ("DIV", plain.divide, "quotient", "src/f32-vbinary/"),
            (
                "SQUARED_DIFFERENCE",
                plain.squared_difference,
                "square of the difference",
                "src/f32-vbinary/",
            ),
            ("SQUARE", np.square, "square", "src/f32-vsqr/"),
        )
    ),
    *(
        Arithmetic(
            op,
            FLOAT,
            kernel,
            algorithm=LIKE_LIBM,
            source="src/configs/unary-elementwise-config.c",
            when=few_dimensions,
            tolerance=APPROXIMATED,
        )
        for op, kernel in (
            *(
                (op, plain.elementwise(function))
                for op, function in (
                    ("COS", functions.cos),
                    ("ELU", functions.elu),
                    ("EXP", functions.exp),
                    ("HARD_SWISH", plain.hard_swish),
                    ("LOG", functions.log),
                    ("LOGISTIC", functions.logistic),
                    ("RSQRT", plain.rsqrt),
                    ("SIN", functions.sin),
                    ("SQRT", np.sqrt),
                    ("TANH", functions.tanh),
                )
            ),
            ("GELU", plain.gelu),
        )
    ),
    Arithmetic(
        "SOFTMAX",
        FLOAT,
        float_rows.softmax,
        algorithm=LIKE_LIBM,
        source="src/operators/softmax-nc.c",
        when=every(few_dimensions, unit_beta),
        tolerance=SUMMED,
    ),
    *(
        Arithmetic(
            op,
            FLOAT,
            plain.in_float64(kernel),
            algorithm=UNORDERED,
            source="src/configs/reduce-config.c",
            when=constant_axes,
            tolerance=SUMMED,
        )
        for op, kernel in (("MEAN", reduce.plain_mean), ("SUM", reduce.by(np.add)))
    ),
    *(
        Arithmetic(
            op,
            FLOAT,
            kernel,
            algorithm=f"{how}, 0 or -0",
            source=source,
            when=when,
            tolerance=_ZEROS,
        )
        for op, kernel, how, source, when in (
            (
                "MAX_POOL_2D",
                pooling.max_pool_2d_float,
                "maximum",
                "src/operators/max-pooling-nhwc.c",
                every(plain_activation, overlapping_windows),
            ),
            (
                "REDUCE_MAX",
                reduce.extreme(np.argmax),
                "maximum",
                "src/operators/reduce-nd.c",
                constant_axes,
            ),
            (
                "REDUCE_MIN",
                reduce.extreme(np.argmin),
                "minimum",
                "src/operators/reduce-nd.c",
                constant_axes,
            ),
        )
    ),
    Arithmetic(
        "AVERAGE_POOL_2D",
        FLOAT,
        plain.in_float64(pooling.average_pool_2d_float),
        algorithm=UNORDERED,
        source="src/operators/average-pooling-nhwc.c",
        when=every(plain_activation, overlapping_windows),
        tolerance=SUMMED,
    ),
)
