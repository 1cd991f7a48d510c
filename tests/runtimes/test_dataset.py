"""Which inputs a dataset holds, and that each is read as --input reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.single_op import Op, Spec, build_side_by_side
from tflreplay.ground.errors import InputError
from tflreplay.model import Model, parse
from tflreplay.runtimes.dataset import Dataset, dumps_of, read_dataset
from tflreplay.runtimes.inputs import read_inputs

SHAPE = (1, 4, 5, 3)


def model_of(*shapes: tuple[int, ...]) -> Model:
    """A model with an int8 input of each shape."""
    ops = [
        Op(
            "RELU",
            [Spec(shape, "int8", np.float32(0.5), 0)],
            [Spec(shape, "int8", np.float32(1), 0)],
        )
        for shape in shapes
    ]
    return parse(build_side_by_side(ops), Path("model.tflite"))


MODEL = model_of(SHAPE)
RNG = np.random.default_rng(0)


def codes(*shape: int) -> np.ndarray:
    return RNG.integers(-128, 128, shape, np.int8)


def values(model: Model, dataset: Dataset) -> list[list[np.ndarray]]:
    read = (read_inputs(model, sample.sources) for sample in dataset.samples)
    return [list(inputs.arrays.values()) for inputs in read]


@pytest.mark.parametrize("each", [SHAPE, SHAPE[1:], (60,), (1, 60), (3, 4, 5)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_the_first_axis_counts(tmp_path: Path, each: tuple[int, ...], suffix: str) -> None:
    array = codes(7, *each)
    path = tmp_path / f"x{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, **{"0": array})
    dataset = read_dataset(MODEL, str(path))
    assert [sample.sources for sample in dataset.samples] == [(f"{path}[{n}]",) for n in range(7)]
    for number, (read,) in enumerate(values(MODEL, dataset)):
        one = array[number]
        if each == (3, 4, 5):
            one = np.moveaxis(one, 0, -1)
        np.testing.assert_array_equal(read, one.reshape(SHAPE))


def test_one_sample_is_no_array_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, codes(*SHAPE))
    assert [sample.sources for sample in read_dataset(MODEL, str(path)).samples] == [(str(path),)]


def test_an_array_stays_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    np.save(path, codes(9, *SHAPE))

    def fail(path: Path) -> bytes:
        raise AssertionError(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert len(values(MODEL, read_dataset(MODEL, str(path)))) == 9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "a.png", "more/c.jpg"):
        Image.fromarray(codes(8, 8, 3).view(np.uint8)).save(folder / name)
    np.save(folder / "d.npy", codes(2, *SHAPE))
    (folder / "notes.md").write_text("x")
    return folder


def test_a_folder_of_images_and_arrays(folder: Path) -> None:
    dataset = read_dataset(MODEL, str(folder))
    names = [str(Path(sample.name).relative_to(folder)) for sample in dataset.samples]
    assert names == ["a.png", "b.png", "d.npy[0]", "d.npy[1]", "more/c.jpg"]
    assert dataset.notes == (f"{folder}: notes.md left out: no image, .npy or .npz",)
    assert [sample.number for sample in dataset.samples] == list(range(5))
    assert all(read.shape == SHAPE for (read,) in values(MODEL, dataset))


def test_a_pattern_and_a_limit(folder: Path) -> None:
    dataset = read_dataset(MODEL, f"{folder}/*.png", limit=1)
    assert [sample.name for sample in dataset.samples] == [f"{folder}/a.png"]
    assert dataset.total == 2


def test_inputs_by_name_in_one_file(tmp_path: Path) -> None:
    model = model_of(SHAPE, (1, 2))
    left, right = codes(4, *SHAPE), codes(4, 2)
    path = tmp_path / "x.npz"
    np.savez(path, **{"0": left, "2": right})
    dataset = read_dataset(model, str(path))
    assert len(dataset.samples) == 4
    for number, (a, b) in enumerate(values(model, dataset)):
        np.testing.assert_array_equal(a, left[number])
        np.testing.assert_array_equal(b, right[number : number + 1])


def test_a_manifest_lies_beside_its_files(tmp_path: Path) -> None:
    model = model_of(SHAPE, (1, 2))
    left, right = codes(*SHAPE), codes(3, 2)
    np.save(tmp_path / "left.npy", left)
    np.save(tmp_path / "right.npy", right)
    manifest = tmp_path / "list.csv"
    manifest.write_text("0,2,label\nleft.npy,right.npy[2],7\nleft.npy,right.npy[0],1\n")
    dataset = read_dataset(model, str(manifest))
    assert [sample.label for sample in dataset.samples] == [7, 1]
    for (a, b), row in zip(values(model, dataset), (2, 0), strict=True):
        np.testing.assert_array_equal(a, left)
        np.testing.assert_array_equal(b, right[row : row + 1])


@pytest.mark.parametrize("suffix", [".txt", ".npy"])
def test_labels(tmp_path: Path, suffix: str) -> None:
    np.save(tmp_path / "x.npy", codes(3, *SHAPE))
    labels = tmp_path / f"labels{suffix}"
    np.save(labels, [4, 0, 2]) if suffix == ".npy" else labels.write_text("4\n0\n2\n")
    dataset = read_dataset(MODEL, str(tmp_path / "x.npy"), labels=labels)
    assert [sample.label for sample in dataset.samples] == [4, 0, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4 0", r"2 labels for 3 inputs of .*x.npy; give one for each"),
        ("4 cat 0", r"label 2: 'cat' is no label; give the class as an integer"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, text: str, message: str) -> None:
    np.save(tmp_path / "x.npy", codes(3, *SHAPE))
    (tmp_path / "labels").write_text(text)
    with pytest.raises(InputError, match=message):
        read_dataset(MODEL, str(tmp_path / "x.npy"), labels=tmp_path / "labels")


@pytest.mark.parametrize(
    ("files", "source", "message"),
    [
        ({}, "", r"--dataset .*: no input is in there; give a folder of images"),
        ({}, "/none.npy", r"no input is in there"),
        ({"x.npy": b"no"}, "/x.npy", r"x.npy: damaged, or not a numpy file"),
        ({"m.csv": b"0\na,b\n"}, "/m.csv", r"m.csv: row 1 has 2 fields, and the head 1 names"),
        ({"m.csv": b"0,label\na,b\n"}, "/m.csv", r"m.csv: row 1: 'b' is no label"),
    ],
)
def test_refusals(tmp_path: Path, files: dict[str, bytes], source: str, message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_dataset(MODEL, f"{tmp_path}{source}")


def test_a_sample_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, codes(3, *SHAPE))
    with pytest.raises(InputError, match=r"x.npy\[3\]: there are 3 samples, from 0 to 2"):
        read_inputs(MODEL, [f"{path}[3]"])


def test_arrays_of_unlike_lengths(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"0": codes(4, *SHAPE), "2": codes(3, 2)})
    with pytest.raises(InputError, match="do not hold as many samples"):
        read_dataset(model_of(SHAPE, (1, 2)), str(tmp_path / "x.npz"))


def test_dumps_by_order_and_by_name(folder: Path, tmp_path: Path) -> None:
    dumps = tmp_path / "dumps"
    for number in (10, 2, 1, 0, 3):
        (dumps / f"in{number}").mkdir(parents=True)
    everything = read_dataset(MODEL, str(folder))
    assert [path.name for path in dumps_of(dumps, everything)] == [
        "in0",
        "in1",
        "in2",
        "in3",
        "in10",
    ]
    images = read_dataset(MODEL, f"{folder}/*.png")
    with pytest.raises(InputError, match=r"5 files and folders for 2 inputs of .*; give one"):
        dumps_of(dumps, images)
    for name in ("b.npz", "a.npz"):
        (dumps / name).touch()
    assert [path.name for path in dumps_of(dumps, images)] == ["a.npz", "b.npz"]
    with pytest.raises(InputError, match="with --dataset, --against is a folder"):
        dumps_of(dumps / "a.npz", images)
