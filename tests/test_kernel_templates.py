"""``tflreplay kernel``: what it prints compiles without a warning, runs, and is exact."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.single_op import Spec, build, random_codes, random_scale, run_engine
from tflreplay.ground.errors import InputError
from tflreplay.model import parse
from tflreplay.replayer.loop import replay
from tflreplay.replayer.user_kernels import HEADER, load_kernels, rows
from tflreplay.reports import kernel

OUTPUTS = 100_000
CMSIS_NN = os.environ.get("TFLREPLAY_CMSIS_NN")
HAS_COMPILER = any(map(shutil.which, ("cc", "gcc", "clang")))

Inputs = list[np.ndarray]
Case = tuple[bytes, Inputs]
ACTIVATIONS = (0, 1, 2, 3)  # NONE, RELU, RELU_N1_TO_1, RELU6


def zero_point(rng: np.random.Generator) -> int:
    return int(rng.integers(-128, 128))


def spec(rng: np.random.Generator, shape: tuple[int, ...], low: float = 1e-3) -> Spec:
    return Spec(shape, "int8", random_scale(rng, low, 0.5), zero_point(rng))


def geometry(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "padding": int(rng.integers(2)),
        "strideH": int(rng.integers(1, 4)),
        "strideW": int(rng.integers(1, 4)),
        "fusedActivationFunction": int(rng.choice(ACTIVATIONS)),
    }


def out_shape(x: tuple[int, ...], size: tuple[int, int], o: dict[str, Any], c: int) -> Any:
    """Of a window that slides over x; NHWC."""
    found = []
    for axis, letter in ((1, "H"), (2, "W")):
        effective = (size[axis - 1] - 1) * o.get(f"dilation{letter}Factor", 1) + 1
        left = x[axis] if o["padding"] == 0 else x[axis] - effective + 1
        found.append(-(-left // o[f"stride{letter}"]))
    return (x[0], *found, c)


def weighted(
    rng: np.random.Generator, x: Spec, shape: tuple[int, ...], channels: int, axis: int
) -> tuple[Spec, Spec, float]:
    """Weights and bias, of one scale or one a channel, and a scale for the output."""
    scale = np.array([random_scale(rng, 1e-3, 0.05) for _ in range(int(rng.choice([1, channels])))])
    depth = int(np.prod(shape)) // channels
    filters = Spec(shape, "int8", scale, data=random_codes(rng, shape, "int8"), axis=axis)
    reach = 74.0**2 * np.sqrt(depth)
    bias = rng.integers(-int(reach), int(reach), channels).astype(np.int32)
    per_channel = x.scale * np.broadcast_to(scale, channels)
    out = float(x.scale * scale.max() * reach / rng.uniform(20, 200))
    return filters, Spec((channels,), "int32", per_channel, data=bias), out


def conv_2d(rng: np.random.Generator) -> Case:
    c, group, o = 6, int(rng.choice([1, 2])), int(rng.choice([4, 10]))
    size = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    x = spec(rng, (2, 14, 13, c))
    options = geometry(rng)
    if 1 in (options["strideH"], options["strideW"]):
        options |= {"dilationHFactor": int(rng.integers(1, 3)), "dilationWFactor": 2}
    filters, bias, scale = weighted(rng, x, (o, *size, c // group), o, 0)
    y = Spec(out_shape(x.shape, size, options, o), "int8", scale, zero_point(rng))
    content = build("CONV_2D", [x, filters, bias], [y], options, "Conv2DOptions")
    return content, [random_codes(rng, x.shape, "int8")]


def depthwise_conv_2d(rng: np.random.Generator) -> Case:
    c, multiplier = 6, int(rng.choice([1, 3]))
    size = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    x = spec(rng, (2, 14, 13, c))
    options = {**geometry(rng), "depthMultiplier": multiplier}
    options["strideW"] = options["strideH"]
    filters, bias, scale = weighted(rng, x, (1, *size, c * multiplier), c * multiplier, 3)
    y = Spec(out_shape(x.shape, size, options, c * multiplier), "int8", scale, zero_point(rng))
    content = build("DEPTHWISE_CONV_2D", [x, filters, bias], [y], options, "DepthwiseConv2DOptions")
    return content, [random_codes(rng, x.shape, "int8")]


def fully_connected(rng: np.random.Generator) -> Case:
    depth, units = int(rng.integers(3, 40)), int(rng.integers(2, 30))
    x = spec(rng, (40, depth))
    filters, bias, scale = weighted(rng, x, (units, depth), units, 0)
    y = Spec((40, units), "int8", scale, zero_point(rng))
    options = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    inputs = [x, filters] if rng.random() < 0.3 else [x, filters, bias]
    content = build("FULLY_CONNECTED", inputs, [y], options, "FullyConnectedOptions")
    return content, [random_codes(rng, x.shape, "int8")]


BROADCAST = (
    ((2, 5, 17, 11), (2, 5, 17, 11)),
    ((2, 25, 7, 6), (6,)),
    ((6, 1, 9), (1, 16, 1)),
    ((3,), (2, 7, 3)),
)


def binary(op: str, rng: np.random.Generator) -> Case:
    left, right = BROADCAST[int(rng.integers(len(BROADCAST)))]
    a, b = spec(rng, left), spec(rng, right)
    reach = a.scale * b.scale * 100 if op == "MUL" else max(a.scale, b.scale)
    scale = np.float32(reach * rng.uniform(0.2, 3))
    y = Spec(np.broadcast_shapes(left, right), "int8", scale, zero_point(rng))
    options = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    content = build(op, [a, b], [y], options, f"{op.capitalize()}Options")
    return content, [random_codes(rng, shape, "int8") for shape in (left, right)]


def pool(op: str, rng: np.random.Generator) -> Case:
    size = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    x = spec(rng, (2, 14, 13, 7))
    options = {**geometry(rng), "filterHeight": size[0], "filterWidth": size[1]}
    y = Spec(out_shape(x.shape, size, options, 7), "int8", x.scale, x.zero_point)
    return build(op, [x], [y], options, "Pool2DOptions"), [random_codes(rng, x.shape, "int8")]


def mean(rng: np.random.Generator) -> Case:
    x = spec(rng, (3, 9, 8, 20))
    axes = [(1, 2), (-1,), (0, 3), (2,), (1, 2, 3)][int(rng.integers(5))]
    keep = bool(rng.integers(2))
    shape = np.mean(np.zeros(x.shape), axis=axes, keepdims=keep).shape
    y = Spec(shape, "int8", np.float32(x.scale * rng.uniform(0.1, 1)), zero_point(rng))
    where = Spec((len(axes),), "int32", data=np.array(axes, np.int32))
    content = build("MEAN", [x, where], [y], {"keepDims": keep}, "ReducerOptions")
    return content, [random_codes(rng, x.shape, "int8")]


def unary(op: str, rng: np.random.Generator, output: tuple[float, int] | None = None) -> Case:
    x = spec(rng, (4, 7, 64))
    ratio = rng.uniform(0.1, 1.5)
    scale, zero = output or (np.float32(x.scale / ratio), zero_point(rng))
    content = build(op, [x], [Spec(x.shape, "int8", scale, zero)])
    return content, [random_codes(rng, x.shape, "int8")]


def hard_swish(rng: np.random.Generator) -> Case:
    x = Spec((4, 7, 64), "int8", random_scale(rng, 1e-3, 0.2), zero_point(rng))
    y = Spec(x.shape, "int8", np.float32(x.scale * rng.uniform(0.6, 2)), zero_point(rng))
    return build("HARD_SWISH", [x], [y]), [random_codes(rng, x.shape, "int8")]


def softmax(rng: np.random.Generator) -> Case:
    x = Spec((60, int(rng.integers(1, 40))), "int8", random_scale(rng, 1e-2, 0.5), zero_point(rng))
    y = Spec(x.shape, "int8", 1 / 256, -128)
    beta = float(rng.choice([1.0, 0.5, 2.0]))
    content = build("SOFTMAX", [x], [y], {"beta": beta}, "SoftmaxOptions")
    return content, [random_codes(rng, x.shape, "int8")]


def quantize(rng: np.random.Generator) -> Case:
    y = spec(rng, (5, 300))
    if rng.random() < 0.5:
        return unary("QUANTIZE", rng)
    x = rng.normal(0, 40 * y.scale, y.shape).astype(np.float32)
    halves = (rng.integers(-60, 60, y.shape) + 0.5) * y.scale
    x = np.where(rng.random(y.shape) < 0.3, halves, x).astype(np.float32)
    return build("QUANTIZE", [Spec(y.shape, "float32")], [y]), [x]


def dequantize(rng: np.random.Generator) -> Case:
    x = spec(rng, (5, 300))
    content = build("DEQUANTIZE", [x], [Spec(x.shape, "float32")])
    return content, [random_codes(rng, x.shape, "int8")]


CASES: dict[str, Callable[[np.random.Generator], Case]] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "ADD": partial(binary, "ADD"),
    "SUB": partial(binary, "SUB"),
    "MUL": partial(binary, "MUL"),
    "AVERAGE_POOL_2D": partial(pool, "AVERAGE_POOL_2D"),
    "MAX_POOL_2D": partial(pool, "MAX_POOL_2D"),
    "MEAN": mean,
    "RELU": partial(unary, "RELU"),
    "RELU6": partial(unary, "RELU6"),
    "RELU_N1_TO_1": partial(unary, "RELU_N1_TO_1"),
    "LOGISTIC": partial(unary, "LOGISTIC", output=(1 / 256, -128)),
    "TANH": partial(unary, "TANH", output=(1 / 128, 0)),
    "HARD_SWISH": hard_swish,
    "SOFTMAX": softmax,
    "QUANTIZE": quantize,
    "DEQUANTIZE": dequantize,
}


def printed() -> Iterator[Any]:
    for language, ending in (("c", ".c"), ("python", ".py")):
        for op in kernel.ops(language):
            lacks = ending == ".c" and not HAS_COMPILER
            skip = pytest.mark.skipif(lacks, reason="no C compiler is on the PATH")
            yield pytest.param(op, language, ending, marks=skip, id=f"{language}-{op}")


@pytest.mark.parametrize(("op", "language", "ending"), [*printed()])
def test_it_is_exact(op: str, language: str, ending: str, tmp_path: Path) -> None:
    assert_exact(op, language, tmp_path / f"port{ending}")


def assert_exact(op: str, language: str, path: Path) -> None:
    path.write_text(kernel.render(op, language))
    kernels = load_kernels(path)
    rng = np.random.default_rng(17)
    total = models = 0
    while total < OUTPUTS or models < 20:
        content, arrays = CASES[op](rng)
        (expected,) = run_engine(content, arrays)
        model = parse(content, Path("single_op.tflite"))
        feeds = dict(zip(model.main.inputs, arrays, strict=True))
        result = replay(model, feeds, kernels=rows(kernels, model))
        assert not result.not_replayed, result.not_replayed
        np.testing.assert_array_equal(result.tensors[model.main.outputs[0]], expected)
        total += expected.size
        models += 1


@pytest.mark.skipif(not CMSIS_NN, reason="TFLREPLAY_CMSIS_NN names no folder of CMSIS-NN")
def test_cmsis_nn_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder holds CMSIS-NN's ``Include``, and ``libcmsis-nn.a`` for this computer."""
    monkeypatch.setenv("CFLAGS", f"-I{CMSIS_NN}/Include")
    monkeypatch.setenv("LDFLAGS", f"{CMSIS_NN}/libcmsis-nn.a")
    for op in kernel.ops("cmsis-nn"):
        assert_exact(op, "cmsis-nn", tmp_path / "port.c")


def test_there_is_one_in_each_language_for_each_case() -> None:
    assert set(kernel.ops("c")) == set(kernel.ops("python")) == set(CASES)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is on the PATH")
@pytest.mark.parametrize("op", kernel.ops("c"))
def test_it_compiles_without_a_warning(op: str, tmp_path: Path) -> None:
    path = tmp_path / "port.c"
    path.write_text(kernel.render(op, "c"))
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-c", f"-I{HEADER.parent}"]
    subprocess.run(["cc", *flags, str(path), "-o", str(tmp_path / "port.o")], check=True)


def test_what_is_printed() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tflreplay", "kernel", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    assert run("MUL").stdout == kernel.render("MUL", "c")
    assert run("--header").stdout == HEADER.read_text()
    done = run("CONV2D")
    assert done.returncode == 2
    assert (
        "there is no kernel for 'CONV2D' in c to start from; there is one for ADD, " in done.stderr
    )
    assert "give an OP, or --header" in run("MUL", "--header").stderr
    assert "--lang rust: use one of c, python, cmsis-nn" in run("MUL", "--lang", "rust").stderr
    with pytest.raises(InputError, match="in python"):
        kernel.render("WHILE", "python")
