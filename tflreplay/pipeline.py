"""The main jobs: a replay against a runtime, and several sources against each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tflreplay import __version__, user_kernels
from tflreplay.agreement import Agreement, agree
from tflreplay.arithmetic import LAYERS
from tflreplay.comparison import compare
from tflreplay.diagnosis import Verdict, diagnose_all
from tflreplay.engine import Engine
from tflreplay.errors import InputError
from tflreplay.explaining import Explanation, explain, explained_row
from tflreplay.inputs import Inputs
from tflreplay.model import Model
from tflreplay.replayer import replay, replay_isolated
from tflreplay.reports.run import Run
from tflreplay.rounding import Array
from tflreplay.runtimes import Capture, capture, resolve, start_capture
from tflreplay.sources import load_source
from tflreplay.user_kernels import Function

MODES = ("chained", "isolated")
Progress = Callable[[str, str, int, int], None]
NO_KERNELS: Mapping[str, Function] = MappingProxyType({})


def run(
    model: Model,
    inputs: Inputs,
    runtime: str | None = None,
    engine: str | None = None,
    *,
    replay_as: str | None = None,
    threads: int = 1,
    against: Capture | None = None,
    modes: tuple[str, ...] | None = None,
    kernels: Mapping[str, Function] = NO_KERNELS,
    command: str = "",
    progress: Progress = lambda stage, op, done, total: None,
) -> Run:
    """Replay ``model`` and compare it with a runtime's kernels.

    The capture runs in its own process while the chained replay goes on here.

    Args:
        model: what :func:`tflreplay.load` gives.
        inputs: what :func:`tflreplay.read_inputs` gives.
        runtime: ``litert``, ``tensorflow`` or ``tflm``, with or without ``==version``.
        engine: the kernels to capture and to replay: ``reference``, ``optimized``, ``xnnpack`` or
            ``tflm``.
        replay_as: other arithmetic to replay than is captured: an engine, ``double`` or ``single``.
        threads: the runtime's threads.
        against: tensors to compare with instead of a capture.
        modes: ``chained``, ``isolated`` or both. Without it both, or with kernels of your own
            only ``isolated``.
        kernels: functions that compute an op in the place of ours, by op; see
            :func:`tflreplay.kernel`.
        command: what a user would type to do the same, for the report.
        progress: called before each op with the stage and the op in words, the ops done and their
            total.

    Raises:
        CaptureError: nothing could be captured.
        InputError: an input cannot be given to the runtime, ``replay_as`` is unknown, or the model
            has no op for a kernel.
    """
    seconds: dict[str, float] = {}
    operators = model.main.operators
    rows = user_kernels.rows(kernels, model)
    modes = modes or (("isolated",) if rows else MODES)
    ours = _replayed(runtime, engine, replay_as, threads, against)

    def step(stage: str) -> Callable[[int], None]:
        def before(op_index: int) -> None:
            running = f"op {op_index} {operators[op_index].name}"
            progress(stage, running, op_index, len(operators))

        return before

    theirs = _capture(model, inputs, runtime, engine, threads, against)
    chained = isolated = None
    if "chained" in modes:
        with _timed(seconds, "chained"):
            chained = replay(
                model,
                inputs.arrays,
                ours,
                captured=lambda: theirs().tensors,
                progress=step("Replaying, chained"),
                kernels=rows,
            )
    with _timed(seconds, "waiting for the capture"):
        captured = theirs()
    if "isolated" in modes:
        with _timed(seconds, "isolated"):
            isolated = replay_isolated(
                model,
                dict(inputs.arrays) | captured.tensors,
                ours,
                chained=chained,
                progress=step("Replaying, isolated"),
                kernels=rows,
            )
    with _timed(seconds, "compare"):
        comparison = compare(
            model, captured.tensors, chained, isolated, captured.missing, captured.origin
        )
    verdicts: dict[int, Verdict] = {}
    if comparison.mismatched:
        with _timed(seconds, "verdicts"):
            tensors = dict(inputs.arrays) | captured.tensors
            explained = isolated if rows else captured
            verdicts = diagnose_all(
                model,
                tensors,
                ours,
                explained.tensors if explained is not None else {},
                ops=tuple(rows),
                progress=step("Explaining"),
            )
    return Run(
        model,
        comparison,
        captured,
        ours,
        inputs.notes,
        command,
        __version__,
        seconds,
        {op.index: rows[op.name].algorithm for op in operators if op.name in rows},
        verdicts,
    )


def compare_sources(
    model: Model, inputs: Inputs, sources: Sequence[str], threads: int = 1
) -> Agreement:
    """Compare several sources of a model's tensors with each other.

    Args:
        model: what :func:`tflreplay.load` gives.
        inputs: what :func:`tflreplay.read_inputs` gives.
        sources: each ``ENGINE``, ``RUNTIME[==VERSION]:ENGINE``, ``replay:ENGINE`` or the path of
            saved tensors.
        threads: the runtimes' threads.

    Raises:
        CaptureError, InputError: a source is unknown, or gives nothing.
    """
    tensors: dict[str, Mapping[int, Array]] = {}
    for source in sources:
        if not source:
            raise InputError("--sources: a name is empty; name each source once, between commas")
        if source in tensors:
            raise InputError(f"--sources: {source} is given twice")
        tensors[source] = _tensors(model, inputs, source, threads)
    return agree(model, tensors)


def explain_element(
    model: Model,
    inputs: Inputs,
    op_index: int,
    index: Sequence[int],
    runtime: str | None = None,
    engine: str | None = None,
    *,
    threads: int = 1,
    against: Capture | None = None,
) -> Explanation:
    """Capture a model's tensors and explain one output element of an op; see :mod:`explaining`.

    Args:
        model: what :func:`tflreplay.load` gives.
        inputs: what :func:`tflreplay.read_inputs` gives.
        op_index: the op, and ``index``: which element of its output.
        runtime, engine, threads, against: as for :func:`run`.

    Raises:
        CaptureError, InputError, NotReplayed: nothing is captured, there is no such element, or the
            op cannot be explained.
    """
    ours = _replayed(runtime, engine, None, threads, against)
    explained_row(model, ours, op_index)  # what cannot be explained need not be captured
    captured = _capture(model, inputs, runtime, engine, threads, against)()
    tensors = dict(inputs.arrays) | captured.tensors
    found = explain(model, tensors, ours, op_index, index)
    notes = (*(f"input: {note}" for note in inputs.notes), captured.note, *captured.problems)
    words = (captured.runtime, captured.version, captured.engine and f"{captured.engine} kernels")
    return replace(found, source=" ".join(filter(None, words)), notes=tuple(filter(None, notes)))


def _tensors(model: Model, inputs: Inputs, source: str, threads: int) -> Mapping[int, Array]:
    if Path(source).exists():
        return load_source(source, model, inputs.arrays).tensors
    runtime, _, engine = source.rpartition(":")
    if runtime == "replay":
        ours = _replayed(None, None, engine, threads, None)
        result = replay(model, inputs.arrays, ours)
        return {
            index: result.tensors[index]
            for op in model.main.operators
            if op.index in result.rules
            for index in op.outputs
        }
    return capture(model, inputs.arrays, runtime or None, engine, threads).tensors


def _capture(
    model: Model,
    inputs: Inputs,
    runtime: str | None,
    engine: str | None,
    threads: int,
    against: Capture | None,
) -> Callable[[], Capture]:
    """What gives the tensors to compare with, once they are there."""
    if against is not None:
        return lambda: against
    return start_capture(model, inputs.arrays, runtime, engine, threads).result


def _replayed(
    runtime: str | None,
    engine: str | None,
    replay_as: str | None,
    threads: int,
    against: Capture | None,
) -> Engine:
    """Whose arithmetic the replay follows."""
    if replay_as is not None and replay_as not in LAYERS:
        raise InputError(f"no arithmetic is called {replay_as!r}: use one of {', '.join(LAYERS)}")
    if against is not None and runtime is None and engine is None and against.engine in LAYERS:
        ours = Engine(against.engine, against.runtime, against.version, against.threads)
    elif replay_as is not None and engine is None:
        ours = resolve(runtime, None, threads)
    else:
        ours = resolve(runtime, engine, threads)
    return ours if replay_as is None else replace(ours, name=replay_as)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
