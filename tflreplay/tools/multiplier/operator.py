"""A model of one op, the smallest there is, put together of scales alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflreplay.ground.errors import InputError, ModelError
from tflreplay.ground.rounding import Array
from tflreplay.model import Model, Operator, Quantization, Subgraph, Tensor, parse
from tflreplay.model.writer import write
from tflreplay.ops import CARDS, card
from tflreplay.ops.base.call import FUSED
from tflreplay.tools.explain.number import as_scale

_ASKED = {one.op: one.smallest for one in CARDS.values() if one.smallest is not None}
# What is meant where weights are given and no op is named: the first that has any.
_WEIGHTED = next(op for op in _ASKED if card(op).weighted)


@dataclass(frozen=True)
class Scales:
    """All that multipliers, offsets and activation bounds depend on.

    ``filters`` holds one scale, or one for each output channel; it is empty for an op without
    weights. ``zero_points`` are the inputs', 0 where they are left out. ``elements`` is how many of
    them an op that sums takes for an output.
    """

    inputs: tuple[float, ...]
    output: float
    filters: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    output_zero_point: int = 0
    activation: str = "NONE"
    elements: int = 1


def operator_of(scales: Scales, op: str | None, dtype: str) -> Model:
    """The smallest operator of ``op`` with these scales, on activations of type ``dtype``.

    Raises:
        InputError: as :func:`tflreplay.tools.multiplier.of_scales`.
    """
    op = _checked(scales, op)
    known, zeros = card(op), scales.zero_points or (0,) * len(scales.inputs)
    made = _ASKED[op](len(scales.filters) if known.weighted else scales.elements)
    tensors = _Tensors()
    sources = iter(zip(scales.inputs, zeros, strict=True))
    inputs = []
    for position, given in enumerate(made.inputs):
        if isinstance(given, np.ndarray):
            inputs.append(tensors.constant(given))
        elif known.weighted and position == known.roles.weights:
            record = _quantization(("--filter-scale", scales.filters), known.roles.weight_axis)
            weights = np.ones(given, "uint8" if dtype == "uint8" else "int8")
            inputs.append(tensors.constant(weights, record))
        else:
            scale, zero = next(sources)
            _check_zero_point("--input-zero-point", zero, dtype)
            record = _quantization(("--input-scale", (scale,)), zero_point=zero)
            inputs.append(tensors.add(given, dtype, record))
    if known.weighted:
        inputs.append(_bias(tensors, scales, dtype))
    _check_zero_point("--zero-point", scales.output_zero_point, dtype)
    target = _quantization(
        ("--output-scale", (scales.output,)), zero_point=scales.output_zero_point
    )
    output = tensors.add(made.output, dtype, target)
    options = dict(made.options)
    if scales.activation != "NONE":
        _check_activation(scales.activation)
        options["fused_activation_function"] = scales.activation
    operator = Operator(0, op, 2, tuple(inputs), (output,), options, options_table=made.table)
    fed = tuple(t.index for t in tensors.records if not t.is_constant and t.index != output)
    graph = Subgraph(0, "main", tuple(tensors.records), fed, (output,), (operator,))
    try:
        return parse(write([graph], "one operator"), Path("multiplier.tflite"))
    except ModelError as error:
        raise InputError(f"--activation {scales.activation}: leave it out ({error})") from None


def _checked(scales: Scales, op: str | None) -> str:
    """The op that is asked, which has just such scales."""
    if op is None:
        if not scales.filters:
            raise InputError(f"give --filter-scale, or name the --op: {', '.join(sorted(_ASKED))}")
        op = _WEIGHTED
    if op not in _ASKED:
        raise InputError(f"--op {op}: give one of {', '.join(sorted(_ASKED))}")
    known = card(op)
    if known.weighted and not scales.filters:
        raise InputError(f"{op} has weights: give --filter-scale")
    if scales.filters and not known.weighted:
        raise InputError(f"{op} has no weights: leave --filter-scale out")
    count = 1 if known.weighted else len(known.operands)
    if len(scales.inputs) != count:
        raise InputError(
            f"{op} takes {count} --input-scale, and there are {len(scales.inputs)}: give "
            "one for each input"
        )
    if len(scales.zero_points) not in (0, count):
        raise InputError(f"{op}: give {count} --input-zero-point, one for each input, or none")
    return op


class _Tensors:
    """The records of a graph's tensors, as they are added."""

    def __init__(self) -> None:
        self.records: list[Tensor] = []

    def add(
        self,
        shape: Sequence[int],
        dtype: str,
        quantization: Quantization | None,
        raw: memoryview | None = None,
    ) -> int:
        """The index of the new tensor."""
        index, shape = len(self.records), tuple(shape)
        buffer = index + 1 if raw is not None else 0
        self.records.append(
            Tensor(index, f"tensor_{index}", shape, shape, dtype, buffer, quantization, raw=raw)
        )
        return index

    def constant(self, values: Array, quantization: Quantization | None = None) -> int:
        return self.add(values.shape, values.dtype.name, quantization, memoryview(values.tobytes()))


def _bias(tensors: _Tensors, scales: Scales, dtype: str) -> int:
    """Zeros, of the type that converters give them."""
    values = np.zeros(len(scales.filters), "int64" if dtype == "int16" else "int32")
    products = np.array(scales.filters, np.float32) * np.float32(scales.inputs[0])
    return tensors.constant(values, Quantization(products, np.zeros(products.shape, np.int64), 0))


def _quantization(
    named: tuple[str, Sequence[float]], axis: int = 0, zero_point: int = 0
) -> Quantization:
    """Of scales, with the name of the option that they come from."""
    option, scales = named
    found = np.array([as_scale(option, scale) for scale in scales], np.float32)
    return Quantization(found, np.full(found.shape, zero_point, np.int64), axis)


def _check_activation(name: str) -> None:
    if name not in FUSED:
        raise InputError(f"--activation {name}: give one of {', '.join(FUSED)}")


def _check_zero_point(option: str, value: int, dtype: str) -> None:
    ends = np.iinfo(dtype)
    low, high = (0, 0) if dtype == "int16" else (ends.min, ends.max)
    if not low <= value <= high:
        what = "0, which that of int16 is" if dtype == "int16" else f"a number of {low} to {high}"
        raise InputError(f"{option} {value}: give {what}")
