"""Inputs of a layer, among them such as make its accumulators take wanted values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle, product

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ground.window import Window
from tflreplay.kernels.call import Call
from tflreplay.kernels.conv import windows
from tflreplay.model import Tensor
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


@dataclass(frozen=True)
class _Field:
    """Taps of one or several outputs: where they lie in the input, flattened.

    ``weights`` holds, for each output channel that reads exactly these taps, its weights.
    """

    taps: Array
    weights: dict[int, Array]


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
    for field in _fields(call, weights):
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


def _fields(call: Call, weights: Array) -> Iterator[_Field]:
    """Fields of the op that do not overlap."""
    shape = call.input(0).shape
    places = np.arange(np.prod(shape)).reshape(shape)
    if call.op.name == "FULLY_CONNECTED":
        units = dict(enumerate(weights))
        for taps in places.reshape(-1, weights.shape[1]):
            yield _Field(taps, units)
        return
    if call.op.name == "MEAN":
        yield from _averaged(places, reduced_axes(call), weights)
        return
    rows, columns = windows(call, places, weights)
    for image, top, left in product(places, _starts(rows, shape[1]), _starts(columns, shape[2])):
        seen = image[_reach(top, rows), _reach(left, columns)]
        yield from _convolved(call, seen, weights)


def _averaged(places: Array, axes: tuple[int, ...], weights: Array) -> Iterator[_Field]:
    """A field for each output; its channel is the index of the last axis, where that is kept."""
    last = tuple(range(-len(axes), 0))
    fields = np.moveaxis(places, axes, last).reshape(-1, weights.shape[1])
    for output, taps in enumerate(fields):
        channel = output % weights.shape[0]
        yield _Field(taps, {channel: weights[channel]})


def reduced_axes(call: Call) -> tuple[int, ...]:
    """The axes of a MEAN, from 0 on.

    Raises:
        NotReplayed: they are not constant.
    """
    axes = call.input(1).data
    if axes is None:
        raise NotReplayed(f"{call.op.name} over axes that are not constant")
    rank = len(call.input(0).shape)
    return tuple(sorted({int(axis) % rank for axis in np.ravel(axes)}))


def _convolved(call: Call, seen: Array, weights: Array) -> Iterator[_Field]:
    """The fields in one window of the input: ``seen`` holds places ``(kh, kw, C)``."""
    if call.op.name == "DEPTHWISE_CONV_2D":
        times = weights.shape[3] // seen.shape[2]
        for channel in range(seen.shape[2]):
            outputs = range(channel * times, (channel + 1) * times)
            yield _Field(
                seen[..., channel].ravel(), {j: weights[0, ..., j].ravel() for j in outputs}
            )
        return
    depth = weights.shape[3]
    groups = seen.shape[2] // depth
    size = weights.shape[0] // groups
    for group in range(groups):
        outputs = range(group * size, (group + 1) * size)
        taps = seen[..., group * depth : (group + 1) * depth].ravel()
        yield _Field(taps, {j: weights[j].ravel() for j in outputs})


def _starts(w: Window, length: int) -> Iterator[int]:
    """First rows of windows that lie inside the input and do not overlap."""
    reach = (w.size - 1) * w.dilation + 1
    free = 0
    for output in range(w.outputs):
        start = output * w.stride - w.before
        if start >= free and start + reach <= length:
            yield start
            free = start + reach


def _reach(start: int, w: Window) -> slice:
    return slice(start, start + (w.size - 1) * w.dilation + 1, w.dilation)
