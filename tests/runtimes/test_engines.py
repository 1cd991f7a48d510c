"""Capture in every engine of LiteRT: how each tensor was obtained, refusals and crashes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import OpResolverType

from tests.runtimes.test_capture import (
    assert_same,
    chain,
    codes,
    packed,
    random_feeds,
    read_directly,
)
from tests.single_op import Spec, build, random_codes
from tflreplay.ground.errors import CaptureError
from tflreplay.model import Model
from tflreplay.runtimes import Capture, capture, xnnpack
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.replay import run

SHAPE = (1, 8, 8, 8)
RESOLVERS = {
    "reference": OpResolverType.BUILTIN_REF,
    "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.AUTO,
}


def conv(weight_scale: float = 0.01) -> bytes:
    rng = np.random.default_rng(1)
    scales = np.full(8, weight_scale, np.float32)
    weights = Spec((8, 1, 1, 8), "int8", scales, 0, random_codes(rng, (8, 1, 1, 8), "int8"))
    bias = Spec((8,), "int32", scales, 0, np.zeros(8, np.int32))
    return build(
        "CONV_2D",
        [codes(SHAPE, 1.0), weights, bias],
        [codes(SHAPE, 1.0)],
        {"padding": 1, "strideH": 1, "strideW": 1},
        "Conv2DOptions",
        version=3,
    )


def depthwise(zero_point: int = 0, bias: bool = True) -> bytes:
    rng = np.random.default_rng(2)
    weights = Spec((1, 3, 3, 8), "int8", 0.01, zero_point, random_codes(rng, (1, 3, 3, 8), "int8"))
    sums = Spec((8,), "int32", 0.01, 0, np.zeros(8, np.int32))
    return build(
        "DEPTHWISE_CONV_2D",
        [codes(SHAPE, 1.0), weights, *([sums] if bias else [])],
        [codes(SHAPE, 1.0)],
        {"padding": 0, "strideH": 1, "strideW": 1, "depthMultiplier": 1},
        "DepthwiseConv2DOptions",
        version=3,
    )


def image_relu() -> bytes:
    return build("RELU", [codes(SHAPE, 1.0)], [codes(SHAPE, 1.0)])


@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
@pytest.mark.parametrize("engine", RESOLVERS)
def test_equals_direct_reading(engine: str, seven_ops: Model, seven_inputs: Inputs) -> None:
    captured = capture(seven_ops, seven_inputs.arrays, engine=engine)
    assert_same(captured.tensors, read_directly(seven_ops, seven_inputs.arrays, RESOLVERS[engine]))
    how = "delegate partition" if engine == "xnnpack" else "preserved"
    assert Counter(captured.origin.values()) == {"input": 1, how: len(seven_ops.main.operators)}
    assert (captured.engine, captured.missing, captured.note) == (engine, {}, "")


def test_engines_differ(seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture) -> None:
    reference = seven_captured.tensors
    for engine in ("optimized", "xnnpack"):
        tensors = capture(seven_ops, seven_inputs.arrays, engine=engine).tensors
        assert any(not np.array_equal(tensors[i], reference[i]) for i in reference)


def test_threads(seven_ops: Model, seven_inputs: Inputs) -> None:
    assert capture(seven_ops, seven_inputs.arrays, engine="optimized", threads=2).threads == 2


def test_an_op_that_xnnpack_leaves_is_preserved() -> None:
    sign = build("FLOOR_MOD", [Spec((4,), "int32")] * 2, [Spec((4,), "int32")])
    parsed = chain(sign)
    feeds = {0: np.arange(4, dtype=np.int32), 1: np.full(4, 3, np.int32)}
    captured = capture(parsed, feeds, engine="xnnpack")
    assert captured.origin == {0: "input", 1: "input", 2: "preserved"}
    np.testing.assert_array_equal(captured.tensors[2], [0, 1, 2, 0])


# Without a bias the optimized depthwise kernel reads from address 0.
@pytest.mark.parametrize("engine", ["optimized", "xnnpack"])
def test_crash_is_laid_at_the_op(engine: str) -> None:
    parsed = chain(image_relu(), conv(), depthwise(bias=False), image_relu())
    feeds = random_feeds(parsed)
    captured = capture(parsed, feeds, engine=engine)
    assert "died (SIGSEGV) running chain.tflite at op 2 DEPTHWISE_CONV_2D" in captured.failure
    before = capture(chain(image_relu(), conv()), feeds, engine=engine)
    assert_same(captured.tensors, before.tensors)
    assert captured.origin == before.origin
    assert len(captured.missing) == 2


# What XNNPACK refuses


@pytest.mark.parametrize(
    ("bad", "op", "reason"),
    [
        (
            conv(256.0),
            "CONV_2D",
            "input scale * weight scale / output scale is 256, XNNPACK needs less than 256",
        ),
        (depthwise(5), "DEPTHWISE_CONV_2D", "the weights' zero point is 5, XNNPACK needs 0"),
    ],
)
def test_refusal_names_the_op_and_the_condition(bad: bytes, op: str, reason: str) -> None:
    parsed = chain(image_relu(), bad, image_relu(), conv())
    feeds = random_feeds(parsed)
    with pytest.raises(CaptureError) as raised:
        capture(parsed, feeds, engine="xnnpack")
    message = str(raised.value)
    assert f"(xnnpack) refuses chain.tflite at op 1 {op} ({reason}): failed to " in message
    assert message.endswith("; try --engine optimized")
    assert "\n" not in message
    assert capture(parsed, feeds, engine="optimized").missing == {}


def test_what_every_engine_refuses_is_not_laid_at_xnnpack() -> None:
    parsed = chain(build("RESHAPE", [codes((4,)), Spec((1,), "int32")], [codes((4,))]))
    with pytest.raises(CaptureError) as raised:
        capture(parsed, random_feeds(parsed), engine="xnnpack")
    assert "optimized" not in str(raised.value)


def test_just_below_the_largest_scale() -> None:
    parsed = chain(conv(255.99))
    assert capture(parsed, random_feeds(parsed), engine="xnnpack").origin[3] == "delegate partition"


# Constants that XNNPACK unpacks beforehand, and that are computed here


def dequantized_constant(dtype: str, also_read_by: str = "") -> Model:
    """Tensor 1, a constant dequantized, is added to the input; perhaps another op reads it too."""
    values = np.arange(64, dtype=np.int8).reshape(1, 64)
    if dtype == "float16":
        constant = Spec((1, 64), dtype, data=values.astype(np.float16))
    else:
        constant = Spec((1, 64), dtype, 0.5, 3, values.view(dtype))
    floats = Spec((1, 64), "float32")
    content = build("DEQUANTIZE", [constant], [floats], version=2)
    parts = [build("ADD", [floats, floats], [floats], {}, "AddOptions")]
    if also_read_by:
        parts.append(build(also_read_by, [floats], [floats]))
    result = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = result.subgraphs[0]
    graph.inputs, graph.outputs = [2], []
    for part in parts:
        added = schema.ModelT.InitFromPackedBuf(part, 0)
        op = added.subgraphs[0].operators[0]
        graph.tensors += added.subgraphs[0].tensors[1:]
        op.inputs = [1, 2][: len(op.inputs)]
        op.outputs = [len(graph.tensors) - 1]
        op.opcodeIndex = len(result.operatorCodes)
        graph.outputs.append(op.outputs[0])
        graph.operators.append(op)
        result.operatorCodes += added.operatorCodes
    return packed(result)


ONES = {2: np.ones((1, 64), np.float32)}
ZEROS = {2: np.zeros((1, 64), np.float32)}


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_unpacked_constants_are_computed(dtype: str) -> None:
    """What XNNPACK adds to 0 is the constant as it unpacked it."""
    parsed = dequantized_constant(dtype)
    captured = capture(parsed, ZEROS, engine="xnnpack")
    assert captured.missing == {}
    assert captured.origin == {1: "unpacked constant", 2: "input", 3: "delegate partition"}
    assert captured.written.keys() == {2, 3}
    assert "1 of them were computed here, and are not compared" in captured.note
    np.testing.assert_array_equal(captured.tensors[1], captured.tensors[3])


@pytest.mark.parametrize("dtype", ["int8", "float16"])
def test_an_unpacked_constant_leaves_nothing_out(dtype: str) -> None:
    result = run(dequantized_constant(dtype), Inputs(ONES), engine="xnnpack")
    assert result.verdict == "exact"
    assert [layer.op for layer in result.comparison.layers] == ["ADD"]


@pytest.mark.parametrize(
    ("dtype", "also_read_by", "origin"),
    [("uint8", "", "delegate partition"), ("int8", "SIGN", "preserved")],
)
def test_other_dequantized_constants_are_written(
    dtype: str, also_read_by: str, origin: str
) -> None:
    """XNNPACK computes uint8 ones, and leaves alone what an op of the runtime's own reads."""
    parsed = dequantized_constant(dtype, also_read_by)
    captured = capture(parsed, ONES, engine="xnnpack")
    assert captured.missing == {}
    assert captured.origin[1] == origin
    assert_same(captured.tensors, capture(parsed, ONES, engine="optimized").tensors)


def test_what_nothing_reads_is_computed() -> None:
    """The first op feeds no other and gives no output; XNNPACK would leave it out."""
    parsed = chain(conv(), conv())
    result = schema.ModelT.InitFromPackedBuf(parsed.content, 0)
    op = result.subgraphs[0].operators[1]
    op.inputs = [0, *op.inputs[1:]]
    parsed = packed(result)
    first, second = (op.outputs[0] for op in parsed.main.operators)
    captured = capture(parsed, random_feeds(parsed), engine="xnnpack")
    assert captured.origin[first] == "delegate partition"
    assert captured.missing == {}
    np.testing.assert_array_equal(captured.tensors[first], captured.tensors[second])
    assert "with 1 more outputs" in captured.note


def test_partitions_of_several_ops() -> None:
    parsed = chain(image_relu(), image_relu(), image_relu())
    assert xnnpack.are_whole(parsed, [([0], [1]), ([1], [3]), ([3], [5])])
    assert xnnpack.are_whole(parsed, [([0], [1, 3, 5])])
    assert not xnnpack.are_whole(parsed, [([0], [5])])
    assert not xnnpack.are_whole(parsed, [([0], [1]), ([1], [5])])
    assert xnnpack.are_whole(parsed, [])
