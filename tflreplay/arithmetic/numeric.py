"""Rows of the ops that compute without weights, beside the 8-bit ones that the tables list."""

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
from tflreplay.engine import Engine
from tflreplay.kernels import (
    activations,
    binary,
    comparison,
    elementwise,
    float_rows,
    functions,
    index,
    l2_normalization,
    log_softmax,
    plain,
    pooling,
    reduce,
    sigmoid16,
    softmax16,
    unary,
)
from tflreplay.kernels.call import Arithmetic, Kernel
from tflreplay.kernels.optimized import elementwise as optimized_elementwise
from tflreplay.kernels.optimized import log_softmax as optimized_log_softmax
from tflreplay.kernels.optimized import plain as optimized_plain
from tflreplay.kernels.optimized import reduce as optimized_reduce
from tflreplay.kernels.optimized import sigmoid16 as optimized_sigmoid16
from tflreplay.kernels.xnnpack import plain as xnnpack_plain
from tflreplay.model import Operator, Subgraph

_INT8 = ("int8",)
_INT16 = ("int16",)
_BOTH = ("int8", "uint8")
_QUANTIZED = ("int8", "uint8", "int16")
_SIGNED = ("int8", "int16")
_FLOAT32 = ("float32",)
_WHOLE = ("int32", "int64")
_NUMBERS = ("float32", *_WHOLE)
_RAW = (*_QUANTIZED, *_NUMBERS)
_REFERENCE = "internal/reference/"
_INTEGER = "internal/reference/integer_ops/"
_OPTIMIZED = "internal/optimized/optimized_ops.h"
_SCALES = "float64 s/(2*max(s1, s2)); float64 2*max(s1, s2)/(float32 2**15*so)"
_RATIO = "float32 si/so"
_TABLE = "float32 table, half away"
_INTERPOLATED = "float32 table of 513, interpolated"
_EXACT = "float32"
_TO_ONE_SCALE = "double, to a scale of 2**-8"
# TFLM computes something else, which is not modelled.
_NOT_TFLM = {"litert": "0", "tensorflow": "0"}
# TensorFlow 2.17.1 gives other last bits in two float32 ops.
_MEASURED = {"litert": "0", "tensorflow": "2.21.0"}
# LiteRT f18e6160e: SUM of one scale summed raw codes before.
_SIXTEEN_BIT_SUMS = {"litert": "1.3.0", "tensorflow": "2.21.0"}
# LiteRT 8a6c60a8e: EQUAL and NOT_EQUAL compared raw codes before.
_SIXTEEN_BITS = {"litert": "2.1.0", "tensorflow": "2.21.0"}

# Of the largest value of a layer.
_APPROXIMATED, _SUMMED = 2e-6, 1e-5
# Of the same: only 0 and -0 are taken for each other.
_ZEROS = 1e-30
_LIKE_LIBM = "float32 by the C library, which the engine approximates"
_UNORDERED = "float64, rounded to float32; the order of summation is not modelled"


def _powers_of_two(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """all scales powers of two, pot_scale_int16 set"""
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs)]
    exponents = [sigmoid16.power_of_two(tensor.scale) for tensor in tensors]
    return bool(op.options.get("pot_scale_int16")) and None not in exponents


def _row(
    op: str,
    types: tuple[str, ...],
    kernel: Kernel,
    algorithm: str,
    source: str,
    tolerance: float = 0.0,
) -> Arithmetic:
    return Arithmetic(op, types, kernel, algorithm=algorithm, source=source, tolerance=tolerance)


_ELEMENTWISE = (
    *(
        Arithmetic(op, _INT16, kernel, algorithm="16-bit saturating sum", source=source, when=when)
        for op, kernel, source, when in (
            ("ADD", elementwise.add_power_of_two, f"{_REFERENCE}add.h", _powers_of_two),
            ("SUB", elementwise.sub_power_of_two, f"{_REFERENCE}sub.h", _powers_of_two),
        )
    ),
    Arithmetic("ADD", _INT16, elementwise.add, "double", _SCALES, source=f"{_REFERENCE}add.h"),
    Arithmetic("SUB", _INT16, elementwise.sub, "double", _SCALES, source=f"{_REFERENCE}sub.h"),
    Arithmetic(
        "MUL", _INT16, elementwise.mul, "double", "float32 s1*s2/so", source=f"{_INTEGER}mul.h"
    ),
    _row("ADD", _NUMBERS, plain.add, "sum", f"{_REFERENCE}add.h"),
    _row("SUB", _NUMBERS, plain.sub, "difference", f"{_REFERENCE}sub.h"),
    _row("MUL", _NUMBERS, plain.mul, "product", f"{_REFERENCE}mul.h"),
    Arithmetic(
        "DIV",
        _QUANTIZED,
        binary.div,
        multiplier="float32 s1/(s2*so)",
        algorithm="double, by a reciprocal in fixed point",
        source=f"{_REFERENCE}div.h",
    ),
    _row("DIV", ("float32", "int32"), plain.div, "quotient, of integers truncated", "div.cc"),
    _row("MAXIMUM", _RAW, binary.maximum, "maximum of raw codes", "maximum_minimum.cc"),
    _row("MINIMUM", _RAW, binary.minimum, "minimum of raw codes", "maximum_minimum.cc"),
    Arithmetic(
        "SQUARED_DIFFERENCE",
        _INT8,
        binary.squared_difference,
        "double",
        "float64 s/t; float64 t*t/(float32 2**14*so), t = 2*max(s1, s2)",
        source="squared_difference.cc",
        pairwise=True,
    ),
    _row(
        "SQUARED_DIFFERENCE",
        ("float32", "int32"),
        plain.elementwise(plain.squared_difference),
        "square of the difference",
        "squared_difference.cc",
    ),
    _row(
        "FLOOR_DIV",
        ("int8", "int16", "int32", "float32"),
        plain.elementwise(plain.floor_div),
        "float64 quotient of raw codes, floor",
        f"{_REFERENCE}floor_div.h",
    ),
    _row(
        "FLOOR_MOD",
        ("int8", "int16", *_NUMBERS),
        plain.elementwise(plain.floor_mod),
        "remainder of raw codes",
        f"{_REFERENCE}floor_mod.h",
    ),
    _row(
        "POW",
        ("float32", "int32"),
        plain.elementwise(plain.power),
        "C library; repeated squaring for one whole exponent",
        "pow.cc",
    ),
)

_UNARY = (
    *(
        Arithmetic(
            "SQRT",
            _FLOAT32,
            plain.elementwise(np.sqrt),
            algorithm=how,
            source="elementwise.cc",
            since=since,
            tolerance=tolerance,
        )
        for how, since, tolerance in ((_EXACT, _MEASURED, 0.0), (_LIKE_LIBM, {}, _APPROXIMATED))
    ),
    Arithmetic("ABS", _SIGNED, unary.abs_, "double", _RATIO, source="elementwise.cc"),
    _row("NEG", (*_SIGNED, *_NUMBERS), unary.neg, "negated raw codes", f"{_REFERENCE}neg.h"),
    _row("SQRT", _SIGNED, unary.sqrt, "float32 root and quotient, truncated", "elementwise.cc"),
    Arithmetic(
        "RSQRT",
        _INT8,
        unary.rsqrt,
        multiplier="float64 1/(float32 sqrt(si)*so)",
        algorithm="double, fixed point",
        source="elementwise.cc",
    ),
    Arithmetic(
        "RSQRT",
        _INT16,
        unary.rsqrt16,
        algorithm=_INTERPOLATED,
        source="elementwise.cc",
        since=_NOT_TFLM,
    ),
    *(
        _row(op, types, kernel, how, source)
        for op, kernel, source in (
            ("EXP", unary.exp, "exp.cc"),
            ("LOG", unary.log, "elementwise.cc"),
        )
        for types, how in ((_INT8, _TABLE), (_INT16, _INTERPOLATED))
    ),
    *(
        _row(op, types, plain.elementwise(function), _EXACT, "elementwise.cc")
        for op, types, function in (
            ("ABS", ("float32", "int32"), np.abs),
            ("RSQRT", _FLOAT32, plain.rsqrt),
            ("EXP", _FLOAT32, functions.exp),
            ("LOG", _FLOAT32, functions.log),
            ("SIN", _FLOAT32, functions.sin),
            ("COS", _FLOAT32, functions.cos),
            ("SQUARE", _FLOAT32, np.square),
            ("FLOOR", _FLOAT32, np.floor),
            ("LOGICAL_NOT", ("bool",), np.logical_not),
        )
    ),
)

_ACTIVATIONS = (
    *(
        Arithmetic(op, _INT16, kernel, "double", _RATIO, source="activations.cc")
        for op, kernel in (("RELU", activations.relu), ("RELU6", activations.relu6))
    ),
    *(
        _row(op, _FLOAT32, plain.elementwise(function), _EXACT, "activations.cc")
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
        Arithmetic(
            "LEAKY_RELU",
            _INT16,
            kernel,
            "double",
            f"float32 si/so; float32 si*{alpha}/so where x < zi",
            source=f"{_REFERENCE}leaky_relu.h",
            since=since,
        )
        for kernel, alpha, since in (
            (activations.leaky_relu, "|alpha|", {"litert": "2.1.4"}),
            (activations.leaky_relu_signed, "alpha", {}),
        )
    ),
    _row("LEAKY_RELU", _FLOAT32, plain.leaky_relu, _EXACT, "activations.cc"),
    Arithmetic(
        "PRELU",
        _QUANTIZED,
        activations.prelu,
        "double",
        "float32 si/so; float32 si*sa/so where x < zi",
        source=f"{_REFERENCE}prelu.h",
    ),
    _row("GELU", _BOTH, activations.gelu, _TABLE, "activations.cc"),
    _row("GELU", _INT16, activations.gelu, _INTERPOLATED, "activations.cc"),
    _row("GELU", _FLOAT32, plain.gelu, _LIKE_LIBM, f"{_REFERENCE}gelu.h", _APPROXIMATED),
    _row("LOGISTIC", _INT16, sigmoid16.logistic, "interpolated table", f"{_INTEGER}logistic.h"),
    _row("TANH", _INT16, sigmoid16.tanh, "interpolated table", f"{_INTEGER}tanh.h"),
)

_ALONG_AN_AXIS = (
    Arithmetic(
        "SOFTMAX",
        _INT16,
        softmax16.softmax,
        multiplier="float64 (float32 si*beta)/(10/65535)",
        algorithm="interpolated tables",
        source=f"{_REFERENCE}softmax.h",
    ),
    Arithmetic(
        "LOG_SOFTMAX",
        _BOTH,
        log_softmax.log_softmax,
        multiplier="float64 si*2**26",
        algorithm="fixed point",
        source=f"{_INTEGER}log_softmax.h",
    ),
    _row(
        "L2_NORMALIZATION",
        _BOTH,
        l2_normalization.l2_normalization,
        "double, by a root in fixed point",
        f"{_INTEGER}l2normalization.h",
    ),
    *(
        _row(op, _FLOAT32, kernel, _EXACT, source)
        for op, kernel, source in (
            ("SOFTMAX", float_rows.softmax, f"{_REFERENCE}softmax.h"),
            ("LOG_SOFTMAX", float_rows.log_softmax, f"{_REFERENCE}log_softmax.h"),
            ("L2_NORMALIZATION", float_rows.l2_normalization, f"{_REFERENCE}l2normalization.h"),
        )
    ),
    *(
        _row(
            op,
            (*_BOTH, "int32", "float32", "bool"),
            kernel,
            "first index",
            f"{_REFERENCE}arg_min_max.h",
        )
        for op, kernel in (("ARG_MAX", index.arg_max), ("ARG_MIN", index.arg_min))
    ),
    _row("CUMSUM", _NUMBERS, index.cumsum, "sums in order", f"{_REFERENCE}cumsum.h"),
)

# Op, kernels on rescaled numbers and on raw codes.
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
_COMPARISONS_SOURCE = f"{_REFERENCE}comparisons.h"
_COMPARISONS = (
    *(
        _row(op, _BOTH, rescaled, _TO_ONE_SCALE, _COMPARISONS_SOURCE)
        for op, rescaled, _ in _COMPARED
    ),
    *(
        Arithmetic(
            op,
            _INT16,
            rescaled,
            algorithm=_TO_ONE_SCALE,
            source=_COMPARISONS_SOURCE,
            since=_SIXTEEN_BITS,
        )
        for op, rescaled, _ in _COMPARED[:2]
    ),
    *(
        Arithmetic(
            op,
            _INT16,
            raw,
            algorithm="raw codes",
            source=_COMPARISONS_SOURCE,
            since=_NOT_TFLM if op == "GREATER" else {},
        )
        for op, _, raw in _COMPARED
    ),
    *(_row(op, _NUMBERS, raw, "compared", _COMPARISONS_SOURCE) for op, _, raw in _COMPARED),
    *(_row(op, ("bool",), raw, "raw codes", _COMPARISONS_SOURCE) for op, _, raw in _COMPARED[:2]),
    _row("LOGICAL_AND", ("bool",), plain.elementwise(np.logical_and), "and", "logical.cc"),
    _row("LOGICAL_OR", ("bool",), plain.elementwise(np.logical_or), "or", "logical.cc"),
    _row(
        "SELECT",
        (*_RAW, "bool"),
        plain.elementwise(plain.select_rows),
        "copy",
        f"{_REFERENCE}select.h",
    ),
    _row(
        "SELECT_V2",
        (*_RAW, "bool"),
        plain.elementwise(plain.select),
        "copy",
        f"{_REFERENCE}select.h",
    ),
)

_REDUCTIONS = (
    Arithmetic(
        "MEAN",
        _INT16,
        reduce.mean,
        "double",
        "float64 si/so, mantissa divided by the count",
        source=f"{_REFERENCE}reduce.h",
    ),
    _row("MEAN", _NUMBERS, reduce.plain_mean, "sum in order, quotient", f"{_REFERENCE}reduce.h"),
    Arithmetic(
        "SUM", ("uint8",), reduce.sum_, "double", "float64 si/so", source=f"{_REFERENCE}reduce.h"
    ),
    Arithmetic(
        "SUM",
        _INT8,
        reduce.sum_as_uint8,
        "double",
        "float64 si/so",
        "codes read as uint8",
        "reduce.cc",
    ),
    _row("SUM", _NUMBERS, reduce.by(np.add, 0), "sum in order, from 0", f"{_REFERENCE}reduce.h"),
    Arithmetic(
        "REDUCE_PROD",
        _SIGNED,
        reduce.reduce_prod,
        multiplier="float64 si/so**(1/n), cut to 16 bits",
        algorithm="single rounding after each product",
        source=f"{_REFERENCE}reduce.h",
    ),
    _row("REDUCE_PROD", _NUMBERS, reduce.by(np.multiply), "product in order", "reduce.cc"),
    _row("REDUCE_MAX", _RAW, reduce.extreme(np.argmax), "first maximum of raw codes", "reduce.cc"),
    _row("REDUCE_MIN", _RAW, reduce.extreme(np.argmin), "first minimum of raw codes", "reduce.cc"),
    _row("REDUCE_ANY", ("bool",), reduce.by(np.logical_or), "or", "reduce.cc"),
    _row("REDUCE_ALL", ("bool",), reduce.by(np.logical_and), "and", "reduce.cc"),
)

_POOLS = (
    _row(
        "AVERAGE_POOL_2D",
        _INT16,
        pooling.average_pool_2d,
        "integer mean, half away",
        f"{_INTEGER}pooling.h",
    ),
    _row("MAX_POOL_2D", _INT16, pooling.max_pool_2d, "maximum", f"{_INTEGER}pooling.h"),
    *(
        _row(op, _FLOAT32, kernel, how, f"{_REFERENCE}pooling.h")
        for op, kernel, how in (
            ("AVERAGE_POOL_2D", pooling.average_pool_2d_float, "sum in order, quotient"),
            ("MAX_POOL_2D", pooling.max_pool_2d_float, "maximum"),
            ("L2_POOL_2D", pooling.l2_pool_2d, "sum in order, quotient, root"),
        )
    ),
)

REFERENCE = (
    *_ELEMENTWISE,
    *_UNARY,
    *_ACTIVATIONS,
    *_ALONG_AN_AXIS,
    *_COMPARISONS,
    *_REDUCTIONS,
    *_POOLS,
)

OPTIMIZED = (
    *(row for row in _ELEMENTWISE if row.kernel is elementwise.add_power_of_two),
    Arithmetic(
        "ADD",
        _INT16,
        optimized_elementwise.add_int16,
        multiplier=_SCALES,
        algorithm="double; body: inputs rescaled with one rounding",
        source="internal/optimized/integer_ops/add.h",
    ),
    *(
        _row(op, _FLOAT32, plain.elementwise(function), _EXACT, source)
        for op, function, source in (
            ("CEIL", np.ceil, "ceil.cc"),
            ("ROUND", plain.round_half_even, "round.cc"),
        )
    ),
    _row("ELU", _INT8, activations.elu, _TABLE, "activations.cc"),
    *(
        _row(op, _FLOAT32, plain.elementwise(function), _LIKE_LIBM, _OPTIMIZED, _APPROXIMATED)
        for op, function in (
            ("ELU", functions.elu),
            ("LOGISTIC", plain.logistic),
            ("TANH", functions.tanh),
        )
    ),
    *(
        _row(op, _FLOAT32, kernel, _LIKE_LIBM, _OPTIMIZED, _SUMMED)
        for op, kernel in (
            ("SOFTMAX", float_rows.softmax),
            ("LOG_SOFTMAX", float_rows.log_softmax),
        )
    ),
    *(
        Arithmetic(
            "HARD_SWISH",
            _FLOAT32,
            optimized_plain.hard_swish,
            algorithm="float32; body: x/6 first",
            source=_OPTIMIZED,
            since=since,
            tolerance=tolerance,
        )
        for since, tolerance in ((_MEASURED, 0.0), ({}, _APPROXIMATED))
    ),
    *(
        _row(op, _FLOAT32, kernel, how, "internal/optimized/reduce.h")
        for op, kernel, how in (
            ("SUM", reduce.by(np.add), "sum in order"),
            ("REDUCE_MAX", reduce.extreme(np.argmax, last=True), "last maximum"),
            ("REDUCE_MIN", reduce.extreme(np.argmin, last=True), "last minimum"),
        )
    ),
    Arithmetic(
        "LEAKY_RELU",
        _INT16,
        activations.leaky_relu_signed,
        "double",
        "float32 si/so; float32 si*alpha/so where x < zi",
        source="internal/optimized/integer_ops/leaky_relu.h",
    ),
    *(
        _row(op, _INT16, kernel, "fixed point where the scale allows, else a table", _OPTIMIZED)
        for op, kernel in (
            ("LOGISTIC", optimized_sigmoid16.logistic),
            ("TANH", optimized_sigmoid16.tanh),
        )
    ),
    Arithmetic(
        "LOG_SOFTMAX",
        _BOTH,
        optimized_log_softmax.log_softmax,
        multiplier=_RATIO,
        algorithm="float32 table and sum, half even",
        source=_OPTIMIZED,
    ),
    *(
        Arithmetic(
            "SUM",
            types,
            optimized_reduce.sum_,
            multiplier=_RATIO,
            algorithm="float32 product and sum with the bias, half away",
            source="internal/optimized/reduce.h",
            since=since,
        )
        for types, since in ((_BOTH, {}), (_INT16, _SIXTEEN_BIT_SUMS))
    ),
    Arithmetic(
        "REDUCE_PROD",
        _SIGNED,
        optimized_reduce.reduce_prod,
        multiplier="float64 si/so**(1/n), cut to 16 bits",
        algorithm="single rounding after each product; one element: copy",
        source="internal/optimized/reduce.h",
    ),
    _row(
        "MEAN",
        _FLOAT32,
        reduce.plain_mean,
        _UNORDERED,
        "internal/optimized/reduce.h",
        _APPROXIMATED,
    ),
    _row("L2_POOL_2D", _FLOAT32, pooling.l2_pool_2d, _UNORDERED, _OPTIMIZED, _APPROXIMATED),
)

_FLOATS = every(few_dimensions, plain_activation)

XNNPACK = (
    *(
        Arithmetic(op, _FLOAT32, kernel, algorithm=_EXACT, source=source, when=when)
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
            _FLOAT32,
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
            _FLOAT32,
            kernel,
            algorithm=_LIKE_LIBM,
            source="src/configs/unary-elementwise-config.c",
            when=few_dimensions,
            tolerance=_APPROXIMATED,
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
        _FLOAT32,
        float_rows.softmax,
        algorithm=_LIKE_LIBM,
        source="src/operators/softmax-nc.c",
        when=every(few_dimensions, unit_beta),
        tolerance=_SUMMED,
    ),
    *(
        Arithmetic(
            op,
            _FLOAT32,
            plain.in_float64(kernel),
            algorithm=_UNORDERED,
            source="src/configs/reduce-config.c",
            when=constant_axes,
            tolerance=_SUMMED,
        )
        for op, kernel in (("MEAN", reduce.plain_mean), ("SUM", reduce.by(np.add)))
    ),
    *(
        Arithmetic(
            op,
            _FLOAT32,
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
        _FLOAT32,
        plain.in_float64(pooling.average_pool_2d_float),
        algorithm=_UNORDERED,
        source="src/operators/average-pooling-nhwc.c",
        when=every(plain_activation, overlapping_windows),
        tolerance=_SUMMED,
    ),
)
