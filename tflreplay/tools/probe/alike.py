"""Arithmetics that no input can tell apart: one function, by algebra, of an operator at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier, Rule
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.seam import first_half
from tflreplay.tools.rules import worst_case

# What rounds alike where the multiplier has the 24 bits of a float32: Q31 and float64 hold it, and
# float64 its product with a sum.
_IN_24_BITS = {"single": "float-up64", "single-away": "float-away64"}
# What rounds alike where all that is negative is cut off: ties go away from zero, or up.
_FROM_ZERO = {"single-away": "single", "double-up": "double"}
_FROM_ZERO_IN_24_BITS = {"float-up64": "float-away64"}
# What rounds alike while all that is shifted and multiplied has room in 32 bits: beyond them rules
# wrap or saturate each in its own way. ``floor((floor(x) + 2**(r - 1)) / 2**r)`` is
# ``floor(x / 2**r + 1/2)``.
_IN_32_BITS = {
    "float-away64-saturating": "float-away64",
    "float-even32-kleidi": "float-even32",
    "float-even32-wrapping": "float-even32",
    "ruy-neon": "single",
    "rndnu-wrapping": "rndnu",
}
_IN_BOTH = {"rndnu": "float-up64"}
# What reads no more of the multiplier than a float32.
_BY_FLOAT32 = ("float-away32", "float-even32", "float-up32", "rndnu", "rndnu16")


def function_of(call: Call, arrays: Sequence[Array | None]) -> object:
    """A key: what shares it is one function of the same inputs."""
    heard: list[tuple[bytes, Array]] = []  # what the kernel itself hands to the rule

    def hear(acc: Array, multiplier: Multiplier) -> Array:
        heard.append((acc.tobytes(), multiplier.real))
        return call.rule(acc, multiplier)

    rule = Rule(call.rule.name, hear, call.rule.slack, bits=call.rule.bits)
    made = first_half(replace(call, rule=rule), arrays)
    if isinstance(made, Accumulation):
        reals = [real for _, real in heard] + [made.multiplier.real]
        from_zero = not heard and made.low >= made.zero_point
        name = _canonical(call.rule.name, reals, from_zero, _has_room(call, arrays, reals))
        sums = made.values.astype(np.int64).tobytes()
        return name, sums, _bytes(name, reals), made.zero_point, made.low, made.high
    alike = card(call.op.name).alike if call.output.zero_point == 0 else ()
    kernels = next((each for each in alike if call.row.kernel in each), None)
    if not heard:
        return kernels or (call.row.kernel, call.row.clamp)
    reals = [real for _, real in heard]
    name = _canonical(call.rule.name, reals, False, False)
    return call.row.kernel, name, tuple(acc for acc, _ in heard), _bytes(name, reals)


def _has_room(call: Call, arrays: Sequence[Array | None], reals: Sequence[Array]) -> bool:
    """True where 32 bits hold all that the rule computes, whatever the input.

    An accumulator is shifted left by no more than takes a multiplier from below 1 to its mantissa
    and one bit more.
    """
    if call.rule.name not in {*_IN_32_BITS, *_IN_BOTH}:
        return False
    sums = worst_case(call, arrays)
    largest = max(float(real.max()) for real in reals)
    return sums is not None and max(-sums.low, sums.high) * max(4 * largest, 1) < 2**31


def _canonical(rule: str, reals: Sequence[Array], from_zero: bool, has_room: bool) -> str:
    """The first of the rules that round alike by these multipliers."""
    if has_room:
        rule = _IN_32_BITS.get(rule, rule)
    if from_zero:
        rule = _FROM_ZERO.get(rule, rule)
    if all((real == real.astype(np.float32)).all() for real in reals):
        rule = _IN_24_BITS.get(rule, rule)
        if has_room:
            rule = _IN_BOTH.get(rule, rule)
        if from_zero:
            rule = _FROM_ZERO_IN_24_BITS.get(rule, rule)
    return rule


def _bytes(rule: str, reals: Sequence[Array]) -> tuple[bytes, ...]:
    """The multipliers, as far as the rule reads them."""
    dtype = np.float32 if rule in _BY_FLOAT32 else np.float64
    return tuple(real.astype(dtype).tobytes() for real in reals)
