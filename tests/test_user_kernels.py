"""A user's functions in the replay: loading them, running them, and what they do wrong."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflreplay
from tests.conftest import SEVEN_OPS
from tests.single_op import Spec, build
from tests.test_replayer import rename_op
from tflreplay.ground.errors import InputError, KernelError
from tflreplay.judgement.comparison import compare
from tflreplay.model import Model, parse
from tflreplay.replayer import user_kernels
from tflreplay.replayer.loop import replay, replay_isolated
from tflreplay.replayer.user_kernels.functions import load_functions
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs, random_inputs
from tflreplay.tools.replay import run

DOC = (Path(__file__).parent.parent / "docs" / "your-kernel.md").read_text()


# Classes of exceptions without a text, and what a wrong decorator is told.
SILENT = "class E(BaseException):\n    def __str__(self): return 1 / 0\n"
MISSING = ("my_port.py, line 2", 'name is missing: write @tflreplay.kernel("CONV_2D")')


def block(name: str) -> str:
    return DOC.split(f"<!-- {name} -->\n```")[1].split("\n", 1)[1].split("```")[0]


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tflreplay", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def written(directory: Path, text: str) -> Path:
    path = directory / "my_port.py"
    path.write_text(text)
    return path


def decorated(op: str, body: str) -> str:
    return f'import numpy as np\nimport tflreplay\n@tflreplay.kernel("{op}")\n{body}\n'


def test_the_documented_example(tmp_path: Path) -> None:
    """docs/your-kernel.md: every line shown is printed, and the corrected port is exact."""
    port = written(tmp_path, block("my_port.py"))
    done = command(SEVEN_OPS, "--kernel", port, "--out", "out", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    for line in block("output").splitlines():
        assert line in done.stdout
    with open(tmp_path / "out" / "layers.csv", newline="") as file:
        layers = list(csv.DictReader(file))
    for layer in layers:
        assert (layer["rule"] == "my_port.py: conv_2d") == (layer["op"] == "CONV_2D")
        assert layer["chained_mismatches"] == ""
    wrong = {int(layer["op_index"]) for layer in layers if layer["isolated_mismatches"] != "0"}
    assert wrong == {2, 9, 12, 13, 14}

    port.write_text(block("my_port.py") + block("corrections"))
    done = command(SEVEN_OPS, "--kernel", port, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert block("corrected output").strip() in done.stdout
    done = command(SEVEN_OPS, "--kernel", port, "--chained", cwd=tmp_path)
    assert "0 mismatches, chained, against" in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import tflreplay\ndef f(:\n", ("my_port.py, line 2", "SyntaxError")),
        ("import tflreplay\n\nabsent()\n", ("my_port.py, line 3", "NameError", "absent")),
        ("raise SystemExit('no')", ("my_port.py, line 1", "SystemExit: no")),
        ("\nraise GeneratorExit", ("my_port.py, line 2", "GeneratorExit")),
        ("class E(BaseException): ...\nraise E('no')", ("my_port.py, line 2", "E: no")),
        (SILENT + "raise E", ("my_port.py, line 3", "E: it cannot say why")),
        ("import tflreplay\n@tflreplay.kernel(None)\ndef f(call): ...", MISSING),
        ("import tflreplay\n@tflreplay.kernel(5)\ndef f(call): ...", MISSING),
        ("import tflreplay\n@tflreplay.kernel\ndef f(call): ...", MISSING),
        (
            "import tflreplay\ntflreplay.kernel('ADD')(5)",
            ("my_port.py, line 2", "a kernel is a function, not int"),
        ),
        ("def conv_2d(call, x): ...", ("my_port.py: no kernels in it", "@tflreplay.kernel")),
        (
            decorated("ADD", "def one(call, a, b): ...")
            + decorated("ADD", "def two(call, a, b): ..."),
            ("two kernels for ADD, one and two",),
        ),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(KernelError) as error:
        tflreplay.load_kernels(written(tmp_path, text))
    for word in words:
        assert word in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_port.py"]


def test_errors_are_one_line(tmp_path: Path) -> None:
    done = command(SEVEN_OPS, "--kernel", "absent.py", cwd=tmp_path)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "absent.py: cannot read the kernels: No such file" in line
    written(tmp_path, decorated("CONV2D", "def conv_2d(call, x): ..."))
    done = command(SEVEN_OPS, "--kernel", "my_port.py", cwd=tmp_path)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "my_port.py: conv_2d: " in line
    assert "there is no op called 'CONV2D'" in line
    assert "has ADD, CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, MEAN, MUL, SUB" in line
    assert not (tmp_path / "reports").exists()


def test_a_file_may_import_its_neighbours_and_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_my_port.py").write_text("ANSWER = 1\n")
    text = "from neighbour_of_my_port import ANSWER\n" + decorated(
        "MUL", "def mul(call, a, b):\n    return ANSWER"
    )
    path = written(tmp_path, text)
    assert load_functions(path)["MUL"](None, None, None) == 1
    path.write_text(text.replace("return ANSWER", "return 17    "))
    assert load_functions(path)["MUL"](None, None, None) == 17


def test_what_lies_beside_a_file_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from pathlib import Path\nBESIDE = Path(__file__).with_name('lib.so')\n"
    written(tmp_path, text + decorated("MUL", "def mul(call, a, b):\n    return BESIDE"))
    monkeypatch.chdir(tmp_path)
    found = load_functions(Path("my_port.py"))["MUL"](None, None, None)
    assert found == tmp_path / "lib.so"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("    return 1 // 0", "failed at line 5: ZeroDivisionError"),
        (
            "    return call.option('strde')",
            "failed at line 5: NotReplayed: MEAN has no option 'strde'; it has keep_dims",
        ),
        ("    return x[0]", "(line 3) returned int8[23, 23, 17], expected int8[1, 1, 1, 17]"),
        ("    return np.zeros((1, 1, 1, 17))", "(line 3) returned float64, expected int8"),
        ("    return None", "(line 3) returned NoneType, expected an array of int8"),
        ("    raise GeneratorExit", "failed at line 5: GeneratorExit"),
        (f"    {SILENT.replace(chr(10), chr(10) + '    ')}raise E", "E: it cannot say why"),
        ("    return x, x", "(line 3) returned 2 arrays, expected 1"),
    ],
)
def test_a_kernel_that_fails_takes_only_its_layers_along(
    tmp_path: Path,
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
    body: str,
    reason: str,
) -> None:
    path = written(tmp_path, decorated("MEAN", f"def mean(call, x, axes):\n{body}"))
    result = run(
        seven_ops, seven_inputs, against=seven_captured, kernels=tflreplay.load_kernels(path)
    )
    assert result.verdict == "incomplete"
    failed = {layer.op_index: layer.reason for layer in result.comparison.not_replayed}
    assert failed.keys() == {4, 17}
    assert failed[4].startswith("my_port.py: mean ")
    assert reason in failed[4]


def test_an_interrupt_is_no_failure_of_a_kernel(seven_ops: Model, seven_captured: Capture) -> None:
    def interrupted(call: Any, a: np.ndarray, b: np.ndarray) -> None:
        raise KeyboardInterrupt

    rows = user_kernels.rows({"MUL": interrupted}, seven_ops)
    with pytest.raises(KeyboardInterrupt):
        replay_isolated(seven_ops, seven_captured.tensors, kernels=rows)


def test_wrong_number_of_arguments_names_the_function(
    seven_ops: Model, seven_captured: Capture
) -> None:
    rows = user_kernels.rows({"MUL": lambda call, a: a}, seven_ops)
    result = replay_isolated(seven_ops, seven_captured.tensors, kernels=rows)
    assert "<lambda> failed at line" in result.not_replayed[7]
    assert "TypeError" in result.not_replayed[7]


def test_in_python(seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture) -> None:
    """A function that writes to its inputs harms nothing."""

    def sub(call: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a[...] = 0
        b[...] = 0
        return seven_captured.tensors[call.output.index]

    def exact(*modes: str) -> bool:
        result = run(
            seven_ops,
            seven_inputs,
            against=seven_captured,
            kernels={"SUB": sub},
            modes=modes or None,
        )
        assert result.modes == (modes or ("isolated",))
        name = "test_user_kernels.py: sub"
        assert result.user_kernels == {0: name, 16: name}
        assert f"SUB computed by {name}, 2 layers" in result.notes
        return result.comparison.exact

    assert exact()
    assert exact("isolated", "chained")


def test_a_result_does_not_change_with_the_buffer_it_came_in(
    seven_ops: Model, seven_inputs: Inputs
) -> None:
    buffer = np.zeros((1, 48, 48, 3), np.int8)

    def first(call: Any, *arrays: np.ndarray) -> np.ndarray:
        return buffer if call.op.index == 0 else np.zeros(call.output.shape, np.int8)

    rows = user_kernels.rows({"SUB": first}, seven_ops)
    result = replay(seven_ops, seven_inputs.arrays, kernels=rows)
    buffer[...] = 1
    assert not result.tensors[seven_ops.main.operators[0].outputs[0]].any()


def test_an_op_that_we_have_not(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    model = rename_op(seven_ops, 4, "CUSTOM:mine")
    right = seven_captured.tensors[model.main.operators[4].outputs[0]]
    kernels: dict[str, Callable[..., Any]] = {"CUSTOM:mine": lambda call, x, axes: right}
    rows = user_kernels.rows(kernels, model)
    result = replay(model, seven_inputs.arrays, kernels=rows)
    assert not result.not_replayed
    assert compare(model, seven_captured.tensors, result).exact


def test_an_op_with_several_outputs() -> None:
    axis = Spec((), "int32", data=np.array(1, np.int32))
    half = Spec((1, 2), "int8", 1.0)
    content = build(
        "SPLIT",
        [axis, Spec((1, 4), "int8", 1.0)],
        [half, half],
        {"numSplits": 2},
        "SplitOptions",
    )
    model = parse(content, Path("split.tflite"))
    inputs = random_inputs(model).arrays
    rows = user_kernels.rows({"SPLIT": lambda call, axis, x: (x[:, :2], x[:, 2:])}, model)
    ours, theirs = replay(model, inputs), replay(model, inputs, kernels=rows)
    assert not theirs.not_replayed
    for index in model.main.outputs:
        np.testing.assert_array_equal(ours.tensors[index], theirs.tensors[index])
    rows = user_kernels.rows({"SPLIT": lambda call, axis, x: x[:, :2]}, model)
    (reason,) = replay(model, inputs, kernels=rows).not_replayed.values()
    assert "returned 1 arrays, expected 2" in reason


def test_what_a_kernel_prints_stays_out_of_the_report(tmp_path: Path) -> None:
    body = "def mean(call, x, axes):\n    print('in mean')\n    raise ValueError('not yet')"
    written(tmp_path, "print('loaded')\n" + decorated("MEAN", body))
    done = command(SEVEN_OPS, "--kernel", "my_port.py", "--json", cwd=tmp_path)
    assert done.returncode == 2
    reasons = [layer["reason"] for layer in json.loads(done.stdout)["layers"]]
    assert "my_port.py: mean failed at line 7: ValueError: not yet" in reasons
    assert done.stderr.splitlines() == ["loaded", "in mean", "in mean"]


def test_a_port_may_know_more_ops_than_the_model(seven_ops: Model) -> None:
    def fn(call: object) -> None: ...

    assert list(user_kernels.rows({"CONV_2D": fn, "TILE": fn}, seven_ops)) == ["CONV_2D"]
    with pytest.raises(InputError, match="there is no op called 'CONV2D'"):
        user_kernels.rows({"CONV_2D": fn, "CONV2D": fn}, seven_ops)
