"""An op with a porting mistake made in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tflreplay.ground.rounding import Accumulation, Array, Rule
from tflreplay.ops.base.call import Call

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
