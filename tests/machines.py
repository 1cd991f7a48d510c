"""What can be run here without a download."""

from __future__ import annotations

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.ground.machine import this_machine
from tflreplay.runtimes import emulated
from tflreplay.runtimes.packages import installed


def runs_here(engine: Engine) -> bool:
    """True where the engine is installed: beside tflreplay, or for another machine, by qemu."""
    if engine.machine == this_machine():
        return installed(engine.runtime) == engine.version
    try:
        return not emulated.downloads(engine)
    except CaptureError:
        return False
