"""What XNNPACK computes, of the ops that it takes: the default op resolver.

An op that meets the conditions of no row is left to the optimized kernels. The ops whose bytes
XNNPACK only moves (CONCATENATION, PAD, RESHAPE, SLICE, SPLIT, STRIDED_SLICE, TRANSPOSE) have no
row: they come out the same. Sources are files of XNNPACK.
"""

from __future__ import annotations

from collections.abc import Mapping

from tflreplay.arithmetic import numeric
from tflreplay.arithmetic.delegation import (
    Condition,
    bias,
    bias_or_none,
    constant_axes,
    constant_size,
    default_format,
    each_pixel,
    every,
    few_dimensions,
    float_bias,
    float_bias_or_none,
    from_one_scale,
    int4_weights,
    int8_matrices,
    int8_weights,
    int8_zero_point,
    may_wrap,
    modelled_since,
    no_int8_zero_point,
    one_input,
    overlapping_windows,
    per_channel,
    per_tensor,
    plain_activation,
    product_ratio,
    quantized_weights,
    scale_ratio,
    slope_ratio,
    spatial_axes,
    static_weights,
    to_one_scale,
    transposing,
    two_inputs,
    unused_input,
)
from tflreplay.kernels import (
    batch_matmul,
    conv,
    elementwise,
    fully_connected,
    pooling,
    transpose_conv,
)
from tflreplay.kernels import quantize as reference_quantize
from tflreplay.kernels.call import CLAMP_HALF_EVEN, Arithmetic, Kernel
from tflreplay.kernels.matmul import FLOAT32
from tflreplay.kernels.xnnpack import activations, hybrid, quantize, reduce, resize
from tflreplay.kernels.xnnpack import batch_matmul as other_batch_matmul
from tflreplay.kernels.xnnpack import conv as old_conv
from tflreplay.kernels.xnnpack import elementwise as fixed_point
from tflreplay.kernels.xnnpack import fully_connected as other_fully_connected

_BOTH = ("int8", "uint8")
_INT8 = ("int8",)

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
_PAIR = every(two_inputs, few_dimensions, plain_activation)
_SUM = every(_PAIR, scale_ratio(2.0**-10, 256, 0, 1))
_UNARY = every(one_input, few_dimensions)
_REQUANTIZE = every(_UNARY, scale_ratio(1 / 256, 128, 0, closed=True))


def _weighted(
    op: str,
    kernel: Kernel,
    when: Condition,
    rule: str = "float-even32",
    algorithm: str = "",
    types: tuple[str, ...] = _BOTH,
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


def _rounded(
    op: str,
    *kernels: Kernel,
    when: Condition,
    algorithm: str,
    source: str,
    multiplier: str = "",
    types: tuple[str, ...] = _BOTH,
) -> tuple[Arithmetic, ...]:
    """Rows of an op that ends in XNNPACK's generic quantize, whose rounding changed; newest first.

    XNNPACK 76c91a5d29 (half even) and edd5da7ab5 (half away, the zero point inside).
    """
    changes = (
        ("half even", {"litert": "2.1.3", "tensorflow": "2.22.0"}),
        ("half away", {"litert": "1.1.2", "tensorflow": "2.19.1"}),
    )
    return tuple(
        Arithmetic(
            op,
            types,
            kernel,
            multiplier=multiplier,
            algorithm=f"{algorithm}, {rounding}",
            source=source,
            when=when,
            since=since,
        )
        for kernel, (rounding, since) in zip(kernels, changes, strict=True)
    )


def _before_zero_point(
    op: str, kernel: Kernel, when: Condition, algorithm: str, source: str, multiplier: str = ""
) -> Arithmetic:
    """The row that came before those of :func:`_rounded`."""
    return Arithmetic(
        op,
        _BOTH,
        kernel,
        multiplier=multiplier,
        algorithm=f"{algorithm}, half even before the zero point",
        source=source,
        when=when,
        until={"litert": "1.1.2", "tensorflow": "2.19.1"},
    )


ROWS = (
    *numeric.XNNPACK,
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
            _weighted(op, kernel, every(when, may_wrap), "float-even32-wrapping", types=_INT8),
            _weighted(op, kernel, when),
        )
    ),
    *(
        _weighted("TRANSPOSE_CONV", transpose_conv.transpose_conv, when, rule, "", types, since)
        for rule, types, when, since in (
            (
                "float-even32-wrapping",
                _INT8,
                every(_TRANSPOSE_CONV, per_channel, may_wrap),
                _DECONV,
            ),
            ("float-even32", _INT8, every(_TRANSPOSE_CONV, per_channel), _DECONV),
            ("float-even32-wrapping", _INT8, every(_TRANSPOSE_CONV, per_tensor, may_wrap), None),
            ("float-even32", _BOTH, every(_TRANSPOSE_CONV, per_tensor), None),
        )
    ),
    *(
        _weighted("BATCH_MATMUL", batch_matmul.batch_matmul, when, rule, types=_INT8, since=_TAKEN)
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
        types=_INT8,
        since=_TAKEN,
        until={"litert": "2.1.3", "tensorflow": "2.22.0"},
    ),
    # Corrected by XNNPACK bf3014548c, too.
    Arithmetic(
        "CONV_2D",
        ("float32",),
        hybrid.bias_alone,
        algorithm="the bias alone: every tap reads padding",
        source="src/operators/convolution-nhwc.c",
        when=every(_HYBRID_CONV, unused_input),
        until={"litert": "2.2.0", "tensorflow": "2.22.0"},
    ),
    *(
        Arithmetic(
            op,
            ("float32",),
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
        types=_INT8,
        until={"litert": "2.1.5", "tensorflow": "2.22.0"},
    ),
    *(
        _weighted(
            "FULLY_CONNECTED",
            other_fully_connected.four_bit,
            when,
            rule,
            "28-bit accumulator",
            _INT8,
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
    *(
        Arithmetic(
            op,
            _BOTH,
            kernel,
            "single",
            "float32 si/so, to 21 bits",
            "fixed point",
            "src/microparams-init.c",
            pairwise=True,
            when=_SUM,
            clamp=CLAMP_HALF_EVEN,
        )
        for op, kernel in (("ADD", fixed_point.add), ("SUB", fixed_point.sub))
    ),
    Arithmetic(
        "MUL",
        _BOTH,
        elementwise.mul,
        "float-even32",
        FLOAT32,
        source="src/xnnpack/requantization.h",
        pairwise=True,
        when=every(_PAIR, product_ratio),
        clamp=CLAMP_HALF_EVEN,
    ),
    *_rounded(
        "MEAN",
        reduce.mean,
        reduce.mean_half_away,
        when=every(one_input, constant_axes),
        algorithm="float32 product and sum with the zero point",
        source="src/operators/reduce-nd.c",
        multiplier="float32 si/so * (1/n)",
    ),
    _before_zero_point(
        "MEAN",
        reduce.spatial_mean,
        when=every(one_input, spatial_axes),
        algorithm="float32 product",
        source="src/operators/global-average-pooling-nwc.c",
        multiplier="float32 si/(so*n)",
    ),
    *_rounded(
        "SUM",
        reduce.sum_,
        reduce.sum_half_away,
        when=every(one_input, constant_axes),
        algorithm="float32 product and sum with the zero point",
        source="src/operators/reduce-nd.c",
        multiplier="float32 si/so",
    ),
    *_rounded(
        "ELU",
        activations.elu,
        activations.elu_half_away,
        when=_UNARY,
        algorithm="float32 expm1 and sum with the zero point",
        source="src/reference/unary-elementwise.cc",
        types=_INT8,
    ),
    *_rounded(
        "LOGISTIC",
        activations.logistic,
        activations.logistic_half_away,
        when=_UNARY,
        algorithm="float64 exp, float32 sum with the zero point",
        source="src/reference/unary-elementwise.cc",
    ),
    _before_zero_point(
        "LOGISTIC",
        activations.logistic_before_zero_point,
        when=_UNARY,
        algorithm="float32 exp and product",
        source="src/operators/sigmoid-nc.c",
    ),
    *_rounded(
        "TANH",
        activations.tanh,
        activations.tanh_half_away,
        when=_UNARY,
        algorithm="float32 tanh and sum with the zero point",
        source="src/reference/unary-elementwise.cc",
    ),
    _before_zero_point(
        "TANH",
        activations.tanh_before_zero_point,
        when=_UNARY,
        algorithm="float32 tanh and product",
        source="src/operators/tanh-nc.c",
    ),
    Arithmetic(
        "LEAKY_RELU",
        _BOTH,
        activations.leaky_relu,
        "single",
        "float32 si/so, float32 (si/so)*alpha where x < zi, to 8 fractional bits",
        "fixed point",
        "src/microparams-init.c",
        when=every(_REQUANTIZE, slope_ratio),
    ),
    Arithmetic(
        "QUANTIZE",
        ("float32",),
        quantize.quantize,
        multiplier="float32 1/so",
        algorithm="float32 product, half even",
        source="src/f32-qs8-vcvt/",
        when=every(to_one_scale, few_dimensions),
    ),
    Arithmetic(
        "QUANTIZE",
        _BOTH,
        quantize.requantize,
        "single",
        "float32 si/so, to 8 fractional bits",
        "fixed point",
        "src/microparams-init.c",
        when=_REQUANTIZE,
    ),
    Arithmetic(
        "DEQUANTIZE",
        _BOTH,
        reference_quantize.dequantize,
        algorithm="float32 product",
        source="src/qs8-f32-vcvt/",
        when=every(from_one_scale, few_dimensions),
    ),
    Arithmetic(
        "MAX_POOL_2D",
        _BOTH,
        pooling.max_pool_2d,
        algorithm="maximum",
        source="src/operators/max-pooling-nhwc.c",
        when=every(one_input, plain_activation, overlapping_windows),
        clamp=CLAMP_HALF_EVEN,
    ),
    *(
        Arithmetic(
            "RESIZE_BILINEAR",
            types,
            kernel,
            algorithm=algorithm,
            source=source,
            when=constant_size,
        )
        for types, kernel, algorithm, source in (
            (
                ("float32",),
                resize.resize_bilinear,
                "float32, by columns, then by rows",
                "src/f32-ibilinear/",
            ),
            (
                _BOTH,
                resize.resize_bilinear_fixed,
                "11-bit fixed point, ties up",
                "src/s8-ibilinear/",
            ),
        )
    ),
)
