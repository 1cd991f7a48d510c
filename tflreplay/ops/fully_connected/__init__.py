"""FULLY_CONNECTED."""

from __future__ import annotations

import math
from dataclasses import replace

from tflreplay.ground.machine import AARCH64, NO_DOT_PRODUCT
from tflreplay.ops.base import refusals
from tflreplay.ops.base.aarch64 import not_on_aarch64
from tflreplay.ops.base.card import Card, Form, Slip, Worst
from tflreplay.ops.base.conditions import Condition, Site, condition, every
from tflreplay.ops.base.fields import Fields, less_zero_point
from tflreplay.ops.base.layouts import as_depth_units
from tflreplay.ops.base.ledger import Terms
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.predicates import one_input, plain_activation
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.row import Defect, Row, Versions
from tflreplay.ops.base.smallest import Smallest
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT8, INT16, QUANTIZED
from tflreplay.ops.base.weight_defects import WRAPPING, signs_lost
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
    as_many_scales,
    bias_of_units,
    bias_or_none,
    default_format,
    float_bias_or_none,
    int4_weights,
    int8_weights,
    int8_zero_point,
    int32_sums,
    integer_weights,
    lowest_weights,
    may_wrap,
    no_int8_zero_point,
    no_int64_bias,
    no_zero_point,
    per_channel,
    per_tensor,
    quantized_weights,
    static_weights,
    undeclared_int64,
)
from tflreplay.ops.base.words import (
    INTEGER_OPS,
    MICRO,
    MICRO_FLOAT64,
    OPTIMIZED_INTEGER_OPS,
    OPTIMIZED_OPS,
    REFERENCE_OPS,
    in_both_precisions,
)
from tflreplay.ops.fully_connected import cmsis_nn
from tflreplay.ops.fully_connected.floating import (
    float_terms,
    four_bit_kernel,
    fully_connected_float,
    hybrid_by_whole_weights,
    hybrid_four_bit,
    hybrid_four_bit_from_8,
    hybrid_fully_connected,
    kleidi_fully_connected,
    lowest_four_bits,
    xnnpack_hybrid_fully_connected,
)
from tflreplay.ops.fully_connected.hybrid_aarch64 import (
    four_bit_from_8_on_aarch64,
    four_bit_on_aarch64,
    hybrid_on_aarch64,
)
from tflreplay.ops.fully_connected.in_16_bits import (
    fully_connected_in_16_bits,
    terms_in_16_bits,
)
from tflreplay.ops.fully_connected.integer import (
    connected_fields,
    connected_lines,
    connected_terms,
    fully_connected,
    fully_connected_in_32_bits,
    uncentred_terms,
    xnnpack_four_bit,
    xnnpack_ignoring_zero_point,
)


@condition
def several_rows(site: Site) -> bool:
    """more than one row, fewer than 4 units, or a depth below 8"""
    if len(site.weights.shape) != 2:
        return False
    units, depth = site.weights.shape
    return math.prod(site.activation.shape) != depth or units < 4 or depth < 8


# LiteRT 921360770.
_ROUNDED_ONCE = {"litert": "1.3.0", "tensorflow": "2.20.0"}
# A quantized_bias_type of INT64 counts without a bias, too.
_DECLARED_COUNTS = {"litert": "2.1.5", "tensorflow": "2.22.0"}
# LiteRT 45dd41fd2.
_ZERO_POINT_CORRECTED = {"litert": "2.1.5", "tensorflow": "2.22.0"}
# Weights of -8 are packed rightly: in the first nightly build of 2.4.0, not in 2.3.0.
_LOWEST_CORRECTED = {"litert": "2.4.0.dev20261008"}
# XNNPACK takes int4 weights, and then those of one scale, too.
_FOUR_BITS_SINCE = {"litert": "1.3.0", "tensorflow": "2.20.0"}
_ONE_SCALE_SINCE = {"litert": "2.1.5", "tensorflow": "2.22.0"}

# Which ops XNNPACK takes.
_TAKEN = every(one_input, plain_activation, default_format, bias_or_none, bias_of_units)
_EIGHT_BIT_WEIGHTS = every(_TAKEN, static_weights(0), no_int8_zero_point)
_FOUR_BIT_WEIGHTS = every(_TAKEN, int4_weights, quantized_weights(0))
_HYBRID = every(
    plain_activation, default_format, quantized_weights(0), float_bias_or_none, bias_of_units
)
_HYBRID_EIGHT_BITS = every(_HYBRID, int8_weights)
_HYBRID_FOUR_BITS = every(_HYBRID, int4_weights)
_HYBRID_SEVERAL_SCALES = every(_HYBRID, int4_weights, as_many_scales)
BY_ROWS = xnnpack_hybrid_row(
    xnnpack_hybrid_fully_connected, "each row", "src/qd8-f32-qc8w-gemm", _HYBRID_EIGHT_BITS
)
# Which sums of int16 the optimized kernels keep in 32 bits.
_NO_INT64 = every(undeclared_int64, no_int64_bias)


def _connected(
    types: tuple[str, ...],
    rule: str,
    multiplier: Precision,
    source: str = f"{INTEGER_OPS}fully_connected.h",
    when: Condition | None = None,
    since: Versions | None = None,
) -> Row:
    return Row(
        types,
        fully_connected,
        rule,
        multiplier,
        source=source,
        when=when,
        since=since or {},
        ledger=Terms(connected_terms),
    )


def _in_32_bits(multiplier: Precision, when: Condition, until: Versions | None = None) -> Row:
    return Row(
        INT16,
        fully_connected_in_32_bits,
        "double-up",
        multiplier,
        "32-bit sums",
        f"{OPTIMIZED_INTEGER_OPS}fully_connected.h",
        when=when,
        until=until or {},
        ledger=Terms(connected_terms),
    )


def _four_bits(when: Condition, rule: str, since: Versions) -> Row:
    return xnnpack_row(
        xnnpack_four_bit,
        when,
        rule,
        "28-bit accumulator",
        INT8,
        since,
        ledger=Terms(uncentred_terms),
    )


_XNNPACK = xnnpack_row(fully_connected, _EIGHT_BIT_WEIGHTS, ledger=Terms(connected_terms))
_OPTIMIZED = f"{OPTIMIZED_INTEGER_OPS}fully_connected.h"
_SEVERAL_SCALES = _connected(EIGHT_BITS, "double-up", Precision.FLOAT64, _OPTIMIZED, per_channel)
_ONE_SCALE = in_both_precisions(
    _connected(EIGHT_BITS, "double-up", Precision.FLOAT32_PRODUCT, _OPTIMIZED)
)
_IN_32_BITS = (
    _in_32_bits(Precision.FLOAT64, every(_NO_INT64, per_channel)),
    *in_both_precisions(_in_32_bits(Precision.FLOAT32_PRODUCT, every(_NO_INT64, no_zero_point))),
    _in_32_bits(Precision.FLOAT64, every(no_int64_bias, per_channel), _DECLARED_COUNTS),
    _in_32_bits(Precision.FLOAT32_PRODUCT, every(no_int64_bias, no_zero_point), _DECLARED_COUNTS),
)

_LOWEST_PACKED = Defect("packs int4 weights of -8 wrongly", lowest_four_bits)
_LOWEST = every(several_rows, lowest_weights)


def _in_16_bits(row: Row) -> Row:
    """The optimized row by ruy's kernels for CPUs without dot products."""
    return replace(
        by_ruy(row, _LOWEST if row.when is None else every(row.when, _LOWEST)),
        kernel=fully_connected_in_16_bits,
        algorithm="products added two by two in 16 bits",
        ledger=Terms(terms_in_16_bits),
        on=NO_DOT_PRODUCT,
    )


_ONCE = _connected(QUANTIZED, "float-away64", Precision.FLOAT64, since=_ROUNDED_ONCE)


def _smallest(size: int) -> Smallest:
    return Smallest(((1, 1), (size, 1)), (1, size), "FullyConnectedOptions")


CARDS = (
    Card(
        "FULLY_CONNECTED",
        {
            "xnnpack": (
                xnnpack_row(
                    fully_connected,
                    every(_EIGHT_BIT_WEIGHTS, may_wrap),
                    WRAPPING,
                    types=INT8,
                    ledger=Terms(connected_terms),
                ),
                lowest_products(INT8, _EIGHT_BIT_WEIGHTS),
                with_sme(_XNNPACK, _EIGHT_BIT_WEIGHTS),
                *uint8_on_aarch64(_XNNPACK),
                _XNNPACK,
                not_on_aarch64(FLOAT, _HYBRID_FOUR_BITS),
                before_xnnpack_hybrid(_HYBRID_EIGHT_BITS),
                before_xnnpack_hybrid(_HYBRID_SEVERAL_SCALES),
                lowest_products(FLOAT, _HYBRID_EIGHT_BITS),
                replace(BY_ROWS, on=NO_DOT_PRODUCT),
                by_kleidi(BY_ROWS, kleidi_fully_connected, "each row"),
                BY_ROWS,
                xnnpack_hybrid_row(
                    xnnpack_hybrid_fully_connected,
                    "each row",
                    "src/qd8-f32-qc4w-gemm",
                    _HYBRID_SEVERAL_SCALES,
                ),
                xnnpack_hybrid_row(
                    xnnpack_hybrid_fully_connected,
                    "each row",
                    "src/qd8-f32-qc4w-gemm",
                    _HYBRID_FOUR_BITS,
                    _ONE_SCALE_SINCE,
                ),
                xnnpack_row(
                    xnnpack_ignoring_zero_point,
                    every(_TAKEN, static_weights(0), int8_zero_point),
                    algorithm="the weights' zero point is ignored",
                    types=INT8,
                    until=_ZERO_POINT_CORRECTED,
                    ledger=Terms(uncentred_terms),
                    defects=(
                        Defect(
                            "ignores the zero point of the weights",
                            int8_zero_point,
                            right=fully_connected,
                        ),
                    ),
                ),
                _four_bits(every(_FOUR_BIT_WEIGHTS, may_wrap), WRAPPING, _ONE_SCALE_SINCE),
                _four_bits(_FOUR_BIT_WEIGHTS, "float-even32", _ONE_SCALE_SINCE),
                _four_bits(
                    every(_FOUR_BIT_WEIGHTS, as_many_scales, may_wrap),
                    WRAPPING,
                    _FOUR_BITS_SINCE,
                ),
                _four_bits(
                    every(_FOUR_BIT_WEIGHTS, as_many_scales), "float-even32", _FOUR_BITS_SINCE
                ),
            ),
            "optimized": (
                *map(_in_16_bits, (_SEVERAL_SCALES, *_ONE_SCALE)),
                lowest_products(EIGHT_BITS),
                by_ruy(_SEVERAL_SCALES, every(per_channel, several_rows)),
                *(by_ruy(row, several_rows) for row in _ONE_SCALE),
                *(by_ruy(row) for row in _IN_32_BITS if not row.until),
                not_on_aarch64(INT16, no_int64_bias, _DECLARED_COUNTS),
                _SEVERAL_SCALES,
                *_ONE_SCALE,
                *_IN_32_BITS,
                replace(
                    hybrid_row(
                        four_bit_from_8_on_aarch64,
                        "fma(-8*sum*s, sw, bias) + acc*s*sw",
                        f"{OPTIMIZED_OPS}4bit/neon_fully_connected.cc",
                        four_bit_kernel,
                        since=_LOWEST_CORRECTED,
                    ),
                    on=AARCH64,
                ),
                replace(
                    hybrid_row(
                        four_bit_on_aarch64,
                        "fma(-7*sum*s, sw, bias) + acc*s*sw",
                        f"{OPTIMIZED_OPS}4bit/neon_fully_connected.cc",
                        four_bit_kernel,
                        (_LOWEST_PACKED,),
                    ),
                    on=AARCH64,
                ),
                hybrid_row(
                    hybrid_four_bit_from_8,
                    "(-8*sum*s*sw + bias) + acc*s*sw",
                    f"{OPTIMIZED_OPS}4bit/",
                    four_bit_kernel,
                    since=_LOWEST_CORRECTED,
                ),
                hybrid_row(
                    hybrid_four_bit,
                    "(-7*sum*s*sw + bias) + acc*s*sw",
                    f"{OPTIMIZED_OPS}4bit/",
                    four_bit_kernel,
                    (_LOWEST_PACKED,),
                ),
            ),
            "reference": (
                replace(_ONCE, rule="float-away64-saturating", on=AARCH64),
                _ONCE,
                _connected(EIGHT_BITS, "double", Precision.FLOAT64, when=per_channel),
                _connected(EIGHT_BITS, "double", Precision.FLOAT32_PRODUCT),
                _connected(INT16, "double", Precision.FLOAT64, when=every(int32_sums, per_channel)),
                _connected(INT16, "double", Precision.FLOAT32_PRODUCT, when=int32_sums),
                _connected(INT16, "reduced16", Precision.FLOAT64, when=per_channel),
                _connected(INT16, "reduced16", Precision.FLOAT32_PRODUCT),
                replace(
                    hybrid_row(
                        hybrid_on_aarch64,
                        "fma(acc, sw*s, bias)",
                        f"{OPTIMIZED_OPS}neon_tensor_utils.cc",
                        integer_weights,
                    ),
                    on=AARCH64,
                ),
                hybrid_row(
                    hybrid_fully_connected,
                    "acc*(sw*s) + bias",
                    "fully_connected.cc",
                    integer_weights,
                    (signs_lost(hybrid_by_whole_weights),),
                ),
                floating_row(
                    fully_connected_float, f"{REFERENCE_OPS}fully_connected.h", float_terms
                ),
            ),
            "tflm": tuple(
                _connected(
                    types,
                    rule,
                    Precision.FLOAT64,
                    f"{MICRO}fully_connected_common.cc",
                    when,
                    MICRO_FLOAT64,
                )
                for types, rule, when in (
                    (INT8, "double", None),
                    (INT16, "double", int32_sums),
                    (INT16, "reduced16", None),
                )
            ),
            "cmsis-nn": cmsis_nn.ROWS,
        },
        Roles(weights=1, bias=2),
        kinds=(("one weight scale", per_tensor),),
        sums_once=True,
        slips=frozenset({Slip.WEIGHTS, Slip.SUM}),
        rereadings=(as_depth_units,),
        worst=Worst.BY_WEIGHTS,
        lines=connected_lines,
        fields=Fields(connected_fields, less_zero_point),
        smallest=_smallest,
        form=Form.CONNECTED,
        refusals=refusals.FULLY_CONNECTED,
    ),
)
