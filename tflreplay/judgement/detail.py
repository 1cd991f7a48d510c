"""What a layer that differs looks like from near: where, how far off, and next to which fraction.

Small enough to be kept of every such layer, where the tensors themselves are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, requantize
from tflreplay.judgement.comparison import Comparison, LayerDiff
from tflreplay.judgement.difference import Array, Difference, deviations
from tflreplay.model import Model
from tflreplay.ops import row_of
from tflreplay.ops.seam import FirstHalves, Tensors, call_of
from tflreplay.replayer.loop import Replay, failure

BINS = 64  # rows and columns of a heat map, at most
WORST = 8
SAMPLE = 400  # of the elements that differ, and as many of those that do not


@dataclass(frozen=True)
class Element:
    """One element of an output on both sides."""

    index: tuple[int, ...]
    ours: int | float
    theirs: int | float


@dataclass(frozen=True)
class HeatMap:
    """Mismatches by place, summed over batch and channels.

    ``mismatches`` is int64 of shape ``(rows, columns)``; a bin covers ``size`` rows and columns of
    the tensor, the last ones maybe fewer.
    """

    size: tuple[int, int]
    mismatches: Array


@dataclass(frozen=True)
class Saturation:
    """How many elements are at the lowest and the highest code that the op gives."""

    codes: tuple[int, int]
    ours: tuple[int, int]
    theirs: tuple[int, int]


@dataclass(frozen=True)
class Detail:
    """A layer that differs. All of it is of one comparison, ``mode``.

    That is ``isolated``, ``stretch`` or ``chained``.

    ``worst`` holds the elements furthest off, the worst first. ``heat`` is None where the output
    has no height and width, ``saturation`` where it is not quantized. ``fractions`` is None where
    no rule requantizes accumulators; else it holds rows ``(fraction, difference)`` of a sample:
    the fractional part of accumulator times real multiplier, in [0, 1), cut to six digits.
    ``input`` is the one of a dataset that all this is of, and ``explain_command`` what to type, but
    for ``--layer`` and ``--at``, to explain an element of it.
    """

    mode: str
    worst: tuple[Element, ...]
    heat: HeatMap | None
    saturation: Saturation | None
    fractions: Array | None
    input: str = ""
    explain_command: str = ""


def details(
    model: Model,
    comparison: Comparison,
    tensors: Tensors,
    engine: Engine,
    isolated: Replay | None,
    chained: Replay | None,
    user_kernels: Mapping[int, str],
    halves: FirstHalves,
) -> tuple[dict[tuple[int, int], Detail], list[str]]:
    """The details of all layers of real numbers that differ, by op index and tensor index.

    Of what was made since the last tensors seen where that differs, else of the chained
    comparison. What failed takes nothing else away: the list says what is missing and why.

    Args:
        tensors: the captured ones by index, the model's inputs among them.
        engine: whose arithmetic was replayed.
        user_kernels: the ops that were not computed by it, by index.
        halves: knows accumulators that were made before.
    """
    found = {}
    failures = []
    for layer in comparison.mismatched:
        alone = _differs(layer.isolated)
        mode = "isolated" if alone else "stretch" if _differs(layer.stretch) else "chained"
        replayed = chained if mode == "chained" else isolated
        assert replayed is not None
        ours, theirs = replayed.tensors[layer.tensor.index], tensors[layer.tensor.index]
        if np.issubdtype(theirs.dtype, np.complexfloating):  # what is shown are single numbers
            continue
        # The engine's arithmetic made what is ours, or where a user's kernel did, what is theirs.
        made = theirs if layer.op_index in user_kernels else ours
        sums = None
        if alone:
            try:
                sums = _sums(model, layer, tensors, engine, made, halves)
            except Exception as error:
                failures.append(
                    f"op {layer.op_index} {layer.op} has no chart of fractions: "
                    f"{failure(model.main.operators[layer.op_index], error)}"
                )
        found[layer.op_index, layer.tensor.index] = detail(layer, ours, theirs, mode, sums)
    return found, failures


def detail(
    layer: LayerDiff, ours: Array, theirs: Array, mode: str, sums: Accumulation | None = None
) -> Detail:
    """The details of one layer; ``sums`` are the engine's accumulators, where known."""
    diff: Difference | None = getattr(layer, mode)
    assert diff is not None
    delta, wrong = deviations(ours, theirs, diff.tolerance, diff.slack)
    return Detail(
        mode,
        _worst(delta, wrong, ours, theirs),
        _heat(wrong),
        _saturation(layer, ours, theirs, sums),
        _fractions(delta, sums) if sums is not None else None,
    )


def _differs(diff: Difference | None) -> bool:
    return diff is not None and not diff.exact


def _sums(
    model: Model,
    layer: LayerDiff,
    tensors: Tensors,
    engine: Engine,
    made: Array,
    halves: FirstHalves,
) -> Accumulation | None:
    """The accumulators behind ``made``; None where no rule requantizes them to just that."""
    op = model.main.operators[layer.op_index]
    try:
        row = row_of(engine, model.main, op)
        if not row.rule:
            return None
        call, arrays = call_of(model.main, op, tensors, engine, row)
        sums = halves.of(call, arrays)
    except NotReplayed:  # a user's kernel computes what ours does not
        return None
    # An op with variables finds them as they were before the run, and may give something else.
    if isinstance(sums, Accumulation) and np.array_equal(requantize(sums, call.rule), made):
        return sums
    return None


def _worst(delta: Array, wrong: Array, ours: Array, theirs: Array) -> tuple[Element, ...]:
    (places,) = np.nonzero(wrong.reshape(-1))
    size = np.abs(delta.reshape(-1)[places])
    least = np.partition(size, -WORST)[-WORST] if size.size > WORST else 0
    places, size = places[size >= least], size[size >= least]
    order = np.argsort(-size, kind="stable")[:WORST]
    return tuple(
        Element(
            tuple(int(i) for i in np.unravel_index(place, wrong.shape)),
            ours.reshape(-1)[place].item(),
            theirs.reshape(-1)[place].item(),
        )
        for place in places[order]
    )


def _heat(wrong: Array) -> HeatMap | None:
    if wrong.ndim != 4 or wrong.shape[1] * wrong.shape[2] == 1:
        return None
    counts = wrong.sum(axis=(0, 3), dtype=np.int64)
    height, width = (-(-length // BINS) for length in counts.shape)
    counts = np.add.reduceat(counts, range(0, counts.shape[0], height), axis=0)
    counts = np.add.reduceat(counts, range(0, counts.shape[1], width), axis=1)
    return HeatMap((height, width), counts)


def _saturation(
    layer: LayerDiff, ours: Array, theirs: Array, sums: Accumulation | None
) -> Saturation | None:
    if sums is not None:
        codes = sums.low, sums.high  # a fused activation cuts earlier than the type
    elif layer.tensor.quantization is not None and ours.dtype.kind in "iu":
        codes = layer.tensor.code_range
    else:
        return None

    def counts(values: Array) -> tuple[int, int]:
        low, high = (int(np.count_nonzero(values == code)) for code in codes)
        return low, high

    return Saturation(codes, counts(ours), counts(theirs))


def _fractions(delta: Array, sums: Accumulation) -> Array:
    """Rows ``(fraction, difference)`` of a sample, those that differ first."""
    random = np.random.default_rng(0)
    flat = delta.reshape(-1)
    both = (np.flatnonzero(flat != 0), np.flatnonzero(flat == 0))
    places = np.concatenate(
        [random.choice(part, min(SAMPLE, part.size), replace=False) for part in both]
    )
    real = sums.multiplier.real
    multiplier = real[places % real.size] if real.ndim else real
    fraction = (sums.values.reshape(-1)[places].astype(np.float64) * multiplier) % 1.0
    # Cut, not rounded: what is below a half must not seem to reach it. A tiny negative product
    # comes as 1.0.
    fraction = np.floor(fraction * 1e6) / 1e6 % 1.0
    return np.column_stack([fraction, flat[places]])
