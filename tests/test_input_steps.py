"""The step before the graph: codes that somebody made of real numbers by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.cli.test_replay import run as command
from tests.reports.test_schema import SCHEMA, problems
from tests.single_op import Spec, build
from tflreplay.ground.errors import InputError
from tflreplay.judgement.input_steps import InputStep, input_steps
from tflreplay.model import Model, parse
from tflreplay.reports import expected, github, json_report, junit, summary, table
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs, read_inputs
from tflreplay.runtimes.saved import load_source, save
from tflreplay.tools.replay import run

Array = np.ndarray[Any, Any]
SHAPE = (1, 9, 12, 3)
SCALE, ZERO_POINT = 0.01865844801068306, -14
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def model(
    dtype: str = "int8", scale: float = SCALE, zero_point: int = ZERO_POINT, shape: Any = SHAPE
) -> Model:
    spec = Spec(shape, dtype, scale, zero_point)
    return parse(build("RESHAPE", [spec, None], [spec]), Path("model.tflite"))


@pytest.fixture(scope="module")
def photo() -> Array:
    """Pixels, as a camera gives them."""
    return np.random.default_rng(4).integers(0, 256, SHAPE)


@pytest.fixture(scope="module")
def values(photo: Array) -> Array:
    return prepared(photo)


def prepared(pixels: Array) -> Array:
    """As ImageNet's models want them."""
    return ((pixels / 255 - MEAN) / STD).astype(np.float32)


def signed(pixels: Array) -> Array:
    return (pixels / 127.5 - 1).astype(np.float32)


def each(function: Callable[[float], float], x: Array, dtype: str = "int8") -> Array:
    """What a loop over the elements gives that computes in float32 and clamps."""
    info = np.iinfo(dtype)
    made = [min(max(int(function(value)), info.min), info.max) for value in x.reshape(-1)]
    return np.array(made, dtype).reshape(x.shape)


S = np.float32(SCALE)
Z = ZERO_POINT


def nearest(x: Array, scale: Any = S, zero_point: int = Z) -> Array:
    return each(lambda v: round(v / scale) + zero_point, x)


def step_of(made: Array, x: Array, of: Model | None = None) -> InputStep:
    used = of or model()
    ours = read_values(used, x)
    (found,) = input_steps(used, ours.reals, ours.arrays, {0: made})
    return found


def read_values(used: Model, x: Array) -> Inputs:
    """As a user's file is read."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        np.save(path, x)
        return read_inputs(used, [str(path)])


# ---- mistakes ---------------------------------------------------------------------------------

WRONG: dict[str, Callable[[Array], Array]] = {
    "code cut toward zero": lambda x: each(lambda v: int(v / S + np.float32(Z)), x),
    "quotient cut toward zero": lambda x: each(lambda v: int(v / S) + Z, x),
    "quotient rounded down": lambda x: each(lambda v: math.floor(v / S) + Z, x),
    "quotient rounded up": lambda x: each(lambda v: math.ceil(v / S) + Z, x),
    "quotient cut after adding one half": lambda x: each(
        lambda v: int(v / S + np.float32(0.5)) + Z, x
    ),
    "zero point of the output left out": lambda x: nearest(x, zero_point=0),
    "zero point subtracted": lambda x: nearest(x, zero_point=-Z),
    "zero point added twice": lambda x: nearest(x, zero_point=2 * Z),
    "zero point of the other 8-bit type": lambda x: nearest(x, zero_point=Z + 128),
    "scale 1/128": lambda x: nearest(x, 1 / 128),
    "scale of the output left out": lambda x: nearest(x, 1),
    "multiplied by the scale": lambda x: nearest(x * 30, 1 / S),
    "input with channels reversed (BGR for RGB)": lambda x: nearest(x[..., ::-1]),
    "input with rows reversed": lambda x: nearest(x[:, ::-1]),
    "output stored as NCHW": lambda x: nearest(x.transpose(0, 3, 1, 2).reshape(SHAPE)),
    "input read as NCHW": lambda x: nearest(x.reshape(1, 3, 9, 12).transpose(0, 2, 3, 1)),
}
OF_PIXELS: dict[str, Callable[[Array], Array]] = {
    "pixels as 0..1 instead of ImageNet's mean": lambda p: nearest(p / 255),
    "pixels as -1..1 instead of ImageNet's mean": lambda p: nearest(p / 127.5 - 1),
    "pixels minus 128 as codes": lambda p: (p - 128).astype(np.int8),
    "pixels as codes": lambda p: p.clip(-128, 127).astype(np.int8),
}


def named(step: InputStep, name: str) -> None:
    assert step.status == "mismatch"
    assert not step.rounds
    verdict = step.verdict
    assert verdict is not None
    assert verdict.fits, step.text
    assert verdict.sure, step.text
    assert all(fit.mistakes for fit in verdict.fits)
    assert any(name in said.named for said in verdict.fits[0].mistakes), step.text
    assert "Fix: " in step.text


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named(name: str, values: Array) -> None:
    x = values * np.float32(30) if name == "multiplied by the scale" else values
    made = nearest(x, 1 / S) if name == "multiplied by the scale" else WRONG[name](x)
    named(step_of(made, x), name)


@pytest.mark.parametrize("name", OF_PIXELS)
def test_pixels_prepared_in_another_way(name: str, photo: Array, values: Array) -> None:
    named(step_of(OF_PIXELS[name](photo), values), name)


def test_one_preparation_for_another_needs_no_colours(photo: Array) -> None:
    grey = photo[..., :1]
    used = model(scale=1 / 127.5, zero_point=-1, shape=grey.shape)
    made = each(lambda v: round(v / np.float32(1 / 127.5)) - 1, (grey / 255).astype(np.float32))
    named(step_of(made, signed(grey), used), "pixels as 0..1 instead of -1..1")


def test_a_cast_that_wraps() -> None:
    """zephyr#88638: ``int8_t x_quantized = x / scale + zero_point``."""
    x = np.random.default_rng(3).uniform(-4, 4, SHAPE).astype(np.float32)
    cut = np.array([int(v / S + np.float32(Z)) for v in x.reshape(-1)])
    made = cut.astype(np.int8).reshape(SHAPE)
    assert (cut != cut.astype(np.int8)).sum() > 20
    step = step_of(made, x)
    (first, *_) = step.verdict.fits if step.verdict else ()
    said = {mistake.named for mistake in first.mistakes}
    assert said == {"code cut toward zero", "code not clamped"}, step.text


def test_two_at_once(values: Array) -> None:
    made = each(lambda v: int(v / S) + Z, values[..., ::-1])
    step = step_of(made, values)
    said = [{m.named for m in fit.mistakes} for fit in step.verdict.fits] if step.verdict else []
    wanted = {"input with channels reversed (BGR for RGB)", "quotient cut toward zero"}
    assert wanted in said, step.text


def test_other_values_are_said_to_be_perhaps_others(values: Array) -> None:
    made = np.random.default_rng(9).integers(-128, 128, SHAPE).astype(np.int8)
    step = step_of(made, values)
    assert step.status == "mismatch"
    assert "Not explained by any candidate" in step.text
    assert "Or these are not the values that it was fed." in step.text


OTHERWISE: dict[str, Callable[[Array], Array]] = {
    "another scale and zero point": lambda x: nearest(x, 0.0213, 5),
    "another mean and deviation": lambda x: nearest(x * np.float32(1.3) + np.float32(0.21)),
    "another scale, and cut": lambda x: each(lambda v: int(v / 0.04) + 100, np.abs(x)),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_not_listed_is_told_as_a_straight_line(name: str, values: Array) -> None:
    x = np.abs(values) if name.endswith("cut") else values
    step = step_of(OTHERWISE[name](x), x)
    assert step.status == "mismatch"
    (line,) = step.lines
    slope, offset = {
        "another scale and zero point": (1 / 0.0213, 5),
        "another mean and deviation": (1.3 / SCALE, 0.21 / SCALE + Z),
        "another scale, and cut": (25, 99.5),
    }[name]
    assert line.slope == pytest.approx(slope, rel=0.01)
    assert line.offset == pytest.approx(offset, abs=0.5)
    assert "by a straight line: all 324 codes are round(" in step.text
    assert "right is round(53.595 * x - 14)" in step.text


def test_a_mean_and_deviation_by_channel(values: Array) -> None:
    made = nearest(values * np.float32([1.3, 1.4, 1.2]) + np.float32([0.2, -0.1, 0.3]))
    step = step_of(made, values)
    assert len(step.lines) == 3
    assert "all 324 codes are by channel round(" in step.text


def test_what_is_no_straight_line_is_not_said_to_be_one(values: Array) -> None:
    rng = np.random.default_rng(5)
    half = values * np.float32(0.4)  # none of them clamped
    for made in (
        nearest(np.sign(half) * np.abs(half) ** 1.1),
        nearest(half) + rng.integers(0, 2, SHAPE).astype(np.int8),
        nearest(half)[:, ::-1],
        np.where(values > 2, 127, nearest(half)).astype(np.int8),  # clamped where it need not be
        np.full(SHAPE, 7, np.int8),
    ):
        assert not step_of(made, values).lines


# ---- nobody is accused ------------------------------------------------------------------------

ROUNDED: dict[str, Callable[[Array, Any, int], Array]] = {
    "half to even": lambda x, s, z: np.rint(x / s) + z,
    "half to even, zero point first": lambda x, s, z: np.rint(x / s + z),
    "half up": lambda x, s, z: np.floor(x / s + z + 0.5),
    "half away": lambda x, s, z: np.copysign(np.floor(np.abs(x / s) + 0.5), x) + z,
    "by the inverse": lambda x, s, z: np.rint(x * (np.float32(1) / np.float32(s))) + z,
    "in float64": lambda x, s, z: np.rint(x.astype(np.float64) / np.float64(s)) + z,
}


@pytest.mark.parametrize("how", ROUNDED)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("ties", [False, True])
def test_rounding_to_nearest_is_no_mistake(how: str, dtype: str, ties: bool) -> None:
    rng = np.random.default_rng(11)
    info = np.iinfo(dtype)
    for _ in range(5):
        scale = np.float32(2.0**-6 if ties else rng.uniform(0.001, 0.1))
        zero_point = int(rng.integers(info.min, info.max + 1)) if dtype != "int16" else 0
        steps = rng.uniform(info.min - zero_point, info.max - zero_point, SHAPE)
        steps = np.floor(steps) + 0.5 if ties else steps
        x = (steps * scale).astype(np.float32)
        made = ROUNDED[how](x, scale, zero_point).clip(info.min, info.max).astype(dtype)
        step = step_of(made, x, model(dtype, float(scale), zero_point))
        assert step.rounds, step.text
        assert step.status == ("exact" if step.difference.exact else "within tolerance")
        assert "You " not in step.text
        assert "ix: " not in step.text


def test_what_rounds_ties_in_another_way_is_told_with_its_rule() -> None:
    x = (np.arange(-50, 58).reshape(SHAPE[1:3]) + 0.5).astype(np.float32) / 64
    x = np.repeat(x[None, ..., None], 3, axis=3)
    step = step_of((np.rint(x * 64)).astype(np.int8), x, model(scale=1 / 64, zero_point=0))
    assert step.status == "within tolerance"
    assert "float32 product, half even" in step.text
    assert "reference halves away from zero" in step.text


# ---- the run and its reports ------------------------------------------------------------------


@pytest.fixture(scope="module")
def dumped(values: Array, tmp_path_factory: Any) -> tuple[Model, Path, Path]:
    """A device that cuts, and then computes right; and the values that it was given."""
    folder = tmp_path_factory.mktemp("input")
    content = build("RELU", [Spec(SHAPE, "int8", SCALE, Z)], [Spec(SHAPE, "int8", SCALE, Z)])
    path = folder / "model.tflite"
    path.write_bytes(content)
    codes = WRONG["code cut toward zero"](values)
    np.savez(folder / "dump.npz", **{"0": codes, "1": np.maximum(codes, Z)})
    np.save(folder / "x.npy", values)
    return parse(content, path), folder / "x.npy", folder / "dump.npz"


@pytest.fixture(scope="module")
def result(dumped: tuple[Model, Path, Path]) -> Any:
    used, x, dump = dumped
    inputs = read_inputs(used, [str(x)])
    against = load_source(dump, used, inputs.arrays, reals=inputs.reals)
    return run(used, inputs, against=against)


def test_the_graph_is_replayed_on_the_codes_of_the_device(result: Any) -> None:
    assert [layer.status for layer in result.comparison.layers] == ["exact"]
    assert result.verdict == "mismatch"
    assert result.exit_code == 1
    assert result.headline.startswith(
        "MISMATCH: first divergence at input 0 (t0), before the graph, "
        "1 of 1 layers are exact on its codes; against dump.npz"
    )


def test_the_step_is_in_every_report(result: Any) -> None:
    text = table.render(result)
    first = next(line for line in text.splitlines() if line.lstrip().startswith("in "))
    wrong = result.input_steps[0].difference.mismatches
    assert f"{wrong}" in first
    said = " ".join(text.split())
    assert "Input 0 (t0), before the graph:" in said
    assert "You cut x / scale + zero_point toward zero" in said
    assert "You cut x / scale + zero_point" in summary.render(result)
    case = ElementTree.fromstring(junit.render(result)).find(".//testcase")
    assert case is not None
    assert case.get("name") == "input 0 (t0), before the graph"
    assert case.find("failure") is not None
    assert "You cut x" in github.render(result)
    document = json.loads(json_report.dumps(result))
    assert list(problems(document, SCHEMA)) == []
    (found,) = document["input_steps"]
    assert found["status"] == "mismatch"
    assert found["difference"]["mismatches"] == wrong
    assert found["verdict"]["fits"][0]["mistakes"] == ["code cut toward zero"]


def test_expectations_hold_for_the_step_too(dumped: tuple[Model, Path, Path]) -> None:
    used, x, dump = dumped
    inputs = read_inputs(used, [str(x)])
    against = load_source(dump, used, inputs.arrays, reals=inputs.reals)
    strict = run(used, inputs, against=against, expect="exact")
    assert strict.exit_code == 1
    assert "NOT AS EXPECTED by exact in the step before the graph" in expected.render(strict)
    assert json_report.document(strict)["expectations"]["met"] is False
    loose = run(used, inputs, against=against, expect="max_abs<=1")
    assert loose.exit_code == 0


def test_the_command(dumped: tuple[Model, Path, Path], tmp_path: Path) -> None:
    used, x, dump = dumped
    done = command(
        used.path, "--input", x, "--against", dump, "--out", "report", cwd=tmp_path, code=1
    )
    assert "before the graph" in done.stdout
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Before the graph</h2>" in page
    assert "You cut x / scale + zero_point toward zero" in page
    (step,) = json.loads((tmp_path / "report" / "report.json").read_text())["input_steps"]
    assert step["input"]["tensor"] == 0


def test_a_right_step_is_told_and_changes_nothing(dumped: tuple[Model, Path, Path]) -> None:
    used, x, _ = dumped
    inputs = read_inputs(used, [str(x)])
    codes = inputs.arrays[0]
    tensors = {0: codes, 1: np.maximum(codes, Z)}
    right = Capture(tensors, "dump", "", "", 1, origin=dict.fromkeys(tensors, "file"))
    found = run(used, inputs, against=right)
    assert found.exit_code == 0
    assert found.headline.startswith("EXACT: 1 of 1 layers")
    (step,) = found.input_steps
    assert step.status == "exact"
    assert step.text in " ".join(table.render(found).split())


def test_codes_that_were_given_must_be_those_of_the_dump(dumped: tuple[Model, Path, Path]) -> None:
    used, x, dump = dumped
    codes = read_inputs(used, [str(x)]).arrays
    with pytest.raises(InputError, match=r"input tensor 0 \(t0\) is not the one given"):
        load_source(dump, used, codes)


def test_a_capture_of_ours_must_be_of_the_same_input(
    dumped: tuple[Model, Path, Path], tmp_path: Path
) -> None:
    used, x, _ = dumped
    inputs = read_inputs(used, [str(x)])
    other = {0: inputs.arrays[0] + np.int8(1)}
    path = tmp_path / "run.npz"
    save(Capture(other, "litert", "2.3.0", "reference", 1), path, used, other)
    with pytest.raises(InputError, match="is not the one given"):
        load_source(path, used, inputs.arrays, reals=inputs.reals)
