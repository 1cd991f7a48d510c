"""The sentences: of a layer, and of all layers of an op."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docs import build_verdicts
from tflreplay.judgement.diagnosis import Fit, Verdict, summarize
from tflreplay.judgement.diagnosis.candidates import RULES_TRIED
from tflreplay.judgement.diagnosis.evidence import STRONG
from tflreplay.judgement.diagnosis.mistakes import MISTAKES, Mistake, ways_of
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.judgement.diagnosis.verdict import Rival

PAGE = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text(encoding="utf-8")
DOUBLE, SINGLE, AWAY = Fit("double", 100), Fit("single", 100), Fit("single-away", 100)
RIVAL = Rival("reduced16", "reduced16", "reduced16", 12)
FORGOT = Fit("double", 100, (Said("bias left out", "do not add the bias", "add it"),))
FLOOR = Fit("double", 100, (Said("floor", "floor where C++ truncates", "truncate"),))
UP = Fit("double-up", 100, same_as=Said("lost threshold", "leave it out", "put it in"))


def verdict(*fits: Fit, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "op_index": 3,
        "op": "CONV_2D",
        "in_force": "double",
        "elements": 100,
        "channels": 4,
        "fits": fits,
        "discriminating": 12,
        "contradicted": {"reduced16": 9, "single-away": 2},
        "engine": "reference",
        "rivals": (RIVAL,),
    }
    return Verdict(**fields | changes)


WITHOUT_DOUBLE = {"contradicted": {"double": 7, "reduced16": 9}}
CASES = {
    "expected": (
        verdict(DOUBLE),
        "double",
        "As expected, double: all 100 elements, 12 of them discriminating; the nearest other, "
        "single-away, gets 2 wrong.",
    ),
    "expected, not alone": (
        verdict(DOUBLE, SINGLE),
        "double",
        "As expected, double: all 100 elements, 12 of them discriminating; the nearest other, "
        "single-away, gets 2 wrong. Not told apart by these data: single.",
    ),
    "rule": (
        verdict(SINGLE, **WITHOUT_DOUBLE),
        "single",
        "Explained by single rounding (single): all 100 elements, 12 of them "
        "discriminating; the nearest other, double, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell it from all else tried. In a port of the reference "
        "kernels, you round once: one 64-bit product, one shift with ties up; they round "
        "twice: a high-mul, then a rounding shift with ties away from zero.",
    ),
    "rule of the engine that was run": (
        verdict(replace(SINGLE, whose="the optimized kernels on x86-64"), **WITHOUT_DOUBLE),
        "single",
        "Explained by single rounding (single): all 100 elements, 12 of them "
        "discriminating; the nearest other, double, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell it from all else tried. That is what the optimized kernels "
        "on x86-64 compute, by our tables: they round once: one 64-bit product, one shift with "
        "ties up; those that are replayed round twice: a high-mul, then a rounding shift with "
        "ties away from zero.",
    ),
    "rule that a user asked for": (
        verdict(DOUBLE, in_force="single", engine="single", contradicted={"single": 7}),
        "double",
        "Explained by double rounding (double): all 100 elements, 12 of them "
        "discriminating; the nearest other, single, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell it from all else tried. In a port meant to compute "
        "single, you round twice: a high-mul, then a rounding shift with ties away from "
        "zero; single, which was asked for, would round once: one 64-bit product, one shift "
        "with ties up.",
    ),
    "rule beside one that a user asked for": (
        verdict(SINGLE, in_force="reduced16", engine="single", contradicted={"reduced16": 7}),
        "single",
        "Explained by single rounding (single): all 100 elements, 12 of them "
        "discriminating; the nearest other, reduced16, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell it from all else tried. In a port of the reference "
        "kernels, you round once: one 64-bit product, one shift with ties up; they cut the "
        "multiplier to 16 bits and round once.",
    ),
    "rule that a mistake comes to": (
        verdict(UP, **WITHOUT_DOUBLE),
        "double-up",
        "Explained by double rounding, ties up (double-up): all 100 elements, 12 of them "
        "discriminating; the nearest other, double, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell it from all else tried. In a port meant to compute "
        "double, you leave it out. Fix: put it in.",
    ),
    "mistake": (
        verdict(FORGOT, **WITHOUT_DOUBLE),
        "bias left out",
        "You do not add the bias (double rounding): all 100 elements, 12 of them "
        "discriminating; the nearest other, double, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell it from all else tried. Fix: add it.",
    ),
    "mistake in any rule": (
        verdict(
            FORGOT,
            *(Fit(rule, 100, FORGOT.mistakes) for rule in RULES_TRIED if rule != "double"),
            **WITHOUT_DOUBLE,
        ),
        "bias left out",
        "You do not add the bias (double rounding): all 100 elements, 12 of them "
        "discriminating; the nearest other, double, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell it from all else tried. Not told apart by these data: "
        "the same in double-up, reduced16 and every rule that rounds the whole product "
        "once. Fix: add it.",
    ),
    "two rules": (
        verdict(SINGLE, AWAY, contradicted={"double": 7}),
        "single (or 1 more)",
        "Could be single rounding (single): all 100 elements, 12 of them discriminating; "
        "the nearest other, double, gets 7 wrong. Strong evidence: 12 independent elements "
        "tell these from all else tried. Not told apart by these data: single-away. If so: "
        "in a port of the reference kernels, you round once: one 64-bit product, one shift "
        "with ties up; they round twice: a high-mul, then a rounding shift with ties away "
        "from zero.",
    ),
    "two mistakes": (
        verdict(FORGOT, FLOOR, Fit("single", 100, FORGOT.mistakes), **WITHOUT_DOUBLE),
        "bias left out (or 1 more)",
        "Could be that you do not add the bias (double rounding): all 100 elements, 12 of "
        "them discriminating; the nearest other, double, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell these from all else tried. Not told apart by these data:"
        " the same in single; floor in double. If so, the fix: add it.",
    ),
    "rule of two engines": (
        verdict(
            Fit("double", 100, rule="double"),
            Fit("double (tflm kernels)", 100, rule="double"),
            in_force="single",
            contradicted={"single": 7},
        ),
        "double",
        "Explained by double rounding (double): all 100 elements, 12 of them "
        "discriminating; the nearest other, single, gets 7 wrong. Strong evidence: 12 "
        "independent elements tell it from all else tried. Not told apart by these data: "
        "double (tflm kernels). In a port of the reference kernels, you round twice: a "
        "high-mul, then a rounding shift with ties away from zero; they round once: one "
        "64-bit product, one shift with ties up.",
    ),
    "a rule or a mistake": (
        verdict(SINGLE, FLOOR, **WITHOUT_DOUBLE),
        "single (or 1 more)",
        "Could be single rounding (single): all 100 elements, 12 of them discriminating; "
        "the nearest other, double, gets 7 wrong. Strong evidence: 12 independent elements "
        "tell these from all else tried. Not told apart by these data: floor in double. If "
        "so: in a port of the reference kernels, you round once: one 64-bit product, one "
        "shift with ties up; they round twice: a high-mul, then a rounding shift with ties "
        "away from zero.",
    ),
    "nothing discriminating": (
        verdict(DOUBLE, SINGLE, AWAY, discriminating=0, contradicted={}),
        "double",
        "Explained by double rounding (double): all 100 elements; but every candidate gives"
        " the same here, so nothing is told apart.",
    ),
    "one element": (
        verdict(Fit("double", 1), elements=1, discriminating=0, contradicted={}),
        "double",
        "Explained by double rounding (double): its one element; but every candidate gives "
        "the same here, so nothing is told apart.",
    ),
    "little evidence, one element": (
        verdict(
            Fit("single", 1),
            elements=1,
            discriminating=1,
            contradicted={"double": 1},
            rivals=(Rival("double", "double", "double", 1),),
        ),
        "single?",
        "Could be single rounding (single): its one element, a discriminating one; the nearest "
        "other, double, gets 1 wrong. Weak evidence: only 1 independent element tells it from all "
        "else tried. If so: in a port of the reference kernels, you round once: one "
        "64-bit product, "
        "one shift with ties up; they round twice: a high-mul, then a rounding shift "
        "with ties away "
        "from zero.",
    ),
    "little evidence for a mistake": (
        verdict(FORGOT, rivals=(RIVAL, Rival("double, floor", "floor", "double", 2))),
        "bias left out?",
        "Could be that you do not add the bias (double rounding): all 100 elements, 12 of them "
        "discriminating; the nearest other, single-away, gets 2 wrong. Weak evidence: only 2 "
        "independent elements tell it from all else tried. If so, the fix: add it.",
    ),
    "mistake, one of two ways": (
        verdict(
            FORGOT,
            Fit("double", 100, (Said(FORGOT.mistake, "add half of it"),)),
            rivals=(RIVAL, Rival("double, bias left out", FORGOT.mistake, "double", 3, "lose it")),
            **WITHOUT_DOUBLE,
        ),
        "bias left out",
        "You do not add the bias (double rounding): all 100 elements, 12 of them discriminating; "
        "the nearest other, double, gets 7 wrong. Strong evidence: 12 independent elements tell it "
        "from all else tried. Not told apart by these data: the same in double. Or you add half of "
        "it; or you lose it: these data hardly tell. Fix: add it.",
    ),
    "mistake, saturated": (
        verdict(FORGOT, rivals=(RIVAL, Rival("double, floor", "floor", "double", 0))),
        "bias left out?",
        "Could be that you do not add the bias (double rounding): all 100 elements, 12 of them "
        "discriminating; the nearest other, single-away, gets 2 wrong. No evidence: no unsaturated "
        "element tells it from all else tried. If so, the fix: add it.",
    ),
    "unexplained, several as near": (
        verdict(
            nearest=(
                Fit("double", 60, exceptions=(0, 1, 2, 3)),
                Fit("single", 60, exceptions=(0, 1, 2, 3)),
            )
        ),
        "unexplained",
        "Not explained by any candidate. The nearest, double (and as near: single), gets 40 of 100 "
        "elements wrong.",
    ),
    "unexplained": (
        verdict(
            nearest=(Fit("double", 60, exceptions=(0, 1, 2, 3)), Fit("single", 3, exceptions=(0,)))
        ),
        "unexplained",
        "Not explained by any candidate. The nearest, double, gets 40 of 100 elements wrong.",
    ),
    "unexplained in some channels": (
        verdict(
            nearest=(Fit("double", 95, exceptions=(1, 3)), Fit("single", 90, exceptions=(1, 2)))
        ),
        "unexplained",
        "Not explained by any candidate. The nearest, double, gets 5 of 100 elements wrong, in 2 "
        "of 4 channels (1, 3).",
    ),
    "unexplained in many channels": (
        verdict(
            channels=64,
            nearest=(
                Fit("double", 60, exceptions=tuple(range(20))),
                Fit("single", 10, exceptions=(40,)),
            ),
        ),
        "unexplained",
        "Not explained by any candidate. The nearest, double, gets 40 of 100 elements wrong, in "
        "20 of 64 channels (0, 1, 2, 3, 4, 5, 6, 7, ...); those are explained by single.",
    ),
}
KINDS = {
    "two rules": "ambiguous",
    "two mistakes": "ambiguous",
    "a rule or a mistake": "ambiguous",
    "nothing discriminating": "expected",
    "one element": "expected",
    "little evidence, one element": "ambiguous",
    "little evidence for a mistake": "ambiguous",
    "mistake, saturated": "ambiguous",
}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_in_words(name: str) -> None:
    found, answer, text = CASES[name]
    assert found.kind == KINDS.get(name, name.split()[0].rstrip(","))
    assert found.answer == answer
    assert found.text == text


def test_rules_that_round_once_are_told_together() -> None:
    """With others beside them, and less the first."""
    rules = [Fit(rule, 100) for rule in RULES_TRIED[2:]]
    found = verdict(*rules, contradicted={"double": 7})
    assert "apart by these data: reduced16; every other rule that rounds the whole" in found.text
    found = verdict(Fit("neon8", 100), *rules, contradicted={"double": 7})
    assert "apart by these data: reduced16; every rule that rounds the whole" in found.text
    found = verdict(*rules[:-1], contradicted={"double": 7})
    assert (
        "apart by these data: single-away; reduced16; float-away64; float-even64; float-up64; "
        "float-away32; and 1 more." in found.text
    )


def summary(*verdicts: Verdict) -> str:
    (found,) = summarize(verdicts)
    return found.text


def test_all_layers_in_words() -> None:
    """What one layer leaves open, another decides."""
    both = verdict(SINGLE, AWAY, contradicted={"double": 7})
    one = verdict(SINGLE, contradicted={"double": 1, "single-away": 2})
    assert summary(both, one, verdict(DOUBLE, SINGLE)) == (
        "CONV_2D, 2 of 3 layers differ: explained by single rounding (single): all 300 "
        "elements; the "
        "nearest other, single-away, gets 4 wrong. Strong evidence: 36 independent "
        "elements tell it "
        "from all else tried. In a port of the reference kernels, you round once: one "
        "64-bit product, "
        "one shift with ties up; they round twice: a high-mul, then a rounding shift "
        "with ties away "
        "from zero."
    )


def test_a_rule_that_a_layer_refutes_is_not_claimed() -> None:
    one = verdict(SINGLE, contradicted={"double": 1})
    expected = verdict(DOUBLE, contradicted={"single": 1})
    assert summary(one, expected) == (
        "CONV_2D, 1 of 2 layers differs: no one candidate explains all; differing layers explained "
        "by each: single 1."
    )


def test_a_mistake_shows_in_some_layers() -> None:
    hidden = verdict(DOUBLE, SINGLE, contradicted={"reduced16": 5})
    shown = verdict(FORGOT, FLOOR, **WITHOUT_DOUBLE)
    sure = verdict(FORGOT, **WITHOUT_DOUBLE)
    assert summary(hidden, shown, hidden, sure) == (
        "CONV_2D, 2 of 4 layers differ: you do not add the bias (double rounding): all "
        "200 elements "
        "of 2 layers (in the other 2 nothing differs); the nearest other, double, gets 14 wrong. "
        "Strong evidence: 48 independent elements tell it from all else tried. Fix: add it."
    )
    assert summary(shown) == (
        "CONV_2D, 1 of 1 layers differs: could be that you do not add the bias (double rounding): "
        "all 100 elements; the nearest other, double, gets 7 wrong. Strong evidence: 12 "
        "independent "
        "elements tell these from all else tried. Not told apart by these data: floor in "
        "double. If "
        "so, the fix: add it."
    )


def test_layers_together_are_more_evidence() -> None:
    """What tells a mistake from another in few elements of each; not looked at, its rule counts."""
    few = verdict(
        FORGOT,
        rivals=(
            Rival("double", "double", "double", 30),
            Rival("double, floor", "floor", "double", 4),
        ),
        **WITHOUT_DOUBLE,
    )
    plain = verdict(FORGOT, rivals=(Rival("double", "double", "double", 7),), **WITHOUT_DOUBLE)
    assert few.kind == "ambiguous"
    for layers, strength in (
        ([few], 4),
        ([few, few], 8),
        ([few, few, few], 12),
        ([few, plain], 11),
    ):
        (found,) = summarize(layers)
        assert found.strength == strength
        assert found.sure == (strength >= STRONG)


def test_a_mistake_whose_rule_fails_elsewhere_is_not_claimed() -> None:
    other = verdict(SINGLE, contradicted={"double": 1})
    shown = verdict(FORGOT, **WITHOUT_DOUBLE)
    (found,) = summarize([shown, other])
    assert found.fits == ()
    assert dict(found.partial) == {"double, bias left out": 1, "single": 1}


def test_ops_apart_and_only_those_that_differ() -> None:
    found = summarize(
        [verdict(DOUBLE), verdict(SINGLE, op="ADD", contradicted={"double": 1}), verdict(DOUBLE)]
    )
    assert [one.op for one in found] == ["ADD"]


def test_nothing_explains_a_layer() -> None:
    assert summary(verdict(nearest=(Fit("double", 60),))) == (
        "CONV_2D, 1 of 1 layers differs: no candidate explains a layer; see the layers' own "
        "verdicts."
    )


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_every_mistake_reads_as_a_sentence(mistake: Mistake) -> None:
    """In each of the ways in which it is written, and as the docs have it."""
    assert bool(mistake.ways) != bool(mistake.same_as)
    for title, you, fix in told_ways(mistake):
        for part in (title, you, fix):
            assert part
            assert part == part.strip().rstrip(".")
            assert ".." not in part.replace(" ... ", "")
        assert f"| {title} | {you} | {fix} |\n" in PAGE


def told_ways(mistake: Mistake) -> list[tuple[str, str, str]]:
    if mistake.same_as:
        return [(mistake.name, mistake.you, mistake.fix)]
    return [(way.title or mistake.name, way.you, way.fix) for way in ways_of(mistake)]


def test_the_page_holds_what_is_tried() -> None:
    """docs/build_verdicts.py writes its tables."""
    assert build_verdicts.page(PAGE) == PAGE


def test_no_two_mistakes_have_one_sentence() -> None:
    """Nor one title for two that are not the same."""
    sentences = [you for mistake in MISTAKES for _, you, _ in told_ways(mistake)]
    assert len(set(sentences)) == len(sentences)
