"""``tflreplay explain MODEL``: one element of a captured layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tflreplay.ground.machine import replay_notes
from tflreplay.judgement.measured import profile_notes
from tflreplay.judgement.run import whose
from tflreplay.model import Model
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.explain.layer import explain, explained_row
from tflreplay.tools.explain.records import Explanation
from tflreplay.tools.sources import captured_later, engine_of, on_machine


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
    machine: str | None = None,
    probe: bool = True,
) -> Explanation:
    """Capture a model's tensors and explain one output element of an op; see
    :func:`tflreplay.explain`.

    Args:
        model: what :func:`tflreplay.load` gives.
        inputs: what :func:`tflreplay.read_inputs` gives.
        op_index: the op, and ``index``: which element of its output.
        runtime, engine, threads, against, machine, probe: as for :func:`tflreplay.run`.

    Raises:
        CaptureError, InputError, NotReplayed: nothing is captured, there is no such element, or the
            op cannot be explained.
    """
    against = on_machine(against, machine)
    ours = engine_of(runtime, engine, None, threads, against, machine, probe)
    explained_row(model, ours, op_index)  # what cannot be explained need not be captured
    captured = captured_later(model, inputs, runtime, engine, threads, against, machine)()
    tensors = dict(inputs.arrays) | captured.tensors
    found = explain(model, tensors, ours, op_index, index)
    notes = (
        *(f"input: {note}" for note in inputs.notes),
        *replay_notes(captured.machine, ours.machine),
        *profile_notes(model, ours, op_index),
        captured.note,
        *captured.problems,
    )
    source = whose(captured.runtime, captured.version, captured.engine)
    return replace(found, source=source, notes=tuple(filter(None, notes)))
