"""The C header: every tensor and parameter of the layer, for CMSIS-NN or a firmware test bench."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tflreplay import __version__
from tflreplay.model import Tensor
from tflreplay.reports import c_source
from tflreplay.reports.extract.text import against, environment, formula, rescaled
from tflreplay.reports.extract.vectors import Vector, literals, parameters, tensors, vector
from tflreplay.tools.extract import PortKit


def render(kit: PortKit, layer: Mapping[str, Any]) -> str:
    """The header's text; ``layer`` as in :mod:`tflreplay.reports.rules.sheet`."""
    found = layer["requantization"]
    real = [] if found is None else [vector("real_multiplier", _reals(found), "float64")]
    return (
        environment()
        .get_template("port_kit.h.j2")
        .render(
            kit=kit,
            layer=layer,
            prefix=f"op{kit.op.index}",
            against=against(kit),
            version=__version__,
            options=list(_options(layer["options"])),
            tensors=[(tensor, [values, *_scales(tensor)]) for tensor, values in tensors(kit)],
            parameters=[*parameters(layer), *real],
            formula=formula(layer),
            clamp=kit.rules.clamp,
            rescales=list(zip(rescaled(layer), layer["rescales"], strict=True)),
            c_array=c_source.array,
            c_define=c_source.define,
            literal=lambda value: literals(np.atleast_1d(value))[0],
        )
    )


def _reals(requantization: Mapping[str, Any]) -> Any:
    return np.array(requantization["real_multiplier"], np.float64)


def _scales(tensor: Tensor) -> Iterator[Vector]:
    """Those of a tensor that has several."""
    found = tensor.quantization
    if found is not None and found.per_axis:
        yield vector(f"{tensor.name}_scale", found.scale, "float32")
        yield vector(f"{tensor.name}_zero_point", found.zero_point.astype(np.int32), "int32")


def _options(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values of macros. An enum is one that says which: ``PADDING_SAME``, 1."""
    for name, value in options.items():
        if isinstance(value, str):
            if re.fullmatch(r"\w+", value, re.ASCII):
                yield f"{name}_{value}", "1"
        elif isinstance(value, tuple):
            for position, item in enumerate(value):
                yield from _options({f"{name}_{position}": item})
        elif isinstance(value, float):
            yield name, f"({literals(np.array([value], np.float32))[0]})"
        else:
            yield name, f"({int(value)})"
