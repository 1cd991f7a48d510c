"""Kernels that can take their process along: in C, and in Python that loads C.

Each failure gives one line, and exit code 2.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SEVEN_OPS
from tests.single_op import Spec, build
from tflreplay.ground.errors import KernelError
from tflreplay.model import Model, parse
from tflreplay.ops.base.session import Session
from tflreplay.replayer.loop import replay, replay_isolated
from tflreplay.replayer.user_kernels import c_interface, compiler, load_kernels, rows
from tflreplay.runtimes import Capture

HAS_COMPILER = any(map(shutil.which, ("cc", "gcc", "clang")))
pytestmark = pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler is on the PATH")
needs_sanitizers = pytest.mark.skipif(
    not HAS_COMPILER or sys.platform != "linux", reason="sanitizers are loaded on Linux only"
)

MUL = '#include "tflreplay_kernel.h"\nTFLREPLAY_KERNEL(MUL) {\n'
PAST_THE_END = f"""{MUL}  int8_t *y = call->output[0].data;
  for (int i = 0; i <= call->output[0].size; i++)
    y[i] = 0;
  return 0;
}}
"""
PYTHON = 'import ctypes, os, tflreplay\n@tflreplay.kernel("MUL")\ndef mul(call, a, b):\n'


def port(directory: Path, text: str, name: str = "port.c") -> Path:
    path = directory / name
    path.write_text(text)
    return path


def line_of(directory: Path, name: str, *options: str) -> str:
    """The one line that a failing run prints."""
    done = subprocess.run(
        [sys.executable, "-m", "tflreplay", str(SEVEN_OPS), "--kernel", name, *options],
        cwd=directory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert not (directory / "reports").exists()
    (line,) = done.stderr.splitlines()
    return line.removeprefix("tflreplay: error: ")


@pytest.mark.parametrize(
    ("name", "text", "options", "line"),
    [
        (
            "port.c",
            f"{MUL}  volatile int *p = 0;\n  return *p ? 0 : 0;\n}}\n",
            (),
            "port.c: MUL, at op 1, died of SIGSEGV; --sanitize says where",
        ),
        (
            "port.c",
            f"{MUL}  volatile int on = 1;\n  while (on) {{}}\n  return 0;\n}}\n",
            ("--time-limit", "1"),
            "port.c: MUL, at op 1, took longer than 1 s; see --time-limit",
        ),
        (
            "port.c",
            PAST_THE_END,
            (),
            r"port.c: MUL, at op 1, writes past the end of tensor 29 \(.*\); --sanitize says where",
        ),
        (
            "port.c",
            f"{MUL}  ((int8_t *)call->input[0].data)[-1] = 0;\n  return 0;\n}}\n",
            (),
            r"port.c: MUL, at op 1, writes before the start of tensor 28 .*",
        ),
        (
            "port.c",
            f"{MUL}  return call->outptu ? 0 : 0;\n}}\n",
            (),
            "port.c, line 3: .*has no member named.*outptu.*",
        ),
        ("port.c", "int x;\n", (), "port.c: no kernels in it; write TFLREPLAY_KERNEL.*"),
        (
            "port.c",
            f"extern int absent(void);\n{MUL}  return absent() ? 0 : 0;\n}}\n",
            (),
            "port.c: cannot be loaded: undefined symbol: absent",
        ),
        (
            "port.c",
            MUL.replace("MUL", "CONV2D") + "  return 0;\n}\n",
            (),
            "port.c: CONV2D: there is no op called 'CONV2D'; .* has ADD, CONV_2D, .*",
        ),
        ("port.so", "not a library", (), "port.so: cannot be loaded: .*"),
        (
            "port.py",
            f"{PYTHON}    return ctypes.string_at(0)\n",
            (),
            "port.py, line 4: mul, at op 1, died of SIGSEGV",
        ),
        (
            "port.py",
            f"{PYTHON}    while True:\n        pass\n",
            ("--time-limit", "1"),
            "port.py, line [45]: mul, at op 1, took longer than 1 s; see --time-limit",
        ),
        (
            "port.py",
            f"{PYTHON}    os._exit(3)\n",
            (),
            r"port.py: mul, at op 1, ended the process \(exit code 3\)",
        ),
        (
            "port.py",
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
            (),
            "port.py: loading it died of SIGKILL",
        ),
        ("port.py", PYTHON, ("--sanitize",), "port.py: --sanitize is for kernels in C, .*"),
    ],
)
def test_a_failure_is_one_line(
    tmp_path: Path, name: str, text: str, options: tuple[str, ...], line: str
) -> None:
    port(tmp_path, text, name)
    told = line_of(tmp_path, name, *options)
    assert re.fullmatch(line, told), told


@needs_sanitizers
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (PAST_THE_END, r"port.c, line 5: MUL, at op 1, writes 1 byte past the end of tensor 29 .*"),
        (
            f"{MUL}  const int16_t *x = call->input[0].data;\n"
            '  return x[call->input[0].size / 2] == 7 ? "7" : 0;\n}\n',
            r"port.c, line 4: MUL, at op 1, reads 2 bytes past the end of tensor 28 .*",
        ),
        (
            f"{MUL}  int32_t most = INT32_MAX;\n  most += call->input[0].rank;\n"
            '  return most ? 0 : "";\n}\n',
            r"port.c, line 4: MUL, at op 1, is undefined here: signed integer overflow: .*",
        ),
    ],
)
def test_sanitizers_say_where(tmp_path: Path, text: str, line: str) -> None:
    port(tmp_path, text)
    told = line_of(tmp_path, "port.c", "--sanitize")
    assert re.fullmatch(line, told), told


@needs_sanitizers
def test_what_a_sanitized_kernel_prints_is_passed_on(
    tmp_path: Path, seven_ops: Model, seven_captured: Capture, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        MUL.replace("\n", "\n#include <stdio.h>\n", 1) + '  printf("here\\n");\n  return "no";\n}\n'
    )
    kernels = load_kernels(port(tmp_path, text), sanitize=True)
    result = replay_isolated(seven_ops, seven_captured.tensors, kernels=rows(kernels, seven_ops))
    assert capsys.readouterr() == ("", "here\n" * 3)
    assert result.not_replayed == dict.fromkeys((1, 7, 8), "port.c: MUL: no")


def test_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = port(tmp_path, PAST_THE_END)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        KernelError, match=r"tried cc, gcc, clang\); install gcc or clang, or set CC"
    ):
        load_kernels(path)
    monkeypatch.setenv("CC", "absent-cc -m32")
    with pytest.raises(KernelError, match="CC names absent-cc, which is not on the PATH"):
        load_kernels(path)


def test_flags_are_heeded_and_a_library_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = port(tmp_path, MUL + "  return WORDS;\n}\n")
    with pytest.raises(KernelError, match=r"port.c, line 3: .*WORDS"):
        load_kernels(path)
    monkeypatch.setenv("CFLAGS", """-DWORDS='"of a flag"'""")
    assert list(load_kernels(path)) == ["MUL"]
    assert list(load_kernels(compiler.compiled(path, tmp_path))) == ["MUL"]
    assert sorted(found.name for found in tmp_path.iterdir()) == ["port.c", "port.so"]


def test_a_library_of_another_version_is_refused(tmp_path: Path) -> None:
    text = MUL.replace("TFLREPLAY_KERNEL(MUL)", "int tflreplay0_MUL(void)") + "  return 0;\n}\n"
    with pytest.raises(KernelError, match=r"tflreplay_kernel\.h of another version"):
        load_kernels(port(tmp_path, text))


def test_the_structs_are_those_of_the_header(tmp_path: Path) -> None:
    """Every field lies where the compiler puts it, and is as large."""
    structs = {
        "tflreplay_tensor": c_interface.CTensor,
        "tflreplay_option": c_interface.COption,
        "tflreplay_call": c_interface.CCall,
    }
    pairs = [(name, field[0]) for name, struct in structs.items() for field in struct._fields_]
    places = ", ".join(f"offsetof({s}, {f}), sizeof((({s} *)0)->{f})" for s, f in pairs)
    text = f'#include <stddef.h>\n#include "tflreplay_kernel.h"\nsize_t places[] = {{{places}}};\n'
    library = ctypes.CDLL(str(compiler.compiled(port(tmp_path, text), tmp_path)))
    found = iter((ctypes.c_size_t * (2 * len(pairs))).in_dll(library, "places"))
    for name, field in pairs:
        ours = getattr(structs[name], field)
        assert (ours.offset, ours.size) == (next(found), next(found)), (name, field)
    header = compiler.HEADER.read_text()
    for name, struct in structs.items():
        body = header.split("typedef struct {")[1 + list(structs).index(name)].split("}")[0]
        declared = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
        fields = re.findall(r"(\w+)\s*[,;]", declared)
        assert [field[0] for field in struct._fields_] == fields, name


def test_an_interrupt_ends_both_processes(tmp_path: Path) -> None:
    text = f"{PYTHON}    print(os.getpid(), file=open('running', 'w'), flush=True)\n"
    port(tmp_path, f"{text}    while True:\n        pass\n", "port.py")
    program = (
        "import signal\nfrom tflreplay.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in a background job
        "main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(SEVEN_OPS), "--kernel", "port.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        running = tmp_path / "running"
        while not (running.exists() and running.read_text()):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        printed = process.communicate()
    assert printed == ("", "tflreplay: interrupted\n")
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(running.read_text()), 0)


COUNTING = """#include "tflreplay_kernel.h"
TFLREPLAY_KERNEL(SVDF) {
  const tflreplay_tensor *bias = &call->input[3];
  if (bias->data || bias->size) return "there is no bias";
  int8_t *state = call->input[4].data;
  memset(call->output->data, ++state[0], (size_t)call->output->size);
  return 0;
}
"""
COUNTING_IN_PYTHON = """import numpy as np
import tflreplay
@tflreplay.kernel("SVDF")
def svdf(call, x, feature, time, bias, state):
    state.flat[0] += 1
    call.keep(4, state)
    return np.full(call.output.shape, state.flat[0])
"""


@pytest.mark.parametrize(("name", "text"), [("port.c", COUNTING), ("port.py", COUNTING_IN_PYTHON)])
def test_a_variable_is_kept(tmp_path: Path, name: str, text: str) -> None:
    codes = [Spec(shape, "int8", 0.1, data=np.zeros(shape, np.int8)) for shape in ((4, 3), (4, 2))]
    state = Spec((1, 8), "int8", 0.1, -7, variable=True)
    content = build(
        "SVDF", [Spec((1, 3), "int8", 0.1), *codes, None, state], [Spec((1, 2), "int8", 1.0)]
    )
    model, session = parse(content, Path("svdf.tflite")), Session()
    kernels = rows(load_kernels(port(tmp_path, text, name)), model)
    x = {model.main.inputs[0]: np.zeros((1, 3), np.int8)}
    for expected in (-6, -5, -4):
        result = replay(model, x, kernels=kernels, session=session)
        assert not result.not_replayed, result.not_replayed
        assert (result.tensors[model.main.outputs[0]] == expected).all()


def test_the_header_compiles_as_cpp_too(tmp_path: Path) -> None:
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler is on the PATH")
    path = port(
        tmp_path, MUL + '  return tflreplay_option_of(call, "x") > 0 ? "" : 0;\n}\n', "port.cc"
    )
    flags = ["-Wall", "-Wextra", "-Werror", "-std=c++11", "-shared", "-fPIC"]
    include = f"-I{compiler.HEADER.parent}"
    library = tmp_path / "port.so"
    subprocess.run(["c++", *flags, include, str(path), "-o", str(library)], check=True)
    assert list(load_kernels(library)) == ["MUL"]
