"""A profile: how a device computes each op, as it was measured rather than read from sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tflreplay.ground.engine import Engine


@dataclass(frozen=True)
class Measured:
    """How one op computes on activations of one type.

    ``op`` is an op, or a kind of it as its card tells them apart. ``kernels`` are those that give
    the same, with ``rule`` in their place of rounding where that is not empty; None where nothing
    that is known does. ``evidence`` says in words how it was found.
    """

    op: str
    dtype: str
    kernels: Engine | None
    rule: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class Profile:
    """``name`` is what a user calls it by; the engine that carries it computes all the rest.

    ``failure`` says in words why nothing could be measured, where that is so.
    """

    name: str
    measured: tuple[Measured, ...] = field(repr=False, hash=False)
    failure: str = ""

    def of(self, dtype: str, *names: str) -> Measured | None:
        """What was measured under the first of these names that there is."""
        return next(
            (
                each
                for name in names
                for each in self.measured
                if (each.op, each.dtype) == (name, dtype)
            ),
            None,
        )
