"""Which arithmetic an engine uses for each op: cards that a person can read and print.

A card (:class:`~tflreplay.ops.base.card.Card`) holds all that is known of one op: the formulas, the
rows of every engine's table, and the traits that tools ask for. Engines are layered as the runtime
itself falls back: XNNPACK over the optimized kernels over the reference kernels.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.profile import Measured
from tflreplay.model import Operator, Subgraph
from tflreplay.ops.base.card import BY_ONE_RULE, ROUNDED_ONCE, Card
from tflreplay.ops.base.conditions import Site
from tflreplay.ops.base.row import Defect, NotModelled, Row

__all__ = [
    "CARDS",
    "LAYERS",
    "OWN_TABLES",
    "Card",
    "Row",
    "Site",
    "assumed",
    "card",
    "defects_of",
    "delegated",
    "home",
    "kernels_of",
    "kind_of",
    "measured",
    "row_of",
    "rows",
    "site",
]

# For each engine the tables to look in, the first one first.
LAYERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "reference": ("reference",),
        "optimized": ("optimized", "reference"),
        "xnnpack": ("xnnpack", "optimized", "reference"),
        "tflm": ("tflm", "reference"),
        # Libraries for devices: what TFLM's glue does not hand to them is TFLM's own.
        "cmsis-nn": ("cmsis-nn", "tflm", "reference"),
        "cmsis-nn-single": ("cmsis-nn-single", "tflm", "reference"),
        "esp-nn": ("esp-nn", "tflm", "reference"),
        # What ports to CMSIS-NN compute, built with or without CMSIS_NN_USE_SINGLE_ROUNDING.
        "double": ("double", "reference"),
        "single": ("single", "reference"),
    }
)

# The engines that have rows of their own.
OWN_TABLES = tuple(name for name in LAYERS if name not in (*BY_ONE_RULE, *ROUNDED_ONCE))

# Every file beside this one that holds cards: to add an op, add a file.
_FAMILIES = tuple(
    importlib.import_module(f"{__name__}.{found.name}")
    for found in pkgutil.iter_modules(__path__)
    if found.name not in ("base", "seam")
)

CARDS: Mapping[str, Card] = MappingProxyType(
    {card.op: card for family in _FAMILIES for card in family.CARDS}
)


def home(op: str) -> str:
    """The file or the package of the op's card, below this package."""
    family = next(family for family in _FAMILIES if any(one.op == op for one in family.CARDS))
    path = family.__name__.removeprefix(f"{__name__}.").replace(".", "/")
    return f"{path}/" if hasattr(family, "__path__") else f"{path}.py"


def card(op: str) -> Card:
    """The op's card; an empty one of an op that nothing is known of."""
    return CARDS.get(op) or Card(op)


# The table of a delegate, which takes ops before anything has run, by the shapes of the file.
DELEGATE = "xnnpack"


def site(engine: Engine, graph: Subgraph, op: Operator, by_file: bool = False) -> Site:
    """The operator where it stands."""
    return Site(engine, graph, op, card(op.name).roles, by_file)


def delegated(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """True where the engine's row for this operator is the delegate's."""
    return _taking(engine, graph, op) is not None


def _taking(engine: Engine, graph: Subgraph, op: Operator) -> Row | NotModelled | None:
    """What the delegate's table says of an operator that it takes; None where it takes it not."""
    if DELEGATE not in LAYERS[engine.name] or (graph.index == 0 and op.index in engine.left):
        return None
    place = site(engine, graph, op, by_file=True)
    for entry in card(op.name).entries(DELEGATE):
        if entry.takes(place.dtype) and entry.applies(place):
            return entry
    return None


def kind_of(graph: Subgraph, op: Operator) -> str:
    """The op's name, and the kind of it that its card tells apart: ``MEAN, other axes``."""
    place = site(Engine(), graph, op)
    kinds = card(op.name).kinds
    kind = next((name for name, when in kinds if when is None or when(place)), "")
    return f"{op.name}, {kind}" if kind else op.name


def measured(engine: Engine, graph: Subgraph, op: Operator) -> Measured | None:
    """What the engine's profile says of an operator."""
    if engine.profile is None:
        return None
    dtype = site(engine, graph, op).dtype
    return engine.profile.of(dtype, kind_of(graph, op), op.name)


def kernels_of(engine: Engine, graph: Subgraph, op: Operator) -> Engine:
    """Whose kernels compute an operator: the engine's own, or those that its profile names."""
    found = measured(engine, graph, op)
    if found is None or found.kernels is None:
        return engine
    return replace(found.kernels, threads=engine.threads, left=engine.left)


def assumed(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """True where the engine has a profile that does not say how this operator computes."""
    if engine.profile is None or measured(engine, graph, op) is not None:
        return False
    try:
        return not row_of(engine, graph, op).moves
    except NotReplayed:
        return False


def _entry(engine: Engine, graph: Subgraph, op: Operator) -> Row | NotModelled | None:
    """What the engine's tables say of an operator: the first that fits."""
    engine = kernels_of(engine, graph, op)
    place = site(engine, graph, op)
    return _taking(engine, graph, op) or next(
        (
            entry
            for layer in LAYERS[engine.name]
            if layer != DELEGATE
            for entry in card(op.name).entries(layer)
            if entry.takes(place.dtype) and entry.applies(place)
        ),
        None,
    )


def defects_of(engine: Engine, graph: Subgraph, op: Operator) -> tuple[Defect, ...]:
    """What is known to be wrong in the engine itself and may show in this operator."""
    entry = _entry(engine, graph, op)
    return () if entry is None else entry.defects_at(site(engine, graph, op))


def rows(engine: Engine) -> Iterator[tuple[str, Row]]:
    """Every row of the engine with its op; those of one op in the order in which they are tried."""
    for op, known in CARDS.items():
        for row in known.rows(*LAYERS[engine.name]):
            yield op, row


def row_of(engine: Engine, graph: Subgraph, op: Operator) -> Row:
    """The engine's row for an operator, by the type of its activation.

    Raises:
        NotReplayed: the engine's tables have no row for this op and type, or its profile says that
            nothing known computes it.
    """
    found = measured(engine, graph, op)
    if found is None:
        return _row(engine, graph, op)
    if found.kernels is None:
        raise NotReplayed(f"nothing known computes {found.op} on {found.dtype} as {engine} does")
    row = _row(kernels_of(engine, graph, op), graph, op)
    if not found.rule:
        return row
    if not row.rule:
        raise NotReplayed(
            f"{engine} names a rule for {found.op} on {found.dtype}, and the {found.kernels} "
            "kernels do not requantize it by one here"
        )
    return replace(row, rule=found.rule)


def _row(engine: Engine, graph: Subgraph, op: Operator) -> Row:
    """What the engine's tables say, whatever its profile does; raises as :func:`row_of`."""
    place = site(engine, graph, op)
    known = [entry for layer in LAYERS[engine.name] for entry in card(op.name).entries(layer)]
    entry = _entry(engine, graph, op)
    if isinstance(entry, NotModelled):
        raise NotReplayed(entry.reason(place))
    if entry is not None:
        return entry
    if not known:
        raise NotReplayed(f"tflreplay has no {engine} kernel for {op.name} (version {op.version})")
    if any(entry.takes(place.dtype) for entry in known):
        raise NotReplayed(
            f"the {engine} arithmetic of {op.name} on {place.dtype} is not modelled for "
            f"{engine.runtime} {engine.version}"
        )
    types = ", ".join(sorted({name for entry in known for name in entry.types}))
    raise NotReplayed(
        f"tflreplay has no {engine} kernel for {op.name} on {place.dtype} (there is one for "
        f"{types})"
    )
