"""The smallest operator of an op: what is asked for its parameters where there is no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Smallest:
    """All of an operator but its types and its quantization.

    ``inputs`` are the shapes of its quantized inputs, and the values of its other constants, in
    their order, without the bias. ``options`` are fields of the option table ``table``.
    """

    inputs: tuple[Shape | Array, ...]
    output: Shape
    table: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


# Of a number of output channels, or of elements that are summed.
Sized = Callable[[int], Smallest]


def pair(table: str) -> Sized:
    """Two elements, one of each input."""
    return lambda size: Smallest(((1,), (1,)), (1,), table)


def alone(table: str = "") -> Sized:
    """One element."""
    return lambda size: Smallest(((1,),), (1,), table)


def reduction(size: int) -> Smallest:
    """All of an image: what global average pooling is converted to."""
    axes = np.array([1, 2], np.int32)
    return Smallest(((1, size, 1, 1), axes), (1, 1, 1, 1), "ReducerOptions", {"keep_dims": True})
