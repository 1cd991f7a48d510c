"""An op with a porting mistake made in it, or with several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Rule, wrap32
from tflreplay.ops.base.call import Call

Arrays = tuple[Array | None, ...]
_FIELDS = ("op", "row", "inputs", "outputs")  # of a call, that a mistake may change
T = TypeVar("T")


def as_it_is(what: T) -> T:
    return what


def stored(values: Array, a: Accumulation) -> Array:
    """Codes of rescaled int64 values: the zero point added, clamped, and converted."""
    return np.asarray(wrap32(values + a.zero_point).clip(a.low, a.high).astype(a.dtype))


@dataclass(frozen=True)
class Made:
    """``call`` and ``arrays`` are what the kernel is handed instead of the right ones.

    ``sums`` changes what the kernel accumulated, and ``rule`` the rule that requantizes it; it
    gives None for a rule in which the mistake cannot be made. ``rescaled`` changes what the rule
    gave, before the zero point is added, and ``store`` turns it into codes. ``back`` undoes, on an
    output, what the mistake does to the order of its elements.
    """

    call: Call
    arrays: Arrays
    sums: Callable[[Accumulation], Accumulation] = as_it_is
    rule: Callable[[Rule], Rule | None] = as_it_is
    rescaled: Callable[[Array], Array] = as_it_is
    store: Callable[[Array, Accumulation], Array] = stored
    back: Callable[[Array], Array] = as_it_is

    @property
    def after_rule(self) -> bool:
        """True where it needs what a kernel that rounds by itself does not give."""
        changed = (self.sums, self.rescaled)
        return any(change is not as_it_is for change in changed) or self.store is not stored


Form = Callable[[Call, Arrays], "Made | None"]


def joint(first: Made, second: Made) -> Made | None:
    """``second`` was made in what ``first`` left; None where both store in ways of their own."""
    if first.store is not stored and second.store is not stored:
        return None

    def rule(meant: Rule) -> Rule | None:
        changed = first.rule(meant)
        return None if changed is None else second.rule(changed)

    return replace(
        second,
        sums=_both(first.sums, second.sums),
        rule=rule if first.rule is not as_it_is else second.rule,
        rescaled=_both(first.rescaled, second.rescaled),
        store=first.store if first.store is not stored else second.store,
        back=_both(second.back, first.back),
    )


def merged(call: Call, arrays: Arrays, one: Made, other: Made) -> Made | None:
    """Two mistakes made in the same op; None where both change the same thing in it."""
    pairs = {name: (getattr(one.call, name), getattr(other.call, name)) for name in _FIELDS}
    changed: dict[str, Any] = {}
    for name, values in pairs.items():
        right = getattr(call, name)
        found = [value for value in values if value is not right]
        if len(found) > 1:
            return None
        if found:
            changed[name] = found[0]
    given = []
    for array, first, second in zip(arrays, one.arrays, other.arrays, strict=True):
        if first is not array and second is not array:
            return None
        given.append(second if first is array else first)
    whole = replace(call, **changed) if changed else call
    same = all(value is right for value, right in zip(given, arrays, strict=True))
    return joint(one, replace(other, call=whole, arrays=arrays if same else tuple(given)))


def same_step(one: Made, other: Made) -> bool:
    """True where both change one of the steps, so that it matters which comes first."""
    steps = ("sums", "rule", "rescaled")
    return any(
        getattr(one, step) is not as_it_is and getattr(other, step) is not as_it_is
        for step in steps
    )


def _both(first: Callable[[T], T], second: Callable[[T], T]) -> Callable[[T], T]:
    if first is as_it_is or second is as_it_is:
        return second if first is as_it_is else first
    return lambda what: second(first(what))
