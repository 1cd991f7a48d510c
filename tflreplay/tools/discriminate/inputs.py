"""Inputs of a layer, among them such as make its accumulators take wanted values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import cycle

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.tools.discriminate.solve import solve

_MOST = 256  # accumulators aimed at in one input
Target = tuple[int, int]  # channel, accumulator


def random_codes(tensor: Tensor, rng: np.random.Generator) -> Array:
    """Every code of the type in random order, over and over, in the tensor's shape."""
    low, high = tensor.code_range
    size = int(np.prod(tensor.shape))
    every = np.arange(low, high + 1)
    drawn = np.concatenate([rng.permutation(every) for _ in range(size // every.size + 1)])
    return drawn[:size].reshape(tensor.shape).astype(tensor.numpy_dtype)


def aimed(
    call: Call, weights: Array, bias: Array, targets: Iterable[Target], rng: np.random.Generator
) -> Array:
    """An input of an op with weights whose accumulators meet as many targets as it has room for.

    weights: int64 less their zero point, in the op's layout, or for MEAN ones ``(channels, taps)``;
    bias: int64 ``(channels,)``. Fields that do not overlap take one target each; the rest of the
    input is random.
    """
    by_channel: dict[int, list[int]] = defaultdict(list)
    for channel, total in targets:
        by_channel[channel].append(total)
    wanted = {channel: cycle(totals) for channel, totals in by_channel.items()}
    x = call.input(0)
    low, high = (bound - x.zero_point for bound in x.code_range)
    codes = random_codes(x, rng)
    flat = codes.reshape(-1)
    left = _MOST
    turn = 0
    places = np.arange(codes.size).reshape(codes.shape)
    fields = card(call.op.name).fields
    assert fields is not None
    for field in fields.apart(call, places, weights):
        channels = [channel for channel in field.weights if channel in wanted]
        if not channels:
            continue
        channel = channels[turn % len(channels)]
        turn += 1
        found = solve(
            field.weights[channel], next(wanted[channel]) - int(bias[channel]), low, high, rng
        )
        if found is not None:
            flat[field.taps] = found + x.zero_point
        left -= 1
        if not left:
            break
    return codes
