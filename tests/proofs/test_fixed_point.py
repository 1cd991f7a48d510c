"""The closed forms of fixed-point rescaling equal the C++ they stand for, for all inputs.

The C++ is the transcription, statement by statement, that ``tests/test_rounding.py`` tries on
random numbers. It computes in 128 bits, so it never wraps; our code has 64, as in a run.
"""

from __future__ import annotations

import numpy as np
import pytest
import z3

from tests.proofs.symbols import WIDE, Symbol, counterexample, int32
from tests.test_rounding import oracle_divide_by_pot, oracle_high_mul
from tflreplay.ground.rounding import Multiplier, high_mul, rounding_divide_by_pot, single


def test_high_mul() -> None:
    a, b = int32("a"), int32("b")
    assert not counterexample(
        lambda: high_mul(a, b), lambda: oracle_high_mul(a.widened(WIDE), b.widened(WIDE))
    )


@pytest.mark.parametrize("exponent", range(32))
def test_divide_by_power_of_two(exponent: int) -> None:
    x = int32("x")
    assert not counterexample(
        lambda: rounding_divide_by_pot(x, exponent),
        lambda: oracle_divide_by_pot(x.widened(WIDE), exponent),
    )


@pytest.mark.parametrize("exponent", range(1, 32))
def test_negative_ties_are_all_that_double_up_differs_in(exponent: int) -> None:
    """The second steps of ``double`` and ``double-up``."""
    x = int32("x")
    half = 1 << (exponent - 1)
    tie = z3.And(x.term < 0, (x & (2 * half - 1)).term == half)

    def away() -> Symbol:
        return rounding_divide_by_pot(x, exponent)

    assert not counterexample(away, lambda: (x + half) >> exponent, z3.Not(tie))
    assert not counterexample(away, lambda: ((x + half) >> exponent) - 1, tie)


@pytest.mark.parametrize("shift", range(-31, 31))
def test_single_is_the_nearest_integer(shift: int) -> None:
    """Of every accumulator by every mantissa; ties go up."""
    acc, mantissa = int32("acc"), int32("mantissa")
    m = Multiplier(np.asarray(0.0), mantissa, np.asarray(shift, np.int64))

    def nearest() -> Symbol:
        product, unit = acc.widened(WIDE) * mantissa.widened(WIDE), 1 << (31 - shift)
        return product // unit + 1 if 2 * (product % unit) >= unit else product // unit

    assert not counterexample(lambda: single(acc, m), nearest, mantissa.term >= 0)
