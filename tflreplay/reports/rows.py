"""The comparison as flat tables: one place that says what a column holds.

Every table is a tuple of column names and an iterable of plain tuples in that order, keyed by
``op_index`` and ``tensor`` (the tensor's index in the subgraph; an op may have several outputs). A
difference is ours minus theirs. A number that was not computed is None (an empty CSV field),
never 0.

**Layers**, a row for each op output:

- ``op_index, op, tensor, tensor_name, shape, dtype, elements``: which tensor
- ``status``: ``exact``, ``within tolerance``, ``mismatch``, ``not dumped``, ``not read`` or
  ``not replayed``
- ``isolated_mismatches``: elements that differ when the op is fed the captured inputs
- ``stretch_mismatches``: where its inputs were not seen, elements that differ when the ops since
  the last tensors seen are replayed on those
- ``suspects``: the ops one or more of which made what is different since the last tensors seen,
  as ranges of op indexes; empty where nothing is
- ``chained_mismatches``: elements that differ when the op is fed what the replay gave so far
- ``mismatch_rate, plus_one, minus_one, max_abs_diff, mean_diff, channels_affected``: mismatches
  over elements, elements one code above and one below, largest absolute and mean difference,
  channels with a mismatch; of the isolated comparison, or where that was not made of the
  stretch, or of the chained one
- ``chained_plus_one, chained_minus_one, chained_max_abs_diff, chained_mean_diff``: of the chained
- ``rule``: the requantization rule in force
- ``verdict, verdict_kind``: what explains the output (a :class:`Verdict`), empty where
  nothing was asked; the kind is ``expected``, ``rule``, ``mistake``, ``ambiguous`` or
  ``unexplained``
- ``discriminating``: elements on which the candidates of the verdict do not agree
- ``origin``: how the runtime's tensor was obtained
- ``reason``: why there is nothing to compare

**Channels**, a row for each channel of each compared layer: ``elements`` of the channel, then
``mismatches, plus_one, minus_one, max_abs_diff, mean_diff`` with the prefixes ``isolated_`` and
``chained_``.

**Histogram**, a row for each difference that occurs in a channel, 0 always included: ``isolated``
and ``chained`` count the elements with this difference. The counts of a channel sum to its
elements. Floating-point layers have no histogram.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np

from tflreplay.ground.words import shape_text
from tflreplay.judgement.comparison import Array, Difference, LayerDiff
from tflreplay.judgement.run import Run
from tflreplay.judgement.suspects import ranges

Row = tuple[Any, ...]

LAYER_COLUMNS = (
    "op_index",
    "op",
    "tensor",
    "tensor_name",
    "shape",
    "dtype",
    "elements",
    "status",
    "isolated_mismatches",
    "stretch_mismatches",
    "chained_mismatches",
    "suspects",
    "mismatch_rate",
    "plus_one",
    "minus_one",
    "max_abs_diff",
    "mean_diff",
    "channels_affected",
    "chained_plus_one",
    "chained_minus_one",
    "chained_max_abs_diff",
    "chained_mean_diff",
    "rule",
    "verdict",
    "verdict_kind",
    "discriminating",
    "origin",
    "reason",
)
_MEASURES = ("mismatches", "plus_one", "minus_one", "max_abs_diff", "mean_diff")
_KEY = ("op_index", "op", "tensor")
CHANNEL_COLUMNS = (
    *_KEY,
    "channel",
    "elements",
    *(f"isolated_{name}" for name in _MEASURES),
    *(f"chained_{name}" for name in _MEASURES),
)
HISTOGRAM_COLUMNS = (*_KEY, "channel", "difference", "isolated", "chained")


def layer_rows(run: Run) -> Iterator[Row]:
    """Rows of :data:`LAYER_COLUMNS`."""
    for layer in run.comparison.layers:
        main, chained = layer.main, layer.chained
        made = layer.made is not None and not layer.made.exact
        verdict = run.verdicts.get(layer.op_index)
        yield (
            layer.op_index,
            layer.op,
            layer.tensor.index,
            layer.tensor.name,
            shape_text(layer.shape),
            layer.tensor.dtype,
            math.prod(layer.shape),
            layer.status,
            *(
                side.mismatches if side is not None else None
                for side in (layer.isolated, layer.stretch, chained)
            ),
            ranges(layer.suspects.ops) if made else "",
            main.rate if main is not None else None,
            *(_spread(main)),
            int(np.count_nonzero(main.channels.mismatches)) if main is not None else None,
            *(_spread(chained)),
            layer.rule,
            verdict.answer if verdict is not None else "",
            verdict.kind if verdict is not None else "",
            verdict.discriminating if verdict is not None else None,
            layer.origin,
            layer.reason,
        )


def channel_rows(run: Run) -> Iterator[Row]:
    """Rows of :data:`CHANNEL_COLUMNS`."""
    return chain.from_iterable(map(block_rows, channel_blocks(run)))


def histogram_rows(run: Run) -> Iterator[Row]:
    """Rows of :data:`HISTOGRAM_COLUMNS`, by channel and then difference."""
    return chain.from_iterable(map(block_rows, histogram_blocks(run)))


# The rows of one layer by column: a list or range holds a value for each row, anything else is the
# value of all of them. Most layers are exact and have nearly all columns of the second kind, which
# makes tables of 100,000 rows quick to write.
Block = tuple[Any, ...]


def block_rows(block: Block) -> Iterator[Row]:
    return zip(*(x if isinstance(x, list | range) else repeat(x) for x in block), strict=False)


def channel_blocks(run: Run) -> Iterator[Block]:
    """A block of :data:`CHANNEL_COLUMNS` for each compared layer."""
    for layer in run.comparison.layers:
        if layer.main is not None:
            channels = layer.main.channels
            yield (
                *_key(layer),
                range(len(channels)),
                channels.elements,
                *_measures(layer.isolated),
                *_measures(layer.chained),
            )


def histogram_blocks(run: Run) -> Iterator[Block]:
    """A block of :data:`HISTOGRAM_COLUMNS` for each compared layer that is not floating-point."""
    for layer in run.comparison.layers:
        if layer.main is not None and not np.issubdtype(layer.tensor.numpy_dtype, np.inexact):
            yield (*_key(layer), *_histogram(layer, layer.main))


def _spread(diff: Difference | None) -> Row:
    if diff is None:
        return (None,) * 4
    return diff.plus_one, diff.minus_one, diff.max_abs, diff.mean


def _key(layer: LayerDiff) -> Row:
    return layer.op_index, layer.op, layer.tensor.index


def _measures(diff: Difference | None) -> Row:
    if diff is None:
        return (None,) * len(_MEASURES)
    if diff.exact:
        return 0, 0, 0, diff.max_abs, diff.mean
    channels = diff.channels
    arrays = (channels.mismatches, channels.plus_one, channels.minus_one)
    return tuple(array.tolist() for array in (*arrays, channels.max_abs, channels.mean))


def _histogram(layer: LayerDiff, main: Difference) -> Row:
    """Columns channel, difference, isolated, chained."""
    sides = (layer.isolated, layer.chained)
    count = len(main.channels)
    if layer.status == "exact":
        totals = (None if side is None else side.channels.elements for side in sides)
        return range(count), 0, *totals
    channels, differences, counts = _merge([_with_zeros(side, count) for side in sides])
    columns = (
        None if side is None else column.tolist()
        for side, column in zip(sides, counts, strict=True)
    )
    return channels.tolist(), differences.tolist(), *columns


def _with_zeros(diff: Difference | None, channels: int) -> Array:
    """Rows (channel, difference, count) with difference 0 for every channel."""
    zeros = np.zeros((channels, 3), np.int64)
    zeros[:, 0] = np.arange(channels)
    if diff is None:
        return zeros
    zeros[:, 2] = diff.channels.elements - diff.channels.mismatches
    return np.concatenate([diff.channel_histogram.reshape(-1, 3), zeros])


def _merge(sides: list[Array]) -> tuple[Array, Array, list[Array]]:
    """Join rows (channel, difference, count) on channel and difference.

    Returns channels, differences and, for each side, the counts: arrays of one length, sorted by
    channel and then difference, 0 where a side lacks the pair.
    """
    rows = np.concatenate(sides)
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    keys = rows[order, :2]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    place = np.empty(len(keys), np.int64)
    place[order] = np.cumsum(first) - 1
    counts = []
    start = 0
    for side in sides:
        column = np.zeros(int(first.sum()), np.int64)
        column[place[start : start + len(side)]] = side[:, 2]
        counts.append(column)
        start += len(side)
    return keys[first, 0], keys[first, 1], counts
