"""Ops with weights, by version."""

from __future__ import annotations

from functools import partial

from tests.recorded import models
from tests.recorded.case import Case, by_rule, case, either_side, row
from tflreplay.ground.engine import NEWEST
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.conv.xnnpack import xnnpack_hybrid_conv_2d
from tflreplay.ops.fully_connected.integer import xnnpack_four_bit
from tflreplay.ops.transpose_conv import hybrid_transpose_conv

LITERT = f"xnnpack litert=={NEWEST['litert']}"
# As the cards have them.
_UNSCRAMBLED = {"litert": "2.1.5", "tensorflow": "2.22.0"}
_SEVERAL_SCALES = {"litert": "0", "tensorflow": "2.18.0"}
_HYBRID = {"litert": "1.4.0", "tensorflow": "2.20.0"}
_FOUR_BITS = {"litert": "1.3.0", "tensorflow": "2.20.0"}
_ONE_SCALE = {"litert": "2.1.5", "tensorflow": "2.22.0"}


def cases() -> list[Case]:
    return [*matrices(), *convolutions(), *connected(), *four_bits()]


def matrices() -> list[Case]:
    """BATCH_MATMUL: int8 in XNNPACK, and of several matrices by one."""
    pick = partial(row, "BATCH_MATMUL")
    taken = pick("xnnpack", rule="float-even32", algorithm="")
    ignoring = pick("xnnpack", algorithm="the right matrix's zero point is ignored")
    optimized, plain = pick("optimized"), pick("reference", takes="int8", since={})
    cases = [
        case(
            "BATCH_MATMUL in XNNPACK",
            models.batch_matmul,
            either_side("xnnpack", taken.since, optimized, taken),
            either_side("optimized", optimized.until, optimized, plain),
        ),
        case(
            "BATCH_MATMUL ignoring a zero point",
            partial(models.batch_matmul, right_zero_point=9),
            either_side("xnnpack", ignoring.since, optimized, ignoring),
            either_side("xnnpack", ignoring.until, ignoring, plain),
        ),
    ]
    for dtype in ("int8", "int16"):
        older = pick("reference", takes=dtype, since={})
        newest = pick("reference", takes=dtype, since=_UNSCRAMBLED)
        cases += [
            case(
                f"BATCH_MATMUL {dtype}",
                partial(models.batch_matmul, dtype=dtype),
                either_side("reference", newest.since, older, newest),
                instead=by_rule(newest),
            ),
            case(
                f"BATCH_MATMUL {dtype} of several by one",
                partial(models.batch_matmul, dtype=dtype, scrambled=True),
                either_side("reference", newest.since, None, newest),
                instead=by_rule(newest),
            ),
        ]
    return cases


def convolutions() -> list[Case]:
    """Input that SAME padding leaves unused, hybrid ops, and weights of several scales."""
    alone = "the bias alone: every tap reads padding"
    cases = []
    for op in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        before = row(op, "xnnpack", algorithm=alone, takes="int8")
        since = row(op, "xnnpack", rule="float-even32", algorithm="")
        cases.append(
            case(
                f"{op} of unused input",
                partial(models.convolution, op=op),
                either_side("xnnpack", before.until, before, since),
            )
        )
    pick = partial(row, "CONV_2D", "xnnpack", takes="float32")
    before, images = pick(algorithm=alone), pick(kernel=xnnpack_hybrid_conv_2d)
    hybrid = partial(models.convolution, op="CONV_2D", dtype="float32")
    several = row("TRANSPOSE_CONV", "xnnpack", rule="float-even32", since=_SEVERAL_SCALES)
    taken = row("TRANSPOSE_CONV", "xnnpack", takes="float32")
    wrapping = row("TRANSPOSE_CONV", "xnnpack", rule="float-even32-wrapping", since={})
    return [
        *cases,
        case(
            "CONV_2D hybrid of unused input",
            hybrid,
            either_side("xnnpack", before.until, before, images),
        ),
        case(
            "CONV_2D hybrid",
            partial(hybrid, kernel=3),
            either_side("xnnpack", _HYBRID, None, images),
            instead=(row("CONV_2D", "optimized", takes="float32"),),
        ),
        case(
            "TRANSPOSE_CONV hybrid",
            partial(models.transpose_conv, dtype="float32"),
            either_side("xnnpack", _HYBRID, None, taken),
            instead=(row("TRANSPOSE_CONV", "reference", kernel=hybrid_transpose_conv),),
        ),
        case(
            "TRANSPOSE_CONV that may wrap",
            partial(models.transpose_conv, per_channel=False, bias="int32", may_wrap=True),
            {LITERT: wrapping},
            instead=by_rule(wrapping, "float-even32"),
        ),
        case(
            "TRANSPOSE_CONV by several scales",
            models.transpose_conv,
            either_side(
                "xnnpack",
                several.since,
                row("TRANSPOSE_CONV", "optimized", takes="int8"),
                several,
            ),
        ),
    ]


def connected() -> list[Case]:
    """FULLY_CONNECTED."""
    reference = partial(row, "FULLY_CONNECTED", "reference")
    optimized = partial(row, "FULLY_CONNECTED", "optimized")
    xnnpack = partial(row, "FULLY_CONNECTED", "xnnpack")
    once = reference(rule="float-away64")
    several, one = Precision.FLOAT64, Precision.FLOAT32_PRODUCT
    cases = []
    for dtype, rule, bias, declared in (
        ("int8", "double", "int32", False),
        ("int16", "double", "int32", True),
        ("int16", "reduced16", "int64", False),
    ):
        for per_channel, multiplier in ((False, one), (True, several)):
            before = reference(takes=dtype, rule=rule, multiplier=multiplier)
            cases.append(
                case(
                    f"FULLY_CONNECTED {dtype} by {rule}, {multiplier}",
                    partial(
                        models.fully_connected,
                        dtype=dtype,
                        per_channel=per_channel,
                        bias=bias,
                        declared=declared,
                    ),
                    either_side("reference", once.since, before, once),
                )
            )
    for per_channel, multiplier in ((False, one), (True, several)):
        before = optimized(until=_ONE_SCALE, multiplier=multiplier)
        cases.append(
            case(
                f"FULLY_CONNECTED int16 in 32 bits, {multiplier}",
                partial(
                    models.fully_connected,
                    dtype="int16",
                    per_channel=per_channel,
                    bias=None,
                    declared=True,
                ),
                either_side("optimized", before.until, before, once),
            )
        )
    ignoring = xnnpack(algorithm="the weights' zero point is ignored")
    cases.append(
        case(
            "FULLY_CONNECTED ignoring a zero point",
            partial(models.fully_connected, weights_zero_point=9),
            either_side(
                "xnnpack",
                ignoring.until,
                ignoring,
                optimized(takes="int8", multiplier=one),
            ),
        )
    )
    hybrid = partial(models.fully_connected, dtype="float32", per_channel=True)
    rows = xnnpack(takes="float32", source="src/qd8-f32-qc8w-gemm")
    cases.append(
        case(
            "FULLY_CONNECTED hybrid",
            hybrid,
            either_side("xnnpack", _HYBRID, None, rows),
            instead=(reference(takes="float32"),),
        )
    )
    return cases


def four_bits() -> list[Case]:
    """FULLY_CONNECTED by int4 weights in XNNPACK, of several scales and of one."""
    optimized = partial(row, "FULLY_CONNECTED", "optimized", takes="int8")
    xnnpack = partial(row, "FULLY_CONNECTED", "xnnpack")
    cases = []
    for rule, may_wrap in (("float-even32", False), ("float-even32-wrapping", True)):
        for since, per_channel in ((_FOUR_BITS, True), (_ONE_SCALE, False)):
            taken = xnnpack(kernel=xnnpack_four_bit, rule=rule, since=since)
            before = optimized(
                multiplier=Precision.FLOAT64 if per_channel else Precision.FLOAT32_PRODUCT
            )
            cases.append(
                case(
                    f"FULLY_CONNECTED by int4, {rule}, {'several' if per_channel else 'one'}",
                    partial(
                        models.fully_connected,
                        weights="int4",
                        per_channel=per_channel,
                        may_wrap=may_wrap,
                    ),
                    either_side("xnnpack", since, before, taken),
                )
            )
    return cases
