"""What rows ask of operators: predicates that never throw, of one meaning and one text each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
import tflite

from tests.sites import bare, sites
from tflreplay.ground.engine import Engine
from tflreplay.model.schema import OPTION_TABLES, fields
from tflreplay.ops import CARDS, Row, Site
from tflreplay.ops.base.card import BY_ONE_RULE
from tflreplay.ops.base.conditions import Absent, Condition, condition, every
from tflreplay.ops.base.row import NotModelled
from tflreplay.reports.rules.table import render

SITES = 6000


def entries() -> Iterator[Row | NotModelled]:
    for card in CARDS.values():
        for table in (*card.tables, *BY_ONE_RULE):
            yield from card.entries(table)


CONDITIONS = tuple({id(entry.when): entry.when for entry in entries() if entry.when}.values())
PREDICATES = tuple(
    {id(part): part for whole in CONDITIONS for part in whole.parts or (whole,)}.values()
)
by_text = pytest.mark.parametrize("predicate", PREDICATES, ids=str)


@by_text
def test_it_says_yes_or_no_of_every_operator(predicate: Condition) -> None:
    """Warnings count as errors here; each answer is given by some operators."""
    answers = [predicate(site) for site in sites(SITES)]
    assert set(map(type, answers)) == {bool}
    assert set(answers) == {True, False}


@pytest.mark.parametrize("whole", CONDITIONS, ids=str)
def test_all_parts_hold_together(whole: Condition) -> None:
    for site in sites(SITES)[:500]:
        assert whole(site) == all(part(site) for part in whole.parts or (whole,))
    assert str(whole) == "; ".join(map(str, whole.parts or (whole,)))


def test_what_an_operator_does_not_have_is_not_met() -> None:
    """But for what asks for nothing of inputs that are left out, and of options."""
    met = {str(p) for p in PREDICATES if p(bare(CARDS["CONV_2D"].roles))}
    assert met == {
        "inputs of rank 6 at most",
        "fused activation NONE, RELU, RELU6 or RELU_N1_TO_1",
        "no bias, or a constant int32 one with scales",
        "no bias, or a constant float32 one",
        "no bias, or one of as many elements as units",
        "no int64 bias",
        "no bias",
        "quantized_bias_type other than INT64",
    }


def test_reasons_are_sentences() -> None:
    told = 0
    for entry in entries():
        if isinstance(entry, NotModelled):
            for site in sites(SITES):
                if entry.when is None or entry.when(site):
                    assert entry.reason(site)
                    told += 1
    assert told > 100


# ---- one meaning, one text --------------------------------------------------------------------

# Predicates that agree on random operators though they do not mean the same, and why.
COINCIDENCES: dict[frozenset[str], str] = {}


def test_no_two_have_one_text() -> None:
    texts = [str(predicate) for predicate in PREDICATES]
    assert len(set(texts)) == len(texts)
    parts = {str(whole): whole.parts for whole in CONDITIONS}
    assert all(whole.parts == parts[str(whole)] for whole in CONDITIONS)


def test_no_two_have_one_meaning() -> None:
    answers = {str(p): [p(site) for site in sites(SITES)] for p in PREDICATES}
    alike = {
        frozenset(pair)
        for pair in itertools.combinations(answers, 2)
        if answers[pair[0]] == answers[pair[1]]
    }
    assert alike == set(COINCIDENCES)


# ---- words ------------------------------------------------------------------------------------

OPTIONS = {
    name
    for tables in OPTION_TABLES
    for table in tables.values()
    if table != "NONE"
    for name in fields(getattr(tflite, table))
}


@by_text
def test_its_text_reads_as_words(predicate: Condition) -> None:
    """Of a table's ``where``: its parts are joined by semicolons."""
    text = str(predicate)
    assert text == " ".join(text.split())
    assert not re.match("[A-Z][a-z ]", text), "a sentence"
    assert not text.endswith(".")
    assert not re.search("[;`]|None|object at|::|[(][)]", text)
    names = re.findall(r"[a-z]\w*_\w+", text)
    assert set(names) <= OPTIONS, "names of code, not of the schema"


# ---- tables -----------------------------------------------------------------------------------


def test_a_table_shows_no_row_that_an_earlier_one_leaves_nothing() -> None:
    """One that asks for more than an earlier row of the same types, or for the same."""
    newest, older = (render(Engine("xnnpack", "litert", version)) for version in ("2.3.0", "2.0.3"))
    half_even, half_away = (
        f"MEAN (int8, uint8): float32 product and sum with the zero point, {how}"
        for how in ("half even", "half away")
    )
    assert (half_even in newest, half_away in newest) == (True, False)
    assert (half_even in older, half_away in older) == (False, True)
    assert newest.count("28-bit accumulator") == 2  # not those of several scales, too


# ---- the language itself ----------------------------------------------------------------------


@condition
def _has_bias(site: Site) -> bool:
    """a
    bias"""
    return site.bias is not None


@condition
def _absent(site: Site) -> bool:
    """nothing"""
    raise Absent


def test_a_text_is_one_line() -> None:
    assert str(_has_bias) == "a bias"


def test_parts_are_predicates_not_wholes() -> None:
    inner = every(_has_bias, _absent)
    assert every(inner, _has_bias).parts == (_has_bias, _absent, _has_bias)
    assert str(every(inner, _has_bias)) == "a bias; nothing; a bias"


def test_a_mistake_in_a_predicate_is_not_swallowed() -> None:
    broken = Condition("broken", lambda site: 1 // 0 > 0)
    with pytest.raises(ZeroDivisionError):
        broken(bare(CARDS["ADD"].roles))
