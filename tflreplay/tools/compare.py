"""``tflreplay compare``: several sources of a model's tensors against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tflreplay.ground.errors import InputError
from tflreplay.ground.machine import Machine, sources_note, tables_note
from tflreplay.ground.rounding import Array
from tflreplay.judgement.agreement import Agreement, agree
from tflreplay.judgement.measured import profile_notes
from tflreplay.judgement.run import whose, whose_arithmetic
from tflreplay.model import Model
from tflreplay.runtimes import Capture
from tflreplay.runtimes.hints import NO_HINTS, Hints
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.sources import obtain


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
    found: dict[str, tuple[Mapping[int, Array], str, Machine]] = {}
    notes: list[str] = []
    failures: list[str] = []
    for source in sources:
        if not source:
            raise InputError("--sources: a name is empty; name each source once, between commas")
        if source in found:
            raise InputError(f"--sources: {source} is given twice")
        obtained = obtain(model, inputs, source, threads, hints, probe)
        if isinstance(obtained, Capture):
            told = filter(None, (obtained.note, *obtained.problems))
            notes += [f"{source}: {note}" for note in told]
            failures += [f"{source}: {obtained.failure}"] if obtained.failure else []
            words = whose(obtained.runtime, obtained.version, obtained.engine)
            found[source] = obtained.written, words, obtained.machine
            continue
        tensors, ours = obtained
        said = filter(None, (tables_note(ours.machine), *profile_notes(model, ours)))
        notes += [f"{source}: {note}" for note in said]
        found[source] = tensors, f"replay of {whose_arithmetic(ours)}", ours.machine
    machines = {source: machine for source, (_, _, machine) in found.items()}
    if note := sources_note(machines):
        notes.append(note)
    return replace(
        agree(model, {source: tensors for source, (tensors, _, _) in found.items()}),
        origins=tuple(words for _, words, _ in found.values()),
        machines=tuple(machines.values()),
        inputs=inputs.notes,
        notes=tuple(notes),
        failures=tuple(failures),
        command=command,
    )
