"""A version that nobody has measured: said so, probed once, and replayed as it computes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.test_replay import run
from tests.conftest import SEVEN_OPS
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.ground.machine import Machine
from tflreplay.ground.profile import Measured
from tflreplay.judgement.measured import profile_notes
from tflreplay.model import Model
from tflreplay.tools import probe
from tflreplay.tools.measure import measured

NEW = Engine("reference", "litert", "9.9.9")
NEWER = "litert 9.9.9 is newer than 2.4.0.dev20261026, the newest that the tables were measured"


@pytest.fixture
def invented(tmp_path: Path) -> dict[str, str]:
    """An environment in which the installed wheel of LiteRT calls itself 9.9.9."""
    folder = tmp_path / "site" / "ai_edge_litert-9.9.9.dist-info"
    folder.mkdir(parents=True)
    text = "Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: 9.9.9\n"
    (folder / "METADATA").write_text(text)
    paths = [str(folder.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_an_invented_version(tmp_path: Path, invented: dict[str, str]) -> None:
    """Its tables are those of the newest nightly build, which the wheel beneath does not follow."""
    kept = tmp_path / "cache" / "tflreplay" / "probes"
    replay = (SEVEN_OPS, "--engine", "optimized")
    first = run(*replay, cwd=tmp_path, env=invented)
    assert f"{NEWER} with: probing it, once ..." in first.stderr
    assert f"note: {NEWER} with; probed here, 18 of 24 kinds of op are as the" in first.stdout
    assert "replayed as the probe found: FULLY_CONNECTED, one weight scale, MUL, " in first.stdout
    assert "EXACT: 20 of 20 layers" in first.stdout
    (file,) = kept.iterdir()
    assert file.name.startswith("litert-9.9.9-optimized-x86-64-")
    before = file.stat().st_mtime_ns
    again = run(*replay, cwd=tmp_path, env=invented)
    assert "probing" not in again.stderr
    assert "EXACT: 20 of 20 layers" in again.stdout
    assert file.stat().st_mtime_ns == before

    rules = run("rules", "--engine", "optimized", cwd=tmp_path, env=invented)
    assert "MUL (int8), measured: as litert==2.3.0:reference; 68,265 outputs" in rules.stdout
    run("compare", SEVEN_OPS, "--sources", "optimized,replay:optimized", cwd=tmp_path, env=invented)

    file.write_text("damaged")
    assert "EXACT: 20 of 20" in run(*replay, cwd=tmp_path, env=invented).stdout
    assert "format_version" in file.read_text()


def test_it_is_left_unasked(tmp_path: Path, invented: dict[str, str]) -> None:
    done = run(SEVEN_OPS, "--no-probe", cwd=tmp_path, env=invented)
    assert f"note: {NEWER} with; its arithmetic is assumed to be the same" in done.stdout
    assert done.stderr == ""
    assert not (tmp_path / "cache").exists()
    named = run(SEVEN_OPS, "--no-probe", "--machine", "x86-64", cwd=tmp_path, env=invented)
    assert named.stderr == ""
    assert not (tmp_path / "cache").exists()
    rules = " ".join(run("rules", "--no-probe", cwd=tmp_path, env=invented).stdout.split())
    assert f"{NEWER} with; its arithmetic is assumed to be the same" in rules


def test_it_is_said_wherever_its_arithmetic_is_used(
    tmp_path: Path, invented: dict[str, str]
) -> None:
    told = f"note: {NEWER} with; "
    assert told in run("ops", cwd=tmp_path, env=invented).stdout
    for command in ("discriminate", "explain"):
        where = ("--at", "0,0,0,0") if command == "explain" else ()
        done = run(
            command, SEVEN_OPS, "--layer", 2, *where, "--no-probe", cwd=tmp_path, env=invented
        )
        assert f"{NEWER} with; " in " ".join(done.stdout.split())


def test_what_is_measured() -> None:
    for runtime, version in NEWEST.items():
        assert not Engine("reference", runtime, version).unmeasured
    assert not Engine("reference", "litert", "2.4.0.dev20261016").unmeasured
    assert Engine("reference", "litert", "2.4.0").unmeasured
    assert Engine("reference", "tensorflow", "2.22.0").unmeasured
    assert Engine("reference", "litert", "a build of mine").unmeasured
    elsewhere = replace(Engine(), machine=Machine("riscv64"))
    assert elsewhere.unmeasured == "the tables were measured on x86-64 and aarch64, not on riscv64"
    assert measured(Engine()) == Engine()
    assert measured(NEW, probe=False) == NEW
    double = replace(NEW, name="double")
    assert measured(double) == double  # no runtime computes it


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_what_cannot_be_probed(
    cache: Path, monkeypatch: pytest.MonkeyPatch, seven_ops: Model
) -> None:
    def refused(engine: Engine) -> tuple[Measured, ...]:
        raise CaptureError("there is no wheel")

    monkeypatch.setattr(probe, "measured_by", refused)
    engine = measured(NEW)
    (note,) = profile_notes(seven_ops, engine)
    assert note == (
        f"{NEWER} with; it could not be probed (there is no wheel); its arithmetic is assumed to "
        "be the same"
    )
    assert not list(cache.iterdir())


def test_what_is_unexplained_and_what_was_not_probed(
    cache: Path, monkeypatch: pytest.MonkeyPatch, seven_ops: Model
) -> None:
    found = (Measured("MUL", "int8", None), Measured("ADD", "int8", NEW))
    monkeypatch.setattr(probe, "measured_by", lambda engine: found)
    engine = measured(NEW)
    why, assumed = profile_notes(seven_ops, engine)
    assert "; probed here, 1 of 2 kinds of op are as the tables say; not replayed, since" in why
    assert why.endswith("nothing known explains them: MUL")
    assert assumed.startswith("not measured of reference: SUB on int8 (op 0, 16), ")
    assert assumed.endswith("; assumed to be as litert==9.9.9:reference")
    monkeypatch.setattr(probe, "measured_by", None)
    assert measured(NEW) == engine  # it was kept
