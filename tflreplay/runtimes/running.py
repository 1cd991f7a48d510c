"""A capture: start it, bisect a failure, and say how each tensor was obtained."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tflreplay.ground import notebook
from tflreplay.ground.engine import LIBRARIES, Engine
from tflreplay.ground.errors import CaptureError, InputError, NotReplayed
from tflreplay.ground.machine import UNKNOWN, Machine, machine_of
from tflreplay.model import (
    HANDLES,
    Model,
    Operator,
    Tensor,
    truncated,
    with_outputs,
    with_valid_axes,
    without_memory_plan,
)
from tflreplay.ops import card, defects_of
from tflreplay.ops.base.row import Defect
from tflreplay.runtimes import xnnpack
from tflreplay.runtimes.launching import launch
from tflreplay.runtimes.packages import RUNTIMES, installed, parse
from tflreplay.runtimes.process import Child, Feed, Launch, Outcome

Array = np.ndarray[Any, Any]

# Types whose arrays the interpreter does not hand out element by element.
_UNREADABLE = {"int2", "int4", "uint4", "string"}

# Signs that an op wrote out of bounds, which may have been an earlier one than the one that died.
_MEMORY_FAULTS = {"SIGSEGV", "SIGBUS"}
_HEAP_CHECK = re.compile(r"corrupt|smash|^(malloc|free|realloc|munmap_chunk)\w*\(\): ")

# Lines that TFLM prints of one failure: an op says what is wrong, the interpreter which op it is.
_REASONS = 3

# TensorFlow's packages from 2.19 on, and its reference kernels, have no Flex delegate.
_HAS_FLEX_OPS = "--runtime tensorflow==2.18.1 --engine optimized"

# Sent from outside: by the user, or by a system short of memory. No op is to blame.
_KILLED = {"SIGINT", "SIGKILL", "SIGTERM"}


@dataclass(frozen=True)
class Capture:
    """Tensors of the main subgraph by index: the graph's inputs and every op's outputs.

    ``missing`` says why a tensor was not obtained. ``note`` is empty, or says what was changed in
    the model for the runtime to accept it. ``failure`` is empty, or the sentence that says
    how the interpreter failed and at which op; ``tensors`` then hold what could be had without
    that op. ``origin`` says how each tensor was obtained: ``input``, ``preserved`` (an op's own
    kernel wrote it), ``delegate partition`` (XNNPACK took the op) or ``unpacked constant`` (XNNPACK
    decoded it beforehand; it was computed here). ``problems`` are what was
    wrong with a file that the tensors were read from. ``absent`` says of the tensors that a
    device's dump lacks whether they were ``not dumped`` at all or, left out, ``not read``.
    ``earlier`` holds the tensors of the inferences before the one that ``tensors`` are from, the
    first one first. ``machine`` is the one that the interpreter ran on.
    """

    tensors: dict[int, Array] = field(repr=False)
    runtime: str
    version: str
    engine: str
    threads: int
    missing: dict[int, str] = field(default_factory=dict)
    note: str = ""
    failure: str = ""
    origin: dict[int, str] = field(default_factory=dict, repr=False)
    problems: tuple[str, ...] = ()
    absent: dict[int, str] = field(default_factory=dict, repr=False)
    earlier: tuple[dict[int, Array], ...] = field(default=(), repr=False)
    machine: Machine = UNKNOWN

    @property
    def written(self) -> dict[int, Array]:
        """The tensors, but for those that were computed here."""
        return {
            index: array
            for index, array in self.tensors.items()
            if self.origin.get(index) != xnnpack.UNPACKED
        }

    def __repr__(self) -> str:
        missing = f", {len(self.missing)} missing" if self.missing else ""
        failure = f"; {self.failure}" if self.failure else ""
        return (
            f"Capture({self.runtime} {self.version}, {self.engine}, threads={self.threads}: "
            f"{len(self.tensors)} tensors{missing}{failure})"
        )

    def _repr_html_(self) -> str:
        said = filter(None, (repr(self), self.note, *self.problems))
        reasons = list(self.missing.items())
        return "".join(map(notebook.paragraph, said)) + notebook.table(
            ("tensor", "why it is missing"), reasons
        )


def capture(
    model: Model,
    inputs: Mapping[int, Array],
    runtime: str | None = None,
    engine: str | None = None,
    threads: int = 1,
    earlier: Sequence[Mapping[int, Array]] = (),
    machine: str | Machine | None = None,
) -> Capture:
    """Run ``model`` in a runtime, every tensor preserved, and return its tensors.

    Args:
        model: what :func:`tflreplay.model.load` gives; the runtime is handed its ``content``.
        inputs: arrays by tensor index, one for each input of the main subgraph. An array of
            another shape than the model's resizes that input.
        runtime: ``litert``, ``tensorflow`` or ``tflm``; with a version, as in ``litert==2.0.3``,
            that version runs in an environment of its own, which is built when it is not there.
            Without a runtime it is the engine's: ``tflm``, else ``litert``.
        engine: ``reference`` (the resolver BUILTIN_REF), ``optimized``
            (BUILTIN_WITHOUT_DEFAULT_DELEGATES), ``xnnpack`` (the default resolver) or ``tflm``.
            Without an engine it is the runtime's first one.
        threads: the interpreter's ``num_threads``. TFLM has one.
        earlier: the inputs of inferences to run before, whose variables are kept.
        machine: what to run it on: ``x86-64``, ``aarch64`` or, with a CPU, ``aarch64:cortex-a72``.
            Without it this computer.

    Raises:
        InputError: an input has no array, or nothing can be run on the machine here.
        CaptureError: nothing can be captured: the runtime is not installed, refuses the model, or
            dies before the first op is done.
    """
    return start_capture(model, inputs, runtime, engine, threads, earlier, machine).result()


def start_capture(
    model: Model,
    inputs: Mapping[int, Array],
    runtime: str | None = None,
    engine: str | None = None,
    threads: int = 1,
    earlier: Sequence[Mapping[int, Array]] = (),
    machine: str | Machine | None = None,
) -> Running:
    """As :func:`capture`, but at once: the child process runs until ``result()`` waits for it.

    The process is killed, and its files removed, when the returned object is dropped. An
    environment that has to be built is waited for.
    """
    asked = replace(parse(runtime, engine, threads), machine=machine_of(machine))
    if asked.name in LIBRARIES:
        raise CaptureError(
            f"{asked.name} runs on devices, of which nothing can be captured here: give the "
            f"tensors of one (--against), or compare with its replay (--replay-as {asked.name}, "
            f"replay:{asked.name} as a source)"
        )
    for index in model.main.inputs:
        tensor = model.main.tensors[index]
        if index not in inputs and not tensor.is_constant:
            raise InputError(f"{model.path}: no array given for input tensor {tensor.label}")
        if tensor.dtype == "string":
            raise InputError(f"{model.path}: input tensor {tensor.label}: strings are not captured")
    return Running(model, [*map(dict, earlier), dict(inputs)], asked, launch(asked))


class Running:
    """A capture under way in a child process."""

    def __init__(
        self, model: Model, steps: list[dict[int, Array]], engine: Engine, launch: Launch
    ) -> None:
        self._model = model
        self._operators = model.main.operators
        self._content, changed = with_valid_axes(model.content)
        self._note = (
            f"the runtime was given a copy of the model: the quantized axis of {len(changed)} 1-D "
            f"tensors ({changed[0]}, ...) does not exist, and was set to 0; no arithmetic reads it"
            if changed
            else ""
        )
        if engine.runtime == "tflm":
            self._content, planned = without_memory_plan(self._content)
            if planned:
                plan = (
                    "TFLM was given a copy of the model without its offline memory plan, by which "
                    "tensors overwrite each other"
                )
                self._note = "; ".join(filter(None, (self._note, plan)))
        self._steps = steps
        self._engine = engine
        self._runtime = RUNTIMES[engine.runtime]
        self._launch = launch
        self._all_outputs = False
        self._child = self._start(len(self._operators))
        self._result: Capture | CaptureError | None = None

    def result(self) -> Capture:
        """Wait for the end and return the tensors; raises as :func:`capture`."""
        if self._result is None:
            try:
                self._result = self._finish(self._settled(self._child, len(self._operators)))
            except CaptureError as error:
                self._result = error
        if isinstance(self._result, CaptureError):
            raise self._result
        return self._result

    def feed(self) -> Feed:
        """A process that computes other inputs of the whole model, one after the other."""
        request, content = self._request(len(self._operators))
        return Feed({**request, "state": _has_state(self._model)}, content, self._launch)

    def taken(self, inputs: Mapping[int, Array], outcome: Outcome) -> Capture:
        """What such a process gave of ``inputs``."""
        self._steps = [dict(inputs)]
        return self._capture(outcome, len(self._operators))

    def _start(self, count: int) -> Child:
        """Run the first ``count`` ops."""
        request, content = self._request(count)
        return Child(request, content, self._steps, self._launch)

    def _request(self, count: int) -> tuple[dict[str, Any], bytes]:
        """What the child is to do, and the model of the first ``count`` ops."""
        graph = self._model.main
        tensors = [tensor for op in self._operators[:count] for tensor in _outputs(self._model, op)]
        request = {
            "module": self._runtime.module,
            "resolver": self._runtime.engines[self._engine.name],
            "threads": self._engine.threads,
            "tensors": [tensor.index for tensor in tensors if not _unreadable(tensor)],
            "order": graph.inputs,
            "arena": arena(self._model),
        }
        content = truncated(self._content, count)
        if added := self._added_outputs(count):
            content = with_outputs(content, [*graph.outputs, *added])
        return request, content

    def _added_outputs(self, count: int) -> list[int]:
        """What has to become an output of the model to be computed, since nothing reads it.

        A delegate computes only what is read, and WHILE drops what its body hands on unread: the
        tensor then keeps whatever lay in its memory.
        """
        if self._engine.runtime == "tflm":
            return []
        delegating = self._engine.name == "xnnpack"
        graph = self._model.main
        kept = set(graph.outputs)
        if not self._all_outputs:
            kept |= {index for op in self._operators[:count] for index in op.inputs}
        return [
            tensor.index
            for op in self._operators[:count]
            if delegating or card(op.name).runs_subgraphs
            for tensor in _outputs(self._model, op)
            if tensor.index not in kept and not _unreadable(tensor)
        ]

    def _run(self, count: int) -> Outcome:
        return self._settled(self._start(count), count)

    def _settled(self, child: Child, count: int) -> Outcome:
        """The end of a run of ``count`` ops, after a second run where the first has gaps."""
        outcome = child.wait()
        if outcome.ok and not xnnpack.are_whole(self._model, outcome.delegates):
            # An older runtime: one partition of all the ops that XNNPACK takes.
            self._all_outputs = True
            outcome = self._start(count).wait()
        return outcome

    def _finish(self, outcome: Outcome) -> Capture:
        if outcome.ok:
            return self._capture(outcome, len(self._operators))
        title = self._runtime.title
        if outcome.death in _KILLED:
            raise CaptureError(
                f"{self._model.path}: the process that ran {title} was killed ({outcome.death}); "
                "is there enough memory?"
            )
        if outcome.stage in ("start", "import"):
            raise CaptureError(self._not_importable(outcome))
        if outcome.death or outcome.stage == "invoke":
            return self._before_failure(outcome)
        if outcome.stage == "read":
            raise CaptureError(f"cannot hand over the captured tensors: {outcome.error}")
        raise CaptureError(self._refusal(outcome))

    def _refusal(self, outcome: Outcome) -> str:
        """Why the runtime does not take the model; for XNNPACK also which op it stumbles over."""
        refusal = f"{self._who(outcome)} refuses {self._model.path}"
        error = self._error(outcome)
        flex = self._flex()
        if flex and ("TensorFlow op" in error or self._engine.runtime == "tflm"):
            return f"{refusal}: its op {flex} is TensorFlow's own (a Flex op); try {_HAS_FLEX_OPS}"
        if outcome.stage != "allocate" or "XNNPackDelegate" not in error:
            return f"{refusal}: {error}"
        bad, failed, _ = self._bisect(outcome)
        if bad and failed.stage == "allocate":
            op = self._operators[bad - 1]
            reason = xnnpack.condition(self._model, op)
            refusal += f" at op {op.index} {op.name}" + (f" ({reason})" if reason else "")
        return f"{refusal}: {error.rstrip('.')}; try --engine optimized"

    def _error(self, outcome: Outcome) -> str:
        """What the exception says. TFLM's says less than what was printed before it."""
        if self._engine.runtime != "tflm" or not outcome.printed or not outcome.error:
            return outcome.error
        reasons = "; ".join(line.rstrip(".") for line in outcome.printed[-_REASONS:])
        return f"{outcome.error.rstrip('.')} ({reasons})"

    def _flex(self) -> str:
        """An op that only TensorFlow's own kernels compute, or ''."""
        names = (op.name.removeprefix("CUSTOM:") for op in self._operators)
        return next((name for name in names if name.startswith("Flex")), "")

    def _bisect(self, outcome: Outcome) -> tuple[int, Outcome, Outcome]:
        """The smallest number of ops that fails, how it fails, and what one op less gives."""
        good, bad = -1, len(self._operators)
        captured = failed = outcome
        while bad - good > 1:
            count = (good + bad) // 2
            attempt = self._run(count)
            if attempt.ok:
                good, captured = count, attempt
            else:
                bad, failed = count, attempt
        return bad, failed, captured

    def _before_failure(self, outcome: Outcome) -> Capture:
        """Find the op that fails, and capture what the ops before it give."""
        bad, failed, captured = self._bisect(outcome)
        good = bad - 1
        if bad == 0:
            raise CaptureError(f"{self._how(failed)} before its first op")
        if bad == len(self._operators):
            again = self._run(bad)
            if again.ok:
                failure = f"{self._how(failed)}, but not when run again; the tensors are from then"
                return self._capture(again, bad, failure)
        op = self._operators[bad - 1]
        failure = f"{self._how(failed)} at op {op.index} {op.name}"
        if failed.error or failed.last_words:
            failure += f" ({self._error(failed) or failed.last_words})"
        if failed.death:
            failure += "".join(f"; {defect.told()}" for defect in self._deadly(op))
        if good == 0:
            raise CaptureError(failure)
        ops = "op 0" if good == 1 else f"ops 0-{good - 1}"
        failure += f"; tensors of {ops} were captured"
        if failed.death in _MEMORY_FAULTS or _HEAP_CHECK.search(failed.last_words):
            failure += ", but memory was overwritten, perhaps by one of them: they may be wrong"
        return self._capture(captured, good, failure)

    def _capture(self, outcome: Outcome, count: int, failure: str = "") -> Capture:
        origin, unwritten = xnnpack.origins(self._model, outcome.delegates)
        constants = xnnpack.unpacked(self._model, unwritten, self._versioned(outcome))
        missing = outcome.missing | {i: why for i, why in unwritten.items() if i not in constants}
        origin |= dict.fromkeys(constants, xnnpack.UNPACKED)
        for op in self._operators:
            for tensor in _outputs(self._model, op):
                if op.index >= count:
                    missing[tensor.index] = f"op {op.index} {op.name} was not run: see the failure"
                elif reason := _unreadable(tensor):
                    missing[tensor.index] = reason
        steps = [
            inputs
            | {index: array for index, array in tensors.items() if index not in missing}
            | constants
            for inputs, tensors in zip(self._steps, outcome.steps, strict=True)
        ]
        inputs = self._steps[-1]
        notes = [self._note] if self._note else []
        if added := self._added_outputs(count):
            notes.append(
                f"the runtime was given a copy of the model with {len(added)} more outputs: "
                f"{'XNNPACK' if self._engine.name == 'xnnpack' else 'it'} does not compute what "
                "nothing reads"
            )
        if constants:
            notes.append(
                "XNNPACK unpacks constants beforehand and leaves their tensors unwritten: "
                f"{len(constants)} of them were computed here, and are not compared"
            )
        return Capture(
            tensors=steps[-1],
            runtime=self._engine.runtime,
            version=outcome.version,
            engine=self._engine.name,
            threads=self._engine.threads,
            missing=missing,
            note="; ".join(notes),
            failure=failure,
            origin={i: "input" if i in inputs else origin[i] for i in steps[-1]},
            earlier=tuple(steps[:-1]),
            machine=self._engine.machine,
        )

    def _deadly(self, op: Operator) -> list[Defect]:
        """The known defects that kill the process whatever the inputs are."""
        version = self._engine.version or installed(self._engine.runtime) or ""
        try:
            found = defects_of(replace(self._engine, version=version), self._model.main, op)
        except NotReplayed:  # it depends on the version, which is not known
            return []
        return [defect for defect in found if defect.aborts and defect.shows is None]

    def _versioned(self, outcome: Outcome) -> Engine:
        return replace(self._engine, version=outcome.version)

    def _who(self, outcome: Outcome) -> str:
        return f"{self._runtime.title} {outcome.version} ({self._engine.name})"

    def _how(self, outcome: Outcome) -> str:
        verb = f"died ({outcome.death}) running" if outcome.death else "could not run"
        return f"{self._who(outcome)} {verb} {self._model.path}"

    def _not_importable(self, outcome: Outcome) -> str:
        runtime = self._runtime
        package = runtime.module.partition(".")[0]
        if outcome.error.startswith(f"No module named '{package}'"):
            return runtime.not_installed
        reason = outcome.error or f"{outcome.death}: {outcome.last_words}"
        return f"{runtime.title} cannot be imported: {reason}"


def arena(model: Model) -> int:
    """Bytes that TFLM certainly finds enough: it plans every tensor and scratch buffer apart."""
    activations = sum(
        math.prod(tensor.shape) for tensor in model.main.tensors if not tensor.is_constant
    )
    return 2**24 + 2 * len(model.content) + 32 * activations


def _outputs(model: Model, op: Operator) -> list[Tensor]:
    return [model.main.tensors[index] for index in op.outputs]


def _has_state(model: Model) -> bool:
    """True where an inference may leave something behind for the next one."""
    return any(
        tensor.is_variable or tensor.dtype in HANDLES
        for graph in model.subgraphs
        for tensor in graph.tensors
    )


def _unreadable(tensor: Tensor) -> str:
    """Why the interpreter cannot hand out this tensor as an array, or ''."""
    try:
        readable = tensor.dtype not in _UNREADABLE and tensor.numpy_dtype
    except NotReplayed:
        readable = False
    return "" if readable else f"{tensor.dtype} tensors cannot be read from the interpreter"
