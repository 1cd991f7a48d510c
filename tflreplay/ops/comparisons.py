"""EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER and GREATER_EQUAL; inputs are broadcast."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.fixed_point import divide_by_any_pot
from tflreplay.ground.rounding import Array, Multiplier, high_mul
from tflreplay.model import Tensor
from tflreplay.ops.base import refusals
from tflreplay.ops.base.aarch64 import not_on_aarch64
from tflreplay.ops.base.call import Call, operands
from tflreplay.ops.base.card import PAIR, Card, Entries
from tflreplay.ops.base.conditions import Site, condition
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.lookup import centred_codes, look_up
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.row import Defect, Kernel, Row, Versions
from tflreplay.ops.base.step import Step, by_any_pot, given, multiplied
from tflreplay.ops.base.terms import Arrays, Index, operand
from tflreplay.ops.base.types import BOOL, EIGHT_BITS, INT16, UNQUANTIZED
from tflreplay.ops.base.words import NOT_TFLM, REFERENCE_OPS, finished

_SOURCE = f"{REFERENCE_OPS}comparisons.h"
_TO_ONE_SCALE = "double, to a scale of 2**-8"
# LiteRT 8a6c60a8e: EQUAL compared raw codes before, NOT_EQUAL took none of 16 bits.
_SIXTEEN_BITS = {"litert": "2.1.0", "tensorflow": "2.21.0"}

_LEFT_SHIFT = 8  # of the inputs, before they are rescaled


def rescaled(compare: np.ufunc) -> Kernel:
    """The kernel that compares both inputs, each rescaled to 2**-8 by ``double((x - z) << 8, s)``.

    The inputs are int8, uint8 or int16, broadcast. What lies closer together than 2**-8 may count
    as equal, and scales above 1 compare nonsense. ``ComparisonWithScaling`` in
    ``tflite/kernels/internal/reference/comparisons.h``.
    """

    def kernel(call: Call, a: Array, b: Array) -> Array:
        ta, tb = operands(call)
        return np.asarray(compare(_real(ta, a), _real(tb, b)))

    return kernel


def _real(tensor: Tensor, codes: Array) -> Array:
    multiplier = Multiplier.of(tensor.scale)
    if multiplier.real == 1:
        raise NotReplayed("a comparison of numbers of the scale 1: the kernel aborts")
    product = high_mul(centred_codes(tensor) << _LEFT_SHIFT, multiplier.mantissa)
    # A scale above 1 shifts by a negative number of bits.
    return look_up(codes, divide_by_any_pot(product, -multiplier.shift))


_SIGNS = {
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}


def _stages(compare: np.ufunc) -> Stages:
    """Of :func:`rescaled`: both numbers in steps of 2**-8, and what comparing them gives."""

    def stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
        steps: list[Step] = []
        scales, numbers = [], []
        for position, (name, tensor) in enumerate(zip("ab", operands(call), strict=True)):
            code = operand(call, arrays, position, index).value
            m, left = Multiplier.of(tensor.scale), code << _LEFT_SHIFT
            start = Step(f"{code} * 2**{_LEFT_SHIFT}", Fraction(left), left, label=name)
            product = multiplied(name, left, int(m.mantissa))
            steps += [start, product, by_any_pot(name, product.result, -int(m.shift))]
            scales.append((f"s{position + 1}", m))
            numbers.append(steps[-1].result)
        return Staged(tuple(scales), (*steps, _compared(compare, *numbers)), zero_point=0)

    return Stages(stages)


def _raw_stages(compare: np.ufunc) -> Stages:
    def stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
        codes = (operand(call, arrays, position, index).code for position in (0, 1))
        return Staged((), (_compared(compare, *codes),), zero_point=0)

    return Stages(stages)


def _compared(compare: np.ufunc, a: int, b: int) -> Step:
    return given("out", f"{a} {_SIGNS[compare.__name__]} {b}", int(compare(a, b)))


def _of_reals(compare: np.ufunc) -> Kernel:
    """The kernel that compares the real numbers, which float64 holds exactly."""

    def kernel(call: Call, a: Array, b: Array) -> Array:
        left, right = (
            (codes.astype(np.float64) - tensor.zero_point) * tensor.scale
            for tensor, codes in zip(operands(call), (a, b), strict=True)
        )
        return np.asarray(compare(left, right))

    return kernel


@condition
def scale_of_one(site: Site) -> bool:
    """an input of the scale 1"""
    return any(tensor.scale == 1 for tensor in site.inputs)


@condition
def scale_above_one(site: Site) -> bool:
    """an input of a scale above 1, none of 1"""
    return any(tensor.scale > 1 for tensor in site.inputs) and not scale_of_one(site)


@condition
def scales_below_one(site: Site) -> bool:
    """inputs of scales below 1"""
    return all(tensor.scale < 1 for tensor in site.inputs)


@condition
def two_scales(site: Site) -> bool:
    """inputs of different scales or zero points"""
    a, b = site.input(0), site.input(1)
    return (a.scale, a.zero_point) != (b.scale, b.zero_point)


def _defects(compare: np.ufunc) -> tuple[Defect, ...]:
    right = _of_reals(compare)
    return (
        Defect(
            "rescales both inputs to steps of 2**-8 first: what lies closer together is taken for "
            "equal",
            scales_below_one,
            right=right,
            report="https://github.com/tensorflow/tensorflow/pull/52706",
        ),
        Defect("shifts by a negative number of bits", scale_above_one, right=right),
        Defect("aborts the process", scale_of_one, aborts=True),
    )


def _rescaled_row(types: tuple[str, ...], compare: np.ufunc, since: Versions | None = None) -> Row:
    return Row(
        types,
        rescaled(compare),
        algorithm=_TO_ONE_SCALE,
        source=_SOURCE,
        since=since or {},
        ledger=_stages(compare),
        defects=_defects(compare),
    )


def _raw_row(compare: np.ufunc, since: Versions | None) -> Row:
    words = "compares raw codes of 16 bits, whatever their scales and zero points"
    return Row(
        INT16,
        elementwise(compare),
        algorithm="raw codes",
        source=_SOURCE,
        since=since or {},
        ledger=_raw_stages(compare),
        defects=(Defect(words, two_scales, right=_of_reals(compare)),),
    )


def _equality(op: str, compare: np.ufunc, *older: Row) -> Card:
    """They take truth values too, and rescale 16-bit codes; ``older`` did not."""
    raw = elementwise(compare)
    rows: Entries = (
        not_on_aarch64((*EIGHT_BITS, *INT16), scale_above_one),
        _rescaled_row(EIGHT_BITS, compare),
        _rescaled_row(INT16, compare, _SIXTEEN_BITS),
        *older,
        finished(UNQUANTIZED, raw, "compared", _SOURCE),
        finished(BOOL, raw, "raw codes", _SOURCE),
    )
    return Card(
        op, {"reference": rows}, operands=PAIR, gives_reals=True, refusals=refusals.COMPARISONS
    )


def _order(op: str, compare: np.ufunc, since: Versions | None = None) -> Card:
    """Which is the larger; ``since`` says which runtimes compare 16-bit codes."""
    raw = elementwise(compare)
    rows: Entries = (
        not_on_aarch64(EIGHT_BITS, scale_above_one),
        _rescaled_row(EIGHT_BITS, compare),
        _raw_row(compare, since),
        finished(UNQUANTIZED, raw, "compared", _SOURCE),
    )
    return Card(
        op, {"reference": rows}, operands=PAIR, gives_reals=True, refusals=refusals.COMPARISONS
    )


CARDS = (
    _equality(
        "EQUAL",
        np.equal,
        _raw_row(np.equal, NOT_TFLM),
    ),
    _equality("NOT_EQUAL", np.not_equal),
    _order("LESS", np.less),
    _order("LESS_EQUAL", np.less_equal),
    _order("GREATER", np.greater, NOT_TFLM),
    _order("GREATER_EQUAL", np.greater_equal),
)
