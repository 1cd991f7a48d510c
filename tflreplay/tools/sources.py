"""Where a job's tensors come from: a runtime, a file, or our own replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.machine import Machine
from tflreplay.ground.rounding import Array
from tflreplay.judgement.run import whose
from tflreplay.model import Model
from tflreplay.ops import LAYERS
from tflreplay.replayer.loop import replay
from tflreplay.runtimes import ENGINES, Capture, capture, installed, resolve, start_capture
from tflreplay.runtimes.hints import Hints
from tflreplay.runtimes.inputs import Inputs
from tflreplay.runtimes.saved import load_source


def obtain(
    model: Model, inputs: Inputs, source: str, threads: int, hints: Hints
) -> Capture | tuple[Mapping[int, Array], str, Machine]:
    """What was captured; or what a replay computed, in which arithmetic, and of which machine."""
    if Path(source).exists():
        return load_source(source, model, inputs.arrays, hints)
    runtime, _, engine = source.rpartition(":")
    if runtime == "replay":
        ours = engine_of(None, None, engine, threads, None)
        result = replay(model, inputs.arrays, ours)
        computed = {
            index: result.tensors[index]
            for op in model.main.operators
            if op.index in result.rules
            for index in op.outputs
        }
        words = f"replay of {whose(ours.runtime, ours.version, ours.name)}"
        return computed, words, ours.machine
    return capture(model, inputs.arrays, runtime or None, engine, threads)


def captured_later(
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


def engine_of(
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
    return ours if replay_as is None else renamed(ours, replay_as)


def renamed(engine: Engine, name: str) -> Engine:
    """Other arithmetic, of the same runtime where that has it."""
    runtime = engine.runtime
    if name == "tflm":
        runtime = "tflm"
    elif runtime == "tflm" and name in ENGINES:
        runtime = "litert"
    if runtime == engine.runtime:
        return replace(engine, name=name)
    return Engine(name, runtime, installed(runtime) or NEWEST[runtime], engine.threads)
