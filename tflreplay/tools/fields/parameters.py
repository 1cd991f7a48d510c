"""What all interfaces take the numbers of a layer from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Union

from tflreplay.ground.rounding import Multiplier
from tflreplay.ground.window import Window
from tflreplay.model import Tensor
from tflreplay.ops import card
from tflreplay.ops.base.card import Form
from tflreplay.tools.rules import LayerRules

# A list stands for an array that a pointer points to.
Value = Union[int, list[int], "Mapping[str, Value]"]


@dataclass(frozen=True)
class Struct:
    """A variable of a C type; numbers without a struct where ``type`` is empty."""

    type: str
    name: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Rescale:
    """Quantized multipliers and shifts as TFLite has them, one or one for each channel."""

    multipliers: list[int]
    shifts: list[int]
    exact: Multiplier

    @classmethod
    def of(cls, multiplier: Multiplier) -> Rescale:
        return cls(
            multiplier.mantissa.reshape(-1).tolist(),
            multiplier.shift.reshape(-1).tolist(),
            multiplier,
        )


@dataclass(frozen=True)
class Parameters:
    """The integers of one layer, whoever names them.

    ``zero_points`` are those of its activations, ``left_shift`` by how much a sum's inputs are
    shifted before they are rescaled by ``inputs``. ``output`` is None where the kernel requantizes
    in another way. ``wide`` says that sums are held in 64 bits; ``double`` that they are rounded
    twice.
    """

    form: Form | None
    tensors: tuple[Tensor, ...]
    zero_points: tuple[int, ...]
    filters: Tensor | None
    filter_zero_point: int
    output_tensor: Tensor
    output_zero_point: int
    clamp: tuple[int, int]
    windows: tuple[Window, Window] | None
    inputs: tuple[Rescale, ...]
    left_shift: int
    output: Rescale | None
    wide: bool
    double: bool

    @classmethod
    def of(cls, layer: LayerRules) -> Parameters | None:
        """None of a layer that is not of codes, or that only moves them."""
        known, found = card(layer.op.name), layer.requantization
        output = layer.outputs[0]
        if layer.clamp is None or output.quantization is None or output.quantization.per_axis:
            return None
        filters = layer.inputs[known.roles.weights or 0] if known.weighted else None
        tensors = _activations(layer, known.operands, weighted=known.weighted)
        if not all(t.quantization is not None and not t.quantization.per_axis for t in tensors):
            return None
        rescales = [Rescale.of(multiplier) for multiplier in layer.rescales]
        if found is not None:
            rescales.append(Rescale.of(found.multiplier))
        summed = known.left_shift is not None and len(rescales) == 3
        row = layer.row
        return cls(
            known.form,
            tensors,
            tuple(tensor.zero_point for tensor in tensors),
            filters,
            _zero_point(filters),
            output,
            output.zero_point,
            layer.clamp,
            layer.windows,
            tuple(rescales[:2]) if summed else (),
            known.left_shift(tensors[0]) if summed and known.left_shift is not None else 0,
            rescales[-1] if summed or len(rescales) == 1 else None,
            row is not None and row.rule == "reduced16",
            row is not None and row.rule == "double",
        )

    @property
    def depth_multiplier(self) -> int:
        """Of a depthwise convolution: how many outputs an input channel has."""
        return self.output_tensor.shape[3] // self.tensors[0].shape[3]


def _activations(
    layer: LayerRules, operands: Sequence[object], weighted: bool
) -> tuple[Tensor, ...]:
    """Those that scales are asked of: the two of a pair, else what is no constant."""
    given = [tensor for tensor in layer.inputs if tensor is not None]
    if len(operands) == 2 and not weighted:
        return tuple(given[:2])
    return tuple(tensor for tensor in given if not tensor.is_constant)[:1]


def _zero_point(filters: Tensor | None) -> int:
    if filters is None or filters.quantization is None:
        return 0
    return int(filters.quantization.zero_point[0])
