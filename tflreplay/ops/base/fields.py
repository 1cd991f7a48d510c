"""What of an op's input each of its outputs sees: to solve for inputs from wanted sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call


@dataclass(frozen=True)
class Field:
    """Taps of one or several outputs: where they lie in the input, flattened.

    ``weights`` holds, for each output channel that reads exactly these taps, its weights.
    """

    taps: Array
    weights: dict[int, Array]


@dataclass(frozen=True)
class Fields:
    """``apart(call, places, weights)`` gives fields of the op that do not overlap.

    ``places`` holds the input's flat indices in its shape. ``weights(call, array)`` gives the int64
    weights less their zero point in the op's layout; its array is None for an op without weights.
    """

    apart: Callable[[Call, Array, Array], Iterator[Field]]
    weights: Callable[[Call, Array | None], Array]


def less_zero_point(call: Call, weights: Array | None) -> Array:
    """int64 weights of an op whose second input they are, less a zero point that all share."""
    assert weights is not None
    tensor = call.input(1)
    centred = weights.astype(np.int64)
    if tensor.quantization is not None and not tensor.quantization.per_axis:
        centred -= tensor.zero_point
    return centred
