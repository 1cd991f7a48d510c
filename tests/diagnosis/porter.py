"""A second port, with mistakes that were thought up without a look at what the diagnosis tries.

Kernels as somebody writes them in C, from the formulas of the reference kernels. ``SLIPS`` has by
op what may go wrong in them; a port has some of these, or none, and is then bit-exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.diagnosis.port import Array, Port, nearest
from tests.single_op import Op, Spec, random_codes
from tflreplay.ground import fixed_point
from tflreplay.ops.base.call import Call

# By op: what the porter did, and what a verdict must name for it, or begin to.
SLIPS: dict[str, dict[str, str | tuple[str, ...]]] = {
    "CONV_2D": {
        "padding of a kernel that is not dilated": "padding computed without the dilation",
        "stride of the height for both": "stride 2 x 2",
        "stride of the kernel's size": "stride 3 x",
        "last column of the kernel not summed": "last column of the filter left out",
        "reads past the end of a row into the next": "padding with the next row",
        "sum not set to 0 between channels": "sum carried on to the next channel",
        "channels past the last multiple of 4 not summed": (
            "input channels past the last multiple of 4 of the filter left out"
        ),
        "outputs past the last multiple of 8 not written": "constant in channels 8 to 10",
        "last row not written": "constant in the last row",
        "input offset added instead of subtracted": (
            "zero point of the input added instead of subtracted"
        ),
        "bias of 16 bits": "bias of 16 bits that wraps around",
        "multiplier of the next channel": "scale of the next channel",
        "32-bit product of sum and multiplier": "product in 32 bits",
        "shift one too small": "shift off by one, to the left",
        "RELU at code 0": "RELU at the code 0",
        "int8 cast without a clamp": "clamp left out",
        "bias not summed into the last channel": "bias of the last channel missing",
        "batch 1 has the input of batch 0": "input of the first batch for all",
    },
    "DEPTHWISE_CONV_2D": {
        "dilation ignored": "dilation left out",
        "always one pixel of padding": (
            "1 row and 1 column padded before the input",
            "SAME padding split the wrong way round",
        ),
        "scale by the input's channel": "scale of the input channel's number",
        "bias by the input's channel": "bias of the input channel's number",
        "kernel read as one plane a channel": "weights read as CHW",
        "padding of 0 after the offset was added": "padding with 0 instead of the zero point",
        "last row of the kernel not summed": "last row of the filter left out",
        "output offset left out": "zero point of the output left out",
    },
    "FULLY_CONNECTED": {
        "bias for the first batch only": "bias left out in rows 1 to 11 only",
        "last input not summed": "last input of the weights left out",
        "offset of the input added by int8 arithmetic": (
            "zero point of the input subtracted in 8 bits"
        ),
        "shift to the left": "shift to the other side",
        "weights read from the second row on": "weights with output channels moved by -1",
        "sum of 16 bits, saturating": "accumulator of 16 bits",
        "output offset added before the multiplier": (
            "zero point of the output added before rescaling"
        ),
        "lower bound of the activation left out": "activation's lower bound left out",
    },
    "ADD": {
        "no left shift": "inputs not shifted left",
        "offset of the first for both": (
            "zero point of the first input instead of the second input's"
        ),
        "multipliers exchanged": "scales of both inputs exchanged",
        "second operand repeated by its flat index": "second input repeated by its flat index",
        "output wraps": "clamp left out",
        "output offset left out": "zero point of the output left out",
        "second operand left out": "second input left out",
    },
    "SUB": {
        "operands exchanged": "inputs subtracted the other way round",
        "second offset of the wrong sign": (
            "zero point of the second input added instead of subtracted"
        ),
        "no left shift": "inputs not shifted left",
    },
    "MUL": {
        "differences kept in int8": "zero points of both inputs subtracted in 8 bits",
        "output offset added before the multiplier": (
            "zero point of the output added before rescaling"
        ),
        "half of the product": "shift off by one, to the right",
        "output wraps": "clamp left out",
        "offsets exchanged": "zero points of both inputs exchanged",
    },
    "AVERAGE_POOL_2D": {
        "division cut": "mean cut toward zero",
        "window's size always": "padding counted in the mean, as the code 0",
        "nudge of a positive sum for all": "mean rounded as if it were positive",
        "window not moved to the padding": "windows not moved into the padding",
        "stride of 1": "stride of 1",
        "filter's height and width exchanged": "window's height and width exchanged",
        "sum of 8 bits": "sum of 8 bits that wraps around",
    },
    "MAX_POOL_2D": {
        "starts at 0": "maximum that starts at the code 0",
        "first pixel of the window skipped": "first element of the window left out",
        "filter's height and width exchanged": "window's height and width exchanged",
        "absolute values compared": "largest magnitude instead of the maximum",
        "last column not written": "constant in the last column",
    },
    "PRELU": {
        "alpha of the first channel": "alpha of the first channel for all",
        "offset of alpha left out": "zero point of alpha left out",
        "output offset left out where negative": (
            "output's zero point left out in the negative branch"
        ),
        "alpha's multiplier for both": "scale of alpha in the positive branch too",
        "alpha without the input's scale": "scale of the input left out in the negative branch",
    },
    "LEAKY_RELU": {
        "shift by 2 bits instead of alpha": "alpha as a shift",
        "alpha times the code": "input's zero point left out in the negative branch",
        "positive not rescaled": "positive branch not rescaled",
    },
    "HARD_SWISH": {
        "not cut at 6": "relu instead of relu6",
        "3 left out": "x + 3 left out",
        "output offset left out": "zero point of the output left out",
    },
    "LOGISTIC": {
        "table read by the code without 128": "zero point of the input of the other 8-bit type",
        "output offset left out": "zero point of the output left out",
        "input doubled": "argument doubled",
    },
    "TANH": {
        "table read by the code without 128": "zero point of the input of the other 8-bit type",
        "input doubled": "argument doubled",
        "cut to a line": "hard tanh",
    },
    "SOFTMAX": {
        "over all values": "sum over all elements",
        "output offset left out": "zero point of the output left out",
        "cut": "product not rounded",
        "beta left out": "beta left out",
        "differences of the wrong sign": "sign of the exponent",
    },
    "QUANTIZE": {
        "cut": "product not rounded",
        "wraps": "clamp left out",
        "offset added before rounding, then cut": (
            "product not rounded and zero point of the output added before rescaling"
        ),
        "offset of the input": "zero point of the input instead of the output's",
    },
    "QUANTIZE float": {
        "cut": "quotient cut toward zero",
        "wraps": "code not clamped",
        "scale multiplied": "multiplied by the scale",
        "offset left out": "zero point of the output left out",
        "int8 as uint8": "codes clamped and stored as uint8",
    },
    "DEQUANTIZE": {
        "offset added": "zero point of the input added instead of subtracted",
        "offset left out": "zero point of the input left out",
        "scale left out": "scale of the input left out",
        "code as uint8": "input read as uint8",
    },
    "RESIZE_BILINEAR": {
        "corners aligned": "pixels placed align_corners",
        "pixels not at their centers": "pixels placed asymmetric",
        "scales of height and width exchanged": "ratios of height and width exchanged",
        "cut": "interpolated value cut toward zero",
    },
    "RESIZE_NEAREST_NEIGHBOR": {
        "rounded": "position rounded to the nearest",
        "corners aligned": "pixels placed align_corners",
        "scales exchanged": "ratios of height and width exchanged",
    },
    "CONCATENATION": {
        "second first": "inputs in reverse",
        "along the width": "inputs joined along axis 2",
        "the first twice": "first input read twice",
    },
    "PAD": {
        "with 0": "padding with the code 0",
        "before and after exchanged": "padding before and after exchanged",
        "height and width exchanged": "padding of height and width exchanged",
    },
    "TRANSPOSE": {
        "the inverse": "axes permuted as 0, 3, 1, 2",
        "only reshaped": "elements left where they were",
        "last two axes only": "axes permuted as 0, 1, 3, 2",
    },
    "MEAN": {
        "division cut": "mean cut toward zero",
        "over the height only": "mean along the first axis only",
        "count of the height twice": "count of the height squared",
        "offset added": "zero point of the input added instead of subtracted",
    },
    "TRANSPOSE_CONV": {
        "kernel turned round": "filter turned round",
        "last value kept instead of the sum": "last product kept instead of the sum",
        "padding not cut off": "padding not cut off",
        "stride of the height for both": "stride of the height for both",
        "bias left out": "bias left out",
        "input offset left out": "zero point of the input left out",
        "multiplier of the first channel": "per-tensor scale on per-channel weights",
    },
    "BATCH_MATMUL": {
        "first transposed": "first matrix transposed or not",
        "second transposed": "second matrix transposed or not",
        "second offset left out": (
            "the right matrix's zero point is ignored",
            "zero point of the second input left out",
        ),
        "batch 0": "second input of the first batch for all",
    },
    "UNIDIRECTIONAL_SEQUENCE_LSTM": {
        "gates i, c, f, o": "gates read in the order i, c, f, o",
        "forget gate and output gate exchanged": "gates read in the order i, o, c, f",
        "tanh of the cell left out": "tanh of the cell state left out",
        "cell not cut": "cell state not clipped",
        "state not kept": "states not kept between steps",
        "forget bias of 1": "1 added to the forget gate's bias",
        "recurrent weights transposed": "recurrent weights transposed",
        "time reversed": "time in reverse",
        "output gate left out": "output gate left out",
        "hidden offset subtracted": "zero point of the hidden state subtracted instead of added",
    },
    "SVDF": {
        "newest value first": "newest value first",
        "bias left out": "bias left out",
        "ranks not summed": "first filter of each unit only",
        "output offset left out": "zero point of the output left out",
        "weights of time turned round": "weights of time in reverse",
    },
}

Slip = Callable[..., bool]
Kernel = Callable[..., Array]
DOUBLE = Port("double")


def computed(call: Call, arrays: Any, *slips: str) -> Array:
    """What the port gives, with these slips in it."""
    name = call.op.name
    if name == "QUANTIZE" and call.input(0).dtype == "float32":
        name = "QUANTIZE float"
    return KERNELS[name](call, lambda *names: any(slip in names for slip in slips), *arrays)


def centred(call: Call, position: int, codes: Array) -> Array:
    return codes.astype(np.int64) - call.input(position).zero_point


def rescaled(call: Call, sums: Array, real: Any) -> Array:
    return DOUBLE.rescale(sums, real)


def stored(call: Call, values: Array, slip: Slip, low: int = -128, high: int = 127) -> Array:
    """With the output's offset, cut, as int8."""
    offset = 0 if slip("output offset left out") else call.output.zero_point
    codes = values + offset
    if not slip("int8 cast without a clamp", "output wraps", "wraps"):
        codes = codes.clip(low, high)
    return codes.astype(np.int8)


def bounds(call: Call, slip: Slip) -> tuple[int, int]:
    output, activation = call.output, call.option("fused_activation_function")
    low, high = -128, 127
    if activation != "NONE" and not slip("lower bound of the activation left out"):
        low = max(low, 0 if slip("RELU at code 0") else output.zero_point)
    if activation == "RELU6":
        high = min(high, output.zero_point + nearest(6 / output.scale))
    return low, high


# ---- Convolutions


def padding(call: Call, slip: Slip, size: int, kernel: int, letter: str, width: int) -> Any:
    """Outputs, stride, dilation and the pixels before the first."""
    stride, dilation = call.option(f"stride_{letter}"), call.option(f"dilation_{letter}_factor")
    if slip("dilation ignored"):
        dilation = 1
    if slip("stride of the height for both"):
        stride = call.option("stride_h")
    if slip("stride of the kernel's size"):
        stride = kernel
    reach = (
        kernel if slip("padding of a kernel that is not dilated") else (kernel - 1) * dilation + 1
    )
    before = max((width - 1) * call.option(f"stride_{letter}") + reach - size, 0) // 2
    if call.option("padding") == "VALID":
        before = 0
    if slip("always one pixel of padding"):
        before = 1
    return stride, dilation, before


def convolution(call: Call, slip: Slip, x: Array, w: Array, bias: Array, depthwise: bool) -> Array:
    batch, height, width, channels = x.shape
    _, rows, columns, depth = w.shape
    _, out_height, out_width, out_channels = call.output.shape
    sh, dh, top = padding(call, slip, height, rows, "h", out_height)
    sw, dw, left = padding(call, slip, width, columns, "w", out_width)
    offset = call.input(0).zero_point
    centre = x.astype(np.int64) - (
        -offset if slip("input offset added instead of subtracted") else offset
    )
    outside = 0
    if slip("padding of 0 after the offset was added"):
        outside = -offset
    times = out_channels // channels
    if depthwise and slip("kernel read as one plane a channel"):
        w = w.reshape(out_channels, rows, columns).transpose(1, 2, 0)[None]
    sums = np.zeros((batch, out_height, out_width, out_channels), np.int64)
    oy, ox = np.arange(out_height)[:, None], np.arange(out_width)[None, :]
    flat = centre.reshape(batch * height * width, channels)
    first = np.arange(batch)[:, None, None] * (height * width)
    for i in range(rows - slip("last row of the kernel not summed")):
        for j in range(columns - slip("last column of the kernel not summed")):
            y, at = oy * sh - top + i * dh, ox * sw - left + j * dw
            inside = (y >= 0) & (y < height) & (at >= 0) & (at < width)
            if slip("reads past the end of a row into the next"):
                inside = (y >= 0) & (y < height) & (at >= 0)
            pixel = first + y * width + at
            inside = inside & (pixel < len(flat))
            taken = np.where(inside[..., None], flat[np.where(inside, pixel, 0)], outside)
            if slip("batch 1 has the input of batch 0"):
                taken = np.repeat(taken[:1], batch, 0)
            if depthwise:
                sums += np.repeat(taken, times, -1) * w[0, i, j].astype(np.int64)
                continue
            kept = (
                depth // 4 * 4 if slip("channels past the last multiple of 4 not summed") else depth
            )
            sums += taken[..., :kept] @ w[:, i, j, :kept].T.astype(np.int64)
    added = bias.astype(np.int64)
    if slip("bias of 16 bits"):
        added = bias.astype(np.int16).astype(np.int64)
    if slip("bias by the input's channel"):
        added = np.repeat(added[:channels], times)
    if slip("bias not summed into the last channel"):
        added = np.where(np.arange(out_channels) == out_channels - 1, 0, added)
    sums += added
    if slip("sum not set to 0 between channels"):
        sums = np.cumsum(sums, -1)
    scales = call.input(1).quantization.scale.astype(np.float64)
    if slip("multiplier of the next channel"):
        scales = np.roll(scales, -1)
    if slip("scale by the input's channel"):
        scales = np.repeat(scales[:channels], times)
    real = float(call.input(0).scale) * scales / float(call.output.scale)
    if slip("shift one too small"):
        real = real * 2
    codes = rescaled(call, sums, real)
    if slip("32-bit product of sum and multiplier"):
        mantissa = np.array([DOUBLE.quantize_multiplier(v) for v in real.tolist()])
        product = (sums * mantissa[:, 0]).astype(np.int32).astype(np.int64)
        codes = DOUBLE.divide_by_pot(product >> 31, np.maximum(-mantissa[:, 1], 0))
    result = stored(call, codes, slip, *bounds(call, slip))
    if slip("outputs past the last multiple of 8 not written"):
        result[..., out_channels // 8 * 8 :] = 0
    if slip("last row not written"):
        result[:, -1] = 0
    return result


def conv_2d(call: Call, slip: Slip, x: Array, w: Array, bias: Array) -> Array:
    return convolution(call, slip, x, w, bias, False)


def depthwise(call: Call, slip: Slip, x: Array, w: Array, bias: Array) -> Array:
    return convolution(call, slip, x, w, bias, True)


def fully_connected(call: Call, slip: Slip, x: Array, w: Array, bias: Array) -> Array:
    offset = call.input(0).zero_point
    centre = x.astype(np.int64) - offset
    if slip("offset of the input added by int8 arithmetic"):
        centre = (x - np.int8(offset)).astype(np.int8).astype(np.int64)
    weights = w.astype(np.int64)
    if slip("last input not summed"):
        centre, weights = centre[:, :-1], weights[:, :-1]
    if slip("weights read from the second row on"):
        weights = np.roll(weights, -1, 0)
    sums = centre @ weights.T
    if slip("bias for the first batch only"):
        sums[0] += bias
    else:
        sums = sums + bias
    if slip("sum of 16 bits, saturating"):
        sums = sums.clip(-32768, 32767)
    real = float(call.input(0).scale) * call.input(1).quantization.scale.astype(np.float64)
    real = real / float(call.output.scale)
    if slip("shift to the left"):
        pairs = [math.frexp(v) for v in real.tolist()]
        real = np.array([m * 2.0**-e for m, e in pairs])
    if slip("output offset added before the multiplier"):
        codes = rescaled(call, sums + call.output.zero_point, real)
        return codes.clip(*bounds(call, slip)).astype(np.int8)
    return stored(call, rescaled(call, sums, real), slip, *bounds(call, slip))


# ---- Two operands


def add(call: Call, slip: Slip, a: Array, b: Array, sign: int = 1) -> Array:
    if slip("second operand repeated by its flat index"):
        b = b.reshape(-1)[np.arange(a.size) % b.size].reshape(a.shape)
    if slip("operands exchanged"):
        x, y = centred(call, 1, b), centred(call, 0, a)
        s1, s2 = float(call.input(1).scale), float(call.input(0).scale)
    else:
        x, y = centred(call, 0, a), centred(call, 1, b)
        s1, s2 = float(call.input(0).scale), float(call.input(1).scale)
    if slip("offset of the first for both"):
        y = centred(call, 0, b)
    if slip("second offset of the wrong sign"):
        y = b.astype(np.int64) + call.input(1).zero_point
    if slip("second operand left out"):
        y = y * 0
    if slip("multipliers exchanged"):
        s1, s2 = s2, s1
    left = 0 if slip("no left shift") else 20
    twice = 2 * max(s1, s2)
    total = rescaled(call, x << left, s1 / twice) + sign * rescaled(call, y << left, s2 / twice)
    codes = rescaled(call, total, twice / ((1 << left) * float(call.output.scale)))
    return stored(call, codes, slip, *bounds(call, slip))


def sub(call: Call, slip: Slip, a: Array, b: Array) -> Array:
    return add(call, slip, a, b, -1)


def mul(call: Call, slip: Slip, a: Array, b: Array) -> Array:
    x, y = centred(call, 0, a), centred(call, 1, b)
    if slip("offsets exchanged"):
        x, y = centred(call, 1, a), centred(call, 0, b)
    if slip("differences kept in int8"):
        x, y = x.astype(np.int8).astype(np.int64), y.astype(np.int8).astype(np.int64)
    s1, s2, so = (np.float32(t.scale) for t in (call.input(0), call.input(1), call.output))
    real = float(s1 * s2 / so)
    if slip("half of the product"):
        real /= 2
    if slip("output offset added before the multiplier"):
        codes = rescaled(call, x * y + call.output.zero_point, real)
        return codes.clip(*bounds(call, slip)).astype(np.int8)
    return stored(call, rescaled(call, x * y, real), slip, *bounds(call, slip))


# ---- Pools


def windows(call: Call, slip: Slip, x: Array) -> tuple[Array, Array]:
    """The codes that each output sees, the taps along the last axis, and which lie in the input."""
    _, height, width, _ = x.shape
    _, out_height, out_width, _ = call.output.shape
    rows, columns = call.option("filter_height"), call.option("filter_width")
    sh, sw = call.option("stride_h"), call.option("stride_w")
    valid = call.option("padding") == "VALID"
    top = 0 if valid else max((out_height - 1) * sh + rows - height, 0) // 2
    left = 0 if valid else max((out_width - 1) * sw + columns - width, 0) // 2
    if slip("window not moved to the padding"):
        top = left = 0
    if slip("stride of 1"):
        sh = sw = 1
    if slip("filter's height and width exchanged"):
        rows, columns = columns, rows
    oy, ox = np.arange(out_height)[:, None], np.arange(out_width)[None, :]
    taken, seen = [], []
    for i in range(rows):
        for j in range(columns):
            if slip("first pixel of the window skipped") and i == j == 0:
                continue
            y, at = oy * sh - top + i, ox * sw - left + j
            inside = (y >= 0) & (y < height) & (at >= 0) & (at < width)
            taken.append(x[:, y.clip(0, height - 1), at.clip(0, width - 1)].astype(np.int64))
            seen.append(np.broadcast_to(inside[None, ..., None], taken[-1].shape))
    return np.stack(taken, -1), np.stack(seen, -1)


def average_pool(call: Call, slip: Slip, x: Array) -> Array:
    taken, seen = windows(call, slip, x)
    sums, count = np.where(seen, taken, 0).sum(-1), seen.sum(-1)
    if slip("sum of 8 bits"):
        sums = sums.astype(np.int8).astype(np.int64)
    if slip("window's size always"):
        count = np.full_like(count, seen.shape[-1])
    nudge = np.where(
        (sums > 0) | slip("nudge of a positive sum for all"), count // 2, -(count // 2)
    )
    total = sums if slip("division cut") else sums + nudge
    return (np.sign(total) * (np.abs(total) // count)).clip(-128, 127).astype(np.int8)


def max_pool(call: Call, slip: Slip, x: Array) -> Array:
    taken, seen = windows(call, slip, x)
    if slip("absolute values compared"):
        sizes = np.where(seen, np.abs(taken), -1)
        best = np.take_along_axis(taken, sizes.argmax(-1)[..., None], -1)[..., 0]
    else:
        best = np.where(seen, taken, 0 if slip("starts at 0") else -128).max(-1)
        if slip("starts at 0"):
            best = np.maximum(best, 0)
    if slip("last column not written"):
        best[:, :, -1] = 0
    return best.astype(np.int8)


# ---- Activations


def prelu(call: Call, slip: Slip, x: Array, alpha: Array) -> Array:
    s, sa, so = (float(t.scale) for t in (call.input(0), call.input(1), call.output))
    slope = alpha.astype(np.int64)
    if not slip("offset of alpha left out"):
        slope = slope - call.input(1).zero_point
    if slip("alpha of the first channel"):
        slope = np.full_like(slope, slope[0])
    v = centred(call, 0, x)
    below = rescaled(
        call, v * slope, (1 if slip("alpha without the input's scale") else s) * sa / so
    )
    above = rescaled(call, v, s * (sa if slip("alpha's multiplier for both") else 1) / so)
    offset = call.output.zero_point
    codes = np.where(
        v >= 0,
        above + offset,
        below + (0 if slip("output offset left out where negative") else offset),
    )
    return codes.clip(-128, 127).astype(np.int8)


def leaky_relu(call: Call, slip: Slip, x: Array) -> Array:
    s, so, alpha = float(call.input(0).scale), float(call.output.scale), float(call.option("alpha"))
    v = centred(call, 0, x)
    below = rescaled(call, v, s * alpha / so)
    if slip("shift by 2 bits instead of alpha"):
        below = rescaled(call, v >> 2, s / so)
    if slip("alpha times the code"):
        below = rescaled(call, x.astype(np.int64), s * alpha / so)
    above = rescaled(call, v, s / so)
    if slip("positive not rescaled"):
        above = v
    return stored(call, np.where(v >= 0, above, below), slip)


def real(call: Call, slip: Slip, x: Array) -> Array:
    return np.asarray(centred(call, 0, x) * float(call.input(0).scale))


def quantized(call: Call, slip: Slip, y: Array) -> Array:
    steps = y / float(call.output.scale)
    return stored(call, (np.trunc(steps) if slip("cut") else np.rint(steps)).astype(np.int64), slip)


def hard_swish(call: Call, slip: Slip, x: Array) -> Array:
    r = real(call, slip, x)
    gate = (r + (0 if slip("3 left out") else 3)).clip(0, None if slip("not cut at 6") else 6)
    return quantized(call, slip, r * gate / 6)


def table(function: Callable[[Array], Array]) -> Kernel:
    def kernel(call: Call, slip: Slip, x: Array) -> Array:
        if slip("table read by the code without 128"):
            x = (x.view(np.uint8).astype(np.int64) - 128).astype(np.int8)
        r = real(call, slip, x) * (2 if slip("input doubled") else 1)
        return quantized(call, slip, r.clip(-1, 1) if slip("cut to a line") else function(r))

    return kernel


def softmax(call: Call, slip: Slip, x: Array) -> Array:
    r = real(call, slip, x) * (1 if slip("beta left out") else float(call.option("beta")))
    if slip("differences of the wrong sign"):
        r = -r
    axis = tuple(range(r.ndim)) if slip("over all values") else (-1,)
    e = np.exp(r - r.max(axis, keepdims=True))
    return quantized(call, slip, e / e.sum(axis, keepdims=True))


def quantize(call: Call, slip: Slip, x: Array) -> Array:
    ratio = float(call.input(0).scale) / float(call.output.scale)
    v = centred(call, 0, x)
    if slip("cut"):
        return stored(call, np.trunc(v * ratio).astype(np.int64), slip)
    if slip("offset added before rounding, then cut"):
        return np.trunc(v * ratio + call.output.zero_point).clip(-128, 127).astype(np.int8)
    codes = rescaled(call, v, ratio)
    if slip("offset of the input"):
        return (codes + call.input(0).zero_point).clip(-128, 127).astype(np.int8)
    return stored(call, codes, slip)


def quantize_float(call: Call, slip: Slip, x: Array) -> Array:
    scale = np.float32(call.output.scale)
    steps = x * scale if slip("scale multiplied") else x / scale
    whole = (
        np.trunc(steps) if slip("cut") else np.trunc(steps + np.copysign(np.float32(0.5), steps))
    )
    offset = 0 if slip("offset left out") else call.output.zero_point
    codes = whole.astype(np.int64) + offset
    if slip("int8 as uint8"):
        return codes.clip(0, 255).astype(np.uint8).view(np.int8)
    return (codes if slip("wraps") else codes.clip(-128, 127)).astype(np.int8)


def dequantize(call: Call, slip: Slip, x: Array) -> Array:
    codes = x.view(np.uint8).astype(np.int32) if slip("code as uint8") else x.astype(np.int32)
    offset = call.input(0).zero_point
    offset = -offset if slip("offset added") else 0 if slip("offset left out") else offset
    scale = 1 if slip("scale left out") else float(call.input(0).scale)
    return ((codes - offset) * scale).astype(np.float32)


# ---- Sizes and places


def steps(call: Call, slip: Slip, shape: tuple[int, ...], axis: int) -> float:
    other = 3 - axis if slip("scales of height and width exchanged", "scales exchanged") else axis
    size, outputs = shape[other], call.output.shape[other]
    if slip("corners aligned"):
        return (size - 1) / (outputs - 1)
    return size / outputs


def bilinear(call: Call, slip: Slip, x: Array, _: Array) -> Array:
    """By weights of 10 bits; the model has its pixels at their centers."""
    found = x.astype(np.int64)
    for axis in (1, 2):
        size, outputs = x.shape[axis], call.output.shape[axis]
        step = math.floor(steps(call, slip, x.shape, axis) * 1024 + 0.5)
        at = np.arange(outputs) * step
        if not slip("corners aligned", "pixels not at their centers"):
            at = at + step // 2 - 512
        lower = (at.clip(0) // 1024).clip(0, size - 1)
        upper = (lower + 1).clip(0, size - 1)
        weight = (
            (at - lower * 1024).clip(0, None).reshape([-1 if k == axis else 1 for k in range(4)])
        )
        found = found.take(lower, axis) * (1024 - weight) + found.take(upper, axis) * weight
    half = 0 if slip("cut") else 1 << 19
    return (np.sign(found) * ((np.abs(found) + half) >> 20)).astype(np.int8)


def nearest_neighbor(call: Call, slip: Slip, x: Array, _: Array) -> Array:
    found = x
    for axis in (1, 2):
        at = np.arange(call.output.shape[axis]) * steps(call, slip, x.shape, axis)
        whole = np.floor(at + 0.5) if slip("rounded", "corners aligned") else np.floor(at)
        found = found.take(whole.astype(int).clip(0, x.shape[axis] - 1), axis)
    return found


def concatenation(call: Call, slip: Slip, a: Array, b: Array) -> Array:
    if slip("along the width"):
        return np.concatenate([a, b], 2).reshape(call.output.shape)
    if slip("the first twice"):
        return np.concatenate([a, a], 3)
    return np.concatenate([b, a] if slip("second first") else [a, b], 3)


def pad(call: Call, slip: Slip, x: Array, widths: Array) -> Array:
    if slip("before and after exchanged"):
        widths = widths[:, ::-1]
    if slip("height and width exchanged"):
        widths = widths[[0, 2, 1, 3]]
    code = 0 if slip("with 0") else call.input(0).zero_point
    return np.pad(x, widths.tolist(), constant_values=code).reshape(call.output.shape)


def transpose(call: Call, slip: Slip, x: Array, order: Array) -> Array:
    if slip("the inverse"):
        return x.transpose(np.argsort(order)).reshape(call.output.shape)
    if slip("only reshaped"):
        return x.reshape(call.output.shape)
    if slip("last two axes only"):
        return x.swapaxes(-1, -2).reshape(call.output.shape)
    return x.transpose(order)


def mean(call: Call, slip: Slip, x: Array, axes: Array) -> Array:
    count = x.shape[1] * x.shape[2]
    sums = x.astype(np.int64).sum((1, 2))
    if slip("over the height only"):
        sums, count = x.astype(np.int64).sum(1)[:, 0], x.shape[1]
    v = sums - count * call.input(0).zero_point
    if slip("offset added"):
        v = sums + count * call.input(0).zero_point
    ratio = float(call.input(0).scale) / float(call.output.scale)
    if slip("count of the height twice"):
        count = x.shape[1] ** 2
    if slip("division cut"):
        return stored(call, np.trunc(v * ratio / count).astype(np.int64), slip)
    q, shift = DOUBLE.quantize_multiplier(ratio)
    extra = 0
    while 2 << extra <= count and extra < 31 + shift:
        extra += 1
    folded = (q << extra) // count, shift - extra
    return stored(call, DOUBLE.rescale(v, ratio / count, folded), slip)


def transpose_conv(
    call: Call, slip: Slip, shape: Array, w: Array, x: Array, bias: Array | None = None
) -> Array:
    outputs, rows, columns, _ = w.shape
    _, height, width, _ = call.output.shape
    sh, sw = call.option("stride_h"), call.option("stride_w")
    if slip("stride of the height for both"):
        sw = sh
    top = max((x.shape[1] - 1) * call.option("stride_h") + rows - height, 0) // 2
    left = max((x.shape[2] - 1) * call.option("stride_w") + columns - width, 0) // 2
    if slip("padding not cut off"):
        top = left = 0
    if slip("kernel turned round"):
        w = w[:, ::-1, ::-1]
    v = x.astype(np.int64) - (0 if slip("input offset left out") else call.input(2).zero_point)
    sums = np.zeros((1, height, width, outputs), np.int64)
    for y in range(x.shape[1]):
        for at in range(x.shape[2]):
            for i in range(rows):
                for j in range(columns):
                    oy, ox = y * sh - top + i, at * sw - left + j
                    if 0 <= oy < height and 0 <= ox < width:
                        product = v[0, y, at] @ w[:, i, j].T.astype(np.int64)
                        if slip("last value kept instead of the sum"):
                            sums[0, oy, ox] = product
                        else:
                            sums[0, oy, ox] += product
    if bias is not None and not slip("bias left out"):
        sums = sums + bias
    scales = call.input(1).quantization.scale.astype(np.float64)
    if slip("multiplier of the first channel"):
        scales = np.full_like(scales, scales[0])
    return stored(
        call,
        rescaled(call, sums, float(call.input(2).scale) * scales / float(call.output.scale)),
        slip,
    )


def batch_matmul(call: Call, slip: Slip, a: Array, b: Array) -> Array:
    x = centred(call, 0, a)
    y = b.astype(np.int64) if slip("second offset left out") else centred(call, 1, b)
    if slip("first transposed"):
        x = x.swapaxes(1, 2)
    if slip("second transposed"):
        y = y.swapaxes(1, 2)
    if slip("batch 0"):
        y = np.repeat(y[:1], len(y), 0)
    ratio = float(call.input(0).scale) * float(call.input(1).scale) / float(call.output.scale)
    return stored(call, rescaled(call, x @ y, ratio), slip)


# ---- Cells


def saturated(x: Array) -> Array:
    return x.clip(-32768, 32767)


def lstm(call: Call, slip: Slip, *given: Array | None) -> Array:
    """int8, without peepholes, projection and normalization; batch first."""
    x = given[0]
    assert x is not None
    order = [0, 1, 2, 3]  # input, forget, cell, output
    if slip("gates i, c, f, o"):
        order = [0, 2, 1, 3]
    if slip("forget gate and output gate exchanged"):
        order = [0, 3, 2, 1]
    batch, time, _ = x.shape
    cells = call.output.shape[-1]
    output = call.output
    h = np.full((batch, cells), output.zero_point, np.int64)
    c = np.zeros((batch, cells), np.int64)
    exponent = round(math.log2(call.input(19).scale))
    clip = math.trunc(
        float(min(np.float32(call.option("cell_clip")) / np.float32(2.0**exponent), 32767))
    )
    hidden = call.intermediates[4]
    result = np.zeros((batch, time, cells), np.int8)
    for t in range(time)[:: -1 if slip("time reversed") else 1]:
        gates = []
        for place, gate in enumerate(order):
            w, u, b = given[1 + gate], given[5 + gate], given[12 + gate]
            assert w is not None
            assert u is not None
            if slip("recurrent weights transposed"):
                u = u.T
            from_x = (x[:, t].astype(np.int64) - call.input(0).zero_point) @ w.T.astype(
                np.int64
            ) + b
            if slip("forget bias of 1") and place == 1:
                from_x = from_x + round(1 / (call.input(0).scale * call.input(2).scale))
            from_h = (h - output.zero_point) @ u.T.astype(np.int64)
            of_x = call.input(1 + gate).scale * np.float32(call.input(0).scale) * np.float32(4096)
            of_h = call.input(5 + gate).scale * np.float32(output.scale) * np.float32(4096)
            total = saturated(rescaled(call, from_x, float(of_x))) + rescaled(
                call, from_h, float(of_h)
            )
            total = saturated(total)
            gates.append((fixed_point.tanh if place == 2 else fixed_point.logistic)(total, 3, 15))
        i, f, g, o = gates
        kept = DOUBLE.divide_by_pot(f * c, np.int64(15))
        c = saturated(kept + DOUBLE.divide_by_pot(i * g, np.int64(30 + exponent)))
        if clip > 0 and not slip("cell not cut"):
            c = c.clip(-clip, clip)
        shown = c if slip("tanh of the cell left out") else fixed_point.tanh(c, 15 + exponent, 15)
        product = shown * (32767 if slip("output gate left out") else o)
        codes = rescaled(call, product, 2.0**-15 / float(hidden.scale) * 2.0**-15)
        offset = -hidden.zero_point if slip("hidden offset subtracted") else hidden.zero_point
        h = (codes + offset).clip(-128, 127)
        result[:, t] = h
        if slip("state not kept"):
            h, c = np.full_like(h, output.zero_point), np.zeros_like(c)
    return result


def svdf(
    call: Call, slip: Slip, x: Array, w: Array, times: Array, bias: Array | None, state: Array
) -> Array:
    batch, (filters, memory) = len(x), times.shape
    s, sw, st, ss = (np.float32(call.input(i).scale) for i in (0, 1, 2, 4))
    so, rank = np.float32(call.output.scale), call.option("rank")
    newest = rescaled(call, centred(call, 0, x) @ w.T.astype(np.int64), float(s * sw / ss))
    old = state.reshape(batch, filters, memory).astype(np.int64)
    moved = np.roll(old, -1, 2)
    if slip("newest value first"):
        moved = np.roll(old, 1, 2)
        moved[:, :, 0] = saturated(newest)
    else:
        moved[:, :, -1] = saturated(newest)
    by_time = times[:, ::-1] if slip("weights of time turned round") else times
    sums = (moved * by_time).sum(-1).reshape(batch, -1, rank)
    sums = sums[..., 0] if slip("ranks not summed") else sums.sum(-1)
    if bias is not None and not slip("bias left out"):
        sums = sums + bias
    return stored(call, rescaled(call, sums, float(ss * st / so)), slip)


KERNELS: dict[str, Kernel] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": fully_connected,
    "ADD": add,
    "SUB": sub,
    "MUL": mul,
    "AVERAGE_POOL_2D": average_pool,
    "MAX_POOL_2D": max_pool,
    "PRELU": prelu,
    "LEAKY_RELU": leaky_relu,
    "HARD_SWISH": hard_swish,
    "LOGISTIC": table(lambda r: 1 / (1 + np.exp(-r))),
    "TANH": table(np.tanh),
    "SOFTMAX": softmax,
    "QUANTIZE": quantize,
    "QUANTIZE float": quantize_float,
    "DEQUANTIZE": dequantize,
    "RESIZE_BILINEAR": bilinear,
    "RESIZE_NEAREST_NEIGHBOR": nearest_neighbor,
    "CONCATENATION": concatenation,
    "PAD": pad,
    "TRANSPOSE": transpose,
    "MEAN": mean,
    "TRANSPOSE_CONV": transpose_conv,
    "BATCH_MATMUL": batch_matmul,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
    "SVDF": svdf,
}


# ---- The layers


def codes_of(scale: Any, zero_point: int, *shape: int) -> Spec:
    return Spec(shape, "int8", scale, zero_point)


def constants(*values: Any) -> Spec:
    data = np.array(values, np.int32)
    return Spec(data.shape, "int32", data=data)


def ops(seed: int) -> list[Op]:
    """Two layers with weights, other than square, and one or two of each other op."""
    rng = np.random.default_rng(seed)
    image = (1, 7, 10, 6)
    x = codes_of(0.0473, -13, *image)
    other = codes_of(0.0291, 22, *image)
    pool = {"padding": 0, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 3}
    cells = 8

    def weights(dtype: str, scale: Any, *shape: int, axis: int = 0) -> Spec:
        return Spec(shape, dtype, scale, 0, random_codes(rng, shape, dtype), axis)

    def convolved(
        shape: tuple[int, ...], kernel: tuple[int, ...], y: tuple[int, ...], **o: Any
    ) -> Op:
        depthwise = o.get("depthMultiplier") is not None
        outputs = kernel[3] if depthwise else kernel[0]
        scales = np.exp(rng.uniform(-6, -5, outputs)).astype(np.float32)
        taps = int(np.prod(kernel[1:3])) * (1 if depthwise else kernel[3])
        spread = 74 * 74 * np.sqrt(taps)
        bias = rng.integers(-spread, spread, outputs).astype(np.int32)
        options = {"padding": 0, "strideH": 1, "strideW": 1}
        options |= {"dilationHFactor": 1, "dilationWFactor": 1, **o}
        return Op(
            "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
            [
                codes_of(0.0213, 9, *shape),
                weights("int8", scales, *kernel, axis=3 if depthwise else 0),
                Spec(bias.shape, "int32", np.float32(0.0213) * scales, 0, bias),
            ],
            [codes_of(np.float32(0.0213 * float(scales.mean()) * spread / 55), -17, *y)],
            options,
            "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions",
            version=3,
        )

    dense = np.exp(rng.uniform(-6, -5, 10)).astype(np.float32)
    half = np.float32(1 / 128)
    return [
        convolved((2, 9, 8, 6), (11, 3, 2, 6), (2, 5, 8, 11), strideH=2),
        convolved((2, 9, 8, 6), (11, 3, 3, 6), (2, 9, 8, 11), dilationHFactor=2, dilationWFactor=2),
        convolved((2, 9, 8, 6), (11, 3, 3, 6), (2, 9, 8, 11), fusedActivationFunction=1),
        convolved(
            (1, 9, 8, 5), (1, 3, 3, 10), (1, 5, 4, 10), strideH=2, strideW=2, depthMultiplier=2
        ),
        convolved(
            (1, 9, 8, 5),
            (1, 3, 3, 10),
            (1, 9, 8, 10),
            dilationHFactor=2,
            dilationWFactor=2,
            depthMultiplier=2,
        ),
        Op(
            "FULLY_CONNECTED",
            [
                codes_of(0.0213, 9, 12, 21),
                weights("int8", dense, 10, 21),
                Spec(
                    (10,),
                    "int32",
                    np.float32(0.0213) * dense,
                    0,
                    rng.integers(-20000, 20000, 10).astype(np.int32),
                ),
            ],
            [codes_of(0.04, -17, 12, 10)],
            {"fusedActivationFunction": 1},
            "FullyConnectedOptions",
            version=12,
        ),
        Op("ADD", [x, other], [codes_of(0.0413, 5, *image)], {}, "AddOptions", version=2),
        Op(
            "ADD",
            [x, codes_of(0.0291, 22, 10, 1)],
            [codes_of(0.0413, 5, *image)],
            {"fusedActivationFunction": 1},
            "AddOptions",
            version=2,
        ),
        Op("SUB", [x, other], [codes_of(0.0413, 5, *image)], {}, "SubOptions", version=2),
        Op("MUL", [x, other], [codes_of(0.0613, 5, *image)], {}, "MulOptions", version=2),
        Op(
            "AVERAGE_POOL_2D",
            [x],
            [codes_of(0.0473, -13, 1, 4, 5, 6)],
            pool,
            "Pool2DOptions",
            version=2,
        ),
        Op(
            "MAX_POOL_2D",
            [x],
            [codes_of(0.0473, -13, 1, 4, 5, 6)],
            pool,
            "Pool2DOptions",
            version=2,
        ),
        Op(
            "PRELU",
            [x, Spec((6,), "int8", 0.009, -21, random_codes(rng, (6,), "int8"))],
            [codes_of(0.031, 11, *image)],
        ),
        Op(
            "LEAKY_RELU",
            [x],
            [codes_of(0.031, 11, *image)],
            {"alpha": 0.2},
            "LeakyReluOptions",
            version=2,
        ),
        Op("HARD_SWISH", [x], [codes_of(0.031, -116, *image)]),
        Op("LOGISTIC", [x], [codes_of(1 / 256, -128, *image)], version=2),
        Op("TANH", [x], [codes_of(1 / 128, 0, *image)], version=2),
        Op(
            "SOFTMAX",
            [x],
            [codes_of(1 / 256, -128, *image)],
            {"beta": 0.5},
            "SoftmaxOptions",
            version=2,
        ),
        Op("QUANTIZE", [x], [codes_of(0.0331, 20, *image)], version=2),
        Op("QUANTIZE", [Spec(image, "float32")], [codes_of(0.0331, 20, *image)]),
        Op("DEQUANTIZE", [x], [Spec(image, "float32")], version=2),
        Op(
            "RESIZE_BILINEAR",
            [x, constants(11, 17)],
            [codes_of(0.0473, -13, 1, 11, 17, 6)],
            {"alignCorners": False, "halfPixelCenters": True},
            "ResizeBilinearOptions",
            version=3,
        ),
        Op(
            "RESIZE_NEAREST_NEIGHBOR",
            [x, constants(11, 17)],
            [codes_of(0.0473, -13, 1, 11, 17, 6)],
            {"alignCorners": False, "halfPixelCenters": False},
            "ResizeNearestNeighborOptions",
            version=3,
        ),
        Op(
            "CONCATENATION",
            [x, x],
            [codes_of(0.0473, -13, 1, 7, 10, 12)],
            {"axis": 3},
            "ConcatenationOptions",
            version=2,
        ),
        Op(
            "PAD",
            [x, constants([0, 0], [2, 1], [0, 3], [0, 0])],
            [codes_of(0.0473, -13, 1, 10, 13, 6)],
            version=2,
        ),
        Op(
            "TRANSPOSE", [x, constants(0, 2, 3, 1)], [codes_of(0.0473, -13, 1, 10, 6, 7)], version=2
        ),
        Op(
            "MEAN",
            [codes_of(0.0473, -13, 3, 6, 9, 20), constants(1, 2)],
            [codes_of(0.0041, 8, 3, 20)],
            {"keepDims": False},
            "ReducerOptions",
            version=2,
        ),
        Op(
            "TRANSPOSE_CONV",
            [
                constants(1, 14, 6, 5),
                weights("int8", np.exp(rng.uniform(-6, -5, 5)).astype(np.float32), 5, 3, 3, 4),
                codes_of(0.0213, 9, 1, 7, 6, 4),
                Spec((5,), "int32", 1e-4, 0, rng.integers(-9000, 9000, 5).astype(np.int32)),
            ],
            [codes_of(0.024, -17, 1, 14, 6, 5)],
            {"padding": 0, "strideH": 2, "strideW": 1},
            "TransposeConvOptions",
            version=3,
        ),
        Op(
            "BATCH_MATMUL",
            [codes_of(0.0473, -13, 2, 7, 7), codes_of(0.0291, 22, 2, 7, 7)],
            [codes_of(0.31, 5, 2, 7, 7)],
            {"adjX": False, "adjY": False},
            "BatchMatMulOptions",
            version=2,
        ),
        Op(
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            [
                codes_of(half, 3, 2, 6, 9),
                *(weights("int8", np.float32(0.021 / (gate + 1)), cells, 9) for gate in range(4)),
                *(
                    weights("int8", np.float32(0.017 / (gate + 1)), cells, cells)
                    for gate in range(4)
                ),
                None,
                None,
                None,
                *(
                    Spec(
                        (cells,),
                        "int32",
                        1e-5,
                        0,
                        rng.integers(-4000, 4000, cells).astype(np.int32),
                    )
                    for _ in range(4)
                ),
                None,
                None,
                Spec((2, cells), "int8", half, -9, variable=True),
                Spec((2, cells), "int16", 2.0**-11, variable=True),
                None,
                None,
                None,
                None,
            ],
            [codes_of(half, -9, 2, 6, cells)],
            {"fusedActivationFunction": 4, "cellClip": 0.3},
            "UnidirectionalSequenceLSTMOptions",
            intermediates=[
                *[Spec((0,), "int16", np.float32(2.0**-12))] * 4,
                Spec((0,), "int8", half, -9),
            ],
        ),
        Op(
            "SVDF",
            [
                codes_of(0.03, 9, 4, 13),
                weights("int8", 0.01, 12, 13),
                weights("int16", 0.0001, 12, 5),
                Spec((6,), "int32", 1e-7, 0, rng.integers(-(2**24), 2**24, 6).astype(np.int32)),
                Spec((4, 60), "int16", 0.0003, variable=True),
            ],
            [codes_of(0.1, -17, 4, 6)],
            {"rank": 2, "fusedActivationFunction": 1},
            "SVDFOptions",
        ),
    ]
