"""Every form of file, as an input and as a dump, whole and damaged."""

from __future__ import annotations

import random
import re
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.runtimes import dump_files
from tests.runtimes.dump_files import WRITERS, Array, Writer, log_lines
from tflreplay.ground.errors import InputError
from tflreplay.model import Model
from tflreplay.runtimes import Capture
from tflreplay.runtimes.formats import read
from tflreplay.runtimes.inputs import Inputs, read_inputs
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.extract import extract
from tflreplay.tools.replay import run

writers = pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)


@writers
def test_a_dump_comes_back_bit_for_bit(
    tmp_path: Path, seven_ops: Model, seven_captured: Capture, write: Writer
) -> None:
    found = load_source(write(tmp_path, seven_captured.tensors), seven_ops)
    assert found.tensors.keys() == seven_captured.tensors.keys()
    for index, array in seven_captured.tensors.items():
        assert found.tensors[index].dtype == array.dtype
        np.testing.assert_array_equal(found.tensors[index], array)
    assert found.missing == {}
    if write is dump_files.printed:
        (told,) = found.problems
        assert told.endswith("23 other lines were skipped")
    else:
        assert found.problems == ()


@writers
def test_an_input_comes_back_bit_for_bit(
    tmp_path: Path, seven_ops: Model, seven_inputs: Inputs, write: Writer
) -> None:
    found = read_inputs(seven_ops, [str(write(tmp_path, seven_inputs.arrays))])
    np.testing.assert_array_equal(found.arrays[0], seven_inputs.arrays[0])


@writers
def test_damage_is_an_error_or_is_told(
    tmp_path: Path, seven_ops: Model, seven_captured: Capture, write: Writer
) -> None:
    """Cut anywhere, or with other bytes: an InputError of one line, or arrays, never else."""
    rng = random.Random(1)
    arrays = {index: seven_captured.tensors[index] for index in (33, 35, 47)}
    path = write(tmp_path, arrays)
    file = path if path.is_file() else next(path.iterdir())
    content = file.read_bytes()
    for _ in range(100):
        data = bytearray(content[: rng.randrange(len(content))])
        if rng.random() < 0.5:
            data = bytearray(content)
            for _ in range(rng.choice([1, 4, 16])):
                data[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(bytes(data))
        try:
            load_source(path, seven_ops)
        except InputError as error:
            assert str(error).startswith(str(path))  # noqa: PT017


@writers
def test_the_wrong_number_of_values(
    tmp_path: Path,
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
    write: Writer,
) -> None:
    short = {47: seven_captured.tensors[47][:, 1:], 0: seven_inputs.arrays[0][:, :, :, 1:]}
    path = write(tmp_path, short)
    for reading in (
        lambda: load_source(path, seven_ops),
        lambda: read_inputs(seven_ops, [str(path)]),
    ):
        with pytest.raises(
            InputError, match=r" not fit tensor \d+ \(.*\), which is int8"
        ) as raised:
            reading()
        assert "\n" not in str(raised.value)


def refused(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as raised:
        read(path)
    text = str(raised.value)
    assert text.startswith(str(path))
    return text.removeprefix(str(path))


def values(path: Path, content: str | bytes) -> list[float]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (found,) = read(path)
    return list(found.values.tolist())


# Text


@pytest.mark.parametrize(
    "text",
    [
        "1,-2,3\n4,5,6\n",
        "1;-2;3;4;5;6",
        "1 -2 3\r\n4 5 6\r\n",
        "[[ 1 -2  3]\n [ 4  5  6]]\n",
        "# a remark\n1,-2,3\n// another\n4,5,6",
        "value\n1\n-2\n3\n4\n5\n6\n",
        "{0x1, -2, 0x03,\n 4, 5, 6}",
    ],
)
def test_numbers_as_people_print_them(tmp_path: Path, text: str) -> None:
    assert values(tmp_path / "x.txt", text) == [1, -2, 3, 4, 5, 6]


def test_named_values_in_a_log(tmp_path: Path) -> None:
    text = "boot\nconv1: 1 2\n3 4\nfree 12 bytes\nI (3) app: fc [1, 2] = [-1,\n -2]\npool,5,6\n"
    (tmp_path / "x.log").write_text(text)
    found = read(tmp_path / "x.log")
    assert {each.name: each.values.tolist() for each in found} == {
        "conv1": [1, 2, 3, 4],
        "fc": [-1, -2],
        "pool": [5, 6],
    }
    assert found[0].notes == ("2 other lines were skipped",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\n2\nthree\n", ": line 3: 'three' is no number"),
        ("[1 2 ... 8 9]", ": line 1: '...' stands for values that were not printed"),
        ("conv: 1 2\n... \n", ": line 2: '...' stands for values that were not printed"),
        ("conv: 1 2\nW (1) heap is low\n3 4\n", ": line 3 holds values under no name"),
        ("nothing\n", ": no numbers are in there"),
        ("", ": the file is empty"),
        ("99999999999999999999", ": holds a number of over 64 bits"),
        ("1 2 a\n3 4 5\n", ": line 1: 'a' is no number"),
    ],
)
def test_text_that_is_not_all_there(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path / "x.txt", text).startswith(said)


# $readmemh


def test_readmemh(tmp_path: Path) -> None:
    text = "// bench\n@0\n7f 80 /* two\nlines */ ff\n@3\n0_1\n"
    assert values(tmp_path / "x.hex", text) == [0x7F, 0x80, 0xFF, 1]
    assert values(tmp_path / "x.mem", "ffffff80\n0000007f\n") == [0xFFFFFF80, 0x7F]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("01\nxx\n", ": line 2: 'xx' has bits that the simulation never drove"),
        ("01\n@ffffffff\n02\n", ": line 2: address @ffffffff follows 1 words"),
        ("01\n0g\n", ": line 2: '0g' is no hex number"),
        (":10010000214601360121470136007EFE09D2190140\n", ": line 1 is Intel HEX"),
        ("11112222333344445\n", ": words of 17 hex digits"),
    ],
)
def test_readmemh_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path / "x.hex", text).startswith(said)


# C


def test_c_sources(tmp_path: Path) -> None:
    (tmp_path / "x.cc").write_text(
        """
#include "model.h" // int8_t wrong[] = {9};
#define DATA {1, 2}
alignas(16) const unsigned char g_model[] DATA_ALIGN_ATTRIBUTE = {0x1c, 0x00, 255u,};
int8_t wrapped[2] = {0x80, -128};
static const float reals[2][2] = {{1.5f, -2.f}, {NAN, 3e-2}};
__attribute__((aligned(4))) short s[N] = {(int16_t)-3, (4), 010};
q7_t q[3]={1,2,3}; const char *text = "int x[] = {1};";
unsigned int g_model_len = 3;
"""
    )
    found = {each.name: each.values for each in read(tmp_path / "x.cc")}
    assert found["g_model"].dtype == np.uint8
    assert found["g_model"].tolist() == [0x1C, 0, 255]
    assert found["wrapped"].tolist() == [-128, -128]
    assert found["reals"].shape == (2, 2)
    np.testing.assert_array_equal(found["reals"], np.float32([[1.5, -2], [np.nan, 0.03]]))
    assert (found["s"].dtype, found["s"].tolist()) == (np.int16, [-3, 4, 8])
    assert found["q"].tolist() == [1, 2, 3]
    assert found.keys() == {"g_model", "wrapped", "reals", "s", "q"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int8_t x[4] = {1, 2, 3};", ": line 1: x is declared with 4 elements and holds 3"),
        ("int8_t x[4000000000] = {0};", ": line 1: x is declared with 4000000000 elements"),
        ("\nint8_t x[] = {1, 2,", ": line 2: x has no end: the file is cut short"),
        ("int8_t x[] = {1, FOO};", ": line 1: element 1 of x, 'FOO', is no number"),
        ("int8_t x[] = {1, 300};", ": line 1: 300 in x is no int8_t"),
        ("int8_t x[] = {1.5};", ": line 1: x is int8_t and holds fractions"),
        ("void f(void);", ": no array of values is in there"),
    ],
)
def test_c_that_is_not_all_there(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path / "x.h", text).startswith(said)


# Logs of our dumper

CODES = np.arange(-50, 50, dtype=np.int8)


def test_lines_between_those_of_a_log_do_not_matter(tmp_path: Path) -> None:
    lines = [
        line for line in log_lines("op2", CODES) for line in ("noise 1 2 3", f"12:00 {line}\r")
    ]
    lines[0] = "\udcff garbled"
    (tmp_path / "x.log").write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    (found,) = read(tmp_path / "x.log")
    assert found.name == "op2"
    np.testing.assert_array_equal(found.values, CODES)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int32", "int64", "float32"])
def test_types_of_a_log(tmp_path: Path, dtype: str) -> None:
    array = np.random.default_rng(0).integers(0, 2**31, 100).astype(dtype)
    (tmp_path / "x.log").write_text("\n".join(log_lines("a", array)))
    (found,) = read(tmp_path / "x.log")
    assert found.values.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found.values, array)


def _change(lines: list[str]) -> list[str]:
    return [lines[0].replace(":ce", ":cf"), *lines[1:]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_change, ": line 1, of 'op2', is damaged: its checksum"),
        (lambda lines: [lines[0][:70] + "E (3) oops" + lines[0][70:], *lines[1:]], "is damaged"),
        (
            lambda lines: [lines[0], *lines[2:]],
            ": line 2 has values of 'op2' from 64 on",
        ),
        (lambda lines: lines[:-1], "'op2', from line 1 on, has 96 of 100 values: the log is cut"),
        (lambda lines: [*lines[:-1], lines[-1][:-3]], ": line 4, of 'op2', is damaged"),
        (lambda lines: lines[1:], ": line 1 has values of 'op2' from 32 on, and there are 0"),
        (lambda lines: [*lines, lines[1]], ": line 5 has values of 'op2' from 32 on"),
    ],
)
def test_a_log_that_lost_something(
    tmp_path: Path, change: Callable[[list[str]], list[str]], said: str
) -> None:
    assert said in refused(tmp_path / "x.log", "\n".join(change(log_lines("op2", CODES))))


def test_a_log_does_not_allocate_what_it_claims(tmp_path: Path) -> None:
    huge = [re.sub(r"/100:", "/100000000000:", line) for line in log_lines("a", CODES)]
    assert "damaged" in refused(tmp_path / "x.log", "\n".join(huge))


# numpy, raw binary, TFLM's debugger


def test_arrays_that_claim_to_be_larger_than_their_file(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000,), }\n"
    start = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
    tracemalloc.start()
    try:
        assert "damaged, or not a numpy file" in refused(tmp_path / "x.npy", start + bytes(64))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_raw_bytes_of_the_wrong_number(tmp_path: Path, seven_ops: Model) -> None:
    (tmp_path / "op19.bin").write_bytes(bytes(9))
    with pytest.raises(InputError, match=r"9 bytes do not fit tensor 47 \(Identity\), "):
        load_source(tmp_path / "op19.bin", seven_ops)
    (tmp_path / "x.raw").write_bytes(bytes(9))
    with pytest.raises(InputError, match=r"9 bytes do not fit tensor 0 .*6912 bytes$"):
        read_inputs(seven_ops, [str(tmp_path / "x.raw")])


def test_debugger_files(tmp_path: Path) -> None:
    arrays: dict[int, Array] = {
        3: np.arange(6, dtype=np.int16).reshape(1, 2, 3),
        7: np.float32([[1, np.nan]]),
    }
    found = read(dump_files.debugger(tmp_path, arrays))
    assert [each.name for each in found] == ["tensor_3", "tensor_7"]
    for each, array in zip(found, arrays.values(), strict=True):
        assert each.values.dtype == array.dtype
        np.testing.assert_array_equal(each.values, array)


def test_a_file_that_tflm_wrote(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    """layer_by_layer.cc of tflite-micro 90b983c2, on the model that `extract --layer 19` writes."""
    path = Path(__file__).with_name("tflm_layer_by_layer.bin")
    kit = extract(seven_ops, seven_inputs, 19, captured=seven_captured)
    inputs = read_inputs(kit.model, [str(path)])
    found = load_source(path, kit.model, inputs.arrays)
    assert found.problems == ()
    result = run(kit.model, inputs, replay_as="tflm", against=found)
    assert result.verdict == "exact"
    assert result.elements == 10


@pytest.mark.parametrize("cut", [20, 40, 60, 100])
def test_debugger_files_cut_short(tmp_path: Path, cut: int) -> None:
    content = dump_files.debugger_content({3: CODES, 4: CODES})
    said = refused(tmp_path / "x", content[:-cut])
    assert said.startswith(": a file of TFLM's layer-by-layer debugger, damaged or cut short")


def test_folders_tell_what_they_did_not_read(
    tmp_path: Path, seven_ops: Model, seven_captured: Capture
) -> None:
    dump_files.raw(tmp_path, {47: seven_captured.tensors[47]})
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "dump.h").write_text("void dump(void);")
    found = load_source(tmp_path, seven_ops)
    assert found.tensors.keys() == {47}
    assert found.problems == ("not read: README.md and dump.h, which hold no tensors",)
