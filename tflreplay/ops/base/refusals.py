"""What a runtime asks of an operator before it runs it, and how it fails where that is not so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflreplay.ops.base.conditions import Condition, Site, condition
from tflreplay.ops.base.raw_codes import another_scale
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT8, INT16, UINT8

# LiteRT's and TensorFlow's own kernels; with their delegate; TFLM's.
KERNELS = ("reference", "optimized")
LITE = (*KERNELS, "xnnpack")
IN_TFLM = ("tflm",)
ALL = (*LITE, *IN_TFLM)


@dataclass(frozen=True)
class Refusal:
    """Operators that engines do not run, as was seen in LiteRT 2.3.0 and TFLM 0.dev20261023182759.

    ``types`` are those of the activation; ``when`` says which operators it is, ``remedy`` what to
    do. ``source`` is the file that asks for it. ``aborts`` says that the process is killed; else
    the model fails to be prepared, with a message.
    """

    types: tuple[str, ...]
    when: Condition
    remedy: str
    source: str
    engines: tuple[str, ...] = LITE
    aborts: bool = False


@condition
def several_scales(site: Site) -> bool:
    """weights with a scale for each channel"""
    quantization = site.weights.quantization
    return quantization is not None and quantization.per_axis


@condition
def wrong_number(site: Site) -> bool:
    """weights with neither one scale nor one for each output channel"""
    quantization, axis = site.weights.quantization, site.roles.weight_axis
    if quantization is None or axis >= len(site.weights.shape):
        return False
    return quantization.scale.size not in (1, site.weights.shape[axis])


@condition
def along_another_axis(site: Site) -> bool:
    """weights with scales along another axis than 0"""
    quantization = site.weights.quantization
    return quantization is not None and quantization.per_axis and quantization.axis != 0


@condition
def weights_zero_point(site: Site) -> bool:
    """int8 weights with a zero point other than 0"""
    w = site.weights
    zero_points = None if w.quantization is None else w.quantization.zero_point
    return w.dtype == "int8" and zero_points is not None and bool(zero_points.any())


@condition
def input_zero_point(site: Site) -> bool:
    """an input with a zero point other than 0"""
    return site.activation.zero_point != 0


@condition
def output_zero_point(site: Site) -> bool:
    """an output with a zero point other than 0"""
    return site.output.zero_point != 0


@condition
def unlike_bias(site: Site) -> bool:
    """a bias whose scale is off input * weights by more than 2 % of the output's scale"""
    bias = site.bias
    if bias is None:
        return False
    product = np.float64(site.activation.scale) * np.float64(site.weights.scale)
    scale = 0.0 if bias.quantization is None else float(bias.quantization.scale[0])
    return bool(abs(product - scale) / site.output.scale > 0.02)


def other_output(scale: float, zero_point: int | None = None, near: float = 0.0) -> Condition:
    """An output of another scale; where a zero point is asked for, of another one, too."""
    asked = f"scale 1/{round(1 / scale)}"
    if zero_point is not None:
        asked += f" and zero point {zero_point}"

    def test(site: Site) -> bool:
        if site.output.dtype != site.dtype:
            return False
        other = zero_point is not None and site.output.zero_point != zero_point
        return other or abs(site.output.scale - scale) > near * scale

    return Condition(f"an output without {asked}", test)


def fixed_output(
    types: tuple[str, ...],
    when: Condition,
    source: str,
    engines: tuple[str, ...] = LITE,
) -> Refusal:
    """Of an op whose output has a quantization of its own."""
    asked = when.text.removeprefix("an output without ")
    return Refusal(types, when, f"give the output {asked}, as converters do", source, engines)


def same_output(source: str, engines: tuple[str, ...], types: tuple[str, ...] = INT8) -> Refusal:
    """Of an op whose output has its input's quantization."""
    remedy = "give the output the scale and zero point of the input, or put a QUANTIZE between"
    return Refusal(types, another_scale, remedy, source, engines)


@condition
def scales_apart(site: Site) -> bool:
    """an output whose scale is off the input's by more than 1e-6"""
    return abs(site.activation.scale - site.output.scale) > 1e-6


@condition
def not_lowest(site: Site) -> bool:
    """an output with a zero point other than -128"""
    return site.output.zero_point != -128


@condition
def no_power_of_two(site: Site) -> bool:
    """an output whose scale is no power of two"""
    with np.errstate(all="ignore"):
        log2 = np.log2(site.output.scale)
        return not abs(log2 - np.rint(log2)) < 1e-3


@condition
def squared_multiplier_of_one(site: Site) -> bool:
    """(2*max(s1, s2))**2 of 2**14 times so or more"""
    twice = 2 * max(site.input(0).scale, site.input(1).scale)
    with np.errstate(all="ignore"):
        unit = np.float64(np.float32(2.0**14) * np.float32(site.output.scale))
        return bool(twice * twice >= unit)


@condition
def scale_above_one(site: Site) -> bool:
    """an input of a scale above 1"""
    return any(tensor.scale > 1 for tensor in site.inputs)


@condition
def hybrid(site: Site) -> bool:
    """float32 activations with int8 weights"""
    return site.weights.dtype == "int8"


@condition
def two_types(site: Site) -> bool:
    """matrices of different types"""
    return site.input(0).dtype != site.input(1).dtype


_HYBRID = Refusal(
    FLOAT,
    hybrid,
    "convert with int8 activations, by a representative data set: TFLM has no hybrid kernels",
    "conv_common.cc, fully_connected_common.cc",
    IN_TFLM,
)
_ONE_EACH = "give the weights a scale for each output channel, along that axis"
_SYMMETRIC = "quantize int16 symmetrically, with the zero point 0"
LARGER_OUTPUT = "give the output a scale that is not so much smaller than those of the inputs"
_WEIGHTED = (*EIGHT_BITS, *INT16)
_WRONG_NUMBER = Refusal(_WEIGHTED, wrong_number, _ONE_EACH, "kernel_util.cc", ALL)
_UINT8_PER_CHANNEL = Refusal(
    UINT8,
    several_scales,
    "convert the model to int8, whose weights may have a scale for each channel",
    "kernel_util.cc",
    ALL,
)


def _int16_zero_points(source: str) -> tuple[Refusal, ...]:
    """Of the input, and of the output."""
    conditions = (input_zero_point, output_zero_point)
    return tuple(Refusal(INT16, when, _SYMMETRIC, source) for when in conditions)


def _bias_scale(types: tuple[str, ...], engines: tuple[str, ...]) -> Refusal:
    """Of weights with one scale."""
    remedy = "quantize the bias by the scale input * weights"
    return Refusal(types, unlike_bias, remedy, "kernel_util.cc", engines)


CONV_2D = (
    _HYBRID,
    _WRONG_NUMBER,
    _UINT8_PER_CHANNEL,
    Refusal(
        INT8,
        weights_zero_point,
        "quantize the weights symmetrically, with the zero point 0",
        "conv.cc",
    ),
    _bias_scale(UINT8, KERNELS),
    *_int16_zero_points("conv.cc"),
)
DEPTHWISE_CONV_2D = (
    _WRONG_NUMBER,
    _UINT8_PER_CHANNEL,
    _bias_scale(UINT8, KERNELS),
    *_int16_zero_points("depthwise_conv.cc"),
)
TRANSPOSE_CONV = (_WRONG_NUMBER, _UINT8_PER_CHANNEL, *_int16_zero_points("transpose_conv.cc"))
FULLY_CONNECTED = (
    _HYBRID,
    Refusal(_WEIGHTED, along_another_axis, _ONE_EACH, "fully_connected.cc"),
    _UINT8_PER_CHANNEL,
    _bias_scale(EIGHT_BITS, (*KERNELS, *IN_TFLM)),
    *_int16_zero_points("fully_connected.cc"),
)
BATCH_MATMUL = (
    Refusal(
        (*INT8, *INT16),
        two_types,
        "give both matrices the same type",
        "batch_matmul.cc",
        IN_TFLM,
    ),
)
SQUARED_DIFFERENCE = (
    Refusal(INT8, squared_multiplier_of_one, LARGER_OUTPUT, "squared_difference.cc", aborts=True),
)
COMPARISONS = (
    Refusal(
        (*EIGHT_BITS, *INT16),
        scale_above_one,
        "give the inputs scales below 1",
        "comparisons.cc",
        IN_TFLM,
        aborts=True,
    ),
)
LOGISTIC = (
    fixed_output(EIGHT_BITS, other_output(1 / 256), "activations.cc", KERNELS),
    fixed_output(INT16, other_output(1 / 32768), "activations.cc", ALL),
    Refusal(INT16, input_zero_point, _SYMMETRIC, "activations.cc", ALL),
    Refusal(INT8, not_lowest, "give the output the zero point -128", "logistic_common.cc", IN_TFLM),
)
TANH = (
    Refusal(
        INT16,
        no_power_of_two,
        "give the output the scale 1/32768, as converters do",
        "activations.cc",
        ALL,
    ),
)
SOFTMAX = (
    fixed_output(INT8, other_output(1 / 256, -128, near=0.001), "activations.cc"),
    fixed_output(INT8, other_output(1 / 256, -128), "softmax_common.cc", IN_TFLM),
    fixed_output(INT16, other_output(1 / 32768, 0, near=0.001), "activations.cc", ALL),
)
LOG_SOFTMAX = (fixed_output(INT8, other_output(1 / 16, 127), "activations.cc", ALL),)
L2_NORMALIZATION = (fixed_output(EIGHT_BITS, other_output(1 / 128), "l2norm.cc"),)
CONCATENATION = (same_output("concatenation.cc", ALL),)
# Ops that only move data, as the delegate takes them.
MOVED = (same_output("xnnpack_delegate.cc", ("xnnpack",)),)
AVERAGE_POOL_2D = (
    Refusal(
        INT8, scales_apart, "give the output the scale of the input", "pooling_common.cc", IN_TFLM
    ),
)
MAX_POOL_2D = (*MOVED, *AVERAGE_POOL_2D)
