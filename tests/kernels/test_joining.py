from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.common import near_tie_ratio, random_zero_point
from tests.kernels.moving import case, exact, values
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_pack(engine: Engine, axis: int) -> None:
    parts = [values((3, 4), "int8", seed) for seed in range(3)]
    exact(engine, case("PACK", *parts, table="PackOptions", valuesCount=3, axis=axis))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenation(engine: Engine, axis: int) -> None:
    parts = [values((2, 3, 4), "int8", seed) for seed in range(7)]
    exact(engine, case("CONCATENATION", *parts, table="ConcatenationOptions", axis=axis))


def test_concatenation_of_int16_never_rescales(engine: Engine) -> None:
    parts = [values((2, 3), "int16", seed) for seed in range(2)]
    inputs = [Spec((2, 3), "int16", 0.25), Spec((2, 3), "int16", 0.75)]
    output = Spec((4, 3), "int16", 0.5)
    content = build("CONCATENATION", inputs, [output], {"axis": 0}, "ConcatenationOptions")
    assert assert_exact(content, parts, engine) == 12


def test_concatenation_that_rescales_uint8(engine: Engine) -> None:
    rng = np.random.default_rng(17)
    total = 0
    for _ in range(100):
        parts = [random_codes(rng, (2, 7, int(rng.integers(1, 80))), "uint8") for _ in range(2)]
        target = Spec((1,), "uint8", random_scale(rng, 0.01), random_zero_point(rng, "uint8"))
        near = np.float32(target.scale * near_tie_ratio(rng))
        sources = [
            Spec(parts[0].shape, "uint8", random_scale(rng, 0.01), random_zero_point(rng, "uint8")),
            Spec(parts[1].shape, "uint8", near, random_zero_point(rng, "uint8")),
        ]
        kept = Spec(parts[0].shape, "uint8", target.scale, target.zero_point)
        content = build(
            "CONCATENATION", [*sources, kept], [target], {"axis": 2}, "ConcatenationOptions"
        )
        total += assert_exact(content, [*parts, parts[0]], engine)
    assert total >= 100_000
