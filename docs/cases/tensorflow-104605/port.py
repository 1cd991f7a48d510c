"""The arithmetic published in tensorflow/tensorflow#104605, written anew as user kernels.

    tflreplay MODEL --kernel docs/cases/tensorflow-104605/port.py

``IMPL=single`` in the environment takes the single rounding of that port instead of its double
rounding. Both are as published, mistakes included.
"""

import math
import os

import numpy as np

import tflreplay

IMPL = os.environ.get("IMPL", "double")


def quantize_multiplier(real):
    """Integer M0 in [2**30, 2**31) and shift, with real ~ M0 * 2**(shift - 31)."""
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    m0 = round(fraction * 2**31)
    return (m0 // 2, shift + 1) if m0 == 2**31 else (m0, shift)


def saturating_rounding_doubling_high_mul(a, b):
    product = a * b
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    return ((product + nudge) >> 31).clip(-(2**31), 2**31 - 1)


def rounding_divide_by_pot(x, exponent):
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def double_rounding(acc, m0, shift):
    high = saturating_rounding_doubling_high_mul(acc, m0)
    return rounding_divide_by_pot(high, np.maximum(-shift, 0)) * (1 << np.maximum(shift, 0))


def single_rounding(acc, m0, shift):
    # As printed this stops for every right shift: it asserts exponents of at most 31.
    return rounding_divide_by_pot(acc * m0, 31 + np.abs(shift))


def requantize(call, acc):
    """int64 accumulators, channels last, to int8 codes."""
    x, weights, output = call.input(0), call.input(1), call.output
    reals = float(x.scale) * weights.quantization.scale.astype(float) / float(output.scale)
    m0, shift = np.array([quantize_multiplier(real) for real in reals]).T
    acc = {"single": single_rounding, "double": double_rounding}[IMPL](acc, m0, shift)
    acc += output.zero_point
    low, high = -128, 127
    if call.option("fused_activation_function") in ("RELU", "RELU6"):
        low = max(low, output.zero_point)
    if call.option("fused_activation_function") == "RELU6":
        high = min(high, output.zero_point + round(6 / output.scale))
    return acc.clip(low, high).astype(np.int8)


def pad(size, kernel, stride, dilation, padding):
    """Output size, and the padding before and after."""
    span = (kernel - 1) * dilation + 1
    if padding == "VALID":
        return (size - span) // stride + 1, 0, 0
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + span - size, 0)
    return outputs, total // 2, total - total // 2


def taps(call, x, weights):
    """For each filter tap (i, j), the inputs it meets, less their zero point."""
    _, kernel_h, kernel_w, _ = weights.shape
    dh, dw = call.option("dilation_h_factor"), call.option("dilation_w_factor")
    sh, sw = call.option("stride_h"), call.option("stride_w")
    height, top, bottom = pad(x.shape[1], kernel_h, sh, dh, call.option("padding"))
    width, left, right = pad(x.shape[2], kernel_w, sw, dw, call.option("padding"))
    x = x.astype(np.int64) - call.input(0).zero_point
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    for i in range(kernel_h):
        for j in range(kernel_w):
            rows = x[:, i * dh :: sh][:, :height]
            yield i, j, rows[:, :, j * dw :: sw][:, :, :width]


@tflreplay.kernel("CONV_2D")
def conv_2d(call, x, weights, bias):
    w = weights.astype(np.int64)
    acc = sum(region @ w[:, i, j].T for i, j, region in taps(call, x, weights))
    return requantize(call, acc + bias)


@tflreplay.kernel("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(call, x, weights, bias):
    w = weights.astype(np.int64)
    x = np.repeat(x, w.shape[3] // x.shape[3], axis=3)
    acc = sum(region * w[0, i, j] for i, j, region in taps(call, x, weights))
    return requantize(call, acc + bias)
