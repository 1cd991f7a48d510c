"""A browser for the pages, offline; without a Chromium its tests are skipped."""

from __future__ import annotations

import shutil

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WIDTHS = (1280, 800)


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if BROWSER is None:
        pytest.skip("no Chromium installed")
    with playwright.sync_playwright() as api:
        browser = api.chromium.launch(
            executable_path=BROWSER,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def page(browser, request):
    """A page that fails the test on any error in the console or any request but for the file."""
    context = browser.new_context(viewport={"width": request.param, "height": 900}, offline=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (problems.append("a dialog"), dialog.dismiss()))
    page.on(
        "request",
        lambda call: (
            None
            if call.url.startswith("file://") and call.url.partition("#")[0].endswith(".html")
            else problems.append(f"request: {call.url[:100]}")
        ),
    )
    yield page
    context.close()
    assert problems == []
