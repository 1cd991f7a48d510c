"""What the documentation claims is measured again."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import build_defects, build_ops
from tflreplay.reports.probe import render
from tflreplay.runtimes import resolve
from tflreplay.tools.probe import probe

PAGE = Path(__file__).parent.parent / "docs" / "how-tflite-rounds.md"


@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])
def test_the_evidence_is_what_the_probe_prints(engine: str) -> None:
    """docs/how-tflite-rounds.md holds the output for LiteRT; `tflreplay probe` prints it anew."""
    page = PAGE.read_text(encoding="utf-8")
    probed = probe("litert", engine)
    if f"LiteRT {probed.engine.version}, " not in page:
        pytest.skip(f"the page does not show LiteRT {probed.engine.version}")
    assert f"```\n{render(probed)}\n```\n" in page
    assert probed.as_expected


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
