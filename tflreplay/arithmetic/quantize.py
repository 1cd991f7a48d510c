"""Rows of the conversions between real numbers and codes."""

from __future__ import annotations

from tflreplay.arithmetic.row import OPTIMIZED_HEADER, REFERENCE_OPS
from tflreplay.arithmetic.types import EIGHT_BITS, FLOAT, QUANTIZED
from tflreplay.ground.engine import Engine
from tflreplay.kernels import quantize
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.optimized import quantize as optimized_quantize
from tflreplay.model import Operator, Subgraph


def _per_tensor(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """A conversion between real numbers and codes that all have one scale."""
    tensors = (graph.tensors[index].quantization for index in (op.inputs[0], op.outputs[0]))
    return not any(quantization and quantization.per_axis for quantization in tensors)


def _to_eight_bits(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    return graph.tensors[op.outputs[0]].dtype in EIGHT_BITS


REFERENCE = (
    Arithmetic(
        "QUANTIZE",
        FLOAT,
        quantize.quantize,
        algorithm="float32, half away",
        source=f"{REFERENCE_OPS}quantize.h",
    ),
    Arithmetic(
        "QUANTIZE",
        (*QUANTIZED, "int32"),
        quantize.quantize,
        "double",
        "float64 si/so",
        source=f"{REFERENCE_OPS}requantize.h",
    ),
    Arithmetic(
        "DEQUANTIZE",
        (*QUANTIZED, "int4", "float16"),
        quantize.dequantize,
        algorithm="float64, then float32",
        source=f"{REFERENCE_OPS}dequantize.h",
    ),
)

OPTIMIZED = (
    Arithmetic(
        "QUANTIZE",
        FLOAT,
        optimized_quantize.quantize,
        algorithm="float32 product, half even; tail: float64 quotient, half away",
        source=OPTIMIZED_HEADER,
        when=_per_tensor,
    ),
    Arithmetic(
        "QUANTIZE",
        EIGHT_BITS,
        quantize.quantize,
        "neon16-flat",
        "float64 si/so",
        source=OPTIMIZED_HEADER,
        when=_to_eight_bits,
    ),
    Arithmetic(
        "DEQUANTIZE",
        (*QUANTIZED, "int4"),
        optimized_quantize.dequantize,
        algorithm="float32 product and sum; tail: float64, then float32",
        source=OPTIMIZED_HEADER,
        when=_per_tensor,
    ),
)
