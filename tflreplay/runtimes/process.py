"""One run of a model in a child process: start it, wait for it, read what it left."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.ground.errors import CaptureError

Array = np.ndarray[Any, Any]

PROGRAM = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    ``stage`` is the step it was in: import, load, allocate, invoke, read or done. ``error`` is the
    exception's text, and ``death`` what killed the process (a signal's name), where one did.
    ``printed`` are the lines it printed that are not blank. ``steps`` holds the tensors of each
    inference. ``delegates`` holds the inputs and outputs of each partition that a delegate took.
    """

    stage: str
    version: str = ""
    error: str = ""
    death: str = ""
    printed: tuple[str, ...] = field(default=(), repr=False)
    steps: tuple[dict[int, Array], ...] = field(default=(), repr=False)
    missing: dict[int, str] = field(default_factory=dict)
    delegates: list[tuple[list[int], list[int]]] = field(default_factory=list, repr=False)

    @property
    def ok(self) -> bool:
        return not self.error and not self.death

    @property
    def last_words(self) -> str:
        return self.printed[-1] if self.printed else ""


@dataclass(frozen=True)
class Launch:
    """How a Python that has the runtime is started: its command, and what it finds in its
    environment; None where a name is to be missing there."""

    command: tuple[str, ...] = (sys.executable,)
    environment: Mapping[str, str | None] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """The whole environment."""
        found = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **self.environment}
        return {name: value for name, value in found.items() if value is not None}


class Child:
    """A running child process.

    It is killed, and its files removed, when it is waited for, when nobody holds this object any
    more, and when Python exits.
    """

    def __init__(
        self,
        request: Mapping[str, Any],
        content: bytes,
        steps: Sequence[Mapping[int, Array]],
        launch: Launch,
    ) -> None:
        """Start running the model ``content`` on the inputs of each of ``steps``.

        ``request`` holds the runtime's ``module``, the indices of the ``tensors`` to read, the
        ``resolver``'s name and ``threads`` for LiteRT and TensorFlow, and for TFLM the inputs'
        ``order`` and the ``arena``'s bytes.

        Raises:
            CaptureError: the temporary files cannot be written.
        """
        whole = {**request, "inputs": list(steps[0]), "steps": len(steps)}
        arrays = {index: np.stack([inputs[index] for inputs in steps]) for index in steps[0]}
        self._start(whole, content, arrays, launch)

    def _start(
        self,
        request: Mapping[str, Any],
        content: bytes,
        arrays: Mapping[int, Array],
        launch: Launch,
        pipe: int | None = None,
    ) -> None:
        """``pipe`` is where the child is to write the tensors; it then reads inputs from a pipe."""
        try:
            holder = tempfile.TemporaryDirectory(prefix="tflreplay-")
            self._directory = Path(holder.name)
            self._write("request.json", json.dumps(request).encode())
            self._write("model.tflite", content)
            for index, array in arrays.items():
                np.save(self._directory / f"input_{index}.npy", array, allow_pickle=False)
            with open(self._directory / "log", "wb") as log:
                self._process = subprocess.Popen(
                    [*launch.command, str(PROGRAM), holder.name],
                    stdin=subprocess.DEVNULL if pipe is None else subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=launch.variables(),
                    pass_fds=() if pipe is None else (pipe,),
                )
        except OSError as error:
            raise CaptureError(f"cannot start the capture: {error}") from None
        self._stop = weakref.finalize(self, _stop, self._process, holder)

    def wait(self) -> Outcome:
        try:
            return self._outcome(self._process.wait())
        finally:
            self._stop()

    def _write(self, name: str, content: bytes) -> None:
        (self._directory / name).write_bytes(content)

    def _outcome(self, code: int) -> Outcome:
        status: dict[str, Any] = {"stage": "start"}
        path = self._directory / "status.jsonl"
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                status |= json.loads(line)
        log = (self._directory / "log").read_text(encoding="utf-8", errors="replace").split("\n")
        done = status["stage"] == "done" and code == 0
        return Outcome(
            stage=status["stage"],
            version=status.get("version", ""),
            error=textwrap.shorten(status.get("error", ""), 300, placeholder=" ..."),
            death=death(code),
            printed=tuple(line.strip() for line in log if line.strip()),
            steps=tuple(self._arrays(status["steps"])) if done else (),
            missing={int(key): text for key, text in status["missing"].items()} if done else {},
            delegates=status.get("delegates", []),
        )

    def _arrays(
        self, steps: Sequence[Mapping[str, tuple[str, Sequence[int], int]]]
    ) -> Iterator[dict[int, Array]]:
        """Read-only views of one buffer."""
        buffer = np.fromfile(self._directory / "tensors.bin", np.uint8)
        buffer.flags.writeable = False
        for entries in steps:
            yield {
                int(index): np.ndarray(tuple(shape), np.dtype(dtype), buffer, offset)
                for index, (dtype, shape, offset) in entries.items()
            }


class Feed(Child):
    """A child process that computes independent inputs, one after the other.

    Inputs and tensors go through pipes, so that nothing is written to a disk: a line of JSON that
    says which arrays there are, then their bytes.
    """

    def __init__(self, request: Mapping[str, Any], content: bytes, launch: Launch) -> None:
        """As of a :class:`Child`; ``request`` also says whether the model has ``state``."""
        ours, theirs = os.pipe()
        try:
            self._tensors = io.BufferedReader(io.FileIO(ours), 1 << 20)
            self._start({**request, "pipe": theirs}, content, {}, launch, theirs)
        finally:
            os.close(theirs)
        weakref.finalize(self, self._tensors.close)
        assert self._process.stdin is not None
        self._inputs = self._process.stdin

    def send(self, inputs: Mapping[int, Array]) -> None:
        """Have these inputs computed; what they give is to be received before the next are sent."""
        arrays = {index: np.ascontiguousarray(array) for index, array in inputs.items()}
        head = {index: (array.dtype.str, array.shape) for index, array in arrays.items()}
        with suppress(BrokenPipeError):  # receive() tells
            self._inputs.write(json.dumps(head).encode() + b"\n")
            for array in arrays.values():
                self._inputs.write(array.tobytes())
            self._inputs.flush()

    def receive(self) -> Outcome:
        """What was computed of the inputs sent last; or how the process ended."""
        line = self._tensors.readline()
        told = json.loads(line) if line.endswith(b"\n") else None
        buffer = np.empty(told["size"] if told else 0, np.uint8)
        if told is None or self._tensors.readinto(buffer.data) < buffer.size:
            return replace(self.wait(), steps=())
        buffer.flags.writeable = False
        tensors = {
            int(index): np.ndarray(tuple(shape), np.dtype(dtype), buffer, offset)
            for index, (dtype, shape, offset) in told["tensors"].items()
        }
        missing = {int(index): text for index, text in told["missing"].items()}
        return Outcome(
            "done", told["version"], steps=(tensors,), missing=missing, delegates=told["delegates"]
        )


def death(code: int) -> str:
    """What ended a process, by its exit code: a signal's name, or nothing."""
    if code >= 0:
        return f"exit code {code}" if code else ""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _stop(process: subprocess.Popen[bytes], holder: tempfile.TemporaryDirectory[str]) -> None:
    process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    holder.cleanup()
