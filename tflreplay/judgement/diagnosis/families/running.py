"""Sums that saturate as they go: at each product, or at each tap of a filter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.judgement.diagnosis.families.change import Change
from tflreplay.judgement.diagnosis.in_order import BIAS, WEIGHTS, X
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.judgement.diagnosis.windows import windows_of
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.row import Kernel
from tflreplay.ops.seam import FirstHalf

_BITS = (16, 18, 20, 24)
_MOST = 1 << 16  # weights, above which products are not taken one by one


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    known = card(call.op.name)
    x, weights = arrays[X], arrays[WEIGHTS] if len(arrays) > WEIGHTS else None
    if not known.weighted or not known.sums_once or x is None or weights is None:
        return
    if x.dtype.kind == "f" or (weights.ndim == 4 and known.window is None):
        return
    if weights.size // (weights.shape[0] if weights.ndim == 4 else 1) == 1:
        return
    ways = {"product": False} if weights.size <= _MOST else {}
    if weights.ndim == 4 and max(weights.shape[1:3]) > 1 and not known.depthwise:
        ways["tap"] = True
    for each, by_tap in ways.items():
        extremes: _Extremes = {}
        for bits, first, last in product(_BITS, (True, False), (True, False)):
            said = Said(
                "sum that saturates as it goes",
                f"saturate the sum to {bits} bits {'after' if last else 'before'} each {each}, and "
                f"add the bias {'first' if first else 'last'}",
                "accumulate in int32",
                f"sum of {bits} bits that saturates at each {each}",
            )
            yield Change(said, _form(_Way(bits, by_tap, first, last), extremes), slow=True)


def _form(way: _Way, extremes: _Extremes) -> Form:
    def form(call: Call, arrays: Arrays) -> Made | None:
        kernel = _Running(call.row.kernel, way, extremes)
        return Made(replace(call, row=replace(call.row, kernel=kernel)), arrays)

    return form


# Of running sums from 0: the lowest, the highest and the last, ``(lines, units)`` each, and the
# arrays that they are of, by their identities.
_Extremes = dict[tuple[int, int], tuple[Array, Array, Array, Array, Array]]


@dataclass(frozen=True)
class _Way:
    """Saturated to ``bits`` at each product, or ``by_tap``; ``last``: after the last one, too.

    ``bias_first`` starts from the bias.
    """

    bits: int
    by_tap: bool
    bias_first: bool
    last: bool


@dataclass(frozen=True)
class _Running:
    """The sums of ``plain``, saturated as they go."""

    plain: Kernel
    way: _Way
    extremes: _Extremes = field(compare=False)

    def __call__(self, call: Call, *arrays: Array | None) -> FirstHalf:
        made, way = self.plain(call, *arrays), self.way
        x, weights = arrays[:2]
        if not isinstance(made, Accumulation) or x is None or weights is None:
            return made
        seen, filters = _seen(call, x, weights)
        if way.by_tap:
            taps = weights.shape[1] * weights.shape[2]
            seen = seen.reshape(len(seen), taps, -1).swapaxes(0, 1)
            filters = filters.reshape(len(filters), taps, -1).swapaxes(0, 1)
        units = weights.shape[3] if card(call.op.name).depthwise else len(weights)
        bias = arrays[BIAS] if len(arrays) > BIAS else None
        bias = np.zeros(units, np.int64) if bias is None else bias.astype(np.int64)
        start = bias if way.bias_first else np.zeros_like(bias)
        key = id(x), id(weights)
        if key not in self.extremes:
            running = _steps(seen, filters, way.by_tap).cumsum(axis=0)
            self.extremes[key] = running.min(axis=0), running.max(axis=0), running[-1], x, weights
        lowest, highest, total, *_ = self.extremes[key]
        low, high = -(1 << (way.bits - 1)), (1 << (way.bits - 1)) - 1
        over = (lowest + start < low) | (highest + start > high)
        values = total + start
        if over.any():
            acc = np.broadcast_to(start, over.shape)[over].clip(low, high)
            for step in _steps(seen, filters, way.by_tap)[:, over]:
                values[over] = acc + step
                acc = values[over].clip(low, high)
            values[over] = acc if way.last else values[over]
        if not way.bias_first:
            values = values + bias
        return replace(made, values=values.reshape(made.values.shape))


def _steps(seen: Array, filters: Array, by_tap: bool) -> Array:
    """What is added one after the other: ``(steps, lines, units)``."""
    if by_tap:
        return np.rint(seen.astype(np.float64) @ filters.swapaxes(1, 2)).astype(np.int64)
    return np.moveaxis(seen * filters, -1, 0)


def _seen(call: Call, x: Array, weights: Array) -> tuple[Array, Array]:
    """The centred codes that each output line sees, and the filters of each unit, step by step."""
    x = x.astype(np.int64) - call.input(X).zero_point
    tensor = call.input(WEIGHTS)
    per_axis = tensor.quantization is None or tensor.quantization.per_axis
    w = weights.astype(np.int64) - (0 if per_axis else tensor.zero_point)
    if w.ndim == 2:
        return x.reshape(-1, 1, w.shape[1]), w
    windows = windows_of(call, x, weights)
    for axis, window in zip((1, 2), windows, strict=True):
        size = x.shape[axis]
        taps = np.arange(window.outputs)[:, None] * window.stride - window.before
        taps = taps + np.arange(window.size) * window.dilation
        x = np.pad(x, [(0, int(i == axis)) for i in range(x.ndim)])
        x = x.take(np.where((taps < 0) | (taps >= size), size, taps), axis)
        x = np.moveaxis(x, axis + 1, -1)
    # Now (batch, rows, columns, channels, filter rows, filter columns).
    lines = x.shape[0] * x.shape[1] * x.shape[2]
    if card(call.op.name).depthwise:
        outputs = w.shape[3]
        x = x.reshape(lines, x.shape[3], -1)[:, np.arange(outputs) // (outputs // x.shape[3])]
        return x, w[0].reshape(-1, outputs).T
    x = np.moveaxis(x, 3, -1).reshape(lines, 1, -1)
    return x, w.reshape(len(w), -1)
