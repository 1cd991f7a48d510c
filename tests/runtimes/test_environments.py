"""Other versions: what is asked for, and the environments they run in."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import EFFICIENTNET, IMAGE, SEVEN_OPS
from tests.runtimes.test_capture import chain, random_feeds, relu
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.model import load
from tflreplay.runtimes import capture, environments, installed, resolve
from tflreplay.runtimes.inputs import random_inputs, read_inputs

LITERT = installed("litert")

# Downloads TensorFlow, half a gigabyte, where it is not in the cache yet.
VERSIONS = os.environ.get("TFLREPLAY_VERSIONS")


# What is asked for


@pytest.mark.parametrize(
    ("runtime", "engine", "meant"),
    [
        (None, None, Engine("reference", "litert", LITERT)),
        (None, "xnnpack", Engine("xnnpack", "litert", LITERT)),
        ("litert==2.0.3", None, Engine("reference", "litert", "2.0.3")),
        ("tensorflow==2.17.1", "optimized", Engine("optimized", "tensorflow", "2.17.1")),
        ("tflm==0.dev1", None, Engine("tflm", "tflm", "0.dev1")),
    ],
)
def test_resolve(runtime: str | None, engine: str | None, meant: Engine) -> None:
    assert resolve(runtime, engine) == meant


def test_threads() -> None:
    assert resolve(threads=4).threads == 4
    assert resolve("tflm==0.dev1", threads=4).threads == 1


@pytest.mark.parametrize(
    ("runtime", "engine", "said"),
    [
        ("litert", "tflm", "LiteRT has no tflm kernels: use one of reference, optimized, xnnpack"),
        ("tflm==0.dev1", "xnnpack", "TFLM has no xnnpack kernels: use one of tflm"),
        ("litert==", None, "'' is not a version; litert==1.2.3 is meant"),
        ("litert==../x", None, "'../x' is not a version"),
        ("litert==2.0 --pre", None, "'2.0 --pre' is not a version"),
        ("lite==2", None, "'lite' is unknown here"),
    ],
)
def test_unknown(runtime: str, engine: str | None, said: str) -> None:
    with pytest.raises(CaptureError) as raised:
        resolve(runtime, engine)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("runtime", "version", "distribution"),
    [
        ("litert", "2.4.0", "ai-edge-litert"),
        ("litert", "2.4.0.dev20261026", "ai-edge-litert-nightly"),
        ("tensorflow", "2.23.0.dev20261026", "tf-nightly"),
        ("tflm", "0.dev20261023182759", "tflite-micro"),
    ],
)
def test_nightly_builds_have_distributions_of_their_own(
    runtime: str, version: str, distribution: str
) -> None:
    assert environments.requirements(runtime, version)[0] == f"{distribution}=={version}"


def test_an_installed_nightly_build_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name != "ai-edge-litert-nightly":
            raise importlib.metadata.PackageNotFoundError(name)
        return "2.4.0.dev20261026"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert resolve().version == "2.4.0.dev20261026"


# Environments, installed by a fake uv

UV = f"""#!/bin/sh
echo "$@" >> "$UV_LOG"
case "$1 $2" in
"venv --quiet")
    eval directory=\\${{$#}}
    mkdir -p "$directory/bin"
    printf '#!/bin/sh\\nexec {sys.executable} "$@"\\n' > "$directory/bin/python"
    chmod +x "$directory/bin/python" ;;
*) {{failure}} ;;
esac
"""


@pytest.fixture
def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a uv on PATH that installs nothing; gives the lines of its calls."""
    if os.name == "nt":
        pytest.skip("the fake uv is a shell script")

    def install(failure: str = "true") -> Path:
        script = tmp_path / "bin" / "uv"
        script.parent.mkdir(exist_ok=True)
        script.write_text(UV.replace("{failure}", failure))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("UV_LOG", str(tmp_path / "log"))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        return tmp_path / "log"

    return install


def test_built_once_and_run_there(fake_uv: Any) -> None:
    log = fake_uv()
    parsed = chain(relu())
    for _ in range(2):
        captured = capture(parsed, random_feeds(parsed), "litert==1.0.0")
        assert captured.version == LITERT  # what really ran
    _, install = log.read_text().splitlines()
    assert install.endswith("ai-edge-litert==1.0.0 numpy<2")
    assert [path.name for path in environments.cache().iterdir()] == [
        f"litert-1.0.0-py{sys.version_info.major}.{sys.version_info.minor}"
    ]


def test_the_installed_version_needs_no_environment(fake_uv: Any) -> None:
    log = fake_uv()
    parsed = chain(relu())
    captured = capture(parsed, random_feeds(parsed), f"litert=={LITERT}")
    assert captured.version == LITERT
    assert not log.exists()


def test_failed_installation(fake_uv: Any) -> None:
    versions = ", ".join(str(n) for n in range(200))
    fake_uv(f"echo 'ERROR: no x==9 (from versions: {versions})'; echo 'ERROR: sorry'; exit 1")
    parsed = chain(relu())
    with pytest.raises(CaptureError) as raised:
        capture(parsed, random_feeds(parsed), "litert==9")
    message = str(raised.value)
    assert message.startswith("cannot install LiteRT 9 for Python 3.")
    assert message.endswith(": no x==9 (from versions: ..., 197, 198, 199)")
    assert list(environments.cache().iterdir()) == []


def test_interrupted_installation(fake_uv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_uv()
    run = subprocess.run

    def interrupted(step: list[str], **how: Any) -> Any:
        if "pip" in step:
            raise KeyboardInterrupt
        return run(step, **how)

    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        environments.build("litert", "9")
    assert list(environments.cache().iterdir()) == []


def test_an_environment_without_its_python_is_built_again(fake_uv: Any) -> None:
    log = fake_uv()
    python = environments.build("litert", "9")
    python.unlink()
    assert environments.build("litert", "9") == python
    assert python.exists()
    assert len(log.read_text().splitlines()) == 4


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(CaptureError, match="cannot build an environment for LiteRT 9: "):
        environments.build("litert", "9")


# The real thing

AS_A_USER = """
import importlib, sys
import numpy as np
runtime = importlib.import_module(sys.argv[1])
interpreter = runtime.Interpreter(sys.argv[2], num_threads=1)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.load(sys.argv[3]))
interpreter.invoke()
np.save(sys.argv[4], interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
"""


@pytest.mark.skipif(not VERSIONS, reason="TFLREPLAY_VERSIONS is not set")
@pytest.mark.parametrize("path", [SEVEN_OPS, EFFICIENTNET])
@pytest.mark.parametrize("runtime", ["litert==2.0.3", "litert==1.2.0", "tensorflow==2.17.1"])
def test_versions(runtime: str, path: Path, tmp_path: Path) -> None:
    model = load(path)
    is_image = path == EFFICIENTNET
    inputs = read_inputs(model, [str(IMAGE)]) if is_image else random_inputs(model)
    captures = {
        engine: capture(model, inputs.arrays, runtime, engine)
        for engine in ("reference", "optimized", "xnnpack")
    }
    written = {index for op in model.main.operators for index in op.outputs}
    name, _, version = runtime.partition("==")
    for captured in captures.values():
        assert (captured.runtime, captured.version) == (name, version)
        assert captured.tensors.keys() == written | set(model.main.inputs)
        assert captured.failure == ""
    delegated = list(captures["xnnpack"].origin.values()).count("delegate partition")
    assert delegated > 0.9 * len(written)
    # Preserved tensors, or those of older runtimes made outputs, must not change the result.
    (index,) = model.main.inputs
    np.save(tmp_path / "input.npy", inputs.arrays[index])
    module = {"litert": "ai_edge_litert.interpreter"}.get(name, f"{name}.lite.python.interpreter")
    subprocess.run(
        [
            environments.build(name, version),
            *("-I", "-c", AS_A_USER, module, path, tmp_path / "input.npy", tmp_path / "output.npy"),
        ],
        check=True,
        capture_output=True,
    )
    (output,) = model.main.outputs
    np.testing.assert_array_equal(
        captures["xnnpack"].tensors[output], np.load(tmp_path / "output.npy")
    )
