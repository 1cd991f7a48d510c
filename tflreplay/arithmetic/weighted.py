"""Rows of the ops that multiply activations by weights, in the reference and optimized kernels."""

from __future__ import annotations

from collections.abc import Iterator

from tflreplay.engine import Engine
from tflreplay.errors import NotReplayed
from tflreplay.kernels import batch_matmul, conv, float32, fully_connected, hybrid, transpose_conv
from tflreplay.kernels.call import Arithmetic, Condition, Kernel
from tflreplay.kernels.matmul import DOUBLE, FLOAT32_PRODUCT
from tflreplay.model import Operator, Subgraph, Tensor

_INT8 = ("int8",)
_UINT8 = ("uint8",)
_BOTH = ("int8", "uint8")
_INT16 = ("int16",)
_FLOAT32 = ("float32",)
_REFERENCE = "internal/reference/"
_INTEGER = "internal/reference/integer_ops/"
_OPTIMIZED = "internal/optimized/optimized_ops.h"
_OPTIMIZED_INTEGER = "internal/optimized/integer_ops/"
# LiteRT 921360770.
_FLOATING = {"litert": "1.3.0", "tensorflow": "2.20.0"}
# LiteRT 239a8f3be.
_PLAIN_BATCH_MATMUL = {"litert": "2.0.3", "tensorflow": "2.21.0"}
# LiteRT b5d47c827 and ceaf89c65.
_NEWEST = {"litert": "2.3.0", "tensorflow": "2.22.0"}
# Of the largest value of a layer. Float32 sums are off by less, even where a fused activation cuts
# most of them away.
TOLERANCE = 1e-4
_UNORDERED = "float64 sums, rounded to float32; the order of summation is not modelled"


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


def _int32_sums_and_no_zero_point(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """quantized_bias_type INT32, weights without a zero point"""
    return int32_sums(engine, graph, op) and not _has_zero_point(_weights(graph, op))


def _has_zero_point(tensor: Tensor) -> bool:
    quantization = tensor.quantization
    return quantization is not None and not quantization.per_axis and tensor.zero_point != 0


def per_channel_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """a scale for each output channel"""
    quantization = _weights(graph, op).quantization
    return quantization is not None and quantization.per_axis


def _ungrouped(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """filters that see all channels of the input"""
    return graph.tensors[op.inputs[0]].shape[3] == _weights(graph, op).shape[3]


def _ungrouped_in_32_bits(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """quantized_bias_type INT32, filters that see all channels of the input"""
    return int32_sums(engine, graph, op) and _ungrouped(engine, graph, op)


def _without_int64(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """neither bias nor quantized_bias_type INT64, weights without a zero point"""
    declared = op.options.get("quantized_bias_type") == "int64"
    return not declared and _without_int64_bias(engine, graph, op)


def _without_int64_bias(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """no int64 bias, weights without a zero point"""
    bias = _bias(graph, op)
    narrow = bias is None or bias.dtype != "int64"
    return narrow and not _has_zero_point(_weights(graph, op))


def _per_channel_without_int64(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """neither bias nor quantized_bias_type INT64, a scale for each output channel"""
    return _without_int64(engine, graph, op) and per_channel_weights(engine, graph, op)


def _per_channel_without_int64_bias(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """no int64 bias, a scale for each output channel"""
    return _without_int64_bias(engine, graph, op) and per_channel_weights(engine, graph, op)


def _per_channel_in_32_bits(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """quantized_bias_type INT32, a scale for each output channel"""
    return int32_sums(engine, graph, op) and per_channel_weights(engine, graph, op)


def integer_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 or int4 weights"""
    return _weights(graph, op).dtype in ("int8", "int4")


def _int8_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 weights"""
    return _weights(graph, op).dtype == "int8"


def _several_scales(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 or int4 filters of different scales, or that see some channels of the input only"""
    if not integer_weights(engine, graph, op):
        return False
    quantization = _weights(graph, op).quantization
    differ = quantization is not None and (quantization.scale != quantization.scale[0]).any()
    return bool(differ) or not _ungrouped(engine, graph, op)


def _several_scales_ungrouped(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 or int4 filters of different scales that see all channels of the input"""
    return _several_scales(engine, graph, op) and _ungrouped(engine, graph, op)


def _four_bit_kernel(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """constant int4 weights, 4 units or more, of an even depth of 32 or more"""
    w = _weights(graph, op)
    if w.dtype != "int4" or not w.is_constant:
        return False
    units, depth = w.shape
    return units >= 4 and depth >= 32 and depth % 2 == 0


def _unscrambled(engine: Engine, graph: Subgraph, op: Operator) -> bool:
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


def _fully_connected(
    types: tuple[str, ...],
    rule: str,
    kernel: Kernel = fully_connected.fully_connected,
    source: str = f"{_INTEGER}fully_connected.h",
    per_channel: Condition = per_channel_weights,
    per_tensor: Condition | None = None,
    until: dict[str, str] | None = None,
) -> Iterator[Arithmetic]:
    """Rows for weights of several scales and of one, whose multipliers differ in precision."""
    for multiplier, when in ((DOUBLE, per_channel), (FLOAT32_PRODUCT, per_tensor)):
        yield Arithmetic(
            "FULLY_CONNECTED",
            types,
            kernel,
            rule,
            multiplier,
            source=source,
            when=when,
            until=until or {},
        )


def _floating(op: str, kernel: Kernel, source: str) -> Arithmetic:
    return Arithmetic(
        op, _FLOAT32, kernel, algorithm=_UNORDERED, source=source, tolerance=TOLERANCE
    )


def _hybrid(op: str, kernel: Kernel, when: Condition, formula: str, source: str) -> Arithmetic:
    return Arithmetic(
        op,
        _FLOAT32,
        kernel,
        algorithm=f"input quantized to int8; float32 {formula}",
        source=source,
        when=when,
    )


REFERENCE = (
    *(
        Arithmetic(op, types, kernel, rule, multiplier, source=source, when=when)
        for op, kernel, rows in (
            (
                "CONV_2D",
                conv.conv_2d,
                (
                    (_INT8, "double", DOUBLE, f"{_INTEGER}conv.h", None),
                    (_UINT8, "double", FLOAT32_PRODUCT, f"{_REFERENCE}conv.h", None),
                    (_INT16, "double", DOUBLE, f"{_INTEGER}conv.h", int32_sums),
                    (_INT16, "reduced16", DOUBLE, f"{_INTEGER}conv.h", None),
                ),
            ),
            (
                "DEPTHWISE_CONV_2D",
                conv.depthwise_conv_2d,
                (
                    (_INT8, "double", DOUBLE, f"{_INTEGER}depthwise_conv.h", None),
                    (_UINT8, "double", FLOAT32_PRODUCT, f"{_REFERENCE}depthwiseconv_uint8.h", None),
                    (_INT16, "reduced16", DOUBLE, f"{_INTEGER}depthwise_conv.h", None),
                ),
            ),
            (
                "TRANSPOSE_CONV",
                transpose_conv.transpose_conv,
                (
                    (_INT8, "double", DOUBLE, f"{_INTEGER}transpose_conv.h", None),
                    (_UINT8, "double", FLOAT32_PRODUCT, f"{_REFERENCE}transpose_conv.h", None),
                    (_INT16, "double", DOUBLE, f"{_INTEGER}transpose_conv.h", int32_sums),
                    (_INT16, "reduced16", DOUBLE, f"{_INTEGER}transpose_conv.h", None),
                ),
            ),
        )
        for types, rule, multiplier, source, when in rows
    ),
    Arithmetic(
        "FULLY_CONNECTED",
        (*_BOTH, *_INT16),
        fully_connected.fully_connected,
        "float-away64",
        DOUBLE,
        source=f"{_INTEGER}fully_connected.h",
        since=_FLOATING,
    ),
    *_fully_connected(_BOTH, "double"),
    *_fully_connected(_INT16, "double", per_channel=_per_channel_in_32_bits, per_tensor=int32_sums),
    *_fully_connected(_INT16, "reduced16"),
    *(
        Arithmetic(
            "BATCH_MATMUL",
            types,
            batch_matmul.batch_matmul,
            rule,
            FLOAT32_PRODUCT,
            source=f"{_REFERENCE}batch_matmul.h",
            when=when,
            since=since,
        )
        for types, rule in ((_INT8, "double"), (_INT16, "reduced16"))
        for when, since in ((None, _NEWEST), (_unscrambled, {}))
    ),
    _hybrid(
        "CONV_2D",
        hybrid.conv_2d_per_channel,
        _several_scales,
        "(acc*sw)*s + bias",
        f"{_REFERENCE}conv.h",
    ),
    _hybrid("CONV_2D", hybrid.conv_2d, integer_weights, "acc*(s*sw) + bias", _OPTIMIZED),
    _hybrid(
        "DEPTHWISE_CONV_2D",
        hybrid.depthwise_conv_2d,
        _int8_weights,
        "acc*(sw*s) + bias",
        f"{_INTEGER}depthwise_conv.h",
    ),
    _hybrid(
        "FULLY_CONNECTED",
        hybrid.fully_connected,
        integer_weights,
        "acc*(sw*s) + bias",
        "fully_connected.cc",
    ),
    _floating("CONV_2D", float32.conv_2d, f"{_REFERENCE}conv.h"),
    _floating("DEPTHWISE_CONV_2D", float32.depthwise_conv_2d, f"{_REFERENCE}depthwiseconv_float.h"),
    _floating("FULLY_CONNECTED", float32.fully_connected, f"{_REFERENCE}fully_connected.h"),
    _floating("TRANSPOSE_CONV", float32.transpose_conv, f"{_REFERENCE}transpose_conv.h"),
    _floating("BATCH_MATMUL", float32.batch_matmul, f"{_REFERENCE}batch_matmul.h"),
)

OPTIMIZED = (
    *(
        Arithmetic(op, types, kernel, rule, multiplier, source=source, when=when)
        for op, kernel, types, rule, multiplier, source, when in (
            (
                "CONV_2D",
                conv.conv_2d,
                _INT8,
                "double-up",
                DOUBLE,
                f"{_OPTIMIZED_INTEGER}conv.h",
                _ungrouped,
            ),
            (
                "CONV_2D",
                conv.conv_2d,
                _UINT8,
                "double-up",
                FLOAT32_PRODUCT,
                _OPTIMIZED,
                _ungrouped,
            ),
            (
                "CONV_2D",
                conv.conv_2d,
                _INT16,
                "double-up",
                DOUBLE,
                f"{_OPTIMIZED_INTEGER}conv.h",
                _ungrouped_in_32_bits,
            ),
            (
                "DEPTHWISE_CONV_2D",
                conv.depthwise_conv_2d,
                _INT8,
                "neon8",
                DOUBLE,
                f"{_OPTIMIZED_INTEGER}depthwise_conv.h",
                None,
            ),
            (
                "TRANSPOSE_CONV",
                transpose_conv.transpose_conv,
                _INT8,
                "neon8",
                DOUBLE,
                f"{_OPTIMIZED_INTEGER}transpose_conv.h",
                None,
            ),
            (
                "TRANSPOSE_CONV",
                transpose_conv.transpose_conv,
                _UINT8,
                "neon16-flat",
                FLOAT32_PRODUCT,
                _OPTIMIZED,
                None,
            ),
            (
                "TRANSPOSE_CONV",
                transpose_conv.transpose_conv,
                _INT16,
                "neon8",
                DOUBLE,
                f"{_OPTIMIZED_INTEGER}transpose_conv.h",
                _int32_sums_and_no_zero_point,
            ),
        )
    ),
    *_fully_connected(_BOTH, "double-up", source=f"{_OPTIMIZED_INTEGER}fully_connected.h"),
    *(
        row
        for per_channel, per_tensor, until in (
            (_per_channel_without_int64, _without_int64, None),
            (_per_channel_without_int64_bias, _without_int64_bias, _NEWEST),
        )
        for row in _fully_connected(
            _INT16,
            "double-up",
            fully_connected.fully_connected_in_32_bits,
            f"{_OPTIMIZED_INTEGER}fully_connected.h",
            per_channel,
            per_tensor,
            until,
        )
    ),
    Arithmetic(
        "BATCH_MATMUL",
        _INT8,
        batch_matmul.batch_matmul,
        "double-up",
        FLOAT32_PRODUCT,
        source=f"{_OPTIMIZED_INTEGER}../batch_matmul.h",
        when=_unscrambled,
        until=_PLAIN_BATCH_MATMUL,
    ),
    _hybrid(
        "CONV_2D",
        hybrid.conv_2d_product_of_scales,
        _several_scales_ungrouped,
        "acc*(sw*s) + bias",
        _OPTIMIZED,
    ),
    _hybrid(
        "DEPTHWISE_CONV_2D",
        hybrid.depthwise_conv_2d_in_vectors,
        _int8_weights,
        "(acc*sw)*s + bias; tail: (acc*s)*sw + bias",
        f"{_OPTIMIZED_INTEGER}depthwise_conv_hybrid.h",
    ),
    _hybrid(
        "FULLY_CONNECTED",
        hybrid.four_bit_fully_connected,
        _four_bit_kernel,
        "(-7*sum*s*sw + bias) + acc*s*sw",
        "internal/optimized/4bit/",
    ),
)
