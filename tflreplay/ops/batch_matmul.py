"""BATCH_MATMUL: products of matrices, side by side."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from tflreplay.ground.errors import NotReplayed, UndefinedHere
from tflreplay.ground.machine import NO_DOT_PRODUCT
from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.ops.base import refusals
from tflreplay.ops.base.aarch64 import not_on_aarch64
from tflreplay.ops.base.call import Call, accumulation
from tflreplay.ops.base.card import PAIR, Card, Slip
from tflreplay.ops.base.cmsis_nn import CMSIS_NN, older, refused
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.floating import check_float32
from tflreplay.ops.base.ledger import Sum, Terms
from tflreplay.ops.base.ported import others as ported
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.predicates import one_scale
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.row import Defect, Kernel, NotModelled, Row, Versions
from tflreplay.ops.base.sums import exact_matmul, weight_multiplier
from tflreplay.ops.base.terms import Arrays, Codes, Index, sum_of_products
from tflreplay.ops.base.types import INT8, INT16
from tflreplay.ops.base.weighted_rows import floating_row, xnnpack_row
from tflreplay.ops.base.weights import (
    int8_zero_point,
    may_wrap,
    no_zero_point,
    of_input_type,
    per_channel,
    per_tensor,
)
from tflreplay.ops.base.words import (
    MICRO,
    MICRO_FLOAT64,
    OPTIMIZED_OPS,
    REFERENCE_OPS,
    in_both_precisions,
)

_TYPES = (("int8", "int8"), ("int16", "int16"), ("int16", "int8"))


# ---- reference and optimized kernels ----------------------------------------------------------


def batch_matmul(call: Call, a: Array, b: Array) -> Accumulation:
    """``acc[..., i, j] = sum_k (a[..., i, k] - za) * (b[..., k, j] - zb)``.

    a and b: int8, or int16 by int16 or int8, of 2 to 5 dimensions, all but the last two broadcast;
    ``adj_x`` and ``adj_y`` swap the last two of a and b. The accumulator is int32 for int8, else
    int64. Where b has a scale for each channel, the runtime reads none: the multiplier is 0.
    ``BatchMatMul`` in ``tflite/kernels/internal/reference/batch_matmul.h``.
    """
    right = call.input(1)
    centred = b.astype(np.int32)
    if right.quantization is not None and not right.quantization.per_axis:
        centred -= right.zero_point
    return _product(call, a, centred)


def _product(call: Call, a: Array, b: Array) -> Accumulation:
    """The sums of :func:`batch_matmul`; b less its zero point.

    Raises:
        NotReplayed: no kernel takes inputs and an output of these types.
    """
    left, right = call.input(0), call.input(1)
    if (left.dtype, right.dtype) not in _TYPES or call.output.dtype != left.dtype:
        raise NotReplayed(f"{call.op.name} of {left.dtype} by {right.dtype} to {call.output.dtype}")
    a, b = _adjoined(call, a, b)
    bits = 32 if left.dtype == "int8" else 64
    values = exact_matmul(a, b, left.zero_point, None, bits)
    multiplier = weight_multiplier(call, left, right)
    if multiplier.real.ndim:
        multiplier = Multiplier.of(0.0)
    return replace(accumulation(call, values, multiplier), bits=bits)


def _terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    right = call.input(1)
    per_axis = right.quantization is None or right.quantization.per_axis
    return _products(call, arrays, index, None if per_axis else right.zero_point)


def _products(call: Call, arrays: Arrays, index: Index, zero_point: int | None) -> Sum:
    """Of one output; ``zero_point`` is the right matrix's."""
    a, b = arrays
    inner = np.arange(a.shape[-2] if call.option("adj_x") else a.shape[-1])
    row, column = index[-2:]
    left = (inner, row) if call.option("adj_x") else (row, inner)
    right = (column, inner) if call.option("adj_y") else (inner, column)
    second = "b" if zero_point is None else "(b - z2)"
    return sum_of_products(
        f"sum of (a - z1) * {second}",
        [
            Codes("a", a, _places(a, index, left), call.input(0).zero_point),
            Codes("b", b, _places(b, index, right), zero_point),
        ],
    )


def _places(array: Array, index: Index, last: tuple[int | Array, int | Array]) -> Array:
    """``(terms, rank)``: the element's own matrix, or the only one, at ``last``."""
    batch = index[len(index) - array.ndim : -2]
    own = (0 if size == 1 else i for size, i in zip(array.shape, batch, strict=False))
    return np.stack(np.broadcast_arrays(*own, *last), axis=-1)


def batch_matmul_float(call: Call, a: Array, b: Array) -> Array:
    """``y[..., i, j] = sum_k a[..., i, k] * b[..., k, j]``, all but the last two axes broadcast.

    ``adj_x`` and ``adj_y`` swap the last two axes of a and b. ``BatchMatMul`` in
    ``tflite/kernels/internal/reference/batch_matmul.h``.
    """
    check_float32(call, 0, 1)
    a, b = _adjoined(call, a, b)
    return np.asarray((a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32))


def _float_terms(call: Call, a: Array, b: Array) -> int:
    """In each sum."""
    return int(_adjoined(call, a, b)[0].shape[-1])


def _adjoined(call: Call, a: Array, b: Array) -> tuple[Array, Array]:
    """a and b, their last two axes swapped where the options say so."""
    return (
        a.swapaxes(-1, -2) if call.option("adj_x") else a,
        b.swapaxes(-1, -2) if call.option("adj_y") else b,
    )


@condition
def scrambled(site: Site) -> bool:
    """adj_x of several matrices by one, not in TFLM"""
    a, b = site.input(0).shape, site.input(1).shape
    folded = len(a) > 2 and len(b) > 2 and b[-3] == 1
    adjoint = bool(site.op.options.get("adj_x"))
    return adjoint and folded and a[-3] > 1 and site.engine.runtime != "tflm"


def _mixed_up(site: Site) -> str:
    return (
        f"{site.op.name} with adj_x of several matrices by one: "
        f"{site.engine.runtime} {site.engine.version} mixes them up"
    )


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_ignoring_zero_point(call: Call, a: Array, b: Array) -> Accumulation:
    """``acc[..., i, j] = sum_k (a[..., i, k] - za) * b[..., k, j]``: b's zero point is lost.

    a and b: int8. Corrected by LiteRT 3d796311b.
    """
    return _product(call, a, b.astype(np.int32))


def _uncentred_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _products(call, arrays, index, None)


def _above_lowest(kernel: Kernel) -> Kernel:
    """The kernel for CPUs without dot products, where -128 meets no -128."""

    @functools.wraps(kernel)
    def above(call: Call, a: Array, b: Array) -> Any:
        if a.min(initial=0) == b.min(initial=0) == -128:
            raise UndefinedHere(
                f"{call.op.name} of -128 by -128 on {call.engine.machine}, a CPU without "
                "instructions for dot products: two such products do not fit 16 bits there, and "
                "what then becomes of the sum is not modelled"
            )
        return kernel(call, a, b)

    return above


@condition
def int8_matrices(site: Site) -> bool:
    """both inputs and the output int8, with one scale, the left one and the output on axis 0"""
    a, b, y = site.input(0), site.input(1), site.output
    one_type = a.dtype == b.dtype == y.dtype == "int8"
    return one_type and one_scale(a) and one_scale(y) and per_tensor(site)


# XNNPACK took no int8 before; LiteRT 239a8f3be gave up the optimized kernel.
_TAKEN_SINCE = {"litert": "2.0.2", "tensorflow": "2.21.0"}
# LiteRT 3d796311b.
_ZERO_POINT_CORRECTED = {"litert": "2.1.3", "tensorflow": "2.22.0"}
# Batches are no longer mixed up.
_NEWEST = {"litert": "2.1.5", "tensorflow": "2.22.0"}
# Which ops XNNPACK takes.
_TAKEN = every(int8_matrices, no_zero_point)


def _row(types: tuple[str, ...], rule: str, since: Versions | None = None) -> Row:
    return Row(
        types,
        batch_matmul,
        rule,
        Precision.FLOAT32_PRODUCT,
        source=f"{REFERENCE_OPS}batch_matmul.h",
        since=since or {},
        defects=(_NO_SCALE,),
        ledger=Terms(_terms),
    )


def _micro(types: tuple[str, ...], rule: str) -> Row:
    return replace(
        _row(types, rule, MICRO_FLOAT64),
        multiplier=Precision.FLOAT64,
        source=f"{MICRO}batch_matmul.cc",
        defects=(),
    )


_CMSIS_NN = f"{CMSIS_NN}FullyConnectedFunctions/"


def _several_scales(site: Site) -> str:
    return f"{site.op.name} by a matrix of several scales in TFLM"


_NO_SCALE = Defect(
    "reads none of the scales of a right matrix with several: its multiplier is 0, and every "
    "output is the zero point",
    per_channel,
)
_MIXES_UP = Defect("mixes up matrices with adj_x where the right one is repeated", scrambled)


_XNNPACK = xnnpack_row(batch_matmul, _TAKEN, types=INT8, since=_TAKEN_SINCE, ledger=Terms(_terms))

CARDS = (
    Card(
        "BATCH_MATMUL",
        {
            "xnnpack": (
                xnnpack_row(
                    batch_matmul,
                    every(_TAKEN, may_wrap),
                    "float-even32-wrapping",
                    types=INT8,
                    since=_TAKEN_SINCE,
                    ledger=Terms(_terms),
                ),
                replace(_XNNPACK, kernel=_above_lowest(batch_matmul), on=NO_DOT_PRODUCT),
                _XNNPACK,
                xnnpack_row(
                    xnnpack_ignoring_zero_point,
                    every(int8_matrices, int8_zero_point),
                    algorithm="the right matrix's zero point is ignored",
                    types=INT8,
                    since=_TAKEN_SINCE,
                    until=_ZERO_POINT_CORRECTED,
                    defects=(
                        Defect(
                            "ignores the zero point of the right matrix",
                            int8_zero_point,
                            right=batch_matmul,
                        ),
                    ),
                    ledger=Terms(_uncentred_terms),
                ),
            ),
            "optimized": (
                not_on_aarch64(INT8, until=_TAKEN_SINCE),
                NotModelled(
                    INT8, _mixed_up, when=scrambled, until=_TAKEN_SINCE, defects=(_MIXES_UP,)
                ),
                Row(
                    INT8,
                    batch_matmul,
                    "double-up",
                    Precision.FLOAT32_PRODUCT,
                    source=f"{OPTIMIZED_OPS}batch_matmul.h",
                    until=_TAKEN_SINCE,
                    defects=(_NO_SCALE,),
                    ledger=Terms(_terms),
                ),
            ),
            "reference": (
                *in_both_precisions(_row(INT8, "double", _NEWEST)),
                *in_both_precisions(_row(INT16, "reduced16", _NEWEST)),
                NotModelled(INT8, _mixed_up, when=scrambled, until=_NEWEST, defects=(_MIXES_UP,)),
                NotModelled(INT16, _mixed_up, when=scrambled, until=_NEWEST, defects=(_MIXES_UP,)),
                _row(INT8, "double"),
                _row(INT16, "reduced16"),
                floating_row(batch_matmul_float, f"{REFERENCE_OPS}batch_matmul.h", _float_terms),
            ),
            "tflm": (
                NotModelled(INT8, _mixed_up, when=scrambled, defects=(_MIXES_UP,)),
                NotModelled(INT16, _mixed_up, when=scrambled, defects=(_MIXES_UP,)),
                NotModelled((*INT8, *INT16), _several_scales, when=per_channel),
                _micro(INT8, "double"),
                _micro(INT16, "reduced16"),
            ),
            "cmsis-nn": (
                NotModelled((*INT8, *INT16), _several_scales, when=per_channel),
                older((*INT8, *INT16)),
                replace(_micro(INT8, "double"), source=f"{_CMSIS_NN}arm_batch_matmul_s8.c"),
                replace(
                    _micro(INT16, "reduced16-wrapping"),
                    source=f"{_CMSIS_NN}arm_batch_matmul_s16.c",
                    when=of_input_type,
                ),
                refused(INT16, "takes int16 by int16 matrices only"),
            ),
        },
        Roles(weights=1),
        operands=PAIR,
        sums_once=True,
        slips=frozenset({Slip.SECOND_INPUT}),
        ported=ported.adjoined(batch_matmul),
        refusals=refusals.BATCH_MATMUL,
    ),
)
