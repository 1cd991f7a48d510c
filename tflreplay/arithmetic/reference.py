"""What the reference kernels compute: the op resolver BUILTIN_REF."""

from __future__ import annotations

from tflreplay.engine import Engine
from tflreplay.kernels import (
    activations,
    conv,
    elementwise,
    fully_connected,
    hard_swish,
    movement,
    pooling,
    quantize,
    reduce,
    softmax,
)
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.matmul import DOUBLE, FLOAT32, FLOAT32_PRODUCT
from tflreplay.model import Operator, Subgraph

_INT8 = ("int8",)
_UINT8 = ("uint8",)
_BOTH = ("int8", "uint8")
# Types of data that are only moved.
_MOVED = (*_BOTH, "int16", "int32", "int64", "float32", "bool")
ADD_SCALES = "float64 s/(2*max(s1, s2)); float64 2*max(s1, s2)/(float32 2**20*so)"
_INTEGER_OPS = "internal/reference/integer_ops/"
# Before, MEAN was computed in float32, which is not modelled.
INTEGER_MEAN = {"litert": "0", "tensorflow": "2.13", "tflm": "0.dev0"}


def per_channel_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    quantization = graph.tensors[op.inputs[1]].quantization
    return quantization is not None and quantization.per_axis


def _conv(types: tuple[str, ...], multiplier: str, source: str) -> Arithmetic:
    return Arithmetic("CONV_2D", types, conv.conv_2d, "double", multiplier, source=source)


def _depthwise(types: tuple[str, ...], multiplier: str, source: str) -> Arithmetic:
    return Arithmetic(
        "DEPTHWISE_CONV_2D", types, conv.depthwise_conv_2d, "double", multiplier, source=source
    )


ROWS = (
    _conv(_INT8, DOUBLE, f"{_INTEGER_OPS}conv.h"),
    _conv(_UINT8, FLOAT32_PRODUCT, "internal/reference/conv.h"),
    _depthwise(_INT8, DOUBLE, f"{_INTEGER_OPS}depthwise_conv.h"),
    _depthwise(_UINT8, FLOAT32_PRODUCT, "internal/reference/depthwiseconv_uint8.h"),
    Arithmetic(
        "FULLY_CONNECTED",
        _BOTH,
        fully_connected.fully_connected,
        "float-away64",
        DOUBLE,
        source=f"{_INTEGER_OPS}fully_connected.h",
        since={"litert": "1.3.0", "tensorflow": "2.20.0"},
    ),
    Arithmetic(
        "FULLY_CONNECTED",
        _BOTH,
        fully_connected.fully_connected,
        "double",
        DOUBLE,
        source=f"{_INTEGER_OPS}fully_connected.h",
        when=per_channel_weights,
    ),
    Arithmetic(
        "FULLY_CONNECTED",
        _BOTH,
        fully_connected.fully_connected,
        "double",
        FLOAT32_PRODUCT,
        source=f"{_INTEGER_OPS}fully_connected.h",
    ),
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
    Arithmetic(
        "CONCATENATION",
        _UINT8,
        movement.concatenation,
        algorithm="copy or float32 rescale",
        source="internal/reference/concatenation.h",
    ),
    Arithmetic(
        "CONCATENATION",
        tuple(name for name in _MOVED if name != "uint8"),
        movement.concatenation,
        algorithm="copy",
        source="internal/reference/concatenation.h",
    ),
    *(
        Arithmetic(op, _MOVED, kernel, algorithm="copy", source=source)
        for op, kernel, source in (
            ("EXPAND_DIMS", movement.expand_dims, "expand_dims.cc"),
            ("GATHER", movement.gather, "gather.cc"),
            ("PACK", movement.pack, "pack.cc"),
            ("PAD", movement.pad, "pad.cc"),
            ("PADV2", movement.padv2, "pad.cc"),
            ("RESHAPE", movement.reshape, "reshape.cc"),
            ("SHAPE", movement.shape, "shape.cc"),
            ("SLICE", movement.slice_, "slice.cc"),
            ("SPLIT", movement.split, "split.cc"),
            ("SPLIT_V", movement.split_v, "split_v.cc"),
            ("SQUEEZE", movement.squeeze, "squeeze.cc"),
            ("STRIDED_SLICE", movement.strided_slice, "strided_slice.cc"),
            ("TILE", movement.tile, "tile.cc"),
            ("TRANSPOSE", movement.transpose, "transpose.cc"),
            ("UNPACK", movement.unpack, "unpack.cc"),
        )
    ),
)
