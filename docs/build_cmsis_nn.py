"""Write the table of docs/cases/cmsis-nn-214/README.md anew, from the op cards.

python docs/build_cmsis_nn.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.machine import asked
from tflreplay.ops import CARDS, LAYERS, Card
from tflreplay.ops.base.row import NotModelled, Row

PAGE = Path(__file__).parent / "cases" / "cmsis-nn-214" / "README.md"
START, END = "<!-- made by docs/build_cmsis_nn.py -->\n", "<!-- to here -->\n"
TYPES = ("int8", "int16")
# Of the thread, and TFLM's own in every build.
BESIDES = ("SUB", "MEAN")
_TFLM = NEWEST["tflm"]
ENGINES = {
    f"BUILTIN_REF, LiteRT {NEWEST['litert']}": Engine(),
    "TFLM": Engine("tflm", "tflm", _TFLM),
    "CMSIS-NN": Engine("cmsis-nn", "tflm", _TFLM),
    "with single rounding": Engine("cmsis-nn-single", "tflm", _TFLM),
    "and Helium": Engine("cmsis-nn-single", "tflm", _TFLM, machine=asked("cortex-m55")),
}


def table() -> str:
    heads = ["op", "on", *ENGINES]
    lines = [heads, ["---"] * len(heads), *rows()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rows() -> Iterator[list[str]]:
    """A line for each op and type that the library computes or the thread asks for."""
    for op, card in CARDS.items():
        for dtype in TYPES:
            if op in BESIDES or any(row.takes(dtype) for row in card.rows("cmsis-nn")):
                cells = [cell(card, dtype, engine) for engine in ENGINES.values()]
                if any(cells):
                    yield [op, dtype, *(text or "-" for text in cells)]


def cell(card: Card, dtype: str, engine: Engine) -> str:
    """The rules that are tried, up to the first that takes all that is left."""
    told: dict[str, None] = {}
    for entry in entries(card, dtype, engine):
        if isinstance(entry, Row):
            rule = f"`{entry.rule}`" if entry.rule else ""
            told[" and ".join(filter(None, (entry.algorithm, rule)))] = None
        if entry.when is None:
            break
    return "; ".join(told)


def entries(card: Card, dtype: str, engine: Engine) -> Iterator[Row | NotModelled]:
    for layer in LAYERS[engine.name]:
        seen = set()
        for entry in card.entries(layer):
            if entry.takes(dtype) and entry.is_of(engine) and str(entry.when) not in seen:
                seen.add(str(entry.when))
                yield entry


def page(old: str) -> str:
    head, _, rest = old.partition(START)
    return f"{head}{START}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
