"""What got worse or better from one saved report to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tflreplay.ground.errors import InputError
from tflreplay.ground.fields import Fields, WrongField

FORMAT_VERSION = 2  # of the report.json that is understood
MODES = ("isolated", "chained")
# A layer of a report: its op index and its tensor.
Key = tuple[int, int]


@dataclass(frozen=True)
class Counts:
    """How a layer differed; ``max_abs`` is infinite where a NaN was on one side only."""

    mismatches: int
    elements: int
    max_abs: float

    @property
    def badness(self) -> tuple[float, float]:
        """Share of elements that differ and largest difference; 0 where nothing is a mismatch."""
        if not self.mismatches:
            return 0.0, 0.0
        return self.mismatches / self.elements, self.max_abs


@dataclass(frozen=True)
class SavedLayer:
    """A layer of a ``report.json``; a count that was not computed is None."""

    op_index: int
    op: str
    tensor: int
    isolated: Counts | None
    chained: Counts | None
    verdict: str

    @property
    def compared(self) -> list[Counts]:
        return [counts for counts in (self.isolated, self.chained) if counts is not None]

    @property
    def exact(self) -> bool:
        found = self.compared
        return bool(found) and not any(counts.mismatches for counts in found)


@dataclass(frozen=True)
class SavedReport:
    """A ``report.json``, as far as it is compared; ``about`` says what was run, by what it is.

    What an older report does not say is not in ``about``.
    """

    about: Mapping[str, str]
    layers: Mapping[Key, SavedLayer]

    @property
    def modes(self) -> set[str]:
        layers = self.layers.values()
        return {mode for mode in MODES if any(getattr(layer, mode) for layer in layers)}


@dataclass(frozen=True)
class Change:
    """A layer that is not as it was. ``old`` is None for a new layer, ``new`` for one gone."""

    old: SavedLayer | None
    new: SavedLayer | None
    kind: str

    @property
    def layer(self) -> SavedLayer:
        found = self.new or self.old
        assert found is not None
        return found

    @property
    def regression(self) -> bool:
        """True where it got worse, or is new and not known to be exact."""
        return self.kind == "worse" or (self.new is not None and self.old is None
                                        and not self.new.exact)  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """Every layer that changed, what else did (by what it is: before and now), and which
    comparisons both reports hold."""

    layers: tuple[Change, ...]
    about: Mapping[str, tuple[str, str]]
    modes: tuple[str, ...]
    same: int

    def of(self, kind: str) -> tuple[Change, ...]:
        """Those that are ``worse``, ``better``, ``new`` or ``gone``."""
        return tuple(change for change in self.layers if change.kind == kind)

    @property
    def regressions(self) -> tuple[Change, ...]:
        return tuple(change for change in self.layers if change.regression)


def read_report(path: str | Path) -> SavedReport:
    """Read a ``report.json``.

    Raises:
        InputError: it cannot be read, is no report, or one of another format version.
    """
    try:
        document = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}; name a report.json") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not a report of tflreplay: not JSON ({error}); name a report.json"
        ) from None
    try:
        report = Fields(document)
        version = report.get("format_version", int)
        if version == FORMAT_VERSION:
            return _report(report)
    except WrongField as error:
        raise InputError(
            f"{path}: not a report of tflreplay: {error}; name a report.json"
        ) from None
    raise InputError(
        f"{path}: its format_version is {version}, and {FORMAT_VERSION} is understood; "
        "make both reports with one tflreplay"
    )


def changes(old: SavedReport, new: SavedReport) -> Changes:
    """Compare two reports, layer by layer: those of the same op index, tensor and op.

    A layer is worse where a larger share of its elements differ, or one differs by more, in any
    comparison that both reports hold; also where it is no longer compared, and where it was not
    compared before and differs.

    Raises:
        InputError: no layer is in both reports and compared in one, or one holds only isolated
            comparisons and the other only chained ones.
    """
    pairs = [(layer, new.layers.get(key)) for key, layer in old.layers.items()]
    if not any(now and now.op == before.op and (before.compared or now.compared)
               for before, now in pairs):  # fmt: skip
        raise InputError(
            f"nothing can be compared: of {len(old.layers)} layers in the old report and "
            f"{len(new.layers)} in the new one, none is in both by op index, tensor and op, and "
            "compared with a runtime; name reports of one model"
        )
    modes = tuple(mode for mode in MODES if mode in old.modes & new.modes)
    if not modes and old.modes and new.modes:
        raise InputError(
            f"the old report is {', '.join(old.modes)} and the new one {', '.join(new.modes)}: "
            "make both with the same of --isolated and --chained, or with neither"
        )
    found = []
    same = 0
    for key in sorted({*old.layers, *new.layers}):
        before, now = old.layers.get(key), new.layers.get(key)
        if before is not None and now is not None and before.op == now.op:
            kind = _kind(before, now, modes or MODES)
            same += not kind
            found += [Change(before, now, kind)] if kind else []
            continue
        found += [Change(before, None, "gone")] if before is not None else []
        found += [Change(None, now, "new")] if now is not None else []
    about = {
        what: (text, new.about[what])
        for what, text in old.about.items()
        if text != new.about.get(what, text)
    }
    return Changes(tuple(found), about, modes, same)


def _kind(old: SavedLayer, new: SavedLayer, modes: tuple[str, ...]) -> str:
    """``worse``, ``better`` or empty."""
    found = {_mode_kind(getattr(old, mode), getattr(new, mode)) for mode in modes}
    return next((kind for kind in ("worse", "better") if kind in found), "")


def _mode_kind(old: Counts | None, new: Counts | None) -> str:
    if old is None:
        return "" if new is None else "worse" if new.mismatches else "better"
    if new is None:
        return "worse"
    pairs = list(zip(old.badness, new.badness, strict=True))
    if any(now > before for before, now in pairs):
        return "worse"
    return "better" if any(now < before for before, now in pairs) else ""


def _report(document: Fields) -> SavedReport:
    capture, replay = document.object("capture"), document.object("replay")
    machines = {
        "captured on": capture.get_or("machine", ""),
        "replayed as on": replay.get_or("machine", ""),
    }
    layers: dict[Key, SavedLayer] = {}
    for layer in _layers(document):
        if layers.setdefault((layer.op_index, layer.tensor), layer) is not layer:
            raise WrongField(f"op {layer.op_index}, tensor {layer.tensor} is there twice")
    return SavedReport(
        {
            "model": document.object("model").get("sha256", str),
            "input": "; ".join(document.texts("inputs")),
            "compared with": _words(capture),
            "replayed": _words(replay),
            "tflreplay": document.get("tflreplay_version", str),
            "failure of the runtime": capture.get("failure", str),
            **{what: machine for what, machine in machines.items() if machine},
        },
        layers,
    )


def _words(engine: Fields) -> str:
    return " ".join(engine.get(name, str) for name in ("runtime", "version", "engine")).strip()


def _layers(document: Fields) -> Iterator[SavedLayer]:
    for position, value in enumerate(document.get("layers", list)):
        layer = Fields(value, f"layers[{position}]")
        verdict = layer.object_or_none("verdict")
        elements = layer.count("elements")
        yield SavedLayer(
            layer.count("op_index"),
            layer.get("op", str),
            layer.object("output").count("tensor"),
            _counts(layer.object_or_none("isolated"), elements),
            _counts(layer.object_or_none("chained"), elements),
            verdict.get("answer", str) if verdict is not None else "",
        )


def _counts(counts: Fields | None, elements: int) -> Counts | None:
    if counts is None:
        return None
    return Counts(counts.count("mismatches", elements), elements, counts.size("max_abs_diff"))
