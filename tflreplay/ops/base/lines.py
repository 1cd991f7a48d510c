"""The same op on a few output lines; ``lines`` index the output as (lines, channels)."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call

Arrays = tuple[Array | None, ...]


def of_pair(call: Call, arrays: Arrays, lines: Array) -> tuple[Call, Arrays]:
    """Of an op on two broadcast inputs, element by element."""
    a, b = arrays
    assert a is not None
    assert b is not None
    whole = np.broadcast_shapes(a.shape, b.shape, (1,))
    pair = (np.broadcast_to(array, whole) for array in (a, b))
    return call, tuple(array.reshape(-1, whole[-1])[lines] for array in pair)
