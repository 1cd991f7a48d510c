"""HARD_SWISH as tensorflow/tensorflow#40781 computes it by hand, as a user kernel.

tflreplay MODEL --kernel docs/cases/tensorflow-40781/by_hand.py
"""

import numpy as np

import tflreplay


@tflreplay.kernel("HARD_SWISH")
def hard_swish(call, x):
    """In real numbers, rounded once."""
    source, target = call.input(0), call.output
    real = (x.astype(np.float64) - source.zero_point) * source.scale
    steps = real * np.clip(real + 3, 0, 6) / 6 / target.scale
    return np.clip(np.round(steps) + target.zero_point, 0, 255).astype(np.uint8)
