"""How a tensor's values may lie in a file: shapes, and the layouts that accelerators use.

A tensor here is ``[N, H, W, C]``. ``NHWC8`` pads its channels to a multiple of 8. ``NC4HW4`` is
blocked: ``[N, C/4, H, W, 4]``, the last block padded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import prod
from operator import mul

import numpy as np

from tflreplay.ground.rounding import Array

_PADDED = ("NHWC4", "NHWC8", "NHWC16")
_BLOCKED = ("NC4HW4", "NC8HW8", "NC16HW16")
LAYOUTS = ("NHWC", "NCHW", *_PADDED, *_BLOCKED)


@dataclass(frozen=True)
class Placed:
    """An array in the tensor's shape, the layout that it was taken to be in, and in words what was
    done; empty where nothing was."""

    array: Array = field(repr=False)
    layout: str = "NHWC"
    how: str = ""


def place(
    shape: Sequence[int], array: Array, layout: str = "", shaped: bool = True
) -> list[Placed]:
    """All ways to take ``array`` for a tensor of ``shape``; the tensor's own alone where it fits.

    A shape that only splits or joins neighbouring axes fits. One that has them in another order
    does not, unless it is that of a layout; a flat array is in the tensor's own order unless
    ``layout`` says otherwise.

    Args:
        layout: one of :data:`LAYOUTS`; without it all are tried.
        shaped: False where nobody told the array's shape, which is then nothing to speak of.
    """
    shape = tuple(shape)
    flat = sum(size != 1 for size in array.shape) <= 1
    if layout in ("", "NHWC") and (own := _own(shape, array, shaped)):
        return [own]
    layouts = (layout,) if layout else LAYOUTS
    if len(shape) == 4 and (found := _stored(shape, array, layouts, False)):
        return found
    if flat and array.size == prod(shape) and layout in ("", "NHWC"):
        how = "flat, given the tensor's shape, row-major" if shaped else ""
        return [Placed(array.reshape(shape), how=how)]
    if len(shape) == 4 and flat:
        return _stored(shape, array, layouts, True)
    if array.size == prod(shape) and layout in ("", "NHWC"):
        ours, theirs = _ends(shape), _ends(array.shape)
        if ours <= theirs or theirs <= ours:
            how = "of another shape, given the tensor's, row-major"
            return [Placed(array.reshape(shape), how=how)]
    return []


def also_channels_first(shape: Sequence[int], array: Array) -> bool:
    """Whether an array that has the tensor's own shape may as well be NCHW, and differs then."""
    if len(shape) != 4:
        return False
    shape = tuple(shape)
    found = _stored(shape, array, ("NCHW",), False)
    return any(not np.array_equal(at.array, array.reshape(shape)) for at in found)


def _own(shape: tuple[int, ...], array: Array, shaped: bool) -> Placed | None:
    """The array where it has the tensor's own shape, perhaps but for the batch."""
    if array.shape == shape:
        return Placed(array)
    if shape[:1] == (1,) and array.shape == shape[1:]:
        how = "without the batch, which was added" if shaped else ""
        return Placed(array.reshape(shape), how=how)
    return None


def _ends(shape: Sequence[int]) -> set[int]:
    """Where axes end, counted in elements: of two shapes that split one another's axes, one has all
    of the other's."""
    return set(accumulate(shape, mul))


def _stored(
    shape: tuple[int, ...], array: Array, layouts: Sequence[str], flat: bool
) -> list[Placed]:
    """The array taken to be stored in each of the layouts that its shape allows; its size, where
    it is ``flat``."""
    found = []
    for layout in layouts:
        stored = _shape(shape, layout)
        fits = array.shape == stored or (stored[0] == 1 and array.shape == stored[1:])
        if layout != "NHWC" and (fits or (flat and array.size == prod(stored))):
            found.append(_joined(shape, array.reshape(stored), layout))
    return found


def _shape(shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """The shape in which a tensor is stored."""
    n, h, w, c = shape
    block = _block(layout)
    groups = -(-c // block)
    if layout in _BLOCKED:
        return n, groups, h, w, block
    return (n, c, h, w) if layout == "NCHW" else (n, h, w, groups * block)


def _joined(shape: tuple[int, ...], stored: Array, layout: str) -> Placed:
    if layout == "NCHW":
        return Placed(stored.transpose(0, 2, 3, 1), layout, "NCHW, transposed to NHWC")
    n, h, w, c = shape
    if layout in _PADDED:
        return Placed(stored[..., :c], layout, "channels padded, taken without the padding")
    joined = stored.transpose(0, 2, 3, 1, 4).reshape(n, h, w, -1)
    return Placed(joined[..., :c], layout, f"{layout}, blocks joined to NHWC")


def _block(layout: str) -> int:
    digits = re.findall(r"\d+", layout)
    return int(digits[0]) if digits else 1
