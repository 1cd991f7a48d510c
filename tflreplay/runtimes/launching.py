"""Where a runtime is run: here, in an environment of its own, or by qemu on another kind of CPU."""

from __future__ import annotations

from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import this_machine
from tflreplay.ground.words import series
from tflreplay.runtimes import emulated, environments
from tflreplay.runtimes.packages import installed
from tflreplay.runtimes.process import Launch


def launch(engine: Engine) -> Launch:
    """How to start a Python with the engine's runtime on its machine; installs what is missing.

    Without a version it is the one beside tflreplay.

    Raises:
        CaptureError: it cannot be installed, or nothing runs on such a machine here.
    """
    if engine.machine.differs(this_machine()):
        return emulated.launch(engine)
    if not engine.version or engine.version == installed(engine.runtime):
        return Launch()
    python = environments.build(engine.runtime, engine.version)
    # It must not find the packages of this Python.
    return Launch((str(python), "-I"))


def announcement(engine: Engine) -> str:
    """What :func:`launch` is going to do that takes a while, or ''."""
    if engine.machine.differs(this_machine()):
        parts = [f"{part.name} (about {part.megabytes} MB)" for part in emulated.downloads(engine)]
        return f"downloading {series(parts)}, once ..." if parts else ""
    if environments.missing(engine):
        size = environments.megabytes(engine.runtime, engine.version)
        return (
            f"installing {engine.runtime}=={engine.version} (about {size} MB) in an environment of "
            "its own, once ..."
        )
    return ""
