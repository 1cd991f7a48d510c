"""CMSIS-NN's arithmetic, replayed, against what the library itself gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels import cmsis_nn
from tests.recorded.cmsis_nn import FULL, PART, Fields, groups
from tests.selected_rows import CONFIRMED, ROWS
from tests.single_op import build_side_by_side
from tflreplay.ground import fixed_point
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import RULES, Accumulation, Multiplier, high_mul, requantize
from tflreplay.ground.rounding import rounding_divide_by_pot as divide
from tflreplay.model import parse
from tflreplay.ops import Row, card, row_of
from tflreplay.ops.base.session import Session
from tflreplay.ops.seam import call_of, first_half
from tflreplay.replayer.loop import replay

FILES = [PART, pytest.param(FULL, marks=pytest.mark.skipif(not FULL, reason="no full file"))]
ENGINES = {"double": "cmsis-nn", "single": "cmsis-nn-single"}
WRONG = {
    # Prepare leaves out its buffer: undefined on a device.
    "CONV_int16": "has no buffer for a convolution of int16 with an int32 bias",
    # 14 - shift is negative.
    "DW_int16": "with a multiplier of 2**14 or more",
}


@pytest.fixture(scope="module", params=FILES, ids=["part", "full"])
def vectors(request: pytest.FixtureRequest) -> dict[str, dict[str, Fields]]:
    return groups(request.param)


def of(kind: str, vectors: dict[str, dict[str, Fields]]) -> dict[str, list[Fields]]:
    found = {name: cases for name, cases in vectors.items() if name.startswith(f"{kind}.")}
    return {name.removeprefix(f"{kind}."): list(cases.values()) for name, cases in found.items()}


def engine(rounding: str) -> Engine:
    return Engine(ENGINES[rounding], "tflm", NEWEST["tflm"])


# ---- functions on integer parameters ----------------------------------------------------------


def given(by: list[tuple[int, int]]) -> Callable[..., Multiplier]:
    """The vectors' multipliers one after the other; the last one again and again."""
    left = list(by)

    def of(real: Any) -> Multiplier:
        q, s = left.pop(0) if len(left) > 1 else left[0]
        return Multiplier(np.asarray(q * 2.0 ** (s - 31.0)), np.asarray(q), np.asarray(s))

    return of


def test_every_function(
    vectors: dict[str, dict[str, Fields]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0
    for function, cases in of("kernel", vectors).items():
        for fields in cases:
            op, arrays, by = cmsis_nn.made(function, fields)
            model = parse(build_side_by_side([op]), Path("one.tflite"))
            for rounding in ENGINES:
                if by:
                    monkeypatch.setattr(Multiplier, "of", given(by))
                ours, wanted = engine(rounding), fields[f"y.{rounding}"]
                row, codes, kept = computed(model, arrays, fields, ours)
                CONFIRMED.engine_gave(ours, [wanted])
                CONFIRMED.row_gave(ours, row, [codes.reshape(wanted.shape)])
                assert np.array_equal(codes.reshape(wanted.shape), wanted), (function, rounding)
                if "state" in fields:
                    state = fields[f"new_state.{rounding}"]
                    assert np.array_equal(kept.reshape(state.shape), state)
                monkeypatch.undo()
                compared += wanted.size
    assert compared > 5_000


def computed(
    model: Any, arrays: list[np.ndarray], fields: Fields, ours: Engine
) -> tuple[Row, np.ndarray, Any]:
    """The row, the output within the vectors' own range, and the state of a filter bank."""
    graph = model.main
    (op,) = graph.operators
    session = Session()
    if "state" in fields:
        state = fields["state"]
        session.variables[0, op.inputs[4]] = state.reshape(len(state), -1)
    tensors = dict(zip(graph.inputs, arrays, strict=True))
    row = row_of_library(ours, graph, op)
    result = first_half(*call_of(graph, op, tensors, ours, row, session))
    low, high = fields.get("lo"), fields.get("hi")
    if isinstance(result, Accumulation):
        result = requantize(replace(result, low=low, high=high), RULES[row.rule])
    elif low is not None:
        result = np.clip(result, low, high)
    return row, np.asarray(result), session.variables.get((0, op.inputs[-1]))


def row_of_library(ours: Engine, graph: Any, op: Any) -> Row:
    """That of the function, which is right where TFLM's glue fails to give it a buffer."""
    try:
        return row_of(ours, graph, op)
    except NotReplayed as error:
        if WRONG["CONV_int16"] not in str(error):
            raise
    return next(row for row in card(op.name).rows(ours.name) if row.takes("int16"))


def test_softmax_tables(vectors: dict[str, dict[str, Fields]]) -> None:
    """TFLM fills them in float32."""
    from tflreplay.ops.softmax import _float32_tables

    fields = vectors["kernel.softmax_s16"]["0"]
    tables = _float32_tables()
    assert np.array_equal(tables.exp, fields["exp_lut"])
    assert np.array_equal(tables.reciprocal, fields["one_lut"])


# ---- models of one op, as TFLM's glue calls the library ---------------------------------------


def test_every_model(vectors: dict[str, dict[str, Fields]]) -> None:
    compared = 0
    for name, cases in of("model", vectors).items():
        for fields in cases:
            model = parse(fields["tflite"].tobytes(), Path(f"{name}.tflite"))
            for rounding in ENGINES:
                compared += inferences(name, model, fields, rounding)
    assert compared > 20_000


def inferences(name: str, model: Any, fields: Fields, rounding: str) -> int:
    """Outputs compared of one inference, or of consecutive ones."""
    inputs = [fields[f"input.{i}"] for i in range(sum(key.startswith("input") for key in fields))]
    steps = [(inputs, fields.get(rounding))]
    if rounding not in fields:
        steps = [([x], fields[f"{rounding}.{i}"]) for i, x in enumerate(inputs)]
    session, compared = Session(), 0
    for arrays, wanted in steps:
        ours = engine(rounding)
        assert wanted is not None
        CONFIRMED.engine_gave(ours, [wanted])
        feeds = dict(zip(model.main.inputs, arrays, strict=True))
        found = replay(model, feeds, ours, session=session)
        if found.not_replayed:
            (reason,) = found.not_replayed.values()
            assert WRONG[name] in reason
            continue
        codes = found.tensors[model.main.outputs[0]]
        confirm(model, ours, codes, wanted)
        assert np.array_equal(codes.reshape(wanted.shape), wanted), (name, rounding)
        compared += wanted.size
    return compared


def confirm(model: Any, ours: Engine, codes: np.ndarray, wanted: np.ndarray) -> None:
    row = row_of(ours, model.main, model.main.operators[0])
    if id(row) in ROWS:
        CONFIRMED.engine_gave(ours, [wanted.reshape(codes.shape)])


def test_as_tflm_where_its_wheel_was_asked(vectors: dict[str, dict[str, Fields]]) -> None:
    """The outputs of TFLM's own kernels for the same inputs are those of our rows."""
    for name, cases in of("model", vectors).items():
        for fields in cases:
            if "tflm" not in fields:
                continue
            model = parse(fields["tflite"].tobytes(), Path(f"{name}.tflite"))
            inputs = [fields[f"input.{i}"] for i in range(len(model.main.inputs))]
            feeds = dict(zip(model.main.inputs, inputs, strict=True))
            found = replay(model, feeds, Engine("tflm", "tflm", NEWEST["tflm"]))
            if not found.not_replayed:
                codes = found.tensors[model.main.outputs[0]]
                assert np.array_equal(codes.reshape(fields["tflm"].shape), fields["tflm"]), name


# ---- primitives -------------------------------------------------------------------------------


def test_requantize(vectors: dict[str, dict[str, Fields]]) -> None:
    (fields,) = of("primitive", vectors)["requantize"]
    q, s = (fields[key].astype(np.int64) for key in "qs")
    by = Multiplier(q * np.exp2(s - 31.0), q, s)
    for rounding in ENGINES:
        ours = RULES[rounding](fields["v"].astype(np.int64), by)
        assert np.array_equal(ours.astype(np.int32), fields[rounding])  # cut to its low 32 bits


def test_requantize_64_bits(vectors: dict[str, dict[str, Fields]]) -> None:
    (fields,) = of("primitive", vectors)["requantize_s64"]
    q, s = (fields[key].astype(np.int64) for key in "qs")
    ours = RULES["reduced16-wrapping"](fields["v"], Multiplier(q * np.exp2(s - 31.0), q, s))
    assert np.array_equal(ours, fields["y"])
    narrow = RULES["reduced16"](fields["v"], Multiplier(q * np.exp2(s - 31.0), q, s))
    fits = np.abs(narrow) < 2**30
    assert np.array_equal(ours[fits], narrow[fits])
    assert not np.array_equal(ours, narrow)


def test_other_primitives(vectors: dict[str, dict[str, Fields]]) -> None:
    found = of("primitive", vectors)
    for name, ours, keys in (
        ("doubling_high_mult", high_mul, "ab"),
        ("divide_by_power_of_two", divide, "xe"),
        ("exp_on_negative_values", fixed_point.exp_on_negative_values, "x"),
        ("one_over_one_plus_x", fixed_point.one_over_one_plus_x, "x"),
    ):
        (fields,) = found[name]
        arguments = [fields[key].astype(np.int64) for key in keys]
        assert np.array_equal(ours(*arguments), fields["y"]), name


# ---- the tables -------------------------------------------------------------------------------


def test_single_rounding_changes_only_what_the_glue_hands_over() -> None:
    for op in ("SUB", "MEAN", "QUANTIZE", "LOGISTIC", "LEAKY_RELU"):
        assert not card(op).entries("cmsis-nn")
        assert not card(op).entries("cmsis-nn-single")
    rules = {row.rule for op in ("CONV_2D", "ADD", "MUL") for row in card(op).rows("cmsis-nn")}
    assert rules == {"double", "reduced16-wrapping"}
    once = {row.rule for row in card("CONV_2D").rows("cmsis-nn-single")}
    assert once == {"single", "reduced16-wrapping"}
