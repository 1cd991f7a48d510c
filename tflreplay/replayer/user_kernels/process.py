"""The child process that a file of kernels runs in, and what ended it, in words."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from tflreplay.ground.errors import KernelError
from tflreplay.replayer.user_kernels import child
from tflreplay.replayer.user_kernels.messages import (
    PLACES,
    TRACE,
    Asked,
    Failed,
    Known,
    Made,
    Start,
)
from tflreplay.runtimes.process import death

_MAIN = "import sys; sys.path[:] = {path!r}; from {module} import main; main()"
_PRINTED = "printed"  # by a kernel with sanitizers, their report among it
_NEAR = 64  # bytes beside a tensor, which a write beside it hits

_PYTHON = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in ', re.MULTILINE)
# AddressSanitizer's report, and UndefinedBehaviorSanitizer's.
_FAULT = re.compile(
    r"AddressSanitizer: (?P<kind>[\w-]+) on (?:unknown )?address 0x(?P<address>\w+)"
)
_ACCESS = re.compile(r"^(?P<how>READ|WRITE) of size (?P<bytes>\d+)", re.MULTILINE)
_FRAME = re.compile(r"^ *#\d+ 0x\w+ in (?P<function>\S+) (?P<file>[^\s:]+):(?P<line>\d+)", re.M)
_UNDEFINED = re.compile(r"(?P<file>[^\n:]+):(?P<line>\d+):\d+: runtime error: (?P<what>.*)")
_REPORT = re.compile(rf"^(=+\n==\d+==ERROR|{_UNDEFINED.pattern})", re.MULTILINE)


class Process:
    """A running child. It ends, and its folder goes, when nobody holds this object any more."""

    def __init__(
        self,
        source: Path,
        library: Path | None,
        folder: tempfile.TemporaryDirectory[str],
        limit: float,
        runtime: str = "",
    ) -> None:
        """``source``: the user's file; ``library``: what was made of it, None of one in Python.

        ``limit``: the seconds that a layer may take. ``runtime``: the sanitizers', where they are
        built in.
        """
        self._source, self._limit, self._folder = source, limit, Path(folder.name)
        self.in_c, self._sanitized = library is not None, bool(runtime)
        self._forwarded = 0
        with open(self._folder / _PRINTED, "wb") as printed:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _MAIN.format(path=sys.path, module=child.__name__)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed if runtime else None,
                env=_environment(runtime) if runtime else None,
            )
        weakref.finalize(self, _stop, self._process, folder)
        start = Start(
            library or source, source, library is not None, limit, self._folder, bool(runtime)
        )
        result = self.ask(start, "loading it")
        if isinstance(result, Failed):
            raise KernelError(result.reason)
        assert isinstance(result, list)
        self.kernels = result

    def ask(self, request: Start | Asked, subject: str) -> list[Known] | Made | Failed:
        """The child's answer; :class:`Failed` where the rest can go on.

        ``subject``: what then does what the error says, in words.

        Raises:
            KernelError: the process has died, or is not to go on.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
            result: list[Known] | Made | Failed = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise KernelError(self._end(subject)) from None
        if self._sanitized:
            self._forward(self._printed())
        if isinstance(result, Failed) and result.broken:
            raise KernelError(f"{self._source}: {subject} {result.reason}{self._advice}")
        return result

    @property
    def _advice(self) -> str:
        source = self._source.suffix == ".c"  # a library is not compiled here
        return "; --sanitize says where" if source and not self._sanitized else ""

    def _end(self, subject: str) -> str:
        """What has ended the process."""
        died = death(self._process.wait())
        if told := self._told_by_sanitizer(subject):
            return told
        trace = (self._folder / TRACE).read_text(errors="replace")
        frame = next((f for f in _PYTHON.finditer(trace) if f["file"] == str(self._source)), None)
        where = f"{self._source}, line {frame['line']}" if frame else str(self._source)
        if trace.startswith("Timeout"):
            return f"{where}: {subject} took longer than {self._limit:g} s; see --time-limit"
        if died.startswith("SIG"):
            return f"{where}: {subject} died of {died}{self._advice}"
        return f"{where}: {subject} ended the process ({died or 'exit code 0'})"

    def _told_by_sanitizer(self, subject: str) -> str:
        """The first fault that a sanitizer reports; empty where there is none."""
        if not self._sanitized:
            return ""
        printed = self._printed()
        begin = _REPORT.search(printed)
        self._forward(printed[: begin.start()] if begin else printed)
        report = printed[begin.start() :] if begin else ""
        if undefined := _UNDEFINED.match(report):
            where = f"{undefined['file']}, line {undefined['line']}"
            return f"{where}: {subject} is undefined here: {undefined['what']}"
        fault, access = _FAULT.search(report), _ACCESS.search(report)
        if fault is None:
            return ""
        frames = _FRAME.finditer(report)
        frame = next((f for f in frames if Path(f["file"]).name == self._source.name), None)
        where = f"{self._source}, line {frame['line']}" if frame else str(self._source)
        if access is None:
            return f"{where}: {subject} fails: {fault['kind']}"
        does = "writes" if access["how"] == "WRITE" else "reads"
        count = int(access["bytes"])
        beside = self._beside(int(fault["address"], 16)) or f"where it may not: {fault['kind']}"
        return f"{where}: {subject} {does} {count} byte{'s'[: count > 1]} {beside}"

    def _printed(self) -> str:
        """What was not forwarded yet."""
        printed = (self._folder / _PRINTED).read_bytes()[self._forwarded :]
        return printed.decode(errors="replace")

    def _forward(self, printed: str) -> None:
        self._forwarded += len(printed.encode(errors="replace"))
        sys.stderr.write(printed)

    def _beside(self, address: int) -> str:
        """The tensor that lies next to it."""
        path = self._folder / PLACES
        places = json.loads(path.read_text()) if path.exists() else []
        for name, start, size in places:
            if start - _NEAR <= address < start:
                return f"before the start of {name}"
            if start + size <= address < start + size + _NEAR:
                return f"past the end of {name}"
        return ""


def _environment(runtime: str) -> dict[str, str]:
    """The sanitizers are loaded before anything else. Python itself leaks at exit."""
    return {**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}


def _stop(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(BrokenPipeError):  # what was still to be sent
            stream.close()
    process.wait()
    folder.cleanup()
