"""A dataset comes to the same whoever works on it, also where one is killed or all stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_replay import rows
from tests.cli.test_replay import run as command
from tests.conftest import SEVEN_OPS
from tests.test_dataset import counts, write_codes
from tflreplay.ground.errors import InputError
from tflreplay.judgement.dataset import InputResult
from tflreplay.judgement.run import Run
from tflreplay.model import Model
from tflreplay.runtimes.dataset import Dataset
from tflreplay.tools.dataset import evidence, given, run_dataset
from tflreplay.tools.dataset.kept import NAME, keep, kept
from tflreplay.tools.replay import Progress

INPUTS = 12
needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is missing")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "_BATCH", 2)
    monkeypatch.setattr(evidence, "DIFFERING", 1)  # diagnosing takes longest
    monkeypatch.setattr(evidence, "ALIKE", 0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, seven_ops: Model) -> Dataset:
    return write_codes(seven_ops, tmp_path_factory.mktemp("dataset") / "x.npy", INPUTS)


@pytest.fixture(scope="module")
def expected(seven_ops: Model, dataset: Dataset) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(given, "_BATCH", 2)
        patch.setattr(evidence, "DIFFERING", 1)
        patch.setattr(evidence, "ALIKE", 0)
        return run_dataset(seven_ops, dataset, replay_as="single")


def assert_same(found: Run, expected: Run) -> None:
    assert counts(found.comparison) == counts(expected.comparison)
    assert found.dataset is not None
    assert expected.dataset is not None
    assert list(map(told, found.dataset.inputs)) == list(map(told, expected.dataset.inputs))
    assert found.explanations == expected.explanations
    assert found.headline == expected.headline


def told(one: InputResult) -> tuple[Any, ...]:
    rows = one.made.tolist(), one.chained.tolist()
    return (one.number, one.name, one.elements, one.max_abs, one.classes, one.command, rows)


@needs_dask
@pytest.mark.parametrize("workers", [1, 2])
def test_workers(seven_ops: Model, dataset: Dataset, expected: Run, workers: int) -> None:
    assert_same(run_dataset(seven_ops, dataset, replay_as="single", workers=workers), expected)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers of it, each a process."""
    found = tmp_path / "scheduler.json"
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> None:
        command = [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path))

    try:
        options = ("--scheduler-file", str(found), "--no-dashboard")
        start("dask_scheduler", *options, "--host", "127.0.0.1", "--port", "0")
        while not found.exists():
            assert started[0].poll() is None
            time.sleep(0.1)
        for _ in range(2):
            start("dask_worker", *options, "--no-nanny", "--nthreads", "1")
        yield json.loads(found.read_text())["address"], started
    finally:
        for process in started:
            process.kill()
            process.wait()


@needs_dask
def test_a_killed_worker_of_a_cluster_changes_nothing(
    seven_ops: Model,
    dataset: Dataset,
    expected: Run,
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    address, processes = cluster
    killed = []

    def kill(stage: str, op: str, done: int, total: int) -> None:
        if stage == "Replaying" and done >= 2 and not killed:
            killed.append(processes[-1])
            processes[-1].kill()

    found = run_dataset(seven_ops, dataset, replay_as="single", cluster=address, progress=kill)
    assert killed
    assert killed[0].wait() == -signal.SIGKILL
    assert_same(found, expected)


@needs_dask
def test_no_scheduler_answers(
    seven_ops: Model, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tflreplay.tools.dataset import cluster

    monkeypatch.setattr(cluster, "_WAIT", 1)
    with pytest.raises(InputError, match=r"--cluster tcp://127\.0\.0\.1:1: no scheduler answers"):
        run_dataset(seven_ops, dataset, cluster="tcp://127.0.0.1:1")


def test_dask_that_is_not_installed(
    seven_ops: Model, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tflreplay.tools.dataset.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'tflreplay\[cluster\]'"):
        run_dataset(seven_ops, dataset, workers=2)


class Stop(BaseException):
    pass


def stopping(after: int) -> Progress:
    def progress(stage: str, op: str, done: int, total: int) -> None:
        if stage == "Replaying" and after <= done < total:
            raise Stop

    return progress


def test_an_interrupted_run_goes_on(
    seven_ops: Model, dataset: Dataset, expected: Run, tmp_path: Path
) -> None:
    path = tmp_path / NAME
    with pytest.raises(Stop):
        run_dataset(seven_ops, dataset, replay_as="single", so_far=path, progress=stopping(4))
    assert len(json.loads(path.read_text())["inputs"]) == 4
    done: list[int] = []
    found = run_dataset(
        seven_ops,
        dataset,
        replay_as="single",
        so_far=path,
        resume=True,
        progress=lambda stage, op, number, total: (
            done.append(number) if stage == "Replaying" else None
        ),
    )
    assert done == [4, 6, 8, 10, 12]
    assert_same(found, expected)


def test_what_is_kept_is_of_the_same_run(
    seven_ops: Model, dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / NAME
    with pytest.raises(InputError, match="cannot go on from it: No such file"):
        run_dataset(seven_ops, dataset, so_far=path, resume=True)
    with pytest.raises(Stop):
        run_dataset(seven_ops, dataset, so_far=path, progress=stopping(2))
    with pytest.raises(InputError, match="kept of a run with another arithmetic; give the same"):
        run_dataset(seven_ops, dataset, replay_as="single", so_far=path, resume=True)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged"):
        run_dataset(seven_ops, dataset, so_far=path, resume=True)


def test_floats_and_empty_tensors_are_kept_bit_by_bit(tmp_path: Path) -> None:
    from tests.reports.synthetic import few_layers, make_run, over
    from tflreplay.judgement.dataset import Part

    run = over(make_run(few_layers()), 5)
    assert run.dataset is not None
    part = Part(run.comparison, run.dataset.inputs)
    keep(part, {}, tmp_path / NAME)
    again = kept(tmp_path / NAME, {}, run.model)
    assert counts(again.comparison) == counts(part.comparison)
    assert list(map(told, again.inputs)) == list(map(told, part.inputs))
    for left, right in zip(again.comparison.layers, part.comparison.layers, strict=True):
        for side in ("isolated", "chained"):
            a, b = getattr(left, side), getattr(right, side)
            assert (a is None) == (b is None)
            if a is not None:
                np.testing.assert_array_equal(a.channel_histogram, b.channel_histogram)
                np.testing.assert_array_equal(a.channels.total, b.channels.total)
                assert len(a.channels) == len(b.channels)


_INTERRUPTED = """
import os, signal, sys
from tflreplay import cli
from tflreplay.tools import dataset

check = dataset._check_classes
seen = []

def interrupt(part, *others):
    seen.append(part)
    if len(seen) == 2:
        os.kill(os.getpid(), signal.SIGINT)
    check(part, *others)

dataset._check_classes = interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main()
"""


def test_ctrl_c_keeps_what_is_done(tmp_path: Path, seven_ops: Model) -> None:
    """As a user meets it, in the second batch."""
    write_codes(seven_ops, tmp_path / "x.npy", 80)
    words = [str(SEVEN_OPS), "--dataset", "x.npy", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130
    told, last = done.stderr.splitlines()
    assert last == "tflreplay: interrupted"
    resumed = f"tflreplay {' '.join(words)} --out reports/seven_ops_int8-1 --resume"
    assert told.endswith(f"what is done so far is in reports/seven_ops_int8-1; to go on: {resumed}")
    directory = tmp_path / "reports" / "seven_ops_int8-1"
    assert 0 < len(json.loads((directory / NAME).read_text())["inputs"]) < 80
    command(*words, "--out", directory, "--resume", cwd=tmp_path)
    assert not (directory / NAME).exists()
    assert len(rows(directory / "inputs.csv")) == 80
