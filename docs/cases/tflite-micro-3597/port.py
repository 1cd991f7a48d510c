"""FULLY_CONNECTED with int16 activations, summed in 32 bits as in tensorflow/tflite-micro#3597.

tflreplay MODEL --kernel docs/cases/tflite-micro-3597/port.py
"""

import math

import numpy as np

import tflreplay


def rescaled(acc, real):
    """A product of 64 bits, its high half rounded, and a rounding shift: ties away from zero."""
    fraction, shift = math.frexp(real)
    product = acc * math.floor(fraction * 2**31 + 0.5)
    high = half_away(product, 31)
    return half_away(high, -shift)


def half_away(x, bits):
    return np.sign(x) * ((np.abs(x) + (1 << bits >> 1)) >> bits)


@tflreplay.kernel("FULLY_CONNECTED")
def fully_connected(call, x, weights, bias=None):
    assert bias is None
    acc = (x.astype(np.int64) @ weights.T.astype(np.int64)).astype(np.int32)  # wraps around
    real = float(call.input(0).scale) * float(call.input(1).scale) / float(call.output.scale)
    return rescaled(acc.astype(np.int64), real).clip(-32768, 32767).astype(np.int16)
