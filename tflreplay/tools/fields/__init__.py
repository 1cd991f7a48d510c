"""A rule sheet in the field names of somebody's interface, one module an interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tflreplay.tools.fields import cmsis_nn, esp_nn, tflm, tosa
from tflreplay.tools.fields.parameters import Parameters, Struct
from tflreplay.tools.rules import LayerRules

__all__ = ["INTERFACES", "Interface", "LayerFields", "Struct", "fields"]


@dataclass(frozen=True)
class Interface:
    """``header`` declares the structs, empty where there is none in C. ``source`` has the names.

    ``of`` gives the structs of a layer; none where the interface has nothing for such an op.
    """

    title: str
    header: str
    source: str
    of: Callable[[Parameters], list[Struct]]


INTERFACES: Mapping[str, Interface] = MappingProxyType(
    {
        "tflm": Interface("TFLM", "", tflm.SOURCE, tflm.structs),
        "cmsis-nn": Interface("CMSIS-NN", cmsis_nn.HEADER, cmsis_nn.SOURCE, cmsis_nn.structs),
        "esp-nn": Interface("ESP-NN", esp_nn.HEADER, esp_nn.SOURCE, esp_nn.structs),
        "tosa": Interface("TOSA", "", tosa.SOURCE, tosa.structs),
    }
)


@dataclass(frozen=True)
class LayerFields:
    """One op's structs; ``reason`` says why there are none."""

    rules: LayerRules
    structs: tuple[Struct, ...]
    reason: str = ""


def fields(layers: Sequence[LayerRules], interface: str) -> tuple[LayerFields, ...]:
    """Of every layer, in the names of ``interface``, one of :data:`INTERFACES`."""
    return tuple(_of(layer, INTERFACES[interface]) for layer in layers)


def _of(layer: LayerRules, interface: Interface) -> LayerFields:
    if layer.reason:
        return LayerFields(layer, (), layer.reason)
    found = Parameters.of(layer)
    if found is None:
        return LayerFields(layer, (), "no parameters of integer arithmetic")
    structs = interface.of(found)
    if structs:
        return LayerFields(layer, tuple(structs))
    return LayerFields(layer, (), f"no fields of {interface.title} for it")
