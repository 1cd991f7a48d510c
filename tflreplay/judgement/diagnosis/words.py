"""Arithmetic in plain words."""

from __future__ import annotations

from types import MappingProxyType

from tflreplay.judgement.diagnosis.reals import NAME
from tflreplay.ops.base.card import BY_ONE_RULE

# What a rule does, to complete "you ..." and "the reference kernels ...".
DOES = MappingProxyType(
    {
        "double": "round twice: a high-mul, then a rounding shift with ties away from zero",
        "double-up": "round twice: a high-mul, then a rounding shift with ties up",
        "double-up-late": "round twice, and shift to the left after the high-mul, saturating",
        "single": "round once: one 64-bit product, one shift with ties up",
        "ruy-neon": "cut the high half of the product, then round once with ties up",
        "single-away": "round once: one 64-bit product, one shift with ties away from zero",
        "reduced16": "cut the multiplier to 16 bits and round once",
        "reduced16-wrapping": "cut the multiplier to 16 bits and round once, in 32 bits",
        "rndnu": "round once, ties up, by a mantissa of 24 bits",
        "rndnu-wrapping": "round once, ties up, by a mantissa of 24 bits",
        "rndnu16": "shift first and multiply in 16 bits",
        "float-away64": "multiply in float64 and round once, ties away from zero",
        "float-away64-saturating": "multiply in float64 and round once, ties away from zero",
        "float-even64": "multiply in float64 and round once, ties to even",
        "float-up64": "multiply in float64 and round once, ties up",
        "float-away32": "multiply in float32 and round once, ties away from zero",
        "float-even32": "multiply in float32 and round once, ties to even",
        "float-even32-kleidi": "multiply in float32 and round once, ties to even",
        "float-up32": "multiply in float32 and round once, ties up",
        NAME: "compute in real numbers and quantize the result",
    }
)
# The same in a few words, as a term to look up.
TERMS = MappingProxyType(
    {
        "double": "double rounding",
        "double-up": "double rounding, ties up",
        "double-up-late": "double rounding, left shift last",
        "single": "single rounding",
        "ruy-neon": "single rounding",
        "single-away": "single rounding, ties away from zero",
        "reduced16": "16-bit multiplier",
        "reduced16-wrapping": "16-bit multiplier, in 32 bits",
        "rndnu": "single rounding by 24 bits",
        "rndnu-wrapping": "single rounding by 24 bits",
        "rndnu16": "products of 16 bits",
        "float-away64": "float64 product, ties away from zero",
        "float-away64-saturating": "float64 product, ties away from zero",
        "float-even64": "float64 product, ties to even",
        "float-up64": "float64 product, ties up",
        "float-away32": "float32 product, ties away from zero",
        "float-even32": "float32 product, ties to even",
        "float-even32-kleidi": "float32 product, ties to even",
        "float-up32": "float32 product, ties up",
    }
)
_ENGINES = MappingProxyType(
    {
        "xnnpack": "XNNPACK's kernels",
        "tflm": "TFLM's kernels",
        "cmsis-nn": "CMSIS-NN's kernels",
        "cmsis-nn-single": "CMSIS-NN's kernels with single rounding",
        "esp-nn": "ESP-NN's kernels",
    }
)


def does(arithmetic: str, rule: str) -> str:
    """What an arithmetic does, to complete "you ..."."""
    return DOES.get(rule) or DOES.get(arithmetic) or f"compute {arithmetic}"


def term(arithmetic: str, rule: str) -> str:
    return TERMS.get(rule or arithmetic, arithmetic)


def expected(engine: str, in_force: str) -> tuple[str, str]:
    """What a port is expected to be, and who computes the arithmetic in force."""
    if engine == in_force and engine in BY_ONE_RULE:
        return f"a port meant to compute {engine}", f"{engine}, which was asked for, would"
    engine = "reference" if engine in BY_ONE_RULE else engine  # as its other rows are
    kernels = _ENGINES.get(engine, f"the {engine} kernels" if engine else "the kernels expected")
    return f"a port of {kernels}", "they"
