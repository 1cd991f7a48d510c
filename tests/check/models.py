"""Models of one op: what the check is right about, and what engines do with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.single_op import Spec, build

Type = tuple[str, float, int]
INT8, UINT8, INT16 = ("int8", 0.5, 3), ("uint8", 0.5, 3), ("int16", 0.5, 0)
BIASES = {"int8": "int32", "uint8": "int32", "int16": "int64"}
CONVOLUTION = {"padding": 1, "strideH": 1, "strideW": 1}


def ones(shape: Sequence[int], dtype: str = "int8") -> np.ndarray:
    return np.ones(tuple(shape), dtype)


def weights(x: Type, scales: Sequence[float], shape: Sequence[int], axis: int, zero: int) -> Spec:
    dtype = "uint8" if x[0] == "uint8" else "int8"
    scale = list(scales) if len(scales) > 1 else scales[0]
    return Spec(tuple(shape), dtype, scale, zero, ones(shape, dtype), axis)


def bias(x: Type, scales: Sequence[float], count: int, times: float, zero: int) -> Spec:
    dtype = BIASES[x[0]]
    scale = [times * x[1] * one for one in scales]
    return Spec(
        (count,), dtype, scale if len(scale) > 1 else scale[0], zero, np.zeros(count, dtype)
    )


def conv(
    scales: Sequence[float] = (0.1, 0.2),
    *,
    x: Type = INT8,
    y: Type | None = None,
    axis: int = 0,
    zero: int = 0,
    channels: int = 2,
    depth: int = 3,
    bias_times: float = 1,
    bias_zero: int = 0,
    activation: int = 0,
) -> bytes:
    """1x1, by weights of 1."""
    source = Spec((1, 4, 4, depth), *x)
    target = Spec((1, 4, 4, channels), *(y or x))
    inputs = [
        source,
        weights(x, scales, (channels, 1, 1, depth), axis, zero),
        bias(x, scales, channels, bias_times, bias_zero)
        if len(scales) in (1, channels)
        else bias(x, (1.0,), channels, 1, 0),
    ]
    options = {**CONVOLUTION, "fusedActivationFunction": activation}
    return build("CONV_2D", inputs, [target], options, "Conv2DOptions", version=3)


def depthwise(
    scales: Sequence[float] = (0.1, 0.2),
    *,
    x: Type = INT8,
    axis: int = 3,
    bias_times: float = 1,
    rows: int = 1,
) -> bytes:
    image, target = Spec((1, 4, 4, 2), *x), Spec((1, 5 - rows, 4, 2), *x)
    inputs = [
        image,
        weights(x, scales, (1, rows, 1, 2), axis, 3 if x[0] == "uint8" and len(scales) == 1 else 0),
        bias(x, scales if len(scales) in (1, 2) else (1.0,), 2, bias_times, 0),
    ]
    options = {**CONVOLUTION, "depthMultiplier": 1}
    return build(
        "DEPTHWISE_CONV_2D", inputs, [target], options, "DepthwiseConv2DOptions", version=3
    )


def transpose_conv(
    scales: Sequence[float] = (0.1, 0.2), *, x: Type = INT8, y: Type | None = None, axis: int = 0
) -> bytes:
    shape = Spec((4,), "int32", data=np.array([1, 4, 4, 2], np.int32))
    inputs = [shape, weights(x, scales, (2, 1, 1, 3), axis, 0), Spec((1, 4, 4, 3), *x)]
    target = [Spec((1, 4, 4, 2), *(y or x))]
    return build("TRANSPOSE_CONV", inputs, target, CONVOLUTION, "TransposeConvOptions")


def connected(
    scales: Sequence[float] = (0.1,),
    *,
    x: Type = INT8,
    y: Type | None = None,
    axis: int = 0,
    bias_times: float = 1,
    units: int = 2,
) -> bytes:
    inputs = [
        Spec((1, 4), *x),
        weights(x, scales, (units, 4), axis, 0),
        bias(x, scales if len(scales) in (1, units) else (1.0,), units, bias_times, 0),
    ]
    target = [Spec((1, units), *(y or x))]
    return build("FULLY_CONNECTED", inputs, target, {}, "FullyConnectedOptions", version=4)


def unary(
    op: str,
    x: Type,
    y: Type,
    table: str | None = None,
    options: Mapping[str, Any] | None = None,
    shape: tuple[int, ...] = (1, 8),
) -> bytes:
    return build(op, [Spec(shape, *x)], [Spec(shape, *y)], dict(options or {}), table)


def softmax(x: Type, y: Type, row: int = 8) -> bytes:
    return unary("SOFTMAX", x, y, "SoftmaxOptions", {"beta": 1.0}, (1, row))


def pool(op: str, x: Type = INT8, y: Type = INT8) -> bytes:
    window = {**CONVOLUTION, "filterHeight": 1, "filterWidth": 1}
    return unary(op, x, y, "Pool2DOptions", window, (1, 2, 2, 2))


def pair(op: str, a: float, b: float, y: float, dtype: str = "int8", table: str = "") -> bytes:
    zero = 0 if dtype == "int16" else 3
    inputs = [Spec((1, 4), dtype, a, zero), Spec((1, 4), dtype, b, zero)]
    return build(op, inputs, [Spec((1, 4), dtype, y, zero)], {}, table)


def compared(op: str, a: float, b: float) -> bytes:
    inputs = [Spec((1, 4), "int8", a, 3), Spec((1, 4), "int8", b, 3)]
    table = f"{''.join(part.capitalize() for part in op.split('_'))}Options"
    return build(op, inputs, [Spec((1, 4), "bool")], {}, table)


def with_numbers(
    op: str, table: str, x: Type, y: Type, *numbers: Sequence[Any], shape: tuple[int, ...] = (2, 2)
) -> bytes:
    """Of an input, constants and an output of the input's shape."""
    constants = [Spec(np.shape(n), "int32", data=np.array(n, np.int32)) for n in numbers]
    return build(op, [Spec(shape, *x), *constants], [Spec(shape, *y)], {}, table)


def concatenation(a: float, b: float) -> bytes:
    inputs = [Spec((1, 4), "int8", a, 3), Spec((1, 4), "int8", b, 3)]
    return build(
        "CONCATENATION", inputs, [Spec((1, 8), "int8", b, 3)], {"axis": 1}, "ConcatenationOptions"
    )


def hybrid(op: str) -> bytes:
    if op == "CONV_2D":
        inputs = [
            Spec((1, 4, 4, 3), "float32"),
            Spec((2, 1, 1, 3), "int8", 0.1, 0, ones((2, 1, 1, 3))),
        ]
        inputs.append(Spec((2,), "float32", data=np.zeros(2, np.float32)))
        target = [Spec((1, 4, 4, 2), "float32")]
        return build(op, inputs, target, CONVOLUTION, "Conv2DOptions", version=5)
    inputs = [Spec((1, 4), "float32"), Spec((2, 4), "int8", 0.1, 0, ones((2, 4)))]
    inputs.append(Spec((2,), "float32", data=np.zeros(2, np.float32)))
    target = [Spec((1, 2), "float32")]
    return build(op, inputs, target, {}, "FullyConnectedOptions", version=3)


def matmul(right: str) -> bytes:
    inputs = [Spec((1, 2, 3), "int16", 0.1, 0), Spec((1, 3, 2), right, 0.1, 0)]
    return build(
        "BATCH_MATMUL", inputs, [Spec((1, 2, 2), "int16", 0.1, 0)], {}, "BatchMatMulOptions"
    )


ADD, SUB, DIFFERENCE = "AddOptions", "SubOptions", "SquaredDifferenceOptions"
OTHER = ("int8", 0.25, 3)
LOW = ("int8", 1 / 256, -128)

# Each with the engines that do not run it.
ALL = ("reference", "optimized", "xnnpack", "tflm")
LITE, KERNELS, TFLM = ALL[:3], ALL[:2], ALL[3:]
CASES: Mapping[str, tuple[bytes, tuple[str, ...]]] = {
    "a convolution": (conv(), ()),
    "scales along depth": (conv((0.1, 0.2, 0.3), axis=3), ALL),
    "uint8": (conv((0.1,), x=UINT8, zero=3), TFLM),
    "uint8 per channel": (conv(x=UINT8), ALL),
    "uint8, twice the scale": (conv((0.1,), x=UINT8, zero=3, bias_times=2), (*KERNELS, *TFLM)),
    "weights with a zero point": (conv((0.1,), zero=3), LITE),
    "bias of twice the scale": (conv(bias_times=2), ()),
    "int16": (conv(x=INT16), ()),
    "int16 input with a zero point": (conv(x=("int16", 0.5, 3), y=INT16), LITE),
    "int16 output with a zero point": (conv(x=INT16, y=("int16", 0.5, 3)), LITE),
    "hybrid": (hybrid("CONV_2D"), TFLM),
    "depthwise": (depthwise(), ()),
    "depthwise, uint8": (depthwise((0.1,), x=UINT8), TFLM),
    "depthwise, uint8 per channel": (depthwise(x=UINT8), ALL),
    "depthwise, uint8, twice the scale": (depthwise((0.1,), x=UINT8, bias_times=2), ALL),
    "depthwise, int16 with a zero point": (depthwise(x=("int16", 0.5, 3)), LITE),
    "transposed": (transpose_conv(), ()),
    "transposed, scales along depth": (transpose_conv((0.1, 0.2, 0.3), axis=3), ALL),
    "transposed, uint8 per channel": (transpose_conv(x=UINT8), ALL),
    "transposed, int16 with a zero point": (transpose_conv(x=("int16", 0.5, 3), y=INT16), LITE),
    "connected": (connected(), ()),
    "connected, bias of twice the scale": (connected(bias_times=2), (*KERNELS, *TFLM)),
    "connected, bias 1 % off": (connected(bias_times=1.01), ()),
    "connected, int16 output with a zero point": (
        connected(x=INT16, y=("int16", 0.5, 3)),
        LITE,
    ),
    "transposed, int16 output with a zero point": (
        transpose_conv(x=INT16, y=("int16", 0.5, 3)),
        LITE,
    ),
    "depthwise, along rows": (depthwise((0.1, 0.2, 0.3), axis=1, rows=3), ALL),
    "connected, along depth": (connected((0.1, 0.2, 0.3, 0.4), units=4, axis=1), LITE),
    "connected, uint8 per channel": (connected((0.1, 0.2), x=UINT8), ALL),
    "connected, int16 with a zero point": (connected(x=("int16", 0.5, 3), y=INT16), LITE),
    "connected, hybrid": (hybrid("FULLY_CONNECTED"), TFLM),
    "softmax": (softmax(("int8", 0.1, 3), LOW), ()),
    "softmax of 1/255": (softmax(("int8", 0.1, 3), ("int8", 1 / 255, -128)), ALL),
    "softmax with another zero point": (softmax(("int8", 0.1, 3), ("int8", 1 / 256, -127)), ALL),
    "softmax int16 of 1/1000": (softmax(("int16", 0.1, 0), ("int16", 1 / 1000, 0)), ALL),
    "softmax int16": (softmax(("int16", 0.1, 0), ("int16", 1 / 32768, 0)), ()),
    "logistic": (unary("LOGISTIC", ("int8", 0.1, 3), LOW), ()),
    "logistic of 1/255": (unary("LOGISTIC", ("int8", 0.1, 3), ("int8", 1 / 255, -128)), KERNELS),
    "logistic with another zero point": (
        unary("LOGISTIC", ("int8", 0.1, 3), ("int8", 1 / 256, 0)),
        TFLM,
    ),
    "logistic int16 of 1/1024": (
        unary("LOGISTIC", ("int16", 0.125, 0), ("int16", 1 / 1024, 0)),
        ALL,
    ),
    "logistic int16 with a zero point": (
        unary("LOGISTIC", ("int16", 0.125, 3), ("int16", 1 / 32768, 0)),
        ALL,
    ),
    "tanh int16 of 1/1000": (unary("TANH", ("int16", 0.125, 0), ("int16", 1 / 1000, 0)), ALL),
    "tanh": (unary("TANH", ("int8", 0.1, 3), ("int8", 1 / 128, 0)), ()),
    "log softmax of 1/10": (
        unary("LOG_SOFTMAX", ("int8", 0.1, 3), ("int8", 1 / 10, 127), "LogSoftmaxOptions"),
        ALL,
    ),
    "log softmax": (
        unary("LOG_SOFTMAX", ("int8", 0.1, 3), ("int8", 1 / 16, 127), "LogSoftmaxOptions"),
        (),
    ),
    "l2 norm of 1/127": (
        unary("L2_NORMALIZATION", ("int8", 0.1, 3), ("int8", 1 / 127, 0), "L2NormOptions"),
        LITE,
    ),
    "l2 norm": (
        unary("L2_NORMALIZATION", ("int8", 0.1, 3), ("int8", 1 / 128, 0), "L2NormOptions"),
        (),
    ),
    "maximum pool to another scale": (pool("MAX_POOL_2D", INT8, OTHER), ("xnnpack", "tflm")),
    "average pool to another scale": (pool("AVERAGE_POOL_2D", INT8, OTHER), TFLM),
    "average pool": (pool("AVERAGE_POOL_2D"), ()),
    "concatenation of two scales": (concatenation(0.1, 0.2), ALL),
    "concatenation": (concatenation(0.2, 0.2), ()),
    "pad to another scale": (
        with_numbers("PAD", "PadOptions", INT8, OTHER, [[0, 0], [0, 0]]),
        ("xnnpack",),
    ),
    "slice to another scale": (
        with_numbers("SLICE", "SliceOptions", INT8, OTHER, [0, 0], [2, 2]),
        ("xnnpack",),
    ),
    "transpose to another scale": (
        with_numbers("TRANSPOSE", "TransposeOptions", INT8, OTHER, [1, 0]),
        ("xnnpack",),
    ),
    "transpose": (with_numbers("TRANSPOSE", "TransposeOptions", INT8, INT8, [1, 0]), ()),
    "resize to another scale": (
        with_numbers(
            "RESIZE_BILINEAR", "ResizeBilinearOptions", INT8, OTHER, [2, 2], shape=(1, 2, 2, 1)
        ),
        ("xnnpack",),
    ),
    "add": (pair("ADD", 0.1, 0.2, 0.3, table=ADD), ()),
    "add by a multiplier above 1": (pair("ADD", 1e6, 1e6, 0.1, table=ADD), ALL),
    "subtract by a multiplier above 1": (pair("SUB", 1e6, 1e6, 0.1, table=SUB), TFLM),
    "square of a difference": (pair("SQUARED_DIFFERENCE", 0.1, 0.2, 0.3, table=DIFFERENCE), ()),
    "square by a multiplier above 1": (
        pair("SQUARED_DIFFERENCE", 1e6, 1e6, 0.1, table=DIFFERENCE),
        LITE,
    ),
    "square of uint8": (
        pair("SQUARED_DIFFERENCE", 0.1, 0.2, 0.3, "uint8", DIFFERENCE),
        ALL,
    ),
    "less, of the scale 1": (compared("LESS", 1.0, 0.5), ALL),
    "less, of scales above 1": (compared("LESS", 2.0, 2.0), TFLM),
    "less": (compared("LESS", 0.5, 0.25), ()),
    "matrices of two types": (matmul("int8"), TFLM),
    "elu without a reference kernel": (unary("ELU", INT8, INT8), ("reference",)),
    "a version that is to come": (
        build("ADD", [Spec((1, 4), *INT8)] * 2, [Spec((1, 4), *INT8)], {}, ADD, version=19),
        LITE,
    ),
    "an op that TFLM does not have": (unary("SIGN", ("float32", 1, 0), ("float32", 1, 0)), TFLM),
}
