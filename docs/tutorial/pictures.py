"""Take the tutorial's pictures anew, of the real report, in a headless Chromium.

python docs/tutorial/pictures.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import FloatRect, Locator, Page, sync_playwright

import tflreplay

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COMMAND = (
    "tflreplay models/efficientnet_b0_int8.tflite --input models/img.npy"
    " --kernel docs/tutorial/port.py"
)

EXPLAIN = "tflreplay explain models/efficientnet_b0_int8.tflite --input models/img.npy"


def report(directory: Path) -> Path:
    """The page of step 1."""
    model = tflreplay.load("models/efficientnet_b0_int8.tflite")
    inputs = tflreplay.read_inputs(model, ["models/img.npy"])
    run = tflreplay.run(
        model,
        inputs,
        kernels=tflreplay.load_kernels("docs/tutorial/port.py"),
        command=COMMAND,
        explain_command=EXPLAIN,
    )
    tflreplay.report(run, directory)
    return directory / "report.html"


def take(page: Page) -> None:
    page.locator("#overview .main-svg").first.wait_for()
    page.screenshot(path=HERE / "top.png")
    page.get_by_text("Own difference").click()
    page.get_by_role("button", name="isolated", exact=True).click()
    page.get_by_role("link", name="Layer 121 MUL").click()
    page.locator("#panel .main-svg").first.wait_for()
    page.mouse.move(0, 0)
    page.evaluate("document.querySelector('#filters').scrollIntoView()")
    page.screenshot(path=HERE / "layer.png")
    heading = page.get_by_text("Where in height and width")
    heading.evaluate("(node) => { node.closest('#panel').scrollTop = node.offsetTop - 20; }")
    page.wait_for_timeout(500)
    page.screenshot(path=HERE / "fraction.png", clip=between(page, heading, "#saturation"))


def between(page: Page, heading: Locator, below: str) -> FloatRect:
    """The part of the panel from a heading to above the one of ``below``."""
    panel, top = page.locator("#panel").bounding_box(), heading.bounding_box()
    bottom = page.locator(below).bounding_box()
    assert panel is not None
    assert top is not None
    assert bottom is not None
    height = bottom["y"] - top["y"] - 25
    return {"x": panel["x"], "y": top["y"] - 10, "width": panel["width"], "height": height}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as api:
        path = report(Path(scratch, "tutorial"))
        browser = api.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.goto(path.as_uri())
        take(page)
        browser.close()


if __name__ == "__main__":
    main()
