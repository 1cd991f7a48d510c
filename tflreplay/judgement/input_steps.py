"""The step before the graph: the codes that a device made of real numbers.

It is checked like a layer. TFLite has an op for it, so the mistakes tried are those of that op.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Array
from tflreplay.ground.words import printable
from tflreplay.judgement.comparison import LayerDiff, channel_axis
from tflreplay.judgement.diagnosis import Verdict, diagnose_all
from tflreplay.judgement.difference import Difference, difference
from tflreplay.judgement.straight_line import Line, lines
from tflreplay.model import Model, Tensor
from tflreplay.ops.quantize import codes_of_reals

_RULES = (
    "TFLite's own kernels round to nearest: reference halves away from zero, optimized and XNNPACK "
    "halves to even"
)


@dataclass(frozen=True)
class InputStep:
    """The codes of one input: ours of the real numbers given, rounded to nearest, minus theirs.

    ``verdict`` says what gives theirs; None where that could not be found out, which ``failure``
    says. ``lines`` are the straight lines that give theirs, of one or of each channel, where no
    mistake does.
    """

    tensor: Tensor
    difference: Difference
    verdict: Verdict | None
    failure: str = ""
    lines: tuple[Line, ...] = ()

    @property
    def rounds(self) -> bool:
        """True where theirs too is rounded to nearest, as a kernel of TFLite or another does it."""
        fits = self.verdict.fits if self.verdict is not None else ()
        return self.difference.exact or (bool(fits) and not fits[0].mistakes)

    @property
    def status(self) -> str:
        """``exact``, ``within tolerance`` where only the rounding of ties differs, ``mismatch``."""
        if self.difference.exact:
            return "exact"
        return "within tolerance" if self.rounds else "mismatch"

    @property
    def layer(self) -> LayerDiff:
        """What is compared, as of a layer; it is no op of the model, and has the index -1."""
        shape = self.tensor.shape
        axis = channel_axis(self.tensor, len(shape))
        made = self.difference
        if self.rounds and not made.exact:
            made = replace(made, mismatches=0, plus_one=0, minus_one=0, close=made.mismatches)
        return LayerDiff(-1, "input", self.tensor, shape, axis, "", made, None)

    @property
    def text(self) -> str:
        """What was found, in sentences."""
        where = f"Input {self.tensor.label}, before the graph: "
        diff = self.difference
        if diff.exact:
            return f"{where}all {diff.elements:,} codes are the given values, rounded to nearest."
        counted = f"{diff.mismatches:,} of {diff.elements:,} codes differ"
        return f"{where}{counted}{self._why} The graph was replayed on theirs."

    @property
    def _why(self) -> str:
        if self.verdict is None:
            return f"; {self.failure or 'nothing was tried'}."
        if self.rounds:
            return f", and only as rounding to nearest may ({self.verdict.fits[0].term}). {_RULES}."
        if self.lines:
            return f". {self._line}"
        unlike = "" if self.verdict.fits else " Or these are not the values that it was fed."
        return f". {self.verdict.text}{unlike}"

    @property
    def _line(self) -> str:
        right = Line(1 / self.tensor.scale, self.tensor.zero_point)
        if len(self.lines) == 1:
            told = f"round({self.lines[0]})"
        else:
            each = ", ".join(f"round({line}) in {c}" for c, line in enumerate(self.lines))
            told = f"by channel {each}"
        return (
            "Not explained by any mistake that was tried, but by a straight line: all "
            f"{self.difference.elements:,} codes are {told}, clamped; right is round({right}). "
            "Another scale or zero point was used, or the values were prepared with another mean "
            "or standard deviation. Fix: prepare them as the model wants them, and divide by its "
            f"own scale, {self.tensor.scale:.6g}."
        )


def input_steps(
    model: Model,
    reals: Mapping[int, Array],
    ours: Mapping[int, Array],
    theirs: Mapping[int, Array],
) -> tuple[InputStep, ...]:
    """The step of each input that was given in real numbers, and of which the codes were seen.

    Args:
        reals: floating-point values by tensor index, in the tensor's shape.
        ours: the codes of all inputs, rounded to nearest.
        theirs: the tensors of a device.
    """
    return tuple(
        _step(model, model.main.tensors[index], values, ours[index], theirs[index])
        for index, values in reals.items()
        if index in theirs and theirs[index].shape == ours[index].shape
    )


def _step(model: Model, tensor: Tensor, reals: Array, ours: Array, theirs: Array) -> InputStep:
    tensor = replace(tensor, shape=theirs.shape)
    found = difference(ours, theirs, channel_axis(tensor, theirs.ndim))
    if found.exact:
        return InputStep(tensor, found, None)
    graph = codes_of_reals(tensor)
    (given,), (made,) = graph.inputs, graph.outputs
    before = replace(model, subgraphs=(graph,))
    with np.errstate(over="ignore"):
        narrow = reals.astype(np.float32)
    verdicts, failures = diagnose_all(before, {given: narrow}, Engine(), {made: theirs})
    verdict = verdicts.get(0)
    explained = verdict is not None and bool(verdict.fits)
    straight = () if explained else lines(reals, theirs, *tensor.code_range)
    return InputStep(tensor, found, verdict, printable(failures.get(0, "")), straight)
