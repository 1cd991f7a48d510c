"""What a report is made from: one run, and the sentences every report says about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from tflreplay.ground import notebook
from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import Machine, replay_notes
from tflreplay.ground.words import printable
from tflreplay.judgement.comparison import Comparison, Difference, LayerDiff
from tflreplay.judgement.detail import Detail
from tflreplay.judgement.diagnosis import Verdict, summarize
from tflreplay.judgement.expectations import Expectations
from tflreplay.model import Model
from tflreplay.runtimes import RUNTIMES


class Provenance(Protocol):
    """Where the captured tensors came from: the part of a capture that a report tells.

    ``note`` says what was changed for the runtime to accept the model, ``problems`` which saved
    tensors did not fit, and ``failure`` how the runtime failed; all are empty otherwise.
    ``missing`` says, by index, why a tensor was not obtained. ``machine`` is what the runtime ran
    on, empty where that is not known.
    """

    @property
    def runtime(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def note(self) -> str: ...
    @property
    def problems(self) -> Sequence[str]: ...
    @property
    def failure(self) -> str: ...
    @property
    def missing(self) -> Mapping[int, str]: ...


def whose(runtime: str, version: str, engine: str) -> str:
    """Whose kernels, in words: ``LiteRT 2.3.0 reference kernels``; each part may be empty."""
    name = RUNTIMES[runtime].title if runtime in RUNTIMES else runtime
    return " ".join(filter(None, [name, version, engine and f"{engine} kernels"]))


@dataclass(frozen=True)
class Asked:
    """What a run was asked for.

    ``inputs`` says of each input where it came from and how it was converted. ``command`` is what
    to type to do the same again, and ``explain_command``, but for ``--layer`` and ``--at``, to
    explain one element. ``expectations`` are what the run is held to; without them every layer is
    to be exact.
    """

    inputs: tuple[str, ...] = ()
    command: str = ""
    explain_command: str = ""
    expectations: Expectations | None = None


@dataclass(frozen=True)
class Findings:
    """What was found out where something differs; empty where nothing does.

    ``verdicts`` say what explains the other side's output of an op (or the user's, where that
    computed it), by op index, and ``undiagnosed``, in a sentence each, what could not be found
    out because of a failure.
    ``details`` are of each layer that differs, by op index and tensor index.
    """

    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    undiagnosed: Sequence[str] = ()
    details: Mapping[tuple[int, int], Detail] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Run:
    """One replay of a model against one runtime.

    Args:
        engine: whose arithmetic was replayed.
        user_kernels: which user's function computed an op, by op index.
        inference: which of how many consecutive inferences this is: the first in which something
            differs, else the last.
        seconds: wall time by stage.
    """

    model: Model
    engine: Engine
    capture: Provenance
    comparison: Comparison
    asked: Asked = field(default_factory=Asked)
    findings: Findings = field(default_factory=Findings)
    user_kernels: Mapping[int, str] = field(default_factory=dict)
    inference: tuple[int, int] = (1, 1)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdicts(self) -> Mapping[int, Verdict]:
        """What explains the other side's output of an op, by op index."""
        return self.findings.verdicts

    def __repr__(self) -> str:
        return f"Run({self.model.path.name!r}, {self.headline})"

    def _repr_html_(self) -> str:
        said = (*self.asked.inputs, *self.notes, *self.explanations)
        return (
            notebook.paragraph(self.headline, bold=True)
            + "".join(map(notebook.paragraph, said))
            + self.comparison.table_html()
        )

    @property
    def against(self) -> str:
        """The other side, in words: ``LiteRT 2.3.0 reference kernels``."""
        capture = self.capture
        theirs = whose(capture.runtime, capture.version, capture.engine)
        if self.engine.name != capture.engine:
            theirs += f", replayed as {self.engine.name}"
        return theirs

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about both sides."""
        operators = self.model.main.operators
        layers = Counter((operators[index].name, by) for index, by in self.user_kernels.items())
        computed = [
            f"{op} computed by {by}, {count} layer{'' if count == 1 else 's'}"
            for (op, by), count in layers.items()
        ]
        told = [
            *replay_notes(self.capture.machine, self.engine.machine),
            self.capture.note,
            *self.capture.problems,
            *computed,
            *self.findings.undiagnosed,
        ]
        return tuple(filter(None, told))

    @property
    def verdict(self) -> str:
        """``exact``, ``mismatch``, or ``incomplete``: nothing differs, but not all was compared."""
        if self.comparison.mismatched:
            return "mismatch"
        if self.comparison.exact and not self.capture.failure:
            return "exact"
        return "incomplete"

    def fails(self, layer: LayerDiff) -> bool:
        """True where a layer is not as expected, or without expectations where it differs."""
        if self.asked.expectations is None:
            return layer.status == "mismatch"
        return self.asked.expectations.of(layer).met_by(layer) is False

    @cached_property
    def failed(self) -> tuple[LayerDiff, ...]:
        return tuple(filter(self.fails, self.comparison.layers))

    @cached_property
    def unjudged(self) -> tuple[LayerDiff, ...]:
        """The layers of which something is expected, and nothing could be compared."""
        if self.asked.expectations is None:
            return self.comparison.not_replayed
        return tuple(
            layer
            for layer in self.comparison.layers
            if self.asked.expectations.of(layer).met_by(layer) is None
        )

    @property
    def exit_code(self) -> int:
        """The command's: 0 where all is as expected, 1 where a layer is not, 2 where unknown."""
        if self.capture.failure or not self.comparison.layers:
            return 2
        if self.failed:
            return 1
        return 2 if self.unjudged else 0

    @property
    def modes(self) -> tuple[str, ...]:
        """Which comparisons were made: ``isolated``, ``chained`` or both."""
        return tuple(
            mode
            for mode in ("isolated", "chained")
            if any(getattr(layer, mode) is not None for layer in self.comparison.layers)
        )

    @property
    def elements(self) -> int:
        """The elements compared."""
        compared = (layer.main for layer in self.comparison.layers)
        return sum(diff.elements for diff in compared if diff is not None)

    def mismatches(self, mode: str) -> int | None:
        """Elements that differ over all layers; None where ``mode`` was not compared at all."""
        if mode not in self.modes:
            return None
        found: list[Difference | None] = [getattr(layer, mode) for layer in self.comparison.layers]
        return sum(diff.mismatches for diff in found if diff is not None)

    @property
    def explanations(self) -> tuple[str, ...]:
        """What explains the differences, in sentences: for each op, over all of its layers."""
        return tuple(printable(verdict.text) for verdict in summarize(self.verdicts.values()))

    @property
    def _tolerated(self) -> str:
        close = len(self.comparison.within_tolerance)
        return f"{close} floating-point layers within tolerance, " if close else ""

    @property
    def headline(self) -> str:
        """The verdict on one line."""
        layers = self.comparison.layers
        skipped = len(self.comparison.not_replayed)
        compared = len(layers) - skipped
        how = " and ".join(reversed(self.modes))
        number, of = self.inference
        if self.verdict == "exact":
            return (
                f"EXACT: {compared} of {len(layers)} layers, {self.elements:,} elements, "
                f"{self._tolerated}"
                f"0 mismatches, {how}, {f'in each of {of} inferences, ' if of > 1 else ''}"
                f"against {self.against}"
            )
        untold = [f"{skipped} of {len(layers)} layers not replayed"] if skipped else []
        if self.capture.failure:
            untold.append("the runtime failed")
        first = self.comparison.first_divergence
        if first is None:
            same = f"{compared} of {len(layers)} layers are exact" if compared else "no comparison"
            return printable(f"INCOMPLETE: {', '.join([same, *untold])}; against {self.against}")
        differ = len(self.comparison.mismatched)
        parts = [f"{differ} of {len(layers)} layers {'differs' if differ == 1 else 'differ'}"]
        return printable(
            f"MISMATCH: {f'inference {number} of {of}, ' if of > 1 else ''}"
            f"first divergence at op {first.op_index} {first.op}, "
            f"{', '.join([*parts, *untold])}; against {self.against}"
        )


def story(layer: LayerDiff) -> str:
    """What was found in one layer, in words."""
    isolated, chained = layer.isolated, layer.chained
    if layer.main is None:
        return f"Not replayed: {layer.reason}."
    if layer.status == "within tolerance":
        return _close(layer.main)
    if layer.status == "exact":
        how = " and ".join(
            mode for mode in ("isolated", "chained") if getattr(layer, mode) is not None
        )
        note = f" {layer.reason}." if layer.reason else ""
        return f"Exact: all {layer.main.elements:,} elements identical, {how}.{note}"
    sentences = []
    if isolated is not None:
        sentences.append(
            "Fed the captured inputs, this op is exact."
            if isolated.exact
            else f"Fed the captured inputs, {differing(isolated)}: the difference is made here."
        )
    if chained is not None:
        sentences.append(
            "In the chained replay all elements are identical."
            if chained.exact
            else f"In the chained replay, {differing(chained)}"
            + (
                ": all of it comes from earlier layers."
                if isolated is not None and isolated.exact
                else "."
            )
        )
    if layer.reason:
        sentences.append(f"{layer.reason}.")
    return " ".join(sentences)


def _close(diff: Difference) -> str:
    return (
        f"Within tolerance: no element is further off than {diff.tolerance:g} of the largest "
        f"magnitude; {diff.close:,} of {diff.elements:,} are not bit-identical, since the order in "
        "which floating-point sums are formed is not modelled. The replay goes on from the "
        "captured tensor."
    )


def differing(diff: Difference) -> str:
    """How many elements differ, and which way: ``12 of 300 elements differ (12 +1)``."""
    others = diff.mismatches - diff.plus_one - diff.minus_one
    kinds = [("+1", diff.plus_one), ("−1", diff.minus_one), ("further apart", others)]  # noqa: RUF001
    split = ", ".join(f"{count:,} {name}" for name, count in kinds if count)
    differ = "differs" if diff.mismatches == 1 else "differ"
    return f"{diff.mismatches:,} of {diff.elements:,} elements {differ} ({split})"
