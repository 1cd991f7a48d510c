"""Capture against the interpreter read directly, and what happens when it fails."""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.single_op import REFERENCE, Spec, build
from tflreplay import model
from tflreplay.ground.errors import CaptureError, InputError
from tflreplay.runtimes import RUNTIMES, Runtime, capture, process, start_capture

SHAPE = (1, 512)
ZOO = os.environ.get("TFLREPLAY_ZOO")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Temporary files of the test go here, and none may be left."""
    path = tmp_path / "scratch"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    yield path
    gc.collect()
    assert list(path.iterdir()) == []


def codes(shape: tuple[int, ...] = SHAPE, scale: float = 0.1, zero_point: int = 0) -> Spec:
    return Spec(shape, "int8", scale, zero_point)


def relu() -> bytes:
    return build("RELU", [codes()], [codes()])


def softmax() -> bytes:
    """Its reference kernel aborts on 512 equal logits: the sum of exponentials overflows."""
    output = codes(scale=1 / 256, zero_point=-128)
    return build("SOFTMAX", [codes()], [output], {"beta": 1.0}, "SoftmaxOptions", version=2)


def chain(*contents: bytes) -> model.Model:
    """One model of single-op models, each fed the output of the one before as its first input."""
    result = schema.ModelT.InitFromPackedBuf(contents[0], 0)
    graph = result.subgraphs[0]
    for content in contents[1:]:
        part = schema.ModelT.InitFromPackedBuf(content, 0)
        added = part.subgraphs[0]
        offset, buffers = len(graph.tensors), len(result.buffers)
        op = added.operators[0]
        graph.inputs = [*graph.inputs, *(offset + index for index in added.inputs[1:])]
        op.inputs = [
            graph.outputs[0],
            *(offset + index if index >= 0 else -1 for index in op.inputs[1:]),
        ]
        op.outputs = [offset + index for index in op.outputs]
        op.opcodeIndex = len(result.operatorCodes)
        for tensor in added.tensors:
            tensor.buffer = tensor.buffer and buffers + tensor.buffer
        result.buffers += part.buffers
        graph.tensors += added.tensors
        graph.operators.append(op)
        graph.outputs = op.outputs
        result.operatorCodes += part.operatorCodes
    return packed(result)


def packed(result: schema.ModelT) -> model.Model:
    builder = flatbuffers.Builder(1024)
    builder.Finish(result.Pack(builder), b"TFL3")
    return model.parse(bytes(builder.Output()), Path("chain.tflite"))


def random_feeds(parsed: model.Model) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(7)
    tensors = [parsed.main.tensors[index] for index in parsed.main.inputs]
    return {t.index: rng.integers(0, 100, t.shape).astype(t.numpy_dtype) for t in tensors}


def read_directly(
    parsed: model.Model, feeds: dict[int, np.ndarray], resolver: OpResolverType = REFERENCE
) -> dict[int, np.ndarray]:
    interpreter = Interpreter(
        model_content=parsed.content,
        experimental_op_resolver_type=resolver,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    for index, array in feeds.items():
        interpreter.set_tensor(index, array)
    interpreter.invoke()
    outputs = [index for op in parsed.main.operators for index in op.outputs]
    return {index: interpreter.get_tensor(index) for index in [*feeds, *outputs]}


def assert_same(ours: dict[int, np.ndarray], theirs: dict[int, np.ndarray]) -> None:
    assert ours.keys() == theirs.keys()
    for index, array in theirs.items():
        assert ours[index].dtype == array.dtype
        np.testing.assert_array_equal(ours[index], array)


def test_equals_direct_reading() -> None:
    filters = np.arange(27 * 4, dtype=np.int8).reshape(4, 3, 3, 3)
    parsed = model.parse(
        build(
            "CONV_2D",
            [
                codes((2, 7, 5, 3)),
                Spec((4, 3, 3, 3), "int8", 0.02, 0, filters),
                Spec((4,), "int32", 0.002, 0, np.arange(4, dtype=np.int32)),
            ],
            [codes((2, 5, 3, 4), zero_point=-3)],
            {"padding": 1, "strideH": 1, "strideW": 1},
            "Conv2DOptions",
            version=3,
        ),
        Path("conv.tflite"),
    )
    feeds = random_feeds(parsed)
    captured = capture(parsed, feeds)
    assert_same(captured.tensors, read_directly(parsed, feeds))
    assert (captured.failure, captured.missing) == ("", {})
    assert repr(captured) == (
        f"Capture(litert {captured.version}, reference, threads=1: 2 tensors)"
    )


def test_version_is_the_package_version() -> None:
    parsed = chain(relu())
    assert capture(parsed, random_feeds(parsed)).version == importlib.metadata.version(
        "ai-edge-litert"
    )


def test_intermediates_are_preserved() -> None:
    """Without preservation, the first output's memory would hold a later one."""
    add = build("ADD", [codes(), codes()], [codes(scale=0.3)], {}, "AddOptions", version=2)
    parsed = chain(relu(), add, relu(), relu())
    feeds = random_feeds(parsed)
    tensors = capture(parsed, feeds).tensors
    assert_same(tensors, read_directly(parsed, feeds))
    np.testing.assert_array_equal(tensors[1], np.maximum(feeds[0], 0))


@pytest.mark.skipif(ZOO is None, reason="TFLREPLAY_ZOO is not set")
@pytest.mark.parametrize(
    "name", ["coral__mobilenet_v1_0.25_128_quant", "mlctiny__pretrainedResnet_quant"]
)
def test_real_model_equals_direct_reading(name: str) -> None:
    parsed = model.load(Path(str(ZOO)) / f"{name}.tflite")
    feeds = random_feeds(parsed)
    assert_same(capture(parsed, feeds).tensors, read_directly(parsed, feeds))


@pytest.mark.skipif(ZOO is None, reason="TFLREPLAY_ZOO is not set")
def test_resource_tensors_are_missing() -> None:
    parsed = model.load(Path(str(ZOO)) / "mww__vad.tflite")
    captured = capture(parsed, random_feeds(parsed))
    resources = {tensor.index for tensor in parsed.main.tensors if tensor.dtype == "resource"}
    assert resources
    assert captured.missing.keys() == resources
    assert not captured.tensors.keys() & resources


@pytest.mark.skipif(ZOO is None, reason="TFLREPLAY_ZOO is not set")
def test_heap_corruption_is_a_failure() -> None:
    parsed = model.load(Path(str(ZOO)) / "tflm__keyword_scrambled_8bit.tflite")
    failure = capture(parsed, random_feeds(parsed)).failure
    assert " died (SIG" in failure
    assert "tflm__keyword_scrambled_8bit.tflite at op " in failure
    assert "they may be wrong" in failure


def test_an_input_of_another_shape_resizes() -> None:
    parsed = chain(relu())
    feed = np.arange(-8, 8, dtype=np.int8).reshape(4, 4)
    np.testing.assert_array_equal(capture(parsed, {0: feed}).tensors[1], np.maximum(feed, 0))


def test_crash_is_laid_at_the_op() -> None:
    parsed = chain(relu(), relu(), softmax(), relu())
    feeds = {0: np.zeros(SHAPE, np.int8)}
    captured = capture(parsed, feeds)
    title = f"LiteRT {captured.version} (reference)"
    assert captured.failure == (
        f"{title} died (SIGABRT) running chain.tflite at op 2 SOFTMAX; "
        "tensors of ops 0-1 were captured"
    )
    outputs = [op.outputs[0] for op in parsed.main.operators]
    assert_same(captured.tensors, feeds | dict.fromkeys(outputs[:2], feeds[0]))
    assert captured.missing == {
        outputs[2]: "op 2 SOFTMAX was not run: see the failure",
        outputs[3]: "op 3 RELU was not run: see the failure",
    }
    assert captured.failure in repr(captured)


@pytest.mark.parametrize("feed", [np.zeros(SHAPE, np.int8), np.full(SHAPE, -5, np.int8)])
def test_crash_of_the_last_op_is_confirmed(feed: np.ndarray) -> None:
    captured = capture(chain(relu(), softmax()), {0: feed})
    assert "at op 1 SOFTMAX; tensors of op 0 were captured" in captured.failure


def test_crash_of_the_first_op_is_an_error() -> None:
    with pytest.raises(CaptureError, match=r"died \(SIGABRT\) .*chain.tflite at op 0 SOFTMAX$"):
        capture(chain(softmax()), {0: np.zeros(SHAPE, np.int8)})


def test_crash_that_does_not_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = chain(relu())
    feeds = random_feeds(parsed)
    running = start_capture(parsed, feeds)
    first = running._child.wait()
    monkeypatch.setattr(
        running._child, "wait", lambda: process.Outcome("invoke", first.version, death="SIGSEGV")
    )
    captured = running.result()
    assert captured.failure.endswith(
        "died (SIGSEGV) running chain.tflite, but not when run again; the tensors are from then"
    )
    assert captured.tensors.keys() == {0, 1}


def test_invoke_error_is_laid_at_the_op() -> None:
    reshape = build(
        "RESHAPE", [codes(), Spec((2,), "int32")], [codes()], {"newShape": []}, "ReshapeOptions"
    )
    parsed = chain(relu(), reshape, relu())
    feeds = {0: np.zeros(SHAPE, np.int8), parsed.main.inputs[1]: np.array([3, 5], np.int32)}
    captured = capture(parsed, feeds)
    assert "could not run chain.tflite at op 1 RESHAPE (" in captured.failure
    assert "Node number 1 (RESHAPE) failed to invoke" in captured.failure
    assert captured.tensors.keys() == {*feeds, 1}


def test_refused_model() -> None:
    elu = build("ELU", [codes()], [codes()])
    with pytest.raises(CaptureError) as caught:
        capture(chain(elu), {0: np.zeros(SHAPE, np.int8)})
    text = str(caught.value)
    assert text.startswith("LiteRT ")
    assert " (reference) refuses chain.tflite: Didn't find op for builtin opcode 'ELU'" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("no_such_runtime.interpreter", "Nothing is not installed: pip install nothing"),
        ("json.nothing", "Nothing cannot be imported: No module named"),
    ],
)
def test_runtime_not_importable(module: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNTIMES, "litert", Runtime("Nothing", module, "nothing"))
    with pytest.raises(CaptureError, match=message) as caught:
        capture(chain(relu()), {0: np.zeros(SHAPE, np.int8)})
    assert "\n" not in str(caught.value)


def test_unknown_names() -> None:
    feeds = {0: np.zeros(SHAPE, np.int8)}
    with pytest.raises(CaptureError, match="'tf' is unknown here: use one of litert, tensorflow"):
        capture(chain(relu()), feeds, runtime="tf")
    with pytest.raises(CaptureError, match="'fast' is unknown here: use one of reference"):
        capture(chain(relu()), feeds, engine="fast")


def test_input_left_out() -> None:
    with pytest.raises(InputError, match=r"chain.tflite: no array given for input tensor 0 \(t0\)"):
        capture(chain(relu()), {})


def test_input_of_another_type() -> None:
    with pytest.raises(CaptureError, match=r"refuses chain.tflite: .*FLOAT32.*INT8"):
        capture(chain(relu()), {0: np.zeros(SHAPE, np.float32)})


def test_result_can_be_asked_for_twice() -> None:
    parsed = chain(relu())
    running = start_capture(parsed, random_feeds(parsed))
    assert running.result() is running.result()
    failing = start_capture(chain(softmax()), {0: np.zeros(SHAPE, np.int8)})
    for _ in range(2):
        with pytest.raises(CaptureError):
            failing.result()


def test_killed_from_outside_blames_no_op() -> None:
    parsed = chain(relu())
    running = start_capture(parsed, random_feeds(parsed))
    running._child._process.kill()
    with pytest.raises(CaptureError, match=r"was killed \(SIGKILL\); is there enough memory"):
        running.result()


def test_dropping_kills_the_child(scratch: Path) -> None:
    parsed = chain(relu())
    running = start_capture(parsed, random_feeds(parsed))
    child = running._child._process
    assert len(list(scratch.iterdir())) == 1
    del running
    gc.collect()
    assert child.returncode == -signal.SIGKILL


def test_interrupt_kills_the_child(scratch: Path, tmp_path: Path) -> None:
    """Ctrl-C while waiting for a child that takes long."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time; time.sleep(60)")
    path = tmp_path / "model.tflite"
    path.write_bytes(relu())
    code = (
        "import pathlib, signal, sys, numpy as np\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in a background job
        "from tflreplay import model\n"
        "from tflreplay.runtimes import process, start_capture\n"
        f"process.PROGRAM = pathlib.Path({str(slow)!r})\n"
        f"running = start_capture(model.load({str(path)!r}), {{0: np.zeros({SHAPE}, np.int8)}})\n"
        "print(running._child._process.pid, flush=True)\n"
        "running.result()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    time.sleep(0.2)
    parent.send_signal(signal.SIGINT)
    _, error = parent.communicate(timeout=30)
    assert "KeyboardInterrupt" in error
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_child_needs_nothing_of_tflreplay() -> None:
    """It is also run inside environments that hold only numpy and a runtime."""
    code = (
        "import json, runpy, sys\n"
        f"runpy.run_path({str(process.PROGRAM)!r})\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    heavy = {"numpy", "tflreplay", "subprocess", "tempfile", "importlib.metadata"}
    assert not heavy & set(json.loads(output))


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
def test_tensorflow_equals_litert() -> None:
    parsed = chain(relu(), build("LOGISTIC", [codes()], [codes(scale=1 / 256, zero_point=-128)]))
    feeds = random_feeds(parsed)
    captured = capture(parsed, feeds, runtime="tensorflow")
    assert captured.runtime == "tensorflow"
    assert_same(captured.tensors, capture(parsed, feeds).tensors)


@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])
def test_a_tensor_that_holds_nothing(engine: str) -> None:
    """The runtime hands none out; its shape says all that there is to know."""
    found = Spec((0, 2), "int64")
    parsed = chain(build("WHERE", [Spec((2, 3), "bool")], [found], {}, "WhereOptions"))
    captured = capture(parsed, {0: np.zeros((2, 3), bool)}, engine=engine)
    assert captured.missing == {}
    assert captured.tensors[1].shape == (0, 2)
    assert captured.tensors[1].dtype == np.int64


def test_a_flex_op_is_for_tensorflow() -> None:
    result = schema.ModelT.InitFromPackedBuf(relu(), 0)
    (code,) = result.operatorCodes
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "FlexErf"
    parsed = packed(result)
    with pytest.raises(CaptureError) as raised:
        capture(parsed, random_feeds(parsed))
    assert "its op FlexErf is TensorFlow's own (a Flex op); try --runtime tensorflow==" in str(
        raised.value
    )
