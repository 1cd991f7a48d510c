"""QUANTIZE and DEQUANTIZE: from real numbers or other codes to codes, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflreplay.ground.c import to_int32
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.functions import fused_multiply_add
from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import (
    Accumulation,
    Array,
    Multiplier,
    round_half_away,
    wrap32,
)
from tflreplay.model import Operator, Subgraph, Tensor
from tflreplay.ops.base.call import Call, accumulation
from tflreplay.ops.base.card import Card, Slip, Worst
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.ledger import Sum, Terms
from tflreplay.ops.base.loops import vector_body
from tflreplay.ops.base.predicates import (
    few_dimensions,
    one_scale,
    ratio,
    requantizable,
    to_eight_bits,
)
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.smallest import alone
from tflreplay.ops.base.terms import Arrays, Index, by_eight_bits, centred, input_code
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, QUANTIZED
from tflreplay.ops.base.words import MICRO, NOT_TFLM, OPTIMIZED_HEADER, REFERENCE_OPS

# Output types by input type.
_CONVERSIONS = {
    "float32": ("int8", "uint8", "int16"),
    "int8": ("int8", "uint8", "int16"),
    "uint8": ("int8", "uint8", "int16"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
}


# ---- reference kernels ------------------------------------------------------------------------


def quantize(call: Call, x: Array) -> Accumulation | Array:
    """From float32: ``clamp(round_half_away(x / so) + zo)``; else ``requantize(x - zi)``.

    x: float32, int8, uint8, int16 or int32 of any shape. The float32 quotient becomes int32 as
    x86 converts it: NaN and all that does not fit give -2**31. Scale and zero point may be per
    axis. The requantization's multiplier is ``si / so`` in float64.
    ``tflite/kernels/quantize.cc``, ``AffineQuantize`` in
    ``tflite/kernels/internal/reference/quantize.h`` and ``Requantize`` in ``.../requantize.h``.
    """
    ti, to = call.input(0), call.output
    if to.dtype not in _CONVERSIONS[ti.dtype]:
        raise NotReplayed(f"QUANTIZE from {ti.dtype} to {to.dtype}")
    if ti.dtype == "float32":
        return _from_float(to, x, saturating=False)
    multiplier = Multiplier.of(ti.scale / to.scale)
    return accumulation(call, wrap32(x.astype(np.int64) - ti.zero_point), multiplier)


def quantize_saturating(call: Call, x: Array) -> Array:
    """As :func:`quantize` from float32 on aarch64: NaN becomes 0 and the zero point is added, what
    does not fit int32 saturates.
    """
    if call.output.dtype not in _CONVERSIONS["float32"]:
        raise NotReplayed(f"QUANTIZE from float32 to {call.output.dtype}")
    return _from_float(call.output, x, saturating=True)


def _from_float(to: Tensor, x: Array, saturating: bool) -> Array:
    scale, zero_point = _parameters(to, x.ndim)
    with np.errstate(all="ignore"):
        rounded = round_half_away(x / scale)
    code = wrap32(to_int32(rounded, saturating) + zero_point)
    return np.clip(code, *to.code_range).astype(to.numpy_dtype)


def dequantize(call: Call, x: Array) -> Array:
    """``float32(si * (x - zi))``, the product in float64; float16 is widened.

    x: int8, uint8, int16, int4 or float16 of any shape. Scale and zero point may be per axis.
    ``Dequantize`` in ``tflite/kernels/internal/reference/dequantize.h``.
    """
    ti = call.input(0)
    if ti.dtype == "float16":
        return x.astype(np.float32)
    scale, zero_point = _parameters(ti, x.ndim)
    real: Array = scale.astype(np.float64) * (x - zero_point)
    return real.astype(np.float32)


def _parameters(tensor: Tensor, rank: int) -> tuple[Array, Array]:
    """Scale (float32) and zero point (int64), of a shape that broadcasts over the tensor."""
    quantization = tensor.quantization
    if quantization is None:
        raise NotReplayed(f"tensor {tensor.label} has no quantization parameters")
    shape = [1] * rank
    if quantization.per_axis:
        shape[quantization.axis] = -1
    return quantization.scale.reshape(shape), quantization.zero_point.reshape(shape)


# ---- optimized kernels, per tensor ------------------------------------------------------------

_WIDTH = 8


def optimized_quantize(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(x * float32(1 / so)) + zo)``, the product in float32.

    x: float32 of any shape, to int8, uint8 or int16. The last ``size % 8`` elements are
    ``clamp(round_half_away(x / so) + zo)``, the quotient in float64. What does not fit int32
    becomes -2**31, as x86 converts it. ``AffineQuantize`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    return _optimized_quantize(call, x, saturating=False)


def optimized_quantize_saturating(call: Call, x: Array) -> Array:
    """As :func:`optimized_quantize` on aarch64: NaN gives 0, what does not fit int32 saturates."""
    return _optimized_quantize(call, x, saturating=True)


def _optimized_quantize(call: Call, x: Array, saturating: bool) -> Array:
    to = call.output
    body = vector_body(x.shape, _WIDTH, x.size)
    with np.errstate(all="ignore"):
        product = x * np.float32(1 / to.scale)
        scaled = np.where(body, product, x.astype(np.float64) / to.scale)
        rounded = np.where(body, np.rint(scaled), round_half_away(scaled))
    code = wrap32(to_int32(rounded, saturating) + to.zero_point)
    return np.clip(code, *to.code_range).astype(to.numpy_dtype)


def optimized_dequantize(call: Call, x: Array) -> Array:
    """``x * si + float32(-zi * si)``, each operation rounded to float32.

    x: int8, uint8, int16 or int4 of any shape. The last ``size % 8`` elements are those of the
    reference kernel. ``Dequantize`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    ti = call.input(0)
    body = x.astype(np.float32) * np.float32(ti.scale) + np.float32(-ti.zero_point * ti.scale)
    return np.where(vector_body(x.shape, _WIDTH, x.size), body, dequantize(call, x))


def optimized_dequantize_fused(call: Call, x: Array) -> Array:
    """As :func:`optimized_dequantize`, but ``x * si`` is not rounded before it is added to.

    x: int8, uint8 or int4. ``ScaleWithNewZeroPoint`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``, for NEON.
    """
    ti = call.input(0)
    offset = np.float32(-ti.zero_point * ti.scale)
    body = fused_multiply_add(x.astype(np.float32), np.float32(ti.scale), offset)
    return np.where(vector_body(x.shape, _WIDTH, x.size), body, dequantize(call, x))


@condition
def one_scale_each(site: Site) -> bool:
    """input and output with one scale each, or with none"""
    tensors = (site.activation.quantization, site.output.quantization)
    return not any(quantization and quantization.per_axis for quantization in tensors)


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_quantize(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(x * (1 / so)) + zo)`` in float32; NaN becomes the highest code.

    x: float32 of any shape; output int8 or uint8. ``src/qs8-vcvt`` and ``src/f32-qs8-vcvt``:
    the product is limited to 32767, which also takes the place of NaN, and saturates at -32768.
    """
    to = call.output
    with np.errstate(over="ignore", invalid="ignore"):
        product = x * (np.float32(1) / np.float32(to.scale))
    codes = np.rint(np.fmin(product, np.float32(32767)).clip(-32768)) + np.float32(to.zero_point)
    return np.asarray(codes.clip(*to.code_range).astype(to.numpy_dtype))


def xnnpack_quantize_saturating(call: Call, x: Array) -> Array:
    """As :func:`xnnpack_quantize` on aarch64: NaN becomes the zero point."""
    to = call.output
    with np.errstate(over="ignore", invalid="ignore"):
        product = x * (np.float32(1) / np.float32(to.scale))
    codes = np.where(np.isnan(product), 0, np.rint(product).clip(-(2**15), 2**15 - 1))
    return (codes + to.zero_point).clip(*to.code_range).astype(to.numpy_dtype)


def xnnpack_requantize(call: Call, x: Array) -> Accumulation:
    """``acc = (x - zi) * m``, requantized by 2**-8, ``m = round_half_even(256 * float32 si / so)``.

    x: int8 or uint8 of any shape, the output of the same type. ``xnn_init_qs8_cvt_scalar_params``
    in ``src/microparams-init.c``: the multiplier has 8 fractional bits only.
    """
    ti = call.input(0)
    multiplier = int(np.rint(np.float32(256) * ratio(ti, call.output)))
    values = (x.astype(np.int32) - ti.zero_point) * multiplier
    return accumulation(call, values, Multiplier.of(2.0**-8))


def _xnnpack_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    x = input_code(call, arrays, index)
    return by_eight_bits(x, ratio(call.input(0), call.output), "si/so")


@condition
def to_one_scale(site: Site) -> bool:
    """output with one scale, on axis 0"""
    return one_scale(site.output)


@condition
def from_one_scale(site: Site) -> bool:
    """input with one scale, on axis 0"""
    return one_scale(site.activation)


@condition
def to_float(site: Site) -> bool:
    """output float32"""
    return site.output.dtype == "float32"


# ---- TFLM -------------------------------------------------------------------------------------


def tflm_dequantize(call: Call, x: Array) -> Array:
    """``float32(si * (x - zi))``, the product in float64, by the first scale of several.

    x: int8, uint8 or int16 of any shape. ``DequantizePrepare`` in
    ``tensorflow/lite/micro/kernels/dequantize_common.cc``.
    """
    quantization = call.input(0).quantization
    if quantization is None:
        raise NotReplayed(f"tensor {call.input(0).label} has no quantization parameters")
    real: Array = np.float64(quantization.scale[0]) * (x - quantization.zero_point[0])
    return real.astype(np.float32)


# ---- before the graph -------------------------------------------------------------------------


def codes_of_reals(tensor: Tensor) -> Subgraph:
    """One QUANTIZE, which makes the codes of ``tensor`` of real numbers in float32."""
    reals = replace(tensor, index=0, dtype="float32", quantization=None)
    codes = replace(tensor, index=1)
    op = Operator(0, "QUANTIZE", 1, (0,), (1,))
    return Subgraph(0, "main", (reals, codes), (0,), (1,), (op,))


def _lines(
    call: Call, arrays: tuple[Array | None, ...], lines: Array
) -> tuple[Call, tuple[Array | None, ...]] | None:
    """None where what an element becomes depends on its place."""
    x = arrays[0]
    if x is None or x.dtype.kind != "f" or call.row.kernel is optimized_quantize:
        return None
    return call, (np.atleast_1d(x).reshape(-1, np.atleast_1d(x).shape[-1])[lines],)


_XNNPACK = Row(
    FLOAT,
    xnnpack_quantize,
    multiplier="float32 1/so",
    algorithm="float32 product, half even",
    source="src/f32-qs8-vcvt/",
    when=every(to_eight_bits, to_one_scale, few_dimensions),
)
_OPTIMIZED = Row(
    FLOAT,
    optimized_quantize,
    algorithm="float32 product, half even; tail: float64 quotient, half away",
    source=OPTIMIZED_HEADER,
    when=one_scale_each,
)
_REFERENCE = Row(
    FLOAT,
    quantize,
    algorithm="float32, half away",
    source=f"{REFERENCE_OPS}quantize.h",
    ledger=Terms(centred),
)

CARDS = (
    Card(
        "QUANTIZE",
        {
            "xnnpack": (
                replace(_XNNPACK, kernel=xnnpack_quantize_saturating, on=AARCH64),
                _XNNPACK,
                Row(
                    EIGHT_BITS,
                    xnnpack_requantize,
                    "single",
                    "float32 si/so, to 8 fractional bits",
                    "fixed point",
                    "src/microparams-init.c",
                    when=requantizable,
                    ledger=Terms(_xnnpack_terms),
                ),
            ),
            "optimized": (
                replace(_OPTIMIZED, kernel=optimized_quantize_saturating, on=AARCH64),
                _OPTIMIZED,
                Row(
                    EIGHT_BITS,
                    quantize,
                    "neon16-flat",
                    "float64 si/so",
                    source=OPTIMIZED_HEADER,
                    when=to_eight_bits,
                    ledger=Terms(centred),
                ),
            ),
            "reference": (
                replace(_REFERENCE, kernel=quantize_saturating, since=NOT_TFLM, on=AARCH64),
                _REFERENCE,
                Row(
                    (*QUANTIZED, "int32"),
                    quantize,
                    "double",
                    "float64 si/so",
                    source=f"{REFERENCE_OPS}requantize.h",
                    ledger=Terms(centred),
                ),
            ),
        },
        unary=True,
        slips=frozenset({Slip.REALS}),
        lines=_lines,
        worst=Worst.AT_ENDS,
        function=("real", float),
        real=lambda call, x: x,
        smallest=alone("QuantizeOptions"),
    ),
    Card(
        "DEQUANTIZE",
        {
            "xnnpack": (
                Row(
                    EIGHT_BITS,
                    dequantize,
                    algorithm="float32 product",
                    source="src/qs8-f32-vcvt/",
                    when=every(from_one_scale, to_float, few_dimensions),
                ),
            ),
            "optimized": (
                Row(
                    (*EIGHT_BITS, "int4"),
                    optimized_dequantize_fused,
                    algorithm="float32 fma; tail: float64, then float32",
                    source=OPTIMIZED_HEADER,
                    when=one_scale_each,
                    on=AARCH64,
                ),
                Row(
                    (*QUANTIZED, "int4"),
                    optimized_dequantize,
                    algorithm="float32 product and sum; tail: float64, then float32",
                    source=OPTIMIZED_HEADER,
                    when=one_scale_each,
                ),
            ),
            "reference": (
                Row(
                    (*QUANTIZED, "int4", "float16"),
                    dequantize,
                    algorithm="float64, then float32",
                    source=f"{REFERENCE_OPS}dequantize.h",
                ),
            ),
            "tflm": (
                Row(
                    QUANTIZED,
                    tflm_dequantize,
                    algorithm="float64, then float32; the first scale only",
                    source=f"{MICRO}dequantize_common.cc",
                ),
            ),
        },
        function=("real", float),
        gives_reals=True,
        unpacked=("int8", "float16"),
    ),
)
