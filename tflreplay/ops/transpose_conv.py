"""TRANSPOSE_CONV: every input element times every tap, added up where it lands.

Of int8 and uint8 activations the sums are int32. Of int16 by int8 (16x8) they are int64 and
requantized by ``reduced16``; where the options declare an int32 bias, int32 and by ``double``. TFLM
has int64 sums of int16 always.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.functions import fused_multiply_add
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ground.window import Window, window
from tflreplay.ops.base import refusals
from tflreplay.ops.base.aarch64 import not_on_aarch64
from tflreplay.ops.base.call import Call, clamp_real
from tflreplay.ops.base.card import Card, Slip
from tflreplay.ops.base.cmsis_nn import CMSIS_NN, wrong
from tflreplay.ops.base.conditions import Condition, Site, condition, every
from tflreplay.ops.base.floating import check_float32, rounded_sums
from tflreplay.ops.base.hybrid import (
    asymmetric,
    plus,
    weight_scales,
    xnnpack_quantize,
)
from tflreplay.ops.base.layouts import as_hwio, as_oihw, rotated, transposed
from tflreplay.ops.base.ledger import Sum, Terms
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.predicates import image, one_input, plain_activation
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.row import Defect, Kernel, Row
from tflreplay.ops.base.smallest import Smallest
from tflreplay.ops.base.sums import Sums, accumulator_bits, centred_weights, weighted_accumulation
from tflreplay.ops.base.terms import Arrays, Index, grid, weighted_sum
from tflreplay.ops.base.types import FLOAT, INT8, INT16, UINT8
from tflreplay.ops.base.weight_defects import TFLM_BIAS, UNDECLARED_BIAS, WRAPPING
from tflreplay.ops.base.weighted_rows import (
    before_xnnpack_hybrid,
    floating_row,
    hybrid_row,
    lowest_products,
    uint8_on_aarch64,
    xnnpack_hybrid_row,
    xnnpack_row,
)
from tflreplay.ops.base.weights import (
    as_many_scales,
    bias_or_none,
    float_bias_or_none,
    int8_weights,
    int32_sums,
    may_wrap,
    no_zero_point,
    per_tensor,
    quantized_weights,
    static_weights,
)
from tflreplay.ops.base.words import (
    CONVOLUTION_FLOAT64,
    INTEGER_OPS,
    MICRO,
    OPTIMIZED_HEADER,
    OPTIMIZED_INTEGER_OPS,
    REFERENCE_OPS,
    in_both_precisions,
)

# ---- reference, optimized and XNNPACK's kernels -----------------------------------------------


def transpose_conv(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> Accumulation:
    """``acc[b, y, x, o] = sum_{i, j, c} (in[b, (y+p-i)/s, (x+p-j)/s, c] - zx)
    * (w[o, i, j, c] - zw) + bias[o]``, over the i and j that both divide and lie inside.

    shape: int32 ``(4,)``, the output's; weights OHWI, uint8 for uint8, else int8, per-channel
    scales along O or one scale; x: int8, uint8 or int16 NHWC; bias ``(O,)``, int32 or, for int16,
    int64. The accumulator is as wide as the bias. ``TransposeConv`` in
    ``tflite/kernels/internal/reference/integer_ops/transpose_conv.h``, which ignores the weights'
    zero point, and in ``.../reference/transpose_conv.h``, which does not.
    """
    x_tensor, w_tensor = call.input(2), call.input(1)
    if w_tensor.dtype == "int4":
        raise NotReplayed(f"{call.op.name} of {x_tensor.dtype} activations by int4 weights")
    bits = accumulator_bits(call, x_tensor, bias)
    centred = centred_weights(call, x_tensor, w_tensor, weights)
    # Elements meet different numbers of taps, so the zero point is subtracted beforehand: 9 bits.
    matrix = centred.reshape(len(weights), -1).T
    sums = Sums.of(matrix, 0, bias, np.dtype(np.int16), bits)
    codes = x.astype(sums.dtype) - x_tensor.zero_point
    values = _scattered(call, shape, codes, centred.astype(sums.dtype))
    values += sums.constant.astype(sums.dtype)
    return weighted_accumulation(call, x_tensor, sums.wrapped(values), bits)


def _terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    weights, x = arrays[1], arrays[2]
    image, *place, channel = index
    padding, strides = call.option("padding"), (call.option("stride_h"), call.option("stride_w"))
    i, j = (
        _landing(window(shape[axis], weights.shape[axis], stride, 1, padding), at, x.shape[axis])
        for axis, stride, at in zip((1, 2), strides, place, strict=True)
    )
    i, j, c = grid(i, j, np.arange(x.shape[3]))
    full = np.full_like
    return weighted_sum(
        call,
        arrays,
        np.stack([full(c, image), i[:, 1], j[:, 1], c], axis=1),
        np.stack([full(c, channel), i[:, 0], j[:, 0], c], axis=1),
        channel,
        taps=None,
        centred=call.input(1).dtype == "uint8",
        roles=_ROLES,
    )


def _landing(w: Window, output: int, size: int) -> Array:
    """``(taps, 2)``: which taps bring an input to this output, and which input each does."""
    taps = np.arange(w.size)
    moved = output + w.before - taps
    pairs = np.stack([taps, moved // w.stride], axis=1)
    inside = (moved % w.stride == 0) & (moved >= 0) & (moved < size * w.stride)
    return np.asarray(pairs[inside])


def transpose_conv_float(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> Array:
    """As :func:`transpose_conv`, all float32.

    ``TransposeConv`` in ``tflite/kernels/internal/reference/transpose_conv.h``.
    """
    check_float32(call, 2, 1)
    sums = _scattered(call, shape, x.astype(np.float64), weights.astype(np.float64))
    return rounded_sums(call, sums, bias)


# ---- float32 by int8 weights ------------------------------------------------------------------


def hybrid_transpose_conv(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> Array:
    """``y[b, y, x, o] = sum_{i, j, c} (q - z[b]) * w[o, i, j, c] * sw[o] * s[b] + bias[o]``.

    x: float32 NHWC; weights int8 OHWI; bias float32. q, s and z quantize each image asymmetrically.
    Every term is a float32 of its own, added in the order of the inputs: row, column, channel.
    ``HybridTransposeConv`` in ``tflite/kernels/internal/reference/transpose_conv.h``.
    """
    quantized = asymmetric(x.reshape(len(x), -1))
    codes = quantized.codes.reshape(x.shape).astype(np.int32)
    centred = (codes - quantized.zero_point.reshape(-1, 1, 1, 1)).astype(np.float32)
    scale, of_weights = quantized.scale.reshape(-1, 1, 1, 1), weight_scales(call)
    taps = weights.astype(np.float32)

    def terms(i: int, j: int) -> Iterator[Array]:
        for channel in range(x.shape[3]):
            # Products of 9 bits by 8 are exact.
            yield centred[..., channel, None] * taps[:, i, j, channel] * of_weights * scale

    return clamp_real(call, plus(_landed(call, shape, x, weights, terms), bias))


def xnnpack_hybrid_transpose_conv(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> Array:
    """``y[b, y, x, o] = fma(acc[b, y, x, o] * s[b], sw[o], bias[o])``.

    x: float32 NHWC; weights int8 OHWI; bias float32. acc is the sum over codes that quantize each
    image. ``src/qd8-f32-qc8w-igemm``.
    """
    quantized, inverse = xnnpack_quantize(x.reshape(len(x), -1))
    codes = quantized.codes.reshape(x.shape).astype(np.int64)
    acc = _scattered(
        call, shape, codes - quantized.zero_point.reshape(-1, 1, 1, 1), weights.astype(np.int64)
    )
    scaled = acc.astype(np.float32) * inverse.reshape(-1, 1, 1, 1)
    addend = np.zeros(len(weights), np.float32) if bias is None else bias
    return clamp_real(call, fused_multiply_add(scaled, weight_scales(call), addend))


def _float_terms(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> int:
    """In each sum at most, the bias among them."""
    return int(math.prod(weights.shape[1:]) + 1)


def _scattered(call: Call, shape: Array, x: Array, weights: Array) -> Array:
    """Every element of x times every tap, added up where it lands: of ``shape``, in x's dtype."""

    def terms(i: int, j: int) -> Iterator[Array]:
        yield x @ weights[:, i, j].T

    return _landed(call, shape, x, weights, terms)


def _landed(
    call: Call,
    shape: Array,
    x: Array,
    weights: Array,
    terms: Callable[[int, int], Iterator[Array]],
) -> Array:
    """Terms of the tap (i, j), one for each element of x, added up where they land.

    Of ``shape``, in x's dtype.

    Raises:
        NotReplayed: an output of this shape does not belong to x.
    """
    batch, height, width, channels = (int(size) for size in shape)
    _, in_height, in_width, _ = x.shape
    _, kernel_height, kernel_width, _ = weights.shape
    # The windows of the convolution that leads from the output back to x.
    padding = call.option("padding")
    rows = window(height, kernel_height, call.option("stride_h"), 1, padding)
    columns = window(width, kernel_width, call.option("stride_w"), 1, padding)
    if (rows.outputs, columns.outputs) != (in_height, in_width):
        raise NotReplayed(f"{call.op.name} to {height}x{width} from {in_height}x{in_width}")
    full = np.zeros(
        (
            batch,
            rows.before + height + rows.after,
            columns.before + width + columns.after,
            channels,
        ),
        x.dtype,
    )
    # What lands in one place comes in the order of the inputs.
    for i in reversed(range(kernel_height)):
        for j in reversed(range(kernel_width)):
            bottom = i + (in_height - 1) * rows.stride + 1
            right = j + (in_width - 1) * columns.stride + 1
            where = full[:, i : bottom : rows.stride, j : right : columns.stride]
            for term in terms(i, j):
                where += term
    return full[:, rows.before :, columns.before :][:, :height, :width]


@condition
def constant_shape(site: Site) -> bool:
    """constant output shape"""
    return site.input(site.roles.shape).is_constant


@condition
def no_gaps(site: Site) -> bool:
    """SAME: strides no larger than the kernel, VALID: outputs no smaller"""
    kernel = image(site.weights)[1:3]
    if site.option("padding") == "SAME":
        strides = site.option("stride_h"), site.option("stride_w")
        return all(size >= stride for size, stride in zip(kernel, strides, strict=True))
    outputs = image(site.output)[1:3]
    return all(size <= output for size, output in zip(kernel, outputs, strict=True))


# ---- TFLM -------------------------------------------------------------------------------------


def tflm_transpose_conv(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> Accumulation:
    """As :func:`transpose_conv`, in an int64 accumulator.

    x: int16; bias int64 or int16. ``tensorflow/lite/micro/kernels/transpose_conv.cc``.

    Raises:
        NotReplayed: an int32 bias, which TFLM reads as int64.
    """
    if bias is not None and bias.dtype == np.int32:
        raise NotReplayed(f"{call.op.name} on int16: TFLM reads the int32 bias as int64")
    wide = np.zeros(len(weights), np.int64) if bias is None else bias.astype(np.int64)
    return transpose_conv(call, shape, weights, x, wide)


# XNNPACK takes int8 weights of several scales.
_SEVERAL_SCALES_SINCE = {"litert": "0", "tensorflow": "2.18.0"}
# Which ops XNNPACK takes.
_TAKEN = every(
    one_input, plain_activation, static_weights(0), constant_shape, bias_or_none, no_gaps
)
_HYBRID = every(
    plain_activation,
    int8_weights,
    quantized_weights(0),
    constant_shape,
    float_bias_or_none,
    no_gaps,
)
_SEVERAL_SCALES = every(_TAKEN, as_many_scales)
_ONE_SCALE = every(_TAKEN, per_tensor)
_ROLES = Roles(activation=2, weights=1, bias=3, shape=0)


def _row(
    types: tuple[str, ...],
    rule: str,
    multiplier: Precision,
    source: str,
    when: Condition | None = None,
    defects: tuple[Defect, ...] = (),
) -> Row:
    return Row(
        types,
        transpose_conv,
        rule,
        multiplier,
        source=source,
        when=when,
        ledger=Terms(_terms),
        defects=defects,
    )


_XNNPACK = xnnpack_row(transpose_conv, _ONE_SCALE, ledger=Terms(_terms))

# ---- CMSIS-NN ---------------------------------------------------------------------------------


@condition
def overruns(site: Site) -> bool:
    """sizes that no input fills, at a stride above 2 or 16 channels or fewer"""
    x, w, y = image(site.activation), image(site.weights), image(site.output)
    strides = site.option("stride_h"), site.option("stride_w")
    as_convolution = max(strides) <= 2 and x[3] > 16
    if as_convolution or min(strides) < 1:
        return False
    (h, above), (width, left) = (
        (x[axis], window(y[axis], w[axis], stride, 1, site.option("padding")).before)
        for axis, stride in zip((1, 2), strides, strict=True)
    )
    rows = max(h * strides[0], (h - 1) * strides[0] + w[1])
    columns = (width - 1) * strides[1] + max(w[2], strides[1])
    return bool(h * strides[0] - above > y[1] or y[1] + above > rows or y[2] + left > columns)


# ---- as ports get it wrong ---------------------------------------------------------------------

Landing = Callable[[Window, Window], tuple[Window, Window]]
_LANDS = "an input at y lands at y * stride - padding + tap, and what lands in one place is summed"


def _ported(
    landing: Landing = lambda rows, columns: (rows, columns), overwritten: bool = False
) -> Kernel:
    """Products of other windows, summed, or the last one kept of those that lie in the output."""

    def kernel(
        call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
    ) -> Accumulation:
        x_tensor, padding = call.input(2), call.option("padding")
        rows, columns = landing(
            *(
                window(int(shape[a]), weights.shape[a], call.option(f"stride_{h}"), 1, padding)
                for a, h in ((1, "h"), (2, "w"))
            )
        )
        centred = centred_weights(call, x_tensor, call.input(1), weights).astype(np.int64)
        codes = x.astype(np.int64) - x_tensor.zero_point
        values = np.zeros(tuple(int(size) for size in shape), np.int64)
        for y, at, i, j in product(*map(range, (*x.shape[1:3], *weights.shape[1:3]))):
            place = y * rows.stride - rows.before + i, at * columns.stride - columns.before + j
            if all(0 <= p < size for p, size in zip(place, values.shape[1:3], strict=True)):
                term = codes[:, y, at] @ centred[:, i, j].T
                where = (slice(None), *place)
                values[where] = term if overwritten else term + values[where]
        values += 0 if bias is None else bias.astype(np.int64)
        return weighted_accumulation(call, x_tensor, values, 64)

    return kernel


def _moved(**of: Callable[[Window], int]) -> Landing:
    """Fields of both windows, each from the window itself."""

    def landing(rows: Window, columns: Window) -> tuple[Window, Window]:
        return tuple(  # type: ignore[return-value]
            replace(w, **{name: value(w) for name, value in of.items()}) for w in (rows, columns)
        )

    return landing


def _strided(of: Callable[[int, int], tuple[int, int]]) -> Landing:
    def landing(rows: Window, columns: Window) -> tuple[Window, Window]:
        h, w = of(rows.stride, columns.stride)
        return replace(rows, stride=h), replace(columns, stride=w)

    return landing


_PORTED = (
    Ported(
        "last product kept instead of the sum",
        "overwrite what landed in a place before, where it must be added to",
        _LANDS,
        _ported(overwritten=True),
    ),
    Ported(
        "padding not cut off",
        "leave the padding in, at the top and the left of the output",
        _LANDS,
        _ported(_moved(before=lambda w: 0)),
    ),
    Ported(
        "padding cut off at the wrong side",
        "cut off before the output what must be cut off after it",
        _LANDS,
        _ported(_moved(before=lambda w: w.after)),
    ),
    Ported(
        "padding of the kernel's size",
        "cut off kernel size - 1 rows and columns",
        _LANDS,
        _ported(_moved(before=lambda w: w.size - 1)),
    ),
    Ported("stride left out", "move by 1", _LANDS, _ported(_moved(stride=lambda w: 1))),
    *(
        Ported(f"stride{title}", f"use the {you}", _LANDS, _ported(_strided(of)))
        for title, you, of in (
            (
                "s exchanged",
                "height's stride for the width, and the width's for the height",
                lambda h, w: (w, h),
            ),
            (" of the height for both", "height's stride for the width", lambda h, w: (h, h)),
            (" of the width for both", "width's stride for the height", lambda h, w: (w, w)),
        )
    ),
)


def _smallest(size: int) -> Smallest:
    shape = (1, 1, 1, size)
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1}
    inputs = (np.array(shape, np.int32), (size, 1, 1, 2), (1, 1, 1, 2))
    return Smallest(inputs, shape, "TransposeConvOptions", options)


CARDS = (
    Card(
        "TRANSPOSE_CONV",
        {
            "xnnpack": (
                lowest_products(INT8, _TAKEN),
                *uint8_on_aarch64(_XNNPACK),
                xnnpack_row(
                    transpose_conv,
                    every(_SEVERAL_SCALES, may_wrap),
                    WRAPPING,
                    types=INT8,
                    since=_SEVERAL_SCALES_SINCE,
                    ledger=Terms(_terms),
                ),
                xnnpack_row(
                    transpose_conv,
                    _SEVERAL_SCALES,
                    types=INT8,
                    since=_SEVERAL_SCALES_SINCE,
                    ledger=Terms(_terms),
                ),
                xnnpack_row(
                    transpose_conv,
                    every(_ONE_SCALE, may_wrap),
                    WRAPPING,
                    types=INT8,
                    ledger=Terms(_terms),
                ),
                _XNNPACK,
                before_xnnpack_hybrid(_HYBRID),
                xnnpack_hybrid_row(
                    xnnpack_hybrid_transpose_conv,
                    "each image",
                    "src/qd8-f32-qc8w-igemm",
                    _HYBRID,
                ),
            ),
            "optimized": (
                _row(INT8, "neon8", Precision.FLOAT64, f"{OPTIMIZED_INTEGER_OPS}transpose_conv.h"),
                *in_both_precisions(
                    _row(UINT8, "neon16-flat", Precision.FLOAT32_PRODUCT, OPTIMIZED_HEADER),
                    CONVOLUTION_FLOAT64,
                ),
                _row(
                    INT16,
                    "neon8",
                    Precision.FLOAT64,
                    f"{OPTIMIZED_INTEGER_OPS}transpose_conv.h",
                    every(int32_sums, no_zero_point),
                ),
            ),
            "reference": (
                _row(INT8, "double", Precision.FLOAT64, f"{INTEGER_OPS}transpose_conv.h"),
                *in_both_precisions(
                    _row(
                        UINT8,
                        "double",
                        Precision.FLOAT32_PRODUCT,
                        f"{REFERENCE_OPS}transpose_conv.h",
                    ),
                    CONVOLUTION_FLOAT64,
                ),
                _row(
                    INT16,
                    "double",
                    Precision.FLOAT64,
                    f"{INTEGER_OPS}transpose_conv.h",
                    int32_sums,
                ),
                _row(
                    INT16,
                    "reduced16",
                    Precision.FLOAT64,
                    f"{INTEGER_OPS}transpose_conv.h",
                    defects=(UNDECLARED_BIAS,),
                ),
                not_on_aarch64(FLOAT, int8_weights),
                hybrid_row(
                    hybrid_transpose_conv,
                    "sum of ((q-z)*w)*sw*s, in order, + bias",
                    f"{REFERENCE_OPS}transpose_conv.h",
                    int8_weights,
                ),
                floating_row(
                    transpose_conv_float, f"{REFERENCE_OPS}transpose_conv.h", _float_terms
                ),
            ),
            "tflm": (
                Row(
                    INT16,
                    tflm_transpose_conv,
                    "reduced16",
                    Precision.FLOAT64,
                    source=f"{MICRO}transpose_conv.cc",
                    defects=(TFLM_BIAS,),
                    ledger=Terms(_terms),
                ),
            ),
            "cmsis-nn": (
                wrong(INT8, "writes rows to the wrong place, or past the output", overruns),
                _row(
                    INT8,
                    "double",
                    Precision.FLOAT64,
                    f"{CMSIS_NN}ConvolutionFunctions/arm_transpose_conv_wrapper_s8.c",
                ),
            ),
        },
        _ROLES,
        sums_once=True,
        slips=frozenset({Slip.WEIGHTS, Slip.SUM}),
        rereadings=(transposed, rotated, as_hwio, as_oihw),
        ported=_PORTED,
        smallest=_smallest,
        refusals=refusals.TRANSPOSE_CONV,
    ),
)
