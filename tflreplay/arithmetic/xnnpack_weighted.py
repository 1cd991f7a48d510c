"""What XNNPACK computes of the ops that multiply activations by weights, on 8 bits or float32.

Sources are files of XNNPACK.
"""

from __future__ import annotations

from collections.abc import Mapping

from tflreplay.arithmetic.delegation import (
    Condition,
    bias,
    bias_or_none,
    default_format,
    each_pixel,
    every,
    float_bias,
    float_bias_or_none,
    int4_weights,
    int8_matrices,
    int8_weights,
    int8_zero_point,
    may_wrap,
    modelled_since,
    no_int8_zero_point,
    one_input,
    per_channel,
    per_tensor,
    plain_activation,
    quantized_weights,
    static_weights,
    transposing,
    unused_input,
)
from tflreplay.arithmetic.types import EIGHT_BITS, FLOAT, INT8
from tflreplay.kernels import batch_matmul, conv, fully_connected, transpose_conv
from tflreplay.kernels.call import CLAMP_HALF_EVEN, Arithmetic, Kernel
from tflreplay.kernels.matmul import FLOAT32
from tflreplay.kernels.xnnpack import batch_matmul as other_batch_matmul
from tflreplay.kernels.xnnpack import conv as old_conv
from tflreplay.kernels.xnnpack import fully_connected as other_fully_connected
from tflreplay.kernels.xnnpack import hybrid

# BATCH_MATMUL on int8 was left to the optimized kernels before.
_TAKEN = {"litert": "2.0.3", "tensorflow": "2.21.0"}
# XNNPACK then takes int4 weights of one scale, too.
_FOUR_BITS_ONE_SCALE = {"litert": "2.1.5", "tensorflow": "2.22.0"}
# And TRANSPOSE_CONV by int8 weights of several.
_DECONV = {"litert": "0", "tensorflow": "2.18.1"}
# Before, the activations are quantized in another way.
_DYNAMIC = {"litert": "1.2.0", "tensorflow": "2.19.0"}

# The conditions shared by the rows of an op.
_CONV = every(one_input, plain_activation, static_weights(0), bias)
_DEPTHWISE = every(one_input, plain_activation, static_weights(3), bias)
_TRANSPOSE_CONV = every(one_input, plain_activation, static_weights(0), transposing)
_BATCH_MATMUL = every(int8_matrices, no_int8_zero_point)
_HYBRID_CONV = every(
    plain_activation, int8_weights, quantized_weights, float_bias, modelled_since(_DYNAMIC)
)
_HYBRID_FULLY_CONNECTED = every(
    plain_activation, default_format, quantized_weights, float_bias_or_none
)
_FULLY_CONNECTED = every(one_input, plain_activation, default_format, bias_or_none)
_EIGHT_BITS = every(_FULLY_CONNECTED, static_weights(0), no_int8_zero_point)
_FOUR_BITS = every(_FULLY_CONNECTED, int4_weights, quantized_weights)


def _weighted(
    op: str,
    kernel: Kernel,
    when: Condition,
    rule: str = "float-even32",
    algorithm: str = "",
    types: tuple[str, ...] = EIGHT_BITS,
    since: Mapping[str, str] | None = None,
    until: Mapping[str, str] | None = None,
) -> Arithmetic:
    return Arithmetic(
        op,
        types,
        kernel,
        rule,
        FLOAT32,
        algorithm,
        "src/xnnpack/requantization.h",
        when=when,
        clamp=CLAMP_HALF_EVEN,
        since=since or {},
        until=until or {},
    )


ROWS = (
    # Corrected by XNNPACK bf3014548c.
    *(
        _weighted(
            op,
            old_conv.bias_alone,
            every(when, unused_input),
            algorithm="the bias alone: every tap reads padding",
            until={"litert": "2.2.0", "tensorflow": "2.22.0"},
        )
        for op, when in (("CONV_2D", _CONV), ("DEPTHWISE_CONV_2D", _DEPTHWISE))
    ),
    *(
        row
        for op, kernel, when in (
            ("CONV_2D", conv.conv_2d, _CONV),
            ("DEPTHWISE_CONV_2D", conv.depthwise_conv_2d, _DEPTHWISE),
            ("FULLY_CONNECTED", fully_connected.fully_connected, _EIGHT_BITS),
        )
        for row in (
            _weighted(op, kernel, every(when, may_wrap), "float-even32-wrapping", types=INT8),
            _weighted(op, kernel, when),
        )
    ),
    *(
        _weighted("TRANSPOSE_CONV", transpose_conv.transpose_conv, when, rule, "", types, since)
        for rule, types, when, since in (
            (
                "float-even32-wrapping",
                INT8,
                every(_TRANSPOSE_CONV, per_channel, may_wrap),
                _DECONV,
            ),
            ("float-even32", INT8, every(_TRANSPOSE_CONV, per_channel), _DECONV),
            ("float-even32-wrapping", INT8, every(_TRANSPOSE_CONV, per_tensor, may_wrap), None),
            ("float-even32", EIGHT_BITS, every(_TRANSPOSE_CONV, per_tensor), None),
        )
    ),
    *(
        _weighted("BATCH_MATMUL", batch_matmul.batch_matmul, when, rule, types=INT8, since=_TAKEN)
        for when, rule in (
            (every(_BATCH_MATMUL, may_wrap), "float-even32-wrapping"),
            (_BATCH_MATMUL, "float-even32"),
        )
    ),
    # Corrected by LiteRT 3d796311b.
    _weighted(
        "BATCH_MATMUL",
        other_batch_matmul.ignoring_zero_point,
        every(int8_matrices, int8_zero_point),
        algorithm="the right matrix's zero point is ignored",
        types=INT8,
        since=_TAKEN,
        until={"litert": "2.1.3", "tensorflow": "2.22.0"},
    ),
    # Corrected by XNNPACK bf3014548c, too.
    Arithmetic(
        "CONV_2D",
        FLOAT,
        hybrid.bias_alone,
        algorithm="the bias alone: every tap reads padding",
        source="src/operators/convolution-nhwc.c",
        when=every(_HYBRID_CONV, unused_input),
        until={"litert": "2.2.0", "tensorflow": "2.22.0"},
    ),
    *(
        Arithmetic(
            op,
            FLOAT,
            kernel,
            algorithm=f"{what} quantized to int8; float32 fma(acc*s, sw, bias)",
            source=source,
            when=when,
            since=since,
        )
        for op, kernel, what, source, when, since in (
            (
                "CONV_2D",
                hybrid.conv_2d_as_fully_connected,
                "each pixel",
                "src/qd8-f32-qc8w-gemm",
                every(_HYBRID_CONV, each_pixel),
                {"litert": "0", "tensorflow": "2.20.0"},
            ),
            ("CONV_2D", hybrid.conv_2d, "each image", "src/qd8-f32-qc8w-igemm", _HYBRID_CONV, {}),
            *(
                (
                    "FULLY_CONNECTED",
                    hybrid.fully_connected,
                    "each row",
                    source,
                    every(_HYBRID_FULLY_CONNECTED, weights, modelled_since(_DYNAMIC)),
                    since,
                )
                for weights, source, since in (
                    (int8_weights, "src/qd8-f32-qc8w-gemm", {}),
                    (every(int4_weights, per_channel), "src/qd8-f32-qc4w-gemm", {}),
                    (int4_weights, "src/qd8-f32-qc4w-gemm", _FOUR_BITS_ONE_SCALE),
                )
            ),
        )
    ),
    # Corrected by LiteRT 45dd41fd2.
    _weighted(
        "FULLY_CONNECTED",
        other_fully_connected.ignoring_zero_point,
        every(_FULLY_CONNECTED, static_weights(0), int8_zero_point),
        algorithm="the weights' zero point is ignored",
        types=INT8,
        until={"litert": "2.1.5", "tensorflow": "2.22.0"},
    ),
    *(
        _weighted(
            "FULLY_CONNECTED",
            other_fully_connected.four_bit,
            when,
            rule,
            "28-bit accumulator",
            INT8,
            since,
        )
        for taken, since in (
            (_FOUR_BITS, _FOUR_BITS_ONE_SCALE),
            (every(_FOUR_BITS, per_channel), {"litert": "1.3.0", "tensorflow": "2.20.0"}),
        )
        for when, rule in (
            (every(taken, may_wrap), "float-even32-wrapping"),
            (taken, "float-even32"),
        )
    ),
)
