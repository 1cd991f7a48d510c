"""The same op on a few of its output lines only."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.made import Arrays, with_options
from tflreplay.kernels.call import Call
from tflreplay.kernels.conv import receptive_fields

_PAIRS = ("ADD", "SUB", "MUL")


def crop(call: Call, arrays: Arrays, lines: Array) -> tuple[Call, Arrays] | None:
    """An op whose outputs are the given lines of this one's, or None where that has no short cut.

    ``lines`` index the output flattened to ``(lines, channels)``.
    """
    if call.op.name not in (*_PAIRS, "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        return None
    x, weights = arrays[:2]
    assert x is not None
    assert weights is not None
    if call.op.name in _PAIRS:
        whole = np.broadcast_shapes(x.shape, weights.shape, (1,))
        pair = (np.broadcast_to(array, whole) for array in (x, weights))
        return call, tuple(array.reshape(-1, whole[-1])[lines] for array in pair)
    if call.op.name == "FULLY_CONNECTED":
        return call, (x.reshape(-1, weights.shape[1])[lines], *arrays[1:])
    # The receptive fields side by side: one image, one line of outputs.
    fields = receptive_fields(call, x, weights, lines)
    count, height, width, channels = fields.shape
    image = fields.swapaxes(0, 1).reshape(1, height, count * width, channels)
    apart = {"padding": "VALID", "stride_h": 1, "stride_w": width}
    dense = {"dilation_h_factor": 1, "dilation_w_factor": 1}
    return with_options(call, **apart, **dense), (image, *arrays[1:])
