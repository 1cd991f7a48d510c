"""Which elements of an output a kernel's vector body computes, and how such a body may end."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Rule

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Loop:
    """The innermost loop of an elementwise kernel: ``length`` consecutive outputs.

    ``scalar`` says that one of the operands stays the same in it.
    """

    length: int
    scalar: bool = False

    def body(self, shape: Shape, width: int) -> Array:
        """True for each element of an output of ``shape`` that the vector body takes."""
        return vector_body(shape, width, self.length)

    def place(self, index: Shape, shape: Shape, width: int) -> tuple[bool, str]:
        """Whether the vector body takes one element of an output of ``shape``, and in words."""
        position = int(np.ravel_multi_index(index, shape)) % self.length if index else 0
        body = position < self.length - self.length % width
        where = "vector body" if body else "scalar tail"
        return body, f"element {position} of a loop over {self.length} is in the {where}"


def vector_body(shape: Shape, width: int, length: int) -> Array:
    """True where an element is within the first ``width * (length // width)`` of its loop."""
    position = np.arange(math.prod(shape)).reshape(shape)
    return position % length < length - length % width


def inner_loop(a: Shape, b: Shape) -> Loop | None:
    """The innermost loop over operands of shapes a and b; None if the reference kernel takes them.

    ``ProcessBroadcastShapes`` in ``tflite/kernels/internal/reference/process_broadcast_shapes.h``:
    from the innermost dimension on, dimensions are folded into five groups, where the operands
    agree, the first is repeated, they agree, the second is repeated, they agree. Only what fits
    these is vectorized (``BinaryBroadcastFiveFold`` in ``.../optimized/optimized_ops.h``).
    """
    rank = max(len(a), len(b))
    pairs = list(zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True))

    def fold(belongs: Callable[[int, int], bool]) -> int:
        length = 1
        while pairs and belongs(*pairs[-1]):
            length *= max(pairs.pop())
        return length

    def agree(x: int, y: int) -> bool:
        return x == y

    agreeing = fold(agree)
    if not pairs:
        return Loop(agreeing)
    if pairs[-1][0] != 1:
        pairs = [(y, x) for x, y in pairs]
    repeated = fold(lambda x, _: x == 1)
    fold(agree)
    fold(lambda _, y: y == 1)
    fold(agree)
    if pairs:
        return None
    return Loop(agreeing) if agreeing > 1 else Loop(repeated, scalar=True)


def narrowed(a: Accumulation, rule: Rule, saturate: bool) -> Array:
    """``clamp(wrap16(rule(values) + zero_point))``: a large value may come out at the other end.

    ``saturate`` cuts the value to 16 bits before the sum; else it wraps, which the sum does anyway.
    """
    value = rule(a.values.astype(np.int64), a.multiplier)
    if saturate:
        value = value.clip(-(2**15), 2**15 - 1)
    code = (value + a.zero_point).astype(np.int16)
    return code.clip(a.low, a.high).astype(a.dtype)
