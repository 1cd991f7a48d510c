"""A number from no model, a forum post's for one: what each rule makes of an accumulator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tflreplay.ground.errors import InputError, NotReplayed
from tflreplay.ground.rounding import INT32_MAX, INT32_MIN, RULES, Multiplier, Rule
from tflreplay.judgement.diagnosis.candidates import RULES_TRIED
from tflreplay.ops import CARDS, OWN_TABLES, Row
from tflreplay.ops.base.ledger import Sum, wrapped
from tflreplay.ops.base.precision import Precision, Ratio
from tflreplay.tools.explain.layer import finished
from tflreplay.tools.explain.records import Exact, Explanation, Outcome, Parameters, Scaling
from tflreplay.tools.explain.steps import FLOORED, WIDEST, most_bits

INT8, UINT8, INT16, INT32 = (-128, 127), (0, 255), (-(2**15), 2**15 - 1), (INT32_MIN, INT32_MAX)

# The mantissas other than 0 that QuantizeMultiplier gives.
_SMALLEST_MANTISSA = 2**30

# The range of shifts that QuantizeMultiplier gives and every rule can take.
_SHIFTS = (-31, 30)


def explain_number(
    acc: int,
    zero_point: int,
    *,
    scales: tuple[float, float, float] | None = None,
    quantized: tuple[int, int] | None = None,
    real: float | None = None,
    bias: int | None = None,
    low: int = -128,
    high: int = 127,
    theirs: int | None = None,
    others: Iterable[Rule] = (FLOORED,),
) -> Explanation:
    """One accumulator as a ledger under every rule.

    Args:
        zero_point: the output's.
        scales: of input, filter and output, rounded to float32 as a model stores them. The product
            of the first two over the third is computed in every way an engine does.
        quantized: the mantissa (0 .. 2**31 - 1) and the shift (the exponent: negative to the right,
            as TFLite has it). With the scales, it is these that are taken, and held to them.
        real: or the real multiplier.
        bias: to be added to ``acc``. A sum that 32 bits do not hold wraps around in them; where a
            rule takes more, it is tried in 64 bits too, as int16 ops have them.
        low, high: the activation range.
        theirs: the code that an engine gave.
        others: rules to try besides :data:`~tflreplay.judgement.diagnosis.candidates.RULES_TRIED`.

    Raises:
        InputError: a number is out of range, or no multiplier is given, or several.
    """
    _check(acc, bias, zero_point, low, high)
    if theirs is not None:
        _check_code(theirs, low, high)
    rules = [*(RULES[name] for name in RULES_TRIED), *others]
    outcomes: list[Outcome] = []
    for how, multiplier in _multipliers(scales, quantized, real):
        if quantized is not None:
            doubts = _doubts(quantized, scales, acc + (bias or 0), zero_point, low, high)
            how = "; ".join((str(how), *doubts))
        first = not outcomes
        for rule in rules:
            users = _users(rule.name, how)
            # By the first multiplier all rules are tried; by another, those that an engine has.
            if not (first or users):
                continue
            for total in _sums(rule, acc, bias):
                name = rule.name if first else f"{rule.name}, multiplier {how}"
                outcome = Outcome(
                    name if total.bits == rule.bits else f"{name} of a {total.bits}-bit sum",
                    users,
                    0,
                    total,
                    scaling=Scaling.of(str(how), multiplier),
                    zero_point=zero_point,
                    low=low,
                    high=high,
                )
                with suppress(NotReplayed):  # a rule that is not defined for this multiplier
                    outcomes.append(finished(outcome, rule, total.accumulator, multiplier))
    value, held = outcomes[0].scaling, outcomes[0].accumulator
    assert value is not None
    assert held is not None
    return Explanation(
        None,
        None,
        tuple(_parameters(scales, zero_point)),
        tuple(outcomes),
        None,
        Exact(f"{held} * {value.real!r}", held * Fraction(value.real)),
        theirs,
    )


def _check(acc: int, bias: int | None, zero_point: int, low: int, high: int) -> None:
    if not _fits(zero_point, 32):
        raise InputError(f"--zero-point {zero_point}: does not fit into 32 bits")
    numbers = {"--acc": acc, "--bias": bias or 0, "--acc with --bias": acc + (bias or 0)}
    for name, value in numbers.items():
        if not _fits(value, WIDEST):
            raise InputError(
                f"{name} {value}: does not fit into {WIDEST} bits, the most that any rule takes"
            )
    if low > high:
        raise InputError(
            f"--low {low} is above --high {high}: give the lowest code, then the highest"
        )


def _fits(value: int, bits: int) -> bool:
    return wrapped(value, bits) == value


def _sums(rule: Rule, acc: int, bias: int | None) -> Iterator[Sum]:
    """``acc`` and the bias in each register that they may be added in before this rule."""
    total = Sum("acc" if bias is None else "acc + bias", 0, 0, (), 0, acc, bias, bits=rule.bits)
    given = _fits(acc, rule.bits) and _fits(bias or 0, rule.bits)
    if given:
        yield total
    if not (given and _fits(total.total, rule.bits)) and most_bits(rule) > 32:
        yield replace(total, bits=64)


def _check_code(code: int, low: int, high: int) -> None:
    """A code must lie in a type that holds the activation range: the smallest, or either of two."""
    widths = ((INT8, UINT8), (INT16,), (INT32,))
    types = next(
        found
        for width in widths
        if (found := [ends for ends in width if ends[0] <= low and high <= ends[1]])
    )
    if not any(least <= code <= most for least, most in types):
        ends = " or ".join(f"{least} to {most}" for least, most in types)
        raise InputError(
            f"--engine-value {code}: no code of the type; give one from {ends}, or the type's "
            "range as --low and --high"
        )


def _multipliers(
    scales: tuple[float, float, float] | None,
    quantized: tuple[int, int] | None,
    real: float | None,
) -> Iterator[tuple[Precision | Ratio | str, Multiplier]]:
    """The multiplier in each precision that may be meant, and how it is computed."""
    others = scales is not None or quantized is not None
    if (real is not None) == others:
        raise InputError(
            "the multiplier: give --input-scale, --filter-scale and --output-scale, or "
            "--multiplier and --shift, or --real-multiplier"
        )
    if quantized is not None:
        mantissa, shift = quantized
        if not 0 <= mantissa <= INT32_MAX:
            raise InputError(f"--multiplier {mantissa}: give an int32 mantissa, 0 to {INT32_MAX}")
        if not _SHIFTS[0] <= shift <= _SHIFTS[1]:
            raise InputError(
                f"--shift {shift}: give the exponent of the multiplier, {_SHIFTS[0]} to "
                f"{_SHIFTS[1]} (negative for a right shift)"
            )
        exact = np.asarray(math.ldexp(mantissa, shift - 31))
        yield (
            "multiplier * 2**(shift - 31)",
            Multiplier(exact, np.asarray(mantissa, np.int64), np.asarray(shift, np.int64)),
        )
    elif real is not None:
        yield "given", _fitting("--real-multiplier", real)
    else:
        assert scales is not None
        names = ("--input-scale", "--filter-scale", "--output-scale")
        s1, s2, so = map(as_scale, names, scales)
        double = np.float64(s1) * np.float64(s2) / np.float64(so)
        with np.errstate(all="ignore"):
            ways = {
                Precision.FLOAT64: double,
                Precision.FLOAT32_PRODUCT: np.float64(s1 * s2) / np.float64(so),
                Precision.FLOAT32: np.float64(s1 * s2 / so),
            }
        for how, value in ways.items():
            yield how, _fitting(f"the scales, {how}", float(value))


def as_scale(option: str, value: float) -> np.float32:
    """A scale as a model stores it.

    Raises:
        InputError: it is no positive float32 number.
    """
    with np.errstate(over="ignore"):
        scale = np.float32(value)
    if not 0 < scale < np.inf:
        raise InputError(f"{option} {value!r}: give a scale, a positive float32 number")
    return scale


def _doubts(
    quantized: tuple[int, int],
    scales: tuple[float, float, float] | None,
    acc: int,
    zero_point: int,
    low: int,
    high: int,
) -> Iterator[str]:
    """What of a mantissa and a shift looks as if something else was meant."""
    mantissa, shift = quantized
    if scales is not None:
        by_scales = (m for _, m in _multipliers(scales, None, None))
        found = dict.fromkeys((int(m.mantissa), int(m.shift)) for m in by_scales)
        if quantized not in found:
            told = " or ".join(f"{m}, shift {s}" for m, s in found)
            what = "shift" if mantissa in {m for m, _ in found} else "mantissa"
            yield f"this {what} is not what the scales give ({told})"
    if 0 < mantissa < _SMALLEST_MANTISSA:
        yield "not normalised, below 2**30"

    def fits(exponent: int) -> bool:
        code = round(Fraction(acc * mantissa) * Fraction(2) ** (exponent - 31)) + zero_point
        return low <= code <= high

    if shift > 0 and not fits(shift) and fits(-shift):
        yield f"to the right it is --shift -{shift}"


def _fitting(name: str, real: float) -> Multiplier:
    if not 0 < real < 2.0 ** _SHIFTS[1]:
        raise InputError(
            f"{name}: a real multiplier of {real!r}; give one above 0 and below 2**{_SHIFTS[1]}"
        )
    return Multiplier.of(real)


def _users(rule: str, how: Precision | Ratio | str) -> str:
    """Who computes by this rule and this multiplier: engines, each with its ops.

    The types of the activations stand with an op that has several multipliers by type.
    """
    users = []
    for engine in OWN_TABLES:
        names = []
        for card in CARDS.values():
            found = [r for r in card.rows(engine) if (r.rule, r.multiplier) == (rule, how)]
            if found:
                told: list[str] = []
                if any(r.rule and r.multiplier != how for r in card.rows(engine)):
                    for dtype in dict.fromkeys(dtype for row in found for dtype in row.types):
                        ever = any(_ever(row) for row in found if row.takes(dtype))
                        told.append(dtype if ever else f"{dtype} by version")
                elif not any(map(_ever, found)):
                    told.append("by version")
                if all(row.on for row in found):
                    told += dict.fromkeys(f"on {row.on}" for row in found)
                names.append(f"{card.op} ({', '.join(told)})" if told else card.op)
        if names:
            users.append(f"{engine} {', '.join(names)}")
    return "; ".join(users)


def _ever(row: Row) -> bool:
    """True of a row of every version."""
    return not row.since and not row.until


def _parameters(scales: tuple[float, float, float] | None, zero_point: int) -> Iterator[Parameters]:
    blank = Parameters("output", "o", None, "", "", None, zero_point)
    if scales is None:
        yield blank
        return
    s1, s2, so = (float(np.float32(scale)) for scale in scales)
    yield replace(blank, role="input", number="1", scale=s1, zero_point=None)
    yield replace(blank, role="filter", number="2", scale=s2, zero_point=None)
    yield replace(blank, scale=so)
