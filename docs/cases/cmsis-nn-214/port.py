"""The arithmetic of the probe script published for ARM-software/CMSIS-NN#214, written anew as
user kernels.

    tflreplay MODEL --kernel docs/cases/cmsis-nn-214/port.py

``IMPL=single`` in the environment takes the script's single rounding instead of its double
rounding. Both are as published, the mistake included.
"""

import math
import os

import numpy as np

import tflreplay

IMPL = os.environ.get("IMPL", "double")


def quantize_multiplier(real):
    """Integer multiplier and shift, with real ~ multiplier * 2**(shift - 31)."""
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def to_int32(x):
    return np.asarray(x).astype(np.int32).astype(np.int64)


def doubling_high_mul(a, b):
    product = np.asarray(a) * b
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    return np.minimum((product + nudge) // (1 << 31), 2**31 - 1)


def rounding_divide_by_pot(x, exponent):
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def double_rounding(acc, multiplier, shift):
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    return rounding_divide_by_pot(doubling_high_mul(to_int32(acc << left), multiplier), right)


def single_rounding(acc, multiplier, shift):
    total = 31 - shift
    return to_int32((acc * multiplier + (1 << (total - 1))) >> total)


rescale = {"single": single_rounding, "double": double_rounding}[IMPL]


def finish(call, acc, multiplier, shift):
    """Rescaled, on the output's zero point, clamped."""
    output = call.output
    activation = call.op.options.get("fused_activation_function", "NONE")
    low = output.zero_point if activation in ("RELU", "RELU6") else -128
    high = 127
    if activation == "RELU6":
        high = min(high, output.zero_point + math.floor(6 / output.scale + 0.5))
    codes = rescale(acc, multiplier, shift) + output.zero_point
    return codes.clip(low, high).astype(np.int8)


def centred(tensor, codes):
    return codes.astype(np.int64) - tensor.zero_point


@tflreplay.kernel("MUL")
def mul(call, a, b):
    ta, tb = call.input(0), call.input(1)
    multiplier, shift = quantize_multiplier(ta.scale * tb.scale / call.output.scale)
    return finish(call, centred(ta, a) * centred(tb, b), multiplier, shift)


def on_common_scale(call, a, b):
    """Both inputs in units of twice the larger scale, with 20 more bits."""
    ta, tb = call.input(0), call.input(1)
    twice = 2 * max(ta.scale, tb.scale)
    left = rescale(centred(ta, a) << 20, *quantize_multiplier(ta.scale / twice))
    right = rescale(centred(tb, b) << 20, *quantize_multiplier(tb.scale / twice))
    return left, right, *quantize_multiplier(twice / (2**20 * call.output.scale))


@tflreplay.kernel("ADD")
def add(call, a, b):
    left, right, multiplier, shift = on_common_scale(call, a, b)
    return finish(call, left + right, multiplier, shift)


@tflreplay.kernel("SUB")
def sub(call, a, b):
    left, right, multiplier, shift = on_common_scale(call, a, b)
    return finish(call, left - right, multiplier, shift)


@tflreplay.kernel("MEAN")
def mean(call, x, axes):
    axes = tuple(int(axis) for axis in np.ravel(axes))
    total = centred(call.input(0), x).sum(axis=axes, keepdims=call.option("keep_dims"))
    count = x.size // total.size
    multiplier, shift = quantize_multiplier(call.input(0).scale / call.output.scale)
    more = min(count.bit_length() - 1, 32, 31 + shift)
    return finish(call, total, (multiplier << more) // count, shift - more)


def finish_products(call, acc):
    """The multiplier of each output channel, or the one of them all."""
    x, weights = call.input(0), call.input(1)
    reals = float(x.scale) * weights.quantization.scale.astype(float) / float(call.output.scale)
    multiplier, shift = np.array([quantize_multiplier(real) for real in reals]).T
    return finish(call, acc, multiplier, shift)


@tflreplay.kernel("FULLY_CONNECTED")
def fully_connected(call, x, weights, bias=None):
    w = weights.astype(np.int64)
    if not call.input(1).quantization.per_axis:
        w -= call.input(1).zero_point
    acc = centred(call.input(0), x).reshape(-1, w.shape[1]) @ w.T
    acc += 0 if bias is None else bias
    return finish_products(call, acc).reshape(call.output.shape)


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
    x = np.pad(centred(call.input(0), x), ((0, 0), (top, bottom), (left, right), (0, 0)))
    for i in range(kernel_h):
        for j in range(kernel_w):
            rows = x[:, i * dh :: sh][:, :height]
            yield i, j, rows[:, :, j * dw :: sw][:, :, :width]


@tflreplay.kernel("CONV_2D")
def conv_2d(call, x, weights, bias):
    w = weights.astype(np.int64)
    acc = sum(region @ w[:, i, j].T for i, j, region in taps(call, x, weights))
    return finish_products(call, acc + bias)


@tflreplay.kernel("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(call, x, weights, bias):
    w = weights.astype(np.int64)
    x = np.repeat(x, w.shape[3] // x.shape[3], axis=3)
    acc = sum(region * w[0, i, j] for i, j, region in taps(call, x, weights))
    return finish_products(call, acc + bias)
