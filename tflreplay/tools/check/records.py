"""What a rule of the check is made of, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Array
from tflreplay.model import Model, Operator, Subgraph, Tensor
from tflreplay.ops import Card, card, site
from tflreplay.ops.base.conditions import Site
from tflreplay.tools.rules import LayerRules, layer_rules

# Types of activations that are codes.
CODES = ("int8", "uint8", "int16")


class Severity(IntEnum):
    """``ERROR``: the model does not run, or does not compute what it says."""

    HINT = 0
    WARNING = 1
    ERROR = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Found:
    """What a rule found. What is None or empty is as the rule has it.

    ``subgraph`` and ``op`` are None of something that no operator is to blame for.
    """

    what: str
    op: Operator | None = None
    subgraph: int = 0
    severity: Severity | None = None
    why: str = ""
    todo: str = ""
    source: str = ""


@dataclass(frozen=True)
class Finding:
    """One finding. ``engines`` are those that it is about; empty where it is about the model."""

    rule: str
    severity: Severity
    subgraph: int
    op_index: int | None
    op: str
    what: str
    why: str
    todo: str
    source: str
    engines: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """``op 3 ADD``; ``the model`` where it is no operator's."""
        if self.op_index is None:
            return "the model"
        inner = f"subgraph {self.subgraph} " if self.subgraph else ""
        return f"{inner}op {self.op_index} {self.op}"


@dataclass(frozen=True)
class At:
    """An operator, the engine that is asked of it, and what tensors hold, as far as it is known."""

    graph: Subgraph
    op: Operator
    engine: Engine
    tensors: Mapping[int, Array] = field(default_factory=dict)

    @property
    def card(self) -> Card:
        return card(self.op.name)

    @cached_property
    def site(self) -> Site:
        return site(self.engine, self.graph, self.op)

    @cached_property
    def inputs(self) -> list[Tensor]:
        return [self.graph.tensors[index] for index in self.op.inputs if index >= 0]

    @property
    def outputs(self) -> list[Tensor]:
        return [self.graph.tensors[index] for index in self.op.outputs]

    def named(self, position: int | None) -> Tensor | None:
        """The input at a position that the card knows; None where it is left out."""
        return self.site.optional(position)

    @cached_property
    def rules(self) -> LayerRules:
        """The arithmetic of the layer."""
        return layer_rules(self.graph, self.op, self.tensors, self.engine)[0]

    @property
    def seen(self) -> bool:
        """True where a replay of given inputs reached the operator."""
        return bool(self.op.outputs) and all(i in self.tensors for i in self.op.outputs)


OfOp = Callable[[At], Iterator[Found]]
OfModel = Callable[[Model, Engine], Iterator[Found]]


@dataclass(frozen=True)
class Rule:
    """One thing that is checked: of each operator, or of the model as a whole.

    ``of_engine`` says that the answer depends on the engine.
    """

    name: str
    severity: Severity
    why: str
    todo: str
    source: str
    of_op: OfOp | None = None
    of_model: OfModel | None = None
    of_engine: bool = False

    def finding(self, found: Found, engine: str) -> Finding:
        return Finding(
            self.name,
            self.severity if found.severity is None else found.severity,
            found.subgraph,
            None if found.op is None else found.op.index,
            "" if found.op is None else found.op.name,
            found.what,
            found.why or self.why,
            found.todo or self.todo,
            found.source or self.source,
            (engine,) if self.of_engine else (),
        )
