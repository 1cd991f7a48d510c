"""``tflreplay compare``: several sources of a model's tensors against each other."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.machine import sources_note, tables_note
from tflreplay.ground.rounding import Array
from tflreplay.judgement.agreement import Agreement, agree
from tflreplay.judgement.followed import Followed, FollowedLayer
from tflreplay.judgement.measured import profile_notes
from tflreplay.judgement.run import whose, whose_arithmetic
from tflreplay.model import Model
from tflreplay.ops.base.session import Session
from tflreplay.replayer import user_kernels
from tflreplay.replayer.loop import Replay, Runner
from tflreplay.replayer.user_kernels import UserKernel
from tflreplay.runtimes import Capture
from tflreplay.runtimes.hints import NO_HINTS, Hints
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.sources import engine_of, obtain


def compare_sources(
    model: Model,
    inputs: Inputs,
    sources: Sequence[str],
    threads: int = 1,
    command: str = "",
    hints: Hints = NO_HINTS,
    probe: bool = True,
) -> Agreement:
    """Compare several sources of a model's tensors with each other.

    Args:
        model: what :func:`tflreplay.load` gives.
        inputs: what :func:`tflreplay.read_inputs` gives.
        sources: each ``[RUNTIME[==VERSION]|replay]:ENGINE[@MACHINE]``, the first part optional, or
            the path of saved tensors.
        threads: the runtimes' threads.
        command: what to type to do the same again, for the report.
        hints: what is known of the arrays in files.
        probe: have an engine that is replayed, and was not measured, probed.

    Raises:
        CaptureError, InputError: a source is unknown, or gives nothing.
    """
    if len(sources) < 2:
        raise InputError("--sources: give at least two, between commas, to compare with each other")
    found = _found(model, inputs, sources, threads, hints, probe)
    return replace(
        agree(model, {source: one.tensors for source, one in found.sources.items()}),
        origins=tuple(one.words for one in found.sources.values()),
        machines=tuple(one.engine.machine for one in found.sources.values()),
        inputs=inputs.notes,
        notes=tuple(found.notes),
        failures=tuple(found.failures),
        command=command,
    )


def compare_kernels(
    model: Model,
    inputs: Inputs,
    sources: Sequence[str],
    kernels: Mapping[str, UserKernel],
    threads: int = 1,
    hints: Hints = NO_HINTS,
    probe: bool = True,
) -> Followed:
    """Which of several sources a user's kernels follow: each layer on what the source itself gave.

    Args:
        kernels: by op; see :func:`tflreplay.kernel`.
        sources: as for :func:`compare_sources`, one or more.

    Raises:
        CaptureError, InputError: a source is unknown, or gives nothing; the model has no op for a
            kernel.
        KernelError: a kernel has ended its process.
    """
    rows = user_kernels.rows(kernels, model)
    found = _found(model, inputs, sources, threads, hints, probe)
    ops = [op for op in model.main.operators if op.name in rows]
    made: list[Replay] = []
    for one in found.sources.values():
        result = Replay(one.engine)
        runner = Runner(model, one.engine, rows, Session(), None)
        known = ChainMap(dict(one.tensors), dict(inputs.arrays))
        for op in ops:
            result.tensors.update(runner.attempt(op, known, result) or {})
        made.append(result)
    theirs = [one.tensors for one in found.sources.values()]

    def pairs(index: int) -> list[tuple[Array | None, Array | None]]:
        return [(m.tensors.get(index), t.get(index)) for m, t in zip(made, theirs, strict=True)]

    return Followed(
        model,
        {op: row.algorithm for op, row in rows.items()},
        tuple(found.sources),
        tuple(
            FollowedLayer.of(op, model.main.tensors[index], pairs(index))
            for op in ops
            for index in op.outputs
        ),
        inputs.notes,
        (*found.notes, *_left_out(found.sources, made)),
        tuple(found.failures),
    )


@dataclass(frozen=True)
class _Source:
    """Tensors of op outputs, where they are from, in words, and in which arithmetic."""

    tensors: Mapping[int, Array]
    words: str
    engine: Engine


@dataclass
class _Found:
    sources: dict[str, _Source] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def _found(
    model: Model,
    inputs: Inputs,
    sources: Sequence[str],
    threads: int,
    hints: Hints,
    probe: bool,
) -> _Found:
    """
    Raises:
        CaptureError, InputError: a source is unknown, named twice, or gives nothing.
    """
    found = _Found()
    for source in sources:
        if not source:
            raise InputError("--sources: a name is empty; name each source once, between commas")
        if source in found.sources:
            raise InputError(f"--sources: {source} is given twice")
        obtained = obtain(model, inputs, source, threads, hints, probe)
        if isinstance(obtained, Capture):
            told = filter(None, (obtained.note, *obtained.problems))
            found.notes += [f"{source}: {note}" for note in told]
            found.failures += [f"{source}: {obtained.failure}"] if obtained.failure else []
            words = whose(obtained.runtime, obtained.version, obtained.engine)
            engine = replace(
                engine_of(None, None, threads=threads, against=obtained, probe=False),
                machine=obtained.machine,
            )
            found.sources[source] = _Source(obtained.written, words, engine)
            continue
        tensors, ours = obtained
        said = filter(None, (tables_note(ours.machine), *profile_notes(model, ours)))
        found.notes += [f"{source}: {note}" for note in said]
        words = f"replay of {whose_arithmetic(ours)}"
        found.sources[source] = _Source(tensors, words, ours)
    if note := sources_note({name: one.engine.machine for name, one in found.sources.items()}):
        found.notes.append(note)
    return found


def _left_out(sources: Mapping[str, _Source], made: Sequence[Replay]) -> list[str]:
    """Why layers were not computed, each reason once."""
    reasons: dict[tuple[str, str], list[int]] = {}
    for source, result in zip(sources, made, strict=True):
        for index, reason in result.not_replayed.items():
            reasons.setdefault((source, reason), []).append(index)
    return [
        f"not replayed on {source}: {', '.join(f'#{i}' for i in indices)}: {reason}"
        for (source, reason), indices in reasons.items()
    ]
