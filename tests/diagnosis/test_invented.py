"""Mistakes that were thought up apart from the families: each is named, or among those named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.models import REFERENCE, Layer, built
from tests.diagnosis.porter import SLIPS, Array, computed, ops
from tests.diagnosis.test_planted import expected, same
from tflreplay.judgement.diagnosis import Verdict
from tflreplay.ops import row_of
from tflreplay.ops.seam import call_of

Layers = tuple[Layer, ...]


@pytest.fixture(scope="session")
def invented() -> Layers:
    return built("invented", ops(4))


def ported(layer: Layer, *slips: str) -> Array:
    row = row_of(REFERENCE, layer.model.main, layer.op)
    call, arrays = call_of(layer.model.main, layer.op, layer.tensors, REFERENCE, row)
    return computed(call, arrays, *slips)


def slips_of(layer: Layer) -> str:
    """The key of its slips."""
    real = layer.model.main.tensors[layer.op.inputs[0]].dtype == "float32"
    return f"{layer.op.name} float" if real else layer.op.name


def names(verdict: Verdict, wanted: str | tuple[str, ...]) -> bool:
    return any((fit.named or fit.arithmetic).startswith(wanted) for fit in verdict.fits)


def test_a_port_without_a_mistake_is_bit_exact(invented: Layers) -> None:
    for layer in invented:
        assert same(ported(layer), expected(layer)), layer


def test_each_op_has_three() -> None:
    assert all(len(slips) >= 3 for slips in SLIPS.values())


@pytest.mark.parametrize(("op", "slip"), [(op, slip) for op in SLIPS for slip in SLIPS[op]])
def test_a_mistake_is_named(invented: Layers, op: str, slip: str) -> None:
    shown = 0
    for layer in invented:
        if slips_of(layer) == op:
            produced = ported(layer, slip)
            if not np.array_equal(produced, expected(layer)):
                shown += 1
                verdict = layer.verdict(produced)
                assert names(verdict, SLIPS[op][slip]), f"{layer}: {verdict.text}"
    assert shown
