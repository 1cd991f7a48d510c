"""TFLM: capture, and its arithmetic on single-op models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.kernels.common import every_code, near_tie_ratio
from tests.kernels.test_batch_matmul import random_model as random_batch_matmul
from tests.kernels.test_conv import random_conv, random_depthwise
from tests.kernels.test_fully_connected import random_fully_connected
from tests.kernels.test_transpose_conv import random_model as random_transpose_conv
from tests.runtimes.test_capture import assert_same, chain, packed, random_feeds, relu
from tests.single_op import Spec, build, random_codes, random_scale, run_replay
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.model import Model, parse, without_memory_plan
from tflreplay.replayer.loop import replay, replay_isolated
from tflreplay.runtimes import capture, resolve
from tflreplay.runtimes.inputs import Inputs

runtime = pytest.importorskip("tflite_micro.python.tflite_micro.runtime")

OUTPUTS = 100_000
Case = tuple[bytes, list[np.ndarray]]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return resolve(engine="tflm")


def read_directly(parsed: Model, feeds: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
    interpreter = runtime.Interpreter.from_bytes(
        parsed.content,
        arena_size=2**26,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    for position, array in enumerate(feeds):
        interpreter.set_input(array, position)
    interpreter.invoke()
    outputs = [index for op in parsed.main.operators for index in op.outputs]
    return {index: interpreter.GetTensor(index, 0)["tensor_data"] for index in outputs}


# Capture


def test_equals_direct_reading(seven_ops: Model, seven_inputs: Inputs) -> None:
    captured = capture(seven_ops, seven_inputs.arrays, engine="tflm", threads=3)
    feeds = [seven_inputs.arrays[index] for index in seven_ops.main.inputs]
    assert_same(captured.tensors, seven_inputs.arrays | read_directly(seven_ops, feeds))
    assert (captured.runtime, captured.engine, captured.threads) == ("tflm", "tflm", 1)
    assert captured.missing == {}
    assert set(captured.origin.values()) == {"input", "preserved"}
    assert captured.version == resolve(engine="tflm").version


def test_refusal_says_what_tflm_printed() -> None:
    parsed = chain(build("RELU_N1_TO_1", [Spec((4,), "int8", 0.1)], [Spec((4,), "int8", 0.1)]))
    with pytest.raises(CaptureError, match=r"TFLM .* refuses chain.tflite: .* \(.*RELU_N1_TO_1"):
        capture(parsed, random_feeds(parsed), engine="tflm")


def test_refusal_says_why() -> None:
    """The reason stands before the line that says which op it is."""
    x, y = Spec((1, 4), "float32"), Spec((1, 2), "float32")
    weights = Spec((2, 4), "int8", 0.1, data=np.ones((2, 4), np.int8))
    parsed = chain(build("FULLY_CONNECTED", [x, weights, None], [y], {}, "FullyConnectedOptions"))
    reason = r"\(Input type: FLOAT32 with filter type: INT8 not supported; Node FULLY_CONNECTED"
    with pytest.raises(CaptureError, match=reason):
        capture(parsed, random_feeds(parsed), engine="tflm")


def test_a_bias_that_is_read_past_its_end() -> None:
    """An int16 DEPTHWISE_CONV_2D reads any bias as int64."""
    rng = np.random.default_rng(3)
    x = Spec((1, 3, 3, 2), "int16", 0.1)
    weights = Spec((1, 2, 2, 2), "int8", 0.1, data=random_codes(rng, (1, 2, 2, 2), "int8"))
    options = {"strideH": 1, "strideW": 1, "depthMultiplier": 1, "padding": 1}
    options |= {"dilationHFactor": 1, "dilationWFactor": 1}
    table = "DepthwiseConv2DOptions"
    for bias, reason in (("int32", "TFLM reads it as int64, past its end"), ("int64", "")):
        added = Spec((2,), bias, 0.01, data=np.ones(2, bias))
        y = Spec((1, 2, 2, 2), "int16", 0.1)
        content = build("DEPTHWISE_CONV_2D", [x, weights, added], [y], options, table)
        parsed = parse(content, Path("bias.tflite"))
        result = replay(parsed, random_feeds(parsed), Engine("tflm", "tflm"))
        assert reason in result.not_replayed.get(0, "")
        assert bool(reason) == bool(result.not_replayed)


def test_failure_is_laid_at_the_op() -> None:
    """RELU of uint8 is refused when it runs; op 2 still reads int8."""
    unsigned = build("RELU", [Spec((1, 512), "uint8", 0.1)], [Spec((1, 512), "uint8", 0.1)])
    parsed = chain(relu(), relu(), unsigned, unsigned, relu())
    captured = capture(parsed, random_feeds(parsed), engine="tflm")
    assert "could not run chain.tflite at op 3 RELU (" in captured.failure
    assert "; Node RELU (number 3) failed to invoke" in captured.failure
    assert len(captured.tensors) == 4
    assert len(captured.missing) == 2


def planned(content: bytes) -> Model:
    """The model with a memory plan that lays all its tensors in one place."""
    result = schema.ModelT.InitFromPackedBuf(content, 0)
    plan = np.array([1, 0, len(result.subgraphs[0].tensors)], np.int32)
    plan = np.concatenate([plan, np.zeros(plan[2], np.int32)])
    entry = schema.MetadataT()
    entry.name, entry.buffer = "OfflineMemoryAllocation", len(result.buffers)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(plan.tobytes(), np.uint8)
    result.buffers.append(buffer)
    result.metadata = [entry]
    return packed(result)


def test_an_offline_memory_plan_is_left_out() -> None:
    plain = chain(relu(), relu(), relu())
    parsed = planned(plain.content)
    feeds = random_feeds(plain)
    captured = capture(parsed, feeds, engine="tflm")
    assert "without its offline memory plan" in captured.note
    assert_same(captured.tensors, capture(plain, feeds, engine="tflm").tensors)
    content, found = without_memory_plan(parsed.content)
    assert found
    assert without_memory_plan(content) == (content, False)


def test_an_input_cannot_be_resized() -> None:
    with pytest.raises(CaptureError, match="Dimension mismatch"):
        capture(chain(relu()), {0: np.zeros((2, 512), np.int8)}, engine="tflm")


# Row


def test_seven_ops_are_exact(seven_ops: Model, seven_inputs: Inputs, engine: Engine) -> None:
    captured = capture(seven_ops, seven_inputs.arrays, engine="tflm")
    for result in (
        replay(seven_ops, seven_inputs.arrays, engine),
        replay_isolated(seven_ops, captured.tensors, engine),
    ):
        assert result.not_replayed == {}
        for op in seven_ops.main.operators:
            for index in op.outputs:
                np.testing.assert_array_equal(result.tensors[index], captured.tensors[index])


def with_weights(rng: np.random.Generator, op: str) -> Case:
    """An op on int16 activations by int8 weights, or int16 matrices."""
    if op == "TRANSPOSE_CONV":
        return random_transpose_conv(rng, "int16", bias=False)
    if op == "BATCH_MATMUL":
        return random_batch_matmul(rng, "int16", "int16")
    if op == "FULLY_CONNECTED":
        content, x = random_fully_connected(rng, "int16", "int8", bool(rng.random() < 0.5))
    else:
        make = {"CONV_2D": random_conv, "DEPTHWISE_CONV_2D": random_depthwise}[op]
        content, x = make(rng, "int16")
    return content, [x]


WITH_WEIGHTS = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
    "BATCH_MATMUL",
)


@pytest.mark.parametrize("op", WITH_WEIGHTS)
def test_int16_is_exact(op: str, engine: Engine) -> None:
    rng = np.random.default_rng(2)
    total = 0
    while total < OUTPUTS // 2:
        content, inputs = with_weights(rng, op)
        if _not_replayed(content, inputs, engine):  # a multiplier of 2**14 or more
            continue
        parsed = parse(content, Path("single_op.tflite"))
        (output,) = parsed.main.outputs
        expected = read_directly(parsed, inputs)[output]
        ours = run_replay(content, inputs, engine)[0]
        np.testing.assert_array_equal(ours, expected)
        total += ours.size


def conv(rng: np.random.Generator) -> Case:
    content, x = random_conv(rng, "int8")
    return content, [x]


def depthwise(rng: np.random.Generator) -> Case:
    content, x = random_depthwise(rng, "int8")
    return content, [x]


def fully_connected(rng: np.random.Generator) -> Case:
    """Power-of-two scales: halves are common, and TFLM rounds them twice."""
    depth, units = (int(n) for n in rng.integers(1, 100, 2))
    weights = random_codes(rng, (units, depth), "int8")
    channels = units if rng.random() < 0.5 else 1
    scales = np.float32(rng.choice([2.0**-6, 2.0**-7, 3 * 2.0**-8], channels))
    bias = rng.integers(-9999, 9999, units).astype(np.int32)
    x = Spec((40, depth), "int8", np.float32(0.5), int(rng.integers(-128, 128)))
    bias_scale = np.float32(0.5) * scales
    content = build(
        "FULLY_CONNECTED",
        [
            x,
            Spec(weights.shape, "int8", scales, 0, weights),
            Spec((units,), "int32", bias_scale, 0, bias),
        ],
        [Spec((40, units), "int8", np.float32(2.0 ** rng.integers(-1, 4)), 3)],
        {},
        "FullyConnectedOptions",
        version=5,
    )
    return content, [random_codes(rng, x.shape, "int8")]


def binary(op: str, options: str | None) -> Callable[[np.random.Generator], Case]:
    def case(rng: np.random.Generator) -> Case:
        """Scales in small ratios: results lie on or next to ties."""
        first = np.float32(rng.uniform(0.01, 1))
        second, out = (np.float32(first * rng.integers(1, 64) / part) for part in (64, 32))
        if op in ("MUL", "PRELU"):
            out = np.float32(first * second / near_tie_ratio(rng))
        specs = [Spec((65536,), "int8", scale, 0) for scale in (first, second, out)]
        every = every_code("int8")
        content = build(op, specs[:2], specs[2:], {}, options, version=2)
        return content, [np.repeat(every, 256), np.tile(every, 256)]

    return case


def mean(rng: np.random.Generator) -> Case:
    height, width, channels = (int(n) for n in (*rng.integers(1, 9, 2), rng.integers(1, 500)))
    scale = random_scale(rng)
    axes = Spec((2,), "int32", data=np.array([1, 2], np.int32))
    ratio = 2.0 ** rng.integers(-3, 3) if rng.random() < 0.5 else rng.uniform(0.3, 3)
    x = Spec((4, height, width, channels), "int8", scale, int(rng.integers(-128, 128)))
    y = Spec((4, 1, 1, channels), "int8", np.float32(scale * ratio), int(rng.integers(-128, 128)))
    content = build("MEAN", [x, axes], [y], {"keepDims": True}, "ReducerOptions", 2)
    return content, [random_codes(rng, x.shape, "int8")]


def total(rng: np.random.Generator) -> Case:
    """LiteRT's reference kernel reads int8 as uint8."""
    x = Spec((9, int(rng.integers(1, 9)), 300), "int8", random_scale(rng), 3)
    axis = Spec((1,), "int32", data=np.array([1], np.int32))
    y = Spec((9, 300), "int8", np.float32(x.scale * rng.uniform(0.5, 4)), -5)
    content = build("SUM", [x, axis], [y], {"keepDims": False}, "ReducerOptions", 2)
    return content, [random_codes(rng, x.shape, "int8")]


def unary(
    op: str,
    output: tuple[float, int] | None = None,
    options: str | None = None,
    **fields: float,
) -> Callable[[np.random.Generator], Case]:
    def case(rng: np.random.Generator) -> Case:
        """Every code, on scales that put some next to a tie."""
        scale = random_scale(rng)
        x = rng.permutation(every_code("int8")).reshape(1, 256)
        source = Spec(x.shape, "int8", scale, int(rng.integers(-128, 128)))
        target = output or (np.float32(scale / near_tie_ratio(rng)), int(rng.integers(-128, 128)))
        return build(op, [source], [Spec(x.shape, "int8", *target)], fields, options), [x]

    return case


def softmax_int16(rng: np.random.Generator) -> Case:
    """Codes over the whole range, or close to each other."""
    shape = (400, int(rng.integers(1, 100)))
    beta = float(rng.choice([1.0, rng.uniform(0.1, 4)]))
    x = Spec(shape, "int16", random_scale(rng, 1e-6, 1e-2), 0)
    y = Spec(shape, "int16", 2.0**-15, 0)
    content = build("SOFTMAX", [x], [y], {"beta": beta}, "SoftmaxOptions")
    return content, [random_codes(rng, shape, "int16") // int(rng.integers(1, 100))]


# Each with the outputs to compare, and whether LiteRT's reference arithmetic must fail on some.
CASES = {
    "CONV_2D": (conv, OUTPUTS, False),
    "DEPTHWISE_CONV_2D": (depthwise, OUTPUTS, False),
    "FULLY_CONNECTED": (fully_connected, OUTPUTS, True),
    "ADD": (binary("ADD", "AddOptions"), 4 * OUTPUTS, False),
    "SUB": (binary("SUB", "SubOptions"), 4 * OUTPUTS, False),
    "MUL": (binary("MUL", "MulOptions"), 8 * OUTPUTS, True),
    "MEAN": (mean, OUTPUTS, False),
    "LOGISTIC": (unary("LOGISTIC", (1 / 256, -128)), OUTPUTS, True),
    "TANH": (unary("TANH", (1 / 128, 0)), OUTPUTS, True),
    "RELU": (unary("RELU"), OUTPUTS, True),
    "RELU6": (unary("RELU6"), OUTPUTS, True),
    "LEAKY_RELU": (unary("LEAKY_RELU", None, "LeakyReluOptions", alpha=0.3), OUTPUTS, True),
    "HARD_SWISH": (unary("HARD_SWISH"), OUTPUTS, False),
    "SOFTMAX": (unary("SOFTMAX", (1 / 256, -128), "SoftmaxOptions", beta=1.0), OUTPUTS, False),
    "SOFTMAX int16": (softmax_int16, 10 * OUTPUTS, True),
    "QUANTIZE": (unary("QUANTIZE"), OUTPUTS, False),
    "ABS": (unary("ABS", None, "AbsOptions"), OUTPUTS, True),
    "PRELU": (binary("PRELU", None), 8 * OUTPUTS, True),
    "SUM": (total, OUTPUTS, True),
}


@pytest.mark.parametrize("op", CASES)
def test_arithmetic(op: str, engine: Engine) -> None:
    case, outputs, unlike_reference = CASES[op]
    rng = np.random.default_rng(1)
    total = unlike = 0
    while total < outputs:
        content, inputs = case(rng)
        if op == "HARD_SWISH" and _not_replayed(content, inputs, engine):
            continue
        (theirs,) = read_directly(parse(content, Path("single_op.tflite")), inputs).values()
        (ours,) = run_replay(content, inputs, engine)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
        total += ours.size
        unlike += int((run_replay(content, inputs)[0] != ours).sum())
    assert (unlike > 0) == unlike_reference


def _not_replayed(content: bytes, inputs: Sequence[np.ndarray], engine: Engine) -> bool:
    """HARD_SWISH by a ratio of scales for which the kernel's shifts are undefined."""
    parsed = parse(content, Path("single_op.tflite"))
    feeds = dict(zip(parsed.main.inputs, inputs, strict=True))
    return bool(replay(parsed, feeds, engine).not_replayed)


def test_dequantize_takes_the_first_of_several_scales(engine: Engine) -> None:
    rng = np.random.default_rng(2)
    codes = random_codes(rng, (2, 3, 40), "int8")
    source = Spec(codes.shape, "int8", rng.uniform(0.1, 1, 3), rng.integers(-9, 9, 3), axis=1)
    content = build("DEQUANTIZE", [source], [Spec(codes.shape, "float32")], version=2)
    (theirs,) = read_directly(parse(content, Path("single_op.tflite")), [codes]).values()
    np.testing.assert_array_equal(run_replay(content, [codes], engine)[0], theirs)
    assert (run_replay(content, [codes])[0] != theirs).any()
