"""Windows laid elsewhere: stride, dilation, padding, and the rows and columns of a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from tflreplay.ground.rounding import Array, wrap32
from tflreplay.ground.window import Window, window
from tflreplay.judgement.diagnosis.families.change import Change, of_array, of_sums, padded_with
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.judgement.diagnosis.windows import Windows, windows_of
from tflreplay.ops import card
from tflreplay.ops.base.call import Call, with_options

_MOST_PADDING = 4


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    known = card(call.op.name)
    if not known.weighted or arrays[0] is None or arrays[1] is None:
        return
    yield from _taps(call, arrays[1].shape)
    yield from _sums(call)
    if known.window is None:
        return
    right = windows_of(call, arrays[0], arrays[1])
    yield from _padding(right)
    yield from _steps(call, right, arrays[0].shape)
    yield from _outside(call, right)


def _sums(call: Call) -> Iterator[Change]:
    if call.output.shape[-1:] > (1,):
        said = Said(
            "sum carried on to the next channel",
            "go on summing where the sum must start anew, at each output channel",
            "set the accumulator to the bias, or to 0, for every output",
        )
        yield Change(said, of_sums(lambda a: replace(a, values=_carried(a.values))))


def _carried(values: Array) -> Array:
    return np.asarray(wrap32(values.astype(np.int64).cumsum(axis=-1)))


def _padding(right: Windows) -> Iterator[Change]:
    """Another number of rows and columns before the input."""
    rows, columns = right
    ways = [range(min((w.size - 1) * w.dilation, _MOST_PADDING, w.before + 2) + 1) for w in right]
    for top, left in product(*ways):
        if (top, left) == (rows.before, columns.before):
            continue
        if (top, left) == (rows.after, columns.after):
            continue  # split the wrong way round, which is listed
        name = "no padding before the input"
        if top or left:
            name = f"{_counted(top, 'row')} and {_counted(left, 'column')} padded before the input"
        said = Said(
            name,
            f"pad {_counted(top, 'row')} and {_counted(left, 'column')} before the input, "
            f"where {rows.before} and {columns.before} are needed",
            f"pad {_counted(rows.before, 'row')} and {_counted(columns.before, 'column')} before",
        )
        moved = replace(rows, before=top), replace(columns, before=left)
        yield Change(said, _laid(moved), True)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _steps(call: Call, right: Windows, shape: tuple[int, ...]) -> Iterator[Change]:
    """Another stride or dilation, the padding computed with it or without."""
    rows, columns = right
    for what in ("stride", "dilation"):
        h, w = getattr(rows, what), getattr(columns, what)
        pairs = [(1, 1), (2, 2), (w, h), (h, h), (w, w)]
        pairs += [(rows.size, columns.size)] if what == "stride" else []
        for pair in dict.fromkeys(pairs):
            if pair == (h, w):
                continue
            name = f"{what} {pair[0]} x {pair[1]}" if pair != (w, h) else f"{what}s exchanged"
            if pair == (1, 1) and what == "dilation":
                name = "dilation left out"
            said = Said(
                name,
                f"take a {what} of {pair[0]} x {pair[1]} (height x width), where it is {h} x {w}",
                f"the op's options say {what} {h} x {w} (height x width)",
            )
            changed = tuple(
                replace(window_, **{what: step}) for window_, step in zip(right, pair, strict=True)
            )
            yield Change(said, _laid((changed[0], changed[1])), True)
            again = tuple(
                replace(c, before=_before(c, size, call.option("padding")))
                for c, size in zip(changed, shape[1:3], strict=True)
            )
            if again != changed:
                yield Change(said, _laid((again[0], again[1])), True)
    if (rows.dilation, columns.dilation) != (1, 1):
        dense = [
            replace(w, before=_before(replace(w, dilation=1), size, call.option("padding")))
            for w, size in zip(right, shape[1:3], strict=True)
        ]
        said = Said(
            "padding computed without the dilation",
            "compute the padding of the filter as if it were not dilated",
            "its size is (kernel - 1) * dilation + 1",
        )
        yield Change(said, _laid((dense[0], dense[1])), True)


def _before(w: Window, size: int, padding: str) -> int:
    return window(size, w.size, w.stride, w.dilation, padding).before


def _laid(windows: Windows, outside: Callable[[Array, int], Array] | None = None) -> _Laid:
    return _Laid(windows, outside)


class _Laid:
    """The input gathered as these windows see it; ``outside`` maps indices to those of the input.

    By default the zero point is read where there is no input.
    """

    def __init__(
        self, windows: Windows, outside: Callable[[Array, int], Array] | None = None
    ) -> None:
        self.windows, self.outside = windows, outside

    def __call__(self, call: Call, arrays: Arrays) -> Made | None:
        x, weights = arrays[:2]
        assert x is not None
        assert weights is not None
        if (weights.shape[1], weights.shape[2]) != tuple(w.size for w in self.windows):
            return None
        if self.outside is None:
            x = np.pad(
                x, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=call.input(0).zero_point
            )
        for axis, w in zip((1, 2), self.windows, strict=True):
            size = x.shape[axis] - (self.outside is None)
            taps = _places(w)
            if self.outside is None:
                taps = np.where((taps < 0) | (taps >= size), size, taps)
            else:
                taps = self.outside(taps, size)
            x = x.take(taps, axis)
        return _apart(call, arrays, self.windows, x)


def _places(w: Window) -> Array:
    """Of each output each tap's place in the input."""
    taps = np.arange(w.outputs)[:, None] * w.stride - w.before
    return (taps + np.arange(w.size) * w.dilation).reshape(-1)


def _apart(call: Call, arrays: Arrays, windows: Windows, x: Array) -> Made:
    """The op on what its windows see, each window beside the other."""
    rows, columns = windows
    apart = {"padding": "VALID", "stride_h": rows.size, "stride_w": columns.size}
    dense = {"dilation_h_factor": 1, "dilation_w_factor": 1}
    return Made(with_options(call, **apart, **dense), (x, *arrays[1:]))


def _outside(call: Call, right: Windows) -> Iterator[Change]:
    """The padding filled with something else."""
    if not any(w.before or w.after for w in right):
        return
    fix = "pad with the input's zero point, which is the code of the real number 0"
    for name, how, checked in (
        ("the next row", "read past the end of a row into the next", (True, False, True)),
        (
            "the row before",
            "read before the start of a row into the one before",
            (False, True, True),
        ),
        (
            "neighbouring rows",
            "read before and past a row into its neighbours",
            (False, False, True),
        ),
        (
            "neighbouring rows",
            "read before and past a row into its neighbours, the padding's too",
            (False, False, False),
        ),
    ):
        said = Said(f"padding with {name}", f"{how}, where the input is padded", fix)
        yield Change(said, _InMemory(right, *checked))
    for name, how, index in (
        ("edge", "repeat the input's edge", lambda i, n: i.clip(0, n - 1)),
        ("reflection", "reflect the input", _reflected),
        ("other side", "read on at the other side", lambda i, n: i % n),
    ):
        said = Said(f"padding with the {name}", f"{how} where the input is padded", fix)
        yield Change(said, _laid(right, index))
    source, target = call.input(0), call.output
    low, high = source.code_range
    codes = {
        "the lowest code": low,
        "the highest code": high,
        "the output's zero point": target.zero_point,
        "the zero point's negative": -source.zero_point,
        "the code 1": 1,
    }
    for name, code in codes.items():
        if code not in (0, source.zero_point) and low <= code <= high:
            said = Said(f"padding with {name}", f"pad the input with {name}", fix)
            yield Change(said, _filled(code))


def _reflected(index: Array, size: int) -> Array:
    index = np.abs(index)
    return np.asarray(np.where(index >= size, 2 * size - 2 - index, index).clip(0, size - 1))


class _InMemory:
    """What lies in memory before or after a row read for padding, at a side that is not checked.

    Where the ``rows`` are not checked either, there is padding in memory above and below the input.
    """

    def __init__(self, windows: Windows, left: bool, right: bool, rows: bool) -> None:
        self.windows, self.left, self.right, self.rows = windows, left, right, rows

    def __call__(self, call: Call, arrays: Arrays) -> Made | None:
        x = arrays[0]
        assert x is not None
        _, height, width, channels = x.shape
        rows, columns = (_places(w) for w in self.windows)
        image = np.arange(len(x))[:, None, None]
        at = (image * height + rows[:, None]) * width + columns
        inside = (at >= 0) & (at < x.size // channels)
        inside &= ((rows >= 0) & (rows < height))[:, None] if self.rows else True
        inside &= (columns >= 0) if self.left else True
        inside &= (columns < width) if self.right else True
        codes = x.reshape(-1, channels)[np.where(inside, at, 0)]
        return _apart(
            call,
            arrays,
            self.windows,
            np.where(inside[..., None], codes, x.dtype.type(call.input(0).zero_point)),
        )


def _filled(code: int) -> Form:
    return lambda call, arrays: padded_with(call, arrays, code)


def _taps(call: Call, shape: tuple[int, ...]) -> Iterator[Change]:
    """The first or last row, column or input channel of a filter left out."""
    tensor = call.input(1)
    zero = 0 if tensor.quantization is None or tensor.quantization.per_axis else tensor.zero_point
    places = {1: "row", 2: "column"}
    if len(shape) == 2:
        places = {1: "input"}
    elif not card(call.op.name).depthwise:
        places[3] = "input channel"
    last = len(shape) - 1
    whose = "weights" if len(shape) == 2 else "filter"
    for axis, what in places.items():
        if shape[axis] > 1:
            yield _without(axis, f"first {what}", slice(0, 1), zero, whose)
            yield _without(axis, f"last {what}", slice(-1, None), zero, whose)
        for multiple in (4, 8, 16) if axis == last else ():
            left = slice(shape[axis] // multiple * multiple, None)
            if left.start < shape[axis]:
                words = f"{what}s past the last multiple of {multiple}"
                yield _without(axis, words, left, zero, whose)


def _without(axis: int, what: str, which: slice, zero: int, whose: str) -> Change:
    def changed(weights: Array) -> Array:
        left = weights.copy()
        left[(slice(None),) * axis + (which,)] = zero
        return left

    said = Said(
        f"{what} of the {whose} left out",
        f"leave out the {what} of the {whose}",
        f"sum over the whole {whose}" if whose == "filter" else "sum over all weights of a unit",
    )
    return Change(said, of_array(1, changed))
