"""What CMSIS-NN computes of convolutions otherwise than TFLM, or wrongly."""

from __future__ import annotations

from tflreplay.ground.machine import DSP, HELIUM
from tflreplay.ground.window import window
from tflreplay.model import Tensor
from tflreplay.ops.base.cmsis_nn import refused, wrong
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.predicates import image
from tflreplay.ops.base.types import INT8, INT16
from tflreplay.ops.base.weights import int4_filters

_MOST_TAPS = 512  # of int16 by int8 that surely fit int32


@condition
def grouped(site: Site) -> bool:
    """filters that see some channels of the input only"""
    return image(site.activation)[3] != image(site.weights)[3]


@condition
def no_bias(site: Site) -> bool:
    """no bias"""
    return site.bias is None


@condition
def int32_bias(site: Site) -> bool:
    """int32 bias"""
    return site.bias is not None and site.bias.dtype == "int32"


def _taps(weights: Tensor) -> int:
    _, height, width, depth = image(weights)
    return height * width * depth


@condition
def many_taps(site: Site) -> bool:
    """filters of more than 512 weights"""
    return _taps(site.weights) > _MOST_TAPS


@condition
def odd_pixels(site: Site) -> bool:
    """an odd number of pixels in an output image"""
    _, height, width, _ = image(site.output)
    return bool(height * width % 2)


@condition
def uneven_taps(site: Site) -> bool:
    """weights of a filter no multiple of 4, an odd number of filters"""
    return _taps(site.weights) % 4 != 0 and image(site.weights)[0] % 2 == 1


@condition
def one_line(site: Site) -> bool:
    """images of one line, stride 2 or more, and columns of padding or left unused"""
    _, height, width, depth = image(site.activation)
    _, lines, size, _ = image(site.weights)
    stride, dilation = site.option("stride_w"), site.option("dilation_w_factor")
    if (height, lines, dilation) != (1, 1, 1) or stride < 2 or stride * depth % 4:
        return False
    columns = window(width, size, stride, 1, site.option("padding"))
    return columns.before > 0 or (columns.outputs - 1) * stride + size < width


@condition
def odd_depth(site: Site) -> bool:
    """an odd number of input channels"""
    return image(site.activation)[3] % 2 == 1


@condition
def beside_the_fast_path(site: Site) -> bool:
    """several images, a dilation, or several filters a channel"""
    batch, _, _, depth = image(site.activation)
    dilated = (site.option("dilation_h_factor"), site.option("dilation_w_factor")) != (1, 1)
    return batch > 1 or dilated or image(site.weights)[3] != depth


@condition
def one_filter_a_channel(site: Site) -> bool:
    """one image, no dilation, and one filter a channel"""
    return not beside_the_fast_path.test(site)


CONV = (
    refused(INT8, "takes no groups of int4 filters", every(grouped, int4_filters)),
    wrong(
        INT8,
        "advances the pointer to a bias that is not there from one group to the next",
        every(grouped, no_bias),
    ),
    wrong(INT8, "reads wrong columns of an image of one line", one_line, HELIUM),
    refused(INT16, "takes int16 by int8 weights only", int4_filters),
    refused(INT16, "takes no groups of int16", grouped),
    wrong(INT16, "has no buffer for a convolution of int16 with an int32 bias", int32_bias),
    wrong(
        INT16,
        "sums the last pixel of an image of an odd number in 32 bits, the others in 64",
        every(many_taps, odd_pixels),
    ),
    wrong(
        INT16,
        "leaves the rest of a long filter out in the last of an odd number of channels",
        every(many_taps, uneven_taps),
        DSP,
    ),
)
DEPTHWISE = (
    wrong(
        INT8,
        "reads wrong halves of bytes of int4 weights",
        every(int4_filters, odd_depth, beside_the_fast_path),
    ),
    wrong(
        INT8,
        "is compiled wrongly by GCC 12.2 for int4 weights",
        every(int4_filters, one_filter_a_channel),
        HELIUM,
    ),
    refused(INT16, "takes int16 by int8 weights only", int4_filters),
    wrong(INT16, "reads an int32 bias as int64, past its end", int32_bias),
)
