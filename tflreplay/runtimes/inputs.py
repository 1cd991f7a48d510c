"""Input files to arrays that fit the model's input tensors, and a sentence on what was done."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.ground.words import few
from tflreplay.model import Model, Tensor
from tflreplay.ops import card
from tflreplay.runtimes.formats import Found, Kind, numpy_files, read, read_folder
from tflreplay.runtimes.hints import NO_HINT, NO_HINTS, Hint, Hints
from tflreplay.runtimes.layouts import place
from tflreplay.runtimes.names import Names
from tflreplay.runtimes.values import Misfit, Reading, as_dumped, fit

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Inputs:
    """Arrays by tensor index, and for each one sentence on where it came from.

    ``earlier`` holds the inputs of the inferences before, where there are several. ``reals`` holds
    the values of those that were given as real numbers, of which the codes were made here.
    """

    arrays: dict[int, Array] = field(repr=False)
    notes: tuple[str, ...] = ()
    earlier: tuple[dict[int, Array], ...] = field(default=(), repr=False)
    reals: dict[int, Array] = field(default_factory=dict, repr=False)


def read_inputs(
    model: Model,
    sources: Sequence[str],
    seed: int = 0,
    steps: int | None = None,
    shapes: Sequence[str] = (),
    hints: Hints = NO_HINTS,
) -> Inputs:
    """The model's inputs from files.

    An array with one dimension more than its input holds the inputs of consecutive inferences.

    Args:
        model: the model to be fed.
        sources: each ``file`` or ``name=file``. A file is an image, or in any of the forms of
            :mod:`tflreplay.runtimes.formats`; one that holds several arrays, or a folder, has
            inputs by name. ``file[17]`` is one sample of a file that holds many, from 0 on.
            A name is a signature's argument, or a tensor's as
            :mod:`tflreplay.runtimes.names` has it. Without sources, the inputs are random.
        seed: of the random inputs.
        steps: how many inferences to run; without it as many as the files hold.
        shapes: other shapes of inputs, each ``name=1,320,320,3``; the name may be left out where
            there is one input.
        hints: what is known of the arrays, see :func:`tflreplay.runtimes.hints.read_hints`.

    Raises:
        InputError: a file is missing or unreadable, a name is unknown, an input is left out, an
            array does not fit its tensor, or a shape is not one of the input's rank.
    """
    model = _resized(model, shapes)
    if not sources:
        return random_inputs(model, seed, steps or 1)
    given: dict[int, _Given] = {}
    left: list[str] = []
    for each in _arrays(model, sources, hints, left):
        if each.index in given:
            label = model.main.tensors[each.index].label
            raise InputError(f"{each.label}: input {label} is given twice")
        given[each.index] = each
    absent = [model.main.tensors[i].label for i in model.main.inputs if i not in given]
    if absent:
        told = "".join(f" ({line})" for line in left)
        raise InputError(
            f"{model.path}: no value for input {', '.join(absent)}{told}; "
            "give every input, as --input name=file"
        )
    held = {index: _steps(model.main.tensors[index], each) for index, each in given.items()}
    count = steps or max(map(len, held.values()), default=1)
    notes = []
    inferences: list[dict[int, Array]] = [{} for _ in range(count)]
    reals: dict[int, Array] = {}
    for index, each in sorted(given.items()):
        label = each.label
        if len(held[index]) not in (1, count):
            raise InputError(
                f"{label}: shape {list(each.found.values.shape)} holds inputs for "
                f"{len(held[index])} inferences, expected 1 or {count}"
            )
        for step, arrays in enumerate(inferences):
            one = replace(each.found, values=held[index][step % len(held[index])])
            reading = _fit(model.main.tensors[index], one, each.hint, label)
            arrays[index], how = reading.array, ", ".join((*reading.how, *one.notes))
            if reading.reals is not None:
                reals[index] = reading.reals
        notes.append(f"{label}: {how}" + (f", {count} inferences" if count > 1 else ""))
    return Inputs(inferences[-1], (*notes, *left), tuple(inferences[:-1]), reals)


@dataclass(frozen=True)
class _Given:
    """An array, and the input that it is."""

    index: int
    label: str
    found: Found = field(repr=False)
    hint: Hint = NO_HINT


def _steps(tensor: Tensor, given: _Given) -> list[Array]:
    """The inputs of consecutive inferences that an array holds: most often one."""
    array = given.found.values
    if array.ndim != len(tensor.shape_signature) + 1 or not len(array):
        return [array]
    blocked = any(at.layout != "NHWC" for at in place(tensor.shape, array, given.hint.layout))
    return [array] if blocked else list(array)


def _resized(model: Model, shapes: Sequence[str]) -> Model:
    """The model with its inputs in other shapes, as ``ResizeInputTensor`` gives it."""
    tensors = list(model.main.tensors)
    for text in shapes:
        name, _, sizes = text.rpartition("=")
        index = _input_index(model, name, f"--shape {text}")
        tensor = tensors[index]
        try:
            shape = tuple(int(size) for size in sizes.split(","))
        except ValueError:
            shape = ()
        if len(shape) != len(tensor.shape) or min(shape, default=0) < 1:
            raise InputError(
                f"--shape {text}: expected {len(tensor.shape)} sizes from 1 on, between commas, "
                f"for input {tensor.label}, which is {list(tensor.shape_signature)}"
            )
        tensors[index] = replace(tensor, shape=shape, shape_signature=shape)
    main = replace(model.main, tensors=tuple(tensors))
    return replace(model, subgraphs=(main, *model.subgraphs[1:]))


def random_inputs(model: Model, seed: int = 0, steps: int = 1) -> Inputs:
    """Uniform random values: every code of a quantized input, -1 to 1 for a floating-point one."""
    drawn = [_random_inputs(model, seed + step) for step in range(steps)]
    last, *_ = reversed(drawn)
    return replace(
        last, notes=drawn[0].notes, earlier=tuple(inputs.arrays for inputs in drawn[:-1])
    )


def _random_inputs(model: Model, seed: int) -> Inputs:
    rng = np.random.default_rng(seed)
    arrays, notes = {}, []
    for index in model.main.inputs:
        tensor = model.main.tensors[index]
        shape = _shape_wanted(model, index)
        if shape is not None:
            arrays[index] = np.array(shape, tensor.numpy_dtype)
            notes.append(f"input {tensor.label}: {list(shape)}, the shape that the model declares")
            continue
        arrays[index], what = random_array(tensor, rng)
        notes.append(f"input {tensor.label}: random {tensor.dtype} {what}, seed {seed}")
    return Inputs(arrays, tuple(notes))


def random_array(tensor: Tensor, rng: np.random.Generator) -> tuple[Array, str]:
    """Values as :func:`random_inputs` gives them, of the tensor's shape and dtype; and their range.

    Raises:
        InputError: of a type that is no number.
        NotReplayed: numpy has no such type.
    """
    dtype = tensor.numpy_dtype
    array: Array | float
    if dtype.kind == "f":
        array, what = rng.uniform(-1, 1, tensor.shape), "values from -1 to 1"
    elif dtype.kind in "iu" and tensor.quantization is not None:
        low, high = tensor.code_range
        array = rng.integers(low, high, tensor.shape, dtype, endpoint=True)
        what = f"codes from {low} to {high}"
    elif dtype.kind in "iub":
        array, what = rng.integers(0, 2, tensor.shape), "values 0 and 1"
    else:
        raise InputError(
            f"input {tensor.label}: no random values for {tensor.dtype}; {_remedy(tensor)}"
        )
    return np.asarray(array, dtype), what


def _shape_wanted(model: Model, index: int) -> tuple[int, ...] | None:
    """The shape that an input is to hold, where it is an op's shape: no random one would do."""
    for op in model.main.operators:
        position = card(op.name).roles.shape
        if position is not None and op.inputs[position : position + 1] == (index,):
            return model.main.tensors[op.outputs[0]].shape
    return None


def _fit(tensor: Tensor, found: Found, hint: Hint, label: str) -> Reading:
    """The array in the tensor's dtype and shape, and what was done to it.

    Raises:
        InputError: wrong shape or dtype, values out of range, NaN or infinity.
    """
    try:
        return fit(tensor, found, hint, _converted)
    except Misfit as misfit:
        raise InputError(f"{label}: {misfit}") from None


def _converted(tensor: Tensor, array: Array, found: Found, hint: Hint) -> list[Reading]:
    """The values of an input.

    Floating-point data for a quantized tensor is quantized by its scale and zero point, halves away
    from zero, and clamped; integers are taken as they are.

    Raises:
        Misfit: wrong dtype, values out of range, NaN or infinity.
    """
    dtype = tensor.numpy_dtype
    given, wanted = array.dtype.kind, dtype.kind
    if given in "fc" and not np.isfinite(array).all():
        raise Misfit("holds NaN or infinity; every value must be finite")
    if given == wanted == "f":
        with np.errstate(over="ignore"):
            result = array.astype(dtype)
        if not np.isfinite(result).all():
            raise Misfit(f"{array.dtype} values too large for {tensor.dtype}")
        return [Reading(result, (f"{array.dtype}, taken as {tensor.dtype}",))]
    if wanted in "iu" and hint.values in ("codes", "unsigned"):
        return as_dumped(tensor, array, found, hint)
    if given == "f" and wanted in "iu" and tensor.quantization is not None:
        how = (
            f"{array.dtype}, quantized to {tensor.dtype} by scale {tensor.scale:.6g} and zero "
            f"point {tensor.zero_point}"
        )
        return [Reading(_quantize(tensor, array), (how,), reals=array)]
    if given in "iub" and wanted in "iu":
        low, high = tensor.code_range
        if array.size and (array.min() < low or array.max() > high):
            bits = low < 0 <= array.min() and array.max() <= high - low
            unsigned = ', or say values = "unsigned" in a file given to --map, if these are codes'
            raise Misfit(
                f"{array.dtype} values {array.min()} to {array.max()} do not fit {tensor.dtype} "
                f"input {tensor.label}; {_remedy(tensor)}{unsigned if bits else ''}"
            )
        return [Reading(array.astype(dtype), (f"{array.dtype} codes, taken as they are",))]
    if given == wanted != "O":
        return [Reading(array.astype(dtype), (f"{array.dtype}, taken as it is",))]
    if wanted in "bf" and (found.kind is not Kind.TYPED or given == "u"):
        return as_dumped(tensor, array, found, hint)
    raise Misfit(
        f"{array.dtype} data does not fit {tensor.dtype} input {tensor.label}; {_remedy(tensor)}"
    )


def _remedy(tensor: Tensor) -> str:
    kind = tensor.numpy_dtype.kind
    if kind == "O":
        return "no file format for strings is supported"
    if kind in "iu":
        low, high = tensor.code_range
        text = f"give integers from {low} to {high}"
        quantized = ", or floating-point data to be quantized"
        return text if tensor.quantization is None else text + quantized
    return "give floating-point data" if kind == "f" else f"give {tensor.dtype} data"


def _quantize(tensor: Tensor, array: Array) -> Array:
    if tensor.quantization is None or tensor.quantization.per_axis or not tensor.scale > 0:
        raise Misfit(
            f"input {tensor.label} has {tensor.quantization}, by which floating-point "
            "data cannot be quantized; give integers"
        )
    low, high = (code - tensor.zero_point for code in tensor.code_range)
    with np.errstate(over="ignore"):  # an infinite quotient saturates like any other
        codes = np.clip(array.astype(np.float64) / tensor.scale, low, high)
    result: Array = (round_half_away(codes) + tensor.zero_point).astype(tensor.numpy_dtype)
    return result


def _arrays(
    model: Model, sources: Sequence[str], hints: Hints, left: list[str]
) -> Iterator[_Given]:
    """Every array of the sources that is an input. ``left`` gets a line on each that is none."""
    for source in sources:
        name, path, item = _split(source)
        if path.suffix.lower() in IMAGE_SUFFIXES:
            index = _input_index(model, name, str(path))
            label, pixels = _read_image(path, model.main.tensors[index])
            yield _Given(index, label, Found("", label, pixels, shaped=True))
            continue
        if item is None:
            found = read_folder(path)[0] if path.is_dir() else read(path)
        else:
            found = _held(path)
        if name and len(found) > 1:
            raise InputError(
                f"{path}: an archive holds inputs by name; give it without the {name!r} in front"
            )
        others = []
        for each in found:
            hint = hints.of(each.name or path.stem, path.name)
            called = hint.tensor or name or each.name
            try:
                index = _input_index(model, called, each.where)
            except InputError:
                if len(found) == 1:
                    raise
                if Names(model).find(called).index is None:  # else it is of a dump
                    others.append(called)
            else:
                if item is not None:
                    each = _sample(model.main.tensors[index], each, item)
                yield _Given(index, each.where, each, hint)
        if others:
            left.append(f"{path}: {few(others)} left out: no input is named that")


def samples_in(model: Model, path: Path, hints: Hints = NO_HINTS) -> int:
    """How many samples a file holds: 1, or as many as the first axis of its arrays counts.

    Raises:
        InputError: the file cannot be read, or its arrays do not hold as many.
    """
    counts = {}
    for each in _held(path):
        called = hints.of(each.name or path.stem, path.name).tensor or each.name
        try:
            tensor = model.main.tensors[_input_index(model, called, each.where)]
        except InputError:  # told when it is read
            continue
        counts[each.where] = _count(tensor, each.values)
    if len(set(counts.values()) - {1}) > 1:
        told = ", ".join(f"{where} {count}" for where, count in counts.items())
        raise InputError(f"{path}: its arrays do not hold as many samples: {told}")
    return max(counts.values(), default=1)


def _held(path: Path) -> list[Found]:
    """The arrays of a file, kept while samples are taken out of it; an .npy stays on the disk."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from None
    return _kept(path, stamp)


@lru_cache(maxsize=2)
def _kept(path: Path, stamp: int) -> list[Found]:
    return numpy_files.mapped(path) or read(path)


def _count(tensor: Tensor, values: Array) -> int:
    """The samples of an array; the first axis counts them, before a batch of 1 or in its place."""
    signature = tensor.shape_signature
    if not values.ndim or not len(values) or values.size == math.prod(tensor.shape):
        return 1
    dynamic = any(
        len(shape) == values.ndim - 1
        and all(want in (-1, size) for want, size in zip(shape, values.shape[1:], strict=True))
        for shape in (signature, signature[1:])
    )
    same = values.size == len(values) * math.prod(tensor.shape)
    return len(values) if same or dynamic else 1


def _sample(tensor: Tensor, found: Found, item: int) -> Found:
    """One sample of an array; of one that holds a single sample all."""
    count = _count(tensor, found.values)
    if count == 1:
        return found
    where = f"{found.where}[{item}]"
    if item >= count:
        raise InputError(f"{where}: there are {count} samples, from 0 to {count - 1}")
    return replace(found, where=where, values=np.array(found.values[item]))


def _split(source: str) -> tuple[str, Path, int | None]:
    """Name, file and sample of ``name=file[17]``, where the first two may hold a ``=``: the file
    is one that exists."""
    name, path = _named(source)
    item = re.fullmatch(r"(.+)\[(\d+)\]", str(path))
    if item is None or path.exists():
        return name, path, None
    name, path = _named(source[: source.rindex("[")])
    return name, path, int(item[2])


def _named(source: str) -> tuple[str, Path]:
    parts = source.split("=")
    splits = [("=".join(parts[:i]), "=".join(parts[i:])) for i in range(len(parts))]
    for name, file in splits:
        if os.path.exists(file):
            return name, Path(file)
    name, file = splits[min(1, len(splits) - 1)]
    return name, Path(file)


def _input_index(model: Model, name: str, label: str) -> int:
    inputs = model.main.inputs
    tensors = model.main.tensors
    names = ", ".join(tensors[i].label for i in inputs)
    if not name:
        if len(inputs) == 1:
            return inputs[0]
        raise InputError(
            f"{label}: the model has {len(inputs)} inputs ({names}); give each as name=file"
        )
    for signature in model.signatures:
        if signature.subgraph == model.main.index and signature.inputs.get(name) in inputs:
            return signature.inputs[name]
    matching = [i for i in inputs if name in (tensors[i].name, str(i))]
    if len(matching) == 1:
        return matching[0]
    index = Names(model).find(name).index if not matching else None
    if index in inputs:
        return index
    problem = "several inputs are" if matching else "no input is"
    raise InputError(f"{label}: {problem} named {name!r}; the inputs are {names}")


def _read_image(path: Path, tensor: Tensor) -> tuple[str, Array]:
    """An image in the tensor's height, width and channels; its own size where they are dynamic.

    Pixels 0..255 become the 256 codes of an 8-bit input (the real value is then the one that every
    usual normalization gives them), and values from 0 to 1 of any other.
    """
    from PIL.Image import open as open_image

    signature = tensor.shape_signature
    if len(signature) != 4 or signature[0] not in (1, -1) or signature[3] not in (1, 3):
        raise InputError(
            f"{path}: an image does not fit input {tensor.label} of shape {list(signature)}, but "
            "[1, height, width, 1 or 3]; give a .npy file"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is raised, in other words
            with open_image(path) as image:
                pixels, how = _pixels(image, *signature[1:])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # Pillow raises whatever a damaged file makes it hit
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot read the image: {reason}") from None
    label = f"{path} ({how})"
    if tensor.dtype == "int8":
        return f"{label}, pixels 0..255 as codes -128..127", (pixels ^ 0x80).view(np.int8)
    if tensor.dtype == "uint8":
        return f"{label}, pixels 0..255 as codes 0..255", pixels
    return f"{label}, pixels 0..255 as 0..1", pixels.astype(np.float32) / np.float32(255)


def _pixels(image: Image, height: int, width: int, channels: int) -> tuple[Array, str]:
    """uint8 array ``[1, height, width, channels]``, and what was done to the image."""
    from PIL.Image import Resampling

    if image.mode in ("F", "I") or image.mode.startswith("I;"):
        raise InputError("its pixels have more than 8 bits; convert it, or give a .npy file")
    how = f"{image.width}x{image.height} image"
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        how += ", transparency ignored"
    image = image.convert("L" if channels == 1 else "RGB")
    size = (image.width if width == -1 else width, image.height if height == -1 else height)
    if size != image.size:
        image = image.resize(size, Resampling.BILINEAR)
        how += f", resized to {size[0]}x{size[1]}, bilinear, aspect not kept"
    return np.asarray(image).reshape(1, size[1], size[0], channels), how
