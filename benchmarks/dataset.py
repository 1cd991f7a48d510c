"""A dataset against the interpreter that invokes and reads it: ratios from one run.

    python -m benchmarks.dataset MODEL INPUTS

CPU seconds of one thread each, so that other work on the machine disturbs little. The figure of the
workers is wall time, and worth something on an idle machine only.
"""

from __future__ import annotations

import os

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import tflreplay
from tflreplay.runtimes.dataset import Dataset

ROUNDS = 3
_PEAK = (
    "import resource, sys, tflreplay;"
    "m = tflreplay.load(sys.argv[1]);"
    "tflreplay.run_dataset(m, tflreplay.read_dataset(m, sys.argv[2], int(sys.argv[3])));"
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def invoked(path: Path, dataset: Dataset) -> float:
    """CPU seconds of BUILTIN_REF for invoking all inputs and reading all tensors."""
    model = tflreplay.load(path)
    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    outputs = [index for op in model.main.operators for index in op.outputs]
    inputs = [tflreplay.read_inputs(model, sample.sources).arrays for sample in dataset.samples]
    start = time.process_time()
    for arrays in inputs:
        for index, array in arrays.items():
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        for index in outputs:
            interpreter.get_tensor(index)
    return time.process_time() - start


def replayed(path: Path, dataset: Dataset) -> float:
    """CPU seconds of this process for all but the interpreter's: read, replay, compare, add up."""
    model = tflreplay.load(path)
    start = time.process_time()
    run = tflreplay.run_dataset(model, dataset)
    assert run.verdict == "exact", run.headline
    return time.process_time() - start


def peak(path: Path, source: Path, limit: int) -> int:
    """The most bytes of a process that works on so many inputs."""
    command = [sys.executable, "-c", _PEAK, str(path), str(source), str(limit)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return 1024 * int(done.stdout)


def with_workers(path: Path, dataset: Dataset, workers: int) -> float:
    """Wall seconds from the first batch to the last: starting workers is no part of it."""
    times: list[float] = []
    model = tflreplay.load(path)
    tflreplay.run_dataset(
        model,
        dataset,
        workers=workers,
        progress=lambda stage, *_: (
            times.append(time.perf_counter()) if stage == "Replaying" else None
        ),
    )
    return times[-1] - times[0]


def main(path: Path, inputs: int) -> None:
    model = tflreplay.load(path)
    tensor = model.main.tensors[model.main.inputs[0]]
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "inputs.npy"
        low, high = tensor.code_range
        rng = np.random.default_rng(0)
        shape = (inputs, *tensor.shape[1:])
        np.save(source, rng.integers(low, high, shape, tensor.numpy_dtype, endpoint=True))
        dataset = tflreplay.read_dataset(model, str(source))
        ratios = sorted(replayed(path, dataset) / invoked(path, dataset) for _ in range(ROUNDS))
        print(
            f"{path.name}, {inputs} inputs: dataset / invoke and read, CPU: "
            f"{ratios[ROUNDS // 2]:.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})"
        )
        few, many = (peak(path, source, limit) for limit in (10, inputs))
        print(f"peak memory of {inputs} inputs / of 10: {many / few:.2f} ({many >> 20} MB)")
        one, two = (with_workers(path, dataset, workers) for workers in (1, 2))
        print(f"two workers, as fast as one times: {one / two:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
