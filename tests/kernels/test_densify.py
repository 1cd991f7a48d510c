"""DENSIFY against the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.kernels.common import OUTPUTS, reason_not_replayed
from tests.single_op import Spec, assert_exact, build, run_replay
from tflreplay.ground.engine import Engine

VECTORS = ("Int32Vector", "Uint16Vector", "Uint8Vector")


def sparse(
    dense: np.ndarray,
    order: Sequence[int],
    compressed: Sequence[bool],
    blocks: dict[int, int],
    width: int,
) -> Spec:
    """A constant that holds what is not 0, or lies in a block or a dense level beside it.

    ``order`` names the dimension of each level, ``compressed`` says which levels are, ``blocks``
    are the sizes of blocks by dimension, and ``width`` picks the type of indices, where they fit.
    """
    rank = dense.ndim
    shape = [size // blocks.get(axis, 1) for axis, size in enumerate(dense.shape)]
    split = [part for axis, size in enumerate(shape) for part in (size, blocks.get(axis, 1))]
    tree = dense.reshape(split)
    outer = [2 * axis for axis in order[:rank]]
    inner = [2 * axis + 1 for axis in blocks]
    rest = [2 * axis + 1 for axis in range(rank) if axis not in blocks]
    tree = tree.transpose(outer + inner + rest).reshape([split[axis] for axis in outer + inner])
    segments: list[list[int]] = [[0] for _ in range(tree.ndim)]
    indices: list[list[int]] = [[] for _ in range(tree.ndim)]
    values = []

    def walk(level: int, part: Any) -> None:
        if level == tree.ndim:
            values.append(part)
            return
        for index, child in enumerate(part):
            if not compressed[level]:
                walk(level + 1, child)
            elif np.any(child != 0):
                indices[level].append(index)
                walk(level + 1, child)
        segments[level].append(len(indices[level]))

    walk(0, tree)
    parameters = schema.SparsityParametersT()
    parameters.traversalOrder = [*order, *range(rank, tree.ndim)]
    parameters.blockMap = list(blocks)
    parameters.dimMetadata = []
    for level, size in enumerate(tree.shape):
        entry = schema.DimensionMetadataT()
        entry.format = int(compressed[level])
        entry.denseSize = 0 if compressed[level] else size
        if compressed[level]:
            for name, numbers in (("arraySegments", segments), ("arrayIndices", indices)):
                fits = max(numbers[level], default=0) < (2**31, 2**16, 2**8)[width]
                kind = VECTORS[width if fits else 0]
                vector = getattr(schema, f"{kind}T")()
                vector.values = numbers[level]
                setattr(entry, name, vector)
                setattr(entry, f"{name}Type", getattr(schema.SparseIndexVector, kind))
        parameters.dimMetadata.append(entry)
    data = np.array(values, dense.dtype)
    return Spec(dense.shape, dense.dtype.name, data=data, sparsity=parameters)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize("name", ["reference", "optimized"])
def test_random(name: str, dtype: str) -> None:
    """Any order of levels, any of them compressed, blocks, and each type of indices.

    (XNNPACK decodes a sparse constant beforehand, and takes no model of nothing else.)
    """
    engine = Engine(name)
    rng = np.random.default_rng(1)
    total = trial = 0
    while total < OUTPUTS:
        trial += 1
        rank = int(rng.integers(1, 5))
        blocks = {axis: int(rng.choice([2, 4])) for axis in range(rank) if rng.random() < 0.3}
        shape = [int(rng.integers(1, 12)) * blocks.get(axis, 1) for axis in range(rank)]
        dense = rng.integers(-99, 99, shape).astype(dtype)
        dense[rng.random(shape) < rng.choice([0.2, 0.9, 1.0])] = 0
        order = rng.permutation(rank).tolist()
        compressed = [*(rng.random(rank) < 0.6).tolist(), *[False] * len(blocks)]
        x = sparse(dense, order, compressed, blocks, trial % 3)
        if x.data is None or not x.data.size:
            continue
        content = build("DENSIFY", [x], [Spec(dense.shape, dtype)], {}, "DensifyOptions")
        total += assert_exact(content, [], engine)
        (ours,) = run_replay(content, [], engine)
        assert np.array_equal(ours, dense)


def test_no_other_op_takes_it() -> None:
    dense = np.eye(4, dtype=np.float32)
    x = sparse(dense, (0, 1), (False, True), {}, 0)
    content = build("ABS", [x], [Spec((4, 4), "float32")])
    assert reason_not_replayed(content, []) == "tensor 0 (t0) is sparse"
