"""What a kernel is handed, and the helpers that all op families share.

A kernel is a plain function ``kernel(call, *arrays)``. It returns an
:class:`~tflreplay.ground.rounding.Accumulation` (the replay then requantizes it by the rule in
force), a finished array, or a tuple of arrays for an op with several outputs. Arrays come in the
order of the op's inputs; an optional input left out is None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Multiplier, Rule, round_half_away
from tflreplay.model import Operator, Tensor
from tflreplay.ops.base.precision import Ratio
from tflreplay.ops.base.row import Clamp, Row
from tflreplay.ops.base.session import Session


def no_subgraphs(index: int, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Of a call outside of its model."""
    raise NotReplayed("an op that runs another subgraph can be replayed in its model only")


@dataclass(frozen=True)
class Call:
    """One operator, its tensors and the row of arithmetic in force.

    ``rule`` is the requantization rule, for ops that also rescale their inputs by it. ``session``
    is what the op finds from inferences before and may change; ``graph`` the index of its subgraph.
    ``run(subgraph, inputs)`` gives another subgraph's outputs. ``intermediates`` say how values
    inside of the op are quantized.
    """

    op: Operator
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    engine: Engine
    row: Row
    rule: Rule
    session: Session = field(default_factory=Session, repr=False)
    graph: int = 0
    run: Callable[[int, Sequence[Array]], tuple[Array, ...]] = no_subgraphs
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
            NotReplayed: the operator has no such table, or that no such field.
        """
        if not self.op.options:
            raise NotReplayed(f"{self.op.name} without its options (no {name})")
        if name not in self.op.options:
            has = ", ".join(self.op.options)
            raise NotReplayed(f"{self.op.name} has no option {name!r}; it has {has}")
        return self.op.options[name]


def with_input(call: Call, position: int, tensor: Tensor) -> Call:
    """``call`` with another record for the input at ``position``."""
    inputs = (*call.inputs[:position], tensor, *call.inputs[position + 1 :])
    return replace(call, inputs=inputs)


def with_options(call: Call, **options: Any) -> Call:
    """``call`` with other values for fields of the operator's option table."""
    return replace(call, op=replace(call.op, options={**call.op.options, **options}))


ACTIVATION_BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
    "RELU_0_TO_1": (0.0, 1.0),  # an op of its own, never a fused activation
    # The quantized kernels ignore these two.
    "TANH": (None, None),
    "SIGN_BIT": (None, None),
}
# Fused activations that cut codes.
FUSED = ("RELU", "RELU6", "RELU_N1_TO_1")


def activation_range(call: Call, activation: str) -> tuple[int, int]:
    """Lowest and highest code that a fused activation lets through: its bounds, cut to the type.

    ``CalculateActivationRangeQuantized`` in ``tflite/kernels/kernel_util.cc`` rounds a bound before
    it adds the zero point; XNNPACK after (``xnn_qs8_quantize``, ``src/xnnpack/requantization.h``).
    """
    output = call.output
    low, high = output.code_range
    bounds = ACTIVATION_BOUNDS[activation]

    def code(bound: float) -> int:
        scaled = np.asarray(np.float32(bound) / np.float32(output.scale))
        if call.row.clamp is Clamp.HALF_EVEN:
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
    low, high = ACTIVATION_BOUNDS[activation]
    # Only what lies beyond a bound is replaced: -0 passes a RELU.
    if low is not None:
        values = np.where(values < low, values.dtype.type(low), values)
    if high is not None:
        values = np.where(values > high, values.dtype.type(high), values)
    return values


def ratio_multiplier(call: Call) -> Multiplier:
    """``si / so``, in the precision of the row in force."""
    ratio = call.row.multiplier
    assert isinstance(ratio, Ratio)
    return Multiplier.of(ratio.of(call.input(0).scale, call.output.scale))


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


def operands(call: Call) -> tuple[Tensor, Tensor]:
    """The first two inputs.

    Raises:
        NotReplayed: they are not of one type.
    """
    a, b = call.input(0), call.input(1)
    if b.dtype != a.dtype:
        raise NotReplayed(f"{call.op.name} of {a.dtype} and {b.dtype}")
    return a, b
