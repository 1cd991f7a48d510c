"""Which rows of the tables the tests have confirmed; a run of the whole suite fails if one is not.

A row is confirmed when its kernel, selected by ``row_of`` and run by the replay loop, gives what an
engine gave in the same test: bit for bit, or within the tolerance that the row states. The engine
ran in the test, or its outputs were recorded (``tests/recorded``). A row whose op hands out nothing
that can be compared, like ASSIGN_VARIABLE, is confirmed when it runs beside the engine. The tables
``double`` and ``single`` are not written, but made of reference rows, and no engine has them.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from tflreplay.ground.engine import Engine
from tflreplay.judgement.difference import difference
from tflreplay.model import HANDLES
from tflreplay.ops import CARDS, Row
from tflreplay.replayer import loop
from tflreplay.runtimes import Capture, Running

ROWS = {
    id(row): f"{op} {table} {position}"
    for op, card in CARDS.items()
    for table in card.tables
    for position, row in enumerate(card.rows(table))
}


# Those that no engine can confirm; an entry that one does confirm fails the suite, too.
UNCONFIRMED = {"CALL reference 0": "no runtime that Python has registers the op"}


class Confirmed:
    """Rows by their place: op, table and position among the table's rows of the op."""

    def __init__(self) -> None:
        self.rows: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """What belongs to a test that is over."""
        self._theirs: dict[object, list[np.ndarray]] = defaultdict(list)
        self._ours: dict[object, list[tuple[Row, np.ndarray]]] = defaultdict(list)
        self._without_outputs: list[tuple[Engine, Row]] = []
        self._ran: set[object] = set()

    def engine_gave(self, engine: Engine, arrays: Iterable[np.ndarray]) -> None:
        self._ran.add(_kernels(engine))
        for ran, row in self._without_outputs:
            self._beside(ran, row)
        for theirs in arrays:
            kind = _kernels(engine), theirs.shape, theirs.dtype
            self._theirs[kind].append(theirs)
            for row, ours in self._ours[kind]:
                self._compare(row, ours, theirs)

    def row_gave(self, engine: Engine, row: Row, arrays: Iterable[np.ndarray]) -> None:
        if id(row) not in ROWS or ROWS[id(row)] in self.rows:
            return
        arrays = list(arrays)
        if not arrays:
            self._without_outputs.append((engine, row))
            self._beside(engine, row)
        for ours in arrays:
            kind = _kernels(engine), ours.shape, ours.dtype
            self._ours[kind].append((row, ours))
            for theirs in self._theirs[kind]:
                self._compare(row, ours, theirs)

    def _beside(self, engine: Engine, row: Row) -> None:
        if _kernels(engine) in self._ran:
            self.rows.add(ROWS[id(row)])

    def _compare(self, row: Row, ours: np.ndarray, theirs: np.ndarray) -> None:
        if ROWS[id(row)] in self.rows or not ours.size:
            return
        if difference(ours, theirs, max(ours.ndim - 1, 0), row.tolerance).exact:
            self.rows.add(ROWS[id(row)])


def _kernels(engine: Engine) -> object:
    return engine.name, engine.runtime, engine.version, engine.machine


CONFIRMED = Confirmed()


def _noting_rows(run_op: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run_op)
    def run(graph: Any, op: Any, tensors: Any, engine: Engine, row: Row, *args: Any) -> Any:
        outputs = run_op(graph, op, tensors, engine, row, *args)
        arrays = [a for index, a in outputs.items() if graph.tensors[index].dtype not in HANDLES]
        CONFIRMED.row_gave(engine, row, arrays)
        return outputs

    return run


def _noting_captures(result: Callable[[Running], Capture]) -> Callable[[Running], Capture]:
    @functools.wraps(result)
    def finished(running: Running) -> Capture:
        found = result(running)
        for tensors in (*found.earlier, found.tensors):
            engine = Engine(found.engine, found.runtime, found.version, machine=found.machine)
            CONFIRMED.engine_gave(engine, tensors.values())
        return found

    return finished


class Judge:
    """Brings the records of all workers together, and judges a run of the whole suite."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.never: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self) -> None:
        CONFIRMED.forget()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        CONFIRMED.rows |= set(getattr(node, "workeroutput", {}).get("confirmed_rows", ()))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput["confirmed_rows"] = sorted(CONFIRMED.rows)
        elif exitstatus == pytest.ExitCode.OK and _is_whole(self.config):
            self.never = sorted((set(ROWS.values()) - CONFIRMED.rows) ^ UNCONFIRMED.keys())
            if self.never:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.never:
            terminalreporter.section("rows that no test compares with an engine", red=True)
            terminalreporter.line("op, table, position among its rows; see tests/selected_rows.py")
            for row in self.never:
                terminalreporter.line(row)


def _is_whole(config: pytest.Config) -> bool:
    """True where nothing was left out of the suite."""
    chosen = ("keyword", "markexpr", "lf", "deselect", "ignore", "ignore_glob", "collectonly")
    if any(config.getoption(name, None) for name in chosen):
        return False
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS


def watch(config: pytest.Config) -> None:
    """Record from now on, in this process and in the workers that it starts."""
    loop.run_op = _noting_rows(loop.run_op)  # type: ignore[attr-defined]
    Running.result = _noting_captures(Running.result)  # type: ignore[method-assign]
    config.pluginmanager.register(Judge(config))
