"""Capture a runtime's intermediate tensors, in a child process.

A child process, because some models kill the interpreter, and because TensorFlow and LiteRT must
never be loaded into one process.
"""

from __future__ import annotations

from tflreplay.runtimes.packages import ENGINES, RUNTIMES, Runtime, installed
from tflreplay.runtimes.profiles import resolve
from tflreplay.runtimes.running import Capture, Running, capture, start_capture

__all__ = [
    "ENGINES",
    "RUNTIMES",
    "Capture",
    "Running",
    "Runtime",
    "capture",
    "installed",
    "resolve",
    "start_capture",
]
