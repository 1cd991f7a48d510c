from __future__ import annotations

import numpy as np

from tests.kernels.common import every_code, random_zero_point
from tests.single_op import Spec, assert_exact, build, random_scale, run_engine
from tflreplay.ground.engine import Engine


def test_hard_swish(engine: Engine) -> None:
    """Output scales from the finest that the kernel accepts, h / so just below 1, to coarse."""
    rng = np.random.default_rng(6)
    total = 0
    for trial in range(400):
        dtype = ["int8", "uint8"][trial % 2]
        x = rng.permutation(every_code(dtype)).reshape(2, 8, 16)
        scale = random_scale(rng, 1e-5, 3.0)
        out_scale = np.float32(scale / 128 / random_scale(rng, 2.0**-10, 0.7))
        content = build(
            "HARD_SWISH",
            [Spec(x.shape, dtype, scale, random_zero_point(rng, dtype))],
            [Spec(x.shape, dtype, out_scale, random_zero_point(rng, dtype))],
        )
        total += assert_exact(content, [x], engine)
    assert total >= 100_000


def test_a_sum_that_wraps_in_16_bits(engine: Engine) -> None:
    """At h / so just below 1 the largest value and the zero point together pass 32767."""
    x = every_code("uint8")
    source = Spec(x.shape, "uint8", 0.1, 0)
    target = Spec(x.shape, "uint8", np.float32(0.1 / 128 / 0.99999), 255)
    content = build("HARD_SWISH", [source], [target])
    assert run_engine(content, [x])[0][-1] == 0
    assert_exact(content, [x], engine)
