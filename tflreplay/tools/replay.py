"""The main jobs: a replay against a runtime, and several sources against each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from tflreplay import __version__
from tflreplay.arithmetic import LAYERS
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import Array
from tflreplay.ground.session import Session
from tflreplay.judgement.agreement import Agreement, agree
from tflreplay.judgement.comparison import compare
from tflreplay.judgement.detail import details
from tflreplay.judgement.diagnosis import Verdict, diagnose_all
from tflreplay.judgement.expectations import read_expectations
from tflreplay.judgement.run import Run, whose
from tflreplay.model import Model
from tflreplay.replayer import user_kernels
from tflreplay.replayer.loop import Replay, replay, replay_isolated
from tflreplay.replayer.user_kernels import Function
from tflreplay.runtimes import ENGINES, Capture, capture, installed, resolve, start_capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.explain import Explanation, explain, explained_row

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
    expect: str | None = None,
    command: str = "",
    explain_command: str = "",
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
        expect: what the run is held to: a text or the name of a ``.toml`` file, see
            :mod:`tflreplay.judgement.expectations`.
        command: what a user would type to do the same, for the report.
        explain_command: what they would type, but for ``--layer`` and ``--at``, to explain one
            element of it; empty where there is no such command.
        progress: called before each op with the stage and the op in words, the ops done and their
            total.

    Raises:
        CaptureError: nothing could be captured.
        InputError: an input cannot be given to the runtime, ``replay_as`` is unknown, ``expect``
            cannot be read, or the model has no op for a kernel.
    """
    seconds: dict[str, float] = {}
    operators = model.main.operators
    rows = user_kernels.rows(kernels, model)
    modes = modes or (("isolated",) if rows else MODES)
    ours = _replayed(runtime, engine, replay_as, threads, against)
    expectations = read_expectations(expect, model) if expect is not None else None

    def step(stage: str) -> Callable[[int], None]:
        def before(op_index: int) -> None:
            running = f"op {op_index} {operators[op_index].name}"
            progress(stage, running, op_index, len(operators))

        return before

    theirs = _capture(model, inputs, runtime, engine, threads, against)
    fed = [*inputs.earlier, inputs.arrays]
    chained: list[Replay] = []
    if "chained" in modes:
        with _timed(seconds, "chained"):
            session = Session()
            for number, arrays in enumerate(fed):
                chained.append(
                    replay(
                        model,
                        arrays,
                        ours,
                        captured=partial(_inference, theirs, number),
                        progress=step("Replaying, chained"),
                        kernels=rows,
                        session=session,
                    )
                )
    with _timed(seconds, "waiting for the capture"):
        captured = theirs()
    session = Session()
    # The first inference in which something differs is the one reported; else the last.
    for number, arrays in enumerate(fed):
        known = _inference(theirs, number)
        tensors = {**arrays, **known}
        of_chain = chained[number] if chained else None
        isolated = None
        if "isolated" in modes:
            with _timed(seconds, "isolated"):
                isolated = replay_isolated(
                    model,
                    tensors,
                    ours,
                    chained=of_chain,
                    progress=step("Replaying, isolated"),
                    kernels=rows,
                    session=session,
                )
        with _timed(seconds, "compare"):
            comparison = compare(
                model, known, of_chain, isolated, captured.missing, captured.origin
            )
        if comparison.mismatched:
            break
    verdicts: dict[int, Verdict] = {}
    undiagnosed: dict[int, str] = {}
    if comparison.mismatched:
        with _timed(seconds, "verdicts"):
            produced = dict(known)
            for op in operators:
                if op.name in rows and isolated is not None:
                    made = isolated.tensors
                    produced.update({i: made[i] for i in op.outputs if i in made})
            verdicts, undiagnosed = diagnose_all(
                model, tensors, ours, produced, progress=step("Explaining")
            )
    by_users = {op.index: rows[op.name].algorithm for op in operators if op.name in rows}
    with _timed(seconds, "details"):
        near = details(model, comparison, tensors, ours, isolated, of_chain, by_users)
    return Run(
        model,
        comparison,
        captured,
        ours,
        inputs.notes,
        command,
        __version__,
        seconds,
        by_users,
        verdicts,
        (number + 1, len(fed)),
        expectations,
        near,
        explain_command,
        tuple(undiagnosed.values()),
    )


def _inference(theirs: Callable[[], Capture], number: int) -> Mapping[int, Array]:
    """The captured tensors of one inference, waited for."""
    captured = theirs()
    return [*captured.earlier, captured.tensors][number]


def compare_sources(
    model: Model, inputs: Inputs, sources: Sequence[str], threads: int = 1, command: str = ""
) -> Agreement:
    """Compare several sources of a model's tensors with each other.

    Args:
        model: what :func:`tflreplay.load` gives.
        inputs: what :func:`tflreplay.read_inputs` gives.
        sources: each ``ENGINE``, ``RUNTIME[==VERSION]:ENGINE``, ``replay:ENGINE`` or the path of
            saved tensors.
        threads: the runtimes' threads.
        command: what to type to do the same again, for the report.

    Raises:
        CaptureError, InputError: a source is unknown, or gives nothing.
    """
    if len(sources) < 2:
        raise InputError("--sources: give at least two, between commas, to compare with each other")
    found: dict[str, tuple[Mapping[int, Array], str]] = {}
    notes: list[str] = []
    failures: list[str] = []
    for source in sources:
        if not source:
            raise InputError("--sources: a name is empty; name each source once, between commas")
        if source in found:
            raise InputError(f"--sources: {source} is given twice")
        obtained = _source(model, inputs, source, threads)
        if isinstance(obtained, Capture):
            told = filter(None, (obtained.note, *obtained.problems))
            notes += [f"{source}: {note}" for note in told]
            failures += [f"{source}: {obtained.failure}"] if obtained.failure else []
            words = whose(obtained.runtime, obtained.version, obtained.engine)
            obtained = obtained.tensors, words
        found[source] = obtained
    return replace(
        agree(model, {source: tensors for source, (tensors, _) in found.items()}),
        origins=tuple(words for _, words in found.values()),
        inputs=inputs.notes,
        notes=tuple(notes),
        failures=tuple(failures),
        command=command,
    )


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
    source = whose(captured.runtime, captured.version, captured.engine)
    return replace(found, source=source, notes=tuple(filter(None, notes)))


def _source(
    model: Model, inputs: Inputs, source: str, threads: int
) -> Capture | tuple[Mapping[int, Array], str]:
    """What was captured; or what a replay computed, and in words in which arithmetic."""
    if Path(source).exists():
        return load_source(source, model, inputs.arrays)
    runtime, _, engine = source.rpartition(":")
    if runtime == "replay":
        ours = _replayed(None, None, engine, threads, None)
        result = replay(model, inputs.arrays, ours)
        computed = {
            index: result.tensors[index]
            for op in model.main.operators
            if op.index in result.rules
            for index in op.outputs
        }
        return computed, f"replay of {whose(ours.runtime, ours.version, ours.name)}"
    return capture(model, inputs.arrays, runtime or None, engine, threads)


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
        if inputs.earlier:
            raise InputError(
                f"saved tensors are of one inference, and the input holds "
                f"{len(inputs.earlier) + 1}: give the input of one"
            )
        return lambda: against
    return start_capture(model, inputs.arrays, runtime, engine, threads, inputs.earlier).result


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
    return ours if replay_as is None else _renamed(ours, replay_as)


def _renamed(engine: Engine, name: str) -> Engine:
    """Other arithmetic, of the same runtime where that has it."""
    runtime = engine.runtime
    if name == "tflm":
        runtime = "tflm"
    elif runtime == "tflm" and name in ENGINES:
        runtime = "litert"
    if runtime == engine.runtime:
        return replace(engine, name=name)
    return Engine(name, runtime, installed(runtime) or NEWEST[runtime], engine.threads)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
