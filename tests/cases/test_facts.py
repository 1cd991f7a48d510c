"""What the pages of docs/cases say beside the commands."""

from __future__ import annotations

import re
import runpy
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest

from tests.cases.common import CASES
from tflreplay.ground import rounding
from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import RULES, Array, Multiplier
from tflreplay.model import Model, load
from tflreplay.ops import row_of
from tflreplay.ops.seam import call_of
from tflreplay.runtimes import capture

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


def case(name: str) -> tuple[Model, Array]:
    """A case's model, and its input."""
    path = CASES / name
    return load(path.with_suffix(".tflite")), np.load(path.with_name("x.npy"))


def test_40781_one_code_of_256_is_lost_by_the_cut() -> None:
    model, x = case("tensorflow-40781/hard_swish")
    theirs = capture(model, {0: x}).tensors[1].astype(int)
    real = [(code - 105) * Fraction(float(np.float32(0.13308307528495789))) for code in range(256)]
    steps = [r * min(max(r + 3, 0), 6) / 6 / Fraction(float(np.float32(0.075572937726974487)))
             for r in real]  # fmt: skip
    by_hand = [min(max(floor(s + Fraction(1, 2)) + 5, 0), 255) for s in steps]
    assert [code for code in range(256) if by_hand[code] != theirs[code]] == [128]
    assert (by_hand[128], theirs[128]) == (46, 45)
    in_64ths = 64 * steps[128]
    assert round(float(in_64ths), 3) == 2592.175
    lost = [2592.171875 - 2592, 2592 - 32767 * 2592 / 2**15, 32767 * 2592 / 2**15 - 2591]
    assert [round(part, 3) for part in lost] == [0.172, 0.079, 0.921]
    assert 1.174 < float(in_64ths) - 2591 < 1.176


def test_1012_changes_negative_ties_only() -> None:
    model, x = case("cmsis-5-1012/average_pool")
    theirs = capture(model, {0: x}).tensors[1].astype(int)
    port = runpy.run_path(str(CASES / "cmsis-5-1012" / "port.py"))["average_pool"]
    (op,) = model.main.operators
    call, arrays = call_of(model.main, op, {0: x}, Engine(), row_of(Engine(), model.main, op))
    proposed = port(call, *arrays).astype(int)
    sums = x.astype(int).reshape(1, 16, 2, 16, 2, 4).sum((2, 4))
    ties = sums % 4 == 2
    assert (ties.sum(), (ties & (sums < 0)).sum()) == (274, 130)
    np.testing.assert_array_equal(proposed - theirs, ties & (sums < 0))
    assert sums[0, 0, 10, 1] == -10


def test_3597_wraps_at_32_bits_and_is_right_elsewhere() -> None:
    model, x = case("tflite-micro-3597/fully_connected")
    sums = x.astype(np.int64) @ model.main.tensors[1].data.astype(np.int64).T
    reference, optimized = (
        capture(model, {0: x}, engine=name).tensors[2].astype(int)
        for name in ("reference", "optimized")
    )
    np.testing.assert_array_equal(reference != optimized, sums != sums.astype(np.int32))
    assert (reference != optimized).sum() == 16
    assert 32768 * 127 * 516 < 2**31 < 32768 * 127 * 517


def test_319_only_the_positive_branch_is_wrong() -> None:
    model, x = case("esp-dl-319/prelu")
    theirs = capture(model, {0: x}).tensors[2]
    port = runpy.run_path(str(CASES / "esp-dl-319" / "port.py"))["prelu"]
    (op,) = model.main.operators
    call, arrays = call_of(model.main, op, {0: x}, Engine(), row_of(Engine(), model.main, op))
    reported = port(call, *arrays)
    np.testing.assert_array_equal(reported[x <= 0], theirs[x <= 0])
    np.testing.assert_array_equal(reported[x > 0], x[x > 0])
    assert (reported != theirs).sum() == 1007


def test_88638_the_dump_is_of_a_cast() -> None:
    model, x = case("zephyr-88638/sine")
    scale, zero_point = np.float32(model.main.tensors[0].scale), np.float32(-128)
    with np.load(CASES / "zephyr-88638" / "dump.npz") as dump:
        assert dump["0"].ravel().tolist() == [int(v / scale + zero_point) for v in x.ravel()]
        theirs = capture(model, {0: dump["0"]}).tensors
        for index in (3, 6):
            np.testing.assert_array_equal(dump[str(index)], theirs[index])
        rounded = np.floor(x / scale + zero_point + 0.5)
        assert ((dump["0"] > rounded).sum(), (dump["0"] < rounded).sum()) == (85, 105)
        assert (dump["0"][dump["0"] > rounded] <= 0).all()
        assert (dump["0"][dump["0"] < rounded] >= 0).all()


def test_flooring_is_one_too_low_for_nearly_every_negative_product() -> None:
    port = runpy.run_path(str(CASES / "tensorflow-104605" / "port.py"))
    acc = np.arange(-100_000, 0)
    floored = port["saturating_rounding_doubling_high_mul"](acc, M0)
    assert (floored == rounding.high_mul(acc, M0) - 1).mean() > 0.999
