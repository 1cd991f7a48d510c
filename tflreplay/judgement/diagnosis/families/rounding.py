"""Rounding in another way, once or twice; multipliers and shifts of other widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tflreplay.ground.rounding import Array, Multiplier
from tflreplay.judgement.diagnosis import broken_rules
from tflreplay.judgement.diagnosis.families.change import Change, of_rule
from tflreplay.judgement.diagnosis.made import Arrays
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops.base.call import Call

_AS_MEANT = "round as the rule in force says"


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    for how, shift in broken_rules.SHIFTS.items():
        yield Change(
            Said(f"shift rounded {how}", f"round the right shift {how}", _AS_MEANT),
            of_rule(broken_rules.rounded_shift(shift)),
        )
        yield Change(
            Said(f"high-mul rounded {how}", f"round the high half {how}", _AS_MEANT),
            of_rule(broken_rules.rounded_high_mul(shift)),
        )
    for how, cut in broken_rules.CUTS.items():
        yield Change(
            Said(f"product rounded {how}", f"round the floating-point product {how}", _AS_MEANT),
            of_rule(broken_rules.cut_product(cut)),
        )
    for bits in range(8, 29):
        for how, rounded in (("rounded", True), ("cut", False)):
            yield Change(
                Said(
                    "multiplier of too few bits",
                    f"keep {bits} bits of the quantized multiplier with its sign, {how}",
                    "keep all 31 bits of the mantissa that QuantizeMultiplier gives",
                    f"multiplier {how} to {bits} bits",
                ),
                of_rule(broken_rules.narrow_mantissa(bits, rounded)),
            )
    yield Change(
        Said(
            "product in 32 bits",
            "multiply the sum by the multiplier in 32 bits, where the product wraps around",
            "convert the sum to int64 before it is multiplied",
        ),
        of_rule(broken_rules.wrapped_product),
    )
    yield Change(
        Said(
            "shift to the other side",
            "shift to the left where the shift is to the right, and the other way round",
            "a negative shift of QuantizeMultiplier is a shift to the right",
        ),
        of_rule(broken_rules.turned_shift),
    )
    for name, title, you, fix, scaled in _multipliers():
        yield Change(Said(name, you, fix, title), of_rule(broken_rules.rescaled(scaled)))
    for by, how in ((1, "left"), (-1, "right")):
        yield Change(
            Said(
                f"shift off by one, to the {how}",
                f"shift by one bit too far to the {how}",
                "the shift is the exponent that frexp gives, with a mantissa in [2**30, 2**31)",
            ),
            of_rule(broken_rules.other_shift(by)),
        )


_SHIFT = "shift by as many bits as QuantizeMultiplier says, up to 31"
_EXACT = "keep the scales in full precision until the multiplier is quantized"
_IMPRECISE = "multiplier of too few digits"
_SHIFTS = (*range(4, 17), 24)
_DECIMALS = (2, 3, 4, 5, 6, 7, 8)


def _multipliers() -> Iterator[tuple[str, str, str, str, Callable[[Multiplier], Multiplier]]]:
    """Multipliers that were made otherwise: name, title, "you ...", the fix."""
    for most in _SHIFTS:
        yield (
            "right shift of too few bits",
            f"right shift of {most} bits at most",
            f"shift to the right by {most} bits at most",
            _SHIFT,
            partial(_shifted_at_most, most),
        )
    for how, rounded in _POWERS.items():
        yield (
            "multiplier rounded to a power of two",
            f"multiplier rounded {how} to a power of two",
            f"round the multiplier {how} to a power of two",
            "multiply by the mantissa too",
            partial(_power_of_two, rounded),
        )
    yield (
        "shift without its sign",
        "",
        "shift to the right wherever the shift is",
        "a positive shift of QuantizeMultiplier is a shift to the left",
        _always_right,
    )
    for what, narrowed in _TYPES.items():
        title = f"multiplier as {what}"
        yield _IMPRECISE, title, f"keep the real multiplier as {what}", _EXACT, narrowed
    for decimals in _DECIMALS:
        yield (
            _IMPRECISE,
            f"multiplier with {decimals} decimals",
            f"write the real multiplier with {decimals} decimals",
            _EXACT,
            partial(_decimals, decimals),
        )


def _shifted_at_most(most: int, m: Multiplier) -> Multiplier:
    shift = np.maximum(m.shift, -most)
    return Multiplier(np.ldexp(m.real, shift - m.shift), m.mantissa, shift)


def _always_right(m: Multiplier) -> Multiplier:
    shift = -np.abs(m.shift)
    return Multiplier(np.ldexp(m.real, shift - m.shift), m.mantissa, shift)


_POWERS: dict[str, Callable[[Array], Array]] = {
    "up": np.ceil,
    "down": np.floor,
    "to nearest": np.rint,
    "to nearest on a linear scale": lambda x: np.floor(x) + (np.exp2(x - np.floor(x)) >= 1.5),
}


def _power_of_two(rounded: Callable[[Array], Array], m: Multiplier) -> Multiplier:
    with np.errstate(divide="ignore"):
        return Multiplier.of(np.exp2(rounded(np.log2(m.real))))


def _bfloat16(real: Array) -> Array:
    bits = np.asarray(real, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


_TYPES: dict[str, Callable[[Multiplier], Multiplier]] = {
    "float16": lambda m: Multiplier.of(m.real.astype(np.float16).astype(np.float64)),
    "bfloat16": lambda m: Multiplier.of(_bfloat16(m.real).astype(np.float64)),
}


def _decimals(decimals: int, m: Multiplier) -> Multiplier:
    return Multiplier.of(np.round(m.real, decimals))
