"""Where the values of a sparse constant stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Dimension:
    """One level of a sparse tensor: ``size`` places, or those that ``indices`` names.

    ``segments`` says where in ``indices`` each parent's begin and end; None where all are there.
    """

    size: int
    segments: tuple[int, ...] | None = None
    indices: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sparsity:
    """Where the values of a sparse tensor stand: a tree with a level for each dimension.

    ``order`` names the dimension of each level: those of the tensor, then those of blocks, which
    ``blocks`` maps to the tensor's.
    """

    order: tuple[int, ...]
    blocks: tuple[int, ...]
    dimensions: tuple[Dimension, ...]

    def places(self, shape: tuple[int, ...]) -> np.ndarray:
        """The indices into the dense tensor of each value, in their order: int64 ``(n, rank)``.

        ``FormatConverter::Populate`` in
        ``tflite/kernels/internal/utils/sparsity_format_converter.cc``.
        """
        parents, path = np.zeros(1, np.int64), np.zeros((1, 0), np.int64)
        for each in self.dimensions:
            if each.segments is None:
                count = np.full(len(parents), each.size)
                first = parents * each.size
            else:
                segments = np.array(each.segments, np.int64)
                first, count = segments[parents], np.diff(segments)[parents]
            # The children of the first parent, then those of the next.
            step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            parents = np.repeat(first, count) + step
            at = step if each.segments is None else np.array(each.indices, np.int64)[parents]
            path = np.column_stack([np.repeat(path, count, axis=0), at])
        rank = len(shape)
        found = np.zeros((len(path), rank), np.int64)
        for level, dimension in enumerate(self.order):
            if dimension < rank:
                found[:, dimension] += path[:, level] * self._block(dimension)
            else:
                found[:, self.blocks[dimension - rank]] += path[:, level]
        return found

    def _block(self, dimension: int) -> int:
        """How many elements a block has along a dimension of the tensor."""
        if dimension not in self.blocks:
            return 1
        rank = len(self.order) - len(self.blocks)
        return self.dimensions[self.order[rank + self.blocks.index(dimension)]].size
