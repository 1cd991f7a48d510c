"""Which tensor an array is, by what somebody called it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from tflreplay.model import Model, Operator
from tflreplay.ops import CARDS

FORMS = "its tensor's index or name, tensor_30, op2 or 2_CONV_2D"

_INDEX = re.compile(r"(?:tensor[ _-]?)?(\d{1,9})", re.I)
_OP = re.compile(r"(?:op|layer)[ _-]?(\d{1,9})(?:_output)?(?:_(\d{1,9}))?", re.I)
_OPS = re.compile(r"ops?[ _-]?(\d{1,9})[ _-]*(?:to|-)[ _-]*(?:op)?[ _-]?(\d{1,9})", re.I)
_NUMBERED = re.compile(r"(?:op|layer)?[ _-]?(\d{1,9})[ _.-]+(\w+)", re.I)
_OF_OP = re.compile(r"op\d+_(\w+)", re.I)
_PLACE = re.compile(r"(input|output)(?:_(\d{1,9}))?")


@dataclass(frozen=True)
class Named:
    """A tensor, or, where ``index`` is None, why there is none. ``unsure`` are the tensors that it
    may be where there are several, and ``how`` says what is not plain."""

    index: int | None
    problem: str = ""
    unsure: tuple[int, ...] = ()
    how: str = ""


class Names:
    """What the tensors of a model's main subgraph may be called."""

    def __init__(self, model: Model) -> None:
        self.graph = model.main
        self._exact: dict[str, set[int]] = defaultdict(set)
        self._alike: dict[str, set[int]] = defaultdict(set)
        self.activations = {i for op in self.graph.operators for i in op.outputs}
        self.activations |= set(self.graph.inputs)
        read = {i for op in self.graph.operators for i in op.inputs if i >= 0}
        self.known = self.activations | read
        for index in self.known:
            name = self.graph.tensors[index].name
            self._exact[name].add(index)
            self._alike[_plain(name)].add(index)

    def find(self, name: str) -> Named:
        """The tensor called ``name``: an activation, or a constant that an op reads."""
        try:
            found, how = self._by_number(name)
        except LookupError as error:
            return Named(None, str(error))
        candidates = found | self._exact.get(name, set())
        if not candidates:
            candidates = set(self._alike.get(_plain(name), set()))
            if part := _OF_OP.fullmatch(name):  # of the header of a port kit
                candidates |= self._exact.get(part[1], set())
        if not candidates:
            candidates = self._by_place(name)
        candidates = candidates & self.activations or candidates
        if len(candidates) == 1:
            return Named(min(candidates), how=how)
        if not candidates:
            return Named(None, "no op output or input is called that")
        several = tuple(sorted(candidates))
        lines = " or ".join(f'"{name}" = "tensor_{index}"' for index in several)
        return Named(
            None,
            f"may be any of the tensors {', '.join(map(str, several))}: say which in a file given "
            f"to --map: {lines}",
            several,
        )

    def _by_number(self, name: str) -> tuple[set[int], str]:
        """Tensors that a number names.

        Raises:
            LookupError: an op is meant that is another one, or has several outputs.
        """
        if found := _INDEX.fullmatch(name):
            return {int(found[1])} & self.known, ""
        if found := _OPS.fullmatch(name):
            first, last = int(found[1]), int(found[2])
            op = self._op(last)
            if op is not None and first < last:
                how = f"the output of ops {first} to {last}, compared at op {last} {op.name}"
                return {self._output(name, op, None)}, how
        if found := _OP.fullmatch(name):
            op = self._op(int(found[1]))
            if op is not None:
                return {self._output(name, op, found[2])}, ""
        if found := _NUMBERED.fullmatch(name):
            op, meant = self._op(int(found[1])), _letters(found[2])
            if meant in map(_letters, CARDS) or any(
                meant == _letters(other.name) for other in self.graph.operators
            ):
                if op is None:
                    raise LookupError(f"there is no op {found[1]}")
                if _letters(op.name) != meant:
                    raise LookupError(f"op {op.index} is {op.name}")
                return {self._output(name, op, None)}, ""
        return set(), ""

    def _op(self, index: int) -> Operator | None:
        operators = self.graph.operators
        return operators[index] if index < len(operators) else None

    def _output(self, name: str, op: Operator, position: str | None) -> int:
        outputs = op.outputs
        if position is None and len(outputs) == 1:
            return outputs[0]
        if position is not None and int(position) < len(outputs):
            return outputs[int(position)]
        if not outputs or position is not None:
            raise LookupError(f"op {op.index} {op.name} has {len(outputs)} outputs")
        lines = " or ".join(f'"{name}" = "op{op.index}_{at}"' for at in range(len(outputs)))
        raise LookupError(
            f"op {op.index} {op.name} has {len(outputs)} outputs: say which in a file given to "
            f"--map: {lines}"
        )

    def _by_place(self, name: str) -> set[int]:
        """An input or output of the model by its position."""
        found = _PLACE.fullmatch(name)
        if not found:
            return set()
        tensors = self.graph.inputs if found[1] == "input" else self.graph.outputs
        if found[2] is None:
            return set(tensors) if len(tensors) == 1 else set()
        return {*tensors[int(found[2]) : int(found[2]) + 1]}


def _plain(name: str) -> str:
    """A name as files and C have it."""
    return re.sub(r"\W", "_", name)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
