"""PRELU as espressif/esp-dl#319 reports it, as a user kernel: the positive branch is a copy.

    tflreplay MODEL --kernel docs/cases/esp-dl-319/port.py

Scales are powers of two and zero points 0, as ESP-DL has them.
"""

import math

import numpy as np

import tflreplay


def exponent(scale):
    mantissa, power = math.frexp(scale)
    assert mantissa == 0.5, f"{scale} is no power of two"
    return power - 1


@tflreplay.kernel("PRELU")
def prelu(call, x, alpha):
    """``x`` above zero, else ``x * alpha >> shift``, rounded half away from zero."""
    by_exponent = [exponent(t.scale) for t in (call.output, call.input(0), call.input(1))]
    shift = by_exponent[0] - by_exponent[1] - by_exponent[2]
    product = x.astype(np.int32) * alpha
    rounded = np.sign(product) * ((np.abs(product) + (1 << shift >> 1)) >> shift)
    return np.where(x > 0, x, rounded.clip(-128, 127)).astype(np.int8)
