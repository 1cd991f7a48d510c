"""A rule sheet in the names of other interfaces: C that compiles, with the sheet's numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.single_op import Spec, build
from tflreplay.cli import command
from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import RULES, Multiplier
from tflreplay.model import Model, parse
from tflreplay.reports.rules.fields import document
from tflreplay.tools.fields import INTERFACES, fields
from tflreplay.tools.rules import rulesheet

SEVEN_OPS = Path(__file__).parents[2] / "models" / "seven_ops_int8.tflite"
GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="no gcc")

# The names of the headers that are included, and in what order they stand there.
HEADERS = {
    "arm_nn_types.h": """
typedef struct { int32_t w; int32_t h; } cmsis_nn_tile;
typedef struct { int32_t min; int32_t max; } cmsis_nn_activation;
typedef struct { int32_t *multiplier; int32_t *shift; } cmsis_nn_per_channel_quant_params;
typedef struct { int32_t multiplier; int32_t shift; } cmsis_nn_per_tensor_quant_params;
typedef struct { int32_t input_offset; int32_t output_offset; cmsis_nn_tile stride;
    cmsis_nn_tile padding; cmsis_nn_tile dilation; cmsis_nn_activation activation;
} cmsis_nn_conv_params;
typedef struct { int32_t input_offset; int32_t output_offset; int32_t ch_mult;
    cmsis_nn_tile stride; cmsis_nn_tile padding; cmsis_nn_tile dilation;
    cmsis_nn_activation activation;
} cmsis_nn_dw_conv_params;
typedef struct { cmsis_nn_tile stride; cmsis_nn_tile padding; cmsis_nn_activation activation;
} cmsis_nn_pool_params;
typedef struct { int32_t input_offset; int32_t filter_offset; int32_t output_offset;
    cmsis_nn_activation activation;
} cmsis_nn_fc_params;
""",
    "esp_nn_defs.h": """
typedef struct { int32_t width; int32_t height; } data_2d_t;
typedef struct { int32_t min; int32_t max; } act_params_t;
typedef struct { int32_t *shift; int32_t *mult; } quant_data_t;
typedef struct { int32_t in_offset; int32_t out_offset; data_2d_t stride; data_2d_t padding;
    data_2d_t dilation; act_params_t activation;
} conv_params_t;
typedef struct { int32_t in_offset; int32_t out_offset; int32_t ch_mult; data_2d_t stride;
    data_2d_t padding; data_2d_t dilation; act_params_t activation;
} dw_conv_params_t;
""",
}


def rules(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["rules", str(SEVEN_OPS), *arguments])


def written(interface: str, path: Path) -> Path:
    result = rules("--fields", interface, "-o", str(path))
    assert result.exit_code == 0, result.output
    assert f"fields of {interface}: {path}" in result.output
    return path


def told(model: Model, interface: str) -> list[dict[str, Any]]:
    """The fields of each layer, as JSON has them."""
    layers = rulesheet(model, {}, Engine())
    made = document(model, fields(layers, interface), interface, Engine())
    found: list[dict[str, Any]] = json.loads(json.dumps(made))["layers"]
    return found


def compiled(program: str, folder: Path) -> str:
    for name, text in HEADERS.items():
        (folder / name).write_text(f"#include <stdint.h>\n{text}")
    (folder / "main.c").write_text(program)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-const-variable"]
    assert GCC is not None
    subprocess.run([GCC, *flags, "main.c", "-o", "main"], cwd=folder, check=True)
    done = subprocess.run([folder / "main"], capture_output=True, text=True, check=True)
    return done.stdout


@needs_gcc
@pytest.mark.parametrize("interface", INTERFACES)
def test_the_header_compiles(tmp_path: Path, interface: str) -> None:
    written(interface, tmp_path / "fields.h")
    program = '#include "fields.h"\n#include "fields.h"\nint main(void) { return 0; }\n'
    assert compiled(program, tmp_path) == ""


@needs_gcc
def test_c_reads_what_the_sheet_has(tmp_path: Path) -> None:
    """The convolution's parameters, as CMSIS-NN's function finds them."""
    written("cmsis-nn", tmp_path / "fields.h")
    program = """
#include "fields.h"
#include <stdio.h>
int main(void) {
    cmsis_nn_conv_params p = op2_params;
    printf("%d %d %d %d %d %d\\n", (int)p.input_offset, (int)p.output_offset, (int)p.stride.w,
        (int)p.padding.h, (int)p.activation.min, (int)p.activation.max);
    for (int i = 0; i < 17; i++)
        printf("%d %d\\n", (int)op2_quant_params.multiplier[i], (int)op2_quant_params.shift[i]);
    printf("%d %d\\n", OP10_INPUT_1_MULT, OP10_OUT_SHIFT);
    return 0;
}
"""
    lines = compiled(program, tmp_path).splitlines()
    model = parse(SEVEN_OPS.read_bytes(), SEVEN_OPS)
    layers = rulesheet(model, {}, Engine())
    layer, added = layers[2], layers[10]
    source, found = layer.inputs[0], layer.requantization
    assert source is not None
    assert found is not None
    assert added.requantization is not None
    assert layer.windows is not None
    zero = layer.outputs[0].zero_point
    numbers = (-source.zero_point, zero, layer.windows[1].stride, layer.windows[0].before)
    assert lines[0] == " ".join(map(str, (*numbers, found.low, found.high)))
    pairs = zip(found.multiplier.mantissa, found.multiplier.shift, strict=True)
    assert lines[1:18] == [f"{mantissa} {shift}" for mantissa, shift in pairs]
    shift = added.requantization.multiplier.shift
    assert lines[18] == f"{added.rescales[0].mantissa} {shift}"


def test_json_has_what_the_header_has(tmp_path: Path) -> None:
    made = json.loads(written("esp-nn", tmp_path / "fields.json").read_text())
    assert made["interface"] == "esp-nn"
    layer = made["layers"][3]
    assert layer["op"] == "DEPTHWISE_CONV_2D"
    assert set(layer["fields"]) == {"dw_conv_params_t", "quant_data_t"}
    assert layer["fields"]["dw_conv_params_t"]["ch_mult"] == 1
    assert len(layer["fields"]["quant_data_t"]["mult"]) == 17
    assert made["layers"][0] == {
        "op_index": 0,
        "op": "SUB",
        "fields": {},
        "reason": "no fields of ESP-NN for it",
    }


def apply_scale_32(value: int, multiplier: int, shift: int, double_round: bool) -> int:
    """The function of that name in the TOSA specification."""
    assert 2 <= shift <= 62
    rounding = 1 << (shift - 1)
    if double_round and shift > 31:
        rounding += 1 << 30 if value >= 0 else -(1 << 30)
    return (value * multiplier + rounding) >> shift


@pytest.mark.parametrize("op_index", [2, 10])
def test_tosa_rounds_as_the_engine_does(op_index: int) -> None:
    """A convolution's sums, and those of ADD."""
    model = parse(SEVEN_OPS.read_bytes(), SEVEN_OPS)
    rescale = told(model, "tosa")[op_index]["fields"]["rescale"]
    found = rulesheet(model, {}, Engine())[op_index].requantization
    assert found is not None
    assert rescale["scale32"]
    assert rescale["double_round"]
    reals = np.atleast_1d(found.multiplier.real)
    rng = np.random.default_rng(op_index)
    numbers = zip(reals, rescale["multiplier"], rescale["shift"], strict=True)
    for real, multiplier, shift in numbers:
        most = min(200 / real, 2**29)
        sums = rng.integers(-most, most, 1000)
        ours = RULES["double"].apply(sums, Multiplier.of(real))
        theirs = [apply_scale_32(int(acc), multiplier, shift, True) for acc in sums]
        assert ours.tolist() == theirs


def test_pools() -> None:
    x = Spec((1, 4, 4, 2), "int8", 0.5, 3)
    pool = {"padding": 1, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 3}
    content = build(
        "AVERAGE_POOL_2D", [x], [Spec((1, 2, 1, 2), "int8", 0.5, 3)], pool, "Pool2DOptions"
    )
    model = parse(content, Path("pool.tflite"))
    pooled = told(model, "esp-nn")[0]["fields"]["arguments"]
    assert (pooled["filter_ht"], pooled["filter_wd"]) == (2, 3)
    assert told(model, "cmsis-nn")[0]["fields"]["cmsis_nn_pool_params"]["activation"] == {
        "min": -128,
        "max": 127,
    }


def test_sums_of_64_bits_are_rescaled_by_16() -> None:
    x, y = Spec((1, 4), "int16", 0.001), Spec((1, 2), "int16", 0.002)
    weights = Spec((2, 4), "int8", 0.01, 0, np.ones((2, 4), np.int8))
    content = build("FULLY_CONNECTED", [x, weights, None], [y], {}, "FullyConnectedOptions")
    model = parse(content, Path("fc.tflite"))
    tflm = Engine("tflm", "tflm", "0.dev20261023182759")
    layers = rulesheet(model, {}, tflm)
    rescale = fields(layers, "tosa")[0].structs[0].values
    assert (rescale["scale32"], rescale["double_round"]) == (0, 0)
    assert rescale["multiplier"] == [20972]


def test_what_is_refused(tmp_path: Path) -> None:
    runner = CliRunner()
    without = runner.invoke(command, ["rules", "--fields", "tflm"])
    assert "for a MODEL's rule sheet" in without.output
    assert "--fields needs --output" in rules("--fields", "tosa").output
    result = rules("--fields", "tosa", "-o", str(tmp_path / "f.txt"))
    assert ".h or .json" in str(result.exception)
    mine = tmp_path / "f.h"
    mine.write_text("mine")
    assert rules("--fields", "tosa", "-o", str(mine)).exit_code != 0
    assert mine.read_text() == "mine"
