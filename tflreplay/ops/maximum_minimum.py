"""MAXIMUM and MINIMUM of two inputs, which are broadcast."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.cmsis_nn import wrong
from tflreplay.ops.base.conditions import Site, condition
from tflreplay.ops.base.raw_codes import raw_codes
from tflreplay.ops.base.row import Kernel, Row
from tflreplay.ops.base.types import INT8, RAW

_SOURCE = "maximum_minimum.cc"


def maximum(call: Call, a: Array, b: Array) -> Array:
    """The larger raw code, whatever the scales: ``tflite/kernels/maximum_minimum.cc``."""
    return np.where(a > b, a, b)


def minimum(call: Call, a: Array, b: Array) -> Array:
    """The smaller raw code, whatever the scales: ``tflite/kernels/maximum_minimum.cc``."""
    return np.where(a < b, a, b)


@condition
def one_column(site: Site) -> bool:
    """an input of one column and one channel, of several rows, and the other of more in a row"""
    shapes = [(1, 1, 1, 1, *site.input(i).shape)[-4:] for i in (0, 1)]
    rows = [height for _, height, *_ in shapes]
    sizes = [width * depth for _, _, width, depth in shapes]
    return any(rows[i] > 1 and sizes[i] == 1 and sizes[1 - i] > 1 for i in (0, 1))


def _card(op: str, kernel: Kernel, what: str) -> Card:
    defect = raw_codes(
        kernel,
        "compares and copies raw codes, whatever their scales and zero points",
        "https://github.com/tensorflow/tensorflow/issues/39658",
    )
    row = Row(RAW, kernel, algorithm=f"{what} of raw codes", source=_SOURCE, defects=(defect,))
    cmsis_nn = wrong(INT8, "repeats the wrong elements of one column", one_column)
    return Card(op, {"reference": (row,), "cmsis-nn": (cmsis_nn,)})


CARDS = (_card("MAXIMUM", maximum, "maximum"), _card("MINIMUM", minimum, "minimum"))
