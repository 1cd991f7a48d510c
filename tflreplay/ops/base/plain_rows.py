"""Rows of XNNPACK that ops on float32, element by element, have in common."""

from __future__ import annotations

from collections.abc import Callable

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.conditions import every
from tflreplay.ops.base.plain import flushed
from tflreplay.ops.base.predicates import few_dimensions, plain_activation, unary_rank
from tflreplay.ops.base.row import Kernel, Row, Versions
from tflreplay.ops.base.types import FLOAT
from tflreplay.ops.base.words import APPROXIMATED, LIKE_LIBM


def xnnpack_flushed(
    function: Callable[..., Array], how: str, source: str = "src/f32-vbinary/"
) -> Row:
    """The function of the elements; ``how`` says which."""
    return Row(
        FLOAT,
        flushed(function),
        algorithm=f"{how}, numbers below 2**-126 flushed to 0",
        source=source,
        when=every(few_dimensions, plain_activation),
    )


def xnnpack_approximated(
    kernel: Kernel, how: str = LIKE_LIBM, since: Versions | None = None
) -> Row:
    """A function of one number that XNNPACK approximates; ``how`` says what ``kernel`` does."""
    return Row(
        FLOAT,
        kernel,
        algorithm=how,
        source="src/configs/unary-elementwise-config.c",
        when=unary_rank,
        since=since or {},
        tolerance=APPROXIMATED,
    )
