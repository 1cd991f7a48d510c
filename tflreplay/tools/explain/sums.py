"""Where an accumulator comes from: its terms, found one by one from the op's definition.

The kernels compute whole layers by matrix products; nothing of that is used here, so that a sum
that agrees with theirs says something. Every function takes the call, the arrays of its inputs, an
index into the output and the output's shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array, quantize_multiplier
from tflreplay.ground.window import Window, window
from tflreplay.kernels import (
    activations,
    conv,
    elementwise,
    fully_connected,
    quantize,
    reduce,
    tflm,
)
from tflreplay.kernels.call import Call, Kernel
from tflreplay.kernels.optimized import reduce as optimized_reduce
from tflreplay.kernels.xnnpack import activations as xnnpack_activations
from tflreplay.kernels.xnnpack import conv as xnnpack_conv
from tflreplay.kernels.xnnpack import elementwise as xnnpack_elementwise
from tflreplay.kernels.xnnpack import fully_connected as xnnpack_fully_connected
from tflreplay.kernels.xnnpack import quantize as xnnpack_quantize
from tflreplay.tools.explain.records import Factor, Sum, Term

Index = tuple[int, ...]
Arrays = Sequence[Any]
Summing = Callable[[Call, Arrays, Index, Index], Sum]

# Of a longer sum only the largest terms are listed.
_ALL = 9
_LARGEST = 6


@dataclass(frozen=True)
class _Codes:
    """One factor of every term: codes at ``where``, an integer array ``(terms, rank)``."""

    symbol: str
    array: Array
    where: Array
    zero_point: int | None

    @property
    def values(self) -> Array:
        codes = self.array[tuple(self.where.T)].astype(np.int64)
        return np.asarray(codes - (self.zero_point or 0))

    def factor(self, term: int) -> Factor:
        where = tuple(int(i) for i in self.where[term])
        return Factor(self.symbol, where, int(self.array[where]), self.zero_point)


def _sum(
    formula: str,
    factors: Sequence[_Codes],
    *,
    taps: int | None = None,
    bias: int | None = None,
    bits: int = 32,
    notes: tuple[str, ...] = (),
) -> Sum:
    """The sum of the factors' products. ``taps`` counts the terms with those in the padding."""
    values = math.prod((f.values for f in factors[1:]), start=factors[0].values)
    shown = len(values) if len(values) <= _ALL else _LARGEST
    order = (
        np.argsort(-np.abs(values), kind="stable")[:shown] if shown < len(values) else range(shown)
    )
    terms = tuple(Term(tuple(f.factor(int(i)) for f in factors)) for i in order)
    return Sum(
        formula,
        len(values) if taps is None else taps,
        0 if taps is None else taps - len(values),
        terms,
        len(values) - shown,
        int(values.sum()) - sum(term.value for term in terms),
        bias,
        bits,
        notes,
    )


def _bias(arrays: Arrays, channel: int) -> int | None:
    bias = arrays[2] if len(arrays) > 2 else None
    return None if bias is None else int(bias[channel])


def _with_bias(formula: str, bias: int | None) -> str:
    return formula if bias is None else f"{formula} + bias"


def _windows(call: Call, x: Array, height: int, width: int) -> tuple[Window, Window]:
    options = call.op.options
    padding = call.option("padding")
    return (
        window(
            x.shape[1],
            height,
            call.option("stride_h"),
            options.get("dilation_h_factor", 1),
            padding,
        ),
        window(
            x.shape[2],
            width,
            call.option("stride_w"),
            options.get("dilation_w_factor", 1),
            padding,
        ),
    )


def _inside(w: Window, output: int, size: int) -> Array:
    """``(taps, 2)``: which taps of a window fall into the input, and where they do."""
    taps = np.arange(w.size)
    positions = output * w.stride + taps * w.dilation - w.before
    pairs = np.stack([taps, positions], axis=1)
    return pairs[(positions >= 0) & (positions < size)]


def _grid(*columns: Array) -> list[Array]:
    """Every combination of the rows of ``columns``, the last one fastest, one array each."""
    chosen = np.indices([len(column) for column in columns]).reshape(len(columns), -1)
    return [column[i] for column, i in zip(columns, chosen, strict=True)]


def conv_2d(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    x, weights = arrays[:2]
    image, y, z, channel = index
    outputs, height, width, depth = weights.shape
    rows, columns = _windows(call, x, height, width)
    group = channel // (outputs // (x.shape[3] // depth))
    i, j, c = _grid(_inside(rows, y, x.shape[1]), _inside(columns, z, x.shape[2]), np.arange(depth))
    full = np.full_like
    return _weighted(
        call,
        x,
        np.stack([full(c, image), i[:, 1], j[:, 1], group * depth + c], axis=1),
        weights,
        np.stack([full(c, channel), i[:, 0], j[:, 0], c], axis=1),
        height * width * depth,
        _bias(arrays, channel),
        call.input(1).dtype == "uint8",
    )


def depthwise_conv_2d(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    x, weights = arrays[:2]
    image, y, z, channel = index
    _, height, width, channels = weights.shape
    rows, columns = _windows(call, x, height, width)
    i, j = _grid(_inside(rows, y, x.shape[1]), _inside(columns, z, x.shape[2]))
    ones = np.ones(len(i), np.int64)
    source = channel // (channels // x.shape[3])
    return _weighted(
        call,
        x,
        np.stack([image * ones, i[:, 1], j[:, 1], source * ones], axis=1),
        weights,
        np.stack([0 * ones, i[:, 0], j[:, 0], channel * ones], axis=1),
        height * width,
        _bias(arrays, channel),
        call.input(1).dtype == "uint8",
    )


def bias_alone(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    weights, bias = arrays[1], int(arrays[2][index[-1]])
    depthwise = call.op.name == "DEPTHWISE_CONV_2D"
    taps = math.prod(weights.shape[1:3]) * (1 if depthwise else weights.shape[3])
    return Sum("every tap reads padding, + bias", taps, taps, (), 0, 0, bias, 32)


def connected(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    """FULLY_CONNECTED that subtracts the weights' zero point where there is one."""
    quantization = call.input(1).quantization
    assert quantization is not None
    return _connected(call, arrays, index, shape, centred=not quantization.per_axis)


def connected_ignoring(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _connected(call, arrays, index, shape, centred=False)


def connected_four_bit(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _connected(call, arrays, index, shape, centred=False, bits=28)


def _connected(
    call: Call, arrays: Arrays, index: Index, shape: Index, centred: bool, bits: int | None = None
) -> Sum:
    x, weights = arrays[:2]
    unit, depth = index[-1], weights.shape[1]
    row = int(np.ravel_multi_index(index[:-1], shape[:-1])) if index[:-1] else 0
    inputs = np.arange(depth)
    return _weighted(
        call,
        x,
        np.stack(np.unravel_index(row * depth + inputs, x.shape), axis=1),
        weights,
        np.stack([np.full_like(inputs, unit), inputs], axis=1),
        depth,
        _bias(arrays, unit),
        centred,
        bits,
    )


def _weighted(
    call: Call,
    x: Array,
    x_where: Array,
    weights: Array,
    w_where: Array,
    taps: int,
    bias: int | None,
    centred: bool,
    bits: int | None = None,
) -> Sum:
    """``centred`` says that the weights' zero point is subtracted."""
    if bits is None:
        # int16 activations have an int64 bias and accumulator, unless int32 is declared.
        wide = call.input(0).dtype == "int16"
        bits = 64 if wide and call.op.options.get("quantized_bias_type") != "int32" else 32
    w_zero_point = call.input(1).zero_point if centred else None
    return _sum(
        _with_bias(f"sum of (x - z1) * {'(w - z2)' if centred else 'w'}", bias),
        [
            _Codes("x", x, x_where, call.input(0).zero_point),
            _Codes("w", weights, w_where, w_zero_point),
        ],
        taps=taps,
        bias=bias,
        bits=bits,
    )


def operand(call: Call, arrays: Arrays, position: int, index: Index) -> Factor:
    """The code of a broadcast operand that an output element is made of."""
    array = arrays[position]
    own = index[len(index) - array.ndim :]
    where = tuple(0 if size == 1 else i for size, i in zip(array.shape, own, strict=True))
    tensor = call.input(position)
    return Factor("ab"[position], where, int(array[where]), tensor.zero_point)


def _of_terms(formula: str, *terms: Term, notes: tuple[str, ...] = ()) -> Sum:
    return Sum(formula, len(terms), 0, terms, 0, 0, None, 32, notes)


def mul(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    factors = tuple(operand(call, arrays, i, index) for i in (0, 1))
    return _of_terms("(a - z1) * (b - z2)", Term(factors))


def fixed_point_add(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _fixed_point_sum(call, arrays, index, "+")


def fixed_point_sub(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _fixed_point_sum(call, arrays, index, "-")


def _fixed_point_sum(call: Call, arrays: Arrays, index: Index, sign: str) -> Sum:
    so = np.float32(call.output.scale)
    ratios = [np.float32(call.input(i).scale) / so for i in (0, 1)]
    shift = 21 - math.frexp(max(ratios))[1]
    ma, mb = (round(float(ratio) * 2.0**shift) for ratio in ratios)
    a, b = (operand(call, arrays, i, index) for i in (0, 1))
    return _of_terms(
        f"(a - z1) * ma {sign} (b - z2) * mb",
        Term((a,), ma),
        Term((b,), mb if sign == "+" else -mb),
        notes=(
            f"ma = round(s1/so * 2**{shift}) = {ma}",
            f"mb = round(s2/so * 2**{shift}) = {mb}",
        ),
    )


def centred(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    """The input less its zero point."""
    return _of_terms("x - zi", Term((_input(call, arrays, index),)))


def _input(call: Call, arrays: Arrays, index: Index) -> Factor:
    return Factor("x", index, int(arrays[0][index]), call.input(0).zero_point)


def eight_bit_ratio(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    ratio = np.float32(call.input(0).scale) / np.float32(call.output.scale)
    return _by_eight_bits(_input(call, arrays, index), ratio, "si/so")


def eight_bit_leaky_ratio(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    ratio = np.float32(call.input(0).scale) / np.float32(call.output.scale)
    x = _input(call, arrays, index)
    if x.value >= 0:
        return _by_eight_bits(x, ratio, "si/so")
    return _by_eight_bits(x, ratio * np.float32(call.option("alpha")), "(si/so * alpha)")


def _by_eight_bits(x: Factor, ratio: np.float32, name: str) -> Sum:
    m = round(float(np.float32(256) * ratio))
    return _of_terms("(x - zi) * m", Term((x,), m), notes=(f"m = round(256 * {name}) = {m}",))


def mean(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    where = _reduced(call, arrays, index)
    ti, to, n = call.input(0), call.output, len(where)
    mantissa, shift = (int(v) for v in quantize_multiplier(np.asarray(ti.scale / to.scale)))
    extra = min(n.bit_length() - 1, 32, 31 + shift)
    return _sum(
        "sum of (x - zi)",
        [_Codes("x", arrays[0], where, ti.zero_point)],
        notes=(
            f"si/so has the mantissa {mantissa} and the shift {shift}",
            f"mantissa by the count: {mantissa} * 2**{extra} // {n} = {(mantissa << extra) // n}",
        ),
    )


def spatial_mean(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    ti, to = call.input(0), call.output
    offset = np.float32(ti.zero_point) * np.float32(ti.scale) / np.float32(to.scale)
    rounded = int(offset + np.copysign(np.float32(0.5), offset))
    return _sum(
        "sum of x",
        [_Codes("x", arrays[0], _reduced(call, arrays, index), None)],
        notes=(
            f"the zero points together: {to.zero_point} - round(zi * si/so = {float(offset)!r}) "
            f"= {to.zero_point - rounded}",
        ),
    )


def _reduced(call: Call, arrays: Arrays, index: Index) -> Array:
    """Where the elements lie that MEAN sums up for one output: ``(elements, rank)``."""
    x, axes = arrays[0], {int(axis) % arrays[0].ndim for axis in np.ravel(arrays[1])}
    left = iter(index)
    kept: list[Array] = []
    for axis, size in enumerate(x.shape):
        if axis in axes:
            kept.append(np.arange(size))
            if call.option("keep_dims"):
                next(left)
        else:
            kept.append(np.array([next(left)]))
    return np.stack(_grid(*kept), axis=1)


def average(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    """The raw codes under the window of AVERAGE_POOL_2D, its padding left out."""
    x = arrays[0]
    image, y, z, channel = index
    height, width = call.option("filter_height"), call.option("filter_width")
    rows, columns = _windows(call, x, height, width)
    i, j = _grid(_inside(rows, y, x.shape[1]), _inside(columns, z, x.shape[2]))
    ones = np.ones(len(i), np.int64)
    where = np.stack([image * ones, i[:, 1], j[:, 1], channel * ones], axis=1)
    return _sum("sum of x", [_Codes("x", x, where, None)], taps=height * width)


# The kernels whose first half is such a sum.
SUMS: Mapping[Kernel, Summing] = {
    conv.conv_2d: conv_2d,
    conv.depthwise_conv_2d: depthwise_conv_2d,
    xnnpack_conv.bias_alone: bias_alone,
    fully_connected.fully_connected: connected,
    xnnpack_fully_connected.ignoring_zero_point: connected_ignoring,
    xnnpack_fully_connected.four_bit: connected_four_bit,
    elementwise.mul: mul,
    tflm.mul: mul,
    xnnpack_elementwise.add: fixed_point_add,
    xnnpack_elementwise.sub: fixed_point_sub,
    quantize.quantize: centred,
    xnnpack_quantize.requantize: eight_bit_ratio,
    xnnpack_activations.leaky_relu: eight_bit_leaky_ratio,
    activations.relu: centred,
    activations.relu6: centred,
    activations.relu_n1_to_1: centred,
    activations.relu_0_to_1: centred,
    tflm.relu: centred,
    reduce.mean: mean,
    optimized_reduce.spatial_mean: spatial_mean,
}
