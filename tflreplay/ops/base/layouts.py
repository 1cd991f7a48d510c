"""Weights read in the wrong memory order. Each gives None where it cannot."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array


def transposed(weights: Array) -> Array | None:
    """Height and width of the filter exchanged."""
    return weights.swapaxes(1, 2) if weights.shape[1] == weights.shape[2] else None


def rotated(weights: Array) -> Array:
    """The filter turned by 180 degrees: a true convolution, not a correlation."""
    return weights[:, ::-1, ::-1]


def as_hwio(weights: Array) -> Array:
    out, height, width, depth = weights.shape
    return weights.reshape(height, width, depth, out).transpose(3, 0, 1, 2)


def as_oihw(weights: Array) -> Array:
    out, height, width, depth = weights.shape
    return weights.reshape(out, depth, height, width).transpose(0, 2, 3, 1)


def as_chw(weights: Array) -> Array:
    _, height, width, channels = weights.shape
    return weights.reshape(channels, height, width).transpose(1, 2, 0)[np.newaxis]


def as_depth_units(weights: Array) -> Array:
    return weights.reshape(weights.shape[::-1]).T
