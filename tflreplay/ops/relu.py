"""RELU, RELU6, RELU_N1_TO_1 and RELU_0_TO_1: x between two bounds, on another scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ops.base.call import (
    Call,
    accumulation,
    activation_range,
    ratio_multiplier,
    same_type,
)
from tflreplay.ops.base.card import Card, Worst
from tflreplay.ops.base.ledger import Staged, Stages, Terms
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.ported import activations as ported
from tflreplay.ops.base.precision import Ratio
from tflreplay.ops.base.raw_codes import another_scale
from tflreplay.ops.base.row import Defect, Kernel, Row
from tflreplay.ops.base.smallest import alone
from tflreplay.ops.base.step import saturated
from tflreplay.ops.base.terms import Arrays, Index, centred
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT16, SIGNED
from tflreplay.ops.base.words import EXACT, MICRO, MICRO_FLOAT64, finished, in_both_precisions

# ---- reference kernels ------------------------------------------------------------------------


def relu(call: Call, x: Array) -> Accumulation:
    """``clamp(requantize(x - zi), round(0 / so), type maximum)``, the multiplier ``si / so``.

    x: int8, uint8 or int16 of any shape; the multiplier is in the precision of the row.
    ``QuantizedReluX`` in ``tflite/kernels/activations.cc``, ``ReluX`` in
    ``tflite/kernels/internal/reference/reference_ops.h``; of TFLM, ``CalculateReluOpData`` in
    ``tensorflow/lite/micro/kernels/activations_common.cc``.
    """
    return _relu(call, x, "RELU")


def relu6(call: Call, x: Array) -> Accumulation:
    """As :func:`relu`, between the codes of 0 and 6."""
    return _relu(call, x, "RELU6")


def relu_n1_to_1(call: Call, x: Array) -> Accumulation:
    """As :func:`relu`, between the codes of -1 and 1."""
    return _relu(call, x, "RELU_N1_TO_1")


def relu_0_to_1(call: Call, x: Array) -> Accumulation:
    """As :func:`relu`, between the codes of 0 and 1."""
    return _relu(call, x, "RELU_0_TO_1")


def _relu(call: Call, x: Array, activation: str) -> Accumulation:
    same_type(call)
    ti = call.input(0)
    values = x.astype(np.int32) - ti.zero_point
    return accumulation(call, values, ratio_multiplier(call), activation)


def between(low: float, high: float) -> Callable[[Array], Array]:
    """x cut to these bounds."""

    def function(x: Array) -> Array:
        x = np.where(x < low, x.dtype.type(low), x)
        return np.where(x > high, x.dtype.type(high), x)

    return function


relu_float = elementwise(between(0, np.inf))
relu6_float = elementwise(between(0, 6))
relu_n1_to_1_float = elementwise(between(-1, 1))
relu_0_to_1_float = elementwise(between(0, 1))

# ---- TFLM -------------------------------------------------------------------------------------


def tflm_relu6(call: Call, x: Array) -> Array:
    """``clamp(x, zi, zi + round_half_away(6 / si))``: the output's scale is not looked at.

    x: int8 or int16 of any shape. ``Relu6Prepare`` in
    ``tensorflow/lite/micro/kernels/activations_common.cc``.
    """
    same_type(call)
    low, high = activation_range(replace(call, outputs=(call.input(0),)), "RELU6")
    return np.clip(x, low, high).astype(x.dtype)


def _tflm_relu6_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`tflm_relu6`."""
    low, high = activation_range(replace(call, outputs=(call.input(0),)), "RELU6")
    code = int(arrays[0][index])
    cut = saturated("", f"{code} within {low} .. {high}", code, low, high)
    return Staged((), (cut,), zero_point=call.output.zero_point)


def _reference(types: tuple[str, ...], kernel: Kernel) -> tuple[Row, Row]:
    return in_both_precisions(
        Row(types, kernel, "double", Ratio.FLOAT32, source="activations.cc", ledger=Terms(centred))
    )


def _float(kernel: Kernel) -> Row:
    return finished(FLOAT, kernel, EXACT, "activations.cc")


CARDS = (
    Card(
        "RELU",
        {
            "reference": (
                *_reference(INT16, relu),
                _float(relu_float),
                *_reference(EIGHT_BITS, relu),
            ),
            "tflm": (
                Row(
                    SIGNED,
                    relu,
                    "double",
                    Ratio.FLOAT64,
                    source=f"{MICRO}activations_common.cc",
                    since=MICRO_FLOAT64,
                    ledger=Terms(centred),
                ),
            ),
        },
        unary=True,
        worst=Worst.AT_ENDS,
        ported=ported.RELU,
        smallest=alone(),
    ),
    Card(
        "RELU6",
        {
            "reference": (
                *_reference(INT16, relu6),
                _float(relu6_float),
                *_reference(EIGHT_BITS, relu6),
            ),
            "tflm": (
                Row(
                    SIGNED,
                    tflm_relu6,
                    algorithm="clamp, the output's scale ignored",
                    source=f"{MICRO}activations_common.cc",
                    ledger=Stages(_tflm_relu6_stages),
                    defects=(
                        Defect(
                            "ignores the scale and the zero point of the output",
                            another_scale,
                            right=relu6,
                            rule="double",
                        ),
                    ),
                ),
            ),
        },
        unary=True,
        worst=Worst.AT_ENDS,
        ported=ported.RELU,
        smallest=alone(),
    ),
    Card(
        "RELU_N1_TO_1",
        {"reference": (_float(relu_n1_to_1_float), *_reference(EIGHT_BITS, relu_n1_to_1))},
        unary=True,
        worst=Worst.AT_ENDS,
        ported=ported.RELU,
    ),
    Card(
        "RELU_0_TO_1",
        {"reference": (_float(relu_0_to_1_float), *_reference(EIGHT_BITS, relu_0_to_1))},
        unary=True,
        worst=Worst.AT_ENDS,
        ported=ported.RELU,
    ),
)
