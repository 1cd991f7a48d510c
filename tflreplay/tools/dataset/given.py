"""The inputs of a dataset, each read when it is needed."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import Array
from tflreplay.judgement.input_steps import InputStep, input_steps
from tflreplay.model import Model
from tflreplay.runtimes import Capture
from tflreplay.runtimes.dataset import Sample
from tflreplay.runtimes.hints import Hints
from tflreplay.runtimes.inputs import Inputs, read_inputs
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.sources import on_machine

_BATCH, _ELEMENTS = 32, 1 << 22  # inputs of a batch, at most; elements that its tensors have


@dataclass(frozen=True)
class Given:
    """One input, read."""

    sample: Sample
    inputs: Inputs
    command: str = ""
    explain_command: str = ""
    against: Capture | None = field(default=None, repr=False)


class Reader:
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


def replayed_on(model: Model, given: Given) -> dict[int, Array]:
    """The inputs; where a dump shows its own codes of one given in real numbers, those."""
    if given.against is None:
        return given.inputs.arrays
    theirs = given.against.tensors
    shown = (step.tensor.index for step in steps(model, given))
    return given.inputs.arrays | {index: theirs[index] for index in shown}


def steps(model: Model, given: Given) -> tuple[InputStep, ...]:
    """How a dump made the codes of what was given in real numbers."""
    if given.against is None:
        return ()
    return input_steps(model, given.inputs.reals, given.inputs.arrays, given.against.tensors)
