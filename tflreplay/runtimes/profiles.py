"""Profiles in files: TOML that a person can read and edit.

    format_version = 1
    fallback = "litert==2.3.0:reference"

    [[op]]
    name = "CONV_2D"
    type = "int8"
    kernels = "litert==2.3.0:reference"
    rule = "single"
    evidence = "48,762 outputs, 7,806 of them discriminating"

An op computes as ``kernels`` do, with ``rule``, where there is one, in the place of theirs. What no
arithmetic known explains has ``kernels = "unexplained"``. All else computes as ``fallback`` does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tflreplay.ground.engine import LIBRARIES, NEWEST, Engine
from tflreplay.ground.errors import CaptureError, InputError
from tflreplay.ground.fields import Fields, WrongField
from tflreplay.ground.machine import MEASURED_ON, Machine
from tflreplay.ground.profile import Measured, Profile
from tflreplay.ground.rounding import RULES
from tflreplay.model.schema import TYPE_NAMES
from tflreplay.ops import CARDS
from tflreplay.runtimes.packages import RUNTIMES, installed, is_profile, parse

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT_VERSION = 1
UNEXPLAINED = "unexplained"
_KEYS = ("format_version", "fallback", "op")
_OP_KEYS = ("name", "type", "kernels", "rule", "evidence")


def resolve(runtime: str | None = None, engine: str | None = None, threads: int = 1) -> Engine:
    """The engine meant, with the version that a capture would run.

    Args:
        runtime: a name in :data:`RUNTIMES`, alone or with a version: ``litert==2.0.3``. Without it,
            the first runtime that has the engine.
        engine: a name in :data:`ENGINES`, or the file of a profile. Without it, the runtime's first
            one.
        threads: the interpreter's threads; TFLM has one.

    Raises:
        CaptureError: there is no such runtime or engine, the runtime does not have the engine, or
            it is not installed and no version is named.
        InputError: the profile cannot be read, or a runtime is named beside it.
    """
    if engine is not None and is_profile(engine):
        if runtime is not None:
            raise InputError(f"{engine}: a profile names its runtime itself; leave {runtime} out")
        return replace(read_profile(engine), threads=threads)
    asked = parse(runtime, engine, threads)
    if asked.version:
        return asked
    version = installed(asked.runtime)
    if not version and asked.name in LIBRARIES:  # which is replayed only
        version = NEWEST[asked.runtime]
    if not version:
        raise CaptureError(RUNTIMES[asked.runtime].not_installed)
    return replace(asked, version=version)


def spelled(engine: Engine) -> str:
    """An engine as a profile names it: ``litert==2.3.0:xnnpack``, with ``@`` its machine."""
    machine = "" if engine.machine == MEASURED_ON else f"@{engine.machine}"
    return f"{engine.runtime}=={engine.version}:{engine.name}{machine}"


def read_profile(path: str | Path) -> Engine:
    """The engine that a profile falls back to, with the profile.

    Raises:
        InputError: the file cannot be read, or says something else than it may.
    """
    path = Path(path)
    try:
        document = Fields(tomllib.loads(path.read_text("utf-8")))
        if document.get("format_version", int) != FORMAT_VERSION:
            raise WrongField(
                f"format_version is not {FORMAT_VERSION}: another tflreplay wrote it; probe again"
            )
        document.only(_KEYS)
        fallback = _engine(document, "fallback")
        measured = tuple(map(_measured, document.objects("op")))
        if twice := {(m.op, m.dtype) for i, m in enumerate(measured) if _among(m, measured[:i])}:
            raise WrongField(f"{' on '.join(min(twice))} is there twice")
    except OSError as error:
        raise InputError(f"{path}: cannot read the profile: {error.strerror}") from None
    except WrongField as error:
        raise InputError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from None
    return replace(fallback, profile=Profile(path.name, measured))


def _among(one: Measured, others: tuple[Measured, ...]) -> bool:
    return any((one.op, one.dtype) == (other.op, other.dtype) for other in others)


def _measured(told: Fields) -> Measured:
    told.only(_OP_KEYS)
    name, dtype, rule = told.get("name", str), told.get("type", str), told.get_or("rule", "")
    if name not in _names():
        raise told.wrong("name", f"an op that tflreplay knows: {name!r}")
    if dtype not in TYPE_NAMES.values():
        raise told.wrong("type", f"a type of tensors, such as int8: {dtype!r}")
    if rule and rule not in RULES:
        raise told.wrong("rule", f"one of {', '.join(RULES)}: {rule!r}")
    kernels = None
    if told.get("kernels", str) != UNEXPLAINED:
        kernels = _engine(told, "kernels")
    elif rule:
        raise told.wrong("rule", "for what is unexplained; name the kernels, too")
    return Measured(name, dtype, kernels, rule, told.get_or("evidence", ""))


def _names() -> Iterator[str]:
    for op, card in CARDS.items():
        yield op
        yield from (f"{op}, {kind}" for kind, _ in card.kinds)


def _engine(told: Fields, key: str) -> Engine:
    text = told.get(key, str)
    named, at, machine = text.partition("@")
    runtime, _, name = named.rpartition(":")
    try:
        engine = parse(runtime, name, 1)
        if not engine.version:
            raise told.wrong(key, f"an engine with its version, {runtime}==1.2.3:{name}: {text!r}")
        return replace(engine, machine=Machine.parse(machine)) if at else engine
    except (CaptureError, ValueError) as error:
        raise WrongField(f"{told.wrong(key, 'an engine')}: {text!r} ({error})") from None


def profile_text(engine: Engine) -> str:
    """The file of an engine's profile, which :func:`read_profile` reads."""
    assert engine.profile is not None
    return "\n".join(_lines(engine, engine.profile))


def _lines(engine: Engine, profile: Profile) -> Iterator[str]:
    yield "# How a device computes each op; what is not here is assumed to be as fallback has it."
    yield f"format_version = {FORMAT_VERSION}"
    yield f"fallback = {_text(spelled(engine))}"
    for one in profile.measured:
        kernels = UNEXPLAINED if one.kernels is None else spelled(one.kernels)
        yield "\n[[op]]"
        yield f"name = {_text(one.op)}"
        yield f"type = {_text(one.dtype)}"
        yield f"kernels = {_text(kernels)}"
        if one.rule:
            yield f"rule = {_text(one.rule)}"
        yield f"evidence = {_text(one.evidence)}"
    yield ""


def _text(value: Any) -> str:
    """A basic string of TOML, which is one of JSON without its DEL."""
    return json.dumps(value).replace("\x7f", "\\u007f")
