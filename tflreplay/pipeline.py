"""The main job: replay a model, capture a runtime's tensors, compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tflreplay import __version__
from tflreplay.comparison import compare
from tflreplay.inputs import Inputs
from tflreplay.model import Model
from tflreplay.replayer import replay, replay_isolated
from tflreplay.reports.run import Run
from tflreplay.runtimes import start_capture

MODES = ("chained", "isolated")
Progress = Callable[[str, int, int], None]


def run(
    model: Model,
    inputs: Inputs,
    runtime: str = "litert",
    modes: tuple[str, ...] = MODES,
    command: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> Run:
    """Replay ``model`` and compare it with a runtime's reference kernels.

    The capture runs in its own process while the chained replay goes on here.

    Args:
        modes: ``chained``, ``isolated`` or both.
        command: what a user would type to do the same, for the report.
        progress: called with the stage's name, the ops done and their total.

    Raises:
        CaptureError: nothing could be captured.
        InputError: an input cannot be given to the runtime.
    """
    seconds: dict[str, float] = {}
    total = len(model.main.operators)

    def step(stage: str) -> Callable[[int], None]:
        return lambda op_index: progress(stage, op_index + 1, total)

    running = start_capture(model, inputs.arrays, runtime)
    chained = isolated = None
    if "chained" in modes:
        with _timed(seconds, "chained"):
            chained = replay(
                model,
                inputs.arrays,
                captured=lambda: running.result().tensors,
                progress=step("Replaying, chained"),
            )
    with _timed(seconds, "waiting for the capture"):
        captured = running.result()
    if "isolated" in modes:
        with _timed(seconds, "isolated"):
            isolated = replay_isolated(
                model, captured.tensors, chained=chained, progress=step("Replaying, isolated")
            )
    with _timed(seconds, "compare"):
        comparison = compare(model, captured.tensors, chained, isolated, captured.missing)
    return Run(model, comparison, captured, inputs.notes, command, __version__, seconds)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
