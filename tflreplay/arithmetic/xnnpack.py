"""What XNNPACK computes, of the ops that it takes: the default op resolver.

An op that meets the conditions of no row is left to the optimized kernels. The ops whose bytes
XNNPACK only moves (CONCATENATION, PAD, RESHAPE, SLICE, SPLIT, STRIDED_SLICE, TRANSPOSE) have no
row: they come out the same. Sources are files of XNNPACK.
"""

from __future__ import annotations

from tflreplay.arithmetic import xnnpack_float, xnnpack_weighted
from tflreplay.arithmetic.delegation import (
    Condition,
    constant_axes,
    constant_size,
    every,
    few_dimensions,
    from_one_scale,
    one_input,
    overlapping_windows,
    plain_activation,
    product_ratio,
    scale_ratio,
    slope_ratio,
    spatial_axes,
    to_one_scale,
    two_inputs,
)
from tflreplay.arithmetic.types import EIGHT_BITS, FLOAT, INT8
from tflreplay.kernels import elementwise, pooling
from tflreplay.kernels import quantize as reference_quantize
from tflreplay.kernels.call import CLAMP_HALF_EVEN, Arithmetic, Kernel
from tflreplay.kernels.matmul import FLOAT32
from tflreplay.kernels.xnnpack import activations, quantize, reduce, resize
from tflreplay.kernels.xnnpack import elementwise as fixed_point

# The conditions shared by the rows of an op.
_PAIR = every(two_inputs, few_dimensions, plain_activation)
_SUM = every(_PAIR, scale_ratio(2.0**-10, 256, 0, 1))
_UNARY = every(one_input, few_dimensions)
_REQUANTIZE = every(_UNARY, scale_ratio(1 / 256, 128, 0, closed=True))


def _rounded(
    op: str,
    *kernels: Kernel,
    when: Condition,
    algorithm: str,
    source: str,
    multiplier: str = "",
    types: tuple[str, ...] = EIGHT_BITS,
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
        EIGHT_BITS,
        kernel,
        multiplier=multiplier,
        algorithm=f"{algorithm}, half even before the zero point",
        source=source,
        when=when,
        until={"litert": "1.1.2", "tensorflow": "2.19.1"},
    )


ROWS = (
    *xnnpack_float.ROWS,
    *xnnpack_weighted.ROWS,
    *(
        Arithmetic(
            op,
            EIGHT_BITS,
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
        EIGHT_BITS,
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
        types=INT8,
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
        EIGHT_BITS,
        activations.leaky_relu,
        "single",
        "float32 si/so, float32 (si/so)*alpha where x < zi, to 8 fractional bits",
        "fixed point",
        "src/microparams-init.c",
        when=every(_REQUANTIZE, slope_ratio),
    ),
    Arithmetic(
        "QUANTIZE",
        FLOAT,
        quantize.quantize,
        multiplier="float32 1/so",
        algorithm="float32 product, half even",
        source="src/f32-qs8-vcvt/",
        when=every(to_one_scale, few_dimensions),
    ),
    Arithmetic(
        "QUANTIZE",
        EIGHT_BITS,
        quantize.requantize,
        "single",
        "float32 si/so, to 8 fractional bits",
        "fixed point",
        "src/microparams-init.c",
        when=_REQUANTIZE,
    ),
    Arithmetic(
        "DEQUANTIZE",
        EIGHT_BITS,
        reference_quantize.dequantize,
        algorithm="float32 product",
        source="src/qs8-f32-vcvt/",
        when=every(from_one_scale, few_dimensions),
    ),
    Arithmetic(
        "MAX_POOL_2D",
        EIGHT_BITS,
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
                FLOAT,
                resize.resize_bilinear,
                "float32, by columns, then by rows",
                "src/f32-ibilinear/",
            ),
            (
                EIGHT_BITS,
                resize.resize_bilinear_fixed,
                "11-bit fixed point, ties up",
                "src/s8-ibilinear/",
            ),
        )
    ),
)
