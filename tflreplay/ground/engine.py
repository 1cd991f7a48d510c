"""Whose arithmetic is meant: one set of kernels, of one version of a runtime, on one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from packaging.version import InvalidVersion, Version

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.machine import AARCH64, CORTEX_M, DSP, HELIUM, MEASURED_ON, X86_64, Machine
from tflreplay.ground.profile import Profile

# The newest version of a runtime that the tables were measured with.
NEWEST: Mapping[str, str] = MappingProxyType(
    {"litert": "2.3.0", "tensorflow": "2.21.0", "tflm": "0.dev20261023182759"}
)
# The newest version, released or not, whose outputs were compared with the tables.
_MEASURED: Mapping[str, str] = MappingProxyType({**NEWEST, "litert": "2.4.0.dev20261026"})
# The oldest version of a runtime that rows are known for.
OLDEST: Mapping[str, str] = MappingProxyType(
    {"litert": "1.0.1", "tensorflow": "2.13.0", "tflm": "0.dev20250101000000"}
)
# Libraries of kernels for devices that TFLM is built with, and what of them was measured.
LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "cmsis-nn": "CMSIS-NN 99f736a63036",
        "cmsis-nn-single": "CMSIS-NN 99f736a63036 with CMSIS_NN_USE_SINGLE_ROUNDING",
        "esp-nn": "ESP-NN d45b843c",
    }
)


@dataclass(frozen=True)
class Engine:
    """A set of kernels as one version of a runtime has it.

    ``name`` is an arithmetic table: ``reference`` (the op resolver BUILTIN_REF), ``optimized``
    (BUILTIN_WITHOUT_DEFAULT_DELEGATES), ``xnnpack`` (the default resolver), or TFLM's own or with
    one of the :data:`LIBRARIES`. ``threads`` matters
    where a kernel's result depends on how its work was split, and ``machine`` where it was compiled
    from other code elsewhere. ``left`` are ops of the main subgraph, by index, that a delegate was
    seen to leave to the runtime's own kernels. ``profile`` says of which ops something else was
    measured.
    """

    name: str = "reference"
    runtime: str = "litert"
    version: str = NEWEST["litert"]
    threads: int = 1
    machine: Machine = MEASURED_ON
    left: tuple[int, ...] = ()
    profile: Profile | None = None

    def __str__(self) -> str:
        return self.profile.name if self.profile is not None else self.name

    def at_least(self, first: Mapping[str, str]) -> bool:
        """True where ``first`` names the runtime, with this version or an earlier one.

        Raises:
            NotReplayed: the version is not one that can be compared.
        """
        version = self.version_in(first)
        if not version:
            return False
        try:
            return Version(self.version) >= Version(version)
        except InvalidVersion:
            raise NotReplayed(
                f"its arithmetic depends on the version of {self.runtime}, "
                f"and {self.version!r} is not one"
            ) from None

    def version_in(self, versions: Mapping[str, str]) -> str:
        """The version that is given for the runtime, or ''.

        A name such as ``litert@aarch64`` is of the runtime's builds for that architecture: builds
        of one date need not be of one source.
        """
        here = f"{self.runtime}@{self.machine.architecture}"
        return versions.get(here) or versions.get(self.runtime, "")

    @property
    def unmeasured(self) -> str:
        """Why the tables may not be what it computes, in words; empty where they were measured."""
        known = self.machine in X86_64 or self.machine in AARCH64
        if str(self.machine) and not known and not self.library:
            return f"the tables were measured on {X86_64} and {AARCH64}, not on {self.machine}"
        try:
            newer = Version(self.version) > Version(_MEASURED[self.runtime])
        except InvalidVersion:
            newer = True
        if not newer:
            return ""
        return (
            f"{self.runtime} {self.version} is newer than {_MEASURED[self.runtime]}, the newest "
            "that the tables were measured with"
        )

    @property
    def library(self) -> str:
        """How the library for devices was measured, in words; empty of engines that are none."""
        if self.name not in LIBRARIES:
            return ""
        if self.name == "cmsis-nn-single" and self.machine in HELIUM:
            return f"what {LIBRARIES[self.name]} computes with Helium was read, and not measured"
        compiled = "portable C"
        if self.machine in CORTEX_M and self.name != "esp-nn":
            built = {
                DSP: "C with the DSP extension, by qemu",
                HELIUM: "C with Helium, by qemu",
            }
            compiled = next((how for of, how in built.items() if self.machine in of), compiled)
        return f"what {LIBRARIES[self.name]} computes was measured as {compiled}, not on a chip"
