"""Which arithmetic does an engine use? Ask it: ops on which the rules differ, run and scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from tflreplay.ground.engine import Engine
from tflreplay.runtimes import ENGINES, RUNTIMES, capture, resolve
from tflreplay.tools.probe.cases import Cases, cases
from tflreplay.tools.probe.evidence import Finding, Score, findings

__all__ = ["Cases", "Finding", "Probe", "Score", "asked", "cases", "findings", "probe"]

_cases = cache(cases)


@dataclass(frozen=True)
class Probe:
    """What was found out about one engine. ``failure`` is as :class:`tflreplay.Capture` has it."""

    engine: Engine
    findings: tuple[Finding, ...] = field(repr=False)
    failure: str = ""

    @property
    def complete(self) -> bool:
        """True where every op could be probed."""
        return not any(finding.reason for finding in self.findings)

    @property
    def as_expected(self) -> bool:
        """True where every output is explained, and is what the arithmetic table says."""
        return not any(found.unexplained or found.contradicting for found in self.findings)


def probe(
    runtime: str | None = None, engine: str | None = None, machine: str | None = None
) -> Probe:
    """Find out which arithmetic an engine uses, from its outputs alone.

    A model of independent int8 ops, made so that rounding rules differ on thousands of its outputs,
    is run in the engine, and every arithmetic known is tried on each op.

    Args:
        runtime: ``litert``, ``tensorflow`` or ``tflm``, with or without ``==version``.
        engine: ``reference``, ``optimized``, ``xnnpack`` or ``tflm``.
        machine: what to run it on; see :func:`tflreplay.capture`.

    Raises:
        CaptureError: the engine cannot be run.
        InputError: nothing can be run on the machine here.
    """
    probed = _cases()
    captured = capture(probed.model, probed.inputs, runtime, engine, machine=machine)
    ran = Engine(
        captured.engine, captured.runtime, captured.version, captured.threads, captured.machine
    )
    found = findings(probed, ran, captured.tensors, captured.missing)
    return Probe(ran, found, captured.failure)


def asked(runtimes: Sequence[str] = (), engines: Sequence[str] = ()) -> tuple[Engine, ...]:
    """The engines meant by several runtimes and engines: of each runtime those that it has.

    Without ``engines`` all of a runtime; without ``runtimes`` LiteRT, or what has the engines.

    Raises:
        CaptureError: a runtime or an engine is unknown, a runtime has none of the engines, or is
            not installed and no version is named.
    """
    for unknown in set(engines) - set(ENGINES):
        resolve(None, unknown)  # which says so
    pairs: list[tuple[str | None, str]]
    if engines and not runtimes:
        pairs = [(None, name) for name in engines]
    else:
        pairs = [
            (runtime, name)
            for runtime in runtimes or (None,)
            for name in _engines(RUNTIMES[resolve(runtime).runtime].engines, engines)
        ]
    return tuple(dict.fromkeys(resolve(*pair) for pair in pairs))


def _engines(has: Iterable[str], engines: Sequence[str]) -> Iterable[str]:
    """Those asked for that a runtime has; if it has none, one for which it will say so."""
    return [name for name in has if name in engines] or engines[:1] or has
