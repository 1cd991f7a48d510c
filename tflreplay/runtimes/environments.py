"""Environments that hold one version of one runtime, and numpy: built once, then kept.

They lie in the user's cache directory (``$XDG_CACHE_HOME`` or ``~/.cache``) under
``tflreplay/envs`` and can be deleted at any time.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.runtimes.packages import RUNTIMES, installed

# A build under way; its directory is renamed when it is complete.
_BUILDING = ".building-"

# What pip downloads of a package of today and what it needs.
_MEGABYTES = {
    "ai-edge-litert": 40,
    "ai-edge-litert-nightly": 40,
    "tensorflow": 650,
    "tensorflow-cpu": 320,
    "tf-nightly": 700,
    "tflite-micro": 20,
}
# Of a C library from 2.17 to 2.36, which is Debian 12's.
_PIP_AARCH64 = ("manylinux2014_aarch64", *(f"manylinux_2_{n}_aarch64" for n in range(17, 37)))
_UV_AARCH64 = "aarch64-manylinux_2_36"


def cache() -> Path:
    """Where the environments lie."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tflreplay" / "envs"


def path(runtime: str, version: str) -> Path:
    """The directory of an environment, whether it is built or not."""
    return cache() / f"{runtime}-{version}-py{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(directory: Path) -> Path:
    """The Python of an environment; the environment is complete where that exists."""
    return directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def missing(engine: Engine) -> bool:
    """True where a capture with this engine has to build an environment first."""
    elsewhere = engine.version != installed(engine.runtime)
    return elsewhere and not interpreter(path(engine.runtime, engine.version)).exists()


def build(runtime: str, version: str) -> Path:
    """The Python of the environment with this version; installs it where it is not there yet.

    With ``uv`` where that is on PATH, else with ``venv`` and ``pip``.

    Raises:
        CaptureError: it cannot be installed.
    """
    directory = path(runtime, version)
    python = interpreter(directory)
    what = f"{RUNTIMES[runtime].title} {version}"
    once(directory, python, lambda made: _install(made, requirements(runtime, version), what), what)
    return python


def once(directory: Path, done: Path, make: Callable[[Path], None], what: str) -> None:
    """Have ``make`` fill a directory, unless ``done``, the last thing in it, is there.

    Raises:
        CaptureError: the directory cannot be written, or ``make`` says so.
    """
    if done.exists():
        return
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=directory.parent) as scratch:
            made = Path(scratch) / "env"
            make(made)
            if directory.exists():
                shutil.rmtree(directory)  # it is not complete any more
            made.rename(directory)
    except OSError as error:
        if not done.exists():  # or another process was faster
            raise CaptureError(f"cannot build an environment for {what}: {error}") from None


def megabytes(runtime: str, version: str) -> int:
    """About how much :func:`build` downloads."""
    package, _, _ = requirements(runtime, version)[0].partition("==")
    return _MEGABYTES[package]


def requirements(runtime: str, version: str) -> list[str]:
    """What pip is to install."""
    row = RUNTIMES[runtime]
    package = row.packages[0]
    if row.nightly and ".dev" in version:
        package = row.nightly
    elif runtime == "tensorflow" and _has_cpu_only_wheels():
        package = "tensorflow-cpu"
    # Wheels built for numpy 1 that do not say so.
    old = runtime == "litert" and re.match(r"1\.0\.", version)
    return [f"{package}=={version}", "numpy<2" if old else "numpy"]


def _has_cpu_only_wheels() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


def _install(directory: Path, wanted: list[str], what: str) -> None:
    python = str(interpreter(directory))
    uv = shutil.which("uv")
    if uv:
        steps = [
            [uv, "venv", "--quiet", "--python", sys.executable, str(directory)],
            [uv, "pip", "install", "--quiet", "--python", python, *wanted],
        ]
    else:
        steps = [
            [sys.executable, "-m", "venv", str(directory)],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted],
        ]
    _follow(
        steps, what, f"Python {platform.python_version()} on {sys.platform} {platform.machine()}"
    )


def unpack_aarch64(directory: Path, wanted: list[str], what: str, python: str) -> None:
    """The wheels for aarch64 Linux and this version of Python, unpacked into ``directory``.

    Raises:
        CaptureError: there are none, or they cannot be had.
    """
    target = ["--target", str(directory), "--python-version", python, "--only-binary", ":all:"]
    uv = shutil.which("uv")
    if uv:
        step = [uv, "pip", "install", "--quiet", *target, "--python-platform", _UV_AARCH64]
        step += wanted
    else:
        tags = [part for name in _PIP_AARCH64 for part in ("--platform", name)]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        step = [*pip, *target, "--implementation", "cp", *tags, *wanted]
    _follow([step], what, f"Python {python} on linux aarch64")


def _follow(steps: Sequence[Sequence[str]], what: str, where: str) -> None:
    for step in steps:
        done = subprocess.run(
            step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            reason = _reason(done.stdout.decode(errors="replace"))
            raise CaptureError(f"cannot install {what} for {where}: {reason}")


def _reason(output: str) -> str:
    """The installer's reason on one line; of a list of versions only the newest."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    text = errors[0] if errors else " ".join(lines) or "it does not say why"
    text = re.sub(r"(from versions: ).*(, [^,]+, [^,]+, [^,]+\))", r"\1...\2", text)
    return textwrap.shorten(re.sub(r"[^\x20-\x7e]+", " ", text), 300, placeholder=" ...")
