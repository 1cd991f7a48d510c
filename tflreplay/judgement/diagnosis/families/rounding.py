"""Rounding in another way, once or twice; multipliers and shifts of other widths."""

from __future__ import annotations

from collections.abc import Iterator

from tflreplay.judgement.diagnosis import broken_rules
from tflreplay.judgement.diagnosis.families.change import Change, of_rule
from tflreplay.judgement.diagnosis.made import Arrays
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops.base.call import Call

_AS_MEANT = "round as the rule in force says"


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    for how, shift in broken_rules.SHIFTS.items():
        yield Change(
            Said(f"shift rounded {how}", f"round the right shift {how}", _AS_MEANT),
            of_rule(broken_rules.rounded_shift(shift)),
        )
        yield Change(
            Said(f"high-mul rounded {how}", f"round the high half {how}", _AS_MEANT),
            of_rule(broken_rules.rounded_high_mul(shift)),
        )
    for how, cut in broken_rules.CUTS.items():
        yield Change(
            Said(f"product rounded {how}", f"round the floating-point product {how}", _AS_MEANT),
            of_rule(broken_rules.cut_product(cut)),
        )
    for bits in (8, 15, 16, 24):
        for how, rounded in (("rounded", True), ("cut", False)):
            yield Change(
                Said(
                    f"multiplier {how} to {bits} bits",
                    f"keep {bits} bits of the quantized multiplier, {how}",
                    "keep all 31 bits of the mantissa that QuantizeMultiplier gives",
                ),
                of_rule(broken_rules.narrow_mantissa(bits, rounded)),
            )
    yield Change(
        Said(
            "product in 32 bits",
            "multiply the sum by the multiplier in 32 bits, where the product wraps around",
            "convert the sum to int64 before it is multiplied",
        ),
        of_rule(broken_rules.wrapped_product),
    )
    yield Change(
        Said(
            "shift to the other side",
            "shift to the left where the shift is to the right, and the other way round",
            "a negative shift of QuantizeMultiplier is a shift to the right",
        ),
        of_rule(broken_rules.turned_shift),
    )
    for by, how in ((1, "left"), (-1, "right")):
        yield Change(
            Said(
                f"shift off by one, to the {how}",
                f"shift by one bit too far to the {how}",
                "the shift is the exponent that frexp gives, with a mantissa in [2**30, 2**31)",
            ),
            of_rule(broken_rules.other_shift(by)),
        )
