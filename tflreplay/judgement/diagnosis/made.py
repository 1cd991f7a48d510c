"""An op with a porting mistake made in it, and the edits that make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tflreplay.ground.rounding import Accumulation, Array, Rule
from tflreplay.kernels.call import Call
from tflreplay.model import Tensor

Arrays = tuple[Array | None, ...]


@dataclass(frozen=True)
class Made:
    """``call`` and ``arrays`` are what the kernel is handed instead of the right ones.

    ``sums`` changes what the kernel accumulated, and ``rule`` the rule that requantizes it; it
    gives None for a rule in which the mistake cannot be made. ``rescaled`` changes what the rule
    gave, before the zero point is added.
    """

    call: Call
    arrays: Arrays
    sums: Callable[[Accumulation], Accumulation] = lambda accumulation: accumulation
    rule: Callable[[Rule], Rule | None] = lambda rule: rule
    rescaled: Callable[[Array], Array] = lambda values: values


def with_input(call: Call, position: int, tensor: Tensor) -> Call:
    """``call`` with another record for the input at ``position``."""
    inputs = (*call.inputs[:position], tensor, *call.inputs[position + 1 :])
    return replace(call, inputs=inputs)


def with_options(call: Call, **options: Any) -> Call:
    """``call`` with other values for fields of the operator's option table."""
    return replace(call, op=replace(call.op, options={**call.op.options, **options}))
