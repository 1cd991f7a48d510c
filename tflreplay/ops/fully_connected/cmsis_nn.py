"""CMSIS-NN's FULLY_CONNECTED, as far as it is another than TFLM's."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.cmsis_nn import CMSIS_NN, older, refused, wrong
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.ledger import Terms
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.types import INT8, INT16
from tflreplay.ops.base.weights import int4_filters, int8_zero_point, per_channel
from tflreplay.ops.base.words import MICRO_FLOAT64
from tflreplay.ops.fully_connected.integer import (
    connected_terms,
    fully_connected,
    product,
    uncentred_terms,
)


def fully_connected_int16(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """``out[b, o] = sum_i x[b, i] * w[o, i] + bias[o]`` in 64 bits.

    The weights' zero point is lost. x: int16; weights int8 ``(units, depth)``; bias int64.
    ``arm_fully_connected_s16`` in CMSIS-NN's
    ``Source/FullyConnectedFunctions/arm_fully_connected_s16.c``.
    """
    return product(call, x, weights.astype(np.int16), bias, 64)


@condition
def as_convolution(site: Site) -> bool:
    """output of rank 3 or more, a depth that is a multiple of 4"""
    depth = site.weights.shape[-1] if site.weights.shape else 0
    return len(site.output.shape) > 2 and depth % 4 == 0


@condition
def int32_bias_of_int16(site: Site) -> bool:
    """int16 input, int32 bias"""
    bias = site.bias
    return site.activation.dtype == "int16" and bias is not None and bias.dtype == "int32"


_SOURCE = f"{CMSIS_NN}FullyConnectedFunctions/"
ROWS = (
    older((*INT8, *INT16)),
    refused(INT8, "takes int4 weights of one scale only", every(int4_filters, per_channel)),
    refused(INT16, "takes int16 by int8 weights of one scale only", per_channel),
    wrong(
        INT8,
        "ignores the zero point of the weights where it computes a convolution",
        every(as_convolution, int8_zero_point),
    ),
    wrong(INT16, "reads an int32 bias as int64, past its end", int32_bias_of_int16),
    Row(
        INT8,
        fully_connected,
        "double",
        Precision.FLOAT64,
        source=f"{_SOURCE}arm_fully_connected_wrapper_s8.c",
        since=MICRO_FLOAT64,
        ledger=Terms(connected_terms),
    ),
    Row(
        INT16,
        fully_connected_int16,
        "reduced16-wrapping",
        Precision.FLOAT64,
        source=f"{_SOURCE}arm_fully_connected_s16.c",
        since=MICRO_FLOAT64,
        ledger=Terms(uncentred_terms),
    ),
)
