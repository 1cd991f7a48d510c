"""Rows that the ops with weights have in common, but for their kernels and conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tflreplay.ground.machine import AARCH64, LITTLE, NO_DOT_PRODUCT, SME, X86_64
from tflreplay.ops.base.conditions import Condition, Site, every
from tflreplay.ops.base.ledger import Ledger
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.row import Clamp, Defect, Kernel, NotModelled, Row, Versions
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT8, INT16, UINT8
from tflreplay.ops.base.weight_defects import WRAPPING, wraps
from tflreplay.ops.base.weights import lowest_weights
from tflreplay.ops.base.words import (
    UNORDERED_SUMS,
    finished,
)

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


def by_kleidi(row: Row, kernel: Kernel, what: str) -> Row:
    """XNNPACK's hybrid row where rows are multiplied by KleidiAI's kernels; ``what`` as above."""
    return replace(
        row,
        kernel=kernel,
        algorithm=f"{what} quantized to int8; float32 acc*(sw*s) + bias",
        source="src/configs/gemm-config.c",
        on=AARCH64,
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
        on=X86_64 if rule == WRAPPING else None,
        ledger=ledger,
        defects=(*defects, *((wraps(kernel),) if rule == WRAPPING else ())),
    )


def by_ruy(row: Row, when: Condition | None = None) -> Row:
    """An optimized row on aarch64, where ruy rounds once; ``when`` leaves what is not ruy's."""
    wide = row.types == INT16
    return replace(
        row,
        rule="single" if wide else "ruy-neon",
        source="ruy/apply_multiplier.cc" if wide else "ruy/kernel_arm64.cc",
        when=when or row.when,
        on=AARCH64,
    )


def uint8_on_aarch64(row: Row) -> tuple[Row, Row]:
    """XNNPACK's row for uint8, as aarch64 requantizes: in integers, on little CPUs of 16 bits."""
    row = replace(row, types=UINT8, source="src/qs8-gemm/neon-mlal-lane.c.in")
    little = replace(row, rule="rndnu16", on=LITTLE, source="src/configs/gemm-config.c")
    return little, replace(row, rule="rndnu", on=AARCH64)


def with_sme(row: Row, when: Condition) -> Row:
    """XNNPACK's row for int8, as KleidiAI's kernels requantize."""
    return replace(
        row,
        types=INT8,
        rule="float-even32-kleidi",
        source="src/configs/gemm-config.c",
        when=when,
        on=SME,
        defects=(wraps(row.kernel),),
    )


def lowest_products(types: tuple[str, ...], when: Condition | None = None) -> NotModelled:
    """The kernels for CPUs without dot products, which add two products in 16 bits."""
    asked = lowest_weights if when is None else every(when, lowest_weights)
    return NotModelled(types, _lowest, when=asked, on=NO_DOT_PRODUCT)


def _lowest(site: Site) -> str:
    return (
        f"{site.op.name} by weights of -128 on {site.engine.machine}, a CPU without instructions "
        "for dot products: two products of -128 by -128 do not fit 16 bits there, and what then "
        "becomes of the sum is not modelled"
    )
