"""``tflreplay MODEL --dataset``: many independent inputs, compared one by one, and one answer."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError, NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.judgement.comparison import Comparison, compare
from tflreplay.judgement.dataset import Dataset, Part, chosen, classes, result
from tflreplay.judgement.detail import Detail, details
from tflreplay.judgement.diagnosis import diagnose_all
from tflreplay.judgement.expectations import Expectations, read_expectations
from tflreplay.judgement.input_steps import InputStep, input_steps
from tflreplay.judgement.run import Asked, Run
from tflreplay.model import Model, Operator
from tflreplay.ops import Row
from tflreplay.replayer import user_kernels
from tflreplay.replayer.loop import Replay, replay, replay_isolated, replay_ops
from tflreplay.replayer.user_kernels import UserKernel
from tflreplay.runtimes import Capture, Running, start_capture, xnnpack
from tflreplay.runtimes.dataset import Dataset as Source
from tflreplay.runtimes.dataset import Sample
from tflreplay.runtimes.hints import NO_HINTS, Hints
from tflreplay.runtimes.inputs import Inputs, read_inputs
from tflreplay.runtimes.saved import check, load_source, save
from tflreplay.runtimes.serving import Captures
from tflreplay.tools.replay import MODES, NO_KERNELS, Progress, Sides
from tflreplay.tools.sources import engine_of, on_machine

# Inputs looked at to explain what differs: in which something does, and in which nothing does.
DIFFERING, ALIKE = 5, 2
_BATCH, _ELEMENTS = 32, 1 << 22  # inputs of a batch, at most; elements that its tensors have

# What is raised where tensors of inputs make no batch, or an op takes none.
_NO_BATCH = (NotReplayed, KeyError, ValueError, IndexError, OverflowError, TypeError)


@dataclass(frozen=True)
class Given:
    """One input, read."""

    sample: Sample
    inputs: Inputs
    command: str = ""
    explain_command: str = ""
    against: Capture | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Job:
    """What is done with each input: captured by one engine, replayed as ``ours``."""

    model: Model
    runtime: str | None
    engine: str | None
    threads: int
    machine: str | None
    ours: Engine
    rows: Mapping[str, Row] = field(repr=False)
    modes: tuple[str, ...]


class Judge:
    """Replays and compares inputs of one job; the interpreter stays alive between them."""

    def __init__(self, job: Job, ahead: bool) -> None:
        self.job = job
        self.captures = captures_of(
            job.model, job.runtime, job.engine, job.threads, job.machine, ahead
        )

    def parts(self, batches: Iterator[Sequence[Given]]) -> Iterator[Part]:
        """What each batch comes to, in order."""
        counts: list[int] = []

        def each() -> Iterator[tuple[Given, Mapping[int, Array]]]:
            for batch in batches:
                counts.append(len(batch))
                for given in batch:
                    yield given, given.inputs.arrays

        found: list[Part] = []
        for given, captured in self.captured(each()):
            found.append(self._part(given, captured))
            if len(found) == counts[0]:
                counts.pop(0)
                yield reduce(add, found)
                found.clear()

    def captured(
        self, inputs: Iterator[tuple[Given, Mapping[int, Array]]]
    ) -> Iterator[tuple[Given, Capture]]:
        first = next(inputs, None)
        if first is None:
            return
        if first[0].against is not None:
            for given in (first[0], *(given for given, _ in inputs)):
                assert given.against is not None
                yield given, given.against
            return

        def every() -> Iterator[tuple[Given, Mapping[int, Array]]]:
            yield first
            yield from inputs

        yield from self.captures.of(every())

    def _part(self, given: Given, captured: Capture) -> Part:
        job = self.job
        ours = _as_captured(job.ours, job.model, captured)
        arrays = _replayed_on(job.model, given)
        chained = isolated = None
        if "chained" in job.modes:
            known = captured.tensors
            chained = replay(job.model, arrays, ours, captured=lambda: known, kernels=job.rows)
        if "isolated" in job.modes:
            tensors = {**arrays, **captured.tensors}
            isolated = replay_isolated(job.model, tensors, ours, chained, kernels=job.rows)
        comparison = compare(
            job.model,
            captured.tensors,
            chained,
            isolated,
            captured.missing,
            captured.origin,
            captured.absent,
        )
        found = None
        if chained is not None:
            label = given.sample.label
            found = classes(job.model, chained.tensors, captured.tensors, label)
        sample = given.sample
        line = result(sample.number, sample.name, comparison, found, given.command)
        return Part(comparison, (replace(line, failure=captured.failure),))


class _Reader:
    """Reads inputs, each when it is needed, and the dump that belongs to it."""

    def __init__(
        self,
        model: Model,
        shapes: Sequence[str],
        hints: Hints,
        commands: tuple[str, str],
        dumps: Sequence[Path] | None,
        machine: str | None,
    ) -> None:
        self.model, self.shapes, self.hints = model, shapes, hints
        self.commands, self.dumps, self.machine = commands, dumps, machine

    def read(self, sample: Sample) -> Given:
        """
        Raises:
            InputError: it, or its dump, cannot be read, or does not fit.
        """
        inputs = read_inputs(self.model, sample.sources, shapes=self.shapes, hints=self.hints)
        if inputs.earlier:
            raise InputError(
                f"{sample.name}: holds {1 + len(inputs.earlier)} consecutive inferences; an input "
                "of a dataset is one"
            )
        words = [f"--input {shlex.quote(source)}" for source in sample.sources]
        against = None
        if self.dumps is not None:
            dump = self.dumps[sample.number]
            words.append(f"--against {shlex.quote(str(dump))}")
            found = load_source(dump, self.model, inputs.arrays, self.hints, inputs.reals)
            against = on_machine(found, self.machine)
        replay, explain = (" ".join([word, *words]) if word else "" for word in self.commands)
        return Given(sample, inputs, replay, explain, against)

    def batches(self, samples: Sequence[Sample]) -> Iterator[list[Given]]:
        """As many inputs in each as the model's size allows: as many whoever works on them."""
        sizes = (math.prod(tensor.shape) for tensor in self.model.main.tensors)
        many = min(_BATCH, max(1, _ELEMENTS // max(1, sum(sizes))))
        for start in range(0, len(samples), many):
            yield [self.read(sample) for sample in samples[start : start + many]]


def run_dataset(
    model: Model,
    source: Source,
    runtime: str | None = None,
    engine: str | None = None,
    *,
    replay_as: str | None = None,
    threads: int = 1,
    against: Sequence[Path] | None = None,
    machine: str | None = None,
    modes: tuple[str, ...] | None = None,
    kernels: Mapping[str, UserKernel] = NO_KERNELS,
    expect: str | None = None,
    command: str = "",
    single_commands: tuple[str, str] = ("", ""),
    shapes: Sequence[str] = (),
    hints: Hints = NO_HINTS,
    progress: Progress = lambda stage, op, done, total: None,
    probe: bool = True,
) -> Run:
    """Replay ``model`` on every input of a dataset, and compare with a runtime's kernels.

    Each input is one inference, as if it were the first. Tensors are kept of one input at a time;
    afterwards a few are looked at again, at once where that is possible, to explain what differs.

    Args:
        source: what :func:`tflreplay.read_dataset` gives.
        against: files or folders of tensors to compare with instead of a capture, one for each
            input by its number; see :func:`tflreplay.runtimes.dataset.dumps_of`.
        single_commands: what a user would type, but for ``--input`` and ``--against``, to replay
            one input alone, and to explain an element of it.
        shapes: other shapes of inputs, as :func:`tflreplay.read_inputs` takes them.
        hints: what is known of the arrays.
        progress: called before each input with the stage, its name, the inputs done and their
            total; then before each op, as by :func:`tflreplay.run`.

    The other arguments are those of :func:`tflreplay.run`.

    Returns:
        The run over all inputs: its comparison is the sum of theirs, and ``dataset`` has a line on
        each.

    Raises:
        CaptureError: nothing could be captured.
        InputError: an input cannot be read or given to the runtime; and as :func:`tflreplay.run`.
    """
    rows = user_kernels.rows(kernels, model)
    modes = modes or (("isolated",) if rows else MODES)
    expectations = read_expectations(expect, model) if expect is not None else None
    reader = _Reader(model, shapes, hints, single_commands, against, machine)
    samples = source.samples
    first = reader.read(samples[0]).against
    ours = engine_of(runtime, engine, replay_as, threads, first, machine, probe)
    job = Job(model, runtime, engine, threads, machine, ours, rows, modes)
    judge = Judge(job, ahead=True)
    total: Part | None = None
    progress("Reading", samples[0].name, 0, len(samples))
    for part in judge.parts(reader.batches(samples)):
        _check_classes(part, source, expectations)
        total = part if total is None else total + part
        progress("Replaying", part.inputs[-1].name, len(total.inputs), len(samples))
    assert total is not None
    asked = Asked(
        (*source.notes, f"{source.source}: {len(samples):,} inputs, each an inference of its own"),
        command,
        "",
        expectations,
    )
    return _explained(job, reader, source, total, asked, progress)


def capture_dataset(
    model: Model,
    source: Source,
    directory: Path,
    runtime: str | None = None,
    engine: str | None = None,
    *,
    threads: int = 1,
    machine: str | None = None,
    shapes: Sequence[str] = (),
    hints: Hints = NO_HINTS,
    overwrite: bool = False,
    progress: Progress = lambda stage, op, done, total: None,
) -> list[str]:
    """Save a runtime's tensors of each input of a dataset: ``0.npz``, ``1.npz`` and so on.

    Returns:
        How the runtime failed on inputs; what could be had of those is saved, too.

    Raises:
        OutputError: a file is there and ``overwrite`` is not set, or cannot be written.
        CaptureError, InputError: as :func:`run_dataset`.
    """
    reader = _Reader(model, shapes, hints, ("", ""), None, machine)
    paths = [directory / f"{sample.number}.npz" for sample in source.samples]
    for path in paths:
        check(path, overwrite)
    given = (reader.read(sample) for sample in source.samples)
    captures = captures_of(model, runtime, engine, threads, machine, ahead=True)
    failures = []
    for one, captured in captures.of((each, each.inputs.arrays) for each in given):
        number = one.sample.number
        save(captured, paths[number], model, one.inputs.arrays, overwrite)
        failures += [f"{one.sample.name}: {captured.failure}"] if captured.failure else []
        progress("Capturing", one.sample.name, number + 1, len(paths))
    return failures


def captures_of(
    model: Model,
    runtime: str | None,
    engine: str | None,
    threads: int,
    machine: str | None,
    ahead: bool,
) -> Captures:
    """What captures inputs, ``ahead`` of those that look at them or not."""

    def start(arrays: Mapping[int, Array]) -> Running:
        return start_capture(model, arrays, runtime, engine, threads, machine=machine)

    return Captures(start, ahead)


def _check_classes(part: Part, source: Source, expectations: Expectations | None) -> None:
    """Refuse what is asked of classes where there are none."""
    asked = "a label" if source.samples[0].label is not None else ""
    if expectations is not None and expectations.changed is not None:
        asked = "--expect changed"
    unknown = next((one for one in part.inputs if one.classes is None), None)
    if asked and unknown is not None:
        raise InputError(
            f"{unknown.name}: {asked} is of classes, and there are none to compare: the model has "
            "to have one output, of a score for each class, on both sides and in the chained replay"
        )


def _replayed_on(model: Model, given: Given) -> dict[int, Array]:
    """The inputs; where a dump shows its own codes of one given in real numbers, those."""
    if given.against is None:
        return given.inputs.arrays
    theirs = given.against.tensors
    shown = (step.tensor.index for step in _steps(model, given))
    return given.inputs.arrays | {index: theirs[index] for index in shown}


def _steps(model: Model, given: Given) -> tuple[InputStep, ...]:
    """How a dump made the codes of what was given in real numbers."""
    if given.against is None:
        return ()
    return input_steps(model, given.inputs.reals, given.inputs.arrays, given.against.tensors)


def _as_captured(ours: Engine, model: Model, captured: Capture) -> Engine:
    """Without the ops that XNNPACK was seen to leave."""
    if captured.engine != ours.name:
        return ours
    left = xnnpack.left(ours, model, captured.origin)
    return replace(ours, left=left) if left else ours


@dataclass
class _Seen:
    """An input that is looked at to explain what differs, and its replays."""

    captured: Capture
    sides: Sides
    tensors: dict[int, Array]
    chained: Replay | None
    isolated: Replay | None
    comparison: Comparison


def _explained(
    job: Job,
    reader: _Reader,
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
        input_steps=_steps(model, given[0]),
        dataset=Dataset(
            source.source,
            total.inputs,
            tuple(total.inputs[place].number for place in evidence),
            tuple(sorted(verdicts)),
        ),
    )


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
    arrays = _replayed_on(job.model, given)
    ours = _as_captured(job.ours, job.model, captured)
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
