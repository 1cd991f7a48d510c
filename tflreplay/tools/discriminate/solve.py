"""Codes whose weighted sum is a wanted number."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array

_ROUNDS = 8
_STEPS = 12  # by which a pair of taps may move for the last bit


def solve(
    weights: Array, total: int, low: int, high: int, rng: np.random.Generator
) -> Array | None:
    """Integers x from low to high with ``sum(weights * x) == total``; None if none is found.

    weights: int64 ``(taps,)``. From a random start, one tap after the other takes as much of what
    is missing as it can, the smallest weights last; two taps together meet the number exactly.
    Where that fails, a few taps move at random and it begins again.
    """
    (used,) = np.nonzero(weights)
    if not used.size:
        return None
    spread = max((high - low) // 4, 1)
    x = np.zeros(weights.size, np.int64)
    x[used] = rng.integers(-spread, spread + 1, used.size).clip(low, high)
    order = used[np.argsort(-np.abs(weights[used]), kind="stable")]
    for _ in range(_ROUNDS):
        missing = total - int(weights @ x)
        for tap in order:
            step = round(missing / int(weights[tap]))
            moved = min(max(int(x[tap]) + step, low), high)
            missing -= (moved - int(x[tap])) * int(weights[tap])
            x[tap] = moved
        if not missing or _moved_pair(weights, x, used, missing, low, high):
            return x
        shaken = rng.choice(used, min(used.size, 3), replace=False)
        x[shaken] = rng.integers(low, high + 1, shaken.size)
    return None


def _moved_pair(weights: Array, x: Array, used: Array, missing: int, low: int, high: int) -> bool:
    """Move two taps of x by a few codes so that the sum grows by ``missing``; False if none can."""
    seen: dict[int, tuple[int, int]] = {}
    for tap in used.tolist():
        steps = range(max(-_STEPS, low - int(x[tap])), min(_STEPS, high - int(x[tap])) + 1)
        grown = {int(weights[tap]) * step: step for step in steps}
        for value, step in grown.items():
            if missing - value in seen:
                other, its_step = seen[missing - value]
                x[tap] += step
                x[other] += its_step
                return True
        for value, step in grown.items():
            seen.setdefault(value, (tap, step))
    return False
