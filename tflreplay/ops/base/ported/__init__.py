"""An op's formula as ports get it wrong."""

from __future__ import annotations

from dataclasses import dataclass

from tflreplay.ops.base.row import Kernel


@dataclass(frozen=True)
class Ported:
    """A wrong kernel: of real numbers where ``real``, which are then quantized, or else of codes.

    ``title`` names it, ``you`` completes "you ...", and ``fix`` is one sentence, without its stop.
    """

    title: str
    you: str
    fix: str
    kernel: Kernel
    real: bool = False
