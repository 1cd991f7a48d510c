"""CONCATENATION: arrays joined along an axis; of uint8 it may rescale them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tflreplay.ground.functions import fused_multiply_add
from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.model import Tensor
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.lookup import look_up
from tflreplay.ops.base.ported import others as ported
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.step import AWAY, given, in_float32, over, times
from tflreplay.ops.base.terms import Arrays, Index
from tflreplay.ops.base.types import MANY, UINT8
from tflreplay.ops.base.words import NOT_TFLM, REFERENCE_OPS, moved

_SOURCE = f"{REFERENCE_OPS}concatenation.h"
_MOVED = tuple(name for name in (*MANY, "uint32", "int4") if name != "uint8")


def concatenation(call: Call, *arrays: Array) -> Array:
    """Arrays joined along ``axis``.

    uint8 inputs quantized unlike the output are rescaled, each operation rounded to float32:
    ``clamp(round_half_away(x * r + -zi * r) + zo)`` with ``r = si * (1 / so)``. Nothing else is.
    ``ConcatenationWithScaling`` in ``tflite/kernels/internal/reference/concatenation.h``.
    """
    return _joined(call, arrays, lambda codes, ratio, bias: codes * ratio + bias)


def concatenation_fused(call: Call, *arrays: Array) -> Array:
    """As :func:`concatenation`, but ``x * r`` is not rounded before it is added to: aarch64's."""
    return _joined(call, arrays, fused_multiply_add)


def _joined(call: Call, arrays: tuple[Array, ...], add: Callable[..., Array]) -> Array:
    if call.output.dtype == "uint8":
        arrays = tuple(
            _rescaled(call.input(i), call.output, array, add) for i, array in enumerate(arrays)
        )
    return np.concatenate(arrays, call.option("axis"))


def _rescaled(source: Tensor, target: Tensor, x: Array, add: Callable[..., Array]) -> Array:
    if source.scale == target.scale and source.zero_point == target.zero_point:
        return x
    ratio = np.float32(source.scale) * (np.float32(1) / np.float32(target.scale))
    bias = np.float32(-source.zero_point) * ratio
    codes = np.arange(256, dtype=np.float32)
    rescaled = round_half_away(add(codes, ratio, bias)).astype(np.int64) + target.zero_point
    return look_up(x, np.clip(rescaled, 0, 255).astype(np.uint8))


def _stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of an element of uint8."""
    axis = int(call.option("axis")) % len(shape)
    position, along = 0, index[axis]
    while along >= arrays[position].shape[axis]:
        along -= arrays[position].shape[axis]
        position += 1
    where = (*index[:axis], along, *index[axis + 1 :])
    code, source, target = int(arrays[position][where]), call.input(position), call.output
    note = f"from input {position}, element {list(where)}"
    if source.scale == target.scale and source.zero_point == target.zero_point:
        return Staged(
            (), (given("", "the code itself", code),), zero_point=target.zero_point, note=note
        )
    one = over("1/so", np.float32(1), np.float32(target.scale))
    ratio = times("r", np.float32(source.scale), np.float32(one.result))
    bias = times("-zi * r", np.float32(-source.zero_point), np.float32(ratio.result))
    m, z = np.float32(ratio.result), np.float32(bias.result)
    last = in_float32(code, m, z, AWAY, fused=call.row.kernel is concatenation_fused)
    centred = code - source.zero_point
    exact = f"{centred} * {source.scale!r} / {target.scale!r}"
    return Staged(
        (),
        (one, ratio, bias, *last),
        bits=None,
        exact=(exact, centred * Fraction(source.scale) / Fraction(target.scale)),
        note=f"{note}, scale {source.scale!r}, zero point {source.zero_point}",
    )


_UINT8 = Row(
    UINT8,
    concatenation,
    algorithm="copy or float32 rescale",
    source=_SOURCE,
    ledger=Stages(_stages),
)

CARDS = (
    Card(
        "CONCATENATION",
        {
            "reference": (
                replace(_UINT8, kernel=concatenation_fused, since=NOT_TFLM, on=AARCH64),
                _UINT8,
                moved(_MOVED, concatenation, _SOURCE),
            ),
        },
        operands=(),
        ported=ported.CONCATENATION,
        refusals=refusals.CONCATENATION,
    ),
)
