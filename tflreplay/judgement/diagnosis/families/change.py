"""One generated mistake, and what the families share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Rule
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.judgement.diagnosis.windows import windows_of
from tflreplay.model import Tensor
from tflreplay.ops import card
from tflreplay.ops.base.call import Call, with_options
from tflreplay.ops.base.card import PAIR


@dataclass(frozen=True)
class Change:
    """A mistake in words, and the form that makes it.

    ``scrambles`` is true of one that puts elements elsewhere: alone, two of them show as noise.
    ``slow`` is one that is made together with others only where it comes near.
    """

    said: Said
    form: Form
    scrambles: bool = False
    slow: bool = False


def of_rule(changed: Callable[[Rule], Rule | None]) -> Form:
    return lambda call, arrays: Made(call, arrays, rule=changed)


def of_sums(changed: Callable[[Accumulation], Accumulation]) -> Form:
    return lambda call, arrays: Made(call, arrays, sums=changed)


def of_array(position: int, changed: Callable[[Array], Array]) -> Form:
    """An input's array changed; None where that changes nothing."""

    def form(call: Call, arrays: Arrays) -> Made | None:
        array = arrays[position]
        if array is None:
            return None
        other = np.ascontiguousarray(changed(array))
        if other.shape == array.shape and np.array_equal(other, array):
            return None
        return Made(call, (*arrays[:position], other, *arrays[position + 1 :]))

    return form


def quantized(tensor: Tensor | None) -> bool:
    """True of a tensor of codes with one scale."""
    return (
        tensor is not None
        and tensor.quantization is not None
        and not tensor.quantization.per_axis
        and tensor.dtype in ("int8", "uint8", "int16")
    )


def with_scale(tensor: Tensor, scale: Array | float) -> Tensor:
    """The tensor's record with another scale, or as many as it had."""
    assert tensor.quantization is not None
    scales = np.broadcast_to(np.float32(scale), tensor.quantization.scale.shape).copy()
    return replace(tensor, quantization=replace(tensor.quantization, scale=scales))


def with_zero_point(tensor: Tensor, value: int) -> Tensor:
    """The tensor's record with another zero point."""
    assert tensor.quantization is not None
    zeros = np.full_like(tensor.quantization.zero_point, value)
    return replace(tensor, quantization=replace(tensor.quantization, zero_point=zeros))


def input_name(call: Call, position: int) -> str:
    """What an input is called, whether it is constant or not."""
    known = card(call.op.name)
    if len(known.operands) == 2 and known.operands != PAIR and position < 2:
        return known.operands[position][0]
    if known.weighted or sum(map(quantized, call.inputs)) < 2:
        return "input"
    return ("first input", "second input")[position] if position < 2 else f"input {position}"


def padded_with(call: Call, arrays: Arrays, code: int) -> Made | None:
    """The input of a convolution padded beforehand with a code; None where it is not padded."""
    x, weights = arrays[:2]
    if x is None or weights is None or call.op.options.get("padding") != "SAME":
        return None
    widths = [(w.before, w.after) for w in windows_of(call, x, weights)]
    if not any(map(any, widths)):
        return None
    padded = np.pad(x, ((0, 0), *widths, (0, 0)), constant_values=code)
    return Made(with_options(call, padding="VALID"), (padded, *arrays[1:]))
