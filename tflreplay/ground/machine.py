"""What a runtime's kernels run on: the architecture and, where a result depends on it, the CPU."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tflreplay.ground.errors import InputError

# What systems call the architectures that have a name here.
_ALIASES = {"amd64": "x86-64", "x86_64": "x86-64", "arm64": "aarch64"}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_MICRO = "cortex-m"  # an architecture whose CPUs name it


@dataclass(frozen=True)
class Machine:
    """An architecture, and perhaps one CPU of it; both are empty where nothing is known."""

    architecture: str = "x86-64"
    cpu: str = ""

    def __str__(self) -> str:
        """``aarch64``, ``aarch64:cortex-a72``, ``cortex-m55``, or nothing."""
        if self.architecture == _MICRO and self.cpu:
            return self.cpu
        return f"{self.architecture}:{self.cpu}" if self.cpu else self.architecture

    @classmethod
    def parse(cls, text: str) -> Machine:
        """The machine that prints as ``text``.

        Raises:
            ValueError: none prints so.
        """
        if not text:
            return UNKNOWN
        parts = text.split(":")
        if text.startswith(_MICRO) and text != _MICRO:
            parts = [_MICRO, text]
        if len(parts) > 2 or not all(map(_NAME.fullmatch, parts)):
            raise ValueError(f"{text!r} is no machine, such as x86-64 or aarch64:cortex-a72")
        return cls(*parts)

    def differs(self, other: Machine) -> bool:
        """True where both are known and are not the same, as far as both are known."""
        pairs = ((self.architecture, other.architecture), (self.cpu, other.cpu))
        return any(ours and theirs and ours != theirs for ours, theirs in pairs)


# What every table row was measured on, but for those that are for other machines.
MEASURED_ON = Machine()
UNKNOWN = Machine("")


@dataclass(frozen=True)
class Machines:
    """The machines that something is for: those of an architecture, or of some of its CPUs."""

    architecture: str
    cpus: tuple[str, ...] = ()

    def __contains__(self, machine: Machine) -> bool:
        same = machine.architecture == self.architecture
        return same and (not self.cpus or machine.cpu in self.cpus)

    def __str__(self) -> str:
        """``aarch64``, or ``aarch64 (cortex-a53, cortex-a55)``."""
        return f"{self.architecture} ({', '.join(self.cpus)})" if self.cpus else self.architecture


# An aarch64 of no CPU has instructions for dot products and none for matrices (SME).
X86_64, AARCH64 = Machines("x86-64"), Machines("aarch64")
NO_DOT_PRODUCT = Machines("aarch64", ("cortex-a53", "cortex-a57", "cortex-a72", "cortex-a73"))
# By XNNPACK's ``XNN_ENABLE_RNDNU16``; measured on the first one.
LITTLE = Machines("aarch64", ("cortex-a53", "cortex-a55", "kryo"))
SME = Machines("aarch64", ("sme",))
# They multiply matrices of int8 (I8MM).
MATRICES = Machines("aarch64", ("neoverse-v1", "sme"))
# What CMSIS-NN is compiled for: plain C, the DSP extension, or Helium, Arm's vectors for Cortex-M.
CORTEX_M = Machines(_MICRO)
DSP = Machines(_MICRO, ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m35p"))
HELIUM = Machines(_MICRO, ("cortex-m52", "cortex-m55", "cortex-m85"))
_CPUS = tuple(sorted({*NO_DOT_PRODUCT.cpus, *LITTLE.cpus, *SME.cpus, "cortex-a76", "neoverse-v1"}))
_PLAIN_C = ("cortex-m0", "cortex-m3")
# What a user can name.
MACHINES = (
    MEASURED_ON,
    Machine("aarch64"),
    *(Machine("aarch64", cpu) for cpu in _CPUS),
    *(Machine(_MICRO, cpu) for cpu in (*_PLAIN_C, *DSP.cpus, *HELIUM.cpus)),
)


def asked(text: str) -> Machine:
    """A machine that a user names.

    Raises:
        InputError: nothing is known of it.
    """
    known = list(map(str, MACHINES))
    if text not in known:
        raise InputError(f"no machine is called {text!r}: use one of {', '.join(known)}")
    return Machine.parse(text)


def machine_of(named: str | Machine | None) -> Machine:
    """The machine that is named, else this computer.

    Raises:
        InputError: nothing is known of it.
    """
    found = asked(named) if isinstance(named, str) else named
    return found if found is not None and found != UNKNOWN else this_machine()


def this_machine() -> Machine:
    """The computer that this runs on. Nothing here depends on its CPU yet, which is left out."""
    name = platform.machine().lower()
    return Machine(_ALIASES.get(name, name))


def on(machine: Machine) -> str:
    """`` on aarch64``, to stand behind what computes; nothing for x86-64."""
    return "" if machine == MEASURED_ON else f" on {machine}"


def replay_notes(captured: Machine, replayed: Machine) -> tuple[str, ...]:
    """What a reader must know of a replay's machines."""
    notes = []
    if captured.differs(replayed):
        notes.append(
            f"the tensors were captured on {captured}; what is replayed is {replayed}'s arithmetic"
        )
    notes += filter(None, [tables_note(replayed)])
    return tuple(notes)


def tables_note(replayed: Machine) -> str:
    """How what an aarch64 replays was measured; nothing of other machines."""
    if replayed not in AARCH64:
        return ""
    return f"what {AARCH64} computes was measured with LiteRT 2.3.0 under qemu, not on a chip"


def sources_note(machines: Mapping[str, Machine]) -> str:
    """Says which sources are of which machine where they are not all of one, else nothing."""
    known = {source: machine for source, machine in machines.items() if str(machine)}
    if not any(a.differs(b) for a in known.values() for b in known.values()):
        return ""
    told = ", ".join(f"{source} {machine}" for source, machine in known.items())
    return f"the sources are not of one machine: {told}"
