"""Models of layers in which porting mistakes show, and the tensors to diagnose them on.

In a *critical* layer the accumulators lie where the output code changes, and the real multiplier is
so small that a change in its last bits moves some of them across.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.diagnosis.port import Array, Port
from tests.single_op import Op, Spec, build_side_by_side, random_codes
from tflreplay.ground.engine import Engine
from tflreplay.judgement.diagnosis import Verdict, diagnose
from tflreplay.model import Model, Operator, parse
from tflreplay.ops import row_of
from tflreplay.ops.seam import Tensors, call_of

REFERENCE = Engine()
# The product of these two scales has 32 significant bits: its Q31 mantissa is a tie, and the one
# below is even.
TIED_SCALES = 65521.0, 65537.0
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU6": 3}


@dataclass(frozen=True)
class Layer:
    """One op of a model, on its inputs."""

    model: Model
    op: Operator
    tensors: Tensors

    def __str__(self) -> str:
        return f"{self.model.path.stem} op {self.op.index} {self.op.name}"

    def computed(self, port: Port) -> Array:
        """The output as a port computes it."""
        row = row_of(REFERENCE, self.model.main, self.op)
        call, arrays = call_of(self.model.main, self.op, self.tensors, REFERENCE, row)
        return port.kernels[self.op.name](call, *arrays)

    def verdict(self, produced: Array, engine: Engine = REFERENCE) -> Verdict:
        found = diagnose(self.model.main, self.op, self.tensors, produced, engine)
        assert found is not None
        return found


def layers(model: Model, tensors: Tensors) -> tuple[Layer, ...]:
    return tuple(Layer(model, op, tensors) for op in model.main.operators)


def built(name: str, ops: Sequence[Op], critical: Sequence[Op] = ()) -> tuple[Layer, ...]:
    """The layers of a model of ``ops``, on random codes, and of critical ones, on small ones."""
    model = parse(build_side_by_side([*ops, *critical]), Path(f"{name}.tflite"))
    rng = np.random.default_rng(5)
    tensors = {}
    for op in model.main.operators:
        for index in set(op.inputs) & set(model.main.inputs):
            tensor = model.main.tensors[index]
            if tensor.dtype == "float32":
                tensors[index] = rng.uniform(-5, 5, tensor.shape).astype(np.float32)
            elif op.index < len(ops):
                tensors[index] = random_codes(rng, tensor.shape, tensor.dtype)
            else:
                codes = tensor.zero_point + rng.integers(-3, 4, tensor.shape)
                tensors[index] = codes.astype(tensor.dtype)
    return layers(model, tensors)


def convolution(
    rng: np.random.Generator,
    x: tuple[int, ...],
    kernel: tuple[int, int],
    outputs: int,
    *,
    dtype: str = "int8",
    padding: str = "SAME",
    stride: int = 1,
    dilation: int = 1,
    activation: str = "NONE",
    depthwise: bool = False,
    groups: int = 1,
    per_channel: bool = True,
    gain: float = 1,
    weight_zero_point: int = 0,
    zero_points: tuple[int, int] = (5, -7),
) -> Op:
    """A convolution whose outputs spread over ``gain`` times the codes."""
    shape = (1, *kernel, outputs) if depthwise else (outputs, *kernel, x[3] // groups)
    weights = random_codes(rng, shape, dtype)
    if dtype == "int8":
        weights = np.maximum(weights, -127)
    axis = 3 if depthwise else 0
    scales = np.exp(rng.uniform(-7, -5, outputs if per_channel else 1)).astype(np.float32)
    taps = int(np.prod(shape[1:3])) * (1 if depthwise else shape[3])
    spread = 74 * 74 * np.sqrt(taps)  # of the accumulators
    input_scale = np.float32(0.0213)
    output_scale = np.float32(float(input_scale) * float(scales.mean()) * spread / 60 / gain)
    bias = rng.integers(-spread, spread, outputs).astype(np.int32)
    options = {
        "padding": {"SAME": 0, "VALID": 1}[padding],
        "strideH": stride,
        "strideW": stride,
        "dilationHFactor": dilation,
        "dilationWFactor": dilation,
        "fusedActivationFunction": ACTIVATIONS[activation],
    }
    if depthwise:
        options["depthMultiplier"] = outputs // x[3]
    height, width = (
        -(-size // stride) if padding == "SAME" else (size - (k - 1) * dilation - 1) // stride + 1
        for size, k in zip(x[1:3], kernel, strict=True)
    )
    return Op(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [
            Spec(x, dtype, input_scale, zero_points[0]),
            Spec(shape, dtype, scales, weight_zero_point, weights, axis),
            Spec((outputs,), "int32", input_scale * scales, 0, bias),
        ],
        [Spec((x[0], height, width, outputs), dtype, output_scale, zero_points[1])],
        options,
        "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions",
        version=3,
    )


def fully_connected(
    rng: np.random.Generator, batch: int, depth: int, units: int, **quantization: Any
) -> Op:
    """As a convolution of single pixels, which it is."""
    conv = convolution(rng, (batch, 1, 1, depth), (1, 1), units, **quantization)
    x, weights, bias = conv.inputs
    (y,) = conv.outputs
    flat = weights.data.reshape(units, depth)
    return Op(
        "FULLY_CONNECTED",
        [
            replace(x, shape=(x.shape[0], depth)),
            replace(weights, shape=flat.shape, data=flat),
            bias,
        ],
        [replace(y, shape=(x.shape[0], units))],
        {"fusedActivationFunction": (conv.options or {})["fusedActivationFunction"]},
        "FullyConnectedOptions",
        version=4,
    )


def critical(
    rng: np.random.Generator,
    op: Op,
    scales: tuple[float, float] = TIED_SCALES,
    output_scale: float = 2.0**-4,
    within: int = 2,
) -> Op:
    """The op with small weights, and biases at most ``within`` off where the output code changes.

    The real multiplier has the significand of ``scales[0] * scales[1] / output_scale`` and is less
    than ``2**-22``, so that the largest bias still fits 32 bits.
    """
    x, weights, bias = op.inputs
    (y,) = op.outputs
    small = rng.integers(0, 2, weights.shape) + np.asarray(weights.zero_point)
    weight_scale = np.float32(np.ldexp(scales[1], -20))
    real = scales[0] * float(weight_scale) / output_scale
    input_scale = np.float32(np.ldexp(scales[0], -23 - int(np.frexp(real)[1])))
    real = float(input_scale) * float(weight_scale) / output_scale
    codes = rng.integers(-100, 100, bias.shape)
    biases = np.round((codes + 0.5) / real) + rng.integers(-within, within + 1, bias.shape)
    same = np.full(np.shape(weights.scale), weight_scale)
    return replace(
        op,
        inputs=[
            replace(x, scale=input_scale),
            replace(weights, scale=same, data=small.astype(weights.dtype)),
            replace(bias, data=biases.astype(np.int32), scale=input_scale * same),
        ],
        outputs=[replace(y, scale=np.float32(output_scale))],
    )


def magnified(rng: np.random.Generator, op: Op) -> Op:
    """The op with weights so small that its real multipliers are above 1."""
    x, weights, bias = op.inputs
    small = rng.integers(-1, 2, weights.shape) + np.asarray(weights.zero_point)
    scales = rng.uniform(3, 30, np.shape(weights.scale)).astype(np.float32)
    return replace(
        op,
        inputs=[
            replace(x, scale=np.float32(0.5)),
            replace(weights, scale=scales, data=small.astype(weights.dtype)),
            replace(bias, scale=np.float32(0.5) * scales, data=bias.data % 7 - 3),
        ],
        outputs=[replace(op.outputs[0], scale=np.float32(0.9))],
    )


def pair(
    name: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    scales: tuple[float, float, float],
    *,
    dtype: str = "int8",
    activation: str = "NONE",
    zero_points: tuple[int, int, int] = (5, -11, -7),
) -> Op:
    """ADD, SUB or MUL of two inputs."""
    options = {"fusedActivationFunction": ACTIVATIONS[activation]}
    inputs = [
        Spec(shape, dtype, scale, zero_point)
        for shape, scale, zero_point in zip(shapes, scales[:2], zero_points[:2], strict=True)
    ]
    output = Spec(np.broadcast_shapes(*shapes), dtype, scales[2], zero_points[2])
    return Op(name, inputs, [output], options, f"{name.capitalize()}Options", version=2)


def mean(
    x: tuple[int, ...],
    scales: tuple[float, float],
    *,
    dtype: str = "int8",
    zero_points: tuple[int, int] = (5, -7),
) -> Op:
    """MEAN over height and width."""
    return Op(
        "MEAN",
        [
            Spec(x, dtype, scales[0], zero_points[0]),
            Spec((2,), "int32", data=np.array([1, 2], np.int32)),
        ],
        [Spec((x[0], x[3]), dtype, scales[1], zero_points[1])],
        {"keepDims": False},
        "ReducerOptions",
        version=2,
    )


def int8_layers() -> tuple[Layer, ...]:
    """Per-channel weights; one FULLY_CONNECTED whose weights have a zero point."""
    rng = np.random.default_rng(1)
    third = 2.0**-2 / 3
    return built(
        "int8",
        [
            convolution(rng, (1, 8, 8, 4), (3, 3), 16, stride=2, activation="RELU6"),
            convolution(rng, (1, 7, 7, 3), (3, 2), 12, dilation=2, gain=2),
            convolution(rng, (2, 8, 8, 3), (5, 5), 8, stride=2, activation="RELU", gain=1.5),
            convolution(rng, (1, 8, 8, 3), (3, 3), 6, stride=2, depthwise=True, gain=1.5),
            convolution(
                rng, (1, 9, 9, 4), (3, 3), 8, dilation=2, depthwise=True, activation="RELU"
            ),
            fully_connected(rng, 24, 20, 16, gain=1.5),
            fully_connected(rng, 24, 20, 9, activation="RELU"),
            fully_connected(rng, 24, 16, 16, per_channel=False, weight_zero_point=9),
            pair("ADD", ((4, 6, 16), (4, 6, 16)), (0.05, 0.075, 0.15)),
            pair("ADD", ((4, 6, 16), (16,)), (0.11, 0.04, 0.06), activation="RELU"),
            pair("SUB", ((4, 6, 16), (4, 6, 16)), (1.0, 1.5, 3.0)),
            pair("SUB", ((4, 6, 16), (4, 6, 1)), (0.04, 0.1, 0.05), activation="RELU6"),
            pair("MUL", ((4, 6, 16), (4, 6, 16)), (2.0**-4, 2.0**-4, 1.5)),
            pair("MUL", ((4, 6, 16), (16,)), (0.05, 0.04, 0.03), activation="RELU"),
            pair("MUL", ((4, 6, 16), (4, 6, 16)), (0.5, 0.75, 0.125)),
            mean((4, 4, 4, 64), (third, 2.0**-3)),
            mean((4, 5, 7, 32), (0.11, 0.03)),
            mean((4, 16, 16, 32), (0.4, 0.01)),
        ],
        [
            critical(rng, convolution(rng, (1, 8, 8, 4), (1, 1), 32)),
            critical(rng, convolution(rng, (1, 8, 8, 16), (3, 3), 32, depthwise=True)),
            critical(rng, fully_connected(rng, 64, 6, 32)),
            magnified(rng, convolution(rng, (1, 6, 6, 4), (1, 1), 6)),
            magnified(rng, convolution(rng, (1, 8, 8, 3), (2, 2), 9, depthwise=True)),
            magnified(rng, fully_connected(rng, 24, 8, 16)),
            # Scales at which float32 errs unlike any narrower mantissa; how far, the biases show.
            critical(
                rng,
                convolution(rng, (1, 8, 8, 16), (3, 3), 32, depthwise=True),
                scales=(0.9, 0.3),
                output_scale=0.0613,
                within=64,
            ),
        ],
    )


def uint8_layers() -> tuple[Layer, ...]:
    """Per-tensor weights with zero points, and other zero points all over."""
    rng = np.random.default_rng(2)
    third = 2.0**-2 / 3
    zero_points = {"dtype": "uint8", "zero_points": (120, 100)}
    weighted = {**zero_points, "per_channel": False, "weight_zero_point": 131}
    pairs = {"dtype": "uint8", "zero_points": (120, 99, 100)}
    odd = 0.0613
    return built(
        "uint8",
        [
            convolution(rng, (1, 8, 8, 4), (3, 3), 16, stride=2, activation="RELU6", **weighted),
            convolution(rng, (1, 7, 7, 3), (3, 3), 12, dilation=2, gain=2, **weighted),
            convolution(rng, (1, 8, 8, 3), (3, 3), 6, stride=2, depthwise=True, gain=2, **weighted),
            convolution(
                rng, (1, 9, 9, 4), (3, 3), 8, depthwise=True, activation="RELU", **weighted
            ),
            fully_connected(rng, 24, 20, 16, gain=1.5, **weighted),
            fully_connected(rng, 24, 20, 9, activation="RELU", **weighted),
            pair("ADD", ((4, 6, 16), (4, 6, 16)), (0.05, 0.075, 0.15), **pairs),
            pair("ADD", ((4, 6, 16), (16,)), (0.11, 0.04, 0.06), activation="RELU", **pairs),
            pair("SUB", ((4, 6, 16), (4, 6, 16)), (1.0, 1.5, 3.0), **pairs),
            pair("SUB", ((4, 6, 16), (4, 6, 1)), (0.04, 0.1, 0.05), activation="RELU6", **pairs),
            pair("MUL", ((4, 6, 16), (4, 6, 16)), (2.0**-4, 2.0**-4, 1.5), **pairs),
            pair("MUL", ((4, 6, 16), (16,)), (0.05, 0.04, 0.03), activation="RELU", **pairs),
            pair("MUL", ((4, 6, 16), (4, 6, 16)), (0.5, 0.75, 0.125), **pairs),
            mean((4, 4, 4, 64), (third, 2.0**-3), **zero_points),
            mean((4, 5, 7, 32), (0.11, 0.03), **zero_points),
            mean((4, 16, 16, 32), (0.4, 0.01), **zero_points),
        ],
        [
            critical(rng, convolution(rng, (1, 8, 8, 4), (1, 1), 32, **weighted), output_scale=odd),
            critical(
                rng,
                convolution(rng, (1, 8, 8, 16), (3, 3), 32, depthwise=True, **weighted),
                output_scale=odd,
            ),
            critical(rng, fully_connected(rng, 64, 6, 32, **weighted), output_scale=odd),
            magnified(rng, convolution(rng, (1, 6, 6, 5), (2, 2), 6, **weighted)),
            magnified(rng, convolution(rng, (1, 8, 8, 3), (3, 3), 9, depthwise=True, **weighted)),
            magnified(rng, fully_connected(rng, 24, 8, 12, **weighted)),
        ],
    )


def tied_layers() -> tuple[Layer, ...]:
    """Multipliers whose Q31 mantissa is a tie, and sums that come to exact ties."""
    rng = np.random.default_rng(3)
    third = 2.0**-2 / 3
    shape = (4, 6, 16)
    return built(
        "tied",
        [
            pair("MUL", (shape, shape), (0.25, 2.0**-5, 0.75), zero_points=(0, 0, 4)),
            pair("ADD", (shape, shape), (1.0, 1.5, 1.0), zero_points=(-3, 9, 4)),
            pair("SUB", (shape, (16,)), (0.75, 0.5, 0.5), zero_points=(-3, 9, 4)),
            mean((4, 2, 2, 64), (third, 2.0**-4), zero_points=(-128, -100)),
        ],
        [
            critical(rng, convolution(rng, (1, 6, 6, 3), (2, 2), 48, per_channel=False)),
            critical(rng, convolution(rng, (1, 8, 8, 8), (2, 3), 32, depthwise=True)),
            critical(rng, fully_connected(rng, 80, 5, 40, per_channel=False)),
        ],
    )
