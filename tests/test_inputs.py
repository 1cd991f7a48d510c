"""Input files to arrays."""

from __future__ import annotations

import math
import random
import struct
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import EFFICIENTNET
from tests.single_op import Spec, build
from tflreplay.ground.errors import InputError
from tflreplay.model import Model, Quantization, Signature, Tensor, load, parse
from tflreplay.runtimes.inputs import random_inputs, read_inputs


def model_of(*tensors: Tensor, signatures: tuple[Signature, ...] = ()) -> Model:
    """A model whose inputs are ``tensors``."""
    content = build("ADD_N", [Spec((1,), "int8")] * len(tensors), [Spec((1,), "int8")])
    parsed = parse(content, Path("made.tflite"))
    graph = parsed.main
    made = (*tensors, *graph.tensors[len(tensors) :])
    return replace(parsed, subgraphs=(replace(graph, tensors=made),), signatures=signatures)


def tensor(
    dtype: str = "int8",
    shape: tuple[int, ...] = (1, 2, 3),
    scale: float | None = 0.5,
    zero_point: int = 0,
    signature: tuple[int, ...] | None = None,
    index: int = 0,
    name: str = "x",
) -> Tensor:
    quantization = None
    if scale is not None:
        quantization = Quantization(np.float32([scale]), np.int64([zero_point]), 0)
    return Tensor(index, name, shape, signature or shape, dtype, 0, quantization)


def saved(path: Path, array: Any) -> str:
    np.save(path, array)
    return str(path)


def read_one(tmp_path: Path, wanted: Tensor, array: Any) -> tuple[np.ndarray, str]:
    """The array and the note that ``array``, saved to x.npy, becomes."""
    found = read_inputs(model_of(wanted), [saved(tmp_path / "x.npy", array)])
    (note,) = found.notes
    return found.arrays[0], note


def fails(tmp_path: Path, wanted: Tensor, array: Any) -> str:
    with pytest.raises(InputError) as raised:
        read_one(tmp_path, wanted, array)
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'x.npy'}: ")
    assert message.isprintable()
    return message.removeprefix(f"{tmp_path / 'x.npy'}: ")


# Arrays


@pytest.mark.parametrize("source", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int4"])
def test_floating_point_data_is_quantized(tmp_path: Path, dtype: str, source: Any) -> None:
    wanted = tensor(dtype, (1, 4000), scale=0.37, zero_point=3)
    low, high = wanted.code_range
    rng = np.random.default_rng(1)
    values = (rng.uniform(low - 20, high + 20, wanted.shape) * 0.37).astype(source)
    codes, note = read_one(tmp_path, wanted, values)

    def exact(value: float) -> int:
        quotient = Fraction(value) / Fraction(wanted.scale)
        nearest = math.floor(abs(quotient) + Fraction(1, 2)) * (1 if quotient > 0 else -1)
        return min(max(nearest + 3, low), high)

    assert codes.dtype == wanted.numpy_dtype
    assert codes.ravel().tolist() == [exact(float(value)) for value in values.ravel()]
    assert {codes.min(), codes.max()} == {low, high}
    assert f"{values.dtype}, quantized to {dtype} by scale 0.37 and zero point 3" in note


def test_halves_round_away_from_zero(tmp_path: Path) -> None:
    values = np.float32([[-1.25, -0.75, -0.25], [0.25, 0.75, 1.25]])
    codes, _ = read_one(tmp_path, tensor(), values)
    assert codes.tolist() == [[[-3, -2, -1], [1, 2, 3]]]


def test_huge_values_saturate(tmp_path: Path) -> None:
    codes, _ = read_one(tmp_path, tensor(shape=(2,), scale=1e-30), np.array([1e300, -1e300]))
    assert codes.tolist() == [127, -128]


@pytest.mark.parametrize("source", ["int8", "uint8", "int64", "uint64", "bool"])
def test_integers_are_taken_as_they_are(tmp_path: Path, source: str) -> None:
    values = np.arange(6).reshape(1, 2, 3).astype(source)
    codes, note = read_one(tmp_path, tensor(zero_point=9), values)
    assert codes.dtype == np.int8
    np.testing.assert_array_equal(codes, values.astype(np.int8))
    assert note.endswith(f"{source} codes, taken as they are")


@pytest.mark.parametrize(
    ("dtype", "bad", "allowed"),
    [
        ("int8", np.int32([128]), "-128 to 127"),
        ("uint8", np.int8([-1]), "0 to 255"),
        ("int4", np.int8([8]), "-8 to 7"),
        ("int32", np.uint64([2**63]), f"{-(2**31)} to {2**31 - 1}"),
    ],
)
def test_integers_out_of_range(tmp_path: Path, dtype: str, bad: Any, allowed: str) -> None:
    message = fails(tmp_path, tensor(dtype, (1,)), bad)
    remedy, unsigned, _ = message.partition(', or say values = "unsigned" in a file given to --map')
    assert remedy == (
        f"{bad.dtype} values {bad[0]} to {bad[0]} do not fit {dtype} input 0 (x); "
        f"give integers from {allowed}, or floating-point data to be quantized"
    )
    assert bool(unsigned) == (dtype in ("int8", "int4"))  # they may be the bits of codes


def test_floating_point_input(tmp_path: Path) -> None:
    wanted = tensor("float32", (2,), None)
    values, note = read_one(tmp_path, wanted, np.array([0.1, 2]))
    assert values.tobytes() == np.float32([0.1, 2]).tobytes()
    assert note.endswith("float64, taken as float32")
    assert "too large for float32" in fails(tmp_path, wanted, np.array([1e300, 0]))
    assert "give floating-point data" in fails(tmp_path, wanted, np.array([1, 2]))


def test_bool_and_complex_inputs(tmp_path: Path) -> None:
    flags, _ = read_one(tmp_path, tensor("bool", (2,), None), np.array([True, False]))
    assert flags.tolist() == [True, False]
    waves, _ = read_one(tmp_path, tensor("complex64", (1,), None), np.array([1 + 2j]))
    assert waves.dtype == np.complex64
    assert "give bool data" in fails(tmp_path, tensor("bool", (2,), None), np.array([1, 0]))


@pytest.mark.parametrize(
    "bad",
    [
        np.array([1j]),
        np.array(["text"]),
        np.array([b"text"]),
        np.zeros(1, [("a", "<f4")]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.array([1], "timedelta64[s]"),
    ],
    ids=lambda array: str(array.dtype),
)
@pytest.mark.parametrize("dtype", ["int8", "float32", "bool"])
def test_wrong_dtype(tmp_path: Path, dtype: str, bad: np.ndarray) -> None:
    scale = 0.5 if dtype == "int8" else None
    message = fails(tmp_path, tensor(dtype, (1,), scale), bad)
    assert message.startswith(f"{bad.dtype} data does not fit {dtype} input 0 (x); give ")


def test_floating_point_data_for_indices(tmp_path: Path) -> None:
    message = fails(tmp_path, tensor("int32", (1,), None), np.float32([1]))
    expected = "float32 data does not fit int32 input 0 (x); give integers from -2147483648 to"
    assert message.startswith(expected)
    assert "quantized" not in message


def test_strings_cannot_be_given(tmp_path: Path) -> None:
    wanted = tensor("string", (1,), None)
    assert "no file format for strings" in fails(tmp_path, wanted, np.array(["a"]))
    with pytest.raises(InputError, match="no random values for string"):
        random_inputs(model_of(wanted))


def test_object_arrays_are_refused(tmp_path: Path) -> None:
    message = fails(tmp_path, tensor(), np.array([{}], object))
    assert "file of numbers" in message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_nan_and_infinity(tmp_path: Path, dtype: str, bad: float) -> None:
    values = np.zeros((1, 2, 3), np.float32)
    values[0, 1, 1] = bad
    assert fails(tmp_path, tensor(dtype), values) == (
        "holds NaN or infinity; every value must be finite"
    )


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_scale_that_cannot_quantize(tmp_path: Path, scale: float) -> None:
    message = fails(tmp_path, tensor(shape=(1,), scale=scale), np.float32([1]))
    assert message.endswith("by which floating-point data cannot be quantized; give integers")


# Shapes


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3)])
def test_batch_dimension_is_added(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert read_one(tmp_path, tensor(), np.zeros(shape, np.int8))[0].shape == (1, 2, 3)


def test_batch_dimension_is_added_to_one_that_is_dynamic(tmp_path: Path) -> None:
    wanted = tensor(signature=(-1, 2, 3))
    assert read_one(tmp_path, wanted, np.zeros((2, 3), np.int8))[0].shape == (1, 2, 3)


@pytest.mark.parametrize("batch", [1, 5, 0])
def test_dynamic_dimension(tmp_path: Path, batch: int) -> None:
    wanted = tensor(signature=(-1, 2, 3))
    assert read_one(tmp_path, wanted, np.zeros((batch, 2, 3), np.int8))[0].shape == (batch, 2, 3)
    assert fails(tmp_path, wanted, np.zeros((batch, 2, 4), np.int8)).endswith(
        "does not fit tensor 0 (x), which is int8[-1, 2, 3]"
    )


@pytest.mark.parametrize("shape", [(), (1,), (3, 2), (1, 3, 2), (2, 2, 3), (0,)])
def test_wrong_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    order = ": its axes are in another order; transpose it, or give --layout"
    assert fails(tmp_path, tensor(), np.zeros(shape, np.float32)) == (
        f"shape {list(shape)} does not fit tensor 0 (x), which is int8[1, 2, 3]"
        f"{order if math.prod(shape) == 6 else ''}"
    )


@pytest.mark.parametrize("shape", [(6,), (1, 1, 6), (1, 1, 1, 2, 3), (2, 3, 1)])
def test_another_shape_of_the_same_order(tmp_path: Path, shape: tuple[int, ...]) -> None:
    codes = np.arange(6, dtype=np.int8)
    found, note = read_one(tmp_path, tensor(), codes.reshape(shape))
    np.testing.assert_array_equal(found, codes.reshape(1, 2, 3))
    assert note.endswith("given the tensor's shape, row-major") or "given the tensor's, " in note


def test_scalar_and_empty_inputs(tmp_path: Path) -> None:
    assert read_one(tmp_path, tensor(shape=()), np.float32(1))[0].shape == ()
    assert read_one(tmp_path, tensor(shape=(0, 3)), np.zeros((0, 3)))[0].shape == (0, 3)
    assert read_one(tmp_path, tensor(shape=(0, 3)), np.zeros((0, 3), np.int64))[0].size == 0


# Files


def test_missing_directory_and_empty_file(tmp_path: Path) -> None:
    one = model_of(tensor(shape=(1, 2, 3, 3)))
    (tmp_path / "empty.npy").touch()
    (tmp_path / "empty.png").touch()
    for name in ("none.npy", "none.npz", "none.png", "none"):
        with pytest.raises(InputError, match=rf"{name}: cannot read .*: No such file"):
            read_inputs(one, [str(tmp_path / name)])
    for name, said in (
        ("a.npy", "no file of tensors"),
        ("a.png", "cannot read .*: Is a directory"),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=rf"{name}: {said}"):
            read_inputs(one, [str(tmp_path / name)])
    with pytest.raises(InputError, match=r"empty\.npy: the file is empty"):
        read_inputs(one, [str(tmp_path / "empty.npy")])
    with pytest.raises(InputError, match="cannot identify image file"):
        read_inputs(one, [str(tmp_path / "empty.png")])


def damaged(rng: random.Random, content: bytes) -> bytes:
    data = bytearray(content)
    if rng.random() < 0.3:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.choice([1, 4, 16])):
        data[rng.randrange(min(len(data), rng.choice([128, len(data)])))] = rng.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.png", "x.jpg", "x.bmp", "x.gif", "x.tif"])
def test_damaged_files(tmp_path: Path, name: str) -> None:
    """Whatever the damage: an input or an InputError, and nothing else."""
    rng = random.Random(0)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, pixels / 2)
    elif path.suffix == ".npz":
        np.savez_compressed(path, x=pixels / 2)
    else:
        Image.fromarray(pixels).save(path)
    content = path.read_bytes()
    one = model_of(tensor("uint8", (1, 8, 8, 3)))
    read_inputs(one, [str(path)])
    refused = 0
    for _ in range(150):
        path.write_bytes(damaged(rng, content))
        try:
            read_inputs(one, [str(path)])
        except InputError as error:
            assert str(error).startswith(str(path))  # noqa: PT017
            refused += 1
    assert refused > 30


def test_wrong_suffix(tmp_path: Path) -> None:
    """Arrays are known by their content; the suffix only tells images from arrays."""
    np.save(tmp_path / "x", np.zeros((2, 3), np.int8))
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    one = model_of(tensor())
    assert read_inputs(one, [str(tmp_path / "x.npz")]).arrays[0].shape == (1, 2, 3)
    (tmp_path / "x.npz").rename(tmp_path / "x.png")
    with pytest.raises(InputError, match="an image does not fit"):
        read_inputs(one, [str(tmp_path / "x.png")])


# Names


@pytest.fixture
def two() -> Model:
    serve = Signature("serve", 0, {"left": 0, "right": 1, "out": 2}, {})
    elsewhere = Signature("elsewhere", 1, {"a": 1}, {})
    inputs = (tensor(index=0, name="a", shape=(1,)), tensor(index=1, name="b=c", shape=(1,)))
    return model_of(*inputs, signatures=(elsewhere, serve))


@pytest.mark.parametrize(
    "names", [("left", "right"), ("a", "b=c"), ("0", "1"), ("a", "right"), ("left", "1")]
)
def test_names(tmp_path: Path, two: Model, names: tuple[str, str]) -> None:
    left, right = names
    one = saved(tmp_path / "one.npy", np.int8([1]))
    zwei = saved(tmp_path / "zwei.npy", np.int8([2]))
    np.savez(tmp_path / "both.npz", **{left: np.int8([1]), right: np.int8([2])})
    for sources in (
        [f"{left}={one}", f"{right}={zwei}"],
        [f"{right}={zwei}", f"{left}={one}"],
        [str(tmp_path / "both.npz")],
    ):
        found = read_inputs(two, sources)
        assert {index: array.tolist() for index, array in found.arrays.items()} == {0: [1], 1: [2]}
        assert len(found.notes) == 2


def test_equals_sign_in_a_file_name(
    tmp_path: Path, two: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("run=1.npy", np.int8([1]))
    for source in ("run=1.npy", f"{tmp_path}/run=1.npy", "x=run=1.npy"):
        assert read_inputs(model_of(tensor(shape=(1,))), [source]).arrays[0].tolist() == [1]
    found = read_inputs(two, ["a=run=1.npy", "b=c=run=1.npy"])
    assert found.arrays[1].tolist() == [1]
    with pytest.raises(InputError, match=r"^run=2\.npy: cannot read"):
        read_inputs(two, ["a=run=2.npy"])


def test_wrong_names(tmp_path: Path, two: Model) -> None:
    file = saved(tmp_path / "x.npy", np.int8([1]))
    np.savez(tmp_path / "x.npz", a=np.int8([1]), z=np.int8([1]))
    archive = str(tmp_path / "x.npz")
    inputs = r"0 \(a\), 1 \(b=c\)"
    for sources, message in (
        ([f"z={file}"], rf"x\.npy: no input is named 'z'; the inputs are {inputs}"),
        ([f"out={file}"], "no input is named 'out'"),
        ([f"={file}"], rf"the model has 2 inputs \({inputs}\); give each as name=file"),
        ([file], rf"the model has 2 inputs \({inputs}\); give each as name=file"),
        ([f"a={file}"], r"made\.tflite: no value for input 1 \(b=c\); give every input"),
        ([f"a={file}", f"left={file}"], r"input 0 \(a\) is given twice"),
        ([archive, f"0={file}"], r"input 0 \(a\) is given twice"),
        ([f"a={archive}"], r"an archive holds inputs by name; give it without the 'a'"),
    ):
        with pytest.raises(InputError, match=message) as raised:
            read_inputs(two, sources)
        assert str(raised.value).isprintable()


def test_name_of_two_inputs(tmp_path: Path) -> None:
    same = model_of(tensor(index=0, shape=(1,)), tensor(index=1, shape=(1,)))
    file = saved(tmp_path / "x.npy", np.int8([1]))
    with pytest.raises(InputError, match="several inputs are named 'x'"):
        read_inputs(same, [f"x={file}", f"x={file}"])
    assert set(read_inputs(same, [f"0={file}", f"1={file}"]).arrays) == {0, 1}


def test_archive_member_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x", "text")
    with pytest.raises(InputError, match=r"x\.npz\[x\]: not an array"):
        read_inputs(model_of(tensor()), [str(tmp_path / "x.npz")])


# Images

RGB = np.random.default_rng(2).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def read_image(
    tmp_path: Path, image: Image.Image, wanted: Tensor, name: str = "x.png"
) -> tuple[np.ndarray, str]:
    image.save(tmp_path / name)
    found = read_inputs(model_of(wanted), [str(tmp_path / name)])
    return found.arrays[0], found.notes[0]


@pytest.mark.parametrize(
    ("dtype", "scale", "expected"),
    [
        ("uint8", 1 / 255, RGB),
        ("int8", 1 / 255, (RGB.astype(int) - 128).astype(np.int8)),
        ("float32", None, RGB / np.float32(255)),
        ("int16", 2.0**-15, np.rint(RGB / np.float32(255) * 2.0**15).clip(max=32767)),
    ],
)
def test_image_by_dtype(tmp_path: Path, dtype: str, scale: float | None, expected: Any) -> None:
    pixels, note = read_image(
        tmp_path, Image.fromarray(RGB), tensor(dtype, (1, 5, 7, 3), scale, signature=(-1, 5, 7, 3))
    )
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(pixels[0], expected)
    assert "x.png (7x5 image)" in note
    assert "pixels 0..255 as " in note


def test_image_is_resized(tmp_path: Path) -> None:
    pixels, note = read_image(tmp_path, Image.fromarray(RGB), tensor("uint8", (1, 4, 3, 3)))
    expected = Image.fromarray(RGB).resize((3, 4), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(pixels[0], np.asarray(expected))
    assert "(7x5 image, resized to 3x4, bilinear, aspect not kept)" in note


def test_image_of_dynamic_size(tmp_path: Path) -> None:
    wanted = tensor("uint8", (1, 1, 1, 3), signature=(1, -1, -1, 3))
    pixels, _ = read_image(tmp_path, Image.fromarray(RGB), wanted)
    np.testing.assert_array_equal(pixels[0], RGB)


@pytest.mark.parametrize("name", ["x.bmp", "x.JPG", "x.jpeg", "x.gif", "x.webp", "x.TIFF"])
def test_image_formats(tmp_path: Path, name: str) -> None:
    plain = np.full((5, 7, 3), 200, np.uint8)
    pixels, _ = read_image(tmp_path, Image.fromarray(plain), tensor("uint8", (1, 5, 7, 3)), name)
    assert np.abs(pixels.astype(int) - 200).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_image_modes(tmp_path: Path, mode: str, channels: int) -> None:
    image = Image.fromarray(RGB).convert(mode)
    wanted = tensor("uint8", (1, 5, 7, channels))
    pixels, note = read_image(tmp_path, image, wanted, "x.tif" if mode == "CMYK" else "x.png")
    expected = image.convert("L" if channels == 1 else "RGB")
    np.testing.assert_array_equal(pixels[0], np.asarray(expected).reshape(5, 7, channels))
    assert ("transparency ignored" in note) == (mode in ("LA", "RGBA"))


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(RGB).quantize(4)
    image.info["transparency"] = bytes([0, 10, 20, 255])
    pixels, note = read_image(tmp_path, image, tensor("uint8", (1, 5, 7, 3)))
    del image.info["transparency"]
    np.testing.assert_array_equal(pixels[0], np.asarray(image.convert("RGB")))
    assert "transparency ignored" in note


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_images_of_more_than_8_bits(tmp_path: Path, dtype: Any) -> None:
    image = Image.fromarray(np.zeros((5, 7), dtype))
    with pytest.raises(InputError, match=r"x\.tif: its pixels have more than 8 bits"):
        read_image(tmp_path, image, tensor("uint8", (1, 5, 7, 1)), "x.tif")


@pytest.mark.parametrize("shape", [(1, 5), (1, 3, 5, 7), (2, 5, 7, 3), (5, 7, 3), (1, 5, 7, 4)])
def test_image_for_an_input_that_is_none(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"x\.png: an image does not fit input 0 \(x\) of shape"):
        read_image(tmp_path, Image.fromarray(RGB), tensor("uint8", shape))


def test_image_by_name(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "x.png")
    pair = model_of(
        tensor("uint8", (1, 5, 7, 3), name="a"), tensor("int8", (1, 5, 7, 3), name="b", index=1)
    )
    found = read_inputs(pair, [f"b={tmp_path / 'x.png'}", f"a={tmp_path / 'x.png'}"]).arrays
    assert (found[0].dtype, found[1].dtype) == (np.uint8, np.int8)
    np.testing.assert_array_equal(found[0].astype(int) - 128, found[1])


# Random inputs


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int4", "int2"])
def test_random_codes(dtype: str) -> None:
    wanted = tensor(dtype, (1, 2000))
    one = model_of(wanted)
    first = read_inputs(one, [], seed=3)
    array = first.arrays[0]
    low, high = wanted.code_range
    assert array.dtype == wanted.numpy_dtype
    assert array.shape == (1, 2000)
    assert low <= array.min() < low + (high - low + 1) / 20
    assert high >= array.max() > high - (high - low + 1) / 20
    assert first.notes == (f"input 0 (x): random {dtype} codes from {low} to {high}, seed 3",)
    np.testing.assert_array_equal(read_inputs(one, [], seed=3).arrays[0], array)
    assert (read_inputs(one, [], seed=4).arrays[0] != array).any()


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (1, 500)])
def test_random_values(dtype: str, shape: tuple[int, ...]) -> None:
    found = random_inputs(model_of(tensor(dtype, shape, None)))
    array = found.arrays[0]
    assert isinstance(array, np.ndarray)
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    if array.size > 1:
        low, high = (-1, 1) if dtype.startswith("float") else (0, 1)
        assert low <= array.min() < array.max() <= high


def test_random_inputs_differ() -> None:
    pair = model_of(tensor(shape=(50,)), tensor(shape=(50,), index=1))
    found = random_inputs(pair).arrays
    assert (found[0] != found[1]).any()


def test_repr_is_short() -> None:
    assert len(repr(random_inputs(model_of(tensor(shape=(1000,)))))) < 120


def test_header_of_a_huge_array(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000, 1000), }\n"
    (tmp_path / "x.npy").write_bytes(
        b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(64)
    )
    with pytest.raises(InputError, match=r"x\.npy: damaged, or not a numpy file"):
        read_inputs(model_of(tensor()), [str(tmp_path / "x.npy")])


def test_inputs_may_be_resized(tmp_path: Path) -> None:
    model = load(EFFICIENTNET)
    (index,) = model.main.inputs
    assert read_inputs(model, [], shapes=["1,192,160,3"]).arrays[index].shape == (1, 192, 160, 3)
    np.save(tmp_path / "x.npy", np.zeros((1, 64, 64, 3), np.int8))
    source = [str(tmp_path / "x.npy")]
    assert read_inputs(model, source, shapes=["image=1,64,64,3"]).arrays[index].shape[1] == 64
    with pytest.raises(InputError, match=r"x\.npy: shape \[1, 64, 64, 3\] does not fit"):
        read_inputs(model, source)
    for text in ("1,64", "1,64,x,3", "1,0,64,3", ""):
        with pytest.raises(InputError, match="expected 4 sizes from 1 on"):
            read_inputs(model, source, shapes=[text])
    with pytest.raises(InputError, match="no input is named 'y'"):
        read_inputs(model, source, shapes=["y=1,64,64,3"])


def test_an_input_that_is_a_shape_is_not_random() -> None:
    x, shape = Spec((2, 6), "int8", 0.5), Spec((3,), "int32")
    content = build("RESHAPE", [x, shape], [Spec((2, 3, 2), "int8", 0.5)])
    found = random_inputs(parse(content, Path("made.tflite")))
    assert found.arrays[1].tolist() == [2, 3, 2]
    assert "[2, 3, 2], the shape that the model declares" in found.notes[1]
