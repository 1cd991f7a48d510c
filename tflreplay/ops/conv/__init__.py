"""CONV_2D and DEPTHWISE_CONV_2D."""

from __future__ import annotations

from dataclasses import replace

from tflreplay.ground.machine import AARCH64, MATRICES, NO_DOT_PRODUCT
from tflreplay.ops.base import refusals
from tflreplay.ops.base.aarch64 import not_on_aarch64
from tflreplay.ops.base.card import Card, Form, Slip, Worst
from tflreplay.ops.base.cmsis_nn import CMSIS_NN
from tflreplay.ops.base.conditions import Condition, Site, every
from tflreplay.ops.base.fields import Fields, less_zero_point
from tflreplay.ops.base.layouts import as_chw, as_hwio, as_oihw, rotated, transposed
from tflreplay.ops.base.ledger import Terms
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.predicates import images, one_input, plain_activation
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.row import Defect, Kernel, NotModelled, Row
from tflreplay.ops.base.smallest import Smallest
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT8, INT16, UINT8
from tflreplay.ops.base.weight_defects import (
    TFLM_BIAS,
    UNDECLARED_BIAS,
    signs_lost,
    tflm_int32_bias,
)
from tflreplay.ops.base.weighted_rows import (
    before_xnnpack_hybrid,
    by_kleidi,
    by_ruy,
    floating_row,
    hybrid_row,
    lowest_products,
    uint8_on_aarch64,
    with_sme,
    xnnpack_hybrid_row,
    xnnpack_row,
)
from tflreplay.ops.base.weights import (
    bias,
    float_bias,
    int4_filters,
    int8_weights,
    int32_sums,
    integer_weights,
    quantized_weights,
    static_weights,
    ungrouped,
)
from tflreplay.ops.base.words import (
    CONVOLUTION_FLOAT64,
    INTEGER_OPS,
    OPTIMIZED_HEADER,
    OPTIMIZED_INTEGER_OPS,
    OPTIMIZED_OPS,
    REFERENCE_OPS,
    in_both_precisions,
)
from tflreplay.ops.conv import cmsis_nn
from tflreplay.ops.conv.aarch64 import below_one, fast_3x3, several_pixels
from tflreplay.ops.conv.fields import conv_fields, conv_lines, depthwise_fields
from tflreplay.ops.conv.floating import (
    conv_2d_float,
    depthwise_conv_2d_float,
    float_conv_terms,
    float_depthwise_terms,
)
from tflreplay.ops.conv.hybrid import (
    SHARED_SCALE,
    hybrid_conv_2d,
    hybrid_conv_2d_by_whole_weights,
    hybrid_conv_2d_per_channel,
    hybrid_conv_2d_product_of_scales,
    hybrid_depthwise_conv_2d,
    hybrid_depthwise_conv_2d_in_vectors,
    several_scales,
    several_scales_ungrouped,
)
from tflreplay.ops.conv.integer import conv_2d, depthwise_conv_2d, ungrouped_in_32_bits
from tflreplay.ops.conv.sliding import recorded_windows
from tflreplay.ops.conv.terms import (
    conv_terms,
    depthwise_terms,
    xnnpack_conv_bias_alone,
    xnnpack_depthwise_bias_alone,
)
from tflreplay.ops.conv.xnnpack import (
    conv_may_wrap,
    each_pixel,
    gemm,
    kleidi_conv_2d_by_pixels,
    neondot_hybrid_conv_2d,
    unused_input,
    xnnpack_bias_alone,
    xnnpack_hybrid_bias_alone,
    xnnpack_hybrid_conv_2d,
    xnnpack_hybrid_conv_2d_by_pixels,
)

_CMSIS_NN = f"{CMSIS_NN}ConvolutionFunctions/"
_BIAS_ALONE = "the bias alone: every tap reads padding"


def _reads_padding(right: Kernel) -> Defect:
    words = "reads padding at every tap, so that its output is the bias alone"
    return Defect(words, unused_input, right=right)


def _reads_int64(site: Site) -> str:
    """``DepthwiseConvEval`` in ``tensorflow/lite/micro/kernels/depthwise_conv.cc``."""
    return (
        f"{site.op.name} on int16 with an int32 bias: TFLM reads it as int64, past its end, "
        "and what it adds is not defined"
    )


_FOUR_BITS_AS_EIGHT = Defect("reads each pair of int4 weights as one of int8", int4_filters)
# XNNPACK bf3014548c.
_PADDING_CORRECTED = {"litert": "2.2.0", "tensorflow": "2.22.0"}
# Which ops XNNPACK takes.
_CONV = every(images, one_input, plain_activation, static_weights(0), bias)
_DEPTHWISE = every(images, one_input, plain_activation, static_weights(3), bias)
_HYBRID = every(images, plain_activation, int8_weights, quantized_weights(0), float_bias)
BY_PIXELS = xnnpack_hybrid_row(
    xnnpack_hybrid_conv_2d_by_pixels,
    "each pixel",
    "src/qd8-f32-qc8w-gemm",
    every(_HYBRID, each_pixel),
)
BY_IMAGES = xnnpack_hybrid_row(
    xnnpack_hybrid_conv_2d, "each image", "src/qd8-f32-qc8w-igemm", _HYBRID
)


def _conv(
    types: tuple[str, ...],
    rule: str,
    multiplier: Precision,
    source: str,
    when: Condition | None = None,
    defects: tuple[Defect, ...] = (),
) -> Row:
    return Row(
        types,
        conv_2d,
        rule,
        multiplier,
        source=source,
        when=when,
        ledger=Terms(conv_terms),
        defects=defects,
    )


def _depthwise(
    types: tuple[str, ...],
    rule: str,
    multiplier: Precision,
    source: str,
    defects: tuple[Defect, ...] = (),
) -> Row:
    return Row(
        types,
        depthwise_conv_2d,
        rule,
        multiplier,
        source=source,
        ledger=Terms(depthwise_terms),
        defects=defects,
    )


_XNNPACK_CONV = xnnpack_row(conv_2d, _CONV, ledger=Terms(conv_terms))
_XNNPACK_DEPTHWISE = xnnpack_row(depthwise_conv_2d, _DEPTHWISE, ledger=Terms(depthwise_terms))


def _without_gemm(row: Row) -> Row:
    """XNNPACK's row for uint8 by its depthwise kernels, as aarch64 requantizes."""
    return replace(
        row,
        types=UINT8,
        rule="rndnu-wrapping",
        source="src/qu8-dwconv/unipass-neon-mul8.c.in",
        on=AARCH64,
    )


# What ruy multiplies, and what the fast 3x3 kernel of uint8 takes.
_RUY, _FAST_BELOW_ONE = every(ungrouped, several_pixels), every(fast_3x3, below_one)
_INT8_CONV = _conv(
    INT8, "double-up", Precision.FLOAT64, f"{OPTIMIZED_INTEGER_OPS}conv.h", ungrouped
)
_UINT8_CONV = in_both_precisions(
    _conv(UINT8, "double-up", Precision.FLOAT32_PRODUCT, OPTIMIZED_HEADER, ungrouped),
    CONVOLUTION_FLOAT64,
)
_INT16_CONV = _conv(
    INT16,
    "double-up",
    Precision.FLOAT64,
    f"{OPTIMIZED_INTEGER_OPS}conv.h",
    ungrouped_in_32_bits,
)
_INT8_DEPTHWISE = _depthwise(
    INT8, "neon8", Precision.FLOAT64, f"{OPTIMIZED_INTEGER_OPS}depthwise_conv.h"
)
_UINT8_DEPTHWISE = in_both_precisions(
    _depthwise(UINT8, "double", Precision.FLOAT32_PRODUCT, f"{REFERENCE_OPS}depthwiseconv_uint8.h"),
    CONVOLUTION_FLOAT64,
)


def _smallest_conv(size: int) -> Smallest:
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1}
    return Smallest(((1, 1, 1, 2), (size, 1, 1, 2)), (1, 1, 1, size), "Conv2DOptions", options)


def _smallest_depthwise(size: int) -> Smallest:
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "depth_multiplier": 1}
    shape = (1, 1, 1, size)
    return Smallest((shape, shape), shape, "DepthwiseConv2DOptions", options)


CARDS = (
    Card(
        "CONV_2D",
        {
            "xnnpack": (
                not_on_aarch64(UINT8, every(_CONV, unused_input), _PADDING_CORRECTED),
                lowest_products(INT8, _CONV),
                xnnpack_row(
                    xnnpack_bias_alone,
                    every(_CONV, unused_input),
                    algorithm=_BIAS_ALONE,
                    until=_PADDING_CORRECTED,
                    ledger=Terms(xnnpack_conv_bias_alone),
                    defects=(_reads_padding(conv_2d),),
                ),
                xnnpack_row(
                    conv_2d,
                    every(_CONV, conv_may_wrap),
                    "float-even32-wrapping",
                    types=INT8,
                    ledger=Terms(conv_terms),
                ),
                with_sme(_XNNPACK_CONV, every(_CONV, gemm)),
                *(replace(row, when=every(_CONV, gemm)) for row in uint8_on_aarch64(_XNNPACK_CONV)),
                _without_gemm(_XNNPACK_CONV),
                _XNNPACK_CONV,
                before_xnnpack_hybrid(_HYBRID),
                lowest_products(FLOAT, _HYBRID),
                Row(
                    FLOAT,
                    xnnpack_hybrid_bias_alone,
                    algorithm=_BIAS_ALONE,
                    source="src/operators/convolution-nhwc.c",
                    when=every(_HYBRID, unused_input),
                    until=_PADDING_CORRECTED,
                    defects=(_reads_padding(xnnpack_hybrid_conv_2d),),
                ),
                replace(BY_PIXELS, on=NO_DOT_PRODUCT),
                by_kleidi(BY_PIXELS, kleidi_conv_2d_by_pixels, "each pixel"),
                BY_PIXELS,
                replace(BY_IMAGES, on=NO_DOT_PRODUCT),
                replace(BY_IMAGES, on=MATRICES),
                replace(
                    BY_IMAGES,
                    kernel=neondot_hybrid_conv_2d,
                    algorithm="each image quantized to int8; float32 acc*(sw*s) + bias",
                    on=AARCH64,
                ),
                BY_IMAGES,
            ),
            "optimized": (
                lowest_products(EIGHT_BITS, ungrouped),
                by_ruy(_INT8_CONV, _RUY),
                *(by_ruy(row, _RUY) for row in _UINT8_CONV),
                by_ruy(_INT16_CONV),
                _INT8_CONV,
                *_UINT8_CONV,
                _INT16_CONV,
                hybrid_row(
                    hybrid_conv_2d_product_of_scales,
                    "acc*(sw*s) + bias",
                    OPTIMIZED_HEADER,
                    several_scales_ungrouped,
                ),
            ),
            "reference": (
                _conv(INT8, "double", Precision.FLOAT64, f"{INTEGER_OPS}conv.h"),
                *in_both_precisions(
                    _conv(UINT8, "double", Precision.FLOAT32_PRODUCT, f"{REFERENCE_OPS}conv.h"),
                    CONVOLUTION_FLOAT64,
                ),
                _conv(INT16, "double", Precision.FLOAT64, f"{INTEGER_OPS}conv.h", int32_sums),
                _conv(
                    INT16,
                    "reduced16",
                    Precision.FLOAT64,
                    f"{INTEGER_OPS}conv.h",
                    defects=(UNDECLARED_BIAS,),
                ),
                hybrid_row(
                    hybrid_conv_2d_per_channel,
                    "(acc*sw)*s + bias",
                    f"{REFERENCE_OPS}conv.h",
                    several_scales,
                    (SHARED_SCALE,),
                ),
                hybrid_row(
                    hybrid_conv_2d,
                    "acc*(s*sw) + bias",
                    OPTIMIZED_HEADER,
                    integer_weights,
                    (signs_lost(hybrid_conv_2d_by_whole_weights),),
                ),
                floating_row(conv_2d_float, f"{REFERENCE_OPS}conv.h", float_conv_terms),
            ),
            "cmsis-nn": (
                *cmsis_nn.CONV,
                _conv(INT8, "double", Precision.FLOAT64, f"{_CMSIS_NN}arm_convolve_wrapper_s8.c"),
                _conv(
                    INT16,
                    "double",
                    Precision.FLOAT64,
                    f"{_CMSIS_NN}arm_convolve_wrapper_s16.c",
                    int32_sums,
                ),
                _conv(
                    INT16,
                    "reduced16-wrapping",
                    Precision.FLOAT64,
                    f"{_CMSIS_NN}arm_convolve_wrapper_s16.c",
                ),
            ),
        },
        Roles(weights=1, bias=2),
        sums_once=True,
        slips=frozenset({Slip.WEIGHTS, Slip.PADDING, Slip.SUM}),
        rereadings=(transposed, rotated, as_hwio, as_oihw),
        worst=Worst.BY_WEIGHTS,
        window=recorded_windows,
        lines=conv_lines,
        fields=Fields(conv_fields, less_zero_point),
        smallest=_smallest_conv,
        form=Form.CONVOLUTION,
        refusals=refusals.CONV_2D,
    ),
    Card(
        "DEPTHWISE_CONV_2D",
        {
            "xnnpack": (
                not_on_aarch64(UINT8, every(_DEPTHWISE, unused_input), _PADDING_CORRECTED),
                xnnpack_row(
                    xnnpack_bias_alone,
                    every(_DEPTHWISE, unused_input),
                    algorithm=_BIAS_ALONE,
                    until=_PADDING_CORRECTED,
                    ledger=Terms(xnnpack_depthwise_bias_alone),
                    defects=(_reads_padding(depthwise_conv_2d),),
                ),
                xnnpack_row(
                    depthwise_conv_2d,
                    every(_DEPTHWISE, conv_may_wrap),
                    "float-even32-wrapping",
                    types=INT8,
                    ledger=Terms(depthwise_terms),
                ),
                *(
                    replace(row, when=every(_DEPTHWISE, gemm))
                    for row in uint8_on_aarch64(_XNNPACK_DEPTHWISE)
                ),
                _without_gemm(_XNNPACK_DEPTHWISE),
                _XNNPACK_DEPTHWISE,
            ),
            "optimized": (
                replace(
                    _INT8_DEPTHWISE,
                    rule="double-up-late",
                    source=f"{OPTIMIZED_INTEGER_OPS}depthwise_conv_3x3_filter.h",
                    when=fast_3x3,
                    on=AARCH64,
                ),
                *(
                    replace(
                        row,
                        rule="double-up",
                        source=f"{OPTIMIZED_OPS}depthwiseconv_uint8_3x3_filter.h",
                        when=_FAST_BELOW_ONE,
                        on=AARCH64,
                    )
                    for row in _UINT8_DEPTHWISE
                ),
                _INT8_DEPTHWISE,
                hybrid_row(
                    hybrid_depthwise_conv_2d_in_vectors,
                    "(acc*sw)*s + bias; tail: (acc*s)*sw + bias",
                    f"{OPTIMIZED_INTEGER_OPS}depthwise_conv_hybrid.h",
                    int8_weights,
                    (SHARED_SCALE,),
                ),
            ),
            "reference": (
                _depthwise(INT8, "double", Precision.FLOAT64, f"{INTEGER_OPS}depthwise_conv.h"),
                *_UINT8_DEPTHWISE,
                _depthwise(
                    INT16,
                    "reduced16",
                    Precision.FLOAT64,
                    f"{INTEGER_OPS}depthwise_conv.h",
                    (_FOUR_BITS_AS_EIGHT,),
                ),
                hybrid_row(
                    hybrid_depthwise_conv_2d,
                    "acc*(sw*s) + bias",
                    f"{INTEGER_OPS}depthwise_conv.h",
                    int8_weights,
                    (SHARED_SCALE,),
                ),
                floating_row(
                    depthwise_conv_2d_float,
                    f"{REFERENCE_OPS}depthwiseconv_float.h",
                    float_depthwise_terms,
                ),
            ),
            "tflm": (NotModelled(INT16, _reads_int64, when=tflm_int32_bias, defects=(TFLM_BIAS,)),),
            "cmsis-nn": (
                *cmsis_nn.DEPTHWISE,
                _depthwise(
                    INT8,
                    "double",
                    Precision.FLOAT64,
                    f"{_CMSIS_NN}arm_depthwise_conv_wrapper_s8.c",
                ),
                _depthwise(
                    INT16,
                    "reduced16-wrapping",
                    Precision.FLOAT64,
                    f"{_CMSIS_NN}arm_depthwise_conv_s16.c",
                ),
            ),
        },
        Roles(weights=1, weight_axis=3, bias=2),
        sums_once=True,
        depthwise=True,
        slips=frozenset({Slip.WEIGHTS, Slip.PADDING, Slip.SUM, Slip.CHANNEL_ORDER}),
        rereadings=(transposed, rotated, as_chw),
        worst=Worst.BY_WEIGHTS,
        window=recorded_windows,
        lines=conv_lines,
        fields=Fields(depthwise_fields, less_zero_point),
        smallest=_smallest_depthwise,
        form=Form.DEPTHWISE,
        refusals=refusals.DEPTHWISE_CONV_2D,
    ),
)
