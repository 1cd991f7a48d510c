"""Rows that the ops with weights have in common, but for their kernels and conditions."""

from __future__ import annotations

from collections.abc import Callable

from tflreplay.ops.base.conditions import Condition, Site
from tflreplay.ops.base.ledger import Ledger
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.row import Clamp, Defect, Kernel, NotModelled, Row, Versions
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT
from tflreplay.ops.base.weight_defects import WRAPPING, wraps
from tflreplay.ops.base.words import UNORDERED_SUMS, finished

# Of the largest value of a layer. Float32 sums are off by less, even where a fused activation cuts
# most of them away.
_TOLERANCE = 1e-4

# Before, XNNPACK quantizes the activations of hybrid ops in another way: it shows on ties.
_DYNAMIC = {"litert": "1.4.0", "tensorflow": "2.20.0"}


def floating_row(kernel: Kernel, source: str, terms: Callable[..., int]) -> Row:
    """float32 activations by float32 weights, ``terms`` of which make a sum."""
    return finished(FLOAT, kernel, UNORDERED_SUMS, source, _TOLERANCE, terms)


def hybrid_row(
    kernel: Kernel,
    formula: str,
    source: str,
    when: Condition,
    defects: tuple[Defect, ...] = (),
    since: Versions | None = None,
) -> Row:
    """float32 activations by integer weights, in the reference or optimized kernels."""
    algorithm = f"input quantized to int8; float32 {formula}"
    return Row(
        FLOAT,
        kernel,
        algorithm=algorithm,
        source=source,
        when=when,
        since=since or {},
        defects=defects,
    )


def xnnpack_hybrid_row(
    kernel: Kernel, what: str, source: str, when: Condition, since: Versions | None = None
) -> Row:
    """As :func:`hybrid_row` in XNNPACK; ``what`` is quantized by scales of its own."""
    return Row(
        FLOAT,
        kernel,
        algorithm=f"{what} quantized to int8; float32 fma(acc*s, sw, bias)",
        source=source,
        when=when,
        since=since or {},
    )


def before_xnnpack_hybrid(when: Condition) -> NotModelled:
    """What XNNPACK computed of hybrid ops before :func:`xnnpack_hybrid_row`."""
    return NotModelled(FLOAT, _before, when=when, until=_DYNAMIC)


def _before(site: Site) -> str:
    return (
        f"the {site.engine} arithmetic of {site.op.name} on {site.dtype} by {site.weights.dtype} "
        f"is not modelled for {site.engine.runtime} {site.engine.version}"
    )


def xnnpack_row(
    kernel: Kernel,
    when: Condition,
    rule: str = "float-even32",
    algorithm: str = "",
    types: tuple[str, ...] = EIGHT_BITS,
    since: Versions | None = None,
    until: Versions | None = None,
    ledger: Ledger | None = None,
    defects: tuple[Defect, ...] = (),
) -> Row:
    """Sums of 8-bit codes that XNNPACK requantizes in float32."""
    return Row(
        types,
        kernel,
        rule,
        Precision.FLOAT32,
        algorithm,
        "src/xnnpack/requantization.h",
        when=when,
        clamp=Clamp.HALF_EVEN,
        since=since or {},
        until=until or {},
        ledger=ledger,
        defects=(*defects, *((wraps(kernel),) if rule == WRAPPING else ())),
    )
