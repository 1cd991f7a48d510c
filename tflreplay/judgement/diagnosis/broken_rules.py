"""Requantization rules as ports get them wrong.

Each function takes the rule that was meant and gives the one that was written, or None where the
mistake cannot be made in that rule.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.rounding import (
    Array,
    Multiplier,
    Rule,
    high_mul,
    quantize_multiplier,
    rounding_divide_by_pot,
    shifted_left,
)

_INTEGER = ("double", "double-up", "single", "single-away", "reduced16")
Apply = Callable[[Array, Multiplier], Array]


def named(name: str, apply: Apply) -> Rule:
    """A rule of no known distance from rounding to nearest: it decides every element itself."""
    return Rule(name, apply, lambda m: np.full(m.real.shape, np.inf))


def _two_steps(rule: Rule, high: Callable[[Array], Array]) -> Rule | None:
    """Double rounding with another high-mul, which is handed the products."""
    if rule.name != "double":
        return None

    def apply(acc: Array, m: Multiplier) -> Array:
        product = shifted_left(acc, m) * m.mantissa
        return rounding_divide_by_pot(high(product), np.maximum(-m.shift, 0))

    return named(rule.name, apply)


def floored_high_mul(rule: Rule) -> Rule | None:
    """``(p + nudge) >> 31`` with the nudge of C++, ``2**30`` or ``1 - 2**30`` by p's sign."""
    return _two_steps(rule, lambda p: (p + np.where(p >= 0, 2**30, 1 - 2**30)) >> 31)


def no_nudge(rule: Rule) -> Rule | None:
    """``p >> 31``."""
    return _two_steps(rule, lambda p: p >> 31)


def no_nudge_truncated(rule: Rule) -> Rule | None:
    """``p / 2**31`` in C: toward zero."""
    return _two_steps(rule, lambda p: _shift_to_zero(p, 31))


def arithmetic_shift(rule: Rule) -> Rule | None:
    """The last shift rounds down."""
    return _last_shift(rule, lambda x, bits: x >> bits)


def truncating_shift(rule: Rule) -> Rule | None:
    """The last shift is a C division, toward zero."""
    return _last_shift(rule, _shift_to_zero)


def _last_shift(rule: Rule, shift: Callable[[Array, Array], Array]) -> Rule | None:
    def double(acc: Array, m: Multiplier) -> Array:
        return shift(high_mul(shifted_left(acc, m), m.mantissa), np.maximum(-m.shift, 0))

    def single(acc: Array, m: Multiplier) -> Array:
        return shift(acc * m.mantissa, 31 - m.shift)

    apply = {"double": double, "single": single}.get(rule.name)
    return named(rule.name, apply) if apply is not None else None


def _shift_to_zero(x: Array, bits: Array | int) -> Array:
    return np.asarray((x + ((x >> 63) & ((1 << np.asarray(bits)) - 1))) >> bits)


def late_left_shift(rule: Rule) -> Rule | None:
    """``high_mul(acc, mantissa) << shift`` where the shift is to the left."""
    if rule.name != "double":
        return None

    def apply(acc: Array, m: Multiplier) -> Array:
        left, right = np.maximum(m.shift, 0), np.maximum(-m.shift, 0)
        return rounding_divide_by_pot(high_mul(acc, m.mantissa) << left, right)

    return named(rule.name, apply)


def half_even_mantissa(rule: Rule) -> Rule | None:
    """The Q31 mantissa rounded half to even."""
    if rule.name not in _INTEGER:
        return None

    def apply(acc: Array, m: Multiplier) -> Array:
        mantissa, shift = quantize_multiplier(m.real)
        fraction = np.ldexp(m.real, 31 - shift)
        even = np.rint(fraction).astype(np.int64)
        # A mantissa that was folded afterwards (MEAN) is not what QuantizeMultiplier gave.
        return rule(
            acc, Multiplier(m.real, np.where(m.mantissa == mantissa, even, m.mantissa), m.shift)
        )

    return named(rule.name, apply)


def float32_multiplier(rule: Rule) -> Rule | None:
    """The real multiplier rounded to float32 before it is quantized."""
    return named(rule.name, lambda acc, m: rule(acc, Multiplier.of(m.real.astype(np.float32))))


def truncated_product(rule: Rule) -> Rule | None:
    """A C cast of the product: toward zero."""
    return _unrounded(rule, np.trunc)


def floored_product(rule: Rule) -> Rule | None:
    """The product rounded down."""
    return _unrounded(rule, np.floor)


def _unrounded(rule: Rule, cut: Callable[[Array], Array]) -> Rule | None:
    dtype = {"float-away64": np.float64, "float-even32": np.float32}.get(rule.name)
    if dtype is None:
        return None

    def apply(acc: Array, m: Multiplier) -> Array:
        return (
            cut(acc.astype(dtype) * m.real.astype(dtype)).clip(-(2.0**30), 2.0**30).astype(np.int64)
        )

    return named(rule.name, apply)
