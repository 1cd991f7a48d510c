"""Proves that a refactoring moves nothing: everything tflreplay says, before and after.

From the root of each checkout, with its own Python::

    python benchmarks/unmoved.py record DIR --zoo ZOO

and then::

    python benchmarks/unmoved.py compare BEFORE AFTER

``record`` writes texts as they are, but for the names of temporary directories; long arrays and big
files become hashes. ``compare`` takes out what ALLOWED names, and prints how each file differs.
Only the command line, public names and ``tests/diagnosis`` are used, so that modules may move.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import click
import numpy as np

import tflreplay

# What may differ


@dataclass(frozen=True)
class Allowed:
    """A difference that is meant: ``undo`` takes it out of the text of the ``files``."""

    files: str
    undo: Callable[[str], str]
    reason: str


def replaced(pattern: str, by: str = "") -> Callable[[str], str]:
    return partial(re.compile(pattern, re.MULTILINE).sub, by)


def without(key: str) -> Callable[[str], str]:
    """JSON without a key, wherever it is."""

    def pruned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: pruned(item) for name, item in value.items() if name != key}
        return [pruned(item) for item in value] if isinstance(value, list) else value

    def undo(text: str) -> str:
        # Parsing is slow, and most files do not have the key.
        return encoded(pruned(json.loads(text))) if f'"{key}"' in text else text

    return undo


def in_order(text: str) -> str:
    """JSON with its keys in alphabetical order."""
    return json.dumps(json.loads(text), sort_keys=True, indent=1) + "\n"


def unwrapped(text: str) -> str:
    """``rules`` with one line for each field, however long."""
    joined = re.sub(r"-\n {4,}(?=\S)", "-", text)
    return re.sub(r"\n {4,}(?=\S)", " ", joined)


def by_op(text: str) -> str:
    """``rules`` in the order of the ops' names; the rows of one op stay in theirs."""
    title, *rows = text.strip().split("\n\n")
    return "\n\n".join([title, *sorted(rows, key=lambda row: row.split(" (")[0])]) + "\n"


def sorted_users(text: str) -> str:
    """Notes like "xnnpack CONV_2D, MUL; tflm MUL", with the ops in order."""

    def ordered(match: re.Match[str]) -> str:
        engines = (engine.partition(" ") for engine in match[2].split("; "))
        users = [f"{name} {', '.join(sorted(ops.split(', ')))}" for name, _, ops in engines]
        return f"{match[1]}{'; '.join(users)}{match[3]}"

    return re.sub(r'("note": ")([^"]+)(")', ordered, text)


ALLOWED = (
    Allowed("*.json", without("seconds"), "times"),
    Allowed("*.xml", replaced(r' time="[^"]*"'), "times"),
    Allowed("*.json", without("machine"), "new: reports name the machine"),
    Allowed("*", replaced(r" on (x86-64|aarch64)(:[\w-]+)?$"), "new: texts name the machine"),
    Allowed("*/summary.md", replaced(r"^- captured on: .*\n"), "new: texts name the machine"),
    Allowed("rules/*", unwrapped, "for the next two: lines break elsewhere"),
    Allowed("rules/*", replaced(r"; modelled from [^;]* on(?=;|$)"), "no condition any more"),
    Allowed("rules/*", replaced(r"^  formula .*\n"), "new: a row names the file of its formula"),
    Allowed("rules/*", replaced(r"^  where .*\n"), "conditions were reworded; tests hold them"),
    Allowed("rules/*", by_op, "the tables list the ops in another order"),
    Allowed("explain/*.json", in_order, "the keys stand in another order"),
    Allowed("ops/*", replaced(r"(?s)\n\nWhat else is done with them.*\Z", "\n"), "new: a table"),
    Allowed("explain/number *", sorted_users, "the tables list the ops in another order"),
)

# What is recorded

ENGINES = ("reference", "optimized", "xnnpack")
# All that since, until and a condition name, the newest measured, and one before the first.
VERSIONS = {
    "litert": (
        *("1.0", "1.1.2", "1.2.0", "1.3.0", "2.0.3", "2.1.0", "2.1.3", "2.1.4", "2.1.5"),
        *("2.2.0", "2.3.0"),
    ),
    "tensorflow": ("2.12", "2.13", "2.18.1", "2.19.0", "2.19.1", "2.20.0", "2.21.0", "2.22.0"),
    "tflm": ("0.dev20260901000000", "0.dev20261013214400", "0.dev20261023182759"),
}
SEVEN_OPS = "models/seven_ops_int8.tflite"
EFFICIENTNET = ("models/efficientnet_b0_int8.tflite", "--input", "models/img.npy")
RUNS: tuple[tuple[str, ...], ...] = (
    (),
    ("--replay-as", "single"),
    ("--engine", "optimized"),
    ("--engine", "xnnpack"),
    ("--engine", "tflm", "--runtime", "tflm"),
)
RUNS_OF_SEVEN_OPS = (
    *RUNS,
    ("--engine", "optimized", "--threads", "2"),
    ("--replay-as", "optimized"),
    ("--replay-as", "xnnpack"),
    ("--engine", "xnnpack", "--replay-as", "reference"),
    ("--isolated", "--seed", "3"),
    ("--chained", "--replay-as", "double"),
)
# Of the zoo, for every version: hybrid and float, LSTM, SVDF, many ops, uint8, int16.
SHEETS = (
    "aeq__mnist_quantized",
    "coral__keras_lstm_mnist_ptq",
    "tflm__keyword_scrambled_8bit",
    "coral__movenet_single_pose_lightning_ptq",
    "coral__mobilenet_v1_0.25_128_quant",
    "litert__static_w8_a16_quantized_q_einsum",
)
STREAMING = "mww__okay_nabu"
NUMBERS = (
    ("585", "0.05", "0.02", "0.1", "-126"),
    ("-31337", "0.021", "0.0037", "0.0433", "7"),
    ("1000", "0.5", "3", "0.9", "0"),
)
SEPARATED = (2, 4, 10, 11, 17, 18)  # ops of the seven-op model
PLANTED_IN = ("double", "single", "float-away64", "float-even32")
PORTS = (
    *("double", "single", "single-away"),
    *(f"float-{ties}{bits}" for ties in ("away", "even", "up") for bits in (64, 32)),
)
LONG = 200  # characters of an array that is hashed
BIG = 200_000  # characters of a file that is hashed

Files = dict[str, str]


class Job(NamedTuple):
    """What makes files, by how their names go on after ``name``."""

    name: str
    make: Callable[[], Files]


def rules(zoo: Path | None) -> Iterator[Job]:
    for name, where in every_version():
        yield command(f"rules/{name}", "rules", *where)


def ops(zoo: Path | None) -> Iterator[Job]:
    for runtime, versions in VERSIONS.items():
        for version in versions:
            where = ("--runtime", f"{runtime}=={version}")
            yield command(f"ops/{runtime} {version}", "ops", *where)
            for path in chosen(zoo):
                yield command(f"ops/{path.stem}, {runtime} {version}", "ops", str(path), *where)
    for path in models(zoo):
        yield command(f"ops/{path.stem}", "ops", str(path))


def probe(zoo: Path | None) -> Iterator[Job]:
    for runtime in ("litert", "tflm"):
        arguments = ("--runtime", runtime, "--output", "{out}/counts.json")
        yield command(f"probe/{runtime}", "probe", *arguments)


def reports(zoo: Path | None) -> Iterator[Job]:
    for arguments in RUNS:
        yield command(f"reports/b0{label(arguments)}", *EFFICIENTNET, *arguments, *OUT)
    for arguments in RUNS_OF_SEVEN_OPS:
        yield command(f"reports/seven{label(arguments)}", SEVEN_OPS, *arguments, *OUT)


def planted(zoo: Path | None) -> Iterator[Job]:
    for model in ("seven_ops", "int8", "uint8", "tied"):
        for rule in PORTS:
            yield Job(f"planted/{model}, {rule}", partial(verdicts, model, rule))


def whole_zoo(zoo: Path | None) -> Iterator[Job]:
    for path in models(zoo)[1:]:
        for arguments in RUNS:
            name = f"zoo/{path.stem}{label(arguments)}"
            yield command(name, str(path), *arguments, *OUT)
        if path.stem == STREAMING:
            yield command(f"zoo/{path.stem} in 20 steps", str(path), "--steps", "20", *OUT)


def sheets(zoo: Path | None) -> Iterator[Job]:
    for path in chosen(zoo):
        for name, where in every_version():
            output = ("--output", "{out}/sheet.json")
            yield command(f"sheets/{path.stem}, {name}", "rules", str(path), *where, *output)


def explain(zoo: Path | None) -> Iterator[Job]:
    graph = tflreplay.load(SEVEN_OPS).main
    for name, where in newest():
        for op in graph.operators:
            shape = graph.tensors[op.outputs[0]].shape
            for third in (1, 2):
                at = ",".join(str(size * third // 3) for size in shape)
                place = ("--layer", str(op.index), "--at", at)
                called = f"explain/{name}, op {op.index} at {at}"
                yield command(called, "explain", SEVEN_OPS, *place, *where)
            yield command(f"{called} --json", "explain", SEVEN_OPS, *place, *where, "--json")
    for acc, *values in NUMBERS:
        flags = ("--input-scale", "--filter-scale", "--output-scale", "--zero-point")
        given = [text for pair in zip(flags, values, strict=True) for text in pair]
        yield command(f"explain/number {acc}", "explain", "--acc", acc, *given, "--json")


def discriminate(zoo: Path | None) -> Iterator[Job]:
    for name, where in newest():
        for op in SEPARATED:
            called = f"discriminate/{name}, op {op}"
            yield command(called, "discriminate", SEVEN_OPS, "--layer", str(op), *where)


SECTIONS = {
    "rules": rules,
    "ops": ops,
    "probe": probe,
    "reports": reports,
    "planted": planted,
    "zoo": whole_zoo,
    "sheets": sheets,
    "explain": explain,
    "discriminate": discriminate,
}


def every_version() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each engine of each version: its name, and the options for it."""
    for runtime, versions in VERSIONS.items():
        for version in versions:
            for engine in ("tflm",) if runtime == "tflm" else ENGINES:
                where = ("--engine", engine, "--runtime", f"{runtime}=={version}")
                yield f"{engine} of {runtime} {version}", where


def newest() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each engine as it is installed."""
    for engine in ENGINES:
        yield engine, ("--engine", engine)
    yield "tflm", ("--engine", "tflm", "--runtime", "tflm")


def models(zoo: Path | None) -> list[Path]:
    return [Path(SEVEN_OPS), *(sorted(zoo.glob("*.tflite")) if zoo else ())]


def chosen(zoo: Path | None) -> list[Path]:
    return [path for path in models(zoo) if path.stem in (Path(SEVEN_OPS).stem, *SHEETS)]


def label(arguments: tuple[str, ...]) -> str:
    return " ".join(["", *arguments])


# How it is recorded

OUT = ("--out", "{out}/report", "--quiet")


def command(name: str, *arguments: str) -> Job:
    """A tflreplay command, with what it prints and what it writes into ``{out}``."""
    return Job(name, partial(said, arguments))


def said(arguments: tuple[str, ...]) -> Files:
    with tempfile.TemporaryDirectory() as directory:
        given = [argument.format(out=directory) for argument in arguments]
        done = subprocess.run(
            [sys.executable, "-m", "tflreplay", *given],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        )
        printed = {".json" if "--json" in given else ".txt": done.stdout}
        printed[".txt"] = f"exit code {done.returncode}\n{done.stderr}{printed.get('.txt', '')}"
        written = {
            f"/{path.name}": path.read_text("utf-8")
            for path in sorted(Path(directory).rglob("*.*"))
            if path.suffix != ".html"  # it shows what report.json holds
        }
    found = {name: text.replace(directory, "OUT") for name, text in (printed | written).items()}
    return {name: small(name, text) for name, text in found.items() if text}


def small(name: str, text: str) -> str:
    """The text, or what tells it from others."""
    if name.endswith(".json"):
        return encoded(shortened(json.loads(text)))
    return digest(text) if len(text) > BIG else text


def shortened(value: Any) -> Any:
    """The value with hashes for long arrays."""
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    if not holds_names(value) and len(text := json.dumps(value)) > LONG:
        return f"{len(value)} items, {digest(text)}"
    return [shortened(item) for item in value]


def holds_names(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(holds_names, value))
    return isinstance(value, dict | str)


def digest(text: str) -> str:
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()}"


def encoded(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def verdicts(model: str, rule: str) -> Files:
    """Of every slip, in a port that computes by a rule, in each layer where it shows.

    A port without one is judged as each of the engines.
    """
    from tests.diagnosis.port import SLIPS, Port

    layers = [
        layer
        for layer in layers_of(model)
        # Nobody ports the fixed-point rescaling in floating point.
        if not (rule.startswith("float") and layer.op.name in ("ADD", "SUB"))
    ]
    right = [layer.computed(Port(rule)) for layer in layers]
    found = {
        f"no slip, {engine}": [
            layer.verdict(codes, tflreplay.Engine(engine))
            for layer, codes in zip(layers, right, strict=True)
        ]
        for engine in ENGINES
    }
    for slip in SLIPS if rule in PLANTED_IN else ():
        wrong = [layer.computed(Port(rule, slip)) for layer in layers]
        found[slip] = [
            layer.verdict(codes)
            for layer, codes, others in zip(layers, wrong, right, strict=True)
            if not np.array_equal(codes, others)
        ]
    told = {
        name: {
            "layers": [
                {"kind": verdict.kind, "answer": verdict.answer, "text": verdict.text}
                | plain(verdict)
                for verdict in judged
            ],
            "together": [{"text": op.text} | plain(op) for op in tflreplay.summarize(judged)],
        }
        for name, judged in found.items()
    }
    return {".json": encoded(told)}


def layers_of(model: str) -> Any:
    from tests.diagnosis import models

    if model != "seven_ops":
        return getattr(models, f"{model}_layers")()
    loaded = tflreplay.load(SEVEN_OPS)
    arrays = tflreplay.random_inputs(loaded, seed=1).arrays
    captured = tflreplay.capture(loaded, arrays).tensors
    return models.layers(loaded, dict(arrays) | dict(captured))


def plain(value: Any) -> Any:
    """Dataclasses as dicts, without fields that are empty."""
    if is_dataclass(value):
        items = ((each.name, getattr(value, each.name)) for each in fields(value))
        return {name: plain(item) for name, item in items if item not in ("", ())}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def write(directory: Path, job: Job) -> int:
    files = job.make()
    for ending, text in files.items():
        path = directory / f"{job.name}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # a name serves once
            file.write(text)
    return len(files)


# How it is compared


def normalized(directory: Path, name: str) -> list[str]:
    path = directory / name
    text = path.read_text("utf-8") if path.exists() else ""
    for allowed in ALLOWED:
        if text and fnmatch.fnmatch(name, allowed.files):
            text = allowed.undo(text)
    return text.splitlines()


def difference(one: Path, other: Path, name: str) -> list[str]:
    before, after = (normalized(directory, name) for directory in (one, other))
    titles = f"before/{name}", f"after/{name}"
    return list(difflib.unified_diff(before, after, *titles, n=1, lineterm=""))


def names(directory: Path, sections: tuple[str, ...]) -> set[str]:
    paths = (path for section in sections for path in (directory / section).rglob("*"))
    return {str(path.relative_to(directory)) for path in paths if path.is_file()}


only = click.option("--only", "sections", type=click.Choice([*SECTIONS]), multiple=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Record all that tflreplay says, and compare two such records."""


@main.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@only
@click.option(
    "--zoo",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="TFLREPLAY_ZOO",
    help="A directory of models, as for tests/test_zoo.py.",
)
@click.option("--processes", default=2, show_default=True)
def record(directory: Path, sections: tuple[str, ...], zoo: Path | None, processes: int) -> None:
    """Write what the tflreplay of this checkout says below DIRECTORY."""
    root = Path.cwd()
    if root not in Path(tflreplay.__file__).parents:
        raise click.ClickException(f"{tflreplay.__file__} is not below {root}")
    if directory.exists() and any(directory.iterdir()):
        raise click.ClickException(f"{directory} is not empty")
    sys.path.insert(0, str(root))  # for the tests
    for section in sections or SECTIONS:
        start = monotonic()
        jobs = list(SECTIONS[section](zoo))
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            files = sum(pool.imap_unordered(partial(write, directory), jobs))
        click.echo(f"{section}: {files:,} files, {monotonic() - start:.0f} s")


@main.command()
@click.argument("before", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("after", type=click.Path(path_type=Path, exists=True, file_okay=False))
@only
@click.option("--lines", default=20, show_default=True, help="The most to print for each file.")
def compare(before: Path, after: Path, sections: tuple[str, ...], lines: int) -> None:
    """Print how each file differs, but for what is allowed; exit 1 if any does."""
    sections = sections or (*SECTIONS,)
    every = sorted(names(before, sections) | names(after, sections))
    differing = 0
    for name in every:
        found = difference(before, after, name)
        if found:
            differing += 1
            click.echo("\n".join(found[:lines]))
            if len(found) > lines:
                click.echo(f"... {len(found) - lines:,} more lines")
    click.echo(f"{differing:,} of {len(every):,} files differ")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
