"""A port kit is read back: a bench reads its files, computes, and writes what is compared."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from tests.single_op import run_engine
from tflreplay.ground.errors import TflreplayError
from tflreplay.model import Model, load
from tflreplay.reports.extract import write
from tflreplay.reports.extract.vectors import vector
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs, random_inputs, read_inputs
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.extract import PortKit, extract
from tflreplay.tools.replay import run

ZOO = os.environ.get("TFLREPLAY_ZOO")


def memory(path: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """What a bench's memory holds after ``$readmemh``."""
    words = [int(line, 16) for line in path.read_text().split()]
    return np.array(words, f"u{np.dtype(dtype).itemsize}").view(dtype).reshape(shape)


def bench(kit: PortKit, folder: Path, bench_folder: Path) -> None:
    """Reads the inputs' hex files, computes the layer in the runtime, writes hex files."""
    tensors = kit.model.main.tensors
    inputs = [
        memory(folder / f"{tensors[i].name}.hex", array.dtype.name, array.shape)
        for i, array in kit.inputs.items()
    ]
    outputs = run_engine(kit.model.content, inputs, kit.engine)
    bench_folder.mkdir()
    for array, index in zip(outputs, kit.model.main.outputs, strict=True):
        tensor = tensors[index]
        text = vector(tensor.name, array, tensor.dtype).hex
        (bench_folder / f"{tensor.name}.hex").write_text(text)


def assert_read_back(kit: PortKit, folder: Path) -> None:
    """In hex, and in C; and a bench that errs by one is caught."""
    write(kit, folder / "kit")
    model = load(folder / "kit" / f"op{kit.op.index}.tflite")
    header = folder / "kit" / f"op{kit.op.index}.h"
    tensors = model.main.tensors
    names = [tensors[index].name for index in kit.inputs]
    inputs = read_inputs(model, [f"{name}={folder / 'kit' / name}.hex" for name in names])
    in_c = read_inputs(model, [str(header)])
    for index, array in kit.inputs.items():
        for found in (inputs, in_c):
            assert found.arrays[index].dtype == array.dtype
            np.testing.assert_array_equal(found.arrays[index], array)

    bench(kit, folder / "kit", folder / "bench")
    for path in (folder / "bench", header, folder / "kit"):
        dump = load_source(path, model, inputs.arrays)
        for index, array in kit.outputs.items():
            np.testing.assert_array_equal(dump.tensors[index], array)
    dump = load_source(folder / "bench", model, inputs.arrays)
    assert dump.problems == ()
    result = run(model, inputs, kit.engine.runtime, kit.engine.name, against=dump)
    assert result.verdict == "exact"
    assert not result.comparison.not_dumped

    first, *_ = kit.outputs
    wrong = folder / "bench" / f"{tensors[first].name}.hex"
    lines = wrong.read_text().splitlines()
    bit = 1 << max(4 * len(lines[-1]) - 6, 0)  # of a float one that no tolerance holds
    lines[-1] = f"{int(lines[-1], 16) ^ bit:0{len(lines[-1])}x}"
    wrong.write_text("\n".join(lines))
    erring = load_source(folder / "bench", model, inputs.arrays)
    assert run(model, inputs, against=erring, modes=("isolated",)).exit_code == 1


@pytest.mark.parametrize("op_index", [0, 2, 3, 4, 8, 10, 13, 16, 17, 19])
def test_ten_layers_of_the_seven_ops(
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
    op_index: int,
    tmp_path: Path,
) -> None:
    kit = extract(seven_ops, seven_inputs, op_index, captured=seven_captured)
    assert_read_back(kit, tmp_path)


@pytest.mark.skipif(not ZOO, reason="TFLREPLAY_ZOO names no directory of models")
def test_ten_layers_of_the_zoo(tmp_path: Path) -> None:
    """A layer of each of ten models."""
    paths = sorted(Path(ZOO or "").glob("*.tflite"))
    random.Random(14).shuffle(paths)
    done = 0
    for path in paths:
        model = load(path)
        inputs = random_inputs(model)
        op = random.Random(path.stem).choice(model.main.operators)
        try:
            kit = extract(model, inputs, op.index, captured=capture(model, inputs.arrays))
        except TflreplayError:  # as tests/test_port_kit.py has it
            continue
        if kit.op.outputs and kit.rules.reason == "":
            assert_read_back(kit, tmp_path / path.stem)
            done += 1
        if done == 10:
            return
    pytest.fail(f"only {done} layers")
