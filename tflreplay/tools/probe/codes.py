"""Codes to run ops on, of a type with 2 * half of them: from -half to half - 1."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array


def all_codes(rng: np.random.Generator, half: int, columns: int) -> Array:
    """``(256, columns)``: in each column every code of 8 bits once; of 16 bits as many, evenly."""
    return rng.permuted(np.repeat(_spread(half)[:, None], columns, axis=1), axis=0)


def every_code(rng: np.random.Generator, half: int) -> Array:
    """Every code of 8 bits once, and some again; of 16 bits as many, and some next to 0."""
    others = rng.integers(-half, half, 37) if half == 128 else np.arange(-18, 19)
    return rng.permutation(np.concatenate([_spread(half), others]))


def random_codes(rng: np.random.Generator, half: int, shape: tuple[int, ...]) -> Array:
    return rng.integers(-half, half, shape)


def _spread(half: int) -> Array:
    """256 codes, as far from each other and from end to end."""
    return np.linspace(-half, half - 1, 256).astype(np.int64)
