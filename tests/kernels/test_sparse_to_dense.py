"""SPARSE_TO_DENSE against the engine."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.kernels.common import OUTPUTS, random_spec, random_values, reason_not_replayed
from tests.single_op import Spec, assert_exact, build
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "float32"])
def test_random(engine: Engine, dtype: str) -> None:
    """Indices of every rank, some of them twice; a value for each, or one for all."""
    rng = np.random.default_rng(1)
    total = trial = 0
    while total < OUTPUTS:
        trial += 1
        rank = int(rng.integers(1, 5))
        shape = rng.integers(1, 14 if rank > 2 else 300, rank).astype(np.int32)
        count = int(rng.integers(0, 2 * math.prod(shape.tolist())))
        index = np.stack([rng.integers(0, size, count) for size in shape], axis=-1)
        index = index.astype(["int32", "int64"][trial % 2])
        if rank == 1 and trial % 3 == 0:
            index = index[0] if count and trial % 4 == 0 else index[:, 0]
        if index.ndim == 1 and trial % 12 == 0 and index.size == 1:
            index = index.reshape(())
        many = index.size if index.ndim < 2 else len(index)
        values = random_values(rng, () if trial % 5 == 0 else (many,), dtype)
        other = random_values(rng, (), dtype)
        quantized = random_spec(rng, (), dtype)
        specs = [
            Spec(a.shape, dtype, quantized.scale, quantized.zero_point) for a in (values, other)
        ]
        size = Spec((rank,), "int32", data=shape)
        y = Spec(tuple(shape.tolist()), dtype, quantized.scale, quantized.zero_point)
        inputs = [Spec(index.shape, index.dtype.name), size, *specs]
        content = build("SPARSE_TO_DENSE", inputs, [y], {}, "SparseToDenseOptions", 3)
        total += assert_exact(content, [index, values, other], engine)


def test_an_index_beyond_the_output() -> None:
    size = Spec((1,), "int32", data=np.array([4], np.int32))
    value, other = Spec((1,), "float32"), Spec((), "float32")
    inputs = [Spec((1,), "int32"), size, value, other]
    content = build("SPARSE_TO_DENSE", inputs, [Spec((4,), "float32")], {}, "SparseToDenseOptions")
    arrays = [np.array([4], np.int32), np.zeros(1, np.float32), np.zeros((), np.float32)]
    assert reason_not_replayed(content, arrays) == "SPARSE_TO_DENSE with an index beyond [4]"
