"""The files of a port kit, read by those that they are written for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tflreplay.ground.errors import OutputError
from tflreplay.ground.machine import this_machine
from tflreplay.model import Model, parse
from tflreplay.model.writer import write
from tflreplay.reports import extract as port_kit
from tflreplay.reports.extract.vectors import vector
from tflreplay.runtimes import Capture, installed
from tflreplay.runtimes.inputs import Inputs, random_inputs
from tflreplay.tools.extract import PortKit, extract

GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="no gcc")
LAYERS = (2, 3, 10, 18)  # CONV_2D, DEPTHWISE_CONV_2D, ADD, FULLY_CONNECTED without a bias

# The reference arithmetic of CONV_2D, from the header alone.
CONVOLUTION = """
#include "op2.h"
#include <stdio.h>

static int32_t requantized(int32_t acc, int32_t multiplier, int32_t shift)
{
    int64_t product = (int64_t)acc * multiplier;
    int64_t nudge = product >= 0 ? 1 << 30 : 1 - (1 << 30);
    int32_t high = (int32_t)((product + nudge) / (1LL << 31));
    int32_t mask = (1 << -shift) - 1;
    return (high >> -shift) + ((high & mask) > (mask >> 1) + (high < 0));
}

int main(void)
{
    int wrong = 0;
    for (int y = 0; y < OP2_OUTPUT_DIM_1; y++)
        for (int x = 0; x < OP2_OUTPUT_DIM_2; x++)
            for (int o = 0; o < OP2_OUTPUT_DIM_3; o++) {
                int32_t acc = op2_bias[o];
                for (int i = 0; i < OP2_WEIGHTS_DIM_1; i++)
                    for (int j = 0; j < OP2_WEIGHTS_DIM_2; j++)
                        for (int c = 0; c < OP2_WEIGHTS_DIM_3; c++) {
                            int row = y * OP2_STRIDE_H + i - OP2_PAD_TOP;
                            int column = x * OP2_STRIDE_W + j - OP2_PAD_LEFT;
                            int at = (row * OP2_INPUT_DIM_2 + column) * OP2_INPUT_DIM_3 + c;
                            int tap = (i * OP2_WEIGHTS_DIM_2 + j) * OP2_WEIGHTS_DIM_3 + c;
                            acc += (op2_input[at] - OP2_INPUT_ZERO_POINT)
                                * op2_weights[o * OP2_WEIGHTS_SIZE / OP2_WEIGHTS_DIM_0 + tap];
                        }
                int32_t code = requantized(acc, op2_multiplier[o], op2_shift[o]);
                code += OP2_OUTPUT_ZERO_POINT;
                code = code < OP2_ACTIVATION_MIN ? OP2_ACTIVATION_MIN : code;
                code = code > OP2_ACTIVATION_MAX ? OP2_ACTIVATION_MAX : code;
                wrong += code != op2_output[(y * OP2_OUTPUT_DIM_2 + x) * OP2_OUTPUT_DIM_3 + o];
            }
    printf("%d", wrong);
    return 0;
}
"""


@pytest.fixture(scope="module")
def kits(
    tmp_path_factory: pytest.TempPathFactory,
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
) -> dict[int, tuple[PortKit, Path]]:
    """Kits of some layers, and where they were written."""
    found = {}
    for op_index in LAYERS:
        kit = extract(seven_ops, seven_inputs, op_index, captured=seven_captured)
        found[op_index] = kit, tmp_path_factory.mktemp(f"op{op_index}")
        port_kit.write(*found[op_index])
    return found


def compiled(source: str, directory: Path, *include: Path) -> str:
    """What the C program prints."""
    assert GCC is not None
    (directory / "bench.c").write_text(source)
    folders = [f"-I{folder}" for folder in include]
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([GCC, *flags, *folders, "bench.c", "-o", "bench"], cwd=directory, check=True)
    return subprocess.run(["./bench"], cwd=directory, capture_output=True, text=True).stdout


def from_hex(path: Path, dtype: np.dtype) -> np.ndarray:  # type: ignore[type-arg]
    lines = path.read_text("ascii").splitlines()
    assert {len(line) for line in lines} == {2 * dtype.itemsize}
    return np.array([int(line, 16) for line in lines], f"u{dtype.itemsize}").view(dtype)


def arrays_of(kit: PortKit) -> dict[str, np.ndarray]:
    """Every tensor and integer parameter, by name, from where the kit has it."""
    found = {t.name: t.data for t in kit.model.main.tensors if t.data is not None}
    for index, array in {**kit.inputs, **kit.outputs}.items():
        found[kit.model.main.tensors[index].name] = array
    numbers = kit.rules.requantization
    assert numbers is not None
    found["multiplier"] = numbers.multiplier.mantissa.astype(np.int32)
    found["shift"] = numbers.multiplier.shift.astype(np.int32)
    for position, rescale in enumerate(kit.rules.rescales):
        found[f"rescale_{position}_multiplier"] = rescale.mantissa.astype(np.int32)
        found[f"rescale_{position}_shift"] = rescale.shift.astype(np.int32)
    return found


@pytest.mark.parametrize("op_index", LAYERS)
def test_hex_and_npy_are_read_back_equal(
    kits: dict[int, tuple[PortKit, Path]], op_index: int
) -> None:
    kit, directory = kits[op_index]
    expected = arrays_of(kit)
    assert {path.stem for path in directory.glob("*.hex")} == set(expected)
    for name, array in expected.items():
        read = from_hex(directory / f"{name}.hex", array.dtype)
        np.testing.assert_array_equal(read, array.reshape(-1))
    activations = {**kit.inputs, **kit.outputs}
    assert len(list(directory.glob("*.npy"))) == len(activations)
    for index, array in activations.items():
        name = kit.model.main.tensors[index].name
        np.testing.assert_array_equal(np.load(directory / f"{name}.npy"), array)
    assert parse((directory / f"op{op_index}.tflite").read_bytes(), Path("x")) is not None


@needs_gcc
def test_c_reads_the_sums_of_all_arrays(
    kits: dict[int, tuple[PortKit, Path]], tmp_path: Path
) -> None:
    """Headers of several layers go into one program."""
    lines, expected = [], {}
    for op_index, (kit, _) in kits.items():
        lines.append(f'#include "op{op_index}.h"')
        for name, array in arrays_of(kit).items():
            expected[f"op{op_index}_{name}"] = int(array.astype(np.int64).sum())
    lines += ["#include <stdio.h>", "int main(void) {", "long long sum;"]
    for name in expected:
        lines.append(
            f"sum = 0; for (unsigned i = 0; i < sizeof {name} / sizeof *{name}; i++) "
            f'sum += {name}[i]; printf("{name} %lld\\n", sum);'
        )
    lines += ["return 0; }", ""]
    printed = compiled("\n".join(lines), tmp_path, *(path for _, path in kits.values()))
    found = dict(line.split() for line in printed.splitlines())
    assert {name: int(total) for name, total in found.items()} == expected


@needs_gcc
def test_the_header_is_enough_to_compute_the_layer(
    kits: dict[int, tuple[PortKit, Path]], tmp_path: Path
) -> None:
    assert compiled(CONVOLUTION, tmp_path, kits[2][1]) == "0"


def test_scales_in_the_header(kits: dict[int, tuple[PortKit, Path]]) -> None:
    kit, directory = kits[2]
    text = (directory / "op2.h").read_text()
    weights = next(t for t in kit.model.main.tensors if t.name == "weights").quantization
    assert weights is not None
    body = text.split("op2_weights_scale[17] = {")[1].split("}")[0]
    scales = np.array([float(part.strip(" \nf")) for part in body.split(",")[:-1]], np.float32)
    np.testing.assert_array_equal(scales, weights.scale)
    (scale,) = re.findall(r"#define OP2_OUTPUT_SCALE (\S+)f", text)
    assert np.float32(scale) == kit.model.main.tensors[kit.model.main.outputs[0]].scale


EXTREMES = {
    "int8": [-128, 127, 0],
    "uint8": [0, 255],
    "int16": [-32768, 32767],
    "int32": [-(2**31), 2**31 - 1],
    "int64": [-(2**63), 2**63 - 1],
    "uint16": [65535],
    "uint32": [2**32 - 1],
    "uint64": [2**64 - 1],
    "float32": [0.1, -0.0, 1e-45, 3.4028235e38, np.inf, -np.inf, np.nan, 16777216],
    "float64": [0.1, 5e-324, 1e308, np.inf],
    "float16": [0.1, -65504, np.inf],
    "complex64": [1 + 0.1j, -3j],
    "bool": [True, False],
}


@needs_gcc
def test_every_type_keeps_its_bits_in_c_and_in_hex(tmp_path: Path) -> None:
    lines = ["#include <math.h>", "#include <stdint.h>", "#include <stdio.h>"]
    expected = b""
    vectors = []
    for dtype, values in EXTREMES.items():
        array = np.array(values, dtype)
        found = vector(f"of_{dtype}", array, dtype)
        vectors.append(found)
        size = found.values.size
        lines.append(
            f"static const {found.c_type} {found.name}[{size}] = {{\n{found.c_values}\n}};"
        )
        expected += array.tobytes()
        (tmp_path / "values.hex").write_text(found.hex)
        read = from_hex(tmp_path / "values.hex", found.values.dtype)
        assert read.tobytes() == array.tobytes()
    lines.append("int main(void) {")
    for found in vectors:
        lines.append(
            f"for (unsigned i = 0; i < sizeof {found.name}; i++) "
            f'printf("%02x", ((const unsigned char *){found.name})[i]);'
        )
    lines += ["return 0; }", ""]
    assert bytes.fromhex(compiled("\n".join(lines), tmp_path)) == expected


@pytest.mark.parametrize(
    ("dtype", "values", "text"),
    [("int4", [-8, 7, -1], "8\n7\nf\n"), ("int2", [-2, 1], "2\n1\n"), ("uint4", [15], "f\n")],
)
def test_narrow_types_have_their_own_width(dtype: str, values: list[int], text: str) -> None:
    stored = np.array(values, np.uint8 if dtype == "uint4" else np.int8)
    assert vector("w", stored, dtype).hex == text


@pytest.mark.parametrize("runtime", ["litert", "tflm"])
def test_the_readme_runs(
    tmp_path: Path, seven_ops: Model, seven_inputs: Inputs, runtime: str
) -> None:
    if not installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    port_kit.write(extract(seven_ops, seven_inputs, 10, runtime), tmp_path)
    script = (tmp_path / "README.md").read_text().split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "output max_abs 0.0\n"


def test_the_readme_and_rules_have_the_numbers(kits: dict[int, tuple[PortKit, Path]]) -> None:
    kit, directory = kits[2]
    text = (directory / "README.md").read_text()
    output = kit.model.main.tensors[kit.model.main.outputs[0]]
    for part in (
        f"0 of {np.prod(output.shape):,} elements differ, max_abs 0",
        f"LiteRT {kit.engine.version} (reference kernels), 1 thread, {this_machine()}",
        kit.source.sha256,
        "`double`. Double rounding",
        "seed 1",
    ):
        assert part in text
    numbers = kit.rules.requantization
    assert numbers is not None
    (layer,) = json.loads((directory / "rules.json").read_text())["layers"]
    assert layer["requantization"]["shift"] == numbers.multiplier.shift.tolist()


def test_a_kernel_that_rescales_by_itself(tmp_path: Path, seven_ops: Model) -> None:
    kit = extract(seven_ops, random_inputs(seven_ops), 10, engine="optimized")
    port_kit.write(kit, tmp_path)
    assert kit.rules.requantization is None
    text = (tmp_path / "op10.h").read_text()
    assert "#define OP10_ACTIVATION_MIN (-128)\n#define OP10_ACTIVATION_MAX (127)\n" in text
    assert "#define OP10_RESCALE_1_LEFT_SHIFT 20 /* input 1 */\n" in text
    assert "#define OP10_RESCALE_2_LEFT_SHIFT 0 /* output */\n" in text
    assert len(list(tmp_path.glob("rescale_*.hex"))) == 6


@needs_gcc
def test_names_of_a_hostile_model_stay_text(
    tmp_path: Path, seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    name = "*/ #error /* `|<script>\n\\"
    note = "input 0 (<img src=x>`|*_[x](y)): random"
    seven_inputs = replace(seven_inputs, notes=(note,))
    seven_captured = replace(seven_captured, note="<script>|", failure="<script>|")
    tensors = tuple(replace(tensor, name=name) for tensor in seven_ops.main.tensors)
    content = write([replace(seven_ops.main, tensors=tensors)])
    hostile = parse(content, Path("*/ #error.tflite"))
    kit = extract(hostile, seven_inputs, 10, captured=seven_captured)
    port_kit.write(kit, tmp_path)
    assert kit.reproduces
    compiled('#include "op10.h"\nint main(void) { return 0; }\n', tmp_path)
    readme = (tmp_path / "README.md").read_text()
    rows = [line for line in readme.splitlines() if "script" in line]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [7, 7, 7, 3, 3]
    assert r"input 0 (\<img src=x\>\`\|\*_\[x\](y)): random" in readme
    died = replace(kit, alone=dict.fromkeys(kit.alone), failure="<script>")
    port_kit.write(died, tmp_path, overwrite=True)
    assert r"not compared: \<script\>." in (tmp_path / "README.md").read_text()


def test_a_kit_that_does_not_reproduce_says_so(
    tmp_path: Path, kits: dict[int, tuple[PortKit, Path]]
) -> None:
    kit, _ = kits[2]
    failed = replace(kit, alone=dict.fromkeys(kit.alone), failure="it died")
    assert not failed.reproduces
    assert port_kit.summary(failed).endswith("(reference kernels): not compared: it died")
    port_kit.write(failed, tmp_path)
    assert "does not reproduce the layer" in (tmp_path / "README.md").read_text()


def test_nothing_is_replaced_unasked(tmp_path: Path, kits: dict[int, tuple[PortKit, Path]]) -> None:
    kit, _ = kits[2]
    (tmp_path / "output.hex").write_text("mine")
    with pytest.raises(OutputError, match=r"output\.hex: already there"):
        port_kit.write(kit, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["output.hex"]
    port_kit.write(kit, tmp_path, overwrite=True)
    assert (tmp_path / "output.hex").read_text() != "mine"
