"""A profile: written, edited by hand, read back, and followed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError, InputError, NotReplayed
from tflreplay.ground.machine import Machine
from tflreplay.ground.profile import Measured, Profile
from tflreplay.judgement.measured import profile_notes
from tflreplay.model import Model
from tflreplay.ops import assumed, kernels_of, row_of
from tflreplay.replayer.loop import replay
from tflreplay.runtimes import resolve
from tflreplay.runtimes.inputs import Inputs
from tflreplay.runtimes.profiles import profile_text, read_profile

REFERENCE, XNNPACK = Engine(), Engine("xnnpack")
OLD = Engine("xnnpack", "tensorflow", "2.13.0")
ENTRIES = (
    Measured("CONV_2D", "int8", REFERENCE, "single", 'by "hand"\n\\ \x7f'),
    Measured("MEAN, axes 1 and 2", "int8", OLD, "", "9 outputs"),
    Measured("MUL", "int8", None, "", "unlike anything"),
)
DEVICE = replace(XNNPACK, profile=Profile("npu.toml", ENTRIES))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "npu.toml"
    path.write_text(profile_text(DEVICE))
    return path


def test_it_is_read_as_it_was_written(file: Path) -> None:
    assert read_profile(file) == DEVICE
    elsewhere = replace(DEVICE, machine=Machine("aarch64", "cortex-a53"))
    file.write_text(profile_text(elsewhere))
    assert read_profile(file) == elsewhere


def test_it_is_edited_by_hand(file: Path) -> None:
    file.write_text(
        file.read_text().replace('rule = "single"', 'rule = "reduced16"')
        + '[[op]]\nname = "ADD"\ntype = "int8"\nkernels = "litert==2.3.0:optimized"\n'
    )
    engine = read_profile(file)
    assert engine.profile is not None
    assert engine.profile.measured[0].rule == "reduced16"
    assert engine.profile.measured[-1] == Measured("ADD", "int8", Engine("optimized"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format_version = 1", "format_version = 2", "format_version is not 1"),
        ("format_version = 1", "", "format_version is missing"),
        ("fallback = .*", "", "fallback is missing"),
        ("fallback = .*", 'fallback = "litert:xnnpack"', "fallback is not an engine with its"),
        ("fallback = .*", 'fallback = "litert==2.3.0:x"', "fallback is not an engine: .*'x' is"),
        ("fallback = .*", 'fallback = "npu.toml"', "fallback is not an engine: 'npu.toml'"),
        ("fallback =", "fall_back =", "fall_back is unknown: use format_version, fallback, op"),
        ('name = "MUL"', "", "op 3.name is missing"),
        ('name = "MUL"', 'name = "MULL"', "op 3.name is not an op that tflreplay knows: 'MULL'"),
        ('name = "MUL"', 'name = "CONV_2D"', "CONV_2D on int8 is there twice"),
        ('"int8"', '"int9"', "op 1.type is not a type of tensors, such as int8: 'int9'"),
        ('"single"', '"simple"', "op 1.rule is not one of double, .*'simple'"),
        ('"unexplained"', '"unexplained"\nrule = "double"', "op 3.rule is not for what is unex"),
        ('kernels = "unex.*', "", "op 3.kernels is missing"),
        ("evidence = .*", "evidence = 3", "op 1.evidence is not a text"),
        ("evidence", "evidenc", "op 1.evidenc is unknown: use name, type, kernels, rule"),
        (r"\[\[op\]\]", "[[op]", "not a TOML file"),
        (r"(?s)\[\[op\]\].*", "op = 3", "op is not a list"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(file: Path, old: str, new: str, message: str) -> None:
    text = file.read_text()
    changed = re.sub(old, lambda _: new, text, count=1)
    assert changed != text
    file.write_text(changed)
    with pytest.raises(InputError, match=message) as error:
        read_profile(file)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the profile: No such file"):
        read_profile(tmp_path / "npu.toml")


def test_it_is_named_where_an_engine_is(file: Path) -> None:
    assert resolve(None, str(file), 3) == replace(DEVICE, threads=3)
    with pytest.raises(InputError, match="a profile names its runtime itself; leave litert out"):
        resolve("litert", str(file))


def test_it_is_followed_op_by_op(seven_ops: Model) -> None:
    graph = seven_ops.main
    of = {op.name: op for op in reversed(graph.operators)}
    assert row_of(DEVICE, graph, of["CONV_2D"]) == replace(
        row_of(REFERENCE, graph, of["CONV_2D"]), rule="single"
    )
    assert row_of(DEVICE, graph, of["MEAN"]) == row_of(OLD, graph, of["MEAN"])
    assert row_of(DEVICE, graph, of["ADD"]) == row_of(XNNPACK, graph, of["ADD"])
    with pytest.raises(NotReplayed, match=r"nothing known computes MUL on int8 as npu\.toml does"):
        row_of(DEVICE, graph, of["MUL"])
    assert kernels_of(replace(DEVICE, threads=2), graph, of["MEAN"]) == replace(OLD, threads=2)
    for name in ("CONV_2D", "MEAN", "MUL"):
        assert not assumed(DEVICE, graph, of[name])
    assert assumed(DEVICE, graph, of["ADD"])
    assert not assumed(XNNPACK, graph, of["ADD"])
    (note,) = profile_notes(seven_ops, DEVICE)
    assert note.startswith("not measured of npu.toml: SUB on int8 (op 0, 16), ")
    assert note.endswith("assumed to be as litert==2.3.0:xnnpack")


def test_a_rule_where_none_is(seven_ops: Model, seven_inputs: Inputs) -> None:
    entry = Measured("MEAN, axes 1 and 2", "int8", XNNPACK, "single")
    engine = replace(XNNPACK, profile=Profile("npu.toml", (entry,)))
    done = replay(seven_ops, seven_inputs.arrays, engine)
    (mean, *_) = (op.index for op in seven_ops.main.operators if op.name == "MEAN")
    assert "do not requantize it by one here" in done.not_replayed[mean]


def test_it_replays_what_the_engines_that_it_names_do(
    seven_ops: Model, seven_inputs: Inputs
) -> None:
    names = ("CONV_2D", "DEPTHWISE_CONV_2D", "MUL", "FULLY_CONNECTED, one weight scale", "MEAN")
    names += ("FULLY_CONNECTED", "ADD", "SUB")
    entries = tuple(Measured(name, "int8", Engine("optimized")) for name in names)
    engine = replace(XNNPACK, profile=Profile("npu.toml", entries))
    ours = replay(seven_ops, seven_inputs.arrays, engine)
    theirs = replay(seven_ops, seven_inputs.arrays, Engine("optimized"))
    assert not ours.not_replayed
    for op in seven_ops.main.operators:
        (index,) = op.outputs
        np.testing.assert_array_equal(ours.tensors[index], theirs.tensors[index])


def test_nothing_is_captured_of_it(file: Path, seven_ops: Model, seven_inputs: Inputs) -> None:
    from tflreplay.runtimes import capture

    with pytest.raises(CaptureError, match="is a profile, of which nothing can be captured here"):
        capture(seven_ops, seven_inputs.arrays, None, str(file))
