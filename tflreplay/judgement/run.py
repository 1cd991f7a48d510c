"""What a report is made from: one run, and the sentences every report says about it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from tflreplay.ground import notebook
from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import Machine, replay_notes
from tflreplay.ground.words import printable, series
from tflreplay.judgement import proof
from tflreplay.judgement.comparison import Comparison, LayerDiff
from tflreplay.judgement.dataset import Dataset
from tflreplay.judgement.defects import Met, told
from tflreplay.judgement.detail import Detail
from tflreplay.judgement.diagnosis import Verdict, summarize
from tflreplay.judgement.difference import Difference
from tflreplay.judgement.expectations import Expectations
from tflreplay.judgement.input_steps import InputStep
from tflreplay.judgement.measured import profile_notes
from tflreplay.judgement.proof import Proof
from tflreplay.judgement.stretch import StretchVerdict
from tflreplay.judgement.suspects import ranges
from tflreplay.model import Model
from tflreplay.runtimes import RUNTIMES

MODES = ("isolated", "stretch", "chained")


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


def whose_arithmetic(engine: Engine) -> str:
    """As :func:`whose`; of a profile its name."""
    if engine.profile is not None:
        return str(engine)
    return whose(engine.runtime, engine.version, engine.name)


@dataclass(frozen=True)
class Asked:
    """What a run was asked for.

    ``inputs`` says of each input where it came from and how it was converted. ``command`` is what
    to type to do the same again, and ``explain_command``, but for ``--layer`` and ``--at``, to
    explain one element. ``expectations`` are what the run is held to; without them every layer is
    to be exact. ``foretold`` is what was known to be wrong before anything ran, in a line.
    """

    inputs: tuple[str, ...] = ()
    command: str = ""
    explain_command: str = ""
    expectations: Expectations | None = None
    foretold: str = ""


@dataclass(frozen=True)
class Findings:
    """What was found out where something differs; where nothing does, how much that proves.

    ``verdicts`` say what explains the other side's output of an op (or the user's, where that
    computed it), by op index, and ``undiagnosed``, in a sentence each, what could not be found
    out because of a failure.
    ``details`` are of each layer that differs, by op index and tensor index, and ``stretches`` say
    of those whose inputs were not seen what explains all that was made since the last tensors seen.
    ``proofs`` say of a port that is exact what would have shown, and ``defects``, by op index,
    where the engine itself is wrong. ``built`` says that a device's library was built in another
    way.
    """

    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    undiagnosed: Sequence[str] = ()
    details: Mapping[tuple[int, int], Detail] = field(default_factory=dict, repr=False)
    stretches: Mapping[tuple[int, int], StretchVerdict] = field(default_factory=dict)
    proofs: Sequence[Proof] = ()
    defects: Mapping[int, Sequence[Met]] = field(default_factory=dict)
    built: str = ""


@dataclass(frozen=True)
class Run:
    """One replay of a model against one runtime.

    Args:
        engine: whose arithmetic was replayed.
        user_kernels: which user's function computed an op, by op index.
        inference: which of how many consecutive inferences this is: the first in which something
            differs, else the last.
        seconds: wall time by stage.
        input_steps: of each input that was given in real numbers, and whose codes the other side
            shows, how it made them. The graph was replayed on those.
        dataset: of a run over a dataset a line an input; the comparison is then the sum of all.
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
    input_steps: tuple[InputStep, ...] = ()
    dataset: Dataset | None = None

    @property
    def verdicts(self) -> Mapping[int, Verdict]:
        """What explains the other side's output of an op, by op index."""
        return self.findings.verdicts

    def __repr__(self) -> str:
        return f"Run({self.model.path.name!r}, {self.headline})"

    def _repr_html_(self) -> str:
        said = (
            *self.asked.inputs,
            *self.notes,
            *(step.text for step in self.input_steps),
            *self.explanations,
            *self.stretch_explanations,
            *self.defects,
        )
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
        if str(self.engine) != capture.engine:
            theirs += f", replayed as {self.engine}"
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
        left = [f"op {index} {operators[index].name}" for index in self.engine.left]
        if left:
            computed.append(
                f"XNNPACK was expected to take {', '.join(left)}, and did not; replayed in the "
                "runtime's own kernels"
            )
        told = [
            self.asked.foretold,
            *replay_notes(self.capture.machine, self.engine.machine),
            *profile_notes(self.model, self.engine),
            self.capture.note,
            *self.capture.problems,
            *computed,
            *(self.dataset.notes if self.dataset is not None else ()),
            *self.findings.undiagnosed,
        ]
        return tuple(filter(None, told))

    @property
    def verdict(self) -> str:
        """``exact``, ``mismatch``, or ``incomplete``: nothing differs, but not all was compared."""
        if self.comparison.mismatched or self.wrong_inputs:
            return "mismatch"
        if self.comparison.exact and not self.capture.failure:
            return "exact"
        return "incomplete"

    def fails(self, layer: LayerDiff) -> bool:
        """True where a layer is not as expected, or without expectations where it differs."""
        if self.asked.expectations is None:
            return layer.status == "mismatch"
        return self.asked.expectations.of(layer).met_by(layer) is False

    @property
    def wrong_inputs(self) -> tuple[InputStep, ...]:
        """The inputs that the other side did not round to nearest."""
        return tuple(step for step in self.input_steps if not step.rounds)

    @cached_property
    def failed_inputs(self) -> tuple[InputStep, ...]:
        """Of these, the ones that are not as expected."""
        return tuple(step for step in self.wrong_inputs if self.fails(step.layer))

    @cached_property
    def failed(self) -> tuple[LayerDiff, ...]:
        return tuple(filter(self.fails, self.comparison.layers))

    @cached_property
    def unjudged(self) -> tuple[LayerDiff, ...]:
        """The layers of which something is expected, and nothing could be compared.

        What a dump does not hold was not asked for.
        """
        if self.asked.expectations is None:
            return (*self.comparison.not_replayed, *self.comparison.not_read)
        return tuple(
            layer
            for layer in self.comparison.layers
            if self.asked.expectations.of(layer).met_by(layer) is None
            and layer.status != "not dumped"
        )

    @property
    def exit_code(self) -> int:
        """The command's: 0 where all is as expected, 1 where a layer is not, 2 where unknown."""
        if self.capture.failure or not self.comparison.layers:
            return 2
        if self.failed or self.failed_inputs or self.changed_too_often:
            return 1
        return 2 if self.unjudged else 0

    @property
    def changed_too_often(self) -> bool:
        """True where the class changes in more inputs than expected."""
        allowed = self.asked.expectations.changed if self.asked.expectations is not None else None
        return (
            allowed is not None and self.dataset is not None and len(self.dataset.changed) > allowed
        )

    @property
    def modes(self) -> tuple[str, ...]:
        """Which comparisons were made, of ``isolated``, ``stretch`` and ``chained``."""
        return tuple(
            mode
            for mode in MODES
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
        """What explains the differences, in sentences: all of them, and for each op, over all of
        its layers.
        """
        built = filter(None, [self.findings.built])
        found = (printable(verdict.text) for verdict in summarize(self.verdicts.values()))
        return (*built, *found, *self.untried)

    @property
    def proven(self) -> tuple[str, ...]:
        """What an exact result proves, in sentences, and what to type to learn more."""
        proofs = self.findings.proofs
        return tuple(filter(None, (*(found.text for found in proofs), proof.rest(proofs))))

    @property
    def defects(self) -> tuple[str, ...]:
        """Where the engine itself is wrong, in a sentence for each kind."""
        return tuple(map(printable, told(self.findings.defects, self.comparison.layers)))

    @property
    def untried(self) -> tuple[str, ...]:
        """Of the layers that make a difference and have no verdict, a sentence for each op."""
        groups: dict[tuple[str, bool], list[LayerDiff]] = defaultdict(list)
        for layer in self.comparison.mismatched:
            if layer.kind == "own" and layer.op_index not in self.verdicts:
                real = layer.tensor.dtype.startswith("float")
                groups[layer.op, real].append(layer)
        return tuple(
            f"{printable(op)}, {len(layers)} layer{' differs' if len(layers) == 1 else 's differ'} "
            f"(op {ranges([layer.op_index for layer in layers])}): nothing is tried for "
            f"{printable(op)}{' on floating-point outputs' if real else ''}."
            for (op, real), layers in groups.items()
        )

    @property
    def stretch_explanations(self) -> tuple[str, ...]:
        """What explains each layer whose inputs were not seen, in sentences."""
        return tuple(printable(verdict.text) for verdict in self.findings.stretches.values())

    @property
    def _tolerated(self) -> str:
        close = len(self.comparison.within_tolerance)
        layers = f"layer{'' if close == 1 else 's'}"
        return f"{close} floating-point {layers} within tolerance, " if close else ""

    @property
    def headline(self) -> str:
        """The verdict on one line."""
        layers = self.comparison.layers
        skipped, undumped = len(self.comparison.not_replayed), len(self.comparison.not_dumped)
        unread = len(self.comparison.not_read)
        compared = len(layers) - skipped - undumped - unread
        how = series(self.modes[::-1])
        absent = [f"{undumped} of {len(layers)} layers not dumped"] if undumped else []
        if self.verdict == "exact":
            counted = [
                f"{compared} of {len(layers)} layers",
                *absent,
                f"{self.elements:,} elements",
            ]
            return (
                f"EXACT: {', '.join(counted)}, "
                f"{self._tolerated}"
                f"0 mismatches, {how}, {self._in_each}"
                f"against {self.against}"
            )
        untold = [f"{skipped} of {len(layers)} layers not replayed"] if skipped else []
        untold += [f"{unread} of {len(layers)} layers not read"] if unread else []
        untold += absent
        if self.capture.failure:
            untold.append("the runtime failed")
        first = self.comparison.first_divergence
        if first is None and not self.wrong_inputs:
            same = f"{compared} of {len(layers)} layers are exact" if compared else "no comparison"
            return printable(
                f"INCOMPLETE: {self._where}{', '.join([same, *untold])}; against {self.against}"
            )
        differ = len(self.comparison.mismatched)
        parts = [f"{differ} of {len(layers)} layers {'differs' if differ == 1 else 'differ'}"]
        if first is None:
            parts = [f"{compared} of {len(layers)} layers are exact on its codes"]
        return printable(
            f"MISMATCH: {self._where}first divergence {self._first}, "
            f"{', '.join([*parts, *untold])}; against {self.against}"
        )

    @property
    def _in_each(self) -> str:
        if self.dataset is not None:
            return f"in each of {len(self.dataset.inputs):,} inputs, "
        return f"in each of {self.inference[1]} inferences, " if self.inference[1] > 1 else ""

    @property
    def _where(self) -> str:
        """In which inputs or inferences something differs."""
        number, of = self.inference
        if self.dataset is not None:
            return f"{len(self.dataset.differing):,} of {len(self.dataset.inputs):,} inputs, "
        return f"inference {number} of {of}, " if of > 1 else ""

    @property
    def _first(self) -> str:
        """The place of the first divergence."""
        if self.wrong_inputs:
            return f"at input {self.wrong_inputs[0].tensor.label}, before the graph"
        assert self.comparison.first_divergence is not None
        return place(self.comparison.first_divergence)


def place(layer: LayerDiff) -> str:
    """Where the layer's difference shows, and as far as it is known was made."""
    at = "at" if layer.alone else "at or before"
    return f"{at} op {layer.op_index} {layer.op}"


def story(layer: LayerDiff) -> str:
    """What was found in one layer, in words."""
    isolated, chained = layer.isolated, layer.chained
    if layer.main is None:
        return f"{layer.status.capitalize()}: {layer.reason}."
    if layer.status == "within tolerance":
        return _close(layer.main)
    if layer.status == "exact":
        how = " and ".join(mode for mode in MODES if getattr(layer, mode) is not None)
        note = f" {layer.reason}." if layer.reason else ""
        return f"Exact: all {layer.main.elements:,} elements identical, {how}.{note}"
    sentences = []
    if isolated is not None:
        sentences.append(
            "Fed the captured inputs, this op is exact."
            if isolated.exact
            else f"Fed the captured inputs, {differing(isolated)}: the difference is made here."
        )
    if not layer.alone:
        sentences.append(_stretch(layer))
    if chained is not None:
        sentences.append(
            "In the chained replay all elements are identical."
            if chained.exact
            else f"In the chained replay, {differing(chained)}"
            + (
                ": all of it comes from earlier layers."
                if layer.made is not None and layer.made.exact
                else "."
            )
        )
    if layer.reason:
        sentences.append(f"{layer.reason}.")
    return " ".join(sentences)


def _stretch(layer: LayerDiff) -> str:
    """What was made between the last tensors seen and a layer whose inputs were not seen."""
    unseen = layer.suspects.unseen
    if layer.stretch is None:
        return f"Its inputs were not seen: {unseen}."
    if layer.stretch.exact:
        return f"Its inputs were not seen ({unseen}); from there on all is exact."
    return (
        f"Its inputs were not seen: from there on, {differing(layer.stretch)}: the difference is "
        f"made at or before op {layer.op_index}; {unseen} (ops {ranges(layer.suspects.ops)})."
    )


def _close(diff: Difference) -> str:
    apart = f"{diff.close:,} of {diff.elements:,} are not bit-identical"
    if diff.signs == diff.close:
        return f"Within tolerance: {apart}; only the sign of zero, or of NaN, differs."
    off = (
        f"no element is further off than {diff.tolerance:g} of the largest magnitude"
        if not diff.share
        else f"no element takes more than {diff.share:.2%} of what rounding can make of its sum"
    )
    return (
        f"Within tolerance: {off}; {apart}, since the order in which floating-point sums are "
        "formed is not modelled. The replay goes on from the captured tensor."
    )


def differing(diff: Difference) -> str:
    """How many elements differ, and which way: ``12 of 300 elements differ (12 +1)``."""
    others = diff.mismatches - diff.plus_one - diff.minus_one
    kinds = [("+1", diff.plus_one), ("−1", diff.minus_one), ("further apart", others)]  # noqa: RUF001
    split = ", ".join(f"{count:,} {name}" for name, count in kinds if count)
    differ = "differs" if diff.mismatches == 1 else "differ"
    return f"{diff.mismatches:,} of {diff.elements:,} elements {differ} ({split})"
