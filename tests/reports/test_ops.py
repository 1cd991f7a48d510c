from __future__ import annotations

from pathlib import Path

import pytest

from tests.single_op import Op, Spec, build_side_by_side
from tflreplay.ground.engine import Engine
from tflreplay.kernels.call import Arithmetic
from tflreplay.model import parse
from tflreplay.reports import ops

LITERT = Engine("reference", "litert", "2.3.0")


def _row(op: str, *types: str, **more: object) -> Arithmetic:
    return Arithmetic(op, types, lambda call: None, **more)


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Arithmetic]]:
    """Tables of their own for the engines, which a test fills."""
    filled: dict[str, list[Arithmetic]] = {"reference": [], "optimized": [], "xnnpack": []}
    below = {"reference": (), "optimized": ("reference",), "xnnpack": ("optimized", "reference")}
    monkeypatch.setattr(
        ops,
        "rows",
        lambda engine: [row for name in (engine.name, *below[engine.name]) for row in filled[name]],
    )
    return filled


def _lines(engine: Engine = LITERT) -> list[str]:
    return [line for line in ops.render(engine).split("\n\n")[1].splitlines() if line]


def test_types_by_engine(tables: dict[str, list[Arithmetic]]) -> None:
    tables["reference"] += [_row("ADD", "int8"), _row("ADD", "uint4", "float32"), _row("B", "any")]
    tables["optimized"] += [_row("ADD", "int16")]
    tables["xnnpack"] += [_row("ADD", "bool", when=lambda *_: True), _row("A", "int8")]
    assert _lines() == [
        "A                        xnnpack: int8",
        "ADD                      int8, float32, uint4; optimized, xnnpack: int16; xnnpack*: bool",
        "B                        any",
    ]


def test_versions(tables: dict[str, list[Arithmetic]]) -> None:
    tables["reference"] += [_row("ADD", "int8", since={"litert": "2.0"}), _row("B", "int8")]
    assert len(_lines()) == 2
    assert len(_lines(Engine("reference", "litert", "1.2.0"))) == 1


def test_the_real_tables_fit_the_page() -> None:
    for runtime, names in (("litert", "reference, optimized, xnnpack"), ("tflm", "tflm")):
        text = ops.render(Engine(names.split(",")[0], runtime, "2.3.0"))
        assert f"2.3.0 ({names})" in text
        assert max(map(len, text.splitlines())) <= 96


def test_a_model() -> None:
    """Counts by type; each engine's reason where there is no kernel, with the ops it is for."""
    x, y = Spec((2,), "int8", 0.5), Spec((2,), "float64")
    squeeze = [Op("SQUEEZE", [t], [t], {}, "SqueezeOptions") for t in (x, y, x)]
    unknown = [Op("RFFT2D", [y], [y]) for _ in range(9)]
    ceil = Op("CEIL", [Spec((2,), "float32")], [Spec((2,), "float32")])
    content = build_side_by_side([*squeeze, *unknown, ceil])
    table, *reasons, verdict = ops.render_model(parse(content, Path("m.tflite")), LITERT).split(
        "\n\n"
    )
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
    text = ops.render_model(parse(build_side_by_side([]), Path("m.tflite")), LITERT)
    assert "0 ops" in text
