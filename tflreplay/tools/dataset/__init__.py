"""``tflreplay MODEL --dataset``: many independent inputs, compared one by one, and one answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tflreplay import __version__
from tflreplay.ground.errors import InputError
from tflreplay.judgement.dataset import Part
from tflreplay.judgement.expectations import Expectations, read_expectations
from tflreplay.judgement.run import Asked, Run
from tflreplay.model import Model
from tflreplay.replayer import user_kernels
from tflreplay.replayer.user_kernels import UserKernel
from tflreplay.runtimes.dataset import Dataset as Source
from tflreplay.runtimes.hints import NO_HINTS, Hints
from tflreplay.runtimes.saved import check, save
from tflreplay.tools.check import foretold
from tflreplay.tools.dataset.evidence import explained
from tflreplay.tools.dataset.given import Given, Reader
from tflreplay.tools.dataset.judge import Job, Judge, captures_of
from tflreplay.tools.dataset.kept import keep, kept
from tflreplay.tools.replay import MODES, NO_KERNELS, Progress
from tflreplay.tools.sources import engine_of


def run_dataset(
    model: Model,
    source: Source,
    runtime: str | None = None,
    engine: str | None = None,
    *,
    replay_as: str | None = None,
    threads: int = 1,
    against: Sequence[Path] | None = None,
    machine: str | None = None,
    modes: tuple[str, ...] | None = None,
    kernels: Mapping[str, UserKernel] = NO_KERNELS,
    expect: str | None = None,
    command: str = "",
    single_commands: tuple[str, str] = ("", ""),
    shapes: Sequence[str] = (),
    hints: Hints = NO_HINTS,
    workers: int | None = None,
    cluster: str | None = None,
    so_far: Path | None = None,
    resume: bool = False,
    progress: Progress = lambda stage, op, done, total: None,
    probe: bool = True,
    foretell: Callable[[str], None] = lambda line: None,
) -> Run:
    """Replay ``model`` on every input of a dataset, and compare with a runtime's kernels.

    Each input is one inference, as if it were the first. Tensors are kept of one input at a time;
    afterwards a few are looked at again, at once where that is possible, to explain what differs.

    Args:
        source: what :func:`tflreplay.read_dataset` gives.
        against: files or folders of tensors to compare with instead of a capture, one for each
            input by its number; see :func:`tflreplay.runtimes.dataset.dumps_of`.
        single_commands: what a user would type, but for ``--input`` and ``--against``, to replay
            one input alone, and to explain an element of it.
        shapes: other shapes of inputs, as :func:`tflreplay.read_inputs` takes them.
        hints: what is known of the arrays.
        workers: processes to work on it, each of which takes one core, through Dask; without them
            and without a cluster, all is done in this process and the interpreter's.
        cluster: the address of a Dask scheduler whose workers are to do it.
        so_far: where to keep what was done, if it is interrupted or fails.
        resume: go on from what was kept there.
        progress: called before each input with the stage, its name, the inputs done and their
            total; then before each op, as by :func:`tflreplay.run`.

    The other arguments are those of :func:`tflreplay.run`.

    Returns:
        The run over all inputs: its comparison is the sum of theirs, and ``dataset`` has a line on
        each.

    Raises:
        CaptureError: nothing could be captured.
        InputError: an input cannot be read or given to the runtime; and as :func:`tflreplay.run`.
    """
    rows = user_kernels.rows(kernels, model)
    modes = modes or (("isolated",) if rows else MODES)
    expectations = read_expectations(expect, model) if expect is not None else None
    reader = Reader(model, shapes, hints, single_commands, against, machine)
    samples = source.samples
    first = reader.read(samples[0]).against
    ours = engine_of(runtime, engine, replay_as, threads, first, machine, probe)
    wrong = foretold(model, ours)
    if wrong:
        foretell(wrong)
    job = Job(model, runtime, engine, threads, machine, ours, rows, modes)
    about = _about(job, source, shapes)
    total = None
    if resume:
        assert so_far is not None
        total = kept(so_far, about, model)
    left = samples[len(total.inputs) if total is not None else 0 :]
    try:
        with _parts(job, reader.batches(left), workers, cluster) as parts:
            progress("Replaying", samples[0].name, len(samples) - len(left), len(samples))
            for part in parts:
                _check_classes(part, source, expectations)
                total = part if total is None else total + part
                progress("Replaying", part.inputs[-1].name, len(total.inputs), len(samples))
    except BaseException:
        if total is not None and so_far is not None:
            keep(total, about, so_far)
        raise
    assert total is not None
    asked = Asked(
        (*source.notes, f"{source.source}: {len(samples):,} inputs, each an inference of its own"),
        command,
        "",
        expectations,
        wrong,
    )
    return explained(job, reader, source, total, asked, progress)


@contextmanager
def _parts(
    job: Job, batches: Iterator[list[Given]], count: int | None, address: str | None
) -> Iterator[Iterator[Part]]:
    """What each batch comes to, in order, whoever does it."""
    if count is None and address is None:
        yield Judge(job, ahead=True).parts(batches)
        return
    if find_spec("distributed") is None:
        raise InputError(
            "--workers and --cluster need Dask, which is not installed: "
            "pip install 'tflreplay[cluster]'"
        )
    from tflreplay.tools.dataset.cluster import workers

    with workers(job, count, address) as found:
        yield found.parts(batches)


def _about(job: Job, source: Source, shapes: Sequence[str]) -> dict[str, str]:
    """What decides the result, by what it is called."""
    digest = hashlib.sha256()
    for sample in source.samples:
        digest.update(f"{sample}\n".encode(errors="backslashreplace"))
    return {
        "model": job.model.sha256,
        "dataset": digest.hexdigest(),
        "runtime": f"{job.runtime} {job.engine} {job.threads} {job.machine}",
        "arithmetic": repr(job.ours),
        "comparison": " ".join(job.modes),
        "shape": " ".join(shapes),
        "set of kernels": " ".join(job.rows),
        "tflreplay": __version__,
    }


def capture_dataset(
    model: Model,
    source: Source,
    directory: Path,
    runtime: str | None = None,
    engine: str | None = None,
    *,
    threads: int = 1,
    machine: str | None = None,
    shapes: Sequence[str] = (),
    hints: Hints = NO_HINTS,
    overwrite: bool = False,
    progress: Progress = lambda stage, op, done, total: None,
) -> list[str]:
    """Save a runtime's tensors of each input of a dataset: ``0.npz``, ``1.npz`` and so on.

    Returns:
        How the runtime failed on inputs; what could be had of those is saved, too.

    Raises:
        OutputError: a file is there and ``overwrite`` is not set, or cannot be written.
        CaptureError, InputError: as :func:`run_dataset`.
    """
    reader = Reader(model, shapes, hints, ("", ""), None, machine)
    paths = [directory / f"{sample.number}.npz" for sample in source.samples]
    for path in paths:
        check(path, overwrite)
    given = (reader.read(sample) for sample in source.samples)
    captures = captures_of(model, runtime, engine, threads, machine, ahead=True)
    failures = []
    for one, captured in captures.of((each, each.inputs.arrays) for each in given):
        number = one.sample.number
        save(captured, paths[number], model, one.inputs.arrays, overwrite)
        failures += [f"{one.sample.name}: {captured.failure}"] if captured.failure else []
        progress("Capturing", one.sample.name, number + 1, len(paths))
    return failures


def _check_classes(part: Part, source: Source, expectations: Expectations | None) -> None:
    """Refuse what is asked of classes where there are none."""
    asked = "a label" if source.samples[0].label is not None else ""
    if expectations is not None and expectations.changed is not None:
        asked = "--expect changed"
    unknown = next((one for one in part.inputs if one.classes is None), None)
    if asked and unknown is not None:
        raise InputError(
            f"{unknown.name}: {asked} is of classes, and there are none to compare: the model has "
            "to have one output, of a score for each class, on both sides and in the chained replay"
        )
