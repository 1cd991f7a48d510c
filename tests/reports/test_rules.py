"""What `tflreplay rules` prints of an engine's tables."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import tflreplay
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.machine import asked
from tflreplay.ops import LAYERS
from tflreplay.reports.rules.table import render

ROOT = Path(tflreplay.__file__).parents[1]


@pytest.mark.parametrize("engine", LAYERS)
def test_every_row_names_its_formula(engine: str) -> None:
    """A file that is there, among the cards, and a function that it has."""
    text = render(Engine(engine))
    named = re.findall(r"^  formula     (\S+?)(?:: (\w+))?$", text, re.M)
    paragraphs = text.count("\n\n") - bool(Engine(engine).library)  # how it was measured
    assert len(named) == paragraphs > 150
    for path, function in named:
        assert path.startswith("tflreplay/ops/")
        assert (ROOT / path).exists(), path
        if function:
            module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
            assert callable(getattr(module, function)), path


def test_how_a_library_was_measured() -> None:
    """Helium's single rounding was not run; the rest was, as what it is compiled to."""

    def told(name: str, machine: str) -> str:
        text = render(Engine(name, "tflm", NEWEST["tflm"], machine=asked(machine)))
        return " ".join(text.split("\n\n")[1].split())

    assert told("cmsis-nn", "x86-64").endswith("was measured as portable C, not on a chip")
    assert "with the DSP extension, by qemu" in told("cmsis-nn", "cortex-m4")
    assert "with Helium, by qemu" in told("cmsis-nn", "cortex-m55")
    assert told("cmsis-nn-single", "cortex-m55").endswith("was read, and not measured")
    assert "ESP-NN d45b843c computes was measured as portable C" in told("esp-nn", "x86-64")


def test_where_a_formula_is() -> None:
    """Of a kernel that another function made, the card is named alone."""
    rows = render(Engine("xnnpack")).split("\n\n")
    shown = "\n".join(row for row in rows if row.startswith(("HARD_SWISH", "SVDF")))
    assert re.findall("formula +(.+)", shown) == [
        "tflreplay/ops/hard_swish.py",
        "tflreplay/ops/hard_swish.py: optimized_hard_swish_float",
        "tflreplay/ops/hard_swish.py: hard_swish",
        "tflreplay/ops/svdf.py: svdf",
        "tflreplay/ops/svdf.py: svdf_hybrid",
        "tflreplay/ops/svdf.py: svdf_float",
    ]
