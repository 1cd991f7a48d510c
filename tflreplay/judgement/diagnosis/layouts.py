"""Weights and inputs read in the wrong memory order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.made import Arrays, Made
from tflreplay.ops import Card, card
from tflreplay.ops.base.call import Call, with_input


@dataclass(frozen=True)
class WeightsReread:
    """The weights as one of the card's rereadings gives them, where that changes them."""

    number: int

    def __call__(self, call: Call, arrays: Arrays) -> Made | None:
        known = card(call.op.name)
        if not self.suits(known) or arrays[1] is None:
            return None
        changed = known.rereadings[self.number].of(arrays[1])
        if changed is None or np.array_equal(changed, arrays[1]):
            return None
        return Made(call, (arrays[0], np.ascontiguousarray(changed), *arrays[2:]))

    def suits(self, known: Card) -> bool:
        return self.number < len(known.rereadings)


def input_as_nchw(call: Call, arrays: Arrays) -> Made | None:
    x = arrays[0]
    if x is None or x.ndim != 4:
        return None
    batch, height, width, channels = x.shape
    changed = x.reshape(batch, channels, height, width).transpose(0, 2, 3, 1)
    if np.array_equal(changed, x):
        return None
    return Made(call, (np.ascontiguousarray(changed), *arrays[1:]))


def _depth_multiplier(arrays: Arrays) -> int:
    x, weights = arrays[:2]
    assert x is not None
    assert weights is not None
    return weights.shape[3] // x.shape[3] if x.shape[3] > 1 else 1


def _inputs_tiled(call: Call, arrays: Arrays) -> Made:
    """Output channel j reads input channel j % C."""
    x = arrays[0]
    assert x is not None
    return Made(call, (np.tile(x, _depth_multiplier(arrays)), *arrays[1:]))


def _weights_by_multiplier(call: Call, arrays: Arrays) -> Made:
    """The weights' last axis read as (multiplier, C)."""
    weights = arrays[1]
    assert weights is not None
    changed = weights[..., _by_channel(arrays)]
    return Made(call, (arrays[0], changed, *arrays[2:]))


def _outputs_by_multiplier(call: Call, arrays: Arrays) -> Made:
    """The output's channels stored as (multiplier, C), everything else right."""
    weights, bias = arrays[1], arrays[2] if len(arrays) > 2 else None
    assert weights is not None
    order = np.argsort(_by_channel(arrays))
    tensor = call.input(1)
    assert tensor.quantization is not None
    if tensor.quantization.per_axis:
        scale, zero_point = tensor.quantization.scale, tensor.quantization.zero_point
        moved = replace(tensor.quantization, scale=scale[order], zero_point=zero_point[order])
        call = with_input(call, 1, replace(tensor, quantization=moved))
    tiled = _inputs_tiled(call, arrays).arrays[0]
    return Made(call, (tiled, weights[..., order], None if bias is None else bias[order]))


def _by_channel(arrays: Arrays) -> Array:
    """For each channel c * multiplier + k, the index k * C + c."""
    weights = arrays[1]
    assert weights is not None
    every = np.arange(weights.shape[3])
    return every.reshape(_depth_multiplier(arrays), -1).T.reshape(-1)


def _where_multiplied(
    form: Callable[[Call, Arrays], Made],
) -> Callable[[Call, Arrays], Made | None]:
    return lambda call, arrays: form(call, arrays) if _depth_multiplier(arrays) > 1 else None


# By where the channels are counted so.
CHANNEL_ORDERS = {
    "in the input": _where_multiplied(_inputs_tiled),
    "in the weights": _where_multiplied(_weights_by_multiplier),
    "in the output": _where_multiplied(_outputs_by_multiplier),
}
