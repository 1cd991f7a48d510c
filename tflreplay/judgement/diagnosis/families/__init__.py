"""Porting mistakes by family, each generated over its parameters for the op at hand."""

from __future__ import annotations

from collections.abc import Iterator

from tflreplay.judgement.diagnosis.families import (
    activations,
    broadcast,
    geometry,
    in_memory,
    neighbours,
    order,
    ported,
    quantizing,
    rounding,
    running,
    weights,
    widths,
    zero_points,
)
from tflreplay.judgement.diagnosis.families.change import Change
from tflreplay.judgement.diagnosis.made import Arrays
from tflreplay.ops.base.call import Call

# What says most of an op comes first.
FAMILIES = {
    "formula": ported,
    "geometry": geometry,
    "order": order,
    "neighbours": neighbours,
    "zero points": zero_points,
    "weights": weights,
    "width": widths,
    "running sums": running,
    "rounding": rounding,
    "activation": activations,
    "in memory": in_memory,
    "broadcast": broadcast,
    "real numbers": quantizing,
}


def generated(call: Call, arrays: Arrays) -> Iterator[Change]:
    """Every mistake of every family that may be made in an op."""
    for family in FAMILIES.values():
        yield from family.changes(call, arrays)
