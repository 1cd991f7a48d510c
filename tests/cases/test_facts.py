"""What the pages of docs/cases say beside the commands."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from tests.cases.common import CASES
from tflreplay.ground import rounding
from tflreplay.ground.rounding import RULES, Array, Multiplier

# tensorflow#104605: the published channel, and the values (accumulator, SRM, DRM, TFLite).
ZERO_POINT, BIAS = -3, -885
M0, SHIFT = np.array(1805112064), np.array(-8)
ROW_1, ROW_2, ROW_3 = (5907, 12, 13, 13), (-19651, -31, -31, -30), (-12264, -46, -46, -46)
# What LiteRT's int8 CONV_2D computes in some engine.
CONV_RULES = ("double", "double-up", "float-even32")


@pytest.mark.parametrize(("row", "code"), [(ROW_1, 13), (ROW_2, -70), (ROW_3, -46)])
def test_with_the_published_multiplier_all_rules_agree(
    row: tuple[int, int, int, int], code: int
) -> None:
    multiplier = Multiplier(np.ldexp(M0.astype(float), SHIFT - 31), M0, SHIFT)
    acc = np.array([row[0] + BIAS])
    for rule in (*CONV_RULES, "single", "single-away", "float-away64"):
        assert RULES[rule](acc, multiplier) + ZERO_POINT == code


@pytest.mark.parametrize("bias", [0, BIAS])
@pytest.mark.parametrize(
    ("row", "tie", "fitting"),
    [(ROW_1, 15.5, {"double", "double-up"}), (ROW_2, -27.5, {"double-up"})],
)
def test_what_the_other_two_values_say(
    row: tuple[int, int, int, int], tie: float, fitting: set[str], bias: int
) -> None:
    """Of multipliers near the tie, those that give the port's two values, by its own arithmetic."""
    port = runpy.run_path(str(CASES / "tensorflow-104605" / "port.py"))
    acc, single, double, engine = row
    rng = np.random.default_rng(104605)
    real = tie / (acc + bias) * (1 + rng.uniform(-3e-4, 3e-4, 200_000))
    multiplier = Multiplier.of(real)
    sums = np.full(real.shape, acc + bias)
    arguments = (sums, multiplier.mantissa, multiplier.shift)
    possible = port["single_rounding"](*arguments) + ZERO_POINT == single
    possible &= port["double_rounding"](*arguments) + ZERO_POINT == double
    assert possible.sum() > 10_000

    def share(rule: str) -> Array:
        codes = RULES[rule](sums, multiplier) + ZERO_POINT
        return (codes == engine)[possible].mean()

    # float32 may land on the tie 15.5, and half to even is then up; that is rarer than 1 in 1,000.
    assert {rule for rule in CONV_RULES if share(rule) > 1e-3} == fitting
    assert share("single") == 0
    # Row 2 cannot be a tie, on which single rounding would go up.
    if row == ROW_2:
        assert 55 * 2**39 % abs(acc + bias) != 0
        assert set(multiplier.shift.tolist()) == {-9}


def test_the_published_multiplier_was_computed_in_float32() -> None:
    input_scale, filter_scale, output_scale = map(
        np.float32, (0.15857075154781342, 0.010584672912955284, 0.5111709833145142)
    )
    in_float32 = Multiplier.of(input_scale * filter_scale / output_scale)
    assert (in_float32.mantissa, in_float32.shift) == (M0, SHIFT)
    assert M0 % 2**7 == 0
    exact = Multiplier.of(float(input_scale) * float(filter_scale) / float(output_scale))
    assert (exact.mantissa, exact.shift) == (1805112046, SHIFT)


def test_the_python_of_102943_runs() -> None:
    text = (CASES / "tensorflow-102943" / "README.md").read_text()
    (code,) = re.findall(r"<!-- example -->\n```python\n(.*?)```", text, re.S)
    exec(compile(code, "README.md", "exec"), {})


def test_the_models_are_what_the_script_builds() -> None:
    script = runpy.run_path(str(CASES / "build.py"))
    for name, make in script["BUILT"].items():
        content, x = make()
        path: Path = CASES / name
        assert path.with_suffix(".tflite").read_bytes() == content
        np.testing.assert_array_equal(np.load(path.with_name("x.npy")), x)


def test_flooring_is_one_too_low_for_nearly_every_negative_product() -> None:
    port = runpy.run_path(str(CASES / "tensorflow-104605" / "port.py"))
    acc = np.arange(-100_000, 0)
    floored = port["saturating_rounding_doubling_high_mul"](acc, M0)
    assert (floored == rounding.high_mul(acc, M0) - 1).mean() > 0.999
