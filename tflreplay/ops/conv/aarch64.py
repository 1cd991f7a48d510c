"""Which convolutions LiteRT's optimized kernels compute in another way on aarch64."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground.window import Window, window
from tflreplay.ops.base.conditions import Absent, Site, condition, every
from tflreplay.ops.base.predicates import image, ratio


@condition
def several_pixels(site: Site) -> bool:
    """more than one output pixel, fewer than 4 output channels, or fewer than 8 taps"""
    w, (rows, columns) = image(site.weights), _windows(site)
    pixels = image(site.activation)[0] * rows.outputs * columns.outputs
    return pixels != 1 or w[0] < 4 or math.prod(w[1:]) < 8


@condition
def eights_by_3x3(site: Site) -> bool:
    """filters of 3x3, depth multiplier 1, channels in eights"""
    x, w = image(site.activation), image(site.weights)
    return w[1:3] == (3, 3) and w[3] == x[3] and x[3] % 8 == 0


@condition
def steps_of_one_or_two(site: Site) -> bool:
    """strides of 1 or both of 2, no dilation"""
    strides = site.option("stride_h"), site.option("stride_w")
    dilations = site.option("dilation_h_factor"), site.option("dilation_w_factor")
    return strides in ((1, 1), (2, 2)) and dilations == (1, 1)


@condition
def padded_alike(site: Site) -> bool:
    """images above 1 x n, padding of 0 or 1 alike on all sides, which holds the last window"""
    x, (rows, columns) = image(site.activation), _windows(site)
    pads = rows.before, columns.before
    lengths = zip((rows, columns), x[1:3], strict=True)
    inside = all(_inside(window, length) for window, length in lengths)
    return 1 not in x[1:3] and pads in ((0, 0), (1, 1)) and inside


# ``Fast3x3FilterKernelSupported`` in ``depthwiseconv_uint8_3x3_filter.h``.
fast_3x3 = every(eights_by_3x3, steps_of_one_or_two, padded_alike)


def _inside(window: Window, length: int) -> bool:
    """True where the last window ends in the input, or in as much padding as stands before it."""
    end = (window.outputs - 1) * window.stride + window.size
    return end <= length + 2 * window.before


def _windows(site: Site) -> tuple[Window, Window]:
    x, w = image(site.activation), image(site.weights)
    if min(site.option("stride_h"), site.option("stride_w")) < 1:
        raise Absent
    rows, columns = (
        window(
            x[axis],
            w[axis],
            site.option(f"stride_{name}"),
            site.option(f"dilation_{name}_factor"),
            site.option("padding"),
        )
        for axis, name in ((1, "h"), (2, "w"))
    )
    return rows, columns


@condition
def below_one(site: Site) -> bool:
    """multiplier below 1"""
    with np.errstate(all="ignore"):
        return bool(ratio(site.activation, site.output) * site.weights.scale < 1)
