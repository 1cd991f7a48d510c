"""Saved captures and dumps."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_replay import one_line_error, run
from tests.runtimes.test_capture import chain, codes, random_feeds, relu
from tflreplay.ground.errors import CaptureError, InputError, OutputError
from tflreplay.ground.machine import Machine
from tflreplay.model import Model
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.runtimes.saved import load_source, save
from tflreplay.tools.compare import compare_sources

SHAPE = (1, 512)
VALUES = np.arange(512, dtype=np.int16).astype(np.int8).reshape(SHAPE)


def named(*names: str) -> Model:
    """A chain of RELUs, tensors 0, 1, 2 and so on, called by these names."""
    parsed = chain(*[relu()] * (len(names) - 1))
    written = [*parsed.main.inputs, *(op.outputs[0] for op in parsed.main.operators)]
    tensors = list(parsed.main.tensors)
    for index, name in zip(written, names, strict=True):
        tensors[index] = replace(tensors[index], name=name)
    return replace(parsed, subgraphs=(replace(parsed.main, tensors=tuple(tensors)),))


def outputs(model: Model) -> list[int]:
    return [op.outputs[0] for op in model.main.operators]


def captured(model: Model) -> Capture:
    first, *_ = outputs(model)
    return Capture(
        tensors={**random_feeds(model), first: VALUES},
        runtime="litert",
        version="2.3.0",
        engine="xnnpack",
        threads=2,
        missing={7: "unwritten"},
        note="a note",
        failure="it died",
        origin={0: "input", first: "delegate partition"},
        machine=Machine("aarch64", "cortex-a72"),
    )


def dump(tmp_path: Path, arrays: Mapping[str, np.ndarray], kind: str = "npz") -> Path:
    path = tmp_path / f"dump.{kind}"
    if kind == "npz":
        np.savez(path, **arrays)
    else:
        path.mkdir()
        for name, array in arrays.items():
            np.save(path / f"{name}.npy", array)
    return path


# Saved captures


def test_a_capture_comes_back_as_it_was(tmp_path: Path) -> None:
    model = named("x", "y")
    wanted = captured(model)
    path = tmp_path / "run.npz"
    save(wanted, path, model, random_feeds(model))
    found = load_source(path, model, random_feeds(model))
    assert replace(found, tensors={}) == replace(wanted, tensors={})
    assert found.tensors.keys() == wanted.tensors.keys()
    for index, array in wanted.tensors.items():
        assert found.tensors[index].dtype == array.dtype
        np.testing.assert_array_equal(found.tensors[index], array)
    assert list(tmp_path.iterdir()) == [path]


def test_provenance(tmp_path: Path) -> None:
    model = named("x", "y")
    feeds = random_feeds(model)
    hashes = []
    for number, inputs in enumerate((feeds, {0: feeds[0] + np.int8(1)}, feeds)):
        save(captured(model), tmp_path / f"{number}.npz", model, inputs)
        text = str(np.load(tmp_path / f"{number}.npz")["provenance"])
        told = json.loads(text)
        assert told["model_sha256"] == model.sha256
        assert told["threads"] == 2
        hashes.append(told["input_sha256"])
    assert hashes[0] == hashes[2] != hashes[1]


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    model = named("x", "y")
    path = tmp_path / "run.npz"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"run.npz: already there"):
        save(captured(model), path, model, {})
    assert path.read_bytes() == b"mine"
    save(captured(model), path, model, {}, overwrite=True)
    assert load_source(path, model).engine == "xnnpack"


def test_another_model_is_refused(tmp_path: Path) -> None:
    model = named("x", "y")
    path = tmp_path / "run.npz"
    save(captured(model), path, model, {})
    with pytest.raises(InputError, match=r"captured from another model \(chain.tflite, sha256 "):
        load_source(path, replace(model, sha256="0" * 64))


def test_another_input_is_refused(tmp_path: Path) -> None:
    model = named("x", "y")
    path = tmp_path / "run.npz"
    save(captured(model), path, model, random_feeds(model))
    with pytest.raises(InputError, match=r"input tensor 0 \(x\) is not the one given"):
        load_source(path, model, {0: VALUES})


@pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 1}', "1"])
def test_damaged_provenance(tmp_path: Path, text: str) -> None:
    path = dump(tmp_path, {"1": VALUES, "provenance": np.array(text)})
    with pytest.raises(InputError, match=r"its provenance is damaged \(.*\); capture it again"):
        load_source(path, named("x", "y"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format_version", True),
        ("model_sha256", 5),
        ("runtime", 5),
        ("version", None),
        ("engine", []),
        ("threads", "x"),
        ("threads", -1),
        ("note", 5),
        ("failure", 5),
        ("origin", {"1": 5}),
        ("origin", {"x": "input"}),
        ("missing", ["1"]),
        ("machine", 5),
        ("machine", None),
    ],
)
def test_provenance_of_wrong_types(tmp_path: Path, name: str, value: object) -> None:
    model = named("x", "y")
    save(captured(model), tmp_path / "run.npz", model, {})
    arrays = dict(np.load(tmp_path / "run.npz"))
    told = json.loads(str(arrays["provenance"]))
    assert name in told
    arrays["provenance"] = np.array(json.dumps(told | {name: value}))
    with pytest.raises(InputError, match=rf"its provenance is damaged \({name} is not "):
        load_source(dump(tmp_path, arrays), model)


@pytest.mark.parametrize("name", ["run", "run.npy", "run.NPZ", ".npz"])
def test_a_name_that_would_not_be_read_again_is_refused(tmp_path: Path, name: str) -> None:
    model = named("x", "y")
    with pytest.raises(OutputError, match=r"choose a name that ends in \.npz"):
        save(captured(model), tmp_path / name, model, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("held", [False, True])
def test_capture_checks_where_it_saves_before_it_runs(tmp_path: Path, held: bool) -> None:
    """The model is not even read: there is none."""
    path = tmp_path / ("run.npz" if held else "run")
    if held:
        path.write_bytes(b"mine")
    done = run("capture", "none.tflite", "-o", path, cwd=tmp_path, code=2)
    assert ("already there" if held else "ends in .npz") in one_line_error(done)


def test_another_format(tmp_path: Path) -> None:
    text = json.dumps({"format_version": 99, "tflreplay": "9.0"})
    path = dump(tmp_path, {"provenance": np.array(text)})
    with pytest.raises(InputError, match=r"written by tflreplay 9.0 in another format"):
        load_source(path, named("x", "y"))


# Dumps


@pytest.mark.parametrize("kind", ["npz", "folder"])
@pytest.mark.parametrize("by", ["index", "name"])
def test_dump(tmp_path: Path, kind: str, by: str) -> None:
    model = named("x", "block/conv", "y")
    conv, last = outputs(model)
    keys = (str(conv), str(last)) if by == "index" else ("block_conv", "y")
    found = load_source(dump(tmp_path, {keys[0]: VALUES, keys[1]: VALUES + 1}, kind), model)
    np.testing.assert_array_equal(found.tensors[conv], VALUES)
    np.testing.assert_array_equal(found.tensors[last], VALUES + 1)
    assert found.tensors.keys() == {conv, last}
    assert found.problems == ()
    name = f"dump.{kind}"
    assert found.missing == {0: f"not in {name}"}
    assert (found.runtime, found.version, found.engine) == (name, "", "")
    assert set(found.origin.values()) == {"file"}


def test_an_npz_may_hold_the_slash(tmp_path: Path) -> None:
    model = named("x", "block/conv")
    found = load_source(dump(tmp_path, {"block/conv": VALUES}), model)
    assert found.tensors.keys() == set(outputs(model))


def problem(tmp_path: Path, model: Model, arrays: Mapping[str, np.ndarray]) -> str:
    """The one problem of a dump in which ``good`` is right."""
    found = load_source(dump(tmp_path, {"good": VALUES, **arrays}), model)
    assert len(found.tensors) == 1
    (text,) = found.problems
    return text


def test_unmatched(tmp_path: Path) -> None:
    text = problem(tmp_path, named("x", "good"), {"conv": VALUES})
    assert text == "conv: left out: no op output or input is called that"


def test_one_name_for_two_tensors(tmp_path: Path) -> None:
    model = named("x", "good", "same", "same")
    _, first, second = outputs(model)
    text = problem(tmp_path, model, {"same": VALUES})
    assert text == (
        f"same: left out: may be any of the tensors {first}, {second}: say which in a file given "
        f'to --map: "same" = "tensor_{first}" or "same" = "tensor_{second}"'
    )


def test_replaced_slash_makes_two_names_one(tmp_path: Path) -> None:
    model = named("x", "good", "a/b", "a_b")
    _, _, exact = outputs(model)
    path = dump(tmp_path, {"a_b": VALUES})
    assert load_source(path, model).tensors.keys() == {exact}
    model = named("x", "good", "a/b_c", "a_b/c")
    assert "may be any of the tensors" in problem(tmp_path, model, {"a_b_c": VALUES})


def test_a_number_that_is_also_a_name(tmp_path: Path) -> None:
    model = named("x", "good", "y")
    _, last = outputs(model)
    model = named("x", "good", "y", str(last))
    other = outputs(model)[2]
    text = problem(tmp_path, model, {str(last): VALUES})
    assert text.startswith(f"{last}: left out: may be any of the tensors {last}, {other}: say ")


def test_two_arrays_for_one_tensor(tmp_path: Path) -> None:
    model = named("x", "good", "y")
    _, last = outputs(model)
    text = problem(tmp_path, model, {"y": VALUES, str(last): VALUES + 1})
    assert text == f"y and {last}: left out: all of them are called like tensor {last}"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_key_twice(tmp_path: Path) -> None:
    model = named("x", "good", "y")
    path = dump(tmp_path, {"good": VALUES, "y": VALUES + 1})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", archive.read("good.npy"))
    with pytest.raises(InputError, match=r"y\.npy is in there twice"):
        load_source(path, model)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (VALUES.reshape(512, 1, 1)[:, :, [0, 0]], "shape [512, 1, 2] does not fit"),
        (VALUES[:, :9].ravel(), "shape [9] does not fit"),
        (VALUES.astype(np.int32) + 200, "200 at [0, 0] is no code of -128 to 127,"),
        (
            VALUES.astype(np.float32) + 0.5,
            "13.5 at [0, 13] is no code of scale 0.1 and zero point 0,",
        ),
        (VALUES.astype(np.complex64), "complex64, but"),
    ],
)
def test_misfits(tmp_path: Path, array: np.ndarray, said: str) -> None:
    model = named("x", "good", "y")
    _, last = outputs(model)
    path = dump(tmp_path, {"good": VALUES, "y": array})
    found = load_source(path, model)
    (problem,) = found.problems
    assert problem.startswith(f"y: left out: {said} tensor {last}")
    assert found.missing[last] == problem
    assert last not in found.tensors


def test_flat_values_are_reshaped_and_it_is_said(tmp_path: Path) -> None:
    model = named("x", "y")
    (last,) = outputs(model)
    found = load_source(dump(tmp_path, {"y": VALUES.ravel()}), model)
    np.testing.assert_array_equal(found.tensors[last], VALUES)
    assert found.problems == ("y: without the batch, which was added",)
    assert last not in found.missing


def test_the_other_byte_order_is_no_other_type(tmp_path: Path) -> None:
    spec = codes()
    model = named("x", "y")
    (last,) = outputs(model)
    tensors = list(model.main.tensors)
    tensors[last] = replace(tensors[last], dtype="int16")
    model = replace(model, subgraphs=(replace(model.main, tensors=tuple(tensors)),))
    values = np.arange(512, dtype=">i2").reshape(spec.shape)
    found = load_source(dump(tmp_path, {"y": values}), model)
    assert found.tensors[last].dtype == np.dtype("int16")
    np.testing.assert_array_equal(found.tensors[last], values)


# Files that are nothing


@pytest.mark.parametrize("name", ["nosuch.npz", "nosuch/", "replay"])
def test_no_file_and_no_engine(name: str) -> None:
    model = named("x", "y")
    with pytest.raises(CaptureError) as raised:
        compare_sources(model, Inputs(random_feeds(model)), ["reference", name])
    said = str(raised.value)
    assert said.startswith(f"{name!r} is unknown here: use one of reference, ")
    assert "RUNTIME:ENGINE, replay:ENGINE, or a file or folder of saved tensors" in said


def test_nothing_is_in_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dump\.npz: no array of values is in there"):
        load_source(dump(tmp_path, {}), named("x", "y"))


@pytest.mark.parametrize("arrays", [{"conv": VALUES}, {"y": VALUES[:, :3]}])
def test_nothing_fits(tmp_path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match=r"none of its \d arrays .* fits a tensor of chain.tflite"):
        load_source(dump(tmp_path, arrays), named("x", "y"))


def test_not_a_source(tmp_path: Path) -> None:
    model = named("x", "y")
    (tmp_path / "text.npz").write_text("no")
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    (tmp_path / "objects.npy").rename(tmp_path / "objects.npz")
    whole = dump(tmp_path, {"y": VALUES}).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-40])
    (tmp_path / "flipped.npz").write_bytes(whole[:300] + b"!!" + whole[302:])
    header = {"descr": "|i1", "fortran_order": False, "shape": (10**15,)}
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive, archive.open("y.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with zipfile.ZipFile(tmp_path / "method.npz", "w") as archive:
        archive.writestr("y.npy", b"\x93NUMPY")
    method = (tmp_path / "method.npz").read_bytes().replace(b"\x14\0\0\0\0\0", b"\x14\0\0\0\x63\0")
    (tmp_path / "method.npz").write_bytes(method)
    (tmp_path / "empty").mkdir()
    (tmp_path / "run.txt").touch()
    for name, said in {
        "text.npz": "damaged",
        "objects.npz": "damaged",
        "cut.npz": "damaged",
        "flipped.npz": "damaged",
        "huge.npz": "damaged",
        "method.npz": "damaged",
        "empty": "no file of tensors is in there",
        "run.txt": "the file is empty",
        "none.npz": "cannot read it: No such file",
    }.items():
        with pytest.raises(InputError) as raised:
            load_source(tmp_path / name, model)
        assert str(raised.value).startswith(f"{tmp_path / name}: {said}")
        assert "\n" not in str(raised.value)
