"""Rows of the ops that multiply activations by weights, in the reference and optimized kernels."""

from __future__ import annotations

from collections.abc import Iterator

from tflreplay.arithmetic.row import (
    INTEGER_OPS,
    OPTIMIZED_HEADER,
    OPTIMIZED_INTEGER_OPS,
    OPTIMIZED_OPS,
    REFERENCE_OPS,
    UNORDERED_SUMS,
    finished,
)
from tflreplay.arithmetic.types import EIGHT_BITS, FLOAT, INT8, INT16, QUANTIZED, UINT8
from tflreplay.arithmetic.weights import (
    four_bit_kernel,
    int8_weights,
    int32_sums,
    int32_sums_and_no_zero_point,
    integer_weights,
    per_channel_in_32_bits,
    per_channel_weights,
    per_channel_without_int64,
    per_channel_without_int64_bias,
    several_scales,
    several_scales_ungrouped,
    ungrouped,
    ungrouped_in_32_bits,
    unscrambled,
    without_int64,
    without_int64_bias,
)
from tflreplay.kernels import batch_matmul, conv, float32, fully_connected, hybrid, transpose_conv
from tflreplay.kernels.call import Arithmetic, Condition, Kernel
from tflreplay.kernels.matmul import DOUBLE, FLOAT32_PRODUCT

# LiteRT 921360770.
_FLOATING = {"litert": "1.3.0", "tensorflow": "2.20.0"}
# LiteRT 239a8f3be.
_PLAIN_BATCH_MATMUL = {"litert": "2.0.3", "tensorflow": "2.21.0"}
# LiteRT b5d47c827 and ceaf89c65.
_NEWEST = {"litert": "2.3.0", "tensorflow": "2.22.0"}
# Of the largest value of a layer. Float32 sums are off by less, even where a fused activation cuts
# most of them away.
TOLERANCE = 1e-4


def _fully_connected(
    types: tuple[str, ...],
    rule: str,
    kernel: Kernel = fully_connected.fully_connected,
    source: str = f"{INTEGER_OPS}fully_connected.h",
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
    return finished(op, FLOAT, kernel, UNORDERED_SUMS, source, TOLERANCE)


def _hybrid(op: str, kernel: Kernel, when: Condition, formula: str, source: str) -> Arithmetic:
    return Arithmetic(
        op,
        FLOAT,
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
                    (INT8, "double", DOUBLE, f"{INTEGER_OPS}conv.h", None),
                    (UINT8, "double", FLOAT32_PRODUCT, f"{REFERENCE_OPS}conv.h", None),
                    (INT16, "double", DOUBLE, f"{INTEGER_OPS}conv.h", int32_sums),
                    (INT16, "reduced16", DOUBLE, f"{INTEGER_OPS}conv.h", None),
                ),
            ),
            (
                "DEPTHWISE_CONV_2D",
                conv.depthwise_conv_2d,
                (
                    (INT8, "double", DOUBLE, f"{INTEGER_OPS}depthwise_conv.h", None),
                    (
                        UINT8,
                        "double",
                        FLOAT32_PRODUCT,
                        f"{REFERENCE_OPS}depthwiseconv_uint8.h",
                        None,
                    ),
                    (INT16, "reduced16", DOUBLE, f"{INTEGER_OPS}depthwise_conv.h", None),
                ),
            ),
            (
                "TRANSPOSE_CONV",
                transpose_conv.transpose_conv,
                (
                    (INT8, "double", DOUBLE, f"{INTEGER_OPS}transpose_conv.h", None),
                    (UINT8, "double", FLOAT32_PRODUCT, f"{REFERENCE_OPS}transpose_conv.h", None),
                    (INT16, "double", DOUBLE, f"{INTEGER_OPS}transpose_conv.h", int32_sums),
                    (INT16, "reduced16", DOUBLE, f"{INTEGER_OPS}transpose_conv.h", None),
                ),
            ),
        )
        for types, rule, multiplier, source, when in rows
    ),
    Arithmetic(
        "FULLY_CONNECTED",
        QUANTIZED,
        fully_connected.fully_connected,
        "float-away64",
        DOUBLE,
        source=f"{INTEGER_OPS}fully_connected.h",
        since=_FLOATING,
    ),
    *_fully_connected(EIGHT_BITS, "double"),
    *_fully_connected(INT16, "double", per_channel=per_channel_in_32_bits, per_tensor=int32_sums),
    *_fully_connected(INT16, "reduced16"),
    *(
        Arithmetic(
            "BATCH_MATMUL",
            types,
            batch_matmul.batch_matmul,
            rule,
            FLOAT32_PRODUCT,
            source=f"{REFERENCE_OPS}batch_matmul.h",
            when=when,
            since=since,
        )
        for types, rule in ((INT8, "double"), (INT16, "reduced16"))
        for when, since in ((None, _NEWEST), (unscrambled, {}))
    ),
    _hybrid(
        "CONV_2D",
        hybrid.conv_2d_per_channel,
        several_scales,
        "(acc*sw)*s + bias",
        f"{REFERENCE_OPS}conv.h",
    ),
    _hybrid("CONV_2D", hybrid.conv_2d, integer_weights, "acc*(s*sw) + bias", OPTIMIZED_HEADER),
    _hybrid(
        "DEPTHWISE_CONV_2D",
        hybrid.depthwise_conv_2d,
        int8_weights,
        "acc*(sw*s) + bias",
        f"{INTEGER_OPS}depthwise_conv.h",
    ),
    _hybrid(
        "FULLY_CONNECTED",
        hybrid.fully_connected,
        integer_weights,
        "acc*(sw*s) + bias",
        "fully_connected.cc",
    ),
    _floating("CONV_2D", float32.conv_2d, f"{REFERENCE_OPS}conv.h"),
    _floating(
        "DEPTHWISE_CONV_2D", float32.depthwise_conv_2d, f"{REFERENCE_OPS}depthwiseconv_float.h"
    ),
    _floating("FULLY_CONNECTED", float32.fully_connected, f"{REFERENCE_OPS}fully_connected.h"),
    _floating("TRANSPOSE_CONV", float32.transpose_conv, f"{REFERENCE_OPS}transpose_conv.h"),
    _floating("BATCH_MATMUL", float32.batch_matmul, f"{REFERENCE_OPS}batch_matmul.h"),
)

OPTIMIZED = (
    *(
        Arithmetic(op, types, kernel, rule, multiplier, source=source, when=when)
        for op, kernel, types, rule, multiplier, source, when in (
            (
                "CONV_2D",
                conv.conv_2d,
                INT8,
                "double-up",
                DOUBLE,
                f"{OPTIMIZED_INTEGER_OPS}conv.h",
                ungrouped,
            ),
            (
                "CONV_2D",
                conv.conv_2d,
                UINT8,
                "double-up",
                FLOAT32_PRODUCT,
                OPTIMIZED_HEADER,
                ungrouped,
            ),
            (
                "CONV_2D",
                conv.conv_2d,
                INT16,
                "double-up",
                DOUBLE,
                f"{OPTIMIZED_INTEGER_OPS}conv.h",
                ungrouped_in_32_bits,
            ),
            (
                "DEPTHWISE_CONV_2D",
                conv.depthwise_conv_2d,
                INT8,
                "neon8",
                DOUBLE,
                f"{OPTIMIZED_INTEGER_OPS}depthwise_conv.h",
                None,
            ),
            (
                "TRANSPOSE_CONV",
                transpose_conv.transpose_conv,
                INT8,
                "neon8",
                DOUBLE,
                f"{OPTIMIZED_INTEGER_OPS}transpose_conv.h",
                None,
            ),
            (
                "TRANSPOSE_CONV",
                transpose_conv.transpose_conv,
                UINT8,
                "neon16-flat",
                FLOAT32_PRODUCT,
                OPTIMIZED_HEADER,
                None,
            ),
            (
                "TRANSPOSE_CONV",
                transpose_conv.transpose_conv,
                INT16,
                "neon8",
                DOUBLE,
                f"{OPTIMIZED_INTEGER_OPS}transpose_conv.h",
                int32_sums_and_no_zero_point,
            ),
        )
    ),
    *_fully_connected(EIGHT_BITS, "double-up", source=f"{OPTIMIZED_INTEGER_OPS}fully_connected.h"),
    *(
        row
        for per_channel, per_tensor, until in (
            (per_channel_without_int64, without_int64, None),
            (per_channel_without_int64_bias, without_int64_bias, _NEWEST),
        )
        for row in _fully_connected(
            INT16,
            "double-up",
            fully_connected.fully_connected_in_32_bits,
            f"{OPTIMIZED_INTEGER_OPS}fully_connected.h",
            per_channel,
            per_tensor,
            until,
        )
    ),
    Arithmetic(
        "BATCH_MATMUL",
        INT8,
        batch_matmul.batch_matmul,
        "double-up",
        FLOAT32_PRODUCT,
        source=f"{OPTIMIZED_OPS}batch_matmul.h",
        when=unscrambled,
        until=_PLAIN_BATCH_MATMUL,
    ),
    _hybrid(
        "CONV_2D",
        hybrid.conv_2d_product_of_scales,
        several_scales_ungrouped,
        "acc*(sw*s) + bias",
        OPTIMIZED_HEADER,
    ),
    _hybrid(
        "DEPTHWISE_CONV_2D",
        hybrid.depthwise_conv_2d_in_vectors,
        int8_weights,
        "(acc*sw)*s + bias; tail: (acc*s)*sw + bias",
        f"{OPTIMIZED_INTEGER_OPS}depthwise_conv_hybrid.h",
    ),
    _hybrid(
        "FULLY_CONNECTED",
        hybrid.four_bit_fully_connected,
        four_bit_kernel,
        "(-7*sum*s*sw + bias) + acc*s*sw",
        f"{OPTIMIZED_OPS}4bit/",
    ),
)
