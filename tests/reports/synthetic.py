"""Made-up runs: arrays on both sides, and the Comparison that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import MEASURED_ON, Machine
from tflreplay.ground.rounding import Accumulation, Multiplier
from tflreplay.judgement.comparison import Comparison, LayerDiff
from tflreplay.judgement.dataset import Classes, Dataset, InputResult
from tflreplay.judgement.detail import Detail, detail
from tflreplay.judgement.difference import Channels, Difference
from tflreplay.judgement.run import Asked, Findings, Run
from tflreplay.judgement.suspects import Known, Suspects
from tflreplay.model import Model, Operator, Quantization, Subgraph, Tensor


@dataclass(frozen=True)
class Capture:
    runtime: str = "litert"
    version: str = "2.3.0"
    engine: str = "reference"
    threads: int = 1
    note: str = ""
    problems: tuple[str, ...] = ()
    failure: str = ""
    missing: dict[int, str] = field(default_factory=dict)
    machine: Machine = MEASURED_ON


@dataclass(frozen=True)
class Layer:
    """One op and both sides of its output, channels last; ``theirs`` None: not replayed."""

    op: str
    name: str
    theirs: np.ndarray | None
    isolated: np.ndarray | None = None
    chained: np.ndarray | None = None
    shape: tuple[int, ...] = ()
    reason: str = ""


def difference(ours: np.ndarray | None, theirs: np.ndarray | None) -> Difference | None:
    if ours is None or theirs is None:
        return None
    channels = theirs.shape[-1]
    floating = theirs.dtype.kind == "f"
    delta = ours.astype(np.float64) - theirs.astype(np.float64)
    delta = delta.reshape(theirs.size // channels, channels)
    if not floating:
        delta = delta.astype(np.int64)
    codes = delta[:0] if floating else delta
    at, channel = np.nonzero(codes)
    pairs = np.stack([channel, codes[at, channel].astype(np.int64)], axis=1)
    pairs, counts = np.unique(pairs, axis=0, return_counts=True)
    values, totals = np.unique(codes, return_counts=True)
    empty = delta.size == 0
    return Difference(
        elements=delta.size,
        mismatches=int((delta != 0).sum()),
        plus_one=int((delta == 1).sum()),
        minus_one=int((delta == -1).sum()),
        max_abs=0 if empty else np.abs(delta).max().item(),
        total=delta.sum().item(),
        histogram=dict(zip(values.tolist(), totals.tolist(), strict=True)),
        channels=Channels(
            elements=np.full(channels, len(delta)),
            mismatches=(delta != 0).sum(axis=0),
            plus_one=(delta == 1).sum(axis=0),
            minus_one=(delta == -1).sum(axis=0),
            max_abs=np.abs(delta).max(axis=0, initial=0),
            total=delta.sum(axis=0),
        ),
        channel_histogram=np.column_stack([pairs, counts]),
    )


def make_run(layers: Sequence[Layer], capture: Capture | None = None) -> Run:
    """A chain of ops: tensor 0 is the input, tensor i + 1 the output of op i."""
    tensors = [_tensor(0, "input", (1, 8, 8, 3), "int8")]
    for index, layer in enumerate(layers):
        shape = layer.shape if layer.theirs is None else layer.theirs.shape
        dtype = "int8" if layer.theirs is None else layer.theirs.dtype.name
        tensors.append(_tensor(index + 1, layer.name, shape, dtype))
    weights = Tensor(
        len(tensors),
        "weights",
        (4, 1, 1, 3),
        (4, 1, 1, 3),
        "int8",
        1,
        Quantization(np.array([0.5, 0.25, 0.125, 1.0], np.float32), np.zeros(4, np.int64), axis=0),
        raw=memoryview(bytes(12)),
    )
    operators = tuple(
        Operator(index, layer.op, 1, (index, weights.index, -1), (index + 1,))
        for index, layer in enumerate(layers)
    )
    graph = Subgraph(0, "main", (*tensors, weights), (0,), (len(layers),), operators)
    comparison = Comparison(
        tuple(
            LayerDiff(
                op_index=index,
                op=layer.op,
                tensor=tensors[index + 1],
                shape=tensors[index + 1].shape,
                channel_axis=len(tensors[index + 1].shape) - 1,
                rule="double",
                isolated=difference(layer.isolated, layer.theirs),
                chained=difference(layer.chained, layer.theirs),
                reason=layer.reason,
                suspects=Suspects((index,), (Known(index, index - 1 if index else None),)),
            )
            for index, layer in enumerate(layers)
        )
    )
    return Run(
        model=Model(
            path=Path("models/made_up_int8.tflite"),
            sha256="0123abcd" * 8,
            description="",
            subgraphs=(graph,),
            content=b"",
        ),
        comparison=comparison,
        capture=capture or Capture(),
        engine=Engine(),
        asked=Asked(
            ("img.npy: float32, quantized by scale 1.0, zero point -128",),
            "tflreplay models/made_up_int8.tflite --input img.npy",
            "tflreplay explain models/made_up_int8.tflite --input img.npy",
        ),
        seconds={"capture": 1.25, "replay": 0.5},
        findings=Findings(
            details={
                (found.op_index, found.tensor.index): near(layer, found)
                for layer, found in zip(layers, comparison.layers, strict=True)
                if found.status == "mismatch"
            }
        ),
    )


def over(run: Run, inputs: int, seed: int = 0) -> Run:
    """A dataset of so many inputs; each differs in some of the layers in which ``run`` does."""
    rng = np.random.default_rng(seed)
    layers = run.comparison.layers
    found = []
    for number in range(inputs):
        worse = 0.0 if number % 3 else 10 ** rng.uniform(-3, 0)
        rows = {
            mode: [
                (place, int(np.ceil(diff.mismatches * worse)))
                for place, layer in enumerate(layers)
                if (diff := getattr(layer, mode)) is not None and diff.mismatches and worse
            ]
            for mode in ("made", "chained")
        }
        made, chained = (np.array(rows[mode], np.int64).reshape(-1, 2) for mode in rows)
        scores = Classes((0, 1, 2), (int(worse > 0.5), 2, 3), label=number % 4)
        name = f"photos/<b>{number}</b>.png"
        command = f"tflreplay models/made_up_int8.tflite --input '{name}'"
        found.append(InputResult(number, name, run.elements, 0, 3, made, chained, scores, command))
    comparison = reduce(add, [run.comparison] * 3)
    dataset = Dataset("photos", tuple(found), (0, 3), (1,))
    return replace(run, comparison=comparison, dataset=dataset)


def near(layer: Layer, found: LayerDiff) -> Detail:
    """Of the isolated comparison where that differs; its accumulators are made up too."""
    assert layer.theirs is not None
    if found.isolated is None or found.isolated.exact:
        return detail(found, layer.chained, layer.theirs, "chained")
    sums = None
    if layer.theirs.dtype == np.int8:
        values = layer.theirs.astype(np.int64) * 271
        sums = Accumulation(values, Multiplier.of(0.0037), 0, -128, 127, layer.theirs.dtype)
    return detail(found, layer.isolated, layer.theirs, "isolated", sums)


def _tensor(index: int, name: str, shape: tuple[int, ...], dtype: str) -> Tensor:
    quantization = None
    if dtype == "int8":
        quantization = Quantization(np.array([0.05], np.float32), np.array([-3]), axis=0)
    return Tensor(index, name, shape, shape, dtype, 0, quantization)


def few_layers() -> list[Layer]:
    """One layer of each kind: exact, made here, inherited, not replayed, float, empty, chained."""
    rng = np.random.default_rng(5)

    def codes(*shape: int) -> np.ndarray:
        return rng.integers(-100, 100, shape, dtype=np.int8)

    def disturbed(array: np.ndarray, values: Sequence[int], share: float) -> np.ndarray:
        noise = rng.choice(np.array(values, np.int8), array.shape)
        return array + noise * (rng.random(array.shape) < share).astype(np.int8)

    exact, made, passed, alone = codes(1, 6, 6, 4), codes(1, 6, 6, 8), codes(1, 72), codes(1, 5, 3)
    real = rng.standard_normal((1, 10)).astype(np.float32)
    real_ours = real.copy()
    real_ours[0, 3] += 0.5
    here = disturbed(made, (1, 1, 1, -1, 2), 0.3)
    here[..., 2] = made[..., 2]
    empty = np.zeros((0, 4), np.int8)
    return [
        Layer("CONV_2D", "exact layer", exact, exact, exact),
        Layer("CONV_2D", "<script>alert(1)</script>", made, here, disturbed(here, (-3, 1), 0.1)),
        Layer("MUL", "inherits & passes on", passed, passed, disturbed(passed, (-1, 4), 0.2)),
        Layer("CUSTOM:</script>", "", None, shape=(1, 7), reason="no kernel for CUSTOM:</script>"),
        Layer("DEQUANTIZE", "real", real, real_ours, real),
        Layer("STRIDED_SLICE", "empty", empty, empty, empty),
        Layer("ADD", "chained only", alone, None, disturbed(alone, (1,), 0.5)),
    ]


def efficientnet_like(planted: bool = True) -> list[Layer]:
    """242 layers of up to 1280 channels; ``planted``: six differ by ±1, most others inherit it."""
    rng = np.random.default_rng(0)
    ops = ("CONV_2D", "DEPTHWISE_CONV_2D", "MUL", "LOGISTIC", "MEAN", "ADD")
    layers = []
    for index in range(242):
        share = index / 242
        channels = int(16 + 1264 * share**1.5) // 8 * 8
        side = max(3, int(14 * (1 - share)))
        theirs = rng.integers(-100, 100, (1, side, side, channels), dtype=np.int8)
        isolated, chained = theirs, theirs
        op = ops[index % len(ops)]
        name = f"efficientnetb0/block{1 + index // 36}{'abcdef'[index // 6 % 6]}_{op.lower()}/" + (
            "depthwise;efficientnetb0/batch_normalization/FusedBatchNormV3" if index % 3 else "out"
        )
        if planted and index % 40 == 7:
            isolated = theirs + (rng.random(theirs.shape) < 0.01).astype(np.int8)
            isolated -= (rng.random(theirs.shape) < 0.0006).astype(np.int8)
        if planted and index >= 7 and op != "MEAN":
            spread = rng.normal(0, 0.25 + share, theirs.shape)
            chained = theirs + np.round(spread).astype(np.int8)
        if planted and index in (100, 200):
            layers.append(
                Layer("GATHER_ND", name, None, shape=theirs.shape, reason="no kernel for GATHER_ND")
            )
            continue
        layers.append(Layer(op, name, theirs, isolated, chained))
    return layers
