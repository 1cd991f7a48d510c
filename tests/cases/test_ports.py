"""The ports of docs/cases compute what was published, mistakes included, and nothing else wrong.

The oracle is written with fractions, in words of its own: what the published integer formulas mean.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cases.common import CASES
from tflreplay.ground import rounding
from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import INT32_MAX, INT32_MIN, Array
from tflreplay.judgement.diagnosis import diagnose
from tflreplay.model import Model
from tflreplay.replayer.loop import replay_isolated
from tflreplay.replayer.user_kernels import rows
from tflreplay.replayer.user_kernels.functions import load_functions
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.probe import cases

TF_104605 = CASES / "tensorflow-104605" / "port.py"
CMSIS_214 = CASES / "cmsis-nn-214" / "port.py"
HIGH_MUL = {TF_104605: "saturating_rounding_doubling_high_mul", CMSIS_214: "doubling_high_mul"}
PORTS = pytest.mark.parametrize("path", HIGH_MUL, ids=lambda path: path.parent.name)


def functions(path: Path) -> dict[str, Any]:
    return runpy.run_path(str(path))


def nearest_away(x: Fraction) -> int:
    return floor(x + Fraction(1, 2)) if x >= 0 else ceil(x - Fraction(1, 2))


def published_high_mul(a: int, b: int) -> int:
    """Half of 2**31 added with the product's sign, and then rounded down: the mistake.

    For a negative product the nudge is one less than a half, as where C++ divides toward zero.
    """
    if a == b == INT32_MIN:
        return INT32_MAX
    nudge = 2**30 if a * b >= 0 else -(2**30 - 1)
    return floor(Fraction(a * b + nudge, 2**31))


def published_double(acc: int, multiplier: int, shift: int) -> int:
    """For shifts to the right, which the two ports treat alike."""
    return nearest_away(Fraction(published_high_mul(acc, multiplier), 2**-shift))


def random_cases(count: int = 20_000) -> tuple[Array, Array, Array]:
    """Accumulators small, large and extreme, mantissas in their range, shifts to the right."""
    rng = np.random.default_rng(7)
    bits = rng.integers(1, 32, count)
    acc = rng.integers(-(2**31), 2**31, count) >> (31 - bits)
    acc[:4] = INT32_MIN, INT32_MAX, 0, -1
    mantissa = rng.integers(2**30, 2**31, count)
    mantissa[4:2000] = 2**30  # ties
    return acc, mantissa, rng.integers(-20, 1, count)


def each(function: Callable[..., int], *columns: Array) -> list[int]:
    return [function(*map(int, row)) for row in zip(*columns, strict=True)]


@PORTS
def test_high_mul_is_as_published(path: Path) -> None:
    acc, mantissa, _ = random_cases()
    acc, mantissa = np.append(acc, INT32_MIN), np.append(mantissa, INT32_MIN)
    ours = functions(path)[HIGH_MUL[path]](acc, mantissa)
    assert ours.tolist() == each(published_high_mul, acc, mantissa)
    # One too low for negative products, but for the few that the C++ division leaves no remainder.
    away = ours - rounding.high_mul(acc, mantissa)
    assert set(away[acc >= 0].tolist()) == {0}
    assert (away[acc < 0] == -1).mean() > 0.5
    assert set(away.tolist()) == {-1, 0}


@PORTS
def test_double_rounding_is_as_published(path: Path) -> None:
    acc, mantissa, shift = random_cases()
    ours = functions(path)["double_rounding"](acc, mantissa, shift)
    assert ours.tolist() == each(published_double, acc, mantissa, shift)
    multiplier = rounding.Multiplier(np.ldexp(mantissa.astype(float), shift - 31), mantissa, shift)
    assert (ours != rounding.double(acc, multiplier)).any()


def test_single_rounding_is_as_published() -> None:
    acc, mantissa, shift = random_cases()
    exact = [
        Fraction(a * q, 2 ** (31 - s))
        for a, q, s in zip(acc.tolist(), mantissa.tolist(), shift.tolist(), strict=True)
    ]
    away = functions(TF_104605)["single_rounding"](acc, mantissa, shift)
    assert away.tolist() == list(map(nearest_away, exact))
    up = functions(CMSIS_214)["single_rounding"](acc, mantissa, shift)
    assert up.tolist() == [floor(x + Fraction(1, 2)) for x in exact]
    assert (away != up).any()


def test_a_shift_to_the_left() -> None:
    """One port shifts before the high-mul, the other multiplies after; both as published."""
    before, after = functions(CMSIS_214), functions(TF_104605)
    acc, mantissa = np.array([1001, -1001]), np.array(2**30 + 2**20 + 1)
    assert before["double_rounding"](acc, mantissa, np.array(3)).tolist() == [
        published_high_mul(1001 * 8, int(mantissa)),
        published_high_mul(-1001 * 8, int(mantissa)),
    ]
    assert after["double_rounding"](acc, mantissa, np.array(3)).tolist() == [
        8 * published_high_mul(1001, int(mantissa)),
        8 * published_high_mul(-1001, int(mantissa)),
    ]
    # The published single rounding shifts right by 31 + shift, whatever the sign of the shift.
    assert after["single_rounding"](acc, mantissa, np.array(3)).tolist() == [
        nearest_away(Fraction(a * int(mantissa), 2**34)) for a in acc.tolist()
    ]
    # An accumulator shifted out of 32 bits wraps.
    large = np.array([2**30])
    assert before["double_rounding"](large, np.array(2**30), np.array(1)).tolist() == [
        published_high_mul(INT32_MIN, 2**30)
    ]


@PORTS
def test_quantize_multiplier_is_as_published(path: Path) -> None:
    quantize = functions(path)["quantize_multiplier"]
    rng = np.random.default_rng(3)
    for real in [*np.exp(rng.uniform(-12, 3, 2000)).tolist(), 0.5, 1.0, 1 - 2**-40]:
        mantissa, shift = quantize(real)
        assert 2**30 <= mantissa < 2**31
        exact = Fraction(real) * Fraction(2) ** (31 - shift)
        assert abs(exact - mantissa) <= Fraction(1, 2)
    assert quantize(0.0) == (0, 0)
    # 2**30 + 1/2 is a tie: Python's round takes the even one, floor(x + 1/2) the upper one.
    tie = 2**30 if path == TF_104605 else 2**30 + 1
    assert quantize((2**30 + 0.5) / 2**31) == (tie, 0)


def single_up(acc: Array, mantissa: Array, shift: Array) -> Array:
    return (acc * mantissa + 2 ** (30 - shift)) >> (31 - shift)


# What makes each port the arithmetic that it meant to be.
REPAIRS: dict[tuple[Path, str], dict[str, Callable[..., Array]]] = {
    (TF_104605, "double"): {HIGH_MUL[TF_104605]: rounding.high_mul},
    (TF_104605, "single"): {"single_rounding": single_up},
    (CMSIS_214, "double"): {HIGH_MUL[CMSIS_214]: rounding.high_mul},
    (CMSIS_214, "single"): {},
}


@PORTS
@pytest.mark.parametrize("impl", ["single", "double"])
def test_nothing_but_the_rounding_is_wrong(
    path: Path,
    impl: str,
    monkeypatch: pytest.MonkeyPatch,
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
) -> None:
    """Padding, strides, dilation, zero points and activations are right."""
    monkeypatch.setenv("IMPL", impl)
    kernels = load_functions(path)
    for name, function in REPAIRS[path, impl].items():
        monkeypatch.setitem(next(iter(kernels.values())).__globals__, name, function)
    engine = Engine(impl)
    tensors = dict(seven_inputs.arrays) | seven_captured.tensors
    ours = replay_isolated(seven_ops, tensors, engine, kernels=rows(kernels, seven_ops))
    meant = replay_isolated(seven_ops, tensors, engine)
    assert not ours.not_replayed
    assert set(ours.tensors) == set(meant.tensors)
    for index, codes in ours.tensors.items():
        np.testing.assert_array_equal(codes, meant.tensors[index])


def test_each_op_of_the_probe_script_is_named_floor_instead_of_truncate() -> None:
    """On inputs that tell rules apart; the port of CMSIS-NN#214 computes all the ops it probed."""
    probed = cases()
    tensors = dict(probed.inputs) | capture(probed.model, probed.inputs).tensors
    kernels = load_functions(CMSIS_214)
    ours = replay_isolated(probed.model, tensors, kernels=rows(kernels, probed.model))
    verdicts = {}
    for op in probed.model.main.operators:
        if op.name in kernels:
            produced = ours.tensors[op.outputs[0]]
            verdict = diagnose(probed.model.main, op, tensors, produced, Engine())
            assert verdict is not None
            if verdict.kind != "expected":
                found = (verdict, verdicts.get(op.name, verdict))
                verdicts[op.name] = max(found, key=lambda one: one.strength)
    assert set(verdicts) == set(kernels)
    for verdict in verdicts.values():
        assert verdict.answer == "floor instead of truncate in the high-mul", verdict.text
        assert verdict.discriminating > 0
