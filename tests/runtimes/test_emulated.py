"""aarch64 on another kind of computer: what is found, what is downloaded, and what then runs."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import SEVEN_OPS
from tests.machines import runs_here
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.ground.machine import asked, this_machine
from tflreplay.model import Model
from tflreplay.runtimes import capture, emulated, environments
from tflreplay.runtimes.inputs import Inputs
from tflreplay.runtimes.launching import announcement, launch
from tflreplay.tools.replay import run

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or this_machine() == asked("aarch64"), reason="qemu is for other Linux"
)
PI = replace(Engine(), machine=asked("aarch64:cortex-a72"))


class Computer:
    """One without apt, whose PATH and cache are empty folders."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.patch = monkeypatch
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    def program(self, name: str, script: str) -> Path:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def qemu(self, version: str, name: str = "qemu-aarch64") -> Path:
        return self.program(name, f'echo "{name} version {version} (Debian 1:{version})"')

    def root(self, *files: str) -> Path:
        root = self.bin.with_name("root")
        for file in files:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).touch()
        self.patch.setenv(emulated.ROOT, str(root))
        return root

    def debian(self, fails: str = "exit 100") -> None:
        """Packages, of which none can be downloaded."""
        self.program("dpkg", "echo amd64")
        self.program("dpkg-deb", "exit 1")
        self.program(
            "apt-get",
            'if [ "$1" = indextargets ]; then echo "Debian bookworm http://mirror/debian/"; '
            f"else echo 'E: no such mirror' >&2; {fails}; fi",
        )


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(tmp_path, monkeypatch)


def refusal(engine: Engine) -> str:
    with pytest.raises(CaptureError) as error:
        emulated.downloads(engine)
    return str(error.value)


def names(engine: Engine) -> list[str]:
    return [part.name for part in emulated.downloads(engine)]


# What is found


@pytest.mark.parametrize("name", ["qemu-aarch64", "qemu-aarch64-static"])
def test_qemu_on_path(computer: Computer, name: str) -> None:
    computer.qemu("10.0.13", name)
    computer.root("usr/bin/python3.11")
    assert names(PI) == [f"LiteRT {PI.version} for aarch64"]


def test_an_older_qemu_is_none(computer: Computer) -> None:
    computer.qemu("7.2.17")
    computer.root("usr/bin/python3.11")
    assert refusal(PI) == (
        "nothing can be captured on aarch64:cortex-a72 here: no qemu-aarch64 of qemu 10 or newer "
        "is on PATH, and apt knows no Debian mirror to have it from. Install it (qemu-user of "
        "Debian 13, Ubuntu 25.04 or Fedora 42). Capture there (tflreplay capture) and give the "
        "file, or replay it: --replay-as ENGINE@aarch64:cortex-a72, "
        "replay:ENGINE@aarch64:cortex-a72 as a source"
    )


def test_without_a_python(computer: Computer) -> None:
    computer.qemu("11.0.0")
    assert refusal(PI) == (
        "an arm64 Python is needed to run aarch64 programs, and apt knows no Debian mirror to have "
        "it from: unpack the root of an arm64 Linux with Python and set TFLREPLAY_AARCH64_ROOT to "
        "it"
    )
    root = computer.root("usr/bin/python3.11-config")
    assert refusal(PI) == (
        f"TFLREPLAY_AARCH64_ROOT={root}: there is no usr/bin/python3.11, or of another version, in "
        "it; name the root of an arm64 Linux that has Python"
    )


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        (
            replace(Engine(), machine=asked("aarch64:kryo")),
            "qemu has no CPU of that name; it has aarch64, aarch64:cortex-a53, "
            "aarch64:cortex-a55, aarch64:cortex-a57, aarch64:cortex-a72, aarch64:cortex-a76, "
            "aarch64:neoverse-v1",
        ),
        (
            replace(Engine("tflm", "tflm"), machine=asked("aarch64")),
            "LiteRT is run so, TFLM is not",
        ),
    ],
)
def test_what_is_not_run(computer: Computer, engine: Engine, why: str) -> None:
    assert refusal(engine).startswith(f"nothing can be captured on {engine.machine} here: {why}. ")


# What is downloaded


def test_it_is_announced(computer: Computer) -> None:
    computer.debian()
    assert announcement(PI) == (
        "downloading qemu (about 80 MB), an arm64 Python (about 22 MB) and LiteRT "
        f"{PI.version} for aarch64 (about 30 MB), once ..."
    )


def test_nothing_is_left_of_what_failed(computer: Computer) -> None:
    computer.debian()
    with pytest.raises(CaptureError) as error:
        launch(PI)
    assert str(error.value) == "cannot download qemu: apt-get: E: no such mirror"
    assert list(environments.cache().iterdir()) == []


# What runs


def test_how_it_is_started(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    qemu, root = computer.qemu("10.0.13"), computer.root("usr/bin/python3.13")
    wheels = environments.cache() / f"litert-{PI.version}-aarch64-py3.13"
    (wheels / "ai_edge_litert").mkdir(parents=True)
    assert announcement(PI) == ""
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/this/computer")
    monkeypatch.setenv("PYTHONHOME", "/of/this/computer")
    for cpu, known in {"": "cortex-a76", ":sme": "max", ":cortex-a53": "cortex-a53"}.items():
        found = launch(replace(PI, machine=asked(f"aarch64{cpu}")))
        python = root / "usr" / "bin" / "python3.13"
        assert found.command == (str(qemu), "-cpu", known, "-L", str(root), str(python), "-s")
        variables = found.variables()
        assert variables["PYTHONPATH"] == str(wheels)
        assert not {"LD_LIBRARY_PATH", "PYTHONHOME"} & set(variables)
        assert variables["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize("cpu", ["cortex-a72", "cortex-a53"])
def test_the_engine_itself(seven_ops: Model, seven_inputs: Inputs, cpu: str) -> None:
    """What is captured is the replay of that machine, and x86-64's is another."""
    machine = asked(f"aarch64:{cpu}")
    if not runs_here(replace(PI, machine=machine)):
        pytest.skip(f"tflreplay {SEVEN_OPS.name} --machine {machine} downloads what is needed")
    version = f"litert=={NEWEST['litert']}"
    for engine in ("reference", "optimized", "xnnpack"):
        captured = capture(seven_ops, seven_inputs.arrays, version, engine, machine=machine)
        assert captured.machine == machine
        assert run(seven_ops, seven_inputs, against=captured).exit_code == 0
        other = run(seven_ops, seven_inputs, against=captured, replay_as=f"{engine}@x86-64")
        assert other.exit_code == (engine == "optimized")
