"""What of the input a convolution's outputs see, and the same op on a few of its outputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tflreplay.ground.rounding import Array
from tflreplay.ground.window import Window
from tflreplay.ops.base.call import Call, with_options
from tflreplay.ops.base.fields import Field
from tflreplay.ops.base.lines import Arrays
from tflreplay.ops.conv.sliding import receptive_fields, windows


def conv_lines(call: Call, arrays: Arrays, lines: Array) -> tuple[Call, Arrays]:
    # The receptive fields side by side: one image, one line of outputs.
    x, weights = arrays[:2]
    assert x is not None
    assert weights is not None
    fields = receptive_fields(call, x, weights, lines)
    count, height, width, channels = fields.shape
    image = fields.swapaxes(0, 1).reshape(1, height, count * width, channels)
    apart = {"padding": "VALID", "stride_h": 1, "stride_w": width}
    dense = {"dilation_h_factor": 1, "dilation_w_factor": 1}
    return with_options(call, **apart, **dense), (image, *arrays[1:])


def conv_fields(call: Call, places: Array, weights: Array) -> Iterator[Field]:
    """Fields of CONV_2D that do not overlap."""
    depth = weights.shape[3]
    for seen in _apart(call, places, weights):
        groups = seen.shape[2] // depth
        size = weights.shape[0] // groups
        for group in range(groups):
            outputs = range(group * size, (group + 1) * size)
            taps = seen[..., group * depth : (group + 1) * depth].ravel()
            yield Field(taps, {j: weights[j].ravel() for j in outputs})


def depthwise_fields(call: Call, places: Array, weights: Array) -> Iterator[Field]:
    """Fields of DEPTHWISE_CONV_2D that do not overlap."""
    for seen in _apart(call, places, weights):
        times = weights.shape[3] // seen.shape[2]
        for channel in range(seen.shape[2]):
            outputs = range(channel * times, (channel + 1) * times)
            of_outputs = {j: weights[0, ..., j].ravel() for j in outputs}
            yield Field(seen[..., channel].ravel(), of_outputs)


def _apart(call: Call, places: Array, weights: Array) -> Iterator[Array]:
    """The places ``(kh, kw, C)`` in windows that lie inside the input and do not overlap."""
    rows, columns = windows(call, places.shape, weights.shape)
    tops, lefts = _starts(rows, places.shape[1]), _starts(columns, places.shape[2])
    for image, top, left in product(places, tops, lefts):
        yield image[_reach(top, rows), _reach(left, columns)]


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
