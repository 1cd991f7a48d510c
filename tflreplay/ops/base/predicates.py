"""Predicates that the rows of several ops share; those on weights have a file of their own.

Most say which ops XNNPACK takes: ``delegates/xnnpack/xnnpack_delegate.cc``.
"""

from __future__ import annotations

import numpy as np

from tflreplay.model import Tensor
from tflreplay.ops.base.conditions import Absent, Site, condition, every
from tflreplay.ops.base.types import EIGHT_BITS
from tflreplay.ops.base.words import XNNPACK_UNARY

MAX_RANK = 6  # XNN_MAX_TENSOR_DIMS

_ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def one_scale(tensor: Tensor) -> bool:
    quantization = tensor.quantization
    return quantization is not None and not quantization.per_axis and quantization.axis == 0


def normal(scale: np.ndarray) -> bool:
    """True where no scale is 0 or subnormal."""
    return bool((scale >= np.finfo(np.float32).tiny).all())


def ratio(x: Tensor, y: Tensor) -> np.float32:
    """``si / so`` in float32; infinite or NaN where so is 0."""
    with np.errstate(all="ignore"):
        return np.float32(x.scale) / np.float32(y.scale)


@condition
def one_input(site: Site) -> bool:
    """input and output of one type, each with one scale, on axis 0"""
    x = site.activation
    return all(one_scale(t) and t.dtype == x.dtype for t in (x, *site.outputs))


@condition
def two_inputs(site: Site) -> bool:
    """both inputs and the output of one type, each with one scale, on axis 0"""
    x, y = site.input(0), site.input(1)
    return all(one_scale(t) and t.dtype == x.dtype for t in (x, y, *site.outputs))


@condition
def to_eight_bits(site: Site) -> bool:
    """output int8 or uint8"""
    return site.output.dtype in EIGHT_BITS


@condition
def few_dimensions(site: Site) -> bool:
    """inputs of rank 6 at most"""
    return all(len(tensor.shape) <= MAX_RANK for tensor in site.inputs)


@condition
def images(site: Site) -> bool:
    """input and output of rank 4"""
    return all(len(tensor.shape) == 4 for tensor in (site.activation, site.output))


@condition
def unary_rank(site: Site) -> bool:
    """input of rank 6 at most (before LiteRT 1.3.0 and TensorFlow 2.20.0: of any)"""
    return not site.engine.at_least(XNNPACK_UNARY) or len(site.activation.shape) <= MAX_RANK


@condition
def plain_activation(site: Site) -> bool:
    """fused activation NONE, RELU, RELU6 or RELU_N1_TO_1"""
    return site.op.options.get("fused_activation_function", "NONE") in _ACTIVATIONS


@condition
def eight_bit_ratio(site: Site) -> bool:
    """1/256 <= si/so <= 128"""
    return bool(1 / 256 <= ratio(site.activation, site.output) <= 128)


@condition
def constant_axes(site: Site) -> bool:
    """1 to 6 constant int32 axes"""
    axes = site.input(1)
    if axes.data is None or axes.dtype != "int32":
        return False
    return axes.data.ndim <= 1 and 1 <= axes.data.size <= MAX_RANK


@condition
def overlapping_windows(site: Site) -> bool:
    """strides no larger than the filter"""
    return all(
        site.option(f"stride_{d[0]}") <= site.option(f"filter_{d}") for d in ("height", "width")
    )


# The ops on codes that XNNPACK takes element by element, and those that it requantizes by 8 bits.
unary = every(one_input, unary_rank)
binary = every(two_inputs, few_dimensions, plain_activation)
requantizable = every(one_input, few_dimensions, eight_bit_ratio)


def image(tensor: Tensor) -> tuple[int, ...]:
    """The tensor's shape, where that is NHWC, or a filter's.

    Raises:
        Absent: it has another rank.
    """
    if len(tensor.shape) != 4:
        raise Absent
    return tensor.shape
