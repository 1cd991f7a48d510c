"""What a dataset's inputs come to: a comparison added up, and a line an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tflreplay.ground.words import few
from tflreplay.judgement.comparison import Comparison
from tflreplay.judgement.difference import Array
from tflreplay.judgement.suspects import ranges
from tflreplay.model import Model

WORST = 10  # inputs that a report lists


@dataclass(frozen=True)
class Classes:
    """The five likeliest classes on both sides, the first one first, and the one that is right.

    Of equal scores the class with the lower index is the likelier one.
    """

    ours: tuple[int, ...]
    theirs: tuple[int, ...]
    label: int | None = None

    @property
    def changed(self) -> bool:
        """True where the two sides do not name one class."""
        return self.ours[:1] != self.theirs[:1]


@dataclass(frozen=True)
class InputResult:
    """What was found in one input.

    ``made`` and ``chained`` hold rows ``(layer, mismatches)`` of the layers that differ, by their
    place in the comparison: what is made there, or at or before it, and what shows in the chained
    replay. ``elements`` were compared, and ``lacking`` layers were not. ``classes`` is None where
    the model gives no scores of classes, or one of the sides is not known. ``command`` replays this
    input alone. ``failure`` says how the runtime failed on it.
    """

    number: int
    name: str
    elements: int
    lacking: int
    max_abs: float
    made: Array = field(repr=False)
    chained: Array = field(repr=False)
    classes: Classes | None = None
    command: str = ""
    failure: str = ""

    @property
    def mismatches(self) -> int:
        """Elements that differ where it is made, or where nobody knows that, in the chain."""
        return int((self.made if len(self.made) else self.chained)[:, 1].sum())

    @property
    def rate(self) -> float:
        return self.mismatches / self.elements if self.elements else 0.0

    @property
    def differs(self) -> bool:
        return len(self.made) + len(self.chained) > 0

    @property
    def status(self) -> str:
        """``mismatch``, ``incomplete`` or ``exact``."""
        return "mismatch" if self.differs else "incomplete" if self.lacking else "exact"

    @property
    def first(self) -> int | None:
        """The place of the first layer that differs."""
        places = [*self.made[:1, 0], *self.chained[:1, 0]]
        return int(min(places)) if places else None


@dataclass(frozen=True)
class Part:
    """Some inputs of a dataset, in order."""

    comparison: Comparison
    inputs: tuple[InputResult, ...]

    def __add__(self, other: Part) -> Part:
        return Part(self.comparison + other.comparison, self.inputs + other.inputs)


@dataclass(frozen=True)
class Dataset:
    """The inputs of a run.

    ``evidence`` are those that were looked at to explain what differs, and ``together`` the ops of
    which they were looked at all at once; the others were in the first of them only.
    """

    source: str
    inputs: tuple[InputResult, ...] = field(repr=False)
    evidence: tuple[int, ...] = ()
    together: tuple[int, ...] = ()

    @cached_property
    def differing(self) -> tuple[InputResult, ...]:
        return tuple(one for one in self.inputs if one.differs)

    @cached_property
    def changed(self) -> tuple[InputResult, ...]:
        """The inputs of which the two sides do not name one class."""
        return tuple(one for one in self.inputs if one.classes and one.classes.changed)

    @property
    def classified(self) -> bool:
        """True where the class of every input is known on both sides."""
        return all(one.classes is not None for one in self.inputs)

    @property
    def worst(self) -> tuple[InputResult, ...]:
        """The inputs that differ most, by the share of elements; the worst first."""
        order = sorted(self.differing, key=lambda one: (-one.rate, -one.max_abs, one.number))
        return tuple(order[:WORST])

    def right(self, side: str, first: int) -> tuple[int, int] | None:
        """How many labels are among the ``first`` classes of a side, and of how many."""
        known = [
            one.classes for one in self.inputs if one.classes and one.classes.label is not None
        ]
        if not known:
            return None
        hits = sum(classes.label in getattr(classes, side)[:first] for classes in known)
        return hits, len(known)

    def layers(self, count: int) -> Array:
        """In how many inputs each of ``count`` layers differs: int64 ``(count,)``."""
        inputs = np.zeros(count, np.int64)
        for one in self.inputs:
            inputs[np.union1d(one.made[:, 0], one.chained[:, 0])] += 1
        return inputs

    @property
    def notes(self) -> tuple[str, ...]:
        """Where what explains the differences was looked for, and which inputs failed."""
        said = []
        if self.differing:
            names = {one.number: one.name for one in self.inputs}
            looked = few([names[number] for number in self.evidence])
            count = f"{len(self.evidence)} of {len(self.inputs):,} inputs"
            said.append(f"what explains the differences was looked for in {count}: {looked}")
            if len(self.evidence) > 1:
                ops = f"op {ranges(self.together)}" if self.together else "no op"
                said.append(f"in all of these at once for {ops}; else in {names[self.evidence[0]]}")
        failed = [one for one in self.inputs if one.failure]
        if failed:
            said.append(
                f"the runtime failed on {len(failed):,} inputs: {few([one.name for one in failed])}"
            )
        return tuple(said)

    @property
    def text(self) -> tuple[str, ...]:
        """What is said of the inputs, in sentences."""
        many = len(self.inputs)
        differ = len(self.differing)
        said = [f"{differ:,} of {many:,} inputs differ"]
        if self.classified:
            changed = len(self.changed)
            said.append(f"the class changes in {changed:,} of {many:,} inputs")
        for first in (1, 5):
            ours, theirs = self.right("ours", first), self.right("theirs", first)
            if ours and theirs:
                said.append(
                    f"top-{first}: ours {ours[0] / ours[1]:.2%}, theirs "
                    f"{theirs[0] / theirs[1]:.2%} of {ours[1]:,} labels"
                )
        return tuple(f"{text[0].upper()}{text[1:]}." for text in said)


def classes(
    model: Model, ours: Mapping[int, Array], theirs: Mapping[int, Array], label: int | None = None
) -> Classes | None:
    """The classes that the model's output names on both sides; None where it gives no scores.

    It does where it is one, and all its axes but the last are of size 1.
    """
    if len(model.main.outputs) != 1:
        return None
    (index,) = model.main.outputs
    left, right = ours.get(index), theirs.get(index)
    if left is None or right is None or left.shape != right.shape or left.dtype.kind not in "iuf":
        return None
    if left.ndim == 0 or left.size != left.shape[-1] or left.size < 2:
        return None
    return Classes(_likeliest(left), _likeliest(right), label)


def _likeliest(scores: Array) -> tuple[int, ...]:
    order = np.argsort(-scores.reshape(-1).astype(np.float64), kind="stable")
    return tuple(order[:5].tolist())


def result(
    number: int, name: str, comparison: Comparison, found: Classes | None, command: str
) -> InputResult:
    """The line of one input."""
    layers = comparison.layers
    made = [(place, layer.made.mismatches) for place, layer in enumerate(layers) if layer.made]
    chained = [
        (place, layer.chained.mismatches) for place, layer in enumerate(layers) if layer.chained
    ]
    compared = [layer.main for layer in layers if layer.main is not None]
    differ = [layer for layer in layers if layer.status == "mismatch"]
    own = [layer.made for layer in differ if layer.made and not layer.made.exact]
    main = own or [layer.chained for layer in differ if layer.chained is not None]
    return InputResult(
        number,
        name,
        sum(diff.elements for diff in compared),
        len(comparison.not_replayed) + len(comparison.not_read),
        max((diff.max_abs for diff in main), default=0),
        _nonzero(made),
        _nonzero(chained),
        found,
        command,
    )


def _nonzero(rows: Sequence[tuple[int, int]]) -> Array:
    return np.array([row for row in rows if row[1]], np.int64).reshape(-1, 2)


def chosen(inputs: Sequence[InputResult], differing: int, alike: int) -> tuple[int, ...]:
    """The inputs to look at to explain what differs, by their place; the worst first.

    Those in which each layer differs most, in the order of the layers, then those that differ most,
    ``differing`` in all; and ``alike`` in which nothing differs, which contradict what shows there.
    Where nothing differs, the first input alone.
    """
    worst: dict[int, tuple[int, int]] = {}  # by layer: mismatches, place of the input
    for place, one in enumerate(inputs):
        for layer, count in (one.made if len(one.made) else one.chained).tolist():
            if count > worst.get(layer, (0, 0))[0]:
                worst[layer] = count, place
    order = sorted(range(len(inputs)), key=lambda i: (-inputs[i].rate, -inputs[i].max_abs, i))
    rest = [i for i in order if inputs[i].differs]
    wanted = dict.fromkeys([*rest[:1], *(worst[layer][1] for layer in sorted(worst)), *rest])
    same = [i for i in range(len(inputs)) if not inputs[i].differs]
    return (*list(wanted)[:differing], *same[: alike if wanted else 1])
