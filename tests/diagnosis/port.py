"""A porter's kernels, independent of tflreplay's own: loops over taps, fixed point as in Python.

A port computes by one rule and may have slips in it. Without one it is bit-exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tflreplay.ops.base.call import Call

Array = np.ndarray[Any, Any]

# Every slip, with the mistake that a verdict must call it.
SLIPS = {
    "high-mul: nudge, then >>": "floor instead of truncate in the high-mul",
    "high-mul: only >>": "missing nudge in the high-mul",
    "high-mul: only a C division": "missing nudge in the high-mul",
    "divide by pot: threshold of positive x": "rounding shift without the negative threshold",
    "quantize multiplier: round()": "half-even round in QuantizeMultiplier",
    "real multiplier: float32": "real multiplier computed in float32",
    "real multiplier: float32 product": "real multiplier computed in float32",
    "real multiplier: float64": "real multiplier computed in float64",
    "shift: >>": "rescaled sum not rounded",
    "shift: C division": "rescaled sum not rounded",
    "left shift last": "left shift after the high-mul",
    "product: int()": "rescaled sum not rounded",
    "product: floor": "rescaled sum not rounded",
    "zero point: first input's, padded by 0": "zero point of the input left out",
    "zero point: first input's, padded by it": "zero point of the input left out",
    "zero point: second operand's": "zero point of the input left out",
    "zero point: both operands'": "zero point of the input left out",
    "zero point: weights'": "zero point of the weights left out",
    "zero point: output's": "zero point of the output left out",
    "zero point: output's, nor in the bounds": "zero point of the output left out",
    "padding: code 0": "padding with 0 instead of the zero point",
    "padding: more before": "SAME padding split the wrong way round",
    "padding: half the kernel on both sides": "SAME padding split the wrong way round",
    "bias: none": "bias left out",
    "bias: rescaled apart": "bias added after rescaling",
    "bias: as output codes": "bias added after rescaling",
    "scale: the first": "per-tensor scale on per-channel weights",
    "scale: the largest": "per-tensor scale on per-channel weights",
    "scale: the mean": "per-tensor scale on per-channel weights",
    "clamp: no activation": "clamp left out",
    "clamp: none": "clamp left out",
    "clamp: before the zero point, then by the type": "clamp applied before the zero point",
    "clamp: before the zero point": "clamp applied before the zero point",
    "clamp: bounds of the real values": "clamp applied before the zero point",
    "layout: kernel's height and width": "layout swapped",
    "layout: kernel turned round": "layout swapped",
    "layout: HWIO": "layout swapped",
    "layout: OIHW": "layout swapped",
    "layout: CHW": "layout swapped",
    "layout: depth by units": "layout swapped",
    "layout: NCHW input": "layout swapped",
    "depthwise: input j % C": "depthwise channel multiplier order",
    "depthwise: weights (multiplier, C)": "depthwise channel multiplier order",
    "depthwise: outputs (multiplier, C)": "depthwise channel multiplier order",
    "weights: uint8": "int8 weights read as uint8",
    "accumulator: int16 wraps": "accumulator of 16 bits",
    "accumulator: int16 saturates": "accumulator of 16 bits",
    "clamp: -127": "saturation at -127",
}


class Port:
    """Kernels ``fn(call, *arrays)`` by op, for the name of a rule and perhaps some of the SLIPS."""

    def __init__(self, rule: str, *slips: str) -> None:
        self.rule = rule
        self.slips = slips
        self.kernels: dict[str, Callable[..., Array]] = {
            "CONV_2D": self.conv_2d,
            "DEPTHWISE_CONV_2D": self.depthwise_conv_2d,
            "FULLY_CONNECTED": self.fully_connected,
            "ADD": self.add,
            "SUB": self.sub,
            "MUL": self.mul,
            "MEAN": self.mean,
        }

    def slipped(self, *names: str, start: bool = False) -> bool:
        """True of a port with one of these slips, or with one that starts so."""
        return any(slip.startswith(names) if start else slip in names for slip in self.slips)

    # Fixed point

    def quantize_multiplier(self, real: float) -> tuple[int, int]:
        if real == 0:
            return 0, 0
        fraction, shift = math.frexp(real)
        scaled = fraction * (1 << 31)
        even = self.slipped("quantize multiplier: round()")
        q = round(scaled) if even else math.floor(scaled + 0.5)
        return (q // 2, shift + 1) if q == 1 << 31 else (q, shift)

    def high_mul(self, a: Array, b: Array) -> Array:
        product = a * b
        if self.slipped("high-mul: only >>"):
            return product >> 31
        if self.slipped("high-mul: only a C division"):
            return c_divide(product, 31)
        nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
        return nudged >> 31 if self.slipped("high-mul: nudge, then >>") else c_divide(nudged, 31)

    def divide_by_pot(self, x: Array, exponent: Array) -> Array:
        mask = (1 << exponent) - 1
        threshold = mask >> 1
        if not self.slipped("divide by pot: threshold of positive x"):
            threshold = threshold + (x < 0)
        return (x >> exponent) + ((x & mask) > threshold)

    def shift_right(self, x: Array, bits: Array, rounded: Callable[[Array, Array], Array]) -> Array:
        if self.slipped("shift: >>"):
            return x >> bits
        return c_divide(x, bits) if self.slipped("shift: C division") else rounded(x, bits)

    def rescale(self, acc: Array, real: Any, folded: tuple[int, int] | None = None) -> Array:
        """``acc * real``, rounded; ``folded`` is another mantissa and shift than real's own."""
        real = np.asarray(real, np.float64)
        if self.rule.startswith("float"):
            return self.float_product(acc, real)
        pairs = folded or [self.quantize_multiplier(value) for value in real.reshape(-1).tolist()]
        q, shift = np.asarray(pairs, np.int64).reshape(*real.shape, 2).T
        if self.rule == "single":
            return self.shift_right(acc * q, 31 - shift, lambda x, n: (x + (1 << (n - 1))) >> n)
        if self.rule == "single-away":
            return self.shift_right(acc * q, 31 - shift, self.divide_by_pot)
        assert self.rule == "double"
        left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
        if self.slipped("left shift last"):
            return self.divide_by_pot(self.high_mul(acc, q) << left, right)
        wrapped = (acc << left).astype(np.int32).astype(np.int64)
        return self.shift_right(self.high_mul(wrapped, q), right, self.divide_by_pot)

    def float_product(self, acc: Array, real: Array) -> Array:
        ties, bits = self.rule[6:-2], self.rule[-2:]  # float-even32
        dtype = {"32": np.float32, "64": np.float64}[bits]
        product = acc.astype(dtype) * real.astype(dtype)
        if self.slipped("product: int()"):
            return product.astype(np.int64)
        if self.slipped("product: floor") or ties == "up":
            half = 0 if self.slipped("product: floor") else 0.5
            return np.floor(product + dtype(half)).astype(np.int64)
        if ties == "even":
            return np.round(product).astype(np.int64)
        whole = np.trunc(product)  # C's round() away from zero
        away = np.sign(product) * (np.abs(product - whole) >= 0.5)
        return (whole + away).astype(np.int64)

    # What all ops share

    def centred(self, call: Call, position: int, codes: Array) -> Array:
        """Codes less their zero point."""
        slips = ("zero point: first input's", "zero point: second operand's")[position]
        if self.slipped(slips, "zero point: both operands'", start=True):
            return codes.astype(np.int64)
        return codes.astype(np.int64) - call.input(position).zero_point

    def finish(self, call: Call, acc: Array, activation: str) -> Array:
        """Rescaled accumulators to codes."""
        output = call.output
        zero_point = output.zero_point
        info = np.iinfo(output.numpy_dtype)
        bare = ("zero point: output's, nor in the bounds", "clamp: bounds of the real values")
        bounds_zero_point = 0 if self.slipped(*bare) else zero_point
        low, high = info.min, info.max
        if not self.slipped("clamp: no activation"):
            real_low, real_high = {
                "NONE": (-math.inf, math.inf),
                "RELU": (0, math.inf),
                "RELU6": (0, 6),
                "RELU_N1_TO_1": (-1, 1),
            }[activation]
            if real_low > -math.inf:
                low = max(low, bounds_zero_point + nearest(real_low / output.scale))
            if real_high < math.inf:
                high = min(high, bounds_zero_point + nearest(real_high / output.scale))
        if self.slipped("clamp: -127"):
            low = max(low, -127)
        if self.slipped("zero point: output's", start=True):
            zero_point = 0
        if self.slipped("clamp: none"):
            codes = acc + zero_point
        elif self.slipped("clamp: before the zero point", start=True):
            codes = acc.clip(low, high) + zero_point
            if self.slipped("clamp: before the zero point, then by the type"):
                codes = codes.clip(info.min, info.max)
        else:
            codes = (acc + zero_point).clip(low, high)
        return codes.astype(output.numpy_dtype)

    def sixteen_bits(self, acc: Array) -> Array:
        if self.slipped("accumulator: int16 wraps"):
            return acc.astype(np.int16).astype(np.int64)
        return acc.clip(-32768, 32767) if self.slipped("accumulator: int16 saturates") else acc

    # Ops with weights

    def real_multiplier(self, call: Call) -> Array:
        """One for each scale of the weights."""
        x, y = np.float32(call.input(0).scale), np.float32(call.output.scale)
        scales = call.input(1).quantization.scale
        one = {"first": scales[0], "largest": scales.max(), "mean": scales.mean()}
        for which, scale in one.items():
            if self.slipped(f"scale: the {which}"):
                scales = np.full_like(scales, scale)
        # The kernels that are older than int8 round the product of the scales to float32.
        rounds = call.input(0).dtype == "uint8" and call.op.name != "FULLY_CONNECTED"
        if self.slipped("real multiplier: float32"):
            return x * scales / y
        if self.slipped("real multiplier: float32 product"):
            return (x * scales).astype(np.float64) / float(y)
        if rounds and not self.slipped("real multiplier: float64"):
            return (x * scales).astype(np.float64) / float(y)
        return float(x) * scales.astype(np.float64) / float(y)

    def weights(self, call: Call, weights: Array) -> Array:
        """int64, less their zero point."""
        tensor = call.input(1)
        if self.slipped("weights: uint8"):
            weights = weights.view(np.uint8)
        widened = weights.astype(np.int64)
        if len(tensor.quantization.scale) > 1 or self.slipped("zero point: weights'"):
            return widened
        return widened - tensor.zero_point

    def weighted(self, call: Call, acc: Array, bias: Array | None, real: Array) -> Array:
        activation = call.option("fused_activation_function")
        real = real if len(real) > 1 else real[0]
        bias = np.zeros(acc.shape[-1], np.int64) if bias is None else bias.astype(np.int64)
        if self.slipped("bias: none"):
            bias = bias * 0
        if self.slipped("bias: as output codes"):
            return self.finish(call, self.rescale(acc, real) + bias, activation)
        if self.slipped("bias: rescaled apart"):
            apart = self.rescale(acc, real) + self.rescale(bias, real)
            return self.finish(call, apart, activation)
        acc = self.sixteen_bits(acc + bias)
        return self.finish(call, self.rescale(acc, real), activation)

    def taps(self, call: Call, x: Array, kernel: tuple[int, int]) -> Any:
        """For each tap of the kernel, the centred inputs that it meets: ``i, j, NHWC``."""
        if self.slipped("layout: NCHW input"):
            batch, height, width, channels = x.shape
            x = x.reshape(batch, channels, height, width).transpose(0, 2, 3, 1)
        sizes, widths = [], [(0, 0)]
        for axis, letter in ((1, "h"), (2, "w")):
            size, before, after = self.padding(call, x.shape[axis], kernel[axis - 1], letter)
            sizes.append(size)
            widths.append((before, after))
        code = call.input(0).zero_point
        if self.slipped("padding: code 0", "zero point: first input's, padded by 0"):
            code = 0
        x = np.pad(x, (*widths, (0, 0)), constant_values=code)
        x = self.centred(call, 0, x)
        sh, sw = call.option("stride_h"), call.option("stride_w")
        dh, dw = call.option("dilation_h_factor"), call.option("dilation_w_factor")
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                rows = x[:, i * dh :: sh][:, : sizes[0]]
                yield i, j, rows[:, :, j * dw :: sw][:, :, : sizes[1]]

    def padding(self, call: Call, size: int, kernel: int, letter: str) -> tuple[int, int, int]:
        """Output size, and the padding before and after."""
        stride = call.option(f"stride_{letter}")
        reach = (kernel - 1) * call.option(f"dilation_{letter}_factor") + 1
        if call.option("padding") == "VALID":
            return (size - reach) // stride + 1, 0, 0
        outputs = math.ceil(size / stride)
        total = max((outputs - 1) * stride + reach - size, 0)
        if self.slipped("padding: more before"):
            return outputs, total - total // 2, total // 2
        if self.slipped("padding: half the kernel on both sides"):
            return outputs, reach // 2, reach // 2
        return outputs, total // 2, total - total // 2

    def conv_2d(self, call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
        outputs, height, width, depth = weights.shape
        if self.slipped("layout: HWIO"):
            weights = weights.reshape(height, width, depth, outputs).transpose(3, 0, 1, 2)
        elif self.slipped("layout: OIHW"):
            weights = weights.reshape(outputs, depth, height, width).transpose(0, 2, 3, 1)
        w = self.weights(call, self.turned(weights))
        acc = sum(at @ w[:, i, j].T for i, j, at in self.taps(call, x, (height, width)))
        return self.weighted(call, acc, bias, self.real_multiplier(call))

    def depthwise_conv_2d(
        self, call: Call, x: Array, weights: Array, bias: Array | None = None
    ) -> Array:
        _, height, width, outputs = weights.shape
        channels = x.shape[3]
        times = outputs // channels
        real = self.real_multiplier(call)
        if self.slipped("layout: CHW"):
            weights = weights.reshape(outputs, height, width).transpose(1, 2, 0)[np.newaxis]
        if self.slipped("depthwise: weights (multiplier, C)"):
            shape = (1, height, width, times, channels)
            weights = weights.reshape(shape).swapaxes(3, 4).reshape(weights.shape)
        w = self.weights(call, self.turned(weights))
        source = [j // times for j in range(outputs)]
        if self.slipped("depthwise: input j % C"):
            source = [j % channels for j in range(outputs)]
        acc = sum(at[..., source] * w[0, i, j] for i, j, at in self.taps(call, x, (height, width)))
        result = self.weighted(call, acc, bias, real)
        if self.slipped("depthwise: outputs (multiplier, C)"):
            parts = [result[..., k::times] for k in range(times)]
            result = np.concatenate(parts, axis=3)
        return result

    def turned(self, weights: Array) -> Array:
        if (
            self.slipped("layout: kernel's height and width")
            and weights.shape[1] == weights.shape[2]
        ):
            return weights.swapaxes(1, 2)
        if self.slipped("layout: kernel turned round"):
            return weights[:, ::-1, ::-1]
        return weights

    def fully_connected(
        self, call: Call, x: Array, weights: Array, bias: Array | None = None
    ) -> Array:
        units, depth = weights.shape
        if self.slipped("layout: depth by units"):
            weights = weights.reshape(depth, units).T
        w = self.weights(call, weights)
        acc = self.centred(call, 0, x).reshape(-1, depth) @ w.T
        return self.weighted(call, acc, bias, self.real_multiplier(call)).reshape(call.output.shape)

    # Elementwise ops and MEAN

    def add(self, call: Call, a: Array, b: Array) -> Array:
        return self.sum(call, a, b, 1)

    def sub(self, call: Call, a: Array, b: Array) -> Array:
        return self.sum(call, a, b, -1)

    def sum(self, call: Call, a: Array, b: Array, sign: int) -> Array:
        exact = np.float32 if self.slipped("real multiplier: float32") else np.float64
        s1, s2, y = (exact(t.scale) for t in (call.input(0), call.input(1), call.output))
        twice = exact(2) * max(s1, s2)
        left = self.rescale(self.centred(call, 0, a) << 20, s1 / twice)
        right = self.rescale(self.centred(call, 1, b) << 20, s2 / twice)
        total = self.rescale(left + sign * right, twice / (exact(1 << 20) * y))
        return self.finish(call, total, call.option("fused_activation_function"))

    def mul(self, call: Call, a: Array, b: Array) -> Array:
        exact = np.float64 if self.slipped("real multiplier: float64") else np.float32
        s1, s2, y = (exact(t.scale) for t in (call.input(0), call.input(1), call.output))
        acc = self.sixteen_bits(self.centred(call, 0, a) * self.centred(call, 1, b))
        codes = self.rescale(acc, s1 * s2 / y)
        return self.finish(call, codes, call.option("fused_activation_function"))

    def mean(self, call: Call, x: Array, axes: Array) -> Array:
        axis = tuple(np.ravel(axes).tolist())
        count = math.prod(x.shape[a] for a in axis)
        acc = self.centred(call, 0, x).sum(axis=axis, keepdims=call.option("keep_dims"))
        real = call.input(0).scale / call.output.scale
        if self.slipped("real multiplier: float32"):
            real = float(np.float32(real))
        q, shift = self.quantize_multiplier(real)
        extra = 0
        while 2 << extra <= count and extra < 32 and extra < 31 + shift:
            extra += 1
        folded = (q << extra) // count, shift - extra
        return self.finish(call, self.rescale(self.sixteen_bits(acc), real / count, folded), "NONE")


def c_divide(x: Array, bits: Any) -> Array:
    """``x / 2**bits`` of C integers: toward zero."""
    return np.sign(x) * (np.abs(x) >> bits)


def nearest(x: float) -> int:
    """C ``round`` of a float32."""
    x = float(np.float32(x))
    return int(math.copysign(math.floor(abs(x) + 0.5), x))
