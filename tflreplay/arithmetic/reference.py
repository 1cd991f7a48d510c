"""What the reference kernels compute: the op resolver BUILTIN_REF."""

from __future__ import annotations

from tflreplay.arithmetic import movement, numeric, recurrent, weighted
from tflreplay.kernels import (
    activations,
    control_flow,
    elementwise,
    hard_swish,
    pooling,
    quantize,
    reduce,
    softmax,
)
from tflreplay.kernels.call import ANY, Arithmetic
from tflreplay.kernels.matmul import FLOAT32

_INT8 = ("int8",)
_UINT8 = ("uint8",)
_BOTH = ("int8", "uint8")
ADD_SCALES = "float64 s/(2*max(s1, s2)); float64 2*max(s1, s2)/(float32 2**20*so)"
_INTEGER_OPS = "internal/reference/integer_ops/"
# Before, MEAN was computed in float32, which is not modelled.
INTEGER_MEAN = {"litert": "0", "tensorflow": "2.13", "tflm": "0.dev0"}

ROWS = (
    *weighted.REFERENCE,
    *numeric.REFERENCE,
    *recurrent.REFERENCE,
    Arithmetic(
        "ADD",
        _BOTH,
        elementwise.add,
        "double",
        ADD_SCALES,
        source=f"{_INTEGER_OPS}add.h",
        pairwise=True,
    ),
    Arithmetic(
        "SUB",
        _BOTH,
        elementwise.sub,
        "double",
        ADD_SCALES,
        source="internal/reference/sub.h",
        pairwise=True,
    ),
    Arithmetic(
        "MUL",
        _BOTH,
        elementwise.mul,
        "double",
        FLOAT32,
        source=f"{_INTEGER_OPS}mul.h",
        pairwise=True,
    ),
    Arithmetic(
        "MEAN",
        _BOTH,
        reduce.mean,
        "double",
        "float64 si/so, mantissa divided by the count",
        source="internal/reference/reduce.h",
        since=INTEGER_MEAN,
    ),
    *(
        Arithmetic(op, _BOTH, kernel, algorithm="float32 table, half away", source="activations.cc")
        for op, kernel in (("LOGISTIC", activations.logistic), ("TANH", activations.tanh))
    ),
    Arithmetic(
        "LEAKY_RELU",
        _BOTH,
        activations.leaky_relu,
        "double",
        "float32 si/so; float32 si*|alpha|/so where x < zi",
        source="internal/reference/leaky_relu.h",
        since={"litert": "2.1.4"},
    ),
    Arithmetic(
        "LEAKY_RELU",
        _BOTH,
        activations.leaky_relu_signed,
        "double",
        "float32 si/so; float32 si*alpha/so where x < zi",
        source="internal/reference/leaky_relu.h",
    ),
    Arithmetic(
        "HARD_SWISH",
        _BOTH,
        hard_swish.hard_swish,
        multiplier="float32 si/128/so, float32 si/128/(3/32768), cut to 16 bits",
        algorithm="16-bit fixed point",
        source="internal/reference/hard_swish.h",
    ),
    *(
        Arithmetic(op, _BOTH, kernel, "double", "float32 si/so", source="activations.cc")
        for op, kernel in (
            ("RELU", activations.relu),
            ("RELU6", activations.relu6),
            ("RELU_N1_TO_1", activations.relu_n1_to_1),
            ("RELU_0_TO_1", activations.relu_0_to_1),
        )
    ),
    Arithmetic(
        "SOFTMAX",
        _BOTH,
        softmax.softmax,
        multiplier="float64 beta*si*2**26",
        algorithm="fixed point",
        source="internal/reference/softmax.h",
    ),
    Arithmetic(
        "QUANTIZE",
        ("float32",),
        quantize.quantize,
        algorithm="float32, half away",
        source="internal/reference/quantize.h",
    ),
    Arithmetic(
        "QUANTIZE",
        (*_BOTH, "int16", "int32"),
        quantize.quantize,
        "double",
        "float64 si/so",
        source="internal/reference/requantize.h",
    ),
    Arithmetic(
        "DEQUANTIZE",
        (*_BOTH, "int16", "int4", "float16"),
        quantize.dequantize,
        algorithm="float64, then float32",
        source="internal/reference/dequantize.h",
    ),
    Arithmetic(
        "AVERAGE_POOL_2D",
        _BOTH,
        pooling.average_pool_2d,
        algorithm="integer mean, half away",
        source=f"{_INTEGER_OPS}pooling.h",
    ),
    Arithmetic(
        "MAX_POOL_2D",
        _BOTH,
        pooling.max_pool_2d,
        algorithm="maximum",
        source=f"{_INTEGER_OPS}pooling.h",
    ),
    *movement.ROWS,
    *(
        Arithmetic(op, ANY, kernel, algorithm=algorithm, source=source)
        for op, kernel, algorithm, source in (
            ("IF", control_flow.if_, "a subgraph", "if.cc"),
            ("WHILE", control_flow.while_, "subgraphs", "while.cc"),
            ("CALL", control_flow.call_, "a subgraph", "call.cc"),
            ("CALL_ONCE", control_flow.call_once, "a subgraph, once", "call_once.cc"),
            ("VAR_HANDLE", control_flow.var_handle, "a variable's name", "var_handle.cc"),
            ("READ_VARIABLE", control_flow.read_variable, "copy", "read_variable.cc"),
            ("ASSIGN_VARIABLE", control_flow.assign_variable, "copy", "assign_variable.cc"),
        )
    ),
)
