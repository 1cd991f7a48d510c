"""The rule sheet, checked by implementing layers from its JSON alone and by worst-case inputs."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import MODELS, SEVEN_OPS
from tests.single_op import Spec, build, run_engine
from tests.test_replayer import rename_op
from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Accumulation
from tflreplay.model import Model, parse
from tflreplay.ops import CARDS, row_of
from tflreplay.ops.seam import call_of
from tflreplay.replayer.loop import replay
from tflreplay.reports.rules import sheet as report
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.rules import LayerRules, Range, rulesheet

REFERENCE = Engine()
Sheet = dict[str, Any]


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tflreplay", "rules", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def sheet_of(model: Model, inputs: Inputs, engine: Engine = REFERENCE) -> list[Sheet]:
    """The JSON's layers, as another program reads them."""
    layers = rulesheet(model, inputs.arrays, engine)
    return json.loads(json.dumps(report.document(model, layers, engine, inputs.notes)))["layers"]


# A reader's own implementation: nothing but the JSON's numbers, weights and Python integers.


def double(acc: int, layer: Sheet, channel: int) -> int:
    """high-mul with ties up, then a right shift with ties away from zero."""
    multipliers, shifts = layer["quantized_multiplier"], layer["shift"]
    multiplier, shift = (each[channel % len(each)] for each in (multipliers, shifts))
    assert shift <= 0
    high = (acc * multiplier + 2**30) // 2**31
    sign = -1 if high < 0 else 1
    return sign * ((abs(high) + ((1 << -shift) >> 1)) >> -shift)


def float_away64(acc: int, layer: Sheet, channel: int) -> int:
    """float64 product, halves away from zero."""
    multipliers = layer["real_multiplier"]
    real = acc * multipliers[channel % len(multipliers)]
    return int(math.copysign(math.floor(abs(real) + 0.5), real))


class Ledger:
    """Outputs of one layer, and what the sheet says about them counted again."""

    def __init__(self, layer: Sheet):
        self.q, self.rule = layer["requantization"], layer["rule"]["name"]
        self.codes: list[int] = []
        self.sums: list[int] = []
        self.low = self.high = self.outside = 0

    def add(self, acc: int, channel: int = 0) -> None:
        rule = {"double": double, "float-away64": float_away64}[self.rule]
        code = rule(acc, self.q, channel) + self.q["zero_point"]
        low, high = self.q["clamp"]
        self.sums.append(acc)
        self.low += code < low
        self.high += code > high
        self.outside += not -128 <= code <= 127
        self.codes.append(min(max(code, low), high))

    def check(self, expected: np.ndarray) -> None:
        assert self.codes == expected.reshape(-1).tolist()
        assert self.q["saturation"] == {
            "low": self.low,
            "high": self.high,
            "outside_type": self.outside,
            "elements": len(self.codes),
        }
        seen = self.q["accumulator"]["seen"]
        assert (seen["low"], seen["high"]) == (min(self.sums), max(self.sums))
        worst = self.q["accumulator"]["worst_case"]
        assert worst["low"] <= seen["low"]
        assert worst["high"] >= seen["high"]


def zero_point(tensor: Sheet) -> int:
    (code,) = tensor["quantization"]["zero_points"]
    return code


def test_a_convolution_from_the_json_alone(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    layer = sheet_of(seven_ops, seven_inputs)[2]
    assert layer["op"] == "CONV_2D"
    x, weights, bias = layer["inputs"]
    codes = seven_captured.tensors[x["tensor"]][0].tolist()
    filters = seven_ops.main.tensors[weights["tensor"]].data.tolist()
    constants = seven_ops.main.tensors[bias["tensor"]].data.tolist()
    centre = zero_point(x)
    ledger = Ledger(layer)
    for top, left in positions(layer):
        for channel, taps in enumerate(filters):
            acc = constants[channel]
            for i, line in enumerate(taps):
                for j, depth in enumerate(line):
                    row, column = top + i, left + j
                    if 0 <= row < len(codes) and 0 <= column < len(codes[0]):
                        pixel = codes[row][column]
                        acc += sum((a - centre) * b for a, b in zip(pixel, depth, strict=True))
            ledger.add(acc, channel)
    ledger.check(seven_captured.tensors[layer["outputs"][0]["tensor"]])


def positions(layer: Sheet) -> Iterator[tuple[int, int]]:
    rows, columns = layer["windows"]["rows"], layer["windows"]["columns"]
    assert rows["dilation"] == columns["dilation"] == 1
    for y in range(rows["outputs"]):
        for x in range(columns["outputs"]):
            yield y * rows["stride"] - rows["before"], x * columns["stride"] - columns["before"]


@pytest.mark.parametrize("op_index", [18, 19])
def test_a_fully_connected_layer_from_the_json_alone(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture, op_index: int
) -> None:
    layer = sheet_of(seven_ops, seven_inputs)[op_index]
    assert layer["op"] == "FULLY_CONNECTED"
    x, weights, bias = layer["inputs"]
    (codes,) = seven_captured.tensors[x["tensor"]].tolist()
    assert (bias is None) == (op_index == 18)
    ledger = Ledger(layer)
    for channel, row in enumerate(seven_ops.main.tensors[weights["tensor"]].data.tolist()):
        products = ((a - zero_point(x)) * b for a, b in zip(codes, row, strict=True))
        constant = 0 if bias is None else seven_ops.main.tensors[bias["tensor"]].data[channel]
        ledger.add(sum(products) + int(constant), channel)
    ledger.check(seven_captured.tensors[layer["outputs"][0]["tensor"]])


def test_an_addition_from_the_json_alone(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    layer = sheet_of(seven_ops, seven_inputs)[10]
    assert layer["op"] == "ADD"
    assert len(layer["rescales"]) == 2
    ledger = Ledger(layer)
    columns = [seven_captured.tensors[tensor["tensor"]].ravel() for tensor in layer["inputs"]]
    for pair in zip(*(column.tolist() for column in columns), strict=True):
        acc = 0
        for code, tensor, rescale in zip(pair, layer["inputs"], layer["rescales"], strict=True):
            acc += double((code - zero_point(tensor)) << rescale["left_shift"], rescale, 0)
        ledger.add(acc)
    ledger.check(seven_captured.tensors[layer["outputs"][0]["tensor"]])


def test_an_addition_of_xnnpack_from_the_json_alone(seven_ops: Model, seven_inputs: Inputs) -> None:
    """Integer factors, then one rounding shift with ties up."""
    captured = capture(seven_ops, seven_inputs.arrays, engine="xnnpack").tensors
    layers = sheet_of(seven_ops, seven_inputs, Engine("xnnpack"))
    for op_index in (0, 10, 16):
        layer = layers[op_index]
        factors, q = layer["factors"], layer["requantization"]
        assert len(factors) == 2
        assert layer["rescales"] == []
        left, right = (
            array_of(seven_ops, captured, tensor["tensor"]).astype(np.int64) - zero_point(tensor)
            for tensor in layer["inputs"]
        )
        acc = left * factors[0] + right * factors[1]
        total = 31 - q["shift"][0]
        codes = (acc * q["quantized_multiplier"][0] + (1 << (total - 1))) >> total
        codes = np.clip(codes + q["zero_point"], *q["clamp"])
        np.testing.assert_array_equal(codes, captured[layer["outputs"][0]["tensor"]])
        assert q["accumulator"]["seen"]["low"] == acc.min()


def array_of(model: Model, captured: dict[int, np.ndarray], index: int) -> np.ndarray:
    data = model.main.tensors[index].data
    return captured[index] if data is None else data


# Worst cases.


def sums(model: Model, op_index: int, arrays: dict[int, np.ndarray]) -> np.ndarray:
    op = model.main.operators[op_index]
    row = row_of(REFERENCE, model.main, op)
    call, values = call_of(model.main, op, arrays, REFERENCE, row)
    result = row.kernel(call, *values)
    assert isinstance(result, Accumulation)
    return result.values.astype(np.int64)


def worst_of(layer: LayerRules) -> Range:
    assert layer.requantization is not None
    assert layer.requantization.worst is not None
    return layer.requantization.worst


@pytest.mark.parametrize("op_index", [2, 3, 13, 15, 18, 19])
def test_an_input_reaches_the_worst_case(
    seven_ops: Model, seven_inputs: Inputs, op_index: int
) -> None:
    """For each channel the input that suits its weights; no channel goes beyond, one gets there."""
    layer = rulesheet(seven_ops, seven_inputs.arrays, REFERENCE)[op_index]
    x, weights = layer.inputs[0], layer.inputs[1]
    assert x is not None
    assert weights is not None
    assert weights.data is not None
    found = []
    depthwise = layer.op.name == "DEPTHWISE_CONV_2D"
    for channel in range(layer.outputs[0].shape[-1]):
        for ends in ((127, -128), (-128, 127)):
            values = np.full(x.shape, x.zero_point, np.int8)
            if layer.windows is None:
                values[0] = np.where(weights.data[channel] > 0, *ends)
                position: tuple[int, ...] = ()
            else:
                rows, columns = layer.windows
                position = (rows.outputs // 2, columns.outputs // 2)
                top = position[0] * rows.stride - rows.before
                left = position[1] * columns.stride - columns.before
                window = values[0, top : top + rows.size, left : left + columns.size]
                if depthwise:
                    window[..., channel] = np.where(weights.data[0, ..., channel] > 0, *ends)
                else:
                    window[...] = np.where(weights.data[channel] > 0, *ends)
            found.append(sums(seven_ops, op_index, {x.index: values})[(0, *position, channel)])
    assert Range(min(found), max(found)) == worst_of(layer)


@pytest.mark.parametrize("op_index", [1, 7, 8, 10, 16, 17])
def test_whole_inputs_reach_the_worst_case(
    seven_ops: Model, seven_inputs: Inputs, op_index: int
) -> None:
    """Every pair of codes (or every code) as the whole of both inputs."""
    layer = rulesheet(seven_ops, seven_inputs.arrays, REFERENCE)[op_index]
    activations = [t for t in layer.inputs if t is not None and not t.is_constant]
    low, high = 0, 0
    for first in range(-128, 128, 15):
        for second in range(-128, 128, 15):
            arrays = {
                tensor.index: np.full(tensor.shape, code, np.int8)
                for tensor, code in zip(activations, (first, second), strict=False)
            }
            found = sums(seven_ops, op_index, arrays)
            low, high = min(low, int(found.min())), max(high, int(found.max()))
    assert Range(low, high) == worst_of(layer)


@pytest.mark.parametrize("weight_zero_point", [0, 120])
def test_taps_in_the_padding_are_not_counted(weight_zero_point: int) -> None:
    """5x5 taps on a 2x2 input: never more than four of them meet it."""
    rng = np.random.default_rng(1)
    x = Spec((1, 2, 2, 1), "uint8", 0.5, 100)
    data = rng.integers(0, 255, (1, 5, 5, 1), dtype=np.uint8)
    weights = Spec(data.shape, "uint8", 0.25, weight_zero_point, data)
    bias = Spec((1,), "int32", 0.125, data=np.array([-777], np.int32))
    y = Spec((1, 2, 2, 1), "uint8", 200.0, 128)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    content = build("CONV_2D", [x, weights, bias], [y], options, "Conv2DOptions")
    model = parse(content, Path("conv.tflite"))
    (index,) = model.main.inputs
    ends = [255 * np.array([n >> b & 1 for b in range(4)], np.uint8) for n in range(16)]
    found = np.stack([sums(model, 0, {index: end.reshape(1, 2, 2, 1)}) for end in ends])
    (layer,) = rulesheet(model, {index: np.zeros((1, 2, 2, 1), np.uint8)}, REFERENCE)
    assert worst_of(layer) == Range(int(found.min()), int(found.max()))


def test_worst_case_beyond_the_register() -> None:
    """The bias alone nearly fills 32 bits: the bound is of the exact sum, not of the wrapped."""
    x = Spec((1, 1), "int8", 0.5, 0)
    weights = Spec((1, 1), "int8", 0.5, data=np.array([[127]], np.int8))
    bias = Spec((1,), "int32", 0.25, data=np.array([2**31 - 1], np.int32))
    y = Spec((1, 1), "int8", 1e6)
    content = build("FULLY_CONNECTED", [x, weights, bias], [y], {}, "FullyConnectedOptions")
    model = parse(content, Path("fc.tflite"))
    (layer,) = rulesheet(model, {0: np.zeros((1, 1), np.int8)}, REFERENCE)
    assert worst_of(layer).high == 2**31 - 1 + 127 * 127
    assert worst_of(layer).bits == 33


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(0, 0, 1), (-1, 0, 1), (-128, 127, 8), (-129, 0, 9), (0, 128, 9)]
)
def test_bits(low: int, high: int, bits: int) -> None:
    assert Range(low, high).bits == bits


# The rest of the sheet.


@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])
def test_it_is_the_replay(seven_ops: Model, seven_inputs: Inputs, engine: str) -> None:
    """Its accumulators are those of the chained replay in every engine."""
    ours = Engine(engine)
    chained = replay(seven_ops, seven_inputs.arrays, ours)
    for layer in rulesheet(seven_ops, seven_inputs.arrays, ours):
        assert layer.reason == ""
        if layer.requantization is None:
            continue
        row = row_of(ours, seven_ops.main, layer.op)
        call, arrays = call_of(seven_ops.main, layer.op, chained.tensors, ours, row)
        result = row.kernel(call, *arrays)
        assert isinstance(result, Accumulation)
        seen = layer.requantization.seen
        assert seen == Range(int(result.values.min()), int(result.values.max()))
        saturation = layer.requantization.saturation
        assert saturation is not None
        output = chained.tensors[layer.outputs[0].index]
        assert saturation.low <= (output == result.low).sum()
        assert saturation.high <= (output == result.high).sum()


def test_a_formula_says_what_the_functions_compute_that_it_names() -> None:
    x = Spec((4,), "int8", 0.5)
    model = parse(build("SUB", [x, x], [x], {}, "SubOptions"), Path("sub.tflite"))
    (layer,) = rulesheet(model, {}, Engine("xnnpack"))
    (told,) = report.document(model, [layer], Engine("xnnpack"), ())["layers"]
    assert told["formula"].startswith("As `xnnpack_add`, with mb negated. `xnnpack_add`: `acc = ")
    for known in CARDS.values():
        for row in known.rows():
            text = report.formula(row.kernel)
            assert ":func:" not in text, known.op


def test_a_table_is_what_the_engine_gives_for_every_code() -> None:
    codes = np.arange(-128, 128, dtype=np.int8)[None]
    for op, options, options_type in (
        ("LOGISTIC", None, None),
        ("HARD_SWISH", {}, "HardSwishOptions"),
        ("LEAKY_RELU", {"alpha": 0.3}, "LeakyReluOptions"),
        ("RELU6", None, None),
    ):
        scale, zero = (1 / 256, -128) if op == "LOGISTIC" else (0.05, -9)
        x, y = Spec((1, 256), "int8", 0.06, 5), Spec((1, 256), "int8", scale, zero)
        content = build(op, [x], [y], options, options_type)
        model = parse(content, Path("unary.tflite"))
        (layer,) = sheet_of(model, Inputs({0: codes}))
        assert layer["table"] == run_engine(content, [codes])[0].ravel().tolist()
        assert len(layer["rescales"]) == (2 if op == "LEAKY_RELU" else 0)


def test_a_rule_that_depends_on_the_position_has_no_table() -> None:
    codes = np.arange(-128, 128, dtype=np.int8)[None]
    x, y = Spec((1, 256), "int8", 0.06, 5), Spec((1, 256), "int8", 0.05, -9)
    content = build("QUANTIZE", [x], [y], {}, "QuantizeOptions")
    model = parse(content, Path("quantize.tflite"))
    (reference,) = sheet_of(model, Inputs({0: codes}))
    (optimized,) = sheet_of(model, Inputs({0: codes}), Engine("optimized"))
    assert reference["table"] == run_engine(content, [codes])[0].ravel().tolist()
    assert (optimized["rule"]["name"], optimized["table"]) == ("neon16-flat", None)


def test_a_worst_case_at_the_zero_point() -> None:
    """A negative slope: the accumulator is never below that of the zero point."""
    codes = np.arange(-128, 128, dtype=np.int8)[None]
    x, y = Spec((1, 256), "int8", 0.06, 5), Spec((1, 256), "int8", 0.05, -9)
    content = build("LEAKY_RELU", [x], [y], {"alpha": -0.5}, "LeakyReluOptions")
    (layer,) = rulesheet(parse(content, Path("x.tflite")), {0: codes}, Engine("xnnpack"))
    assert layer.requantization is not None
    assert layer.requantization.worst == layer.requantization.seen
    assert worst_of(layer).low == 0


def test_parameters_do_not_need_the_values(seven_ops: Model, seven_inputs: Inputs) -> None:
    """Behind an op that cannot be replayed everything is told but what was seen."""
    whole = rulesheet(seven_ops, seven_inputs.arrays, REFERENCE)
    model = rename_op(seven_ops, 0, "CUSTOM:mine")
    first, *others = rulesheet(model, seven_inputs.arrays, REFERENCE)
    assert "no reference kernel for CUSTOM:mine" in first.reason
    for layer, known in zip(others, whole[1:], strict=True):
        q, expected = layer.requantization, known.requantization
        assert q is not None
        assert expected is not None
        assert (q.seen, q.saturation) == (None, None)
        assert (q.worst, q.zero_point, q.low) == (expected.worst, expected.zero_point, expected.low)
        np.testing.assert_array_equal(q.multiplier.mantissa, expected.multiplier.mantissa)
    text = report.render([first, *others])
    assert "Not replayed: #0: tflreplay has no reference kernel for CUSTOM:mine" in text


def test_a_kernel_that_breaks_takes_only_its_layer_along(
    seven_ops: Model, seven_inputs: Inputs
) -> None:
    graph = seven_ops.main
    operators = list(graph.operators)
    operators[4] = replace(operators[4], inputs=operators[4].inputs[:1])
    model = replace(seven_ops, subgraphs=(replace(graph, operators=tuple(operators)),))
    layers = rulesheet(model, seven_inputs.arrays, REFERENCE)
    assert [layer.op.index for layer in layers if layer.reason] == [4]
    assert "TypeError" in layers[4].reason


def test_the_command(tmp_path: Path) -> None:
    done = command(SEVEN_OPS, "-o", "rules.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "random int8 codes" in done.stdout
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    (row,) = (line.split() for line in lines if line.startswith("  3  "))
    assert row[:6] == ["3", "DEPTHWISE_CONV_2D", "double", "-8..-5", "-128", "-128..127"]
    assert row[6:] == ["-55k..59k", "17/19", "4316/201"]
    document = json.loads((tmp_path / "rules.json").read_text())
    assert document["format_version"] == 1
    assert document["engine"] == {
        "name": "reference",
        "runtime": "litert",
        "version": "2.3.0",
        "machine": "x86-64",
        "profile": None,
        "assumed": [],
    }
    assert len(document["layers"]) == 20
    layer = document["layers"][3]
    assert layer["rule"]["words"].startswith("Double rounding: high-mul (ties up)")
    assert layer["multiplier_precision"] == "float64 s1*s2/so"
    assert layer["source"].endswith("depthwise_conv.h")
    rows = layer["windows"]["rows"]
    assert (rows["size"], rows["before"], rows["after"], rows["outputs"]) == (3, 1, 1, 23)
    assert len(layer["requantization"]["quantized_multiplier"]) == 17

    again = command(SEVEN_OPS, "-o", "rules.json", cwd=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    (tmp_path / "rules.json").write_text("mine")
    done = command(SEVEN_OPS, "-o", "rules.json", "--force", "--engine", "optimized", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    layer = json.loads((tmp_path / "rules.json").read_text())["layers"][3]
    assert layer["rule"]["vector"]["width"] == 8
    assert layer["rule"]["vector"]["remainder"].startswith("Double rounding")


def test_what_belongs_to_a_model_needs_one(tmp_path: Path) -> None:
    for arguments in (["-o", "rules.json"], ["--input", MODELS / "img.npy"]):
        done = command(*arguments, cwd=tmp_path)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2
        assert "MODEL" in line
    assert list(tmp_path.iterdir()) == []


def test_the_worst_case_is_that_of_the_exact_sum_where_the_register_wraps() -> None:
    depth = 140_000
    weights = np.full((2, depth), 127, np.int8)
    weights[1, ::2] = -127
    x = Spec((1, depth), "int8", 0.1, 3)
    inputs = [x, Spec((2, depth), "int8", 0.1, 0, weights), None]
    target = [Spec((1, 2), "int8", 100.0, 0)]
    content = build("FULLY_CONNECTED", inputs, target, {}, "FullyConnectedOptions", version=4)
    (layer,) = rulesheet(parse(content, Path("wide.tflite")), {}, Engine())
    found = layer.requantization
    assert found is not None
    assert found.worst is not None
    assert found.bits == 32
    # Of weights of one sign, and of both.
    low, high = -depth * 127 * 131, depth // 2 * 127 * 255
    assert (found.worst.low, found.worst.high) == (low, high)
