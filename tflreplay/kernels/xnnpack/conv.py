"""CONV_2D and DEPTHWISE_CONV_2D where an old XNNPACK loses its input."""

from __future__ import annotations

import numpy as np

from tflreplay.kernels.call import Call, accumulation
from tflreplay.kernels.matmul import weight_multiplier
from tflreplay.kernels.window import window
from tflreplay.rounding import Accumulation, Array


def bias_alone(call: Call, x: Array, weights: Array, bias: Array) -> Accumulation:
    """``acc[b, y, x, o] = bias[o]``: every tap reads padding.

    x: int8 or uint8 NHWC; weights with height and width along axes 1 and 2; bias int32. Corrected
    by XNNPACK bf3014548c: the padding came out negative where SAME leaves input unused.
    """
    height, width = (
        window(size, weights.shape[axis], call.option(stride), call.option(dilation), "SAME")
        for size, axis, stride, dilation in (
            (x.shape[1], 1, "stride_h", "dilation_h_factor"),
            (x.shape[2], 2, "stride_w", "dilation_w_factor"),
        )
    )
    values = np.broadcast_to(bias, (x.shape[0], height.outputs, width.outputs, bias.size))
    return accumulation(
        call,
        values,
        weight_multiplier(call, call.input(0), call.input(1)),
        call.option("fused_activation_function"),
    )
