"""What is odd about a graph, whoever computes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tflreplay.ground.engine import Engine
from tflreplay.model import Model
from tflreplay.tools.check.records import Found, Rule, Severity


def unused(model: Model, engine: Engine) -> Iterator[Found]:
    for graph in model.subgraphs:
        read = {index for op in graph.operators for index in op.inputs} | set(graph.outputs)
        for op in graph.operators:
            if op.outputs and not read & set(op.outputs):
                yield Found("nothing reads its output", op, graph.index)


def duplicate_names(model: Model, engine: Engine) -> Iterator[Found]:
    for graph in model.subgraphs:
        counted = Counter(tensor.name for tensor in graph.tensors if tensor.name)
        twice = [name for name, count in counted.items() if count > 1]
        if twice:
            more = f" and {len(twice) - 1} more" if len(twice) > 1 else ""
            what = f"several tensors are called {twice[0]!r}{more}"
            yield Found(what, None, graph.index)


RULES = (
    Rule(
        "unused-output",
        Severity.HINT,
        "it is computed and thrown away; a dump may still hold it",
        "leave the op out",
        "the graph",
        of_model=unused,
    ),
    Rule(
        "duplicate-names",
        Severity.HINT,
        "a dump by name cannot tell them apart",
        "dump by index",
        "the graph",
        of_model=duplicate_names,
    ),
)
