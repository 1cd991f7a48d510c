"""The windows of an op with weights, as its call and its arrays have them."""

from __future__ import annotations

from tflreplay.ground.rounding import Array
from tflreplay.ground.window import Window, window
from tflreplay.ops.base.call import Call

Windows = tuple[Window, Window]


def windows_of(call: Call, x: Array, weights: Array) -> Windows:
    """Its rows and its columns; x: NHWC, weights: filter height and width on axes 1 and 2."""
    rows, columns = (
        window(
            x.shape[axis],
            weights.shape[axis],
            call.option(f"stride_{letter}"),
            call.option(f"dilation_{letter}_factor"),
            call.option("padding"),
        )
        for axis, letter in ((1, "h"), (2, "w"))
    )
    return rows, columns
