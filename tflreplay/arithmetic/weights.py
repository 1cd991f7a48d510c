"""What rows of the ops that multiply by weights ask of the weights, the bias and the sums.

In the reference, the optimized and TFLM's kernels.
"""

from __future__ import annotations

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.model import Operator, Subgraph, Tensor


def _weights(graph: Subgraph, op: Operator) -> Tensor:
    return graph.tensors[op.inputs[1]]


def _bias(graph: Subgraph, op: Operator) -> Tensor | None:
    given = len(op.inputs) > 2 and op.inputs[2] >= 0
    return graph.tensors[op.inputs[2]] if given else None


def int32_sums(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """quantized_bias_type INT32; in TFLM an int32 bias, if there is any"""
    bias = _bias(graph, op)
    if bias is not None and engine.runtime == "tflm":
        return bias.dtype == "int32"
    return op.options.get("quantized_bias_type") == "int32"


def int32_sums_and_no_zero_point(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """quantized_bias_type INT32, weights without a zero point"""
    return int32_sums(engine, graph, op) and not _has_zero_point(_weights(graph, op))


def _has_zero_point(tensor: Tensor) -> bool:
    quantization = tensor.quantization
    return quantization is not None and not quantization.per_axis and tensor.zero_point != 0


def per_channel_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """a scale for each output channel"""
    quantization = _weights(graph, op).quantization
    return quantization is not None and quantization.per_axis


def ungrouped(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """filters that see all channels of the input"""
    return graph.tensors[op.inputs[0]].shape[3] == _weights(graph, op).shape[3]


def ungrouped_in_32_bits(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """quantized_bias_type INT32, filters that see all channels of the input"""
    return int32_sums(engine, graph, op) and ungrouped(engine, graph, op)


def without_int64(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """neither bias nor quantized_bias_type INT64, weights without a zero point"""
    declared = op.options.get("quantized_bias_type") == "int64"
    return not declared and without_int64_bias(engine, graph, op)


def without_int64_bias(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """no int64 bias, weights without a zero point"""
    bias = _bias(graph, op)
    narrow = bias is None or bias.dtype != "int64"
    return narrow and not _has_zero_point(_weights(graph, op))


def per_channel_without_int64(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """neither bias nor quantized_bias_type INT64, a scale for each output channel"""
    return without_int64(engine, graph, op) and per_channel_weights(engine, graph, op)


def per_channel_without_int64_bias(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """no int64 bias, a scale for each output channel"""
    return without_int64_bias(engine, graph, op) and per_channel_weights(engine, graph, op)


def per_channel_in_32_bits(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """quantized_bias_type INT32, a scale for each output channel"""
    return int32_sums(engine, graph, op) and per_channel_weights(engine, graph, op)


def integer_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 or int4 weights"""
    return _weights(graph, op).dtype in ("int8", "int4")


def int8_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 weights"""
    return _weights(graph, op).dtype == "int8"


def several_scales(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 or int4 filters of different scales, or that see some channels of the input only"""
    if not integer_weights(engine, graph, op):
        return False
    quantization = _weights(graph, op).quantization
    differ = quantization is not None and (quantization.scale != quantization.scale[0]).any()
    return bool(differ) or not ungrouped(engine, graph, op)


def several_scales_ungrouped(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 or int4 filters of different scales that see all channels of the input"""
    return several_scales(engine, graph, op) and ungrouped(engine, graph, op)


def four_bit_kernel(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """constant int4 weights, 4 units or more, of an even depth of 32 or more"""
    w = _weights(graph, op)
    if w.dtype != "int4" or not w.is_constant:
        return False
    units, depth = w.shape
    return units >= 4 and depth >= 32 and depth % 2 == 0


def unscrambled(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """
    Raises:
        NotReplayed: these versions mix up the batches.
    """
    a, b = (graph.tensors[index].shape for index in op.inputs)
    folded = len(a) > 2 and len(b) > 2 and b[-3] == 1
    if op.options.get("adj_x") and folded and a[-3] > 1 and engine.runtime != "tflm":
        raise NotReplayed(
            f"{op.name} with adj_x of several matrices by one: "
            f"{engine.runtime} {engine.version} mixes them up"
        )
    return True
