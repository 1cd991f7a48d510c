"""Known defects that ops with weights share: see :class:`~tflreplay.ops.base.row.Defect`."""

from __future__ import annotations

from tflreplay.ops.base.conditions import Site, condition
from tflreplay.ops.base.row import Defect, Kernel
from tflreplay.ops.base.weights import may_wrap


@condition
def lowest_weight(site: Site) -> bool:
    """constant int8 weights, one of them -128"""
    weights = site.weights
    return (
        weights.dtype == "int8" and weights.data is not None and bool((weights.data == -128).any())
    )


def signs_lost(right: Kernel) -> Defect:
    """That of the x86 kernel for bytes; ``right`` multiplies by whole weights."""
    return Defect(
        "loses, on x86, the sign of a weight of -128 that meets a negative code",
        lowest_weight,
        right=right,
    )


@condition
def undeclared_int32_bias(site: Site) -> bool:
    """int32 bias that the options do not declare, not in TFLM"""
    bias = site.bias
    declared = site.op.options.get("quantized_bias_type") == "int32"
    return bias is not None and bias.dtype == "int32" and not declared and not _micro(site)


@condition
def tflm_int32_bias(site: Site) -> bool:
    """int32 bias, in TFLM"""
    return site.bias is not None and site.bias.dtype == "int32" and _micro(site)


def _micro(site: Site) -> bool:
    return site.engine.runtime == "tflm"


UNDECLARED_BIAS = Defect(
    "reads an int32 bias that quantized_bias_type does not declare as int64, past its end",
    undeclared_int32_bias,
)
TFLM_BIAS = Defect("reads an int32 bias as int64, past its end", tflm_int32_bias)


WRAPPING = "float-even32-wrapping"


def wraps(right: Kernel) -> Defect:
    """That of XNNPACK's kernels which add the zero point to what was not cut to a range yet."""
    return Defect(
        "adds the zero point in wrapping 32 bits, so that a very low number becomes the highest "
        "code",
        may_wrap,
        right=right,
        rule="float-even32",
    )
