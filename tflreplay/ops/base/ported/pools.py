"""Pools as ports get them wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ground.window import Window, window
from tflreplay.ops.base.call import Call, activation_range
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.row import Kernel

_COUNT = "divide by the elements of the window that lie in the input"
_ROUND = "round half away from zero: (sum + count / 2) / count, or - count / 2 below zero"
_INSIDE = "leave the padding out: only what lies in the input counts"


def _windows(call: Call, x: Array) -> tuple[Window, Window]:
    rows, columns = (
        window(
            x.shape[axis],
            call.option(f"filter_{length}"),
            call.option(f"stride_{length[0]}"),
            1,
            call.option("padding"),
        )
        for axis, length in ((1, "height"), (2, "width"))
    )
    return rows, columns


def _seen(call: Call, x: Array, fill: int) -> Array:
    """What each window holds, int64 ``(batch, rows, columns, channels, window)``."""
    x = x.astype(np.int64)
    for axis, w in zip((1, 2), _windows(call, x), strict=True):
        around = [(0, 0)] * x.ndim
        around[axis] = (w.before, w.after)
        padded = np.pad(x, around, constant_values=fill)
        taps = np.arange(w.outputs)[:, None] * w.stride + np.arange(w.size)
        x = np.moveaxis(padded.take(taps, axis), axis + 1, -1)
    return x.reshape(*x.shape[:4], -1)


def _codes(call: Call, values: Array) -> Array:
    low, high = activation_range(call, call.option("fused_activation_function"))
    return np.clip(values, low, high).astype(call.output.numpy_dtype)


def _mean(divide: Callable[[Array, Array], Array], fill: str = "") -> Kernel:
    """The mean by this division; with ``fill``, of the whole window, the padding as its code."""

    def kernel(call: Call, x: Array) -> Array:
        code = call.input(0).zero_point if fill == "zero point" else 0
        seen = _seen(call, x, code)
        count = _seen(call, np.ones_like(x), int(bool(fill))).sum(axis=-1)
        return _codes(call, divide(seen.sum(axis=-1), count))

    return kernel


def _half_away(total: Array, count: Array) -> Array:
    return np.asarray(np.sign(total) * ((np.abs(total) + count // 2) // count))


def _toward_zero(total: Array, count: Array) -> Array:
    return np.asarray(np.sign(total) * (np.abs(total) // count))


def _half_up(total: Array, count: Array) -> Array:
    return np.asarray((2 * total + count) // (2 * count))


def _half_even(total: Array, count: Array) -> Array:
    return np.asarray(np.rint(total / count).astype(np.int64))


def _half_then_cut(total: Array, count: Array) -> Array:
    moved = total + count // 2
    return np.asarray(np.sign(moved) * (np.abs(moved) // count))


def _about_zero_point(call: Call, x: Array) -> Array:
    """The codes less their zero point averaged, half away from zero, and the zero point added."""
    zero = call.input(0).zero_point
    total = (_seen(call, x, zero) - zero).sum(axis=-1)
    count = _seen(call, np.ones_like(x), 0).sum(axis=-1)
    return _codes(call, _half_away(total, count) + zero)


def _highest(fill: str) -> Kernel:
    def kernel(call: Call, x: Array) -> Array:
        code = {"0": 0, "zero point": call.input(0).zero_point}.get(fill, int(x.min()))
        return _codes(call, _seen(call, x, code).max(axis=-1))

    return kernel


def _lowest(call: Call, x: Array) -> Array:
    return _codes(call, _seen(call, x, int(x.max())).min(axis=-1))


def _first(call: Call, x: Array) -> Array:
    return _codes(call, _seen(call, x, 0)[..., 0])


def _rounded(how: str, you: str, divide: Callable[[Array, Array], Array]) -> Ported:
    return Ported(f"mean {how}", you, _ROUND, _mean(divide))


AVERAGE_POOL = (
    Ported(
        "padding counted in the mean, as the code 0",
        "divide by the size of the window where part of it is padding, which is read as 0",
        _COUNT,
        _mean(_half_away, "0"),
    ),
    Ported(
        "padding counted in the mean, as the zero point",
        "divide by the size of the window where part of it is padding, which is the zero point",
        _COUNT,
        _mean(_half_away, "zero point"),
    ),
    _rounded("cut toward zero", "divide without rounding, as C does", _toward_zero),
    _rounded("rounded down", "divide without rounding, as Python's // does", np.floor_divide),
    _rounded("rounded with ties up", "round the mean with ties up", _half_up),
    _rounded("rounded with ties to even", "round the mean with ties to even", _half_even),
    _rounded(
        "rounded as if it were positive",
        "add half of the count below zero too, where it must be subtracted",
        _half_then_cut,
    ),
    Ported(
        "mean rounded without its zero point",
        "subtract the zero point before the mean is rounded, which moves its ties",
        "average the raw codes",
        _about_zero_point,
    ),
    Ported("maximum instead of the mean", "take the maximum", "take the mean", _highest("")),
)
MAX_POOL = (
    Ported("padding read as the code 0", "let the padding count as 0", _INSIDE, _highest("0")),
    Ported(
        "padding read as the zero point",
        "let the padding count as the zero point",
        _INSIDE,
        _highest("zero point"),
    ),
    Ported("mean instead of the maximum", "take the mean", "take the maximum", _mean(_half_away)),
    Ported("minimum instead of the maximum", "take the minimum", "take the maximum", _lowest),
    Ported(
        "first element instead of the maximum",
        "take the first element of each window",
        "take the maximum of all elements of the window",
        _first,
    ),
)
