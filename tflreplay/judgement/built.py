"""Whether a device's tensors are those of its library built in another way."""

from __future__ import annotations

from collections.abc import Iterable

from tflreplay.judgement.comparison import Comparison
from tflreplay.judgement.diagnosis.verdict import Verdict

ROUNDED_ONCE = "cmsis-nn-single"


def may_be_rounded_once(verdicts: Iterable[Verdict]) -> bool:
    """True where single rounding explains a layer."""
    return any(fit.name == "single" for verdict in verdicts for fit in verdict.fits)


def rounded_once(comparison: Comparison, other: Comparison) -> str:
    """That all layers seen are what CMSIS-NN built with single rounding gives; empty if not so.

    ``comparison`` is with the arithmetic that was asked for, ``other`` with that build's; of both
    count the layers whose inputs were seen.
    """
    asked, built = (
        [diff for layer in each.layers if (diff := layer.isolated) is not None]
        for each in (comparison, other)
    )
    wrong = sum(diff.mismatches for diff in asked)
    if not wrong or len(asked) != len(built) or any(diff.mismatches for diff in built):
        return ""
    elements = sum(diff.elements for diff in asked)
    layers = sum(diff.mismatches > 0 for diff in asked)
    worst = max(diff.max_abs for diff in asked)
    accept = "±1" if worst == 1 else f"up to {worst:g}"
    return (
        "All layers whose inputs were seen are exactly what CMSIS-NN built with "
        f"CMSIS_NN_USE_SINGLE_ROUNDING computes ({ROUNDED_ONCE}). If it is built so: unset that, "
        f"or accept {accept} in {wrong:,} of {elements:,} codes ({100 * wrong / elements:.2g} %), "
        f"in {layers} of {len(asked)} layers."
    )
