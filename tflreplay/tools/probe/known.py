"""The engines that a device is compared with: one of each version since which a row is there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from packaging.version import Version

from tflreplay.ground.engine import NEWEST, OLDEST, Engine
from tflreplay.ground.machine import MEASURED_ON
from tflreplay.ops import CARDS
from tflreplay.runtimes import RUNTIMES


@cache
def known_engines() -> tuple[Engine, ...]:
    """The newest measured version of each runtime first, then the others from new to old."""
    return tuple(
        Engine(name, runtime, version)
        for runtime, row in RUNTIMES.items()
        for version in _versions(runtime)
        for name in row.engines
    )


def _versions(runtime: str) -> Iterator[str]:
    yield NEWEST[runtime]
    begun = {
        version[runtime]
        for card in CARDS.values()
        for table in card.tables
        for entry in card.entries(table)
        if entry.runs_on(MEASURED_ON)
        for version in (entry.since, entry.until)
        if runtime in version and Version(version[runtime]) > Version(OLDEST[runtime])
    }
    yield from sorted(begun - {NEWEST[runtime]}, key=Version, reverse=True)
    yield OLDEST[runtime]
