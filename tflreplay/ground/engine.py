"""Whose arithmetic is meant: one set of kernels, of one version of a runtime, on one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from packaging.version import InvalidVersion, Version

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.machine import MEASURED_ON, Machine

# The newest version of a runtime that the tables were measured with.
NEWEST: Mapping[str, str] = MappingProxyType(
    {"litert": "2.3.0", "tensorflow": "2.21.0", "tflm": "0.dev20261023182759"}
)


@dataclass(frozen=True)
class Engine:
    """A set of kernels as one version of a runtime has it.

    ``name`` is an arithmetic table: ``reference`` (the op resolver BUILTIN_REF), ``optimized``
    (BUILTIN_WITHOUT_DEFAULT_DELEGATES) or ``xnnpack`` (the default resolver). ``threads`` matters
    where a kernel's result depends on how its work was split, and ``machine`` where it was compiled
    from other code elsewhere. ``left`` are ops of the main subgraph, by index, that a delegate was
    seen to leave to the runtime's own kernels.
    """

    name: str = "reference"
    runtime: str = "litert"
    version: str = NEWEST["litert"]
    threads: int = 1
    machine: Machine = MEASURED_ON
    left: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name

    def at_least(self, first: Mapping[str, str]) -> bool:
        """True where ``first`` names the runtime, with this version or an earlier one.

        Raises:
            NotReplayed: the version is not one that can be compared.
        """
        if self.runtime not in first:
            return False
        try:
            return Version(self.version) >= Version(first[self.runtime])
        except InvalidVersion:
            raise NotReplayed(
                f"its arithmetic depends on the version of {self.runtime}, "
                f"and {self.version!r} is not one"
            ) from None
