"""An op card: all that is known of one op, for every engine and every tool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from types import MappingProxyType

from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import RULES, Array
from tflreplay.ground.window import Window
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.cmsis_nn import rounded_once
from tflreplay.ops.base.conditions import Condition
from tflreplay.ops.base.fields import Fields
from tflreplay.ops.base.layouts import Reread
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.refusals import Refusal
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.row import Kernel, NotModelled, Row
from tflreplay.ops.base.smallest import Sized

Arrays = tuple[Array | None, ...]
Entries = tuple[Row | NotModelled, ...]
# Tables of the reference rows of the newest version, requantized by one rule throughout.
BY_ONE_RULE = ("double", "single")
# Tables of another's rows whose sums of 32 bits are rounded once.
ROUNDED_ONCE: Mapping[str, str] = MappingProxyType({"cmsis-nn-single": "cmsis-nn"})

# The operands of an op of two inputs.
PAIR = (("input a", "1"), ("input b", "2"))


class Slip(Enum):
    """A family of porting mistakes that can be made in an op."""

    WEIGHTS = auto()  # in its weights, their scales or its bias
    PADDING = auto()  # in the padding of its window
    SECOND_INPUT = auto()  # in the zero point of its second input
    SUM = auto()  # in the width of its sum
    RESCALED_INPUTS = auto()  # in the multipliers of its inputs
    QUOTIENT = auto()  # in the quotient of two scales
    PRODUCT = auto()  # in the product of two inputs, or of their scales
    REALS = auto()  # in making codes of real numbers
    CHANNEL_ORDER = auto()  # in the order of channels that come from one


class Form(Enum):
    """What libraries of kernels take an op for: which parameters their function has."""

    CONVOLUTION = auto()
    DEPTHWISE = auto()
    CONNECTED = auto()
    POOL = auto()
    SUM = auto()  # of two rescaled inputs
    DIFFERENCE = auto()
    PRODUCT = auto()


class Worst(Enum):
    """Which inputs bring an accumulator to its ends."""

    BY_WEIGHTS = auto()  # each code at the end of its type that suits the sign of its weight
    AT_ENDS = auto()  # whole inputs at either end of their types, or at their zero points


@dataclass(frozen=True)
class Card:
    """``tables`` holds an engine's rows in the order in which they are tried, by the engine's name.

    The rest are traits, which tools ask for:

    - ``kinds``: its operators that engines compute each in their own way; the last kind has no
      condition where it is all the rest.
    - ``alike``: kernels that are one function of 8-bit codes, by algebra, to a zero point of 0.
    - ``sums_once``: what is summed does not depend on the rule; ``accumulates`` names it.
    - ``operands``: what its inputs are called, and how their scales and zero points are numbered in
      formulas, of an op without weights; ``sign`` says with which sign it adds the second one,
      where it adds.
    - ``unary``: an output is a function of one input code.
    - ``depthwise``: an output channel sees one input channel.
    - ``sparse``: it takes a sparse constant as a whole tensor.
    - ``runs_subgraphs``: it runs other subgraphs of the model; ``stateful``: it keeps variables
      from one inference to the next.
    - ``slips``: the families of porting mistakes that can be made in it, and ``rereadings`` ways to
      read its weights wrongly; ``ported``, formulas of it that ports get wrong.
    - ``real``: the op on real numbers, in floating point, where that is not the kernel of its
      float32 row; see :attr:`on_reals`.
    - ``worst``: how its accumulator's worst case is found.
    - ``rescales``: what the kernel itself hands to the rule, in that order, and ``left_shift`` by
      how much each of its inputs is shifted before.
    - ``window``: the rows and columns of its sliding window.
    - ``lines``: the same op on a few of its output lines only: ``(call, arrays, lines)`` to
      ``(call, arrays)``, or None where that cannot be.
    - ``fields``: what of the input each output sees, to solve for inputs.
    - ``function``: in words, and of a real number, what the op computes; ``gives_reals`` says that
      the output is not quantized.
    - ``unexplained``: why its elements have no ledger.
    - ``refusals``: which of its operators engines do not run.
    - ``form``: what libraries of kernels take it for.
    - ``smallest``: its smallest operator, for its parameters to be asked without a model.
    - ``unpacked``: types of a constant input that XNNPACK decodes beforehand, or ``any``.
    """

    op: str
    tables: Mapping[str, Entries] = field(default_factory=dict)
    roles: Roles = field(default_factory=Roles)
    kinds: tuple[tuple[str, Condition | None], ...] = ()
    alike: tuple[frozenset[Kernel], ...] = ()
    sums_once: bool = False
    accumulates: str = "sum"
    operands: tuple[tuple[str, str], ...] = (("input", "i"),)
    unary: bool = False
    depthwise: bool = False
    sparse: bool = False
    runs_subgraphs: bool = False
    stateful: bool = False
    slips: frozenset[Slip] = frozenset()
    rereadings: tuple[Reread, ...] = ()
    ported: tuple[Ported, ...] = ()
    real: Kernel | None = None
    worst: Worst | None = None
    rescales: tuple[str, ...] = ()
    sign: int = 0
    left_shift: Callable[[Tensor], int] | None = None
    window: Callable[[Call], tuple[Window, Window]] | None = None
    lines: Callable[[Call, Arrays, Array], tuple[Call, Arrays] | None] | None = None
    fields: Fields | None = None
    function: tuple[str, Callable[[float], float]] | None = None
    gives_reals: bool = False
    unexplained: str = ""
    refusals: tuple[Refusal, ...] = ()
    form: Form | None = None
    smallest: Sized | None = None
    unpacked: tuple[str, ...] = ()

    @property
    def weighted(self) -> bool:
        """True of an op that multiplies by weights and adds a bias."""
        return self.roles.bias is not None

    @property
    def explained(self) -> bool:
        """True where an element can be told step by step, in some engine's arithmetic."""
        return self.function is not None or any(row.ledger is not None for row in self.rows())

    @property
    def extracted(self) -> bool:
        """True of an op whose inputs determine its outputs, so that it can be cut out alone."""
        return not (self.runs_subgraphs or self.stateful)

    @property
    def on_reals(self) -> Kernel | None:
        """What the op computes of real numbers; None where it is known of codes only."""
        if self.real is not None or self.stateful or self.runs_subgraphs:
            return self.real
        return next(
            (
                row.kernel
                for row in self.rows("reference")
                if row.takes("float32") and row.when is None and not row.moves
            ),
            None,
        )

    def entries(self, table: str) -> Entries:
        """In the order in which they are tried."""
        if table in ROUNDED_ONCE:
            own = self.tables.get(ROUNDED_ONCE[table], ())
            return tuple(entry for each in own for entry in rounded_once(each))
        if table not in BY_ONE_RULE:
            return self.tables.get(table, ())
        return tuple(
            replace(row, rule=table, since={})
            for row in self.rows("reference")
            # But for sums of 64 bits, which CMSIS-NN rescales like TFLite
            # (``arm_nn_requantize_s64``).
            if row.rule and RULES[row.rule].bits == 32 and row.is_of(Engine())
        )

    def rows(self, *tables: str) -> Iterator[Row]:
        """The rows of these tables, or of all."""
        for table in tables or self.tables:
            yield from (entry for entry in self.entries(table) if isinstance(entry, Row))
