"""Every finding has a model that shows it, and one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.check.models import (
    INT8,
    conv,
    pair,
    softmax,
    with_numbers,
)
from tests.single_op import Spec, build
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.model import Model, load, parse
from tflreplay.model.writer import write
from tflreplay.runtimes.inputs import random_inputs
from tflreplay.tools.check import RULES, Finding, Severity, check, errors, foretold
from tflreplay.tools.replay import run

SEVEN_OPS = Path(__file__).parents[2] / "models" / "seven_ops_int8.tflite"
REFERENCE, TFLM = Engine(), Engine("tflm", "tflm", NEWEST["tflm"])


def model(content: bytes) -> Model:
    return parse(content, Path("case.tflite"))


def of(rule: str, found: tuple[Finding, ...]) -> list[Finding]:
    return [one for one in found if one.rule == rule]


def changed(content: bytes, index: int, **fields: object) -> bytes:
    """The model with other fields of a tensor's quantization."""
    graph = model(content).main
    tensors = list(graph.tensors)
    quantization = tensors[index].quantization
    assert quantization is not None
    tensors[index] = replace(tensors[index], quantization=replace(quantization, **fields))
    return write([replace(graph, tensors=tuple(tensors))])


def scaled(scale: float) -> bytes:
    return changed(conv(), 0, scale=np.array([scale], np.float32))


def full(low: int, high: int, units: int = 2, depth: int = 70_000) -> bytes:
    """A sum of many products: ``depth`` weights of ``high`` and of ``low``."""
    weights = np.full((units, depth), high, np.int8)
    weights[1] = low
    inputs = [Spec((1, depth), "int8", 0.1, 0), Spec((units, depth), "int8", 0.1, 0, weights), None]
    target = [Spec((1, units), "int8", 100.0, 0)]
    return build("FULLY_CONNECTED", inputs, target, {}, "FullyConnectedOptions", version=4)


def clamped(scale: float, zero_point: int, activation: int) -> bytes:
    return conv(y=("int8", scale, zero_point), activation=activation)


def saturating(scale: float) -> bytes:
    """An output scale that the sums of codes far from 0 pass, or do not."""
    return conv((0.1,), y=("int8", scale, 0), channels=2)


def unused(read: bool) -> bytes:
    graph = model(pair("ADD", 0.1, 0.1, 0.2, table="AddOptions")).main
    return write([graph if read else replace(graph, outputs=())])


def named(names: tuple[str, str]) -> bytes:
    graph = model(pair("ADD", 0.1, 0.1, 0.2, table="AddOptions")).main
    tensors = [
        replace(tensor, name=name)
        for tensor, name in zip(graph.tensors, (*names, "y"), strict=True)
    ]
    return write([replace(graph, tensors=tuple(tensors))])


def dynamic(size: int) -> bytes:
    graph = model(pair("ADD", 0.1, 0.1, 0.2, table="AddOptions")).main
    tensors = [replace(tensor, shape_signature=(size, 4)) for tensor in graph.tensors]
    return write([replace(graph, tensors=tuple(tensors))])


def axis(value: int) -> bytes:
    """The axis of a bias with two scales."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    whole = schema.ModelT.InitFromObj(schema.Model.GetRootAs(conv(), 0))
    whole.subgraphs[0].tensors[2].quantization.quantizedDimension = value
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"TFL3")
    return bytes(builder.Output())


LOGITS = ("int8", 0.0001, 0)
LOW = ("int8", 1 / 256, -128)
TRANSPOSED = ("TRANSPOSE", "TransposeOptions", INT8)
# What a rule finds, in a model that shows it, and one that it must leave alone.
SHOWN: dict[str, tuple[Callable[[], bytes], Callable[[], bytes], Engine, str]] = {
    "scale": (lambda: scaled(0.0), conv, REFERENCE, "a scale that cannot be one: 0.0"),
    "zero-point": (
        lambda: conv(x=("int8", 0.5, 200)),
        lambda: conv(x=("int8", 0.5, 127)),
        REFERENCE,
        "has the zero point 200",
    ),
    "activation-per-channel": (
        lambda: changed(
            conv(), 0, scale=np.full(3, 0.5, np.float32), zero_point=np.zeros(3, np.int64), axis=3
        ),
        conv,
        REFERENCE,
        "is no constant and has 3 scales",
    ),
    "weight-axis": (
        lambda: conv(axis=3, depth=2),
        lambda: conv(depth=2),
        REFERENCE,
        "scales along axis 3, not 0",
    ),
    "bias-scale": (lambda: conv(bias_times=2), conv, REFERENCE, "and input * weights is 0.05"),
    "bias-zero-point": (lambda: conv(bias_zero=5), conv, REFERENCE, "has the zero point 5"),
    "unsupported": (
        lambda: conv((0.1,), x=("uint8", 0.5, 3), zero=3),
        conv,
        TFLM,
        "has no CONV_2D of uint8",
    ),
    "refused": (
        lambda: softmax(INT8, ("int8", 1 / 255, -128)),
        lambda: softmax(INT8, LOW),
        REFERENCE,
        "without scale 1/256",
    ),
    "defect": (
        lambda: with_numbers(*TRANSPOSED, ("int8", 0.25, 3), [1, 0]),
        lambda: with_numbers(*TRANSPOSED, INT8, [1, 0]),
        REFERENCE,
        "copies codes as they are",
    ),
    "axis": (lambda: axis(3), lambda: axis(0), REFERENCE, "does not exist in the file"),
    "dynamic-shape": (lambda: dynamic(-1), lambda: dynamic(1), TFLM, "has the shape [-1, 4]"),
    "accumulator": (
        lambda: full(-127, 127, depth=140_000),
        lambda: full(-127, 127, depth=1_000),
        REFERENCE,
        "33 bits, in a register of 32",
    ),
    "clamp": (
        lambda: clamped(6 / 255, -128, 3),
        lambda: clamped(0.5, -128, 3),
        REFERENCE,
        "RELU6 cuts nothing",
    ),
    "ignored-activation": (
        lambda: conv(activation=4),
        lambda: conv(activation=1),
        REFERENCE,
        "the fused activation is TANH",
    ),
    "weights-of-128": (
        lambda: full(-128, 127, depth=10),
        lambda: full(-127, 127, depth=10),
        REFERENCE,
        "10 weights are -128",
    ),
    "unused-output": (
        lambda: unused(False),
        lambda: unused(True),
        REFERENCE,
        "nothing reads its output",
    ),
    "duplicate-names": (
        lambda: named(("x", "x")),
        lambda: named(("x", "z")),
        REFERENCE,
        "several tensors are called 'x'",
    ),
}
SEEN = {"saturation", "dead-channels"}


@pytest.mark.parametrize("rule", SHOWN)
def test_it_is_found_where_it_is_and_nowhere_else(rule: str) -> None:
    shows, not_so, engine, said = SHOWN[rule]
    found = of(rule, check(model(shows()), [engine]))
    assert found
    assert said in found[0].what
    assert found[0].why
    assert found[0].todo
    assert found[0].source
    assert not of(rule, check(model(not_so()), [engine]))


def test_every_rule_is_shown() -> None:
    assert {rule.name for rule in RULES} == set(SHOWN) | SEEN


@pytest.mark.parametrize("value", [0.0, -0.5])
def test_scales_that_are_none(value: float) -> None:
    (found,) = of("scale", check(model(scaled(value)), [REFERENCE]))
    assert found.severity is Severity.ERROR


def test_a_channel_of_scale_0_is_a_warning() -> None:
    (found,) = of("scale", check(model(conv((0.0, 0.2))), [REFERENCE]))
    assert found.severity is Severity.WARNING
    assert "1 of 2 scales" in found.what


def test_an_activation_that_leaves_one_code_is_an_error() -> None:
    (found,) = of("clamp", check(model(clamped(0.01, 127, 1)), [REFERENCE]))
    assert found.severity is Severity.ERROR
    assert "leaves the one code 127" in found.what


def test_saturation_and_dead_channels_are_seen_with_an_input() -> None:
    x = {0: np.full((1, 4, 4, 3), 127, np.int8)}
    assert not SEEN & {one.rule for one in check(model(saturating(0.01)), [REFERENCE])}
    (cut,) = of("saturation", check(model(saturating(0.01)), [REFERENCE], x))
    assert "32 of 32 outputs (100%) do not fit" in cut.what
    assert not of("saturation", check(model(saturating(10.0)), [REFERENCE], x))
    (dead,) = of("dead-channels", check(model(saturating(10.0)), [REFERENCE], x))
    assert "2 of 2 channels give one code" in dead.what
    x = {0: np.random.default_rng(1).integers(-128, 128, (1, 4, 4, 3)).astype(np.int8)}
    assert not of("dead-channels", check(model(saturating(1.0)), [REFERENCE], x))


def test_a_softmax_that_may_abort_does_where_the_input_shows_it() -> None:
    """tflite-micro#3499: not the zero point, but as many logits alike."""
    long_rows, short_rows = model(softmax(LOGITS, LOW, 600)), model(softmax(LOGITS, LOW, 500))
    (found,) = of("defect", check(long_rows, [REFERENCE, TFLM]))
    assert found.severity is Severity.WARNING
    assert found.engines == ("reference", "tflm")
    assert not of("defect", check(short_rows, [REFERENCE, TFLM]))
    flat = {0: np.zeros((1, 600), np.int8)}
    (found,) = of("defect", check(long_rows, [REFERENCE], flat))
    assert found.severity is Severity.ERROR
    peak = {0: np.where(np.arange(600) == 3, 127, -128).astype(np.int8)[None]}
    steep = model(softmax(("int8", 0.5, 0), LOW, 600))
    assert not of("defect", check(steep, [REFERENCE], peak))


def test_what_an_input_shows_of_a_defect_is_counted() -> None:
    copied = model(with_numbers(*TRANSPOSED, ("int8", 0.25, 3), [1, 0]))
    x = {0: np.array([[3, 4], [50, -60]], np.int8)}
    (found,) = of("defect", check(copied, [REFERENCE], x))
    assert "3 of 4 elements with this input are wrong" in found.why


def test_findings_of_engines_alike_are_one() -> None:
    add = model(pair("ADD", 1e6, 1e6, 0.1, table="AddOptions"))
    engines = [Engine(name) for name in ("reference", "optimized", "xnnpack")]
    (found,) = of("defect", check(add, [*engines, TFLM]))
    assert found.engines == ("reference", "optimized", "xnnpack", "tflm")
    assert found.severity is Severity.ERROR
    assert "tensorflow/issues/60815" in found.source


def test_a_good_model_has_no_errors() -> None:
    seven_ops = load(SEVEN_OPS)
    assert not errors(seven_ops, REFERENCE)
    assert foretold(seven_ops, REFERENCE) == ""
    found = check(seven_ops, [REFERENCE, Engine("optimized"), Engine("xnnpack"), TFLM])
    assert max(one.severity for one in found) is Severity.HINT


def test_a_replay_says_errors_before_and_in_its_report() -> None:
    wrong = model(conv(bias_zero=5, axis=3, depth=2))
    said: list[str] = []
    result = run(wrong, random_inputs(wrong), foretell=said.append)
    assert said == [
        "check: 1 error: op 0 CONV_2D: weights 1 (t1) have their scales along axis 3, not 0; "
        "tflreplay check says what to do"
    ]
    assert said[0] in result.notes
    right = model(conv())
    assert not run(right, random_inputs(right), foretell=said.append).notes
    assert len(said) == 1


def test_the_page_has_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "check.md").read_text()
    assert not [rule.name for rule in RULES if f"`{rule.name}`" not in page]
