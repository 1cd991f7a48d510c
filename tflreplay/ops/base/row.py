"""One row of an engine's table: how it computes an op on activations of some types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ops.base.conditions import Condition, Site
from tflreplay.ops.base.ledger import Ledger
from tflreplay.ops.base.precision import Precision

Kernel = Callable[..., Accumulation | Array | tuple[Array, ...]]
Versions = Mapping[str, str]

# The types of a row for activations of every type, or for an op that has none.
ANY = ("any",)


class Clamp(Enum):
    """How a bound f of a fused activation becomes a code. The value is what a table shows."""

    HALF_AWAY = "zo + round_half_away(float32 f/so)"
    HALF_EVEN = "round_half_even(float32 f/so + zo)"

    def __str__(self) -> str:
        return self.value


class _Entry:
    """What an engine's table says of some types, operators and versions."""

    types: tuple[str, ...]
    when: Condition | None
    since: Versions
    until: Versions

    def takes(self, dtype: str) -> bool:
        """True where it is for activations of this type."""
        return dtype in self.types or self.types == ANY

    def applies(self, site: Site) -> bool:
        return self.in_version(site.engine) and (self.when is None or self.when(site))

    def in_version(self, engine: Engine) -> bool:
        """True where ``since`` and ``until`` cover the engine's runtime and version.

        Raises:
            NotReplayed: the version is not one that can be compared.
        """
        begun = not self.since or engine.at_least(self.since)
        return begun and not engine.at_least(self.until)


@dataclass(frozen=True)
class Row(_Entry):
    """How an engine computes an op on activations of ``types``.

    ``rule`` is a name in :data:`tflreplay.ground.rounding.RULES`, empty where nothing is
    requantized by one; ``algorithm`` then says what happens instead. ``multiplier`` says in which
    precision and order the real multiplier is computed. ``source`` is the file of LiteRT (under
    ``tflite/kernels``) that the row was read from. ``pairwise`` says that each output is a function
    of one pair of input codes, and ``moves`` that the kernel only moves data. ``when`` restricts
    the row to some operators. ``clamp`` is how the bounds of a fused activation become codes.
    ``since`` restricts the row to the runtimes named there, each from the version given; empty, it
    is for all. ``until`` gives the first version without the row. Rows are tried in order, so a
    newer row stands before the one it replaces.

    ``tolerance`` is 0 where the replay is exact. Of a float32 op whose last bits are not known (the
    order of a sum, an approximated function) it bounds how far a value lies from the engine's, as a
    fraction of the layer's largest finite magnitude. ``terms`` tells of a kernel that forms sums in
    float64, where the engine forms them in float32 in an order that is not modelled, how many terms
    each sum has; :func:`tflreplay.ops.seam.slack` then says how far each value may lie off.

    ``ledger`` says how an accumulator is told term by term, where it is. ``factors`` says that the
    kernel multiplies each centred input by an integer of its own.
    """

    types: tuple[str, ...]
    kernel: Kernel
    rule: str = ""
    multiplier: Precision | str = ""
    algorithm: str = ""
    source: str = ""
    pairwise: bool = False
    when: Condition | None = None
    clamp: Clamp = Clamp.HALF_AWAY
    since: Versions = field(default_factory=dict)
    until: Versions = field(default_factory=dict)
    tolerance: float = 0.0
    terms: Callable[..., int] | None = None
    moves: bool = False
    ledger: Ledger | None = None
    factors: bool = False


@dataclass(frozen=True)
class NotModelled(_Entry):
    """In a table's place of a row: what the engine computes of these operators is not known.

    ``reason`` says so in words, of the operator at hand.
    """

    types: tuple[str, ...]
    reason: Callable[[Site], str]
    when: Condition | None = None
    since: Versions = field(default_factory=dict)
    until: Versions = field(default_factory=dict)
