"""MEAN and SUM as ports get them wrong: the count, when it divides, and what is not summed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.ops.base.call import Call, accumulation
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.reduction import centred_sums, mean_multiplier, reduced_axes
from tflreplay.ops.base.row import Kernel

Divide = Callable[[Array, int], Array]
Axes = tuple[int, ...]
Shape = tuple[int, ...]


def _ratio(call: Call, by: float = 1) -> Multiplier:
    return Multiplier.of(np.float64(call.input(0).scale) / call.output.scale * by)


# ---- when it divides ---------------------------------------------------------------------------


def _half_away(total: Array, count: int) -> Array:
    return np.asarray(np.sign(total) * ((np.abs(total) + count // 2) // count))


def _toward_zero(total: Array, count: int) -> Array:
    return np.asarray(np.sign(total) * (np.abs(total) // count))


def _half_then_cut(total: Array, count: int) -> Array:
    return _toward_zero(total + count // 2, count)


_DIVISIONS: dict[str, Divide] = {
    "rounded": _half_away,
    "cut toward zero": _toward_zero,
    "rounded down": lambda total, count: total // count,
    "rounded up": lambda total, count: -(-total // count),
    "rounded with ties up": lambda total, count: (2 * total + count) // (2 * count),
    "rounded with ties to even": lambda total, count: np.rint(total / count).astype(np.int64),
    "rounded by adding one half and cutting": _half_then_cut,
}


def _divided_first(divide: Divide, centred: bool, folded: bool) -> Kernel:
    """The mean made an integer, and then rescaled: of the raw codes, or of the ``centred`` ones.

    ``folded``: the integer is multiplied by the count again, and by the op's own multiplier.
    """

    def kernel(call: Call, x: Array, axes: Array) -> Accumulation:
        sums, count = centred_sums(call, x, axes)
        zero = np.int64(call.input(0).zero_point)
        if centred:
            values = divide(sums.astype(np.int64), count)
        else:
            values = divide(sums + count * zero, count) - zero
        if folded:
            return accumulation(call, values * count, mean_multiplier(call, count))
        return accumulation(call, values, _ratio(call))

    return kernel


def _divided_after(divide: Divide) -> Kernel:
    """The sum rescaled, and then divided."""

    def kernel(call: Call, x: Array, axes: Array) -> Accumulation:
        sums, count = centred_sums(call, x, axes)
        return accumulation(call, divide(call.rule(sums, _ratio(call)), count), Multiplier.of(1.0))

    return kernel


_FOLD = "fold 1 / count into the multiplier: the sum is rounded once"


def _divisions() -> Iterator[Ported]:
    for how, divide in _DIVISIONS.items():
        for centred in (False, True):
            for folded in (False, True):
                yield Ported(
                    f"mean {how} before rescaling",
                    f"divide the sum by its count first, {how}, and rescale that",
                    _FOLD,
                    _divided_first(divide, centred, folded),
                )
        yield Ported(
            f"mean {how} after rescaling",
            f"rescale the sum and divide it by its count after that, {how}",
            _FOLD,
            _divided_after(divide),
        )


# ---- what it divides by ------------------------------------------------------------------------


def _sum(call: Call, x: Array, axes: Array) -> Accumulation:
    return accumulation(call, centred_sums(call, x, axes)[0], _ratio(call))


def _mean(call: Call, x: Array, axes: Array) -> Accumulation:
    sums, count = centred_sums(call, x, axes)
    return accumulation(call, sums, mean_multiplier(call, count))


def _zero_point_once(by_count: bool) -> Kernel:
    def kernel(call: Call, x: Array, axes: Array) -> Accumulation:
        sums, count = centred_sums(call, x, axes)
        once = sums + (count - 1) * np.int64(call.input(0).zero_point)
        return accumulation(call, once, mean_multiplier(call, count) if by_count else _ratio(call))

    return kernel


def _counted(counted: Callable[[Shape, Axes], int], shifted: bool) -> Kernel:
    """The right sum of all, divided by another count; its mantissa ``shifted`` for this one."""

    def kernel(call: Call, x: Array, axes: Array) -> Accumulation:
        sums, count = centred_sums(call, x, axes)
        other = counted(x.shape, reduced_axes(call, x, axes)[0])
        if other in (0, count):
            raise NotReplayed("this is the count")
        return accumulation(call, sums, mean_multiplier(call, other, count if shifted else other))

    return kernel


def _count(shape: Shape, axes: Axes) -> int:
    return math.prod(shape[axis] for axis in axes)


def _size(axis: int) -> Callable[[Shape, Axes], int]:
    return lambda shape, axes: shape[axis % len(shape)]


_COUNTS: dict[str, Callable[[Shape, Axes], int]] = {
    "the count less one": lambda shape, axes: _count(shape, axes) - 1,
    "the count and one more": lambda shape, axes: _count(shape, axes) + 1,
    "the next power of two": lambda shape, axes: 1 << (_count(shape, axes) - 1).bit_length(),
    "the power of two before": lambda shape, axes: 1 << _count(shape, axes).bit_length() - 1,
    "half of the count": lambda shape, axes: _count(shape, axes) // 2,
    "twice the count": lambda shape, axes: _count(shape, axes) * 2,
    "the height": _size(1),
    "the width": _size(2),
    "the height squared": lambda shape, axes: _size(1)(shape, axes) ** 2,
    "the width squared": lambda shape, axes: _size(2)(shape, axes) ** 2,
    "the height and width together": lambda shape, axes: sum(shape[axis] for axis in axes),
    "the channels": _size(-1),
    "height times channels": lambda shape, axes: _size(1)(shape, axes) * shape[-1],
    "width times channels": lambda shape, axes: _size(2)(shape, axes) * shape[-1],
    "all elements": lambda shape, axes: math.prod(shape),
    "the count times the channels": lambda shape, axes: _count(shape, axes) * shape[-1],
}


def _counts() -> Iterator[Ported]:
    kernels = ((what, _counted(it, way)) for what, it in _COUNTS.items() for way in (False, True))
    for what, kernel in kernels:
        yield Ported(
            f"count of {what}",
            f"divide by {what} in place of the count of what is summed",
            "divide by the product of the sizes of all axes that are reduced",
            kernel,
        )


# ---- what is not summed ------------------------------------------------------------------------


def _last(axis: int) -> Callable[[Shape, Axes], tuple[Axes, slice]]:
    return lambda shape, axes: (axes[axis : axis + 1], slice(-1, None))


def _first(axis: int) -> Callable[[Shape, Axes], tuple[Axes, slice]]:
    return lambda shape, axes: (axes[axis : axis + 1], slice(0, 1))


def _tail(multiple: int) -> Callable[[Shape, Axes], tuple[Axes, slice]]:
    """What is past the last multiple, counted over all axes."""
    return lambda shape, axes: (axes, slice(_count(shape, axes) // multiple * multiple, None))


# What is left out: the axes along which it is counted, flat, and the places.
_LEFT_OUT: dict[str, Callable[[Shape, Axes], tuple[Axes, slice]]] = {
    "last element": lambda shape, axes: (axes, slice(-1, None)),
    "first element": lambda shape, axes: (axes, slice(0, 1)),
    "last row": _last(0),
    "first row": _first(0),
    "last column": _last(1),
    "first column": _first(1),
    "elements past the last multiple of 4": _tail(4),
    "elements past the last multiple of 8": _tail(8),
    "elements past the last multiple of 16": _tail(16),
}


def _without(
    which: Callable[[Shape, Axes], tuple[Axes, slice]], raw: bool, recounted: bool, mean: bool
) -> Kernel:
    """A part not summed: its codes are 0 where ``raw``, or else its centred codes.

    ``recounted``: the mean is of what is left.
    """

    def kernel(call: Call, x: Array, axes: Array) -> Accumulation:
        axis, _ = reduced_axes(call, x, axes)
        along, places = which(x.shape, axis)
        if not along:
            raise NotReplayed("it has not so many axes")
        x = np.ascontiguousarray(np.moveaxis(x, along, range(len(along)))).astype(np.int16)
        flat = x.reshape(math.prod(x.shape[: len(along)]), -1)
        left = len(flat[places])
        flat[places] = 0 if raw else call.input(0).zero_point
        x = np.moveaxis(flat.reshape(x.shape), range(len(along)), along)
        sums, count = centred_sums(call, x, axes)
        if left in (0, len(flat)):
            raise NotReplayed("nothing, or all is left out")
        if recounted:
            count = count // len(flat) * (len(flat) - left)
        return accumulation(call, sums, mean_multiplier(call, count) if mean else _ratio(call))

    return kernel


def _parts(mean: bool) -> Iterator[Ported]:
    for what, which in _LEFT_OUT.items():
        for raw in (False, True):
            yield Ported(
                f"{what} not summed",
                f"leave out the {what} of the sum" + (", and divide by the whole count" * mean),
                "sum all elements along the axes that are reduced",
                _without(which, raw, False, mean),
            )
        if mean:
            yield Ported(
                f"{what} not summed, nor counted",
                f"leave out the {what} of the sum and of the count",
                "sum all elements along the axes that are reduced",
                _without(which, False, True, mean),
            )


def _along_one(which: int) -> Kernel:
    """Along one of two axes, at place 0 of the other."""

    def kernel(call: Call, x: Array, axes: Array) -> Accumulation:
        axis, _ = reduced_axes(call, x, axes)
        if len(axis) != 2:
            raise NotReplayed("it is not of two axes")
        sums, count = centred_sums(call, x.take([0], axis[1 - which]), axes)
        return accumulation(call, sums, mean_multiplier(call, count))

    return kernel


_EACH = Ported(
    "zero point subtracted once instead of n times",
    "subtract the zero point once from a sum of n codes",
    "subtract n * zero point",
    _zero_point_once(True),
)
MEAN = (
    *_divisions(),
    _EACH,
    Ported("count left out", "leave out the division by the count", _FOLD, _sum),
    *(
        Ported(
            f"mean along the {which} axis only",
            f"take the mean along the {which} of the axes, and the first element along the other",
            "reduce along all axes of the op",
            _along_one(i),
        )
        for i, which in enumerate(("first", "second"))
    ),
    *_counts(),
    *_parts(mean=True),
)
SUM = (
    Ported(_EACH.title, _EACH.you, _EACH.fix, _zero_point_once(False)),
    Ported("mean instead of the sum", "divide by the count", "do not divide", _mean),
    *_parts(mean=False),
)
