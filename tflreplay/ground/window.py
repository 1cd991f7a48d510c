"""Where a sliding window lands: padding and output sizes, shared by convolutions and pools."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """One spatial dimension of a sliding window."""

    size: int
    stride: int
    dilation: int
    before: int
    after: int
    outputs: int


def window(input_size: int, size: int, stride: int, dilation: int, padding: str) -> Window:
    """``ComputePaddingWithOffset`` and ``ComputeOutSize`` in ``tflite/kernels/padding.h``.

    SAME gives ``ceil(input / stride)`` outputs and pads ``total // 2`` before, the rest after;
    VALID pads nothing. ``after`` may leave trailing input unused, never the reverse.
    """
    effective = (size - 1) * dilation + 1
    if padding == "SAME":
        outputs = -(-input_size // stride)
        total = max((outputs - 1) * stride + effective - input_size, 0)
        return Window(size, stride, dilation, total // 2, total - total // 2, outputs)
    return Window(size, stride, dilation, 0, 0, max((input_size - effective) // stride + 1, 0))
