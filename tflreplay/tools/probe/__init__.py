"""Which arithmetic does an engine use? Ask it: ops on which the rules differ, run and scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.ground.profile import Measured
from tflreplay.ground.rounding import Array
from tflreplay.runtimes import ENGINES, RUNTIMES, Capture, capture, resolve
from tflreplay.tools.probe.cases import TYPES, Cases, cases
from tflreplay.tools.probe.evidence import Finding, Score, findings
from tflreplay.tools.probe.identify import Fingerprint, fingerprint
from tflreplay.tools.probe.kit import Piece, Returned, piece, pieces, read_results

__all__ = [
    "TYPES",
    "Cases",
    "Finding",
    "Fingerprint",
    "Piece",
    "Probe",
    "Returned",
    "Score",
    "asked",
    "cases",
    "findings",
    "fingerprint_of",
    "kit",
    "measured_by",
    "probe",
]


@cache
def kit(types: Sequence[str] = ("int8",)) -> tuple[Piece, ...]:
    """What to run on a device: models of a few operators on these types, and their inputs."""
    return pieces(cases(types))


def fingerprint_of(directory: Path) -> tuple[Fingerprint, tuple[str, ...]]:
    """What a device computes, by what it returned of the kit; and what was said of the files.

    Of a type of which it returned nothing, nothing is said.

    Raises:
        InputError: nothing of the kit is in the directory, or a file cannot be read.
    """
    returned = read_results(directory, kit(TYPES))
    return fingerprint(cases(TYPES), returned.tensors, returned.missing), returned.notes


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
    runtime: str | None = None,
    engine: str | None = None,
    machine: str | None = None,
    types: Sequence[str] = ("int8",),
) -> Probe:
    """Find out which arithmetic an engine uses, from its outputs alone.

    A model of independent ops, made so that rounding rules differ on thousands of its outputs,
    is run in the engine, and every arithmetic known is tried on each op.

    Args:
        runtime: ``litert``, ``tensorflow`` or ``tflm``, with or without ``==version``.
        engine: ``reference``, ``optimized``, ``xnnpack`` or ``tflm``.
        machine: what to run it on; see :func:`tflreplay.capture`.
        types: of :data:`TYPES`, those that the ops are asked on.

    Raises:
        CaptureError: the engine cannot be run.
        InputError: nothing can be run on the machine here.
    """
    probed = cases(types)
    ran, tensors, missing, failure = ask(probed, runtime, engine, machine)
    return Probe(ran, findings(probed, ran, tensors, missing), failure)


def measured_by(engine: Engine) -> tuple[Measured, ...]:
    """What an engine computes of each kind of op: as its tables say, or what else was found.

    Raises:
        CaptureError: the engine cannot be run, or its process died.
    """
    probed = cases(("int8",))
    runtime = f"{engine.runtime}=={engine.version}"
    _, tensors, missing, failure = ask(probed, runtime, engine.name)
    if failure:
        raise CaptureError(failure)
    return fingerprint(probed, tensors, missing, engine).measured


def ask(
    probed: Cases, runtime: str | None, engine: str | None, machine: str | None = None
) -> tuple[Engine, dict[int, Array], dict[int, str], str]:
    """Run the operators: the engine that ran, outputs by tensor index, why others are missing, and
    how it failed.

    What refuses all of them at once is asked for one kind after another.

    Raises:
        CaptureError: the engine cannot be run, or refuses every kind.
    """
    try:
        captured = capture(probed.model, probed.inputs, runtime, engine, machine=machine)
    except CaptureError as error:
        return _ask_by_kinds(probed, runtime, engine, machine, error)
    return _ran(captured), captured.tensors, captured.missing, captured.failure


def _ask_by_kinds(
    probed: Cases,
    runtime: str | None,
    engine: str | None,
    machine: str | None,
    refusal: CaptureError,
) -> tuple[Engine, dict[int, Array], dict[int, str], str]:
    ran: Engine | None = None
    tensors, missing = dict(probed.inputs), dict[int, str]()
    failures = []
    for kind in dict.fromkeys(probed.names):
        pairs = zip(probed.model.main.operators, probed.names, strict=True)
        part = piece(probed, kind, [op for op, name in pairs if name == kind])
        try:
            captured = capture(part.model, part.inputs, runtime, engine, machine=machine)
        except CaptureError as error:
            missing.update(dict.fromkeys(part.places.values(), str(error)))
            continue
        ran = _ran(captured)
        failures += [captured.failure] if captured.failure else []
        for index, place in part.places.items():
            if index in captured.tensors:
                tensors[place] = captured.tensors[index]
            else:
                missing[place] = captured.missing.get(index, captured.failure)
    if ran is None:
        raise refusal
    return ran, tensors, missing, "; ".join(failures)


def _ran(captured: Capture) -> Engine:
    return Engine(
        captured.engine, captured.runtime, captured.version, captured.threads, captured.machine
    )


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
