"""TRANSPOSE: the dimensions in another order."""

from __future__ import annotations

from tflreplay.ground.rounding import Array
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.cmsis_nn import refused, wrong
from tflreplay.ops.base.conditions import Site, condition
from tflreplay.ops.base.ported import others as ported
from tflreplay.ops.base.types import EVEN_PACKED, INT8
from tflreplay.ops.base.words import moved


def transpose(call: Call, x: Array, permutation: Array) -> Array:
    """``out.shape[i] = x.shape[permutation[i]]``."""
    return x.transpose(permutation.tolist())


@condition
def five_dimensions(site: Site) -> bool:
    """more than 4 dimensions"""
    return len(site.activation.shape) > 4


@condition
def two_that_stay(site: Site) -> bool:
    """two dimensions, not swapped, or in an order that is not constant"""
    order = site.input(1).data
    if order is None or order.shape != (2,):
        return len(site.activation.shape) == 2
    return len(site.activation.shape) == 2 and bool(order[0] < order[1])


CARDS = (
    Card(
        "TRANSPOSE",
        {
            "reference": (moved(EVEN_PACKED, transpose, "transpose.cc"),),
            "cmsis-nn": (
                refused(INT8, "takes four dimensions at most", five_dimensions),
                wrong(INT8, "swaps two dimensions that stay", two_that_stay),
            ),
        },
        ported=ported.TRANSPOSE,
        refusals=refusals.MOVED,
    ),
)
