"""FULLY_CONNECTED against the engine."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.test_conv import ACTIVATIONS, OUTPUTS, bias_spec, output_scale, zero_point
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.engine import Engine


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_random(engine: Engine, dtype: str, per_channel: bool) -> None:
    if dtype == "uint8" and per_channel:
        pytest.skip("uint8 weights are quantized per tensor")
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        depth, units = (int(n) for n in rng.integers(1, 200, 2))
        keep = bool(rng.random() < 0.3)
        lead = (int(rng.integers(1, 5)), int(rng.integers(1, 30)))
        x = Spec((*lead, depth), dtype, random_scale(rng), zero_point(rng, dtype))
        w = Spec(
            (units, depth),
            dtype,
            [random_scale(rng) for _ in range(units if per_channel else 1)],
            # Only a per-tensor zero point is honoured, and is other than 0 in old models.
            0 if per_channel or rng.random() < 0.5 else zero_point(rng, dtype),
            random_codes(rng, (units, depth), dtype),
        )
        y = Spec(
            (*lead, units) if keep else (lead[0] * lead[1], units),
            dtype,
            output_scale(rng, x, w, depth),
            zero_point(rng, dtype),
        )
        bias = bias_spec(rng, x, w, units) if rng.random() < 0.8 else None
        fields = {"keepNumDims": keep, "fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
        content = build(
            "FULLY_CONNECTED", [x, w, bias], [y], fields, "FullyConnectedOptions", version=5
        )
        total += assert_exact(content, [random_codes(rng, x.shape, dtype)], engine)
