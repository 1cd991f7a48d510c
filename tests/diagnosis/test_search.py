"""How the evidence for a verdict is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.diagnosis.models import REFERENCE, Layer, built, convolution
from tests.diagnosis.port import Array, Port
from tests.single_op import Op, Spec
from tflreplay.ground.errors import NotReplayed
from tflreplay.judgement.diagnosis import Verdict, candidates, diagnose, diagnose_all, search
from tflreplay.judgement.diagnosis.trials import Learned
from tflreplay.model import Operator, Subgraph
from tflreplay.ops.seam import run_op

Models = dict[str, tuple[Layer, ...]]


def by_every_candidate(layer: Layer) -> dict[str, Array]:
    graph, op = layer.model.main, layer.op
    return {
        c.name: run_op(graph, op, layer.tensors, REFERENCE, c.row)[op.outputs[0]]
        for c in candidates(REFERENCE, graph, op)
    }


@pytest.mark.parametrize("rule", ["double", "double-up", "single"])
def test_evidence_counted_one_by_one(models: Models, rule: str) -> None:
    """Discriminating elements, and the wrong ones of each candidate, in plain loops."""
    layer = next(layer for layer in models["tied"] if layer.op.name == "CONV_2D")
    outputs = by_every_candidate(layer)
    produced = outputs[rule]
    verdict = layer.verdict(produced)
    wrong = dict.fromkeys(outputs, 0)
    discriminating = 0
    for place in np.ndindex(produced.shape):
        codes = {name: int(output[place]) for name, output in outputs.items()}
        for name, code in codes.items():
            wrong[name] += code != int(produced[place])
        discriminating += len(set(codes.values())) > 1
    assert (verdict.elements, verdict.channels) == (produced.size, produced.shape[-1])
    assert verdict.discriminating == discriminating > 0
    assert dict(verdict.contradicted) == {name: count for name, count in wrong.items() if count}
    right = [name for name, count in wrong.items() if not count]
    assert [fit.arithmetic for fit in verdict.fits if not fit.mistake] == right
    assert {fit.explained for fit in verdict.fits} == {produced.size}
    assert rule in right


def test_exact_layers_are_as_expected(models: Models) -> None:
    for layer in models["seven_ops"]:
        verdict = layer.verdict(layer.tensors[layer.op.outputs[0]])
        assert verdict.kind == "expected"
        assert verdict.fits[0].arithmetic == verdict.answer == verdict.in_force
        assert not any(fit.mistake for fit in verdict.fits)


@pytest.mark.parametrize(("most", "some"), [("double", "single"), ("single", "double")])
def test_channels_computed_otherwise_are_named(models: Models, most: str, some: str) -> None:
    """Two channels go by another rule, as where a vector loop has a tail."""
    layer = next(layer for layer in models["tied"] if layer.op.name == "CONV_2D")
    produced = layer.computed(Port(most))
    other = layer.computed(Port(some))
    differ = (produced != other).any(axis=(0, 1, 2))
    first, *_, last = np.flatnonzero(differ)
    assert differ.sum() > 4
    produced[..., [first, last]] = other[..., [first, last]]
    verdict = layer.verdict(produced)
    assert verdict.kind == verdict.answer == "unexplained"
    assert verdict.nearest[0].arithmetic == most
    assert verdict.nearest[0].exceptions == (first, last)
    wrong = verdict.elements - verdict.nearest[0].explained
    equals = " (and as near: single-away)" if most == "single" else ""
    assert verdict.text == (
        f"Not explained by any candidate. The nearest, {most}{equals}, gets {wrong} of "
        f"1,728 elements "
        f"wrong, in 2 of 48 channels ({first}, {last}); those are explained by {some}."
    )


def test_one_fit_is_not_enough_when_a_single_element_is_off(models: Models) -> None:
    """There is no "mostly"."""
    layer = models["int8"][1]
    produced = layer.computed(Port("double"))
    produced[0, 1, 2, 3] ^= 64
    verdict = layer.verdict(produced)
    assert verdict.kind == "unexplained"
    assert verdict.fits == ()
    assert verdict.nearest[0].explained == produced.size - 1
    assert verdict.nearest[0].exceptions == (3,)
    # None of the mistakes that change nothing here.
    assert not any(fit.mistake for fit in verdict.nearest)


def test_a_mistake_in_some_lines_only_is_not_named(models: Models) -> None:
    """The sample may not see the line where a mistake fails; all elements are looked at."""
    (layer,) = built("long", [convolution(np.random.default_rng(0), (1, 60, 60, 2), (1, 1), 3)])
    produced = layer.computed(Port("double", "zero point: output's"))
    assert layer.verdict(produced).answer == "zero point of the output left out"
    hidden = layer.computed(Port("double"))
    for line in (7, 1201, 3333):
        x, y = divmod(line, 60)
        partly = produced.copy()
        partly[0, x, y] = hidden[0, x, y]
        verdict = layer.verdict(partly)
        assert verdict.kind == "unexplained"
        assert verdict.nearest[0].mistake == "zero point of the output left out"
        assert produced.size - 3 <= verdict.nearest[0].explained < produced.size


def test_what_cannot_be_diagnosed(models: Models) -> None:
    layer = models["seven_ops"][0]
    produced = layer.tensors[layer.op.outputs[0]]
    assert diagnose(layer.model.main, layer.op, {}, produced, REFERENCE) is None
    real = produced.astype(np.float32)
    assert diagnose(layer.model.main, layer.op, layer.tensors, real, REFERENCE) is None
    unknown = replace(layer.op, name="NO_SUCH_OP")
    with pytest.raises(NotReplayed):
        diagnose(layer.model.main, unknown, layer.tensors, produced, REFERENCE)
    codes = Spec((2, 3), "int8", 0.5, 1)
    shape = Spec((1,), "int32", data=np.array([6], np.int32))
    reshape = Op("RESHAPE", [codes, shape], [Spec((6,), "int8", 0.5, 1)])
    (moved,) = built("moved", [reshape])
    output = np.arange(6, dtype=np.int8)
    assert diagnose(moved.model.main, moved.op, moved.tensors, output, REFERENCE) is None


def test_all_ops_of_a_model(models: Models) -> None:
    chosen = models["seven_ops"]
    model, tensors = chosen[0].model, chosen[0].tensors
    seen: list[tuple[int, str]] = []
    found, failed = diagnose_all(
        model, tensors, REFERENCE, tensors, progress=lambda *step: seen.append(step)
    )
    assert seen == [(op.index, "") for op in model.main.operators]
    assert list(found) == [op.index for op in model.main.operators]
    assert not failed
    assert all(verdict.op_index == index for index, verdict in found.items())
    (output,) = model.main.operators[4].outputs
    one, _ = diagnose_all(model, tensors, REFERENCE, {output: tensors[output]})
    assert list(one) == [4]


def test_progress_within_a_layer(models: Models) -> None:
    layer = models["int8"][1]
    told: list[str] = []
    noise = np.random.default_rng(0).integers(
        -128, 128, layer.computed(Port("double")).shape, np.int8
    )
    graph, op = layer.model.main, layer.op
    diagnose(graph, op, layer.tensors, noise, REFERENCE, doing=told.append)
    assert told[0] == "one mistake"
    assert told[1].startswith("two mistakes, 0 of ")
    assert any(what.startswith("two mistakes, 256 of ") for what in told)


def test_a_diagnosis_that_fails_is_told(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = models["seven_ops"]
    model, tensors = chosen[0].model, chosen[0].tensors

    def fails_on_mean(graph: Subgraph, op: Operator, *others: Any) -> Verdict | None:
        if op.name == "MEAN":
            raise ZeroDivisionError("division by zero")
        return diagnose(graph, op, *others)

    monkeypatch.setattr(search, "diagnose", fails_on_mean)
    found, failed = diagnose_all(model, tensors, REFERENCE, tensors)
    means = [op.index for op in model.main.operators if op.name == "MEAN"]
    assert list(failed) == means
    assert not set(found) & set(means)
    assert found
    assert failed[means[0]] == (
        f"op {means[0]} MEAN has no verdict: its diagnosis failed (ZeroDivisionError: division by "
        "zero); please report this as a bug of tflreplay"
    )


def test_what_explained_an_op_is_tried_first_on_the_next(models: Models) -> None:
    slips = ("zero point: output's", "bias: none")
    of_one_op = [layer for layer in models["int8"] if layer.op.name == "FULLY_CONNECTED"]
    learned = Learned()
    told: list[list[str]] = []
    for layer in of_one_op[:2]:
        doing: list[str] = []
        produced = layer.computed(Port("double", *slips))
        graph, op = layer.model.main, layer.op
        verdict = diagnose(
            graph, op, layer.tensors, produced, REFERENCE, doing=doing.append, learned=learned
        )
        assert verdict is not None
        named = {said.name for fit in verdict.fits for said in fit.mistakes}
        assert named >= {"zero point of the output left out", "bias left out"}, verdict.text
        told.append([what for what in doing if what.startswith("two mistakes")])
    assert told[0]
    assert not told[1]


def test_a_search_that_finds_nothing_makes_the_next_shorter(models: Models) -> None:
    layer = models["int8"][5]
    rng = np.random.default_rng(0)
    learned = Learned()
    tried = []
    for _ in range(4):
        noise = rng.integers(-128, 128, layer.computed(Port("double")).shape, np.int8)
        doing: list[str] = []
        graph, op = layer.model.main, layer.op
        diagnose(graph, op, layer.tensors, noise, REFERENCE, doing=doing.append, learned=learned)
        (first,) = [what for what in doing if what.startswith("two mistakes, 0 of ")]
        tried.append(int(first.removeprefix("two mistakes, 0 of ").replace(",", "")))
    assert tried[3] == 12000 >> 3 < tried[0]
