"""What XNNPACK computes, of the ops that it takes: the default op resolver.

An op that meets the conditions of no row is left to the optimized kernels. The ops whose bytes
XNNPACK only moves (CONCATENATION, PAD, RESHAPE, SLICE, SPLIT, STRIDED_SLICE, TRANSPOSE) have no
row: they come out the same. Sources are files of XNNPACK.
"""

from __future__ import annotations

from collections.abc import Mapping

from tflreplay.arithmetic.delegation import (
    Condition,
    bias,
    bias_or_none,
    constant_axes,
    default_format,
    every,
    few_dimensions,
    four_bit_weights,
    from_one_scale,
    int8_zero_point,
    may_wrap,
    no_int8_zero_point,
    one_input,
    overlapping_windows,
    per_channel,
    plain_activation,
    product_ratio,
    scale_ratio,
    slope_ratio,
    spatial_axes,
    static_weights,
    to_one_scale,
    two_inputs,
    unused_input,
)
from tflreplay.kernels import conv, elementwise, fully_connected, pooling
from tflreplay.kernels import quantize as reference_quantize
from tflreplay.kernels.call import CLAMP_HALF_EVEN, Arithmetic, Kernel
from tflreplay.kernels.matmul import FLOAT32
from tflreplay.kernels.xnnpack import activations, quantize, reduce
from tflreplay.kernels.xnnpack import conv as old_conv
from tflreplay.kernels.xnnpack import elementwise as fixed_point
from tflreplay.kernels.xnnpack import fully_connected as other_fully_connected

_BOTH = ("int8", "uint8")
_INT8 = ("int8",)

# The conditions shared by the rows of an op.
_CONV = every(one_input, plain_activation, static_weights(0), bias)
_DEPTHWISE = every(one_input, plain_activation, static_weights(3), bias)
_FULLY_CONNECTED = every(one_input, plain_activation, default_format, bias_or_none)
_EIGHT_BITS = every(_FULLY_CONNECTED, static_weights(0), no_int8_zero_point)
_FOUR_BITS = every(_FULLY_CONNECTED, four_bit_weights)
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
    op: str, *kernels: Kernel, when: Condition, algorithm: str, source: str, multiplier: str = ""
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
            _BOTH,
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
            algorithm="28-bit accumulator",
            types=_INT8,
            since=since,
        )
        for when, since in (
            (_FOUR_BITS, {"litert": "2.1.5", "tensorflow": "2.22.0"}),
            (every(_FOUR_BITS, per_channel), {"litert": "1.3.0", "tensorflow": "2.20.0"}),
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
)
