"""What explains the differences of a dataset, looked for in a few inputs at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.judgement.comparison import Comparison
from tflreplay.judgement.dataset import Dataset, Part, chosen
from tflreplay.judgement.detail import Detail, details
from tflreplay.judgement.diagnosis import diagnose_all
from tflreplay.judgement.run import Asked, Run
from tflreplay.model import Model, Operator
from tflreplay.replayer.loop import Replay, replay_ops
from tflreplay.runtimes import Capture
from tflreplay.runtimes.dataset import Dataset as Source
from tflreplay.tools.dataset.given import Given, Reader, replayed_on, steps
from tflreplay.tools.dataset.judge import Job, Judge, as_captured
from tflreplay.tools.replay import Progress, Sides

# Inputs looked at to explain what differs: in which something does, and in which nothing does.
DIFFERING, ALIKE = 5, 2

# What is raised where tensors of inputs make no batch, or an op takes none.
_NO_BATCH = (NotReplayed, KeyError, ValueError, IndexError, OverflowError, TypeError)


def explained(
    job: Job,
    reader: Reader,
    source: Source,
    total: Part,
    asked: Asked,
    progress: Progress,
) -> Run:
    """The run over all inputs, with what explains the differences of a few of them."""
    model = job.model
    evidence = chosen(total.inputs, DIFFERING, ALIKE)
    given = [reader.read(source.samples[place]) for place in evidence]
    judge = Judge(job, ahead=False)
    seen = [
        _look(job, one, captured, progress)
        for one, captured in judge.captured((one, one.inputs.arrays) for one in given)
    ]
    worst = seen[0]
    operators = model.main.operators
    by_users = {op.index: job.rows[op.name].algorithm for op in operators if op.name in job.rows}
    differ = {layer.op_index for layer in total.comparison.mismatched if layer.kind == "own"}
    ops = [operators[index] for index in sorted(differ - by_users.keys())]
    stacked, produced, together = _stacked(model, worst.sides.ours, seen, ops)
    findings = worst.sides.findings(
        worst.comparison,
        worst.tensors,
        worst.chained,
        worst.isolated,
        by_users,
        given[0].against is not None,
        0,
        together,
    )
    with worst.sides.timed("verdicts"):
        verdicts, failures = diagnose_all(
            model.as_run(stacked),
            stacked,
            worst.sides.ours,
            produced,
            worst.sides.step("Explaining"),
        )
    near: dict[tuple[int, int], Detail] = {}
    for one, each in zip(reversed(seen), reversed(given), strict=True):
        found = findings.details if one is worst else _details(one, by_users)
        near |= {
            key: replace(detail, input=each.sample.name, explain_command=each.explain_command)
            for key, detail in found.items()
        }
    every = {**findings.verdicts, **verdicts}
    return Run(
        model,
        worst.sides.ours,
        worst.captured,
        total.comparison,
        asked,
        replace(
            findings,
            verdicts={index: every[index] for index in sorted(every)},
            undiagnosed=(*findings.undiagnosed, *failures.values()),
            details=near,
        ),
        by_users,
        seconds=worst.sides.seconds,
        input_steps=steps(model, given[0]),
        dataset=Dataset(
            source.source,
            total.inputs,
            tuple(total.inputs[place].number for place in evidence),
            tuple(sorted(verdicts)),
        ),
    )


@dataclass
class _Seen:
    """An input that is looked at to explain what differs, and its replays."""

    captured: Capture
    sides: Sides
    tensors: dict[int, Array]
    chained: Replay | None
    isolated: Replay | None
    comparison: Comparison


def _details(one: _Seen, by_users: Mapping[int, str]) -> Mapping[tuple[int, int], Detail]:
    found, _ = details(
        one.sides.model,
        one.comparison,
        one.tensors,
        one.sides.ours,
        one.isolated,
        one.chained,
        by_users,
        one.sides.halves,
    )
    return found


def _look(job: Job, given: Given, captured: Capture, progress: Progress) -> _Seen:
    arrays = replayed_on(job.model, given)
    ours = as_captured(job.ours, job.model, captured)
    sides = Sides(job.model, ours, job.rows, [arrays], lambda: captured, progress)
    chained = sides.chained() if "chained" in job.modes else []
    _, tensors, of_chain, isolated, comparison = sides.first_difference(chained, job.modes)
    return _Seen(captured, sides, tensors, of_chain, isolated, comparison)


def _stacked(
    model: Model, ours: Engine, seen: Sequence[_Seen], ops: Sequence[Operator]
) -> tuple[dict[int, Array], dict[int, Array], list[int]]:
    """Several inputs as one batch, for the ops that compute each row of a batch by itself.

    Whether an op does is seen: what it gives of the batch is what it gives of each.

    Returns:
        The tensors that those ops read and gave, those to be explained, and the ops' indices.
    """
    tensors: dict[int, Array] = {}
    produced: dict[int, Array] = {}
    together = []
    for op in ops if len(seen) > 1 else ():
        output = op.outputs[0]
        read = [i for i in op.inputs if i >= 0 and not model.main.tensors[i].is_constant]
        try:
            batch = {
                index: np.concatenate([one.tensors[index] for one in seen])
                for index in (*read, output)
            }
            made = replay_ops(model.as_run(batch), [op], batch, ours)[output]
            alone = [
                replay_ops(model.as_run(one.tensors), [op], one.tensors, ours)[output]
                for one in seen
            ]
            if not np.array_equal(made, np.concatenate(alone)):
                continue
        except _NO_BATCH:
            continue
        tensors |= batch
        produced[output] = batch[output]
        together.append(op.index)
    return tensors, produced, together
