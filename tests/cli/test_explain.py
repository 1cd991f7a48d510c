"""``tflreplay explain`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from tests.cli.test_replay import one_line_error, run
from tests.conftest import SEVEN_OPS
from tests.single_op import Spec, build
from tflreplay.cli import command
from tflreplay.ground.errors import TflreplayError
from tflreplay.model import load
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs

SCALES = ("--input-scale", 0.05296124517917633, "--filter-scale", 0.024093778803944588)
NUMBER = ("--acc", 585, *SCALES, "--output-scale", 0.11484327912330627, "--zero-point", -126)


def printed(*arguments: object) -> str:
    """What the command prints, run in this process."""
    done = CliRunner().invoke(command, ["explain", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_element(tmp_path: Path) -> None:
    text = run("explain", SEVEN_OPS, "--layer", 2, "--at", "0,3,5,2", cwd=tmp_path).stdout
    assert "op 2 CONV_2D, output element [0,3,5,2] of [1, 23, 23, 17], channel 2" in text
    assert "reference kernels of litert" in text
    assert "random int8 codes" in text
    assert "<- the engine's value" in text


def test_json_of_another_engine() -> None:
    text = printed(SEVEN_OPS, "--layer", 1, "--at", "0,3,5,2", "--engine", "xnnpack", "--json")
    told = json.loads(text)
    assert told["theirs"] == told["outcomes"][0]["code"]
    assert told["engine"]["name"] == "xnnpack"
    assert told["source"].endswith("xnnpack kernels")


def test_against_a_dump(tmp_path: Path, seven_inputs: Inputs, seven_captured: Capture) -> None:
    """The tensors of a device, in which one element is off by one."""
    output = load(SEVEN_OPS).main.operators[2].outputs[0]
    arrays = {str(index): array.copy() for index, array in seven_captured.tensors.items()}
    right = int(arrays[str(output)][0, 0, 0, 0])
    wrong = right + (1 if right < 127 else -1)
    arrays[str(output)][0, 0, 0, 0] = wrong
    np.savez(tmp_path / "dump.npz", **arrays)
    (image,) = seven_inputs.arrays.values()
    np.save(tmp_path / "image.npy", image)
    element = (SEVEN_OPS, "--layer", 2, "--at", "0,0,0,0", "--input", tmp_path / "image.npy")
    text = printed(*element, "--against", tmp_path / "dump.npz")
    assert f"dump.npz gave {wrong}. Our replay (double) gives {right}." in " ".join(text.split())


def test_a_number() -> None:
    text = " ".join(printed(*NUMBER, "--engine-value", -120).split())
    assert "float-even32, multiplier float32 s1*s2/so (xnnpack" in text
    numbers = ("--multiplier", 1805112064, "--shift", -8, "--zero-point", -3)
    assert "-67 - 3 " in printed("--acc", -19651, *numbers, "--bias", -885)
    numbers = ("--real-multiplier", 0.5, "--zero-point", 0, "--low", 0, "--high", 255)
    told = json.loads(printed("--acc", 600, *numbers, "--json"))
    assert {outcome["code"] for outcome in told["outcomes"]} == {255}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SEVEN_OPS,), "--layer is missing"),
        ((SEVEN_OPS, "--layer", 2), "--at is missing"),
        ((SEVEN_OPS, "--layer", "x", "--at", "0"), "'x' is not a valid integer"),
        ((SEVEN_OPS, "--layer", 99, "--at", "0"), "--layer 99"),
        ((SEVEN_OPS, "--layer", 2, "--at", "0,0"), "--at 0,0: 2 numbers"),
        ((SEVEN_OPS, "--layer", 2, "--at", "0,0,0,99"), "99 should be from 0 to 16"),
        ((SEVEN_OPS, "--layer", 2, "--at", "0,0,1.5,0"), "--at 0,0,1.5,0: give an index"),
        ((SEVEN_OPS, "--layer", 2, "--at", ""), "0 numbers for an output"),
        ((SEVEN_OPS, "--layer", 2, "--at", "0,0,0,0", "--acc", 5), "--acc explains a number"),
        (("absent.tflite", "--layer", 2, "--at", "0"), "absent.tflite"),
        (("--layer", 2, "--at", "0,0,0,0"), "--layer is about a model"),
        (("--acc", 585), "--zero-point is missing"),
        (("--zero-point", 0), "--acc is missing"),
        (("--acc", 585, "--zero-point", 0), "the multiplier: give"),
        (("--acc", 585, "--zero-point", 0, *SCALES), "--output-scale is missing"),
        (("--acc", 585, "--zero-point", 0, "--shift", 2), "--multiplier is missing"),
        ((*NUMBER, "--real-multiplier", 0.5), "the multiplier: give"),
        ((*NUMBER, "--engine", "xnnpack"), "--engine is about a model"),
    ],
)
def test_wrong_use(arguments: tuple[object, ...], words: str) -> None:
    given = ["explain", *map(str, arguments)]
    with pytest.raises((click.UsageError, TflreplayError)) as caught:
        command.main(given, standalone_mode=False)
    error = caught.value
    text = error.format_message() if isinstance(error, click.UsageError) else str(error)
    assert words in text


def test_an_op_that_is_not_explained(tmp_path: Path) -> None:
    x, y = Spec((1, 4), "int8", 0.5), Spec((4,), "int8", 0.5)
    content = build("RESHAPE", [x], [y], {"newShape": [4]}, "ReshapeOptions")
    (tmp_path / "m.tflite").write_bytes(content)
    done = run("explain", "m.tflite", "--layer", 0, "--at", 0, cwd=tmp_path, code=2)
    assert "op 0 RESHAPE is not explained: it only moves data" in one_line_error(done)
