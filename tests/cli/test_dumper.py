"""``tflreplay dumper``, and docs/device.md from firmware to verdict."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.cases.common import Shown, run_shown
from tests.cli.test_replay import one_line_error, run
from tests.conftest import MODELS, SEVEN_OPS
from tests.runtimes.dump_files import log_lines
from tflreplay.model import Model
from tflreplay.reports import dumper
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs, read_inputs
from tflreplay.runtimes.saved import load_source

PAGE = MODELS.parent / "docs" / "device.md"
GCC, GXX = shutil.which("gcc"), shutil.which("g++")
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")

needs_gcc = pytest.mark.skipif(not GCC, reason="no gcc")


def compiled(compiler: str | None, folder: Path, source: str, *options: str) -> str:
    """What the compiled program prints."""
    assert compiler
    command = [compiler, *options, "-I", str(folder), source, "-o", "program"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return subprocess.run(
        [folder / "program"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@needs_gcc
def test_every_tensor_is_printed_and_read(
    tmp_path: Path, seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    """A firmware that has the captured tensors in flash."""
    run("dumper", SEVEN_OPS, cwd=tmp_path)
    tensors = seven_captured.tensors
    lines = ['#include "tflreplay_dump.h"']
    for index, array in tensors.items():
        values = ",".join(map(str, array.ravel().tolist()))
        lines.append(f"static const int8_t t{index}[] = {{{values}}};")
    calls = "".join(f'tflreplay_dump_{index}(t{index}); puts("tick");' for index in tensors)
    (tmp_path / "firmware.c").write_text("\n".join([*lines, f"int main(void) {{{calls}}}"]))
    log = tmp_path / "uart.log"
    log.write_text(compiled(GCC, tmp_path, "firmware.c", "-std=c99", *STRICT))
    inputs = read_inputs(seven_ops, [str(log)])
    np.testing.assert_array_equal(inputs.arrays[0], seven_inputs.arrays[0])
    found = load_source(log, seven_ops, inputs.arrays)
    assert found.problems == ()
    assert found.tensors.keys() == tensors.keys()
    for index, array in tensors.items():
        np.testing.assert_array_equal(found.tensors[index], array)
        assert "\n".join(log_lines(f"tensor_{index}", array)) + "\n" in log.read_text()


TYPES = """
#include "tflreplay_dump.h"
int main(void) {
  static const int16_t words[] = {-2, 258, 32767};
  static const float reals[] = {1.5f, -0.0f, 3e-38f};
  static const int64_t wide[] = {-1, 1099511627776};
  tflreplay_dump("words", "int16", words, 2, 3);
  tflreplay_dump("reals", "float32", reals, 4, 3);
  tflreplay_dump("wide", "int64", wide, 8, 2);
  tflreplay_dump("none", "int8", words, 1, 0);
  return 0;
}
"""


@pytest.mark.parametrize(
    ("compiler", "name", "standard"),
    [(GCC, "types.c", "-std=c99"), (GXX, "types.cc", "-std=c++11")],
)
def test_types(tmp_path: Path, compiler: str | None, name: str, standard: str) -> None:
    if not compiler:
        pytest.skip("no compiler")
    run("dumper", SEVEN_OPS, cwd=tmp_path)
    (tmp_path / name).write_text(TYPES)
    printed = compiled(compiler, tmp_path, name, standard, *STRICT)
    arrays = {
        "words": np.int16([-2, 258, 32767]),
        "reals": np.float32([1.5, -0.0, 3e-38]),
        "wide": np.int64([-1, 2**40]),
        "none": np.int8([]),
    }
    wanted = [line for name, array in arrays.items() for line in log_lines(name, array)]
    assert printed.splitlines() == wanted


# What TFLM has of these, as its headers of 2025 declare it.
MICRO = {
    "micro_profiler_interface.h": """
#include <cstdint>
namespace tflite {
class MicroProfilerInterface {
 public:
  virtual ~MicroProfilerInterface() {}
  virtual uint32_t BeginEvent(const char *tag) = 0;
  virtual void EndEvent(uint32_t event_handle) = 0;
};
}
""",
    "micro_interpreter.h": """
struct TfLiteEvalTensor { union { void *data; } data; };
struct TfLiteContext {
  TfLiteEvalTensor *(*GetEvalTensor)(const TfLiteContext *context, int tensor_idx);
};
namespace tflite {
class MicroInterpreter {
 public:
  explicit MicroInterpreter(TfLiteEvalTensor *(*get)(const TfLiteContext *, int))
      : context_{get} {}
 protected:
  const TfLiteContext &context() const { return context_; }
 private:
  TfLiteContext context_;
};
}
""",
}
INVOKED = """
#include <cstring>
#include "tflreplay_tflm.h"
static int8_t arena[20000];  // every tensor is in the same memory, as in an arena
static TfLiteEvalTensor tensor = {{arena}};
static TfLiteEvalTensor *get(const TfLiteContext *, int) { return &tensor; }
int main() {
  TflreplayInterpreter interpreter(get);
  TflreplayHook hook;
  hook.EndEvent(hook.BeginEvent("before"));
  hook.Start(&interpreter);
  for (int op = 0; op < 20; ++op) {
    uint32_t event = hook.BeginEvent("op");
    std::memset(arena, op + 1, sizeof arena);
    hook.EndEvent(hook.BeginEvent("within"));
    hook.EndEvent(event);
  }
}
"""


@pytest.mark.skipif(not GXX, reason="no g++")
def test_the_hook_of_tflm(tmp_path: Path, seven_ops: Model) -> None:
    """Each op's output is printed when it ends, from memory that the next op uses again."""
    run("dumper", SEVEN_OPS, cwd=tmp_path)
    folder = tmp_path / "tensorflow" / "lite" / "micro"
    folder.mkdir(parents=True)
    for name, text in MICRO.items():
        (folder / name).write_text(f"#pragma once\n{text}")
    (tmp_path / "app.cc").write_text(INVOKED)
    (tmp_path / "uart.log").write_text(
        compiled(GXX, tmp_path, "app.cc", "-std=c++11", "-Wall", "-Wextra", "-Werror")
    )
    found = load_source(tmp_path / "uart.log", seven_ops)
    assert (found.tensors[seven_ops.main.inputs[0]] == 0).all()
    for op in seven_ops.main.operators:
        assert (found.tensors[op.outputs[0]] == op.index + 1).all()
    assert len(found.tensors) == 21


def test_a_name_cannot_end_a_comment(seven_ops: Model) -> None:
    from dataclasses import replace

    tensors = list(seven_ops.main.tensors)
    tensors[30] = replace(tensors[30], name="*/ int x; /*\n")
    graph = replace(seven_ops.main, tensors=tuple(tensors))
    text = dumper.render(replace(seven_ops, subgraphs=(graph,)))["tflreplay_dump.h"]
    assert "called * / int x; / *" in text


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "tflreplay_tflm.h").write_text("mine")
    done = run("dumper", SEVEN_OPS, cwd=tmp_path, code=2)
    assert "tflreplay_tflm.h: already there" in one_line_error(done)
    assert [path.name for path in tmp_path.iterdir()] == ["tflreplay_tflm.h"]
    run("dumper", SEVEN_OPS, "--force", cwd=tmp_path)
    assert "TflreplayHook" in (tmp_path / "tflreplay_tflm.h").read_text()


@needs_gcc
def test_the_page_from_firmware_to_verdict(tmp_path: Path) -> None:
    """docs/device.md: every command prints what is shown."""
    text = PAGE.read_text(encoding="utf-8")
    (setup, verdict, exact) = re.findall(r"```console\n(.*?)```", text, re.S)
    build = re.search(r"```\n(gcc .*?)```", text, re.S)
    assert build

    def shown(block: str) -> None:
        for part in block.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            example = Shown("device", 0, command, output)
            if "--against" in command:
                code = 1 if "--out report" in command else 0
                printed = run(*command.split()[1:], cwd=tmp_path, code=code).stdout
            else:
                printed = run_shown(command, tmp_path)
            assert example.matches(printed), printed

    def firmware(source: str) -> None:
        (tmp_path / "firmware.c").write_text(source)
        subprocess.run(["sh", "-ec", build[1]], cwd=tmp_path, check=True)

    source = text.split("<!-- firmware.c -->\n```c\n")[1].split("```")[0]
    fixed = text.split("<!-- requantize -->\n```c\n")[1].split("```")[0]
    shown(setup)
    firmware(source)
    shown(verdict)
    firmware(re.sub(r"static int32_t requantize.*?\n}\n", lambda _: fixed, source, flags=re.S))
    shown(exact)


@needs_gcc
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:-5], "values: the log is cut short; log again to its end"),
        (lambda lines: lines[:40] + lines[41:], "lines are lost; log again, slower"),
        (lambda lines: [line.replace(":7f", ":7e") for line in lines], "is damaged: its checksum"),
    ],
)
@pytest.mark.parametrize("option", ["--input", "--against"])
def test_a_log_that_lost_something(
    tmp_path: Path, seven_captured: Capture, option: str, change: object, said: str
) -> None:
    lines = [
        line for index, array in seven_captured.tensors.items()
        for line in log_lines(f"tensor_{index}", array)
    ]  # fmt: skip
    assert callable(change)
    (tmp_path / "uart.log").write_text("\n".join(change(lines)))
    done = run(SEVEN_OPS, option, "uart.log", "--out", "report", cwd=tmp_path, code=2)
    assert said in one_line_error(done)
    assert not (tmp_path / "report").exists()


def test_the_page_names_every_layout() -> None:
    from tflreplay.runtimes.layouts import LAYOUTS

    text = PAGE.read_text(encoding="utf-8")
    assert [layout for layout in LAYOUTS[1:] if f"`{layout}`" not in text] == []
