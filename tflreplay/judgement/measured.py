"""What is measured of the arithmetic that is replayed, and what is only assumed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import on
from tflreplay.ground.words import series
from tflreplay.judgement.suspects import ranges
from tflreplay.model import Model, Operator
from tflreplay.ops import assumed, kind_of, site
from tflreplay.runtimes.profiles import spelled


def arithmetic(engine: Engine, what: str = "kernels") -> str:
    """``xnnpack kernels of litert 2.3.0``, or what a profile is called."""
    if str(engine) != engine.name:
        return f"{engine} over the {arithmetic(replace(engine, profile=None), what)}"
    return f"{engine.name} {what} of {engine.runtime} {engine.version}{on(engine.machine)}"


def assumed_ops(model: Model, engine: Engine) -> list[Operator]:
    """The operators of the main subgraph that the engine's profile does not cover."""
    return [op for op in model.main.operators if assumed(engine, model.main, op)]


def profile_notes(model: Model, engine: Engine, only: int | None = None) -> tuple[str, ...]:
    """What a reader must know of what was measured: of the whole main subgraph, or of one op."""
    return tuple(filter(None, (unmeasured_note(engine), _assumed(model, engine, only))))


def unmeasured_note(engine: Engine) -> str:
    """That the tables are older than the engine, and what a probe of it found; or how a library
    for devices was measured.
    """
    why, profile = engine.unmeasured, engine.profile
    if engine.library and not why and str(engine) == engine.name:
        return engine.library
    if not why or str(engine) != engine.name:
        return ""
    if profile is None or profile.failure:
        known = f"; {profile.failure}" if profile else ""
        return f"{why}{known}; its arithmetic is assumed to be the same"
    plain = replace(engine, profile=None, threads=1, left=())
    same = [one for one in profile.measured if one.kernels == plain and not one.rule]
    found = [one.op for one in profile.measured if one.kernels is not None and one not in same]
    unknown = [one.op for one in profile.measured if one.kernels is None]
    told = [
        f"probed here, {len(same)} of {len(profile.measured)} kinds of op are as the tables say"
    ]
    if found:
        told.append(f"replayed as the probe found: {', '.join(found)}")
    if unknown:
        told.append(f"not replayed, since nothing known explains them: {', '.join(unknown)}")
    return "; ".join([why, *told])


def _assumed(model: Model, engine: Engine, only: int | None) -> str:
    kinds: dict[str, list[int]] = defaultdict(list)
    for op in assumed_ops(model, engine):
        if only in (None, op.index):
            dtype = site(engine, model.main, op).dtype
            kinds[f"{kind_of(model.main, op)} on {dtype}"].append(op.index)
    if not kinds or (engine.profile is not None and engine.profile.failure):
        return ""
    told = series([f"{kind} (op {ranges(indices)})" for kind, indices in kinds.items()])
    return f"not measured of {engine}: {told}; assumed to be as {spelled(engine)}"
