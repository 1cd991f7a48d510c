"""What rows of CMSIS-NN's table have in common: its defects, and its build with single rounding.

Read at CMSIS-NN 99f736a63036, and TFLM's glue, ``tensorflow/lite/micro/kernels/cmsis_nn``, at
tflite-micro 90b983c2b3f1.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.machine import HELIUM, Machines
from tflreplay.ground.rounding import RULES, Accumulation, Array, Multiplier, single
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.conditions import Condition, Site, condition
from tflreplay.ops.base.row import Defect, Kernel, NotModelled, Row
from tflreplay.ops.base.words import MICRO_FLOAT64

CMSIS_NN = "CMSIS-NN Source/"


def wrong(
    types: tuple[str, ...], words: str, when: Condition, on: Machines | None = None
) -> NotModelled:
    """Operators that meet a defect of the library; ``words`` say what it does, in the present."""

    def reason(site: Site) -> str:
        return f"{site.op.name}: a known defect of CMSIS-NN, which {words}"

    return NotModelled(types, reason, when=when, on=on, defects=(Defect(words, when),))


def refused(types: tuple[str, ...], words: str, when: Condition | None = None) -> NotModelled:
    """Operators that TFLM's glue does not take; ``words`` say so, of CMSIS-NN."""
    return NotModelled(types, lambda site: f"{site.op.name}: CMSIS-NN {words}", when=when)


def rounded_once(entry: Row | NotModelled) -> Iterator[Row | NotModelled]:
    """The entry as ``CMSIS_NN_USE_SINGLE_ROUNDING`` builds it, on Helium and elsewhere.

    ``arm_nn_requantize`` in ``Include/arm_nnsupportfunctions.h``: :func:`single`, cut to int32.
    Sums of 64 bits, and what is not requantized, stay.
    """
    if not isinstance(entry, Row) or not entry.rule or RULES[entry.rule].bits > 32:
        yield entry
        return
    if entry.on is None:
        if entry.pairwise:  # vectors throughout
            yield replace(entry, rule="ruy-neon", on=HELIUM)
        else:
            yield replace(entry, rule="single", kernel=_whatever_lane(entry.kernel), on=HELIUM)
    yield replace(entry, rule="single")


@functools.cache
def _whatever_lane(kernel: Kernel) -> Kernel:
    """The kernel where it does not matter which elements Helium's vectors compute, and which not.

    ``arm_requantize_mve`` shifts to the left in 32 bits, as ruy does; what is left over of a vector
    is computed by scalar code, in 64 bits. ``arm_requantize_mve_pred``, which convolutions by int4
    take for rows that are left over, rounds twice.
    """

    @functools.wraps(kernel)
    def computed(call: Call, *arrays: Any) -> Any:
        others = ["ruy-neon"]
        if call.op.name == "CONV_2D" and call.input(1).dtype == "int4":
            others.append("double-up")

        def apply(acc: Array, by: Multiplier) -> Array:
            once = single(acc, by)
            if any((RULES[other](acc, by) != once).any() for other in others):
                raise NotReplayed(
                    f"{call.op.name}: Helium's vectors round otherwise than the code for what is "
                    "left over, and which elements are computed by which is not modelled"
                )
            return once

        made = kernel(replace(call, rule=replace(call.rule, apply=apply)), *arrays)
        if isinstance(made, Accumulation):
            apply(made.values.astype("int64"), made.multiplier)
        return made

    return computed


@condition
def equal_shapes(site: Site) -> bool:
    """inputs of one shape, whatever ones it starts with"""
    return _from_first(site.input(0).shape) == _from_first(site.input(1).shape)


def _from_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape from its first dimension that is not 1 on."""
    return tuple(itertools.dropwhile(lambda size: size == 1, shape))


def older(types: tuple[str, ...]) -> NotModelled:
    """With a TFLM that computes the multiplier in float32, which was not measured."""

    def reason(site: Site) -> str:
        return f"{site.op.name}: CMSIS-NN with TFLM {site.engine.version} is not modelled"

    return NotModelled(types, reason, until=MICRO_FLOAT64)
