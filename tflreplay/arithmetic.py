"""Which arithmetic an engine uses for each op: data a person can print.

A row says, for an op and its activation types, which requantization rule the engine applies, how
it prepares the real multiplier and which algorithm it follows where that is not the plain one.
Engines fall back in layers, as the runtime itself does.
"""

from __future__ import annotations

from dataclasses import dataclass

from tflreplay.errors import NotReplayed
from tflreplay.model import Operator, Subgraph


@dataclass(frozen=True)
class Arithmetic:
    """One row: ``op`` on activations of ``types``.

    ``rule`` is a name in :data:`tflreplay.rounding.RULES`, empty where nothing is requantized by
    one. ``multiplier`` says in which precision and order the real multiplier is computed.
    ``source`` is the file of LiteRT (under ``tflite/kernels``) that the row was read from.
    """

    op: str
    types: tuple[str, ...]
    rule: str = ""
    multiplier: str = ""
    algorithm: str = ""
    source: str = ""


_INT8 = ("int8",)
_UINT8 = ("uint8",)
_BOTH = ("int8", "uint8")
# Types of data that are only moved.
_MOVED = (*_BOTH, "int16", "int32", "int64", "float32", "bool")

# Multiplier preparation (s1, s2: input scales or input and weight scale; so: output scale).
DOUBLE = "float64 s1*s2/so"
FLOAT32_PRODUCT = "float64 (float32 s1*s2)/so"
FLOAT32 = "float32 s1*s2/so"
ADD_SCALES = "float64 s/(2*max(s1, s2)); float64 2*max(s1, s2)/(float32 2**20*so)"
LOOKUP = "float32 table, half away"

REFERENCE = (
    Arithmetic("CONV_2D", _INT8, "double", DOUBLE, source="internal/reference/integer_ops/conv.h"),
    Arithmetic("CONV_2D", _UINT8, "double", FLOAT32_PRODUCT, source="internal/reference/conv.h"),
    Arithmetic(
        "DEPTHWISE_CONV_2D",
        _INT8,
        "double",
        DOUBLE,
        source="internal/reference/integer_ops/depthwise_conv.h",
    ),
    Arithmetic(
        "DEPTHWISE_CONV_2D",
        _UINT8,
        "double",
        FLOAT32_PRODUCT,
        source="internal/reference/depthwiseconv_uint8.h",
    ),
    Arithmetic(
        "FULLY_CONNECTED",
        _BOTH,
        "float-away64",
        DOUBLE,
        source="internal/reference/integer_ops/fully_connected.h",
    ),
    Arithmetic("ADD", _BOTH, "double", ADD_SCALES, source="internal/reference/integer_ops/add.h"),
    Arithmetic("SUB", _BOTH, "double", ADD_SCALES, source="internal/reference/sub.h"),
    Arithmetic("MUL", _BOTH, "double", FLOAT32, source="internal/reference/integer_ops/mul.h"),
    Arithmetic(
        "MEAN",
        _BOTH,
        "double",
        "float64 si/so, mantissa divided by the count",
        source="internal/reference/reduce.h",
    ),
    Arithmetic("LOGISTIC", _BOTH, algorithm=LOOKUP, source="activations.cc"),
    Arithmetic("TANH", _BOTH, algorithm=LOOKUP, source="activations.cc"),
    Arithmetic(
        "LEAKY_RELU",
        _BOTH,
        "double",
        "float32 si/so; float32 si*alpha/so where x < zi",
        source="internal/reference/leaky_relu.h",
    ),
    Arithmetic(
        "HARD_SWISH",
        _BOTH,
        multiplier="float32 si/128/so, float32 si/128/(3/32768), cut to 16 bits",
        algorithm="16-bit fixed point",
        source="internal/reference/hard_swish.h",
    ),
    *(
        Arithmetic(op, _BOTH, "double", "float32 si/so", source="activations.cc")
        for op in ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")
    ),
    Arithmetic(
        "SOFTMAX",
        _BOTH,
        multiplier="float64 beta*si*2**26",
        algorithm="fixed point",
        source="internal/reference/softmax.h",
    ),
    Arithmetic(
        "QUANTIZE",
        ("float32",),
        algorithm="float32, half away",
        source="internal/reference/quantize.h",
    ),
    Arithmetic(
        "QUANTIZE",
        (*_BOTH, "int16", "int32"),
        "double",
        "float64 si/so",
        source="internal/reference/requantize.h",
    ),
    Arithmetic(
        "DEQUANTIZE",
        (*_BOTH, "int16", "int4", "float16"),
        algorithm="float64, then float32",
        source="internal/reference/dequantize.h",
    ),
    Arithmetic(
        "AVERAGE_POOL_2D",
        _BOTH,
        algorithm="integer mean, half away",
        source="internal/reference/integer_ops/pooling.h",
    ),
    Arithmetic(
        "MAX_POOL_2D",
        _BOTH,
        algorithm="maximum",
        source="internal/reference/integer_ops/pooling.h",
    ),
    Arithmetic(
        "CONCATENATION",
        _UINT8,
        algorithm="copy or float32 rescale",
        source="internal/reference/concatenation.h",
    ),
    Arithmetic(
        "CONCATENATION",
        tuple(name for name in _MOVED if name != "uint8"),
        algorithm="copy",
        source="internal/reference/concatenation.h",
    ),
    *(
        Arithmetic(op, _MOVED, algorithm="copy", source=f"{source}.cc")
        for op, source in {
            "EXPAND_DIMS": "expand_dims",
            "GATHER": "gather",
            "PACK": "pack",
            "PAD": "pad",
            "PADV2": "pad",
            "RESHAPE": "reshape",
            "SHAPE": "shape",
            "SLICE": "slice",
            "SPLIT": "split",
            "SPLIT_V": "split_v",
            "SQUEEZE": "squeeze",
            "STRIDED_SLICE": "strided_slice",
            "TILE": "tile",
            "TRANSPOSE": "transpose",
            "UNPACK": "unpack",
        }.items()
    ),
)

TABLES = {"reference": REFERENCE}


# Ops whose first input is not the activation that decides the arithmetic.
_ACTIVATION_INPUT = {"SPLIT": 1, "TRANSPOSE_CONV": 2}


def arithmetic(engine: str, graph: Subgraph, op: Operator) -> Arithmetic:
    """The engine's row for an operator, by the type of its activation.

    Raises:
        NotReplayed: the engine's table has no row for this op and type.
    """
    position = _ACTIVATION_INPUT.get(op.name, 0)
    present = [index for index in op.inputs[position:] if index >= 0]
    dtype = graph.tensors[present[0]].dtype if present else "nothing"
    rows = [row for row in TABLES[engine] if row.op == op.name]
    for row in rows:
        if dtype in row.types:
            return row
    if not rows:
        raise NotReplayed(f"no {engine} kernel for {op.name} (version {op.version})")
    known = ", ".join(sorted({name for row in rows for name in row.types}))
    raise NotReplayed(f"no {engine} kernel for {op.name} on {dtype} (there is one for {known})")
