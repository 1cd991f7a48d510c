"""int8 codes to run ops on."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array


def all_codes(rng: np.random.Generator, columns: int) -> Array:
    """``(256, columns)``: in each column every code once."""
    return rng.permuted(np.repeat(np.arange(-128, 128)[:, None], columns, axis=1), axis=0)


def every_code(rng: np.random.Generator) -> Array:
    """Every code once, and some again."""
    codes = np.concatenate([np.arange(-128, 128), rng.integers(-128, 128, 37)])
    return rng.permutation(codes)


def random_codes(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.integers(-128, 128, shape)
