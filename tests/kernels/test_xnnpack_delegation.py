"""Which ops XNNPACK takes: our conditions against what the interpreter did."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import (
    ActivationFunctionType,
    FullyConnectedOptionsWeightsFormat,
    Padding,
)

from tests.runtimes.test_environments import VERSIONS
from tests.single_op import Spec, build, random_codes
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.model import parse
from tflreplay.ops import CARDS, card, site
from tflreplay.runtimes import environments
from tflreplay.runtimes.packages import RUNTIMES, installed

Make = Callable[[np.random.Generator], bytes]
PROGRAM = Path(__file__).with_name("delegation.py")
MODELS = 300
# Every runtime that delegates; of older versions those between which XNNPACK's taste changed.
NOW = ("litert", "tensorflow")
BEFORE = ("litert==2.1.6", "litert==1.4.0", "litert==1.2.0", "tensorflow==2.19.1")


class Delegating:
    """An engine that delegates, in a child process that is started anew where it dies."""

    def __init__(self, engine: Engine, log: Path) -> None:
        self.engine = engine
        here = engine.version == installed(engine.runtime)
        python = sys.executable if here else environments.build(engine.runtime, engine.version)
        # Another environment's Python must not find the packages of this one.
        options = [] if here else ["-I"]
        self._command = [str(python), *options, str(PROGRAM), RUNTIMES[engine.runtime].module]
        self._log = log
        self._child: subprocess.Popen[str] | None = None

    def takes(self, content: bytes) -> bool | None:
        """What ``delegation.py`` says of the model; None too where the runtime dies of it."""
        child = self._child or self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(base64.b64encode(content).decode() + "\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        if answer:
            return json.loads(answer)
        with child:  # waits for its end
            self._child = None
        assert child.returncode < 0, self._log.read_text()
        return None

    def stop(self) -> None:
        if self._child is not None:
            with self._child:
                self._child.kill()

    def _start(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        with open(self._log, "w") as log:
            self._child = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=log, text=True
            )
        return self._child


@pytest.fixture(scope="module", params=[*NOW, *BEFORE])
def delegating(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Delegating]:
    runtime, _, version = request.param.partition("==")
    engine = Engine("xnnpack", runtime, version or installed(runtime) or NEWEST[runtime])
    if not VERSIONS and (version or environments.missing(engine)):
        pytest.skip(f"{RUNTIMES[runtime].title} {engine.version} is not installed")
    child = Delegating(engine, tmp_path_factory.mktemp("delegation") / "log")
    yield child
    child.stop()


def predicted(content: bytes, engine: Engine) -> bool:
    graph = parse(content, Path("single_op.tflite")).main
    place = site(engine, graph, graph.operators[0])
    entries = card(graph.operators[0].name).entries("xnnpack")
    return any(entry.takes(place.dtype) and entry.applies(place) for entry in entries)


def mostly(rng: np.random.Generator, usual: Any, *others: Any) -> Any:
    return usual if rng.random() < 0.9 else others[int(rng.integers(len(others)))]


def activation(rng: np.random.Generator) -> dict[str, int]:
    kinds = ActivationFunctionType
    usual = rng.choice([kinds.NONE, kinds.RELU, kinds.RELU6, kinds.RELU_N1_TO_1])
    return {"fusedActivationFunction": int(mostly(rng, usual, kinds.TANH, kinds.SIGN_BIT))}


def quantized(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, scale: float) -> Spec:
    axis = mostly(rng, 0, 1) if len(shape) > 1 else 0
    return Spec(shape, dtype, scale, int(random_codes(rng, (), dtype)), axis=axis)


def ratio(rng: np.random.Generator, *limits: float) -> np.float32:
    """A ratio around one of the limits, or well between them."""
    limit = np.float32(rng.choice([*limits, 0.7]))
    towards = np.float32(rng.choice([0, np.inf, limit]))
    return np.nextafter(limit, towards)


def eight_bits(rng: np.random.Generator) -> str:
    return str(rng.choice(["int8", "uint8"]))


def weights(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], axis: int, other: int
) -> Spec:
    """Weights along one of two axes of one size, or per tensor."""
    dtype = mostly(rng, dtype, "int8", "uint8")
    data = mostly(rng, random_codes(rng, shape, dtype), None)
    if dtype == "uint8" or rng.random() < 0.3:
        zero_point = int(random_codes(rng, (), dtype)) if dtype == "uint8" else mostly(rng, 0, 3)
        return Spec(shape, dtype, 0.1, zero_point, data, mostly(rng, 0, axis))
    return Spec(shape, dtype, np.full(shape[axis], 0.1), 0, data, mostly(rng, axis, other))


def bias(rng: np.random.Generator, channels: int, w: Spec) -> Spec:
    data = mostly(rng, np.zeros(channels, np.int32), None)
    scale = np.atleast_1d(w.scale) * 0.1
    return Spec((channels,), "int32", mostly(rng, scale, None), mostly(rng, 0, 1), data)


def conv(rng: np.random.Generator) -> bytes:
    dtype, channels = eight_bits(rng), int(rng.integers(1, 6))
    x = quantized(rng, (1, 6, 6, channels), dtype, 0.1)
    w = weights(rng, dtype, (channels, 3, 3, channels), 0, 3)
    y = quantized(rng, x.shape, dtype, 0.5)
    fields = {"padding": Padding.SAME, "strideH": 1, "strideW": 1} | activation(rng)
    return build("CONV_2D", [x, w, bias(rng, channels, w)], [y], fields, "Conv2DOptions", 5)


def depthwise(rng: np.random.Generator) -> bytes:
    dtype, channels = eight_bits(rng), int(rng.integers(1, 6))
    x = quantized(rng, (1, 6, 6, channels), dtype, 0.1)
    w = weights(rng, dtype, (1, 3, channels, channels), 3, 2)
    y = quantized(rng, x.shape, dtype, 0.5)
    fields = {"padding": Padding.SAME, "strideH": 1, "strideW": 1} | activation(rng)
    fields["depthMultiplier"] = 1
    inputs = [x, w, bias(rng, channels, w)]
    return build("DEPTHWISE_CONV_2D", inputs, [y], fields, "DepthwiseConv2DOptions", 6)


def fully_connected(rng: np.random.Generator) -> bytes:
    dtype, units = eight_bits(rng), int(rng.integers(1, 20))
    x = quantized(rng, (3, units), dtype, 0.1)
    w = weights(rng, dtype, (units, units), 0, 1)
    if dtype == "int8" and rng.random() < 0.2:
        codes = rng.integers(-7, 8, (units, units))
        packed = np.append(codes.reshape(-1), 0)[: units * units + units % 2].astype(np.uint8) & 15
        data = packed[::2] | packed[1::2] << 4
        w = Spec((units, units), "int4", mostly(rng, [0.1], np.full(units, 0.1)), 0, data)
    y = quantized(rng, (3, units), dtype, 0.5)
    formats = FullyConnectedOptionsWeightsFormat
    fields = activation(rng) | {
        "weightsFormat": mostly(rng, formats.DEFAULT, formats.SHUFFLED4x16INT8)
    }
    inputs = [x, w, mostly(rng, bias(rng, units, w), None)]
    return build("FULLY_CONNECTED", inputs, [y], fields, "FullyConnectedOptions", 12)


def transpose_conv(rng: np.random.Generator) -> bytes:
    dtype, channels = eight_bits(rng), int(rng.integers(1, 6))
    kernel, stride = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    same = bool(rng.random() < 0.5)
    side = 6 * stride if same else 5 * stride + kernel
    x = quantized(rng, (1, 6, 6, channels), dtype, 0.1)
    w = weights(rng, dtype, (channels, kernel, kernel, channels), 0, 3)
    y = quantized(rng, (1, side, side, channels), dtype, 0.5)
    shape = Spec((4,), "int32", data=mostly(rng, np.array(y.shape, np.int32), None))
    fields = {"padding": int(Padding.SAME if same else Padding.VALID)} | activation(rng)
    fields |= {"strideH": stride, "strideW": stride}
    inputs = [shape, w, x, *mostly(rng, [bias(rng, channels, w)], [])]
    return build("TRANSPOSE_CONV", inputs, [y], fields, "TransposeConvOptions", 3)


def batch_matmul(rng: np.random.Generator) -> bytes:
    a, b = (quantized(rng, (2, 3, 3), "int8", 0.1) for _ in "ab")
    b = replace(b, zero_point=mostly(rng, 0, 3))
    if rng.random() < 0.2:
        b = replace(b, scale=np.full(3, 0.1), axis=mostly(rng, 2, 1))
    if rng.random() < 0.5:
        b = replace(b, data=random_codes(rng, b.shape, "int8"))
    y = quantized(rng, (2, 3, 3), "int8", 0.5)
    fields = {"adjX": bool(rng.random() < 0.5), "adjY": bool(rng.random() < 0.5)}
    return build("BATCH_MATMUL", [a, b], [y], fields, "BatchMatMulOptions", 4)


def float_bias(rng: np.random.Generator, channels: int) -> Spec:
    return Spec((channels,), "float32", data=mostly(rng, np.ones(channels, np.float32), None))


def hybrid_conv(rng: np.random.Generator) -> bytes:
    channels = int(rng.integers(1, 6))
    x, y = (Spec((1, 6, 6, channels), "float32") for _ in "xy")
    w = weights(rng, "int8", (channels, 3, 3, channels), 0, 3)
    w = replace(w, data=random_codes(rng, w.shape, w.dtype))
    fields = {"padding": Padding.SAME, "strideH": 1, "strideW": 1} | activation(rng)
    return build("CONV_2D", [x, w, float_bias(rng, channels)], [y], fields, "Conv2DOptions", 5)


def hybrid_fully_connected(rng: np.random.Generator) -> bytes:
    units = int(rng.integers(1, 20))
    x, y = (Spec((3, units), "float32") for _ in "xy")
    w = weights(rng, "int8", (units, units), 0, 1)
    if rng.random() < 0.3:
        data = random_codes(rng, ((units * units + 1) // 2,), "uint8")
        w = Spec((units, units), "int4", mostly(rng, [0.1], np.full(units, 0.1)), 0, data)
    w = replace(w, zero_point=0)
    inputs = [x, w, mostly(rng, float_bias(rng, units), None)]
    return build("FULLY_CONNECTED", inputs, [y], activation(rng), "FullyConnectedOptions", 9)


def binary(op: str, options: str) -> Make:
    def make(rng: np.random.Generator) -> bytes:
        dtype = eight_bits(rng)
        shape = (1,) * int(rng.integers(0, 6)) + (2, 3)
        limits = (2.0**-16, 256.0) if op == "MUL" else (2.0**-10, 256.0)
        r = ratio(rng, *limits)
        scales = (r, 1.0) if op == "MUL" else rng.permutation([r, 0.7])
        a, b = (quantized(rng, shape, dtype, scale) for scale in scales)
        y = quantized(rng, shape, dtype, 1.0)
        return build(op, [a, b], [y], activation(rng), options, version=2)

    return make


def unary(op: str) -> Make:
    def make(rng: np.random.Generator) -> bytes:
        dtype = eight_bits(rng)
        shape = (1,) * int(rng.integers(0, 6)) + (2, 3)
        x = quantized(rng, shape, dtype, ratio(rng, 1 / 256, 128.0))
        # QUANTIZE alone has kernels from one type to another.
        target = mostly(rng, dtype, "int8", "uint8") if op == "QUANTIZE" else dtype
        y = quantized(rng, shape, target, 1.0)
        if op == "LOGISTIC":
            y = Spec(shape, dtype, 1 / 256, -128 if dtype == "int8" else 0, axis=y.axis)
        if op == "LEAKY_RELU":
            alpha = float(rng.choice([0.0, 0.5, -0.5, -1.0, 1 / 256, 3.0, 1e-40]))
            return build(op, [x], [y], {"alpha": alpha}, "LeakyReluOptions")
        if op == "DEQUANTIZE":
            return build(op, [x], [Spec(shape, "float32")])
        if op == "QUANTIZE" and rng.random() < 0.3:
            return build(op, [Spec(shape, "float32")], [y])
        return build(op, [x], [y])

    return make


def reduction(op: str, floating: bool = False) -> Make:
    def make(rng: np.random.Generator) -> bytes:
        dtype = eight_bits(rng)
        x = quantized(rng, (2, 3, 4, 5), dtype, 0.1)
        count = int(rng.integers(1, 4))
        axes = rng.choice(4, count, replace=False).astype(np.int32)
        axes = mostly(rng, axes, axes - 4, np.tile(axes, 3))
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes % 4)
        y = quantized(rng, shape, dtype, 0.2)
        if floating:
            x, y = Spec(x.shape, "float32"), Spec(shape, "float32")
        indices = Spec(axes.shape, "int32", data=axes)
        return build(op, [x, indices], [y], {"keepDims": False}, "ReducerOptions", 2)

    return make


def floating(op: str, inputs: int = 1, options: str | None = None) -> Make:
    """An elementwise op on float32 of up to 8 dimensions."""

    def make(rng: np.random.Generator) -> bytes:
        spec = Spec((1,) * int(rng.integers(0, 7)) + (2, 3), "float32")
        fused = inputs == 2 and op != "SQUARED_DIFFERENCE"
        fields: dict[str, Any] = activation(rng) if fused else {}
        if op == "LEAKY_RELU":
            fields["alpha"] = float(rng.choice([0.0, 0.5, -0.5, 1e-40]))
        if op == "SOFTMAX":
            fields["beta"] = float(mostly(rng, 1, 0.5))
        return build(op, [spec] * inputs, [spec], fields, options)

    return make


def floating_pool(op: str) -> Make:
    def make(rng: np.random.Generator) -> bytes:
        sizes = ("filterHeight", "filterWidth", "strideH", "strideW")
        fields = {name: int(rng.integers(1, 4)) for name in sizes} | activation(rng)
        specs = Spec((1, 8, 8, 3), "float32"), Spec((1, 1, 1, 1), "float32")
        return build(op, specs[:1], specs[1:], fields, "Pool2DOptions", 2)

    return make


def max_pool(rng: np.random.Generator) -> bytes:
    dtype = eight_bits(rng)
    x = quantized(rng, (1, 8, 8, 3), dtype, 0.1)
    y = Spec((1, 1, 1, 1), dtype, x.scale, x.zero_point, axis=mostly(rng, 0, 1))
    sizes = ("filterHeight", "filterWidth", "strideH", "strideW")
    fields = {name: int(rng.integers(1, 4)) for name in sizes} | activation(rng)
    return build("MAX_POOL_2D", [x], [y], fields, "Pool2DOptions", 2)


def resize_bilinear(rng: np.random.Generator) -> bytes:
    x = quantized(rng, (1, 4, 5, 3), eight_bits(rng), 0.1)
    if rng.random() < 0.3:
        x = Spec(x.shape, "float32")
    size = np.array([7, 9], np.int32)
    given = Spec((2,), "int32", data=mostly(rng, size, None))
    fields = {"halfPixelCenters": bool(rng.integers(2))}
    y = Spec((1, 7, 9, 3), x.dtype, x.scale, x.zero_point, axis=x.axis)
    return build("RESIZE_BILINEAR", [x, given], [y], fields, "ResizeBilinearOptions", 3)


REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
OPTIONS = {
    "EXP": "ExpOptions",
    "GELU": "GeluOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "NEG": "NegOptions",
    "SOFTMAX": "SoftmaxOptions",
}
MAKES = {
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": fully_connected,
    "TRANSPOSE_CONV": transpose_conv,
    "BATCH_MATMUL": batch_matmul,
    "CONV_2D on float32": hybrid_conv,
    "FULLY_CONNECTED on float32": hybrid_fully_connected,
    "ADD": binary("ADD", "AddOptions"),
    "SUB": binary("SUB", "SubOptions"),
    "MUL": binary("MUL", "MulOptions"),
    **{op: reduction(op) for op in ("MEAN", "SUM")},
    "MAX_POOL_2D": max_pool,
    "RESIZE_BILINEAR": resize_bilinear,
    **{
        op: unary(op)
        for op in (
            *("LOGISTIC", "TANH", "ELU", "LEAKY_RELU", "QUANTIZE", "DEQUANTIZE"),
            *("RELU", "HARD_SWISH"),
        )
    },
    **{
        f"{op} on float32": floating(op, 2, f"{op.title().replace('_', '')}Options")
        for op in ("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE")
    },
    **{
        f"{op} on float32": floating(op, 1, OPTIONS.get(op))
        for op in (
            *("COS", "ELU", "EXP", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC"),
            *("NEG", "ROUND", "RSQRT", "SIN", "SOFTMAX", "SQRT", "SQUARE", "TANH"),
        )
    },
    **{f"{op} on float32": reduction(op, floating=True) for op in REDUCTIONS},
    **{f"{op} on float32": floating_pool(op) for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D")},
}


@pytest.mark.parametrize("op", MAKES)
def test_prediction_is_what_the_interpreter_did(op: str, delegating: Delegating) -> None:
    rng = np.random.default_rng(1)
    seen: Counter[bool] = Counter()
    for _ in range(MODELS):
        content = MAKES[op](rng)
        truth = delegating.takes(content)
        if truth is not None:
            assert predicted(content, delegating.engine) == truth
            seen[truth] += 1
    newest = delegating.engine.version == NEWEST["litert"]
    # The interpreter gives all reductions of float32 away.
    assert seen[False] > 10 or op in [f"{name} on float32" for name in REDUCTIONS] or not newest
    assert seen[True] > 10 or op in ("RELU", "HARD_SWISH") or not newest


def test_every_op_of_the_table_is_tried() -> None:
    tried = {op.removesuffix(" on float32") for op in MAKES}
    assert {op for op, card in CARDS.items() if list(card.rows("xnnpack"))} <= tried


def test_conditions_say_what_they_test() -> None:
    texts = [str(row.when) for card in CARDS.values() for row in card.rows("xnnpack")]
    assert all(text and "object at" not in text and "None" not in text for text in texts)
