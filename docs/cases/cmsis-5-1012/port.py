"""What ARM-software/CMSIS_5#1012 proposes for the average pool, as a user kernel.

tflreplay MODEL --kernel docs/cases/cmsis-5-1012/port.py
"""

import numpy as np

import tflreplay


def divided(total, count):
    """C's division, which cuts toward zero."""
    return np.sign(total) * (np.abs(total) // count)


@tflreplay.kernel("AVERAGE_POOL_2D")
def average_pool(call, x):
    """Whole windows only; ``(sum - (count - 1) / 2) / count`` below zero."""
    height, width = call.option("filter_height"), call.option("filter_width")
    assert (call.option("stride_h"), call.option("stride_w")) == (height, width)
    batch, rows, columns, channels = x.shape
    windows = x.reshape(batch, rows // height, height, columns // width, width, channels)
    total = windows.sum(axis=(2, 4), dtype=np.int32)
    count = height * width
    above = divided(total + count // 2, count)
    below = divided(total - (count - 1) // 2, count)
    return np.where(total > 0, above, below).astype(np.int8)
