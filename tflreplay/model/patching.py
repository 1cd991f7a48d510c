"""Copies of a model file with a few bytes changed, every index staying as it is."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import tflite

from tflreplay.model.flatbuffer import Bytes, tables, text

_MEMORY_PLAN = "OfflineMemoryAllocation"


def truncated(content: bytes, operators: int) -> bytes:
    """A copy of the model file ``content`` whose main subgraph ends after ``operators`` operators.

    Only the length in front of the subgraph's vector of operators is changed, so every index stays
    as it is. ``content`` is a model that :func:`parse` accepts.

    Raises:
        ValueError: the main subgraph has fewer operators than that.
    """
    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    if not 0 <= operators <= graph.OperatorsLength():
        raise ValueError(f"{operators} operators of {graph.OperatorsLength()}")
    if operators == graph.OperatorsLength():
        return content
    # Slot 10 is the field "operators" of the schema's table SubGraph.
    length = graph._tab.Vector(graph._tab.Offset(10)) - 4
    return content[:length] + struct.pack("<I", operators) + content[length + 4 :]


def with_outputs(content: bytes, outputs: Sequence[int]) -> bytes:
    """A copy of the model file whose main subgraph has these tensors as its outputs.

    ``content`` is a model that :func:`parse` accepts, and that has outputs.
    """
    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    # Slot 8 is the field "outputs" of the schema's table SubGraph: an offset from its own place.
    place = graph._tab.Pos + graph._tab.Offset(8)
    patched = bytearray(content + bytes(-len(content) % 4))
    struct.pack_into("<I", patched, place, len(patched) - place)
    return bytes(patched) + struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)


def with_valid_axes(content: bytes) -> tuple[bytes, list[str]]:
    """A copy of the model file in which every quantized axis exists, and the tensors changed.

    Old converters wrote a filter's axis on its bias, which has only one; no arithmetic reads it
    there, but runtimes of 2025 and later refuse the file. ``content`` is a model that
    :func:`parse` accepts.
    """
    patched = bytearray(content)
    changed = []
    model = tflite.Model.GetRootAs(Bytes(content), 0)
    for graph in tables(model, "Subgraphs"):
        for tensor in tables(graph, "Tensors"):
            quantization = tensor.Quantization()
            if quantization is None or tensor.ShapeLength() != 1 or quantization.ScaleLength() < 2:
                continue
            if quantization.QuantizedDimension() != 0:
                # Slot 16 is the field "quantized_dimension" of the table QuantizationParameters.
                place = quantization._tab.Pos + quantization._tab.Offset(16)
                struct.pack_into("<i", patched, place, 0)
                changed.append(text(tensor.Name()))
    return (bytes(patched), changed) if changed else (content, changed)


def without_memory_plan(content: bytes) -> tuple[bytes, bool]:
    """A copy of the model file without TFLM's offline memory plan, and whether there was one.

    The name of the metadata loses its first letter. ``content`` is a model that :func:`parse`
    accepts. ``GetOfflinePlannedOffsets`` in
    ``tensorflow/lite/micro/micro_allocation_info.cc`` looks for it.
    """
    patched = bytearray(content)
    found = False
    for entry in tables(tflite.Model.GetRootAs(Bytes(content), 0), "Metadata"):
        if text(entry.Name()) == _MEMORY_PLAN:
            # Slot 4 is the field "name" of the schema's table Metadata: a string after its length.
            start = entry._tab.Indirect(entry._tab.Pos + entry._tab.Offset(4)) + 4
            patched[start : start + 1] = b"-"
            found = True
    return (bytes(patched), True) if found else (content, False)
