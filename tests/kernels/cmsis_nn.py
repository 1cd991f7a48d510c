"""Models of one op for the golden vectors of CMSIS-NN's functions, which know no scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.recorded.cmsis_nn import Fields
from tests.single_op import Op, Spec
from tflreplay.ground.window import window

# A scale whose multiplier does not matter: the vectors' own are put in its place.
ONE = 1.0
Made = tuple[Op, list[np.ndarray], list[tuple[int, int]]]
_PADDING = {"SAME": 0, "VALID": 1}


def _pairs(q: Any, s: Any) -> list[tuple[Any, Any]]:
    return [(np.asarray(q, np.int64), np.asarray(s, np.int64))]


def _tensor(fields: Fields, key: str) -> Spec:
    array = fields[key]
    return Spec(array.shape, array.dtype.name, ONE, fields.get(f"{key}_zp", 0))


def _weights(fields: Fields, four_bits: bool, scales: int = 1, axis: int = 0) -> Spec:
    w = fields["w"]
    scale: Any = ONE if scales == 1 else [ONE] * scales
    zero_point = fields.get("w_zp", 0)
    if four_bits:
        flat = np.append(w.reshape(-1), np.zeros(w.size % 2, np.int8)).astype(np.uint8) & 15
        return Spec(w.shape, "int4", scale, zero_point, flat[::2] | flat[1::2] << 4, axis)
    return Spec(w.shape, w.dtype.name, scale, zero_point, w, axis)


def _bias(fields: Fields) -> Spec | None:
    bias = fields.get("bias")
    return None if bias is None else Spec(bias.shape, bias.dtype.name, ONE, 0, bias)


def _output(fields: Fields) -> Spec:
    y = fields["y.double"]
    return Spec(y.shape, y.dtype.name, ONE, fields.get("y_zp", 0))


def _padding(fields: Fields, image: Any, kernel: Any, outputs: Any, dilation: Any = (1, 1)) -> int:
    """SAME or VALID, whichever gives these numbers of rows and columns, and pads so."""
    for name, number in _PADDING.items():
        windows = [
            window(image[axis], kernel[axis], fields["stride"][axis], dilation[axis], name)
            for axis in (0, 1)
        ]
        found = [w.before for w in windows], [w.outputs for w in windows]
        if found == (fields["pad"], list(outputs)):
            return number
    raise AssertionError("no padding of TFLite")


def _strides(fields: Fields) -> dict[str, int]:
    return {"strideH": fields["stride"][0], "strideW": fields["stride"][1]}


def _convolution(fields: Fields, op: str) -> Made:
    x, w = fields["x"], fields["w"]
    depthwise = op == "DEPTHWISE_CONV_2D"
    options = _strides(fields) | {
        "padding": _padding(fields, x.shape[1:3], w.shape[1:3], fields["out_hw"], fields["dil"]),
        "dilationHFactor": fields["dil"][0],
        "dilationWFactor": fields["dil"][1],
    }
    if depthwise:
        options["depthMultiplier"] = w.shape[3] // x.shape[3]
    axis = 3 if depthwise else 0
    weights = _weights(fields, fields["four_bits"], w.shape[axis], axis)
    table = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    made = Op(op, [_tensor(fields, "x"), weights, _bias(fields)], [_output(fields)], options, table)
    return made, [x], _pairs(fields["q"], fields["s"])


def _connected(fields: Fields, op: str) -> Made:
    scales = len(fields["w"]) if fields.get("per_channel") else 1
    weights = _weights(fields, fields["four_bits"], scales)
    q, s = (fields[key] if scales > 1 else fields[key][0] for key in "qs")
    inputs = [_tensor(fields, "x"), weights, _bias(fields)]
    return (
        Op(op, inputs, [_output(fields)], {}, "FullyConnectedOptions"),
        [fields["x"]],
        _pairs(q, s),
    )


def _matmul(fields: Fields, op: str) -> Made:
    inputs = [_tensor(fields, "x"), _tensor(fields, "w")]
    made = Op(op, inputs, [_output(fields)], {"adjY": True}, "BatchMatMulOptions")
    return made, [fields["x"], fields["w"]], _pairs(fields["q"][0], fields["s"][0])


def _transposed(fields: Fields, op: str) -> Made:
    y, w = fields["y.double"], fields["w"]
    shape = Spec((4,), "int32", data=np.array(y.shape, np.int32))
    sizes = y.shape[1:3], w.shape[1:3], fields["x"].shape[1:3]
    options = _strides(fields) | {"padding": _padding(fields, *sizes)}
    weights = _weights(fields, False, len(w))
    inputs = [shape, weights, _tensor(fields, "x"), _bias(fields)]
    made = Op(op, inputs, [_output(fields)], options, "TransposeConvOptions")
    return made, [fields["x"]], _pairs(fields["q"], fields["s"])


def _added(fields: Fields, op: str) -> Made:
    inputs = [_tensor(fields, "x"), _tensor(fields, "w")]
    by = [*_pairs(fields["q1"], fields["s1"]), *_pairs(fields["q2"], fields["s2"])]
    made = Op(op, inputs, [_output(fields)], {"potScaleInt16": False}, "AddOptions")
    return made, [fields["x"], fields["w"]], [*by, *_pairs(fields["q"], fields["s"])]


def _multiplied(fields: Fields, op: str) -> Made:
    inputs = [_tensor(fields, "x"), _tensor(fields, "w")]
    made = Op(op, inputs, [_output(fields)], {}, "MulOptions")
    return made, [fields["x"], fields["w"]], _pairs(fields["q"], fields["s"])


def _pooled(fields: Fields, op: str) -> Made:
    x = fields["x"]
    height, width = fields["kernel"]
    options = _strides(fields) | {
        "padding": _padding(fields, x.shape[1:3], fields["kernel"], fields["out_hw"]),
        "filterHeight": height,
        "filterWidth": width,
    }
    made = Op(op, [_tensor(fields, "x")], [_output(fields)], options, "Pool2DOptions")
    return made, [x], []


def _softmax(fields: Fields, op: str) -> Made:
    y = fields["y.double"]
    output = Spec(y.shape, y.dtype.name, 2.0**-15 if y.itemsize > 1 else 2.0**-8, 0)
    made = Op(op, [_tensor(fields, "x")], [output], {"beta": 1.0}, "SoftmaxOptions")
    return made, [fields["x"]], _pairs(fields["q"], fields["s"])


def _filter_bank(fields: Fields, op: str) -> Made:
    state, bias = fields["state"], _bias(fields)
    features, times = (
        Spec(fields[key].shape, fields[key].dtype.name, ONE, 0, fields[key]) for key in ("wf", "wt")
    )
    kept = Spec((len(state), state[0].size), state.dtype.name, ONE, 0, variable=True)
    made = Op(
        op,
        [_tensor(fields, "x"), features, times, bias, kept],
        [_output(fields)],
        {"rank": fields["rank"], "fusedActivationFunction": 1},
        "SVDFOptions",
    )
    by = [*_pairs(fields["q1"], fields["s1"]), *_pairs(fields["q2"], fields["s2"])]
    return made, [fields["x"]], by


_GATES = (1, 0, 2, 3)  # the vectors' numbers of the gates in TFLite's order: input, forget, ...
_TANH = 4


def _lstm(fields: Fields, op: str) -> Made:
    def gate(number: int, key: str) -> Any:
        return fields[f"gates.{number}.{key}"]

    def constant(array: np.ndarray) -> Spec:
        return Spec(array.shape, array.dtype.name, ONE, 0, array)

    x = fields["x"]
    size = len(gate(0, "wh"))
    batch = x.shape[1 if fields["time_major"] else 0]
    by = [pair for g in "fio" for pair in _pairs(fields[f"q{g}"], fields[f"s{g}"])]
    biases = []
    for number in _GATES:
        w = gate(number, "wx")
        by += _pairs(gate(number, "qx"), gate(number, "sx"))
        by += _pairs(gate(number, "qh"), gate(number, "sh"))
        bias = gate(number, "bx") + fields["x_zp"] * w.sum(axis=1, dtype=np.int64)
        biases.append(constant(bias.astype(gate(number, "bx").dtype)))
    unit = 2.0 ** fields["cell_power"]
    states = [
        Spec((batch, size), x.dtype.name, ONE, fields["y_zp"], variable=True),
        Spec((batch, size), "int16", unit, variable=True),
    ]
    inputs = [_tensor(fields, "x")]
    inputs += [constant(gate(number, key)) for key in ("wx", "wh") for number in _GATES]
    options = {
        "fusedActivationFunction": _TANH,
        "cellClip": float(fields["clip"] * unit),
        "timeMajor": bool(fields["time_major"]),
    }
    made = Op(
        op,
        [*inputs, None, None, None, *biases, None, None, *states, None, None, None, None],
        [_output(fields)],
        options,
        "UnidirectionalSequenceLSTMOptions",
        intermediates=[Spec((), "int8", ONE)] * 5,
    )
    return made, [x], by


_MAKERS: dict[str, tuple[str, Callable[[Fields, str], Made]]] = {
    "conv": ("CONV_2D", _convolution),
    "dw": ("DEPTHWISE_CONV_2D", _convolution),
    "fc": ("FULLY_CONNECTED", _connected),
    "bmm": ("BATCH_MATMUL", _matmul),
    "tconv": ("TRANSPOSE_CONV", _transposed),
    "add": ("ADD", _added),
    "mul": ("MUL", _multiplied),
    "avg_pool": ("AVERAGE_POOL_2D", _pooled),
    "max_pool": ("MAX_POOL_2D", _pooled),
    "softmax": ("SOFTMAX", _softmax),
    "svdf": ("SVDF", _filter_bank),
    "lstm": ("UNIDIRECTIONAL_SEQUENCE_LSTM", _lstm),
}


def made(function: str, fields: Fields) -> Made:
    """The op of one function of the vectors, its inputs and its multipliers, in order of use."""
    name = function.removesuffix("_s16").removesuffix("_s8").removesuffix("_s4")
    op, make = _MAKERS[name.removesuffix("_s8")]
    return make({**fields, "four_bits": function.endswith("_s4")}, op)
