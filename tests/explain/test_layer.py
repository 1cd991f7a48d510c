"""Ledgers of random elements against the engine's own numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from tests.conftest import SEVEN_OPS
from tests.explain.algorithms import ALGORITHMS
from tests.explain.models import BY_RULE, OTHERS, Made
from tests.single_op import Spec, build, run_engine
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import InputError, NotReplayed, TflreplayError
from tflreplay.model import Model, parse
from tflreplay.ops import CARDS, card
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.ledger import Terms, wrapped
from tflreplay.ops.base.row import ANY, Row
from tflreplay.ops.softmax import cmsis_nn_softmax_int16
from tflreplay.reports.explain import render
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.explain import Explanation, Layer, explain

# (models, elements of each) of every kind of op.
SIZES = {"reference": (6, 12), "optimized": (2, 12), "xnnpack": (2, 12)}
TFLM = Engine("tflm", "tflm", NEWEST["tflm"])


def layer_of(made: Made, engine: Engine) -> Layer | None:
    """The only op of a model, its tensors the engine's; None where XNNPACK refuses the model."""
    content, inputs = made
    try:
        outputs = run_engine(content, inputs, engine)
    except RuntimeError as error:
        if "failed to create XNNPACK runtime" in str(error):
            return None
        raise
    model = parse(content, Path("single_op.tflite"))
    graph = model.main
    arrays = dict(zip((*graph.inputs, *graph.outputs), (*inputs, *outputs), strict=True))
    return Layer(model, arrays, engine)


def some(layer: Layer, rng: np.random.Generator, count: int) -> Iterator[Explanation]:
    for _ in range(count):
        yield layer.explain([int(rng.integers(size)) for size in layer.output.shape])


def check(found: Explanation) -> None:
    """The ledger ends in the engine's number, and every step follows from the one before."""
    ours = found.outcomes[0]
    assert found.ours is ours
    assert ours.code == found.theirs
    assert ours in found.reproducing
    for outcome in found.outcomes:
        if outcome.rounded is None:
            continue
        last = outcome.steps[-1].result
        assert outcome.rounded == (-last if outcome.negated else last)
        assert outcome.unclamped is not None
        code = min(max(wrapped(outcome.unclamped, outcome.bits), outcome.low), outcome.high)
        assert outcome.code == (np.array(code).astype(outcome.stored) if outcome.stored else code)
        if outcome.sum is not None:
            terms = sum(term.value for term in outcome.sum.largest)
            assert outcome.sum.total == terms + outcome.sum.rest + (outcome.sum.bias or 0)


@pytest.mark.parametrize("engine", SIZES)
@pytest.mark.parametrize("name", [*BY_RULE, *OTHERS, *ALGORITHMS])
def test_the_engine_s_number(name: str, engine: str) -> None:
    """72 elements of the reference kernels of each, and 24 of each of the others."""
    rng = np.random.default_rng(1)
    if (name, engine) == ("ELU", "reference"):
        pytest.skip("BUILTIN_REF has no ELU")
    make = (BY_RULE | OTHERS | ALGORITHMS)[name]
    models, elements = SIZES[engine]
    done = 0
    while done < models:
        layer = layer_of(make(rng), Engine(engine))
        if layer is not None:
            done += 1
            for found in some(layer, rng, elements):
                check(found)


@pytest.mark.parametrize("engine", SIZES)
def test_a_whole_model(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture, engine: str
) -> None:
    """10 elements of each of its 20 layers."""
    rng = np.random.default_rng(2)
    captured = seven_captured
    if engine != "reference":
        captured = capture(seven_ops, seven_inputs.arrays, None, engine)
    tensors = dict(seven_inputs.arrays) | captured.tensors
    for op in seven_ops.main.operators:
        for found in some(Layer(seven_ops, tensors, Engine(engine), op.index), rng, 10):
            check(found)
            assert len(found.outcomes) > 10


# Its steps would depend on the rule that the library was built with.
NO_STEPS = cmsis_nn_softmax_int16


def test_every_kernel_that_requantizes_can_be_explained() -> None:
    """But cells, which keep a state."""

    def by_rule_of(known: Card) -> list[Row]:
        return [row for row in known.rows() if row.rule and row.kernel is not NO_STEPS]

    for known in CARDS.values():
        told = not known.unexplained
        assert all((row.ledger is not None) == told for row in by_rule_of(known)), known.op
    tried = {name.split()[0] for name in BY_RULE} | {"RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"}
    by_rule = {known.op for known in CARDS.values() if by_rule_of(known)}
    assert tried == {op for op in by_rule if not card(op).unexplained}


# Their quantized rows compare, count, choose or compute with raw codes.
NOTHING_REQUANTIZED = {
    *("ARG_MAX", "ARG_MIN", "CAST", "EMBEDDING_LOOKUP", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM"),
    *("MINIMUM", "NEG", "REDUCE_MAX", "REDUCE_MIN", "RESIZE_NEAREST_NEIGHBOR", "SCATTER_ND"),
    *("WHERE", "CUSTOM:TFLite_Detection_PostProcess"),
}


def test_every_row_of_quantized_types_is_told() -> None:
    """By a ledger or a function of real numbers, but for ops that requantize nothing."""
    untold = {
        known.op
        for known in CARDS.values()
        for row in known.rows()
        if any(row.takes(dtype) for dtype in ("int8", "uint8", "int16", "int4"))
        and row.kernel is not NO_STEPS
        and row.types != ANY
        and not (row.moves or row.ledger or known.function or known.unexplained)
    }
    assert untold == NOTHING_REQUANTIZED


def test_an_int8_sum_of_codes_read_as_uint8() -> None:
    """-1 and -1 are 510, of which a quarter is 127.5; 128 is stored as -128."""
    axes = Spec((1,), "int32", data=np.array([0], np.int32))
    inputs, output = [Spec((2,), "int8", 0.5), axes], Spec((1,), "int8", 2.0)
    content = build("SUM", inputs, [output], {"keepDims": True}, "ReducerOptions", 2)
    layer = layer_of((content, [np.array([-1, -1], np.int8)]), Engine())
    assert layer is not None
    found = layer.explain((0,))
    check(found)
    ours = found.outcomes[0]
    assert (ours.accumulator, ours.rounded, ours.stored, ours.code) == (510, 128, "int8", -128)
    text = render(found)
    assert "int8 codes are read as uint8" in text
    assert re.search(r"128 \+ 0 += 128 -> -128   read as int8", text)


@pytest.mark.parametrize("engine", SIZES)
def test_a_negative_slope(engine: str) -> None:
    x = np.arange(-128, 128, 4).astype(np.int8)
    source, target = Spec((64,), "int8", 0.1, 5), Spec((64,), "int8", 0.13, -20)
    content = build("LEAKY_RELU", [source], [target], {"alpha": -0.7}, "LeakyReluOptions")
    layer = layer_of((content, [x]), Engine(engine))
    assert layer is not None
    ledgers = [layer.explain((i,)) for i in range(64)]
    for found in ledgers:
        check(found)
    negated = sum(found.outcomes[0].negated for found in ledgers)
    assert negated == (0 if engine == "xnnpack" else 34)


def test_four_bit_weights_wrap_at_28_bits() -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(-8, 8, (6, 5, 2)).astype(np.uint8) & 15
    weights = Spec((6, 10), "int4", [0.5] * 6, 0, codes[..., 0] | codes[..., 1] << 4)
    bias = np.array([0, 500, 2**27 - 1, -(2**27), 2**28 + 7, 2**31 - 1], np.int32)
    x = Spec((4, 10), "int8", 0.25, -3)
    inputs = [x, weights, Spec((6,), "int32", [0.125] * 6, 0, bias)]
    output = Spec((4, 6), "int8", 2.0**19, 4)
    content = build("FULLY_CONNECTED", inputs, [output], {}, "FullyConnectedOptions", 12)
    codes = rng.integers(-128, 128, x.shape).astype(np.int8)
    layer = layer_of((content, [codes]), Engine("xnnpack"))
    assert layer is not None
    wrapped = 0
    for index in np.ndindex(4, 6):
        found = layer.explain(index)
        check(found)
        total = found.outcomes[0].sum
        assert total is not None
        assert total.bits == 28
        wrapped += total.total != total.accumulator
    assert wrapped > 8


@pytest.mark.parametrize(
    ("engine", "bias", "declared", "bits"),
    [
        (Engine(), "int32", "INT32", 32),
        (Engine(), "int64", None, 64),
        (Engine(), None, None, 64),
        (Engine(), None, "INT32", 32),
        # The type of the bias itself decides; only without one, the option.
        (TFLM, "int32", None, 32),
        (TFLM, "int32", "INT64", 32),
        (TFLM, "int64", "INT32", 64),
        (TFLM, None, None, 64),
        (TFLM, None, "INT32", 32),
    ],
    ids=str,
)
@pytest.mark.parametrize("op", ["CONV_2D", "FULLY_CONNECTED"])
def test_the_width_of_an_int16_sum(
    op: str, engine: Engine, bias: str | None, declared: str | None, bits: int
) -> None:
    """Next to the largest int32, where an accumulator of 32 bits wraps around."""
    depth = 1 if bias else 700
    window = (1, 1) if op == "CONV_2D" else ()
    x = np.full((1, *window, depth), 32767, np.int16)
    inputs = [
        Spec(x.shape, "int16", 0.5),
        Spec((2, *window, depth), "int8", [0.25] * 2, 0, np.full((2, *window, depth), 127, "int8")),
    ]
    if bias:
        inputs.append(Spec((2,), bias, [0.125] * 2, 0, np.array([2**31 - 9, 5], bias)))
    output = Spec((1, *window, 2), "int16", 2.0**14)
    fields = {"quantizedBiasType": getattr(TensorType, declared)} if declared else {}
    if op == "CONV_2D":
        fields |= {"strideH": 1, "strideW": 1}
    kind = {"CONV_2D": "Conv2DOptions", "FULLY_CONNECTED": "FullyConnectedOptions"}[op]
    model = parse(build(op, inputs, [output], fields, kind, 12), Path("single_op.tflite"))
    found = explain(model, {model.main.inputs[0]: x}, engine, 0, (0,) * len(output.shape))
    total = found.outcomes[0].sum
    assert total is not None
    assert total.bits == bits
    assert total.total > 2**31
    assert (total.accumulator == total.total) == (bits == 64)


def conv_layer(x: np.ndarray, weights: np.ndarray, **fields: int) -> Layer:
    """A CONV_2D of one channel, input scale 0.5 and zero point 3, weights' scale 0.25, so 1."""
    inputs = [
        Spec(x.shape, "int8", 0.5, 3),
        Spec(weights.shape, "int8", [0.25], 0, weights),
        Spec((1,), "int32", [0.125], 0, np.array([100], np.int32)),
    ]
    output = Spec((*x.shape[:3], 1), "int8", 1.0, -7)
    options = {"padding": 0, "strideH": 1, "strideW": 1, **fields}
    layer = layer_of(
        (build("CONV_2D", inputs, [output], options, "Conv2DOptions", 5), [x]), Engine()
    )
    assert layer is not None
    return layer


def test_a_ledger_by_hand() -> None:
    """3 x 3 weights over the corner of an image: 5 taps in the padding, 4 terms."""
    x = np.arange(16, dtype=np.int8).reshape(1, 4, 4, 1) * 8
    weights = np.arange(1, 10, dtype=np.int8).reshape(1, 3, 3, 1)
    found = conv_layer(x, weights).explain((0, 0, 0, 0))
    ours = found.outcomes[0]
    assert ours.sum is not None
    assert (ours.sum.taps, ours.sum.padding, ours.sum.bias, ours.sum.others) == (9, 5, 100, 0)
    # Codes 0, 8, 32, 40 less 3 meet the weights 5, 6, 8, 9.
    assert [term.value for term in ours.sum.largest] == [-3 * 5, 5 * 6, 29 * 8, 37 * 9]
    assert ours.accumulator == 100 - 15 + 30 + 232 + 333
    assert ours.scaling is not None
    assert (ours.scaling.real, ours.scaling.mantissa, ours.scaling.shift) == (0.125, 2**30, -2)
    assert [(step.exact, step.result) for step in ours.steps] == [(340, 340), (85, 85)]
    assert (ours.rounded, ours.code) == (85, 78)
    assert found.exact is not None
    assert (found.exact.value, found.exact.tie, found.exact.distance) == (85, 85.5, -0.5)


def test_rules_on_both_sides_of_a_tie() -> None:
    """An accumulator of -340 is -42.5 codes."""
    x = np.full((1, 1, 1, 1), -85, np.int8)
    found = conv_layer(x, np.full((1, 1, 1, 1), 5, np.int8)).explain((0, 0, 0, 0))
    assert found.exact is not None
    assert found.exact.distance == 0
    rounded = {outcome.name: outcome.rounded for outcome in found.outcomes}
    assert (rounded["double"], rounded["single-away"], rounded["float-away64"]) == (-43, -43, -43)
    assert (rounded["double-up"], rounded["single"], rounded["float-even64"]) == (-42, -42, -42)
    assert rounded["double with floor instead of truncate in the high-mul"] == -43
    assert found.theirs == -50
    assert {"double", "single-away"} <= {outcome.name for outcome in found.reproducing}
    assert "double-up" not in {outcome.name for outcome in found.reproducing}


def test_where_an_element_stands_in_a_vector_loop() -> None:
    """An accumulator of -340, or -42.5 codes, in 12 channels: 8 of them body, 4 tail."""
    weights = Spec((1, 1, 1, 12), "int8", [0.25] * 12, 0, np.full((1, 1, 1, 12), 5, np.int8), 3)
    bias = Spec((12,), "int32", [0.125] * 12, 0, np.full(12, 100, np.int32))
    inputs = [Spec((1, 1, 1, 12), "int8", 0.5, 3), weights, bias]
    options = {"padding": 0, "strideH": 1, "strideW": 1, "depthMultiplier": 1}
    output = Spec((1, 1, 1, 12), "int8", 1.0, -7)
    content = build("DEPTHWISE_CONV_2D", inputs, [output], options, "DepthwiseConv2DOptions", 6)
    layer = layer_of((content, [np.full((1, 1, 1, 12), -85, np.int8)]), Engine("optimized"))
    assert layer is not None
    for channel in range(12):
        found = layer.explain((0, 0, 0, channel))
        check(found)
        where, rule, code = ("body", "double-up", -49) if channel < 8 else ("tail", "double", -50)
        assert found.theirs == code
        assert f"element {channel} of a loop over 12 " in found.outcomes[0].note
        assert f"{where}, which rounds {rule}" in found.outcomes[0].note


def test_another_engine_s_number_is_told_apart(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    """XNNPACK's output as theirs, where the two differ: its arithmetic is the one that gives it."""
    other = capture(seven_ops, seven_inputs.arrays, None, "xnnpack").tensors
    (output,) = seven_ops.main.operators[1].outputs
    inputs = seven_ops.main.operators[1].inputs
    ours, theirs = seven_captured.tensors[output], other[output]
    assert all(np.array_equal(other[i], seven_captured.tensors[i]) for i in inputs if i in other)
    tensors = dict(seven_inputs.arrays) | seven_captured.tensors | {output: theirs}
    layer = Layer(seven_ops, tensors, Engine(), 1)
    differing = np.argwhere(ours != theirs)[:20]
    assert len(differing) == 20
    for index in differing.tolist():
        found = layer.explain(index)
        assert found.ours not in found.reproducing
        assert "float-even32 (xnnpack kernels)" in {o.name for o in found.reproducing}


def test_a_sum_that_disagrees_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.full((1, 2, 2, 1), 9, np.int8)
    layer = conv_layer(x, np.full((1, 1, 1, 1), 5, np.int8))
    way = layer._ways[0]
    right = way.row.ledger
    assert isinstance(right, Terms)
    wrong = Terms(lambda *given: replace(right.of(*given), rest=1))
    call = replace(way.call, row=replace(way.row, ledger=wrong))
    monkeypatch.setattr(layer, "_ways", (replace(way, call=call), *layer._ways[1:]))
    with pytest.raises(TflreplayError, match="please report"):
        layer.explain((0, 0, 0, 0))


def test_without_the_engine_s_output(seven_ops: Model, seven_captured: Capture) -> None:
    (output,) = seven_ops.main.operators[3].outputs
    tensors = {i: array for i, array in seven_captured.tensors.items() if i != output}
    found = explain(seven_ops, tensors, Engine(), 3, (0, 0, 0, 0))
    assert found.theirs is None
    assert found.reproducing == ()


@pytest.mark.parametrize(
    ("op", "index", "words"),
    [
        (20, (0,), "--layer 20: .* has 20 operators; give one from 0 to 19"),
        (-1, (0,), "--layer -1"),
        (2, (0, 0, 5), r"--at 0,0,5: 3 numbers for an output of shape \[1, 23, 23, 17\]"),
        (2, (0, 0, 23, 2), r"--at 0,0,23,2: outside .* 23 should be from 0 to 22"),
        (2, (0, 0, -1, 2), "-1 should be from 0 to 22"),
    ],
)
def test_no_such_element(
    seven_ops: Model, seven_captured: Capture, op: int, index: tuple[int, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        explain(seven_ops, seven_captured.tensors, Engine(), op, index)


@pytest.mark.parametrize(
    ("op", "options", "words"),
    [
        ("RESHAPE", "ReshapeOptions", "it only moves data"),
        ("MAX_POOL_2D", "Pool2DOptions", "the largest code under its window"),
        ("NEG", "NegOptions", "it requantizes nothing: negated raw codes"),
    ],
)
def test_not_explained(op: str, options: str, words: str) -> None:
    x = Spec((4,), "int8", 1 / 256, -128)
    model = parse(build(op, [x], [x], {}, options), Path("single_op.tflite"))
    tensors = {model.main.inputs[0]: np.zeros(4, np.int8)}
    with pytest.raises(NotReplayed, match=f"^op 0 {op} is not explained: .*{words}"):
        explain(model, tensors, Engine(), 0, (0,))


def test_an_output_that_is_not_quantized() -> None:
    """In whatever engine computes it."""
    x = Spec((4,), "float32")
    model = parse(build("ADD", [x, x], [x], {}, "AddOptions"), Path("single_op.tflite"))
    tensors = dict.fromkeys(model.main.inputs, np.zeros(4, np.float32))
    with pytest.raises(NotReplayed, match="op 0 ADD is not explained"):
        explain(model, tensors, Engine(), 0, (0,))


def test_an_input_that_is_not_known() -> None:
    model = parse(SEVEN_OPS.read_bytes(), SEVEN_OPS)
    with pytest.raises(NotReplayed, match=re.escape("op 5 CONV_2D is not explained: its input")):
        explain(model, {}, Engine(), 5, (0, 0, 0, 0))
