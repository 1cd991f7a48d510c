"""Which ops XNNPACK takes from the interpreter: ``delegates/xnnpack/xnnpack_delegate.cc``.

Conditions carry the words for what they test, so that a printed table can show them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tflreplay.arithmetic.types import EIGHT_BITS
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.window import window
from tflreplay.model import Operator, Subgraph, Tensor

Test = Callable[[Engine, Subgraph, Operator], bool]

_MAX_RANK = 6  # XNN_MAX_TENSOR_DIMS
_MOST_TAPS = 25  # of XNNPACK's depthwise kernels
_ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


@dataclass(frozen=True)
class Condition:
    """A test of an operator of a graph; ``text`` is what a printed table shows of it."""

    text: str
    test: Test

    def __call__(self, engine: Engine, graph: Subgraph, op: Operator) -> bool:
        return self.test(engine, graph, op)

    def __str__(self) -> str:
        return self.text


def condition(test: Test) -> Condition:
    """A condition whose text is the function's docstring."""
    return Condition(str(test.__doc__), test)


def every(*conditions: Condition) -> Condition:
    """All of the conditions, tried in this order up to the first that fails."""
    return Condition(
        "; ".join(str(each) for each in conditions),
        lambda engine, graph, op: all(each(engine, graph, op) for each in conditions),
    )


def modelled_since(versions: Mapping[str, str]) -> Condition:
    """Last of all conditions: raises NotReplayed where the engine's version is an earlier one."""

    def test(engine: Engine, graph: Subgraph, op: Operator) -> bool:
        if not engine.at_least(versions):
            raise NotReplayed(
                f"the {engine} arithmetic of {op.name} on {_activation(graph, op).dtype} by "
                f"{graph.tensors[op.inputs[1]].dtype} is not modelled for "
                f"{engine.runtime} {engine.version}"
            )
        return True

    first = ", ".join(f"{runtime} {version}" for runtime, version in versions.items())
    return Condition(f"modelled from {first} on", test)


def _activation(graph: Subgraph, op: Operator) -> Tensor:
    return graph.tensors[op.inputs[2 if op.name == "TRANSPOSE_CONV" else 0]]


def _tensors(graph: Subgraph, op: Operator, *positions: int) -> list[Tensor]:
    """The inputs at ``positions`` and all outputs."""
    return [graph.tensors[op.inputs[i]] for i in positions] + [graph.tensors[i] for i in op.outputs]


def _one_scale(tensor: Tensor) -> bool:
    quantization = tensor.quantization
    return quantization is not None and not quantization.per_axis and quantization.axis == 0


def _usable(scale: np.ndarray) -> bool:
    return bool((scale >= np.finfo(np.float32).tiny).all())


@condition
def one_input(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """input and output of one 8-bit type, each with one scale, on axis 0"""
    x, outputs = _activation(graph, op), _tensors(graph, op)
    return all(_one_scale(t) and t.dtype == x.dtype for t in (x, *outputs))


@condition
def two_inputs(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """both inputs and the output of one 8-bit type, each with one scale, on axis 0"""
    x, *others = _tensors(graph, op, 0, 1)
    return all(_one_scale(t) and t.dtype == x.dtype for t in (x, *others))


@condition
def to_one_scale(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """output int8 or uint8 with one scale, on axis 0"""
    (y,) = _tensors(graph, op)
    return y.dtype in EIGHT_BITS and _one_scale(y)


@condition
def from_one_scale(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """input with one scale, on axis 0; output float32"""
    x, y = _tensors(graph, op, 0)
    return _one_scale(x) and y.dtype == "float32"


@condition
def few_dimensions(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """inputs of rank 6 at most"""
    return all(len(graph.tensors[index].shape) <= _MAX_RANK for index in op.inputs if index >= 0)


@condition
def plain_activation(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """fused activation NONE, RELU, RELU6 or RELU_N1_TO_1"""
    return op.options.get("fused_activation_function", "NONE") in _ACTIVATIONS


def scale_ratio(low: float, high: float, *positions: int, closed: bool = False) -> Condition:
    """float32 input scale / output scale from ``low`` to ``high``; below it unless ``closed``."""

    def test(engine: Engine, graph: Subgraph, op: Operator) -> bool:
        *inputs, y = _tensors(graph, op, *positions)
        ratios = [np.float32(x.scale) / np.float32(y.scale) for x in inputs]
        return all(low <= r and (r <= high if closed else r < high) for r in ratios)

    return Condition(f"{low:g} <= si/so {'<=' if closed else '<'} {high:g}", test)


@condition
def product_ratio(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """2**-16 <= s1*s2/so < 256"""
    a, b, y = _tensors(graph, op, 0, 1)
    ratio = np.float32(a.scale) * np.float32(b.scale) / np.float32(y.scale)
    return bool(2.0**-16 <= ratio < 256)


@condition
def slope_ratio(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """alpha normal, 1/256 <= |alpha*si/so|, -128 < alpha*si/so <= 128"""
    x, y = _tensors(graph, op, 0)
    alpha = np.float32(op.options.get("alpha", 0))
    slope = np.float32(x.scale) / np.float32(y.scale) * alpha
    # The lowest is -(2**15 - 1) / 256, a multiplier of 16 bits.
    in_range = -127.99609375 <= slope <= 128 and abs(slope) >= 1 / 256
    return bool(in_range and _usable(np.abs(alpha)))


@condition
def normal_alpha(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """alpha normal"""
    return _usable(np.abs(np.float32(op.options.get("alpha", 0))))


@condition
def unit_beta(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """beta 1"""
    return bool(op.options.get("beta") == 1)


def static_weights(axis: int) -> Condition:
    """Weights of the input's type, quantized along ``axis`` if along one, and their bias."""

    def test(engine: Engine, graph: Subgraph, op: Operator) -> bool:
        x, w = _activation(graph, op), graph.tensors[op.inputs[1]]
        return w.dtype == x.dtype and w.is_constant and _weight_scales(w, axis)

    text = f"constant weights of the input's type, scales normal, along axis {axis} if several"
    return Condition(text, test)


def _weight_scales(w: Tensor, axis: int) -> bool:
    q = w.quantization
    if q is None or not _usable(q.scale):
        return False
    if q.per_axis:
        return w.dtype != "uint8" and q.axis == axis and q.zero_point[0] == 0
    return w.dtype != "uint8" or q.axis == 0


@condition
def bias(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """a constant int32 bias with scales"""
    return len(op.inputs) == 3 and op.inputs[2] >= 0 and _static_bias(graph.tensors[op.inputs[2]])


@condition
def bias_or_none(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """no bias, or a constant int32 one with scales, of as many elements as units"""
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return True
    units = graph.tensors[op.inputs[1]].shape[0]
    tensor = graph.tensors[op.inputs[2]]
    return tensor.shape == (units,) and _static_bias(tensor)


@condition
def transposing(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """constant output shape; no bias, or a constant int32 one with scales; SAME: strides no larger
    than the kernel; VALID: outputs no smaller"""
    shape, w = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    given = [graph.tensors[index] for index in op.inputs[3:] if index >= 0]
    if not shape.is_constant or not all(map(_static_bias, given)):
        return False
    kernel = w.shape[1:3]
    if op.options.get("padding") == "SAME":
        strides = op.options.get("stride_h", 0), op.options.get("stride_w", 0)
        return all(size >= stride for size, stride in zip(kernel, strides, strict=True))
    outputs = graph.tensors[op.outputs[0]].shape[1:3]
    return all(size <= output for size, output in zip(kernel, outputs, strict=True))


def _static_bias(tensor: Tensor) -> bool:
    q = tensor.quantization
    if tensor.dtype != "int32" or not tensor.is_constant or q is None:
        return False
    return q.axis == 0 and _usable(q.scale) and (q.per_axis or int(q.zero_point[0]) == 0)


@condition
def quantized_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """constant weights, scales normal, along axis 0 if several"""
    w = graph.tensors[op.inputs[1]]
    return w.is_constant and _weight_scales(w, 0)


@condition
def int8_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 weights"""
    return graph.tensors[op.inputs[1]].dtype == "int8"


@condition
def int4_weights(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int4 weights of even depth"""
    w = graph.tensors[op.inputs[1]]
    return w.dtype == "int4" and w.shape[-1] % 2 == 0


@condition
def float_bias(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """a constant float32 bias"""
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return False
    return graph.tensors[op.inputs[2]].is_constant


@condition
def float_bias_or_none(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """no bias, or a constant float32 one of as many elements as units"""
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return True
    b = graph.tensors[op.inputs[2]]
    return b.is_constant and b.shape == graph.tensors[op.inputs[1]].shape[:1]


@condition
def each_pixel(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """filters of 1x1 that see every pixel and all channels, more than one in or out"""
    x, w = _tensors(graph, op, 0, 1)[:2]
    unit = w.shape[1:3] == (1, 1) and op.options["stride_h"] == op.options["stride_w"] == 1
    return unit and w.shape[3] == x.shape[3] and w.shape[0] + w.shape[3] > 2


@condition
def default_format(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """weights of rank 2 in the default format, op version other than 8"""
    plain = op.options.get("weights_format", "DEFAULT") == "DEFAULT"
    return plain and op.version != 8 and len(graph.tensors[op.inputs[1]].shape) == 2


@condition
def int8_zero_point(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 weights with one zero point other than 0"""
    w = graph.tensors[op.inputs[1]]
    return w.dtype == "int8" and per_tensor(engine, graph, op) and w.zero_point != 0


@condition
def no_int8_zero_point(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 weights without a zero point"""
    return not int8_zero_point(engine, graph, op)


@condition
def int8_matrices(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """both inputs and the output int8, with one scale, the left one and the output on axis 0"""
    a, b, y = _tensors(graph, op, 0, 1)
    one_type = a.dtype == b.dtype == y.dtype == "int8"
    return one_type and _one_scale(a) and _one_scale(y) and per_tensor(engine, graph, op)


@condition
def per_channel(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """a scale for each output channel"""
    w = graph.tensors[op.inputs[1]]
    return w.quantization is not None and w.quantization.scale.size == w.shape[0]


@condition
def per_tensor(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """one scale for all output channels"""
    w = graph.tensors[op.inputs[1]]
    return w.quantization is not None and not w.quantization.per_axis


@condition
def may_wrap(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 GEMM kernel, multiplier above 1, output zero point below 0"""
    x, (w, y) = _activation(graph, op), _tensors(graph, op, 1)
    assert w.quantization is not None
    multiplier = np.float32(x.scale) * w.quantization.scale / np.float32(y.scale)
    wraps = y.dtype == "int8" and y.zero_point < 0 and bool((multiplier > 1).any())
    return wraps and not _depthwise(op, x, w)


def _depthwise(op: Operator, x: Tensor, w: Tensor) -> bool:
    """Groups of one input and one output channel, 25 taps at most: the GEMM kernels take others."""
    if op.name not in ("CONV_2D", "DEPTHWISE_CONV_2D") or w.shape[1] * w.shape[2] > _MOST_TAPS:
        return False
    if op.name == "DEPTHWISE_CONV_2D":
        return w.shape[3] == x.shape[3]
    return w.shape[3] == 1 and w.shape[0] == x.shape[3]


@condition
def unused_input(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """SAME padding of a kernel above 1x1 that leaves input unused"""
    x, w = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    if op.options.get("padding") != "SAME" or w.shape[1:3] == (1, 1):
        return False
    windows = (
        window(
            x.shape[i],
            w.shape[i],
            op.options[f"stride_{d}"],
            op.options[f"dilation_{d}_factor"],
            "SAME",
        )
        for i, d in ((1, "h"), (2, "w"))
    )
    sizes = zip(windows, x.shape[1:3], strict=True)
    return any((w.outputs - 1) * w.stride + (w.size - 1) * w.dilation + 1 < n for w, n in sizes)


@condition
def constant_axes(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """1 to 6 constant int32 axes"""
    axes = graph.tensors[op.inputs[1]]
    if axes.data is None or axes.dtype != "int32":
        return False
    return axes.data.ndim <= 1 and 1 <= axes.data.size <= _MAX_RANK


@condition
def spatial_axes(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """axes 1 and 2, or axis 2, of a 4-D input"""
    x, axes = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    if axes.data is None or len(x.shape) != 4:
        return False
    return sorted(int(axis) for axis in np.ravel(axes.data)) in ([1, 2], [2])


@condition
def overlapping_windows(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """strides no larger than the filter"""
    o = op.options
    return all(o.get(f"stride_{d[0]}", 0) <= o.get(f"filter_{d}", 0) for d in ("height", "width"))


@condition
def constant_size(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """a constant size; output of rank 4; 8-bit tensors each with one scale, on axis 0"""
    x, y = _tensors(graph, op, 0)
    plain = all(t.dtype not in EIGHT_BITS or _one_scale(t) for t in (x, y))
    return plain and len(y.shape) == 4 and graph.tensors[op.inputs[1]].is_constant
