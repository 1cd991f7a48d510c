"""A version or a machine that the tables were not measured with is probed, once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tflreplay import __version__
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError, InputError, OutputError
from tflreplay.ground.files import write_files
from tflreplay.ground.machine import this_machine
from tflreplay.ground.profile import Profile
from tflreplay.runtimes import RUNTIMES, environments
from tflreplay.runtimes.profiles import profile_text, read_profile, spelled


def measured(engine: Engine, probe: bool = True) -> Engine:
    """The engine; where it is not measured, with a profile of what a probe of it found.

    The profile is kept in the user's cache, by runtime, version, engine, machine and the version of
    tflreplay. With ``probe`` False nothing is run.
    """
    if not probe or not _unmeasured(engine):
        return engine
    path = _kept(engine)
    try:
        known = read_profile(path).profile
    except InputError:
        known = None
    return replace(engine, profile=_named(engine, known) if known else _probed(engine, path))


def to_be_probed(engine: Engine) -> bool:
    """True where :func:`measured` would run a probe, which takes a few seconds."""
    return _unmeasured(engine) and not _kept(engine).exists()


def _unmeasured(engine: Engine) -> bool:
    runs = engine.name in RUNTIMES[engine.runtime].engines
    here = not engine.machine.differs(this_machine())
    return runs and here and engine.profile is None and bool(engine.unmeasured)


def _kept(engine: Engine) -> Path:
    name = spelled(engine).replace("==", "-").replace(":", "-")
    return environments.cache().parent / "probes" / f"{name}-{engine.machine}-{__version__}.toml"


def _named(engine: Engine, profile: Profile) -> Profile:
    """It is the engine itself that was measured."""
    return replace(profile, name=engine.name)


def _probed(engine: Engine, path: Path) -> Profile:
    from tflreplay.tools.probe import measured_by  # slow to import, and rarely needed

    try:
        found = measured_by(engine)
    except CaptureError as error:
        return Profile(engine.name, (), f"it could not be probed ({error})")
    profile = Profile(engine.name, found)
    text = profile_text(replace(engine, profile=profile))

    def fill(scratch: Path) -> None:
        (scratch / path.name).write_text(text, "utf-8")

    with suppress(OutputError):  # it is probed again the next time
        write_files(path.parent, [path.name], fill, overwrite=True)
    return profile
