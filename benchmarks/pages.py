"""How long the report's page takes to open, from disk, in a headless Chromium.

Three pages in turn, so that they share the machine's noise: an empty one of the same length as
the largest, EfficientNet's exact report, and a made-up one of 300 layers with 1,000 channels, all
of which differ.

    python -m benchmarks.pages
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

import tflreplay
from tests.reports.synthetic import Layer, make_run

ROOT = Path(__file__).parent.parent
LAYERS, CHANNELS, SIDE = 300, 1000, 8
ROUNDS = 9


def large() -> Iterator[Layer]:
    rng = np.random.default_rng(0)
    for index in range(LAYERS):
        theirs = rng.integers(-100, 100, (1, SIDE, SIDE, CHANNELS), dtype=np.int8)
        isolated = theirs + rng.choice(np.int8([-1, 0, 0, 0, 0, 1]), theirs.shape)
        chained = theirs + np.round(rng.normal(0, 2, theirs.shape)).astype(np.int8)
        yield Layer("CONV_2D", f"net/block{index}/convolution", theirs, isolated, chained)


def pages(directory: Path) -> dict[str, Path]:
    model = tflreplay.load(ROOT / "models" / "efficientnet_b0_int8.tflite")
    inputs = tflreplay.read_inputs(model, [str(ROOT / "models" / "img.npy")])
    tflreplay.report(tflreplay.run(model, inputs), directory / "exact")
    tflreplay.report(make_run(list(large())), directory / "large")
    found = {name: directory / name / "report.html" for name in ("exact", "large")}
    found["blank"] = directory / "blank.html"
    size = found["large"].stat().st_size
    found["blank"].write_text(f'<script type="text/plain">{"A" * size}</script>')
    return found


def opened(browser: Browser, path: Path) -> float:
    """Seconds until the page has loaded."""
    page = browser.new_page(offline=True)
    start = time.perf_counter()
    page.goto(path.as_uri())
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as api:
        found = pages(Path(scratch))
        browser = api.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        seconds: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(ROUNDS):
            for name, path in found.items():
                seconds[name].append(opened(browser, path))
        browser.close()
        for name, path in found.items():
            ratios = [a / b for a, b in zip(seconds[name], seconds["blank"], strict=True)]
            middle, size = statistics.median(seconds[name]), path.stat().st_size / 1e6
            print(
                f"{name:6} {size:4.1f} MB  {middle:.2f} s  {statistics.median(ratios):.1f} x blank"
            )


if __name__ == "__main__":
    main()
