"""Pools as ports get them wrong: the windows, the division, the padding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ground.window import Window, window
from tflreplay.ops.base.call import Call, activation_range
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.row import Kernel

_COUNT = "divide by the elements of the window that lie in the input"
_ROUND = "round half away from zero: (sum + count / 2) / count, or - count / 2 below zero"
_INSIDE = "leave the padding out: only what lies in the input counts"
_MEANS = "the op's options say how large the window is and how far it moves, height before width"
Windows = tuple[Window, Window]
Moved = Callable[[Windows], Windows]


def _windows(call: Call, x: Array) -> Windows:
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


def _seen(windows: Windows, x: Array, fill: int) -> Array:
    """What each window holds, int64 ``(batch, rows, columns, channels, window)``."""
    x = x.astype(np.int64)
    for axis, w in zip((1, 2), windows, strict=True):
        size = x.shape[axis]
        taps = np.arange(w.outputs)[:, None] * w.stride - w.before + np.arange(w.size)
        inside = (taps >= 0) & (taps < size)
        found = np.moveaxis(x.take(taps.clip(0, size - 1), axis), axis + 1, -1)
        shape = [1] * found.ndim
        shape[axis], shape[-1] = inside.shape
        x = np.where(inside.reshape(shape), found, fill)
    return x.reshape(*x.shape[:4], -1)


def _codes(call: Call, values: Array) -> Array:
    low, high = activation_range(call, call.option("fused_activation_function"))
    return np.clip(values, low, high).astype(call.output.numpy_dtype)


def _as_they_are(windows: Windows) -> Windows:
    return windows


def _mean(
    divide: Callable[[Array, Array], Array],
    fill: str = "",
    moved: Moved = _as_they_are,
    narrow: Callable[[Array], Array] = np.asarray,
) -> Kernel:
    """The mean by this division; with ``fill``, of the whole window, the padding as its code."""

    def kernel(call: Call, x: Array) -> Array:
        code = call.input(0).zero_point if fill == "zero point" else 0
        windows = moved(_windows(call, x))
        total = narrow(_seen(windows, x, code).sum(axis=-1))
        count = _seen(windows, np.ones_like(x), int(bool(fill))).sum(axis=-1)
        return _codes(call, divide(total, np.maximum(count, 1)))

    return kernel


def _counted(other: Callable[[Windows, Array], Array]) -> Kernel:
    """The mean by another count, made of the windows and of the right one."""

    def kernel(call: Call, x: Array) -> Array:
        windows = _windows(call, x)
        total = _seen(windows, x, 0).sum(axis=-1)
        count = other(windows, _seen(windows, np.ones_like(x), 0).sum(axis=-1))
        return _codes(call, _half_away(total, np.maximum(count, 1)))

    return kernel


def _next_power(count: Array) -> Array:
    return np.asarray(1 << np.ceil(np.log2(count)).astype(np.int64))


_COUNTS: dict[str, Callable[[Windows, Array], Array]] = {
    "the count less one": lambda windows, count: count - 1,
    "the count and one more": lambda windows, count: count + 1,
    "the next power of two": lambda windows, count: _next_power(count),
    "the power of two before": lambda windows, count: _next_power(count + 1) // 2,
    "the window's height": lambda windows, count: np.full_like(count, windows[0].size),
    "the window's width": lambda windows, count: np.full_like(count, windows[1].size),
    "the window's height squared": lambda windows, count: np.full_like(count, windows[0].size ** 2),
    "the window's width squared": lambda windows, count: np.full_like(count, windows[1].size ** 2),
    "the product of the strides": (
        lambda windows, count: np.full_like(count, windows[0].stride * windows[1].stride)
    ),
}


def _part_of_sum(moved: Moved) -> Kernel:
    """Summed over fewer elements, and divided by the whole count."""

    def kernel(call: Call, x: Array) -> Array:
        windows = _windows(call, x)
        total = _seen(moved(windows), x, 0).sum(axis=-1)
        count = _seen(windows, np.ones_like(x), 0).sum(axis=-1)
        return _codes(call, _half_away(total, count))

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
    windows = _windows(call, x)
    total = (_seen(windows, x, zero) - zero).sum(axis=-1)
    count = _seen(windows, np.ones_like(x), 0).sum(axis=-1)
    return _codes(call, _half_away(total, count) + zero)


def _highest(fill: str, moved: Moved = _as_they_are) -> Kernel:
    def kernel(call: Call, x: Array) -> Array:
        code = {"0": 0, "zero point": call.input(0).zero_point}.get(fill, int(x.min()))
        return _codes(call, _seen(moved(_windows(call, x)), x, code).max(axis=-1))

    return kernel


def _lowest(call: Call, x: Array) -> Array:
    return _codes(call, _seen(_windows(call, x), x, int(x.max())).min(axis=-1))


def _first(call: Call, x: Array) -> Array:
    return _codes(call, _seen(_windows(call, x), x, 0)[..., 0])


def _without(which: slice) -> Kernel:
    def kernel(call: Call, x: Array) -> Array:
        seen = _seen(_windows(call, x), x, int(x.min()))
        return _codes(call, seen[..., which].max(axis=-1))

    return kernel


def _largest(call: Call, x: Array) -> Array:
    seen = _seen(_windows(call, x), x, 0)
    which = np.abs(seen).argmax(axis=-1)[..., None]
    return _codes(call, np.take_along_axis(seen, which, -1)[..., 0])


def _from_0(call: Call, x: Array) -> Array:
    return _codes(call, np.maximum(_seen(_windows(call, x), x, 0).max(axis=-1), 0))


def _narrow(bits: int) -> Callable[[Array], Array]:
    half = 1 << (bits - 1)
    return lambda x: ((x + half) & (2 * half - 1)) - half


def _clipped(bits: int) -> Callable[[Array], Array]:
    half = 1 << (bits - 1)
    return lambda x: x.clip(-half, half - 1)


def _each(change: Callable[[Window], Window]) -> Moved:
    return lambda windows: (change(windows[0]), change(windows[1]))


def _alike(what: str) -> Moved:
    """Strides or sizes of rows and columns exchanged; the padding as it was."""

    def moved(windows: Windows) -> Windows:
        h, w = (getattr(window_, what) for window_ in windows)
        return replace(windows[0], **{what: w}), replace(windows[1], **{what: h})

    return moved


def _turned(windows: Windows) -> Windows:
    """Sizes exchanged, and the padding with them."""
    rows, columns = _alike("size")(windows)
    return _padded(rows, windows[0]), _padded(columns, windows[1])


def _padded(w: Window, before: Window) -> Window:
    """The padding of a window of another size."""
    if not before.before + before.after:
        return w
    total = max(before.before + before.after + w.size - before.size, 0)
    return replace(w, before=total // 2)


def _one(axis: int, change: Callable[[Window], Window]) -> Moved:
    def moved(windows: Windows) -> Windows:
        rows, columns = windows
        return (change(rows), columns) if axis == 0 else (rows, change(columns))

    return moved


def _shorter(w: Window) -> Window:
    return replace(w, size=max(w.size - 1, 1))


def _later(w: Window) -> Window:
    return replace(w, size=max(w.size - 1, 1), before=w.before - (w.size > 1))


_MOVED: tuple[tuple[str, str, Moved], ...] = (
    (
        "windows not moved into the padding",
        "start the first window at row 0 and column 0",
        _each(lambda w: replace(w, before=0)),
    ),
    (
        "windows moved by the padding after the input",
        "pad more before than after, or alike on both sides",
        _each(lambda w: replace(w, before=w.after)),
    ),
    ("stride of 1", "move the window by 1", _each(lambda w: replace(w, stride=1))),
    (
        "stride of the window's size",
        "move the window by its own size",
        _each(lambda w: replace(w, stride=w.size)),
    ),
    ("strides exchanged", "exchange the strides of height and width", _alike("stride")),
    ("window's height and width exchanged", "exchange the window's sides", _alike("size")),
    ("window's height and width exchanged", "exchange the window's sides", _turned),
    *(
        (f"{which} of the window left out", f"leave out the {which} of the window", _one(a, change))
        for a, what in ((0, "row"), (1, "column"))
        for which, change in ((f"last {what}", _shorter), (f"first {what}", _later))
    ),
)


def _laid(kernel: Callable[[Moved], Kernel]) -> tuple[Ported, ...]:
    return tuple(Ported(title, you, _MEANS, kernel(moved)) for title, you, moved in _MOVED)


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
    *(
        Ported(
            f"sum of {bits} bits that {how}",
            f"sum in {bits} bits, where a large sum {how}",
            "sum in 32 bits",
            _mean(_half_away, narrow=narrow(bits)),
        )
        for bits in (8, 16)
        for how, narrow in (("wraps around", _narrow), ("saturates", _clipped))
    ),
    *_laid(lambda moved: _mean(_half_away, moved=moved)),
    *(
        Ported(f"count of {what}", f"divide by {what}", _COUNT, _counted(other))
        for what, other in _COUNTS.items()
    ),
    *(
        Ported(
            f"{title}, but counted",
            f"leave out the {title.removesuffix(' left out')} in the sum, but not in the count",
            "sum all elements of the window that lie in the input",
            _part_of_sum(moved),
        )
        for title, _, moved in _MOVED
        if title.endswith(" of the window left out")
    ),
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
    Ported(
        "maximum that starts at the code 0",
        "start from 0, which no negative code passes",
        "start from the lowest code of the type",
        _from_0,
    ),
    Ported(
        "largest magnitude instead of the maximum",
        "compare the codes' magnitudes",
        "compare the codes",
        _largest,
    ),
    *(
        Ported(
            f"{which} element of the window left out",
            f"leave out the {which} element of each window",
            "take the maximum of all elements of the window",
            _without(left),
        )
        for which, left in (("first", slice(1, None)), ("last", slice(None, -1)))
    ),
    *_laid(lambda moved: _highest("", moved)),
)
