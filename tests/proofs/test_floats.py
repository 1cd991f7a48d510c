"""What floating point is trusted with: sums that it holds exactly, and a product's error bound."""

from __future__ import annotations

import pytest
import z3

from tflreplay.ground import rounding
from tflreplay.ops.base.sums import FLOAT32_EXACT, FLOAT64_EXACT

_NEAREST = z3.RNE()
# The most that the rounding of one operation adds: relative, and where the result is subnormal.
_HALF_ULP, _SUBNORMAL = z3.Q(1, 2**24), z3.Q(1, 2**149)
# Beyond this, both the product and what it stands for are clamped.
_MATTERS = 512


@pytest.mark.parametrize(
    ("sort", "exact"), [(z3.Float32(), FLOAT32_EXACT), (z3.Float64(), FLOAT64_EXACT)]
)
def test_integers_below_the_bound_are_held(sort: z3.FPSortRef, exact: int) -> None:
    """So sums and products of integers that stay below it are never rounded, in any order."""
    n = z3.BitVec("n", 64)
    held = z3.fpToSBV(_NEAREST, z3.fpSignedToFP(_NEAREST, n, sort), z3.BitVecSort(64)) == n

    def check(*given: z3.BoolRef) -> z3.CheckSatResult:
        solver = z3.Solver()
        solver.add(*given, z3.Not(held))
        return solver.check()

    assert check(n > -exact, n < exact) == z3.unsat
    assert check(n > -2 * exact, n < 2 * exact) == z3.sat


def test_the_short_cut_errs_by_less_than_its_bound() -> None:
    """Rounded: the accumulator, the multiplier, their product, and what is taken from one half.

    ``requantize`` leaves to the rule what is closer to a tie than this.
    """
    acc, real = z3.Reals("acc real")
    solver = z3.Solver()

    def rounded(exact: z3.ArithRef, name: str) -> z3.ArithRef:
        relative, absolute = z3.Reals(f"{name}_relative {name}_absolute")
        solver.add(relative >= -_HALF_ULP, relative <= _HALF_ULP)
        solver.add(absolute >= -_SUBNORMAL, absolute <= _SUBNORMAL)
        return exact * (1 + relative) + absolute

    solver.add(acc >= -(2**31), acc < 2**31, real >= 0, real < z3.Q(1, 2))
    solver.add(acc * real >= -_MATTERS, acc * real <= _MATTERS)
    product = rounded(rounded(acc, "acc") * rounded(real, "real"), "product")
    error = product - acc * real
    bound = z3.RealVal(rounding._FLOAT32_ERROR) - _HALF_ULP / 2
    solver.add(z3.Or(error >= bound, error <= -bound))
    assert solver.check() == z3.unsat
