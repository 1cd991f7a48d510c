"""CONV_2D and DEPTHWISE_CONV_2D where an old XNNPACK loses its input."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.kernels.call import Call
from tflreplay.kernels.conv import windows
from tflreplay.kernels.matmul import weighted_accumulation


def bias_alone(call: Call, x: Array, weights: Array, bias: Array) -> Accumulation:
    """``acc[b, y, x, o] = bias[o]``: every tap reads padding.

    x: int8 or uint8 NHWC; weights with height and width along axes 1 and 2; bias int32. Corrected
    by XNNPACK bf3014548c: the padding came out negative where SAME leaves input unused.
    """
    rows, columns = windows(call, x, weights)
    values = np.broadcast_to(bias, (x.shape[0], rows.outputs, columns.outputs, bias.size))
    return weighted_accumulation(call, call.input(0), values)
