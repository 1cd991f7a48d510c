"""``report.html``: one file that opens offline, straight from disk.

The summary and the table of layers are plain HTML. What a chosen layer's panel shows, and the
chart library, are embedded gzipped; the browser inflates each when it is first needed, so that
the page itself opens at once.
"""

from __future__ import annotations

import base64
import gzip
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from tflreplay import __version__
from tflreplay.ground.errors import OutputError
from tflreplay.ground.words import shape_text
from tflreplay.judgement.agreement import LayerAgreement
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.diagnosis import Verdict
from tflreplay.judgement.difference import Difference
from tflreplay.judgement.run import MODES, Run, story
from tflreplay.judgement.suspects import ranges
from tflreplay.reports import amplification, dataset, json_report

_HERE = Path(__file__).parent
_CHARTED = ("elements", "mismatches", "plus_one", "minus_one")


@dataclass(frozen=True)
class Row:
    """A layer as the table shows it."""

    layer: LayerDiff
    key: str
    shape: str
    verdict: Verdict | None

    @property
    def kind(self) -> str:
        """The layer's kind, as a class of style."""
        return self.layer.kind.replace(" ", "-")

    def counts(self, modes: Sequence[str]) -> list[tuple[str, Difference | None, int]]:
        """For each of ``modes``: its name, the difference and its bar's length in percent."""
        sides = ((mode, getattr(self.layer, mode)) for mode in modes)
        return [(mode, diff, _bar(diff.rate) if diff is not None else 0) for mode, diff in sides]


@cache
def template(name: str = "report.html.j2") -> Template:
    """A page's template, compiled."""
    environment = Environment(
        loader=PackageLoader("tflreplay.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda value: f"{value:,}"
    environment.globals |= {"story": story, "ranges": ranges}
    return environment.get_template(name)


def render(run: Run, found: dict[str, Any]) -> str:
    """The page. ``found`` is the document of ``report.json``."""
    layers = run.comparison.layers
    first = run.comparison.first_divergence
    scripts = ["panel.js", "layer_charts.js", "report.js"]
    scripts += ["dataset.js"] if run.dataset is not None else []
    rows = [
        Row(layer, key(layer), shape_text(layer.shape), _verdict(run, layer)) for layer in layers
    ]
    return template().render(
        **page(json_report.encoded(_charted(found)), *scripts),
        run=run,
        map_columns=dataset.MAP_COLUMNS,
        rows=rows,
        kinds=Counter(row.kind for row in rows),
        ops=sorted(Counter(layer.op for layer in layers).items()),
        first=first,
        travel=amplification.render(run),
        first_key=key(first) if first is not None else "",
    )


def _charted(found: dict[str, Any]) -> dict[str, Any]:
    """Without what no chart draws: of a report with many channels, most of its length."""
    layers = []
    for layer in found["layers"]:
        sides = {
            mode: {**side, "by_channel": {name: side["by_channel"][name] for name in _CHARTED}}
            for mode in MODES
            if (side := layer[mode]) is not None and "by_channel" in side
        }
        layers.append({**layer, **sides})
    return {**found, "layers": layers}


def _verdict(run: Run, layer: LayerDiff) -> Verdict | None:
    """What explains a layer that makes a difference of its own."""
    makes = layer.main is not None and not layer.main.exact
    return run.verdicts.get(layer.op_index) if makes else None


def key(layer: LayerDiff | LayerAgreement) -> str:
    """A layer's name in links: unique, and safe in a URL."""
    return f"op{layer.op_index}-t{layer.tensor.index}"


@cache
def plotly() -> str:
    """The chart library out of the plotly package, packed.

    Raises:
        OutputError: the package is not installed, or holds no plotly.min.js.
    """
    # Found, not imported: importing plotly takes longer than compressing it is worth.
    spec = find_spec("plotly")
    try:
        if spec is None or spec.origin is None:
            raise FileNotFoundError
        script = (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()
    except OSError:
        raise OutputError(
            "report.html: the chart library plotly.min.js is missing; "
            "install it again: pip install --force-reinstall plotly"
        ) from None
    return pack(script)


def pack(content: bytes) -> str:
    """gzip in base64. The fastest level: higher ones double the time for a tenth of the size."""
    return base64.b64encode(gzip.compress(content, 1, mtime=0)).decode("ascii")


def page(data: str, *scripts: str) -> dict[str, str]:
    """What every page holds beside its content: styles, JSON ``data``, chart library, scripts."""
    return {
        "css": _static("report.css"),
        "data": pack(data.encode()),
        "library": plotly(),
        "js": "\n".join(map(_static, ("page.js", "charts.js", "layers.js", *scripts, "start.js"))),
        "version": __version__,
    }


def _static(name: str) -> str:
    return (_HERE / "static" / name).read_text(encoding="utf-8")


def _bar(rate: float) -> int:
    """Length in percent on a logarithmic scale from one in a million to all."""
    if rate == 0:
        return 0
    return max(4, round(100 * (1 + math.log10(rate) / 6)))
