"""SUM: the sum along given axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import (
    INT32_MIN,
    Accumulation,
    Array,
    Multiplier,
    round_half_away,
    wrap32,
)
from tflreplay.ops.base.call import Call, accumulation
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.conditions import Site, every
from tflreplay.ops.base.ledger import Staged, Stages, Sum, Terms
from tflreplay.ops.base.plain import in_float64
from tflreplay.ops.base.ported import reductions as ported
from tflreplay.ops.base.precision import Ratio
from tflreplay.ops.base.predicates import constant_axes, one_input
from tflreplay.ops.base.reduction import (
    OPTIMIZED_REDUCE,
    REFERENCE_REDUCE,
    by,
    centred_sums,
    elements,
    reduced,
    reduced_axes,
    rows_to_reduce,
    xnnpack_quantized,
    xnnpack_stages,
    xnnpack_sums,
)
from tflreplay.ops.base.row import Defect, NotModelled, Row
from tflreplay.ops.base.smallest import reduction
from tflreplay.ops.base.step import AWAY, EVEN, in_float32
from tflreplay.ops.base.terms import Arrays, Codes, Index, sum_of_products
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT8, INT16, SIGNED, UINT8, UNQUANTIZED
from tflreplay.ops.base.words import (
    MICRO,
    SUMMED,
    UNORDERED,
    XNNPACK_HALF_AWAY,
    XNNPACK_HALF_EVEN,
    finished,
)

# LiteRT f18e6160e: SUM of one scale summed raw codes before.
_SIXTEEN_BIT_SUMS = {"litert": "1.3.0", "tensorflow": "2.20.0"}

# ---- reference kernels ------------------------------------------------------------------------


def sum_(call: Call, x: Array, axes: Array) -> Accumulation:
    """``requantize(sum(x) - n * zx)`` with the multiplier ``si / so``.

    x: uint8; n: elements in each sum. ``QuantizedMeanOrSum`` in
    ``tflite/kernels/internal/reference/reduce.h``.
    """
    sums, _ = centred_sums(call, x, axes)
    return accumulation(call, sums, Multiplier.of(call.input(0).scale / call.output.scale))


def sum_as_uint8(call: Call, x: Array, axes: Array) -> Accumulation:
    """As :func:`sum_`, the codes of input and output read as uint8, the zero points as they are.

    x: int8. ``EvalSum`` in ``tflite/kernels/reduce.cc`` knows no other type.
    """
    sums, _ = centred_sums(call, x.view(np.uint8), axes)
    multiplier = Multiplier.of(call.input(0).scale / call.output.scale)
    zero_point = call.output.zero_point
    return Accumulation(sums, multiplier, zero_point, 0, 255, np.dtype(np.int8))


def _terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _centred(call, arrays[0], elements(call, arrays, index))


def _terms_as_uint8(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    total = _centred(call, arrays[0].view(np.uint8), elements(call, arrays, index))
    return replace(total, notes=("int8 codes are read as uint8, -1 as 255",))


def _centred(call: Call, codes: Array, where: Array) -> Sum:
    return sum_of_products("sum of (x - zi)", [Codes("x", codes, where, call.input(0).zero_point)])


def plain_sum(call: Call, x: Array, axes: Array) -> Array:
    """The sum in row-major order, from 0; of the whole input, from its first element.

    x: float32, int32 or int64. ``EvalGeneric`` in ``tflite/kernels/reduce.cc``.
    """
    whole = len(reduced_axes(call, x, axes)[0]) == x.ndim
    return by(np.add, None if whole else 0)(call, x, axes)


# ---- optimized kernels ------------------------------------------------------------------------


def optimized_sum(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(round_half_away(sum(x) * (si / so) + -zi * (si / so) * n) + zo)`` in float32.

    x: int8, uint8 or int16, summed as raw codes; n: elements in each sum. What does not fit int32
    becomes -2**31 before zo is added. ``QuantizedMeanOrSum`` in
    ``tflite/kernels/internal/optimized/reduce.h``.
    """
    ti, to = call.input(0), call.output
    rows, shape = rows_to_reduce(call, x, axes)
    scale = np.float32(ti.scale) / np.float32(to.scale)
    bias = np.float32(-ti.zero_point) * scale * np.float32(rows.shape[-1])
    sums = wrap32(rows.sum(axis=-1, dtype=np.int64)).astype(np.float32) * scale + bias
    fits = np.abs(sums) < 2.0**31
    rounded = np.where(fits, round_half_away(sums), INT32_MIN).astype(np.int64)
    codes = wrap32(rounded + to.zero_point).clip(*to.code_range)
    return codes.astype(to.numpy_dtype).reshape(shape)


def _stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    ti, to, where = call.input(0), call.output, elements(call, arrays, index)
    m = np.float32(ti.scale) / np.float32(to.scale)
    bias = np.float32(-ti.zero_point) * m * np.float32(len(where))
    total = sum_of_products(
        "sum of x",
        [Codes("x", arrays[0], where, None)],
        notes=(
            f"m = {Ratio.FLOAT32} = {float(m)!r}",
            f"bias = -zi * m * {len(where)} = {float(bias)!r}",
        ),
    )
    *steps, last = in_float32(total.accumulator, m, bias, AWAY)
    exact = last.formula, last.exact
    if abs(last.result) >= 2**31:
        last = replace(last, result=INT32_MIN, how="outside int32, which x86 converts so")
    return Staged((), (*steps, last), total, exact=exact)


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_sum(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(round_half_even(sum(x) * m + z))``, each operation rounded to float32.

    x: int8 or uint8, summed as raw codes; axes: int32; n: elements in each sum.
    ``m = float32(si / so)`` and ``z = zo - (n * zi) * m``. ``xnn_reshape_reduce_nd`` in
    ``src/operators/reduce-nd.c``, ``quantize`` in ``src/xnnpack/reference-utils.h``.
    """
    return _xnnpack_sum(call, x, axes, np.rint)


def xnnpack_sum_half_away(call: Call, x: Array, axes: Array) -> Array:
    """As :func:`xnnpack_sum`, but rounded half away from zero."""
    return _xnnpack_sum(call, x, axes, round_half_away)


def _xnnpack_sum(call: Call, x: Array, axes: Array, rounded: Callable[[Array], Array]) -> Array:
    return xnnpack_quantized(call, *xnnpack_sums(call, x, axes), np.float32(1), rounded)


def _share(count: int) -> np.float32:
    return np.float32(1)


def _xnnpack_stages(how: str) -> Stages:
    return Stages(
        lambda call, arrays, index, shape: xnnpack_stages(call, arrays, index, _share, how)
    )


# ---- what is wrong in them --------------------------------------------------------------------

_SUM_REPORT = "https://github.com/google-ai-edge/LiteRT/issues/4079"
_BYTES = Defect("reads and writes int8 codes as uint8", right=sum_, report=_SUM_REPORT)
_HALF = Defect(
    "reads and writes int16 codes as uint8: half of the output is not written at all",
    report=_SUM_REPORT,
)


def _reads_bytes(site: Site) -> str:
    return f"the reference kernel of {site.op.name} reads and writes int16 codes as uint8"


CARDS = (
    Card(
        "SUM",
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    in_float64(by(np.add)),
                    algorithm=UNORDERED,
                    source="src/configs/reduce-config.c",
                    when=constant_axes,
                    tolerance=SUMMED,
                    terms=reduced,
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_sum,
                    multiplier="float32 si/so",
                    algorithm="float32 product and sum with the zero point, half even",
                    source="src/operators/reduce-nd.c",
                    when=every(one_input, constant_axes),
                    since=XNNPACK_HALF_EVEN,
                    ledger=_xnnpack_stages(EVEN),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_sum_half_away,
                    multiplier="float32 si/so",
                    algorithm="float32 product and sum with the zero point, half away",
                    source="src/operators/reduce-nd.c",
                    when=every(one_input, constant_axes),
                    since=XNNPACK_HALF_AWAY,
                    ledger=_xnnpack_stages(AWAY),
                ),
            ),
            "optimized": (
                finished(FLOAT, by(np.add), "sum in order", OPTIMIZED_REDUCE),
                *(
                    Row(
                        types,
                        optimized_sum,
                        multiplier="float32 si/so",
                        algorithm="float32 product and sum with the bias, half away",
                        source=OPTIMIZED_REDUCE,
                        since=since,
                        ledger=Stages(_stages),
                    )
                    for types, since in ((EIGHT_BITS, {}), (INT16, _SIXTEEN_BIT_SUMS))
                ),
            ),
            "reference": (
                Row(
                    UINT8,
                    sum_,
                    "double",
                    "float64 si/so",
                    source=REFERENCE_REDUCE,
                    ledger=Terms(_terms),
                ),
                Row(
                    INT8,
                    sum_as_uint8,
                    "double",
                    "float64 si/so",
                    "codes read as uint8",
                    "reduce.cc",
                    defects=(_BYTES,),
                    ledger=Terms(_terms_as_uint8),
                ),
                NotModelled(INT16, _reads_bytes, defects=(_HALF,)),
                finished(UNQUANTIZED, plain_sum, "sum in order, from 0", REFERENCE_REDUCE),
            ),
            "tflm": (
                Row(
                    SIGNED,
                    sum_,
                    "double",
                    "float64 si/so",
                    source=f"{MICRO}reduce_common.cc",
                    ledger=Terms(_terms),
                ),
            ),
        },
        ported=ported.SUM,
        smallest=reduction,
    ),
)
