"""Weights read in a wrong way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.rounding import Array


@dataclass(frozen=True)
class Reread:
    """One way to read weights wrongly. ``of`` gives None where it cannot.

    ``title`` names it, ``you`` completes "you ...", and ``fix`` is one sentence.
    """

    title: str
    you: str
    fix: str
    of: Callable[[Array], Array | None]


def _transposed(weights: Array) -> Array | None:
    """Height and width of the filter exchanged."""
    return weights.swapaxes(1, 2) if weights.shape[1] == weights.shape[2] else None


def _rotated(weights: Array) -> Array:
    """The filter turned by 180 degrees: a true convolution, not a correlation."""
    return weights[:, ::-1, ::-1]


def _as_hwio(weights: Array) -> Array:
    out, height, width, depth = weights.shape
    return weights.reshape(height, width, depth, out).transpose(3, 0, 1, 2)


def _as_oihw(weights: Array) -> Array:
    out, height, width, depth = weights.shape
    return weights.reshape(out, depth, height, width).transpose(0, 2, 3, 1)


def _as_chw(weights: Array) -> Array:
    _, height, width, channels = weights.shape
    return weights.reshape(channels, height, width).transpose(1, 2, 0)[np.newaxis]


def _as_depth_units(weights: Array) -> Array:
    return weights.reshape(weights.shape[::-1]).T


transposed = Reread(
    "filter's height and width exchanged",
    "exchange the filter's height and width",
    "read each filter row by row: height before width",
    _transposed,
)
rotated = Reread(
    "filter turned round",
    "turn the filter round by 180 degrees, as a convolution of signal processing does",
    "multiply without turning it: the op is a correlation",
    _rotated,
)
as_hwio = Reread(
    "weights read as HWIO",
    "read the weights as HWIO",
    "TFLite's order of these weights is OHWI",
    _as_hwio,
)
as_oihw = Reread(
    "weights read as OIHW",
    "read the weights as OIHW",
    "TFLite's order of these weights is OHWI",
    _as_oihw,
)
as_chw = Reread(
    "weights read as CHW",
    "read the weights as (C*multiplier)HW",
    "TFLite's order of these weights is 1HW(C*multiplier)",
    _as_chw,
)
as_depth_units = Reread(
    "weights read as (depth, units)",
    "read the weights as (depth, units)",
    "TFLite's order of these weights is (units, depth)",
    _as_depth_units,
)
