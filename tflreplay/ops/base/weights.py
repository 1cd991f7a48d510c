"""What rows of the ops that multiply by weights ask of the weights, the bias and the sums."""

from __future__ import annotations

import numpy as np

from tflreplay.model import Tensor
from tflreplay.ops.base.conditions import Condition, Site, condition
from tflreplay.ops.base.predicates import image, normal
from tflreplay.ops.base.sums import declared_bits


@condition
def int32_sums(site: Site) -> bool:
    """quantized_bias_type INT32; in TFLM an int32 bias, if there is any"""
    bias = site.bias
    return declared_bits(site.engine, site.op, None if bias is None else bias.dtype) == 32


@condition
def without_int64(site: Site) -> bool:
    """neither bias nor quantized_bias_type INT64, weights without a zero point"""
    declared = site.op.options.get("quantized_bias_type") == "int64"
    return not declared and without_int64_bias(site)


@condition
def without_int64_bias(site: Site) -> bool:
    """no int64 bias, weights without a zero point"""
    narrow = site.bias is None or site.bias.dtype != "int64"
    return narrow and not has_zero_point(site.weights)


def has_zero_point(weights: Tensor) -> bool:
    """True of weights with one zero point, which is not 0."""
    quantization = weights.quantization
    return quantization is not None and not quantization.per_axis and weights.zero_point != 0


@condition
def per_channel(site: Site) -> bool:
    """a scale for each output channel"""
    quantization = site.weights.quantization
    return quantization is not None and quantization.per_axis


@condition
def per_tensor(site: Site) -> bool:
    """one scale for all output channels"""
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
def int8_zero_point(site: Site) -> bool:
    """int8 weights with one zero point other than 0"""
    return site.weights.dtype == "int8" and has_zero_point(site.weights)


@condition
def no_int8_zero_point(site: Site) -> bool:
    """int8 weights without a zero point"""
    return not int8_zero_point(site)


def static_weights(axis: int) -> Condition:
    """Weights of the input's type, quantized along ``axis`` if along one."""

    def test(site: Site) -> bool:
        w = site.weights
        return w.dtype == site.activation.dtype and w.is_constant and _scales(w, axis)

    text = f"constant weights of the input's type, scales normal, along axis {axis} if several"
    return Condition(text, test)


@condition
def quantized_weights(site: Site) -> bool:
    """constant weights, scales normal, along axis 0 if several"""
    return site.weights.is_constant and _scales(site.weights, 0)


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
    return len(site.op.inputs) == 3 and site.bias is not None and static_bias(site.bias)


@condition
def bias_or_none(site: Site) -> bool:
    """no bias, or a constant int32 one with scales, of as many elements as units"""
    if site.bias is None:
        return True
    return site.bias.shape == site.weights.shape[:1] and static_bias(site.bias)


def static_bias(tensor: Tensor) -> bool:
    q = tensor.quantization
    if tensor.dtype != "int32" or not tensor.is_constant or q is None:
        return False
    return q.axis == 0 and normal(q.scale) and (q.per_axis or int(q.zero_point[0]) == 0)


@condition
def float_bias(site: Site) -> bool:
    """a constant float32 bias"""
    return site.bias is not None and site.bias.is_constant


@condition
def float_bias_or_none(site: Site) -> bool:
    """no bias, or a constant float32 one of as many elements as units"""
    b = site.bias
    return b is None or (b.is_constant and b.shape == site.weights.shape[:1])


@condition
def default_format(site: Site) -> bool:
    """weights of rank 2 in the default format, op version other than 8"""
    plain = site.op.options.get("weights_format", "DEFAULT") == "DEFAULT"
    return plain and site.op.version != 8 and len(site.weights.shape) == 2


@condition
def may_wrap(site: Site) -> bool:
    """int8 GEMM kernel, multiplier above 1, output zero point below 0"""
    x, w, y = site.activation, site.weights, site.output
    if w.quantization is None:
        return False
    with np.errstate(all="ignore"):
        multiplier = np.float32(x.scale) * w.quantization.scale / np.float32(y.scale)
    return y.dtype == "int8" and y.zero_point < 0 and bool((multiplier > 1).any())
