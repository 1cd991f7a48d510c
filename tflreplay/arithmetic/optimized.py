"""Where the optimized kernels differ from the reference ones, on x86-64.

The op resolver BUILTIN_WITHOUT_DEFAULT_DELEGATES.
"""

from __future__ import annotations

import numpy as np

from tflreplay.arithmetic.reference import ADD_SCALES, INTEGER_MEAN, per_channel_weights
from tflreplay.engine import Engine
from tflreplay.errors import NotReplayed
from tflreplay.kernels import conv, fully_connected
from tflreplay.kernels import quantize as reference_quantize
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.matmul import DOUBLE, FLOAT32, FLOAT32_PRODUCT
from tflreplay.kernels.optimized import elementwise, quantize, reduce, softmax
from tflreplay.model import Operator, Subgraph

_INT8 = ("int8",)
_UINT8 = ("uint8",)
_BOTH = ("int8", "uint8")
_OPS = "internal/optimized/optimized_ops.h"
_INTEGER_OPS = "internal/optimized/integer_ops/"


def _ungrouped(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """A convolution whose filters see all channels of the input."""
    x, filters = (graph.tensors[index] for index in op.inputs[:2])
    return x.shape[3] == filters.shape[3]


def _per_tensor(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """A conversion between real numbers and codes that all have one scale."""
    tensors = (graph.tensors[index].quantization for index in (op.inputs[0], op.outputs[0]))
    return not any(quantization and quantization.per_axis for quantization in tensors)


def _to_eight_bits(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    return graph.tensors[op.outputs[0]].dtype in _BOTH


def _may_pass_16_bits(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """The largest product of two centred codes, rescaled, and a zero point may pass 2**15."""
    a, b, y = (graph.tensors[index].scale for index in (*op.inputs, *op.outputs))
    return 255 * 255 * a * b / y > 2**15 - 256


def _spatial(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """A reduction of axes 1 and 2 of a 4-D tensor that keeps its rank.

    Raises:
        NotReplayed: which axes are reduced is known only at run time.
    """
    x, axes = (graph.tensors[index] for index in op.inputs)
    if len(x.shape) != 4 or not op.options.get("keep_dims"):
        return False
    if axes.data is None:
        raise NotReplayed(f"{op.name} over axes that are not constant")
    return {int(axis) % 4 for axis in np.ravel(axes.data)} == {1, 2}


ROWS = (
    *(
        Arithmetic(
            "CONV_2D",
            types,
            conv.conv_2d,
            "double-up",
            multiplier,
            source=source,
            when=_ungrouped,
        )
        for types, multiplier, source in (
            (_INT8, DOUBLE, f"{_INTEGER_OPS}conv.h"),
            (_UINT8, FLOAT32_PRODUCT, _OPS),
        )
    ),
    Arithmetic(
        "DEPTHWISE_CONV_2D",
        _INT8,
        conv.depthwise_conv_2d,
        "neon8",
        DOUBLE,
        source=f"{_INTEGER_OPS}depthwise_conv.h",
    ),
    Arithmetic(
        "FULLY_CONNECTED",
        _BOTH,
        fully_connected.fully_connected,
        "double-up",
        DOUBLE,
        source=f"{_INTEGER_OPS}fully_connected.h",
        when=per_channel_weights,
    ),
    Arithmetic(
        "FULLY_CONNECTED",
        _BOTH,
        fully_connected.fully_connected,
        "double-up",
        FLOAT32_PRODUCT,
        source=f"{_INTEGER_OPS}fully_connected.h",
    ),
    Arithmetic(
        "ADD",
        _BOTH,
        elementwise.add,
        multiplier=ADD_SCALES,
        algorithm="double; body: inputs rescaled with one rounding, 16-bit sum",
        source=f"{_INTEGER_OPS}add.h",
    ),
    Arithmetic(
        "MUL",
        _BOTH,
        elementwise.mul,
        multiplier=FLOAT32,
        algorithm="double; body: 16-bit sum with the zero point",
        source=f"{_INTEGER_OPS}mul.h",
        when=_may_pass_16_bits,
    ),
    Arithmetic(
        "MEAN",
        _BOTH,
        reduce.spatial_mean,
        "neon16",
        "float32 si/(n*so)",
        source=f"{_INTEGER_OPS}mean.h",
        when=_spatial,
        since=INTEGER_MEAN,
    ),
    Arithmetic(
        "SOFTMAX",
        _BOTH,
        softmax.softmax,
        multiplier="float32 -si*beta",
        algorithm="float32 table and sum, half away",
        source=_OPS,
    ),
    Arithmetic(
        "QUANTIZE",
        ("float32",),
        quantize.quantize,
        algorithm="float32 product, half even; tail: float64 quotient, half away",
        source=_OPS,
        when=_per_tensor,
    ),
    Arithmetic(
        "QUANTIZE",
        _BOTH,
        reference_quantize.quantize,
        "neon16-flat",
        "float64 si/so",
        source=_OPS,
        when=_to_eight_bits,
    ),
    Arithmetic(
        "DEQUANTIZE",
        (*_BOTH, "int16", "int4"),
        quantize.dequantize,
        algorithm="float32 product and sum; tail: float64, then float32",
        source=_OPS,
        when=_per_tensor,
    ),
)
