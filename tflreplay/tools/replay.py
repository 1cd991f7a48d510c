"""``tflreplay MODEL``: a replay against a runtime, compared and explained."""

from __future__ import annotations

import shlex
import time
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import Array
from tflreplay.judgement import built as built_so
from tflreplay.judgement.comparison import Comparison, compare
from tflreplay.judgement.defects import Met, met
from tflreplay.judgement.detail import details
from tflreplay.judgement.diagnosis import diagnose_all
from tflreplay.judgement.expectations import read_expectations
from tflreplay.judgement.input_steps import InputStep, input_steps
from tflreplay.judgement.proof import Proof, prove
from tflreplay.judgement.run import Asked, Findings, Run
from tflreplay.judgement.stretch import StretchVerdict, explain_stretches
from tflreplay.model import Model
from tflreplay.ops import LAYERS, OWN_TABLES, Row
from tflreplay.ops.base.session import Session
from tflreplay.ops.seam import FirstHalves
from tflreplay.replayer import user_kernels
from tflreplay.replayer.loop import Replay, replay, replay_isolated
from tflreplay.replayer.user_kernels import UserKernel
from tflreplay.runtimes import Capture, xnnpack
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.check import foretold
from tflreplay.tools.sources import captured_later, engine_of, on_machine, renamed

MODES = ("chained", "isolated")
Progress = Callable[[str, str, int, int], None]
NO_KERNELS: Mapping[str, UserKernel] = MappingProxyType({})


def run(
    model: Model,
    inputs: Inputs,
    runtime: str | None = None,
    engine: str | None = None,
    *,
    replay_as: str | None = None,
    threads: int = 1,
    against: Capture | None = None,
    machine: str | None = None,
    modes: tuple[str, ...] | None = None,
    kernels: Mapping[str, UserKernel] = NO_KERNELS,
    expect: str | None = None,
    command: str = "",
    explain_command: str = "",
    progress: Progress = lambda stage, op, done, total: None,
    probe: bool = True,
    foretell: Callable[[str], None] = lambda line: None,
) -> Run:
    """Replay ``model`` and compare it with a runtime's kernels.

    The capture runs in its own process while the chained replay goes on here.

    Args:
        model: what :func:`tflreplay.load` gives.
        inputs: what :func:`tflreplay.read_inputs` gives.
        runtime: ``litert``, ``tensorflow`` or ``tflm``, with or without ``==version``.
        engine: the kernels to capture and to replay: ``reference``, ``optimized``, ``xnnpack`` or
            ``tflm``.
        replay_as: other arithmetic to replay than is captured: an engine, ``double`` or ``single``,
            with ``@`` and a machine where it is to be another's.
        threads: the runtime's threads.
        against: tensors to compare with instead of a capture. Where they hold the codes of an
            input that was given in real numbers, that step is compared too, and those codes are
            what the graph is replayed on.
        machine: what the runtime runs on or the tensors come from, and so what is replayed:
            ``x86-64``, ``aarch64`` or, with a CPU, ``aarch64:cortex-a72``. Without it that of the
            tensors where that is known, else this computer.
        modes: ``chained``, ``isolated`` or both. Without it both, or with kernels of your own
            only ``isolated``.
        kernels: functions that compute an op in the place of ours, by op; see
            :func:`tflreplay.kernel`.
        expect: what the run is held to: a text or the name of a ``.toml`` file, see
            :mod:`tflreplay.judgement.expectations`.
        command: what a user would type to do the same, for the report.
        explain_command: what they would type, but for ``--layer`` and ``--at``, to explain one
            element of it; empty where there is no such command.
        progress: called before each op with the stage and the op in words, the ops done and their
            total.
        probe: have an engine whose version or machine the tables were not measured with probed,
            once, and follow what was found.
        foretell: called before anything runs with what :mod:`tflreplay.tools.check` knows to be
            wrong, in a line; not where it knows of nothing.

    Raises:
        CaptureError: nothing could be captured.
        InputError: an input cannot be given to the runtime, ``replay_as`` or ``machine`` is
            unknown, nothing can be captured there, ``expect`` cannot be read, or the model has no
            op for a kernel.
    """
    rows = user_kernels.rows(kernels, model)
    modes = modes or (("isolated",) if rows else MODES)
    against = on_machine(against, machine)
    ours = engine_of(runtime, engine, replay_as, threads, against, machine, probe)
    expectations = read_expectations(expect, model) if expect is not None else None
    if expectations is not None and expectations.changed is not None:
        raise InputError(f"{expectations.source}: changed is of the inputs of a dataset")
    before: tuple[InputStep, ...] = ()
    if against is not None:
        before = input_steps(model, inputs.reals, inputs.arrays, against.tensors)
        used = {step.tensor.index: against.tensors[step.tensor.index] for step in before}
        inputs = replace(inputs, arrays=inputs.arrays | used)
    theirs = captured_later(model, inputs, runtime, engine, threads, against, machine)
    wrong = foretold(model, ours)  # while the capture is waited for
    if wrong:
        foretell(wrong)
    sides = Sides(model, ours, rows, [*inputs.earlier, inputs.arrays], theirs, progress)
    chained = sides.chained() if "chained" in modes else []
    with sides.timed("waiting for the capture"):
        captured = theirs()
    if captured.engine == ours.name and (left := xnnpack.left(ours, model, captured.origin)):
        sides.ours = replace(ours, left=left)
        chained = sides.chained() if "chained" in modes else []
    number, tensors, of_chain, isolated, comparison = sides.first_difference(chained, modes)
    by_users = {op.index: rows[op.name].algorithm for op in model.main.operators if op.name in rows}
    return Run(
        model,
        sides.ours,
        captured,
        comparison,
        Asked(inputs.notes, command, explain_command, expectations, wrong),
        sides.findings(
            comparison, tensors, of_chain, isolated, by_users, against is not None, number
        ),
        by_users,
        (number + 1, len(sides.fed)),
        sides.seconds,
        before,
    )


@dataclass
class Sides:
    """Our replay and their tensors, inference by inference.

    ``fed`` holds the inputs of each, and ``theirs`` waits for the capture of all.
    """

    model: Model
    ours: Engine
    rows: Mapping[str, Row]
    fed: list[Mapping[int, Array]]
    theirs: Callable[[], Capture]
    progress: Progress
    halves: FirstHalves = field(default_factory=FirstHalves)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def step(self, stage: str) -> Callable[..., None]:
        """To be called with an op's index, and perhaps with what is done with it."""
        operators = self.model.main.operators

        def before(op_index: int, doing: str = "") -> None:
            running = f"op {op_index} {operators[op_index].name}"
            running += f", {doing}" if doing else ""
            self.progress(stage, running, op_index, len(operators))

        return before

    def _known(self, number: int) -> Mapping[int, Array]:
        """The captured tensors of one inference, waited for."""
        captured = self.theirs()
        return [*captured.earlier, captured.tensors][number]

    def chained(self) -> list[Replay]:
        """The chained replay of every inference."""
        session = Session()
        with self.timed("chained"):
            return [
                replay(
                    self.model,
                    arrays,
                    self.ours,
                    captured=partial(self._known, number),
                    progress=self.step("Replaying, chained"),
                    kernels=self.rows,
                    session=session,
                    halves=self.halves,
                )
                for number, arrays in enumerate(self.fed)
            ]

    def first_difference(
        self, chained: list[Replay], modes: tuple[str, ...]
    ) -> tuple[int, dict[int, Array], Replay | None, Replay | None, Comparison]:
        """The first inference in which something differs, else the last.

        Returns:
            Its number, the captured tensors with the inputs, its replays and their comparison.
        """
        session = Session()
        captured = self.theirs()
        for number, arrays in enumerate(self.fed):
            known = self._known(number)
            tensors = {**arrays, **known}
            of_chain = chained[number] if chained else None
            isolated = None
            if "isolated" in modes:
                with self.timed("isolated"):
                    isolated = replay_isolated(
                        self.model,
                        tensors,
                        self.ours,
                        chained=of_chain,
                        progress=self.step("Replaying, isolated"),
                        kernels=self.rows,
                        session=session,
                        halves=self.halves,
                    )
            with self.timed("compare"):
                comparison = compare(
                    self.model,
                    known,
                    of_chain,
                    isolated,
                    captured.missing,
                    captured.origin,
                    captured.absent,
                )
            if comparison.mismatched:
                break
        return number, tensors, of_chain, isolated, comparison

    def findings(
        self,
        comparison: Comparison,
        tensors: dict[int, Array],
        chained: Replay | None,
        isolated: Replay | None,
        by_users: Mapping[int, str],
        dumped: bool,
        number: int,
        but: Collection[int] = (),
    ) -> Findings:
        """What explains the differences, and the layers that differ from near.

        Where nothing differs, what that proves of the user's kernels, or of what was ``dumped``.
        ``number`` is that of the inference. There is no verdict on the ops in ``but``.
        """
        defects, unknown = self._defects(tensors, chained)
        if not comparison.mismatched:
            proofs = self._proofs(comparison, tensors, by_users) if by_users or dumped else ()
            return Findings(undiagnosed=unknown, proofs=proofs, defects=defects)
        model = self.model.as_run(tensors)
        produced = dict(tensors)
        if isolated is not None:
            made = isolated.tensors
            for index in by_users:
                outputs = self.model.main.operators[index].outputs
                produced.update({i: made[i] for i in outputs if i in made})
        for index in but:
            produced.pop(self.model.main.operators[index].outputs[0], None)
        with self.timed("verdicts"):
            verdicts, undiagnosed = diagnose_all(
                model,
                tensors,
                self.ours,
                produced,
                self.step("Explaining"),
                self.halves,
                self._known(number - 1) if number else None,
                None if by_users else self._elsewhere(),
            )
        with self.timed("details"):
            near, missing = details(
                model,
                comparison,
                tensors,
                self.ours,
                isolated,
                chained,
                by_users,
                self.halves,
            )
        with self.timed("stretches"):
            between, failed = self._stretches(comparison, tensors, by_users)
        notes = (*undiagnosed.values(), *missing, *failed, *unknown)
        built = ""
        # What differs with a user's kernels is theirs, and says nothing of the dump.
        if dumped and not by_users and built_so.may_be_rounded_once(verdicts.values()):
            built = self._built(comparison, tensors)
        return Findings(verdicts, notes, near, between, defects=defects, built=built)

    def _built(self, comparison: Comparison, tensors: dict[int, Array]) -> str:
        """That a dump is of CMSIS-NN built with single rounding, in a sentence; empty if not so."""
        captured, other = self.theirs(), renamed(self.ours, built_so.ROUNDED_ONCE)
        with self.timed("built"):
            once = replay_isolated(self.model, tensors, other, halves=self.halves)
            found = compare(
                self.model,
                captured.tensors,
                None,
                once,
                captured.missing,
                captured.origin,
                captured.absent,
            )
        return built_so.rounded_once(comparison, found)

    def _elsewhere(self) -> Engine | None:
        """The engine that was run, where that was on another machine than the one replayed."""
        theirs = self.theirs()
        if theirs.engine not in LAYERS or not theirs.machine.differs(self.ours.machine):
            return None
        known = Engine(
            theirs.engine, theirs.runtime, theirs.version, theirs.threads, theirs.machine
        )
        return replace(known, left=xnnpack.left(known, self.model, theirs.origin))

    def _defects(
        self, tensors: Mapping[int, Array], chained: Replay | None
    ) -> tuple[dict[int, tuple[Met, ...]], list[str]]:
        """Where the engine itself is wrong; the list says if that could not be found out."""
        known = ChainMap(dict(tensors), chained.tensors if chained is not None else {})
        try:
            with self.timed("defects"):
                return met(self.model, known, self.ours), []
        except Exception as error:  # what was compared is told all the same
            return {}, [
                f"the search for known defects failed ({type(error).__name__}: {error}); "
                "please report this as a bug of tflreplay"
            ]

    def _proofs(
        self, comparison: Comparison, tensors: dict[int, Array], by_users: Mapping[int, str]
    ) -> tuple[Proof, ...]:
        """Looked for no longer than half of what the run has taken."""
        exact = {
            layer.op_index
            for layer in comparison.layers
            if layer.status == "exact" and layer.alone and layer.made is not None
        }
        chosen = exact & by_users.keys() if by_users else exact
        operators = self.model.main.operators
        command = f"tflreplay discriminate {shlex.quote(str(self.model.path))}"
        if self.ours.runtime != "litert":
            command += f" --runtime {self.ours.runtime}"
        if self.ours.name in OWN_TABLES and self.ours.name != "reference":
            command += f" --engine {self.ours.name}"
        with self.timed("proofs"):
            return prove(
                self.model,
                [operators[index] for index in sorted(chosen) if operators[index].outputs],
                tensors,
                self.ours,
                command,
                sum(self.seconds.values()) / 2,
                self.step("Looking for what the result proves"),
                self.halves,
            )

    def _stretches(
        self, comparison: Comparison, tensors: dict[int, Array], by_users: Mapping[int, str]
    ) -> tuple[dict[tuple[int, int], StretchVerdict], list[str]]:
        """What explains layers whose inputs were not seen; the list says if that failed."""
        layers = [
            layer
            for layer in comparison.layers
            if layer.kind == "at or before" and not by_users.keys() & set(layer.suspects.ops)
        ]
        rivals = [renamed(self.ours, name) for name in LAYERS if name != self.ours.name]
        try:
            return explain_stretches(
                self.model,
                layers,
                tensors,
                self.ours,
                rivals,
                self.step("Explaining what was not seen"),
                self.halves,
            ), []
        except Exception as error:  # what was compared is told all the same
            return {}, [
                f"the search between tensors that were seen failed ({type(error).__name__}: "
                f"{error}); please report this as a bug of tflreplay"
            ]
