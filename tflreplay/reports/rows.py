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
elements. Of a layer with more than 64 channels, those 64 in which most differs are listed, and the
others together: ``channel`` is empty. In a dataset, a difference from 16 on, either way, stands for
those from it up to the next power of two. Floating-point layers have no histogram.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np

from tflreplay.ground.words import shape_text
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.difference import Array, Difference
from tflreplay.judgement.run import Run
from tflreplay.judgement.suspects import ranges

Row = tuple[Any, ...]
LISTED = 64  # channels of a layer with a histogram of their own

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
            layer.elements,
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
                _same(channels.elements),
                *_measures(layer.isolated),
                *_measures(layer.chained),
            )


def histogram_blocks(run: Run) -> Iterator[Block]:
    """Blocks of :data:`HISTOGRAM_COLUMNS` of each compared layer that is not floating-point."""
    for layer in run.comparison.layers:
        if layer.main is not None and not np.issubdtype(layer.tensor.numpy_dtype, np.inexact):
            for channel, *columns in _histogram(layer, layer.main):
                yield (*_key(layer), channel, *columns)


def _same(elements: Array) -> int | list[int]:
    """Of all channels, or of each."""
    same = len(elements) > 0 and (elements == elements[0]).all()
    return int(elements[0]) if same else elements.tolist()


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


def _histogram(layer: LayerDiff, main: Difference) -> Iterator[Row]:
    """Columns channel, difference, isolated, chained: of those listed, then of the others."""
    sides = (layer.isolated, layer.chained)
    others = len(main.channels)  # stands for the channels that are not listed
    differ = [side.channels.mismatches for side in sides if side is not None]
    most = np.argsort(-np.sum(differ, axis=0), kind="stable")[:LISTED]
    label = np.full(others, others)
    label[most] = most
    channels, differences, counts = _merge([_with_zeros(side, label) for side in sides])
    listed = int(np.searchsorted(channels, others))
    for part in (slice(listed), slice(listed, None)):
        if len(differences[part]):
            yield (
                channels[part].tolist() if part.start is None else None,
                differences[part].tolist(),
                *(
                    None if side is None else column[part].tolist()
                    for side, column in zip(sides, counts, strict=True)
                ),
            )


def _with_zeros(diff: Difference | None, label: Array) -> Array:
    """Rows (label of the channel, difference, count), with difference 0 for every channel."""
    zeros = np.zeros((len(label), 3), np.int64)
    zeros[:, 0] = np.arange(len(label))
    rows = zeros
    if diff is not None:
        zeros[:, 2] = diff.channels.elements - diff.channels.mismatches
        rows = np.concatenate([zeros, diff.channel_histogram])
    rows[:, 0] = label[rows[:, 0]]
    return rows


def _merge(sides: list[Array]) -> tuple[Array, Array, list[Array]]:
    """Join rows (channel, difference, count) on channel and difference, and add up the counts.

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
        np.add.at(column, place[start : start + len(side)], side[:, 2])
        counts.append(column)
        start += len(side)
    return keys[first, 0], keys[first, 1], counts
