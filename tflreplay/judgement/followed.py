"""Which of several sources a user's kernels follow, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.difference import same_bits
from tflreplay.model import Model, Operator, Tensor


@dataclass(frozen=True)
class FollowedLayer:
    """An output of an op that a kernel computes.

    ``differing`` holds for each source in how many elements the kernel, on the source's own inputs,
    differs from it; None where there was nothing to compare.
    """

    op_index: int
    op: str
    tensor: Tensor
    elements: int
    differing: tuple[int | None, ...]

    @classmethod
    def of(
        cls, op: Operator, tensor: Tensor, pairs: Sequence[tuple[Array | None, Array | None]]
    ) -> FollowedLayer:
        """``pairs``: for each source what the kernel gave, and what the source did."""
        sizes = [theirs.size for _, theirs in pairs if theirs is not None]
        counts = tuple(_differing(*pair) for pair in pairs)
        return cls(op.index, op.name, tensor, max(sizes, default=0), counts)


@dataclass(frozen=True)
class Followed:
    """Every layer that a user's kernels compute, over ``sources``.

    ``kernels`` says of each op which function computes it. ``inputs``, ``notes`` and ``failures``
    are as in an :class:`~tflreplay.judgement.agreement.Agreement`.
    """

    model: Model = field(repr=False)
    kernels: Mapping[str, str]
    sources: tuple[str, ...]
    layers: tuple[FollowedLayer, ...] = field(repr=False)
    inputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    def layers_of(self, op: str) -> list[FollowedLayer]:
        return [layer for layer in self.layers if layer.op == op]

    def followed(self, op: str) -> list[str]:
        """The sources that the op's kernel agrees with in every bit of every layer."""
        layers = self.layers_of(op)
        return [
            source
            for number, source in enumerate(self.sources)
            if all(layer.differing[number] == 0 for layer in layers)
        ]

    def apart(self, op: str, source: str) -> int:
        """In how many layers the op's kernel differs from a source."""
        number = self.sources.index(source)
        return sum(bool(layer.differing[number]) for layer in self.layers_of(op))

    @property
    def exit_code(self) -> int:
        """0 where every kernel follows a source, 1 where one differs from all, 2 where unknown."""
        if all(map(self.followed, self.kernels)):
            return 0
        differ = [all(self.apart(op, source) for source in self.sources) for op in self.kernels]
        return 1 if any(differ) else 2


def _differing(ours: Array | None, theirs: Array | None) -> int | None:
    if ours is None or theirs is None or (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        return None
    return int(np.count_nonzero(~same_bits(ours, theirs)))
