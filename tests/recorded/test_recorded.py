"""Rows against recordings of their engines, and against the engines where they are installed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from packaging.version import Version

from tests.machines import runs_here
from tests.recorded.case import Case, agree, either_side, engine_of, parsed, read, replayed
from tests.recorded.cases import CASES
from tests.recorded.record import outputs
from tests.selected_rows import CONFIRMED
from tflreplay.ground.engine import LIBRARIES, NEWEST
from tflreplay.ground.machine import AARCH64
from tflreplay.ops import CARDS, Row, row_of
from tflreplay.tools.explain import Layer

RECORDED = read()
# Changes whose version is read from LiteRT's history, since no such release is out.
ASSUMED = {("tensorflow", "2.22.0")}
# As old as what the tables speak of, or older: no change within a runtime.
OLDEST = ("0", "2.13", "0.dev0")


def test_every_case_is_recorded() -> None:
    recorded = {name: list(theirs) for name, (_, theirs) in RECORDED.items()}
    assert recorded == {
        case.name: [text for text in case.rows if text not in case.refused] for case in CASES
    }


@pytest.mark.parametrize(
    ("case", "text"),
    [pytest.param(case, text, id=f"{case.name}: {text}") for case in CASES for text in case.rows],
)
def test_replay_equals_the_recording(case: Case, text: str) -> None:
    made, recorded = RECORDED[case.name]
    engine, row, theirs = engine_of(text), case.rows[text], recorded.get(text, [])
    CONFIRMED.engine_gave(engine, theirs)
    graph = parsed(made[0]).main
    ours = replayed(*made, engine)
    if row is None:
        assert not ours
    else:
        assert row_of(engine, graph, graph.operators[0]) is row
        assert agree(ours, theirs, row.tolerance)
    assert case.others(text), "nothing that the case could be mistaken for"
    if text not in case.refused:
        for other in case.others(text):
            assert not agree(replayed(*made, engine, other), theirs)
    if runs_here(engine):
        assert agree(outputs(case, made, text), theirs)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        pytest.param(case, text, id=f"{case.name}: {text}")
        for case in CASES
        for text, row in case.rows.items()
        if row is not None and row.ledger is not None and text not in case.refused
    ],
)
def test_ledgers_equal_the_recording(case: Case, text: str) -> None:
    """Of engines and versions that are not installed here too."""
    (content, inputs), recorded = RECORDED[case.name]
    model, (theirs,) = parsed(content), recorded[text]
    tensors = dict(zip(model.main.inputs, inputs, strict=True))
    tensors[model.main.operators[0].outputs[0]] = theirs
    layer, rng = Layer(model, tensors, engine_of(text)), np.random.default_rng(1)
    for _ in range(5):
        found = layer.explain([int(rng.integers(size)) for size in theirs.shape])
        assert found.ours is not None
        assert found.ours.code == found.theirs


def test_a_recording_says_something() -> None:
    """Of integers: several codes, negative ones or both ends of the type."""
    for name, (_, recorded) in RECORDED.items():
        for array in (array for arrays in recorded.values() for array in arrays):
            assert array.size >= 64, name
            assert len(np.unique(array)) > 1, name


def changes() -> Iterator[tuple[str, str, str, str]]:
    """Op, table, runtime and version of everything that begins or ends with a version.

    But for libraries: their rows have what the runtime that calls them has.
    """
    for op, card in CARDS.items():
        for table in (name for name in card.tables if name not in LIBRARIES):
            for entry in card.entries(table):
                for versions in (entry.since, entry.until):
                    yield from ((op, table, *each) for each in versions.items())


@pytest.mark.parametrize(
    "change",
    sorted({change for change in changes() if change[3] not in OLDEST}),
    ids=" ".join,
)
def test_both_sides_of_a_change_are_recorded(change: tuple[str, str, str, str]) -> None:
    op, table, runtime, version = change
    if (runtime, version) in ASSUMED:
        return
    runtime, _, machine = runtime.partition("@")
    names = [f"{table}@{machine}"] if machine else [table, f"{table}@{AARCH64}"]
    sides = [tuple(either_side(name, {runtime: version}, None, None)) for name in names]
    assert any(
        case.name.split()[0] == op and any(_differ(case.rows, *each) for each in sides)
        for case in CASES
    )


def _differ(rows: dict[str, Row | None], before: str, since: str) -> bool:
    return before in rows and since in rows and rows[before] is not rows[since]


def test_what_is_assumed_is_not_out_yet() -> None:
    named = {(runtime, version) for _, _, runtime, version in changes()}
    for runtime, version in ASSUMED:
        assert (runtime, version) in named
        assert Version(version) > Version(NEWEST[runtime])
