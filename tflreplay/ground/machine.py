"""What a runtime's kernels run on: the architecture and, where a result depends on it, the CPU."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass

# What systems call the architectures that have a name here.
_ALIASES = {"amd64": "x86-64", "x86_64": "x86-64", "arm64": "aarch64"}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class Machine:
    """An architecture, and perhaps one CPU of it; both are empty where nothing is known."""

    architecture: str = "x86-64"
    cpu: str = ""

    def __str__(self) -> str:
        """``aarch64``, ``aarch64:cortex-a72``, or nothing."""
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
        if len(parts) > 2 or not all(map(_NAME.fullmatch, parts)):
            raise ValueError(f"{text!r} is no machine, such as x86-64 or aarch64:cortex-a72")
        return cls(*parts)

    def differs(self, other: Machine) -> bool:
        """True where both are known and are not the same, as far as both are known."""
        pairs = ((self.architecture, other.architecture), (self.cpu, other.cpu))
        return any(ours and theirs and ours != theirs for ours, theirs in pairs)


# Where every arithmetic table was measured.
MEASURED_ON = Machine()
UNKNOWN = Machine("")


def this_machine() -> Machine:
    """The computer that this runs on. Nothing here depends on its CPU yet, which is left out."""
    name = platform.machine().lower()
    return Machine(_ALIASES.get(name, name))


def replay_notes(captured: Machine, replayed: Machine) -> tuple[str, ...]:
    """What a reader must know of a replay's machines; nothing where all of them are the same."""
    notes = []
    if captured.differs(replayed):
        notes.append(
            f"the tensors were captured on {captured}; what is replayed is {replayed}'s arithmetic"
        )
    notes += filter(None, [tables_note()])
    return tuple(notes)


def tables_note() -> str:
    """Says that nothing was measured on a computer like this one where that is so, else nothing."""
    here = this_machine()
    if not here.differs(MEASURED_ON):
        return ""
    return f"this computer is {here}; the tables were measured on {MEASURED_ON} only"


def sources_note(machines: Mapping[str, Machine]) -> str:
    """Says which sources are of which machine where they are not all of one, else nothing."""
    known = {source: machine for source, machine in machines.items() if str(machine)}
    if not any(a.differs(b) for a in known.values() for b in known.values()):
        return ""
    told = ", ".join(f"{source} {machine}" for source, machine in known.items())
    return f"the sources are not of one machine: {told}"
