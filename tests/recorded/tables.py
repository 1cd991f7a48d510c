"""Tables and sums of XNNPACK, before and after its rounding changed."""

from __future__ import annotations

from functools import partial

from tests.recorded import models
from tests.recorded.case import Case, case, either_side, row
from tflreplay.ops import elu, logistic_tanh, mean
from tflreplay.ops import sum as sums


def cases() -> list[Case]:
    """Since half-away rounding, and since half-even."""
    found = []
    for op, before, away, even, quantized, tied in (
        (
            "LOGISTIC",
            row("LOGISTIC", "xnnpack", kernel=logistic_tanh.xnnpack_logistic_before_zero_point),
            logistic_tanh.xnnpack_logistic_half_away,
            logistic_tanh.xnnpack_logistic,
            partial(models.unary, op="LOGISTIC", output=(1 / 256, -128)),
            partial(models.unary, op="LOGISTIC", output=(1 / 50.5, 0)),
        ),
        (
            "TANH",
            row("TANH", "xnnpack", kernel=logistic_tanh.xnnpack_tanh_before_zero_point),
            logistic_tanh.xnnpack_tanh_half_away,
            logistic_tanh.xnnpack_tanh,
            partial(models.unary, op="TANH", dtype="uint8", output=(1 / 128, 128)),
            partial(models.unary, op="TANH", output=(1 / 50.5, 0)),
        ),
        (
            "ELU",
            row("ELU", "xnnpack", kernel=elu.xnnpack_elu_before_zero_point),
            elu.xnnpack_elu_half_away,
            elu.xnnpack_elu,
            partial(models.unary, op="ELU", ratio=0.5),
            partial(models.unary, op="ELU", ratio=0.5),
        ),
        (
            "MEAN",
            row("MEAN", "xnnpack", kernel=mean.xnnpack_spatial_mean),
            mean.xnnpack_mean_half_away,
            mean.xnnpack_mean,
            partial(models.reduction, op="MEAN", dtype="int8"),
            partial(models.reduction, op="MEAN", dtype="uint8"),
        ),
        (
            "SUM",
            row("SUM", "optimized", takes="int8"),
            sums.xnnpack_sum_half_away,
            sums.xnnpack_sum,
            partial(models.reduction, op="SUM", dtype="int8"),
            partial(models.reduction, op="SUM", dtype="uint8"),
        ),
    ):
        half_away, half_even = (row(op, "xnnpack", kernel=kernel) for kernel in (away, even))
        found += [
            case(
                f"{op} half away",
                quantized,
                either_side("xnnpack", half_away.since, before, half_away),
                # Of TANH no output is a tie on the one scale that is taken before.
                instead=(half_even,) if op != "TANH" else (),
            ),
            case(
                f"{op} half even",
                tied,
                either_side("xnnpack", half_even.since, half_away, half_even),
            ),
        ]
    return found
