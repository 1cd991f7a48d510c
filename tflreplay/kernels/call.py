"""What a kernel is handed, and the helpers that all op families share.

A kernel is a plain function ``kernel(call, *arrays)``. It returns an
:class:`~tflreplay.ground.rounding.Accumulation` (the replay then requantizes it by the rule in
force), a finished array, or a tuple of arrays for an op with several outputs. Arrays come in the
order of the op's inputs; an optional input left out is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Multiplier, Rule, round_half_away
from tflreplay.ground.session import Session
from tflreplay.model import Operator, Subgraph, Tensor

Kernel = Callable[..., Accumulation | Array | tuple[Array, ...]]
Condition = Callable[[Engine, Subgraph, Operator], bool]


# The types of a row for activations of every type, or for an op that has none.
ANY = ("any",)
# How a bound f of a fused activation becomes a code.
CLAMP_HALF_AWAY = "zo + round_half_away(float32 f/so)"
CLAMP_HALF_EVEN = "round_half_even(float32 f/so + zo)"


@dataclass(frozen=True)
class Arithmetic:
    """One row of an engine's table: how it computes ``op`` on activations of ``types``.

    ``rule`` is a name in :data:`tflreplay.ground.rounding.RULES`, empty where nothing is
    requantized by one; ``algorithm`` then says what happens instead. ``multiplier`` says in which
    precision and order the real multiplier is computed. ``source`` is the file of LiteRT (under
    ``tflite/kernels``) that the row was read from. ``pairwise`` says that each output is a function
    of one pair of input codes. ``when`` restricts the row to some operators. ``clamp`` is how the
    bounds of a fused activation become codes. ``since`` restricts the row to the runtimes named
    there, each from the version given; empty, it is for all. ``until`` gives the first version
    without the row. Rows are tried in order, so a newer row stands before the one it replaces.

    ``tolerance`` is 0 where the replay is exact. Of a float32 op whose last bits are not known (the
    order of a sum, an approximated function) it bounds how far a value lies from the engine's, as a
    fraction of the layer's largest finite magnitude.
    """

    op: str
    types: tuple[str, ...]
    kernel: Kernel
    rule: str = ""
    multiplier: str = ""
    algorithm: str = ""
    source: str = ""
    pairwise: bool = False
    when: Condition | None = None
    clamp: str = CLAMP_HALF_AWAY
    since: Mapping[str, str] = field(default_factory=dict)
    until: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 0.0

    def takes(self, dtype: str) -> bool:
        """True where the row is for activations of this type."""
        return dtype in self.types or self.types == ANY

    def applies(self, engine: Engine, graph: Subgraph, op: Operator) -> bool:
        return self.in_version(engine) and (self.when is None or self.when(engine, graph, op))

    def in_version(self, engine: Engine) -> bool:
        """True where ``since`` and ``until`` cover the engine's runtime and version."""
        begun = not self.since or engine.at_least(self.since)
        return begun and not engine.at_least(self.until)


def _no_subgraphs(index: int, inputs: Sequence[Array]) -> tuple[Array, ...]:
    raise NotReplayed("an op that runs another subgraph can be replayed in its model only")


@dataclass(frozen=True)
class Call:
    """One operator, its tensors and the arithmetic in force.

    ``rule`` is the requantization rule, for ops that also rescale their inputs by it. ``session``
    is what the op finds from inferences before and may change; ``graph`` the index of its subgraph.
    ``run(subgraph, inputs)`` gives another subgraph's outputs. ``intermediates`` say how values
    inside of the op are quantized.
    """

    op: Operator
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    engine: Engine
    arithmetic: Arithmetic
    rule: Rule
    session: Session = field(default_factory=Session, repr=False)
    graph: int = 0
    run: Callable[[int, Sequence[Array]], tuple[Array, ...]] = _no_subgraphs
    intermediates: tuple[Tensor, ...] = ()

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    def input(self, position: int) -> Tensor:
        """The input tensor at ``position``.

        Raises:
            NotReplayed: the operator leaves it out.
        """
        tensor = self.inputs[position] if position < len(self.inputs) else None
        if tensor is None:
            raise NotReplayed(f"{self.op.name} without input {position}")
        return tensor

    def keep(self, position: int, value: Array) -> None:
        """Set the variable tensor that is the input at ``position``."""
        self.session.variables[self.graph, self.input(position).index] = value

    def option(self, name: str) -> Any:
        """A field of the operator's option table.

        Raises:
            NotReplayed: the operator has no such table.
        """
        if name not in self.op.options:
            raise NotReplayed(f"{self.op.name} without its options (no {name})")
        return self.op.options[name]


_ACTIVATION_BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
    "RELU_0_TO_1": (0.0, 1.0),  # an op of its own, never a fused activation
    # The quantized kernels ignore these two.
    "TANH": (None, None),
    "SIGN_BIT": (None, None),
}


def activation_range(call: Call, activation: str) -> tuple[int, int]:
    """Lowest and highest code that a fused activation lets through: its bounds, cut to the type.

    ``CalculateActivationRangeQuantized`` in ``tflite/kernels/kernel_util.cc`` rounds a bound before
    it adds the zero point; XNNPACK after (``xnn_qs8_quantize``, ``src/xnnpack/requantization.h``).
    """
    output = call.output
    low, high = output.code_range
    bounds = _ACTIVATION_BOUNDS[activation]

    def code(bound: float) -> int:
        scaled = np.asarray(np.float32(bound) / np.float32(output.scale))
        if call.arithmetic.clamp == CLAMP_HALF_EVEN:
            return int(np.rint(scaled + np.float32(output.zero_point)))
        return output.zero_point + int(round_half_away(scaled))

    if bounds[0] is not None:
        low = max(low, code(bounds[0]))
    if bounds[1] is not None:
        high = min(high, code(bounds[1]))
    return low, high


def clamp_real(call: Call, values: Array) -> Array:
    """Values that are not quantized, within the bounds of the op's fused activation.

    ``CalculateActivationRange`` in ``tflite/kernels/kernel_util.h``.

    Raises:
        NotReplayed: the activation is not one that cuts.
    """
    activation = call.option("fused_activation_function")
    if activation in ("TANH", "SIGN_BIT"):
        raise NotReplayed(f"{call.op.name} on {values.dtype} with a fused {activation}")
    low, high = _ACTIVATION_BOUNDS[activation]
    # Only what lies beyond a bound is replaced: -0 passes a RELU.
    if low is not None:
        values = np.where(values < low, values.dtype.type(low), values)
    if high is not None:
        values = np.where(values > high, values.dtype.type(high), values)
    return values


def accumulation(
    call: Call, values: Array, multiplier: Multiplier, activation: str = "NONE"
) -> Accumulation:
    """``values`` with the output's zero point and activation range."""
    low, high = activation_range(call, activation)
    return Accumulation(
        values, multiplier, call.output.zero_point, low, high, call.output.numpy_dtype
    )


def same_type(call: Call) -> None:
    """Check that the op does not change the type.

    Raises:
        NotReplayed: it does.
    """
    source, target = call.input(0).dtype, call.output.dtype
    if source != target:
        raise NotReplayed(f"{call.op.name} from {source} to {target}")
