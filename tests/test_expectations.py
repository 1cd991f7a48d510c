"""What a run is held to: which layers meet it, and what cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reports.synthetic import Capture, Layer, make_run
from tests.test_replayer import rename_op
from tflreplay.ground.errors import InputError
from tflreplay.judgement.expectations import Expectations, read_expectations
from tflreplay.judgement.run import Asked, Run
from tflreplay.model import Model

CODES = np.zeros((1, 10, 10), np.int8)


def off(by: int, elements: int = 1) -> np.ndarray:
    """Codes of which the first few are ``by`` more."""
    ours = CODES.copy()
    ours.reshape(-1)[:elements] = by
    return ours


LAYERS = [
    Layer("CONV_2D", "exact", CODES, CODES, CODES),
    Layer("CONV_2D", "makes 1 of 100", CODES, off(1), off(1)),
    Layer("MUL", "inherits", CODES, CODES, off(9)),
    Layer("ADD", "makes 20 of 100", CODES, off(-3, 20), off(-3, 20)),
    Layer("FOO", "not replayed", None, shape=(1, 4), reason="no kernel for FOO"),
]


def judged(text: str, layers: list[Layer] = LAYERS) -> Run:
    run = make_run(layers)
    return replace(run, asked=Asked(expectations=read_expectations(text, run.model)))


def ops(layers: tuple) -> list[int]:
    return [layer.op_index for layer in layers]


@pytest.mark.parametrize(
    ("text", "failed", "unjudged", "code"),
    [
        ("exact", [1, 3], [4], 1),
        ("max_abs<=1", [3], [4], 1),
        ("max_abs<=3", [], [4], 2),
        ("max_abs <= 2.99", [3], [4], 1),
        ("rate<=0.01", [3], [4], 1),
        ("rate<=9e-3", [1, 3], [4], 1),
        ("max_abs<=3, rate<=0.2", [], [4], 2),
        ("rate<=0.19,max_abs<=3", [3], [4], 1),
        ("max_abs<=0", [1, 3], [4], 1),
        ("any", [], [], 0),
    ],
)
def test_all_layers_alike(text: str, failed: list[int], unjudged: list[int], code: int) -> None:
    """What a layer inherits is not held against it."""
    run = judged(text)
    assert (ops(run.failed), ops(run.unjudged), run.exit_code) == (failed, unjudged, code)


def test_without_expectations_a_layer_that_inherits_fails_too() -> None:
    run = make_run(LAYERS)
    assert (ops(run.failed), ops(run.unjudged), run.exit_code) == ([1, 2, 3], [4], 1)
    assert make_run(LAYERS[:1]).exit_code == 0
    assert make_run(LAYERS[4:]).exit_code == 2
    assert make_run([]).exit_code == 2


def test_where_only_chained_was_compared_that_counts() -> None:
    alone = [replace(layer, isolated=None) for layer in LAYERS[:4]]
    assert ops(judged("max_abs<=3", alone).failed) == [2]
    assert ops(judged("exact", alone).failed) == [1, 2, 3]


def test_an_expectation_does_not_hide_that_the_runtime_failed() -> None:
    run = make_run(LAYERS[:1], Capture(failure="died at op 3"))
    assert replace(run, asked=Asked(expectations=Expectations("any"))).exit_code == 2


def test_an_infinite_difference_is_within_no_limit() -> None:
    theirs = np.ones((1, 4), np.float32)
    ours = np.array([[1, np.nan, 1, 1]], np.float32)
    run = make_run([Layer("EXP", "", theirs, ours)])
    diff = replace(run.comparison.layers[0].isolated, max_abs=float("inf"))
    layer = replace(run.comparison.layers[0], isolated=diff)
    wide = read_expectations("max_abs<=1e300", run.model)
    assert wide.of(layer).met_by(layer) is False


def test_within_tolerance_is_as_expected() -> None:
    real = np.ones((1, 4), np.float32)
    run = make_run([Layer("EXP", "", real, real)])
    assert run.comparison.layers[0].isolated is not None
    close = replace(run.comparison.layers[0].isolated, close=3, tolerance=1e-6, max_abs=1e-7)
    layer = replace(run.comparison.layers[0], isolated=close)
    assert layer.status == "within tolerance"
    for text in ("exact", "max_abs<=0"):
        assert read_expectations(text, run.model).of(layer).met_by(layer)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "expect.toml"
    path.write_text(
        'default = "any"\n[op]\nCONV_2D = "exact"\nADD = "max_abs<=3, rate<=0.1"\n'
        '[layer]\n3 = "max_abs<=3"\n'
    )
    run = judged(str(path))
    assert ops(run.failed) == [1]
    assert run.exit_code == 1
    path.write_text('[layer]\n1 = "rate<=0.01"\n3 = "any"\n4 = "any"')
    assert judged(str(path)).exit_code == 0
    path.write_text("")
    assert ops(judged(str(path)).failed) == [1, 3]


def test_the_documented_file_is_read(tmp_path: Path, seven_ops: Model) -> None:
    page = Path(__file__).parents[1] / "docs" / "ci.md"
    path = tmp_path / "expect.toml"
    path.write_text(page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0])
    found = read_expectations(str(path), rename_op(seven_ops, 4, "CUSTOM:my_op"))
    assert {name: expected.text for name, expected in found.ops.items()} == {
        "MEAN": "max_abs<=1, rate<=0.01",
        "CUSTOM:my_op": "any",
    }
    assert found.layers[17].limits == {"max_abs": 3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("exactly", "--expect: 'exactly' is no condition; write exact, any, or conditions"),
        ("max_abs<1", "'max_abs<1' is no condition"),
        ("max_abs<=-1", "is no condition"),
        ("max_abs<=nan", "is no condition"),
        ("max_abs<=1e400", "max_abs is not finite; write any for no limit"),
        ("", "'' is no condition"),
        ("max_abs<=1,", "'' is no condition"),
        ("rate<=1.5", "rate is a share of the elements, from 0 to 1"),
        ("rate<=0.1,rate<=0.2", "rate is given twice"),
        (
            "none.toml",
            "none.toml: cannot read what is expected: No such file or directory; "
            "name a .toml file that is there, or write exact, any",
        ),
    ],
)
def test_texts_that_cannot_be_read(seven_ops: Model, text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        read_expectations(text, seven_ops)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"default = exact", "not valid TOML"),
        (b"\xff", "not valid TOML"),
        (b'defualt = "exact"', "'defualt' is unknown; there are default, changed, [op] and"),
        (b"changed = -1", "changed = -1 is no number of inputs, from 0 on"),
        (b"changed = true", "changed = True is no number of inputs"),
        (b'default = "changed<=0"', "default: 'changed<=0' is no condition"),
        (b'op = "exact"', "op is not a table; write it below [op]"),
        (b"default = 1", "default: 1 is not a text in quotes"),
        (b'[op]\nCONV2D = "any"', "[op] CONV2D: the model has no such op; did you mean CONV_2D?"),
        (b'[op]\nxyz = "any"', "[op] xyz: the model has no such op; it has ADD, CONV_2D, "),
        (b'[op]\nRESIZE_BILINEAR = "exact"', "RESIZE_BILINEAR: the model has no such op; it has"),
        (b'[op]\n"CUSTOM:typo" = "exact"', "CUSTOM:typo: the model has no such op; it has"),
        (
            b'[layer]\n20 = "any"',
            "[layer] 20: there is no such layer; the key is an op index, and the model has "
            "layers 0 to 19",
        ),
        (b'[layer]\nCONV_2D = "any"', "[layer] CONV_2D: there is no such layer"),
        (b'[layer]\n01 = "any"\n1 = "exact"', "[layer] 01: there is no such layer; the key is"),
        (b"[layer]\n" + b"9" * 5000 + b'= "any"', "99...: there is no such layer"),
        (b"[layer.3]\nmax_abs = 1", "[layer] 3: a table, which a key with a dot makes"),
        (b'[layer]\n1.5 = "any"', "the key of a layer is its op index, such as 17"),
        (b"default = " + b"[" * 3000 + b"]" * 3000, "not valid TOML"),
        (b"default = [[]]", "default: an array is not a text in quotes"),
        (b'[layer]\n3 = "max_abs=1"', "[layer] 3: 'max_abs=1' is no condition"),
    ],
)
def test_files_that_cannot_be_read(
    seven_ops: Model, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "expect.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_expectations(str(path), seven_ops)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "default", "changed"),
    [
        ("changed<=0", "exact", 0),
        ("max_abs<=1, changed <= 3,rate<=0.5", "max_abs<=1,rate<=0.5", 3),
        ("any,changed<=2", "any", 2),
        ("exact", "exact", None),
    ],
)
def test_classes_that_may_change(
    seven_ops: Model, text: str, default: str, changed: int | None
) -> None:
    found = read_expectations(text, seven_ops)
    assert (found.source, found.default.text, found.changed) == (text, default, changed)


def test_a_file_says_how_many_classes_may_change(seven_ops: Model, tmp_path: Path) -> None:
    path = tmp_path / "expect.toml"
    path.write_text('default = "any"\nchanged = 4\n')
    assert read_expectations(str(path), seven_ops).changed == 4


@pytest.mark.parametrize("text", ["changed<=-1", "changed<=0.5", "changed<=0,changed<=1"])
def test_no_number_of_inputs(seven_ops: Model, text: str) -> None:
    with pytest.raises(InputError, match="is no condition"):
        read_expectations(text, seven_ops)
