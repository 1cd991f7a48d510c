"""A port in C made a library, by the system's compiler."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from tflreplay.ground.errors import KernelError

HEADER = Path(__file__).with_name("tflreplay_kernel.h")

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = (
    "-O2", "-g", "-fPIC", "-shared",
    # Without a prototype a pointer is cut to an int, without a return what is returned is chance.
    "-Werror=implicit-function-declaration", "-Werror=return-type",
)  # fmt: skip
# A negative number shifted left is undefined in C99, and what every compiler and every port does.
_SANITIZERS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize=shift-base",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
    "-O1",
)
_RUNTIMES = ("libasan.so", "libclang_rt.asan.so", f"libclang_rt.asan-{platform.machine()}.so")
_ERROR = re.compile(
    r"^(?P<file>[^:\n]+):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<text>.*)", re.MULTILINE
)


def compiled(source: Path, folder: Path, sanitize: bool = False) -> Path:
    """The library made of ``source``, in ``folder``.

    The compiler is ``CC``, else ``cc``, ``gcc`` or ``clang``; ``CFLAGS`` and ``LDFLAGS`` are
    heeded. With ``sanitize`` the sanitizers for addresses and undefined behaviour are built in;
    see :func:`sanitizer_runtime`.

    Raises:
        KernelError: there is no compiler, or it does not compile the file.
    """
    library = folder / f"{source.stem}.so"
    command = [
        *_compiler(source),
        *_FLAGS,
        *(_SANITIZERS if sanitize else ()),
        f"-I{HEADER.parent}",
        *shlex.split(os.environ.get("CFLAGS", "")),
        str(source),
        *shlex.split(os.environ.get("LDFLAGS", "")),
        "-lm",
        "-o",
        str(library),
    ]
    done = _run(command, source)
    if done.returncode:
        raise KernelError(f"{_why(done.stderr, source)} ({command[0]})")
    return library


def sanitizer_runtime(source: Path) -> str:
    """The library that a process must load first, for a library with sanitizers to be loaded.

    Raises:
        KernelError: this is not Linux, there is no compiler, or it has none.
    """
    if platform.system() != "Linux":
        raise KernelError(f"{source}: sanitizers are loaded on Linux only; leave --sanitize out")
    compiler = _compiler(source)
    for name in _RUNTIMES:
        found = _run([*compiler, f"-print-file-name={name}"], source).stdout.strip()
        if os.path.isabs(found) and os.path.exists(found):
            return found
    raise KernelError(
        f"{source}: {shlex.join(compiler)} has no sanitizers to load; install gcc's libasan, "
        "or leave --sanitize out"
    )


def _compiler(source: Path) -> list[str]:
    named = shlex.split(os.environ.get("CC", ""))
    if named and shutil.which(named[0]) is None:
        raise KernelError(f"{source}: CC names {named[0]}, which is not on the PATH")
    found = next(filter(shutil.which, _COMPILERS), None)
    if not named and found is None:
        raise KernelError(
            f"{source}: no C compiler is on the PATH to compile it with (tried "
            f"{', '.join(_COMPILERS)}); install gcc or clang, or set CC"
        )
    return named or [str(found)]


def _run(command: list[str], source: Path) -> subprocess.CompletedProcess[str]:
    # Messages in English, which are looked into.
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        raise KernelError(f"{source}: cannot start {command[0]}: {error.strerror}") from None


def _why(printed: str, source: Path) -> str:
    """The first error, in words."""
    if error := _ERROR.search(printed):
        return f"{error['file']}, line {error['line']}: {error['text']}"
    lines = [line for line in printed.splitlines() if line.strip()]
    return f"{source}: {lines[-1] if lines else 'the compiler fails and does not say why'}"
