"""FULLY_CONNECTED against the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.kernels.test_conv import (
    ACTIVATIONS,
    FOUR_BITS,
    OUTPUTS,
    TYPES,
    bias_spec,
    filter_spec,
    output_scale,
    random_bias_type,
    zero_point,
)
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.ground.engine import Engine


def random_fully_connected(
    rng: np.random.Generator, dtype: str, weights: str, per_channel: bool
) -> tuple[bytes, np.ndarray]:
    """A model and its input."""
    depth, units = (int(n) for n in rng.integers(1, 200, 2))
    keep = bool(rng.random() < 0.3)
    lead = (int(rng.integers(1, 5)), int(rng.integers(1, 30)))
    x = Spec((*lead, depth), dtype, random_scale(rng), zero_point(rng, dtype))
    w = filter_spec(rng, weights, (units, depth), 0, per_channel)
    if weights == "int8" and not per_channel and rng.random() < 0.5:
        # Only a per-tensor zero point is honoured, and is other than 0 in old models.
        w = replace(w, zero_point=zero_point(rng, weights))
    y = Spec(
        (*lead, units) if keep else (lead[0] * lead[1], units),
        dtype,
        output_scale(rng, x, w, depth),
        zero_point(rng, dtype),
    )
    bias_type, declaration = random_bias_type(rng, dtype)
    bias = bias_spec(rng, x, w, units, bias_type) if rng.random() < 0.8 else None
    fields = {"keepNumDims": keep, "fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    fields |= declaration
    content = build(
        "FULLY_CONNECTED", [x, w, bias], [y], fields, "FullyConnectedOptions", version=5
    )
    return content, random_codes(rng, x.shape, dtype)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("dtype", "weights"), [*TYPES, FOUR_BITS])
def test_random(engine: Engine, dtype: str, weights: str, per_channel: bool) -> None:
    if dtype == "uint8" and per_channel:
        pytest.skip("uint8 weights are quantized per tensor")
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        content, x = random_fully_connected(rng, dtype, weights, per_channel)
        total += assert_exact(content, [x], engine)
