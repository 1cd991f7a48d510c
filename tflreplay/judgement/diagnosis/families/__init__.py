"""Porting mistakes by family, each generated over its parameters for the op at hand."""

from __future__ import annotations

from collections.abc import Iterator

from tflreplay.judgement.diagnosis.families import (
    activations,
    geometry,
    neighbours,
    order,
    ported,
    quantizing,
    rounding,
    widths,
    zero_points,
)
from tflreplay.judgement.diagnosis.families.change import Change
from tflreplay.judgement.diagnosis.made import Arrays
from tflreplay.ops.base.call import Call

FAMILIES = {
    "geometry": geometry,
    "order": order,
    "neighbours": neighbours,
    "zero points": zero_points,
    "width": widths,
    "rounding": rounding,
    "activation": activations,
    "formula": ported,
    "real numbers": quantizing,
}


def generated(call: Call, arrays: Arrays) -> Iterator[Change]:
    """Every mistake of every family that may be made in an op."""
    for family in FAMILIES.values():
        yield from family.changes(call, arrays)
