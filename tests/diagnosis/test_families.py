"""Families over their parameters: a port with one such mistake has it named in every layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.diagnosis import porter
from tests.diagnosis.models import REFERENCE, Layer, built, convolution, mean, pair
from tests.diagnosis.port import Array, Port
from tflreplay.ground.rounding import Accumulation
from tflreplay.judgement.diagnosis import Verdict, summarize
from tflreplay.judgement.diagnosis.place import Box
from tflreplay.ops import card, row_of
from tflreplay.ops.base.call import Call
from tflreplay.ops.seam import call_of, first_half

Step = Callable[..., Any]
SHAPE = (1, 4, 6, 16)


class Written(Port):
    """A port of the reference kernels, with some of its steps written otherwise."""

    def __init__(self, **steps: Step) -> None:
        super().__init__("double")
        self.steps = steps
        self.kernels = {name: self.given(kernel) for name, kernel in self.kernels.items()}

    def step(self, name: str, *values: Any) -> Any:
        made = self.steps.get(name, lambda *same: same[0] if len(same) == 1 else same)
        return made(*values)

    def given(self, kernel: Callable[..., Array]) -> Callable[..., Array]:
        def changed(call: Call, *arrays: Array) -> Array:
            return kernel(call, *(self.step(f"input {i}", a) for i, a in enumerate(arrays)))

        return changed

    def centred(self, call: Call, position: int, codes: Array) -> Array:
        return np.asarray(self.step(f"centred {position}", super().centred(call, position, codes)))

    def quantize_multiplier(self, real: float) -> tuple[int, int]:
        q, shift = self.step("quantized", *super().quantize_multiplier(real))
        return q, shift

    def real_multiplier(self, call: Call) -> Array:
        return np.asarray(self.step("reals", super().real_multiplier(call)))

    def finish(self, call: Call, acc: Array, activation: str) -> Array:
        return np.asarray(self.step("codes", super().finish(call, acc, activation)))


def words(size: int) -> Step:
    """The codes of each word of so many bytes the other way round."""

    def changed(codes: Array) -> Array:
        flat = codes.reshape(-1).copy()
        whole = flat.size // size * size
        flat[:whole] = flat[:whole].reshape(-1, size)[:, ::-1].reshape(-1)
        return flat.reshape(codes.shape)

    return changed


def late(by: int) -> Step:
    """Stored so many elements late; in the first ones stays what was there, some other codes."""
    return lambda y: np.append(y.reshape(-1)[5 : 5 + by], y.reshape(-1)[:-by]).reshape(y.shape)


def tiled(change: Callable[[Array], Array]) -> Step:
    """The second operand laid out over the output."""
    return lambda b: np.broadcast_to(change(b), SHAPE)


CONV: dict[str, Written] = {
    "output with the bytes of each word of 16 bits reversed": Written(codes=words(2)),
    "output with the bytes of each word of 32 bits reversed": Written(codes=words(4)),
    "output stored one element late": Written(codes=late(1)),
    "output stored 4 elements late": Written(codes=late(4)),
    "bias read as big-endian": Written(**{"input 2": lambda b: b.byteswap()}),
    "bias shifted by 1 bit to the left": Written(**{"input 2": lambda b: b << 1}),
    "zero point of the input subtracted in 8 bits that saturate": Written(
        **{"centred 0": lambda x: x.clip(-128, 127)}
    ),
    "weights saturated to 7 bits": Written(**{"input 1": lambda w: w.clip(-64, 63)}),
    "weights without their sign": Written(**{"input 1": np.abs}),
    "multiplier rounded to nearest to a power of two": Written(
        reals=lambda m: np.exp2(np.rint(np.log2(m)))
    ),
    "multiplier cut to 10 bits": Written(quantized=lambda q, shift: (q >> 22 << 22, shift)),
    "right shift of 7 bits at most": Written(quantized=lambda q, shift: (q, max(shift, -7))),
    "scale of the first channel of each 4": Written(reals=lambda m: m[np.arange(len(m)) // 4 * 4]),
    "largest scale of each 4 channels": Written(
        reals=lambda m: np.maximum.reduceat(m, np.arange(0, len(m), 4)).repeat(4)[: len(m)]
    ),
    "output cut at 126": Written(codes=lambda y: y.clip(-128, 126)),
}
PAIR: dict[str, Written] = {
    "second input at its first element for all": Written(
        **{"input 1": tiled(lambda b: b.reshape(-1)[:1])}
    ),
    "second input at the index modulo 8": Written(
        **{"input 1": tiled(lambda b: b[..., np.arange(16) % 8])}
    ),
    "second input at the output's column": Written(
        **{"input 1": tiled(lambda b: b.reshape(-1)[np.arange(6)][:, None])}
    ),
    "first input read one pixel late": Written(
        **{"input 0": lambda a: np.roll(a.reshape(-1), 16).reshape(a.shape)}
    ),
    "output stored one pixel late": Written(codes=late(16)),
    "zero points of both inputs exchanged": Written(
        **{"centred 0": lambda a: a + 5 + 11, "centred 1": lambda b: b - 11 - 5}
    ),
}


def planted() -> tuple[tuple[tuple[Layer, ...], dict[str, Written]], ...]:
    """For the bench: layers, and the ports whose mistakes are made in them."""
    return (_convolutions(), CONV), (_pairs(), PAIR)


@pytest.fixture(scope="module")
def convolutions() -> tuple[Layer, ...]:
    return _convolutions()


@pytest.fixture(scope="module")
def pairs() -> tuple[Layer, ...]:
    return _pairs()


def _convolutions() -> tuple[Layer, ...]:
    rng = np.random.default_rng(7)
    return built(
        "families",
        [
            convolution(rng, (1, 9, 9, 4), (3, 3), 12, gain=2, zero_points=(-90, 3)),
            convolution(rng, (1, 7, 7, 5), (1, 1), 9, gain=1.5, zero_points=(-60, -20)),
        ],
    )


def _pairs() -> tuple[Layer, ...]:
    return built(
        "pairs",
        [
            pair("ADD", (SHAPE, (16,)), (0.05, 0.075, 0.15)),
            pair("SUB", (SHAPE, (16,)), (0.04, 0.1, 0.09)),
            pair("MUL", (SHAPE, (16,)), (2.0**-4, 2.0**-4, 1.5)),
        ],
    )


def names(verdict: Verdict) -> set[str]:
    return {fit.named for fit in verdict.fits}


def test_a_port_without_a_mistake(convolutions: Sequence[Layer], pairs: Sequence[Layer]) -> None:
    for layer in (*convolutions, *pairs):
        assert layer.verdict(layer.computed(Written())).kind == "expected"


@pytest.mark.parametrize("name", CONV)
def test_a_convolution(convolutions: Sequence[Layer], name: str) -> None:
    _is_named(name, CONV[name], convolutions)


@pytest.mark.parametrize("name", PAIR)
def test_two_operands(pairs: Sequence[Layer], name: str) -> None:
    _is_named(name, PAIR[name], pairs)


def _is_named(name: str, port: Written, layers: Sequence[Layer]) -> None:
    shown = 0
    for layer in layers:
        produced = layer.computed(port)
        if not np.array_equal(produced, layer.computed(Written())):
            shown += 1
            verdict = layer.verdict(produced)
            assert any(found.startswith(name) for found in names(verdict)), verdict.text
    assert shown


def test_padding_that_is_in_the_buffer_is_read_wrongly_too() -> None:
    """The input is padded with its zero point, and then read: 2 * zero point in the padding."""
    rng = np.random.default_rng(3)
    (layer,) = built("padded", [convolution(rng, (1, 7, 7, 4), (3, 3), 8, zero_points=(30, 0))])
    produced = layer.computed(Written(**{"centred 0": lambda x: x + 60}))
    wanted = "zero point of the input added instead of subtracted"
    assert wanted in names(layer.verdict(produced))


@pytest.mark.parametrize("clipped", ["after", "before"])
def test_a_sum_that_saturates_as_it_goes(clipped: str) -> None:
    rng = np.random.default_rng(4)
    op = convolution(rng, (1, 8, 8, 6), (3, 3), 6, depthwise=True, gain=2)
    (layer,) = built("running", [op])

    def summed(self: Port, call: Call, x: Array, weights: Array, bias: Array) -> Array:
        acc = np.zeros((1, 8, 8, 6), np.int64)
        for i, j, at in self.taps(call, x, (3, 3)):
            acc = acc if clipped == "after" else acc.clip(-(2**15), 2**15 - 1)
            acc = acc + at * weights[0, i, j].astype(np.int64)
            acc = acc.clip(-(2**15), 2**15 - 1) if clipped == "after" else acc
        return self.weighted(call, acc, bias, self.real_multiplier(call))

    port = Port("double")
    port.kernels = {"DEPTHWISE_CONV_2D": lambda *given: summed(port, *given)}
    found = layer.verdict(layer.computed(port))
    assert "sum of 16 bits that saturates at each product" in names(found), found.text
    assert any(f"to 16 bits {clipped} each product" in fit.you for fit in found.fits)


MEANS: dict[str, Callable[[Array], Array]] = {
    "count of the count less one": lambda c: c.sum((1, 2)) / 34,
    "count of the next power of two": lambda c: c.sum((1, 2)) / 64,
    "count of the width": lambda c: c.sum((1, 2)) / 7,
    "last column not summed": lambda c: c[:, :, :-1].sum((1, 2)) / 35,
    "last column not summed, nor counted": lambda c: c[:, :, :-1].mean((1, 2)),
    "first row not summed": lambda c: c[:, 1:].sum((1, 2)) / 35,
    "last element not summed": lambda c: c.reshape(4, 35, 32)[:, :-1].sum(1) / 35,
}


@pytest.mark.parametrize("name", MEANS)
def test_a_mean(name: str) -> None:
    (layer,) = built("mean", [mean((4, 5, 7, 32), (0.11, 0.03))])
    x = layer.tensors[layer.op.inputs[0]].astype(np.int64) - 5
    codes = np.floor(MEANS[name](x) * 0.11 / 0.03 + 0.5) - 7
    verdict = layer.verdict(codes.clip(-128, 127).astype(np.int8))
    assert name in names(verdict), verdict.text


def test_one_kind_of_mistake_with_other_parameters_in_each_layer(
    convolutions: Sequence[Layer],
) -> None:
    """The last channel is a copy of the one before: channel 11 in one layer, 8 in the other."""
    found = []
    for layer in convolutions:
        produced = layer.computed(Written()).copy()
        produced[..., -1] = produced[..., -2]
        found.append(layer.verdict(produced))
    (together,) = summarize(found)
    assert not together.fits
    assert set(together.alike) == {0, 1}
    assert "2 of 2 layers differ: one kind of mistake" in together.text
    assert "what is in channel 10 (op 0)" in together.text
    assert "what is in channel 7 (op 1)" in together.text


def test_what_is_alike_in_one_layer_is_told_of_that_layer(pairs: Sequence[Layer]) -> None:
    """In one layer only, and there by another rule than the layers that are right."""
    add, _, mul = pairs
    produced = mul.computed(Written()).copy()
    produced[..., -1] = 7
    right = add.verdict(add.computed(Written()))
    wrong = mul.verdict(produced)
    text = " ".join(found.text for found in summarize([right, wrong]))
    assert "give the code 7 everywhere in the last channel (15)" in text
    assert "no one candidate" not in text


def test_a_rival_of_one_layer_is_not_the_nearest_of_all(convolutions: Sequence[Layer]) -> None:
    """What was tried in some layers only gets less wrong for that."""
    port = CONV["weights without their sign"]
    found = [layer.verdict(layer.computed(port)) for layer in convolutions]
    (together,) = summarize(found)
    for name in together.contradicted:
        assert all(name in {*one.contradicted, *(f.name for f in one.fits)} for one in found)


PLACES = {
    "channels 8 to 9, past the last multiple of 8": np.s_[..., 8:],
    "the last row (4)": np.s_[:, -1],
    "each channel that is 3 modulo 4": np.s_[..., 3::4],
    "elements 175 to 184": None,
}


@pytest.mark.parametrize("text", PLACES)
def test_a_place(text: str) -> None:
    wrong = np.zeros((1, 5, 6, 10), bool)
    if PLACES[text] is None:
        wrong.reshape(-1)[175:185] = True
    else:
        wrong[PLACES[text]] = True
    box = Box.of(wrong)
    assert box is not None
    assert (box.mask == wrong).all()
    assert box.text.startswith(text)


def test_layers_that_the_rule_alone_explains_are_not_called_hidden() -> None:
    """A port that rounds once, and cuts in one of its two layers."""
    op = pair("ADD", (SHAPE, SHAPE), (1.0, 1.5, 1.0), zero_points=(-3, 9, 4))
    (layer,) = built("tied", [op])
    rounded, cut = layer.computed(Port("single")), layer.computed(Port("single", "shift: >>"))
    assert not np.array_equal(rounded, layer.computed(Port("double")))
    found = [layer.verdict(cut), replace(layer.verdict(rounded), op_index=9)]
    (together,) = summarize(found)
    assert together.differing == 2
    assert "nothing differs" not in together.text
    assert "single alone explains 1 layer more that differs" in together.text


@pytest.mark.parametrize("version", ["2.3.0", "2.4.0.dev20261016"])
def test_formulas_of_svdf_have_the_multiplier_of_the_engine(version: str) -> None:
    """float32 in releases, float64 in later builds."""
    engine = replace(REFERENCE, version=version)
    layer = next(layer for layer in built("svdf", porter.ops(4)) if layer.op.name == "SVDF")
    row = row_of(engine, layer.model.main, layer.op)
    call, arrays = call_of(layer.model.main, layer.op, layer.tensors, engine, row)
    right = first_half(call, arrays)
    assert isinstance(right, Accumulation)
    reals = defaultdict(set)
    for ported in card("SVDF").ported:
        made = first_half(replace(call, row=replace(row, kernel=ported.kernel)), arrays)
        assert isinstance(made, Accumulation)
        reals[ported.title].add(float(made.multiplier.real))
    assert all(float(right.multiplier.real) in found for found in reals.values())
