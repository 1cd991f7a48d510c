"""A port that dequantizes, computes in real numbers and quantizes: what it may give.

Where the real result lies on the boundary between two codes, or as near to it as floating point is
exact, the precision, the order of operations and the treatment of ties decide, and every port has
its own. So this candidate is no one sequence of codes, but all that round the real result to
nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Multiplier, round_half_away
from tflreplay.model import Tensor
from tflreplay.ops import card
from tflreplay.ops.base.call import Call, accumulation
from tflreplay.ops.base.row import Kernel, Row

NAME = "real arithmetic"
_TYPES = ("int8", "uint8", "int16")
# Roundings to float32 between the input's codes and the output's, besides those of a sum's terms.
_ROUNDINGS = 8
_UNIT = 2.0**-24
_EXACT = 1e-9  # in steps of the output: nearer to a boundary, float64 does not tell the sides apart


@dataclass(frozen=True)
class Reals:
    """The real results in steps of the output scale, less the zero point, in float64.

    ``slack`` is how exact float32 is. ``narrow`` and ``wide`` are the results computed in float32
    and in float64.
    """

    steps: Array
    slack: Array
    output: Tensor
    narrow: Array
    wide: Array

    @property
    def zero_point(self) -> int:
        return self.output.zero_point

    @property
    def low(self) -> int:
        return self.output.code_range[0]

    @property
    def high(self) -> int:
        return self.output.code_range[1]

    def wrong(self, produced: Array) -> Array:
        """Where no rounding to nearest gives what was produced."""
        codes = produced.astype(np.float64)
        off = codes - self.zero_point - self.steps
        allowed = 0.5 + self.slack
        too_high = (off > allowed) & (codes > self.low)
        too_low = (off < -allowed) & (codes < self.high)
        return np.asarray(too_high | too_low | ~np.isfinite(self.steps))

    def open(self, produced: Array) -> Array:
        """Where two codes are possible, and none of them is the end of the type."""
        below = np.floor(self.steps)
        near = np.abs(self.steps - below - 0.5) <= self.slack
        inside = (produced > self.low) & (produced < self.high)
        return np.asarray(near & inside)

    def unlike(self, produced: Array, every: bool) -> Iterator[Array]:
        """For each of the ways in which ports decide what is open, where another way was taken.

        ``every``: also for those that decide all that is open like a tie.
        """
        where = self.open(produced)
        below = np.floor(self.steps)
        up = produced.astype(np.float64) - self.zero_point > below
        above = self.steps > below + 0.5
        tied = np.abs(self.steps - below - 0.5) <= _EXACT
        code = below + self.zero_point
        for tie in (
            np.ones_like(up),
            np.zeros_like(up),
            self.steps > 0,
            self.steps < 0,
            below % 2 == 1,
            code % 2 == 1,
            code >= 0,
        ):
            yield where & (up != np.where(tied, tie, above))
            if every:
                yield where & (up != tie)
        for codes in (
            *_quantized(self.narrow, self.output, np.float32),
            *_quantized(self.wide, self.output, np.float64),
        ):
            yield where & (codes != produced)


def in_reals(call: Call, arrays: Sequence[Array | None]) -> Reals | None:
    """What the op gives in real numbers; None where that is not known, or the output has no scale.

    ``call`` and ``arrays`` are what the kernel of any of the op's rows is handed.
    """
    kernel, to = real_kernel(call), call.output
    if kernel is None:
        return None

    def of(number: type[np.float32 | np.float64], magnitude: bool = False) -> Array:
        return _computed(kernel, call, arrays, number, magnitude)

    try:
        wide, narrow, largest = of(np.float64), of(np.float32), of(np.float64, magnitude=True)
    except NotReplayed:
        return None
    if wide.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):
        steps = wide / np.float64(to.scale)
        size = np.maximum(np.abs(steps), np.abs(largest / np.float64(to.scale)))
    size = np.where(np.isfinite(size), size, np.abs(steps)) + abs(to.zero_point) + 1
    terms = max(1, _largest_input(arrays) // max(wide.size, 1))
    slack = (terms + _ROUNDINGS) * _UNIT * size
    return Reals(steps, slack, to, narrow, wide)


def real_kernel(call: Call) -> Kernel | None:
    """The op on real numbers; None where that is not known, or the output has no scale."""
    kernel, to = card(call.op.name).on_reals, call.output
    if to.dtype not in _TYPES or not _per_tensor(to):
        return None
    if any(tensor is not None and tensor.is_variable for tensor in call.inputs):
        return None
    return kernel


def real_row(row: Row, kernel: Kernel) -> Row:
    """A row that computes so in float64; its sums are steps of the output scale, not rounded."""

    def steps(call: Call, *arrays: Array | None) -> Accumulation:
        values = _computed(kernel, call, arrays, np.float64) / np.float64(call.output.scale)
        finite = np.nan_to_num(values)
        return accumulation(call, finite, Multiplier.of(1.0))

    return replace(row, kernel=steps, rule="float-even64", multiplier="", algorithm=NAME)


def computed_in_reals(call: Call) -> bool:
    """True of an op with such a row."""
    return call.row.algorithm == NAME


def _computed(
    kernel: Kernel,
    call: Call,
    arrays: Sequence[Array | None],
    number: type[np.float32 | np.float64],
    magnitude: bool = False,
) -> Array:
    """What the kernel gives of the real numbers, or of their magnitudes."""
    bare = replace(
        call,
        inputs=tuple(map(_bare, call.inputs)),
        outputs=tuple(_bare(tensor) or tensor for tensor in call.outputs),
    )
    given = [
        _real(tensor, array, number) for tensor, array in zip(call.inputs, arrays, strict=True)
    ]
    if magnitude:
        given = [a if a is None or a.dtype.kind != "f" else np.abs(a) for a in given]
    with np.errstate(all="ignore"):
        return np.asarray(kernel(bare, *given))


def _largest_input(arrays: Sequence[Array | None]) -> int:
    return max((array.size for array in arrays if array is not None), default=0)


def _per_tensor(tensor: Tensor) -> bool:
    return tensor.quantization is not None and not tensor.quantization.per_axis


def _bare(tensor: Tensor | None) -> Tensor | None:
    """The record of the tensor's real numbers."""
    if tensor is None or tensor.quantization is None:
        return tensor
    return replace(tensor, dtype="float32", quantization=None)


def _real(
    tensor: Tensor | None, array: Array | None, number: type[np.float32 | np.float64]
) -> Array | None:
    if tensor is None or array is None:
        return array
    if tensor.quantization is None:
        return array.astype(number) if array.dtype.kind == "f" else array
    scale, zero_point = tensor.quantization.scale, tensor.quantization.zero_point
    if tensor.quantization.per_axis:
        shape = [1] * array.ndim
        shape[tensor.quantization.axis] = -1
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
    centred = array.astype(np.int64) - zero_point
    return np.asarray(centred.astype(number) * scale.astype(number))


def _quantized(reals: Array, to: Tensor, number: type[np.float32 | np.float64]) -> Iterator[Array]:
    scale, zero_point = number(to.scale), number(to.zero_point)
    rounding: tuple[Callable[[Array], Array], ...] = (
        np.rint,
        round_half_away,
        lambda x: np.floor(x + number(0.5)),
    )
    with np.errstate(all="ignore"):
        for steps in (reals / scale, reals * (number(1) / scale)):
            for rounded in rounding:
                yield _codes(rounded(steps) + zero_point, to)
                yield _codes(rounded(steps + zero_point), to)


def _codes(values: Array, to: Tensor) -> Array:
    return np.nan_to_num(values).clip(*to.code_range).astype(to.numpy_dtype)
