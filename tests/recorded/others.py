"""Other ops of LiteRT and TensorFlow, by version."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.recorded import models
from tests.recorded.case import Case, case, either_side, row, unlike
from tflreplay.ops import card
from tflreplay.ops.base.words import MEASURED, NOT_TFLM

_SIXTEEN_BITS = {"litert": "2.1.0", "tensorflow": "2.21.0"}


def cases() -> list[Case]:
    cases = []
    for dtype in ("int8", "int16"):
        since = row("LEAKY_RELU", "reference", takes=dtype, since={"litert": "2.1.4"})
        before = row("LEAKY_RELU", "reference", takes=dtype, since={})
        make = partial(models.unary, op="LEAKY_RELU", dtype=dtype, table="LeakyReluOptions")
        rows = either_side("reference", since.since, before, since)
        cases.append(case(f"LEAKY_RELU {dtype}", partial(make, alpha=-0.3), rows))
    for op, table in (("EQUAL", "EqualOptions"), ("NOT_EQUAL", "NotEqualOptions")):
        since = row(op, "reference", takes="int16", since=_SIXTEEN_BITS)
        before = row(op, "reference", takes="int16", since=NOT_TFLM) if op == "EQUAL" else None
        rows = either_side("reference", since.since, before, since)
        cases.append(
            case(
                f"{op} int16",
                partial(models.comparison, op=op, table=table),
                rows,
                instead=() if before else unlike(np.equal),
                refused=() if before else tuple(text for text in rows if rows[text] is None),
            )
        )
    since, before = card("CAST").rows("reference")
    rounding = unlike(round_to_int8)
    fitting, beyond = (
        partial(models.cast, beyond=numbers) for numbers in ({}, {0: 300.0, 1: -7e9, 2: 1e30})
    )
    rows = either_side("reference", since.since, None, since)
    cases += [
        case("CAST", fitting, {"reference litert==2.1.6": before}, instead=rounding),
        case("CAST beyond int8", beyond, rows, instead=rounding),
    ]
    sums = row("SUM", "optimized", takes="int16")
    cases.append(
        case(
            "SUM int16",
            partial(models.reduction, op="SUM", dtype="int16"),
            either_side("optimized", sums.since, None, sums),
            instead=unlike(np.copy),
            refused=("optimized litert==1.2.0", "optimized tensorflow==2.19.1"),
        )
    )
    for dtype in ("float32", "float64"):
        since, before = (each for each in card("SIGN").rows("reference") if each.takes(dtype))
        rows = either_side("reference", since.since, before, since)
        cases.append(case(f"SIGN {dtype}", partial(models.signs, dtype=dtype), rows))
    return [*cases, *floating()]


def floating() -> list[Case]:
    """float32: functions that an engine computes in two ways."""
    cases = []
    for op in ("EXP", "SIN", "COS", "LOG", "REDUCE_MAX", "REDUCE_MIN"):
        since = row(op, "xnnpack", takes="float32")
        before = row(op, "optimized" if "REDUCE" in op else "reference", takes="float32")
        reduction = partial(models.reduction, op=op, dtype="float32")
        make = reduction if "REDUCE" in op else partial(models.real, op=op)
        rows = either_side("xnnpack", since.since, before, since)
        cases.append(case(f"{op} float32", make, rows, instead=unlike(np.copy)))
    for op, table in (("HARD_SWISH", "optimized"), ("SQRT", "reference")):
        since = row(op, table, takes="float32", since=MEASURED)
        before = row(op, table, takes="float32", since={})
        rows = either_side(table, since.since, before, since)
        make = partial(models.real, op=op)
        cases.append(case(f"{op} float32", make, rows, instead=unlike(np.copy)))
    return cases


def round_to_int8(x: np.ndarray) -> np.ndarray:
    return np.rint(x).astype(np.int8)
