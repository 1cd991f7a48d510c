"""Rows of the ops on two tensors, element by element; comparisons have a file of their own."""

from __future__ import annotations

from tflreplay.arithmetic.row import (
    INTEGER_OPS,
    OPTIMIZED_INTEGER_OPS,
    REFERENCE_OPS,
    finished,
)
from tflreplay.arithmetic.types import EIGHT_BITS, INT8, INT16, QUANTIZED, RAW, SIGNED, UNQUANTIZED
from tflreplay.ground.engine import Engine
from tflreplay.kernels import binary, elementwise, plain, sigmoid16
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.matmul import FLOAT32
from tflreplay.kernels.optimized import elementwise as optimized_elementwise
from tflreplay.model import Operator, Subgraph

ADD_SCALES = "float64 s/(2*max(s1, s2)); float64 2*max(s1, s2)/(float32 2**20*so)"
_ADD_SCALES_16 = "float64 s/(2*max(s1, s2)); float64 2*max(s1, s2)/(float32 2**15*so)"


def _powers_of_two(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """all scales powers of two, pot_scale_int16 set"""
    tensors = [graph.tensors[i] for i in (*op.inputs, *op.outputs)]
    exponents = [sigmoid16.power_of_two(tensor.scale) for tensor in tensors]
    return bool(op.options.get("pot_scale_int16")) and None not in exponents


def _may_pass_16_bits(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """The largest product of two centred codes, rescaled, and a zero point may pass 2**15."""
    a, b, y = (graph.tensors[index].scale for index in (*op.inputs, *op.outputs))
    return 255 * 255 * a * b / y > 2**15 - 256


_ADD_POWERS_OF_TWO = Arithmetic(
    "ADD",
    INT16,
    elementwise.add_power_of_two,
    algorithm="16-bit saturating sum",
    source=f"{REFERENCE_OPS}add.h",
    when=_powers_of_two,
)

REFERENCE = (
    _ADD_POWERS_OF_TWO,
    Arithmetic(
        "ADD",
        INT16,
        elementwise.add,
        "double",
        _ADD_SCALES_16,
        source=f"{REFERENCE_OPS}add.h",
    ),
    finished("ADD", UNQUANTIZED, plain.add, "sum", f"{REFERENCE_OPS}add.h"),
    Arithmetic(
        "ADD",
        EIGHT_BITS,
        elementwise.add,
        "double",
        ADD_SCALES,
        source=f"{INTEGER_OPS}add.h",
        pairwise=True,
    ),
    Arithmetic(
        "SUB",
        INT16,
        elementwise.sub_power_of_two,
        algorithm="16-bit saturating sum",
        source=f"{REFERENCE_OPS}sub.h",
        when=_powers_of_two,
    ),
    Arithmetic(
        "SUB",
        INT16,
        elementwise.sub,
        "double",
        _ADD_SCALES_16,
        source=f"{REFERENCE_OPS}sub.h",
    ),
    finished("SUB", UNQUANTIZED, plain.sub, "difference", f"{REFERENCE_OPS}sub.h"),
    Arithmetic(
        "SUB",
        EIGHT_BITS,
        elementwise.sub,
        "double",
        ADD_SCALES,
        source=f"{REFERENCE_OPS}sub.h",
        pairwise=True,
    ),
    Arithmetic("MUL", INT16, elementwise.mul, "double", FLOAT32, source=f"{INTEGER_OPS}mul.h"),
    finished("MUL", UNQUANTIZED, plain.mul, "product", f"{REFERENCE_OPS}mul.h"),
    Arithmetic(
        "MUL",
        EIGHT_BITS,
        elementwise.mul,
        "double",
        FLOAT32,
        source=f"{INTEGER_OPS}mul.h",
        pairwise=True,
    ),
    Arithmetic(
        "DIV",
        QUANTIZED,
        binary.div,
        multiplier="float32 s1/(s2*so)",
        algorithm="double, by a reciprocal in fixed point",
        source=f"{REFERENCE_OPS}div.h",
    ),
    finished("DIV", ("float32", "int32"), plain.div, "quotient, of integers truncated", "div.cc"),
    finished("MAXIMUM", RAW, binary.maximum, "maximum of raw codes", "maximum_minimum.cc"),
    finished("MINIMUM", RAW, binary.minimum, "minimum of raw codes", "maximum_minimum.cc"),
    Arithmetic(
        "SQUARED_DIFFERENCE",
        INT8,
        binary.squared_difference,
        "double",
        "float64 s/t; float64 t*t/(float32 2**14*so), t = 2*max(s1, s2)",
        source="squared_difference.cc",
        pairwise=True,
    ),
    finished(
        "SQUARED_DIFFERENCE",
        ("float32", "int32"),
        plain.elementwise(plain.squared_difference),
        "square of the difference",
        "squared_difference.cc",
    ),
    finished(
        "FLOOR_DIV",
        (*SIGNED, "int32", "float32"),
        plain.elementwise(plain.floor_div),
        "float64 quotient of raw codes, floor",
        f"{REFERENCE_OPS}floor_div.h",
    ),
    finished(
        "FLOOR_MOD",
        (*SIGNED, *UNQUANTIZED),
        plain.elementwise(plain.floor_mod),
        "remainder of raw codes",
        f"{REFERENCE_OPS}floor_mod.h",
    ),
    finished(
        "POW",
        ("float32", "int32"),
        plain.elementwise(plain.power),
        "C library; repeated squaring for one whole exponent",
        "pow.cc",
    ),
)

OPTIMIZED = (
    _ADD_POWERS_OF_TWO,
    Arithmetic(
        "ADD",
        INT16,
        optimized_elementwise.add_int16,
        multiplier=_ADD_SCALES_16,
        algorithm="double; body: inputs rescaled with one rounding",
        source=f"{OPTIMIZED_INTEGER_OPS}add.h",
    ),
    Arithmetic(
        "ADD",
        EIGHT_BITS,
        optimized_elementwise.add,
        multiplier=ADD_SCALES,
        algorithm="double; body: inputs rescaled with one rounding, 16-bit sum",
        source=f"{OPTIMIZED_INTEGER_OPS}add.h",
    ),
    Arithmetic(
        "MUL",
        EIGHT_BITS,
        optimized_elementwise.mul,
        multiplier=FLOAT32,
        algorithm="double; body: 16-bit sum with the zero point",
        source=f"{OPTIMIZED_INTEGER_OPS}mul.h",
        when=_may_pass_16_bits,
    ),
)
