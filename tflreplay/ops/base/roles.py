"""Which of an op's inputs is what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Roles:
    """Positions among an op's inputs; None where the op has no such input.

    ``activation`` is the input whose type decides the arithmetic. ``weights`` are multiplied with
    it, ``weight_axis`` is their axis of output channels, and ``bias`` is added. ``shape`` holds the
    output's shape.
    """

    activation: int = 0
    weights: int | None = None
    weight_axis: int = 0
    bias: int | None = None
    shape: int | None = None
