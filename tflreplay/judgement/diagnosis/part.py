"""Some lines of an op, with mistakes made in it and in several arithmetics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Rule
from tflreplay.judgement.diagnosis.evidence import in_lines
from tflreplay.judgement.diagnosis.made import Arrays, Made, as_it_is
from tflreplay.judgement.diagnosis.reals import computed_in_reals
from tflreplay.ops import card
from tflreplay.ops.base.call import Call, with_options
from tflreplay.ops.seam import FirstHalf, FirstHalves, first_half

_CROPS = 256  # kept of one op at a time
# What a kernel raises that is handed what it was not written for.
_CANNOT = (NotReplayed, ValueError, IndexError, OverflowError, TypeError)


@dataclass(frozen=True)
class Part:
    """Some lines of an op, or all; what it sums without a mistake is worked out once."""

    call: Call
    arrays: Arrays
    halves: FirstHalves
    lines: Array | None = None
    _crops: dict[object, tuple[Call, Arrays, Arrays]] = field(default_factory=dict, repr=False)

    def codes(self, made: Made, rules: Mapping[str, Rule | None]) -> Iterator[tuple[str, Array]]:
        """What the mistake gives in each rule in which it can be made: ``(lines, channels)``.

        Without a rule, it is what the kernel gives that rounds by none.
        """
        once = card(self.call.op.name).sums_once
        unchanged = made.call is self.call and made.arrays is self.arrays
        half = self.unchanged if unchanged and once else None
        for name, meant in rules.items():
            rule = None if meant is None else made.rule(meant)
            if rule is None and meant is not None:
                continue
            if half is None or not once:
                changed = made.call if rule is None else replace(made.call, rule=rule)
                half = self._half(changed, made.arrays)
                if half is None:
                    return
            if isinstance(half, Accumulation):
                if rule is not None:
                    yield name, _second_half(made, half, rule)
            elif not made.after_rule and (rule is not None or made.rule is as_it_is):
                yield name, half

    @property
    def sums(self) -> Accumulation | None:
        """What is summed without a mistake; None where the op does not requantize by a rule."""
        return self.unchanged if isinstance(self.unchanged, Accumulation) else None

    @cached_property
    def unchanged(self) -> Accumulation | Array | None:
        return self._half(self.call, self.arrays)

    def _half(self, call: Call, arrays: Arrays) -> Accumulation | Array | None:
        """``(lines, channels)`` of sums or codes; None where the op cannot be computed so."""
        try:
            cropped = self._cropped(call, arrays)
            whole = call is self.call and arrays is self.arrays and cropped is None
            given = (call, arrays) if cropped is None else cropped
            result: FirstHalf = (self.halves.of if whole else first_half)(*given)
        except _CANNOT:
            return None
        if isinstance(result, tuple):
            result = result[0]
        values = in_lines(result.values if isinstance(result, Accumulation) else result)
        if self.lines is not None and cropped is None:
            if len(values) <= self.lines[-1]:
                return None
            values = values[self.lines]
        return replace(result, values=values) if isinstance(result, Accumulation) else values

    def _cropped(self, call: Call, arrays: Arrays) -> tuple[Call, Arrays] | None:
        """The op on its lines only, where that is possible.

        What is read of the input of an op with weights does not depend on what they hold.
        """
        lines = card(call.op.name).lines
        if lines is None or self.lines is None:
            return None
        if not card(call.op.name).weighted:
            return lines(call, arrays, self.lines)
        x, weights = arrays[:2]
        assert weights is not None
        options = tuple(sorted(call.op.options.items()))
        key = id(x), weights.shape, options, call.input(0).zero_point
        if len(self._crops) > _CROPS:
            self._crops.clear()
        if key not in self._crops:
            cropped = lines(call, arrays, self.lines)
            assert cropped is not None
            self._crops[key] = *cropped, arrays
        found, (image, *_), _ = self._crops[key]
        return with_options(call, **found.op.options), (image, *arrays[1:])


def _second_half(made: Made, half: Accumulation, rule: Rule) -> Array:
    a = made.sums(half)
    values = a.values if computed_in_reals(made.call) else a.values.astype(np.int64)
    return made.store(made.rescaled(rule(values, a.multiplier)), a)
