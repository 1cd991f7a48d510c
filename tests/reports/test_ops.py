from __future__ import annotations

from pathlib import Path

import pytest

from tests.single_op import Op, Spec, build_side_by_side
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.ops import Card, Row
from tflreplay.ops.base.conditions import Condition
from tflreplay.reports import ops
from tflreplay.tools.ops import citizens, of_model

LITERT = Engine("reference", "litert", "2.3.0")


Tables = dict[str, list[Row]]


def _row(*types: str, **more: object) -> Row:
    return Row(types, lambda call: None, **more)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tables]:
    """Tables of their own for some ops, which a test fills."""
    filled: dict[str, Tables] = {"A": {}, "ADD": {}, "B": {}}
    made = {op: Card(op, tables) for op, tables in filled.items()}
    monkeypatch.setattr("tflreplay.tools.ops.CARDS", made)
    monkeypatch.setattr(ops, "home", lambda op: f"{op.lower()}.py")
    return filled


def _lines(engine: Engine = LITERT) -> list[str]:
    shown = ops.render(citizens(engine), engine).split("\n\n")[1]
    return [line for line in shown.splitlines() if line]


def test_types_by_engine(cards: dict[str, Tables]) -> None:
    cards["ADD"] |= {
        "reference": [_row("int8"), _row("uint4", "float32")],
        "optimized": [_row("int16")],
        "xnnpack": [_row("bool", when=Condition("sometimes", lambda site: True))],
    }
    cards["B"] |= {"reference": [_row("any")]}
    cards["A"] |= {"xnnpack": [_row("int8")]}
    assert _lines() == [
        "A                        xnnpack: int8",
        "ADD                      int8, float32, uint4; optimized, xnnpack: int16; xnnpack*: bool",
        "B                        any",
    ]


def test_versions(cards: dict[str, Tables]) -> None:
    cards["ADD"] |= {"reference": [_row("int8", since={"litert": "2.0"})]}
    cards["B"] |= {"reference": [_row("int8")]}
    assert len(_lines()) == 2
    assert len(_lines(Engine("reference", "litert", "1.2.0"))) == 1


def test_what_tools_do_with_an_op() -> None:
    """The gaps are shown too."""
    lines = ops.render(citizens(LITERT), LITERT).splitlines()
    tools = {line.split()[0]: line.split()[1:] for line in lines[lines.index(lines[-1]) - 121 :]}
    explained, mistakes, *others = tools["CONV_2D"]
    assert (explained, others) == ("yes", ["solved", "yes", "yes", "conv/"])
    assert int(mistakes) > 15
    assert tools["TRANSPOSE"] == ["-", "-", "-", "-", "yes", "transpose.py"]
    assert tools["WHILE"][-2:] == ["-", "control_flow.py"]


def test_the_real_tables_fit_the_page() -> None:
    for runtime, names in (("litert", "reference, optimized, xnnpack"), ("tflm", "tflm")):
        engine = Engine(names.split(",")[0], runtime, "2.3.0")
        text = ops.render(citizens(engine), engine)
        assert f"2.3.0 ({names})" in text
        assert max(map(len, text.splitlines())) <= 96


def _of_model(content: bytes) -> str:
    return ops.render_model(of_model(parse(content, Path("m.tflite")), LITERT), LITERT)


def test_a_model() -> None:
    """Counts by type; each engine's reason where there is no kernel, with the ops it is for."""
    x, y = Spec((2,), "int8", 0.5), Spec((2,), "float64")
    squeeze = [Op("SQUEEZE", [t], [t], {}, "SqueezeOptions") for t in (x, y, x)]
    unknown = [Op("RFFT2D", [y], [y]) for _ in range(9)]
    ceil = Op("CEIL", [Spec((2,), "float32")], [Spec((2,), "float32")])
    content = build_side_by_side([*squeeze, *unknown, ceil])
    table, *reasons, verdict = _of_model(content).split("\n\n")
    assert [line.split() for line in table.splitlines()[2:]] == [
        ["CEIL", "1", "float32", "1", "no", "yes", "yes"],
        ["RFFT2D", "1", "float64", "9", "no", "no", "no"],
        ["SQUEEZE", "1", "float64", "1", "yes", "yes", "yes"],
        ["SQUEEZE", "1", "int8", "2", "yes", "yes", "yes"],
    ]
    assert [" ".join(reason.split()) for reason in reasons] == [
        "Not replayed: #3, #4, #5, #6, #7, #8, #9, #10, ...: "
        "no reference kernel for RFFT2D (version 1)",
        "Not replayed: #12: no reference kernel for CEIL (version 1)",
        "Not replayed: #3, #4, #5, #6, #7, #8, #9, #10, ...: "
        "no optimized kernel for RFFT2D (version 1)",
        "Not replayed: #3, #4, #5, #6, #7, #8, #9, #10, ...: "
        "no xnnpack kernel for RFFT2D (version 1)",
    ]
    assert verdict == ("13 ops; of LiteRT 2.3.0 are replayed: 3 reference, 4 optimized, 4 xnnpack")


def test_a_model_without_ops() -> None:
    assert "0 ops" in _of_model(build_side_by_side([]))
