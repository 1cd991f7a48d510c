"""Where the optimized kernels differ from the reference ones, on x86-64.

The op resolver BUILTIN_WITHOUT_DEFAULT_DELEGATES.
"""

from __future__ import annotations

import numpy as np

from tflreplay.arithmetic import numeric, weighted
from tflreplay.arithmetic.reference import ADD_SCALES, INTEGER_MEAN
from tflreplay.engine import Engine
from tflreplay.errors import NotReplayed
from tflreplay.kernels import quantize as reference_quantize
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.matmul import FLOAT32
from tflreplay.kernels.optimized import elementwise, quantize, reduce, resize, softmax
from tflreplay.model import Operator, Subgraph

_INT8 = ("int8",)
_UINT8 = ("uint8",)
_BOTH = ("int8", "uint8")
_OPS = "internal/optimized/optimized_ops.h"
_INTEGER_OPS = "internal/optimized/integer_ops/"


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
    *weighted.OPTIMIZED,
    *numeric.OPTIMIZED,
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
    Arithmetic(
        "RESIZE_BILINEAR",
        ("uint8", "float32"),
        resize.resize_bilinear,
        algorithm="float32, product of weights first; twice as large: means; uint8: half up",
        source="internal/optimized/resize_bilinear.h",
    ),
    Arithmetic(
        "RESIZE_NEAREST_NEIGHBOR",
        (*_BOTH, "bool"),
        resize.resize_nearest_neighbor,
        algorithm="16-bit fixed-point position; with an option set: float32",
        source=_OPS,
    ),
)
