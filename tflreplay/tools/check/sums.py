"""Sums, clamps, and what an input shows of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import INT32_MAX
from tflreplay.ops.base.call import FUSED
from tflreplay.tools.check.records import CODES, At, Found, Rule, Severity
from tflreplay.tools.rules import clamp_of

_MUCH = 0.01  # of a layer's elements
_FEW = 16  # elements of a channel, below which nothing is said of it


def accumulator(at: At) -> Iterator[Found]:
    if _small(at):
        return
    found = at.rules.requantization
    if found is not None and found.worst is not None and found.worst.bits > found.bits:
        what = (
            f"the sum can reach {found.worst.low:,} to {found.worst.high:,}, {found.worst.bits} "
            f"bits, in a register of {found.bits}"
        )
        if found.seen is not None:
            what += f"; with this input {found.seen.low:,} to {found.seen.high:,}"
        yield Found(what, at.op, at.graph.index)


def _small(at: At) -> bool:
    """True where the sum of the weights' magnitudes alone says that 32 bits hold every sum."""
    weights = at.named(at.card.roles.weights) if at.card.weighted else None
    x = at.named(at.card.roles.activation)
    if weights is None or x is None or weights.data is None or x.dtype not in CODES:
        return x is None or x.dtype not in CODES
    zeros = [0] if weights.quantization is None else weights.quantization.zero_point.tolist()
    most = max(abs(int(zero)) for zero in zeros)
    axis = at.card.roles.weight_axis % max(weights.data.ndim, 1)
    others = tuple(i for i in range(weights.data.ndim) if i != axis)
    magnitudes = (np.abs(weights.data.astype(np.int64)) + most).sum(axis=others)
    low, high = x.code_range
    bias = at.named(at.card.roles.bias)
    added = (
        0 if bias is None or bias.data is None else int(np.abs(bias.data.astype(np.int64)).max())
    )
    return int(magnitudes.max()) * (high - low) + added <= INT32_MAX


def clamp(at: At) -> Iterator[Found]:
    activation = at.op.options.get("fused_activation_function", "NONE")
    if activation not in FUSED:
        return
    try:
        bounds = clamp_of(at.graph, at.op, at.engine)
    except NotReplayed:
        return
    if bounds is None:
        return
    low, high = bounds
    if low >= high:
        what = f"the fused {activation} leaves the one code {low}"
        yield Found(what, at.op, at.graph.index, Severity.ERROR)
    elif (low, high) == at.outputs[0].code_range:
        what = f"the fused {activation} cuts nothing: the output's codes end there"
        yield Found(what, at.op, at.graph.index)


def ignored_activation(at: At) -> Iterator[Found]:
    activation = at.op.options.get("fused_activation_function", "NONE")
    quantized = at.card.form is not None and all(t.dtype in CODES for t in at.outputs)
    if quantized and activation not in ("NONE", *FUSED):
        yield Found(f"the fused activation is {activation}", at.op, at.graph.index)


def lowest_weights(at: At) -> Iterator[Found]:
    weights = at.named(at.card.roles.weights) if at.card.weighted else None
    if weights is None or weights.dtype != "int8" or weights.data is None:
        return
    count = int((weights.data == -128).sum())
    if count:
        yield Found(f"{count:,} weights are -128", at.op, at.graph.index)


def saturation(at: At) -> Iterator[Found]:
    if not at.seen or at.rules.requantization is None:
        return
    cut = at.rules.requantization.saturation
    if cut is not None and cut.outside_type > _MUCH * cut.elements:
        share = cut.outside_type / cut.elements
        what = f"{cut.outside_type:,} of {cut.elements:,} outputs ({share:.0%}) do not fit the type"
        yield Found(what, at.op, at.graph.index)


def dead_channels(at: At) -> Iterator[Found]:
    if not at.seen or not at.card.weighted:
        return
    output = at.tensors[at.op.outputs[0]]
    if output.ndim < 2 or output.dtype.kind not in "iu":
        return
    channels = output.reshape(-1, output.shape[-1])
    if len(channels) < _FEW:
        return
    dead = np.flatnonzero((channels == channels[0]).all(axis=0))
    if dead.size:
        some = ", ".join(map(str, dead[:4])) + (", ..." if dead.size > 4 else "")
        what = f"{dead.size} of {output.shape[-1]} channels give one code all over ({some})"
        yield Found(what, at.op, at.graph.index)


RULES = (
    Rule(
        "accumulator",
        Severity.WARNING,
        "an input that suits the signs of the weights makes the register wrap around",
        "see whether your inputs do: --input; or scale the weights down, or use wider sums",
        "weights and types; tflite/kernels/internal/reference/integer_ops/conv.h sums in int32",
        of_op=accumulator,
        of_engine=True,
    ),
    Rule(
        "clamp",
        Severity.HINT,
        "the bounds of the activation as codes of the output",
        "check the output's scale and zero point",
        "CalculateActivationRangeQuantized, tflite/kernels/kernel_util.cc",
        of_op=clamp,
        of_engine=True,
    ),
    Rule(
        "ignored-activation",
        Severity.WARNING,
        "quantized kernels know RELU, RELU6 and RELU_N1_TO_1 and compute as if there were no other",
        "put the activation behind as an op of its own",
        "CalculateActivationRangeQuantized, tflite/kernels/kernel_util.cc",
        of_op=ignored_activation,
    ),
    Rule(
        "weights-of-128",
        Severity.HINT,
        "the specification has int8 weights of -127 to 127; kernels that add two products in 16 "
        "bits lose a bit at -128 * -128",
        "quantize weights to -127 .. 127",
        "LiteRT 8-bit quantization specification",
        of_op=lowest_weights,
    ),
    Rule(
        "saturation",
        Severity.HINT,
        "the output's scale is too small for this input",
        "convert with a representative data set like this input",
        "replayed with the given input",
        of_op=saturation,
        of_engine=True,
    ),
    Rule(
        "dead-channels",
        Severity.HINT,
        "what follows learns nothing from them with this input",
        "look at their weights and scales, or give another input",
        "replayed with the given input",
        of_op=dead_channels,
        of_engine=True,
    ),
)
