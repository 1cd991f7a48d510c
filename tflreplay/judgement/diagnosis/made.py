"""An op with a porting mistake made in it, or with several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Rule, wrap32
from tflreplay.judgement.diagnosis.evidence import in_lines
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
    output, what the mistake does to the order of its elements; those that are ``lost`` then, a mask
    of the output's shape, were never stored.
    """

    call: Call
    arrays: Arrays
    sums: Callable[[Accumulation], Accumulation] = as_it_is
    rule: Callable[[Rule], Rule | None] = as_it_is
    rescaled: Callable[[Array], Array] = as_it_is
    store: Callable[[Array, Accumulation], Array] = stored
    back: Callable[[Array], Array] = as_it_is
    lost: Array | None = None

    def off(
        self, codes: Array, produced: Array, lines: Array | slice = slice(None)
    ) -> Array | None:
        """How far these lines of codes lie from what was produced; None of another shape.

        What was never stored is not off.
        """
        target = in_lines(self.back(produced))[lines]
        if codes.shape != target.shape:
            return None
        apart = _distance(codes, target)
        return apart if self.lost is None else np.where(in_lines(self.lost)[lines], 0, apart)

    @property
    def after_rule(self) -> bool:
        """True where it needs what a kernel that rounds by itself does not give."""
        changed = (self.sums, self.rescaled)
        return any(change is not as_it_is for change in changed) or self.store is not stored


def _distance(codes: Array, target: Array) -> Array:
    """How far apart codes are; one may have wrapped around."""
    if target.dtype.kind == "f":
        return np.asarray(np.nan_to_num(np.abs(codes - target), nan=np.inf))
    apart = codes.astype(np.int32) - target
    if codes.dtype.itemsize == 1:
        apart = apart.astype(np.int8).astype(np.int32)
    return np.abs(apart)


Form = Callable[[Call, Arrays], "Made | None"]


def joint(first: Made, second: Made) -> Made | None:
    """``second`` was made in what ``first`` left; None where both store in ways of their own.

    Nor where one loses elements that the other moves: any output would be explained so.
    """
    if first.store is not stored and second.store is not stored:
        return None
    if any(
        one.lost is not None and other.back is not as_it_is
        for one, other in ((first, second), (second, first))
    ):
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
        lost=first.lost if second.lost is None else second.lost,
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
