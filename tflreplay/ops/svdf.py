"""SVDF: a filter bank over the input, and one over what it gave in the last steps.

x: ``(batch, depth)``; feature weights ``(filters, depth)``; time weights ``(filters, memory)``; the
state, kept, ``(batch, filters * memory)``, its newest entry last; bias ``(units,)`` with ``units =
filters / rank``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.machine import HELIUM
from tflreplay.ground.rounding import Accumulation, Array, Multiplier, wrap32
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call, accumulation
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.cell_activations import cell_activated
from tflreplay.ops.base.cmsis_nn import CMSIS_NN
from tflreplay.ops.base.conditions import Site, condition
from tflreplay.ops.base.hybrid import asymmetric, byte_products, symmetric
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.row import Defect, Kernel, Row
from tflreplay.ops.base.sums import exact_matmul
from tflreplay.ops.base.types import FLOAT, INT8
from tflreplay.ops.base.words import (
    LITERT_FLOAT64,
    MICRO,
    REFERENCE_OPS,
    SUMMED,
    UNORDERED_SUMS,
    finished,
)

_FEATURES, _TIME, _STATE = 1, 2, 4
_SOURCE = f"{REFERENCE_OPS}svdf.h"
Number = type[np.float32 | np.float64]
_SCALES = "float32 s1*s2/ss, float32 ss*st/so"


def svdf(
    call: Call, x: Array, features: Array, time: Array, bias: Array | None, state: Array
) -> Accumulation:
    """``sum(state * time) + bias``, the state's newest ``rule(sum((x - zx) * features))``.

    x and features int8, time weights and the state, which saturates, int16, bias int32. A unit's
    sum runs over ``rank`` filters. ``EvalIntegerSVDF`` in
    ``tflite/kernels/internal/reference/svdf.h``; the fused activation and the state's zero point
    are not looked at.
    """
    _check_sixteen_bits(call)
    return _svdf(call, x, features, time, bias, state, 0)


def _check_sixteen_bits(call: Call) -> None:
    for position in (_TIME, _STATE):
        if call.input(position).dtype != "int16":
            raise NotReplayed(
                f"SVDF with int8 activations and a tensor of {call.input(position).dtype} as input "
                f"{position}: its kernel reads int16, past the end of the data"
            )


def svdf_in_float64(
    call: Call, x: Array, features: Array, time: Array, bias: Array | None, state: Array
) -> Accumulation:
    """As :func:`svdf`, the multipliers in float64."""
    _check_sixteen_bits(call)
    return _svdf(call, x, features, time, bias, state, 0, np.float64)


def _svdf(
    call: Call,
    x: Array,
    features: Array,
    time: Array,
    bias: Array | None,
    state: Array,
    zero_point: int,
    number: Number = np.float32,
    limits: tuple[int, int] | None = None,
) -> Accumulation:
    """The multipliers are computed in the type ``number``; ``limits`` are those of the newest
    value, where they are not the state's.
    """
    if features.dtype != np.int8:
        raise NotReplayed(f"SVDF of int8 activations by {features.dtype} weights")
    source, weights = call.input(0), call.input(_FEATURES)
    kept, times = call.input(_STATE), call.input(_TIME)
    sums = exact_matmul(x, features.T, source.zero_point, None).astype(np.int64)
    newest = call.rule(sums, Multiplier.of(_ratio(source, weights, kept, number)))
    # Saturated, and then moved by the zero point in a register of the state's type.
    newest = (wrap32(newest).clip(*(limits or kept.code_range)) + zero_point).astype(
        kept.numpy_dtype
    )
    memory = _remember(call, state, newest, time)
    total = wrap32(((memory.astype(np.int64) - zero_point) * time).sum(axis=-1))
    total = wrap32(_by_unit(call, total).sum(axis=-1))
    if bias is not None:
        total = wrap32(total + bias)
    return accumulation(call, total, Multiplier.of(_ratio(kept, times, call.output, number)))


def _ratio(a: Tensor, b: Tensor, c: Tensor, number: Number) -> np.float32 | np.float64:
    return number(a.scale) * number(b.scale) / number(c.scale)


def _remember(call: Call, state: Array, newest: Array, time: Array) -> Array:
    """The state ``(batch, filters, memory)`` after the newest values ``(batch, filters)``: kept."""
    old = state.reshape(*newest.shape, time.shape[1])
    memory = np.concatenate([old[..., 1:], newest[..., None]], axis=-1)
    call.keep(_STATE, memory.reshape(state.shape))
    return memory


def _by_unit(call: Call, filters: Array) -> Array:
    return filters.reshape(len(filters), -1, call.option("rank"))


def svdf_float(
    call: Call, x: Array, features: Array, time: Array, bias: Array | None, state: Array
) -> Array:
    """``activation(sum(state * time) + bias)``, the state's newest ``sum(x * features)``.

    All float32. ``EvalFloatSVDF`` in ``tflite/kernels/internal/reference/svdf.h``.
    """
    newest = x.astype(np.float64) @ features.T.astype(np.float64)
    return _finished(call, newest.astype(np.float32), time, bias, state)


@condition
def int8_features(site: Site) -> bool:
    """int8 feature weights"""
    return site.input(_FEATURES).dtype == "int8"


def svdf_hybrid(
    call: Call, x: Array, features: Array, time: Array, bias: Array | None, state: Array
) -> Array:
    """As :func:`svdf_float`, by int8 weights: x is quantized, a row at a time.

    ``EvalHybridSVDF`` in ``tflite/kernels/internal/reference/svdf.h``.
    """
    quantize = asymmetric if call.option("asymmetric_quantize_inputs") else symmetric
    rows = quantize(x)
    sums = byte_products(rows.codes, features)
    sums -= rows.zero_point[:, None] * features.sum(axis=1, dtype=np.int64)
    scale = rows.scale * np.float32(call.input(_FEATURES).scale)
    newest = sums.astype(np.float32) * scale[:, None]
    times = time.astype(np.float32) * np.float32(call.input(_TIME).scale)
    return _finished(call, newest, times, bias, state)


def _finished(call: Call, newest: Array, time: Array, bias: Array | None, state: Array) -> Array:
    memory = _remember(call, state, newest, time)
    total = (memory.astype(np.float64) * time).sum(axis=-1)
    total = _by_unit(call, total).sum(axis=-1)
    total = total if bias is None else total + bias
    return cell_activated(call, total.astype(np.float32))


# ---- TFLM -------------------------------------------------------------------------------------


def tflm_svdf(
    call: Call, x: Array, features: Array, time: Array, bias: Array | None, state: Array
) -> Accumulation:
    """As :func:`svdf`, time weights and state both int8 or both int16, the state's zero point kept.

    ``EvalIntegerSvdfReference`` in ``tensorflow/lite/micro/kernels/svdf_common.cc``.
    """
    _check_one_type(call)
    return _svdf(call, x, features, time, bias, state, call.input(_STATE).zero_point)


def _check_one_type(call: Call) -> None:
    if call.input(_TIME).dtype != call.input(_STATE).dtype:
        raise NotReplayed(
            f"SVDF by {call.input(_TIME).dtype} time weights with a state of "
            f"{call.input(_STATE).dtype}"
        )


# ---- CMSIS-NN ---------------------------------------------------------------------------------


def cmsis_nn_svdf(
    call: Call, x: Array, features: Array, time: Array, bias: Array | None, state: Array
) -> Accumulation:
    """As :func:`svdf`, time weights and state both int8 or both int16.

    The newest value saturates to 16 bits, whatever the state's type, and int8 keeps the lowest 8.
    ``arm_svdf_s8`` and ``arm_svdf_state_s16_s8`` in CMSIS-NN's ``Source/SVDFunctions``; the glue in
    ``tensorflow/lite/micro/kernels/cmsis_nn/svdf.cc`` gives the range.
    """
    kept = call.input(_STATE)
    _check_one_type(call)
    if call.engine.machine in HELIUM and kept.dtype == "int8" and kept.zero_point:
        raise NotReplayed("SVDF with a zero point of an int8 state, which Helium's sums take in")
    return _svdf(call, x, features, time, bias, state, 0, limits=(-(2**15), 2**15 - 1))


# ---- defects ----------------------------------------------------------------------------------


@condition
def int8_state(site: Site) -> bool:
    """int8 time weights or an int8 state, fused RELU"""
    if site.option("fused_activation_function") != "RELU":  # no other is taken
        return False
    return "int8" in (site.input(_TIME).dtype, site.input(_STATE).dtype)


_READS_SIXTEEN_BITS = Defect(
    "reads int8 time weights and an int8 state as int16, past their end", int8_state
)

_CUT = Defect(
    "keeps 8 bits of what does not fit an int8 state, and ignores the state's zero point",
    int8_state,
    right=tflm_svdf,
)

# ---- as ports get it wrong --------------------------------------------------------------------

Changed = Callable[[Call, list[Array]], Sequence[Array | None]]


def _ported(changed: Changed, kernel: Kernel) -> Kernel:
    """The kernel on other arrays: x, features, time, bias and state."""
    return lambda call, *arrays: kernel(call, *changed(call, list(arrays)))


def _turned(state: Array, time: Array) -> Array:
    return state.reshape(len(state), *time.shape)[..., ::-1].reshape(state.shape)


def _first_rank(call: Call, time: Array) -> Array:
    first = np.arange(len(time)) % call.option("rank") == 0
    return np.where(first[:, None], time, 0).astype(time.dtype)


def _by_rank(call: Call, rows: Array) -> Array:
    """Filters (units, rank) of which each is read where (rank, units) would have it."""
    return rows.reshape(call.option("rank"), -1, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape)


_NEWEST = "move the state by one, and put the newest value last"
_UNITS = "sum the filters of a unit, which lie side by side"
_WAYS: tuple[tuple[str, str, str, Changed], ...] = (
    (
        "bias left out",
        "do not add the bias",
        "add the int32 bias to the sum before rescaling",
        lambda call, a: (*a[:3], None, a[4]),
    ),
    (
        "newest value first",
        "put the newest value first in the state, and move the others behind it",
        _NEWEST,
        lambda call, a: (a[0], a[1], a[2][:, ::-1], a[3], _turned(a[4], a[2])),
    ),
    (
        "weights of time in reverse",
        "take the weights of time in reverse",
        "the last weight of time belongs to the newest value",
        lambda call, a: (a[0], a[1], a[2][:, ::-1], *a[3:]),
    ),
    (
        "first filter of each unit only",
        "take the first filter of each unit, and leave out the others",
        _UNITS,
        lambda call, a: (a[0], a[1], _first_rank(call, a[2]), *a[3:]),
    ),
    (
        "filters counted as rank * units + unit",
        "read the filters as (rank, units)",
        _UNITS,
        lambda call, a: (a[0], _by_rank(call, a[1]), _by_rank(call, a[2]), *a[3:]),
    ),
)
_PORTED = tuple(
    Ported(title, you, fix, _ported(changed, kernel))
    for title, you, fix, changed in _WAYS
    for kernel in (svdf, svdf_in_float64)
)

CARDS = (
    Card(
        "SVDF",
        {
            "reference": (
                *(
                    Row(
                        INT8,
                        kernel,
                        "double",
                        multiplier,
                        source=_SOURCE,
                        since=since,
                        defects=(_READS_SIXTEEN_BITS,),
                    )
                    for kernel, multiplier, since in (
                        (svdf_in_float64, _SCALES.replace("float32", "float64"), LITERT_FLOAT64),
                        (svdf, _SCALES, {}),
                    )
                ),
                Row(
                    FLOAT,
                    svdf_hybrid,
                    algorithm=f"int8 codes of the input; {UNORDERED_SUMS}",
                    source=_SOURCE,
                    when=int8_features,
                    tolerance=SUMMED,
                ),
                finished(FLOAT, svdf_float, UNORDERED_SUMS, _SOURCE, SUMMED),
            ),
            "tflm": (Row(INT8, tflm_svdf, "double", _SCALES, source=f"{MICRO}svdf_common.cc"),),
            "cmsis-nn": (
                Row(
                    INT8,
                    cmsis_nn_svdf,
                    "double",
                    _SCALES,
                    source=f"{CMSIS_NN}SVDFunctions/arm_svdf_s8.c",
                    defects=(_CUT,),
                ),
            ),
        },
        stateful=True,
        ported=_PORTED,
        unexplained="it sums up a state that inputs before have made",
    ),
)
