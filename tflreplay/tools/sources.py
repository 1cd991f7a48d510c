"""Where a job's tensors come from: a runtime, a file, or our own replay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tflreplay.ground.engine import LIBRARIES, NEWEST, Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.machine import MEASURED_ON, UNKNOWN, asked, machine_of
from tflreplay.ground.rounding import Array
from tflreplay.model import Model
from tflreplay.ops import LAYERS
from tflreplay.replayer.loop import replay
from tflreplay.runtimes import RUNTIMES, Capture, capture, installed, resolve, start_capture
from tflreplay.runtimes.hints import Hints
from tflreplay.runtimes.inputs import Inputs
from tflreplay.runtimes.packages import is_profile, parse
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.measure import measured

_REPLAY = "replay:"


def obtain(
    model: Model, inputs: Inputs, source: str, threads: int, hints: Hints, probe: bool
) -> Capture | tuple[Mapping[int, Array], Engine]:
    """What was captured; or what a replay computed, and in which arithmetic.

    ``source`` is a path, or ``[RUNTIME[==VERSION]|replay]:ENGINE[@MACHINE]``, the first part
    optional; beside ``replay`` also a profile.
    """
    if Path(source).exists():
        return load_source(source, model, inputs.arrays, hints)
    if source.startswith(_REPLAY):
        ours = engine_of(None, None, source.removeprefix(_REPLAY), threads, probe=probe)
        result = replay(model, inputs.arrays, ours)
        computed = {
            index: result.tensors[index]
            for op in model.main.operators
            if op.index in result.rules
            for index in op.outputs
        }
        return computed, ours
    runtime, engine, machine = _parts(source)
    return capture(model, inputs.arrays, runtime, engine, threads, machine=machine)


def engines_of(sources: Iterable[str]) -> tuple[list[Engine], list[Engine]]:
    """Of such sources, what :func:`obtain` runs and what it replays; of files neither.

    Raises:
        CaptureError, InputError: a source is unknown.
    """
    ran, replayed = [], []
    for source in sources:
        if Path(source).exists():
            continue
        if source.startswith(_REPLAY):
            replayed.append(engine_of(None, None, source.removeprefix(_REPLAY), probe=False))
        else:
            runtime, engine, machine = _parts(source)
            ran.append(engine_of(runtime, engine, machine=machine, probe=False))
    return ran, replayed


def _parts(source: str) -> tuple[str | None, str, str | None]:
    """Runtime, engine and machine, as far as they are named."""
    named, at, machine = source.partition("@")
    runtime, _, engine = named.rpartition(":")
    return runtime or None, engine, machine if at else None


def on_machine(against: Capture | None, machine: str | None) -> Capture | None:
    """The tensors to compare with, as those of the machine that the user names.

    Raises:
        InputError: they are another's.
    """
    if against is None or machine is None:
        return against
    named = asked(machine)
    if against.machine.differs(named):
        raise InputError(
            f"--machine {named}: the tensors were captured on {against.machine}; to replay "
            f"{named}'s arithmetic against them, give --replay-as ENGINE@{named}"
        )
    return replace(against, machine=named)


def captured_later(
    model: Model,
    inputs: Inputs,
    runtime: str | None,
    engine: str | None,
    threads: int,
    against: Capture | None,
    machine: str | None = None,
) -> Callable[[], Capture]:
    """What gives the tensors to compare with, once they are there."""
    if against is not None:
        if inputs.earlier:
            raise InputError(
                f"saved tensors are of one inference, and the input holds "
                f"{len(inputs.earlier) + 1}: give the input of one"
            )
        return lambda: against
    arrays, earlier = inputs.arrays, inputs.earlier
    return start_capture(model, arrays, runtime, engine, threads, earlier, machine).result


def engine_of(
    runtime: str | None,
    engine: str | None = None,
    replay_as: str | None = None,
    threads: int = 1,
    against: Capture | None = None,
    machine: str | None = None,
    probe: bool = True,
) -> Engine:
    """Whose arithmetic the replay follows; ``replay_as`` is ``ENGINE[@MACHINE]`` or a profile.

    The machine is the one that ``replay_as`` names, else ``machine``, else that of the tensors, as
    far as it is known, else this computer; of a profile, the one that it names. With ``probe``, an
    engine that is not measured is probed; see :func:`measured`.
    """
    return measured(_named(runtime, engine, replay_as, threads, against, machine), probe)


def runtime_of(runtime: str | None, engine: str | None) -> str | None:
    """``runtime`` where nothing is to run: one that is not installed in the version of the tables.

    Raises:
        CaptureError: there is no such runtime or engine.
    """
    if engine is not None and is_profile(engine):
        return runtime
    asked = parse(runtime, engine, 1)
    if asked.version or installed(asked.runtime):
        return runtime
    return f"{asked.runtime}=={NEWEST[asked.runtime]}"


def _named(
    runtime: str | None,
    engine: str | None,
    replay_as: str | None,
    threads: int,
    against: Capture | None,
    machine: str | None,
) -> Engine:
    if replay_as is not None and is_profile(replay_as):
        return resolve(None, replay_as, threads)
    name, _, there = (replay_as or "").partition("@")
    if replay_as is not None and name not in LAYERS:
        raise InputError(
            f"no arithmetic is called {name!r}: use one of {', '.join(LAYERS)}, or the file "
            "of a profile, which ends in .toml"
        )
    if against is not None and runtime is None and engine is None and against.engine in LAYERS:
        ours = Engine(against.engine, against.runtime, against.version, against.threads)
    elif replay_as is not None and engine is None:
        ours = resolve(runtime, None, threads)
    else:
        ours = resolve(runtime, engine, threads)
    if ours.profile is not None and machine is None:
        return ours
    if replay_as is not None and "@" in replay_as:
        machine = there
    if machine is None and (name or ours.name) in LIBRARIES:
        ours = replace(ours, machine=MEASURED_ON)  # whatever this computer or a runtime's is
    elif machine is None and against is not None and against.machine != UNKNOWN:
        ours = replace(ours, machine=against.machine)
    else:
        ours = replace(ours, machine=machine_of(machine))
    return renamed(ours, name) if name else ours


def renamed(engine: Engine, name: str) -> Engine:
    """Other arithmetic, of the same runtime where that has it."""
    runtime = engine.runtime
    if name not in RUNTIMES[runtime].replayed:
        having = (other for other, row in RUNTIMES.items() if name in row.replayed)
        runtime = next(having, runtime)
    if runtime == engine.runtime:
        return replace(engine, name=name, profile=None)
    version = installed(runtime) or NEWEST[runtime]
    return replace(engine, name=name, runtime=runtime, version=version, profile=None)
