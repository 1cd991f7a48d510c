"""``tflreplay probe --kit`` and ``--results``: a device asked by way of files."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.cases.common import Shown
from tests.cli.test_dumper import GXX, MICRO, compiled
from tests.cli.test_replay import one_line_error, run
from tests.conftest import MODELS, SEVEN_OPS
from tests.single_op import RESOLVERS
from tflreplay.ground.c_arrays import arrays
from tflreplay.reports import kit as report
from tflreplay.runtimes.profiles import read_profile
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.probe import TYPES, kit

ARENA = 128 * 1024
PAGE = MODELS.parent / "docs" / "profile.md"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit") / "kit"
    done = run("probe", "--kit", folder, cwd=folder.parent)
    assert done.stdout == f"kit: {folder} ({len(kit())} pieces; README.md says how to run them)\n"
    return folder


def run_on_device(files: Path, results: Path, resolver: OpResolverType) -> None:
    """What a person does who follows the README, with the files of the kit alone."""
    for piece in sorted(entry for entry in files.iterdir() if entry.is_dir()):
        model = str(piece / f"{piece.name}.tflite")
        device = Interpreter(model, experimental_op_resolver_type=resolver)
        device.allocate_tensors()
        for tensor in device.get_input_details():
            device.set_tensor(tensor["index"], np.load(piece / f"{tensor['name']}.npy"))
        device.invoke()
        (results / piece.name).mkdir(parents=True)
        for tensor in device.get_output_details():
            codes = device.get_tensor(tensor["index"])
            codes.tofile(results / piece.name / f"{tensor['name']}.bin")


def test_a_device_is_asked_by_files(files: Path, tmp_path: Path) -> None:
    run_on_device(files, tmp_path / "results", RESOLVERS["optimized"])
    shutil.rmtree(tmp_path / "results" / "tanh_1")
    done = run("probe", "--results", "results", "-o", "my_npu.toml", cwd=tmp_path)
    text = " ".join(done.stdout.split())
    assert "note:" not in text
    assert "TANH: Not probed: tanh_1 is not in results." in text
    assert "As the optimized kernels of LiteRT 2.3.0, " in text
    assert "every output of 23 kinds of op is the same" in text
    assert done.stdout.endswith("profile: my_npu.toml\n")
    profile = "my_npu.toml"
    done = run(SEVEN_OPS, "--engine", "optimized", "--replay-as", profile, cwd=tmp_path)
    assert "EXACT: 20 of 20 layers" in done.stdout
    assert "replayed as my_npu.toml" in done.stdout
    sources = f"optimized,replay:{profile}"
    done = run("compare", SEVEN_OPS, "--sources", sources, cwd=tmp_path)
    assert f"optimized=replay:{profile}" in done.stdout or "ALIKE" in done.stdout.upper()
    done = run("rules", SEVEN_OPS, "--engine", profile, cwd=tmp_path)
    assert "double-up" in done.stdout
    done = run("rules", "--engine", profile, cwd=tmp_path)
    assert done.stdout.startswith("my_npu.toml over the optimized kernels of litert 2.3.0 (")
    assert "ADD (int8), measured: as litert==2.3.0:optimized; 21,238 outputs" in done.stdout


def test_with_a_dump_of_the_device(tmp_path: Path, files: Path) -> None:
    run_on_device(files, tmp_path / "results", RESOLVERS["xnnpack"])
    run("probe", "--results", "results", "-o", "my_npu.toml", cwd=tmp_path)
    run("capture", SEVEN_OPS, "--engine", "xnnpack", "-o", "dump.npz", cwd=tmp_path)
    done = run(SEVEN_OPS, "--engine", "my_npu.toml", "--against", "dump.npz", cwd=tmp_path)
    assert "EXACT: 20 of 20 layers" in done.stdout
    error = one_line_error(run(SEVEN_OPS, "--engine", "my_npu.toml", cwd=tmp_path, code=2))
    assert "is a profile, of which nothing can be captured here" in error


def test_other_types(tmp_path: Path) -> None:
    done = run("probe", "--kit", "kit", "--type", "uint8", "--type", "int16", cwd=tmp_path)
    assert re.fullmatch(
        r"kit: kit \(\d+ pieces; README.md says how to run them\)\n"
        r"left out, since no engine known has it: BATCH_MATMUL on uint8, HARD_SWISH on int16\n",
        done.stdout,
    )
    readme = (tmp_path / "kit" / "README.md").read_text()
    assert "is not in the kit: BATCH_MATMUL on uint8, HARD_SWISH on int16." in readme
    assert "| add_on_int16_1 | ADD | int16 |" in readme
    (tmp_path / "some").mkdir()
    for name, dtype in (("add_on_int16_1", np.int16), ("conv_2d_on_uint8_1", np.uint8)):
        (tmp_path / "kit" / name).rename(tmp_path / "some" / name)
        header = (tmp_path / "some" / name / "c" / "piece.h").read_text()
        assert f"static const {np.dtype(dtype).name}_t op0_input_0[] = {{" in header
        in_c = {array.name: array.values() for array in arrays(header)}
        codes = np.load(tmp_path / "some" / name / "op0_input_0.npy")
        assert codes.dtype == dtype
        np.testing.assert_array_equal(in_c["op0_input_0"], codes.ravel())
    run_on_device(tmp_path / "some", tmp_path / "results", RESOLVERS["reference"])
    done = run("probe", "--results", "results", "-o", "my_npu.toml", cwd=tmp_path)
    text = " ".join(done.stdout.split())
    assert "ADD on int16: Computes double" in text
    assert "CONV_2D on uint8: Computes double" in text
    assert "add_on_int16_2 is not in results" not in text  # a part of ADD is enough
    assert "MUL on int16: Not probed: mul_on_int16_1 is not in results." in text
    assert "MUL: " not in text  # int8 was not asked
    engine = read_profile(tmp_path / "my_npu.toml")
    assert engine.profile is not None
    measured = {(one.op, one.dtype) for one in engine.profile.measured}
    assert measured == {("ADD", "int16"), ("CONV_2D", "uint8")}


def test_the_files_say_the_same(files: Path) -> None:
    for piece in kit():
        folder = files / piece.name
        assert (folder / f"{piece.name}.tflite").read_bytes() == piece.model.content
        in_c = {
            array.name: array.values() for array in arrays((folder / "c" / "piece.h").read_text())
        }
        assert in_c["tflreplay_model"].tobytes() == piece.model.content
        for index, codes in piece.inputs.items():
            name = piece.model.main.tensors[index].name
            np.testing.assert_array_equal(np.load(folder / f"{name}.npy"), codes)
            assert (folder / f"{name}.bin").read_bytes() == codes.tobytes()
            np.testing.assert_array_equal(in_c[name], codes.ravel())


def test_a_piece_fits_a_small_device() -> None:
    """All activations of a piece at once, twice over, fit the arena that main.cc asks for."""
    for piece in kit(TYPES):
        tensors = [piece.model.main.tensors[index] for index in (*piece.inputs, *piece.places)]
        sizes = [math.prod(tensor.shape) * tensor.numpy_dtype.itemsize for tensor in tensors]
        assert sum(sizes) < ARENA / 2, piece.name
    assert len(kit()) < 80


# What main.cc needs of TFLM beside what the headers of the dumper do: an interpreter whose op adds
# 1 to every code.
TFLM = {
    "micro/micro_interpreter.h": """
#include <cstddef>
#include <cstdint>
#include "tensorflow/lite/micro/micro_profiler_interface.h"
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
struct TfLiteEvalTensor { union { void *data; int8_t *int8; } data; };
typedef TfLiteEvalTensor TfLiteTensor;
struct TfLiteContext {
  TfLiteEvalTensor *(*GetEvalTensor)(const TfLiteContext *context, int tensor_idx);
};
namespace tflite {
struct Model {};
inline const Model *GetModel(const void *data) { return static_cast<const Model *>(data); }
struct MicroOpResolver {};
static int8_t memory[100000];
static TfLiteEvalTensor tensor = {{memory}};
class MicroInterpreter {
 public:
  MicroInterpreter(const Model *, const MicroOpResolver &, uint8_t *, size_t, void *,
                   MicroProfilerInterface *profiler) : profiler_(profiler) {
    context_.GetEvalTensor = [](const TfLiteContext *, int) { return &tensor; };
  }
  TfLiteStatus AllocateTensors() { return kTfLiteOk; }
  TfLiteTensor *input(size_t) { return &tensor; }
  TfLiteStatus Invoke() {
    uint32_t event = profiler_->BeginEvent("op");
    for (int8_t &code : memory) code = static_cast<int8_t>(code ^ 1);
    profiler_->EndEvent(event);
    return kTfLiteOk;
  }
 protected:
  const TfLiteContext &context() const { return context_; }
 private:
  TfLiteContext context_;
  MicroProfilerInterface *profiler_;
};
}
""",
    "micro/micro_mutable_op_resolver.h": """
#include "tensorflow/lite/micro/micro_interpreter.h"
namespace tflite {
template <unsigned count> struct MicroMutableOpResolver : MicroOpResolver {
%s
};
}
""",
    "schema/schema_generated.h": '#include "tensorflow/lite/micro/micro_interpreter.h"',
    "micro/micro_profiler_interface.h": MICRO["micro_profiler_interface.h"],
}


@pytest.mark.skipif(not GXX, reason="no g++")
def test_the_program_for_tflm(files: Path, tmp_path: Path) -> None:
    """It compiles, feeds the codes and prints what the log reader takes for the piece's tensors."""
    assert GXX is not None
    (piece,) = (one for one in kit() if one.name == "concatenation_1")
    main = (files / "main.cc").read_text()
    added = [
        line.split("(")[0].split(".")[1] for line in main.splitlines() if "resolver.Add" in line
    ]
    assert len(added) == 21
    for name, text in TFLM.items():
        path = tmp_path / "tensorflow" / "lite" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "%s" in text:
            text %= "\n".join(f"  TfLiteStatus {each}() {{ return kTfLiteOk; }}" for each in added)
        path.write_text(f"#pragma once\n{text}")
    for source in ("piece.h", "tflreplay_dump.h", "tflreplay_tflm.h"):
        shutil.copy(files / piece.name / "c" / source, tmp_path)
    shutil.copy(files / "main.cc", tmp_path)
    flags = ("-std=c++17", "-Wall", "-Wextra", "-Werror")
    log = tmp_path / f"{piece.name}.log"
    log.write_text(compiled(GXX, tmp_path, "main.cc", *flags))
    found = load_source(log, piece.model)
    *_, last = piece.inputs.values()
    (output,) = piece.places
    np.testing.assert_array_equal(found.tensors[output].ravel()[: last.size], last.ravel() ^ 1)


def test_wrong_requests(tmp_path: Path, files: Path) -> None:
    def error(*arguments: object) -> str:
        return one_line_error(run("probe", *arguments, cwd=tmp_path, code=2))

    assert "give one of them" in error("--kit", "kit", "--results", "results")
    assert "give one of them" in error("--results", "results", "--engine", "xnnpack")
    assert "--type goes with --kit" in error("--results", "results", "--type", "int16")
    assert "'float32' is not one of 'int8'" in error("--kit", "kit", "--type", "float32")
    assert "no such directory" in error("--results", "results")
    (tmp_path / "there.toml").touch()
    assert "already there" in error("--results", files, "-o", "there.toml")
    assert "end it in .toml" in error("--results", files, "-o", "found.csv")
    assert "nothing of the kit is in there" in error("--results", files, "-o", "my.toml")
    assert not (tmp_path / "my.toml").exists()
    assert "already there" in error("--kit", files)


def test_the_pieces_are_named_in_the_readme(files: Path) -> None:
    text = (files / "README.md").read_text()
    for piece in kit():
        assert f"| {piece.name} | {piece.model.main.operators[0].name} |" in text
    report.check(files / "elsewhere", kit())


def test_the_page(tmp_path: Path) -> None:
    """docs/profile.md: every command prints what is shown."""
    text = PAGE.read_text(encoding="utf-8")
    device = text.split("<!-- device.py -->\n```python\n")[1].split("```")[0]
    (tmp_path / "device.py").write_text(device)
    (tmp_path / "models").symlink_to(MODELS)
    ask, *then = re.findall(r"```console\n(.*?)```", text, re.S)

    def shown(block: str) -> None:
        for part in block.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            code = 1 if "MISMATCH" in output else 0
            printed = run(*command.split()[1:], cwd=tmp_path, code=code).stdout
            assert Shown("profile", 0, command, output).matches(printed), printed

    shown(ask)
    subprocess.run([sys.executable, "device.py"], cwd=tmp_path, check=True, capture_output=True)
    for block in then:
        shown(block)
    example = text.split("```toml\n")[1].split("```")[0]
    (tmp_path / "example.toml").write_text(example)
    assert read_profile(tmp_path / "example.toml").profile is not None
