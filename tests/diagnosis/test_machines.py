"""Mistakes in ports of what another machine computes: they are tried in that machine's row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.diagnosis.models import Layer
from tests.diagnosis.port import Port
from tests.diagnosis.test_planted import expected
from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import asked
from tflreplay.judgement.diagnosis import diagnose
from tflreplay.ops import row_of
from tflreplay.ops.seam import call_of, compute

Models = dict[str, tuple[Layer, ...]]


def on(engine: str, machine: str) -> Engine:
    return replace(Engine(engine), machine=asked(machine))


def first(models: Models, name: str, op: str) -> Layer:
    return next(layer for layer in models[name] if layer.op.name == op)


@pytest.mark.parametrize(
    ("engine", "machine", "model", "rule"),
    [
        ("xnnpack", "aarch64:cortex-a53", "uint8", "rndnu16"),
        ("xnnpack", "aarch64", "uint8", "rndnu"),
        ("optimized", "aarch64", "int8", "ruy-neon"),
        ("xnnpack", "aarch64:sme", "int8", "float-even32-kleidi"),
    ],
)
def test_a_mistake_in_a_rule_that_only_a_machine_has(
    models: Models, engine: str, machine: str, model: str, rule: str
) -> None:
    layer, ours = first(models, model, "CONV_2D"), on(engine, machine)
    row = row_of(ours, layer.model.main, layer.op)
    assert row.rule == rule
    call, (x, weights, _) = call_of(layer.model.main, layer.op, layer.tensors, ours, row)
    (produced,) = compute(call, [x, weights, None])
    verdict = layer.verdict(produced, ours)
    assert (rule, "bias left out") in [(fit.arithmetic, fit.mistake) for fit in verdict.fits]
    assert layer.verdict(expected(layer, ours), ours).kind == "expected"


def test_what_the_machine_expects_is_told(models: Models) -> None:
    """A port that rounds twice, as x86-64 does: on aarch64 that is another rule."""
    ours = on("optimized", "aarch64")
    told = 0
    for layer in (layer for found in models.values() for layer in found):
        if layer.op.name != "CONV_2D":
            continue
        produced = expected(layer, Engine("optimized"))
        if not np.array_equal(produced, expected(layer, ours)):
            verdict = layer.verdict(produced, ours)
            assert "double-up" in [fit.arithmetic for fit in verdict.fits]
            they = "they cut the high half of the product, then round once with ties up."
            told += they in verdict.text
    assert told


def test_what_was_run_elsewhere(models: Models) -> None:
    """Of a capture, no port is spoken of: x86-64's own row is tried, and told as such."""
    ours, theirs = on("optimized", "aarch64"), Engine("optimized")
    told = set()
    for layer in (layer for found in models.values() for layer in found):
        produced = expected(layer, theirs)
        if np.array_equal(produced, expected(layer, ours)):
            continue
        verdict = diagnose(layer.model.main, layer.op, layer.tensors, produced, ours, ran=theirs)
        assert verdict is not None
        assert any(fit.whose for fit in verdict.fits)
        if verdict.fits[0].whose:
            told.add(layer.op.name)
            assert "is what the optimized kernels on x86-64 compute, by our" in verdict.text
            assert "port" not in verdict.text
    assert "CONV_2D" in told


def test_a_slip_in_single_rounding(models: Models) -> None:
    layer, ours = first(models, "int8", "CONV_2D"), on("optimized", "aarch64")
    verdict = layer.verdict(layer.computed(Port("single", "padding: code 0")), ours)
    found = {(fit.arithmetic, fit.mistake) for fit in verdict.fits}
    mistake = "padding with 0 instead of the zero point"
    assert {("ruy-neon", mistake), ("single", mistake)} <= found
