"""What rows of the ops that multiply by weights ask of the weights, the bias and the sums."""

from __future__ import annotations

import functools

import numpy as np

from tflreplay.model import Tensor
from tflreplay.ops.base.conditions import Condition, Site, condition, every
from tflreplay.ops.base.predicates import image, normal
from tflreplay.ops.base.sums import declared_bits
from tflreplay.ops.base.types import EIGHT_BITS


@condition
def int32_sums(site: Site) -> bool:
    """quantized_bias_type INT32 (in TFLM: an int32 bias, if there is any)"""
    bias = site.bias
    return declared_bits(site.engine, site.op, None if bias is None else bias.dtype) == 32


@condition
def undeclared_int64(site: Site) -> bool:
    """quantized_bias_type other than INT64"""
    return bool(site.op.options.get("quantized_bias_type") != "int64")


@condition
def no_int64_bias(site: Site) -> bool:
    """no int64 bias"""
    return site.bias is None or site.bias.dtype != "int64"


@condition
def no_zero_point(site: Site) -> bool:
    """weights without a zero point, or with several"""
    return not _one_zero_point(site.weights)


@condition
def int8_zero_point(site: Site) -> bool:
    """int8 weights with one zero point other than 0"""
    return site.weights.dtype == "int8" and _one_zero_point(site.weights)


@condition
def no_int8_zero_point(site: Site) -> bool:
    """no int8 weights with one zero point other than 0"""
    return site.weights.dtype != "int8" or not _one_zero_point(site.weights)


def _one_zero_point(weights: Tensor) -> bool:
    quantization = weights.quantization
    return quantization is not None and not quantization.per_axis and weights.zero_point != 0


@condition
def per_channel(site: Site) -> bool:
    """weights of several scales"""
    quantization = site.weights.quantization
    return quantization is not None and quantization.per_axis


@condition
def per_tensor(site: Site) -> bool:
    """weights of one scale"""
    quantization = site.weights.quantization
    return quantization is not None and not quantization.per_axis


@condition
def as_many_scales(site: Site) -> bool:
    """as many scales as output channels"""
    w = site.weights
    return w.quantization is not None and w.shape[:1] == (w.quantization.scale.size,)


@condition
def ungrouped(site: Site) -> bool:
    """filters that see all channels of the input"""
    return image(site.activation)[3] == image(site.weights)[3]


@condition
def integer_weights(site: Site) -> bool:
    """int8 or int4 weights"""
    return site.weights.dtype in ("int8", "int4")


@condition
def int8_weights(site: Site) -> bool:
    """int8 weights"""
    return site.weights.dtype == "int8"


@condition
def int4_weights(site: Site) -> bool:
    """int4 weights of even depth"""
    w = site.weights
    return w.dtype == "int4" and len(w.shape) > 0 and w.shape[-1] % 2 == 0


@condition
def int4_filters(site: Site) -> bool:
    """int4 weights"""
    return site.weights.dtype == "int4"


@condition
def lowest_weights(site: Site) -> bool:
    """weights of -128 (uint8: 0), or such that are not constant"""
    w = site.weights
    if w.dtype not in EIGHT_BITS:
        return False
    return w.data is None or bool((w.data == np.iinfo(w.dtype).min).any())


@condition
def of_input_type(site: Site) -> bool:
    """weights of the input's type"""
    return site.weights.dtype == site.activation.dtype


@functools.cache
def quantized_weights(axis: int) -> Condition:
    """Constant weights, quantized along ``axis`` if along one."""
    return Condition(
        f"constant weights, scales normal, along axis {axis} if several",
        lambda site: site.weights.is_constant and _scales(site.weights, axis),
    )


def static_weights(axis: int) -> Condition:
    return every(of_input_type, quantized_weights(axis))


def _scales(w: Tensor, axis: int) -> bool:
    q = w.quantization
    if q is None or not normal(q.scale):
        return False
    if q.per_axis:
        return w.dtype != "uint8" and q.axis == axis and q.zero_point[0] == 0
    return w.dtype != "uint8" or q.axis == 0


@condition
def bias(site: Site) -> bool:
    """a constant int32 bias with scales"""
    return len(site.op.inputs) == 3 and site.bias is not None and _is_static_int32(site.bias)


@condition
def bias_or_none(site: Site) -> bool:
    """no bias, or a constant int32 one with scales"""
    return site.bias is None or _is_static_int32(site.bias)


@condition
def bias_of_units(site: Site) -> bool:
    """no bias, or one of as many elements as units"""
    return site.bias is None or site.bias.shape == site.weights.shape[:1]


def _is_static_int32(tensor: Tensor) -> bool:
    q = tensor.quantization
    if tensor.dtype != "int32" or not tensor.is_constant or q is None:
        return False
    return q.axis == 0 and normal(q.scale) and (q.per_axis or int(q.zero_point[0]) == 0)


@condition
def float_bias(site: Site) -> bool:
    """a constant float32 bias"""
    return site.bias is not None and _is_static_float(site.bias)


@condition
def float_bias_or_none(site: Site) -> bool:
    """no bias, or a constant float32 one"""
    return site.bias is None or _is_static_float(site.bias)


def _is_static_float(tensor: Tensor) -> bool:
    return tensor.dtype == "float32" and tensor.is_constant


@condition
def default_format(site: Site) -> bool:
    """weights of rank 2 in the default format, op version other than 8"""
    plain = site.op.options.get("weights_format", "DEFAULT") == "DEFAULT"
    return plain and site.op.version != 8 and len(site.weights.shape) == 2


@condition
def may_wrap(site: Site) -> bool:
    """int8 output, multiplier above 1, output zero point below 0"""
    x, w, y = site.activation, site.weights, site.output
    if w.quantization is None:
        return False
    with np.errstate(all="ignore"):
        multiplier = np.float32(x.scale) * w.quantization.scale / np.float32(y.scale)
    return y.dtype == "int8" and y.zero_point < 0 and bool((multiplier > 1).any())
