"""A model inside a C array, as firmware has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_replay import run
from tests.conftest import SEVEN_OPS
from tflreplay.ground.errors import ModelError
from tflreplay.model import load


def xxd(content: bytes) -> str:
    """As ``xxd -i`` prints it."""
    rows = [content[at : at + 12] for at in range(0, len(content), 12)]
    lines = ",\n".join("  " + ", ".join(f"0x{byte:02x}" for byte in row) for row in rows)
    return (
        f"unsigned char model_tflite[] = {{\n{lines}\n}};\n"
        f"unsigned int model_tflite_len = {len(content)};\n"
    )


def model_data(content: bytes) -> str:
    """As TFLM's generate_cc_arrays.py and its examples have it."""
    values = ",".join(f"0x{byte:x}" for byte in content)
    return (
        '// Generated.\n#include <cstdint>\n#include "model_data.h"\n'
        f"alignas(16) const unsigned char g_model[] DATA_ALIGN_ATTRIBUTE = {{{values},}};\n"
        "const int8_t g_other[3] = {1, 2, 3};\n"
        f"const unsigned int g_model_size = {len(content)};\n"
    )


def signed(content: bytes) -> str:
    values = ", ".join(str(byte - 256 if byte > 127 else byte) for byte in content)
    return f"static const int8_t model[{len(content)}] __attribute__((aligned(4))) = {{{values}}};"


@pytest.mark.parametrize("suffix", [".cc", ".h", ".c", ".cpp"])
@pytest.mark.parametrize("write", [xxd, model_data, signed])
def test_a_model_in_c(tmp_path: Path, write: Callable[[bytes], str], suffix: str) -> None:
    content = SEVEN_OPS.read_bytes()
    path = tmp_path / f"model_data{suffix}"
    path.write_text(write(content))
    found = load(path)
    assert found.content == content
    assert found.sha256 == load(SEVEN_OPS).sha256
    assert found.path == path


def test_a_tflite_file_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "model.h").write_bytes(SEVEN_OPS.read_bytes())
    assert load(tmp_path / "model.h").content == SEVEN_OPS.read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "line 1: model_tflite has no end: the file is cut"),
        (lambda text: text[: len(text) // 2].rpartition(",")[0] + "};", "cut short"),
        (lambda text: text.replace("0x54", "0x55", 1), "and 0 of these do: model_tflite; give"),
        (lambda text: text.replace("[]", "[99]"), "is declared with 99 elements and holds"),
        (lambda text: text + text.replace("model_", "two_"), "2 of these do: model_tflite, two_"),
        (lambda text: "int main(void);", "and 0 of these do: there are none; give a .tflite file"),
    ],
)
def test_c_that_holds_no_model(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    path = tmp_path / "model.cc"
    path.write_text(change(xxd(SEVEN_OPS.read_bytes())))
    with pytest.raises(ModelError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)


def test_it_is_replayed(tmp_path: Path) -> None:
    (tmp_path / "model_data.cc").write_text(xxd(SEVEN_OPS.read_bytes()))
    done = run("model_data.cc", "--out", "report", cwd=tmp_path)
    assert "EXACT: 20 of 20 layers" in done.stdout
