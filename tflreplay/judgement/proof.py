"""How much an exact result proves: which other arithmetic and which mistakes would have shown.

Where no element tells two candidates apart, a port may compute by either and be exact. Both are
computed on a sample of the lines of each layer, and the elements that differ counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import RULES, Array
from tflreplay.ground.words import printable
from tflreplay.judgement.diagnosis.candidates import RULES_TRIED
from tflreplay.judgement.diagnosis.evidence import evidence, in_lines
from tflreplay.judgement.diagnosis.in_order import in_order
from tflreplay.judgement.diagnosis.made import Made
from tflreplay.judgement.diagnosis.mistakes import made_in
from tflreplay.judgement.diagnosis.part import Part
from tflreplay.model import Model, Operator
from tflreplay.ops import Row, row_of
from tflreplay.ops.seam import FirstHalves, Tensors, call_of

_LINES = 256  # of each layer
_SHOWN = 4  # names in a row


@dataclass(frozen=True)
class Proof:
    """What the exact layers of one op prove.

    ``seen`` of the ``layers`` were looked at. ``rules`` and ``mistakes`` count, for each other rule
    and for each mistake made in the arithmetic in force, the elements of the sample that it would
    have changed. ``command`` looks for inputs that tell the rules apart in one layer of it, that of
    the operator ``layer``.
    """

    op: str
    in_force: str
    layers: int
    seen: int
    elements: int
    rules: dict[str, int] = field(repr=False)
    mistakes: dict[str, int] = field(repr=False)
    command: str
    layer: int

    @property
    def text(self) -> str:
        layers = f"{self.layers} layer{'' if self.layers == 1 else 's'}"
        if self.seen < self.layers:
            layers = f"{self.seen} of {layers} looked at"
        text = f"{printable(self.op)}, {layers}: {self.in_force} {_told(self.rules)}."
        shown = sum(count > 0 for count in self.mistakes.values())
        if self.mistakes:
            text += f" Of {len(self.mistakes)} mistakes tried, {shown} would have shown"
            text += f"; not {_some(_none(self.mistakes))}." if _none(self.mistakes) else "."
        return text


def rest(proofs: Sequence[Proof]) -> str:
    """What to type to tell the rules apart that no element told; empty if there are none."""
    untold = [proof for proof in proofs if _none(proof.rules)]
    if not untold:
        return ""
    first, *others = untold
    more = f" (or layer {_some([str(proof.layer) for proof in others])})" if others else ""
    return f"To look for inputs that tell those apart: {first.command}{more}"


def _told(rules: dict[str, int]) -> str:
    """``told from single by 412 elements, from 9 others by more; from double-up by none``."""
    shown = sorted((name for name in rules if rules[name]), key=rules.__getitem__)
    parts = []
    if shown:
        fewest = rules[shown[0]]
        parts.append(f"from {shown[0]} by {fewest:,} element{'' if fewest == 1 else 's'}")
    parts += [f"from {name} by {rules[name]:,}" for name in shown[1:_SHOWN]]
    if len(shown) > _SHOWN:
        parts.append(f"from {len(shown) - _SHOWN} others by more")
    none = f"by none from {_some(_none(rules))}" if _none(rules) else ""
    return f"told {'; '.join(filter(None, (', '.join(parts), none)))}"


def _none(counts: dict[str, int]) -> list[str]:
    return [name for name, count in counts.items() if not count]


def _some(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[: _SHOWN - 1])} and {len(names) - _SHOWN + 1} more"


def prove(
    model: Model,
    ops: Sequence[Operator],
    tensors: Tensors,
    engine: Engine,
    command: str,
    seconds: float,
    progress: Callable[[int], None] = lambda op_index: None,
    halves: FirstHalves | None = None,
) -> tuple[Proof, ...]:
    """A proof for each op of which some layer requantizes by a rule.

    Args:
        ops: whose outputs are exact.
        tensors: the inputs and outputs of them all, by tensor index.
        engine: whose arithmetic is in force.
        command: what to type, but for ``--layer``, to look for inputs that tell rules apart.
        seconds: how long to look; the first layer of each op is looked at whatever it takes.
    """
    halves = halves or FirstHalves()
    end = time.monotonic() + seconds
    found: dict[tuple[str, str], list[tuple[Operator, Counter[str], Counter[str], int]]] = {}
    layers: Counter[tuple[str, str]] = Counter()
    for op in _in_turn(ops):
        try:
            row = row_of(engine, model.main, op)
        except NotReplayed:
            continue
        if not row.rule:
            continue
        key = (op.name, row.rule)
        layers[key] += 1
        if key in found and time.monotonic() > end:
            continue
        progress(op.index)
        counted = _counted(model, op, row, tensors, engine, halves)
        if counted is not None:
            found.setdefault(key, []).append((op, *counted))
    proofs = []
    for (name, rule), seen in found.items():
        rules: Counter[str] = Counter()
        mistakes: Counter[str] = Counter()
        for _, by_rule, by_mistake, _ in seen:
            rules.update(by_rule)
            mistakes.update(by_mistake)
        unproven, *_ = min(seen, key=lambda one: sum(count > 0 for count in one[1].values()))
        proofs.append(
            Proof(
                name,
                rule,
                layers[name, rule],
                len(seen),
                sum(elements for *_, elements in seen),
                dict(rules),
                dict(mistakes),
                f"{command} --layer {unproven.index}",
                unproven.index,
            )
        )
    return tuple(proofs)


def _in_turn(ops: Sequence[Operator]) -> Iterator[Operator]:
    """One layer of every op, then another of each."""
    turns: Counter[str] = Counter()
    ordered = []
    for op in ops:
        ordered.append((turns[op.name], op.index, op))
        turns[op.name] += 1
    yield from (op for *_, op in sorted(ordered, key=lambda turn: turn[:2]))


def _counted(
    model: Model,
    op: Operator,
    row: Row,
    tensors: Tensors,
    engine: Engine,
    halves: FirstHalves,
) -> tuple[Counter[str], Counter[str], int] | None:
    """Elements that each rule and each mistake would have changed; and how many were looked at."""
    try:
        call, given = call_of(model.main, op, tensors, engine, row)
    except NotReplayed:
        return None
    (call, arrays), output = in_order(call, tuple(given)), in_lines(tensors[op.outputs[0]])
    lines = np.unique(np.linspace(0, len(output) - 1, _LINES).astype(np.intp))
    part, right = Part(call, arrays, halves, lines), output[lines]
    known = evidence(right, part.sums, ())
    rules: Counter[str] = Counter()
    mistakes: Counter[str] = Counter()

    def count(codes: Array) -> int:
        return known.count(codes != right) if codes.shape == right.shape else right.size

    for rule, codes in part.codes(Made(call, arrays), {rule: RULES[rule] for rule in RULES_TRIED}):
        if rule != call.rule.name:
            rules[rule] += count(codes)
    for mistake, way, made in made_in(call, arrays):
        for _, codes in part.codes(made, {call.rule.name: call.rule}):
            mistakes[way.title or mistake.name] += count(codes)
    return (rules, mistakes, right.size) if rules else None
