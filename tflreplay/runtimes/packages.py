"""The runtimes that tensors can be captured from, and how they are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tflreplay.ground.engine import LIBRARIES, Engine
from tflreplay.ground.errors import CaptureError

# The op resolver behind each engine, by its name in the interpreter's OpResolverType.
_RESOLVERS: Mapping[str, str] = MappingProxyType(
    {
        "reference": "BUILTIN_REF",
        "optimized": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
        "xnnpack": "AUTO",
    }
)


@dataclass(frozen=True)
class Runtime:
    """A package that has an interpreter.

    ``title`` is its name in messages, ``module`` holds the interpreter and ``requirement`` is what
    pip installs beside tflreplay. ``packages`` are the distributions of its releases, the first one
    its own, and ``nightly`` is that of its nightly builds, where they have one. ``engines`` holds
    the op resolver behind each of its engines. ``libraries`` are engines that run on devices only,
    so that they are replayed, and nothing is captured of them.
    """

    title: str
    module: str
    requirement: str
    packages: tuple[str, ...] = ()
    nightly: str = ""
    engines: Mapping[str, str] = field(default_factory=lambda: _RESOLVERS)
    libraries: tuple[str, ...] = ()

    @property
    def replayed(self) -> tuple[str, ...]:
        """All its engines."""
        return (*self.engines, *self.libraries)

    @property
    def not_installed(self) -> str:
        return f"{self.title} is not installed: pip install {self.requirement}"


RUNTIMES = {
    "litert": Runtime(
        "LiteRT",
        "ai_edge_litert.interpreter",
        "ai-edge-litert",
        ("ai-edge-litert",),
        "ai-edge-litert-nightly",
    ),
    "tensorflow": Runtime(
        "TensorFlow",
        "tensorflow.lite.python.interpreter",
        "'tflreplay[tensorflow]'",
        ("tensorflow", "tensorflow-cpu"),
        "tf-nightly",
    ),
    "tflm": Runtime(
        "TFLM",
        "tflite_micro.python.tflite_micro.runtime",
        "'tflreplay[tflm]'",
        ("tflite-micro",),
        engines=MappingProxyType({"tflm": ""}),
        libraries=tuple(LIBRARIES),
    ),
}
ENGINES = tuple(dict.fromkeys(name for row in RUNTIMES.values() for name in row.engines))

PROFILE_SUFFIX = ".toml"
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!_]*")


def parse(runtime: str | None, engine: str | None, threads: int) -> Engine:
    """The engine to run; its version is empty where none is named.

    Raises:
        CaptureError: as :func:`tflreplay.runtimes.profiles.resolve`, and of a profile.
    """
    if is_profile(engine):
        raise CaptureError(
            f"{engine} is a profile, of which nothing can be captured here: give the tensors of "
            f"its device (--against), or compare with its replay (--replay-as, replay:{engine})"
        )
    if engine is not None and engine not in (*ENGINES, *LIBRARIES):
        raise CaptureError(
            f"{engine!r} is unknown here: use one of {', '.join(ENGINES)}; for --sources also "
            "RUNTIME:ENGINE, replay:ENGINE, or a file or folder of saved tensors that is there; "
            f"with --against, or replayed, also {', '.join(LIBRARIES)}"
        )
    if runtime is None:
        runtime = next(name for name, row in RUNTIMES.items() if engine in (None, *row.replayed))
    name, equals, version = runtime.partition("==")
    if name not in RUNTIMES:
        raise CaptureError(f"{name!r} is unknown here: use one of {', '.join(RUNTIMES)}")
    if equals and not _VERSION.fullmatch(version):
        raise CaptureError(f"{runtime!r}: {version!r} is not a version; {name}==1.2.3 is meant")
    row = RUNTIMES[name]
    if engine is None:
        engine = next(iter(row.engines))
    if engine not in row.replayed:
        raise CaptureError(
            f"{row.title} has no {engine} kernels: use one of {', '.join(row.replayed)}"
        )
    return Engine(engine, name, version, 1 if name == "tflm" else threads)


def is_profile(name: str | None) -> bool:
    """True of what can only be the file of a profile, not the name of an engine."""
    return name is not None and name.endswith(PROFILE_SUFFIX)


def installed(runtime: str) -> str:
    """The version installed beside tflreplay, or ''."""
    from importlib.metadata import PackageNotFoundError, version

    row = RUNTIMES[runtime]
    for package in filter(None, (*row.packages, row.nightly)):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""
