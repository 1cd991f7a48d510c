"""What is wrong with scales and zero points, whoever computes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflreplay.model import Tensor
from tflreplay.tools.check.records import CODES, At, Found, Rule, Severity

_SPEC = "LiteRT 8-bit quantization specification"
_MOST_OFF = 1e-3  # of a bias scale; float32 products and quotients err by 1e-7


def scale(at: At) -> Iterator[Found]:
    for tensor in (*at.inputs, *at.outputs):
        found = tensor.quantization
        if found is None or tensor.dtype not in (*CODES, "int4"):
            continue
        usable = found.scale > 0
        if usable.all():
            continue
        first = float(found.scale[~usable][0])
        count = int((~usable).sum())
        of = f"{count} of {usable.size} scales" if usable.size > 1 else "a scale"
        what = f"tensor {tensor.label} has {of} that cannot be one: {first!r}"
        # A scale of 0 for some channels of constant weights only makes those channels constant.
        dead = tensor.is_constant and found.per_axis and bool((found.scale[~usable] == 0).all())
        yield Found(what, at.op, at.graph.index, Severity.WARNING if dead else None)


def zero_point(at: At) -> Iterator[Found]:
    for tensor in (*at.inputs, *at.outputs):
        if not _is_coded(tensor):
            continue
        assert tensor.quantization is not None
        low, high = tensor.code_range
        zeros = tensor.quantization.zero_point
        outside = zeros[(zeros < low) | (zeros > high)]
        if outside.size:
            what = f"tensor {tensor.label} of {tensor.dtype} has the zero point {int(outside[0])}"
            yield Found(what, at.op, at.graph.index)


def activation_per_channel(at: At) -> Iterator[Found]:
    for tensor in (*at.inputs, *at.outputs):
        q = tensor.quantization
        if q is not None and q.per_axis and not tensor.is_constant and _is_coded(tensor):
            what = f"tensor {tensor.label} is no constant and has {q.scale.size} scales"
            yield Found(what, at.op, at.graph.index)


def weight_axis(at: At) -> Iterator[Found]:
    weights = at.named(at.card.roles.weights) if at.card.weighted else None
    if weights is None or weights.quantization is None or not weights.quantization.per_axis:
        return
    axis, wanted = weights.quantization.axis, at.card.roles.weight_axis
    if axis != wanted:
        what = f"weights {weights.label} have their scales along axis {axis}, not {wanted}"
        yield Found(what, at.op, at.graph.index)


def bias_scale(at: At) -> Iterator[Found]:
    bias, expected = _bias(at)
    if bias is None or expected is None or bias.quantization is None:
        return
    scales = bias.quantization.scale.astype(np.float64)
    if scales.size not in (1, expected.size):
        what = f"bias {bias.label} has {scales.size} scales, and the products are {expected.size}"
        yield Found(what, at.op, at.graph.index)
        return
    with np.errstate(all="ignore"):
        off = np.abs(scales / expected - 1)
    if (off > _MOST_OFF).any():
        channel = int(np.nanargmax(off))
        theirs = float(scales.reshape(-1)[channel % scales.size])
        what = (
            f"bias {bias.label} has the scale {theirs:.6g}, and input * weights is "
            f"{float(expected[channel]):.6g}"
        )
        if off.size > 1:
            what += f" (channel {channel})"
        yield Found(what, at.op, at.graph.index)


def bias_zero_point(at: At) -> Iterator[Found]:
    bias, _ = _bias(at)
    if bias is None or bias.quantization is None or not bias.quantization.zero_point.any():
        return
    zero = int(bias.quantization.zero_point[bias.quantization.zero_point != 0][0])
    yield Found(f"bias {bias.label} has the zero point {zero}", at.op, at.graph.index)


def _bias(at: At) -> tuple[Tensor | None, np.ndarray | None]:
    """The integer bias, and the scale that the kernels give it, for each channel."""
    roles = at.card.roles
    bias = at.named(roles.bias) if at.card.weighted else None
    if bias is None or bias.dtype not in ("int32", "int64"):
        return None, None
    x, w = at.named(roles.activation), at.named(roles.weights)
    if x is None or w is None or x.quantization is None or w.quantization is None:
        return bias, None
    if x.quantization.per_axis:
        return bias, None
    return bias, np.float64(x.scale) * w.quantization.scale.astype(np.float64)


def _is_coded(tensor: Tensor) -> bool:
    return tensor.quantization is not None and tensor.dtype in CODES


RULES = (
    Rule(
        "scale",
        Severity.ERROR,
        "every code stands for scale * (code - zero point): the scale is a positive number",
        "convert the model again with a representative data set that reaches this tensor",
        f"{_SPEC}; QuantizeMultiplier, tflite/kernels/internal/quantization_util.cc",
        of_op=scale,
    ),
    Rule(
        "zero-point",
        Severity.WARNING,
        "the real number 0, and so padding, has no code of the type",
        "give the tensor a zero point that its type holds",
        _SPEC,
        of_op=zero_point,
    ),
    Rule(
        "activation-per-channel",
        Severity.ERROR,
        "kernels read one scale of an activation: the first",
        "quantize activations per tensor",
        _SPEC,
        of_op=activation_per_channel,
    ),
    Rule(
        "weight-axis",
        Severity.ERROR,
        "kernels take the scale of an output channel, whatever axis the tensor names",
        "quantize the weights along the axis of output channels",
        "tflite/kernels/internal/reference/integer_ops/conv.h; " + _SPEC,
        of_op=weight_axis,
    ),
    Rule(
        "bias-scale",
        Severity.WARNING,
        "kernels add the bias to sums of codes, in units of input scale * weight scale, and do not "
        "read its own scale",
        "quantize the bias by input scale * weight scale, or leave what it says unread",
        "tflite/kernels/internal/reference/integer_ops/conv.h; " + _SPEC,
        of_op=bias_scale,
    ),
    Rule(
        "bias-zero-point",
        Severity.WARNING,
        "kernels add the bias as it is and do not read its zero point; XNNPACK does not take it",
        "quantize the bias with the zero point 0",
        "tflite/kernels/internal/reference/integer_ops/conv.h; " + _SPEC,
        of_op=bias_zero_point,
    ),
)
