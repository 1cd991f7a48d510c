"""One row of an engine's table: how it computes an op on activations of some types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import Machine, Machines
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ops.base.conditions import Condition, Site
from tflreplay.ops.base.ledger import Ledger
from tflreplay.ops.base.precision import Precision, Ratio

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


@dataclass(frozen=True)
class Defect:
    """What an engine itself does wrongly on operators of one row.

    ``words`` say what, of the engine, in the present tense. ``when`` restricts it to some of the
    row's operators. ``right`` is the kernel of what the op is defined to give, and ``rule`` how
    that rounds, where not as the row does: it shows in the elements that the two give unlike.
    ``shows`` tells from the inputs, ``(call, *arrays)``, whether it is met where the engine gives
    nothing that could be compared. Without either, it is met wherever ``when`` holds. ``aborts``
    says that it kills the process. ``report`` is the address of a public thread on it, empty where
    we know of none.
    """

    words: str
    when: Condition | None = None
    right: Kernel | None = None
    rule: str = ""
    shows: Callable[..., bool] | None = None
    aborts: bool = False
    report: str = ""

    def told(self, counted: str = "") -> str:
        """What is wrong, how much of it shows, and where it is known from."""
        known = self.report or "not reported as far as we know"
        return f"the engine itself is wrong here: it {self.words}{counted} ({known})"


class _Entry:
    """What an engine's table says of some types, operators, versions and machines."""

    types: tuple[str, ...]
    when: Condition | None
    since: Versions
    until: Versions
    on: Machines | None
    defects: tuple[Defect, ...]

    def takes(self, dtype: str) -> bool:
        """True where it is for activations of this type."""
        return dtype in self.types or self.types == ANY

    def applies(self, site: Site) -> bool:
        return self.is_of(site.engine) and (self.when is None or self.when(site))

    def is_of(self, engine: Engine) -> bool:
        """True where it is for the engine's machine, and for its runtime and version.

        Raises:
            NotReplayed: the version is not one that can be compared.
        """
        return self.runs_on(engine.machine) and self._in_version(engine)

    def runs_on(self, machine: Machine) -> bool:
        return self.on is None or machine in self.on

    def _in_version(self, engine: Engine) -> bool:
        begun = not self.since or engine.at_least(self.since)
        return begun and not engine.at_least(self.until)

    def defects_at(self, site: Site) -> tuple[Defect, ...]:
        """The known defects whose conditions hold; whether they show, the inputs decide."""
        return tuple(one for one in self.defects if one.when is None or one.when(site))


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
    newer row stands before the one it replaces. ``on`` restricts it to some machines, and it stands
    before the row for all others.

    ``tolerance`` is 0 where the replay is exact. Of a float32 op whose last bits are not known (the
    order of a sum, an approximated function) it bounds how far a value lies from the engine's, as a
    fraction of the layer's largest finite magnitude. ``terms`` tells of a kernel that forms sums in
    float64, where the engine forms them in float32 in an order that is not modelled, how many terms
    each sum has; :func:`tflreplay.ops.seam.slack` then says how far each value may lie off.

    ``ledger`` says how an accumulator is told term by term, where it is. ``factors`` says that the
    kernel multiplies each centred input by an integer of its own. ``defects`` are what is known to
    be wrong in the engine itself.
    """

    types: tuple[str, ...]
    kernel: Kernel
    rule: str = ""
    multiplier: Precision | Ratio | str = ""
    algorithm: str = ""
    source: str = ""
    pairwise: bool = False
    when: Condition | None = None
    clamp: Clamp = Clamp.HALF_AWAY
    since: Versions = field(default_factory=dict)
    until: Versions = field(default_factory=dict)
    on: Machines | None = None
    tolerance: float = 0.0
    terms: Callable[..., int] | None = None
    moves: bool = False
    ledger: Ledger | None = None
    factors: bool = False
    defects: tuple[Defect, ...] = ()


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
    on: Machines | None = None
    defects: tuple[Defect, ...] = ()
