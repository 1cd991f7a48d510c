"""Every mistake, planted in a port that is right but for it, is named or among those named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from tests.diagnosis.models import REFERENCE, Layer
from tests.diagnosis.port import SLIPS, Array, Port
from tflreplay.ground.engine import Engine
from tflreplay.judgement.diagnosis import Fit, Verdict, summarize
from tflreplay.judgement.diagnosis.evidence import STRONG
from tflreplay.judgement.diagnosis.mistakes import MISTAKES
from tflreplay.ops import row_of
from tflreplay.ops.seam import run_op

Models = dict[str, tuple[Layer, ...]]
INTEGER = ("double", "single", "single-away")
FLOAT = tuple(f"float-{ties}{bits}" for ties in ("away", "even", "up") for bits in (64, 32))
RULES_OF_PORTS = (*INTEGER, *FLOAT)


def expected(layer: Layer, engine: Engine = REFERENCE) -> Array:
    """What the engine computes."""
    row = row_of(engine, layer.model.main, layer.op)
    return run_op(layer.model.main, layer.op, layer.tensors, engine, row)[layer.op.outputs[0]]


def rules(slip: str, op: str) -> tuple[str, ...]:
    """The rules in which a slip can be made."""
    if slip.startswith(("high-mul", "divide", "left shift")):
        return ("double",)
    if slip.startswith("product"):
        return ("float-away64", "float-even32")
    if slip.startswith(("shift", "quantize")) or op in ("ADD", "SUB"):
        return ("double", "single")
    return ("double", "single", "float-away64")


def planted(layers: Sequence[Layer], slip: str) -> Iterator[tuple[Layer, str, Array]]:
    """Where the slip shows, with the rule it was made in and what the port gives.

    First one layer of every op, then another one.
    """
    seen: dict[str, int] = defaultdict(int)
    turns = []
    for layer in layers:
        turns.append((seen[layer.op.name], layer))
        seen[layer.op.name] += 1
    count = 0
    for _, layer in sorted(turns, key=lambda turn: turn[0]):
        choice = rules(slip, layer.op.name)
        start = count % len(choice)
        for rule in choice[start:] + choice[:start]:
            produced = layer.computed(Port(rule, slip))
            right = (layer.computed(Port(rule)), expected(layer))
            shows = not any(np.array_equal(produced, codes) for codes in right)
            if shows and not computes_as_older_engine(layer, slip):
                count += 1
                yield layer, rule, produced
                break


def computes_as_older_engine(layer: Layer, slip: str) -> bool:
    """An older FULLY_CONNECTED rounds the product of per-tensor scales: then that is no mistake."""
    return (
        slip == "real multiplier: float32 product"
        and layer.op.name == "FULLY_CONNECTED"
        and layer.model.main.tensors[layer.op.inputs[1]].quantization.scale.size == 1
    )


def same_as(fit: Fit) -> str:
    return fit.same_as.name if fit.same_as is not None else ""


def names(fit: Fit, mistake: str, rule: str) -> bool:
    return (fit.mistake == mistake and fit.arithmetic == rule) or same_as(fit) == mistake


@pytest.mark.parametrize("op", ["ADD", "SUB", "MUL", "MEAN", "CONV_2D", "FULLY_CONNECTED"])
def test_a_mistake_is_named_in_the_rules_in_which_it_fits(models: Models, op: str) -> None:
    """In all of them, and in no other."""
    tried = [rule for rule in RULES_OF_PORTS if op not in ("ADD", "SUB") or rule in INTEGER]
    slip = "zero point: output's"
    layer = next(layer for layer in reversed(models["tied"]) if layer.op.name == op)
    outputs = {rule: layer.computed(Port(rule, slip)) for rule in tried}
    told_apart = set()
    for produced in outputs.values():
        fitting = {other for other in tried if np.array_equal(outputs[other], produced)}
        fits = layer.verdict(produced).fits
        named = {fit.arithmetic for fit in fits if fit.mistake == SLIPS[slip]}
        assert named & {*tried} == fitting
        told_apart |= set(tried) - fitting
    assert told_apart


def test_every_mistake_is_planted() -> None:
    assert set(SLIPS.values()) == {mistake.name for mistake in MISTAKES}


@pytest.mark.parametrize("name", [mistake.name for mistake in MISTAKES])
def test_a_planted_mistake_is_named(models: Models, name: str) -> None:
    found: dict[str, set[int]] = defaultdict(set)
    slips = [slip for slip, mistake in SLIPS.items() if mistake == name]
    layers = 3 if len(slips) == 1 else 2  # of each of two models, for every slip
    for slip in slips:
        shown = {key: list(islice(planted(model, slip), layers)) for key, model in models.items()}
        best = sorted(shown, key=lambda key: -len(shown[key]))[:2]
        assert shown[best[0]], slip
        for key in best:
            for layer, rule, produced in shown[key]:
                verdict = layer.verdict(produced)
                found[key].add(layer.op.index)
                text = f"{slip} in {rule}, {layer}: {verdict.text}"
                assert verdict.kind in ("mistake", "rule", "ambiguous"), text
                assert any(names(fit, name, rule) for fit in verdict.fits), text
    assert len(found) >= 2
    assert sum(map(len, found.values())) >= 3


# Slips in layers where nothing else gives the same: the one answer must be the right one. Some show
# in a few elements only.
CERTAIN = [
    ("high-mul: nudge, then >>", "double", "int8", "CONV_2D", True),
    ("high-mul: only >>", "double", "tied", "CONV_2D", True),
    ("divide by pot: threshold of positive x", "double", "seven_ops", "CONV_2D", True),
    ("quantize multiplier: round()", "double", "tied", "CONV_2D", False),
    ("quantize multiplier: round()", "single", "int8", "FULLY_CONNECTED", False),
    ("real multiplier: float32", "double", "int8", "DEPTHWISE_CONV_2D", True),
    ("real multiplier: float64", "single", "uint8", "CONV_2D", False),
    ("left shift last", "double", "int8", "DEPTHWISE_CONV_2D", True),
    ("zero point: weights'", "float-away64", "uint8", "FULLY_CONNECTED", True),
    ("padding: code 0", "single", "int8", "CONV_2D", True),
    ("scale: the mean", "double", "int8", "DEPTHWISE_CONV_2D", True),
]


@pytest.mark.parametrize(("slip", "rule", "model", "op", "sure"), CERTAIN)
def test_all_layers_of_an_op_together(
    models: Models, slip: str, rule: str, model: str, op: str, sure: bool
) -> None:
    """The summary names the mistake alone, in the rule that it was made in."""
    chosen = [layer for layer in models[model] if layer.op.name == op]
    verdicts = [layer.verdict(layer.computed(Port(rule, slip))) for layer in chosen]
    (found,) = summarize(verdicts)
    assert found.op == op
    assert found.layers == len(chosen)
    differing = [verdict for verdict in verdicts if verdict.kind != "expected"]
    assert found.differing == len(differing)
    assert {fit.mistake or same_as(fit) for fit in found.fits} == {SLIPS[slip]}, found.text
    assert any(names(fit, SLIPS[slip], rule) for fit in found.fits)
    first = found.fits[0].name
    named = [verdict for verdict in verdicts if first in [fit.name for fit in verdict.fits]]
    assert (found.shown, found.elements) == (len(named), sum(v.elements for v in named))
    assert found.fits[0].fix in found.text
    assert found.sure == sure == (found.strength >= STRONG), found.text
    assert found.fits[0].claim in found.text
    assert ("could be" in found.text) != sure
    assert ("Strong evidence" in found.text) == sure


@pytest.mark.parametrize("rule", RULES_OF_PORTS)
def test_a_port_without_a_mistake_is_bit_exact(models: Models, rule: str) -> None:
    for model in models.values():
        for layer in model:
            if layer.op.name in ("ADD", "SUB") and rule.startswith("float"):
                continue  # nobody ports the fixed-point rescaling in floating point
            assert same(layer.computed(Port(rule)), replayed(layer, rule)), layer


def same(ours: Array, theirs: Array) -> bool:
    return ours.dtype == theirs.dtype and np.array_equal(ours, theirs)


def replayed(layer: Layer, rule: str) -> Array:
    """By tflreplay's kernel of the reference row, with another rule in it."""
    graph, op = layer.model.main, layer.op
    row = replace(row_of(REFERENCE, graph, op), rule=rule)
    return run_op(graph, op, layer.tensors, REFERENCE, row)[op.outputs[0]]


@pytest.mark.parametrize("rule", ["double", "single"])
def test_a_port_without_a_mistake_is_not_accused(models: Models, rule: str) -> None:
    for model in models.values():
        verdicts = []
        for layer in model:
            verdict = layer.verdict(layer.computed(Port(rule)))
            verdicts.append(verdict)
            assert verdict.kind != "mistake", f"{layer}: {verdict.text}"
            assert rule in plain(verdict), f"{layer}: {verdict.text}"
        for found in summarize(verdicts):
            assert rule in [fit.arithmetic for fit in found.fits if not fit.mistake], found.text


def plain(verdict: Verdict) -> list[str]:
    return [fit.arithmetic for fit in verdict.fits if not fit.mistake]
