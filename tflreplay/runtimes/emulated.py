"""aarch64 on another kind of computer: an arm64 Python and a runtime's wheels, run by qemu-user.

qemu-user runs one process, of the kernels that its CPU has; it needs no root, and nothing is
installed: packages are unpacked beside the environments of other versions, once, and kept. On
Debian they come from the mirror that apt knows. Elsewhere a user brings qemu and the Python.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.ground.machine import AARCH64, Machine
from tflreplay.runtimes import environments
from tflreplay.runtimes.packages import RUNTIMES, installed
from tflreplay.runtimes.process import Launch

# qemu's name of a CPU, where it is not ours. Without one it has dot products and no SME.
_CPUS = {"": "cortex-a76", "sme": "max"}
_EMULATED = ("cortex-a53", "cortex-a55", "cortex-a57", "cortex-a72", "cortex-a76", "neoverse-v1")
_OLDEST_QEMU = 10  # older ones crash in LiteRT 2
ROOT = "TFLREPLAY_AARCH64_ROOT"
# Debian's releases that have qemu 10, and the Python and C library that were measured.
_QEMU_FROM, _ROOT_FROM = "trixie", "bookworm"
_PYTHON_PACKAGES = (
    *("python3.11", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
    *("libc6", "libgcc-s1", "libstdc++6", "libgomp1", "libexpat1", "libffi8", "zlib1g"),
    *("libbz2-1.0", "liblzma5", "libssl3", "libsqlite3-0", "libuuid1", "libcrypt1", "libdb5.3"),
    *("libncursesw6", "libtinfo6", "libreadline8"),
)
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PYTHON = re.compile(r"python(3\.\d+)")


@dataclass(frozen=True)
class Part:
    """Something that is downloaded once into ``directory``, by ``make``.

    ``done`` is there when it is complete, and ``path`` is what is used of it.
    """

    name: str
    megabytes: int
    directory: Path
    done: Path
    make: Callable[[Path], None]
    path: Path

    def get(self) -> Path:
        try:
            environments.once(self.directory, self.done, self.make, self.name)
        except CaptureError as error:
            raise CaptureError(f"cannot download {self.name}: {error}") from None
        return self.path


def launch(engine: Engine) -> Launch:
    """How to start an aarch64 Python with LiteRT on the engine's CPU; downloads what is missing.

    Raises:
        CaptureError: it cannot be had here; the sentence says what to install.
    """
    qemu, python, wheels = (
        found if isinstance(found, Path) else found.get() for found in _needed(engine)
    )
    cpu = engine.machine.cpu
    # What is meant for this computer's libraries and Python is not for those.
    unset = dict.fromkeys(name for name in os.environ if name.startswith(("LD_", "PYTHON")))
    unset |= {"OPENBLAS_CORETYPE": None, "OPENBLAS_L2_SIZE": None}
    return Launch(
        (str(qemu), "-cpu", _CPUS.get(cpu, cpu), "-L", str(python.parents[2]), str(python), "-s"),
        {**unset, "PYTHONPATH": str(wheels)},
    )


def downloads(engine: Engine) -> list[Part]:
    """What :func:`launch` is going to download; raises as that does, as far as it is known."""
    return [found for found in _needed(engine) if isinstance(found, Part)]


def _needed(engine: Engine) -> tuple[Path | Part, Path | Part, Path | Part]:
    """qemu, the Python and the runtime's folder: where each is, or what it is downloaded by."""
    _check(engine)
    qemu, python = _qemu(engine.machine), _python()
    version = engine.version or installed(engine.runtime) or NEWEST[engine.runtime]
    name = python.name if isinstance(python, Path) else python.done.name
    return qemu, python, _wheels(version, name.removeprefix("python"))


def _check(engine: Engine) -> None:
    machine = engine.machine
    if machine not in AARCH64:
        raise CaptureError(_elsewhere(machine, f"only {AARCH64} is run on other computers"))
    if sys.platform != "linux":
        raise CaptureError(_elsewhere(machine, "qemu-user runs programs on Linux only"))
    if engine.runtime != "litert":
        title = RUNTIMES[engine.runtime].title
        raise CaptureError(_elsewhere(machine, f"LiteRT is run so, {title} is not"))
    if machine.cpu not in (*_CPUS, *_EMULATED):
        have = ", ".join(f"{AARCH64}:{cpu}" for cpu in _EMULATED)
        raise CaptureError(
            _elsewhere(machine, f"qemu has no CPU of that name; it has {AARCH64}, {have}")
        )


def _elsewhere(machine: Machine, why: str) -> str:
    return (
        f"nothing can be captured on {machine} here: {why}. Capture there (tflreplay capture) and "
        f"give the file, or replay it: --replay-as ENGINE@{machine}, replay:ENGINE@{machine} as a "
        "source"
    )


# ---- qemu -------------------------------------------------------------------------------------


def _qemu(machine: Machine) -> Path | Part:
    for name in ("qemu-aarch64", "qemu-aarch64-static"):
        found = shutil.which(name)
        if found and _version(found) >= _OLDEST_QEMU:
            return Path(found)
    directory = environments.cache() / "aarch64-qemu"
    done = directory / "qemu-aarch64"
    if done.exists():
        return done
    if not _has_packages():
        raise CaptureError(
            _elsewhere(
                machine,
                f"no qemu-aarch64 of qemu {_OLDEST_QEMU} or newer is on PATH, and apt knows no "
                "Debian mirror to have it from. Install it (qemu-user of Debian 13, Ubuntu 25.04 "
                "or Fedora 42)",
            )
        )
    return Part("qemu", 80, directory, done, _unpack_qemu, done)


def _version(qemu: str) -> int:
    done = subprocess.run([qemu, "--version"], capture_output=True, text=True)
    found = re.search(r"version (\d+)", done.stdout)
    return int(found[1]) if found else 0


def _unpack_qemu(directory: Path) -> None:
    """The one program of the package."""
    directory.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        (package,) = _packages(("qemu-user",), _QEMU_FROM, _host_architecture(), Path(scratch))
        tar = _run(["dpkg-deb", "--fsys-tarfile", str(package)])
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        program = archive.extractfile("./usr/bin/qemu-aarch64")
        assert program is not None
        (directory / "qemu-aarch64").write_bytes(program.read())
    (directory / "qemu-aarch64").chmod(0o755)


# ---- the Python -------------------------------------------------------------------------------


def _python() -> Path | Part:
    """In ``usr/bin`` of the folder that the user names, or unpacked from packages."""
    named = os.environ.get(ROOT)
    if named:
        programs = sorted(Path(named, "usr", "bin").glob("python3.*"))
        found = [path for path in programs if _PYTHON.fullmatch(path.name)]
        if not found:
            raise CaptureError(
                f"{ROOT}={named}: there is no usr/bin/python3.11, or of another version, in it; "
                "name the root of an arm64 Linux that has Python"
            )
        return found[-1].absolute()
    directory = environments.cache() / "aarch64-root-py3.11"
    done = directory / "usr" / "bin" / "python3.11"
    if done.exists():
        return done
    if not _has_packages():
        raise CaptureError(
            "an arm64 Python is needed to run aarch64 programs, and apt knows no Debian mirror to "
            f"have it from: unpack the root of an arm64 Linux with Python and set {ROOT} to it"
        )
    return Part("an arm64 Python", 22, directory, done, _unpack_python, done)


def _unpack_python(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for package in _packages(_PYTHON_PACKAGES, _ROOT_FROM, "arm64", Path(scratch)):
            _run(["dpkg-deb", "-x", str(package), str(directory)])


# ---- the runtime ------------------------------------------------------------------------------


def _wheels(version: str, python: str) -> Path | Part:
    directory = environments.cache() / f"litert-{version}-aarch64-py{python}"
    done, what = directory / "ai_edge_litert", f"LiteRT {version} for {AARCH64}"
    if done.exists():
        return directory

    def unpack(made: Path) -> None:
        environments.unpack_aarch64(
            made, environments.requirements("litert", version), what, python
        )

    return Part(what, 30, directory, done, unpack, directory)


# ---- Debian's packages ------------------------------------------------------------------------


def _has_packages() -> bool:
    tools = all(shutil.which(tool) for tool in ("apt-get", "dpkg", "dpkg-deb"))
    return tools and _KEYRING.exists() and bool(_mirror())


def _mirror() -> str:
    """The address of Debian's own packages that apt has them from, or ''."""
    told = "$(ORIGIN) $(CODENAME) $(REPO_URI)"
    lines = _run(["apt-get", "indextargets", "--format", told]).decode().splitlines()
    for line in lines:
        origin, codename, address = line.split(" ", 2)
        if origin == "Debian" and "-" not in codename:
            return address
    return ""


def _host_architecture() -> str:
    return _run(["dpkg", "--print-architecture"]).decode().strip()


def _packages(names: Sequence[str], release: str, architecture: str, scratch: Path) -> list[Path]:
    """Downloads packages into ``scratch``; apt's own lists and settings stay as they are."""
    for folder in ("lists/partial", "cache/archives/partial", "debs"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    (scratch / "sources.list").write_text(
        f"deb [arch={architecture} signed-by={_KEYRING}] {_mirror()} {release} main\n"
    )
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Dir::State::status": scratch / "status",
        "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": "-",
    }
    given = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    _run(["apt-get", *given, "update"])
    _run(["apt-get", *given, "download", *names], scratch / "debs")
    return sorted((scratch / "debs").iterdir())


def _run(command: Sequence[str], where: Path | None = None) -> bytes:
    """What it prints.

    Raises:
        CaptureError: it fails.
    """
    done = subprocess.run(command, cwd=where, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it does not say why"]
        raise CaptureError(f"{command[0]}: {said[-1]}")
    return done.stdout
