"""A port that computes in real numbers is recognised, and not accused of what it did not do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from tests.diagnosis.models import Layer, built, convolution, mean, pair
from tests.diagnosis.port import Array
from tests.single_op import Op, Spec, random_codes
from tflreplay.ground.engine import Engine
from tflreplay.judgement.diagnosis import Verdict, diagnose, summarize
from tflreplay.ops import CARDS

SHAPE = (4, 6, 16)
# Two inputs' and the output's; many results lie halfway between two codes.
TIED = (
    *((0.05, 0.04, 0.1), (1.0, 1.5, 3.0), (0.5, 0.5, 1.0), (0.25, 0.5, 1.0), (0.75, 0.5, 0.5)),
    *((0.1, 0.1, 0.2), (0.02, 0.06, 0.08), (1.0, 0.5, 2.0), (0.125, 0.375, 0.25)),
    (2.0**-4, 2.0**-5, 2.0**-3),
)
OTHERS = tuple(map(tuple, np.exp(np.random.default_rng(0).uniform(-4, -2, (10, 3))).tolist()))
SCALES = (*TIED, *OTHERS)
OPS = ("ADD", "SUB", "MUL", "MEAN", "HARD_SWISH", "PRELU", "QUANTIZE")
NUMBERS = (np.float32, np.float64)


@dataclass(frozen=True)
class RealPort:
    """Dequantizes, computes in ``number``, divides by the output's scale and rounds.

    ``inverse``: multiplies by one over the scale instead. ``inside``: adds the zero point before
    it rounds.
    """

    number: type
    ties: str
    inverse: bool
    inside: bool

    def of(self, layer: Layer) -> Array:
        graph, op = layer.model.main, layer.op
        to = graph.tensors[op.outputs[0]]
        given = []
        for tensor in (graph.tensors[index] for index in op.inputs):
            codes = tensor.data if tensor.data is not None else layer.tensors[tensor.index]
            if tensor.quantization is not None:
                centred = codes.astype(np.int64) - tensor.zero_point
                codes = centred.astype(self.number) * self.number(tensor.scale)
            given.append(codes)
        return self.quantized(FUNCTIONS[op.name](*given), to.scale, to.zero_point)

    def quantized(self, real: Array, scale: float, zero_point: int) -> Array:
        scale = self.number(scale)
        steps = real * (self.number(1) / scale) if self.inverse else real / scale
        steps = steps + self.number(zero_point) if self.inside else steps
        if self.ties == "even":
            codes = np.rint(steps)
        elif self.ties == "up":
            codes = np.floor(steps + self.number(0.5))
        else:
            codes = np.sign(steps) * np.floor(np.abs(steps) + self.number(0.5))
        return (codes if self.inside else codes + zero_point).clip(-128, 127).astype(np.int8)


FUNCTIONS = {
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MUL": lambda a, b: a * b,
    "MEAN": lambda x, axes: x.mean(axis=tuple(axes.tolist()), dtype=x.dtype),
    "HARD_SWISH": lambda x: x * np.clip(x + x.dtype.type(3), 0, 6) / x.dtype.type(6),
    "PRELU": lambda x, alpha: np.where(x >= 0, x, x * alpha),
    "QUANTIZE": lambda x: x,
}
PORTS = [
    RealPort(*ways)
    for ways in product(NUMBERS, ("even", "away", "up"), (False, True), (False, True))
]


def layer(op: str, scales: tuple[float, float, float], number: int) -> Layer:
    (found,) = built(f"{op}{number}", [written(op, *scales)])
    return found


def written(op: str, a: float, b: float, y: float) -> Op:
    if op == "MEAN":
        return mean((4, 4, 4, 48), (a, b / 2))
    if op == "MUL":
        return pair(op, (SHAPE, SHAPE), (a, b, a * b * 64))
    if op in ("ADD", "SUB"):
        return pair(op, (SHAPE, SHAPE), (a, b, y))
    x, out = Spec(SHAPE, "int8", a, 5), Spec(SHAPE, "int8", y, -7)
    if op == "PRELU":
        alpha = random_codes(np.random.default_rng(7), SHAPE[-1:], "int8")
        return Op(op, [x, Spec(SHAPE[-1:], "int8", b, 0, alpha)], [out])
    if op == "HARD_SWISH":
        out = Spec(SHAPE, "int8", a / 2, -7)
    return Op(op, [x], [out], version=2)


def verdicts(op: str, engine: str) -> Iterator[tuple[RealPort, Verdict]]:
    """Of every port; told to be XNNPACK, of every fifth, which has all ways in it."""
    ports = PORTS if engine == "reference" else PORTS[::5]
    for number, scales in enumerate(SCALES):
        chosen = layer(op, scales, number)
        graph = chosen.model.main
        for port in ports:
            found = diagnose(graph, chosen.op, chosen.tensors, port.of(chosen), Engine(engine))
            if found is not None:  # HARD_SWISH has one arithmetic: there nothing differs
                yield port, found


@pytest.mark.parametrize("engine", ["reference", "xnnpack"])
@pytest.mark.parametrize("op", OPS)
def test_a_port_in_real_numbers_is_not_accused(op: str, engine: str) -> None:
    """Nothing is left unexplained either; nor is it accused by all layers together."""
    by_port = defaultdict(list)
    kinds = set()
    for port, verdict in verdicts(op, engine):
        assert verdict.kind in ("expected", "rule", "ambiguous"), f"{port}: {verdict.text}"
        plain = [fit for fit in verdict.fits if not fit.mistake]
        assert plain, f"{port}: {verdict.text}"
        assert verdict.fits[0] == plain[0]
        assert not verdict.sure or not verdict.fits[0].same_as, verdict.text
        by_port[port].append(verdict)
        kinds.add(verdict.kind)
    assert "real arithmetic" in {
        fit.arithmetic for found in by_port.values() for v in found for fit in v.fits
    }
    for found in by_port.values():
        for together in summarize(found):
            assert not together.fits or not together.fits[0].mistake, together.text
            assert not together.sure or not together.fits[0].same_as, together.text
    assert kinds - {"expected"}


def test_real_arithmetic_with_a_mistake_is_not_explained_by_it() -> None:
    """It is no catch-all: one step off is one step too many."""
    for op in OPS:
        chosen = layer(op, OTHERS[0], 0)
        produced = PORTS[0].of(chosen)
        inside = np.argwhere((produced > -100) & (produced < 100))[3]
        produced[tuple(inside)] += 2
        found = chosen.verdict(produced)
        assert "real arithmetic" not in [fit.arithmetic for fit in found.fits], found.text


def test_words_fit_the_op() -> None:
    """SUB has no filter."""
    sub = layer("SUB", TIED[0], 0)
    for port in PORTS:
        assert "filter" not in sub.verdict(port.of(sub)).text


def test_where_real_numbers_are_known() -> None:
    """On every op that requantizes but those that keep a state."""
    without = {
        op
        for op, card in CARDS.items()
        if card.on_reals is None and any(row.rule and "int8" in row.types for row in card.rows())
    }
    assert all(CARDS[op].stateful for op in without), without


def test_an_op_with_weights_in_real_numbers() -> None:
    """Where no rule on exact sums gives the same, as in float32 on large sums."""
    rng = np.random.default_rng(11)
    (conv,) = built("conv", [convolution(rng, (1, 8, 8, 8), (3, 3), 16, padding="VALID")])
    graph, op = conv.model.main, conv.op
    x, weights, bias = (graph.tensors[index] for index in op.inputs)
    to = graph.tensors[op.outputs[0]]
    real = (conv.tensors[x.index].astype(np.float32) - x.zero_point) * np.float32(x.scale)
    filters = weights.data * weights.quantization.scale.reshape(-1, 1, 1, 1)
    total = np.zeros((1, 6, 6, 16), np.float32)
    for i, j in product(range(3), range(3)):
        total += real[:, i : i + 6, j : j + 6] @ filters[:, i, j].T.astype(np.float32)
    total += bias.data * bias.quantization.scale
    found = conv.verdict(PORTS[0].quantized(total, to.scale, to.zero_point))
    assert found.kind in ("expected", "rule", "ambiguous"), found.text
