"""Quantized rows for aarch64, told element by element: ledgers end in what was recorded."""

from __future__ import annotations

import numpy as np
import pytest

from tests.explain.test_layer import check, some
from tests.recorded.aarch64 import cases
from tests.recorded.case import Case, engine_of, parsed, read
from tflreplay.ops import Row
from tflreplay.tools.explain import Layer

RECORDED = read()


def told(case: Case, text: str, row: Row | None) -> bool:
    return row is not None and (bool(row.rule) or row.ledger is not None)


CASES = [
    pytest.param(case, text, id=f"{case.name}: {text}")
    for case in cases()
    for text, row in case.rows.items()
    if told(case, text, row)
]


@pytest.mark.parametrize(("case", "text"), CASES)
def test_the_ledger_ends_in_the_recorded_code(case: Case, text: str) -> None:
    (content, inputs), recorded = RECORDED[case.name]
    model, engine = parsed(content), engine_of(text)
    (op,) = model.main.operators
    tensors = dict(zip(model.main.inputs, inputs, strict=True))
    tensors |= dict(zip(op.outputs, recorded[text], strict=True))
    layer = Layer(model, tensors, engine, op.index)
    for found in some(layer, np.random.default_rng(1), 20):
        check(found)


def test_all_rules_of_aarch64_are_told() -> None:
    rules = {case.values[0].rows[case.values[1]].rule for case in CASES}
    assert rules >= {
        *("ruy-neon", "single", "double-up-late", "rndnu", "rndnu-wrapping", "rndnu16"),
        *("float-away64-saturating", "float-even32-kleidi"),
    }
    assert any("HARD_SWISH" in case.values[0].name for case in CASES)
    assert any("MEAN" in case.values[0].name for case in CASES)
