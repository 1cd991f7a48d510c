"""Rows of the reductions, and of the other ops that go along given axes."""

from __future__ import annotations

import numpy as np

from tflreplay.arithmetic.row import (
    APPROXIMATED,
    OPTIMIZED_INTEGER_OPS,
    OPTIMIZED_OPS,
    RATIO,
    REFERENCE_OPS,
    UNORDERED,
    finished,
)
from tflreplay.arithmetic.types import (
    BOOL,
    EIGHT_BITS,
    FLOAT,
    INT8,
    INT16,
    RAW,
    SIGNED,
    UINT8,
    UNQUANTIZED,
)
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.kernels import index, reduce
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.optimized import reduce as optimized_reduce
from tflreplay.model import Operator, Subgraph

_SOURCE = f"{REFERENCE_OPS}reduce.h"
_OPTIMIZED_SOURCE = f"{OPTIMIZED_OPS}reduce.h"
_MEAN_SCALES = "float64 si/so, mantissa divided by the count"
_PRODUCT_SCALES = "float64 si/so**(1/n), cut to 16 bits"
# Before, MEAN was computed in float32, which is not modelled.
_INTEGER_MEAN = {"litert": "0", "tensorflow": "2.13", "tflm": "0.dev0"}
# LiteRT f18e6160e: SUM of one scale summed raw codes before.
_SIXTEEN_BIT_SUMS = {"litert": "1.3.0", "tensorflow": "2.21.0"}


def _spatial(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """A reduction of axes 1 and 2 of a 4-D tensor that keeps its rank.

    Raises:
        NotReplayed: which axes are reduced is known only at run time.
    """
    x, axes = (graph.tensors[index] for index in op.inputs)
    if len(x.shape) != 4 or not op.options.get("keep_dims"):
        return False
    if axes.data is None:
        raise NotReplayed(f"{op.name} over axes that are not constant")
    return {int(axis) % 4 for axis in np.ravel(axes.data)} == {1, 2}


REFERENCE = (
    Arithmetic("MEAN", INT16, reduce.mean, "double", _MEAN_SCALES, source=_SOURCE),
    finished("MEAN", UNQUANTIZED, reduce.plain_mean, "sum in order, quotient", _SOURCE),
    Arithmetic(
        "MEAN",
        EIGHT_BITS,
        reduce.mean,
        "double",
        _MEAN_SCALES,
        source=_SOURCE,
        since=_INTEGER_MEAN,
    ),
    Arithmetic("SUM", UINT8, reduce.sum_, "double", "float64 si/so", source=_SOURCE),
    Arithmetic(
        "SUM",
        INT8,
        reduce.sum_as_uint8,
        "double",
        "float64 si/so",
        "codes read as uint8",
        "reduce.cc",
    ),
    finished("SUM", UNQUANTIZED, reduce.by(np.add, 0), "sum in order, from 0", _SOURCE),
    Arithmetic(
        "REDUCE_PROD",
        SIGNED,
        reduce.reduce_prod,
        multiplier=_PRODUCT_SCALES,
        algorithm="single rounding after each product",
        source=_SOURCE,
    ),
    *(
        finished(op, types, kernel, how, "reduce.cc")
        for op, types, kernel, how in (
            ("REDUCE_PROD", UNQUANTIZED, reduce.by(np.multiply), "product in order"),
            ("REDUCE_MAX", RAW, reduce.extreme(np.argmax), "first maximum of raw codes"),
            ("REDUCE_MIN", RAW, reduce.extreme(np.argmin), "first minimum of raw codes"),
            ("REDUCE_ANY", BOOL, reduce.by(np.logical_or), "or"),
            ("REDUCE_ALL", BOOL, reduce.by(np.logical_and), "and"),
        )
    ),
    *(
        finished(
            op,
            (*EIGHT_BITS, "int32", "float32", "bool"),
            kernel,
            "first index",
            f"{REFERENCE_OPS}arg_min_max.h",
        )
        for op, kernel in (("ARG_MAX", index.arg_max), ("ARG_MIN", index.arg_min))
    ),
    finished("CUMSUM", UNQUANTIZED, index.cumsum, "sums in order", f"{REFERENCE_OPS}cumsum.h"),
)

OPTIMIZED = (
    finished("MEAN", FLOAT, reduce.plain_mean, UNORDERED, _OPTIMIZED_SOURCE, APPROXIMATED),
    Arithmetic(
        "MEAN",
        EIGHT_BITS,
        optimized_reduce.spatial_mean,
        "neon16",
        "float32 si/(n*so)",
        source=f"{OPTIMIZED_INTEGER_OPS}mean.h",
        when=_spatial,
        since=_INTEGER_MEAN,
    ),
    *(
        finished(op, FLOAT, kernel, how, _OPTIMIZED_SOURCE)
        for op, kernel, how in (
            ("SUM", reduce.by(np.add), "sum in order"),
            ("REDUCE_MAX", reduce.extreme(np.argmax, last=True), "last maximum"),
            ("REDUCE_MIN", reduce.extreme(np.argmin, last=True), "last minimum"),
        )
    ),
    *(
        Arithmetic(
            "SUM",
            types,
            optimized_reduce.sum_,
            multiplier=RATIO,
            algorithm="float32 product and sum with the bias, half away",
            source=_OPTIMIZED_SOURCE,
            since=since,
        )
        for types, since in ((EIGHT_BITS, {}), (INT16, _SIXTEEN_BIT_SUMS))
    ),
    Arithmetic(
        "REDUCE_PROD",
        SIGNED,
        optimized_reduce.reduce_prod,
        multiplier=_PRODUCT_SCALES,
        algorithm="single rounding after each product; one element: copy",
        source=_OPTIMIZED_SOURCE,
    ),
)
