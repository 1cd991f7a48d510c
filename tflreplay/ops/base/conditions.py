"""What a table row asks of an operator: named predicates that print as words and never throw.

A predicate is a function of a :class:`Site` whose docstring is what a printed table shows. One that
asks for something the operator does not have is not met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.model import Operator, Subgraph, Tensor
from tflreplay.ops.base.roles import Roles


class Absent(Exception):
    """The operator does not have what a predicate asks for."""


@dataclass(frozen=True)
class Site:
    """An operator where it stands, and whose arithmetic is asked for.

    ``by_file`` says that tensors have the shapes of the file, whatever they had in a run.

    Every method and property raises :class:`Absent` where the operator has no such thing.
    """

    engine: Engine
    graph: Subgraph
    op: Operator
    roles: Roles
    by_file: bool = False

    def _tensor(self, index: int) -> Tensor:
        tensor = self.graph.tensors[index]
        if self.by_file and tensor.file_shape is not None:
            return replace(tensor, shape=tensor.file_shape)
        return tensor

    def input(self, position: int | None) -> Tensor:
        found = self.optional(position)
        if found is None:
            raise Absent
        return found

    def optional(self, position: int | None) -> Tensor | None:
        """The input at ``position``; None where it is left out."""
        if position is None or position >= len(self.op.inputs) or self.op.inputs[position] < 0:
            return None
        return self._tensor(self.op.inputs[position])

    @property
    def inputs(self) -> list[Tensor]:
        """Those that are there."""
        return [self._tensor(index) for index in self.op.inputs if index >= 0]

    @property
    def outputs(self) -> list[Tensor]:
        return [self._tensor(index) for index in self.op.outputs]

    @property
    def output(self) -> Tensor:
        if not self.op.outputs:
            raise Absent
        return self.outputs[0]

    @property
    def activation(self) -> Tensor:
        return self.input(self.roles.activation)

    @property
    def weights(self) -> Tensor:
        return self.input(self.roles.weights)

    @property
    def bias(self) -> Tensor | None:
        """None where it is left out."""
        return self.optional(self.roles.bias)

    @property
    def dtype(self) -> str:
        """The type that decides the arithmetic, or ``nothing``: not that of indices or weights."""
        present = [i for i in self.op.inputs[self.roles.activation :] if i >= 0]
        return self.graph.tensors[present[0]].dtype if present else "nothing"

    def option(self, name: str) -> Any:
        """A field of the operator's option table."""
        if name not in self.op.options:
            raise Absent
        return self.op.options[name]


@dataclass(frozen=True)
class Condition:
    """A predicate; ``text`` is what a printed table shows of it.

    ``parts`` are the predicates that it consists of, where it consists of several.
    """

    text: str
    test: Callable[[Site], bool]
    parts: tuple[Condition, ...] = ()

    def __call__(self, site: Site) -> bool:
        try:
            return bool(self.test(site))
        except (Absent, NotReplayed):  # the latter of a tensor without one scale, or without a type
            return False

    def __str__(self) -> str:
        return self.text


def condition(test: Callable[[Site], bool]) -> Condition:
    """A condition whose text is the function's docstring."""
    return Condition(" ".join(str(test.__doc__).split()), test)


def every(*conditions: Condition) -> Condition:
    """All of the conditions, tried in this order up to the first that fails."""
    parts = tuple(part for each in conditions for part in each.parts or (each,))
    return Condition(
        "; ".join(str(part) for part in parts),
        lambda site: all(part(site) for part in parts),
        parts,
    )
