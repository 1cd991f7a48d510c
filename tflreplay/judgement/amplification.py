"""How differences travel: where one is born, and where it grows, shrinks or dies out.

The chained replay carries a difference on from layer to layer; the isolated replay says which
layers make one of their own. Differences are in codes, and in real units for floating point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from tflreplay.judgement.comparison import Comparison, LayerDiff
from tflreplay.model import Model


@dataclass(frozen=True)
class Step:
    """What one op did with the differences at its inputs, in the chained replay.

    ``before`` is the producing layer whose output differs most, None where none is known to;
    ``before_max_abs`` and ``before_rate`` are its largest difference and its share of elements that
    differ, None where nobody compared the inputs. ``made`` counts the mismatches that the op makes
    of its own: the isolated ones. It is None where its inputs were not seen, and where only the
    chained replay ran and the inputs differ, so that nobody knows. ``made_since`` then counts those
    made since the last tensors seen, in the layer's suspects, if that is known.
    """

    layer: LayerDiff
    before: LayerDiff | None
    before_max_abs: float | None
    before_rate: float | None
    max_abs: float
    rate: float
    made: int | None
    made_since: int | None

    @property
    def in_codes(self) -> bool:
        """False where differences are those of floating-point numbers."""
        return _in_codes(self.layer)

    @property
    def growth(self) -> float | None:
        """Largest difference after the op over that before it.

        None where no input differs, where only one of the two is in codes, and where the one before
        is infinite or a zero of the other sign.
        """
        if self.before is None or _in_codes(self.before) != self.in_codes:
            return None
        assert self.before_max_abs is not None
        return self.max_abs / self.before_max_abs if 0 < self.before_max_abs < inf else None

    @property
    def kind(self) -> str:
        """``exact``, ``born``, ``grows``, ``carried``, ``shrinks`` or ``absorbed``.

        ``at or before`` is born too: in this op or in another that was not seen.
        """
        if self.before is None and self.rate:
            return "born" if self.layer.alone else "at or before"
        if self.before is None:
            return "exact"
        if not self.rate:
            return "absorbed"
        if self.growth is None or self.growth == 1:
            return "carried"
        return "grows" if self.growth > 1 else "shrinks"


def amplification(model: Model, comparison: Comparison) -> tuple[Step, ...]:
    """A step for each layer that was compared chained, in execution order.

    A layer that was replayed but is not among the captured tensors hands the differences of its own
    inputs on; one that was not replayed starts anew from the captured tensor.
    """
    # The worst difference that may reach a consumer of a tensor.
    reaching: dict[int, LayerDiff] = {}
    steps = []
    for layer in comparison.layers:
        inputs = model.main.operators[layer.op_index].inputs
        found = [reaching[index] for index in inputs if index in reaching]
        before = max(found, key=_max_abs, default=None)
        if layer.chained is None:
            if before is not None and layer.rule:
                reaching[layer.tensor.index] = before
            continue
        made = layer.made
        if made is None and before is None:
            made = layer.chained
        mismatches = made.mismatches if made is not None else None
        compared = before is not None or layer.alone
        steps.append(
            Step(
                layer,
                before,
                _max_abs(before) if compared else None,
                _rate(before) if compared else None,
                layer.chained.max_abs,
                layer.chained.rate,
                mismatches if layer.alone else None,
                None if layer.alone else mismatches,
            )
        )
        if not layer.chained.exact:
            reaching[layer.tensor.index] = layer
    return tuple(steps)


def worst_path(model: Model, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The way of the worst difference, from where it is born to the model's output.

    Followed backwards from the output that differs most, at each op to the input that differs most.
    Where no output differs, it ends at the largest difference there is; empty where none is.
    """
    by_tensor = {step.layer.tensor.index: step for step in steps}
    outputs = [by_tensor[index] for index in model.main.outputs if index in by_tensor]
    ends = [step for step in outputs if step.rate] or [step for step in steps if step.rate]
    end = max(ends, key=lambda step: step.max_abs, default=None)

    def backwards() -> Iterator[Step]:
        step = end
        while step is not None:
            yield step
            step = by_tensor[step.before.tensor.index] if step.before is not None else None

    return tuple(backwards())[::-1]


def _max_abs(layer: LayerDiff | None) -> float:
    return layer.chained.max_abs if layer is not None and layer.chained is not None else 0


def _rate(layer: LayerDiff | None) -> float:
    return layer.chained.rate if layer is not None and layer.chained is not None else 0.0


def _in_codes(layer: LayerDiff) -> bool:
    return not layer.tensor.dtype.startswith("float")
