"""What the documentation claims is measured again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from docs import build_cmsis_nn, build_defects, build_ops
from tests.machines import runs_here
from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import MEASURED_ON, asked
from tflreplay.reports.probe import matrix, render
from tflreplay.runtimes import resolve
from tflreplay.tools.probe import probe

PAGE = Path(__file__).parent.parent / "docs" / "how-tflite-rounds.md"


ENGINES = ("reference", "optimized", "xnnpack")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_evidence_is_what_the_probe_prints(engine: str) -> None:
    """docs/how-tflite-rounds.md holds the output for LiteRT; `tflreplay probe` prints it anew."""
    page = PAGE.read_text(encoding="utf-8")
    probed = probe("litert", engine)
    if f"LiteRT {probed.engine.version}, " not in page:
        pytest.skip(f"the page does not show LiteRT {probed.engine.version}")
    assert f"```\n{render(probed)}\n```\n" in page
    assert probed.as_expected


def test_the_evidence_of_machines() -> None:
    """Where LiteRT for aarch64 can be run, and need not be downloaded."""
    there = replace(Engine(), machine=asked("aarch64"))
    if not runs_here(there):
        pytest.skip("`tflreplay probe --machine aarch64` downloads what is needed")
    version = f"litert=={there.version}"
    machines = (str(MEASURED_ON), str(there.machine))
    probes = [probe(version, engine, machine) for engine in ENGINES for machine in machines]
    assert f"```\n{matrix(probes)}\n```\n" in PAGE.read_text(encoding="utf-8")
    assert all(probed.as_expected for probed in probes)


def test_the_list_of_ops_is_what_the_command_prints() -> None:
    """docs/ops.md holds the output of `tflreplay ops`; docs/build_ops.py writes it anew."""
    text = build_ops.PAGE.read_text(encoding="utf-8")
    engine = resolve("litert")
    if f"LiteRT {engine.version} " not in text:
        pytest.skip(f"the page does not show LiteRT {engine.version}")
    assert text == build_ops.page(engine)


def test_page_of_defects_is_that_of_the_cards() -> None:
    """docs/build_defects.py writes it anew."""
    assert build_defects.PAGE.read_text(encoding="utf-8") == build_defects.page()


def test_the_table_of_builds_is_that_of_the_cards() -> None:
    """docs/build_cmsis_nn.py writes it anew."""
    text = build_cmsis_nn.PAGE.read_text(encoding="utf-8")
    assert text == build_cmsis_nn.page(text)
