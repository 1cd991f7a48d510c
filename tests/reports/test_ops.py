from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.graphs import Graph
from tests.graphs import model as graphs
from tests.promises import broken_promises
from tests.single_op import Op, Spec, build_side_by_side
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.ops import Card, Row
from tflreplay.ops.base.conditions import Condition
from tflreplay.replayer.trial import try_ops
from tflreplay.reports import ops
from tflreplay.runtimes.inputs import random_inputs
from tflreplay.tools.ops import citizens, of_model
from tflreplay.tools.replay import run

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
    for runtime, names in (
        ("litert", "reference, optimized, xnnpack"),
        ("tflm", "tflm, cmsis-nn, cmsis-nn-single, esp-nn"),
    ):
        engine = Engine(names.split(",")[0], runtime, "2.3.0")
        text = ops.render(citizens(engine), engine)
        assert f"2.3.0 ({names})" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= 96


def _of_model(content: bytes) -> str:
    return ops.render_model(of_model(parse(content, Path("m.tflite")), LITERT), LITERT)


def test_a_model() -> None:
    """Counts by type; each engine's reason where there is no kernel, with the ops it is for."""
    x, y = Spec((2,), "int8", 0.5), Spec((2,), "float64")
    squeeze = [Op("SQUEEZE", [t], [t], {}, "SqueezeOptions") for t in (x, y, x)]
    unknown = [Op("RIGHT_SHIFT", [y], [y]) for _ in range(9)]
    ceil = Op("CEIL", [Spec((2,), "float32")], [Spec((2,), "float32")])
    content = build_side_by_side([*squeeze, *unknown, ceil])
    table, *reasons, verdict = _of_model(content).split("\n\n")
    assert [line.split() for line in table.splitlines()[2:]] == [
        ["CEIL", "1", "float32", "1", "no", "yes", "yes"],
        ["RIGHT_SHIFT", "1", "float64", "9", "no", "no", "no"],
        ["SQUEEZE", "1", "float64", "1", "yes", "yes", "yes"],
        ["SQUEEZE", "1", "int8", "2", "yes", "yes", "yes"],
    ]
    assert [" ".join(reason.split()) for reason in reasons] == [
        "Not replayed: #3, #4, #5, #6, #7, #8, #9, #10, ...: "
        "tflreplay has no reference kernel for RIGHT_SHIFT (version 1)",
        "Not replayed: #12: tflreplay has no reference kernel for CEIL (version 1)",
        "Not replayed: #3, #4, #5, #6, #7, #8, #9, #10, ...: "
        "tflreplay has no optimized kernel for RIGHT_SHIFT (version 1)",
        "Not replayed: #3, #4, #5, #6, #7, #8, #9, #10, ...: "
        "tflreplay has no xnnpack kernel for RIGHT_SHIFT (version 1)",
    ]
    assert verdict == ("13 ops; of LiteRT 2.3.0 are replayed: 3 reference, 4 optimized, 4 xnnpack")


def test_a_model_without_ops() -> None:
    assert "0 ops" in _of_model(build_side_by_side([]))


def _weighted(bias: str, declared: str) -> Op:
    """CONV_2D of int16: what its bias is read as, the tables do not say, but the kernel."""
    x = Spec((1, 4, 4, 2), "int16", 0.01)
    weights = Spec((3, 1, 1, 2), "int8", 0.02, data=np.ones((3, 1, 1, 2), np.int8))
    added = Spec((3,), bias, 0.0002, data=np.zeros(3, bias))
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    kind = getattr(schema.TensorType, declared)
    options["quantizedBiasType"] = kind
    y = Spec((1, 4, 4, 3), "int16", 0.01)
    return Op("CONV_2D", [x, weights, added], [y], options, "Conv2DOptions")


def test_what_a_kernel_refuses() -> None:
    content = build_side_by_side([_weighted("int64", "FLOAT32"), _weighted("int32", "FLOAT32")])
    _, *reasons, verdict = _of_model(content).split("\n\n")
    assert "with an int32 bias but no quantized_bias_type" in " ".join(reasons[0].split())
    assert reasons[0].startswith("Not replayed: #1: ")
    assert "are replayed: 1 reference, 1 optimized, 1 xnnpack" in verdict


def _divided() -> Op:
    x = Spec((2, 200), "int8", 0.5)
    return Op("DIV", [x, x], [x], {}, "DivOptions")


def test_what_depends_on_the_inputs() -> None:
    table, *reasons, verdict = _of_model(build_side_by_side([_divided()])).split("\n\n")
    assert table.splitlines()[-1].split()[-1] == "depends"
    assert [" ".join(reason.split()) for reason in reasons] == [
        "Depends on the inputs: #0: DIV by 0: the kernel computes nothing of meaning"
    ]
    assert "may be replayed with others" in verdict


def test_what_follows_an_op_that_is_left_out() -> None:
    """Random values of the file's shape go on; a shape that the file does not know is told."""
    graph = Graph()
    x = graph.tensor("float32", (2, 3))
    (y,) = graph.op("SKIP_GRAM", (x,), (graph.tensor("float32", (2, 3)),))
    graph.op("NEG", (y,), (graph.tensor("float32", (2, 3)),), "NegOptions")
    (z,) = graph.op("SKIP_GRAM", (x,), (graph.tensor("float32", ()),))
    graph.op("NEG", (z,), (graph.tensor("float32", (2, 3)),), "NegOptions")
    found = try_ops(graphs((graph, (x,), (4,))), LITERT)
    assert [trial.depends for trial in found.values()] == [False, False, False, True]
    assert found[0, 1].reason == ""
    assert found[0, 3].reason == "depends on tensor 3 (t3), which op 2 SKIP_GRAM gives in a run"


def test_subgraphs() -> None:
    """An op of a branch that is entered is tried; the tables speak of one that is not."""
    main, entered, other = Graph(), Graph(), Graph()
    choice = main.tensor("bool", (), np.array(True))
    x = main.tensor()
    calls = {"then_subgraph_index": 1, "else_subgraph_index": 2}
    (y,) = main.op("IF", (choice, x), (main.tensor(),), "IfOptions", **calls)
    for branch in (entered, other):
        given = branch.tensor()
        branch.add(given, given)
        branch.op("SKIP_GRAM", (1,), (branch.tensor(),))
        branch.add(given, given)
    parts = ((main, (x,), (y,)), (entered, (0,), (2,)), (other, (0,), (2,)))
    found = try_ops(graphs(*parts), LITERT)
    no_kernel = "tflreplay has no reference kernel for SKIP_GRAM (version 1)"
    assert {place: trial.reason for place, trial in found.items()} == {
        (0, 0): f"op 1 of subgraph 1: {no_kernel}",
        **{(graph, op): no_kernel if op == 1 else "" for graph in (1, 2) for op in range(3)},
    }


@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])
def test_a_run_says_the_same(engine: str) -> None:
    """Of ops that are right, that a kernel refuses, and that depend on the inputs."""
    x = Spec((2, 3), "int8", 0.5)
    right = Op("ADD", [x, x], [x], {}, "AddOptions")
    ops = [_weighted("int64", "FLOAT32"), right, _weighted("int32", "FLOAT32"), _divided()]
    model = parse(build_side_by_side(ops), Path("m.tflite"))
    result = run(model, random_inputs(model), engine=engine)
    assert not broken_promises(result)
    statuses = [layer.status for layer in result.comparison.layers]
    assert statuses == ["exact", "exact", "not replayed", "not replayed"]
