"""What a page shows, and the CSV that it must agree with."""

from __future__ import annotations

import csv


def rows_of(directory, name):
    with (directory / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(text: str) -> int:
    return int(text.replace(",", ""))


def assert_fits(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def panel_numbers(page) -> dict[str, list[str]]:
    lines = page.locator("#measures tbody tr").all()
    return {line.locator("td").first.inner_text(): line.locator("td.number").all_inner_texts()
            for line in lines}  # fmt: skip
