"""Requantization rules as ports get them wrong.

Each function takes the rule that was meant and gives the one that was written, or None where the
mistake cannot be made in that rule. A rule that is written wrongly can be made worse: each changes
one of its steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.rounding import (
    Array,
    Multiplier,
    Rule,
    high_mul,
    quantize_multiplier,
    rounding_divide_by_pot,
    shifted_left,
    wrap32,
)

_TWICE, _ONCE = ("double", "double-up"), ("single", "single-away")
_INTEGER = (*_TWICE, *_ONCE, "reduced16")
_FAR = 2.0**30
Apply = Callable[[Array, Multiplier], Array]
Shift = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Steps:
    """How a rule is written; None for a step that it has as it was meant.

    ``scaled`` changes the multiplier. ``high`` takes the products of 62 bits to their high half,
    ``shift`` divides by a power of two, and ``late`` says that the shift to the left comes last.
    ``cut`` takes floating-point products to integers.
    """

    scaled: Callable[[Multiplier], Multiplier] | None = None
    high: Callable[[Array], Array] | None = None
    shift: Shift | None = None
    late: bool = False
    cut: Callable[[Array], Array] | None = None


@dataclass(frozen=True)
class Written(Rule):
    """A rule in which some steps are written in another way than in ``meant``."""

    meant: Rule
    steps: Steps


def _written(rule: Rule, **changed: object) -> Rule:
    """``rule`` with these steps written so."""
    meant, steps = (rule.meant, rule.steps) if isinstance(rule, Written) else (rule, Steps())
    steps = replace(steps, **changed)  # type: ignore[arg-type]

    def apply(acc: Array, m: Multiplier) -> Array:
        return _applied(meant, steps, acc, steps.scaled(m) if steps.scaled else m)

    return Written(meant.name, apply, _no_known_distance, meant, steps)


def _no_known_distance(m: Multiplier) -> Array:
    """From rounding to nearest: such a rule decides every element itself."""
    return np.full(m.real.shape, np.inf)


def _applied(meant: Rule, steps: Steps, acc: Array, m: Multiplier) -> Array:
    if steps.cut is not None:
        dtype = np.float32 if meant.name.endswith("32") else np.float64
        product = acc.astype(dtype) * m.real.astype(dtype)
        return np.asarray(steps.cut(product).clip(-_FAR, _FAR).astype(np.int64))
    if not (steps.high or steps.shift or steps.late):
        return meant(acc, m)
    if meant.name in _ONCE:
        return (steps.shift or _half_up)(acc * m.mantissa, 31 - m.shift)
    left, right = np.maximum(m.shift, 0), np.maximum(-m.shift, 0)
    x = acc if steps.late else shifted_left(acc, m)
    high = steps.high(x * m.mantissa) if steps.high else high_mul(x, m.mantissa)
    return (steps.shift or _SHIFTS[meant.name])(high << left if steps.late else high, right)


def _half_up(x: Array, bits: Array) -> Array:
    return np.asarray((x + ((1 << bits) >> 1)) >> bits)


_SHIFTS: dict[str, Shift] = {"double": rounding_divide_by_pot, "double-up": _half_up}


# ---- the high half of the product -------------------------------------------------------------


def _two_steps(rule: Rule, high: Callable[[Array], Array]) -> Rule | None:
    """Double rounding with another high-mul, which is handed the products."""
    return _written(rule, high=high) if rule.name == "double" else None


def floored_high_mul(rule: Rule) -> Rule | None:
    """``(p + nudge) >> 31`` with the nudge of C++, ``2**30`` or ``1 - 2**30`` by p's sign."""
    return _two_steps(rule, lambda p: (p + np.where(p >= 0, 2**30, 1 - 2**30)) >> 31)


def no_nudge(rule: Rule) -> Rule | None:
    """``p >> 31``."""
    return _two_steps(rule, lambda p: p >> 31)


def no_nudge_truncated(rule: Rule) -> Rule | None:
    """``p / 2**31`` in C: toward zero."""
    return _two_steps(rule, lambda p: _shift_to_zero(p, np.asarray(31)))


def rounded_high_mul(shift: Shift) -> Callable[[Rule], Rule | None]:
    """The product divided by ``2**31`` in this way."""
    return lambda rule: _two_steps(rule, lambda p: shift(p, np.asarray(31)))


def wrapped_product(rule: Rule) -> Rule | None:
    """The product in 32 bits, where it wraps around."""
    if rule.name == "single":
        return _written(rule, shift=lambda x, bits: _half_up(wrap32(x), bits))
    return _two_steps(rule, lambda p: high_mul(wrap32(p), np.asarray(1)))


# ---- the shift --------------------------------------------------------------------------------


def arithmetic_shift(rule: Rule) -> Rule | None:
    """The last shift rounds down."""
    return rounded_shift(lambda x, bits: x >> bits)(rule)


def truncating_shift(rule: Rule) -> Rule | None:
    """The last shift is a C division, toward zero."""
    return rounded_shift(_shift_to_zero)(rule)


def rounded_shift(shift: Shift) -> Callable[[Rule], Rule | None]:
    """The last shift divides in this way."""

    def changed(rule: Rule) -> Rule | None:
        return _written(rule, shift=shift) if rule.name in ("double", "single") else None

    return changed


def _shift_to_zero(x: Array, bits: Array) -> Array:
    return np.asarray((x + ((x >> 63) & ((1 << bits) - 1))) >> bits)


def _shift_up(x: Array, bits: Array) -> Array:
    return np.asarray(-(-x >> bits))


def _half_to_even(x: Array, bits: Array) -> Array:
    half = (1 << bits) >> 1
    odd = (x >> bits) & 1
    return np.asarray(np.where(bits > 0, (x + half - 1 + odd) >> bits, x))


def _half_down(x: Array, bits: Array) -> Array:
    return np.asarray(-_half_up(-x, bits))


def _half_then_to_zero(x: Array, bits: Array) -> Array:
    return _shift_to_zero(x + ((1 << bits) >> 1), bits)


def _half_to_zero(x: Array, bits: Array) -> Array:
    return np.asarray(np.sign(x) * _half_down(np.abs(x), bits))


# Ways to divide by a power of two, in words: "round ...".
SHIFTS: dict[str, Shift] = {
    "up": _shift_up,
    "to nearest, ties to even": _half_to_even,
    "to nearest, ties down": _half_down,
    "to nearest, ties toward zero": _half_to_zero,
    "by adding one half and cutting toward zero": _half_then_to_zero,
}


def late_left_shift(rule: Rule) -> Rule | None:
    """``high_mul(acc, mantissa) << shift`` where the shift is to the left."""
    return _written(rule, late=True) if rule.name == "double" else None


# ---- the multiplier ---------------------------------------------------------------------------


def half_even_mantissa(rule: Rule) -> Rule | None:
    """The Q31 mantissa rounded half to even."""

    def scaled(m: Multiplier) -> Multiplier:
        mantissa, shift = quantize_multiplier(m.real)
        even = np.rint(np.ldexp(m.real, 31 - shift)).astype(np.int64)
        # A mantissa that was folded afterwards (MEAN) is not what QuantizeMultiplier gave.
        return Multiplier(m.real, np.where(m.mantissa == mantissa, even, m.mantissa), m.shift)

    return rescaled(scaled)(rule) if rule.name in _INTEGER else None


def float32_multiplier(rule: Rule) -> Rule | None:
    """The real multiplier rounded to float32 before it is quantized."""
    return rescaled(lambda m: Multiplier.of(m.real.astype(np.float32)))(rule)


def narrow_mantissa(bits: int, rounded: bool) -> Callable[[Rule], Rule | None]:
    """The mantissa in so many bits with its sign, rounded or cut."""

    def scaled(m: Multiplier) -> Multiplier:
        half = 1 << (31 - bits) if rounded else 0
        mantissa = (m.mantissa + half) >> (32 - bits) << (32 - bits)
        return Multiplier(np.ldexp(mantissa.astype(np.float64), m.shift - 31), mantissa, m.shift)

    def changed(rule: Rule) -> Rule | None:
        return rescaled(scaled)(rule) if rule.name in (*_TWICE, *_ONCE) else None

    return changed


def other_shift(by: int) -> Callable[[Rule], Rule | None]:
    """The result shifted by so many bits more to the left."""
    return rescaled(lambda m: Multiplier(np.ldexp(m.real, by), m.mantissa, m.shift + by))


def turned_shift(rule: Rule) -> Rule | None:
    """The result shifted to the other side."""

    def scaled(m: Multiplier) -> Multiplier:
        return Multiplier(np.ldexp(m.real, -2 * m.shift), m.mantissa, -m.shift)

    return rescaled(scaled)(rule)


def rescaled(scaled: Callable[[Multiplier], Multiplier]) -> Callable[[Rule], Rule]:
    """Another multiplier, of the one that the rule has."""

    def changed(rule: Rule) -> Rule:
        before = rule.steps.scaled if isinstance(rule, Written) else None
        return _written(rule, scaled=scaled if before is None else lambda m: scaled(before(m)))

    return changed


# ---- floating-point products ------------------------------------------------------------------


def truncated_product(rule: Rule) -> Rule | None:
    """A C cast of the product: toward zero."""
    return cut_product(np.trunc)(rule)


def floored_product(rule: Rule) -> Rule | None:
    """The product rounded down."""
    return cut_product(np.floor)(rule)


def cut_product(cut: Callable[[Array], Array]) -> Callable[[Rule], Rule | None]:
    """The product made an integer in this way."""

    def changed(rule: Rule) -> Rule | None:
        return _written(rule, cut=cut) if rule.name in ("float-away64", "float-even32") else None

    return changed


# Ways to make an integer of a product, in words: "round ...".
CUTS: dict[str, Callable[[Array], Array]] = {
    "up": np.ceil,
    "to nearest, ties down": lambda x: np.ceil(x - x.dtype.type(0.5)),
    "by adding one half and cutting toward zero": lambda x: np.trunc(x + x.dtype.type(0.5)),
    "away from zero": lambda x: np.copysign(np.ceil(np.abs(x)), x),
}


# ---- others -----------------------------------------------------------------------------------


def named(name: str, apply: Apply) -> Rule:
    """A rule that is written in a way of its own."""
    return Rule(name, apply, _no_known_distance)
