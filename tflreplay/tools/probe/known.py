"""The engines that a device is compared with: one of each version since which a row is there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from packaging.version import Version

from tflreplay.ground.engine import NEWEST, OLDEST, Engine
from tflreplay.ground.machine import MACHINES, MEASURED_ON, Machine
from tflreplay.ops import CARDS, LAYERS, OWN_TABLES
from tflreplay.ops.base.row import NotModelled, Row
from tflreplay.runtimes import RUNTIMES


@cache
def known_engines() -> tuple[Engine, ...]:
    """The newest measured version of each runtime first, then the others from new to old; and those
    of other machines, for which the engine's own table has rows, of that version and newer ones.
    """
    here = [
        Engine(name, runtime, version)
        for runtime in RUNTIMES
        for version in _versions(runtime, MEASURED_ON)
        for name in OWN_TABLES
        if runtime in _runtimes(name)
    ]
    elsewhere = [
        Engine(name, runtime, version, machine=machine)
        for machine in _machines()
        for name in OWN_TABLES
        if any(entry.on is not None and machine in entry.on for entry in _entries(name))
        for runtime in _runtimes(name)[:1]
        for version in _versions(runtime, machine)
        if Version(version) >= Version(NEWEST[runtime])
    ]
    return (*here, *elsewhere)


def _runtimes(name: str) -> tuple[str, ...]:
    """Those that have the engine, or else what it falls back to."""
    found = ([r for r, row in RUNTIMES.items() if layer in row.engines] for layer in LAYERS[name])
    return tuple(next(filter(None, found)))


def _machines() -> tuple[Machine, ...]:
    """Of those that all rows hold for alike, one."""
    places = {entry.on for name in OWN_TABLES for entry in _entries(name) if entry.on is not None}
    alike: dict[tuple[bool, ...], Machine] = {}
    for machine in MACHINES:
        alike.setdefault(tuple(machine in place for place in places), machine)
    return tuple(machine for machine in alike.values() if machine != MEASURED_ON)


def _versions(runtime: str, machine: Machine) -> Iterator[str]:
    yield NEWEST[runtime]
    begun = {
        versions[key]
        for name in OWN_TABLES
        for entry in _entries(name)
        if entry.runs_on(machine)
        for versions in (entry.since, entry.until)
        for key in (runtime, f"{runtime}@{machine.architecture}")
        if key in versions and Version(versions[key]) > Version(OLDEST[runtime])
    }
    yield from sorted(begun - {NEWEST[runtime]}, key=Version, reverse=True)
    yield OLDEST[runtime]


def _entries(table: str) -> Iterator[Row | NotModelled]:
    for card in CARDS.values():
        yield from card.entries(table)
