"""Tensors written as devices, simulators and people write them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

Array = np.ndarray[Any, Any]
Writer = Callable[[Path, Mapping[int, Array]], Path]


def npz(folder: Path, arrays: Mapping[int, Array]) -> Path:
    np.savez(folder / "dump.npz", **{str(index): array for index, array in arrays.items()})
    return folder / "dump.npz"


def _folder(folder: Path, arrays: Mapping[int, Array], suffix: str, text: Any) -> Path:
    for index, array in arrays.items():
        content = text(array)
        target = folder / f"tensor_{index}{suffix}"
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def npy(folder: Path, arrays: Mapping[int, Array]) -> Path:
    for index, array in arrays.items():
        np.save(folder / f"{index}.npy", array)
    return folder


def raw(folder: Path, arrays: Mapping[int, Array]) -> Path:
    return _folder(folder, arrays, ".bin", lambda array: array.tobytes())


def csv(folder: Path, arrays: Mapping[int, Array]) -> Path:
    """A line a row, as numpy.savetxt and spreadsheets have it."""

    def rows(array: Array) -> str:
        return "\n".join(
            ",".join(map(str, row)) for row in array.reshape(-1, array.shape[-1]).tolist()
        )

    return _folder(folder, arrays, ".csv", rows)


def hexadecimal(folder: Path, arrays: Mapping[int, Array]) -> Path:
    def words(array: Array) -> str:
        codes = array.reshape(-1).view(f"u{array.itemsize}").tolist()
        return "// written by a bench\n@0\n" + "".join(
            f"{code:0{2 * array.itemsize}x}\n" for code in codes
        )

    return _folder(folder, arrays, ".hex", words)


def header(folder: Path, arrays: Mapping[int, Array]) -> Path:
    texts = [
        f"static const {array.dtype.name}_t tensor_{index}[{array.size}] = {{\n"
        f"  {', '.join(map(str, array.reshape(-1).tolist()))},\n}};\n"
        for index, array in arrays.items()
    ]
    (folder / "dump.h").write_text(
        "#include <stdint.h>\n/* int8_t x[1] = {1}; */\n" + "".join(texts)
    )
    return folder / "dump.h"


def printed(folder: Path, arrays: Mapping[int, Array]) -> Path:
    """What printf leaves on a serial line."""
    texts = ["boot: ok", "I (312) wifi: connected"]
    for index, array in arrays.items():
        values = array.reshape(-1).tolist()
        texts.append(f"I (400) main: tensor_{index}: {' '.join(map(str, values[:10]))}")
        texts += [" ".join(map(str, values[at : at + 10])) for at in range(10, len(values), 10)]
        texts.append("done.")
    (folder / "uart.log").write_text("\r\n".join(texts))
    return folder / "uart.log"


def log_lines(name: str, array: Array, step: int = 32) -> list[str]:
    """As the functions of ``tflreplay dumper`` print it, written anew from the format's rule."""
    content = array.astype(array.dtype.newbyteorder("<")).tobytes()
    per_line = step // array.itemsize
    lines = []
    for start in range(0, max(array.size, 1), per_line):
        part = content[start * array.itemsize : (start + per_line) * array.itemsize]
        text = f"tflreplay:{name}:{array.dtype.name}:{start}/{array.size}:{part.hex()}"
        lines.append(f"{text}:{zlib.crc32(text.encode()):08x}")
    return lines


def dumper(folder: Path, arrays: Mapping[int, Array]) -> Path:
    lines = ["boot"]
    for index, array in arrays.items():
        for line in log_lines(f"tensor_{index}", array):
            lines += [f"[00:00:01.234] {line}", "heap: 1234 free"]
    (folder / "uart.txt").write_text("\n".join(lines))
    return folder / "uart.txt"


_CODES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "int16": 7, "int8": 9}


def debugger(folder: Path, arrays: Mapping[int, Array]) -> Path:
    """What TFLM's layer_by_layer.cc writes: every tensor as an output of subgraph 0."""
    (folder / "debug").write_bytes(debugger_content(arrays))
    return folder / "debug"


def debugger_content(arrays: Mapping[int, Array]) -> bytes:
    builder = flatbuffers.Builder(1024)

    def tensor(index: int, array: Array, layer: int) -> int:
        data = builder.CreateByteVector(array.tobytes())
        shape = builder.CreateNumpyVector(np.array(array.shape, np.int32))
        builder.StartObject(7)
        builder.PrependUint32Slot(0, 2**32 - 1, 0)
        builder.PrependUint32Slot(1, index, 0)
        builder.PrependUOffsetTRelativeSlot(2, shape, 0)
        builder.PrependInt8Slot(3, _CODES[array.dtype.name], 0)
        builder.PrependUOffsetTRelativeSlot(4, data, 0)
        builder.PrependUint32Slot(5, array.nbytes, 0)
        builder.PrependUint32Slot(6, layer, 0)
        return int(builder.EndObject())

    def vector(offsets: list[int]) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    outputs = vector([tensor(i, array, n) for n, (i, array) in enumerate(arrays.items())])
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, outputs, 0)
    builder.PrependUint32Slot(1, 0, 0)
    main = int(builder.EndObject())
    inputs, subgraphs = vector([]), vector([main])
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, inputs, 0)
    builder.PrependUOffsetTRelativeSlot(1, subgraphs, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


WRITERS: tuple[Writer, ...] = (
    npz, npy, raw, csv, hexadecimal, header, printed, dumper, debugger,
)  # fmt: skip
