"""What is done with each input of a dataset: captured, replayed, compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Array
from tflreplay.judgement.comparison import compare
from tflreplay.judgement.dataset import Part, classes, result
from tflreplay.model import Model, parse
from tflreplay.ops import Row
from tflreplay.replayer.loop import replay, replay_isolated
from tflreplay.runtimes import Capture, Running, start_capture, xnnpack
from tflreplay.runtimes.serving import Captures
from tflreplay.tools.dataset.given import Given, replayed_on


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

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process the model travels as its file's content."""
        others = [getattr(self, each.name) for each in fields(self)][1:]
        return _job, (self.model.content, self.model.path, *others)


def _job(content: bytes, path: Path, *others: Any) -> Job:
    return Job(parse(content, path), *others)


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
        ours = as_captured(job.ours, job.model, captured)
        arrays = replayed_on(job.model, given)
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


def as_captured(ours: Engine, model: Model, captured: Capture) -> Engine:
    """Without the ops that XNNPACK was seen to leave."""
    if captured.engine != ours.name:
        return ours
    left = xnnpack.left(ours, model, captured.origin)
    return replace(ours, left=left) if left else ours
