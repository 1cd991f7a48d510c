"""Capture a runtime's intermediate tensors, in a child process.

A child process, because some models kill the interpreter, and because TensorFlow and LiteRT must
never be loaded into one process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflreplay.errors import CaptureError, InputError, NotReplayed
from tflreplay.model import Model, Operator, Tensor, truncated, with_valid_axes
from tflreplay.runtimes.process import Child, Outcome

__all__ = ["ENGINES", "RUNTIMES", "Capture", "Running", "Runtime", "capture", "start_capture"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Runtime:
    """A package that has the interpreter: its title, the module and what pip installs."""

    title: str
    module: str
    requirement: str


RUNTIMES = {
    "litert": Runtime("LiteRT", "ai_edge_litert.interpreter", "ai-edge-litert"),
    "tensorflow": Runtime(
        "TensorFlow", "tensorflow.lite.python.interpreter", "'tflreplay[tensorflow]'"
    ),
}

# The op resolver behind each engine, by its name in the interpreter's OpResolverType.
ENGINES = {"reference": "BUILTIN_REF"}

# Types whose arrays the interpreter does not hand out element by element.
_UNREADABLE = {"int2", "int4", "uint4", "string"}

# Signs that an op wrote out of bounds, which may have been an earlier one than the one that died.
_MEMORY_FAULTS = {"SIGSEGV", "SIGBUS"}
_HEAP_CHECK = re.compile(r"corrupt|smash|^(malloc|free|realloc|munmap_chunk)\w*\(\): ")

# Sent from outside: by the user, or by a system short of memory. No op is to blame.
_KILLED = {"SIGINT", "SIGKILL", "SIGTERM"}


@dataclass(frozen=True)
class Capture:
    """Tensors of the main subgraph by index: the graph's inputs and every op's outputs.

    ``missing`` says why a tensor was not obtained. ``note`` is empty, or says what was changed in
    the model for the runtime to accept it. ``failure`` is empty, or the sentence that says
    how the interpreter failed and at which op; ``tensors`` then hold what could be had without
    that op.
    """

    tensors: dict[int, Array] = field(repr=False)
    runtime: str
    version: str
    engine: str
    threads: int
    missing: dict[int, str] = field(default_factory=dict)
    note: str = ""
    failure: str = ""

    def __repr__(self) -> str:
        missing = f", {len(self.missing)} missing" if self.missing else ""
        failure = f"; {self.failure}" if self.failure else ""
        return (
            f"Capture({self.runtime} {self.version}, {self.engine}, threads={self.threads}: "
            f"{len(self.tensors)} tensors{missing}{failure})"
        )


def capture(
    model: Model,
    inputs: Mapping[int, Array],
    runtime: str = "litert",
    engine: str = "reference",
    threads: int = 1,
) -> Capture:
    """Run ``model`` in a runtime, every tensor preserved, and return its tensors.

    Args:
        model: what :func:`tflreplay.model.load` gives; the runtime is handed its ``content``.
        inputs: arrays by tensor index, one for each input of the main subgraph. An array of
            another shape than the model's resizes that input.
        runtime: ``litert`` or ``tensorflow``.
        engine: ``reference`` (the resolver BUILTIN_REF).
        threads: the interpreter's ``num_threads``.

    Raises:
        InputError: an input has no array.
        CaptureError: nothing can be captured: the runtime is not installed, refuses the model, or
            dies before the first op is done.
    """
    return start_capture(model, inputs, runtime, engine, threads).result()


def start_capture(
    model: Model,
    inputs: Mapping[int, Array],
    runtime: str = "litert",
    engine: str = "reference",
    threads: int = 1,
) -> Running:
    """As :func:`capture`, but at once: the child process runs until ``result()`` waits for it.

    The process is killed, and its files removed, when the returned object is dropped.
    """
    for name, table in ((runtime, RUNTIMES), (engine, ENGINES)):
        if name not in table:
            raise CaptureError(f"{name!r} is unknown here: use one of {', '.join(table)}")
    for index in model.main.inputs:
        tensor = model.main.tensors[index]
        if index not in inputs and not tensor.is_constant:
            raise InputError(f"{model.path}: no array given for input tensor {tensor.label}")
        if tensor.dtype == "string":
            raise InputError(f"{model.path}: input tensor {tensor.label}: strings are not captured")
    return Running(model, dict(inputs), runtime, engine, threads)


class Running:
    """A capture under way in a child process."""

    def __init__(
        self, model: Model, inputs: dict[int, Array], runtime: str, engine: str, threads: int
    ) -> None:
        self._model = model
        self._content, changed = with_valid_axes(model.content)
        self._note = (
            f"the runtime was given a copy of the model: the quantized axis of {len(changed)} 1-D "
            f"tensors ({changed[0]}, ...) does not exist, and was set to 0; no arithmetic reads it"
            if changed
            else ""
        )
        self._inputs = inputs
        self._runtime = runtime
        self._engine = engine
        self._threads = threads
        self._child = self._start(len(model.main.operators))
        self._result: Capture | CaptureError | None = None

    def result(self) -> Capture:
        """Wait for the end and return the tensors; raises as :func:`capture`."""
        if self._result is None:
            try:
                self._result = self._finish(self._child.wait())
            except CaptureError as error:
                self._result = error
        if isinstance(self._result, CaptureError):
            raise self._result
        return self._result

    def _start(self, count: int) -> Child:
        """Run the first ``count`` ops."""
        graph = self._model.main
        request = {
            "module": RUNTIMES[self._runtime].module,
            "resolver": ENGINES[self._engine],
            "threads": self._threads,
            "tensors": [
                tensor.index
                for op in graph.operators[:count]
                for tensor in _outputs(self._model, op)
                if not _unreadable(tensor)
            ],
        }
        return Child(request, truncated(self._content, count), self._inputs)

    def _finish(self, outcome: Outcome) -> Capture:
        if outcome.ok:
            return self._capture(outcome, len(self._model.main.operators))
        title = RUNTIMES[self._runtime].title
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
        raise CaptureError(f"{self._who(outcome)} refuses {self._model.path}: {outcome.error}")

    def _before_failure(self, outcome: Outcome) -> Capture:
        """Find the op that fails, and capture what the ops before it give.

        Bisection over models cut short: ``good`` is the largest number of ops that run, ``bad``
        the smallest that fails.
        """
        operators = self._model.main.operators
        good, bad = -1, len(operators)
        captured = failed = outcome
        while bad - good > 1:
            count = (good + bad) // 2
            attempt = self._start(count).wait()
            if attempt.ok:
                good, captured = count, attempt
            else:
                bad, failed = count, attempt
        if bad == 0:
            raise CaptureError(f"{self._how(failed)} before its first op")
        if bad == len(operators):
            again = self._start(bad).wait()
            if again.ok:
                failure = f"{self._how(failed)}, but not when run again; the tensors are from then"
                return self._capture(again, bad, failure)
        op = operators[bad - 1]
        failure = f"{self._how(failed)} at op {op.index} {op.name}"
        if failed.error or failed.last_words:
            failure += f" ({failed.error or failed.last_words})"
        if good == 0:
            raise CaptureError(failure)
        ops = "op 0" if good == 1 else f"ops 0-{good - 1}"
        failure += f"; tensors of {ops} were captured"
        if failed.death in _MEMORY_FAULTS or _HEAP_CHECK.search(failed.last_words):
            failure += ", but memory was overwritten, perhaps by one of them: they may be wrong"
        return self._capture(captured, good, failure)

    def _capture(self, outcome: Outcome, count: int, failure: str = "") -> Capture:
        missing = dict(outcome.missing)
        for op in self._model.main.operators:
            for tensor in _outputs(self._model, op):
                if op.index >= count:
                    missing[tensor.index] = f"op {op.index} {op.name} was not run: see the failure"
                elif reason := _unreadable(tensor):
                    missing[tensor.index] = reason
        return Capture(
            tensors=self._inputs | outcome.tensors,
            runtime=self._runtime,
            version=outcome.version,
            engine=self._engine,
            threads=self._threads,
            missing=missing,
            note=self._note,
            failure=failure,
        )

    def _who(self, outcome: Outcome) -> str:
        return f"{RUNTIMES[self._runtime].title} {outcome.version} ({self._engine})"

    def _how(self, outcome: Outcome) -> str:
        verb = f"died ({outcome.death}) running" if outcome.death else "could not run"
        return f"{self._who(outcome)} {verb} {self._model.path}"

    def _not_importable(self, outcome: Outcome) -> str:
        runtime = RUNTIMES[self._runtime]
        package = runtime.module.partition(".")[0]
        if outcome.error.startswith(f"No module named '{package}'"):
            return f"{runtime.title} is not installed: pip install {runtime.requirement}"
        reason = outcome.error or f"{outcome.death}: {outcome.last_words}"
        return f"{runtime.title} cannot be imported: {reason}"


def _outputs(model: Model, op: Operator) -> list[Tensor]:
    return [model.main.tensors[index] for index in op.outputs]


def _unreadable(tensor: Tensor) -> str:
    """Why the interpreter cannot hand out this tensor as an array, or ''."""
    try:
        readable = tensor.dtype not in _UNREADABLE and tensor.numpy_dtype
    except NotReplayed:
        readable = False
    return "" if readable else f"{tensor.dtype} tensors cannot be read from the interpreter"
